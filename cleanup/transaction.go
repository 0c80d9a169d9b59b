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

// remove takes the removable rows of a range away, in one transaction. Where it would
// take more than it audited, or the database refuses a row, it goes on in halves.
func (w *walker) remove(ctx context.Context, ph *Phase, l lane, span dialect.Range, keys int64) error {
	transaction := func() error { return w.transaction(ctx, ph, l, span, keys) }
	err := w.retry(ctx, transaction)
	for again := 1; keys == 1 && errors.Is(err, errMismatch); again++ {
		if again >= maxMismatches {
			return &Error{Problem: fmt.Sprintf("the batch of the row %q alone was rolled back %d times in a row", span.Through, again), Kind: Failed, Cause: err,
				Remedy: "something changes this row without pause; run again at a quieter time"}
		}
		err = w.retry(ctx, transaction)
	}
	switch {
	case errors.Is(err, errMismatch):
		return w.mend(ctx, ph, l, span)
	case w.d.Classify(err) == dialect.RowRefused || errors.Is(err, errNotDeleted):
		return w.corner(ctx, ph, l, span, err)
	}
	return err
}

// mend does a range again in which a row became removable between the audit copy and
// the delete. A half has half the rows and takes half the time, so that the chance for
// that falls with the square of the size, and traffic of any density is got through.
func (w *walker) mend(ctx context.Context, ph *Phase, l lane, span dialect.Range) error {
	w.servo.shrink()
	low, high, keys, err := w.halves(ctx, span)
	switch {
	case err != nil || keys == 0:
		return err
	case keys == 1:
		return w.remove(ctx, ph, l, span, keys)
	}
	return w.removeBoth(ctx, ph, l, low, high, keys)
}

// corner splits a range that holds a refused row; bisection singles the row
// out while its neighbours go.
func (w *walker) corner(ctx context.Context, ph *Phase, l lane, span dialect.Range, cause error) error {
	low, high, keys, err := w.halves(ctx, span)
	if err != nil || keys == 0 {
		return err
	}
	if keys > 1 {
		return w.removeBoth(ctx, ph, l, low, high, keys)
	}
	return w.retry(ctx, func() error { return w.recordRefusal(ctx, ph, l, span, cause) })
}

// halves splits a range into two with about as many keys each. With less than two keys
// there is nothing to split.
func (w *walker) halves(ctx context.Context, span dialect.Range) (low, high dialect.Range, keys int64, err error) {
	var middle sql.NullString
	err = w.retry(ctx, func() error {
		count := dialect.CountRange(w.d, span)
		if err := w.conn.QueryRowContext(ctx, count.Text, count.Args...).Scan(&keys); err != nil || keys < 2 {
			return err
		}
		half := dialect.Head(w.d, span, int(keys/2))
		return w.conn.QueryRowContext(ctx, half.Text, half.Args...).Scan(&middle)
	})
	if err == nil && keys > 1 && !middle.Valid {
		keys = 1 // the others have gone meanwhile
	}
	low, high = span, span
	low.Through, high.After = middle.String, token.Some(middle.String)
	return low, high, keys, err
}

func (w *walker) removeBoth(ctx context.Context, ph *Phase, l lane, low, high dialect.Range, keys int64) error {
	if err := w.remove(ctx, ph, l, low, keys/2); err != nil {
		return err
	}
	return w.remove(ctx, ph, l, high, keys-keys/2)
}

// transaction is one batch: lock the rows, and copy them to the audit table
// unless the delete does that; delete children that do not cascade; delete under
// the same condition; ledger; commit.
func (w *walker) transaction(ctx context.Context, ph *Phase, l lane, span dialect.Range, keys int64) error {
	e := entry{batch: w.number(), phase: l.name, after: span.After, through: span.Through, examined: keys}
	w.hook("begin")
	tx, err := w.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after the commit
	b := batch{w: w, tx: tx, ph: ph, now: w.Now(), where: dialect.Concat(span.Where(w.d), " AND ", ph.Eligible(w.d, ph.Removable))}
	if err := b.removeRows(ctx, &e); err != nil {
		return err
	}
	w.hook("ledger")
	insert := w.ledger.insert(e, b.now)
	if _, err := tx.ExecContext(ctx, insert.Text, insert.Args...); err != nil {
		return w.ledgerFailed(err)
	}
	w.hook("commit")
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return w.batchCommitted()
}

// ledgerFailed tells a second run that goes on with the ledger of this one, which can
// be once the session that held the run lock was lost, from other failures.
func (w *walker) ledgerFailed(err error) error {
	if w.d.Classify(err) != dialect.Duplicate {
		return fmt.Errorf("ledger: %w", err)
	}
	return &Error{Problem: fmt.Sprintf("another clean-up goes on with this run: it wrote batch %d to %s (%v)", w.batch, LedgerTable, err), Kind: Failed,
		Remedy: "let it end; every batch was done once"}
}

// number is that of the batch under way, which it keeps until it is committed.
func (w *walker) number() int64 {
	if w.batch == 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.batch = w.ledger.next
		w.ledger.next++
	}
	return w.batch
}

// ended gives the number back of a batch that is in the ledger now.
func (w *walker) ended() int64 {
	number := w.batch
	w.batch = 0
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ledger.used = true
	return number
}

