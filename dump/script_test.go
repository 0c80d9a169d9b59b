package dump_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dump"
)

// useTokens begins a script of one database with the token table.
const useTokens = "USE [apim]\nGO\nCREATE TABLE [dbo].[IDN_OAUTH2_ACCESS_TOKEN]([TOKEN_ID] [varchar](255) NOT NULL)\nGO\n"

// utf16Text is a text as SQL Server Management Studio saves it by itself.
func utf16Text(text string, bigEndian bool) string {
	var b strings.Builder
	for _, c := range utf16.Encode([]rune("\ufeff" + text)) {
		low, high := byte(c), byte(c>>8)
		if bigEndian {
			low, high = high, low
		}
		b.WriteByte(low)
		b.WriteByte(high)
	}
	return b.String()
}

func TestInspectAScript(t *testing.T) {
	t.Parallel()
	text := read(t, "testdata/ssms.sql")
	info := inspect(t, text, dump.Options{})
	require.Equal(t, dump.Script, info.Format)
	require.Equal(t, dump.SQLServer, info.Flavor)
	require.Equal(t, "utf-8", info.Charset)
	require.Equal(t, "WSO2AM_DB", info.Schema)
	require.Equal(t, "dbo", info.TokenSchema)
	require.Equal(t, "SQL_Latin1_General_CP1_CI_AS", info.Collation())
	require.Equal(t, 150, info.Compatibility)
	require.EqualValues(t, len(text), info.Bytes)
	require.EqualValues(t, strings.Count(text, "\n"), info.Lines)
	require.Len(t, info.Schemas, 1)
	require.Equal(t, 3, info.Schemas[0].Tables)
	require.True(t, info.Schemas[0].HasTokens)
	require.Equal(t, map[string]int64{"dbo.IDN_OAUTH2_ACCESS_TOKEN": 3, "dbo.IDN_OAUTH2_ACCESS_TOKEN_SCOPE": 2, "dbo.IDN_OAUTH_CONSUMER_APPS": 2}, info.Rows)
	require.Equal(t, map[string]int{
		"USE": 3, "CREATE DATABASE": 1, "ALTER DATABASE": 6, "EXEC sp_fulltext_database": 1, "EXEC sp_db_vardecimal_storage_format": 1, "CREATE USER": 1,
		"ALTER ROLE": 1, "GRANT": 1, "PRINT": 1, "EXEC sp_addextendedproperty": 1, "CREATE VIEW" + dump.NamesAnotherDatabase: 1,
	}, info.SkippedKinds)
	require.Equal(t, []string{"1 constraint is not checked for the rows that are there (WITH NOCHECK), as in the original: FK_SCOPE_TOKEN"}, info.Notes)
}

// However a script is saved, it is the same script.
func TestInspectScriptsInAllEncodings(t *testing.T) {
	t.Parallel()
	text := read(t, "testdata/ssms.sql")
	want := inspect(t, text, dump.Options{})
	dos := strings.ReplaceAll(text, "\n", "\r\n")
	for name, c := range map[string]struct{ saved, charset string }{
		"byte order mark":      {"\xef\xbb\xbf" + text, "utf-8"},
		"CRLF":                 {dos, "utf-8"},
		"UTF-16":               {utf16Text(dos, false), "utf-16le"},
		"UTF-16 big-endian":    {utf16Text(dos, true), "utf-16be"},
		"UTF-16 in gzip":       {pack(t, utf16Text(dos, false), "gzip"), "utf-16le"},
		"zstd":                 {pack(t, text, "zstd"), "utf-8"},
		"names without quotes": {strings.NewReplacer("[", "", "]", "").Replace(text), "utf-8"},
	} {
		got := inspect(t, c.saved, dump.Options{})
		require.Equal(t, c.charset, got.Charset, name)
		got.Charset, got.Bytes, got.Largest.Bytes = want.Charset, want.Bytes, want.Largest.Bytes
		require.Equal(t, want, got, name)
	}
}

