package dialect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tokensweep/tokensweep/schema"
)

// Form is what kind of value a backup keeps of a column.
type Form byte

// Forms of values. Where columns have types, all but binary ones are Characters, as
// the server writes them; SQLite keeps the type with the value.
const (
	Characters Form = iota // characters, or a number or time written with them
	Binary                 // bytes without a meaning to people
	Integer                // decimal
	Real                   // the shortest decimal that is the same number
)

// RowCodec is implemented by dialects that can take a row out of a table and put
// it back so that nothing tells the two apart.
type RowCodec interface {
	// Export reads a column of a table that a statement names by its own name. ""
	// means that no text of a value of that type is exact. It gives the same in
	// every session, whatever its time zone and character set.
	Export(table string, c schema.Column) string
	// Pack is the value that a driver returned for Export, which is not nil.
	Pack(c schema.Column, v any) (Form, []byte, error)
	// RestoreSession are the statements that a session runs after SessionSetup
	// before it imports. It reads and writes wall clocks in no zone but UTC then.
	RestoreSession() []string
	// Import is SQL with one placeholder for a value that was exported from a column
	// and is stored in, or compared with, another one of the same name.
	Import(exported, stored schema.Column) string
	// Unpack is the argument for the placeholder of Import; nil bytes are NULL.
	Unpack(exported schema.Column, f Form, packed []byte) any
	// Moment is a query for what Export gives of a time column to which this
	// session wrote a wall clock; an empty text means the wall clock as it is.
	Moment(wall string) SQL
	// GivenIDs are the statements around an INSERT that gives values to a column
	// that counts up, none if there is nothing to say.
	GivenIDs(table string) (before, after []string)
	// SelectVia is the statement that reads rows of a child table that hang on the
	// rows of the root table for which where holds, and locks them. The path leads
	// from the child to the root.
	SelectVia(path []schema.Hop, columns string, where SQL) SQL
	// MaxParameters is how many placeholders a statement may have.
	MaxParameters() int
	// NullsCollide reports whether two NULLs are the same to a unique key.
	NullsCollide() bool
}

// ExportAll lists columns for a SELECT.
func ExportAll(c RowCodec, table string, columns []schema.Column) string {
	exported := make([]string, len(columns))
	for i := range columns {
		exported[i] = c.Export(table, columns[i])
	}
	return strings.Join(exported, ", ")
}

// SelectMatching is the statement that reads columns of the rows for which where
// holds, and locks them.
func SelectMatching(d Dialect, table, columns string, where SQL) SQL {
	from, end := d.FromLocked(table)
	return d.Bind(Concat("SELECT ", columns, " FROM ", from, " WHERE ", where, end))
}

// HangsOn is true for rows of a child table that hang on rows of the root for
// which where holds. It stands in a statement that has the child, by its own name.
func HangsOn(d Dialect, path []schema.Hop, where SQL) SQL {
	from := d.Table(path[len(path)-1].Parent)
	for i := len(path) - 1; i > 0; i-- {
		from += " JOIN " + d.Table(path[i].Table) + " ON " + OnHop(d, path[i])
	}
	return Concat("EXISTS (SELECT 1 FROM ", from, " WHERE ", OnHop(d, path[0]), " AND ", where, ")")
}

// Packed writes a driver's value as text. Times are none of it: no two drivers
// agree on them.
func Packed(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	case int64:
		return strconv.AppendInt(nil, v, 10), nil
	case uint64:
		return strconv.AppendUint(nil, v, 10), nil
	case float32:
		return strconv.AppendFloat(nil, float64(v), 'g', -1, 64), nil
	case float64:
		return strconv.AppendFloat(nil, v, 'g', -1, 64), nil
	}
	return nil, fmt.Errorf("the driver returned a value of type %T, which has no exact text", v)
}
