package script

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/schema"
)

func readString(t testing.TB, on schema.Product, s string) (*File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.sql")
	require.NoError(t, os.WriteFile(path, []byte(s), 0o600))
	return Read(path, on)
}

func mustRead(t testing.TB, on schema.Product, s string) *File {
	t.Helper()
	f, err := readString(t, on, s)
	require.NoError(t, err, s)
	return f
}

// texts are the statements as they would be run.
func (f *File) texts() (all []string) {
	for i := range f.statements {
		all = append(all, f.copy(i, &session{held: held{at: time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC), local: time.Hour}}))
	}
	return all
}

func TestReadMySQL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		want  []string
		notes []string
	}{
		"plain":           {"DELETE FROM T;\n-- x\nCOMMIT;", []string{"DELETE FROM T", "COMMIT"}, nil},
		"DELIMITER":       {"DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT ';'; END$$\nDELIMITER ;\nCALL p();", []string{"CREATE PROCEDURE p() BEGIN SELECT ';'; END", "CALL p()"}, nil},
		"no end":          {"DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; END", []string{"CREATE PROCEDURE p() BEGIN SELECT 1; END"}, nil},
		"USE":             {"use carbondb;\nSELECT 1;", []string{"SELECT 1"}, []string{"USE carbondb is left out"}},
		"USE without ;":   {"USE carbondb\nSELECT 1;", []string{"SELECT 1"}, []string{"USE carbondb is left out"}},
		"client":          {"tee x.log\nwarnings;\n\\W\nSELECT 1\\G\nSHOW WARNINGS;\nquit\n-- nothing", []string{"SELECT 1", "SHOW WARNINGS"}, []string{"tee is a command", "warnings is a command", `\W is a command`, "quit is a command"}},
		"short DELIMITER": {"\\d //\nSELECT 1//", []string{"SELECT 1"}, nil},
		"beyond":          {"SET GLOBAL event_scheduler = ON; GRANT ALL ON x.* TO y; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO CALL p(); SELECT 1;", []string{"SELECT 1"}, []string{"SET GLOBAL is left out", "GRANT is left out", "events is left out"}},
		"SYSDATE":         {"SELECT SYSDATE(), 'SYSDATE()';", []string{"SELECT NOW(), 'SYSDATE()'"}, nil},
		"other schemas":   {"SELECT x.a, EXTRACT(DAY FROM t.b) FROM INFORMATION_SCHEMA.TABLES x, T t WHERE t.a = x.a ORDER BY t.a, t.b;", []string{"SELECT x.a, EXTRACT(DAY FROM t.b) FROM INFORMATION_SCHEMA.TABLES x, T t WHERE t.a = x.a ORDER BY t.a, t.b"}, nil},
		"executable":      {"/*!50003 CREATE PROCEDURE p() SELECT 1 */;", []string{"/*!50003 CREATE PROCEDURE p() SELECT 1 */"}, nil},
	} {
		f := mustRead(t, schema.MySQL, c.text)
		require.Equal(t, c.want, f.texts(), name)
		require.Len(t, f.notes, len(c.notes), name)
		for i := range c.notes {
			require.Contains(t, f.notes[i].text, c.notes[i], name)
			require.Positive(t, f.notes[i].line, name)
		}
	}
}

func TestReadSQLServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		want  []string
		notes []string
	}{
		"GO":        {"PRINT 'a'\nGO\nEXEC dbo.p\nGO 2\n", []string{"PRINT 'a'\n", "EXEC dbo.p\n"}, nil},
		"USE":       {"USE [WSO2_DB];\nGO\nUSE WSO2_DB\nDELETE FROM T\n", []string{"\nDELETE FROM T\n"}, []string{"USE WSO2_DB is left out", "USE WSO2_DB is left out"}},
		"GRANT":     {"SELECT 1\nGO\nGRANT EXECUTE ON p TO public\nGO", []string{"SELECT 1\n"}, []string{"GRANT"}},
		"sqlcmd":    {":on error exit\n:setvar db X\nSELECT 1\nGO", []string{"              \n            \nSELECT 1\n"}, []string{":setvar db X is left out", ":on error is left out"}},
		"no sqlcmd": {"here:\nSELECT a, ':r' FROM ::fn_x()\n", []string{"here:\nSELECT a, ':r' FROM ::fn_x()\n"}, nil},
		"clocks": {"SELECT GETUTCDATE(), getdate ( ), CURRENT_TIMESTAMP, SysUtcDateTime(), SYSDATETIME(), SYSDATETIMEOFFSET(), GETDATE, 'GETDATE()' -- GETDATE()",
			[]string{"SELECT CAST('2026-11-25T04:00:00' AS DATETIME), CAST('2026-11-25T05:00:00' AS DATETIME), CAST('2026-11-25T05:00:00' AS DATETIME), " +
				"CAST('2026-11-25T04:00:00' AS DATETIME2(7)), CAST('2026-11-25T05:00:00' AS DATETIME2(7)), CAST('2026-11-25T05:00:00+01:00' AS DATETIMEOFFSET(7)), GETDATE, 'GETDATE()' -- GETDATE()"}, nil},
		"own schema": {"SELECT a.b, dbo.T.C FROM dbo.T a, [dbo].[U] JOIN sys.tables s ON s.x = a.x WHERE a.b IN (SELECT c FROM tempdb..#x)", []string{
			"SELECT a.b, dbo.T.C FROM dbo.T a, [dbo].[U] JOIN sys.tables s ON s.x = a.x WHERE a.b IN (SELECT c FROM tempdb..#x)"}, nil},
	} {
		f := mustRead(t, schema.SQLServer, c.text)
		require.Equal(t, c.want, f.texts(), name)
		require.Len(t, f.notes, len(c.notes), name)
		for i := range c.notes {
			require.Contains(t, f.notes[i].text, c.notes[i], name)
		}
	}
}

func TestWaitForIsLeftOutForBabelfish(t *testing.T) {
	t.Parallel()
	f := mustRead(t, schema.SQLServer, "IF 1 = 1 WAITFOR DELAY @x ELSE WAITFOR\nDELAY '00:00:01';\nSELECT 'WAITFOR DELAY @x'")
	require.Equal(t, "IF 1 = 1 PRINT '' ELSE PRINT ''\n;\nSELECT 'WAITFOR DELAY @x'", f.copy(0, &session{babelfish: true}))
}

