package tsql

import (
	"bytes"
	"strings"
)

// scan is a statement while it is read.
type scan struct {
	Statement
	verb string
	// source: an INSERT has its VALUES or SELECT, a GRANT its TO, an UPDATE or
	// ALTER DATABASE its SET, a WITH its verb: what may be taken for the beginning
	// of another statement has come.
	source bool
	// whole: the statement is all that is left of the batch.
	whole   bool
	outside string // OPENROWSET and the like
	into    bool
	cases   int // CASE without END
	depth   int // of parentheses
	values  bool
}

// head reads the beginning of a statement.
func (s *scan) head(p *parser) {
	s.Kind = s.verb
	s.Action = verbActions[s.verb]
	if s.verb == "" {
		s.Kind = strings.ToUpper(string(p.b[p.t.From:p.t.To]))
	}
	p.advance()
	switch s.verb {
	case "CREATE", "ALTER", "DROP":
		s.object(p)
	case "INSERT", "DELETE", "MERGE", "UPDATE":
		s.target(p)
	case "TRUNCATE":
		s.Kind = "TRUNCATE TABLE"
		p.take("TABLE")
		s.Name = p.name()
	case "USE":
		s.Name = p.name()
	case "SET":
		s.set(p)
	case "EXEC", "EXECUTE":
		s.verb = "EXEC"
		s.exec(p)
	case "BULK":
		s.Kind, s.Why = "BULK INSERT", "it reads a file"
	case "BEGIN":
		s.Kind = "BEGIN TRANSACTION"
	case "ENABLE", "DISABLE":
		s.Kind += " TRIGGER"
		p.take("TRIGGER")
		s.Trigger = p.name().Object
	case "WITH":
		s.Action = Refuse
	}
}

// target is what rows are written into.
func (s *scan) target(p *parser) {
	for p.t.keyword == "INTO" || p.t.keyword == "FROM" {
		p.advance()
	}
	if s.verb == "UPDATE" && p.take("STATISTICS") {
		s.Kind, s.Action = "UPDATE STATISTICS", Skip
	}
	if s.verb == "INSERT" && p.t.keyword == "BULK" {
		s.Kind, s.Action, s.Why = "INSERT BULK", Refuse, "it is a part of a bulk copy"
		return
	}
	s.Name = p.name()
}

// object reads from behind CREATE, ALTER or DROP to the object's name and what
// follows it at once.
func (s *scan) object(p *parser) {
	object := s.objectType(p)
	s.Kind = s.verb + " " + object
	s.Action = objectActions[object]
	if (s.verb == "DROP" || object == "DATABASE") && p.take("IF") {
		p.take("EXISTS")
	}
	if object == "SCHEMA" {
		s.schema(p)
		return
	}
	s.Name = p.name()
	switch {
	case s.Module(), s.Kind == "CREATE DEFAULT", s.Kind == "CREATE RULE":
		s.whole = true
	case s.Kind == "ALTER TABLE":
		s.alterTable(p)
	case s.Kind == "CREATE INDEX", s.Kind == "CREATE STATISTICS":
		if p.take("ON") {
			p.name()
		}
	}
}

// objectType reads TABLE, INDEX, FULLTEXT CATALOG and so on.
func (s *scan) objectType(p *parser) string {
	if p.take("OR") {
		p.take("ALTER")
	}
	for indexWords[p.t.keyword] {
		p.advance()
	}
	object := p.upper()
	p.advance()
	switch {
	case object == "PROC":
		return "PROCEDURE"
	case twoWords[object]:
		object += " " + p.upper()
		p.advance()
	case object == "DATABASE" && (p.isWord("AUDIT") || p.isWord("SCOPED") || p.isWord("ENCRYPTION")):
		s.source = !p.isWord("SCOPED")
		p.advance()
	}
	return object
}

