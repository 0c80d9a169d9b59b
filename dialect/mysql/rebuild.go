package mysql

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

var _ dialect.Rebuilder = Dialect{}

// RebuildSession copies values that no client could insert, and reads definitions
// with all names in quotes.
func (Dialect) RebuildSession(wait time.Duration) []string {
	return []string{
		"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
		"SET SESSION sql_quote_show_create = 1",
		"SET SESSION wait_timeout = 604800", // a session that only holds a lock is idle
		fmt.Sprintf("SET SESSION lock_wait_timeout = %d", max(1, int(wait/time.Second))),
		"SET NAMES utf8mb4",
	}
}

// CopySession switches checks off. With both off, MariaDB loads into an empty
// table without logging each row.
func (Dialect) CopySession() []string {
	return []string{"SET SESSION foreign_key_checks = 0, unique_checks = 0"}
}

// Optional widens the sort, and takes limits off statements, which have a name on each
// server.
func (d Dialect) Optional() []string {
	return []string{d.WidenSort(), "SET SESSION max_execution_time = 0", "SET SESSION max_statement_time = 0"}
}

// InUTC leaves nothing to the zone.
func (Dialect) InUTC() string { return "SET SESSION time_zone = '+00:00'" }

// OneToOne trusts offsets and UTC.
func (Dialect) OneToOne() string {
	return "SELECT CASE WHEN @@session.time_zone REGEXP '^[-+]' OR @@session.time_zone IN ('UTC', 'GMT', 'Etc/UTC') " +
		"OR @@session.time_zone = 'SYSTEM' AND @@system_time_zone IN ('UTC', 'GMT') THEN 1 ELSE 0 END"
}

// Ambiguous goes to the wall clock and back. Of a bare column UNIX_TIMESTAMP is exact.
func (d Dialect) Ambiguous(table string, c schema.Column) dialect.SQL {
	name := d.Quote(table) + "." + d.Quote(c.Name)
	return dialect.Text("NOT (UNIX_TIMESTAMP(", name, ") <=> UNIX_TIMESTAMP(CAST(", name, " AS DATETIME(6))))")
}

// ShowTable is SHOW CREATE TABLE.
func (d Dialect) ShowTable(table string) string { return "SHOW CREATE TABLE " + d.Quote(table) }

var (
	quoted  = "`(?:[^`]|``)*`"
	keyLine = regexp.MustCompile(`^  (?:UNIQUE |FULLTEXT |SPATIAL |VECTOR )?KEY (` + quoted + `)`)
	fkLine  = regexp.MustCompile(`^  CONSTRAINT (` + quoted + `) FOREIGN KEY (\(` + quoted + `(?:, ?` + quoted + `)*\)) ` +
		`REFERENCES (` + quoted + `(?:\.` + quoted + `)?) (.*)$`)
	tableAs  = regexp.MustCompile(`^CREATE TABLE ` + quoted)
	nextID   = regexp.MustCompile(`^(\) ENGINE=\w+) AUTO_INCREMENT=(\d+)`)
	check    = regexp.MustCompile("^  CONSTRAINT `[^`]*_chk_([0-9]+)` CHECK")
	unquoter = strings.NewReplacer("``", "`")
)

func unquote(name string) string { return unquoter.Replace(name[1 : len(name)-1]) }

// ParseTable knows the lines in which both servers write a definition. Text has
// the table's own name in no place.
func (Dialect) ParseTable(text string) (t dialect.TableText, err error) {
	if !tableAs.MatchString(text) {
		return t, fmt.Errorf("not the definition of a base table: %.60s", text)
	}
	lines := strings.Split(text, "\n")
	kept := []string{"CREATE TABLE"}
	for _, line := range lines[1:] {
		line = strings.TrimSuffix(line, ",")
		if m := fkLine.FindStringSubmatch(line); m != nil {
			t.Keys = append(t.Keys, dialect.KeyText{Name: unquote(m[1]), Columns: m[2], RefTable: m[3], Rest: m[4]})
			continue
		}
		if m := keyLine.FindStringSubmatch(line); m != nil {
			t.Indexes = append(t.Indexes, dialect.Named{Name: unquote(m[1]), Text: strings.TrimSpace(line)})
		}
		if m := nextID.FindStringSubmatch(line); m != nil {
			t.NextID, line = m[2], nextID.ReplaceAllString(line, "$1")
		}
		kept = append(kept, check.ReplaceAllString(line, "  CHECK $1"))
	}
	t.Text = strings.Join(kept, "\n")
	return t, nil
}

