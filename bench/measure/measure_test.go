package measure_test

import (
	"context"
	"database/sql"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/measure"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// lazy is an engine that says that it is done and leaves a token.
type lazy struct{ cleanup.Batch }

func (lazy) Name() string { return "lazy" }

func (e lazy) Clean(ctx context.Context, db *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	if _, err := db.ExecContext(ctx, "DELETE FROM "+plan.Dialect.Table(schema.AccessTokenScope)); err != nil {
		return nil, err
	}
	return e.Batch.Clean(ctx, db, plan, w)
}

// TestEnginesRunOnTheSameData: each engine of each round finds the same rows, one
// that does wrong records no speed, and exact counts are the same every time.
func TestEnginesRunOnTheSameData(t *testing.T) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			harness.ForTest(t, harness.Options{DB: db}) // is it to be had here at all?
			record, err := measure.Run(t.Context(), measure.Spec{
				Options: harness.Options{DB: db, Fast: true, Log: t.Logf}, Rounds: 2, Tool: "tokensweep test",
				Settings: cleanup.Settings{Policy: token.Documented, CutOff: time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second), Audit: true},
				Seed:     seed.Spec{Seed: 3, Tokens: 600},
				Engines: []measure.Engine{{Name: "batch:50", Engine: cleanup.Batch{Size: 50}, Fixed: true},
					{Name: "lazy", Engine: lazy{}}},
			})
			require.NoError(t, err)
			require.Len(t, record.Samples, 4)
			require.Len(t, record.Of("batch:50"), 2)
			var removed, batches []float64
			for _, s := range record.Samples {
				if s.Engine == "lazy" {
					require.Equal(t, report.Fail, s.Verdict)
					require.Empty(t, s.Metrics)
					continue
				}
				require.Equal(t, report.Pass, s.Verdict, "%v", s.Notes)
				for _, key := range []string{bench.CleanRate, "settled-rows/s", "server-cpu-sec", "server-peak-B", "redo-B", "statements"} {
					m, ok := s.Metric(key)
					require.True(t, ok, key)
					require.Positive(t, m.Value, key)
				}
				m, _ := s.Metric("removed")
				b, _ := s.Metric("batches")
				removed, batches = append(removed, m.Value), append(batches, b.Value)
			}
			require.Equal(t, removed[0], removed[1])
			require.Equal(t, batches[0], batches[1])
			require.Positive(t, batches[0])
		})
	}
}

// The numbers of the clock stay as they are, and beside them are those that the same
// sample's reference makes of them.
func TestReferenceRunsBesideTheEngine(t *testing.T) {
	t.Parallel()
	harness.ForTest(t, harness.Options{DB: harness.MariaDB})
	record, err := measure.Run(t.Context(), measure.Spec{
		Options: harness.Options{DB: harness.MariaDB, Fast: true, Log: t.Logf}, Rounds: 2, Tool: "tokensweep test", Reference: true,
		Settings: cleanup.Settings{Policy: token.Documented, CutOff: time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second)},
		Seed:     seed.Spec{Seed: 3, Tokens: 5000}, // for a second or more of work
		Engines:  []measure.Engine{{Name: "batch:20", Engine: cleanup.Batch{Size: 20}}},
	})
	require.NoError(t, err)
	require.True(t, record.Fingerprint.Task.Reference)
	for _, s := range record.Samples {
		require.Equal(t, report.Pass, s.Verdict, "%v", s.Notes)
		value := func(key string) float64 {
			m, ok := s.Metric(key)
			require.True(t, ok, key)
			require.Positive(t, m.Value, key)
			return m.Value
		}
		slower := value("reference-sec") / bench.ReferenceTime.Seconds()
		require.InEpsilon(t, value(bench.CleanRate)*slower, value(bench.NormalizedRate), 1e-6)
		require.InEpsilon(t, value("server-cpu-sec")/slower, value("server-cpu-normalized-sec"), 1e-6)
	}
}

func TestNothingToMeasureIsRefused(t *testing.T) {
	t.Parallel()
	var refused *harness.OptionError
	_, err := measure.Run(t.Context(), measure.Spec{Rounds: 1})
	require.ErrorAs(t, err, &refused)
	_, err = measure.Run(t.Context(), measure.Spec{Rounds: 1, Engines: []measure.Engine{{Name: "batch", Engine: cleanup.Batch{}}}, Options: harness.Options{DSN: "root@tcp(db:3306)/"}})
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "--dsn")
}
