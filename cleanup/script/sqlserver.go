package script

import (
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/internal/tsql"
)

// setvar is a line that gives a variable of sqlcmd its value.
var setvar = regexp.MustCompile(`(?mi)^[ \t]*:setvar\b.*$`)

// readSQLServer reads what sqlcmd would send to the server.
func (f *File) readSQLServer(s string) error {
	if !strings.Contains(s, "$(") {
		s = setvar.ReplaceAllStringFunc(s, func(line string) string {
			f.note(0, "sqlcmd's "+strings.TrimSpace(line)+" is left out: nothing uses it")
			return strings.Repeat(" ", len(line))
		})
	}
	r := tsql.NewReader(strings.NewReader(s), tsql.Limits{Piece: 2 * largest, Batch: 2 * largest})
	for {
		b, err := r.Next()
		var fault *tsql.Fault
		switch {
		case err == io.EOF:
			for _, command := range slices.Sorted(maps.Keys(r.Skipped)) {
				f.note(0, "sqlcmd's "+command+" is left out")
			}
			return nil
		case errors.As(err, &fault):
			return refuse(fault.Line, "", "%s", fault.Text)
		case err != nil:
			return err
		}
		if err := f.addBatch(&b); err != nil {
			return err
		}
	}
}

func (f *File) addBatch(b *tsql.Batch) error {
	st := statement{text: string(b.Text), line: b.Line, count: b.Count}
	st.tokens = tokenizeTSQL(st.text)
	if len(st.tokens) == 0 {
		return nil
	}
	if err := st.refuseDirectives(); err != nil {
		return err
	}
	for _, t := range st.tokens {
		if t.is("SHUTDOWN", "RECONFIGURE", "XP_CMDSHELL", "SP_CONFIGURE") {
			return refuse(st.lineOf(t), "take it out: only the throw-away database may be changed", "%s is about the whole server", t.text)
		}
	}
	for i := range b.Script.Units {
		if err := f.checkUnit(&st, &b.Script.Units[i]); err != nil {
			return err
		}
	}
	if len(st.edits) == len(b.Script.Units) { // nothing is left of it
		return nil
	}
	f.statements = append(f.statements, st)
	return nil
}

// refuseDirectives refuses commands to sqlcmd that nobody knows.
func (st *statement) refuseDirectives() error {
	for i, t := range st.tokens[:len(st.tokens)-1] {
		next := st.tokens[i+1]
		if !t.is(":") || next.kind != word || next.from != t.to {
			continue
		}
		before := st.text[:t.from]
		if strings.TrimSpace(before[strings.LastIndexByte(before, '\n')+1:]) == "" {
			return refuse(st.lineOf(t), "take the line out", "%s is no command of sqlcmd that is known here", shorten(st.text[t.from:]))
		}
	}
	return nil
}

// serverStatements are about the server, other databases or files.
var serverStatements = words("BACKUP RESTORE DBCC KILL CHECKPOINT BULK")

// checkUnit leaves a statement out that the clean-up can do without, and refuses
// those about the server.
func (f *File) checkUnit(st *statement, u *tsql.Unit) error {
	for i := range u.Statements {
		s := &u.Statements[i]
		first, object, _ := strings.Cut(s.Kind, " ")
		line := st.line + lineOf(st.text, s.From)
		left := ""
		switch {
		case serverStatements[first], strings.HasPrefix(strings.ToLower(s.Name.Object), "xp_"):
			return refuse(line, "take it out: only the throw-away database may be changed", "%s is about the whole server, or its files", s.Kind)
		case first == "USE":
			left = "USE " + s.Name.Object + " is left out: the script is run in the throw-away database"
		case first == "GRANT", first == "DENY", first == "REVOKE", object == "DATABASE", object == "LOGIN", object == "USER":
			left = s.Kind + " is left out: only the throw-away database's objects are changed"
		default:
			continue
		}
		if u.Control {
			return refuse(line, "take it out", "%s stands inside of other statements, and cannot be left out by itself", s.Kind)
		}
		f.note(line, left)
		st.edits = append(st.edits, edit{from: u.From, to: u.To})
	}
	return nil
}