// schema reads CREATE SCHEMA x AUTHORIZATION y.
func (s *scan) schema(p *parser) {
	s.whole = s.verb == "CREATE"
	if p.t.keyword != "AUTHORIZATION" {
		s.Name = p.name()
	}
	if s.verb == "CREATE" && p.t.keyword == "AUTHORIZATION" {
		s.Owner = p.t.Span
		p.advance()
		if s.Name.Object != "" {
			s.Owner.To = p.t.To
		} else {
			s.Owner.To = p.t.From // without a name of its own it has the owner's
			s.Name.Object = p.unquoted(p.t)
		}
	}
}

// alterTable notes constraints that are not checked, and other things to know.
func (s *scan) alterTable(p *parser) {
	switch {
	case p.t.keyword == "WITH" && p.peekIs("NOCHECK"):
		p.advance()
		p.advance()
		if p.take("ADD") && p.take("CONSTRAINT") {
			s.Unchecked = p.unquoted(p.t)
		} else {
			s.Unchecked = "without a name"
		}
	case p.take("NOCHECK"):
		p.take("CONSTRAINT")
		s.Unchecked, s.Disabled = p.unquoted(p.t), true
	case p.t.keyword == "ENABLE" || p.t.keyword == "DISABLE":
		p.advance()
		if p.take("TRIGGER") {
			s.Trigger = p.name().Object
		}
	default:
		s.Drops = p.t.keyword == "DROP"
	}
}

// set reads SET option value, or SET option, option value.
func (s *scan) set(p *parser) {
	if p.t.kind == wordToken && p.b[p.t.From] == '@' {
		s.Kind, s.Action = "SET @variable", Neutral
		return
	}
	s.Option, s.Action = p.upper(), Session
	if ownSettings[s.Option] {
		s.Action = Skip
	}
	s.Kind = "SET " + s.Option
	p.advance()
	for p.takePunct(',') {
		s.Option += "," + p.upper()
		if !ownSettings[p.upper()] {
			s.Action = Session
		}
		p.advance()
	}
	if s.Option == "IDENTITY_INSERT" {
		s.Action = Run
		s.Name = p.name()
	}
	s.Value = p.upper()
}

// exec reads a call of a procedure or of a text.
func (s *scan) exec(p *parser) {
	s.Kind = "EXEC"
	if p.isWord("AS") {
		s.Kind, s.Action = "EXECUTE AS", Skip
		return
	}
	if p.takePunct('(') {
		s.depth++
		s.text(p)
		if s.Inner != nil && !p.is(p.t, ')') {
			s.Inner = nil
		}
		s.dynamic()
		return
	}
	if p.t.kind == wordToken && p.b[p.t.From] == '@' { // @result = procedure
		p.advance()
		p.takePunct('=')
	}
	s.Name = p.name()
	if strings.EqualFold(s.Name.Object, "sp_executesql") {
		if p.t.kind == wordToken && p.b[p.t.From] == '@' {
			p.advance()
			p.takePunct('=')
		}
		s.text(p)
		s.dynamic()
		return
	}
	s.Kind = "EXEC " + s.Name.Object
	s.Action, s.Why = procedureAction(s.Name)
}

// text reads the text that is to be run.
func (s *scan) text(p *parser) {
	if p.t.kind != textToken || p.t.open {
		return
	}
	s.Literal = p.t.Span
	s.Inner = Parse([]byte(p.unquoted(p.t)))
	p.advance()
	if p.is(p.t, '+') {
		s.Inner = nil
	}
}

// dynamic takes over what the text does.
func (s *scan) dynamic() {
	if s.Inner == nil {
		s.Action, s.Why = Refuse, "it runs a text that is put together, which is not read here"
		return
	}
	s.Action = Neutral
	var all []Statement
	for _, u := range s.Inner.Units {
		all = append(all, u.Statements...)
	}
	s.Action = together(all)
	switch {
	case s.Action == Refuse:
		s.Why = "the text that it runs is not one of objects and rows alone"
	case len(all) == 1:
		s.Kind, s.Name = all[0].Kind, all[0].Name
	}
}

