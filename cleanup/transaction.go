package cleanup

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/token"
)

// Limits of retrying one batch.
const (
	maxRetries    = 10
	maxMismatches = 3
	firstBackoff  = 20 * time.Millisecond
	maxBackoff    = 5 * time.Second
)

// errMismatch says that a batch would have removed more than it audited.
var errMismatch = errors.New("a row became removable while the batch was under way")

// errNotDeleted says that a trigger kept rows that the batch deleted.
var errNotDeleted = errors.New("a trigger that runs instead of the delete keeps rows")

// remove takes the removable rows of a range away, in one transaction; rows
// that the database refuses are cornered and recorded.
func (r *run) remove(ctx context.Context, ph *Phase, span dialect.Range, keys int64) error {
	err := r.retry(ctx, func() error { return r.transaction(ctx, ph, span, keys) })
	if err == nil || r.d.Classify(err) != dialect.RowRefused && !errors.Is(err, errNotDeleted) {
		return err
	}
	return r.corner(ctx, ph, span, err)
}

// corner splits a range that holds a refused row; bisection singles the row
// out while its neighbours go.
func (r *run) corner(ctx context.Context, ph *Phase, span dialect.Range, cause error) error {
	var keys int64
	var middle sql.NullString
	err := r.retry(ctx, func() error {
		count := dialect.CountRange(r.d, span)
		if err := r.conn.QueryRowContext(ctx, count.Text, count.Args...).Scan(&keys); err != nil || keys < 2 {
			return err
		}
		half := dialect.Head(r.d, span, int(keys/2))
		return r.conn.QueryRowContext(ctx, half.Text, half.Args...).Scan(&middle)
	})
	if err != nil || keys == 0 {
		return err
	}
	if keys == 1 || !middle.Valid {
		return r.retry(ctx, func() error { return r.recordRefusal(ctx, ph, span, cause) })
	}
	low, high := span, span
	low.Through, high.After = middle.String, token.Some(middle.String)
	if err := r.remove(ctx, ph, low, keys/2); err != nil {
		return err
	}
	return r.remove(ctx, ph, high, keys-keys/2)
}

// transaction is one batch: lock the rows, and copy them to the audit table
// unless the delete does that; delete children that do not cascade; delete under
// the same condition; ledger; commit.
func (r *run) transaction(ctx context.Context, ph *Phase, span dialect.Range, keys int64) error {
	e := entry{batch: r.ledger.next, phase: ph.Name, after: span.After, through: span.Through, examined: keys}
	r.hook("begin")
	tx, err := r.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after the commit
	b := batch{r: r, tx: tx, ph: ph, now: r.Now(), where: dialect.Concat(span.Where(r.d), " AND ", ph.Eligible(r.d, ph.Removable))}
	if err := b.removeRows(ctx, &e); err != nil {
		return err
	}
	r.hook("ledger")
	insert := r.ledger.insert(e, b.now)
	if _, err := tx.ExecContext(ctx, insert.Text, insert.Args...); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	r.hook("commit")
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return r.batchCommitted()
}

func (r *run) hook(step string) {
	if r.Hook != nil {
		r.Hook(step)
	}
}

// recordRefusal writes a key that cannot go to the ledger.
func (r *run) recordRefusal(ctx context.Context, ph *Phase, span dialect.Range, cause error) error {
	detail, err := json.Marshal(refusal{Key: span.Through, Error: cause.Error()})
	if err != nil {
		return err
	}
	q := r.ledger.insert(entry{batch: r.ledger.next, phase: ph.Name, after: span.After, through: span.Through, examined: 1, detail: string(detail)}, r.Now())
	if _, err := r.conn.ExecContext(ctx, q.Text, q.Args...); err != nil {
		return fmt.Errorf("recording a refused row: %w", err)
	}
	r.ledger.next++
	r.watch.log("%s %q cannot be removed: %v", ph.Table, span.Through, cause)
	return nil
}

