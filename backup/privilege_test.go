package backup_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

// user makes one with privileges by table ("*": the schema) and returns a pool of
// its sessions.
func user(t *testing.T, target *harness.Target, name string, privileges map[string]string) *sql.DB {
	t.Helper()
	exec := func(statement string) {
		_, err := target.DB.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	name = name + "_" + target.Schema[len(target.Schema)-6:]
	exec("CREATE USER " + name + " IDENTIFIED BY 'Secret-1'")
	t.Cleanup(func() { _, _ = target.DB.Exec("DROP USER " + name) })
	for table, privilege := range privileges {
		exec("GRANT " + privilege + " ON " + target.Schema + "." + table + " TO " + name)
	}
	db, err := target.Connect(t.Context(), harness.Session{User: name, Password: "Secret-1"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// TestLeastPrivileges: who may clean may keep what goes, and to restore takes no more
// than the README says.
func TestLeastPrivileges(t *testing.T) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := open(t, harness.Options{DB: db})
			seeded(t, target, schema.DefaultRelease, 300, seed.MostlyDead)
			before := contents(t, target)
			read := "SELECT, REFERENCES"
			cleaner := user(t, target, "cleaner", map[string]string{"*": read, schema.AccessToken: "DELETE", schema.AuthzCode: "DELETE", schema.CIBACode: "DELETE",
				schema.RequestClaims: "DELETE", schema.TokenAudit: "INSERT", cleanup.LedgerTable: "INSERT, CREATE, DROP"})
			path := file(t)
			_, err := cleanup.Batch{Backup: keep(path)}.Clean(t.Context(), cleaner, plan(t, target, true), watcher(t))
			require.NoError(t, err)
			f, err := backup.Open(path)
			require.NoError(t, err)
			granted := map[string]string{"*": read, schema.TokenAudit: "DELETE"}
			for _, table := range f.Tables {
				granted[table.Name] = "INSERT"
			}
			restorer := user(t, target, "restorer", granted)
			report, err := backup.Restore(t.Context(), restorer, target.Dialect, target.Schema, f, backup.Options{}, watcher(t))
			require.NoError(t, err)
			require.True(t, report.Whole(), brief(report))
			requireSame(t, before, contents(t, target))
		})
	}
}
