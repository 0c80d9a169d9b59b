package dump

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
)

// columns are the columns of a table in their order.
type columns struct {
	names  []string
	binary []bool // the values are bytes, not text
}

// binaryTypes are the column types whose values mariadb-dump, and mysqldump
// before 5.7, write as raw bytes in plain quotes.
var binaryTypes = map[string]bool{
	"BLOB": true, "TINYBLOB": true, "MEDIUMBLOB": true, "LONGBLOB": true, "BINARY": true, "VARBINARY": true, "BIT": true,
	"GEOMETRY": true, "POINT": true, "LINESTRING": true, "POLYGON": true, "MULTIPOINT": true, "MULTILINESTRING": true,
	"MULTIPOLYGON": true, "GEOMETRYCOLLECTION": true, "GEOMCOLLECTION": true, "VECTOR": true,
}

// readColumns reads the columns of a CREATE TABLE statement; nil when none is
// binary.
func readColumns(b []byte, from int) *columns {
	var c columns
	found, depth, first := false, 0, false
	l := &mysqltext.Lexer{Text: b, At: from}
	for t := l.Next(); t.Kind != mysqltext.End; t = l.Next() {
		switch {
		case t.Is("("):
			depth++
			first = depth == 1
		case t.Is(")"):
			depth--
		case t.Is(","):
			first = depth == 1
		case first:
			first = false
			kind := strings.ToUpper(string(l.Peek().Raw))
			c.names = append(c.names, t.Unquoted())
			c.binary = append(c.binary, binaryTypes[kind])
			found = found || binaryTypes[kind]
		}
	}
	if !found {
		return nil
	}
	return &c
}

func (c *columns) isBinary(name string) bool {
	if c == nil {
		return false
	}
	for i, n := range c.names {
		if strings.EqualFold(n, name) {
			return c.binary[i]
		}
	}
	return false
}

// notUTF8 returns the offset of the first byte that is no UTF-8 and no value of
// a binary column; -1 when all is well.
func notUTF8(b []byte, c command, table *columns, noBackslash bool) int {
	if utf8.Valid(b) {
		return -1
	}
	v := &values{Lexer: mysqltext.Lexer{Text: b, At: c.rest, NoBackslash: noBackslash}, table: table, rows: c.kind == "INSERT" || c.kind == "REPLACE"}
	if i := firstInvalid(b[:c.rest]); i >= 0 {
		return i
	}
	checked := c.rest
	for {
		t, bytesWanted := v.next()
		if !bytesWanted {
			if i := firstInvalid(b[checked:t.To]); i >= 0 {
				return checked + i
			}
		} else if i := firstInvalid(b[checked:t.From]); i >= 0 {
			return checked + i
		}
		checked = t.To
		if t.Kind == mysqltext.End {
			return -1
		}
	}
}

// values walks over an INSERT statement and knows the column of each value.
type values struct {
	mysqltext.Lexer
	table  *columns
	rows   bool     // the statement has VALUES
	listed []string // column names in front of VALUES
	inRows bool
	depth  int
	column int
	before mysqltext.Token
}

// next returns the next token, and whether it is a string of bytes: one with a
// character set in front of it, or the value of a binary column.
func (v *values) next() (t mysqltext.Token, raw bool) {
	t = v.Lexer.Next()
	switch {
	case t.Is("("):
		v.depth++
		if v.depth == 1 {
			v.column = 0
		}
	case t.Is(")"):
		v.depth--
	case t.Is(",") && v.depth == 1:
		v.column++
	case t.IsAny("VALUES", "VALUE"):
		v.inRows = v.rows
	case t.Kind == mysqltext.Name && !v.inRows && v.depth == 1:
		v.listed = append(v.listed, t.Unquoted())
	case t.Kind == mysqltext.Text:
		introduced := v.before.Kind == mysqltext.Word && v.before.Raw[0] == '_'
		raw = introduced || v.inRows && v.depth > 0 && v.inBinaryColumn()
	}
	v.before = t
	return t, raw
}

func (v *values) inBinaryColumn() bool {
	switch {
	case v.table == nil:
		return false
	case v.column < len(v.listed):
		return v.table.isBinary(v.listed[v.column])
	case len(v.listed) == 0 && v.column < len(v.table.binary):
		return v.table.binary[v.column]
	}
	return false
}

func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// place is the line, counted from the line of b, and the byte in it, from 1.
func place(b []byte, offset int) (line, column int64) {
	line = int64(bytes.Count(b[:offset], []byte{'\n'}))
	return line, int64(offset - bytes.LastIndexByte(b[:offset], '\n'))
}
