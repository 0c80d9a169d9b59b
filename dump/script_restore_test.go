package dump_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dump"
	"github.com/tokensweep/tokensweep/harness"
)

// sqlServer gives a test a database of its own.
func sqlServer(t *testing.T) *harness.Target {
	t.Helper()
	target := harness.ForTest(t, harness.Options{DB: harness.SQLServer})
	if target.Server.Product == "Babelfish" {
		takeChecks(t, target)
	}
	return target
}

// takeChecks makes Babelfish read over WITH CHECK and CHECK CONSTRAINT, which it
// refuses by itself. It sets that once for the server, since a restore has a
// session of its own.
func takeChecks(t *testing.T, target *harness.Target) {
	t.Helper()
	for _, hatch := range []string{"escape_hatch_nocheck_add_constraint", "escape_hatch_nocheck_existing_constraint"} {
		if strings.Contains(rows(t, target.DB, "EXEC sp_babelfish_configure '"+hatch+"'")[0], "ignore") {
			continue
		}
		_, err := target.DB.ExecContext(t.Context(), "EXEC sp_babelfish_configure '"+hatch+"', 'ignore', 'server'")
		require.NoError(t, err)
	}
}

func TestRestoreAScript(t *testing.T) {
	t.Parallel()
	text := read(t, "testdata/ssms.sql")
	for name, saved := range map[string]string{
		"UTF-8":          text,
		"UTF-16 in gzip": pack(t, utf16Text(strings.ReplaceAll(text, "\n", "\r\n"), false), "gzip"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := sqlServer(t)
			inspected := inspect(t, saved, dump.Options{})
			info := restore(t, target, saved, dump.Options{})

			require.Equal(t, inspected.Statements, info.Statements)
			require.Equal(t, inspected.SkippedKinds, info.SkippedKinds)
			require.Equal(t, map[string]int{"filegroup is PRIMARY": 2, "names without the database's own": 1, "schema without its owner": 1}, info.Adjusted)
			require.Equal(t, []string{"t1|7|anna|2026-01-01T00:00:00Z|3600000|ACTIVE", "t2|9|Bjørn O'Hara|2026-01-02T13:14:15.997Z|-1|EXPIRED", "t3|NULL|NULL|NULL|NULL|REVOKED"},
				rows(t, target.DB, "SELECT * FROM dbo.IDN_OAUTH2_ACCESS_TOKEN ORDER BY 1"))
			newline := "\n"
			if name != "UTF-8" {
				newline = "\r\n"
			}
			require.Equal(t, []string{"7|key-7|It's an app; GO|-1234", "9|key-9|ünïcödé 漢字 🎉" + newline + "GO" + newline + "-- in a name|NULL"},
				rows(t, target.DB, "SELECT * FROM dbo.IDN_OAUTH_CONSUMER_APPS ORDER BY 1"))
			require.Equal(t, []string{"t1|key-7", "t2|key-9"}, rows(t, target.DB, "SELECT TOKEN_ID, CONSUMER_KEY FROM reports.V_TOKENS ORDER BY 1"), "the view that came before its tables")
			require.Equal(t, []string{"3"}, rows(t, target.DB, "EXEC dbo.P_COUNT"))

			_, err := target.DB.ExecContext(t.Context(), "DELETE FROM dbo.IDN_OAUTH_CONSUMER_APPS WHERE ID = 9")
			require.NoError(t, err)
			require.Equal(t, []string{"t1", "t3"}, rows(t, target.DB, "SELECT TOKEN_ID FROM dbo.IDN_OAUTH2_ACCESS_TOKEN ORDER BY 1"), "the foreign key cascades")
			_, err = target.DB.ExecContext(t.Context(), "DELETE FROM dbo.IDN_OAUTH2_ACCESS_TOKEN WHERE TOKEN_ID = 't1'")
			require.ErrorContains(t, err, "kept; for ever", "the trigger works")
			_, err = target.DB.ExecContext(t.Context(), "INSERT dbo.IDN_OAUTH_CONSUMER_APPS (CONSUMER_KEY) VALUES ('next')")
			require.NoError(t, err, "IDENTITY_INSERT is off again")
		})
	}
}

