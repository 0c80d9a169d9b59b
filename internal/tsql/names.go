package tsql

// chain follows the parts of a name with dots.
type chain struct {
	parts    []Span // as far as they are written; empty ones have From == To
	dot      bool   // the last token was a dot
	position string // the keyword in front of the name, or a comma
	// list: rows are read here, so that a comma brings another table. join: what
	// is behind ON is the condition of a join.
	list, join bool
}

// see follows the token at hand.
func (p *parser) see() {
	c := &p.names
	t := p.t
	switch {
	case p.is(t, '.') && len(c.parts) > 0:
		if c.dot {
			c.parts = append(c.parts, Span{t.From, t.From})
		}
		c.dot = true
	case c.dot && (t.kind == nameToken || t.kind == wordToken):
		c.parts = append(c.parts, t.Span)
		c.dot = false
	default:
		c.end(p)
		c.begin(p)
	}
}

func (c *chain) begin(p *parser) {
	t := p.t
	switch t.keyword {
	case "FROM", "JOIN", "USING", "APPLY":
		c.list, c.join = true, false
	case "ON":
		c.list, c.join = false, c.list
	case "WHERE", "GROUP", "ORDER", "HAVING", "SET", "VALUES", "SELECT":
		c.list = false
	}
	if !p.isIdentifier(t) {
		return
	}
	c.parts = append(c.parts[:0], t.Span)
	switch {
	case p.before.keyword == "ON" && c.join:
		c.position = ""
	case p.before.keyword != "":
		c.position = p.before.keyword
	case p.is(p.before, ',') && c.list:
		c.position = "FROM"
	default:
		c.position = ""
	}
}

// restart forgets what came before a unit but for the name that begins it.
func (c *chain) restart(p *parser) {
	c.list, c.join = false, false
	c.parts, c.dot, c.position = c.parts[:0], false, ""
	c.begin(p)
	if len(c.parts) > 0 {
		c.position = "EXEC" // the unit begins with a name: a procedure's
	}
}

// positions are the words behind which the name of an object stands.
var positions = words("INTO INSERT UPDATE DELETE FROM JOIN TABLE VIEW PROCEDURE PROC FUNCTION TRIGGER ON REFERENCES EXEC EXECUTE MERGE USING FOR" +
	" TYPE SEQUENCE INDEX TRUNCATE IDENTITY_INSERT APPLY STATISTICS TRANSFER EXISTS SYNONYM")

// end notes the name that has come to its end if it has three parts or more.
func (c *chain) end(p *parser) {
	n := len(c.parts)
	if n >= 3 && p.unitAt != nil {
		p.unitAt.Refs = append(p.unitAt.Refs, c.ref(p))
	}
	c.parts, c.dot = c.parts[:0], false
}

func (c *chain) ref(p *parser) Ref {
	n := len(c.parts)
	r := Ref{Span: Span{c.parts[0].From, c.parts[n-1].To}, Call: p.is(p.t, '(')}
	for i, field := range []*string{&r.Object, &r.Schema, &r.Database, &r.Server} {
		if i < n {
			*field = p.part(c.parts[n-1-i])
		}
	}
	r.Local = c.parts[n-2].From
	if c.parts[n-2].From == c.parts[n-2].To { // database..object
		r.Local = c.parts[n-1].From
	}
	r.Reads = c.position == "FROM" || c.position == "JOIN" || c.position == "USING" || c.position == "APPLY"
	r.Column = !positions[c.position] && c.parts[n-2].From != c.parts[n-2].To
	return r
}

func (p *parser) part(s Span) string {
	kind := wordToken
	if s.To > s.From && (p.b[s.From] == '[' || p.b[s.From] == '"') {
		kind = nameToken
	}
	return p.unquoted(token{kind: kind, Span: s})
}
