package dump_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dump"
	"github.com/tokensweep/tokensweep/harness"
)

// restore expects a good restore.
func restore(t *testing.T, target *harness.Target, text string, o dump.Options) *dump.Info {
	t.Helper()
	o.Log = t.Logf
	info, err := dump.Restore(t.Context(), target.DB, file(t, text), o)
	require.NoError(t, err)
	return info
}

// refuse expects a bad one.
func refuse(t *testing.T, target *harness.Target, text string, o dump.Options) *dump.Error {
	t.Helper()
	_, err := dump.Restore(t.Context(), target.DB, file(t, text), o)
	var fault *dump.Error
	require.ErrorAs(t, err, &fault)
	return fault
}

// A dump of a whole server leaves nothing outside of the target's schema, and
// nothing in it that acts by itself.
func TestRestoreOnlyTheChosenSchema(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db string) {
		target := harness.ForTest(t, harness.Options{DB: db})
		outside := "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ('apim_db', 'shared_db') OR TABLE_NAME IN ('component', 'REG_LOG') " +
			"UNION ALL SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ('apim_db', 'shared_db') " +
			"UNION ALL SELECT User FROM mysql.user WHERE User = 'evil' ORDER BY 1"
		before := rows(t, target.DB, outside)

		info := restore(t, target, read(t, "testdata/server.sql"), dump.Options{})
		require.Equal(t, before, rows(t, target.DB, outside))
		require.Empty(t, rows(t, target.DB, "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"))
		require.Equal(t, []string{dump.TokenTable}, rows(t, target.DB, "SHOW TABLES"), "and the view on another schema is left out")
		require.Equal(t, []string{"latin1_bin"}, rows(t, target.DB, "SELECT @@collation_database"))
		require.Equal(t, []string{"t1|2026-01-01 00:00:00|ACTIVE", "t2|2026-01-02 00:00:00|EXPIRED", "t3|0000-00-00 00:00:00|REVOKED"},
			rows(t, target.DB, "SELECT * FROM IDN_OAUTH2_ACCESS_TOKEN ORDER BY 1"))
		require.Equal(t, map[string]int{
			"SET GLOBAL": 1, "CHANGE REPLICATION": 1, "USE": 1, "CREATE DATABASE": 1, "DROP DATABASE": 1, "CREATE EVENT": 1, "DROP EVENT": 1,
			"FLUSH PRIVILEGES": 1, "CREATE USER": 1, "GRANT": 1, dump.UnresolvedView: 1, dump.OtherSchemas: 9,
		}, info.SkippedKinds)

		second := harness.ForTest(t, harness.Options{DB: db})
		restore(t, second, read(t, "testdata/server.sql"), dump.Options{Schema: "shared_db"})
		require.Equal(t, []string{"1|USE `apim_db`;", "2|-- Dump completed"}, rows(t, second.DB, "SELECT * FROM REG_LOG ORDER BY 1"))
	})
}