// A whole database in the layout of the tools: more than a thousand rows in
// batches of every size, quotes, Unicode and NULLs among them.
func TestRestoreAScriptOfManyRows(t *testing.T) {
	t.Parallel()
	for name, every := range map[string]int{"GO after each row": 1, "GO after 100": 100, "no GO": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := sqlServer(t)
			text := manyRows(read(t, "testdata/ssms.sql"), 1500, every)
			info := restore(t, target, utf16Text(strings.ReplaceAll(text, "\n", "\r\n"), false), dump.Options{})
			require.EqualValues(t, 1503, info.Rows["dbo.IDN_OAUTH2_ACCESS_TOKEN"])
			for table, n := range info.Rows {
				require.Equal(t, []string{fmt.Sprint(n)}, rows(t, target.DB, "SELECT COUNT(*) FROM "+table), table)
			}
			require.Equal(t, []string{"375|375|1127"}, rows(t, target.DB, "SELECT SUM(CASE WHEN AUTHZ_USER = N'zoë ''漢字'' 🎉 [x] -- /*' THEN 1 ELSE 0 END), "+
				"SUM(CASE WHEN AUTHZ_USER IS NULL AND TOKEN_ID <> 't3' THEN 1 ELSE 0 END), SUM(CASE WHEN TIME_CREATED IS NOT NULL AND CONSUMER_KEY_ID IN (7, 9) THEN 1 ELSE 0 END) FROM dbo.IDN_OAUTH2_ACCESS_TOKEN"))
		})
	}
}

// manyRows puts n rows in front of the first ones of the token table.
func manyRows(text string, n, every int) string {
	const insert = "INSERT [dbo].[IDN_OAUTH2_ACCESS_TOKEN] ([TOKEN_ID], [CONSUMER_KEY_ID], [AUTHZ_USER], [TIME_CREATED], [VALIDITY_PERIOD], [TOKEN_STATE]) VALUES "
	users := []string{"N'anna'", "N'zoë ''漢字'' 🎉 [x] -- /*'", "NULL", "N'a\nGO\nb'"}
	created := []string{"CAST(N'2026-01-01T00:00:00.000' AS DateTime)", "CAST(N'2026-12-31T23:59:59.997' AS DateTime)", "NULL", "CAST(N'2025-06-01T12:00:00.003' AS DateTime)"}
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s(N'%08d-token', %d, %s, %s, %d, N'%s')\n", insert, i, 7+2*(i%2), users[i%4], created[i%4], 1000*i, []string{"ACTIVE", "EXPIRED", "REVOKED"}[i%3])
		if i%every == every-1 {
			b.WriteString("GO\n")
		}
	}
	at := strings.Index(text, insert)
	return text[:at] + b.String() + text[at:]
}

