package script

import (
	"strings"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
	"github.com/tokensweep/tokensweep/internal/tsql"
	"github.com/tokensweep/tokensweep/schema"
)

type kind uint8

const (
	word   kind = iota + 1 // a keyword, name or @variable
	name                   // a quoted name
	text                   // a quoted text
	number                 // without its sign
	punct                  // one byte
)

// token is a piece of a statement, [from, to) of its text. Both dialects come to
// the same tokens, so that what follows them reads both.
type token struct {
	kind     kind
	from, to int
	// text is a word in upper case, what a name or text means without its quotes, or
	// a number or byte as it stands.
	text string
}

// is reports whether the token is one of the words or bytes.
func (t token) is(words ...string) bool {
	if t.kind != word && t.kind != punct {
		return false
	}
	for _, w := range words {
		if t.text == w {
			return true
		}
	}
	return false
}

// named reports whether the token can be a name or a part of one.
func (t token) named() bool {
	return t.kind == name || t.kind == word && !strings.HasPrefix(t.text, "@")
}

// written is a name as it stands in a text, without its quotes.
func written(s string, t token) string {
	if t.kind == word {
		return s[t.from:t.to]
	}
	return t.text
}

// variable is the key under which a variable is known: upper case, with its @.
// "" if the token can be none.
func (t token) variable() string {
	if t.kind != word && t.kind != name || strings.HasPrefix(t.text, "@@") {
		return ""
	}
	return strings.ToUpper(t.text)
}

// tokenize reads the tokens of a statement, or of a batch.
func tokenize(s string, on schema.Product) []token {
	if on == schema.SQLServer {
		return tokenizeTSQL(s)
	}
	return tokenizeMySQL(s)
}

func tokenizeTSQL(s string) []token {
	kinds := map[tsql.Kind]kind{tsql.Word: word, tsql.Ident: name, tsql.Text: text, tsql.Digit: number, tsql.Punct: punct}
	var all []token
	for _, t := range tsql.Tokens([]byte(s)) {
		n := token{kind: kinds[t.Kind], from: t.From, to: t.To, text: t.Text}
		if n.kind == word {
			n.text = strings.ToUpper(n.text)
		}
		all = append(all, n)
	}
	return all
}

func tokenizeMySQL(s string) []token {
	kinds := map[mysqltext.Kind]kind{mysqltext.Word: word, mysqltext.Name: name, mysqltext.Text: text, mysqltext.Punct: punct}
	l := &mysqltext.Lexer{Text: []byte(s)}
	var all []token
	for t := l.Next(); t.Kind != mysqltext.End; t = l.Next() {
		n := token{kind: kinds[t.Kind], from: t.From, to: t.To, text: t.Unquoted()}
		switch {
		case n.kind == word && digits(n.text):
			n.kind = number
			if k := len(all); k > 1 && all[k-1].is(".") && all[k-2].kind == number && all[k-1].from == all[k-2].to && n.from == all[k-1].to {
				n.from, n.text = all[k-2].from, s[all[k-2].from:n.to]
				all = all[:k-2]
			}
		case n.kind == word:
			n.text = strings.ToUpper(n.text)
		}
		all = append(all, n)
	}
	return all
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// lineOf is the line, counted from the one in which a text begins, of an offset.
func lineOf(s string, offset int) int64 { return int64(strings.Count(s[:offset], "\n")) }
