package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// A claim is a temporary directory that belongs to this process as long as it
// lives: it holds a lock on a file in it, which the operating system gives back
// however the process ends. Whoever can take the lock has found a stale claim.
// Process ids would not do, for they are used again and differ between containers.
type claim struct {
	dir  string
	lock *os.File
	once sync.Once
	err  error
}

const (
	claimPrefix = "tokensweep-"
	claimLock   = "owner.lock"
)

// newClaim makes the directory. It gets its final name only when it is locked,
// so that nobody takes it for a stale one before.
func newClaim() (*claim, error) {
	fresh, err := os.MkdirTemp("", "new-"+claimPrefix)
	if err != nil {
		return nil, fmt.Errorf("making a temporary directory (TMPDIR says where): %w", err)
	}
	c := &claim{dir: filepath.Join(filepath.Dir(fresh), strings.TrimPrefix(filepath.Base(fresh), "new-"))}
	if c.lock, err = os.Create(filepath.Join(fresh, claimLock)); err == nil {
		err = tryLock(c.lock)
	}
	if err == nil {
		err = os.Rename(fresh, c.dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claiming a temporary directory: %w", err), closeIf(c.lock), os.RemoveAll(fresh))
	}
	return c, nil
}

func closeIf(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// release removes the directory with all that is in it.
func (c *claim) release() error {
	c.once.Do(func() { c.err = errors.Join(os.RemoveAll(c.dir), c.lock.Close()) })
	return c.err
}

// stale reports whether the owner of a claim is gone, and if so keeps the claim
// locked until done is called. It says no if it cannot know.
func stale(dir string) (gone bool, done func()) {
	if !canLock {
		return false, func() {}
	}
	lock, err := os.OpenFile(filepath.Join(dir, claimLock), os.O_RDWR, 0)
	if err != nil {
		return false, func() {}
	}
	if tryLock(lock) != nil {
		lock.Close()
		return false, func() {}
	}
	return true, func() { lock.Close() }
}

// sweep removes what owners left behind that could not clean up: directories
// here, and servers that still run in them. The containers that belong to a
// claim are removed by remove, which says no if it cannot know of them; without
// it such claims stay for the next one who can.
func sweep(log func(string, ...any), remove func(record string) (bool, error)) {
	locks, _ := filepath.Glob(filepath.Join(os.TempDir(), claimPrefix+"*", claimLock)) // the pattern is well-formed
	for _, lock := range locks {
		dir := filepath.Dir(lock)
		gone, done := stale(dir)
		if !gone {
			continue
		}
		if err := sweepClaim(dir, remove); err != nil {
			log("%s, left behind by a process that is gone, stays: %v", dir, err)
		} else {
			log("removed %s, left behind by a process that is gone", dir)
		}
		done()
	}
}

// errContainerUnknown says that nobody is here to remove the container of a claim.
var errContainerUnknown = errors.New("its container belongs to a Docker engine that is not in use now")

func sweepClaim(dir string, remove func(string) (bool, error)) error {
	record, err := os.ReadFile(filepath.Join(dir, containerFile))
	if err == nil {
		if remove == nil {
			return errContainerUnknown
		}
		known, err := remove(string(record))
		if err != nil {
			return err
		}
		if !known {
			return errContainerUnknown
		}
	}
	killServerIn(dir)
	return os.RemoveAll(dir)
}
