package cleanup

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
)

// batch is a transaction under way.
type batch struct {
	w     *walker
	tx    *sql.Tx
	ph    *Phase
	now   time.Time
	where dialect.SQL // holds for the rows to remove
}

// removeRows takes the batch's rows away and fills the counts in. All rows that
// go were locked before, or there is nothing that depends on it.
func (b *batch) removeRows(ctx context.Context, e *entry) error {
	locked, needed, err := b.lock(ctx)
	if err != nil {
		return err
	}
	var kept, gone Kept
	if b.w.Backup != nil {
		if kept, err = b.save(ctx, locked); err != nil {
			return err
		}
		gone = Kept{}
	}
	for _, child := range b.ph.Children {
		if kept != nil {
			if err := b.deleteKept(ctx, child, kept, gone); err != nil {
				return err
			}
			continue
		}
		b.w.hook("children")
		q := b.w.d.DeleteVia(child.Path, b.where)
		if _, err := b.tx.ExecContext(ctx, q.Text, q.Args...); err != nil {
			return fmt.Errorf("children: %w", err)
		}
	}
	if e.removed, err = b.delete(ctx); err != nil {
		return err
	}
	if b.ph.InsteadOf != "" {
		if e.removed, err = b.reallyGone(ctx, locked); err != nil {
			return err
		}
	}
	if needed && e.removed != locked {
		return fmt.Errorf("%d rows locked, %d deleted: %w", locked, e.removed, errMismatch)
	}
	if b.ph.Audit != nil {
		e.audited = locked
	}
	return nil
}

// lock locks the rows and counts them, which a batch needs that does more than
// one DELETE.
func (b *batch) lock(ctx context.Context) (locked int64, needed bool, err error) {
	d, ph := b.w.d, b.ph
	_, moves := ph.mover(d)
	switch {
	case ph.Audit != nil && !moves:
		locked, err = b.change(ctx, "audit", dialect.CopyToAudit(d, ph.Table, b.audit(), b.where))
	case ph.Audit != nil || len(ph.Children) > 0 || ph.InsteadOf != "" || b.w.Backup != nil:
		b.w.hook("audit")
		q := dialect.LockMatching(d, ph.Table, ph.Key, b.where)
		if err = b.tx.QueryRowContext(ctx, q.Text, q.Args...).Scan(&locked); err != nil {
			err = fmt.Errorf("lock: %w", err)
		}
	default:
		return 0, false, nil
	}
	return locked, true, err
}

func (b *batch) audit() dialect.Audit {
	audit := *b.ph.Audit
	audit.At = b.now
	return audit
}

// delete deletes the rows, and audits them where the lock did not.
func (b *batch) delete(ctx context.Context) (n int64, err error) {
	steps := []dialect.SQL{dialect.Delete(b.w.d, b.ph.Table, b.where)}
	if mover, ok := b.ph.mover(b.w.d); ok {
		steps = mover.Move(b.ph.Table, b.audit(), b.where)
	}
	for _, q := range steps {
		if n, err = b.change(ctx, "delete", q); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// change runs a statement and returns how many rows it changed itself.
func (b *batch) change(ctx context.Context, step string, q dialect.SQL) (n int64, err error) {
	b.w.hook(step)
	if counter, ok := b.w.d.(dialect.Counter); ok {
		q = counter.Counted(q)
		if err := b.tx.QueryRowContext(ctx, q.Text, q.Args...).Scan(&n); err != nil {
			return 0, fmt.Errorf("%s: %w", step, err)
		}
		return n, nil
	}
	done, err := b.tx.ExecContext(ctx, q.Text, q.Args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", step, err)
	}
	return done.RowsAffected()
}

// reallyGone counts the deleted rows by what is left of them.
func (b *batch) reallyGone(ctx context.Context, locked int64) (int64, error) {
	var left int64
	q := dialect.LockMatching(b.w.d, b.ph.Table, b.ph.Key, b.where)
	if err := b.tx.QueryRowContext(ctx, q.Text, q.Args...).Scan(&left); err != nil {
		return 0, fmt.Errorf("counting what trigger %s left: %w", b.ph.InsteadOf, err)
	}
	if left > 0 {
		return 0, fmt.Errorf("trigger %s: %w", b.ph.InsteadOf, errNotDeleted)
	}
	return locked, nil
}
