package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
)

// swap puts the new tables in the place of the old ones, so that no writer comes in
// between.
//
// The one RENAME TABLE asks for a lock on each table, one after the other in the
// order of their names; a session that waits for such a lock goes before all that
// only want to read or write. So the lock of a table is given back when the RENAME
// waits for it, and no sooner. Whoever held it must be alive then: it had the lock
// all the time. The gate is for the case that one is not: it is the last table that
// the RENAME wants, and as long as it exists the RENAME fails, as a whole.
func (r *run) swap(ctx context.Context) error {
	account, err := r.account(ctx)
	if err != nil {
		return err
	}
	probe, err := r.open(ctx, time.Second)
	if err != nil {
		return err
	}
	defer r.end(probe)
	for _, setting := range r.d.ProbeSession() {
		_ = probe.run(ctx, setting) // servers that refuse it wait a second
	}
	var pairs [][2]string
	for _, t := range r.tables {
		pairs = append(pairs, [2]string{t.Name, t.Old}, [2]string{t.Fresh, t.Name})
	}
	pairs = append(pairs, [2]string{r.journal.Latch, r.journal.Gate})
	done := make(chan error, 1)
	main := r.main()
	r.renaming = true
	go func() { done <- main.run(ctx, r.d.Rename(pairs)) }()
	if err := r.letPass(ctx, account, probe, done); err != nil {
		return fmt.Errorf("swapping: %w", err)
	}
	r.hook("gate")
	// From here on the swap may have happened whatever goes wrong.
	if err := r.gate.run(ctx, "DROP TABLE "+r.d.Quote(r.journal.Gate), r.d.Unlock()); err != nil {
		return fmt.Errorf("opening the gate of the swap: %w", err)
	}
	if err := <-done; err != nil {
		return fmt.Errorf("swapping: %w", err)
	}
	r.renaming = false
	r.hook("swapped")
	return nil
}

// account reports whether the server keeps account of locks; where it does, there
// is no doubt who waits for what.
func (r *run) account(ctx context.Context) (bool, error) {
	t := r.tables[0]
	shown, _, err := r.main().number(ctx, r.d.Accounts(t.locker.id, r.schema, t.Name))
	if r.d.Classify(err) == dialect.Disconnected {
		return false, err
	}
	return err == nil && shown == 1, nil
}

// letPass gives the locks back, each when the RENAME waits for it.
func (r *run) letPass(ctx context.Context, account bool, probe *session, done <-chan error) error {
	held := map[*table]bool{}
	for _, t := range r.tables {
		held[t] = true
	}
	for deadline := time.Now().Add(patience); len(held) > 0; {
		before := len(held)
		for t := range held {
			waits, err := r.waited(ctx, account, probe, t)
			if err != nil {
				return err
			}
			if waits {
				// Alive now, it has kept writers out until the RENAME was in front of them.
				if err := t.alive(ctx); err != nil {
					return err
				}
				if err := t.locker.run(ctx, r.d.Unlock()); err != nil {
					return err
				}
				delete(held, t)
			}
		}
		select {
		case err := <-done:
			if err == nil {
				err = errors.New("the gate was not there")
			}
			return err
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the new tables could not be put in place within %s", patience)
		}
		if len(held) < before {
			continue
		}
		for t := range held { // a lock that is gone is not waited for
			if err := t.alive(ctx); err != nil {
				return err
			}
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// alive fails if the session that locks the table is gone.
func (t *table) alive(ctx context.Context) error {
	if _, _, err := t.locker.number(ctx, dialect.Text("SELECT 1")); err != nil {
		return fmt.Errorf("the session that kept writers from %s is gone: %w", t.Name, err)
	}
	return nil
}

// waited reports whether the RENAME waits for the table.
func (r *run) waited(ctx context.Context, account bool, probe *session, t *table) (bool, error) {
	if account {
		waits, _, err := probe.number(ctx, r.d.WaitsFor(r.main().id, r.schema, t.Name))
		return waits == 1, err
	}
	_, err := probe.texts(ctx, dialect.SQL{Text: r.d.Probe(t.Name)})
	if r.d.Classify(err) == dialect.LockTimeout {
		return true, nil
	}
	return false, err
}
