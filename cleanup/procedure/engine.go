package procedure

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/schema"
)

// Engine installs the procedure, calls it with a plan's cut-off and removes it
// again. It is for databases that are made for a run; on others install once, and
// let the server call.
type Engine struct {
	Batch int           // keys that a transaction examines at most; 0: the procedure's default
	Sleep time.Duration // between batches
	// MaxDuration ends the run after the batch under way. 0: no limit.
	MaxDuration time.Duration
	// Keep leaves the procedure and its table of runs where they are.
	Keep bool
}

var _ cleanup.Engine = Engine{}

// Name returns "procedure".
func (Engine) Name() string { return "procedure" }

// Clean implements cleanup.Engine. A cancelled ctx ends the procedure's session: the
// batch under way is rolled back, and a later call goes on. The official policies are
// refused, and dialects without procedures.
func (e Engine) Clean(ctx context.Context, db *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	d, err := supported(plan)
	if err != nil {
		return nil, err
	}
	call, err := Arguments{Policy: plan.Policy, CutOff: plan.CutOff, Batch: e.Batch, Sleep: e.Sleep, MaxDuration: e.MaxDuration, Audit: plan.Audit}.Statement(d)
	if err != nil {
		return nil, err
	}
	r := &running{db: db, plan: plan}
	if r.session, err = connect(ctx, db, d, plan.Found.Name); err != nil {
		return nil, err
	}
	defer func() { r.close() }()
	if err := r.install(ctx, plan); err != nil {
		return nil, err
	}
	end := r.follow(ctx, w.Progress)
	result, err := r.call(ctx, call)
	end()
	if !e.Keep {
		err = errors.Join(err, r.uninstall(context.WithoutCancel(ctx)))
	}
	if result != nil && w.Log != nil {
		w.Log("procedure %s: run %s", Name, result.RunID)
	}
	return result, err
}

// running is one call of the procedure.
type running struct {
	*session // that installs, calls and removes: the server reads a long procedure once for each
	db       *sql.DB
	plan     *cleanup.Plan
}

// call runs the procedure and reads what became of it.
func (r *running) call(ctx context.Context, statement string) (*cleanup.Result, error) {
	work := context.WithoutCancel(ctx)
	var id int64
	if err := r.conn.QueryRowContext(work, r.d.SessionID()).Scan(&id); err != nil {
		return nil, r.explain(err, "asking for the session's number")
	}
	spare := context.AfterFunc(ctx, func() { _, _ = r.db.ExecContext(work, r.d.KillSession(id)) })
	began := time.Now().UTC().Truncate(time.Second)
	said, err := oneRow(r.conn.QueryContext(work, statement))
	if spare(); err != nil && ctx.Err() == nil {
		return nil, r.failed(err)
	}
	if ctx.Err() != nil {
		r.close() // it was killed, or is about to be
		if r.session, err = connect(work, r.db, r.d, r.plan.Found.Name); err != nil {
			return nil, err
		}
	}
	result, err := r.result(work, said)
	if err != nil {
		return nil, err
	}
	result.Started, result.Ended = began, time.Now().UTC().Truncate(time.Second).Add(time.Second)
	if said == nil {
		result.Stopped = "an interruption"
	}
	return result, nil
}

// ours begins the procedure's own errors.
const ours = "tokensweep: "

// failed turns an error of a call into one that says what it means for the data.
func (r *running) failed(err error) error {
	if _, text, ok := strings.Cut(err.Error(), ours); ok {
		return &cleanup.Error{Problem: "the procedure: " + text, Kind: cleanup.Failed}
	}
	return &cleanup.Error{Problem: "the procedure failed", Kind: cleanup.Failed, Cause: err,
		Remedy: "the batch under way was rolled back, earlier ones stay; run again to go on"}
}

// oneRow reads a result of one row as texts by column name, the last such result if
// there are several.
func oneRow(rows *sql.Rows, err error) (map[string]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var said map[string]string
	for {
		names, err := rows.Columns()
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			values, into := make([]sql.NullString, len(names)), make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				return nil, err
			}
			said = map[string]string{}
			for i, name := range names {
				said[name] = values[i].String
			}
		}
		if !rows.NextResultSet() {
			return said, rows.Err()
		}
	}
}

// result puts the procedure's row, and its own account of the phases, into a Result.
// Without a row, because the session was ended, the account is all there is.
func (r *running) result(ctx context.Context, said map[string]string) (*cleanup.Result, error) {
	found, err := schema.Read(ctx, r.conn, r.d, r.plan.Found.Name)
	if err != nil {
		return nil, err
	}
	runs, err := Runs(ctx, r.conn, r.d, found)
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return &cleanup.Result{}, nil
	}
	run := runs[0]
	if i := slices.IndexFunc(runs, func(one Run) bool { return one.ID == said["RUN_ID"] }); i >= 0 {
		run = runs[i]
	}
	result := &cleanup.Result{RunID: run.ID, Stopped: said["STOPPED"], Retries: cleanup.Retries{Deadlocks: number(said["DEADLOCKS"]),
		LockTimeouts: number(said["LOCK_TIMEOUTS"]), CountMismatches: number(said["MISMATCHES"])}}
	for i, p := range run.Phases {
		if i >= len(r.plan.Phases) {
			return nil, fmt.Errorf("%s has more phases than the plan: %v", RunsTable, slices.Collect(maps.Keys(said)))
		}
		pr := cleanup.PhaseResult{Phase: p.Phase, Table: r.plan.Phases[i].Table, Examined: p.Examined, Removed: p.Removed, Audited: p.Audited, Batches: p.Batches}
		if !p.Ended.IsZero() {
			pr.Seconds = p.Ended.Sub(p.Started).Seconds()
		}
		result.Phases = append(result.Phases, pr)
	}
	return result, r.held(ctx, result)
}

// held names the rows that had to stay behind a foreign key.
func (r *running) held(ctx context.Context, result *cleanup.Result) error {
	if !slices.ContainsFunc(r.plan.Phases, func(ph cleanup.Phase) bool { return len(ph.Guards) > 0 }) {
		return nil
	}
	left, err := cleanup.Count(ctx, r.conn, r.plan)
	if err != nil {
		return err
	}
	for i := range result.Phases {
		result.Phases[i].Held = left[i].Held
	}
	return nil
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) // the procedure's own, or "" where there is none
	return n
}
