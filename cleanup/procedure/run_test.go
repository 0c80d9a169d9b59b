package procedure_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// dryRun counts what a run then removes, also codes whose token would go first.
func dryRun(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	before, s := w.Dump(), w.session()
	counted := s.mustCall(arguments(func(a *procedure.Arguments) { a.DryRun = true }))
	require.Equal(t, before, w.Dump())
	require.Equal(t, "1", asBit(counted["DRY_RUN"]))
	done := s.mustCall(arguments(nil))
	for _, column := range []string{"TOKENS_REMOVED", "CODES_REMOVED", "CIBA_REMOVED", "TOKENS_EXAMINED", "CODES_EXAMINED", "CIBA_EXAMINED"} {
		require.Equal(t, done[column], counted[column], column)
	}
	require.Equal(t, strconv.Itoa(deadTokens), done["TOKENS_REMOVED"])
	require.Equal(t, strconv.Itoa(deadTokens), done["TOKENS_AUDITED"])
	require.Equal(t, "0", counted["TOKENS_AUDITED"])
	require.Equal(t, strconv.Itoa(deadCodes), done["CODES_REMOVED"])
	require.Equal(t, "documented", done["POLICY"])
	require.Equal(t, "2026-11-25 02:00:00", done["CUT_OFF"])
	require.Equal(t, "NULL", done["STOPPED"])
	w.requireClean()
}

// asBit is a truth value as 0 or 1.
func asBit(text string) string {
	return map[string]string{"true": "1", "false": "0"}[text] + map[bool]string{true: text}[text == "1" || text == "0"]
}

func timeLimit(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	s := w.session()
	tx := w.hold("dead-00", "GRANT_TYPE = 'refresh_token'")
	done := s.start(arguments(func(a *procedure.Arguments) { a.Batch, a.MaxDuration = 1, time.Second }))
	s.waits()
	time.Sleep(1100 * time.Millisecond) // what the test is about
	require.NoError(t, tx.Rollback())
	result := <-done
	require.NoError(t, result.err)
	row := result.row
	require.Equal(t, "the time limit of 1 s", row["STOPPED"])
	run := w.runs()[0]
	require.Equal(t, "stopped: the time limit of 1 s", run.Outcome)
	require.Len(t, run.Phases, 3, "a row for each table")
	for _, p := range run.Phases {
		require.Equal(t, run.Outcome, p.Outcome)
		require.False(t, p.Ended.IsZero())
	}
	require.Equal(t, run.Phases[0].Removed, w.Count(audits, ""))
	require.EqualValues(t, 1, run.Phases[0].Removed, "the batch under way is finished")
	s.mustCall(arguments(func(a *procedure.Arguments) { // goes on
		if !w.babelfish() {
			a.Sleep = time.Millisecond
		}
	}))
	w.requireClean()
}

func withoutAudit(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	s := w.session()
	row := s.mustCall(arguments(func(a *procedure.Arguments) { a.Audit = false }))
	require.Equal(t, strconv.Itoa(deadTokens), row["TOKENS_REMOVED"])
	require.Equal(t, "0", row["TOKENS_AUDITED"])
	require.Zero(t, w.Count(audits, ""))
	require.EqualValues(t, deadTokens/3, w.Count(tokens, ""))
	require.Zero(t, w.runs()[0].Phases[0].Audited)

	// Generated without, it has no audit to ask for.
	require.NoError(t, procedure.Install(t.Context(), w.DB, w.plan(false)))
	before := w.Dump()
	_, err := s.call(arguments(nil))
	w.requireNothingChanged(before, err, "generated without audit")
	s.mustCall(arguments(func(a *procedure.Arguments) { a.Audit = false }))
}

// guardedAudit has a trigger on the audit table, past which a DELETE cannot write on
// SQL Server.
func guardedAudit(t *testing.T, db string) {
	w := newWorld(t, db)
	w.Exec("CREATE TABLE SEEN (TOKEN_ID VARCHAR(255) NOT NULL)")
	if w.mysql() {
		w.Exec("CREATE TRIGGER WATCHES AFTER INSERT ON " + audits + " FOR EACH ROW INSERT INTO SEEN (TOKEN_ID) VALUES (NEW.TOKEN_ID)")
	} else {
		w.Exec("CREATE TRIGGER WATCHES ON " + audits + " AFTER INSERT AS INSERT INTO SEEN (TOKEN_ID) SELECT TOKEN_ID FROM INSERTED")
	}
	w.install()
	w.session().mustCall(arguments(nil))
	w.requireClean()
	require.EqualValues(t, deadTokens, w.Count("SEEN", ""))
}

