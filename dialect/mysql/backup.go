package mysql

import (
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

var _ dialect.RowCodec = Dialect{}

// Export gives text as the bytes that are stored, which no character set of a
// connection changes, and a TIMESTAMP as its wall clock in UTC: of a bare column
// UNIX_TIMESTAMP gives the stored number of seconds, so that neither the session's
// time zone nor a clock change has a say. 0 is the zero date; no other time is 0.
func (d Dialect) Export(table string, c schema.Column) string {
	name := d.Quote(table) + "." + d.Quote(c.Name)
	switch {
	case c.Kind == schema.Timestamp:
		return "CASE WHEN UNIX_TIMESTAMP(" + name + ") = 0 THEN '" + zeroDate + "' ELSE " + inUTC("UNIX_TIMESTAMP("+name+")") + " END"
	case isText(c):
		return "CAST(" + name + " AS BINARY)"
	case isBinary(c), c.Kind == schema.Int, c.Kind == schema.BigInt, hasType(c, "double"):
		return name
	case hasType(c, "float"):
		return "(" + name + " + 0E0)" // a FLOAT as text has six digits
	}
	return "CAST(" + name + " AS CHAR CHARACTER SET utf8mb4)"
}

const zeroDate = "0000-00-00 00:00:00"

func inUTC(seconds string) string {
	return "CAST('1970-01-01 00:00:00' + INTERVAL " + seconds + " SECOND AS CHAR CHARACTER SET utf8mb4)"
}

func isText(c schema.Column) bool {
	return c.Kind == schema.VarChar || c.Kind == schema.Char || c.Kind == schema.Text
}

// isBinary also holds for the spatial types, which are stored as bytes.
func isBinary(c schema.Column) bool {
	return c.Kind == schema.Blob || hasType(c, "binary", "varbinary", "bit", "vector", "geometry", "point", "linestring", "polygon",
		"multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection")
}

func hasType(c schema.Column, names ...string) bool {
	base, _, _ := strings.Cut(strings.ToLower(c.Type), "(")
	base, _, _ = strings.Cut(base, " ")
	for _, name := range names {
		if base == name {
			return true
		}
	}
	return false
}

// Pack keeps what the driver returned.
func (Dialect) Pack(c schema.Column, v any) (dialect.Form, []byte, error) {
	packed, err := dialect.Packed(v)
	if isBinary(c) {
		return dialect.Binary, packed, err
	}
	return dialect.Characters, packed, err
}

// RestoreSession takes every value that a table can hold: zero and odd dates, and
// 0 as an id. What it sends is bytes.
func (Dialect) RestoreSession() []string {
	return []string{
		"SET SESSION time_zone = '+00:00'",
		"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
		"SET NAMES binary",
	}
}

// Import takes bytes of text for characters of the column that they came from.
// The collation makes an index usable where the value is compared.
func (Dialect) Import(exported, stored schema.Column) string {
	switch {
	case isText(exported) && exported.Charset != "":
		value := "CONVERT(CAST(? AS BINARY) USING " + exported.Charset + ")"
		if stored.Charset != "" && stored.Charset != exported.Charset {
			value = "CONVERT(" + value + " USING " + stored.Charset + ")"
		}
		if stored.Collation != "" {
			value += " COLLATE " + stored.Collation
		}
		return value
	case hasType(exported, "json", "enum", "set", "uuid", "inet4", "inet6"):
		return "CONVERT(? USING utf8mb4)" // which they are not made from bytes
	}
	return "?"
}

// Unpack is the bytes.
func (Dialect) Unpack(_ schema.Column, _ dialect.Form, packed []byte) any {
	if packed == nil {
		return nil
	}
	return packed
}

// Moment asks for the instant that the session means by a wall clock.
func (Dialect) Moment(wall string) dialect.SQL {
	return dialect.Concat("SELECT ", dialect.SQL{Text: inUTC("UNIX_TIMESTAMP(CAST(? AS DATETIME))"), Args: []any{wall}})
}

// GivenIDs is nothing.
func (Dialect) GivenIDs(string) (before, after []string) { return nil, nil }

// SelectVia joins from the root to the child, as DeleteVia does. The lock is one
// that a user needs no right to change the child for.
func (d Dialect) SelectVia(path []schema.Hop, columns string, where dialect.SQL) dialect.SQL {
	from := d.Quote(path[len(path)-1].Parent)
	for i := len(path) - 1; i >= 0; i-- {
		from += " STRAIGHT_JOIN " + d.Quote(path[i].Table) + " ON " + dialect.OnHop(d, path[i])
	}
	return dialect.Concat("SELECT ", columns, " FROM ", from, " WHERE ", where, " LOCK IN SHARE MODE")
}

// MaxParameters is the protocol's limit.
func (Dialect) MaxParameters() int { return 65_535 }

// NullsCollide is false.
func (Dialect) NullsCollide() bool { return false }
