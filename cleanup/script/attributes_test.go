package script

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/schema"
)

// named are the attributes as name=value.
func (f *File) named() (all []string) {
	for _, a := range f.Attributes() {
		all = append(all, a.Name+"="+a.Value)
	}
	return all
}

func TestAttributesMySQL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"default":             {"DECLARE x INT DEFAULT 5; SELECT x;", []string{"x=5"}},
		"set":                 {"DECLARE x INT; SET x = 10000; SET x2 = 1;", []string{"x=10000"}},
		"set with colon":      {"DECLARE x INT; SET x := -5;", []string{"x=-5"}},
		"list":                {"DECLARE x INT; DECLARE y FLOAT; SET x = 1, y = 2.5;", []string{"x=1", "y=2.5"}},
		"two names":           {"DECLARE x, y INT DEFAULT 5; DECLARE z INT; SET z = 1;", []string{"z=1"}},
		"truth":               {"DECLARE x BOOLEAN; SET x = TRUE;", []string{"x=TRUE"}},
		"text":                {"DECLARE x VARCHAR(9); SET x = 'TRACE';", []string{"x='TRACE'"}},
		"quoted name":         {"DECLARE `x y` INT; SET `x y` = 1;", []string{"x y=1"}},
		"user variable":       {"SET @level = 'TRACE'; SELECT @level;", []string{"@level='TRACE'"}},
		"system variable":     {"SET SQL_MODE = ''; SET @@sql_mode = ''; SET SESSION x = 1;", nil},
		"expression":          {"DECLARE x INT; SET x = 1 + 2;", nil},
		"call":                {"DECLARE x DATETIME; SET x = NOW();", nil},
		"assigned again":      {"DECLARE x INT DEFAULT 5; SET x = 6;", nil},
		"counter":             {"DECLARE x INT; SET x = 0; SELECT COUNT(*) INTO x FROM T;", nil},
		"counter of the user": {"SET @x = 0; REPEAT SELECT ROW_COUNT() INTO @x; UNTIL @x = 0 END REPEAT;", nil},
		"counted up":          {"DECLARE x INT DEFAULT 0; WHILE x < 5 DO SET x = x + 1; END WHILE;", nil},
		"flag of a loop":      {"DECLARE x INT DEFAULT 0; a: LOOP IF 1 THEN SET x = 1; LEAVE a; END IF; END LOOP a;", nil},
		"flag of a handler":   {"DECLARE x INT DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT FOUND SET x = 1;", nil},
		"flag of a block":     {"DECLARE x INT DEFAULT 0; DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET x = 1; END; SELECT 1;", nil},
		"behind a handler":    {"DECLARE x INT; DECLARE EXIT HANDLER FOR SQLEXCEPTION ROLLBACK; SET x = 1;", []string{"x=1"}},
		"forced by another":   {"DECLARE x BOOLEAN; SET x = FALSE; IF a THEN SET x = TRUE; END IF;", []string{"x=FALSE"}},
		"only behind IF":      {"DECLARE x INT; IF a THEN SET x = 1; END IF;", nil},
		"else":                {"DECLARE x INT; IF a THEN SELECT 1; ELSE SET x = 1; END IF;", nil},
		"fetched":             {"DECLARE x INT DEFAULT 1; FETCH c INTO x;", nil},
		"out":                 {"SET @x = 1; CALL p(@x);", nil},
		"diagnostics":         {"DECLARE x INT DEFAULT 1; GET DIAGNOSTICS x = ROW_COUNT;", nil},
		"in an expression":    {"SET @x = 1; SELECT @x := @x + 1;", nil},
		"case expression":     {"DECLARE x INT; SET x = CASE WHEN 1 THEN 2 ELSE 3 END; SET @y = 5;", []string{"@y=5"}},
		"case statement":      {"DECLARE x INT; CASE 1 WHEN 1 THEN SET x = 1; END CASE; SET @y = 5;", []string{"@y=5"}},
		"update":              {"DECLARE x INT DEFAULT 1; UPDATE T SET x = 2 WHERE y = 3;", []string{"x=1"}},
		"selected literal":    {"DECLARE x INT; SELECT 5 INTO x;", []string{"x=5"}},
		"if function":         {"DECLARE x INT DEFAULT 1; SELECT IF(a, b, c); DROP TABLE IF EXISTS t; SET @y = 2;", []string{"x=1", "@y=2"}},
	} {
		f := mustRead(t, schema.MySQL, "DELIMITER $$\nCREATE PROCEDURE p(IN par INT)\nBEGIN "+c.body+"\nEND$$")
		require.Equal(t, c.want, f.named(), name)
	}
	f := mustRead(t, schema.MySQL, "SET @batch = 5;\nSELECT @batch;")
	require.Equal(t, []Attribute{{Name: "@batch", Value: "5", Line: 1}}, f.Attributes(), "outside of a routine")
}

func TestAttributesSQLServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"declared":          {"DECLARE @x INT = 10000, @y VARCHAR(12) = N'a'", []string{"@x=10000", "@y=N'a'"}},
		"set":               {"DECLARE @x AS VARCHAR(12) SET @x = '00:00:02.000' SELECT 1", []string{"@x='00:00:02.000'"}},
		"selected":          {"DECLARE @x INT, @y INT; SELECT @x = 5, @y = -6;", []string{"@x=5", "@y=-6"}},
		"selected from":     {"DECLARE @x INT; SELECT @x = 5 FROM T", nil},
		"precision":         {"DECLARE @x DECIMAL(10, 2) = 1.5, @y INT = 1", []string{"@x=1.5", "@y=1"}},
		"not declared":      {"SET NOCOUNT ON SET @x = 5", nil},
		"expression":        {"DECLARE @x INT = 1 + 1 SET @y = 1", nil},
		"rowcount":          {"DECLARE @x INT; SET @x = 0; SELECT @x = @@ROWCOUNT", nil},
		"case of letters":   {"DECLARE @rowCount INT; SET @rowcount = 0; SELECT @ROWCOUNT = @rowcount - 1", nil},
		"added to":          {"DECLARE @x INT = 0; SET @x += 1", nil},
		"loop":              {"DECLARE @x INT = 0; WHILE @x = 0 SET @x = 1", nil},
		"loop with BEGIN":   {"DECLARE @x INT = 0; WHILE @x = 0 BEGIN IF 1 = 1 SET @x = 1 END", nil},
		"forced by another": {"DECLARE @x BIT; SET @x = 'FALSE'; IF (@a = 1)\nBEGIN\nSET @x = 'TRUE'; END;", []string{"@x='FALSE'"}},
		"without BEGIN":     {"DECLARE @x BIT; SET @x = 'FALSE'; IF (@a = 1) SET @x = 'TRUE'; SELECT 1", []string{"@x='FALSE'"}},
		"behind IF":         {"DECLARE @x BIT; IF EXISTS (SELECT 1) SET @x = 1 ELSE SET @x = 0", nil},
		"behind all IF":     {"DECLARE @x BIT; IF @a = 1 PRINT 'a' SET @x = 0", []string{"@x=0"}},
		"fetched":           {"DECLARE @x INT = 1; FETCH NEXT FROM c INTO @x", nil},
		"output":            {"DECLARE @x INT = 1; EXEC p @y = @x OUTPUT", nil},
		"returned":          {"DECLARE @x INT = 1; EXEC @x = p", nil},
		"passed":            {"DECLARE @x INT = 1; EXEC p @x = 5", []string{"@x=1"}},
		"compared":          {"DECLARE @x INT = 1; DELETE FROM T WHERE @x = 5", []string{"@x=1"}},
		"cursor":            {"DECLARE c CURSOR FOR SELECT a FROM T WHERE a IN (SELECT b FROM U)\nDECLARE @x INT\nSET @x = 1", []string{"@x=1"}},
		"case":              {"DECLARE @x INT = CASE WHEN 1 = 1 THEN 2 ELSE 3 END, @y INT = 4", []string{"@y=4"}},
		"table":             {"DECLARE @t TABLE (A INT DEFAULT 5); DECLARE @x INT = 1", []string{"@x=1"}},
		"catch":             {"DECLARE @x INT = 0; BEGIN TRY SELECT 1 END TRY BEGIN CATCH SET @x = 1 END CATCH", nil},
		"transaction":       {"BEGIN TRANSACTION DECLARE @x INT = 1 COMMIT TRANSACTION", []string{"@x=1"}},
		"parameters":        {"CREATE PROCEDURE p @x INT = 5, @y VARCHAR(9) = 'a', @z INT OUTPUT WITH RECOMPILE AS SELECT @x", []string{"@x=5", "@y='a'"}},
		"variable table":    {"CREATE PROCEDURE p AS BEGIN DECLARE @x INT SET @x = 1 END", []string{"@x=1"}},
	} {
		require.Equal(t, c.want, mustRead(t, schema.SQLServer, c.text).named(), name)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	const mysql = "DELIMITER $$\nCREATE PROCEDURE p() BEGIN DECLARE batchSize INT DEFAULT 10; DECLARE sleepTime FLOAT DEFAULT 2; DECLARE audit BOOLEAN DEFAULT FALSE;\n" +
		"DECLARE flag BOOLEAN DEFAULT 1; DECLARE level VARCHAR(9) DEFAULT 'a'; END$$"
	const tsql = "DECLARE @batchSize INT = 10, @sleepTime VARCHAR(12) = '00:00:02.000', @audit BIT = 'TRUE', @level NVARCHAR(9) = N'a', @plain VARCHAR(9) = 'a'"
	for _, c := range []struct {
		on                schema.Product
		name, value, want string
	}{
		{schema.MySQL, "batchSize", "5", "DECLARE batchSize INT DEFAULT 5;"},
		{schema.MySQL, "@BATCHSIZE", " -5 ", "DECLARE batchSize INT DEFAULT -5;"},
		{schema.MySQL, "P.batchsize", "5", "DECLARE batchSize INT DEFAULT 5;"},
		{schema.MySQL, "sleeptime", "0.25", "DECLARE sleepTime FLOAT DEFAULT 0.25;"},
		{schema.MySQL, "audit", "true", "DECLARE audit BOOLEAN DEFAULT TRUE;"},
		{schema.MySQL, "audit", "1", "DECLARE audit BOOLEAN DEFAULT TRUE;"},
		{schema.MySQL, "flag", "false", "DECLARE flag BOOLEAN DEFAULT 0;"},
		{schema.MySQL, "level", `x'; DROP TABLE T; -- \`, `DECLARE level VARCHAR(9) DEFAULT 'x''; DROP TABLE T; -- \\';`},
		{schema.SQLServer, "batchSize", "5", "DECLARE @batchSize INT = 5,"},
		{schema.SQLServer, "@sleeptime", "00:00:00", "@sleepTime VARCHAR(12) = '00:00:00',"},
		{schema.SQLServer, "audit", "0", "@audit BIT = 'FALSE',"},
		{schema.SQLServer, "level", "it's", "@level NVARCHAR(9) = N'it''s',"},
		{schema.SQLServer, "plain", `\`, `@plain VARCHAR(9) = '\'`},
		{schema.SQLServer, "plain", "ü", "@plain VARCHAR(9) = N'ü'"},
	} {
		f := mustRead(t, c.on, map[schema.Product]string{schema.MySQL: mysql, schema.SQLServer: tsql}[c.on])
		require.NoError(t, f.Set(c.name, c.value), c.name)
		text := f.texts()[0]
		require.Contains(t, text, c.want, "%s=%s", c.name, c.value)
		set := 0
		for _, a := range f.Attributes() {
			if a.Set {
				set++
			}
		}
		require.Equal(t, 1, set)
		require.Len(t, tokenize(text, c.on), len(f.statements[0].tokens)+map[bool]int{true: 1}[c.value == " -5 "], "it stays one value: %s", text)
	}
	for _, c := range []struct {
		on                schema.Product
		name, value, says string
	}{
		{schema.MySQL, "batchsize", "many", `x.sql, line 2: batchSize is 10: it takes a whole number, not "many"`},
		{schema.MySQL, "batchsize", "1; DROP TABLE T", "a whole number"},
		{schema.MySQL, "batchsize", "1.5", "a whole number"},
		{schema.MySQL, "batchsize", "", "a whole number"},
		{schema.MySQL, "sleeptime", "00:00:01", "takes a number"},
		{schema.MySQL, "audit", "yes", "takes TRUE or FALSE"},
		{schema.MySQL, "flag", "2", "takes TRUE or FALSE"},
		{schema.MySQL, "level", "a\nb", "a text without line ends"},
		{schema.MySQL, "leveel", "a", `no attribute "leveel"; it has batchSize=10, sleepTime=2, audit=FALSE, flag=1, level='a'`},
		{schema.SQLServer, "sleeptime", "2", "takes a time as hh:mm:ss"},
		{schema.SQLServer, "audit", "x", "TRUE or FALSE"},
	} {
		f := mustRead(t, c.on, map[schema.Product]string{schema.MySQL: mysql, schema.SQLServer: tsql}[c.on])
		before := f.Attributes()
		require.ErrorContains(t, f.Set(c.name, c.value), c.says)
		require.Equal(t, before, f.Attributes())
	}
	two := mustRead(t, schema.MySQL, "DELIMITER $$\nCREATE PROCEDURE a() BEGIN DECLARE x INT DEFAULT 1; END$$\nCREATE PROCEDURE b() BEGIN DECLARE x INT DEFAULT 2; END$$")
	require.ErrorContains(t, two.Set("x", "3"), "say which: a.x or b.x")
	require.NoError(t, two.Set("b.x", "3"))
	require.Equal(t, []string{"x=1", "x=3"}, two.named())
	none := mustRead(t, schema.MySQL, "DELETE FROM T;")
	require.ErrorContains(t, none.Set("x", "1"), "it has none")
}

func TestKnownAttributes(t *testing.T) {
	t.Parallel()
	f := mustRead(t, schema.MySQL, "SET @checkCount = 100; SET @safePeriod = 3; SET @backupTables = FALSE; SET @enableAudit = FALSE; SELECT 1;")
	require.EqualValues(t, 100, f.CheckCount())
	require.Equal(t, 3*time.Hour, f.SafePeriod())
	require.False(t, f.Audits())
	require.False(t, f.BacksUp())
	require.NoError(t, f.Set("checkCount", "1"))
	require.NoError(t, f.Set("enableAudit", "1"))
	require.EqualValues(t, 1, f.CheckCount())
	require.True(t, f.Audits())
	require.True(t, f.BacksUp(), "the vendor's audit brings the backup")

	plain := mustRead(t, schema.SQLServer, "DELETE FROM T")
	require.EqualValues(t, 1, plain.CheckCount())
	require.Equal(t, DefaultSafePeriod, plain.SafePeriod())
	require.False(t, plain.BacksUp())
}

func TestCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		on           schema.Product
		text, chosen string
		want, says   string
	}{
		"one":              {schema.MySQL, "CREATE PROCEDURE `a b`() SELECT 1;", "", "a b", ""},
		"called":           {schema.MySQL, "CREATE PROCEDURE a() SELECT 1; CALL a();", "", "", ""},
		"with a remark":    {schema.MySQL, "CREATE PROCEDURE a() SELECT 1; -- CALL a();", "", "a", ""},
		"one of a family":  {schema.MySQL, "CREATE PROCEDURE a() SELECT 1; CREATE PROCEDURE b() CALL a();", "", "b", ""},
		"chosen":           {schema.MySQL, "CREATE PROCEDURE a() SELECT 1; CREATE PROCEDURE b() SELECT 2;", "B", "b", ""},
		"none":             {schema.MySQL, "DELETE FROM T;", "", "", ""},
		"wants parameters": {schema.MySQL, "CREATE PROCEDURE a(n INT) SELECT 1;", "", "", "want parameters: a"},
		"function":         {schema.MySQL, "CREATE FUNCTION a(n INT) RETURNS INT DETERMINISTIC RETURN 1; DELETE FROM T;", "", "", ""},
		"T-SQL":            {schema.SQLServer, "CREATE PROC dbo.[a] AS SELECT 1", "", "a", ""},
		"T-SQL, called":    {schema.SQLServer, "CREATE PROC dbo.[a] AS SELECT 1\nGO\nEXEC dbo.a", "", "", ""},
		"T-SQL, by name":   {schema.SQLServer, "CREATE PROC a AS SELECT 1\nGO\na", "", "", ""},
		"T-SQL, result":    {schema.SQLServer, "CREATE PROC a AS RETURN 1\nGO\nDECLARE @r INT; EXEC @r = a", "", "", ""},
		"T-SQL, defaults":  {schema.SQLServer, "CREATE PROC a @x INT = 1, @y AS INT = NULL AS SELECT 1", "", "a", ""},
		"T-SQL, mandatory": {schema.SQLServer, "CREATE PROC a @x INT = 1, @y INT AS SELECT 1", "", "", "want parameters: a"},
	} {
		call, err := mustRead(t, c.on, c.text).call(c.chosen)
		if c.says != "" {
			require.ErrorContains(t, err, c.says, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want, call, name)
	}
}
