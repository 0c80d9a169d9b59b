package script_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
)

// read reads a script that a test writes.
func read(t *testing.T, on schema.Product, text string) *script.File {
	t.Helper()
	f, err := script.Read(write(t, text), on)
	require.NoError(t, err)
	return f
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script.sql")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// dead inserts so many revoked tokens.
func dead(f *dbtest.Fixture, n int) {
	var rows []dbtest.Row
	for i := range n {
		rows = append(rows, dbtest.TokenRow(fmt.Sprintf("dead-%03d", i), "REVOKED", nil))
	}
	f.InsertAll(schema.AccessToken, rows)
}

func TestOfficialProceduresLeaveFewerThanCheckCount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind) {
		f := k.fixture(t, harness.Options{})
		dead(f, 99)
		clean := func() *cleanup.Result {
			result, err := script.Engine{File: k.official(t, "enableLog=FALSE", "batchSize=30", "backupTables=FALSE")}.
				Clean(t.Context(), f.DB, f.Plan(k.rule), cleanup.Watcher{})
			require.NoError(t, err)
			return result
		}
		require.EqualValues(t, 0, clean().Phases[0].Removed)
		f.Insert(schema.AccessToken, dbtest.TokenRow("one-more", "REVOKED", nil))
		require.EqualValues(t, 100, clean().Phases[0].Removed, "and a second run copes with what the first one left")
		require.EqualValues(t, 0, f.Count(schema.AccessToken, ""))
	})
}

func TestOfficialProceduresAudit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind) {
		f := k.fixture(t, harness.Options{})
		dead(f, 5)
		f.Insert(schema.AccessToken, dbtest.TokenRow("live", "ACTIVE", dbtest.Row{"REFRESH_TOKEN_VALIDITY_PERIOD": -1}))
		file := k.official(t, "enableAudit=true", "checkCount=1", "batchSize=2", "chunkSize=3", "backupTables=0")
		require.True(t, file.Audits())
		_, err := script.Engine{File: file}.Clean(t.Context(), f.DB, f.Plan(k.rule), cleanup.Watcher{})
		require.NoError(t, err)
		require.Equal(t, []string{"dead-000", "dead-001", "dead-002", "dead-003", "dead-004"}, f.Keys("AUDITLOG_"+schema.AccessToken+"_CLEANUP", "TOKEN_ID"))
		require.EqualValues(t, 6, f.Count("BAK_"+schema.AccessToken, ""), "an audit forces the backup")
		found := f.Found()
		for _, made := range file.Creates() {
			if _, there := found.Table(made); !strings.HasPrefix(made, "BATCH") { // which only rows to remove bring
				require.True(t, there, made)
			}
		}
	})
}

// A statement that fails ends the run, says where, and what was done stays.
func TestFailureInTheMiddle(t *testing.T) {
	t.Parallel()
	scripts := map[schema.Product]string{
		schema.MySQL: `DELIMITER $$
CREATE PROCEDURE half()
BEGIN
  DELETE FROM IDN_OAUTH2_ACCESS_TOKEN WHERE TOKEN_ID = 'dead-000';
  SELECT 'gone' AS log;
  INSERT INTO NO_SUCH_TABLE VALUES (1);
END$$
`,
		schema.SQLServer: `CREATE PROCEDURE half AS
BEGIN
  DELETE FROM IDN_OAUTH2_ACCESS_TOKEN WHERE TOKEN_ID = 'dead-000';
  PRINT 'gone';
  INSERT INTO NO_SUCH_TABLE VALUES (1);
END
`,
	}
	each(t, func(t *testing.T, k kind) {
		f := k.fixture(t, harness.Options{})
		dead(f, 3)
		var log heard
		result, err := script.Engine{File: read(t, k.product, scripts[k.product])}.Clean(t.Context(), f.DB, f.Plan(k.rule), log.watcher())
		var failed *cleanup.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, cleanup.Failed, failed.Kind)
		require.Regexp(t, `script\.sql, line \d+: the server refused .*half`, err.Error())
		require.Regexp(t, `(?i)no_such_table`, err.Error(), "the server's own words")
		require.Contains(t, err.Error(), "stays")
		require.EqualValues(t, 1, result.Phases[0].Removed)
		require.Contains(t, log.all(), "gone")
	})
}

