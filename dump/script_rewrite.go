package dump

import (
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/internal/tsql"
)

// Keys of Info.Adjusted for scripts.
const (
	ownName    = "names without the database's own"
	filegroups = "filegroup is PRIMARY"
	schemaless = "schema without its owner"
)

// leadingOut returns a name in a unit that leads to a database other than own; nil
// if there is none. Names in the text of an EXEC count too.
func leadingOut(u *tsql.Unit, own string, schemas map[string]bool) *tsql.Ref {
	for i := range u.Refs {
		if r := &u.Refs[i]; leadsOut(r, own, schemas) {
			return r
		}
	}
	for i := range u.Statements {
		s := &u.Statements[i]
		if s.Inner == nil {
			continue
		}
		for j := range s.Inner.Units {
			if r := leadingOut(&s.Inner.Units[j], own, schemas); r != nil {
				inOuter := *r
				inOuter.Span = s.Literal
				return &inOuter
			}
		}
	}
	return nil
}

func leadsOut(r *tsql.Ref, own string, schemas map[string]bool) bool {
	database := strings.ToLower(r.Database)
	switch {
	case isOwn(r, own), strings.HasPrefix(r.Object, "#"):
		return false
	case r.Server != "" && !r.Column:
		return true
	case r.Column:
		return r.Call && !schemas[database] && !methods[strings.ToLower(r.Object)]
	case r.Reads && (database == "master" || database == "tempdb"): // every server has them
		return false
	}
	return true
}

// methods are what looks like a function behind a column: table.column.nodes().
var methods = map[string]bool{"value": true, "query": true, "nodes": true, "exist": true, "modify": true, "write": true}

// isOwn: the name begins with the database that is restored. In an expression
// it may have a column as its fourth part.
func isOwn(r *tsql.Ref, own string) bool {
	if own == "" {
		return false
	}
	if r.Server != "" {
		return r.Column && strings.EqualFold(r.Server, own)
	}
	return strings.EqualFold(r.Database, own) && (!r.Column || r.Call)
}

// rewriteUnit makes a unit fit another database, without a change to where its
// lines end, and says what it changed.
func rewriteUnit(text []byte, u *tsql.Unit, own string) (string, []string) {
	edits, changed := unitEdits(text, u, own)
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	at := u.From
	for _, e := range edits {
		b.Write(text[at:e.from])
		b.WriteString(e.by)
		at = e.to
	}
	b.Write(text[at:u.To])
	return b.String(), changed
}

func unitEdits(text []byte, u *tsql.Unit, own string) (edits []edit, changed []string) {
	for i := range u.Refs {
		if r := &u.Refs[i]; isOwn(r, own) {
			edits = append(edits, edit{span{r.From, r.Local}, ""})
			changed = append(changed, ownName)
		}
	}
	for i := range u.Statements {
		s := &u.Statements[i]
		for _, f := range s.Filegroups {
			edits = append(edits, edit{span{f.From, f.To}, "[PRIMARY]"})
			changed = append(changed, filegroups)
		}
		if s.Owner.To > s.Owner.From {
			edits = append(edits, edit{span{s.Owner.From, s.Owner.To}, ""})
			changed = append(changed, schemaless)
		}
		if s.Inner != nil {
			if inner, more := rewriteInner(text, s, own); more != nil {
				edits = append(edits, edit{span{s.Literal.From, s.Literal.To}, inner})
				changed = append(changed, more...)
			}
		}
	}
	return edits, changed
}

// rewriteInner rewrites the text that EXEC runs; changed is nil if it stays.
func rewriteInner(text []byte, s *tsql.Statement, own string) (literal string, changed []string) {
	inner := []byte(unquoteText(string(text[s.Literal.From:s.Literal.To])))
	var b strings.Builder
	at := 0
	for i := range s.Inner.Units {
		u := &s.Inner.Units[i]
		b.Write(inner[at:u.From])
		piece, more := rewriteUnit(inner, u, own)
		b.WriteString(piece)
		changed = append(changed, more...)
		at = u.To
	}
	b.Write(inner[at:])
	return "N'" + strings.ReplaceAll(b.String(), "'", "''") + "'", changed
}

// unquoteText takes the quotes off 'text' or N'text'.
func unquoteText(literal string) string {
	literal = literal[strings.IndexByte(literal, '\'')+1 : len(literal)-1]
	return strings.ReplaceAll(literal, "''", "'")
}
