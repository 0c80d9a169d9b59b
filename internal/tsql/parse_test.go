package tsql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var actionNames = map[Action]string{Refuse: "refuse", Run: "run", Session: "session", Skip: "skip", Neutral: "neutral"}

// units says in words what a batch holds, a unit a line.
func units(s *Script) []string {
	var all []string
	for i := range s.Units {
		u := &s.Units[i]
		var inner []string
		for j := range u.Statements {
			inner = append(inner, u.Statements[j].String())
		}
		all = append(all, actionNames[u.Action()]+" "+strings.Join(inner, " + "))
	}
	return all
}

func TestParseFindsTheStatements(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"nothing": {"-- only\n/* remarks */ ;;", nil},
		"settings": {"SET ANSI_NULLS ON\nSET QUOTED_IDENTIFIER ON;SET NOCOUNT ON SET IDENTITY_INSERT [dbo].[T] ON\nUPDATE T SET A = 1",
			[]string{"session SET ANSI_NULLS", "session SET QUOTED_IDENTIFIER", "skip SET NOCOUNT", "run SET IDENTITY_INSERT dbo.T", "run UPDATE T"}},
		"rows": {"INSERT [dbo].[T] ([A], [B]) VALUES (1, N'x')\nINSERT INTO dbo.T VALUES (1, (2)), (3, 4)\nINSERT T SELECT 1 UNION ALL SELECT 2 INSERT T DEFAULT VALUES\nINSERT T EXEC sp_who INSERT T (A) OUTPUT inserted.A VALUES (CASE WHEN 1=1 THEN 2 ELSE 3 END)",
			[]string{"run INSERT INTO dbo.T", "run INSERT INTO dbo.T", "run INSERT INTO T", "run INSERT INTO T", "run INSERT INTO T", "run INSERT INTO T"}},
		"table": {"CREATE TABLE [dbo].[T](\n\t[ID] [int] NOT NULL,\n\t[INSERT] [varchar](9) DEFAULT ('x'),\n FOREIGN KEY ([ID]) REFERENCES U (ID) ON DELETE CASCADE ON UPDATE SET NULL) ON [PRIMARY]\nINSERT T VALUES (1)",
			[]string{"run CREATE TABLE dbo.T", "run INSERT INTO T"}},
		"alter": {"ALTER TABLE [dbo].[T] WITH CHECK ADD CONSTRAINT [FK] FOREIGN KEY([A])\nREFERENCES [dbo].[U] ([A])\nON UPDATE SET DEFAULT\nON DELETE SET NULL\nALTER TABLE T CHECK CONSTRAINT FK ALTER TABLE T ALTER COLUMN A int ALTER TABLE T DROP CONSTRAINT FK ALTER TABLE T SET (LOCK_ESCALATION = AUTO) ALTER TABLE T DISABLE TRIGGER G DROP TABLE T",
			[]string{"run ALTER TABLE dbo.T", "run ALTER TABLE T", "run ALTER TABLE T", "run ALTER TABLE T", "run ALTER TABLE T", "run ALTER TABLE T", "run DROP TABLE T"}},
		"index": {"CREATE UNIQUE NONCLUSTERED INDEX [IX] ON [dbo].[T]\n(\n\t[A] ASC\n)\nWHERE ([A] IS NOT NULL) WITH (PAD_INDEX = OFF) ON [FG]\nALTER INDEX [IX] ON [dbo].[T] DISABLE CREATE STATISTICS S ON T (A) UPDATE STATISTICS T",
			[]string{"run CREATE INDEX IX", "run ALTER INDEX IX", "run CREATE STATISTICS S", "skip UPDATE STATISTICS T"}},
		"module": {"CREATE OR ALTER PROC [dbo].[P] AS BEGIN INSERT T VALUES (1); EXEC x END GRANT SELECT ON T TO y", []string{"run CREATE PROCEDURE dbo.P"}},
		"view":   {"/* x */ CREATE VIEW V AS WITH c AS (SELECT 1 A) SELECT * FROM c", []string{"run CREATE VIEW V"}},
		"trigger": {"CREATE TRIGGER [dbo].[G] ON [dbo].[T] AFTER INSERT, UPDATE AS SET NOCOUNT ON",
			[]string{"run CREATE TRIGGER dbo.G"}},
		"server trigger": {"CREATE TRIGGER G ON ALL SERVER FOR LOGON AS PRINT 1", []string{"skip CREATE TRIGGER ON ALL SERVER G"}},
		"schema":         {"CREATE SCHEMA [x] AUTHORIZATION [y]", []string{"run CREATE SCHEMA x"}},
		"database": {"CREATE DATABASE [D]\n CONTAINMENT = NONE\n ON  PRIMARY \n( NAME = N'D', FILENAME = N'C:\\D.mdf' )\n LOG ON \n( NAME = N'D_log' )\n COLLATE Latin1_General_CS_AS\n WITH CATALOG_COLLATION = DATABASE_DEFAULT\nALTER DATABASE [D] SET COMPATIBILITY_LEVEL = 150\nALTER DATABASE [D] SET  READ_WRITE WITH ROLLBACK IMMEDIATE\nSET ANSI_NULLS ON\nALTER DATABASE SCOPED CONFIGURATION SET MAXDOP = 0; DROP DATABASE IF EXISTS D",
			[]string{"skip CREATE DATABASE D", "skip ALTER DATABASE D", "skip ALTER DATABASE D", "session SET ANSI_NULLS", "skip ALTER DATABASE CONFIGURATION", "skip DROP DATABASE D"}},
		"use": {"USE [D]\nCREATE TABLE T (A int) USE master", []string{"skip USE D", "run CREATE TABLE T", "skip USE master"}},
		"security": {"CREATE USER [u] FOR LOGIN [u] WITH DEFAULT_SCHEMA=[dbo]\nCREATE LOGIN l WITH PASSWORD = N'x'\nALTER ROLE [db_owner] ADD MEMBER [u]\nALTER ROLE r DROP MEMBER u GRANT SELECT, INSERT, UPDATE, EXECUTE, CREATE TABLE ON T TO u WITH GRANT OPTION DENY DELETE ON SCHEMA::dbo TO u REVOKE ALTER FROM u\nALTER AUTHORIZATION ON SCHEMA::[x] TO [y] CREATE APPLICATION ROLE a WITH PASSWORD = N'x'",
			[]string{"skip CREATE USER u", "skip CREATE LOGIN l", "skip ALTER ROLE db_owner", "skip ALTER ROLE r", "skip GRANT", "skip DENY", "skip REVOKE", "skip ALTER AUTHORIZATION", "skip CREATE APPLICATION ROLE a"}},
		"procedures": {"EXEC sys.sp_addextendedproperty @name=N'x', @value=N'INSERT T'\nEXEC [D].[dbo].[sp_fulltext_database] @action = 'enable' EXECUTE sp_bindrule 'r', 'T.A' exec @rc = sp_x DBCC CHECKIDENT ('T') EXEC msdb.dbo.add_job",
			[]string{"skip EXEC sp_addextendedproperty", "skip EXEC sp_fulltext_database", "run EXEC sp_bindrule", "skip EXEC sp_x", "skip DBCC", "skip EXEC add_job"}},
		"without EXEC":  {"sp_addextendedproperty N'x'", []string{"skip EXEC sp_addextendedproperty"}},
		"a procedure":   {"EXEC [dbo].[CleanUp]", []string{"refuse EXEC CleanUp"}},
		"a text":        {"EXEC dbo.sp_executesql @statement = N'CREATE VIEW [dbo].[V] AS SELECT ''x'' A' EXEC(N'CREATE SCHEMA [x]') EXEC ('GRANT SELECT TO u')", []string{"run CREATE VIEW dbo.V", "run CREATE SCHEMA x", "skip GRANT"}},
		"a made-up one": {"EXEC ('DROP TABLE ' + @t)", []string{"refuse EXEC"}},
		"a variable":    {"EXEC sp_executesql @sql", []string{"refuse EXEC"}},
		"if": {"IF NOT EXISTS (SELECT * FROM sys.objects WHERE object_id = OBJECT_ID(N'[dbo].[T]') AND type in (N'U'))\nBEGIN\nCREATE TABLE T (A int)\nEND\nIF (1 = FULLTEXTSERVICEPROPERTY('IsFullTextInstalled'))\nbegin\nEXEC [D].[dbo].[sp_fulltext_database] @action = 'enable'\nend\nIF 1=1 PRINT 1 ELSE PRINT 2; INSERT T VALUES (1)",
			[]string{"run CREATE TABLE T", "skip EXEC sp_fulltext_database", "neutral PRINT + PRINT", "run INSERT INTO T"}},
		"if and else": {"IF 1=1 BEGIN; INSERT T VALUES (1); END; ELSE IF 2=2 INSERT T VALUES (2) ELSE DELETE FROM T DROP TABLE IF EXISTS T",
			[]string{"run INSERT INTO T + INSERT INTO T + DELETE T", "run DROP TABLE T"}},
		"if drop": {"IF OBJECT_ID('T') IS NOT NULL DROP TABLE T IF CASE WHEN 1=1 THEN 1 ELSE 2 END = 1 DROP VIEW V", []string{"run DROP TABLE T", "run DROP VIEW V"}},
		"both":    {"IF 1=1 BEGIN INSERT T VALUES (1) GRANT SELECT TO u END", []string{"refuse INSERT INTO T + GRANT"}},
		"try": {"BEGIN TRY BEGIN TRAN INSERT T VALUES (1) COMMIT END TRY BEGIN CATCH ROLLBACK; THROW; END CATCH INSERT T VALUES (2)",
			[]string{"run BEGIN TRANSACTION + INSERT INTO T + COMMIT + ROLLBACK + THROW", "run INSERT INTO T"}},
		"while":         {"DECLARE @i int = 0 WHILE @i < 3 BEGIN INSERT T VALUES (@i) SET @i = @i + 1 END", []string{"neutral DECLARE", "run INSERT INTO T + SET @variable"}},
		"cursor":        {"DECLARE c CURSOR FOR SELECT A FROM T FOR UPDATE OPEN c FETCH NEXT FROM c CLOSE c", []string{"neutral DECLARE", "neutral OPEN", "neutral FETCH", "neutral CLOSE"}},
		"transaction":   {"BEGIN TRANSACTION; COMMIT TRAN BEGIN DISTRIBUTED TRAN x", []string{"neutral BEGIN TRANSACTION", "neutral COMMIT", "neutral BEGIN TRANSACTION"}},
		"with":          {";WITH c AS (SELECT 1 A) INSERT T SELECT A FROM c; WITH d AS (SELECT 1 A) SELECT * FROM d UNION SELECT 2", []string{"run INSERT", "skip SELECT"}},
		"merge":         {"MERGE INTO T USING U ON 1=1 WHEN MATCHED THEN UPDATE SET A = 1 WHEN NOT MATCHED THEN INSERT VALUES (1); PRINT 1", []string{"run MERGE T", "neutral PRINT"}},
		"queries":       {"SELECT 1 UNION ALL SELECT 2 SELECT @x = 1 SELECT * INTO #T FROM U SELECT A FROM T ORDER BY A OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", []string{"skip SELECT", "neutral SELECT", "refuse SELECT INTO", "skip SELECT"}},
		"outside":       {"INSERT T SELECT * FROM OPENROWSET(BULK 'x', SINGLE_BLOB) a BULK INSERT T FROM 'x' INSERT BULK T (A int)", []string{"refuse INSERT INTO T", "refuse BULK INSERT", "refuse INSERT BULK"}},
		"server":        {"BACKUP DATABASE D TO DISK = 'x' RESTORE DATABASE D FROM DISK = 'x' WITH REPLACE SHUTDOWN WITH NOWAIT KILL 51 RECONFIGURE", []string{"skip BACKUP", "skip RESTORE", "skip SHUTDOWN", "skip KILL", "skip RECONFIGURE"}},
		"not known":     {"INSERT T VALUES (1) label: FROB x CREATE FROB y", []string{"run INSERT INTO T", "refuse CREATE FROB y"}},
		"not T-SQL":     {"%PDF-1.4 foo", []string{"refuse %"}},
		"a stray END":   {"END END", []string{"refuse END", "refuse END"}},
		"trigger state": {"ENABLE TRIGGER G ON T; DISABLE TRIGGER ALL ON ALL SERVER", []string{"run ENABLE TRIGGER", "skip DISABLE TRIGGER ON ALL SERVER"}},
		"types": {"CREATE TYPE [dbo].[S] FROM [varchar](9) NOT NULL CREATE SEQUENCE dbo.Q AS bigint START WITH 1 CREATE SYNONYM Y FOR dbo.T CREATE PARTITION FUNCTION [pf](int) AS RANGE RIGHT FOR VALUES (1) CREATE PARTITION SCHEME [ps] AS PARTITION [pf] TO ([FG1], [PRIMARY])",
			[]string{"run CREATE TYPE dbo.S", "run CREATE SEQUENCE dbo.Q", "run CREATE SYNONYM Y", "run CREATE PARTITION FUNCTION pf", "run CREATE PARTITION SCHEME ps"}},
		"odd names": {`INSERT [a.b]."c]d"."e" VALUES (1) INSERT x..[[]]] VALUES (1)`, []string{"run INSERT INTO a.b.c]d.e", "run INSERT INTO x.[]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Parse([]byte(c.text))
			require.Equal(t, c.want, units(s))
			require.Empty(t, s.Open)
		})
	}
}

