package script

import (
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/schema"
)

// dynamic is a text that a script puts together, with a mark for each variable.
type dynamic struct {
	statement int
	from      int // the token of its first literal
	text      string
	parts     []string // the keys of the variables, by their marks; "" for another expression
}

// mark stands for a variable in a text; it reads as a part of a name.
func mark(n int) string { return fmt.Sprintf("TOKENSWEEP_PART%dX", n) }

// dynamicVerbs begin literals that are SQL.
var dynamicVerbs = words("CREATE DROP INSERT DELETE UPDATE SELECT TRUNCATE ALTER RENAME EXEC CALL MERGE")

// dynamic are the texts in a statement that begin as SQL does.
func (f *File) dynamic(statement int) []dynamic {
	t := f.statements[statement].tokens
	var all []dynamic
	for i := 0; i < len(t); i++ {
		if t[i].kind != text {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSpace(t[i].text)+" ", " ")
		if !dynamicVerbs[strings.ToUpper(first)] {
			continue
		}
		inner, glue := f.expressionAt(t, i)
		d := dynamic{statement: statement, from: i}
		d.build(inner, glue)
		all = append(all, d)
		i += len(inner) - 1
	}
	return all
}

// expressionAt are the tokens from a literal on to the end of the expression that
// it is in, and what stands between its pieces: 'a' + @b, or 'a', b inside CONCAT.
func (f *File) expressionAt(t []token, i int) (inner []token, glue string) {
	if i > 1 && t[i-1].is("(") && t[i-2].is("CONCAT") {
		return untilClosed(t[i:]), ","
	}
	if f.product == schema.MySQL {
		return t[i : i+1], ""
	}
	depth := 0
	for end := i; end < len(t); end++ {
		switch {
		case t[end].is("("):
			depth++
		case t[end].is(")"):
			depth--
		}
		if depth < 0 || depth == 0 && (t[end].is(";", ",") || t[end].kind == word && starts[t[end].text]) {
			return t[i:end], "+"
		}
	}
	return t[i:], "+"
}

// untilClosed are the tokens up to the parenthesis that was open before them.
func untilClosed(t []token) []token {
	depth := 0
	for i := range t {
		switch {
		case t[i].is("("):
			depth++
		case t[i].is(")") && depth == 0:
			return t[:i]
		case t[i].is(")"):
			depth--
		}
	}
	return t
}

// build puts the pieces of an expression together.
func (d *dynamic) build(t []token, glue string) {
	var piece []token
	depth := 0
	for _, next := range append(t[:len(t):len(t)], token{kind: punct, text: glue}) {
		switch {
		case next.is("("):
			depth++
		case next.is(")"):
			depth--
		}
		if depth > 0 || !next.is(glue) {
			piece = append(piece, next)
			continue
		}
		switch {
		case len(piece) == 1 && piece[0].kind == text:
			d.text += piece[0].text
		case len(piece) == 1:
			d.text += mark(len(d.parts))
			d.parts = append(d.parts, piece[0].variable())
		default:
			d.text += mark(len(d.parts))
			d.parts = append(d.parts, "")
		}
		piece = nil
	}
}

// deepest is how many variables are followed from one to the next, most how many
// texts one can hold.
const deepest, most = 4, 200

// fill puts what variables can hold in the place of their marks in a piece of d.
func (f *File) fill(piece string, d dynamic, depth int) []string {
	texts := []string{piece}
	for n, key := range d.parts {
		if !strings.Contains(piece, mark(n)) {
			continue
		}
		var filled []string
		for _, value := range f.values(d.statement, key, depth) {
			for _, t := range texts {
				filled = append(filled, strings.ReplaceAll(t, mark(n), value))
			}
		}
		if texts = filled; len(texts) > most {
			return []string{"*"}
		}
	}
	return texts
}

// values are the texts that a variable can hold, * for what is not known.
func (f *File) values(statement int, key string, depth int) []string {
	v := f.variable(statement, key, false)
	if v == nil || depth > deepest {
		return []string{"*"}
	}
	var all []string
	for _, a := range v.set {
		all = append(all, f.assigned(a, depth)...)
	}
	if len(all) == 0 || len(all) > most {
		return []string{"*"}
	}
	return all
}

// assigned are the texts that an assignment can give.
func (f *File) assigned(a assignment, depth int) []string {
	st := &f.statements[a.statement]
	if a.cursor != "" {
		return st.listed(a.cursor)
	}
	t := st.tokens[a.from:a.to]
	if len(t) == 0 {
		return []string{"*"}
	}
	d := dynamic{statement: a.statement}
	switch {
	case len(t) > 2 && t[0].is("CONCAT") && t[1].is("("):
		d.build(untilClosed(t[2:]), ",")
	case f.product == schema.SQLServer:
		d.build(t, "+")
	default:
		d.build(t, "")
	}
	return f.fill(d.text, d, depth+1)
}

// listed are the texts in the lists of a cursor's query, which in these scripts
// are names of tables; * if it has none.
func (st *statement) listed(cursor string) []string {
	var all []string
	if span, known := st.cursors[cursor]; known {
		t := st.tokens[span[0]:span[1]]
		for i := 1; i < len(t); i++ {
			if t[i].kind == text && t[i-1].is("(", ",") {
				all = append(all, t[i].text)
			}
		}
	}
	if len(all) == 0 {
		return []string{"*"}
	}
	return all
}