// A script that is cut off anywhere but right behind a GO line is refused; there
// it is said that it may be.
func TestInspectFindsEveryCutOfAScript(t *testing.T) {
	t.Parallel()
	text := read(t, "testdata/ssms.sql")
	path := file(t, "")
	whole := 0
	for n := strings.Index(text, "INSERT"); n < len(text)-1; n++ {
		require.NoError(t, os.WriteFile(path, []byte(text[:n]), 0o600))
		info, err := dump.Inspect(t.Context(), path, dump.Options{})
		if err == nil {
			whole++
			last := strings.TrimSpace(text[:n])
			require.True(t, strings.HasSuffix(last, "\nGO") || strings.HasSuffix(last, "*/"), "cut after %d bytes: %q", n, text[n-30:n])
			if n < strings.LastIndex(text, "READ_WRITE") {
				require.Contains(t, strings.Join(info.Notes, "\n"), "may be cut off", "cut after %d bytes", n)
			}
			continue
		}
		var fault *dump.Error
		require.ErrorAs(t, err, &fault)
		require.Equal(t, dump.Truncated, fault.Kind, "cut after %d bytes: %v", n, err)
		line := strings.Count(text[:n], "\n")
		if text[n-1] != '\n' {
			line++
		}
		require.InDelta(t, line, fault.Line, 1, "cut after %d bytes: %v", n, err)
	}
	require.Less(t, whole, 120, "behind GO lines and the remarks that follow them")
}

func TestInspectNamesTheFaultOfAScript(t *testing.T) {
	t.Parallel()
	insert := "INSERT [dbo].[IDN_OAUTH2_ACCESS_TOKEN] ([TOKEN_ID]) VALUES "
	for name, c := range map[string]struct {
		text string
		kind dump.Kind
		line int64
		says string
	}{
		"ANSI text":           {useTokens + insert + "(N'a')\n" + insert + "(N'M\xfcller')\nGO\n", dump.BadEncoding, 6, "is 0xfc, which is no UTF-8"},
		"UTF-16 without mark": {utf16Text(useTokens, false)[2:], dump.BadEncoding, 1, `script again as "Unicode text"`},
		"no GO at the end":    {useTokens + insert + "(N'a')\n", dump.Truncated, 5, "or add a line GO if it is whole"},
		"in a row":            {useTokens + insert + "(N'a'\n", dump.Truncated, 5, "inside a parenthesis"},
		"in a name":           {useTokens + "INSERT [dbo].[IDN_OAUTH2", dump.Truncated, 5, "inside a name in brackets that begins in line 5"},
		"odd UTF-16":          {utf16Text(useTokens+"INSERT T", false) + "x", dump.Truncated, 5, "cut off"},
		"without any GO":      {"CREATE TABLE dbo.T (A int); INSERT dbo.T", dump.Truncated, 1, "inside the statement INSERT INTO dbo.T"},
		"sqlcmd":              {useTokens + ":r data.sql\nGO\n", dump.NotADump, 5, ":r is a command to sqlcmd"},
		"operating system":    {useTokens + "!!format c:\nGO\n", dump.NotADump, 5, "no command of the operating system is run"},
		"GO with more":        {useTokens + "PRINT 1\nGO PRINT 2\n", dump.NotADump, 6, "may follow GO"},
		"another database":    {useTokens + "\nINSERT\n[prod].[dbo].[T] VALUES (1)\nGO\n", dump.NotADump, 7, "INSERT INTO prod.dbo.T names the database prod, and only the database apim is restored"},
		"another server":      {useTokens + "INSERT dbo.T SELECT A FROM linked.prod.dbo.T\nGO\n", dump.NotADump, 5, "names the database linked.prod"},
		"a procedure":         {useTokens + "PRINT 1\nEXEC dbo.CleanUp\nGO\n", dump.NotADump, 6, "EXEC CleanUp is not restored: it calls a procedure"},
		"text put together":   {useTokens + "EXEC ('DROP TABLE ' + 'x')\nGO\n", dump.NotADump, 5, "runs a text that is put together"},
		"a file":              {useTokens + "BULK INSERT dbo.T FROM 'x'\nGO\n", dump.NotADump, 5, "it reads a file"},
		"both in one":         {useTokens + "IF 1 = 1 BEGIN\n" + insert + "(1)\nGRANT SELECT TO x END\nGO\n", dump.NotADump, 5, "restored (INSERT) and not restored (GRANT)"},
		"with variables":      {useTokens + "DECLARE @x int = 1\n" + insert + "(@x)\nGRANT SELECT TO x\nGO\n", dump.NotADump, 5, "restored (INSERT) and not restored (GRANT)"},
		"unknown":             {useTokens + "FROBNICATE\nGO\n", dump.NotADump, 5, "EXEC FROBNICATE is not restored"},
		"prose":               {"[dbo] isn't one\n", dump.NotADump, 1, `no script of SQL Server begins with "[dbo]"`},
		"a remark":            {"SET ANSI_NULLS ON\nGO\n/* not closed\n", dump.Truncated, 3, "inside a comment that begins in line 3"},
		"only a remark":       {"/* Script Date: */ /* not closed", dump.Truncated, 1, "inside a comment"},
		"first batch":         {"CREATE TABLE [dbo].[T]([A] int);\nINSERT [dbo].[T] VALUES ('x", dump.Truncated, 2, "inside a quoted text that begins in line 2"},
		"another language":    {"[section]\nkey = value\n", dump.NotADump, 1, `no script of SQL Server begins with "[section]"`},
		"no tables":           {"USE [master]\nGO\nCREATE LOGIN x WITH PASSWORD = 'y'\nGO\n", dump.NotADump, 0, "holds no table and no row"},
		"a packed backup":     {pack(t, "TAPE\x00\x00\x03\x00", "gzip"), dump.NotADump, 0, "unpack it first, since the server reads it by itself"},
		"a bacpac":            {"PK\x03\x04....", dump.NotADump, 0, ".bacpac"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := fault(t, c.text, dump.Options{})
			require.Equal(t, c.kind, e.Kind, "%v", e)
			require.Equal(t, c.line, e.Line, "%v", e)
			require.Contains(t, e.Message, c.says)
		})
	}
}