func TestParseCountsRows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"INSERT T VALUES (1)":                             1,
		"INSERT T (A, B) VALUES (1, (2)), (3, (4)),(5,6)": 3,
		"INSERT T DEFAULT VALUES":                         1,
		"INSERT T (A) OUTPUT inserted.A VALUES ('(')":     1,
		"INSERT T SELECT 1 UNION SELECT 2":                -1,
		"INSERT T (A) EXEC sp_who":                        -1,
	} {
		require.Equal(t, want, Parse([]byte(text)).Units[0].Statements[0].Rows, text)
	}
}

func TestParseSeesWhatIsCutOff(t *testing.T) {
	t.Parallel()
	whole := "SET IDENTITY_INSERT [dbo].[T] ON;\nINSERT INTO [dbo].[T] ([A]) VALUES (1)"
	require.Empty(t, Parse([]byte(whole)).Open)
	for _, text := range []string{
		"SET IDENTITY_INSERT [dbo].[T]", "INSERT", "INSERT INTO", "INSERT INTO [dbo]", "INSERT INTO [dbo].", "INSERT INTO [dbo].[T] ([A])", "INSERT INTO [dbo].[T] ([A]) VALUES",
		"INSERT INTO [dbo].[T] ([A]) VALUES (1", "INSERT INTO [dbo].[T] ([A]) VALUES (1),", "CREATE TABLE T (A int", "ALTER TABLE T ADD", "IF 1 = 1", "IF 1 = 1 BEGIN PRINT 1", "CREATE PROCEDURE P AS",
		"PRINT N'", "SELECT [", "/* x", "ALTER TABLE T WITH CHECK ADD CONSTRAINT", "USE",
	} {
		require.NotEmpty(t, Parse([]byte(text)).Open, text)
	}
}

