package dbtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// workers shows the engine with several sessions at work.
func workers(t *testing.T, open Opener) {
	for name, test := range map[string]func(*Fixture){
		"side by side": sideBySide,
		"cancelled":    cancelledWorkers,
		"one fails":    oneWorkerFails,
		"all killed":   killedWorkers,
		"overtaken":    overtaken,
		"with a backup": func(f *Fixture) {
			refusedWorkers(f, cleanup.Batch{Workers: 2, Backup: noBackup{}}, "a backup keeps the rows of one batch at a time")
		},
		"not enough connections": tooFewConnections,
		"minimal binary log":     minimalBinlog,
	} {
		t.Run("workers/"+name, func(t *testing.T) { t.Parallel(); test(seeded(t, open)) })
	}
}

// workerSpec is enough for ten lanes of tokens.
var workerSpec = seed.Spec{Seed: 3, Tokens: 20_000, CutOff: CutOff}

// seeded holds made-up tokens.
func seeded(t *testing.T, open Opener) *Fixture {
	target := open(t, harness.Options{})
	_, err := seed.Fill(t.Context(), seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}, schema.DefaultRelease, "", workerSpec, seed.Options{})
	require.NoError(t, err)
	return &Fixture{Target: target, t: t}
}

// requireSwept requires the end of a run that began on a seeded fixture, however
// often it was interrupted.
func (f *Fixture) requireSwept(result *cleanup.Result, outcome *verify.Outcome) {
	f.t.Helper()
	require.True(f.t, result.Complete(), "stopped by %s", result.Stopped)
	require.Equal(f.t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
	want, err := workerSpec.Expect(token.Documented)
	require.NoError(f.t, err)
	for _, p := range result.Phases {
		require.Equal(f.t, want.Tables[p.Table].Removed, p.Removed, p.Phase)
		require.Equal(f.t, want.Tables[p.Table].Kept, f.Count(p.Table, ""), p.Phase)
	}
	require.Equal(f.t, want.Tables[tokens].Removed, result.Phases[0].Audited)
	_, left := f.Found().Table(cleanup.LedgerTable)
	require.False(f.t, left, "the ledger is still there")
}

// sideBySide lets no transaction commit before a second one is open.
func sideBySide(f *Fixture) {
	var open atomic.Int64
	both, once := make(chan struct{}), sync.Once{}
	hook := func(step string) {
		if step != "commit" {
			return
		}
		if open.Add(1) == 2 {
			once.Do(func() { close(both) })
		}
		select {
		case <-both:
		case <-time.After(time.Minute):
			panic("no second transaction came")
		}
	}
	f.requireSwept(f.Verified(cleanup.Batch{Workers: 4, Size: 500, Hook: hook}, f.Plan(token.Documented)))
}

// nth calls do in the n-th call for a step, whichever worker makes it.
func nth(n int64, step string, do func()) func(string) {
	var calls atomic.Int64
	return func(now string) {
		if now == step && calls.Add(1) == n {
			do()
		}
	}
}

// cancelledWorkers goes on with fewer workers, is cancelled again, and goes on with more.
func cancelledWorkers(f *Fixture) {
	for _, b := range []cleanup.Batch{{Workers: 4, Size: 300}, {Workers: 1, Size: 200}} {
		ctx, cancel := context.WithCancel(f.t.Context())
		b.Hook = nth(12, "delete", cancel)
		result, err := f.interrupted(ctx, b)
		require.NoError(f.t, err)
		require.Equal(f.t, "an interruption", result.Stopped)
	}
	result, outcome := f.Verified(cleanup.Batch{Workers: 3}, f.Plan(token.Documented))
	require.True(f.t, result.Resumed)
	f.requireSwept(result, outcome)
}

// oneWorkerFails: the others end their batches and stop, and the error is told.
func oneWorkerFails(f *Fixture) {
	hide := func() { f.Exec(f.speech().rename(audits, "HIDDEN")) }
	b := cleanup.Batch{Workers: 3, Size: 300, Hook: nth(8, "begin", hide)}
	_, err := b.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	require.ErrorContains(f.t, err, audits)
	f.Exec(f.speech().rename("HIDDEN", audits))
	result, outcome := f.Verified(cleanup.Batch{Workers: 2}, f.Plan(token.Documented))
	require.True(f.t, result.Resumed)
	f.requireSwept(result, outcome)
}

// killedWorkers loses all sessions at once, the one with the run lock among them.
func killedWorkers(f *Fixture) {
	db, err := f.Connect(f.t.Context(), harness.Session{})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { require.NoError(f.t, db.Close()) })
	ids := func() (all []int64) {
		rows := f.query("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE()")
		defer rows.Close()
		for rows.Next() {
			var id int64
			require.NoError(f.t, rows.Scan(&id))
			all = append(all, id)
		}
		return all
	}
	before := ids()
	kill := func() {
		for _, id := range ids() {
			if !slices.Contains(before, id) {
				_, _ = f.DB.ExecContext(f.t.Context(), fmt.Sprintf("KILL %d", id)) // it may have ended
			}
		}
	}
	result, outcome := f.Verified(onto{cleanup.Batch{Workers: 3, Size: 300, Hook: nth(8, "delete", kill)}, db}, f.Plan(token.Documented))
	require.GreaterOrEqual(f.t, result.Retries.Reconnects, int64(2))
	f.requireSwept(result, outcome)
}