// rest reads to the end of the statement.
func (s *scan) rest(p *parser) {
	for p.t.kind != endToken {
		switch {
		case p.is(p.t, '('):
			if s.depth == 0 && s.values {
				s.Rows++
			}
			s.depth++
		case p.is(p.t, ')'):
			s.depth = max(0, s.depth-1)
		case p.is(p.t, ';') && s.depth == 0 && !s.whole:
			p.advance()
			return
		case p.t.keyword != "":
			if s.word(p) {
				return
			}
		}
		p.advance()
	}
	if s.depth > 0 {
		p.open = "inside a parenthesis"
	}
}

// word looks at a keyword, and reports whether it ends the statement.
func (s *scan) word(p *parser) (ends bool) {
	k := p.t.keyword
	switch k {
	case "OPENROWSET", "OPENQUERY", "OPENDATASOURCE":
		s.outside = k
	case "COLLATE":
		s.Collation = string(p.b[p.peek().From:p.peek().To])
	case "ON", "TEXTIMAGE_ON", "TO":
		s.filegroup(p)
	case "ALL":
		if p.before.keyword == "ON" && p.peekIs("SERVER") && strings.HasSuffix(s.Kind, " TRIGGER") {
			s.Kind, s.Action = s.Kind+" ON ALL SERVER", Skip
		}
	}
	if s.depth > 0 || s.whole {
		return false
	}
	switch k {
	case "CASE":
		s.cases++
	case "END":
		if s.cases == 0 {
			return true
		}
		s.cases--
	case "ELSE":
		return s.cases == 0
	case "VALUES":
		s.values, s.source = s.verb == "INSERT", true
		if p.before.keyword == "DEFAULT" {
			s.values, s.Rows = false, 1
		}
	case "TO", "FROM":
		s.source = s.source || s.verb == "GRANT" || s.verb == "DENY" || s.verb == "REVOKE"
	case "INTO":
		s.into = true
	}
	return starters[k] && s.begins(p)
}

// begins reports whether a word that can begin a statement does so here.
func (s *scan) begins(p *parser) bool {
	k, before, next := p.t.keyword, p.before.keyword, p.peek()
	switch s.verb {
	case "MERGE": // ends with a semicolon
		return false
	case "GRANT", "DENY", "REVOKE":
		return s.source && before != "WITH" // WITH GRANT OPTION
	case "WITH":
		if !s.source {
			s.verb = k
			s.Kind, s.Action = k, verbActions[k]
			return false
		}
	case "INSERT":
		if !s.source && (k == "SELECT" || k == "EXEC" || k == "EXECUTE") {
			s.source, s.Rows = true, -1
			return false
		}
	case "UPDATE":
		if k == "SET" && !s.source {
			s.source = true
			return false
		}
	case "ALTER":
		if k == "SET" && !s.source && s.Kind != "ALTER TABLE" && s.Kind != "ALTER INDEX" {
			s.source = true
			s.option(p, next)
			return false
		}
		if (k == "ALTER" || k == "DROP" || k == "CREATE") && !objects[next.keyword] {
			return false
		}
	}
	return !s.continues(p, k, before, next)
}

// continues knows the words that belong to the statement they stand in by what
// is before or behind them.
func (s *scan) continues(p *parser, k, before string, next token) bool {
	switch k {
	case "DELETE", "UPDATE", "INSERT": // ON DELETE CASCADE, FOR UPDATE, BULK INSERT; not SET x ON INSERT
		return before == "ON" && s.verb != "SET" || before == "AFTER" || before == "BEFORE" || before == "FOR" || before == "BULK"
	case "BULK": // INSERT BULK
		return before == "INSERT"
	case "SET": // ON DELETE SET NULL, SET (LOCK_ESCALATION = AUTO)
		return before == "DELETE" || before == "UPDATE" || p.lexer.is(next, '(')
	case "SELECT":
		return before == "UNION" || before == "EXCEPT" || before == "INTERSECT" || before == "ALL" || before == "FOR"
	case "ROLLBACK", "EXECUTE", "EXEC": // WITH ROLLBACK IMMEDIATE, WITH EXECUTE AS
		return before == "WITH"
	case "FETCH": // OFFSET 10 ROWS FETCH NEXT
		return before == "ROWS" || before == "ROW"
	case "MERGE":
		return next.keyword == "JOIN"
	case "IF": // DROP TABLE IF EXISTS
		return next.keyword == "EXISTS" && (objects[before] || before == "CONSTRAINT" || before == "COLUMN")
	case "CREATE":
		return before == "AS"
	}
	return false
}

