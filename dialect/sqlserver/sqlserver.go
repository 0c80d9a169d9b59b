// Package sqlserver is the dialect of Microsoft SQL Server 2016 and later and of
// Azure SQL.
//
// It is plain T-SQL: no procedure, no work table in the user's database, no
// setting that outlives a session. DATEDIFF_BIG is what needs 2016.
package sqlserver

import (
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Dialect is the SQL Server dialect for the tables of one schema in the
// session's database.
type Dialect struct {
	Schema string // "" is dbo
}

var (
	_ dialect.Dialect     = Dialect{}
	_ dialect.RowCopier   = Dialect{}
	_ dialect.Mover       = Dialect{}
	_ dialect.Counter     = Dialect{}
	_ dialect.LockLimiter = Dialect{}
	_ dialect.LogGauge    = Dialect{}
	_ dialect.RunLocker   = Dialect{}
)

// Name returns "sqlserver".
func (Dialect) Name() string { return "sqlserver" }

// Product returns schema.SQLServer.
func (Dialect) Product() schema.Product { return schema.SQLServer }

// Quote puts a name between brackets, which work whatever QUOTED_IDENTIFIER says.
func (Dialect) Quote(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

// Table names the schema too: a session looks unqualified names up in the
// schema of its user, which need not be that of the tables.
func (d Dialect) Table(name string) string {
	if d.Schema == "" {
		return d.Quote("dbo") + "." + d.Quote(name)
	}
	return d.Quote(d.Schema) + "." + d.Quote(name)
}

// Wall is "2006-01-02T15:04:05" in UTC, the one form that DATETIME reads the
// same in every language and DATEFORMAT.
func (Dialect) Wall(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }

// Collation reads the properties from the collation's name. Comparisons pad with
// blanks under every collation, the binary ones too.
func (Dialect) Collation(name string) token.Collation {
	upper := strings.ToUpper(name) + "_"
	return token.Collation{
		FoldCase:  strings.Contains(upper, "_CI_"),
		FoldMarks: strings.Contains(upper, "_AI_"),
		PadSpace:  true,
	}
}

// Exact casts to VARBINARY.
func (Dialect) Exact(expr string) string { return "CAST(" + expr + " AS VARBINARY(8000))" }

// SameText compares code points. Both sides get a full stop at the end, because
// blanks there would not count.
func (Dialect) SameText(expr string, values ...string) dialect.SQL {
	stopped := make([]string, len(values))
	for i, v := range values {
		stopped[i] = v + "."
	}
	return dialect.Text("(", expr, " + '.') COLLATE Latin1_General_BIN2 IN (", dialect.Literals(stopped), ")")
}

// LikeColumn leaves the comparison to the column's collation.
func (Dialect) LikeColumn(expr string, values ...string) dialect.SQL {
	return dialect.Text(expr, " IN (", dialect.Literals(values), ")")
}

// Before counts milliseconds, all that DATETIME has. DATEADD would take no more
// than an INT of them, and overflow at the ends of the calendar. A DATETIME is
// rounded to them first: since compatibility level 130 the server takes .007 for
// .0066667 beside a DATETIME2, and counts 6.
func (Dialect) Before(expr, millis string, cutOff dialect.SQL) dialect.SQL {
	return dialect.Concat("DATEDIFF_BIG(MILLISECOND, CAST(", expr, " AS DATETIME2(3)), CAST(", cutOff, " AS DATETIME2(0))) > ", millis)
}

// Read turns times into text with all their digits and leaves out the blanks
// with which a CHAR is filled up.
func (d Dialect) Read(c schema.Column) string {
	switch c.Kind {
	case schema.Timestamp:
		return "CONVERT(VARCHAR(30), " + d.Quote(c.Name) + ", 121)"
	case schema.Char:
		return "RTRIM(" + d.Quote(c.Name) + ")"
	}
	return d.Quote(c.Name)
}

// KeyText leaves out the blanks with which a CHAR is filled up. They count in no
// comparison.
func (Dialect) KeyText(expr string) string { return "RTRIM(" + expr + ")" }

// TextLength counts bytes: LEN would leave trailing blanks out.
func (Dialect) TextLength(expr string) string { return "DATALENGTH(" + expr + ")" }

// Limit is OFFSET and FETCH, which unlike TOP stands at the end.
func (Dialect) Limit(rows dialect.SQL) dialect.SQL {
	return dialect.Concat(" OFFSET 0 ROWS FETCH NEXT ", rows, " ROWS ONLY")
}
