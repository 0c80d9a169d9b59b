package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// sqlServerEngine is what only SQL Server has: triggers instead of a delete,
// audit tables that OUTPUT INTO does not take, schemas inside a database.
func sqlServerEngine(t *testing.T, open Opener) {
	for name, test := range map[string]func(*Fixture){
		"audit table with a trigger":      guardedByTrigger,
		"audit table with a foreign key":  guardedByKey,
		"audit table with a condition":    guardedByCondition,
		"trigger instead of the delete":   insteadOfDelete,
		"trigger that deletes nothing":    insteadOfNothing,
		"trigger that changes other rows": noisyTrigger,
		"keys are looked up":              keyLookups,
		"row versions":                    rowVersions,
		"no lock escalation":              noEscalation,
		"throttle on the log":             throttled,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(engineFixture(t, open)) })
	}
	t.Run("schema other than dbo", func(t *testing.T) { t.Parallel(); otherThanDBO(engineFixture(t, open)) })
	t.Run("case-sensitive database", func(t *testing.T) { t.Parallel(); caseSensitive(t, open) })
	t.Run("names in lower case", func(t *testing.T) { t.Parallel(); lowerCase(t, open) })
	t.Run("throttle on a log that cannot be seen", func(t *testing.T) { t.Parallel(); throttleUnseen(engineFixture(t, open)) })
}

// otherThanDBO cleans tables of another schema than the user's own, which holds
// tables of the same names.
func otherThanDBO(f *Fixture) {
	f.Exec("CREATE SCHEMA [Identity]")
	other := &harness.Target{DB: f.DB, Dialect: sqlserver.Dialect{Schema: "Identity"}, Schema: "Identity", Server: f.Server}
	one := engineFixture(f.t, func(*testing.T, harness.Options) *harness.Target { return other })
	before := f.Dump()
	one.requireClean(one.Verified(cleanup.Batch{Size: 7}, one.Plan(token.Documented)))
	require.Equal(f.t, before, f.Dump())
}

