package dbtest

import (
	"database/sql"
	"errors"
	"fmt"
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

// concurrency is what other sessions can do to a run.
func concurrency(t *testing.T, open Opener) {
	for name, test := range map[string]func(*Fixture){
		"row becomes removable in a batch": becomesRemovable,
		"rows become removable in traffic": becomesRemovableInTraffic,
		"row changes without pause":        keepBecomingRemovable,
		"lock held by another session":     lockHeld,
		"deadlock":                         deadlock,
		"two runs at once":                 twoRuns,
		"killed before the audit copy":     func(f *Fixture) { killed(f, "audit") },
		"killed before the delete":         func(f *Fixture) { killed(f, "delete") },
		"killed before the commit":         func(f *Fixture) { killed(f, "commit") },
		"connection lost at the commit":    lostAtCommit,
		"connection lost for good":         lostForGood,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(engineFixture(t, open)) })
	}
}

// becomesRemovable revokes a token when its batch has been audited and not yet
// deleted. The whole batch must be taken back and done again with it.
func becomesRemovable(f *Fixture) {
	revoke := atBatch(2, "delete", func() {
		f.Exec("UPDATE " + tokens + " SET TOKEN_STATE = 'REVOKED' WHERE TOKEN_ID = 'dead-06-but-live'")
	})
	result, err := cleanup.Batch{Size: 7, Hook: revoke}.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	require.NoError(f.t, err)
	require.EqualValues(f.t, 1, result.Retries.CountMismatches)
	require.EqualValues(f.t, deadTokens+1, result.Phases[0].Removed)
	require.EqualValues(f.t, deadTokens+1, result.Phases[0].Audited)
	require.EqualValues(f.t, deadTokens+1, f.Count(audits, ""))
	require.EqualValues(f.t, 1, f.Count(audits, "TOKEN_ID = 'dead-06-but-live'"))
}

// becomesRemovableInTraffic revokes a token in the whole batch, in its lower half and
// in the lower quarter: smaller batches get through where large ones would not.
func becomesRemovableInTraffic(f *Fixture) {
	live := []string{"dead-09-but-live", "dead-06-but-live", "dead-00-but-live"}
	revoke := func(step string) {
		if step == "delete" && len(live) > 0 {
			f.Exec("UPDATE "+tokens+" SET TOKEN_STATE = 'REVOKED' WHERE TOKEN_ID = ?", live[0])
			live = live[1:]
		}
	}
	result, err := cleanup.Batch{Size: 1000, Hook: revoke}.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	require.NoError(f.t, err)
	require.EqualValues(f.t, 3, result.Retries.CountMismatches)
	require.EqualValues(f.t, 4, result.Phases[0].Batches, "an eighth twice, a quarter, a half")
	require.EqualValues(f.t, deadTokens+3, result.Phases[0].Removed)
	require.EqualValues(f.t, deadTokens+3, result.Phases[0].Audited)
	require.EqualValues(f.t, deadTokens+3, f.Count(audits, ""))
	require.EqualValues(f.t, deadTokens/3-3, f.Count(tokens, ""))
}