func TestParseNotesNamesOutOfTheDatabase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"INSERT [D].[dbo].[T] VALUES (1)":                            "D.dbo.T object, local [dbo].[T]",
		"INSERT D..T VALUES (1)":                                     "D..T object, local T",
		"INSERT dbo.T VALUES (1)":                                    "",
		"EXEC [D].sys.sp_rename 'a', 'b'":                            "D.sys.sp_rename object, local sys.sp_rename",
		"[D].sys.sp_rename 'a', 'b'":                                 "D.sys.sp_rename object, local sys.sp_rename",
		"CREATE VIEW V AS SELECT dbo.T.A FROM dbo.T":                 "dbo.T.A column, local T.A",
		"CREATE VIEW V AS SELECT 1 A FROM U, D.dbo.T":                "D.dbo.T reads, local dbo.T",
		"CREATE VIEW V AS SELECT 1 A FROM U u JOIN D.dbo.T t ON a=b": "D.dbo.T reads, local dbo.T",
		"CREATE VIEW V AS SELECT 1 A FROM U JOIN T ON dbo.U.A = T.A": "dbo.U.A column, local U.A",
		"CREATE VIEW V AS SELECT D.dbo.F(1) A":                       "D.dbo.F column call, local dbo.F",
		"CREATE VIEW V AS SELECT 1 A FROM S.D.dbo.T":                 "S.D.dbo.T reads, local dbo.T",
		"CREATE TRIGGER G ON D.dbo.T AFTER INSERT AS PRINT 1":        "D.dbo.T object, local dbo.T",
		"CREATE SYNONYM Y FOR D.dbo.T":                               "D.dbo.T object, local dbo.T",
		"SET IDENTITY_INSERT D.dbo.T ON":                             "D.dbo.T object, local dbo.T",
		"IF EXISTS (SELECT 1 FROM D.dbo.T) PRINT 1":                  "D.dbo.T reads, local dbo.T",
		"CREATE TABLE T (A int REFERENCES D.dbo.U (A))":              "D.dbo.U object call, local dbo.U",
		"INSERT T VALUES (1.5, 'D.dbo.T', [x].y) -- FROM D.dbo.T":    "",
	} {
		s := Parse([]byte(text))
		var got []string
		for _, r := range s.Units[0].Refs {
			what := "object"
			switch {
			case r.Reads:
				what = "reads"
			case r.Column:
				what = "column"
			}
			if r.Call {
				what += " call"
			}
			name := r.Name.String()
			if r.Schema == "" {
				name = r.Database + ".." + r.Object
			}
			got = append(got, fmt.Sprintf("%s %s, local %s", name, what, text[r.Local:r.To]))
		}
		require.Equal(t, want, strings.Join(got, "; "), text)
	}
}