// Every refusal names the file and the line, and comes before anything is done.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	const m, s = schema.MySQL, schema.SQLServer
	for name, c := range map[string]struct {
		on   schema.Product
		text string
		says string
	}{
		"empty":                    {m, " \n\n", "x.sql: the file is empty"},
		"only remarks":             {m, "-- a\n/* b */\n", "x.sql: the file holds no statement"},
		"only GO":                  {s, "-- a\nGO\n", "x.sql: the file holds no statement"},
		"only USE":                 {m, "USE x;", "x.sql: the file holds no statement"},
		"zero bytes":               {m, "SELECT 1;\n\x00", "x.sql, line 2: the file holds a zero byte"},
		"no UTF-8":                 {m, "SELECT 1;\n-- \xff", "x.sql, line 2: the byte 0xff is no UTF-8"},
		"T-SQL on MySQL":           {m, "CREATE PROCEDURE p AS\nDECLARE @x INT\nSELECT @x = 1 FROM dbo.T\nGO", "looks like a script for SQL Server, and the database is MySQL"},
		"MySQL on SQL Server":      {s, "DELIMITER $$\nCREATE PROCEDURE `p`() BEGIN END$$", "looks like a script for MySQL, and the database is SQL Server"},
		"Oracle":                   {m, "CREATE OR REPLACE PROCEDURE p IS x VARCHAR2(3); BEGIN EXECUTE IMMEDIATE 'x'; END;", "looks like a script for Oracle"},
		"PostgreSQL":               {s, "CREATE FUNCTION f() RETURNS void AS $$ BEGIN RAISE NOTICE 'x'; END $$ LANGUAGE plpgsql;", "looks like a script for PostgreSQL"},
		"open quote":               {m, "SELECT 1;\nSELECT 2,\n 'abc;\n\n", "x.sql, line 3: the file ends inside a quoted text that begins here"},
		"open comment":             {m, "SELECT 1;\n\n/* abc", "x.sql, line 3: the file ends inside a comment that begins here"},
		"open comment inside":      {m, "SELECT 1,\n 2 /* abc", "x.sql, line 2: the file ends inside a comment that begins here"},
		"open quote, T-SQL":        {s, "SELECT 1\nGO\nSELECT 'abc\n", "the text ends inside a quoted text that begins in line 3"},
		"open comment, T-SQL":      {s, "SELECT 1 /* abc\n", "the text ends inside a comment that begins in line 1"},
		"SOURCE":                   {m, "SELECT 1;\nsource other.sql;", "x.sql, line 2: source is a command to the mysql client"},
		`\.`:                       {m, "SELECT 1;\n\\. other.sql", `x.sql, line 2: \. is a command to the mysql client`},
		"system":                   {m, "\\! rm x\nSELECT 1;", "x.sql, line 1: \\! is a command"},
		"unknown short":            {m, "SELECT 1;\n\\y", `x.sql, line 2: "\\y" is no command of the mysql client`},
		"no DELIMITER":             {m, "CREATE PROCEDURE p()\nBEGIN\nDECLARE x INT;\nDECLARE y INT;\nEND;", "x.sql, line 4: \"DECLARE y INT\" stands outside of a procedure; write DELIMITER $$"},
		"unknown verb":             {m, "SELECT 1;\nSPOOL x;", `x.sql, line 2: "SPOOL x" is neither a statement of MySQL nor a command`},
		"after quit":               {m, "SELECT 1;\nquit\nSELECT 2;", "x.sql, line 2: the client would stop here, and line 3 would never be run"},
		":r":                       {s, "SELECT 1\nGO\n:r other.sql\n", "x.sql, line 3: :r is a command to sqlcmd"},
		":setvar that is used":     {s, ":setvar db X\nSELECT 1 FROM $(db).dbo.T\n", "x.sql, line 1: :setvar is a command to sqlcmd"},
		"unknown :":                {s, "SELECT 1\nGO\n  :frob x\nSELECT 2", `x.sql, line 3: ":frob x" is no command of sqlcmd`},
		"GO x":                     {s, "SELECT 1\nGO home\n", "only a count from 1"},
		"server":                   {m, "SELECT 1;\nSHUTDOWN;", `x.sql, line 2: "SHUTDOWN" is about the whole server`},
		"global in a routine":      {m, "CREATE PROCEDURE p()\nSET GLOBAL x = 1;", "x.sql, line 2: SET GLOBAL changes the whole server"},
		"OUTFILE":                  {m, "SELECT 1\nINTO OUTFILE 'x';", "x.sql, line 2: OUTFILE writes a file"},
		"server, T-SQL":            {s, "SELECT 1\nGO\nBACKUP DATABASE x TO DISK = 'y'", "x.sql, line 3: BACKUP"},
		"xp_cmdshell":              {s, "CREATE PROCEDURE p AS\nEXEC xp_cmdshell 'x'", "x.sql, line 2: XP_CMDSHELL is about the whole server"},
		"another schema":           {m, "SELECT 1;\nDELETE FROM\n `carbondb`.`IDN_OAUTH2_ACCESS_TOKEN`;", "x.sql, line 3: carbondb.IDN_OAUTH2_ACCESS_TOKEN is in another schema"},
		"another schema in a list": {m, "SELECT * FROM a x, b.c y;", "b.c is in another schema"},
		"three parts":              {m, "SELECT b.c.d FROM c;", "b.c.d is in another schema"},
		"dynamic":                  {m, "SET @s = CONCAT('DROP TABLE carbondb.BAK_', @x);", "x.sql, line 1: carbondb.BAK_"},
		"another database":         {s, "SELECT 1\nGO\nDELETE FROM [WSO2_DB].[dbo].[T]", "x.sql, line 3: WSO2_DB.dbo.T is in another database"},
		"database..table":          {s, "DELETE FROM WSO2_DB..T", "WSO2_DB..T is in another database"},
		"msdb":                     {s, "EXEC msdb.dbo.sp_add_job @job_name = 'x'", "msdb.dbo.sp_add_job is in another database"},
		"another server":           {s, "SELECT x FROM a.b.c.d", "a.b.c.d is in another database"},
		"USE inside":               {s, "IF 1 = 1\n  USE x", "x.sql, line 2: USE"},
		"SQLite":                   {"sqlite", "SELECT 1", "no clean-up scripts for this kind of database"},
	} {
		_, err := readString(t, c.on, c.text)
		var refused *cleanup.Error
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, cleanup.Refused, refused.Kind, name)
		require.ErrorContains(t, err, c.says, name)
	}
	_, err := Read(filepath.Join(t.TempDir(), "none.sql"), schema.MySQL)
	require.ErrorContains(t, err, "none.sql: cannot open the script")
	require.True(t, errors.As(err, new(*cleanup.Error)))
}