// TriggerTexts reads information_schema, in which bodies have one character set.
func (Dialect) TriggerTexts(schema string) dialect.SQL {
	return dialect.Concat("SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, DEFINER, SQL_MODE, CHARACTER_SET_CLIENT, "+
		"COLLATION_CONNECTION, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ", dialect.Value(schema),
		" ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER")
}

// CreateTrigger sets the session as it was when the trigger was made. A definer
// without a host is a role.
func (d Dialect) CreateTrigger(t dialect.TriggerText, name, table string) []string {
	at := strings.LastIndexByte(t.Definer, '@')
	definer := d.Quote(t.Definer)
	if at >= 0 {
		definer = d.Quote(t.Definer[:at])
		if host := t.Definer[at+1:]; host != "" {
			definer += "@" + d.Quote(host)
		}
	}
	return []string{
		"SET SESSION sql_mode = " + literal(t.SQLMode),
		"SET SESSION character_set_client = " + t.Charset + ", collation_connection = " + t.Collation,
		"CREATE DEFINER=" + definer + " TRIGGER " + d.Quote(name) + " " + t.Timing + " " + t.Event + " ON " + d.Quote(table) + " FOR EACH ROW " + t.Body,
	}
}

// CreateLike leaves out foreign keys, triggers and the next id.
func (d Dialect) CreateLike(fresh, table string) string {
	return "CREATE TABLE " + d.Quote(fresh) + " LIKE " + d.Quote(table)
}

// DropIndexes is one ALTER TABLE.
func (d Dialect) DropIndexes(table string, names []string) string {
	return "ALTER TABLE " + d.Quote(table) + " DROP INDEX " + strings.Join(quoteEach(d, names), ", DROP INDEX ")
}

func quoteEach(d Dialect, names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = d.Quote(name)
	}
	return all
}

// Complete is one ALTER TABLE, for which the server reads the table once.
func (d Dialect) Complete(table string, indexes []string, next string) string {
	var parts []string
	for _, text := range indexes {
		parts = append(parts, "ADD "+text)
	}
	if next != "" {
		parts = append(parts, "AUTO_INCREMENT = "+next)
	}
	return "ALTER TABLE " + d.Quote(table) + " " + strings.Join(parts, ", ")
}

// ChangeKeys changes nothing but the dictionary: in a session of CopySession the
// rows are not read.
func (d Dialect) ChangeKeys(table string, drop, add []string) string {
	var parts []string
	for _, name := range drop {
		parts = append(parts, "DROP FOREIGN KEY "+d.Quote(name))
	}
	for _, text := range add {
		parts = append(parts, "ADD "+text)
	}
	return "ALTER TABLE " + d.Quote(table) + " " + strings.Join(append(parts, "ALGORITHM = INPLACE"), ", ")
}

// AddKey writes the key as the server did.
func (d Dialect) AddKey(k dialect.KeyText, name, refTable string) string {
	to := k.RefTable
	if refTable != "" {
		to = d.Quote(refTable)
	}
	return "CONSTRAINT " + d.Quote(name) + " FOREIGN KEY " + k.Columns + " REFERENCES " + to + " " + k.Rest
}

// CopyRows forces the primary key, which the optimizer might leave for a smaller index.
func (d Dialect) CopyRows(fresh, table string, columns []string, values, where dialect.SQL, ordered []string) dialect.SQL {
	from, end := d.Quote(table), ""
	if len(ordered) > 0 {
		from += " FORCE INDEX (PRIMARY)"
		keys := quoteEach(d, ordered)
		for i := range keys {
			keys[i] = d.Quote(table) + "." + keys[i]
		}
		end = " ORDER BY " + strings.Join(keys, ", ")
	}
	if where.Text != "" {
		where = dialect.Concat(" WHERE ", where)
	}
	return dialect.Concat("INSERT INTO ", d.Quote(fresh), " (", dialect.QuoteAll(d, columns), ") SELECT ", values, " FROM ", from, where, end)
}

