package measure

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"slices"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tokensweep/tokensweep/bench"
)

// A reference is a fixed piece of database work that is done again and again beside
// an engine, to know how fast the machine was just then. Neighbours on a shared
// machine take its caches and memory bandwidth, so the same clean-up takes half as much
// CPU time again a minute later, and no clock tells that from a slower engine. What is
// alike in its use of memory is slowed alike: looking up keys at random in a B-tree
// that the caches do not hold.
//
// It is SQLite in this process, so that it is the same beside every server and adds
// nothing to a server's counters. Its CPU time counts, not the time on the clock: an
// engine that leaves it fewer cores makes it wait, not work. The pieces go round the
// CPUs, since neighbours slow each by itself, and left alone they would mostly be done
// on the one that the engine does not use.
const (
	referenceRows    = 200_000 // 36 MB with the index
	referenceLookups = 500     // a piece, some 2 ms
	referencePause   = 20 * time.Millisecond
	// leastPieces are needed for a median that one interruption does not decide.
	leastPieces = 20
)

const fillReference = `
CREATE TABLE reference (id INTEGER PRIMARY KEY, name TEXT NOT NULL, follows TEXT NOT NULL, pad TEXT NOT NULL);
INSERT INTO reference
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %[1]d - 1)
SELECT i, printf('%%08x-%%08x', i * 2654435761 %% 4294967296, i),
	printf('%%08x-%%08x', (i * 7919 + 12345) %% %[1]d * 2654435761 %% 4294967296, (i * 7919 + 12345) %% %[1]d), printf('%%0100d', i)
FROM n;
CREATE UNIQUE INDEX reference_name ON reference (name)`

const pieceOfReference = `SELECT sum(length(b.pad)) FROM reference a CROSS JOIN reference b ON b.name = a.follows WHERE a.id >= ? AND a.id < ?`

// reference is the work beside one engine. start, end and metrics on nil do nothing:
// none is wanted.
type reference struct {
	db     *sql.DB
	cpus   []int
	stop   context.CancelFunc
	done   chan struct{}
	pieces []time.Duration // CPU time of each
	failed error
}

// newReference makes the data.
func newReference(ctx context.Context) (*reference, error) {
	cpus, err := usableCPUs()
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	if _, err := db.ExecContext(ctx, fmt.Sprintf(fillReference, referenceRows)); err != nil {
		return nil, fmt.Errorf("making the data of the reference: %w", err)
	}
	return &reference{db: db, cpus: cpus}, nil
}

func (r *reference) close() { r.db.Close() }

// start begins to work.
func (r *reference) start(ctx context.Context) {
	if r == nil {
		return
	}
	ctx, r.stop = context.WithCancel(ctx)
	r.pieces, r.failed, r.done = nil, nil, make(chan struct{})
	go func() {
		defer close(r.done)
		runtime.LockOSThread() // for good: bound to a CPU, the thread has to end with this
		r.failed = ifRunning(ctx, r.work(ctx))
	}()
}

func (r *reference) work(ctx context.Context) error {
	tick := time.NewTicker(referencePause)
	defer tick.Stop()
	for first := 0; ; first = (first + referenceLookups) % referenceRows {
		took, err := onCPU(r.cpus[len(r.pieces)%len(r.cpus)], func() error {
			var sum int64
			// Without the context, for which the driver would have another thread at hand.
			return r.db.QueryRow(pieceOfReference, first, first+referenceLookups).Scan(&sum)
		})
		if err != nil {
			return fmt.Errorf("the reference beside the engine: %w", err)
		}
		r.pieces = append(r.pieces, took)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// end stops working.
func (r *reference) end() error {
	if r == nil {
		return nil
	}
	r.stop()
	<-r.done
	return r.failed
}

// metrics are the CPU time of a piece, and others as they would have been had it
// taken bench.ReferenceTime. Too few pieces tell nothing of the machine.
func (r *reference) metrics(of ...bench.Metric) []bench.Metric {
	if r == nil || len(r.pieces) < leastPieces {
		return nil
	}
	sorted := slices.Sorted(slices.Values(r.pieces))
	took := sorted[len(sorted)/2]
	all := []bench.Metric{bench.Took("reference", took)}
	for _, m := range of {
		all = append(all, bench.Normalized(m, took))
	}
	return all
}
