package dump_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
)

var update = flag.Bool("update", false, "write the dumps in testdata anew with the tools of this machine")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// eachServer runs a test on MySQL and on MariaDB.
func eachServer(t *testing.T, test func(t *testing.T, db string)) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			test(t, db)
		})
	}
}

// source is a small schema with all that is awkward in dumps. SCHEMA stands
// for the schema's name.
var source = []string{
	"ALTER DATABASE `SCHEMA` CHARACTER SET latin1 COLLATE latin1_bin",
	"CREATE TABLE IDN_OAUTH_CONSUMER_APPS (ID INT AUTO_INCREMENT PRIMARY KEY, CONSUMER_KEY VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL)",
	`CREATE TABLE IDN_OAUTH2_ACCESS_TOKEN (
	  TOKEN_ID VARCHAR(255) NOT NULL PRIMARY KEY, CONSUMER_KEY_ID INT,
	  TIME_CREATED TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, REFRESH_TOKEN_TIME_CREATED TIMESTAMP NULL,
	  VALIDITY_PERIOD BIGINT, TOKEN_STATE VARCHAR(25) DEFAULT 'ACTIVE', PAYLOAD BLOB, FLAGS BIT(10),
	  SECONDS BIGINT GENERATED ALWAYS AS (VALIDITY_PERIOD DIV 1000) STORED,
	  KEY IDX_TC (TIME_CREATED), CONSTRAINT FK_APP FOREIGN KEY (CONSUMER_KEY_ID) REFERENCES IDN_OAUTH_CONSUMER_APPS (ID) ON DELETE CASCADE
	) COMMENT='it''s; a "table" -- with /* all */ # of it'`,
	"INSERT INTO IDN_OAUTH_CONSUMER_APPS (CONSUMER_KEY) VALUES ('plain'), (0x71756F7465202720225C2060203B206E6C0A63720D7461620900201A), ('-- no comment'), ('/* nor */ # this'), ('ünïcödé 漢字 🎉'), ('\\\\'), ('DELIMITER ;;')",
	"INSERT INTO IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID, CONSUMER_KEY_ID, TIME_CREATED, REFRESH_TOKEN_TIME_CREATED, VALIDITY_PERIOD, TOKEN_STATE, PAYLOAD, FLAGS) VALUES " +
		"('t1', 1, '2026-01-01 00:00:00', NULL, 3600000, 'ACTIVE', 0x00FF27225C0A1A803B, b'1010100111'), " +
		"('T1', 2, '2026-03-29 01:30:00', '2026-10-25 01:30:00', -1, 'EXPIRED', 0xDEADBEEF5C, b'1011100'), " +
		"('ü', NULL, '2026-03-29 02:30:00', NULL, NULL, 'REVOKED', NULL, NULL)",
	"CREATE VIEW V_B AS SELECT TOKEN_ID, CONSUMER_KEY FROM IDN_OAUTH2_ACCESS_TOKEN t JOIN IDN_OAUTH_CONSUMER_APPS a ON a.ID = t.CONSUMER_KEY_ID",
	"CREATE VIEW V_A AS SELECT * FROM V_B", // dumped before what it is made of
	`CREATE TRIGGER KEEP BEFORE DELETE ON IDN_OAUTH2_ACCESS_TOKEN FOR EACH ROW BEGIN
	  -- don't; ever
	  /* a comment; with 'quote */
	  IF OLD.TOKEN_ID = 't1' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'kept; for ever'; END IF;
	END`,
	"CREATE TRIGGER `SCHEMA`.UPPERCASE BEFORE UPDATE ON `SCHEMA`.IDN_OAUTH2_ACCESS_TOKEN FOR EACH ROW SET NEW.TOKEN_STATE = UPPER(NEW.TOKEN_STATE)",
	"CREATE PROCEDURE P_COUNT(OUT n INT) BEGIN SELECT COUNT(*) INTO n FROM IDN_OAUTH2_ACCESS_TOKEN; END",
	"SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
	`CREATE FUNCTION F_BACKSLASH() RETURNS VARCHAR(9) DETERMINISTIC RETURN '\'`,
	"SET sql_mode = DEFAULT",
	"CREATE EVENT E_CLEAN ON SCHEDULE EVERY 1 SECOND STARTS '2037-01-01 00:00:00' DO DELETE FROM IDN_OAUTH2_ACCESS_TOKEN",
}