// option reads ALTER DATABASE x SET option = value.
func (s *scan) option(p *parser, t token) {
	s.Option = strings.ToUpper(string(p.b[t.From:t.To]))
	ahead := p.lexer
	ahead.i = t.To
	v := ahead.next()
	if ahead.is(v, '=') {
		v = ahead.next()
	}
	s.Value = strings.ToUpper(string(p.b[v.From:v.To]))
}

// filegroup notes where a table or index goes: ON [name], not ON [table](column).
func (s *scan) filegroup(p *parser) {
	switch s.Kind {
	case "CREATE PARTITION SCHEME":
		if p.t.keyword == "TO" {
			s.filegroupList(p)
		}
	case "CREATE TABLE", "ALTER TABLE", "CREATE INDEX":
		ahead := p.lexer
		t := ahead.next()
		next := ahead.next()
		if p.t.keyword != "TO" && isFilegroup(ahead, t) && !ahead.is(next, '.') && !ahead.is(next, '(') {
			s.Filegroups = append(s.Filegroups, t.Span)
		}
	}
}

func (s *scan) filegroupList(p *parser) {
	ahead := p.lexer
	for t := ahead.next(); t.kind != endToken && !ahead.is(t, ')'); t = ahead.next() {
		if isFilegroup(ahead, t) {
			s.Filegroups = append(s.Filegroups, t.Span)
		}
	}
}

// isFilegroup: a name, and not that of the filegroups that every database has.
func isFilegroup(l lexer, t token) bool {
	if t.kind != nameToken && (t.kind != wordToken || t.keyword != "") {
		return false
	}
	name := l.unquoted(t)
	return !strings.EqualFold(name, "PRIMARY") && !strings.EqualFold(name, "default")
}

// finish decides what only the whole statement tells.
func (s *scan) finish(p *parser) {
	switch {
	case s.outside != "" && s.Action == Run && !s.Module():
		s.Action, s.Why = Refuse, "it reads from outside of the database with "+s.outside
	case s.verb == "SELECT" && s.into:
		s.Kind, s.Action, s.Why = "SELECT INTO", Refuse, "it makes a table of a query"
	case s.verb == "DECLARE":
		p.script.Variables = true
	case s.Kind == "WITH":
		s.Action = Refuse
	case p.t.kind == endToken && p.open == "" && s.unfinished(p):
		p.open = "inside the statement " + s.Statement.String()
	}
	if s.Kind == "SELECT" && bytes.HasPrefix(bytes.TrimLeft(p.b[s.From+len("SELECT"):s.To], " \t\r\n"), []byte("@")) {
		s.Action = Neutral // SELECT @variable = value
	}
}

// goOn are words that no statement ends with.
var goOn = words("WITH FOR UNION EXCEPT INTERSECT INTO FROM JOIN TO AS COLUMN CONSTRAINT NOT OR CREATE ALTER DROP ADD FOREIGN REFERENCES TABLE VALUES" +
	" WHERE INSERT UPDATE DELETE EXEC EXECUTE USE GRANT DENY REVOKE IF WHILE BEGIN")

// unfinished reports whether the statement at the end of the text cannot be
// whole. One that may be is taken for whole.
func (s *scan) unfinished(p *parser) bool {
	last := p.before
	switch {
	case last.kind == punctToken && bytes.IndexByte([]byte(",.=(+-<>"), p.b[last.From]) >= 0:
		return true
	case s.verb == "INSERT" && s.Action == Run:
		return !s.source || s.values && s.Rows == 0
	case s.verb == "SET" && s.Option != "":
		return s.Value == ""
	}
	return goOn[last.keyword] && s.Kind != "BEGIN TRANSACTION"
}