func TestInspectChoosesTheDatabaseOfAScript(t *testing.T) {
	t.Parallel()
	shared := "USE [shared]\nGO\nCREATE TABLE [dbo].[REG_LOG]([A] int)\nGO\nINSERT [dbo].[REG_LOG] VALUES (1), (2)\nGO\nGRANT SELECT TO x\nGO\n"
	both := shared + useTokens
	info := inspect(t, both, dump.Options{})
	require.Equal(t, "apim", info.Schema, "the only one with tokens")
	require.Equal(t, map[string]int{"USE": 1, dump.OtherSchemas: 4}, info.SkippedKinds)
	info = inspect(t, both, dump.Options{Schema: "Shared"})
	require.Equal(t, "shared", info.Schema)
	require.Equal(t, map[string]int64{"dbo.REG_LOG": 2}, info.Rows)
	require.Empty(t, info.TokenSchema)

	e := fault(t, both, dump.Options{Schema: "prod"})
	require.Equal(t, dump.WhichSchema, e.Kind)
	require.Contains(t, e.Message, `holds no database "prod": it holds shared (1 tables), apim (1 tables, with tokens)`)
	e = fault(t, useTokens+strings.ReplaceAll(useTokens, "apim", "prod"), dump.Options{})
	require.Equal(t, dump.WhichSchema, e.Kind)
	require.Contains(t, e.Message, "2 databases with the table")

	azure := strings.Replace(useTokens, "USE [apim]", "CREATE DATABASE [apim]  (EDITION = 'Standard') COLLATE Latin1_General_CS_AS", 1)
	info = inspect(t, ":on error exit\n"+azure, dump.Options{})
	require.Equal(t, "apim", info.Schema, "without USE, as Azure SQL has none")
	require.Equal(t, "Latin1_General_CS_AS", info.Collation())
	require.Equal(t, map[string]int{":on error": 1, "CREATE DATABASE": 1}, info.SkippedKinds)
	require.Empty(t, inspect(t, strings.TrimPrefix(useTokens, "USE [apim]\nGO\n"), dump.Options{}).Schema, "no name, no database to choose")
	broken := strings.ReplaceAll(shared, "GRANT SELECT TO x", "EXEC dbo.CleanUp") + useTokens
	require.Equal(t, "apim", inspect(t, broken, dump.Options{}).Schema, "what is wrong with another database does no harm")
}

