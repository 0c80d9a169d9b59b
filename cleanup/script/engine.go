package script

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Engine runs a script on a throw-away database, in one session with the server's
// own settings, as its users would. The clock is held, so that the script's own
// limit is the cut-off of the plan; the plan's policy and audit mean nothing here.
// It is not for a live database: it neither counts nor stops in batches.
type Engine struct {
	File *File
	// Call is the procedure to call where the file makes several and calls none.
	// "" if there is no choice.
	Call string
	// MaxDuration ends the statement under way. 0: no limit. Some scripts run for
	// ever where a row cannot be deleted.
	MaxDuration time.Duration
}

var _ cleanup.Engine = Engine{}

// errLimit ends a run by its time limit.
var errLimit = errors.New("time limit")

// Name is "script:" and the file's name.
func (e Engine) Name() string { return "script:" + e.File.Name() }

// Check reports what would keep Clean from starting: that nothing says which
// procedure to call. The error is a *cleanup.Error.
func (e Engine) Check() error {
	_, err := e.File.call(e.Call)
	return e.File.problem(err)
}

// Clean implements cleanup.Engine. What the script selects or prints goes to the
// log as it comes. A statement that fails ends the run with a *cleanup.Error whose
// Kind is Failed; what the script did until then stays, and the result counts it.
// Cancelling ctx, or the time limit, kills the statement under way.
func (e Engine) Clean(ctx context.Context, db *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	r := &run{Engine: e, db: db, plan: plan, watch: w, result: &cleanup.Result{Started: time.Now().UTC().Truncate(time.Second)}}
	call, err := e.File.call(e.Call)
	if err == nil && plan.Dialect.Product() != e.File.product {
		err = refuse(0, "give the script for it", "the script is for %s, and the database is another one", kindOf(e.File.product))
	}
	if err == nil && e.File.product == schema.SQLServer {
		err = e.File.checkSchema(plan.Found.Name)
	}
	if err != nil {
		return nil, e.File.problem(err)
	}
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	defer r.session.discard()
	if e.MaxDuration > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, e.MaxDuration, errLimit)
		defer cancel()
		ctx = limited
	}
	failed := r.all(ctx, call)
	if err := r.finish(ctx); err != nil && failed == nil {
		failed = err
	}
	return r.result, failed
}

// run is one call of Clean.
type run struct {
	Engine
	db      *sql.DB
	plan    *cleanup.Plan
	watch   cleanup.Watcher
	session *session
	before  []int64 // rows of the table of each phase
	result  *cleanup.Result
}

func (r *run) log(format string, args ...any) {
	if r.watch.Log != nil {
		r.watch.Log(format, args...)
	}
}

// start opens the session, holds its clock and counts the rows.
func (r *run) start(ctx context.Context) error {
	for _, n := range r.File.notes {
		r.log("%s: %s", at(r.File.name, n.line), n.text)
	}
	var err error
	if r.session, err = open(ctx, r.db, r.plan, r.plan.CutOff.Add(r.File.SafePeriod()), r.log); err != nil {
		return r.broken("preparing the session", err)
	}
	if r.before, err = r.count(ctx); err == nil {
		err = r.dropOld(ctx)
	}
	if err != nil {
		r.session.discard()
		return r.broken("preparing the run", err)
	}
	if r.session.babelfish && r.File.uses([]string{"WAITFOR"}) {
		r.log("%s: WAITFOR is left out: Babelfish does not know it", r.File.name)
	}
	return nil
}

// dropOld drops procedures of the script's names that the database has already,
// such as those of a restored dump: the file's own are to be judged.
func (r *run) dropOld(ctx context.Context) error {
	for _, name := range r.File.Routines() {
		if r.File.routineNamed(name).kind != "PROCEDURE" {
			continue
		}
		there, err := r.session.has(ctx, name, r.plan)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		r.log("the database has a procedure %s already: it is dropped, so that the script's own is run", name)
		if _, err := r.session.conn.ExecContext(ctx, "DROP PROCEDURE "+r.plan.Dialect.Table(name)); err != nil {
			return err
		}
	}
	return nil
}

