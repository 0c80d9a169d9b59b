package procedure_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/dialect/sqlite"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

func TestMySQL(t *testing.T)     { onServer(t, harness.MySQL) }
func TestMariaDB(t *testing.T)   { onServer(t, harness.MariaDB) }
func TestSQLServer(t *testing.T) { onServer(t, harness.SQLServer) }

func onServer(t *testing.T, db string) {
	tests := map[string]func(*testing.T, string){
		"seeded, documented, audited": func(t *testing.T, db string) {
			seeded(t, db, schema.DefaultRelease, seed.Default, token.Documented, true)
		},
		"seeded, strict":                  func(t *testing.T, db string) { seeded(t, db, "is-7.3", seed.Default, token.Strict, false) },
		"seeded, edges":                   func(t *testing.T, db string) { seeded(t, db, "apim-2.6", seed.Edge, token.Documented, true) },
		"seeded, edges, strict":           func(t *testing.T, db string) { seeded(t, db, "apim-4.7", seed.Edge, token.Strict, true) },
		"cases":                           allCases,
		"engine refuses":                  engineRefuses,
		"engine is interrupted":           interrupted,
		"installed, used and removed":     installedUsedRemoved,
		"foreign procedure":               foreignProcedure,
		"foreign table":                   foreignTable,
		"audit column missing":            auditColumnMissing,
		"bad arguments":                   badArguments,
		"tables changed":                  tablesChanged,
		"transaction of the caller's":     callersTransaction,
		"dry run":                         dryRun,
		"time limit":                      timeLimit,
		"without audit":                   withoutAudit,
		"guarded audit table":             guardedAudit,
		"held by a foreign key":           heldByForeignKey,
		"refused by a trigger":            refusedByTrigger,
		"refreshed between pick and lock": refreshed,
		"becomes removable in a batch":    becomesRemovable,
		"smaller batches":                 smallerBatches,
		"a row alone":                     rowAlone,
		"waits for a lock":                waitsForLock,
		"two runs at once":                twoRuns,
		"session killed":                  killed,
		"settings":                        settings,
	}
	if db != harness.SQLServer { // Babelfish cannot grant what it takes
		tests["least privileges"] = leastPrivileges
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, db) })
	}
}

// seeded fills a release, cleans with the engine and has every row accounted for.
func seeded(t *testing.T, db, release string, mix seed.Mix, policy token.Policy, audit bool) {
	target := harness.ForTest(t, harness.Options{DB: db})
	spec := seed.Spec{Seed: 5, Tokens: 2000, CutOff: dbtest.CutOff, Mix: mix}
	_, err := seed.Fill(t.Context(), seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}, release, "", spec, seed.Options{})
	require.NoError(t, err)
	found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	plan, err := cleanup.NewPlan(found, target.Dialect, cleanup.Settings{Policy: policy, CutOff: dbtest.CutOff, Audit: audit, AuditMissing: cleanup.AuditDrop})
	require.NoError(t, err)
	result := verified(t, target, procedure.Engine{Batch: 150}, plan)
	require.True(t, result.Complete())
	expected, err := spec.Expect(policy)
	require.NoError(t, err)
	require.NotEmpty(t, result.Phases)
	for _, p := range result.Phases {
		require.Equal(t, expected.Tables[p.Table].Removed, p.Removed, p.Phase)
		require.Equal(t, expected.Tables[p.Table].Rows, p.Examined, p.Phase)
	}
	if audit {
		require.Equal(t, result.Phases[0].Removed, result.Phases[0].Audited)
	}
	require.Greater(t, result.Phases[0].Batches, int64(10))
}

// verified runs an engine between pre-image and check, and requires a pass.
func verified(t *testing.T, target *harness.Target, e cleanup.Engine, plan *cleanup.Plan) (result *cleanup.Result) {
	t.Helper()
	judged(t, target, plan, func() {
		var err error
		result, err = e.Clean(t.Context(), target.DB, plan, cleanup.Watcher{Log: t.Logf})
		require.NoError(t, err)
	})
	return result
}