// The script's mistakes are named by its own lines.
func TestFailureNamesTheLine(t *testing.T) {
	t.Parallel()
	scripts := map[schema.Product]string{
		schema.MySQL:     "-- one\nSELECT 1;\nDELIMITER $$\nCREATE PROCEDURE p()\nBEGIN\n  SELEKT 2;\nEND$$\n",
		schema.SQLServer: "-- one\nSELECT 1\nGO\nCREATE PROCEDURE p AS\nBEGIN\n  SELECT 2 FROM WHERE;\nEND\nGO\n",
	}
	each(t, func(t *testing.T, k kind) {
		f := k.fixture(t, harness.Options{})
		_, err := script.Engine{File: read(t, k.product, scripts[k.product])}.Clean(t.Context(), f.DB, f.Plan(k.rule), cleanup.Watcher{})
		require.ErrorContains(t, err, "script.sql, line 6: the server refused CREATE PROCEDURE p")
	})
}

// endless are scripts that never end, one in a statement and one in a loop.
var endless = map[schema.Product]map[string]string{
	schema.MySQL: {
		"statement": "DELETE FROM IDN_OAUTH2_ACCESS_TOKEN WHERE TOKEN_ID = 'dead-000'; SELECT 'started' AS log; DO SLEEP(600);",
		"loop":      "DELETE FROM IDN_OAUTH2_ACCESS_TOKEN WHERE TOKEN_ID = 'dead-000'; SELECT 'started' AS log; DELIMITER $$\nCREATE PROCEDURE p() BEGIN LOOP SET @x = 1; END LOOP; END$$",
	},
	schema.SQLServer: {
		"loop": "DELETE FROM IDN_OAUTH2_ACCESS_TOKEN WHERE TOKEN_ID = 'dead-000'; SELECT 'started' AS log;\nGO\nDECLARE @x INT = 0; WHILE 1 = 1 SET @x = @x % 7 + 1;",
	},
}

// Cancelling kills what is under way: no session of the script is left.
func TestCancelKills(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind) {
		for name, text := range endless[k.product] {
			f := k.fixture(t, harness.Options{})
			dead(f, 3)
			ctx, cancel := context.WithCancel(t.Context())
			started := cleanup.Watcher{Log: func(format string, args ...any) {
				if strings.Contains(fmt.Sprintf(format, args...), "started") {
					cancel()
				}
			}}
			result, err := script.Engine{File: read(t, k.product, text)}.Clean(ctx, f.DB, f.Plan(k.rule), started)
			require.NoError(t, err, name)
			require.Equal(t, "interrupted", result.Stopped, name)
			require.EqualValues(t, 1, result.Phases[0].Removed, name)
			require.Zero(t, running(t, f.DB, k), name)
		}
	})
}

func TestMaxDurationKills(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind) {
		f := k.fixture(t, harness.Options{})
		result, err := script.Engine{File: read(t, k.product, endless[k.product]["loop"]), MaxDuration: 3 * time.Second}.
			Clean(t.Context(), f.DB, f.Plan(k.rule), cleanup.Watcher{})
		require.NoError(t, err)
		require.Equal(t, "the time limit of 3s", result.Stopped)
		require.False(t, result.Complete())
		require.Zero(t, running(t, f.DB, k))
	})
}

// running counts the statements that work in the database, beside the one that asks.
func running(t *testing.T, db *sql.DB, k kind) (n int) {
	t.Helper()
	query := "SELECT COUNT(*) FROM INFORMATION_SCHEMA.PROCESSLIST WHERE DB = DATABASE() AND COMMAND <> 'Sleep' AND ID <> CONNECTION_ID()"
	if k.product == schema.SQLServer {
		query = "SELECT COUNT(*) FROM sys.sysprocesses WHERE dbid = DB_ID() AND status = 'running' AND spid <> @@SPID"
	}
	require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}