func TestInspectCountsTheRowsOfAScript(t *testing.T) {
	t.Parallel()
	rows := func(text string) map[string]int64 { return inspect(t, useTokens+text+"\nGO\n", dump.Options{}).Rows }
	require.Equal(t, map[string]int64{"dbo.T": 6, "x.T": 1}, rows("INSERT T VALUES (1), (2)\nGO\nINSERT INTO [dbo].[t] (A) VALUES (3)\nGO 4\nINSERT x.T DEFAULT VALUES"))
	require.Equal(t, map[string]int64{"dbo.T": -1}, rows("INSERT T VALUES (1)\nINSERT T SELECT 1"))
	require.Equal(t, map[string]int64{"dbo.T": -1}, rows("INSERT T VALUES (1)\nDELETE FROM T"))
	require.Equal(t, map[string]int64{"dbo.T": -1}, rows("IF 1 = 1 INSERT T VALUES (1)"))
	require.Equal(t, map[string]int64{"dbo.T": -1}, rows("CREATE TRIGGER G ON T AFTER INSERT AS DELETE FROM T\nGO\nINSERT T VALUES (1)"))
}

func TestInspectSaysWhatToKnowAboutAScript(t *testing.T) {
	t.Parallel()
	notes := func(text string) string { return strings.Join(inspect(t, text, dump.Options{}).Notes, "\n") }
	got := notes(useTokens + "ALTER TABLE T NOCHECK CONSTRAINT FK1\nALTER TABLE T NOCHECK CONSTRAINT FK2\nGO\n")
	require.Contains(t, got, "a script has no end stamp")
	require.Contains(t, got, "does not say the collation")
	require.Contains(t, got, "2 constraints are switched off (NOCHECK CONSTRAINT), as in the original: FK1, FK2")
	require.NotContains(t, notes(strings.Replace(useTokens, "(255)", "(255) COLLATE Latin1_General_CS_AS", 1)), "collation")
	require.Contains(t, notes(useTokens+"CREATE TRIGGER dbo.G ON dbo.T AFTER DELETE AS INSERT audit.dbo.LOG SELECT 1\nGO\n"), "triggers that name another database are not restored, so a clean-up does not fire them: dbo.G")
	require.Contains(t, notes(useTokens+"CREATE TABLE [x].[idn_oauth2_access_token](A int)\nGO\n"), "is in the schemas dbo, x: that of dbo is taken")
	require.Contains(t, notes(utf16Text(useTokens+"PRINT N'\ufffd'\nGO\n", false)), "line 5 holds the character U+FFFD")
}