// broken is a failure of the engine itself, and none of the script.
func (r *run) broken(doing string, err error) error {
	var known *cleanup.Error
	if errors.As(err, &known) || r.plan.Dialect.Classify(err) != dialect.Disconnected {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return &cleanup.Error{Kind: cleanup.Unavailable, Problem: "the connection broke while " + doing, Cause: err}
}

// count counts the rows of the table of each phase.
func (r *run) count(ctx context.Context) ([]int64, error) {
	rows := make([]int64, len(r.plan.Phases))
	for i := range r.plan.Phases {
		table := r.plan.Phases[i].Table
		if err := r.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+r.plan.Dialect.Table(table)).Scan(&rows[i]); err != nil {
			return nil, fmt.Errorf("counting the rows of %s: %w", table, err)
		}
	}
	return rows, nil
}

// all runs the statements of the script, and the call that it leaves to its user.
func (r *run) all(ctx context.Context, call string) error {
	for i := range r.File.statements {
		st := &r.File.statements[i]
		for range st.count {
			if stopped, err := r.one(ctx, st, r.File.copy(i, r.session)); stopped || err != nil {
				return err
			}
		}
	}
	if call == "" {
		return nil
	}
	made := r.File.routineNamed(call)
	text := "CALL " + r.plan.Dialect.Table(call) + "()"
	if r.File.product == schema.SQLServer {
		text = "EXEC " + r.plan.Dialect.Table(call)
	}
	_, err := r.one(ctx, &statement{text: text, line: made.line}, text)
	return err
}

// copy is a statement's text as it is run.
func (f *File) copy(i int, s *session) string {
	st := &f.statements[i]
	edits := append([]edit{}, st.edits...)
	for _, a := range f.attributes {
		if a.statement == i && a.Set {
			edits = append(edits, edit{a.from, a.to, a.Value})
		}
	}
	edits = append(edits, st.clockEdits(f.product, s.held)...)
	if s.babelfish {
		edits = append(edits, st.waitEdits()...)
	}
	return apply(st.text, edits)
}

// one runs a statement. It reports whether the run was stopped.
func (r *run) one(ctx context.Context, st *statement, text string) (stopped bool, err error) {
	if ctx.Err() == nil {
		if err = r.session.run(ctx, text); err == nil {
			return false, nil
		}
	}
	if ctx.Err() == nil {
		return false, r.failure(st, err)
	}
	r.result.Stopped = r.reason(ctx)
	if r.session.ofScript(err) {
		r.result.Stopped += ", after the server refused: " + err.Error()
	}
	return true, nil
}

func (r *run) reason(ctx context.Context) string {
	if context.Cause(ctx) == errLimit {
		return "the time limit of " + r.MaxDuration.String()
	}
	return "interrupted"
}

// failure is the error for a statement that the server refused.
func (r *run) failure(st *statement, err error) error {
	if r.plan.Dialect.Classify(err) == dialect.Disconnected {
		return &cleanup.Error{Kind: cleanup.Unavailable, Problem: at(r.File.name, st.line) + ": the connection broke", Cause: err}
	}
	e := &cleanup.Error{Kind: cleanup.Failed, Problem: fmt.Sprintf("%s: the server refused %s", at(r.File.name, r.lineIn(st, err)), st.what()), Cause: err}
	if st.makes == nil {
		e.Remedy = "what the script did until then stays, as it would in the real database"
	}
	if strings.Contains(err.Error(), "first statement in a query batch") || strings.Contains(err.Error(), "must be the first") {
		e.Remedy = "write GO in front of CREATE PROCEDURE: nothing but the batch before it was run"
	}
	return e
}

// what names a statement in a message.
func (st *statement) what() string {
	if st.makes != nil {
		return "CREATE " + st.makes.kind + " " + st.makes.name
	}
	return shorten(st.text)
}

// finish counts again. It does so after a stop too.
func (r *run) finish(ctx context.Context) error {
	r.session.discard() // an open transaction is rolled back, and holds no rows any more
	after, err := r.count(context.WithoutCancel(ctx))
	if err != nil {
		return r.broken("counting what the script left", err)
	}
	for i := range r.plan.Phases {
		ph := &r.plan.Phases[i]
		r.result.Phases = append(r.result.Phases, cleanup.PhaseResult{Phase: ph.Name, Table: ph.Table, Examined: r.before[i], Removed: r.before[i] - after[i]})
	}
	r.result.Ended = time.Now().UTC().Add(time.Second).Truncate(time.Second)
	return nil
}
