package script

import (
	"strings"

	"github.com/tokensweep/tokensweep/schema"
)

// variable is a local variable of a routine, or one of the session.
type variable struct {
	key       string // upper case, with its @
	statement int    // that it belongs to; -1 for a user variable of MySQL, which the whole session knows
	typ       string // the first word of its type in upper case; "" for a user variable
	set       []assignment
}

// assignment gives a variable a value.
type assignment struct {
	statement int
	// name is the token with the variable's name. value are the tokens of the
	// expression, [from, to); empty where the value comes from elsewhere.
	name     int
	from, to int
	// cursor is the key of the cursor that is fetched from.
	cursor string
	nested bool // in a block, behind IF or in a loop
	again  bool // in a loop or a handler: it may run at any time
}

// block is BEGIN, IF, CASE or a loop that has not come to its END.
type block struct {
	word    string
	nested  bool // what is in it is run under a condition, or again and again
	again   bool
	handler bool
}

// scanner finds the assignments in one statement.
type scanner struct {
	file   *File
	at     int // the statement
	t      []token
	i      int
	blocks []block
	// cursors are the tokens of each cursor's query, by its key.
	cursors map[string][2]int
}

// findVariables finds all variables and what is assigned to them.
func (f *File) findVariables() {
	for i := range f.statements {
		st := &f.statements[i]
		s := &scanner{file: f, at: i, t: st.tokens, cursors: map[string][2]int{}}
		if st.makes != nil {
			s.i = st.makes.body
		}
		if f.product == schema.SQLServer {
			s.scanTSQL(st.makes)
		} else {
			s.scanMySQL()
		}
		st.cursors = s.cursors
	}
}

// variable finds a variable by its key, or makes it if that is allowed.
func (f *File) variable(statement int, key string, make bool) *variable {
	if f.product == schema.MySQL && strings.HasPrefix(key, "@") {
		statement = -1
	}
	for _, v := range f.variables {
		if v.statement == statement && v.key == key {
			return v
		}
	}
	if !make {
		return nil
	}
	v := &variable{key: key, statement: statement}
	f.variables = append(f.variables, v)
	return v
}

// declare notes a variable and the first word of its type.
func (s *scanner) declare(name, typ token) *variable {
	v := s.file.variable(s.at, name.variable(), true)
	v.typ = typ.text
	return v
}

// assign notes an assignment to a variable that has been declared, or to one that
// needs no declaration.
func (s *scanner) assign(a assignment) {
	t := s.t[a.name]
	key := t.variable()
	if key == "" {
		return
	}
	v := s.file.variable(s.at, key, s.file.product == schema.MySQL && strings.HasPrefix(key, "@"))
	if v == nil {
		return // a column, or a parameter
	}
	a.statement = s.at
	for _, b := range s.blocks {
		a.nested = a.nested || b.nested
		a.again = a.again || b.again || b.handler
	}
	v.set = append(v.set, a)
}

// more reports whether there is a token at hand.
func (s *scanner) more() bool { return s.i < len(s.t) }

// is reports whether the token so many ahead is one of the words.
func (s *scanner) is(ahead int, words ...string) bool {
	return s.i+ahead < len(s.t) && s.i+ahead >= 0 && s.t[s.i+ahead].is(words...)
}

func (s *scanner) push(b block) { s.blocks = append(s.blocks, b) }

func (s *scanner) pop() {
	if len(s.blocks) > 0 {
		s.blocks = s.blocks[:len(s.blocks)-1]
	}
}

func (s *scanner) top() block {
	if len(s.blocks) == 0 {
		return block{}
	}
	return s.blocks[len(s.blocks)-1]
}

// expression moves behind an expression: to a comma outside of parentheses, a
// semicolon, or a word that ends it. It returns its tokens.
func (s *scanner) expression(ends func() bool) (from, to int) {
	from = s.i
	for depth, cases := 0, 0; s.more(); s.i++ {
		switch {
		case s.is(0, "("):
			depth++
		case s.is(0, ")"):
			if depth == 0 {
				return from, s.i
			}
			depth--
		case s.is(0, "CASE"):
			cases++
		case s.is(0, "END") && cases > 0:
			cases--
		case s.is(0, ";"), depth == 0 && s.is(0, ","), depth == 0 && cases == 0 && ends != nil && ends():
			return from, s.i
		}
	}
	return from, s.i
}

// names notes that the variables listed here get values from elsewhere.
func (s *scanner) names(a assignment) {
	for s.more() {
		if s.t[s.i].kind != word && s.t[s.i].kind != name {
			return
		}
		a.name = s.i
		s.assign(a)
		s.i++
		if !s.is(0, ",") {
			return
		}
		s.i++
	}
}