// What a server does not know is said with the line, the server and the way out.
func TestRestoreOnTheWrongServer(t *testing.T) {
	t.Parallel()
	maria := strings.NewReplacer("MySQL dump 10.13  Distrib 8.0.36", "MariaDB dump 10.19  Distrib 11.4.2-MariaDB", "8.0.36", "11.4.2-MariaDB-log").Replace(mysqlHeader)
	newer := strings.ReplaceAll(mysqlHeader, "8.0.36", "99.1.0")
	table := func(extra string) string {
		return "\nCREATE TABLE `T` (\n  `A` varchar(9)\n) " + extra + ";\n" + trailer
	}
	for name, c := range map[string]struct {
		db, text string
		line     int64
		says     []string
	}{
		"MySQL's collation":   {harness.MariaDB, mysqlHeader + table("COLLATE=utf8mb4_0900_ai_ci"), 10, []string{"MariaDB 1", "utf8mb4_0900_ai_ci", "MySQL 8.0 or later", "--db mysql"}},
		"MariaDB's collation": {harness.MySQL, maria + table("COLLATE=utf8mb4_uca1400_ai_ci"), 10, []string{"MySQL ", "utf8mb4_uca1400_ai_ci", "--db mariadb"}},
		"a schema's":          {harness.MariaDB, "\nCREATE DATABASE `p` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin */;\nUSE `p`;" + table(""), 2, []string{"ALTER DATABASE", "--db mysql"}},
		"no charset":          {harness.MySQL, mysqlHeader + table("CHARSET=klingon"), 10, []string{"character set", "the dump is from MySQL 8.0.36", "--image"}},
		"syntax of MariaDB":   {harness.MySQL, maria + table("WITH SYSTEM VERSIONING"), 10, []string{"CREATE TABLE T", "from MariaDB 11.4.2-MariaDB-log", "--db mariadb"}},
		"syntax of MySQL":     {harness.MariaDB, mysqlHeader + table("SECONDARY_ENGINE_ATTRIBUTE=@") + trailer, 10, []string{"--db mysql"}},
		"a newer version":     {harness.MySQL, newer + table("NO_SUCH_OPTION=1"), 10, []string{"99.1.0", "newer image", "--image"}},
		"an unknown origin":   {harness.MySQL, strings.TrimPrefix(table("NO_SUCH_OPTION=1"), "\n"), 3, []string{"--db mysql and --db mariadb"}},
		"a variable":          {harness.MySQL, maria + "SET NOTE_VERBOSITY=0;\n" + trailer + tokens + trailer, 7, []string{"--db mariadb"}},
		"generated columns":   {harness.MySQL, maria + "CREATE TABLE `T` (`A` int, `B` int GENERATED ALWAYS AS (`A`) STORED);\nINSERT INTO `T` VALUES\n(1,1);\n" + trailer, 8, []string{"generated columns", "--db mariadb"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: c.db})
			e := refuse(t, target, c.text, dump.Options{})
			require.Equal(t, dump.WrongServer, e.Kind, "%v", e)
			require.Equal(t, c.line, e.Line, "%v", e)
			for _, says := range c.says {
				require.Contains(t, e.Message, says)
			}
		})
	}
}

// What older and other servers wrote and does no harm is taken.
func TestRestoreAdjusts(t *testing.T) {
	t.Parallel()
	body := tokens + "/*!50003 SET @saved_sql_mode = @@sql_mode */ ;\n" +
		"/*!50003 SET sql_mode = 'STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION' */ ;\nDELIMITER ;;\n" +
		"/*!50003 CREATE*/ /*!50017 DEFINER=`wso2`@`10.%`*/ /*!50003 TRIGGER prod.`G` BEFORE DELETE ON prod.`IDN_OAUTH2_ACCESS_TOKEN` FOR EACH ROW SET @n = @n + 1 */;;\nDELIMITER ;\n" +
		"/*!50003 SET sql_mode = @saved_sql_mode */ ;\n" +
		"ALTER DATABASE `prod` CHARACTER SET latin1 COLLATE latin1_bin ;\n"
	eachServer(t, func(t *testing.T, db string) {
		target := harness.ForTest(t, harness.Options{DB: db})
		info := restore(t, target, mysqlHeader+body+trailer, dump.Options{})
		require.Equal(t, 1, info.Adjusted["DEFINER is the restoring user"])
		require.Equal(t, db == harness.MySQL, info.Adjusted["sql_mode without NO_AUTO_CREATE_USER"] == 1)
		require.Equal(t, []string{"G"}, rows(t, target.DB, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND SQL_MODE LIKE 'STRICT%'"))
		require.Equal(t, []string{"latin1_bin"}, rows(t, target.DB, "SELECT @@collation_database"))
	})
}

func TestRestoreReadsTheDeclaredCharset(t *testing.T) {
	t.Parallel()
	text := strings.Replace(mysqlHeader, "utf8mb4", "latin1", 1) + strings.ReplaceAll(tokens, ");\n", ") CHARSET=utf8mb4;\n") +
		"INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN` VALUES ('M\xfcller');\n" + trailer
	eachServer(t, func(t *testing.T, db string) {
		target := harness.ForTest(t, harness.Options{DB: db})
		info := restore(t, target, text, dump.Options{})
		require.Equal(t, "latin1", info.Charset)
		require.Equal(t, []string{"Müller"}, rows(t, target.DB, "SELECT TOKEN_ID FROM IDN_OAUTH2_ACCESS_TOKEN"))
	})
}

// TIMESTAMP values mean what they meant where the dump was made.
func TestRestoreInTheZoneOfTheDump(t *testing.T) {
	t.Parallel()
	table := "CREATE TABLE `T` (`A` timestamp NULL);\nINSERT INTO `T` VALUES ('2026-01-01 12:00:00');\n"
	header := "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;\n"
	for name, c := range map[string]struct{ text, want string }{
		"UTC":                    {"/*!40103 SET TIME_ZONE='+00:00' */;\n" + header + table, "2026-01-01 17:30:00"},
		"the session's":          {header + table, "2026-01-01 12:00:00"},
		"unstated, of MariaDB's": {"/*M!999999\\- enable the sandbox mode */ \n" + table, "2026-01-01 17:30:00"},
	} {
		t.Run(name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, db string) {
				target := harness.ForTest(t, harness.Options{DB: db, WritersZone: "+05:30"})
				restore(t, target, c.text, dump.Options{})
				require.Equal(t, []string{c.want}, rows(t, target.DB, "SELECT A FROM T"))
			})
		})
	}
}