// A file for another server is refused before there is one.
func TestInspectRefusesAFileForAnotherServer(t *testing.T) {
	t.Parallel()
	mysqlDump := mysqlHeader + tokens + trailer
	script := read(t, "testdata/ssms.sql")
	backup := "TAPE\x00\x00\x03\x00\x8c\x00\x0e\x01"
	for name, c := range map[string]struct{ text, product, says string }{
		"a MySQL dump":         {mysqlDump, dump.SQLServer, "this is a dump of MySQL or MariaDB, which SQL Server does not read: use --db mysql or --db mariadb"},
		"without a header":     {"INSERT INTO `T` VALUES ('[dbo]\nGO\n');\n" + tokens, dump.SQLServer, "this is a dump of MySQL or MariaDB"},
		"a script":             {script, dump.MySQL, "this is a script of SQL Server, which MySQL does not read: use --db sqlserver"},
		"a script in UTF-16":   {utf16Text(script, false), dump.MariaDB, "which MariaDB does not read"},
		"a plain script":       {"-- made by hand\nINSERT INTO dbo.T VALUES ('`')\nGO\n", dump.MySQL, "this is a script of SQL Server"},
		"a backup":             {backup, dump.MySQL, "this is a backup file of SQL Server, which MySQL does not read: use --db sqlserver"},
		"a compressed backup":  {"MSSQLBAK\x02\x00\x00\x00", dump.MariaDB, "this is a backup file of SQL Server"},
		"UTF-16, not a script": {utf16Text(mysqlHeader, false), dump.SQLServer, "--result-file"},
	} {
		e := fault(t, c.text, dump.Options{For: c.product})
		require.Contains(t, e.Message, c.says, name)
		require.Contains(t, []dump.Kind{dump.WrongServer, dump.BadEncoding}, e.Kind)
	}
	for _, text := range []string{mysqlDump, "INSERT INTO T VALUES (1);\n"} {
		require.Equal(t, dump.MySQLDump, inspect(t, text, dump.Options{For: dump.MariaDB}).Format)
		require.Equal(t, dump.MySQLDump, inspect(t, text, dump.Options{}).Format)
	}
	require.Equal(t, dump.Script, inspect(t, "INSERT INTO T VALUES (1);\n", dump.Options{For: dump.SQLServer}).Format, "it may be either")
	require.Equal(t, dump.Script, inspect(t, script, dump.Options{For: dump.SQLServer}).Format)

	for text, want := range map[string]bool{backup: true, "MSSQLBAK\x02": true, script: false, mysqlDump: false} {
		is, err := dump.IsBackup(file(t, text))
		require.NoError(t, err)
		require.Equal(t, want, is)
		if want {
			info := inspect(t, text, dump.Options{For: dump.SQLServer})
			require.Equal(t, dump.Backup, info.Format)
			require.Equal(t, dump.SQLServer, info.Flavor)
		}
	}
	_, err := dump.IsBackup("no such file")
	require.ErrorContains(t, err, "cannot open")
}

// The memory does not grow with a script, whether it has GO lines or not.
func TestInspectReadsLargeScriptsInPieces(t *testing.T) {
	t.Parallel()
	for name, separator := range map[string]string{"GO after each": "\nGO\n", "one batch": "\n"} {
		path := file(t, "")
		f, err := os.Create(path)
		require.NoError(t, err)
		_, err = f.WriteString(useTokens)
		require.NoError(t, err)
		row := "INSERT [dbo].[IDN_OAUTH2_ACCESS_TOKEN] ([TOKEN_ID]) VALUES (N'" + strings.Repeat("x", 400) + "')" + separator
		for range 100 {
			_, err = f.WriteString(strings.Repeat(row, 1000))
			require.NoError(t, err)
		}
		_, err = f.WriteString("\nGO\n")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		info, err := dump.Inspect(t.Context(), path, dump.Options{})
		require.NoError(t, err, name)
		require.EqualValues(t, 100_000, info.Rows["dbo.IDN_OAUTH2_ACCESS_TOKEN"], name)
		require.Less(t, info.Largest.Bytes, int64(600<<10), name)
	}
}

func TestInspectOfAScriptStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	path := file(t, useTokens+strings.Repeat(fmt.Sprintf("INSERT [dbo].[T] VALUES (N'%s')\nGO\n", strings.Repeat("x", 1000)), 5000))
	_, err := dump.Inspect(ctx, path, dump.Options{Progress: func(int64, int64) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
}
