// Package sqlite is the dialect of the embedded engine (SQLite 3.38 or later):
// the default on a machine without a database server, and the fast tier of the
// property tests. Its speed says nothing about MySQL.
package sqlite

import (
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Dialect is the SQLite dialect.
type Dialect struct{}

var _ dialect.Dialect = Dialect{}

// Name returns "sqlite".
func (Dialect) Name() string { return "sqlite" }

// Product returns schema.MySQL.
func (Dialect) Product() schema.Product { return schema.MySQL }

// Quote puts a name between double quotes.
func (Dialect) Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Table is the name in quotes.
func (d Dialect) Table(name string) string { return d.Quote(name) }

// Bind changes nothing: the driver takes ?.
func (Dialect) Bind(statement dialect.SQL) dialect.SQL { return statement }

// Wall is "2006-01-02 15:04:05" in UTC, the form in which times are stored.
func (Dialect) Wall(t time.Time) string { return t.UTC().Format(time.DateTime) }

// Collation is that of a default MySQL column as far as states go, whatever
// the name: LikeColumn says the same in SQL.
func (Dialect) Collation(string) token.Collation {
	return token.Collation{FoldCase: true, PadSpace: true}
}

// Exact overrides the column's collation.
func (Dialect) Exact(expr string) string { return expr + " COLLATE BINARY" }

// SameText compares bytes.
func (d Dialect) SameText(expr string, values ...string) dialect.SQL {
	return dialect.Text(d.Exact(expr), " IN (", dialect.Literals(values), ")")
}

// LikeColumn folds ASCII case and trailing blanks.
func (Dialect) LikeColumn(expr string, values ...string) dialect.SQL {
	return dialect.Text("UPPER(RTRIM(", expr, ", ' ')) IN (", dialect.Literals(values), ")")
}

// Before compares in whole milliseconds. strftime gives NULL for the zero date.
func (Dialect) Before(expr, millis string, cutOff dialect.SQL) dialect.SQL {
	return dialect.Concat("CAST(strftime('%s', ", cutOff, ") AS INTEGER) * 1000 - (CAST(strftime('%s', ", expr,
		") AS INTEGER) * 1000 + CAST(substr(strftime('%f', ", expr, "), 4) AS INTEGER)) > ", millis)
}

// SessionSetup turns foreign keys on, which SQLite leaves off.
func (Dialect) SessionSetup() []string { return []string{"PRAGMA foreign_keys = ON"} }

// DeepCascades is true.
func (Dialect) DeepCascades() bool { return true }

// BeginSnapshot starts a read transaction.
func (Dialect) BeginSnapshot() []string { return []string{"BEGIN"} }

// Read casts times to text, which the driver would otherwise parse.
func (d Dialect) Read(c schema.Column) string {
	if c.Kind == schema.Timestamp {
		return "CAST(" + d.Quote(c.Name) + " AS TEXT)"
	}
	return d.Quote(c.Name)
}

// FromLocked only names the table: a writing transaction holds the whole
// database.
func (d Dialect) FromLocked(table string) (from, end string) { return d.Quote(table), "" }

// Limit is LIMIT.
func (Dialect) Limit(rows dialect.SQL) dialect.SQL { return dialect.Concat(" LIMIT ", rows) }

// KeyText is the column itself.
func (Dialect) KeyText(expr string) string { return expr }

// TextLength counts characters.
func (Dialect) TextLength(expr string) string { return "LENGTH(" + expr + ")" }

// DeleteVia names the child's rows by rowid, because SQLite cannot join in a
// DELETE.
func (d Dialect) DeleteVia(path []schema.Hop, where dialect.SQL) dialect.SQL {
	child := d.Quote(path[0].Table)
	from := child
	for _, h := range path {
		from += " JOIN " + d.Quote(h.Parent) + " ON " + dialect.OnHop(d, h)
	}
	return dialect.Concat("DELETE FROM ", child, " WHERE rowid IN (SELECT ", child, ".rowid FROM ", from, " WHERE ", where, ")")
}

// CreateLedger says the same as MySQL's.
func (d Dialect) CreateLedger(table string) string {
	return "CREATE TABLE IF NOT EXISTS " + d.Quote(table) + " (RUN_ID TEXT NOT NULL, BATCH INTEGER NOT NULL, PHASE TEXT NOT NULL, " +
		"AFTER_KEY BLOB, THROUGH_KEY BLOB, EXAMINED INTEGER NOT NULL, REMOVED INTEGER NOT NULL, AUDITED INTEGER NOT NULL, " +
		"DETAIL TEXT, WRITTEN_AT TEXT NOT NULL, PRIMARY KEY (RUN_ID, BATCH))"
}

// Grant says what there is instead of privileges.
func (Dialect) Grant(_, _, _ string) string { return "make the file writable for this user" }
