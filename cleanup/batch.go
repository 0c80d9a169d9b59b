package cleanup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
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

	// Hook is called before each step of a batch: "begin", "audit", "backup" if there
	// is one, "children", "delete", "ledger", "commit". It is for tests, which change rows, break the
	// connection or stop the run at that moment; nil otherwise. "begin" is after
	// the batch's keys were picked and before its transaction starts.
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
	r := &run{Batch: b, db: db, plan: plan, d: plan.Dialect, watch: w, servo: newServo(b.Target, b.Size, plan.LockLimit()),
		ledger: ledger{d: plan.Dialect}, result: &Result{}}
	if b.Size > r.servo.size {
		w.log("batches take %d keys instead of %d: with more the server would lock the whole table", r.servo.size, b.Size)
	}
	defer r.disconnect()
	// The statements of a batch are not cancelled half way: a stop is obeyed
	// between batches.
	work := context.WithoutCancel(ctx)
	if err := r.start(work); err != nil {
		return nil, err
	}
	defer r.closeBackup(false) // no effect after the end of the run
	for i := range plan.Phases {
		if err := r.phase(ctx, work, &plan.Phases[i]); err != nil {
			r.finish()
			r.forgetEmptyRun(work)
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
		if err := r.ledger.drop(work, r.conn); err != nil {
			return r.result, err
		}
	}
	return r.result, nil
}

// run is one call of Clean.
type run struct {
	Batch
	db     *sql.DB
	conn   *sql.Conn // the one session that works and holds the run lock
	plan   *Plan
	d      dialect.Dialect
	watch  Watcher
	servo  *servo
	ledger ledger
	result *Result
	times  []time.Duration
	begun  time.Time

	backupClosed bool

	resumePhase string // the phase in which an interrupted run stopped, "" if none
	resumeAfter string
}

// start connects, locks, checks everything that could refuse later, and opens
// the ledger.
func (r *run) start(ctx context.Context) error {
	r.begun = r.Now()
	r.result.Started = r.begun.UTC().Truncate(time.Second)
	if err := r.connect(ctx); err != nil {
		return err
	}
	// The plan may be older than the ledger of an interrupted run.
	found, err := schema.Read(ctx, r.conn, r.d, r.plan.Found.Name)
	if err != nil {
		return classified(r.d, err)
	}
	if err := preflight(ctx, r.conn, r.plan, found); err != nil {
		return err
	}
	if err := r.checkLog(ctx); err != nil {
		return err
	}
	unfinished, err := FindUnfinished(ctx, r.conn, r.d, found)
	if err != nil {
		return err
	}
	if unfinished != nil && r.Abandon {
		if err := r.ledger.drop(ctx, r.conn); err != nil {
			return err
		}
		unfinished = nil
	}
	if unfinished == nil {
		err = r.openLedger(ctx)
	} else {
		err = r.resume(ctx, unfinished)
	}
	if err != nil {
		return classified(r.d, err)
	}
	if err := r.extendAudit(ctx); err != nil || r.Backup == nil {
		return err
	}
	if err := r.startBackup(ctx); err != nil {
		r.forgetEmptyRun(ctx)
		return classified(r.d, err)
	}
	return nil
}

// openLedger starts the ledger of a new run; if that fails, there is none.
func (r *run) openLedger(ctx context.Context) error {
	backup := ""
	if r.Backup != nil {
		backup = r.Backup.Name()
	}
	err := r.ledger.create(ctx, r.conn, r.plan, backup, r.begun.UTC())
	if err == nil {
		return nil
	}
	_ = r.ledger.drop(ctx, r.conn) // err is what the user must read
	return probeFailed(r.plan, dialect.Ledger, LedgerTable, err)
}

// forgetEmptyRun drops the ledger of a run that failed before its first batch:
// such a run leaves the database as it was.
func (r *run) forgetEmptyRun(ctx context.Context) {
	if r.conn != nil && r.ledger.next == 1 {
		_ = r.ledger.drop(ctx, r.conn) // the failure that led here is what the user must read
	}
}

