package harness_test

import (
	"bytes"
	"database/sql"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// servers are the ways to a throw-away MySQL or MariaDB that tests take where they can.
var servers = []harness.Options{
	{DB: harness.MySQL, Via: harness.Container},
	{DB: harness.MySQL, Via: harness.Process},
	{DB: harness.MariaDB, Via: harness.Process},
}

// sqlServers are the ways to a SQL Server.
var sqlServers = []harness.Options{
	{DB: harness.SQLServer, Via: harness.DSN},
	{DB: harness.SQLServer, Via: harness.Container},
}

var embedded = harness.Options{DB: harness.SQLite}

// everywhere is on what every test can run that needs no product of its own.
func everywhere() []harness.Options {
	return slices.Concat(servers, sqlServers, []harness.Options{embedded})
}

// on runs a test in parallel on a fresh schema of each of the servers.
func on(t *testing.T, servers []harness.Options, test func(*testing.T, *harness.Target)) {
	t.Parallel()
	for _, o := range servers {
		t.Run(o.DB+" "+o.Via, func(t *testing.T) {
			t.Parallel()
			test(t, harness.ForTest(t, o))
		})
	}
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

func ask(t *testing.T, db *sql.DB, query string, args ...any) string {
	t.Helper()
	var answer string
	require.NoError(t, db.QueryRowContext(t.Context(), query, args...).Scan(&answer), query)
	return answer
}

func TestTargetSaysWhatItIs(t *testing.T) {
	on(t, everywhere(), func(t *testing.T, target *harness.Target) {
		s := target.Server
		require.NotEmpty(t, s.Version)
		require.True(t, target.Temporary)
		switch target.Dialect.Name() {
		case "sqlite":
			require.Equal(t, "SQLite", s.Product)
			require.Equal(t, "main", target.Schema)
			require.Equal(t, "embedded", s.Via)
			require.Empty(t, s.Zone)
		case "sqlserver":
			banner := ask(t, target.DB, "SELECT @@VERSION")
			if strings.Contains(banner, "Babelfish") {
				require.Equal(t, "Babelfish", s.Product)
				require.Regexp(t, `^\d+\.\d+(\.\d+)? on PostgreSQL \d+`, s.Version)
			} else {
				require.Contains(t, banner, "Microsoft")
				require.Contains(t, s.Product, "SQL")
				require.Contains(t, s.Version, ask(t, target.DB, "SELECT CAST(SERVERPROPERTY('ProductVersion') AS VARCHAR(99))"))
			}
			require.Equal(t, target.Schema, ask(t, target.DB, "SELECT SCHEMA_NAME()"))
			require.Equal(t, sqlserver.Dialect{Schema: target.Schema}, target.Dialect)
			require.Empty(t, s.Zone, "a DATETIME has none")
		default:
			require.Contains(t, []string{"MySQL", "MariaDB"}, s.Product)
			require.Equal(t, target.Schema, ask(t, target.DB, "SELECT DATABASE()"))
			require.Equal(t, s.Version, ask(t, target.DB, "SELECT VERSION()"))
			require.Equal(t, "+00:00", s.Zone)
		}
	})
}

func TestSchemasOnOneServerAreSeparate(t *testing.T) {
	on(t, everywhere(), func(t *testing.T, a *harness.Target) {
		b, err := a.NewSchema(t.Context(), "")
		require.NoError(t, err)
		run(t, a.DB, "CREATE TABLE t (i INT)", "INSERT INTO t VALUES (1)")
		run(t, b.DB, "CREATE TABLE t (i INT)")
		require.Equal(t, "1", ask(t, a.DB, "SELECT COUNT(*) FROM t"))
		require.Equal(t, "0", ask(t, b.DB, "SELECT COUNT(*) FROM t"))

		gone := func() { require.NoFileExists(t, b.ConnectionString()) }
		switch a.Dialect.Name() {
		case "mysql":
			gone = func() {
				require.Equal(t, "0", ask(t, a.DB, "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", b.Schema))
			}
		case "sqlserver":
			name := ask(t, b.DB, "SELECT DB_NAME()")
			require.NotEqual(t, name, ask(t, a.DB, "SELECT DB_NAME()"))
			gone = func() { requireNoDatabase(t, a, name) }
		}
		require.NoError(t, b.Close())
		require.NoError(t, b.Close(), "closing again does nothing")
		gone()
		require.Equal(t, "1", ask(t, a.DB, "SELECT COUNT(*) FROM t"))
	})
}

func TestNewSchemaHasTheCollation(t *testing.T) {
	on(t, servers, func(t *testing.T, target *harness.Target) {
		latin, err := target.NewSchema(t.Context(), "latin1_bin")
		require.NoError(t, err)
		defer latin.Close()
		require.Equal(t, "latin1_bin", ask(t, latin.DB, "SELECT @@collation_database"))

		_, err = target.NewSchema(t.Context(), "no_such_collation")
		require.ErrorContains(t, err, "no_such_collation")
	})
}

func TestConnectionsHaveTheSettingsOfTheProject(t *testing.T) {
	on(t, servers, func(t *testing.T, target *harness.Target) {
		require.Equal(t, "utf8mb4", ask(t, target.DB, "SELECT @@character_set_client"))
		require.Equal(t, "2024-02-30 ☃", ask(t, target.DB, "SELECT CONCAT(?, ' ', ?)", "2024-02-30", "☃"))

		run(t, target.DB, "CREATE TABLE t (d DATETIME, s VARCHAR(9)) CHARACTER SET utf8mb4", "INSERT INTO t VALUES ('2024-03-31 02:30:00', 'ü')")
		require.Equal(t, "2024-03-31 02:30:00", ask(t, target.DB, "SELECT d FROM t"), "a time arrives as text")

		_, err := target.DB.ExecContext(t.Context(), "DELETE FROM t; DELETE FROM t")
		require.Error(t, err, "one statement at a time")
		_, err = target.DB.ExecContext(t.Context(), "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t")
		require.Error(t, err, "no file of the client")

		load, done := target.Dialect.(dialect.BulkLoader).BulkLoad("t", []string{"d", "s"},
			func() io.Reader { return bytes.NewBufferString("2024-01-01 00:00:00\ta\n\\N\tb\n") })
		defer done()
		run(t, target.DB, load)
		require.Equal(t, "3", ask(t, target.DB, "SELECT COUNT(*) FROM t"))
	})
}

func TestEmbeddedEngineKeepsForeignKeysAndLetsReadersIn(t *testing.T) {
	on(t, []harness.Options{embedded}, func(t *testing.T, target *harness.Target) {
		run(t, target.DB, "CREATE TABLE p (i INTEGER PRIMARY KEY)", "CREATE TABLE c (i INTEGER REFERENCES p)", "INSERT INTO p VALUES (1)")
		_, err := target.DB.ExecContext(t.Context(), "INSERT INTO c VALUES (2)")
		require.Equal(t, dialect.RowRefused, target.Dialect.Classify(err))

		tx, err := target.DB.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback()
		_, err = tx.ExecContext(t.Context(), "DELETE FROM p")
		require.NoError(t, err)
		require.Equal(t, "1", ask(t, target.DB, "SELECT COUNT(*) FROM p"), "a reader beside a writer sees the last commit")
	})
}

// A wall clock in a TIMESTAMP column is what a session in the same zone reads
// back, and only that one.
func TestSessionsAreInTheZoneAskedFor(t *testing.T) {
	for i := range servers {
		servers := servers[i : i+1]
		t.Run(servers[0].DB+" "+servers[0].Via, func(t *testing.T) {
			t.Parallel()
			o := servers[0]
			o.ServerZone, o.WritersZone = "-08:00", "Europe/Berlin"
			target := harness.ForTest(t, o)
			require.Equal(t, "Europe/Berlin", target.Server.Zone)
			require.Equal(t, "-08:00", ask(t, target.DB, "SELECT @@global.time_zone"))
			run(t, target.DB, "CREATE TABLE t (at TIMESTAMP)", "INSERT INTO t VALUES ('2024-07-01 12:00:00')")

			for zone, wall := range map[string]string{"": "2024-07-01 02:00:00", "+05:30": "2024-07-01 15:30:00", "Europe/Berlin": "2024-07-01 12:00:00"} {
				db, err := target.Connect(t.Context(), harness.Session{Zone: zone})
				require.NoError(t, err)
				require.Equal(t, wall, ask(t, db, "SELECT at FROM t"), "zone %q", zone)
				require.NoError(t, db.Close())
			}

			_, err := target.Connect(t.Context(), harness.Session{Zone: "Europe/Atlantis"})
			require.ErrorContains(t, err, "does not know the time zone Europe/Atlantis")
			_, err = target.Connect(t.Context(), harness.Session{Zone: "'; DROP DATABASE"})
			var option *harness.OptionError
			require.ErrorAs(t, err, &option)
		})
	}
}

func TestConnectAsAnotherUser(t *testing.T) {
	on(t, servers, func(t *testing.T, target *harness.Target) {
		user := "u" + target.Schema[len(target.Schema)-12:]
		run(t, target.DB, "CREATE TABLE t (i INT)", "CREATE USER '"+user+"' IDENTIFIED BY 'pw'", "GRANT SELECT ON `"+target.Schema+"`.* TO '"+user+"'")
		defer run(t, target.DB, "DROP USER '"+user+"'")
		db, err := target.Connect(t.Context(), harness.Session{User: user, Password: "pw"})
		require.NoError(t, err)
		defer db.Close()
		require.Equal(t, "0", ask(t, db, "SELECT COUNT(*) FROM t"))
		_, err = db.ExecContext(t.Context(), "DELETE FROM t")
		require.Equal(t, dialect.Denied, target.Dialect.Classify(err))
	})
}