// overtaken writes to the ledger what a second run would that took over.
func overtaken(f *Fixture) {
	overtake := func() {
		for range 5 {
			f.Exec(fmt.Sprintf("INSERT IGNORE INTO %[1]s (RUN_ID, BATCH, PHASE, EXAMINED, REMOVED, AUDITED, WRITTEN_AT) "+
				"SELECT RUN_ID, (SELECT MAX(BATCH) + 1 FROM %[1]s), 'tokens', 0, 0, 0, WRITTEN_AT FROM %[1]s WHERE BATCH = 0", cleanup.LedgerTable))
		}
	}
	b := cleanup.Batch{Workers: 2, Size: 300, Hook: nth(6, "ledger", overtake)}
	_, err := b.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	require.ErrorContains(f.t, err, "another clean-up goes on with this run")
}

// tooFewConnections: the second worker has no place on the server.
func tooFewConnections(f *Fixture) {
	db, _ := f.single()
	_, err := cleanup.Batch{Workers: 2}.Clean(f.t.Context(), db, f.Plan(token.Documented), cleanup.Watcher{})
	requireRefusal(f.t, err, "2 workers need as many connections", "1")
}

func refusedWorkers(f *Fixture, b cleanup.Batch, words string) {
	before := f.Dump()
	_, err := b.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	requireRefusal(f.t, err, words)
	require.Equal(f.t, before, f.Dump())
}

// minimalBinlog takes a privilege, and reaches the sessions of all workers.
func minimalBinlog(f *Fixture) {
	plan := f.Plan(token.Documented)
	f.requireRefused(onto{cleanup.Batch{MinimalBinlog: true}, f.as("SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON `" + f.Schema + "`.*")}, plan,
		"this session cannot choose what goes to the binary log", "GRANT SESSION_VARIABLES_ADMIN")
	look := func() {}
	sessions := int64(2)
	if f.Server.Product == "MySQL" { // MariaDB shows nobody the settings of other sessions
		look = func() {
			sessions = f.number("SELECT COUNT(*) FROM performance_schema.variables_by_thread v JOIN performance_schema.threads t USING (THREAD_ID) " +
				"WHERE t.PROCESSLIST_DB = DATABASE() AND v.VARIABLE_NAME = 'binlog_row_image' AND v.VARIABLE_VALUE = 'MINIMAL'")
		}
	}
	f.requireSwept(f.Verified(cleanup.Batch{Workers: 2, MinimalBinlog: true, Hook: nth(3, "delete", look)}, plan))
	require.EqualValues(f.t, 2, sessions)
}

// noBackup is a backup that is refused before it is used.
type noBackup struct{ cleanup.RowKeeper }