// CopyToAuditUnlocked takes no row locks.
func (d Dialect) CopyToAuditUnlocked(table string, a dialect.Audit, where dialect.SQL) dialect.SQL {
	columns, values := a.Into(d, d.Quote(table))
	return dialect.Concat("INSERT INTO ", d.Quote(a.Table), " (", columns, ") SELECT ", values, " FROM ", d.Quote(table), " WHERE ", where)
}

// InterleavesIDs reads MySQL's default, 2. With 1, MariaDB's, an INSERT … SELECT locks
// the counter until it ends.
func (Dialect) InterleavesIDs() string { return "SELECT @@innodb_autoinc_lock_mode = 2" }

// Lock is LOCK TABLES. Both servers keep writers out by the metadata lock.
func (d Dialect) Lock(table string, write bool) string {
	if write {
		return "LOCK TABLES " + d.Quote(table) + " WRITE"
	}
	return "LOCK TABLES " + d.Quote(table) + " READ"
}

// LockAll locks for writing.
func (d Dialect) LockAll(tables []string) string {
	return "LOCK TABLES " + strings.Join(quoteEach(d, tables), " WRITE, ") + " WRITE"
}

// Unlock is UNLOCK TABLES.
func (Dialect) Unlock() string { return "UNLOCK TABLES" }

// Rename is RENAME TABLE: all pairs or none.
func (d Dialect) Rename(pairs [][2]string) string {
	all := make([]string, len(pairs))
	for i, p := range pairs {
		all[i] = d.Quote(p[0]) + " TO " + d.Quote(p[1])
	}
	return "RENAME TABLE " + strings.Join(all, ", ")
}

// WaitsFor reads MySQL's performance_schema.
func (Dialect) WaitsFor(session int64, schema, table string) dialect.SQL {
	return lockOf(session, schema, table, "PENDING")
}

// Accounts fails on MariaDB, which has such a table only with a plugin.
func (Dialect) Accounts(session int64, schema, table string) dialect.SQL {
	return lockOf(session, schema, table, "GRANTED")
}

func lockOf(session int64, schema, table, status string) dialect.SQL {
	return dialect.Concat("SELECT COUNT(*) > 0 FROM performance_schema.metadata_locks l JOIN performance_schema.threads t "+
		"ON t.THREAD_ID = l.OWNER_THREAD_ID WHERE l.OBJECT_TYPE = 'TABLE' AND t.PROCESSLIST_ID = ", dialect.Value(session),
		" AND l.OBJECT_SCHEMA = ", dialect.Value(schema), " AND l.OBJECT_NAME = ", dialect.Value(table), " AND l.LOCK_STATUS = ", dialect.Value(status))
}

// Probe needs a lock that a waiting RENAME keeps from it.
func (d Dialect) Probe(table string) string { return "SELECT 1 FROM " + d.Quote(table) + " LIMIT 0" }

// ProbeSession waits as short as the server can; MySQL makes a second of 0.
func (Dialect) ProbeSession() []string { return []string{"SET SESSION lock_wait_timeout = 0"} }

// Session is CONNECTION_ID().
func (Dialect) Session() string { return "SELECT CONNECTION_ID()" }

// Kill ends the session and what it runs.
func (Dialect) Kill(session int64) string { return "KILL " + strconv.FormatInt(session, 10) }

// Alive sees at least the user's own sessions.
func (Dialect) Alive(sessions []int64) dialect.SQL {
	return dialect.Text("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID IN (", numbers(sessions), ")")
}

func numbers(all []int64) string {
	texts := []string{"0"}
	for _, n := range all {
		texts = append(texts, strconv.FormatInt(n, 10))
	}
	return strings.Join(texts, ", ")
}

// Busy asks for locks, for open transactions of sessions whose default schema is
// this one, and for statements that they run.
func (Dialect) Busy(schema string, tables []string, except []int64) []dialect.SQL {
	names := make([]any, 0, 2*len(tables)+1)
	names = append(names, "'' ")
	for _, t := range tables {
		names = append(names, ", ", dialect.Value(t))
	}
	in := dialect.Concat(names...)
	who := "SELECT CONCAT('session ', p.ID, ' of ', p.USER, '@', p.HOST) FROM "
	return []dialect.SQL{
		dialect.Concat(who, "performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID "+
			"JOIN information_schema.PROCESSLIST p ON p.ID = t.PROCESSLIST_ID WHERE l.OBJECT_TYPE = 'TABLE' AND l.OBJECT_SCHEMA = ", dialect.Value(schema),
			" AND l.OBJECT_NAME IN (", in, ") AND p.ID NOT IN (", numbers(except), ")"),
		dialect.Concat(who, "information_schema.INNODB_TRX x JOIN information_schema.PROCESSLIST p ON p.ID = x.TRX_MYSQL_THREAD_ID WHERE p.DB = ",
			dialect.Value(schema), " AND p.ID NOT IN (", numbers(except), ")"),
		dialect.Concat(who, "information_schema.PROCESSLIST p WHERE p.DB = ", dialect.Value(schema),
			" AND p.COMMAND NOT IN ('Sleep', 'Daemon') AND p.ID NOT IN (", numbers(except), ")"),
	}
}

