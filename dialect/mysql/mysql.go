// Package mysql is the dialect of MySQL 8.0 and later and of MariaDB 10.6 and
// later.
package mysql

import (
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Dialect is the MySQL dialect. MariaDB differs in nothing that the zero value
// says, so there is no switch.
type Dialect struct{}

var (
	_ dialect.Dialect     = Dialect{}
	_ dialect.BulkLoader  = Dialect{}
	_ dialect.IndexSorter = Dialect{}
	_ dialect.RunLocker   = Dialect{}
	_ dialect.SchemaUser  = Dialect{}

	_ dialect.Sampler      = Dialect{}
	_ dialect.BinlogSetter = Dialect{}
)

// Name returns "mysql".
func (Dialect) Name() string { return "mysql" }

// Product returns schema.MySQL.
func (Dialect) Product() schema.Product { return schema.MySQL }

// Quote puts a name between backticks, which work whatever sql_mode says.
func (Dialect) Quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// Table is the name in quotes: sessions have a default schema, see UseSchema.
func (d Dialect) Table(name string) string { return d.Quote(name) }

// Bind changes nothing: the driver takes ?.
func (Dialect) Bind(statement dialect.SQL) dialect.SQL { return statement }

// Wall is "2006-01-02 15:04:05" in UTC.
func (Dialect) Wall(t time.Time) string { return t.UTC().Format(time.DateTime) }

// Collation reads the properties from the collation's name: _ci, _ai and _bin
// suffixes, and NO PAD for binary and for the UCA 9.0.0 and MariaDB nopad ones.
func (Dialect) Collation(name string) token.Collation {
	return token.Collation{
		FoldCase:  strings.HasSuffix(name, "_ci"),
		FoldMarks: strings.HasSuffix(name, "_ci") && !strings.Contains(name, "_as_"),
		PadSpace:  name != "" && name != "binary" && !strings.Contains(name, "_0900_") && !strings.Contains(name, "nopad"),
	}
}

// Exact casts to BINARY.
func (Dialect) Exact(expr string) string { return "CAST(" + expr + " AS BINARY)" }

// SameText compares bytes.
func (d Dialect) SameText(expr string, values ...string) dialect.SQL {
	return dialect.Text(d.Exact(expr), " IN (", dialect.Literals(values), ")")
}

// LikeColumn leaves the comparison to the column's collation.
func (Dialect) LikeColumn(expr string, values ...string) dialect.SQL {
	return dialect.Text(expr, " IN (", dialect.Literals(values), ")")
}

// Before compares in whole microseconds. TIMESTAMPDIFF takes the wall clock of
// a TIMESTAMP in the session's zone and gives NULL for the zero date.
func (Dialect) Before(expr, millis string, cutOff dialect.SQL) dialect.SQL {
	return dialect.Concat("TIMESTAMPDIFF(MICROSECOND, ", expr, ", CAST(", cutOff, " AS DATETIME)) > 1000 * ", millis)
}

// SessionSetup makes a session of the engine independent of the server's
// settings. sql_mode is strict but lets the zero date through, which audit
// copies must carry as it is; the isolation level keeps InnoDB from locking the
// gaps that other sessions insert into.
func (Dialect) SessionSetup() []string {
	return []string{
		"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		"SET SESSION autocommit = 1, sql_safe_updates = 0, foreign_key_checks = 1, unique_checks = 1",
		"SET SESSION innodb_lock_wait_timeout = 5, lock_wait_timeout = 30",
	}
}

// DeepCascades is false: MySQL 9.7 leaves orphans at the third level when a row
// has two children (innodb_native_foreign_keys=OFF, its default).
func (Dialect) DeepCascades() bool { return false }

// BeginSnapshot starts a consistent read.
func (Dialect) BeginSnapshot() []string {
	return []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"}
}

// Read names the column: the text protocol gives every type as text, a
// TIMESTAMP in the session's zone.
func (d Dialect) Read(c schema.Column) string { return d.Quote(c.Name) }

// FromLocked ends in FOR UPDATE.
func (d Dialect) FromLocked(table string) (from, end string) { return d.Quote(table), " FOR UPDATE" }

// Limit is LIMIT.
func (Dialect) Limit(rows dialect.SQL) dialect.SQL { return dialect.Concat(" LIMIT ", rows) }

// KeyText is the column itself.
func (Dialect) KeyText(expr string) string { return expr }

// TextLength counts bytes, which is at least the number of characters.
func (Dialect) TextLength(expr string) string { return "LENGTH(" + expr + ")" }

// DeleteVia joins from the root to the child, in that order: the condition is a
// key range of the root, and an optimizer without fresh statistics would rather
// scan the child. Only the child is named for deletion: a statement that deletes
// from a parent and its cascading child breaks row-based replication.
func (d Dialect) DeleteVia(path []schema.Hop, where dialect.SQL) dialect.SQL {
	from := d.Quote(path[len(path)-1].Parent)
	for i := len(path) - 1; i >= 0; i-- {
		from += " STRAIGHT_JOIN " + d.Quote(path[i].Table) + " ON " + dialect.OnHop(d, path[i])
	}
	return dialect.Concat("DELETE ", d.Quote(path[0].Table), " FROM ", from, " WHERE ", where)
}

// LockRun is GET_LOCK. It waits a few seconds, because the session of a program
// that was killed lives on until its statement ends. A lock belongs to the
// session, which may take it again.
func (Dialect) LockRun(name string) dialect.SQL {
	return dialect.Concat("SELECT GET_LOCK(", dialect.Value(name), ", 5)")
}

// UnlockRun is RELEASE_LOCK.
func (Dialect) UnlockRun(name string) dialect.SQL {
	return dialect.Concat("SELECT RELEASE_LOCK(", dialect.Value(name), ")")
}

// Sample reads whichever index is the smallest. The limit is far beyond the sample: it
// keeps the optimizer from merging the two queries and reading the table in key order.
func (d Dialect) Sample(table, key string, oneIn int64) dialect.SQL {
	return dialect.Concat("SELECT s.id FROM (SELECT ", d.Quote(key), " AS id FROM ", d.Table(table), " WHERE RAND() * ", dialect.Value(oneIn),
		" < 1 LIMIT 1000000) AS s ORDER BY s.id")
}

// MinimizeBinlog needs SESSION_VARIABLES_ADMIN on MySQL, BINLOG ADMIN on MariaDB.
func (Dialect) MinimizeBinlog() string { return "SET SESSION binlog_row_image = 'MINIMAL'" }

// SkipBinlog takes the same privileges.
func (Dialect) SkipBinlog() string { return "SET SESSION sql_log_bin = 0" }

// UseSchema is USE.
func (d Dialect) UseSchema(name string) string { return "USE " + d.Quote(name) }

// CreateLedger keeps keys as bytes, so that no collation has a say in where a
// run resumes. 3072 bytes hold 768 characters of utf8mb4, the longest key that
// InnoDB indexes.
func (d Dialect) CreateLedger(table string) string {
	return "CREATE TABLE IF NOT EXISTS " + d.Quote(table) + " (" +
		"RUN_ID CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, BATCH BIGINT NOT NULL, PHASE VARCHAR(64) NOT NULL, " +
		"AFTER_KEY VARBINARY(3072) NULL, THROUGH_KEY VARBINARY(3072) NULL, EXAMINED BIGINT NOT NULL, REMOVED BIGINT NOT NULL, " +
		"AUDITED BIGINT NOT NULL, DETAIL TEXT NULL, WRITTEN_AT CHAR(19) NOT NULL, PRIMARY KEY (RUN_ID, BATCH))"
}

// Grant names the table by its schema.
func (Dialect) Grant(privilege, schema, table string) string {
	return "GRANT SELECT, " + privilege + " ON " + schema + "." + table + " TO that user"
}

// Classify knows the server's error numbers and the driver's own errors.
func (Dialect) Classify(err error) dialect.Class { return classify(err) }
