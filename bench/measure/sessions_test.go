package measure_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/measure"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// changed is the batch engine in which something more happens at a step of each batch.
type changed struct {
	cleanup.Batch
	step string
	do   func(ctx context.Context, db *sql.DB, plan *cleanup.Plan, batch int) error
}

func (c changed) Clean(ctx context.Context, db *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	engine, batch := c.Batch, 0
	var failed error
	engine.Hook = func(step string) {
		if step == c.step {
			batch++
			failed = errors.Join(failed, c.do(ctx, db, plan, batch))
		}
	}
	result, err := engine.Clean(ctx, db, plan, w)
	return result, errors.Join(err, failed)
}

// oneMore sends a statement more in each batch.
func oneMore(ctx context.Context, db *sql.DB, _ *cleanup.Plan, _ int) error {
	_, err := db.ExecContext(ctx, "DO 1")
	return err
}

// scans reads all tokens in each batch, as a statement would that lost its index.
func scans(ctx context.Context, db *sql.DB, plan *cleanup.Plan, _ int) error {
	var n int64
	return db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+plan.Dialect.Table(schema.AccessToken)+" WHERE TOKEN_SCOPE_HASH <> ''").Scan(&n)
}

// killed ends the engine's session before its second batch.
func killed(ctx context.Context, db *sql.DB, plan *cleanup.Plan, batch int) error {
	if batch != 2 {
		return nil
	}
	var id string
	if err := db.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", cleanup.LockName(plan.Found.Name)).Scan(&id); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "KILL "+id)
	return err
}

func measured(t *testing.T, db string, rounds int, cutOff time.Time, engines ...measure.Engine) *bench.Record {
	t.Helper()
	record, err := measure.Run(t.Context(), measure.Spec{Options: harness.Options{DB: db, Fast: true, Log: t.Logf}, Rounds: rounds, Tool: "tokensweep test",
		Settings: cleanup.Settings{Policy: token.Documented, CutOff: cutOff, Audit: true}, Seed: seed.Spec{Seed: 3, Tokens: 1500}, Engines: engines})
	require.NoError(t, err)
	for _, s := range record.Samples {
		require.Equal(t, report.Pass, s.Verdict, "%s: %v", s, s.Notes)
	}
	return record
}

// only is what a record says of one engine, under the name "batch".
func only(t *testing.T, r *bench.Record, engine string) *bench.Record {
	t.Helper()
	one, err := bench.NewRecord(r.Tool, r.Fingerprint)
	require.NoError(t, err)
	for _, s := range r.Of(engine) {
		run := s.Run
		run.Engine = "batch"
		renamed, err := bench.NewSample(run, s.Metrics)
		require.NoError(t, err)
		require.NoError(t, one.Add(renamed))
	}
	return one
}

// TestExactCountersAreExact: five runs on each server count the same, so do other
// servers with the same data at another cut-off, and the gate that lives on it catches
// what makes an engine dearer on a machine of any speed.
func TestExactCountersAreExact(t *testing.T) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			harness.ForTest(t, harness.Options{DB: db}) // is it to be had here at all?
			plain := cleanup.Batch{Size: 100}
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			before := measured(t, db, 5, at, measure.Engine{Name: "batch", Engine: plain, Fixed: true}, measure.Engine{Name: "procedure", Engine: procedure.Engine{Batch: 100}, Fixed: true})
			_, err := before.ForExact() // it refuses counters that vary
			require.NoError(t, err)
			baseline, err := only(t, before, "batch").ForExact()
			require.NoError(t, err)
			for _, key := range []string{"statements", "round-trips", "batches", "handler-delete", "handler-write", "handler-commit"} {
				m, ok := baseline.Samples[0].Metric(key)
				require.True(t, ok, key)
				require.Positive(t, m.Value, key)
			}

			after := measured(t, db, 1, at.Add(1234567*time.Second), measure.Engine{Name: "batch", Engine: plain, Fixed: true},
				measure.Engine{Name: "one more", Engine: changed{plain, "commit", oneMore}, Fixed: true},
				measure.Engine{Name: "scans", Engine: changed{plain, "delete", scans}, Fixed: true},
				measure.Engine{Name: "killed", Engine: changed{plain, "begin", killed}, Fixed: true})
			for engine, want := range map[string]struct {
				verdict string
				reasons []string
			}{
				"batch":    {report.Pass, nil},
				"one more": {report.Fail, []string{"statements: exact: ", "round-trips: exact: "}},
				"scans":    {report.Fail, []string{"handler-reads: the server reads more by "}},
				"killed":   {report.Inconclusive, []string{"statements: the baseline has it, the new record does not"}},
			} {
				g, err := bench.NewGate(baseline, only(t, after, engine), bench.Options{Exact: true})
				require.NoError(t, err)
				require.Equal(t, want.verdict, g.Verdict, "%s: %v", engine, g.Reasons)
				for _, reason := range want.reasons {
					require.Contains(t, strings.Join(g.Reasons, "\n"), reason, engine)
				}
				t.Logf("%s: %s %v", engine, g.Verdict, g.Reasons)
			}
			require.Contains(t, strings.Join(after.Of("killed")[0].Notes, "\n"), "its statements are not counted")
		})
	}
}
