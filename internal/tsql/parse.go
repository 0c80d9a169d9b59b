package tsql

import (
	"bytes"
	"strings"
)

// Parse takes a batch apart. It never fails: what it does not know is a
// statement with the Action Refuse.
func Parse(text []byte) *Script {
	p := &parser{lexer: lexer{b: text}}
	s := &Script{}
	p.script = s
	p.advance()
	for p.t.kind != endToken {
		if p.takePunct(';') {
			continue
		}
		s.Units = append(s.Units, p.unit())
	}
	if p.open != "" && s.Open == "" {
		s.Open = p.open
	}
	if p.lexer.open {
		s.Open = "inside a comment"
	}
	return s
}

type parser struct {
	lexer
	t      token // the one at hand
	before token // the one in front of it
	script *Script
	unitAt *Unit
	names  chain
	open   string // what the text ended in
}

// advance takes the token at hand.
func (p *parser) advance() {
	if p.t.open {
		p.open = "inside a quoted text"
	}
	p.before = p.t
	p.t = p.next()
	p.see()
}

func (p *parser) takePunct(c byte) bool {
	if !p.is(p.t, c) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) take(word string) bool {
	if p.t.keyword != word {
		return false
	}
	p.advance()
	return true
}

// unit reads a statement or a block.
func (p *parser) unit() Unit {
	u := Unit{Span: Span{From: p.t.From}}
	p.unitAt = &u
	p.names.restart(p)
	p.block(&u)
	u.To = p.t.From
	if p.t.kind == endToken {
		u.To = len(p.b)
	}
	p.names.end(p)
	p.unitAt = nil
	return u
}

func (p *parser) block(u *Unit) {
	switch {
	case p.t.keyword == "IF" || p.t.keyword == "WHILE":
		u.Control = true
		p.advance()
		p.condition()
		p.block(u)
		if p.elseFollows() {
			p.takePunct(';')
			p.advance()
			p.block(u)
		}
	case p.t.keyword == "BEGIN" && !isTransaction(p.peek()):
		u.Control = true
		p.beginEnd(u)
	case p.t.kind == endToken:
		p.open = "inside a block"
	default:
		u.Statements = append(u.Statements, p.statement())
	}
}

func isTransaction(t token) bool {
	switch t.keyword {
	case "TRAN", "TRANSACTION", "DISTRIBUTED", "DIALOG", "CONVERSATION":
		return true
	}
	return false
}

// condition skips what stands between IF and the statement.
func (p *parser) condition() {
	for depth := 0; p.t.kind != endToken; p.advance() {
		switch {
		case p.is(p.t, '('):
			depth++
		case p.is(p.t, ')'):
			depth--
		case depth == 0 && starters[p.t.keyword]:
			return
		}
	}
}

func (p *parser) elseFollows() bool {
	if p.is(p.t, ';') {
		return p.peek().keyword == "ELSE"
	}
	return p.t.keyword == "ELSE"
}

// beginEnd reads BEGIN ... END, and BEGIN TRY ... END TRY with its CATCH.
func (p *parser) beginEnd(u *Unit) {
	p.advance()
	try := p.t.keyword == "TRY"
	if try || p.t.keyword == "CATCH" || p.t.keyword == "ATOMIC" {
		p.advance()
	}
	for p.t.keyword != "END" {
		if p.t.kind == endToken {
			p.open = "inside a block that has no END"
			return
		}
		if !p.takePunct(';') {
			p.block(u)
		}
	}
	p.advance()
	if !p.take("TRY") {
		p.take("CATCH")
	}
	if try && p.t.keyword == "BEGIN" && p.peek().keyword == "CATCH" {
		p.beginEnd(u)
	}
}

// statement reads one statement up to the next one.
func (p *parser) statement() Statement {
	s := &scan{Statement: Statement{Span: Span{From: p.t.From}}, verb: p.t.keyword}
	if s.verb == "" && p.isIdentifier(p.t) && p.t.From == p.first() {
		s.verb = "EXEC" // the first one in a batch needs no EXEC
		s.exec(p)
	} else {
		s.head(p)
	}
	s.rest(p)
	s.To = p.t.From
	s.finish(p)
	return s.Statement
}

// first is where the first token of the text begins.
func (p *parser) first() int {
	l := lexer{b: p.b}
	return l.next().From
}

// name reads a name of up to four parts.
func (p *parser) name() Name {
	var parts []string
	for p.isIdentifier(p.t) {
		parts = append(parts, p.unquoted(p.t))
		p.advance()
		if !p.is(p.t, '.') {
			break
		}
		for p.takePunct('.') {
			if p.is(p.t, '.') {
				parts = append(parts, "")
			}
		}
	}
	var n Name
	for i, field := range []*string{&n.Object, &n.Schema, &n.Database, &n.Server} {
		if i < len(parts) {
			*field = parts[len(parts)-1-i]
		}
	}
	return n
}

// line is the number of line ends before an offset.
func line(b []byte, offset int) int64 { return int64(bytes.Count(b[:offset], []byte{'\n'})) }

// upper is the token at hand in upper case.
func (p *parser) upper() string { return strings.ToUpper(p.unquoted(p.t)) }

// isWord reports whether the token at hand is the word, which may be no keyword.
func (p *parser) isWord(word string) bool {
	return p.t.kind == wordToken && bytes.EqualFold(p.b[p.t.From:p.t.To], []byte(word))
}

func (p *parser) peekIs(word string) bool { return p.peek().keyword == word }
