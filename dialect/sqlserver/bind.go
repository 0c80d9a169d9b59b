package sqlserver

import (
	"database/sql"
	"strconv"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/tokensweep/tokensweep/dialect"
)

// Bind numbers the placeholders and passes text as VARCHAR. The driver's own
// choice is NVARCHAR, and a VARCHAR column compared with that is converted row by
// row, which makes a scan of every key look-up. Text beyond ASCII stays NVARCHAR,
// because the driver does not convert it to the column's code page.
func (Dialect) Bind(statement dialect.SQL) dialect.SQL {
	bound := dialect.SQL{Text: number(statement.Text), Args: make([]any, len(statement.Args))}
	for i, arg := range statement.Args {
		switch v := arg.(type) {
		case nil:
			arg = sql.NullString{} // every type but binary takes it, and a NULL without a type not everything that speaks TDS
		case string:
			if isASCII(v) {
				arg = mssql.VarChar(v)
			}
		}
		bound.Args[i] = arg
	}
	return bound
}

// number writes @p1, @p2, … for every ? outside of names and literals.
func number(text string) string {
	var b strings.Builder
	n, until := 0, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case until != 0 && c == until && strings.HasPrefix(text[i+1:], string(until)):
			b.WriteByte(c) // doubled: one of the text
			i++
		case until != 0 && c == until:
			until = 0
		case until != 0:
		case c == '[':
			until = ']'
		case c == '\'' || c == '"':
			until = c
		case c == '?':
			n++
			b.WriteString("@p" + strconv.Itoa(n))
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func isASCII(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