// retry does step again after failures that a new attempt can mend. After a
// lost connection the ledger says whether the batch had been committed.
func (r *run) retry(ctx context.Context, step func() error) error {
	wait, mismatches := firstBackoff, 0
	for attempt := 1; ; attempt++ {
		err := step()
		if err == nil {
			return nil
		}
		class := r.d.Classify(err)
		switch {
		case errors.Is(err, errMismatch):
			r.result.Retries.CountMismatches++
			if mismatches++; mismatches >= maxMismatches {
				return &Error{Problem: fmt.Sprintf("a batch was rolled back %d times in a row", mismatches), Kind: Failed, Cause: err,
					Remedy: "something changes tokens without pause; run again at a quieter time"}
			}
		case class == dialect.Deadlock:
			r.result.Retries.Deadlocks++
		case class == dialect.LockTimeout:
			r.result.Retries.LockTimeouts++
			r.servo.shrink()
		case class == dialect.Disconnected || class == dialect.Unreachable:
			r.result.Retries.Reconnects++
			committed, again := r.reconnect(ctx)
			if again != nil {
				return errors.Join(err, again)
			}
			if committed {
				return r.batchCommitted()
			}
		case errors.Is(err, errNotDeleted):
			return err
		default:
			return classified(r.d, err)
		}
		if attempt >= maxRetries {
			return &Error{Problem: fmt.Sprintf("a batch failed %d times in a row", attempt), Kind: Failed, Cause: err,
				Remedy: "everything committed so far stays; run again to go on"}
		}
		time.Sleep(wait/2 + rand.N(wait)) // jitter, or two victims of a deadlock meet again
		wait = min(2*wait, maxBackoff)
	}
}

// connect opens the session that does all the work and takes the run lock in
// it, so that work and lock are lost together.
func (r *run) connect(ctx context.Context) error {
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return classified(r.d, fmt.Errorf("connecting: %w", err))
	}
	r.conn = conn
	setup := r.d.SessionSetup()
	if d, ok := r.d.(dialect.SchemaUser); ok {
		// The caller's sessions may have another default than the plan's schema.
		setup = append([]string{d.UseSchema(r.plan.Found.Name)}, setup...)
	}
	for _, statement := range setup {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return classified(r.d, fmt.Errorf("preparing the session (%s): %w", statement, err))
		}
	}
	return classified(r.d, TakeRunLock(ctx, conn, r.d, r.plan.Found.Name))
}

// TakeRunLock gives a session the lock that keeps two clean-ups of a schema apart.
// Where another session has it, that is an *Error; other failures come as they are.
// Dialects without such locks have nothing to take.
func TakeRunLock(ctx context.Context, conn *sql.Conn, d dialect.Dialect, schemaName string) error {
	locker, ok := d.(dialect.RunLocker)
	if !ok {
		return nil
	}
	q := locker.LockRun(LockName(schemaName))
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&got); err != nil {
		return fmt.Errorf("taking the run lock: %w", err)
	}
	if got.Int64 != 1 {
		return Refuse("another clean-up of schema "+schemaName+" is under way", "wait for it to end", nil)
	}
	return nil
}

// ReleaseRunLock gives the lock back; the session's end would too, once the server
// has noticed it.
func ReleaseRunLock(conn *sql.Conn, d dialect.Dialect, schemaName string) {
	locker, ok := d.(dialect.RunLocker)
	if !ok {
		return
	}
	q := locker.UnlockRun(LockName(schemaName))
	if rows, err := conn.QueryContext(context.Background(), q.Text, q.Args...); err == nil {
		rows.Close()
	}
}

// prepareMoves does again in a new session what preflight did in the first.
func (r *run) prepareMoves(ctx context.Context) error {
	for i := range r.plan.Phases {
		ph := &r.plan.Phases[i]
		mover, ok := ph.mover(r.d)
		if !ok {
			continue
		}
		for _, q := range mover.PrepareMove(ph.Table, *ph.Audit) {
			if _, err := r.conn.ExecContext(ctx, q.Text, q.Args...); err != nil {
				return classified(r.d, fmt.Errorf("preparing the session for %s: %w", ph.Audit.Table, err))
			}
		}
	}
	return nil
}

// reconnect replaces a lost session and asks the ledger about the batch that
// was under way.
func (r *run) reconnect(ctx context.Context) (committed bool, err error) {
	r.watch.log("the connection was lost, connecting again")
	r.disconnect()
	wait := firstBackoff
	for attempt := 1; ; attempt++ {
		if err = r.connect(ctx); err == nil {
			err = r.prepareMoves(ctx)
		}
		if err == nil {
			break
		}
		r.disconnect()
		if attempt >= maxRetries {
			return false, &Error{Problem: "the connection was lost and could not be made again", Kind: Unavailable, Cause: err,
				Remedy: "everything committed so far stays; run again to go on"}
		}
		time.Sleep(wait/2 + rand.N(wait))
		wait = min(2*wait, maxBackoff)
	}
	return r.ledger.has(ctx, r.conn, r.ledger.next)
}

func (r *run) disconnect() {
	if r.conn == nil {
		return
	}
	ReleaseRunLock(r.conn, r.d, r.plan.Found.Name)
	// A session with settings of ours must not return to the caller's pool.
	_ = r.conn.Raw(func(any) error { return errDiscard })
	_ = r.conn.Close()
	r.conn = nil
}