// heldByForeignKey keeps the rows that an unknown table refers to, and counts them.
func heldByForeignKey(t *testing.T, db string) {
	w := newWorld(t, db)
	w.Exec("CREATE TABLE HOLDER (ID INT NOT NULL PRIMARY KEY, TOKEN_ID VARCHAR(255) NOT NULL, CONSTRAINT FK_HOLDER FOREIGN KEY (TOKEN_ID) REFERENCES " +
		tokens + " (TOKEN_ID))")
	for i, id := range []string{"dead-13", "dead-15", "dead-03-but-live"} {
		w.Insert("HOLDER", dbtest.Row{"ID": i, "TOKEN_ID": id})
	}
	w.install()
	s := w.session()
	dry := s.mustCall(arguments(func(a *procedure.Arguments) { a.DryRun = true }))
	row := s.mustCall(arguments(nil))
	for _, r := range []map[string]string{dry, row} {
		require.Equal(t, "2", r["TOKENS_HELD"])
		require.Equal(t, strconv.Itoa(deadTokens-2), r["TOKENS_REMOVED"])
		require.Equal(t, strconv.Itoa(deadCodes-1), r["CODES_REMOVED"], "the code of a held token stays")
	}
	require.EqualValues(t, 3, w.Count(tokens, "TOKEN_ID IN ('dead-13', 'dead-15', 'dead-03-but-live')"))
	require.EqualValues(t, deadTokens-2, w.Count(audits, ""))

	result, err := procedure.Engine{}.Clean(t.Context(), w.DB, w.Plan(token.Documented), cleanup.Watcher{})
	require.NoError(t, err)
	require.Len(t, result.Phases[0].Held, 1)
	require.Contains(t, result.Phases[0].Held[0].By, "HOLDER")
	require.EqualValues(t, 2, result.Phases[0].Held[0].Rows)
	require.ElementsMatch(t, []string{"dead-13", "dead-15"}, result.Phases[0].Held[0].Samples)
}

// refusedByTrigger shows the error path: the server's own error comes through, the
// batch is taken back, and nothing of the run is left but its account.
func refusedByTrigger(t *testing.T, db string) {
	w := newWorld(t, db)
	if w.mysql() {
		w.Exec("CREATE TRIGGER NOT_THIS_ONE BEFORE DELETE ON " + tokens + " FOR EACH ROW BEGIN IF OLD.TOKEN_ID = 'dead-13' THEN " +
			"SIGNAL SQLSTATE '45013' SET MYSQL_ERRNO = 5013, MESSAGE_TEXT = 'not this one'; END IF; END")
	} else {
		w.Exec("CREATE TRIGGER NOT_THIS_ONE ON " + tokens + " AFTER DELETE AS IF EXISTS (SELECT 1 FROM DELETED WHERE TOKEN_ID = 'dead-13') " +
			"BEGIN; THROW 50013, 'not this one', 1; END")
	}
	w.install()
	s := w.session()
	if w.mysql() {
		s.exec("SET autocommit = 0, sql_safe_updates = 1, innodb_lock_wait_timeout = 77")
	} else {
		s.exec("SET LOCK_TIMEOUT 77000")
	}
	before := s.settings()
	_, err := s.call(arguments(nil))
	require.ErrorContains(t, err, "not this one")
	var ofMySQL *mysqldriver.MySQLError
	var ofSQLServer mssql.Error
	switch {
	case errors.As(err, &ofMySQL):
		require.EqualValues(t, 5013, ofMySQL.Number)
		require.Equal(t, "45013", string(ofMySQL.SQLState[:]))
	case errors.As(err, &ofSQLServer):
		require.EqualValues(t, 50013, ofSQLServer.Number)
	default:
		t.Fatalf("%v", err)
	}
	require.Equal(t, before, s.settings())
	run := w.runs()[0]
	require.Equal(t, "failed: not this one", run.Outcome)
	require.False(t, run.Ended.IsZero())
	require.Equal(t, w.Count(audits, ""), run.Phases[0].Removed, "the batch was taken back, with its audit")
	require.Positive(t, run.Phases[0].Removed)
	require.EqualValues(t, 1, w.Count(schema.AccessTokenScope, "TOKEN_ID = 'dead-13'"))
	if w.mysql() {
		w.Exec("DROP TRIGGER NOT_THIS_ONE")
	} else {
		w.Exec("DROP TRIGGER dbo.NOT_THIS_ONE")
	}
	w.requireFree()
	w.requireClean()
}

