package seed

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokensweep/tokensweep/dialect"
)

const (
	defaultChunk = 25_000 // tokens
	maxTries     = 6      // of a chunk, after deadlocks and lock time-outs
)

// loadAll works the jobs off over several connections.
func (l *loader) loadAll(ctx context.Context) error {
	size := int64(l.options.ChunkTokens)
	if size <= 0 {
		size = defaultChunk
	}
	size = (size + cellTokens - 1) / cellTokens * cellTokens
	jobs := make(chan job)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(jobs)
		for _, j := range l.jobs(false, size) {
			select {
			case jobs <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range l.target.connections(l.options.Connections) {
		group.Go(func() error {
			return l.target.onSession(ctx, func(conn *sql.Conn) error {
				for j := range jobs {
					if err := l.loadJob(ctx, conn, j); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	return group.Wait()
}

// loadJob loads one chunk, again where it lost against another transaction.
func (l *loader) loadJob(ctx context.Context, conn *sql.Conn, j job) error {
	for try := 1; ; try++ {
		bulk := l.bulk != nil && !l.inserts.Load()
		added, err := l.tryJob(ctx, conn, j, bulk)
		if err == nil {
			l.advance(j, added)
			return nil
		}
		switch class := l.target.Dialect.Classify(err); {
		case ctx.Err() != nil:
			return ctx.Err()
		case class == dialect.Unsupported && bulk:
			l.useInserts(err)
			try--
		case class != dialect.Deadlock && class != dialect.LockTimeout || try == maxTries:
			return err
		default:
			if err := pause(ctx, time.Duration(try)*time.Duration(20+rand.IntN(80))*time.Millisecond); err != nil {
				return err
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// useInserts gives bulk loading up for the rest of the run.
func (l *loader) useInserts(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.inserts.Swap(true) {
		l.log("the server does not take LOAD DATA LOCAL, so rows go in by INSERT, at about half the speed (set local_infile=1 to allow it): %v", why)
	}
}

func (l *loader) advance(j job, added []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, n := range added {
		l.rows[l.fillings[i].name] += n
	}
	l.done += j.to - j.from
	if l.options.Progress != nil {
		l.options.Progress(l.done, l.g.spec.Tokens)
	}
}

// tryJob loads one chunk in one transaction.
func (l *loader) tryJob(ctx context.Context, conn *sql.Conn, j job, bulk bool) (added []int64, err error) {
	added = make([]int64, len(l.fillings))
	err = inTransaction(ctx, conn, func(tx *sql.Tx) error {
		for i := range l.fillings {
			f := &l.fillings[i]
			rows := newRowReader(l.g, &f.table, f.columns, j.from, j.to)
			var err error
			switch {
			case l.copier != nil:
				added[i], err = copyRows(ctx, tx, l.copier, f, rows)
			case bulk:
				added[i], err = bulkRows(ctx, tx, l.bulk, f, rows)
			default:
				added[i], err = insertRows(ctx, tx, l.target.Dialect, f, rows)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return added, err
}

func inTransaction(ctx context.Context, conn *sql.Conn, work func(*sql.Tx) error) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	if err := work(tx); err != nil {
		_ = tx.Rollback() // err is the reason; a dead connection rolls back by itself
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}
