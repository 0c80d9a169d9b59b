package dump

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseKnowsTheStatementsOfDumps(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		action         action
		kind           string
		schema, object string
	}{
		"INSERT INTO `T` VALUES (1)":                      {run, "INSERT", "", "T"},
		"INSERT  IGNORE INTO T (`A`) VALUES (1)":          {run, "INSERT", "", "T"},
		"REPLACE INTO `s`.`T` VALUES (1)":                 {run, "REPLACE", "s", "T"},
		"DROP TABLE IF EXISTS `a``b`":                     {run, "DROP TABLE", "", "a`b"},
		"create table if not exists t (a int)":            {run, "CREATE TABLE", "", "t"},
		"/*!40000 ALTER TABLE `T` DISABLE KEYS */":        {run, "ALTER TABLE", "", "T"},
		"LOCK TABLES `T` WRITE":                           {run, "LOCK TABLES", "", "T"},
		"UNLOCK TABLES":                                   {session, "UNLOCK TABLES", "", ""},
		"/*!50001 DROP VIEW IF EXISTS `V`*/":              {run, "DROP VIEW", "", "V"},
		"/*!50001 CREATE VIEW `V` AS SELECT 1 AS `A`*/":   {run, "CREATE VIEW", "", "V"},
		"CREATE UNIQUE INDEX `I` ON `T` (`A`)":            {run, "CREATE INDEX", "", "I"},
		"CREATE DEFINER=`r`@`%` FUNCTION `f`() RETURNS x": {run, "CREATE FUNCTION", "", "f"},
		"CREATE AGGREGATE FUNCTION f RETURNS REAL SONAME 'x.so'": {
			skip, "CREATE FUNCTION SONAME", "", "f"},
		"CREATE SEQUENCE `s` start with 1":                           {run, "CREATE SEQUENCE", "", "s"},
		"DO SETVAL(`s`, 1, 0)":                                       {run, "DO SETVAL", "", ""},
		"DO SLEEP(1)":                                                {skip, "DO", "", ""},
		"ALTER DATABASE `p` CHARACTER SET latin1":                    {run, "ALTER DATABASE", "", "p"},
		"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `p` /*!40100 x */": {skip, "CREATE DATABASE", "", "p"},
		"/*!40000 DROP DATABASE IF EXISTS `p`*/":                     {skip, "DROP DATABASE", "", "p"},
		"CREATE SCHEMA p":                                            {skip, "CREATE DATABASE", "", "p"},
		"USE `p q`":                                                  {skip, "USE", "", "p q"},
		"/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DO DELETE FROM t */": {
			skip, "CREATE EVENT", "", "e"},
		"CREATE USER `a`@`b` IDENTIFIED BY 'x'": {skip, "CREATE USER", "", "a"},
		"GRANT ALL ON *.* TO `a`@`b`":           {skip, "GRANT", "", ""},
		"CHANGE MASTER TO MASTER_LOG_FILE='x'":  {skip, "CHANGE MASTER", "", ""},
		"START TRANSACTION":                     {session, "START TRANSACTION", "", ""},
		"START SLAVE":                           {skip, "START", "", ""},
		"FLUSH PRIVILEGES":                      {skip, "FLUSH PRIVILEGES", "", ""},
		"INSTALL PLUGIN x SONAME 'y.so'":        {skip, "INSTALL PLUGIN", "", ""},
		"TRUNCATE `T`":                          {run, "TRUNCATE TABLE", "", "T"},
		"BEGIN":                                 {session, "BEGIN", "", ""},
		"BEGIN NOT ATOMIC DROP TABLE x; END":    {skip, "BEGIN NOT", "", ""},
		"/*M!100203 EXECUTE IMMEDIATE CONCAT('SET ROLE ', @r) */":  {skip, "EXECUTE", "", ""},
		"CREATE OR REPLACE SPATIAL REFERENCE SYSTEM 4120 NAME 'x'": {skip, "CREATE REFERENCE", "", "SYSTEM"},
		"LOAD DATA INFILE '/etc/passwd'":                           {unknown, "LOAD", "", ""},
		"{\"json\": 1}":                                            {unknown, "{", "", ""},
		"":                                                         {unknown, "", "", ""},
	} {
		c := parse([]byte(text))
		require.Equal(t, want.action, c.action, text)
		require.Equal(t, want.kind, c.kind, text)
		require.Equal(t, want.schema, c.schema, text)
		require.Equal(t, want.object, c.object, text)
	}
}