func TestReadEncodings(t *testing.T) {
	t.Parallel()
	const text = "SELECT N'Zürich 漢'\r\nGO\r\n"
	little := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder()
	big := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()
	for name, encode := range map[string]func() (string, error){
		"UTF-8":     func() (string, error) { return text, nil },
		"UTF-8 BOM": func() (string, error) { return "\xef\xbb\xbf" + text, nil },
		"UTF-16 LE": func() (string, error) { return little.String(text) },
		"UTF-16 BE": func() (string, error) { return big.String(text) },
	} {
		s, err := encode()
		require.NoError(t, err)
		require.Equal(t, []string{"SELECT N'Zürich 漢'\r\n"}, mustRead(t, schema.SQLServer, s).texts(), name)
	}
	_, err := readString(t, schema.SQLServer, "\xff\xfeS\x00\x00\xd8E\x00")
	require.ErrorContains(t, err, "begins like UTF-16 and is none")
}

func TestCreates(t *testing.T) {
	t.Parallel()
	mysql := mustRead(t, schema.MySQL, `DELIMITER $$
CREATE PROCEDURE p() BEGIN
  DECLARE t, c VARCHAR(64); DECLARE b VARCHAR(64);
  DECLARE k CURSOR FOR SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME IN ('A','B');
  CREATE TEMPORARY TABLE GONE SELECT 1;
  CREATE TABLE IF NOT EXISTS `+"`AUDIT`"+` SELECT * FROM A;
  FETCH k INTO t;
  SELECT CONCAT('BAK_', t) INTO b;
  SET @s = CONCAT("CREATE TABLE ", b, " SELECT * FROM ", t);
  SET @s = CONCAT('CREATE TABLE ', t, '_OLD LIKE ', t);
  SET @s = CONCAT('CREATE TABLE X_', NOW(), ' LIKE A');
END$$`)
	require.Equal(t, []string{"AUDIT", "A_OLD", "BAK_A", "BAK_B", "B_OLD", "X_*"}, mysql.Creates())
	require.True(t, mysql.Makes("bak_a"))
	require.True(t, mysql.Makes("X_2026"))
	require.False(t, mysql.Makes("GONE"))
	require.Equal(t, []string{"p"}, mysql.Routines())

	tsql := mustRead(t, schema.SQLServer, `
CREATE PROCEDURE dbo.p AS
DECLARE @t VARCHAR(9), @b VARCHAR(9), @s NVARCHAR(MAX)
DECLARE k CURSOR FOR SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME IN ('A', 'B')
FETCH NEXT FROM k INTO @t
SELECT @b = 'BAK_' + @t
SELECT @s = 'SELECT * INTO ' + @b + ' FROM dbo.' + @t
EXEC sp_executesql @s
SELECT * INTO dbo.AUDIT FROM A
SELECT * INTO #gone FROM A
INSERT INTO B SELECT * FROM A
CREATE TABLE [CHUNK] (A INT)
SET @s = 'CREATE TABLE W_' + CAST(@t AS VARCHAR) + ' (A INT)'`)
	require.Equal(t, []string{"AUDIT", "BAK_A", "BAK_B", "CHUNK", "W_*"}, tsql.Creates())
}

func TestLocalClock(t *testing.T) {
	t.Parallel()
	require.True(t, mustRead(t, schema.MySQL, "SET @limit = NOW();").LocalClock())
	require.False(t, mustRead(t, schema.MySQL, "SET @limit = UTC_TIMESTAMP(); SELECT NOW();").LocalClock())
	require.False(t, mustRead(t, schema.SQLServer, "SELECT GETDATE(), GETUTCDATE()").LocalClock())
	require.False(t, mustRead(t, schema.MySQL, "DELETE FROM T;").LocalClock())
}

// No input makes the reader panic, and whatever is read can be written again.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"CREATE PROCEDURE p() BEGIN DECLARE x INT DEFAULT 5; SET x = 1, y = 2; END", "DECLARE @x INT = 5; SELECT @x = 5; IF 1=1 SET @y = 'a' ELSE SET @y = 2",
		"DELIMITER //\nx//", "DECLARE c CURSOR FOR SELECT 'a' FETCH c INTO @x", "CONCAT('CREATE TABLE ', a, ')'", "CREATE PROCEDURE p @x INT = 5, @y INT AS EXEC @x = p", "END END CASE IF"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, on := range []schema.Product{schema.MySQL, schema.SQLServer} {
			file, err := readString(t, on, s)
			if err != nil {
				continue
			}
			_ = file.Creates()
			_, _ = file.call("")
			for _, a := range file.Attributes() {
				_ = file.Set(a.Name, strings.Trim(a.Value, "'"))
			}
			for i, text := range file.texts() {
				require.Equal(t, strings.Count(file.statements[i].text, "\n"), strings.Count(text, "\n"), "no line moves")
			}
		}
	})
}
