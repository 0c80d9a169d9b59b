package sqlite

import (
	"fmt"
	"strconv"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

var _ dialect.RowCodec = Dialect{}

// Export is the column with a plus before it, which changes no value but hides the
// declared type, for which the driver would turn some texts into times.
func (d Dialect) Export(table string, c schema.Column) string {
	return "+" + d.Quote(table) + "." + d.Quote(c.Name)
}

// Pack keeps the type that the value is stored with.
func (Dialect) Pack(_ schema.Column, v any) (dialect.Form, []byte, error) {
	packed, err := dialect.Packed(v)
	switch v.(type) {
	case []byte:
		return dialect.Binary, packed, err
	case int64:
		return dialect.Integer, packed, err
	case float64:
		return dialect.Real, packed, err
	}
	return dialect.Characters, packed, err
}

// RestoreSession is nothing.
func (Dialect) RestoreSession() []string { return nil }

// Import is the placeholder.
func (Dialect) Import(_, _ schema.Column) string { return "?" }

// Unpack gives the value its type back.
func (Dialect) Unpack(_ schema.Column, f dialect.Form, packed []byte) any {
	if packed == nil {
		return nil
	}
	text := string(packed)
	switch f {
	case dialect.Binary:
		return packed
	case dialect.Integer:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case dialect.Real:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	}
	return text
}

// Moment is the wall clock itself.
func (Dialect) Moment(string) dialect.SQL { return dialect.SQL{} }

// GivenIDs is nothing.
func (Dialect) GivenIDs(string) (before, after []string) { return nil, nil }

// SelectVia takes no locks: a writing transaction holds the whole database.
func (d Dialect) SelectVia(path []schema.Hop, columns string, where dialect.SQL) dialect.SQL {
	from := d.Quote(path[len(path)-1].Parent)
	for i := len(path) - 1; i >= 0; i-- {
		from += fmt.Sprintf(" JOIN %s ON %s", d.Quote(path[i].Table), dialect.OnHop(d, path[i]))
	}
	return dialect.Concat("SELECT ", columns, " FROM ", from, " WHERE ", where)
}

// MaxParameters leaves room below SQLite's 32,766.
func (Dialect) MaxParameters() int { return 30_000 }

// NullsCollide is false.
func (Dialect) NullsCollide() bool { return false }