// caseSensitive is the collation that the vendor asks for.
func caseSensitive(t *testing.T, open Opener) {
	f := engineFixture(t, func(t *testing.T, o harness.Options) *harness.Target {
		return inDatabase(t, open(t, o), "Latin1_General_CS_AS")
	})
	f.Insert(tokens, TokenRow("DEAD-01", token.Active, Row{"TIME_CREATED": At(7000)}))
	result, outcome := f.Verified(cleanup.Batch{Size: 7}, f.Plan(token.Documented))
	require.Equal(t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
	require.EqualValues(t, deadTokens, result.Phases[0].Removed)
	require.EqualValues(t, 1, f.Count(tokens, "TOKEN_ID = 'DEAD-01'"))
}

// inDatabase makes a database of another collation on a target's server.
func inDatabase(t *testing.T, target *harness.Target, collation string) *harness.Target {
	t.Helper()
	other, err := target.NewSchema(t.Context(), collation)
	if target.Dialect.Classify(err) == dialect.Unsupported { // and nothing else may pass over it
		t.Skipf("%s: %v", target.Server, err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	return other
}

// lowerCase has tables as an object-relational mapper may have made them.
func lowerCase(t *testing.T, open Opener) {
	f := engineFixtureOf(t, open, Setup{Change: func(d *schema.Database) {
		for i := range d.Tables {
			d.Tables[i].Name = strings.ToLower(d.Tables[i].Name)
		}
	}})
	f.requireCleanNames()
}

// requireCleanNames is requireClean for tables whose names have another case.
func (f *Fixture) requireCleanNames() {
	f.t.Helper()
	result, outcome := f.Verified(cleanup.Batch{Size: 7}, f.Plan(token.Documented))
	require.Equal(f.t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
	require.Equal(f.t, []int64{deadTokens, deadCodes, deadCIBAs}, []int64{result.Phases[0].Removed, result.Phases[1].Removed, result.Phases[2].Removed})
}

// throttleUnseen has no right to see the log, or a server that has no such view:
// who asks for a throttle then must not run without.
func throttleUnseen(f *Fixture) {
	db := f.reader(map[string]string{tokens: "DELETE", codes: "DELETE", requests: "DELETE", schema.RequestObject: "DELETE",
		audits: "INSERT", cleanup.LedgerTable: ""})
	f.requireRefused(onto{cleanup.Batch{ThrottleLog: 50}, db}, f.Plan(token.Documented), "how full the transaction log is", "VIEW SERVER STATE")
}

// guardedByTrigger counts audit rows by a trigger, which must fire once a batch.
func guardedByTrigger(f *Fixture) {
	f.Exec("CREATE TABLE SEEN (N INT)")
	f.Exec("CREATE TRIGGER COUNTED ON " + audits + " AFTER INSERT AS INSERT INTO SEEN SELECT COUNT(*) FROM INSERTED")
	result, err := cleanup.Batch{Size: 7}.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	require.NoError(f.t, err)
	f.requireTotals(result)
	require.EqualValues(f.t, deadTokens, f.number("SELECT SUM(N) FROM SEEN"))
}

func guardedByKey(f *Fixture) {
	f.Exec("ALTER TABLE " + audits + " ADD CONSTRAINT FK_AUDIT_APP FOREIGN KEY (CONSUMER_KEY_ID) REFERENCES IDN_OAUTH_CONSUMER_APPS (ID)")
	f.requireClean(f.Verified(cleanup.Batch{Size: 7}, f.Plan(token.Documented)))
}

func guardedByCondition(f *Fixture) {
	f.Exec("ALTER TABLE " + audits + " ADD CONSTRAINT CK_AUDIT CHECK (TENANT_ID < 0)")
	f.requireClean(f.Verified(cleanup.Batch{Size: 7}, f.Plan(token.Documented)))
}

// withoutCascades drops the token table's own cascading keys: SQL Server takes no
// trigger instead of a delete beside them.
func (f *Fixture) withoutCascades() {
	found, _ := f.Found().Table(tokens)
	for _, key := range found.ForeignKeys {
		f.Exec("ALTER TABLE " + tokens + " DROP CONSTRAINT " + f.Dialect.Quote(key.Name))
	}
}

// insteadOfDelete is the trigger that product-is#26380 asks for: it deletes the
// children and then the tokens, and the server counts what it was asked for.
func insteadOfDelete(f *Fixture) {
	f.withoutCascades()
	f.Exec("CREATE TRIGGER CHILDREN_FIRST ON " + tokens + " INSTEAD OF DELETE AS BEGIN " +
		"DELETE FROM IDN_OIDC_REQ_OBJECT_REFERENCE WHERE TOKEN_ID IN (SELECT TOKEN_ID FROM DELETED); " +
		"DELETE FROM " + tokens + " WHERE TOKEN_ID IN (SELECT TOKEN_ID FROM DELETED) END")
	f.requireClean(f.Verified(cleanup.Batch{Size: 7}, f.Plan(token.Documented)))
}

// insteadOfNothing keeps one row, and the server counts it as deleted.
func insteadOfNothing(f *Fixture) {
	f.withoutCascades()
	f.Exec("CREATE TRIGGER not_this_one ON " + tokens + " INSTEAD OF DELETE AS " +
		"DELETE FROM " + tokens + " WHERE TOKEN_ID IN (SELECT TOKEN_ID FROM DELETED) AND TOKEN_ID <> 'dead-13'")
	result, outcome := f.Verified(cleanup.Batch{Size: 20}, f.Plan(token.Documented))
	require.EqualValues(f.t, deadTokens-1, result.Phases[0].Removed)
	require.EqualValues(f.t, deadTokens-1, result.Phases[0].Audited)
	require.Len(f.t, result.Phases[0].Held, 1)
	require.Equal(f.t, []string{"dead-13"}, result.Phases[0].Held[0].Samples)
	require.Contains(f.t, result.Phases[0].Held[0].By, "not_this_one")
	requireFaults(f.t, outcome, fault{verify.WronglyKept, tokens, 1, []string{"dead-13"}})
}

// noisyTrigger changes many rows of another table at each delete: a driver that
// adds all counts up would take them for deleted tokens.
func noisyTrigger(f *Fixture) {
	f.Exec("CREATE TABLE SEEN (N INT)")
	f.Exec("INSERT INTO SEEN VALUES (1), (2), (3)")
	f.Exec("CREATE TRIGGER NOISY ON " + tokens + " AFTER DELETE AS UPDATE SEEN SET N = N + 1")
	result, err := cleanup.Batch{Size: 7}.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	require.NoError(f.t, err)
	f.requireTotals(result)
}

// readOnlyDatabase is one that was set READ_ONLY, or a readable secondary.
func readOnlyDatabase(f *Fixture) {
	if f.Server.Product == "Babelfish" { // which cannot set a database read-only; its sessions can be
		address, connectBy := f.login()
		connector := connectBy(address).(*mssql.Connector)
		connector.SessionInitSQL = "SELECT set_config('default_transaction_read_only', 'on', false)"
		db := sql.OpenDB(connector)
		defer db.Close()
		f.requireRefused(onto{cleanup.Batch{}, db}, f.Plan(token.Documented), "read-only", "run on the primary")
		return
	}
	f.Exec("ALTER DATABASE CURRENT SET READ_ONLY WITH ROLLBACK IMMEDIATE")
	defer f.Exec("ALTER DATABASE CURRENT SET READ_WRITE WITH ROLLBACK IMMEDIATE")
	f.requireRefused(cleanup.Batch{}, f.Plan(token.Documented), "read-only", "run on the primary")
}

// sqlServerReader makes a login and its user in the fixture's database.
func (f *Fixture) sqlServerReader(privileges map[string]string) *sql.DB {
	f.t.Helper()
	id := fnv.New64a()
	id.Write([]byte(f.t.Name() + f.ConnectionString()))
	name := fmt.Sprintf("tokensweep_%x", id.Sum64())
	f.Exec("CREATE LOGIN " + name + " WITH PASSWORD = 'Pass-word-1'")
	f.t.Cleanup(func() { _, _ = f.DB.ExecContext(context.Background(), "DROP LOGIN "+name) })
	f.Exec("CREATE USER " + name + " FOR LOGIN " + name)
	f.t.Cleanup(func() { _, _ = f.DB.ExecContext(context.Background(), "DROP USER "+name) })
	grants := []string{"SELECT ON SCHEMA::dbo"}
	for table, some := range privileges {
		if table != cleanup.LedgerTable {
			grants = append(grants, some+" ON "+table)
		}
	}
	switch privileges[cleanup.LedgerTable] {
	case "INSERT, CREATE, DROP":
		grants = append(grants, "CREATE TABLE", "ALTER, INSERT ON SCHEMA::dbo")
	case "INSERT, CREATE": // what the schema's owner owns cannot be dropped without ALTER
		grants = append(grants, "CREATE TABLE", "INSERT ON SCHEMA::dbo")
	case "CREATE, DROP":
		grants = append(grants, "CREATE TABLE", "ALTER ON SCHEMA::dbo")
	}
	for _, g := range grants {
		_, err := f.DB.ExecContext(f.t.Context(), "GRANT "+g+" TO "+name)
		if f.Dialect.Classify(err) == dialect.Unsupported { // and nothing else may pass over it
			f.t.Skipf("%s: %v", f.Server, err)
		}
		require.NoError(f.t, err, g)
	}
	db, err := f.Connect(f.t.Context(), harness.Session{User: name, Password: "Pass-word-1"})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { require.NoError(f.t, db.Close()) })
	return db
}
