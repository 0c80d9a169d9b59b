package main

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
)

// plant is the batch engine with a slow-down in it: before each commit it wastes a
// share of the time that has passed since the last one, while the batch holds its locks.
type plant struct {
	cleanup.Batch
	share float64
	waste func(ctx context.Context, db *sql.DB, d time.Duration) error
	spent *spent
}

// spent is how much was planted into all runs of an engine, nanoseconds.
type spent struct{ wasted, whole atomic.Int64 }

// share of the time without it.
func (s *spent) share() float64 {
	wasted := float64(s.wasted.Load())
	return wasted / max(float64(s.whole.Load())-wasted, 1)
}

// Clean implements cleanup.Engine.
func (p plant) Clean(ctx context.Context, db *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	began := time.Now()
	last, failed := began, error(nil)
	engine := p.Batch
	engine.Hook = func(step string) {
		if step != "commit" {
			return
		}
		from := time.Now()
		if err := p.waste(ctx, db, time.Duration(p.share*float64(from.Sub(last)))); err != nil {
			failed = err
		}
		last = time.Now()
		p.spent.wasted.Add(int64(last.Sub(from)))
	}
	result, err := engine.Clean(ctx, db, plan, w)
	p.spent.whole.Add(int64(time.Since(began)))
	if err == nil && failed != nil {
		return result, fmt.Errorf("planting a slow-down: %w", failed)
	}
	return result, err
}

// wait does nothing. It slows by exactly what it is told, on any machine, and takes no
// CPU: only the clock can see it.
func wait(ctx context.Context, _ *sql.DB, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return nil
}

// work has the server calculate, in another session, while the engine waits: a
// statement that got dearer. The CPU time of the server shows it too.
func work(ctx context.Context, db *sql.DB, d time.Duration) error {
	for until := time.Now().Add(d); time.Now().Before(until); {
		if _, err := db.ExecContext(ctx, "DO BENCHMARK(200, SHA2('tokensweep', 512))"); err != nil { // well below a millisecond
			return err
		}
	}
	return nil
}