// What a script leaves in its session goes with it: an open transaction is rolled
// back, and nobody gets its settings.
func TestSessionIsThrownAway(t *testing.T) {
	t.Parallel()
	scripts := map[schema.Product]string{
		schema.MySQL:     "SET autocommit = 0; SET @left = 'something'; DELETE FROM IDN_OAUTH2_ACCESS_TOKEN;",
		schema.SQLServer: "SET IMPLICIT_TRANSACTIONS ON; DELETE FROM IDN_OAUTH2_ACCESS_TOKEN;",
	}
	each(t, func(t *testing.T, k kind) {
		f := k.fixture(t, harness.Options{})
		dead(f, 3)
		f.DB.SetMaxOpenConns(2)
		result, err := script.Engine{File: read(t, k.product, scripts[k.product])}.Clean(t.Context(), f.DB, f.Plan(k.rule), cleanup.Watcher{})
		require.NoError(t, err)
		require.EqualValues(t, 0, result.Phases[0].Removed)
		require.EqualValues(t, 3, f.Count(schema.AccessToken, ""))
		if k.product == schema.MySQL {
			var autocommit int
			var left sql.NullString
			for range 2 {
				require.NoError(t, f.DB.QueryRowContext(t.Context(), "SELECT @@autocommit, @left").Scan(&autocommit, &left))
				require.Equal(t, 1, autocommit)
				require.False(t, left.Valid)
			}
		}
	})
}

// The clock stands still at the cut-off and the safe period, in the zone and under
// the settings that the server gives its sessions.
func TestClockIsHeld(t *testing.T) {
	t.Parallel()
	t.Run("mysql", func(t *testing.T) {
		t.Parallel()
		for _, k := range kinds[:2] {
			f := k.fixture(t, harness.Options{WritersZone: "+05:30"})
			var log heard
			_, err := script.Engine{File: read(t, k.product, "SET @safePeriod = 3; SELECT 'is', NOW(), UTC_TIMESTAMP(), SYSDATE(), @@sql_mode = @@global.sql_mode, SLEEP(0.01), NOW();")}.
				Clean(t.Context(), f.DB, f.Plan(k.rule), log.watcher())
			require.NoError(t, err)
			require.Contains(t, log.all(), "is 2026-11-25 10:30:00 2026-11-25 05:00:00 2026-11-25 10:30:00 1 0 2026-11-25 10:30:00")
		}
	})
	t.Run("sqlserver", func(t *testing.T) {
		t.Parallel()
		k := kinds[2]
		f := k.fixture(t, harness.Options{})
		var log heard
		_, err := script.Engine{File: read(t, k.product, "SELECT 'is', CONVERT(VARCHAR(30), GetUTCDate(), 126), CONVERT(VARCHAR(30), SYSUTCDATETIME (), 126), "+
			"DATEDIFF(DAY, GETDATE(), CURRENT_TIMESTAMP), CONVERT(VARCHAR(40), SYSDATETIMEOFFSET(), 127) -- GETUTCDATE()\n")}.
			Clean(t.Context(), f.DB, f.Plan(k.rule), log.watcher())
		require.NoError(t, err)
		require.Regexp(t, `is 2026-11-25T04:00:00(\.0+)? 2026-11-25[T ]04:00:00(\.0+)? 0 2026-11-25`, log.all())
	})
}

// A routine that the database has already, such as one of a restored dump, is not
// the one that is judged.
func TestOldRoutineGivesWay(t *testing.T) {
	t.Parallel()
	scripts := map[schema.Product][2]string{
		schema.MySQL:     {"CREATE PROCEDURE P() SELECT 'old'", "CREATE PROCEDURE P() SELECT 'new';"},
		schema.SQLServer: {"CREATE PROCEDURE P AS SELECT 'old'", "CREATE PROCEDURE P AS SELECT 'new'"},
	}
	each(t, func(t *testing.T, k kind) {
		f := k.fixture(t, harness.Options{})
		f.Exec(scripts[k.product][0])
		var log heard
		_, err := script.Engine{File: read(t, k.product, scripts[k.product][1])}.Clean(t.Context(), f.DB, f.Plan(k.rule), log.watcher())
		require.NoError(t, err)
		require.Contains(t, log.lines, "new")
		require.NotContains(t, log.lines, "old")
	})
}