// A batch that fails is named by its line in the file, wherever the text around
// it came from, and what was not committed is not there.
func TestRestoreNamesTheLineOfAScriptThatFails(t *testing.T) {
	t.Parallel()
	row := "INSERT [dbo].[IDN_OAUTH2_ACCESS_TOKEN] ([TOKEN_ID]) VALUES (N'%d')\n"
	table := "USE [apim]\nGO\nCREATE TABLE [dbo].[IDN_OAUTH2_ACCESS_TOKEN]([TOKEN_ID] [varchar](10) NOT NULL PRIMARY KEY)\nGO\n"
	for name, c := range map[string]struct {
		text string
		line int64
		says []string
	}{
		"in rows":    {table + fmt.Sprintf(row+"GO\n\n"+row+"\nGO\n"+row+row+"GO\n", 1, 2, 1, 3), 11, []string{"INSERT INTO dbo.IDN_OAUTH2_ACCESS_TOKEN", "create the throw-away database with it"}},
		"in a table": {table + "\n\nCREATE TABLE [dbo].[T](\n\t[A] [nosuchtype] NULL\n)\nGO\n", 0, []string{"CREATE TABLE dbo.T", "nosuchtype"}},
		"unknown":    {table + "PRINT 1\nINSERT INTO [dbo].[IDN_OAUTH2_ACCESS_TOKEN] ([NOPE]) VALUES (1)\nGO\n", 6, []string{"INSERT INTO dbo.IDN_OAUTH2_ACCESS_TOKEN", "nope"}},
		"a key":      {table + "CREATE TABLE dbo.U (A varchar(10))\nGO\nINSERT dbo.U VALUES ('x')\nGO\nALTER TABLE dbo.U WITH CHECK ADD CONSTRAINT FK FOREIGN KEY (A)\nREFERENCES dbo.IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID)\nGO\n", 9, []string{"ALTER TABLE dbo.U", "FK"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := sqlServer(t)
			e := refuse(t, target, c.text, dump.Options{})
			if c.line > 0 {
				require.Equal(t, c.line, e.Line, "%v", e)
			}
			for _, says := range c.says {
				require.Contains(t, strings.ToLower(e.Message), strings.ToLower(says))
			}
			require.Equal(t, []string{"0"}, rows(t, target.DB, "SELECT COUNT(*) FROM dbo.IDN_OAUTH2_ACCESS_TOKEN"))
		})
	}
}

// What a script does besides making tables and rows.
func TestRestoreRunsWhatBelongsToTheDatabase(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	text := "IF EXISTS (SELECT * FROM sys.objects WHERE name = N'T') DROP TABLE [dbo].[T]\nGO\nDROP TABLE [dbo].[T]\nGO\n" + // as of DROP and CREATE
		"IF NOT EXISTS (SELECT * FROM sys.schemas WHERE name = N'x')\nEXEC sys.sp_executesql N'CREATE SCHEMA [x] AUTHORIZATION [wso2]'\nGO\n" +
		"IF NOT EXISTS (SELECT * FROM sys.objects WHERE object_id = OBJECT_ID(N'[x].[T]') AND type in (N'U'))\nBEGIN\nCREATE TABLE [x].[T]([A] [int] IDENTITY(5,1) NOT NULL, [B] [varchar](9) NULL) ON [OTHER]\nEND\nGO\n" +
		"INSERT [x].[T] ([B]) VALUES ('it''s')\nGO 3\n" +
		"DECLARE @i int = 0\nWHILE @i < 2 BEGIN INSERT [x].[T] ([B]) VALUES (CAST(@i AS varchar(9))) SET @i = @i + 1 END\nGO\n" +
		"EXEC dbo.sp_executesql @statement = N'CREATE VIEW [x].[V] AS SELECT [A] FROM [apim].[x].[T] WHERE [B] = ''it''''s'''\nGO\n" +
		"BEGIN TRANSACTION; INSERT [x].[T] ([B]) VALUES ('last'); COMMIT\nGO\nSET ROWCOUNT 1\nSELECT 1\nDBCC CHECKIDENT ('x.T')\nGO\n"
	info := restore(t, target, "USE [apim]\nGO\n"+text, dump.Options{})
	require.Equal(t, []string{"5|it's", "6|it's", "7|it's", "8|0", "9|1", "10|last"}, rows(t, target.DB, "SELECT A, B FROM x.T ORDER BY 1"))
	require.Equal(t, []string{"3"}, rows(t, target.DB, "SELECT COUNT(*) FROM x.V"))
	require.Equal(t, map[string]int{"USE": 1, "DROP TABLE": 1, "BEGIN TRANSACTION": 1, "COMMIT": 1, "SET ROWCOUNT": 1, "SELECT": 1, "DBCC": 1}, info.SkippedKinds)
	require.Equal(t, map[string]int{"schema without its owner": 1, "filegroup is PRIMARY": 1, "names without the database's own": 1}, info.Adjusted)
}

