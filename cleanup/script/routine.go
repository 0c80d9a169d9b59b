package script

import (
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/schema"
)

// routine is something that a statement makes and that is run later.
type routine struct {
	name string // without quotes, as written
	kind string // PROCEDURE, FUNCTION, TRIGGER
	line int64
	// demands: it has parameters without a default.
	demands bool
	// head and body are the tokens where the parameters and the body begin.
	head, body int
}

// findRoutine says what routine a statement makes; nil for none.
func (f *File) findRoutine(st *statement) *routine {
	t := st.tokens
	made := slices.IndexFunc(t, func(t token) bool { return t.is("CREATE", "ALTER") })
	if made < 0 {
		return nil
	}
	i := made + 1
	for i < len(t) && !t[i].is("PROCEDURE", "PROC", "FUNCTION", "TRIGGER", "TABLE", "VIEW", "INDEX", ";", "(") {
		i++
	}
	if i == len(t) || !t[i].is("PROCEDURE", "PROC", "FUNCTION", "TRIGGER") {
		return nil
	}
	r := &routine{kind: t[i].text, line: st.lineOf(t[made])}
	if r.kind == "PROC" {
		r.kind = "PROCEDURE"
	}
	for i++; i < len(t) && t[i].is("IF", "NOT", "EXISTS"); i++ {
	}
	if i == len(t) || !t[i].named() {
		return nil
	}
	for ; i+2 < len(t) && t[i+1].is("."); i += 2 {
	}
	r.name = written(st.text, t[i])
	r.head = i + 1
	if f.product == schema.SQLServer {
		r.readTSQLHead(t)
	} else {
		r.readMySQLHead(t)
	}
	return r
}

// readMySQLHead reads the parameters. They have no defaults.
func (r *routine) readMySQLHead(t []token) {
	i, depth := r.head, 0
	for ; i < len(t); i++ {
		switch {
		case t[i].is("("):
			depth++
		case t[i].is(")"):
			depth--
		default:
			r.demands = r.demands || depth > 0
		}
		if depth == 0 {
			break
		}
	}
	r.body = min(i+1, len(t))
}

// readTSQLHead reads the parameters up to the AS in front of the body.
func (r *routine) readTSQLHead(t []token) {
	given := true
	i := r.head
	for ; i < len(t); i++ {
		last := t[i-1]
		switch {
		case t[i].is("AS") && !(last.kind == word && strings.HasPrefix(last.text, "@")) && !last.is("EXEC", "EXECUTE"):
			r.demands = r.demands || !given
			r.body = i + 1
			return
		case t[i].kind == word && strings.HasPrefix(t[i].text, "@") && !last.is("="):
			r.demands = r.demands || !given
			given = false
		case t[i].is("="):
			given = true
		}
	}
	r.body = i
}

// call is what has to be run to call the procedure that the file makes: "" if the
// file does so itself. chosen names one of several.
func (f *File) call(chosen string) (string, error) {
	var callable, all []string
	for i := range f.statements {
		if r := f.statements[i].makes; r != nil && r.kind == "PROCEDURE" {
			all = append(all, r.name)
			if !r.demands && !f.calls(r.name) {
				callable = append(callable, r.name)
			}
		}
	}
	switch {
	case chosen != "":
		r := f.routineNamed(chosen)
		if r == nil || r.kind != "PROCEDURE" {
			return "", refuse(0, "choose one of "+strings.Join(all, ", "), "the script makes no procedure %s", chosen)
		}
		if r.demands {
			return "", refuse(r.line, "add a CALL with its values at the end of a copy of the file", "the procedure %s wants parameters", r.name)
		}
		return r.name, nil
	case len(all) == 0 || f.callsAny(all):
		return "", nil
	case len(callable) == 1:
		return callable[0], nil
	case len(callable) == 0:
		return "", refuse(0, "add a CALL with values at the end of a copy of the file",
			"the script calls no procedure, and those that it makes want parameters: %s", strings.Join(all, ", "))
	}
	return "", refuse(0, "choose one, or add a CALL at the end of a copy of the file", "the script calls no procedure and makes several: %s", strings.Join(callable, ", "))
}

// callsAny reports whether a statement that makes no routine calls one of them.
func (f *File) callsAny(names []string) bool {
	return slices.ContainsFunc(f.statements, func(st statement) bool {
		return st.makes == nil && slices.ContainsFunc(names, func(n string) bool { return st.calls(n, f.product) })
	})
}

// calls reports whether another routine calls the one named.
func (f *File) calls(name string) bool {
	return slices.ContainsFunc(f.statements, func(st statement) bool {
		return st.makes != nil && !strings.EqualFold(st.makes.name, name) && st.calls(name, f.product)
	})
}

// calls reports whether the statement calls a procedure.
func (st *statement) calls(procedure string, on schema.Product) bool {
	t := st.tokens
	for i := range t {
		called := t[i].is("CALL", "EXEC", "EXECUTE")
		if j := i + 1; called && st.names(j, procedure) {
			return true
		}
		// EXEC @result = procedure
		if called && i+3 < len(t) && t[i+2].is("=") && st.names(i+3, procedure) {
			return true
		}
	}
	// The first statement of a batch needs no EXEC.
	return on == schema.SQLServer && st.makes == nil && st.names(0, procedure)
}

// names reports whether a name of one or more parts begins at a token and ends
// with an object's.
func (st *statement) names(i int, object string) bool {
	t := st.tokens
	for ; i < len(t) && t[i].named(); i += 2 {
		if i+1 >= len(t) || !t[i+1].is(".") {
			return strings.EqualFold(t[i].text, object)
		}
	}
	return false
}
