package script

import (
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/schema"
)

// objectWords are the words behind which the name of an object stands.
var objectWords = words("FROM JOIN INTO UPDATE DELETE TABLE VIEW PROCEDURE PROC FUNCTION TRIGGER CALL EXEC EXECUTE TRUNCATE REFERENCES MERGE USING EXISTS" +
	" INSERT IGNORE STATISTICS")

// readWords are those of them behind which rows are only read.
var readWords = words("FROM JOIN USING ,")

// systemSchemas may be read from everywhere.
var systemSchemas = words("INFORMATION_SCHEMA PERFORMANCE_SCHEMA SYS MYSQL")

// phrase is SQL in the text of a script: a statement, or what a literal holds
// that the script puts together and runs.
type phrase struct {
	text   string
	tokens []token
	line   func(token) int64
}

// phrases are all of them.
func (f *File) phrases() []phrase {
	var all []phrase
	for i := range f.statements {
		st := &f.statements[i]
		all = append(all, phrase{st.text, st.tokens, st.lineOf})
		for _, d := range f.dynamic(i) {
			line := st.lineOf(st.tokens[d.from])
			all = append(all, phrase{d.text, tokenize(d.text, f.product), func(token) int64 { return line }})
		}
	}
	return all
}

// checkNames refuses names that lead out of the schema that is cleaned.
func (f *File) checkNames() error {
	for _, p := range f.phrases() {
		if err := f.checkPhrase(&p); err != nil {
			return err
		}
	}
	return nil
}

// functions are written with FROM between their parentheses.
var functions = words("EXTRACT TRIM SUBSTRING SUBSTR MID OVERLAY")

func (f *File) checkPhrase(p *phrase) error {
	var opened []string // the word in front of each open parenthesis
	list := map[int]bool{}
	for i := 0; i < len(p.tokens); i++ {
		t := p.tokens[i]
		last := token{}
		if i > 0 {
			last = p.tokens[i-1]
		}
		switch {
		case t.is("("):
			opened = append(opened, last.text)
		case t.is(")"):
			list[len(opened)] = false
			opened = opened[:max(0, len(opened)-1)]
		case t.is("FROM", "JOIN"):
			list[len(opened)] = true
		case t.is("WHERE", "ON", "SET", "SELECT", "GROUP", "ORDER", "VALUES", ";"):
			list[len(opened)] = false
		case t.named() && !last.is("."):
			chain := chainAt(p.tokens, i)
			inFunction := len(opened) > 0 && functions[opened[len(opened)-1]]
			object := !inFunction && (last.kind == word && objectWords[last.text] || last.is(",") && list[len(opened)])
			if last.is("UPDATE") && i > 1 && p.tokens[i-2].is("KEY", "ON", "FOR") {
				object = false
			}
			if err := f.checkName(p, chain, last, object); err != nil {
				return err
			}
			i += max(0, 2*len(chain)-2-missing(chain))
		}
	}
	return nil
}

// chainAt are the parts of the name that begins at a token; a part that is left
// out, as in db..t, is a token without text.
func chainAt(t []token, i int) []token {
	chain := []token{t[i]}
	for i+2 < len(t) && t[i+1].is(".") {
		switch {
		case t[i+2].named():
			chain = append(chain, t[i+2])
			i += 2
		case t[i+2].is(".") && i+3 < len(t) && t[i+3].named():
			chain = append(chain, token{}, t[i+3])
			i += 3
		default:
			return chain
		}
	}
	return chain
}

func missing(chain []token) (n int) {
	for _, t := range chain {
		if t.kind == 0 {
			n++
		}
	}
	return n
}

// checkName refuses a name that leads to another schema, or to another database.
// object tells that it names a table or routine, and no column.
func (f *File) checkName(p *phrase, chain []token, before token, object bool) error {
	first := strings.ToUpper(chain[0].text)
	var parts []string
	for _, t := range chain {
		parts = append(parts, written(p.text, t))
	}
	written := strings.Join(parts, ".")
	remedy := "take what stands in front of the last dot away: the script is run in a throw-away schema"
	if f.product == schema.SQLServer {
		system := first == "TEMPDB" || systemSchemas[first] && (len(chain) < 3 || readWords[before.text] || !object)
		switch {
		case system:
			return nil
		case len(chain) > 3, len(chain) == 3 && (object || missing(chain) > 0):
			return refuse(p.line(chain[0]), "take the database in front of it away: the script is run in a throw-away one", "%s is in another database", written)
		case len(chain) == 2 && object:
			if _, known := f.schemas[parts[0]]; !known {
				f.schemas[parts[0]] = p.line(chain[0])
			}
		}
		return nil
	}
	if systemSchemas[first] && (readWords[before.text] || !object) {
		return nil
	}
	if len(chain) > 2 || len(chain) == 2 && object {
		return refuse(p.line(chain[0]), remedy, "%s is in another schema", written)
	}
	return nil
}

// checkSchema refuses names in other schemas than the one that is cleaned.
func (f *File) checkSchema(cleaned string) error {
	for s, line := range f.schemas {
		if !strings.EqualFold(s, cleaned) {
			return refuse(line, "put the schema "+cleaned+" in its place, or none", "the script names objects in the schema %s, and the tables are in %s", s, cleaned)
		}
	}
	return nil
}

// Creates are the tables that the script makes and leaves, sorted, as far as its
// text says so: backups, copies for an audit, work tables. A * stands for a part
// that only the run can tell. Temporary tables are not among them.
func (f *File) Creates() []string {
	made := map[string]bool{}
	for i := range f.statements {
		for _, n := range tablesMade(f.statements[i].text, f.product) {
			made[n] = true
		}
		for _, d := range f.dynamic(i) {
			for _, n := range tablesMade(d.text, f.product) {
				for _, full := range f.fill(n, d, 0) {
					made[full] = true
				}
			}
		}
	}
	var all []string
	for n := range made {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// tablesMade are the names behind CREATE TABLE and, in T-SQL, SELECT ... INTO.
func tablesMade(s string, on schema.Product) []string {
	t := tokenize(s, on)
	var all []string
	selecting := false
	for i := 0; i < len(t); i++ {
		at := -1
		switch {
		case t[i].is("SELECT"):
			selecting = true
		case t[i].is("INSERT", "FETCH", "MERGE", "UPDATE", "DELETE", ";"):
			selecting = false
		case t[i].is("TABLE") && i > 0 && t[i-1].is("CREATE", "REPLACE"):
			at = i + 1
			for at < len(t) && t[at].is("IF", "NOT", "EXISTS") {
				at++
			}
		case t[i].is("INTO") && selecting && on == schema.SQLServer:
			at = i + 1
		}
		if at < 0 || at >= len(t) || !t[at].named() {
			continue
		}
		chain := chainAt(t, at)
		if n := written(s, chain[len(chain)-1]); n != "" && !strings.HasPrefix(n, "#") {
			all = append(all, n)
		}
	}
	return all
}

// Makes reports whether Creates has a table, in any case of letters. A * there
// stands for any text.
func (f *File) Makes(table string) bool {
	return slices.ContainsFunc(f.Creates(), func(n string) bool {
		before, after, open := strings.Cut(strings.ToUpper(n), "*")
		t := strings.ToUpper(table)
		if !open {
			return t == before
		}
		return n != "*" && len(t) >= len(before)+len(after) && strings.HasPrefix(t, before) && strings.HasSuffix(t, strings.TrimLeft(after, "*"))
	})
}
