package dbtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// Engine shows what the batch engine does when a run does not go through
// undisturbed from its first row to its last.
func Engine(t *testing.T, open Opener, product string) {
	for name, test := range map[string]func(*Fixture){
		"batch sizes":                   batchSizes,
		"rerun changes nothing":         rerunChangesNothing,
		"cancelled among the tokens":    func(f *Fixture) { cancelledAndContinued(f, 3) },
		"cancelled among the codes":     func(f *Fixture) { cancelledAndContinued(f, 12) },
		"cancelled in the last batch":   func(f *Fixture) { cancelledAndContinued(f, 17) },
		"failed and continued":          failedAndContinued,
		"crashed and continued":         crashedAndContinued,
		"continued with the old plan":   continuedWithTheOldPlan,
		"other settings than before":    otherSettings,
		"interrupted run given up":      givenUp,
		"stop file":                     stopFile,
		"time limit":                    runsOutOfTime,
		"without audit":                 withoutAudit,
		"row that a trigger refuses":    refusedByTrigger,
		"held at the second generation": heldFurtherDown,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(engineFixture(t, open)) })
	}
	auditTables(t, open)
	refusals(t, open, product)
	if product != "SQLite" { // where a writer has the database to itself and no connection can be lost
		concurrency(t, open)
		privileges(t, open, product)
	}
	if hasTSQL(product) {
		sqlServerEngine(t, open)
	}
	if product == "MySQL" || product == "MariaDB" {
		workers(t, open)
	} else {
		t.Run("workers", func(t *testing.T) {
			t.Parallel()
			f := engineFixture(t, open)
			refusedWorkers(f, cleanup.Batch{Workers: 2}, "several workers are for MySQL and MariaDB so far")
			refusedWorkers(f, cleanup.Batch{MinimalBinlog: true}, "a binary log is a thing of MySQL and MariaDB")
		})
	}
}

// Numbers of removable rows of engineFixture.
const (
	deadTokens = 30
	deadCodes  = 10
	deadCIBAs  = 5
)

// engineFixture holds dead tokens with scopes and codes between live ones.
func engineFixture(t *testing.T, open Opener) *Fixture {
	return engineFixtureOf(t, open, Setup{})
}

func engineFixtureOf(t *testing.T, open Opener, s Setup) *Fixture {
	f := New(t, open(t, harness.Options{}), s)
	for i := range deadTokens {
		id := fmt.Sprintf("dead-%02d", i)
		f.Insert(tokens, TokenRow(id, token.Revoked, nil))
		f.Insert(schema.AccessTokenScope, Row{"TOKEN_ID": id, "TOKEN_SCOPE": "openid"})
		if i%3 == 0 {
			live := fmt.Sprintf("dead-%02d-but-live", i) // between them in key order
			f.Insert(tokens, TokenRow(live, token.Active, Row{"TIME_CREATED": At(7000)}))
			f.Insert(schema.AccessTokenScope, Row{"TOKEN_ID": live, "TOKEN_SCOPE": "openid"})
			f.Insert(codes, CodeRow("of-"+id, token.Inactive, Row{"TOKEN_ID": id}))
			f.Insert(codes, CodeRow("of-"+live, token.Inactive, Row{"TOKEN_ID": live}))
		}
	}
	for i := range deadCIBAs {
		f.Insert(requests, CIBARow(fmt.Sprintf("dead-%d", i), "FAILED", nil))
	}
	f.Insert(requests, CIBARow("live", "REQUESTED", Row{"ISSUED_TIME": At(7000)}))
	return f
}

// requireClean requires the end state and a result that says so, whatever
// happened on the way.
func (f *Fixture) requireClean(result *cleanup.Result, outcome *verify.Outcome) {
	f.t.Helper()
	require.True(f.t, result.Complete(), "stopped by %s", result.Stopped)
	require.Equal(f.t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
	f.requireTotals(result)
}

// requireTotals requires that the result counts the whole run, with the part
// before an interruption, and that nothing is left of it.
func (f *Fixture) requireTotals(result *cleanup.Result) {
	f.t.Helper()
	removed := map[string]int64{}
	for _, p := range result.Phases {
		removed[p.Table] = p.Removed
	}
	require.Equal(f.t, map[string]int64{tokens: deadTokens, codes: deadCodes, requests: deadCIBAs}, removed)
	require.EqualValues(f.t, deadTokens, result.Phases[0].Audited)
	require.EqualValues(f.t, deadTokens, f.Count(audits, ""))
	require.EqualValues(f.t, deadTokens/3, f.Count(tokens, ""))
	_, left := f.Found().Table(cleanup.LedgerTable)
	require.False(f.t, left, "the ledger is still there")
}

func batchSizes(f *Fixture) {
	var ends []map[string][]string
	for _, size := range []int{1, 7, 1000, 0} {
		one := engineFixture(f.t, func(t *testing.T, _ harness.Options) *harness.Target {
			target, err := f.NewSchema(t.Context(), "")
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, target.Close()) })
			return target
		})
		one.requireClean(one.Verified(cleanup.Batch{Size: size}, one.Plan(token.Documented)))
		end := one.Dump()
		delete(end, audits) // its rows have the time of their removal
		ends = append(ends, end)
	}
	for _, end := range ends[1:] {
		require.Equal(f.t, ends[0], end)
	}
}

