package procedure

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// runColumns are those of TOKENSWEEP_RUNS.
var runColumns = []string{"RUN_ID", "PHASE", "POLICY", "CUT_OFF", "AUDIT", "STARTED_AT", "ENDED_AT", "EXAMINED", "REMOVED", "AUDITED", "BATCHES", "OUTCOME"}

// Outcomes of runs and phases. Those with a reason go on with a colon and the reason.
const (
	Running = "running" // or its session was lost, which the next run finds out
	Done    = "done"
	Stopped = "stopped"
	Failed  = "failed"
)

// Run is one call of the procedure, as it accounts for itself.
type Run struct {
	ID             string
	Policy         token.Policy
	CutOff         time.Time
	Audit          bool
	Started, Ended time.Time // UTC, whole seconds; Ended is zero while it runs
	// Outcome is Running, Done, or as "stopped: the time limit of 60 s" or "failed: …".
	Outcome string
	Phases  []RunPhase // in order; those that it did not come to have its outcome
}

// RunPhase is what a run did to one table.
type RunPhase struct {
	Phase                               string // as cleanup.Phase.Name
	Started, Ended                      time.Time
	Examined, Removed, Audited, Batches int64
	Outcome                             string
}

// phaseOrder is the order of phases, which start within the same second.
var phaseOrder = []string{"tokens", "authorization codes", "CIBA codes"}

// Runs reads TOKENSWEEP_RUNS, the newest run first. Without that table there are
// none; one of that name that is not ours is an error.
func Runs(ctx context.Context, q schema.Querier, d dialect.Dialect, found *schema.Database) ([]Run, error) {
	ok, err := hasRuns(found)
	if err != nil || !ok {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, "SELECT "+strings.Join(runColumns, ", ")+" FROM "+d.Table(RunsTable))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", RunsTable, err)
	}
	defer rows.Close()
	at := map[string]int{}
	var all []Run
	for rows.Next() {
		one, err := scanRun(rows)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", RunsTable, err)
		}
		i, ok := at[one.ID]
		if !ok {
			at[one.ID], all = len(all), append(all, one)
			continue
		}
		all[i].Phases = append(all[i].Phases, one.Phases...)
	}
	for i := range all {
		all[i].sum()
	}
	slices.SortStableFunc(all, func(a, b Run) int { return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(b.ID, a.ID)) })
	return all, rows.Err()
}

// scanRun reads a row as a run of one phase.
func scanRun(rows *sql.Rows) (Run, error) {
	var (
		r               Run
		p               RunPhase
		cutOff, started string
		ended           sql.NullString
	)
	err := rows.Scan(&r.ID, &p.Phase, &r.Policy, &cutOff, &r.Audit, &started, &ended, &p.Examined, &p.Removed, &p.Audited, &p.Batches, &p.Outcome)
	if err != nil {
		return r, err
	}
	for _, t := range []struct {
		to   *time.Time
		text string
	}{{&r.CutOff, cutOff}, {&p.Started, started}, {&p.Ended, ended.String}} {
		if t.text == "" {
			continue
		}
		if *t.to, err = time.Parse(time.DateTime, t.text); err != nil {
			return r, err
		}
	}
	r.ID, r.Phases = strings.TrimSpace(r.ID), []RunPhase{p}
	return r, nil
}

// sum makes the run's times and outcome of those of its phases.
func (r *Run) sum() {
	slices.SortFunc(r.Phases, func(a, b RunPhase) int {
		return cmp.Compare(slices.Index(phaseOrder, a.Phase), slices.Index(phaseOrder, b.Phase))
	})
	r.Started, r.Ended, r.Outcome = r.Phases[0].Started, r.Phases[len(r.Phases)-1].Ended, Done
	if i := slices.IndexFunc(r.Phases, func(p RunPhase) bool { return p.Outcome != Done }); i >= 0 {
		r.Outcome = r.Phases[i].Outcome // where it is, or stopped, or failed
	}
}