// refreshed changes a token when its batch has been picked and waits for the row. It
// must survive.
func refreshed(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	s := w.session()
	tx := w.hold("dead-13", live())
	done := s.start(arguments(func(a *procedure.Arguments) { a.Batch = 100 }))
	s.waits()
	require.NoError(t, tx.Commit())
	result := <-done
	require.NoError(t, result.err)
	require.Equal(t, strconv.Itoa(deadTokens-1), result.row["TOKENS_REMOVED"])
	require.EqualValues(t, 1, w.Count(tokens, "TOKEN_ID = 'dead-13'"))
	require.EqualValues(t, 1, w.Count(schema.AccessTokenScope, "TOKEN_ID = 'dead-13'"))
	require.Zero(t, w.Count(audits, "TOKEN_ID = 'dead-13'"))
	require.EqualValues(t, deadTokens-1, w.Count(audits, ""))
}

// waitsForLock has a batch run into its lock timeout before it gets the row.
func waitsForLock(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	s := w.session()
	tx := w.hold("dead-11", "GRANT_TYPE = 'refresh_token'")
	done := s.start(arguments(nil))
	s.waits()
	if w.babelfish() { // on which it waits as long as it takes, because no CATCH sees a timeout
		require.NoError(t, tx.Rollback())
		require.NoError(t, (<-done).err)
		w.requireClean()
		return
	}
	look := w.session()
	first := s.waitsIn(look)
	require.Eventually(t, func() bool { // it gave up, and waits again
		again := s.waitsIn(look)
		return again != "" && again != first
	}, 2*time.Minute, 20*time.Millisecond)
	require.NoError(t, tx.Rollback())
	result := <-done
	require.NoError(t, result.err)
	require.NotEqual(t, "0", result.row["LOCK_TIMEOUTS"])
	w.requireClean()
}

// twoRuns has a second procedure, and tokensweep clean, meet one that is under way.
func twoRuns(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	s, second := w.session(), w.session()
	second.mustCall(arguments(func(a *procedure.Arguments) { a.DryRun = true })) // Babelfish has read it then
	tx := w.hold("dead-11", "GRANT_TYPE = 'refresh_token'")
	done := s.start(arguments(nil))
	s.waits()
	_, err := second.call(arguments(nil))
	w.requireRefused(err, "another clean-up of schema", "is under way", "wait for it to end")
	_, err = cleanup.Batch{}.Clean(t.Context(), w.DB, w.Plan(token.Documented), cleanup.Watcher{})
	w.requireRefused(err, "another clean-up of schema "+w.Schema+" is under way")
	w.requireRefused(procedure.Uninstall(t.Context(), w.DB, w.Dialect, w.Schema), "is under way")
	require.NoError(t, tx.Rollback())
	require.NoError(t, (<-done).err)
	w.requireClean()

	// And the other way round.
	w.Insert(tokens, dbtest.TokenRow("dead-99", token.Revoked, nil))
	hook := func(step string) {
		if step == "begin" {
			_, err := second.call(arguments(nil))
			w.requireRefused(err, "another clean-up of schema", "is under way")
		}
	}
	_, err = cleanup.Batch{Hook: hook}.Clean(t.Context(), w.DB, w.Plan(token.Documented), cleanup.Watcher{})
	require.NoError(t, err)
}

// killed ends the session in the middle of a batch. The next run finishes, and no
// token is audited twice.
func killed(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	s := w.session()
	tx := w.hold("dead-17", "GRANT_TYPE = 'refresh_token'")
	done := s.start(arguments(nil))
	s.waits()
	w.Exec(w.d.KillSession(s.id))
	require.Error(t, (<-done).err)
	require.NoError(t, tx.Rollback())
	run := w.runs()[0]
	require.Positive(t, run.Phases[0].Removed)
	require.Equal(t, procedure.Running, run.Outcome, "nobody was there to say otherwise")
	w.session().mustCall(arguments(nil))
	w.requireClean()
	var ids []string
	for _, id := range w.Keys(audits, "TOKEN_ID") {
		require.NotContains(t, ids, id, "audited twice")
		ids = append(ids, id)
	}
	for _, r := range w.runs() {
		if r.ID == run.ID {
			require.Equal(t, "failed: its session was lost", r.Outcome)
		}
	}
}
