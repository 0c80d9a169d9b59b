package cleanup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// walker removes rows in a session of its own.
type walker struct {
	*run
	conn    *sql.Conn
	locks   bool // its session is the one that holds the run lock
	servo   *servo
	times   []time.Duration
	retries Retries
	batch   int64 // number of the batch under way, 0 if there is none
}

// walker makes one more walker, which has no session yet.
func (r *run) walker() *walker {
	w := &walker{run: r, servo: newServo(r.Target, r.Size, r.plan.LockLimit())}
	r.walkers = append(r.walkers, w)
	return w
}

// start connects, locks, checks everything that could refuse later, and opens
// the ledger.
func (w *walker) start(ctx context.Context) error {
	w.begun = w.Now()
	w.result.Started = w.begun.UTC().Truncate(time.Second)
	if err := w.connect(ctx); err != nil {
		return err
	}
	// The plan may be older than the ledger of an interrupted run.
	found, err := schema.Read(ctx, w.conn, w.d, w.plan.Found.Name)
	if err != nil {
		return classified(w.d, err)
	}
	if err := preflight(ctx, w.conn, w.plan, found); err != nil {
		return err
	}
	if err := w.checkLog(ctx); err != nil {
		return err
	}
	unfinished, err := FindUnfinished(ctx, w.conn, w.d, found)
	if err != nil {
		return err
	}
	if unfinished != nil && w.Abandon {
		if err := w.ledger.drop(ctx, w.conn); err != nil {
			return err
		}
		unfinished = nil
	}
	if unfinished == nil {
		err = w.openLedger(ctx)
	} else {
		err = w.resume(ctx, unfinished)
	}
	if err != nil {
		return classified(w.d, err)
	}
	if err := w.helpers(ctx); err != nil {
		w.forgetEmptyRun(ctx)
		return err
	}
	if err := w.extendAudit(ctx); err != nil || w.Backup == nil {
		return err
	}
	if err := w.startBackup(ctx); err != nil {
		w.forgetEmptyRun(ctx)
		return classified(w.d, err)
	}
	return nil
}

// helpers opens the sessions of the other workers.
func (w *walker) helpers(ctx context.Context) error {
	for len(w.walkers) < w.Workers {
		other := w.walker()
		err := other.connect(ctx)
		if err == nil {
			err = other.prepareMoves(ctx)
		}
		if err != nil {
			return fmt.Errorf("worker %d of %d: %w", len(w.walkers), w.Workers, err)
		}
	}
	return nil
}

// openLedger starts the ledger of a new run; if that fails, there is none.
func (w *walker) openLedger(ctx context.Context) error {
	h := header{Policy: w.plan.Policy, CutOff: w.plan.CutOff, Audit: w.plan.Audit, Started: w.begun.UTC()}
	if w.Backup != nil {
		h.Backup = w.Backup.Name()
	}
	var err error
	if h.Cuts, err = w.cuts(ctx); err != nil {
		return err
	}
	w.lanes = lanesOf(w.plan, h.Cuts)
	if err = w.ledger.create(ctx, w.conn, h); err == nil {
		return nil
	}
	_ = w.ledger.drop(ctx, w.conn) // err is what the user must read
	return probeFailed(w.plan, dialect.Ledger, LedgerTable, err)
}

// forgetEmptyRun drops the ledger of a run that failed before its first batch:
// such a run leaves the database as it was.
func (w *walker) forgetEmptyRun(ctx context.Context) {
	if w.conn != nil && !w.ledger.used {
		_ = w.ledger.drop(ctx, w.conn) // the failure that led here is what the user must read
	}
}

// resume continues an interrupted run behind the last committed batch of each lane.
func (w *walker) resume(ctx context.Context, u *Unfinished) error {
	if u.Policy != w.plan.Policy || !u.CutOff.Equal(w.plan.CutOff) || u.Audit != w.plan.Audit {
		return Refuse(fmt.Sprintf("run %s, started %s with policy %s, cut-off %s and audit %t, was interrupted and has other settings than this one",
			u.RunID, u.Started.Format(time.RFC3339), u.Policy, u.CutOff.Format(time.RFC3339), u.Audit),
			"finish it with those settings first, or give it up with --abandon-run (what it removed stays removed and audited)", nil)
	}
	if u.Backup != "" && w.Backup == nil {
		return Refuse(fmt.Sprintf("run %s, started %s, was interrupted and keeps what it removes in %s", u.RunID, u.Started.Format(time.RFC3339), u.Backup),
			"name that file again with --backup, or give the run up with --abandon-run", nil)
	}
	w.ledger.runID = u.RunID
	last, err := w.ledger.last(ctx, w.conn)
	if err != nil {
		return err
	}
	w.ledger.next, w.ledger.used = last+1, last > 0
	w.lanes = lanesOf(w.plan, u.cuts)
	for _, lanes := range w.lanes {
		for i := range lanes {
			if through, ok, err := w.ledger.through(ctx, w.conn, lanes[i].name); err != nil {
				return err
			} else if ok {
				lanes[i].after = token.Some(through)
			}
		}
	}
	w.result.Resumed, w.result.Started = true, u.Started.UTC().Truncate(time.Second)
	w.say("continuing run %s behind batch %d", u.RunID, last)
	return nil
}