func (r *run) hook(step string) {
	if r.Hook != nil {
		r.Hook(step)
	}
}

// recordRefusal writes a key that cannot go to the ledger.
func (w *walker) recordRefusal(ctx context.Context, ph *Phase, l lane, span dialect.Range, cause error) error {
	detail, err := json.Marshal(refusal{Key: span.Through, Error: cause.Error()})
	if err != nil {
		return err
	}
	q := w.ledger.insert(entry{batch: w.number(), phase: l.name, after: span.After, through: span.Through, examined: 1, detail: string(detail)}, w.Now())
	if _, err := w.conn.ExecContext(ctx, q.Text, q.Args...); err != nil {
		return fmt.Errorf("recording a refused row: %w", err)
	}
	w.ended()
	w.say("%s %q cannot be removed: %v", ph.Table, span.Through, cause)
	return nil
}

// retry does step again after failures that a new attempt can mend. After a
// lost connection the ledger says whether the batch had been committed.
func (w *walker) retry(ctx context.Context, step func() error) error {
	wait := firstBackoff
	for attempt := 1; ; attempt++ {
		err := step()
		if err == nil {
			return nil
		}
		class := w.d.Classify(err)
		switch {
		case errors.Is(err, errMismatch):
			w.retries.CountMismatches++
			return err
		case class == dialect.Deadlock:
			w.retries.Deadlocks++
		case class == dialect.LockTimeout:
			w.retries.LockTimeouts++
			w.servo.shrink()
		case class == dialect.Disconnected || class == dialect.Unreachable:
			w.retries.Reconnects++
			committed, again := w.reconnect(ctx)
			if again != nil {
				return errors.Join(err, again)
			}
			if committed {
				return w.batchCommitted()
			}
		case errors.Is(err, errNotDeleted):
			return err
		default:
			return classified(w.d, err)
		}
		if attempt >= maxRetries {
			return &Error{Problem: fmt.Sprintf("a batch failed %d times in a row", attempt), Kind: Failed, Cause: err,
				Remedy: "everything committed so far stays; run again to go on"}
		}
		time.Sleep(wait/2 + rand.N(wait)) // jitter, or two victims of a deadlock meet again
		wait = min(2*wait, maxBackoff)
	}
}

// connect opens the session. The first walker's takes the run lock, so that lock and
// work are lost together.
func (w *walker) connect(ctx context.Context) error {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return classified(w.d, fmt.Errorf("connecting: %w", err))
	}
	w.conn = conn
	setup := w.d.SessionSetup()
	if d, ok := w.d.(dialect.SchemaUser); ok {
		// The caller's sessions may have another default than the plan's schema.
		setup = append([]string{d.UseSchema(w.plan.Found.Name)}, setup...)
	}
	for _, statement := range setup {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return classified(w.d, fmt.Errorf("preparing the session (%s): %w", statement, err))
		}
	}
	if d, ok := w.d.(dialect.BinlogSetter); ok && w.MinimalBinlog {
		if _, err := conn.ExecContext(ctx, d.MinimizeBinlog()); err != nil {
			return Refuse("this session cannot choose what goes to the binary log", "GRANT SESSION_VARIABLES_ADMIN (MariaDB: BINLOG ADMIN) ON *.* TO that user, "+
				"or leave the full row image", err)
		}
	}
	if !w.locks {
		return nil
	}
	return classified(w.d, TakeRunLock(ctx, conn, w.d, w.plan.Found.Name))
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
func (w *walker) prepareMoves(ctx context.Context) error {
	for i := range w.plan.Phases {
		ph := &w.plan.Phases[i]
		mover, ok := ph.mover(w.d)
		if !ok {
			continue
		}
		for _, q := range mover.PrepareMove(ph.Table, *ph.Audit) {
			if _, err := w.conn.ExecContext(ctx, q.Text, q.Args...); err != nil {
				return classified(w.d, fmt.Errorf("preparing the session for %s: %w", ph.Audit.Table, err))
			}
		}
	}
	return nil
}

// reconnect replaces a lost session and asks the ledger about the batch that
// was under way.
func (w *walker) reconnect(ctx context.Context) (committed bool, err error) {
	w.say("the connection was lost, connecting again")
	w.disconnect()
	wait := firstBackoff
	for attempt := 1; ; attempt++ {
		if err = w.connect(ctx); err == nil {
			err = w.prepareMoves(ctx)
		}
		if err == nil {
			break
		}
		w.disconnect()
		if attempt >= maxRetries {
			return false, &Error{Problem: "the connection was lost and could not be made again", Kind: Unavailable, Cause: err,
				Remedy: "everything committed so far stays; run again to go on"}
		}
		time.Sleep(wait/2 + rand.N(wait))
		wait = min(2*wait, maxBackoff)
	}
	if w.batch == 0 {
		return false, nil // none was under way
	}
	return w.ledger.has(ctx, w.conn, w.batch)
}

func (w *walker) disconnect() {
	if w.conn == nil {
		return
	}
	if w.locks {
		ReleaseRunLock(w.conn, w.d, w.plan.Found.Name)
	}
	// A session with settings of ours must not return to the caller's pool.
	_ = w.conn.Raw(func(any) error { return errDiscard })
	_ = w.conn.Close()
	w.conn = nil
}