// loadSource makes the source schema on a server of a kind.
func loadSource(t *testing.T, db string) *harness.Target {
	t.Helper()
	target := harness.ForTest(t, harness.Options{DB: db})
	conn, err := target.DB.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for _, statement := range source {
		_, err := conn.ExecContext(t.Context(), strings.ReplaceAll(statement, "SCHEMA", target.Schema))
		require.NoError(t, err, statement)
	}
	return target
}

// content is what a schema holds: rows byte by byte, and how everything in it
// is defined.
func content(t *testing.T, target *harness.Target) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range rows(t, target.DB, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()") {
		all["rows of "+table] = rows(t, target.DB, "SELECT * FROM `"+table+"` ORDER BY 1")
		all["table "+table] = rows(t, target.DB, "SHOW CREATE TABLE `"+table+"`")
	}
	for what, query := range map[string]string{
		"triggers": "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, SQL_MODE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1",
		"routines": "SELECT ROUTINE_NAME, DTD_IDENTIFIER, ROUTINE_DEFINITION, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY 1",
		"events":   "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()",
	} {
		all[what] = rows(t, target.DB, query)
	}
	return all
}

// incidental is what may differ in definitions that mean the same: the definer,
// and whether a character set that follows from the collation is written.
var incidental = regexp.MustCompile("DEFINER=`[^`]*`@`[^`]*`| CHARACTER SET latin1")

// rows reads a result; values that are no text come in hexadecimal digits.
func rows(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	result, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err, query)
	defer result.Close()
	columns, err := result.Columns()
	require.NoError(t, err)
	var all []string
	for result.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, result.Scan(into...))
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = v.String
			if columns[i] == "PAYLOAD" || columns[i] == "FLAGS" {
				texts[i] = hex.EncodeToString([]byte(v.String))
			}
			if !v.Valid {
				texts[i] = "NULL"
			}
		}
		all = append(all, incidental.ReplaceAllString(strings.Join(texts, "|"), ""))
	}
	require.NoError(t, result.Err())
	return all
}

// captured are dumps of the source by the real tools, for machines without them.
var captured = map[string]string{
	harness.MySQL:   "testdata/mysqldump-9.7.sql",
	harness.MariaDB: "testdata/mariadb-dump-10.11.sql",
}

// dumpOf runs the server's dump tool. Where it cannot be run the captured dump
// stands in, and the log says so.
func dumpOf(t *testing.T, target *harness.Target, args ...string) string {
	t.Helper()
	db := strings.ToLower(target.Server.Product)
	c, err := mysqldriver.ParseDSN(target.ConnectionString())
	require.NoError(t, err)
	command, err := tool(t.Context(), db, target.Server.Via)
	if err != nil {
		require.False(t, *update, "%v", err)
		t.Logf("the dump in %s stands in for %s %v: %v", captured[db], db, args, err)
		return read(t, captured[db])
	}
	command = append(command, "--user="+c.User)
	if c.Net == "unix" {
		command = append(command, "--protocol=socket", "--socket="+c.Addr)
	} else {
		host, port, _ := strings.Cut(c.Addr, ":")
		command = append(command, "--protocol=tcp", "--host="+host, "--port="+port)
	}
	run := exec.CommandContext(t.Context(), command[0], append(command[1:], args...)...)
	run.Env = append(os.Environ(), "MYSQL_PWD="+c.Passwd)
	var messages strings.Builder
	run.Stderr = &messages
	out, err := run.Output()
	require.NoError(t, err, "%v: %s", command, messages.String())
	return string(out)
}

// tool is how the dump tool of a product is called here. That of MySQL is in
// the server's image; the mysqldump of a distribution is often MariaDB's.
func tool(ctx context.Context, db, via string) ([]string, error) {
	if db == harness.MariaDB {
		path, err := exec.LookPath("mariadb-dump")
		return []string{path, "--no-defaults"}, err
	}
	image, found := strings.CutPrefix(via, "container ")
	if !found {
		return nil, fmt.Errorf("the server is no container but %s", via)
	}
	docker, err := exec.LookPath("docker")
	if err != nil {
		return nil, err
	}
	command := []string{docker, "run", "--rm", "--network=host", "--env=MYSQL_PWD", "--entrypoint=mysqldump", image, "--no-defaults"}
	if out, err := exec.CommandContext(ctx, command[0], append(command[1:], "--version")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mysqldump of the image %s: %w: %s", image, err, out)
	}
	return command, nil
}

// packed writes a dump as the command line is given it.
func packed(t *testing.T, text, with string) string {
	t.Helper()
	if with != "" {
		text = pack(t, text, with)
	}
	path := filepath.Join(t.TempDir(), "prod.dump") // the name does not tell
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