// Values that the server stores otherwise are counted: dumps turn strict mode off.
func TestRestoreReportsChangedValues(t *testing.T) {
	t.Parallel()
	text := mysqlHeader + "CREATE TABLE `T` (`A` varchar(2), `B` datetime, `C` blob);\n" +
		"INSERT INTO `T` VALUES ('abc','2026-01-01','\xff'),('ab','2026-13-01','x');\n" + trailer
	eachServer(t, func(t *testing.T, db string) {
		info := restore(t, harness.ForTest(t, harness.Options{DB: db}), text, dump.Options{})
		require.EqualValues(t, 2, info.Warnings, "%v", info.WarningSamples)
		require.Len(t, info.WarningSamples, 2)
		require.EqualValues(t, 8, info.WarningSamples[0].Line)
		require.Contains(t, info.WarningSamples[0].Message, "A")
	})
}

func TestRestoreReportsAnotherEngine(t *testing.T) {
	t.Parallel()
	info := restore(t, harness.ForTest(t, harness.Options{DB: harness.MySQL}), mysqlHeader+"CREATE TABLE `T` (`A` int(11)) ENGINE=Aria;\n"+trailer, dump.Options{})
	require.EqualValues(t, 1, info.Warnings)
	require.Contains(t, info.WarningSamples[0].Message, "InnoDB")
}

func TestRestoreOnlyIntoAnEmptySchema(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db string) {
		target := harness.ForTest(t, harness.Options{DB: db})
		_, err := target.DB.ExecContext(t.Context(), "CREATE TABLE IDN_OAUTH2_ACCESS_TOKEN (MINE INT)")
		require.NoError(t, err)
		text := mysqlHeader + "DROP TABLE IF EXISTS `IDN_OAUTH2_ACCESS_TOKEN`;\n" + tokens + trailer
		e := refuse(t, target, text, dump.Options{})
		require.Equal(t, dump.BadTarget, e.Kind)
		require.Contains(t, e.Message, "not empty")
		require.Len(t, rows(t, target.DB, "SHOW COLUMNS FROM IDN_OAUTH2_ACCESS_TOKEN LIKE 'MINE'"), 1, "it is untouched")
	})
}

