package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// own opens a server that a test may break. It skips where ForTest does.
func own(t *testing.T, o harness.Options) *harness.Target {
	t.Helper()
	harness.ForTest(t, o)
	o.Fast = true
	target, err := harness.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, target.Close()) })
	return target
}

// TestCleanOnASQLServerDatabaseThatTakesNoChange: modes of a database that are
// SQL Server's own. Each is set on a database of the test's.
func TestCleanOnASQLServerDatabaseThatTakesNoChange(t *testing.T) {
	for name, c := range map[string]struct {
		set, undo string
		code      int
		says      []string
	}{
		"read-only": {"SET READ_ONLY WITH ROLLBACK IMMEDIATE", "SET READ_WRITE WITH ROLLBACK IMMEDIATE", exitRefused, []string{"read-only"}},
		"offline":   {"SET OFFLINE WITH ROLLBACK IMMEDIATE", "SET ONLINE", exitRefused, []string{"check"}},
		"single-user, taken": {"SET SINGLE_USER WITH ROLLBACK IMMEDIATE", "SET MULTI_USER WITH ROLLBACK IMMEDIATE", exitUnavailable,
			[]string{"single-user"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: harness.SQLServer})
			seeded(t, target, seed.Spec{Seed: 14, Tokens: 300})
			image := captured(t, target)
			conn, err := target.DB.Conn(t.Context()) // in single-user mode this is the one that has the database
			require.NoError(t, err)
			defer conn.Close()
			var database string
			require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT DB_NAME()").Scan(&database))
			alter := func(mode string) error {
				_, err := conn.ExecContext(t.Context(), "ALTER DATABASE ["+database+"] "+mode)
				return err
			}
			err = alter(c.set)
			if target.Dialect.Classify(err) == dialect.Unsupported { // and nothing else may pass over it
				t.Skipf("%s: %v", target.Server, err)
			}
			require.NoError(t, err)
			got := tokensweep(t, "clean", "--dsn", target.ConnectionString(), "--yes", "--cutoff", cutOffText)
			require.NoError(t, alter(c.undo))
			require.Equal(t, c.code, got.code, got.stderr)
			for _, part := range c.says {
				require.Contains(t, lastLine(got.stderr), part)
			}
			requireUnchanged(t, target, image)
		})
	}
}

// TestCleanWithAFullLog: FULL recovery without log backups, and a log that may
// not grow. What was committed stays, the rest is as it was.
func TestCleanWithAFullLog(t *testing.T) {
	target := harness.ForTest(t, harness.Options{DB: harness.SQLServer})
	seeded(t, target, seed.Spec{Seed: 15, Tokens: 20_000, Mix: seed.MostlyDead})
	image := captured(t, target)
	_, err := target.DB.ExecContext(t.Context(), "ALTER DATABASE CURRENT SET RECOVERY FULL")
	if target.Dialect.Classify(err) == dialect.Unsupported { // and nothing else may pass over it
		t.Skipf("%s: %v", target.Server, err)
	}
	require.NoError(t, err)
	sqlOn(t, target, `DECLARE @log SYSNAME = (SELECT name FROM sys.database_files WHERE type = 1);
		DECLARE @limit NVARCHAR(MAX) = N'BACKUP DATABASE ' + QUOTENAME(DB_NAME()) + N' TO DISK = N''NUL''; DBCC SHRINKFILE(' +
			QUOTENAME(@log) + N', 1); ALTER DATABASE CURRENT MODIFY FILE (NAME = ' + QUOTENAME(@log) + N', MAXSIZE = 9MB)';
		EXEC (@limit)`)
	began := time.Now().UTC().Truncate(time.Second)
	got := tokensweep(t, "clean", "--dsn", target.ConnectionString(), "--yes", "--cutoff", cutOffText)
	require.Equal(t, exitUnavailable, got.code, got.stderr)
	require.Contains(t, lastLine(got.stderr), "transaction log")
	outcome, err := verify.Check(t.Context(), source(target), image, verify.Expect{Policy: token.Documented, Audit: true, Incomplete: true,
		Own: []string{cleanup.LedgerTable}, From: began, To: time.Now().UTC().Add(time.Second)})
	require.NoError(t, err)
	require.NotEqual(t, verify.Fail, outcome.Verdict, "%+v", outcome.Findings)
}

func TestCleanRefusesAReadOnlyServer(t *testing.T) {
	for db, readOnly := range map[string]string{harness.MySQL: "super_read_only", harness.MariaDB: "read_only"} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := own(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 14, Tokens: 300})
			sqlOn(t, target, "CREATE USER cleaner IDENTIFIED BY 'hidden-secret'", "GRANT ALL ON `"+target.Schema+"`.* TO cleaner",
				"SET GLOBAL "+readOnly+" = ON")
			image := captured(t, target)
			got := tokensweep(t, "clean", "--dsn", login(target.ConnectionString(), "cleaner:hidden-secret"), "--yes", "--cutoff", cutOffText)
			require.Equal(t, exitRefused, got.code, got.stderr)
			require.Contains(t, lastLine(got.stderr), "the server is read-only")
			require.Contains(t, lastLine(got.stderr), "run on the primary")
			requireUnchanged(t, target, image)
		})
	}
}
