package dump

import (
	"errors"
	"io"
	"strings"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
)

// statement is one statement of a dump, see mysqltext.Statement.
type statement struct {
	text       []byte
	line, size int64
}

// item is a statement of a dump and what is known about it.
type item struct {
	statement
	command
	// of is the schema that the statement belongs to.
	of  string
	set []assignment // of a SET statement
}

// walker reads the statements of a dump and follows what they do to the
// session and to the current schema.
type walker struct {
	split *mysqltext.Splitter
	head  header
	info  *Info
	vars  variables
	// current is the schema of the last USE or, before one, of the header.
	current string
	fault   error // found in a remark
	count   int64 // of statements
}

// keepStatement bytes are kept of a statement: more than a server takes unless
// it was told to, and less than hurts.
const keepStatement = 1 << 28

func newWalker(src *source) *walker {
	w := &walker{info: &Info{}, vars: variables{}}
	w.head.info = w.info
	w.info.Format = MySQLDump
	w.split = mysqltext.NewSplitter(src, keepStatement)
	w.split.Remark = w.remark
	return w
}

// remark takes a comment or message between statements.
func (w *walker) remark(line int64, text string) {
	begins, err := w.head.read(line, text)
	if begins {
		w.current = w.head.database
	}
	if err == nil && isFailure(text) {
		err = fault(Truncated, line, nil, "the dump tool wrote a failure into the file, so the dump is not whole: %q", text)
	}
	if w.fault == nil {
		w.fault = err
	}
}

// isFailure tells a failure of the dump tool from its warnings.
func isFailure(text string) bool {
	return (strings.HasPrefix(text, "mysqldump: ") || strings.HasPrefix(text, "mariadb-dump: ")) &&
		(strings.Contains(text, "rror") || strings.Contains(text, "Couldn't"))
}

const notADump = "no dump of mysqldump or mariadb-dump holds a statement that begins with %q: is this another file?"

// next returns the next statement; io.EOF at the end of a whole dump.
func (w *walker) next() (item, error) {
	split, err := w.split.Next()
	if w.fault != nil {
		return item{}, w.fault
	}
	if err == io.EOF {
		return item{}, w.finish()
	}
	if err != nil {
		return item{}, w.splitFault(err)
	}
	st := statement{text: split.Text, line: split.Line, size: split.Size}
	w.count++
	it := item{statement: st, command: parse(st.text)}
	if it.action == unknown {
		return item{}, fault(NotADump, st.line, nil, notADump, beginning(st.text))
	}
	if it.kind == "SET" {
		if err := w.set(&it); err != nil {
			return item{}, err
		}
	}
	w.place(&it)
	return it, nil
}

// splitFault says what it means that a dump cannot be split further.
func (w *walker) splitFault(err error) error {
	var f *mysqltext.Fault
	if !errors.As(err, &f) {
		return err
	}
	switch f.Problem {
	case mysqltext.Unreadable:
		return readFault(f.Err, f.Line)
	case mysqltext.BadDelimiter:
		return fault(NotADump, f.Line, nil, "%v", f)
	}
	c := parse(f.Rest)
	if w.count == 0 && w.info.Tool == "" && c.action == unknown {
		return fault(NotADump, f.Begins, f, notADump, beginning(f.Rest)) // rather than cut off
	}
	what := f.Inside
	if c.action != unknown {
		what += " of the statement " + c.String()
	}
	return fault(Truncated, f.Line, f.Err, "the dump is cut off here, inside %s that begins in line %d: copy the file or dump again", what, f.Begins)
}

// finish decides whether the dump is whole once its text is at an end.
func (w *walker) finish() error {
	w.info.Lines, w.info.Bytes = w.split.LastLine(), w.split.Size()
	if w.head.open > 0 {
		return fault(Truncated, w.info.Lines, io.ErrUnexpectedEOF,
			"the dump is cut off: its last line must be \"-- Dump completed\"; copy the file or dump again")
	}
	return io.EOF
}

// set follows a SET statement.
func (w *walker) set(it *item) error {
	assigned, other := parseSet(it.text)
	if other != "" {
		it.kind, it.action = other, skip
		return nil
	}
	for _, a := range assigned {
		if a.global {
			it.kind, it.action = "SET GLOBAL", skip
			return nil
		}
	}
	it.set = assigned
	w.vars.apply(assigned)
	w.split.NoBackslash = w.vars.noBackslash()
	for _, a := range assigned {
		if a.name != "character_set_client" {
			continue
		}
		if w.info.Charset == "" {
			w.info.Charset = w.vars.charset()
		}
		if unreadable[w.vars.charset()] {
			return fault(BadEncoding, it.line, nil,
				"the dump is in the character set %s, which is not read here: dump again with --default-character-set=utf8mb4", w.vars.charset())
		}
	}
	return nil
}

// place says which schema a statement belongs to.
func (w *walker) place(it *item) {
	it.of = w.current
	switch {
	case it.kind == "USE":
		w.current = it.object
		it.of = it.object
	case it.kind == "CREATE DATABASE" || it.kind == "DROP DATABASE": // ALTER is always about the current one
		it.of = it.object
	case it.schema != "" && it.action == run && it.kind != "CREATE TRIGGER": // a trigger is always dumped with its schema
		it.of = it.schema
	}
}

// inSchema reports whether a statement is about a schema, and not about the
// whole server or the session.
func (it item) inSchema() bool {
	return it.action == run || it.kind == "USE" || strings.HasSuffix(it.kind, " DATABASE") || strings.HasSuffix(it.kind, " EVENT")
}

// beginning is the first word of a text, for a message.
func beginning(b []byte) string {
	const most = 30
	if i := strings.IndexAny(string(b[:min(len(b), most)]), " \t\r\n"); i > 0 {
		b = b[:i]
	}
	return strings.ToValidUTF8(string(b[:min(len(b), most)]), "?")
}