// A script of several databases leaves nothing but the chosen one.
func TestRestoreOneDatabaseOfAScript(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	text := "USE [master]\nGO\nCREATE TABLE [dbo].[EVIL]([A] int)\nGO\nUSE [shared]\nGO\nCREATE TABLE [dbo].[REG_LOG]([A] int)\nGO\nINSERT [dbo].[REG_LOG] VALUES (1)\nGO\n" + useTokens +
		"INSERT [apim].[dbo].[IDN_OAUTH2_ACCESS_TOKEN] VALUES ('t1')\nGO\nCREATE PROCEDURE dbo.P AS DELETE FROM shared.dbo.REG_LOG\nGO\n" +
		"CREATE TRIGGER dbo.G ON dbo.IDN_OAUTH2_ACCESS_TOKEN AFTER DELETE AS INSERT shared.dbo.REG_LOG VALUES (1)\nGO\nALTER TABLE dbo.IDN_OAUTH2_ACCESS_TOKEN ENABLE TRIGGER G\nGO\n"
	inspected := inspect(t, text, dump.Options{})
	info := restore(t, target, text, dump.Options{})
	require.Equal(t, inspected.SkippedKinds, info.SkippedKinds)
	require.Equal(t, []string{"t1"}, rows(t, target.DB, "SELECT TOKEN_ID FROM dbo.IDN_OAUTH2_ACCESS_TOKEN"))
	require.Equal(t, []string{"1"}, rows(t, target.DB, "SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES"))
	require.Empty(t, rows(t, target.DB, "SELECT TABLE_NAME FROM master.INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = 'EVIL'"))
	require.Empty(t, rows(t, target.DB, "SELECT ROUTINE_NAME FROM INFORMATION_SCHEMA.ROUTINES WHERE ROUTINE_NAME = 'P'"), "it would go into another database")
	for _, kind := range []string{"CREATE PROCEDURE", "CREATE TRIGGER", "ALTER TABLE of a trigger"} {
		require.Equal(t, 1, info.SkippedKinds[kind+dump.NamesAnotherDatabase], kind)
	}
}

func TestRestoreAScriptOnlyIntoAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	_, err := target.DB.ExecContext(t.Context(), "CREATE TABLE dbo.IDN_OAUTH2_ACCESS_TOKEN (MINE int)")
	require.NoError(t, err)
	e := refuse(t, target, "DROP TABLE IF EXISTS [dbo].[IDN_OAUTH2_ACCESS_TOKEN]\nGO\n"+useTokens, dump.Options{})
	require.Equal(t, dump.BadTarget, e.Kind)
	require.Contains(t, e.Message, "not empty")
	require.Equal(t, []string{"MINE"}, rows(t, target.DB, "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'IDN_OAUTH2_ACCESS_TOKEN'"), "it is untouched")

	at, err := url.Parse(target.ConnectionString())
	require.NoError(t, err)
	query := at.Query()
	query.Set("database", "master")
	at.RawQuery = query.Encode()
	master, err := sql.Open("sqlserver", at.String())
	require.NoError(t, err)
	defer master.Close()
	_, err = dump.Restore(t.Context(), master, file(t, useTokens), dump.Options{})
	require.ErrorContains(t, err, "the current database is the server's own master")
}

// Each restore refuses the file of the other product before anything is run.
func TestRestoreRefusesAFileForAnotherServer(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	e := refuse(t, target, mysqlHeader+tokens+trailer, dump.Options{})
	require.Equal(t, dump.WrongServer, e.Kind)
	require.Contains(t, e.Message, "which SQL Server does not read")

	mysqlDump := file(t, mysqlHeader+tokens+trailer)
	inspected, err := dump.Inspect(t.Context(), mysqlDump, dump.Options{})
	require.NoError(t, err)
	_, err = dump.Restore(t.Context(), target.DB, mysqlDump, dump.Options{Inspected: inspected})
	require.ErrorContains(t, err, "which SQL Server does not read")
	require.Equal(t, []string{"0"}, rows(t, target.DB, "SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES"))

	eachServer(t, func(t *testing.T, db string) {
		target := harness.ForTest(t, harness.Options{DB: db})
		e := refuse(t, target, useTokens, dump.Options{})
		require.Equal(t, dump.WrongServer, e.Kind)
		require.Contains(t, e.Message, "use --db sqlserver")
		require.Empty(t, rows(t, target.DB, "SHOW TABLES"))
	})
}