// resume continues an interrupted run behind its last committed batch.
func (r *run) resume(ctx context.Context, u *Unfinished) error {
	if u.Policy != r.plan.Policy || !u.CutOff.Equal(r.plan.CutOff) || u.Audit != r.plan.Audit {
		return Refuse(fmt.Sprintf("run %s, started %s with policy %s, cut-off %s and audit %t, was interrupted and has other settings than this one",
			u.RunID, u.Started.Format(time.RFC3339), u.Policy, u.CutOff.Format(time.RFC3339), u.Audit),
			"finish it with those settings first, or give it up with --abandon-run (what it removed stays removed and audited)", nil)
	}
	if u.Backup != "" && r.Backup == nil {
		return Refuse(fmt.Sprintf("run %s, started %s, was interrupted and keeps what it removes in %s", u.RunID, u.Started.Format(time.RFC3339), u.Backup),
			"name that file again with --backup, or give the run up with --abandon-run", nil)
	}
	r.ledger.runID, r.ledger.next = u.RunID, 1
	last, ok, err := r.ledger.last(ctx, r.conn)
	if err != nil {
		return err
	}
	if ok {
		r.ledger.next, r.resumePhase, r.resumeAfter = last.batch+1, last.phase, last.through
	}
	r.result.Resumed, r.result.Started = true, u.Started.UTC().Truncate(time.Second)
	r.watch.log("continuing run %s behind batch %d", u.RunID, r.ledger.next-1)
	return nil
}

// phase walks one table from its first key, or from where an interrupted run
// stopped, to its last.
func (r *run) phase(ctx, work context.Context, ph *Phase) error {
	var after token.Null[string]
	switch {
	case r.resumePhase == "":
	case r.resumePhase == ph.Name:
		after, r.resumePhase = token.Some(r.resumeAfter), ""
	default: // done before the interruption
		return r.report(work, ph, 0, 0)
	}
	began, examined := r.Now(), int64(0)
	for {
		err := r.waitForLog(ctx, work)
		if err != nil {
			return r.reportOn(work, ph, examined, began, err)
		}
		if reason := r.stopReason(ctx); reason != "" {
			r.result.Stopped = reason
			break
		}
		keys, through, err := r.window(work, ph, after)
		if err != nil {
			return wrap(r.reportOn(work, ph, examined, began, err), "cleaning %s behind key %q", ph.Table, after.V)
		}
		if keys == 0 {
			break
		}
		after, examined = token.Some(through), examined+keys
		r.watch.progress(ph.Name, examined)
	}
	return r.report(work, ph, examined, r.Now().Sub(began).Seconds())
}

// reportOn keeps what a failing phase did in the result and returns its error.
func (r *run) reportOn(ctx context.Context, ph *Phase, examined int64, began time.Time, err error) error {
	if r.conn != nil {
		_ = r.report(ctx, ph, examined, r.Now().Sub(began).Seconds()) // err is the one that matters
	}
	return err
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

// window looks at the next keys and removes those that may go. It returns the
// number of keys and the last of them.
func (r *run) window(ctx context.Context, ph *Phase, after token.Null[string]) (keys int64, through string, err error) {
	began := r.Now()
	eligible := ph.Eligible(r.d, ph.Removable)
	var hits int64
	err = r.retry(ctx, func() error {
		q := dialect.Window(r.d, ph.Table, ph.Key, after, r.servo.size, eligible)
		var last sql.NullString
		if err := r.conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&keys, &hits, &last); err != nil {
			return err
		}
		through = last.String
		return nil
	})
	if err != nil || hits == 0 {
		return keys, through, err
	}
	span := dialect.Range{Table: ph.Table, Key: ph.Key, After: after, Through: through}
	if err := r.remove(ctx, ph, span, keys); err != nil {
		return 0, "", err
	}
	took := r.Now().Sub(began)
	r.times = append(r.times, took)
	r.servo.took(int(keys), took)
	return keys, through, nil
}

// report fills the result of a phase from the ledger, so that the part before
// an interruption counts too.
func (r *run) report(ctx context.Context, ph *Phase, examined int64, seconds float64) error {
	removed, audited, batches, err := r.ledger.totals(ctx, r.conn, ph.Name)
	if err != nil {
		return err
	}
	pr := PhaseResult{Phase: ph.Name, Table: ph.Table, Examined: examined, Removed: removed, Audited: audited, Batches: batches, Seconds: seconds}
	if pr.Held, err = r.held(ctx, ph); err != nil {
		return err
	}
	r.result.Phases = append(r.result.Phases, pr)
	return nil
}

func (r *run) finish() {
	r.result.RunID = r.ledger.runID
	r.result.Ended = r.Now().UTC().Truncate(time.Second).Add(time.Second)
	if n := len(r.times); n > 0 {
		slices.Sort(r.times)
		r.result.Batches = BatchTimes{P50: r.times[n/2], P99: r.times[n*99/100], Max: r.times[n-1]}
	}
}