// keepBecomingRemovable changes a row at every attempt on it, so the run has to stop.
func keepBecomingRemovable(f *Fixture) {
	states := []string{token.Active, token.Revoked}
	turn := func(step string) {
		switch step {
		case "audit":
			f.Exec("UPDATE "+tokens+" SET TOKEN_STATE = ? WHERE TOKEN_ID = 'dead-00-but-live'", states[0])
		case "delete":
			f.Exec("UPDATE "+tokens+" SET TOKEN_STATE = ? WHERE TOKEN_ID = 'dead-00-but-live'", states[1])
		}
	}
	before := f.Dump()
	result, err := cleanup.Batch{Size: 1000, Hook: turn}.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	require.ErrorContains(f.t, err, `the batch of the row "dead-00-but-live" alone was rolled back 3 times in a row`)
	require.ErrorContains(f.t, err, "run again at a quieter time")
	require.EqualValues(f.t, 1, result.Phases[0].Removed, "the one key before it")
	require.EqualValues(f.t, 1, result.Phases[0].Audited)
	require.Len(f.t, f.Dump()[tokens], len(before[tokens])-1)
	result, outcome := f.Verified(cleanup.Batch{}, f.Plan(token.Documented))
	require.True(f.t, result.Resumed)
	require.Equal(f.t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
}

// transaction is one of a session besides the engine's.
func (f *Fixture) transaction() *sql.Tx {
	f.t.Helper()
	tx, err := f.session().BeginTx(f.t.Context(), nil)
	require.NoError(f.t, err)
	return tx
}

// session is one session besides the engine's.
func (f *Fixture) session() *sql.Conn {
	f.t.Helper()
	conn, err := f.DB.Conn(f.t.Context())
	require.NoError(f.t, err)
	f.t.Cleanup(func() { conn.Close() })
	return conn
}

func (f *Fixture) in(conn *sql.Conn, statement string) {
	f.t.Helper()
	_, err := conn.ExecContext(f.t.Context(), statement)
	require.NoError(f.t, err, statement)
}

// lockHeld lets the engine run into its lock timeout before it gets the row.
func lockHeld(f *Fixture) {
	other := f.transaction()
	_, err := other.Exec("UPDATE " + tokens + " SET GRANT_TYPE = 'refresh_token' WHERE TOKEN_ID = 'dead-11'")
	require.NoError(f.t, err)
	attempts := 0
	result, outcome := f.Verified(cleanup.Batch{Size: 20, Hook: func(step string) {
		if step == "begin" {
			if attempts++; attempts == 2 { // the first batch again
				require.NoError(f.t, other.Rollback())
			}
		}
	}}, f.Plan(token.Documented))
	require.EqualValues(f.t, 1, result.Retries.LockTimeouts)
	f.requireClean(result, outcome)
}

// deadlock has another session hold a scope that the delete cascades to, and
// want a claim that the batch has deleted. The batch has to be the victim: because
// the other session has written more (MySQL), or because it says so (SQL Server).
func deadlock(f *Fixture) {
	f.Insert(schema.RequestObject, Row{"ID": 1, "TOKEN_ID": "dead-02", "CONSUMER_KEY_ID": App})
	f.Insert(schema.RequestClaims, Row{"ID": 1, "REQ_OBJECT_ID": 1, "CLAIM_ATTRIBUTE": "email"})
	f.Exec("CREATE TABLE BALLAST (BODY VARCHAR(10))")
	f.Exec("INSERT INTO BALLAST (BODY) VALUES ('x')")
	for range 10 {
		f.Exec("INSERT INTO BALLAST (BODY) SELECT BODY FROM BALLAST")
	}
	other, done := f.transaction(), make(chan error, 1)
	db, id := f.single()
	batchWaits := func() {}
	if f.Server.Product == "Babelfish" { // where the victim is who waits first
		batchWaits = func() {
			require.Eventually(f.t, func() bool {
				return f.number("SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = ", fmt.Sprint(id)) == 1
			}, time.Minute, 5*time.Millisecond)
		}
	}
	for _, statement := range []string{"UPDATE BALLAST SET BODY = 'y'",
		"UPDATE " + schema.AccessTokenScope + " SET TENANT_ID = TENANT_ID WHERE TOKEN_ID = 'dead-02'"} {
		_, err := other.Exec(statement)
		require.NoError(f.t, err, statement)
	}
	want := atBatch(1, "delete", func() {
		go func() {
			batchWaits()
			_, err := other.Exec("UPDATE " + schema.RequestClaims + " SET CLAIM_ATTRIBUTE = 'phone' WHERE ID = 1")
			done <- errors.Join(err, other.Rollback())
		}()
	})
	result, outcome := f.Verified(onto{cleanup.Batch{Size: 20, Hook: want}, db}, f.Plan(token.Documented))
	require.NoError(f.t, <-done, "the other session was the victim")
	require.EqualValues(f.t, 1, result.Retries.Deadlocks)
	f.requireClean(result, outcome)
}

// twoRuns starts a second run in the middle of the first.
func twoRuns(f *Fixture) {
	second := atBatch(2, "begin", func() {
		f.requireRefused(cleanup.Batch{}, f.Plan(token.Documented), "another clean-up of schema "+f.Schema+" is under way", "wait for it to end")
	})
	f.requireClean(f.Verified(cleanup.Batch{Size: 7, Hook: second}, f.Plan(token.Documented)))
}

// killed ends the engine's session in its second batch.
func killed(f *Fixture, step string) {
	db, id := f.single()
	kill := atBatch(2, step, func() { f.Exec(fmt.Sprintf(f.speech().kill, id)) })
	result, outcome := f.Verified(onto{cleanup.Batch{Size: 7, Hook: kill}, db}, f.Plan(token.Documented))
	require.EqualValues(f.t, 1, result.Retries.Reconnects)
	f.requireClean(result, outcome)
}

// single is a pool of one session, and the session's id.
func (f *Fixture) single() (db *sql.DB, id int64) {
	f.t.Helper()
	db, err := f.Connect(f.t.Context(), harness.Session{})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { require.NoError(f.t, db.Close()) })
	db.SetMaxOpenConns(1)
	require.NoError(f.t, db.QueryRowContext(f.t.Context(), f.speech().session).Scan(&id))
	return db, id
}

// lostAtCommit loses the connection after the server has got the COMMIT and
// before its answer arrives: the batch is done and must not be done again.
func lostAtCommit(f *Fixture) {
	line := f.proxied()
	cut := atBatch(2, "commit", line.loseNextAnswer)
	audited := f.Count(audits, "")
	var atLoss int64
	watch := cleanup.Watcher{Log: func(format string, _ ...any) {
		if strings.Contains(format, "connection was lost") { // the engine has noticed
			line.heal()
			atLoss = f.Count(audits, "")
		}
	}}
	result, err := cleanup.Batch{Size: 7, Hook: cut}.Clean(f.t.Context(), line.db, f.Plan(token.Documented), watch)
	require.NoError(f.t, err)
	require.EqualValues(f.t, 1, result.Retries.Reconnects)
	require.Zero(f.t, audited)
	require.EqualValues(f.t, 10, atLoss, "both batches had been committed when the connection was found to be lost")
	f.requireTotals(result)
}

// lostForGood takes the server away in the middle of a run.
func lostForGood(f *Fixture) {
	line := f.proxied()
	b := cleanup.Batch{Size: 7, Hook: atBatch(3, "delete", line.cut)}
	_, err := f.interrupted(f.t.Context(), onto{b, line.db})
	var failure *cleanup.Error
	require.True(f.t, errors.As(err, &failure), "%v", err)
	require.Equal(f.t, cleanup.Unavailable, failure.Kind)
	require.ErrorContains(f.t, err, "run again to go on")
	f.continued()
}