func rerunChangesNothing(f *Fixture) {
	f.requireClean(f.Verified(cleanup.Batch{}, f.Plan(token.Documented)))
	before := f.Dump()
	result, outcome := f.Verified(cleanup.Batch{}, f.Plan(token.Documented))
	require.Equal(f.t, verify.Pass, outcome.Verdict)
	require.False(f.t, result.Resumed)
	for _, p := range result.Phases {
		require.Zero(f.t, p.Removed+p.Audited+p.Batches, p.Phase)
	}
	require.Equal(f.t, before, f.Dump())
}

// atBatch calls do in the n-th batch before a step, once.
func atBatch(n int, step string, do func()) func(string) {
	batch := 0
	return func(now string) {
		if now == "begin" {
			batch++
		}
		if batch == n && now == step {
			batch = n + 1
			do()
		}
	}
}

// interrupted runs the engine under a hook that interrupts it, and requires
// that the verifier takes the state for what it is.
func (f *Fixture) interrupted(ctx context.Context, e cleanup.Engine) (*cleanup.Result, error) {
	f.t.Helper()
	result, outcome, err := f.TryVerified(ctx, e, f.Plan(token.Documented))
	require.Equal(f.t, verify.Inconclusive, outcome.Verdict, "%+v", outcome.Findings)
	_, left := f.Found().Table(cleanup.LedgerTable)
	require.True(f.t, left, "the ledger is gone")
	return result, err
}

// continued finishes an interrupted run.
func (f *Fixture) continued() {
	f.t.Helper()
	require.Positive(f.t, f.Count(audits, ""), "nothing was done before the interruption")
	result, outcome := f.Verified(cleanup.Batch{Size: 5}, f.Plan(token.Documented))
	require.True(f.t, result.Resumed)
	f.requireClean(result, outcome)
}

// cancelledAndContinued asks the engine to stop in its n-th batch.
func cancelledAndContinued(f *Fixture, n int) {
	ctx, cancel := context.WithCancel(f.t.Context())
	result, err := f.interrupted(ctx, cleanup.Batch{Size: 4, Hook: atBatch(n, "delete", cancel)})
	require.NoError(f.t, err)
	require.Equal(f.t, "an interruption", result.Stopped)
	var done int64
	for _, p := range result.Phases {
		done += p.Batches
	}
	require.EqualValues(f.t, n, done, "the batch under way is finished")
	f.continued()
}

// failedAndContinued loses the audit table for a moment.
func failedAndContinued(f *Fixture) {
	hide := func() { f.Exec(f.speech().rename(audits, "HIDDEN")) }
	b := cleanup.Batch{Size: 4, Hook: atBatch(3, "begin", hide)}
	result, err := b.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	require.Error(f.t, err)
	require.Contains(f.t, strings.ToUpper(err.Error()), audits)
	require.EqualValues(f.t, 2, result.Phases[0].Batches)
	f.Exec(f.speech().rename("HIDDEN", audits))
	f.continued()
}

// crashedAndContinued ends the engine in the middle of a transaction.
func crashedAndContinued(f *Fixture) {
	b := cleanup.Batch{Size: 4, Hook: atBatch(3, "commit", func() { panic("crash") })}
	require.PanicsWithValue(f.t, "crash", func() { _, _ = b.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{}) })
	f.continued()
}

// continuedWithTheOldPlan reuses a plan that was made before there was a ledger.
func continuedWithTheOldPlan(f *Fixture) {
	plan := f.Plan(token.Documented)
	ctx, cancel := context.WithCancel(f.t.Context())
	_, err := cleanup.Batch{Size: 4, Hook: atBatch(3, "delete", cancel)}.Clean(ctx, f.DB, plan, cleanup.Watcher{})
	require.NoError(f.t, err)
	result, err := cleanup.Batch{}.Clean(f.t.Context(), f.DB, plan, cleanup.Watcher{})
	require.NoError(f.t, err)
	require.True(f.t, result.Resumed)
	f.requireTotals(result)
}

func otherSettings(f *Fixture) {
	ctx, cancel := context.WithCancel(f.t.Context())
	_, err := f.interrupted(ctx, cleanup.Batch{Size: 4, Hook: atBatch(3, "delete", cancel)})
	require.NoError(f.t, err)
	before := f.Dump()
	for name, other := range map[string]cleanup.Settings{
		"policy":  {Policy: token.Strict, CutOff: CutOff, Audit: true},
		"cut-off": {Policy: token.Documented, CutOff: CutOff.Add(time.Second), Audit: true},
		"audit":   {Policy: token.Documented, CutOff: CutOff},
	} {
		plan, err := cleanup.NewPlan(f.Found(), f.Dialect, other)
		require.NoError(f.t, err)
		_, err = cleanup.Batch{}.Clean(f.t.Context(), f.DB, plan, cleanup.Watcher{})
		requireRefusal(f.t, err, "was interrupted and has other settings than this one", "--abandon-run")
		require.Equal(f.t, before, f.Dump(), name)
	}
	f.continued()
}

