package script

import "strings"

// scanMySQL reads a statement, or the body of a routine.
func (s *scanner) scanMySQL() {
	for begins := true; s.more(); {
		if begins && s.label() {
			continue
		}
		begins = s.stepMySQL(begins)
	}
}

// label skips the label in front of a block.
func (s *scanner) label() bool {
	if s.t[s.i].named() && s.is(1, ":") && !s.is(2, "=") {
		s.i += 2
		return true
	}
	return false
}

// stepMySQL reads a token or a piece that it begins; begins tells, and it returns,
// whether a statement begins at hand.
func (s *scanner) stepMySQL(begins bool) bool {
	t := s.t[s.i]
	expression := s.top().word == "CASE" // and not the statement
	s.i++
	switch {
	case t.is(";"):
		if s.top().word == "HANDLER" {
			s.pop()
		}
		return true
	case t.is("END"):
		s.endMySQL()
	case t.is("CASE"):
		if begins {
			s.push(block{word: "CASE statement", nested: true})
		} else {
			s.push(block{word: "CASE"})
		}
	case expression:
	case t.is("THEN", "ELSE", "DO"):
		return true
	case t.is("BEGIN"):
		s.push(block{word: "BEGIN"})
		for s.is(0, "NOT", "ATOMIC") { // MariaDB
			s.i++
		}
		return true
	case t.is("INTO"):
		s.names(assignment{from: s.selected(), to: s.i - 1})
	case t.is(":") && s.is(0, "=") && s.i >= 2:
		s.assign(assignment{name: s.i - 2})
	case begins:
		return s.beginMySQL(t)
	}
	return false
}

// endMySQL ends a block, and the handler whose body it was.
func (s *scanner) endMySQL() {
	s.pop()
	if s.is(0, "IF", "CASE", "LOOP", "REPEAT", "WHILE") {
		s.i++
	}
}

// beginMySQL reads the beginning of a statement whose first word is t.
func (s *scanner) beginMySQL(t token) bool {
	switch t.text {
	case "IF":
		s.push(block{word: "IF", nested: true})
	case "LOOP", "REPEAT", "WHILE":
		s.push(block{word: t.text, nested: true, again: true})
		return t.text != "WHILE"
	case "DECLARE":
		return s.declareMySQL()
	case "SET":
		s.setMySQL()
	case "FETCH":
		s.fetch()
	case "CALL":
		for ; s.more() && !s.is(0, ";"); s.i++ {
			if s.is(-1, "(", ",") && s.is(1, ")", ",") { // it may be an OUT parameter
				s.assign(assignment{name: s.i})
			}
		}
	case "GET":
		for ; s.more() && !s.is(0, ";"); s.i++ {
			if s.is(1, "=") {
				s.assign(assignment{name: s.i})
			}
		}
	}
	return false
}

// selected is the token behind the SELECT of the INTO at hand, if the two enclose
// one expression, and the one at hand if not.
func (s *scanner) selected() int {
	depth := 0
	for i := s.i - 2; i >= 0; i-- {
		switch t := s.t[i]; {
		case t.is(")"):
			depth++
		case t.is("("):
			depth--
		case depth == 0 && t.is("SELECT"):
			return i + 1
		case t.is(";"), depth == 0 && t.is(",", "INSERT", "FROM"):
			return s.i - 1
		}
	}
	return s.i - 1
}

// declareMySQL reads a declaration of variables, a cursor or a handler. It returns
// whether a statement begins behind it.
func (s *scanner) declareMySQL() bool {
	from := s.i
	for s.more() && !s.is(0, ";") {
		switch {
		case s.is(0, "HANDLER"):
			s.push(block{word: "HANDLER", nested: true, handler: true})
			return s.handlerBody()
		case s.is(0, "CURSOR"):
			key := s.t[from].variable()
			begin := s.i
			s.expression(nil)
			for s.more() && !s.is(0, ";") {
				s.i++
			}
			s.cursors[key] = [2]int{begin, s.i}
			return false
		case s.is(0, "DEFAULT"):
			s.declared(from, s.i, true)
			s.i++
			a := assignment{name: from}
			a.from, a.to = s.expression(nil)
			s.assign(a)
			return false
		}
		s.i++
	}
	s.declared(from, s.i, false)
	return false
}

// declared notes the variables whose names and type the tokens are. valued tells
// that a value follows.
func (s *scanner) declared(from, to int, valued bool) {
	i := from
	for i+2 < to && s.t[i+1].is(",") {
		i += 2
	}
	if i+1 >= to {
		return
	}
	for n := from; n <= i; n += 2 {
		v := s.declare(s.t[n], s.t[i+1])
		if valued && i > from { // one literal for all of them is no attribute of any
			v.set = append(v.set, assignment{statement: s.at, name: n})
		}
	}
}

// handlerBody moves to where the statement of a handler begins.
func (s *scanner) handlerBody() bool {
	for ; s.more() && !s.is(0, ";"); s.i++ {
		switch {
		case s.is(0, "BEGIN"):
			s.i++
			s.blocks[len(s.blocks)-1].word = "BEGIN" // whose END ends the handler too
			return true
		case s.is(0, "SET") && !s.is(1, "FOUND"):
			s.i++
			s.setMySQL()
			return false
		}
	}
	return false
}

// setMySQL reads the list behind SET.
func (s *scanner) setMySQL() {
	for s.more() && !s.is(0, ";") {
		for s.is(0, "SESSION", "LOCAL") {
			s.i++
		}
		a := assignment{name: s.i}
		s.i++
		if s.is(0, ":") {
			s.i++
		}
		if !s.is(0, "=") { // SET NAMES, or a column of a trigger
			for s.more() && !s.is(0, ";") {
				s.i++
			}
			return
		}
		s.i++
		a.from, a.to = s.expression(nil)
		if a.name < len(s.t) && !strings.HasPrefix(s.t[a.name].text, "@@") {
			s.assign(a)
		}
		if s.is(0, ",") {
			s.i++
		} else if !s.is(0, ";") {
			return
		}
	}
}

// fetch reads FETCH ... INTO.
func (s *scanner) fetch() {
	cursor := ""
	for ; s.more() && !s.is(0, ";", "INTO"); s.i++ {
		cursor = s.t[s.i].variable()
	}
	if s.is(0, "INTO") {
		s.i++
		s.names(assignment{cursor: cursor})
	}
}
