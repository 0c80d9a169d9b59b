package cleanup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
)

// Batch is the engine for a live database.
type Batch struct {
	// Size is the number of keys that a transaction examines, and so the most
	// that it removes. 0: chosen by a servo to meet Target.
	Size int
	// Target is the duration of a transaction that the servo aims at. 0: 200 ms.
	Target time.Duration
	// ThrottleLog pauses the run while the database's transaction log is fuller
	// than this percentage of its size. 0: never. Only where dialect.LogGauge can
	// be read; elsewhere Clean refuses it.
	ThrottleLog int
	// MaxDuration ends the run after the batch under way. 0: no limit.
	MaxDuration time.Duration
	// StopFile ends the run as soon as a file of that name exists. "": none.
	StopFile string
	// Abandon drops the ledger of an interrupted run instead of continuing it.
	Abandon bool
	// Now is the clock; nil is time.Now. The cut-off does not come from it.
	Now func() time.Time

	// Backup keeps the rows before they are removed. nil: they are not kept.
	Backup RowKeeper

	// Workers is the number of sessions that remove rows side by side, each in parts of
	// the key range of its own. 0 or 1: one. More need a dialect.Sampler, and no Backup.
	Workers int
	// MinimalBinlog writes only the keys of deleted rows to the binary log. It takes a
	// dialect.BinlogSetter, and the privilege to set a session's binlog_row_image.
	MinimalBinlog bool

	// Hook is called before each step of a batch: "begin", "audit", "backup" if there
	// is one, "children", "delete", "ledger", "commit". It is for tests, which change rows, break the
	// connection or stop the run at that moment; nil otherwise. "begin" is after
	// the batch's keys were picked and before its transaction starts. Each worker
	// calls it in a goroutine of its own.
	Hook func(step string)
}

// DefaultTarget is the duration of a batch that the servo aims at.
const DefaultTarget = 200 * time.Millisecond

// Name returns "batch".
func (Batch) Name() string { return "batch" }

// Clean implements Engine. It refuses before the first change when a privilege
// is missing, another run is under way, or data would be lost in the audit.
func (b Batch) Clean(ctx context.Context, db *sql.DB, plan *Plan, w Watcher) (*Result, error) {
	if b.Target == 0 {
		b.Target = DefaultTarget
	}
	if b.Now == nil {
		b.Now = time.Now
	}
	r := &run{Batch: b, db: db, plan: plan, d: plan.Dialect, watch: w, ledger: ledger{d: plan.Dialect}, result: &Result{}}
	if err := r.checkOptions(); err != nil {
		return nil, err
	}
	main := r.walker()
	main.locks = true
	if b.Size > main.servo.size {
		w.log("batches take %d keys instead of %d: with more the server would lock the whole table", main.servo.size, b.Size)
	}
	defer func() {
		for _, w := range r.walkers {
			w.disconnect()
		}
	}()
	// The statements of a batch are not cancelled half way: a stop is obeyed
	// between batches.
	work := context.WithoutCancel(ctx)
	if err := main.start(work); err != nil {
		return nil, err
	}
	defer r.closeBackup(false) // no effect after the end of the run
	for i := range plan.Phases {
		if err := r.phase(ctx, work, &plan.Phases[i]); err != nil {
			r.finish()
			main.forgetEmptyRun(work)
			return r.result, errors.Join(err, r.closeBackup(false))
		}
		if r.result.Stopped != "" {
			break
		}
	}
	r.finish()
	if err := r.closeBackup(r.result.Complete()); err != nil {
		return r.result, err
	}
	if r.result.Complete() {
		if err := r.ledger.drop(work, main.conn); err != nil {
			return r.result, err
		}
	}
	return r.result, nil
}

// run is one call of Clean. What its walkers share is behind mu.
type run struct {
	Batch
	db      *sql.DB
	plan    *Plan
	d       dialect.Dialect
	watch   Watcher
	walkers []*walker // the first holds the run lock
	lanes   [][]lane  // of each phase
	begun   time.Time

	mu       sync.Mutex
	ledger   ledger
	result   *Result
	examined int64 // keys in the phase under way

	backupClosed bool
}

// checkOptions refuses what a dialect has not, and what does not go together.
func (r *run) checkOptions() error {
	if r.Workers < 0 {
		return Refuse(fmt.Sprintf("%d workers", r.Workers), "use 1 or more", nil)
	}
	if _, ok := r.d.(dialect.Sampler); !ok && r.Workers > 1 {
		return Refuse("several workers are for MySQL and MariaDB so far", "use one", nil)
	}
	if r.Workers > 1 && r.Backup != nil {
		return Refuse("a backup keeps the rows of one batch at a time", "use one worker with it", nil)
	}
	if pool := r.db.Stats().MaxOpenConnections; pool > 0 && pool < r.Workers {
		return Refuse(fmt.Sprintf("%d workers need as many connections, and the pool has %d", r.Workers, pool), "allow more, or use fewer workers", nil)
	}
	if _, ok := r.d.(dialect.BinlogSetter); !ok && r.MinimalBinlog {
		return Refuse("a binary log is a thing of MySQL and MariaDB", "leave the option for it out", nil)
	}
	return nil
}

func (r *run) stopReason(ctx context.Context) string {
	if ctx.Err() != nil {
		return "an interruption"
	}
	if r.MaxDuration > 0 && r.Now().Sub(r.begun) >= r.MaxDuration {
		return fmt.Sprintf("the time limit of %s", r.MaxDuration)
	}
	if r.StopFile != "" {
		if _, err := os.Stat(r.StopFile); err == nil {
			return "the stop file " + r.StopFile
		}
	}
	return ""
}

func (r *run) finish() {
	r.result.RunID = r.ledger.runID
	r.result.Ended = r.Now().UTC().Truncate(time.Second).Add(time.Second)
	var times []time.Duration
	for _, w := range r.walkers {
		times = append(times, w.times...)
		r.result.Retries.Deadlocks += w.retries.Deadlocks
		r.result.Retries.LockTimeouts += w.retries.LockTimeouts
		r.result.Retries.Reconnects += w.retries.Reconnects
		r.result.Retries.CountMismatches += w.retries.CountMismatches
	}
	if n := len(times); n > 0 {
		slices.Sort(times)
		r.result.Batches = BatchTimes{P50: times[n/2], P99: times[n*99/100], Max: times[n-1]}
	}
}