// Peculiar finds partitions and, on MariaDB, tables that keep old versions of rows.
func (Dialect) Peculiar(schema string) []dialect.SQL {
	return []dialect.SQL{
		dialect.Concat("SELECT DISTINCT TABLE_NAME, 'partitioned' FROM information_schema.PARTITIONS WHERE PARTITION_NAME IS NOT NULL AND TABLE_SCHEMA = ",
			dialect.Value(schema)),
		dialect.Concat("SELECT TABLE_NAME, 'system-versioned' FROM information_schema.TABLES WHERE TABLE_TYPE = 'SYSTEM VERSIONED' AND TABLE_SCHEMA = ",
			dialect.Value(schema)),
	}
}

// Outsiders sees the keys of tables that the user has some privilege on.
func (Dialect) Outsiders(schema string) dialect.SQL {
	return dialect.Concat("SELECT DISTINCT REFERENCED_TABLE_NAME, CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), CONSTRAINT_NAME FROM "+
		"information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA = ", dialect.Value(schema), " AND TABLE_SCHEMA <> ", dialect.Value(schema))
}

// Clustered looks for Galera and for group replication with several primaries.
func (Dialect) Clustered() []dialect.SQL {
	return []dialect.SQL{
		dialect.Text("SELECT 'Galera' FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'wsrep_on' AND VARIABLE_VALUE = 'ON'"),
		dialect.Text("SELECT 'group replication with several primaries' FROM performance_schema.global_variables " +
			"WHERE VARIABLE_NAME = 'group_replication_single_primary_mode' AND VARIABLE_VALUE = 'OFF'"),
	}
}

// Room is only known on MariaDB with the plugin DISKS.
func (Dialect) Room(schema string, tables []string) dialect.SQL {
	in := []any{"''"}
	for _, t := range tables {
		in = append(in, ", ", dialect.Value(t))
	}
	return dialect.Concat("SELECT 1024 * d.Available, (SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ",
		dialect.Value(schema), " AND TABLE_NAME IN (", dialect.Concat(in...), ")) FROM information_schema.DISKS d WHERE @@datadir LIKE CONCAT(d.Path, '%') "+
			"ORDER BY LENGTH(d.Path) DESC LIMIT 1")
}

// CreateJournal has the same form on both servers.
func (d Dialect) CreateJournal(table string) string {
	return "CREATE TABLE " + d.Quote(table) + " (RUN_ID CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, " +
		"STATE VARCHAR(16) CHARACTER SET ascii NOT NULL, AUDITED BIGINT NOT NULL, DETAIL LONGTEXT CHARACTER SET utf8mb4 NOT NULL, " +
		"WRITTEN_AT CHAR(19) NOT NULL) ENGINE=InnoDB"
}

// Instant is UNIX_TIMESTAMP of a DATETIME.
func (Dialect) Instant(wall string) dialect.SQL {
	return dialect.Concat("SELECT CAST(UNIX_TIMESTAMP(CAST(", dialect.Value(wall), " AS DATETIME)) AS SIGNED)")
}

// InstantOf is exact for a TIMESTAMP.
func (d Dialect) InstantOf(table, column string) string {
	return "UNIX_TIMESTAMP(" + d.Quote(table) + "." + d.Quote(column) + ")"
}

// NamesKeys reports whether the server made the name of a foreign key, which then
// changes with the table's: n is what follows the table's name.
func (Dialect) NamesKeys(table, key string) (n string, ok bool) {
	n, ok = strings.CutPrefix(key, table+"_ibfk_")
	return "_ibfk_" + n, ok && n != "" && !slices.ContainsFunc([]byte(n), func(b byte) bool { return b < '0' || b > '9' })
}