func TestParseNotesDetails(t *testing.T) {
	t.Parallel()
	first := func(text string) *Statement { return &Parse([]byte(text)).Units[0].Statements[0] }
	pieces := func(text string) []string {
		var all []string
		for _, f := range first(text).Filegroups {
			all = append(all, text[f.From:f.To])
		}
		return all
	}
	require.Equal(t, []string{"[FG1]", "[FG2]", "FG3"}, pieces("CREATE TABLE T (A int PRIMARY KEY (A) WITH (PAD_INDEX = OFF) ON [FG1], B int REFERENCES U (B) ON DELETE CASCADE) ON [FG2] TEXTIMAGE_ON FG3"))
	require.Equal(t, []string{"[FG]"}, pieces("CREATE INDEX I ON [dbo].[T] (A) ON [FG]"))
	require.Empty(t, pieces("CREATE INDEX I ON [T] (A) ON [ps]([A])"), "a partition scheme")
	require.Empty(t, pieces("CREATE TABLE T (A int) ON [PRIMARY] TEXTIMAGE_ON [PRIMARY]"))
	require.Equal(t, []string{"[FG1]", "[FG2]"}, pieces("CREATE PARTITION SCHEME s AS PARTITION f TO ([FG1], [PRIMARY], [FG2])"))

	owner := func(text string) string { s := first(text); return text[s.Owner.From:s.Owner.To] }
	require.Equal(t, "AUTHORIZATION [y]", owner("CREATE SCHEMA [x] AUTHORIZATION [y]"))
	require.Equal(t, "AUTHORIZATION ", owner("CREATE SCHEMA AUTHORIZATION [y]"))

	s := first("ALTER TABLE [T]  WITH NOCHECK ADD  CONSTRAINT [FK] FOREIGN KEY(A) REFERENCES U (A)")
	require.Equal(t, "FK", s.Unchecked)
	require.False(t, s.Disabled)
	s = first("ALTER TABLE [T] NOCHECK CONSTRAINT [FK]")
	require.Equal(t, "FK", s.Unchecked)
	require.True(t, s.Disabled)
	require.Empty(t, first("ALTER TABLE [T] WITH CHECK ADD CONSTRAINT [FK] CHECK (A > 1)").Unchecked)

	require.Equal(t, "Latin1_General_CS_AS", first("CREATE DATABASE D COLLATE Latin1_General_CS_AS").Collation)
	s = first("ALTER DATABASE [D] SET COMPATIBILITY_LEVEL = 150")
	require.Equal(t, [2]string{"COMPATIBILITY_LEVEL", "150"}, [2]string{s.Option, s.Value})
	s = first("ALTER DATABASE [D] SET  READ_WRITE ")
	require.Equal(t, "READ_WRITE", s.Option)
	for _, text := range []string{"ALTER TABLE [dbo].[T] ENABLE TRIGGER [G]", "DISABLE TRIGGER dbo.[G] ON T"} {
		require.Equal(t, "G", first(text).Trigger, text)
	}
	require.Empty(t, first("ALTER TABLE [dbo].[T] DISABLE TRIGGER ALL").Trigger)
	s = first("SET QUOTED_IDENTIFIER, ansi_nulls OFF")
	require.Equal(t, [2]string{"QUOTED_IDENTIFIER,ANSI_NULLS", "OFF"}, [2]string{s.Option, s.Value})
	require.Contains(t, first("EXEC CleanUp").Why, "calls a procedure")
}

// Whatever the text, its units follow each other without a gap of words, and
// none is empty.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"IF 1=1 BEGIN INSERT T VALUES (1) END ELSE PRINT 'x'", "BEGIN TRY END TRY BEGIN CATCH END CATCH", "EXEC sp_executesql N'EXEC (''x'')'",
		"GRANT WITH c AS ( ; END ELSE [a]..b.c CASE", "CREATE SCHEMA AUTHORIZATION", "SET @x = N'", "ALTER DATABASE SET =", "INSERT BULK", "[", "/*", "N'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := Parse([]byte(text))
		at := 0
		for i := range s.Units {
			u := &s.Units[i]
			require.LessOrEqual(t, at, u.From)
			require.Less(t, u.From, u.To)
			gap := &lexer{b: []byte(text[at:u.From])}
			require.Contains(t, []string{"", ";"}, string(gap.b[gap.peek().From:gap.peek().To]))
			at = u.To
			_ = u.Action()
		}
		require.LessOrEqual(t, at, len(text))
	})
}
