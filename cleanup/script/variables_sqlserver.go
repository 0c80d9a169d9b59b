package script

import "strings"

// starts begin statements of T-SQL, wherever they stand outside of parentheses.
var starts = words(`SELECT INSERT UPDATE DELETE MERGE TRUNCATE CREATE ALTER DROP EXEC EXECUTE SET PRINT RAISERROR DECLARE IF WHILE BEGIN RETURN BREAK
	CONTINUE GOTO WAITFOR COMMIT ROLLBACK SAVE OPEN CLOSE FETCH DEALLOCATE THROW USE`)

// tsqlScan is a scanner and what it knows of the statement at hand.
type tsqlScan struct {
	*scanner
	depth int // of parentheses
	// body: the next statement is the one behind IF, WHILE or ELSE, and becomes next.
	body bool
	next block
	// single is how the statement at hand is run, if it is such a one without BEGIN.
	single block
}

// scanTSQL reads a batch, or the head and body of a routine.
func (s *scanner) scanTSQL(r *routine) {
	if r != nil {
		body := s.i
		s.i = r.head
		s.parameters(body)
		s.i = body
	}
	x := &tsqlScan{scanner: s}
	for s.more() {
		x.step()
	}
}

// parameters reads those with a default. They are variables with a first value.
func (s *scanner) parameters(body int) {
	for s.i < body {
		if !isTSQLVariable(s.t[s.i]) {
			s.i++
			continue
		}
		s.declaration(func() bool { return s.i >= body-1 || s.is(0, "OUT", "OUTPUT", "READONLY", "WITH") })
	}
}

func isTSQLVariable(t token) bool {
	return t.kind == word && strings.HasPrefix(t.text, "@") && !strings.HasPrefix(t.text, "@@")
}

// declaration reads a variable, its type and its first value.
func (s *scanner) declaration(ends func() bool) {
	named := s.i
	s.i++
	if s.is(0, "AS") {
		s.i++
	}
	if !s.more() {
		return
	}
	s.declare(s.t[named], s.t[s.i])
	if s.is(0, "TABLE") {
		return
	}
	for depth := 0; s.more() && !ends() && !s.is(0, ";"); s.i++ { // the rest of the type
		switch {
		case s.is(0, "("):
			depth++
		case s.is(0, ")"):
			depth--
		case depth <= 0 && s.is(0, ","):
			return
		case depth == 0 && s.is(0, "="):
			s.i++
			a := assignment{name: named}
			a.from, a.to = s.expression(ends)
			s.assign(a)
			return
		}
	}
}

// ends reports whether the token at hand ends an expression of T-SQL.
func (x *tsqlScan) ends() bool {
	t := x.t[x.i]
	return t.kind == word && (starts[t.text] || t.text == "END" || t.text == "ELSE")
}

func (x *tsqlScan) step() {
	t := x.t[x.i]
	switch {
	case t.is("("):
		x.depth++
	case t.is(")"):
		x.depth--
	case t.is("CASE"):
		x.push(block{word: "CASE"})
	case t.is("END"):
		x.end()
		return
	case x.depth > 0 || x.top().word == "CASE":
	case t.is(";"):
		x.single = block{}
	case t.is("ELSE"):
		x.body, x.next, x.single = true, block{nested: true}, block{}
	case t.kind == word && starts[t.text]:
		x.begin(t)
		return
	case isTSQLVariable(t) && x.is(1, "OUT", "OUTPUT"):
		x.set(assignment{name: x.i})
	}
	x.i++
}

func (x *tsqlScan) end() {
	x.i++
	if x.top().word != "CASE" {
		x.single = block{}
	}
	x.pop()
	if x.is(0, "TRY", "CATCH") {
		x.i++
	}
}

// begin reads the beginning of a statement whose first word is at hand.
func (x *tsqlScan) begin(t token) {
	how := block{}
	if x.body {
		how, x.body = x.next, false
	}
	x.single = how
	x.i++
	switch t.text {
	case "IF", "WHILE":
		x.body, x.next = true, block{nested: true, again: how.again || t.text == "WHILE"}
	case "BEGIN":
		if !x.is(0, "TRAN", "TRANSACTION", "DISTRIBUTED") {
			how.word = "BEGIN"
			if x.is(0, "CATCH") {
				how.nested, how.again = true, true
			}
			x.push(how)
			x.single = block{}
			if x.is(0, "TRY", "CATCH") {
				x.i++
			}
		}
	case "SET":
		x.assignments()
	case "SELECT":
		for x.is(0, "ALL", "DISTINCT") {
			x.i++
		}
		x.assignments()
	case "DECLARE":
		x.declarations()
	case "FETCH":
		x.fetchTSQL()
	case "EXEC", "EXECUTE":
		if x.is(1, "=") {
			x.set(assignment{name: x.i})
			x.i += 2
		}
	}
}

// set notes an assignment in the statement at hand.
func (x *tsqlScan) set(a assignment) {
	a.nested = a.nested || x.single.nested
	a.again = a.again || x.single.again
	x.assign(a)
}

// assignments reads @a = 1, @b += 2 and so on. What follows the last one, such as
// FROM, belongs to its expression, which is then no literal.
func (x *tsqlScan) assignments() {
	for x.more() && isTSQLVariable(x.t[x.i]) {
		a := assignment{name: x.i}
		x.i++
		operators := 0
		for x.is(0, "+", "-", "*", "/", "%", "&", "|", "^") {
			operators++
			x.i++
		}
		if !x.is(0, "=") {
			return
		}
		x.i++
		a.from, a.to = x.expression(x.ends)
		if operators > 0 {
			a.from, a.to = 0, 0
		}
		x.set(a)
		if !x.is(0, ",") {
			return
		}
		x.i++
	}
}

func (x *tsqlScan) declarations() {
	if x.more() && !isTSQLVariable(x.t[x.i]) { // a cursor
		key, from := x.t[x.i].variable(), x.i
		x.i++
		for depth, first := 0, true; x.more() && !x.is(0, ";"); x.i++ {
			switch {
			case x.is(0, "("):
				depth++
			case x.is(0, ")"):
				depth--
			case x.is(0, "SELECT") && first:
				first = false
				continue
			}
			if depth == 0 && x.ends() {
				break
			}
		}
		x.cursors[key] = [2]int{from, x.i}
		return
	}
	for x.more() && isTSQLVariable(x.t[x.i]) {
		x.declaration(x.ends)
		if !x.is(0, ",") {
			return
		}
		x.i++
	}
}

func (x *tsqlScan) fetchTSQL() {
	cursor := ""
	for ; x.more() && !x.is(0, ";", "INTO") && !x.ends(); x.i++ {
		cursor = x.t[x.i].variable()
	}
	if x.is(0, "INTO") {
		x.i++
		x.names(assignment{cursor: cursor})
	}
}