// A database of another collation is changed, or refused with what to do.
func TestRestoreAScriptWithItsCollation(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	text := "CREATE DATABASE [apim] COLLATE Latin1_General_CS_AS\nGO\n" + useTokens
	if target.Server.Product == "Babelfish" {
		e := refuse(t, target, text, dump.Options{})
		require.Equal(t, dump.BadTarget, e.Kind)
		require.Contains(t, e.Message, "create it with COLLATE Latin1_General_CS_AS")
		return
	}
	restore(t, target, text, dump.Options{})
	require.Equal(t, []string{"Latin1_General_CS_AS"}, rows(t, target.DB, "SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS nvarchar(128))"))
}

// Modules on what the script does not hold are left out; of the rest none is.
func TestRestoreLeavesOutModulesOnWhatIsNotThere(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	text := useTokens + "CREATE VIEW dbo.V AS SELECT A FROM dbo.NOWHERE\nGO\nCREATE PROCEDURE dbo.P WITH EXECUTE AS N'wso2' AS PRINT 1\nGO\n"
	if target.Server.Product == "Babelfish" { // its errors have no numbers to tell by
		e := refuse(t, target, text, dump.Options{})
		require.EqualValues(t, 5, e.Line)
		require.Contains(t, e.Message, "the server refused CREATE VIEW dbo.V")
		return
	}
	info := restore(t, target, text, dump.Options{})
	require.Equal(t, map[string]int{"USE": 1, dump.UnresolvedView: 1, "CREATE PROCEDURE" + dump.Unresolved: 1}, info.SkippedKinds)
}

// Rows that vanish while they are inserted are found at the end.
func TestRestoreComparesTheRowsOfAScript(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	text := useTokens + "INSERT [dbo].[IDN_OAUTH2_ACCESS_TOKEN] VALUES ('a')\nINSERT [dbo].[IDN_OAUTH2_ACCESS_TOKEN] VALUES ('b')\nGO\n" +
		"EXEC ('UPDATE dbo.IDN_OAUTH2_ACCESS_TOKEN SET TOKEN_ID = TOKEN_ID; DELETE FROM dbo.IDN_OAUTH2_ACCESS_TOKEN')\nGO\n"
	e := refuse(t, target, text, dump.Options{})
	require.Equal(t, dump.Failed, e.Kind)
	require.Contains(t, e.Message, "the table dbo.IDN_OAUTH2_ACCESS_TOKEN has 0 rows, and the script inserts 2")
}

