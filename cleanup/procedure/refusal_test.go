package procedure_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
)

// requireNothingChanged requires a refusal with these words that left every row.
func (w *world) requireNothingChanged(before map[string][]string, err error, words ...string) {
	w.t.Helper()
	w.requireRefused(err, words...)
	require.Equal(w.t, before, w.Dump())
}

func badArguments(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	before, s := w.Dump(), w.session()
	type values map[string]string
	for name, bad := range map[string]struct {
		change values
		says   string
	}{
		"policy unknown":         {values{"policy": "'all'"}, "policy must be documented or strict"},
		"policy official":        {values{"policy": "'official-mysql'"}, "use documented or strict"},
		"neither time":           {values{"cut_off": "NULL", "safe_period": "NULL"}, "is missing"},
		"negative safe period":   {values{"cut_off": "NULL", "safe_period": "-1"}, "safe_period is negative"},
		"cut-off in the future":  {values{"cut_off": "'2999-01-01T00:00:00'"}, "cut_off is in the future"},
		"cut-off with fraction":  {values{"cut_off": "'2026-11-25T02:00:00.5'"}, "fraction of a second"},
		"batch of nothing":       {values{"batch": "0"}, "batch must be"},
		"negative sleep":         {values{"sleep": "-1"}, "sleep"},
		"negative time limit":    {values{"max_seconds": "-1"}, "max_seconds"},
		"no safe period allowed": {values{"cut_off": "NULL", "safe_period": "NULL", "dry_run": "1"}, "is missing"},
	} {
		all := values{"policy": "'documented'", "safe_period": "7200", "cut_off": "'2026-11-25T02:00:00'", "batch": "7", "sleep": "0", "max_seconds": "0",
			"audit": "1", "dry_run": "0"}
		for parameter, value := range bad.change {
			all[parameter] = value
		}
		var list []string
		for _, parameter := range []string{"policy", "safe_period", "cut_off", "batch", "sleep", "max_seconds", "audit", "dry_run"} {
			if w.mysql() {
				list = append(list, all[parameter])
			} else {
				list = append(list, "@"+parameter+" = "+all[parameter])
			}
		}
		statement := "EXEC dbo." + procedure.Name + " " + strings.Join(list, ", ")
		if w.mysql() {
			statement = "CALL " + procedure.Name + "(" + strings.Join(list, ", ") + ")"
		}
		_, err := s.row(statement)
		require.Error(t, err, name)
		w.requireNothingChanged(before, err, bad.says)
	}
	if w.babelfish() {
		_, err := s.call(arguments(func(a *procedure.Arguments) { a.Sleep = time.Second }))
		w.requireNothingChanged(before, err, "this server cannot wait")
	}
	w.requireFree()
}

// tablesChanged changes the tables after the procedure was generated.
func tablesChanged(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	s := w.session()
	for _, change := range []struct{ do, undo, says string }{
		{"ALTER TABLE " + tokens + " ADD EXTRA INT NULL", "ALTER TABLE " + tokens + " DROP COLUMN EXTRA", "column " + tokens + ".EXTRA is new"},
		{"ALTER TABLE " + audits + " ADD EXTRA INT NULL", "ALTER TABLE " + audits + " DROP COLUMN EXTRA", "column " + audits + ".EXTRA is new"},
		{"CREATE TABLE EXTRA_CHILD (ID INT NOT NULL PRIMARY KEY, TOKEN_ID VARCHAR(255) NOT NULL, CONSTRAINT FK_EXTRA FOREIGN KEY (TOKEN_ID) REFERENCES " +
			tokens + " (TOKEN_ID))", "DROP TABLE EXTRA_CHILD", "EXTRA_CHILD to " + tokens + " on delete NO ACTION is new"},
		{"CREATE TABLE EXTRA_CHILD (ID INT NOT NULL PRIMARY KEY, CODE_ID VARCHAR(255) NOT NULL, CONSTRAINT FK_EXTRA FOREIGN KEY (CODE_ID) REFERENCES " +
			codes + " (CODE_ID) ON DELETE CASCADE)", "DROP TABLE EXTRA_CHILD", "EXTRA_CHILD to " + codes + " on delete CASCADE is new"},
	} {
		w.Exec(change.do)
		before := w.Dump()
		_, err := s.call(arguments(nil))
		w.requireNothingChanged(before, err, "generate", "again")
		require.Contains(t, strings.ToUpper(err.Error()), strings.ToUpper(change.says)) // Babelfish has names of its own case
		w.Exec(change.undo)
	}
	w.Exec("ALTER TABLE " + audits + " DROP COLUMN GRANT_TYPE")
	before := w.Dump()
	_, err := s.call(arguments(nil))
	w.requireNothingChanged(before, err, "a column or table is gone")
	w.Exec("UPDATE " + tokens + " SET GRANT_TYPE = NULL")
	w.install() // again, for the tables as they are
	w.Exec("UPDATE " + tokens + " SET GRANT_TYPE = 'password' WHERE TOKEN_ID = 'dead-00'")
	_, err = s.call(arguments(nil))
	w.requireRefused(err, "GRANT_TYPE holds data and "+audits+" has no such column")
}