func TestRewriteFitsStatementsToAnotherSchema(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"CREATE DEFINER=`root`@`localhost` PROCEDURE `p`() SELECT 1": "CREATE DEFINER=CURRENT_USER PROCEDURE `p`() SELECT 1",
		"CREATE DEFINER = root@localhost FUNCTION f() RETURNS int":   "CREATE DEFINER = CURRENT_USER FUNCTION f() RETURNS int",
		"CREATE DEFINER='a b'@'%' TRIGGER t BEFORE INSERT ON x":      "CREATE DEFINER=CURRENT_USER TRIGGER t BEFORE INSERT ON x",
		"CREATE DEFINER=CURRENT_USER() VIEW v AS SELECT 1":           "CREATE DEFINER=CURRENT_USER VIEW v AS SELECT 1",
		"CREATE DEFINER=`role` VIEW v AS SELECT 1":                   "CREATE DEFINER=CURRENT_USER VIEW v AS SELECT 1",
		"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */": "/*!50001 CREATE ALGORITHM=UNDEFINED */\n" +
			"/*!50013 DEFINER=CURRENT_USER SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */",
		"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER prod.t BEFORE UPDATE ON `prod` . `x` FOR EACH ROW SET @a = prod.f() */": "/*!50003 CREATE*/ /*!50017 DEFINER=CURRENT_USER*/ " +
			"/*!50003 TRIGGER t BEFORE UPDATE ON `x` FOR EACH ROW SET @a = prod.f() */",
		"ALTER DATABASE `prod` CHARACTER SET latin1 COLLATE latin1_bin": "ALTER DATABASE `my``schema` CHARACTER SET latin1 COLLATE latin1_bin",
		"ALTER DATABASE prod CHARACTER SET latin1":                      "ALTER DATABASE `my``schema` CHARACTER SET latin1",
		"ALTER DATABASE CHARACTER SET latin1":                           "ALTER DATABASE CHARACTER SET latin1",
		"INSERT INTO prod.`t` VALUES ('DEFINER=`a`@`b` prod.t')":        "INSERT INTO `t` VALUES ('DEFINER=`a`@`b` prod.t')",
	} {
		got, _ := rewrite(item{statement: statementOf(text, 1), command: parse([]byte(text))}, "my`schema")
		require.Equal(t, want, got)
	}
}

func TestSetStatements(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]assignment{
		"/*!40101 SET NAMES latin1 */":                                   {{name: "character_set_client", value: "latin1"}},
		"SET NAMES 'UTF8MB4' COLLATE utf8mb4_bin":                        {{name: "character_set_client", value: "utf8mb4"}},
		"SET CHARACTER SET utf8":                                         {{name: "character_set_client", value: "utf8"}},
		"SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO,X'":             {{name: "@old_sql_mode", value: "@@sql_mode"}, {name: "sql_mode", value: "no_auto,x"}},
		"SET @@SESSION.SQL_LOG_BIN= 0":                                   {{name: "sql_log_bin", value: "0"}},
		"SET @M = @@SESSION.SQL_LOG_BIN":                                 {{name: "@m", value: "@@sql_log_bin"}},
		"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'f0:1-20,a:1'":          {{name: "gtid_purged", global: true}},
		"SET @a = 1, GLOBAL x = (2, 3), @@persist.y = 4, SESSION z := 5": {{name: "@a", value: "1"}, {name: "x", global: true}, {name: "y", value: "4", global: true}, {name: "z", value: "5"}},
	} {
		got, other := parseSet([]byte(text))
		require.Empty(t, other, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"SET PASSWORD FOR `a`@`b` = 'x'": "SET PASSWORD",
		"SET DEFAULT ROLE r TO a":        "SET DEFAULT",
		"SET ROLE r":                     "SET ROLE",
		"SET STATEMENT max_statement_time=0 FOR DELETE FROM x.y": "SET STATEMENT",
	} {
		_, other := parseSet([]byte(text))
		require.Equal(t, want, other)
	}
}

// The session variables that decide how the text is read come back as the dump
// saves and restores them.
func TestVariablesFollowTheDump(t *testing.T) {
	t.Parallel()
	v := variables{}
	set := func(text string) {
		assigned, _ := parseSet([]byte(text))
		v.apply(assigned)
	}
	require.True(t, v.isUTF8())
	set("SET NAMES latin1")
	require.False(t, v.isUTF8())
	set("SET @saved_cs_client = @@character_set_client")
	set("SET character_set_client = utf8")
	require.True(t, v.isUTF8())
	set("SET character_set_client = @saved_cs_client")
	require.Equal(t, "latin1", v.charset())
	set("SET @saved_sql_mode = @@sql_mode")
	set("SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'")
	require.True(t, v.noBackslash())
	set("SET sql_mode = @saved_sql_mode")
	require.False(t, v.noBackslash())
}