// A statement above the server's limit is refused before anything is changed,
// and one below it goes through, in memory of its own size.
func TestRestoreKnowsTheLimitOfAStatement(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db string) {
		target := harness.ForTest(t, harness.Options{DB: db})
		head := mysqlHeader + "CREATE TABLE `T` (`A` longtext);\n"
		e := refuse(t, target, string(read(t, large(t, head, 65<<20))), dump.Options{})
		require.Equal(t, dump.TooLarge, e.Kind)
		require.EqualValues(t, 8, e.Line)
		require.Contains(t, e.Message, "65.0 MiB and the server takes less than 64.0 MiB")
		require.Contains(t, e.Message, "--max-allowed-packet")
		require.Empty(t, rows(t, target.DB, "SHOW TABLES"))

		_, err := dump.Restore(t.Context(), target.DB, large(t, head, 40<<20), dump.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"41943040"}, rows(t, target.DB, "SELECT LENGTH(A) FROM T"))
	})
}

// large packs a dump with a value of n bytes.
func large(t *testing.T, head string, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.sql.zst")
	f, err := os.Create(path)
	require.NoError(t, err)
	z, err := zstd.NewWriter(f)
	require.NoError(t, err)
	_, err = z.Write([]byte(head + "INSERT INTO `T` VALUES ('" + strings.Repeat("x", n) + "');\n" + trailer))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())
	return path
}

// A user with rights on the schema alone can restore.
func TestRestoreNeedsNoRightsBeyondTheSchema(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db string) {
		target := harness.ForTest(t, harness.Options{DB: db})
		user := "'" + target.Schema[:20] + "'@'%'"
		for _, statement := range []string{
			"CREATE USER " + user + " IDENTIFIED BY 'secret-1A'",
			"GRANT ALL ON `" + target.Schema + "`.* TO " + user,
		} {
			_, err := target.DB.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		t.Cleanup(func() { _, _ = target.DB.ExecContext(context.Background(), "DROP USER "+user) })
		own, err := target.Connect(t.Context(), harness.Session{User: target.Schema[:20], Password: "secret-1A"})
		require.NoError(t, err)
		defer own.Close()
		info, err := dump.Restore(t.Context(), own, captured[db], dump.Options{Log: t.Logf})
		require.NoError(t, err)
		if db == harness.MySQL {
			require.Equal(t, 2, info.SkippedKinds["SET SQL_LOG_BIN"], "set to 0, and set back")
		}
		require.Len(t, rows(t, target.DB, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"), 2)
	})
}

func TestRestoreStopsWithItsContext(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db string) {
		target := harness.ForTest(t, harness.Options{DB: db})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		// The log comes from the middle of the restore.
		text := mysqlHeader + tokens + "FLUSH TABLES;\nCREATE TABLE `LATER` (`A` int);\n" + trailer
		_, err := dump.Restore(ctx, target.DB, file(t, text), dump.Options{Log: func(string, ...any) { cancel() }})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []string{dump.TokenTable}, rows(t, target.DB, "SHOW TABLES"))
	})
}

func TestRestoreTakesAnInspectionThatFits(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db string) {
		text := "CREATE DATABASE `a`;\nUSE `a`;\n" + tokens + "CREATE DATABASE `b`;\nUSE `b`;\n" + tokens + "CREATE TABLE `B` (`A` int);\n"
		path := file(t, text)
		undecided, err := dump.Inspect(t.Context(), path, dump.Options{})
		require.Error(t, err)
		target := harness.ForTest(t, harness.Options{DB: db})
		_, err = dump.Restore(t.Context(), target.DB, path, dump.Options{Inspected: undecided})
		require.ErrorContains(t, err, "--schema", "an inspection without a choice is none")
		require.Empty(t, rows(t, target.DB, "SHOW TABLES"))

		info, err := dump.Restore(t.Context(), target.DB, path, dump.Options{Inspected: undecided, Schema: "b"})
		require.NoError(t, err)
		require.Equal(t, "b", info.Schema)
		require.Equal(t, []string{"B", dump.TokenTable}, rows(t, target.DB, "SHOW TABLES"))
	})
}