// callersTransaction calls with a transaction open. It must be neither committed nor
// rolled back.
func callersTransaction(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	s := w.session()
	begins := map[string][]string{"begun": {"BEGIN TRANSACTION"}}
	if w.mysql() {
		begins = map[string][]string{"begun": {"START TRANSACTION"}, "autocommit is off": {"SET autocommit = 0"}}
	}
	for name, begin := range begins {
		before := w.Dump()
		s.exec(begin...)
		s.exec("UPDATE " + tokens + " SET GRANT_TYPE = 'mine' WHERE TOKEN_ID = 'dead-00'")
		_, err := s.call(arguments(nil))
		require.Error(t, err, name)
		w.requireRefused(err, "transaction open", "COMMIT it")
		s.exec("ROLLBACK")
		require.Equal(t, before, w.Dump(), name)
	}
	s.mustCall(arguments(nil)) // now there is none, with autocommit off or on
	w.requireClean()
}

func foreignProcedure(t *testing.T, db string) {
	w := newWorld(t, db)
	if w.mysql() {
		w.Exec("CREATE PROCEDURE " + procedure.Name + "() SELECT 'mine' AS A")
	} else {
		w.Exec("CREATE PROCEDURE dbo." + procedure.Name + " AS SELECT 'mine' AS A")
	}
	before, programs := w.Dump(), w.Found().Programs
	w.requireNothingChanged(before, procedure.Install(t.Context(), w.DB, w.plan(true)), "a procedure "+procedure.Name+" that tokensweep did not make")
	w.requireNothingChanged(before, procedure.Uninstall(t.Context(), w.DB, w.Dialect, w.Schema), "a procedure "+procedure.Name+" that tokensweep did not make")
	require.Equal(t, programs, w.Found().Programs)
	call := "EXEC dbo." + procedure.Name
	if w.mysql() {
		call = "CALL " + procedure.Name + "()"
	}
	row, err := w.session().row(call)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"A": "mine"}, row)
}

func foreignTable(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	w.Exec("DROP TABLE " + procedure.RunsTable)
	w.Exec("CREATE TABLE " + procedure.RunsTable + " (RUN_ID INT NOT NULL PRIMARY KEY)")
	w.Exec("INSERT INTO " + procedure.RunsTable + " (RUN_ID) VALUES (7)")
	before, programs := w.Dump(), w.Found().Programs
	for _, err := range []error{procedure.Install(t.Context(), w.DB, w.plan(true)), procedure.Uninstall(t.Context(), w.DB, w.Dialect, w.Schema)} {
		w.requireNothingChanged(before, err, "a table "+procedure.RunsTable+" that tokensweep did not make")
	}
	require.Equal(t, programs, w.Found().Programs, "the procedure is ours, but the refusal comes first")
	_, err := procedure.Runs(t.Context(), w.DB, w.Dialect, w.Found())
	require.ErrorContains(t, err, "did not make")
}