// errStopped ends the walk of one walker because another one failed.
var errStopped = errors.New("another worker failed")

// phase cleans one table: the walkers take its lanes in turn, the first in the
// caller's goroutine.
func (r *run) phase(ctx, work context.Context, ph *Phase) error {
	began, main := r.Now(), r.walkers[0]
	r.examined = 0
	lanes := make(chan lane, len(r.lanesOf(ph)))
	for _, l := range r.lanesOf(ph) {
		lanes <- l
	}
	close(lanes)
	together, cancel := context.WithCancel(ctx)
	defer cancel()
	group, together := errgroup.WithContext(together)
	for _, w := range r.walkers[1:] {
		group.Go(func() error { return w.take(ctx, together, work, ph, lanes) })
	}
	err := main.take(ctx, together, work, ph, lanes)
	if err != nil {
		cancel()
	}
	if others := group.Wait(); err == nil || errors.Is(err, errStopped) {
		err = others
	}
	if err != nil {
		if main.conn != nil {
			_ = main.report(work, ph, began) // err is the one that matters
		}
		return err
	}
	return main.report(work, ph, began)
}

// take walks lanes until none is left.
func (w *walker) take(stop, together, ctx context.Context, ph *Phase, lanes <-chan lane) error {
	for l := range lanes {
		if err := w.walk(stop, together, ctx, ph, l); err != nil {
			return err
		}
	}
	return nil
}

// walk goes along a lane to its end, or until stop or together is done.
func (w *walker) walk(stop, together, ctx context.Context, ph *Phase, l lane) error {
	for after := l.after; ; {
		if err := w.waitForLog(stop, ctx); err != nil {
			return err
		}
		if reason := w.stopReason(stop); reason != "" {
			w.stop(reason)
			return nil
		}
		if together.Err() != nil {
			return errStopped
		}
		keys, through, err := w.window(ctx, ph, l, after)
		if err != nil {
			return wrap(err, "cleaning %s behind key %q", ph.Table, after.V)
		}
		if keys == 0 {
			return nil
		}
		after = token.Some(through)
		w.progressed(ph, keys)
	}
}

func (r *run) stop(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Stopped = reason
}

func (r *run) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch.log(format, args...)
}

func (r *run) progressed(ph *Phase, keys int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.examined += keys
	r.watch.progress(ph.Name, r.examined)
}

// window looks at the next keys and removes those that may go. It returns the
// number of keys and the last of them.
func (w *walker) window(ctx context.Context, ph *Phase, l lane, after token.Null[string]) (keys int64, through string, err error) {
	began := w.Now()
	span := dialect.Range{Table: ph.Table, Key: ph.Key, After: after}
	ahead := dialect.Span{Table: ph.Table, Key: ph.Key, After: bound(after), Through: bound(l.through)}
	var hits int64
	err = w.retry(ctx, func() error {
		q := dialect.SpanWindow(w.d, ahead, dialect.Value(w.servo.size), ph.Eligible(w.d, ph.Removable))
		var last sql.NullString
		if err := w.conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&keys, &hits, &last); err != nil {
			return err
		}
		span.Through = last.String
		return nil
	})
	if err != nil || hits == 0 {
		return keys, span.Through, err
	}
	if err := w.remove(ctx, ph, l, span, keys); err != nil {
		return 0, "", err
	}
	took := w.Now().Sub(began)
	w.times = append(w.times, took)
	w.servo.took(int(keys), took)
	return keys, span.Through, nil
}

// bound is a key as the end of a span; NULL leaves it open.
func bound(key token.Null[string]) dialect.SQL {
	if !key.Valid {
		return dialect.SQL{}
	}
	return dialect.Value(key.V)
}

// report fills the result of a phase from the ledger, so that the part before
// an interruption counts too.
func (w *walker) report(ctx context.Context, ph *Phase, began time.Time) error {
	removed, audited, batches, err := w.ledger.totals(ctx, w.conn, w.laneNames(ph))
	if err != nil {
		return err
	}
	pr := PhaseResult{Phase: ph.Name, Table: ph.Table, Examined: w.examined, Removed: removed, Audited: audited, Batches: batches, Seconds: w.Now().Sub(began).Seconds()}
	if pr.Held, err = w.held(ctx, ph); err != nil {
		return err
	}
	w.result.Phases = append(w.result.Phases, pr)
	return nil
}
