package sqlserver

import (
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

var _ dialect.RowCodec = Dialect{}

// Export writes times in style 126, which every language and DATEFORMAT reads the
// same, with all digits: three are enough to find the 1/300 s of a DATETIME again.
// Types whose values have a type of their own, or none that text can say, have no
// exact text.
func (d Dialect) Export(table string, c schema.Column) string {
	name := d.Quote(table) + "." + d.Quote(c.Name)
	switch base := baseType(c); {
	case c.Kind == schema.Timestamp, slices.Contains([]string{"date", "time", "datetimeoffset"}, base):
		return "CONVERT(VARCHAR(40), " + name + ", 126)"
	case base == "sql_variant", base == "geography", base == "geometry", base == "hierarchyid":
		return ""
	case base == "money", base == "smallmoney":
		return "CONVERT(VARCHAR(40), CAST(" + name + " AS DECIMAL(19, 4)))" // its own text has two digits
	case base == "uniqueidentifier", base == "decimal", base == "numeric":
		return "CONVERT(VARCHAR(60), " + name + ")"
	case base == "bit":
		return "CAST(" + name + " AS INT)"
	case base == "xml":
		return "CAST(" + name + " AS NVARCHAR(MAX))"
	}
	return name
}

func baseType(c schema.Column) string {
	base, _, _ := strings.Cut(strings.ToLower(c.Type), "(")
	return base
}

// Pack keeps what the driver returned: text is Unicode, whatever the column's
// code page.
func (Dialect) Pack(c schema.Column, v any) (dialect.Form, []byte, error) {
	packed, err := dialect.Packed(v)
	if c.Kind == schema.Blob {
		return dialect.Binary, packed, err
	}
	return dialect.Characters, packed, err
}

// RestoreSession is nothing: times have no zone.
func (Dialect) RestoreSession() []string { return nil }

// Import casts: with the T of style 126 in it, a DATETIME is read the same in every
// language too.
func (Dialect) Import(exported, stored schema.Column) string {
	base := baseType(stored)
	if stored.Kind == schema.Timestamp || slices.Contains([]string{"date", "time", "datetimeoffset"}, base) {
		return "CAST(? AS " + strings.ToUpper(stored.Type) + ")"
	}
	return "?"
}

// Unpack is text but for binary columns, since neither is turned into the other.
func (Dialect) Unpack(exported schema.Column, f dialect.Form, packed []byte) any {
	switch {
	case exported.Kind == schema.Blob:
		return packed
	case packed == nil:
		return nil
	}
	return string(packed)
}

// Moment is the wall clock itself.
func (Dialect) Moment(string) dialect.SQL { return dialect.SQL{} }

// GivenIDs is IDENTITY_INSERT, which a session has for one table at a time.
func (d Dialect) GivenIDs(table string) (before, after []string) {
	set := "SET IDENTITY_INSERT " + d.Table(table)
	return []string{set + " ON"}, []string{set + " OFF"}
}

// SelectVia takes the locks of an update, as FromLocked does.
func (d Dialect) SelectVia(path []schema.Hop, columns string, where dialect.SQL) dialect.SQL {
	const locks = " WITH (UPDLOCK, ROWLOCK)"
	root := path[len(path)-1].Parent
	from := d.Table(root) + " AS " + d.Quote(root) + locks
	for i := len(path) - 1; i >= 0; i-- {
		from += " JOIN " + d.Table(path[i].Table) + " AS " + d.Quote(path[i].Table) + locks + " ON " + dialect.OnHop(d, path[i])
	}
	return d.Bind(dialect.Concat("SELECT ", columns, " FROM ", from, " WHERE ", where))
}

// MaxParameters leaves room below the server's 2,100.
func (Dialect) MaxParameters() int { return 2_000 }

// NullsCollide is true: a unique key takes the same NULL once.
func (Dialect) NullsCollide() bool { return true }