func installedUsedRemoved(t *testing.T, db string) {
	w := newWorld(t, db)
	before, programs := w.Dump(), w.Found().Programs
	require.NoError(t, procedure.Uninstall(t.Context(), w.DB, w.Dialect, w.Schema), "nothing is there, and that is all right")
	require.Empty(t, w.runs())
	w.install()
	s := w.session()
	row := s.mustCall(arguments(nil))
	w.requireClean()
	w.install()
	runs := w.runs()
	require.Len(t, runs, 1, "a second installation keeps them")
	require.Equal(t, row["RUN_ID"], runs[0].ID)
	require.Equal(t, procedure.Done, runs[0].Outcome)
	require.Equal(t, dbtest.CutOff, runs[0].CutOff)
	require.True(t, runs[0].Audit)
	require.WithinDuration(t, time.Now(), runs[0].Ended, 5*time.Minute)
	require.Equal(t, []int64{40, 20, 6}, []int64{runs[0].Phases[0].Examined, runs[0].Phases[1].Examined, runs[0].Phases[2].Examined})
	require.Equal(t, []string{"tokens", "authorization codes", "CIBA codes"},
		[]string{runs[0].Phases[0].Phase, runs[0].Phases[1].Phase, runs[0].Phases[2].Phase})
	require.Equal(t, []int64{deadTokens, deadCodes, deadCIBAs}, []int64{runs[0].Phases[0].Removed, runs[0].Phases[1].Removed, runs[0].Phases[2].Removed})
	require.EqualValues(t, 6, runs[0].Phases[0].Batches)
	s.mustCall(arguments(nil))
	require.Len(t, w.runs(), 2, "the newest comes first")
	require.Zero(t, w.runs()[0].Phases[0].Removed+w.runs()[0].Phases[0].Batches)
	require.NoError(t, procedure.Uninstall(t.Context(), w.DB, w.Dialect, w.Schema))
	require.Equal(t, programs, w.Found().Programs)
	after := w.Dump()
	require.Len(t, after, len(before), "a table is left")
}

// auditColumnMissing has data in a column that the audit table lacks.
func auditColumnMissing(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install() // while there is none
	w.Exec("UPDATE " + tokens + " SET CONSENTED_TOKEN = 'true' WHERE TOKEN_ID = 'dead-07'")
	before, s := w.Dump(), w.session()
	_, err := s.call(arguments(nil))
	w.requireNothingChanged(before, err, "CONSENTED_TOKEN holds data and "+audits+" has no such column")
	_, err = procedure.Script(t.Context(), w.DB, w.plan(true))
	w.requireNothingChanged(before, err, "CONSENTED_TOKEN", "--audit-missing=drop")
	w.requireNothingChanged(before, procedure.Install(t.Context(), w.DB, w.plan(true)), "CONSENTED_TOKEN", "--audit-missing=drop")
	drop := w.plan(true)
	drop.AuditMissing = cleanup.AuditDrop
	require.NoError(t, procedure.Install(t.Context(), w.DB, drop))
	s.mustCall(arguments(nil))
	w.requireClean()
}

// leastPrivileges has it called by a user who may do nothing else, and made by one who may not.
func leastPrivileges(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	operator := w.user("GRANT EXECUTE ON PROCEDURE " + w.Schema + "." + procedure.Name + " TO %s")
	_, err := operator.ExecContext(t.Context(), "DELETE FROM "+w.Schema+"."+tokens)
	require.Error(t, err)
	call, err := arguments(nil).Statement(w.d)
	require.NoError(t, err)
	_, err = operator.ExecContext(t.Context(), "CALL "+w.Schema+"."+strings.TrimPrefix(call, "CALL "))
	require.NoError(t, err)
	w.requireClean()

	// A user who may not make it is told what to grant, and nothing is left.
	require.NoError(t, procedure.Uninstall(t.Context(), w.DB, w.Dialect, w.Schema))
	before, programs := w.Dump(), w.Found().Programs
	maker := w.user("GRANT CREATE, DROP, REFERENCES, SELECT, INSERT, UPDATE, DELETE ON " + w.Schema + ".* TO %s")
	err = procedure.Install(t.Context(), maker, w.plan(true))
	w.requireNothingChanged(before, err, "a privilege is missing", "GRANT CREATE ROUTINE, ALTER ROUTINE, EXECUTE")
	var refusal *cleanup.Error
	require.True(t, errors.As(err, &refusal))
	require.Equal(t, cleanup.Refused, refusal.Kind)
	require.Equal(t, programs, w.Found().Programs)
}

// user makes one with these privileges and connects.
func (w *world) user(grants ...string) *sql.DB {
	w.t.Helper()
	name := fmt.Sprintf("u%x", time.Now().UnixNano())
	w.Exec("CREATE USER " + name + " IDENTIFIED BY 'Pass-word-1'")
	w.t.Cleanup(func() {
		_, err := w.DB.ExecContext(context.Background(), "DROP USER "+name)
		require.NoError(w.t, err)
	})
	for _, grant := range grants {
		w.Exec(fmt.Sprintf(grant, name))
	}
	w.Exec(fmt.Sprintf("GRANT SELECT ON %s.%s TO %s", w.Schema, schema.ConsumerApps, name)) // so that the schema is one to connect to
	db, err := w.Connect(w.t.Context(), harness.Session{User: name, Password: "Pass-word-1"})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, db.Close()) })
	return db
}
