package seed

import "github.com/tokensweep/tokensweep/token"

// Rows are text as LOAD DATA reads it: fields end with a tab, rows with a
// newline, a backslash escapes, \N is NULL. The INSERT path reads the same
// text, so there is one encoding of every row.

func appendNull(b []byte) []byte { return append(b, '\\', 'N') }

func appendNullInt(b []byte, v token.Null[int64]) []byte {
	if !v.Valid {
		return appendNull(b)
	}
	return appendInt(b, v.V)
}

// appendNullText is for text that is not this package's own, such as states of
// the edge cases; nothing else ever needs escaping.
func appendNullText(b []byte, v token.Null[string]) []byte {
	if !v.Valid {
		return appendNull(b)
	}
	for _, c := range []byte(v.V) {
		switch c {
		case '\\':
			b = append(b, '\\', '\\')
		case '\t':
			b = append(b, '\\', 't')
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, c)
		}
	}
	return b
}

// value reads a field back: a string, or nil for NULL.
func value(field []byte) any {
	if string(field) == `\N` {
		return nil
	}
	text := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == '\\' && i+1 < len(field) {
			i++
			switch c = field[i]; c {
			case 't':
				c = '\t'
			case 'n':
				c = '\n'
			}
		}
		text = append(text, c)
	}
	return string(text)
}