func TestRestoreOfAScriptStopsWithItsContext(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	text := useTokens + "GRANT SELECT TO x\nGO\nCREATE TABLE dbo.LATER (A int)\nGO\n" // the log comes from the middle of the restore
	_, err := dump.Restore(ctx, target.DB, file(t, text), dump.Options{Log: func(string, ...any) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{dump.TokenTable}, rows(t, target.DB, "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES"))
}

// A backup goes through the server into a new database. Servers that cannot do
// that say so, and nothing is left behind.
func TestRestoreABackup(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	const none = "tokensweep_none"
	refused := func(path, database string, o dump.BackupOptions) *dump.Error {
		o.Database, o.Log = database, t.Logf
		_, err := dump.RestoreBackup(t.Context(), target.DB, path, o)
		var fault *dump.Error
		require.ErrorAs(t, err, &fault)
		require.Empty(t, rows(t, target.DB, "SELECT name FROM sys.databases WHERE name = '"+none+"'"))
		return fault
	}
	_, err := dump.Restore(t.Context(), target.DB, file(t, "TAPE\x00\x00\x03\x00"), dump.Options{})
	require.ErrorContains(t, err, "with RestoreBackup")
	e := refused("/no/such/file.bak", none, dump.BackupOptions{})
	require.Equal(t, "file.bak", e.File)
	if target.Server.Product != "SQL Server" {
		require.Equal(t, dump.WrongServer, e.Kind)
		require.Contains(t, e.Message, "use a throw-away SQL Server in a container, or give a script (.sql)")
		return
	}
	require.Equal(t, dump.Unreadable, e.Kind)
	require.Contains(t, e.Message, "copy it to where the server finds it")

	restore(t, target, read(t, "testdata/ssms.sql"), dump.Options{})
	name := rows(t, target.DB, "SELECT DB_NAME()")[0]
	path := rows(t, target.DB, "SELECT CAST(SERVERPROPERTY('InstanceDefaultDataPath') AS nvarchar(260))")[0] + name + ".bak"
	_, err = target.DB.ExecContext(t.Context(), "BACKUP DATABASE ["+name+"] TO DISK = N'"+path+"' WITH COPY_ONLY, INIT")
	require.NoError(t, err)
	fresh := name + "_bak"
	t.Cleanup(func() { _, _ = target.DB.ExecContext(context.Background(), "DROP DATABASE ["+fresh+"]") })
	var done, total int64
	info, err := dump.RestoreBackup(t.Context(), target.DB, path, dump.BackupOptions{Database: fresh, Log: t.Logf, Progress: func(d, of int64) { done, total = d, of }})
	require.NoError(t, err)
	require.Equal(t, dump.Backup, info.Format)
	require.Equal(t, name, info.Schema)
	require.Equal(t, "dbo", info.TokenSchema)
	require.Equal(t, 3, info.Schemas[0].Tables)
	require.NotEmpty(t, info.CompletedAt)
	require.Positive(t, done)
	require.LessOrEqual(t, done, total)
	const query = "SELECT * FROM [%s].dbo.IDN_OAUTH2_ACCESS_TOKEN ORDER BY 1"
	require.Equal(t, rows(t, target.DB, fmt.Sprintf(query, name)), rows(t, target.DB, fmt.Sprintf(query, fresh)))
	require.Equal(t, []string{"1"}, rows(t, target.DB, "SELECT snapshot_isolation_state FROM sys.databases WHERE name = '"+fresh+"'"))

	require.Equal(t, dump.BadTarget, refused(path, fresh, dump.BackupOptions{}).Kind, "it is there already")
	require.Equal(t, dump.WhichSchema, refused(path, none, dump.BackupOptions{From: "other"}).Kind)
	_, err = target.DB.ExecContext(t.Context(), "BACKUP DATABASE ["+name+"] TO DISK = N'"+path+"', DISK = N'"+path+"2' WITH COPY_ONLY, FORMAT")
	require.NoError(t, err)
	require.Contains(t, refused(path, none, dump.BackupOptions{}).Message, "striped over 2 files")
}

// What a server says while it works is told meanwhile, and its first error is
// the one that counts.
func TestMessagesOfAServerAreTold(t *testing.T) {
	t.Parallel()
	target := sqlServer(t)
	conn, err := target.DB.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	var told []string
	tell := func(message string) { told = append(told, message) }
	require.NoError(t, dump.WithMessages(t.Context(), conn, "PRINT '5 percent processed.'; SELECT 1; PRINT '10 percent processed.'", tell))
	require.Equal(t, []string{"5 percent processed.", "10 percent processed."}, told)
	require.ErrorContains(t, dump.WithMessages(t.Context(), conn, "RAISERROR('no such file', 16, 1); RAISERROR('terminating', 16, 1)", tell), "no such file")
	require.ErrorContains(t, dump.WithMessages(t.Context(), conn, "SELECT FROM WHERE", tell), "syntax")
	require.Equal(t, []string{"1"}, rows(t, target.DB, "SELECT 1"), "the connection is good for more")
}