// judged has every row accounted for that a clean-up by a plan finds, removes or leaves.
func judged(t *testing.T, target *harness.Target, plan *cleanup.Plan, clean func()) {
	t.Helper()
	src := verify.Source{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
	image, err := verify.Capture(t.Context(), src, plan.CutOff)
	require.NoError(t, err)
	defer image.Close()
	from := time.Now().UTC().Truncate(time.Second)
	clean()
	outcome, err := verify.Check(t.Context(), src, image, verify.Expect{Policy: plan.Policy, Audit: plan.Audit, From: from, To: time.Now().UTC().Add(time.Second)})
	require.NoError(t, err)
	require.Equal(t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
}

// allCases judges every row of the ground truth.
func allCases(t *testing.T, db string) {
	for _, policy := range procedure.Policies() {
		f := dbtest.New(t, harness.ForTest(t, harness.Options{DB: db}), dbtest.Setup{NullTimes: true})
		expect := f.LoadCases(true)
		plan, err := cleanup.NewPlan(f.Found(), f.Dialect, cleanup.Settings{Policy: policy, CutOff: dbtest.CutOff, Audit: true, AuditMissing: cleanup.AuditDrop})
		require.NoError(t, err)
		verified(t, f.Target, procedure.Engine{Batch: 10}, plan)
		left := map[string]bool{}
		for table, key := range map[string]string{tokens: "TOKEN_ID", codes: "CODE_ID", requests: "AUTH_CODE_KEY"} {
			for _, id := range f.Keys(table, key) {
				left[id] = true
			}
		}
		require.NotEmpty(t, expect)
		for id, removes := range expect {
			require.Equal(t, !removes[policy], left[id], "%s under %s", id, policy)
		}
	}
}

func engineRefuses(t *testing.T, db string) {
	w := newWorld(t, db)
	before := w.Dump()
	for _, policy := range []token.Policy{token.OfficialMySQL, token.OfficialMSSQL} {
		_, err := procedure.Engine{}.Clean(t.Context(), w.DB, w.Plan(policy), cleanup.Watcher{})
		w.requireRefused(err, string(policy), "use documented or strict")
	}
	extend := w.Plan(token.Documented)
	extend.AuditMissing = cleanup.AuditExtend
	_, err := procedure.Engine{}.Clean(t.Context(), w.DB, extend, cleanup.Watcher{})
	w.requireRefused(err, "adds no columns", "--audit-missing=drop")
	require.Equal(t, before, w.Dump())
}

func TestSQLiteHasNoProcedures(t *testing.T) {
	t.Parallel()
	release, err := schema.Release(schema.DefaultRelease, schema.MySQL)
	require.NoError(t, err)
	plan, err := procedure.NewPlan(release, sqlite.Dialect{}, true, cleanup.AuditStop)
	require.NoError(t, err)
	_, err = procedure.Generate(plan, procedure.Options{})
	require.ErrorContains(t, err, "sqlite has no stored procedures")
	_, err = procedure.Engine{}.Clean(t.Context(), nil, plan, cleanup.Watcher{})
	require.ErrorContains(t, err, "sqlite has no stored procedures")
}

// interrupted cancels the engine while a batch waits: it is rolled back, the engine
// says so, and a second run finishes.
func interrupted(t *testing.T, db string) {
	w := newWorld(t, db)
	held := w.hold("dead-15", "GRANT_TYPE = 'refresh_token'")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan *cleanup.Result, 1)
	go func() {
		result, err := procedure.Engine{Batch: 7}.Clean(ctx, w.DB, w.Plan(token.Documented), cleanup.Watcher{})
		if err != nil {
			t.Errorf("%v", err)
		}
		done <- result
	}()
	require.Eventually(t, func() bool { // what follows waits for dead-15
		var n int
		q := "SELECT COUNT(*) FROM " + w.Dialect.Table(procedure.RunsTable) + " WHERE BATCHES >= 2"
		return w.DB.QueryRowContext(t.Context(), q).Scan(&n) == nil && n > 0
	}, 2*time.Minute, 5*time.Millisecond)
	cancel()
	result := <-done
	require.NotNil(t, result)
	require.Equal(t, "an interruption", result.Stopped)
	require.Positive(t, result.Phases[0].Removed)
	require.Less(t, result.Phases[0].Removed, int64(deadTokens))
	require.Equal(t, result.Phases[0].Removed, w.Count(audits, ""))
	require.NoError(t, held.Rollback())
	verified(t, w.Target, procedure.Engine{}, w.Plan(token.Documented))
	require.EqualValues(t, deadTokens, w.Count(audits, ""))
}