// Many rows and long ones are cut in the log; GO 3 runs a batch three times.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	scripts := map[schema.Product]string{
		schema.MySQL:     "SELECT TOKEN_ID, REPEAT('x', 1000) FROM IDN_OAUTH2_ACCESS_TOKEN; SELECT NULL, 1.5;",
		schema.SQLServer: "SELECT TOKEN_ID, REPLICATE('x', 1000) FROM IDN_OAUTH2_ACCESS_TOKEN\nGO\nSELECT NULL, CAST(1.5 AS DECIMAL(3,1))\nGO 3\n",
	}
	each(t, func(t *testing.T, k kind) {
		f := k.fixture(t, harness.Options{})
		dead(f, 150)
		var log heard
		_, err := script.Engine{File: read(t, k.product, scripts[k.product])}.Clean(t.Context(), f.DB, f.Plan(k.rule), log.watcher())
		require.NoError(t, err)
		count, times := 0, 0
		for _, line := range log.lines {
			require.LessOrEqual(t, len(line), 510)
			if strings.HasPrefix(line, "dead-") {
				count++
			}
			if line == "NULL 1.5" {
				times++
			}
		}
		require.Equal(t, 100, count)
		require.Contains(t, log.lines, "… and 50 rows more")
		require.Equal(t, map[schema.Product]int{schema.MySQL: 1, schema.SQLServer: 3}[k.product], times)
	})
}

// A row that cannot go makes the procedure for SQL Server run for ever, and take
// what it deletes first. It is stopped, and the report can say why.
func TestOfficialProcedureForSQLServerRunsForEver(t *testing.T) {
	t.Parallel()
	k := kinds[2]
	f := k.fixture(t, harness.Options{})
	dead(f, 3)
	f.Exec("CREATE TABLE HOLDER (TOKEN_ID VARCHAR(255) NOT NULL, FOREIGN KEY (TOKEN_ID) REFERENCES IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID))")
	f.Exec("INSERT INTO HOLDER VALUES ('dead-001')")
	f.Exec("INSERT INTO IDN_OIDC_REQ_OBJECT_REFERENCE (CONSUMER_KEY_ID, TOKEN_ID, SESSION_DATA_KEY) VALUES (1, 'dead-000', 'x')")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rounds := 0
	result, err := script.Engine{File: k.official(t, "checkCount=1", "backupTables=FALSE")}.
		Clean(ctx, f.DB, f.Plan(k.rule), cleanup.Watcher{Log: func(format string, args ...any) {
			if rounds += strings.Count(fmt.Sprintf(format, args...), "TOKENS REMOVED"); rounds == 3 {
				cancel()
			}
		}})
	require.NoError(t, err)
	require.Regexp(t, `(?i)^interrupted, after the server refused: .*holder`, result.Stopped)
	require.EqualValues(t, 3, f.Count(schema.AccessToken, ""))
	require.EqualValues(t, 0, f.Count("IDN_OIDC_REQ_OBJECT_REFERENCE", ""), "its request object is lost all the same")
}

// The engine refuses before it changes anything.
func TestEngineRefuses(t *testing.T) {
	t.Parallel()
	f := kinds[0].fixture(t, harness.Options{})
	plan := f.Plan(kinds[0].rule)
	for name, c := range map[string]struct {
		engine script.Engine
		says   string
	}{
		"another product":   {script.Engine{File: read(t, schema.SQLServer, "CREATE PROCEDURE p AS DELETE FROM dbo.T")}, "the script is for SQL Server"},
		"several to choose": {script.Engine{File: read(t, schema.MySQL, "CREATE PROCEDURE a() SELECT 1; CREATE PROCEDURE b() SELECT 2;")}, "makes several: a, b"},
		"not there":         {script.Engine{File: read(t, schema.MySQL, "CREATE PROCEDURE a() SELECT 1;"), Call: "c"}, "no procedure c; choose one of a"},
		"wants values":      {script.Engine{File: read(t, schema.MySQL, "CREATE PROCEDURE a(IN n INT) SELECT n;")}, "want parameters: a"},
	} {
		_, err := c.engine.Clean(t.Context(), f.DB, plan, cleanup.Watcher{})
		var refused *cleanup.Error
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, cleanup.Refused, refused.Kind, name)
		require.ErrorContains(t, err, c.says, name)
	}
	require.Empty(t, f.Found().Programs)
}