func givenUp(f *Fixture) {
	ctx, cancel := context.WithCancel(f.t.Context())
	_, err := f.interrupted(ctx, cleanup.Batch{Size: 4, Hook: atBatch(3, "delete", cancel)})
	require.NoError(f.t, err)
	plan, err := cleanup.NewPlan(f.Found(), f.Dialect, cleanup.Settings{Policy: token.Strict, CutOff: CutOff, Audit: true})
	require.NoError(f.t, err)
	done := f.Count(audits, "")
	result, outcome := f.Verified(cleanup.Batch{Abandon: true}, plan)
	require.False(f.t, result.Resumed)
	require.EqualValues(f.t, deadTokens-done, result.Phases[0].Removed)
	require.Equal(f.t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
}

func stopFile(f *Fixture) {
	file := filepath.Join(f.t.TempDir(), "stop")
	result, err := f.interrupted(f.t.Context(), cleanup.Batch{Size: 4, StopFile: file,
		Hook: atBatch(2, "delete", func() { require.NoError(f.t, os.WriteFile(file, nil, 0o600)) })})
	require.NoError(f.t, err)
	require.Equal(f.t, "the stop file "+file, result.Stopped)
	require.EqualValues(f.t, 2, result.Phases[0].Batches)
	f.continued()
}

func runsOutOfTime(f *Fixture) {
	var ahead time.Duration
	result, err := f.interrupted(f.t.Context(), cleanup.Batch{Size: 4, MaxDuration: time.Minute, Now: func() time.Time { return time.Now().Add(ahead) },
		Hook: atBatch(2, "commit", func() { ahead = time.Minute })})
	require.NoError(f.t, err)
	require.Equal(f.t, "the time limit of 1m0s", result.Stopped)
	require.EqualValues(f.t, 2, result.Phases[0].Batches)
	f.continued()
}

func withoutAudit(f *Fixture) {
	plan, err := cleanup.NewPlan(f.Found(), f.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: CutOff})
	require.NoError(f.t, err)
	result, outcome := f.Verified(cleanup.Batch{Size: 7}, plan)
	require.Equal(f.t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
	require.EqualValues(f.t, deadTokens, result.Phases[0].Removed)
	require.Zero(f.t, result.Phases[0].Audited)
	require.Zero(f.t, f.Count(audits, ""))
}

// refusedByTrigger singles out the row that the trigger refuses.
func refusedByTrigger(f *Fixture) {
	f.Exec(f.speech().refusing)
	result, outcome := f.Verified(cleanup.Batch{Size: 20}, f.Plan(token.Documented))
	require.True(f.t, result.Complete())
	require.EqualValues(f.t, deadTokens-1, result.Phases[0].Removed)
	require.EqualValues(f.t, deadTokens-1, result.Phases[0].Audited)
	require.Len(f.t, result.Phases[0].Held, 1)
	require.Equal(f.t, []string{"dead-13"}, result.Phases[0].Held[0].Samples)
	require.Contains(f.t, result.Phases[0].Held[0].By, "not this one")
	requireFaults(f.t, outcome, fault{verify.WronglyKept, tokens, 1, []string{"dead-13"}})
}

// heldFurtherDown holds a token by its scope.
func heldFurtherDown(f *Fixture) {
	f.Exec("CREATE TABLE GUARD (ID INT NOT NULL PRIMARY KEY, TOKEN_ID VARCHAR(255) NOT NULL, TOKEN_SCOPE VARCHAR(100) NOT NULL, CONSTRAINT FK_GUARD " +
		"FOREIGN KEY (TOKEN_ID, TOKEN_SCOPE) REFERENCES " + schema.AccessTokenScope + " (TOKEN_ID, TOKEN_SCOPE))")
	f.Insert("GUARD", Row{"ID": 1, "TOKEN_ID": "dead-13", "TOKEN_SCOPE": "openid"})
	f.Insert("GUARD", Row{"ID": 2, "TOKEN_ID": "dead-03-but-live", "TOKEN_SCOPE": "openid"})
	forecast, err := cleanup.Count(f.t.Context(), f.DB, f.Plan(token.Documented))
	require.NoError(f.t, err)
	result, outcome := f.Verified(cleanup.Batch{Size: 20}, f.Plan(token.Documented))
	require.Equal(f.t, forecast[0].Held, result.Phases[0].Held)
	require.Len(f.t, result.Phases[0].Held, 1)
	require.Equal(f.t, []string{"dead-13"}, result.Phases[0].Held[0].Samples)
	require.Contains(f.t, result.Phases[0].Held[0].By, "GUARD")
	require.EqualValues(f.t, deadTokens-1, result.Phases[0].Removed)
	requireFaults(f.t, outcome, fault{verify.WronglyKept, tokens, 1, []string{"dead-13"}})
}
