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
	"github.com/tokensweep/tokensweep/bench/load"
	"github.com/tokensweep/tokensweep/bench/measure"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// official is the rebuilt vendor's script with attributes changed.
func official(t *testing.T, set ...string) script.Engine {
	t.Helper()
	file, err := script.Read("../../testdata/procedures/official-mysql.sql", schema.MySQL)
	require.NoError(t, err)
	for _, s := range set {
		name, value, _ := strings.Cut(s, "=")
		require.NoError(t, file.Set(name, value))
	}
	return script.Engine{File: file}
}

func withLoad(t *testing.T, db string, tokens int64, engines ...measure.Engine) measure.Spec {
	return measure.Spec{
		Options: harness.Options{DB: db, Fast: true, Log: t.Logf}, Rounds: 1, Tool: "tokensweep test", Engines: engines, Load: 50, Quiet: 400 * time.Millisecond,
		Settings: cleanup.Settings{Policy: token.OfficialMySQL, CutOff: time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second), Audit: true},
		Seed:     seed.Spec{Seed: 3, Tokens: tokens},
	}
}

// watched is an engine with which someone meddles.
type watched struct {
	cleanup.Batch
	during func(context.Context, *sql.DB) // before its first batch
	failed error                          // it says that it failed
}

func (w watched) Clean(ctx context.Context, db *sql.DB, plan *cleanup.Plan, to cleanup.Watcher) (*cleanup.Result, error) {
	w.Hook = func(string) {
		if w.during != nil {
			w.during(ctx, db)
			w.during = nil
		}
	}
	result, err := w.Batch.Clean(ctx, db, plan, to)
	if w.failed != nil {
		return nil, w.failed
	}
	return result, err
}

// TestLoadBesideEngines: engines that do right are verified with load beside them,
// whose rows neither count nor stay, and say what users felt.
func TestLoadBesideEngines(t *testing.T) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			harness.ForTest(t, harness.Options{DB: db}) // is it to be had here at all?
			record, err := measure.Run(t.Context(), withLoad(t, db, 5000,
				measure.Engine{Name: "batch:50", Engine: cleanup.Batch{Size: 50}, Fixed: true},
				measure.Engine{Name: "script", Engine: official(t, "sleepTime=0")},
				measure.Engine{Name: "audited script", Engine: official(t, "sleepTime=0", "enableAudit=TRUE")}))
			require.NoError(t, err)
			require.InDelta(t, 50, record.Fingerprint.Task.Load, 0)
			require.Len(t, record.Samples, 3)
			var removed []float64
			for _, s := range record.Samples {
				require.Equal(t, report.Pass, s.Verdict, "%s: %v", s.Engine, s.Notes)
				for _, key := range []string{"quiet-p50-sec", "quiet-max-sec", "quiet-refresh-p99-sec", "latency-p50-sec", "latency-p99-sec", "latency-p999-sec", "latency-max-sec",
					"operations-per-second"} {
					m, ok := s.Metric(key)
					require.True(t, ok, "%s: %s", s.Engine, key)
					require.Positive(t, m.Value, "%s: %s", s.Engine, key)
				}
				_, ok := s.Metric("client-errors")
				require.True(t, ok)
				_, exact := s.Metric("statements") // with load they are never the same
				require.False(t, exact)
				for _, name := range []string{bench.LatencyP50, bench.LatencyP99, bench.LatencyP999, bench.LatencyMax} {
					require.NotEmpty(t, s.Points(name), "%s: %s", s.Engine, name)
				}
				m, _ := s.Metric("removed")
				removed = append(removed, m.Value)
			}
			require.Equal(t, removed[1], removed[2]) // though the load left each script other rows
			var text strings.Builder
			require.NoError(t, record.WriteSummary(&text))
			require.Regexp(t, `quiet p99 +refresh p99 +p99\.9 +max +errors`, text.String())
		})
	}
}

// TestAThiefOfUsersTokensIsNotVerified: an engine that removes one ACTIVE token of
// the load, or changes one, records no speed, and the token is named.
func TestAThiefOfUsersTokensIsNotVerified(t *testing.T) {
	t.Parallel()
	harness.ForTest(t, harness.Options{DB: harness.MySQL})
	var stolen string
	thief := watched{Batch: cleanup.Batch{Size: 200}, during: func(ctx context.Context, db *sql.DB) {
		row := db.QueryRowContext(ctx, "SELECT TOKEN_ID FROM "+schema.AccessToken+" WHERE USER_DOMAIN = ? AND TOKEN_STATE = 'ACTIVE' LIMIT 1", load.Domain)
		require.NoError(t, row.Scan(&stolen))
		_, err := db.ExecContext(ctx, "DELETE FROM "+schema.AccessToken+" WHERE TOKEN_ID = ?", stolen)
		require.NoError(t, err)
	}}
	broken := watched{Batch: cleanup.Batch{Size: 200}, failed: errors.New("deadlock found")}
	record, err := measure.Run(t.Context(), withLoad(t, harness.MySQL, 1000, measure.Engine{Name: "thief", Engine: thief}, measure.Engine{Name: "broken", Engine: broken}))
	require.NoError(t, err)
	require.Len(t, record.Samples, 2)
	s := record.Samples[0]
	require.Equal(t, report.Fail, s.Verdict)
	require.Empty(t, s.Metrics)
	require.NotEmpty(t, stolen)
	require.Contains(t, strings.Join(s.Notes, "\n"), stolen)
	require.Contains(t, strings.Join(s.Notes, "\n"), "ACTIVE")
	s = record.Samples[1]
	require.Equal(t, report.Fail, s.Verdict)
	require.Contains(t, strings.Join(s.Notes, "\n"), "the engine failed beside the load: deadlock found")
}

func TestLoadThatCannotBeMadeIsRefused(t *testing.T) {
	t.Parallel()
	batch := measure.Engine{Name: "batch", Engine: cleanup.Batch{}}
	for says, change := range map[string]func(*measure.Spec){
		"a rebuild takes the tables for itself": func(s *measure.Spec) {
			s.Engines = append(s.Engines, measure.Engine{Name: "rebuild", Engine: rebuild.Engine{}})
		},
		"a load of -1":                  func(s *measure.Spec) { s.Load = -1 },
		"alone for -1s":                 func(s *measure.Spec) { s.Quiet = -time.Second },
		"cut-off has to be in the past": func(s *measure.Spec) { s.Settings.CutOff = time.Now().Add(time.Hour) },
		"(sleepTime = 2) the load makes about 150; set the sleep to 0": func(s *measure.Spec) {
			s.Load, s.Engines = 300, append(s.Engines, measure.Engine{Name: "script", Engine: official(t)})
		},
	} {
		s := withLoad(t, harness.MySQL, 100, batch)
		change(&s)
		s.Log = func(string, ...any) { t.Error("something was started") }
		_, err := measure.Run(t.Context(), s)
		var refused *harness.OptionError
		require.ErrorAs(t, err, &refused, says)
		require.ErrorContains(t, err, says)
	}
}
