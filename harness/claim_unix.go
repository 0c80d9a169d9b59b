//go:build unix && !aix && !solaris

package harness

import (
	"os"
	"syscall"
)

const canLock = true

// tryLock takes the lock of a claim or fails at once.
func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
