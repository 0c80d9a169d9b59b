package tsql

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Batch is what stands between two GO lines, or a piece of it.
type Batch struct {
	// Text and Script are valid until the next batch is read.
	Text   []byte
	Script *Script
	// Line is the line of the first byte, from 1.
	Line int64
	// Count is how often it is to be run: 3 with GO 3.
	Count int
	// Part: more of the same batch follows. Run apart they do what the batch does.
	Part bool
	// Ended: a GO line follows. Only the last batch of a script may have none.
	Ended bool
}

// Problem says what is wrong with a script.
type Problem int

const (
	// Unreadable: the source failed.
	Unreadable Problem = iota
	// Incomplete: the text ends inside of a quoted text, a name or a comment.
	Incomplete
	// TooLarge: a batch is larger than the reader keeps and cannot be parted.
	TooLarge
	// Directive: a line is a command to sqlcmd.
	Directive
	// BadGo: something follows GO that is no count.
	BadGo
)

// Fault is what keeps a script from being read.
type Fault struct {
	Problem Problem
	Line    int64 // from 1
	Text    string
	Err     error // of the source
}

func (f *Fault) Error() string { return f.Text }
func (f *Fault) Unwrap() error { return f.Err }

// Limits of a [Reader], in bytes.
type Limits struct {
	// Piece is the size from which a batch is parted between INSERT statements.
	Piece int
	// Batch is the largest batch, or piece of one, that is kept.
	Batch int
}

// Reader cuts a script into batches. It keeps one of them in memory.
type Reader struct {
	src    io.Reader
	err    error // of src; bytes read before it are still in buf
	limits Limits

	buf  []byte
	from int // where the batch begins
	pos  int // the next byte to look at
	end  int // the end of the bytes in buf
	line int64
	size int64

	lineStart bool // pos is at the start of a line, outside of quotes and comments
	inside    span // what pos is inside of, if it is
	next      int  // the size at which to part the batch
	parted    bool
	ended     bool // by a GO line, at least once

	// Skipped counts the directives that were read over.
	Skipped map[string]int
}

// span is a quoted text or comment while it is read.
type span struct {
	what string
	at   int // in buf, relative to from
}

// NewReader reads src, which is UTF-8 without a byte order mark.
func NewReader(src io.Reader, limits Limits) *Reader {
	return &Reader{src: src, limits: limits, buf: make([]byte, 64<<10), line: 1, lineStart: true, next: limits.Piece, Skipped: map[string]int{}}
}

// Size is how many bytes have been read.
func (r *Reader) Size() int64 { return r.size }

// Line is the line in which what has not been returned yet begins; at the end of
// the text it is the last line.
func (r *Reader) Line() int64 {
	if r.from > 0 && r.from == r.end && r.buf[r.from-1] == '\n' {
		return max(1, r.line-1)
	}
	return r.line
}

// Rest is the text that has been read and not been returned. It begins in Line.
func (r *Reader) Rest() []byte { return r.buf[r.from:r.end] }

// Separated reports whether a GO line has been read.
func (r *Reader) Separated() bool { return r.ended }

// Next returns the next batch; io.EOF after the last. Other errors are a *Fault.
func (r *Reader) Next() (Batch, error) {
	for {
		if r.lineStart {
			r.lineStart = false
			b, done, err := r.command()
			if err != nil || done {
				return b, err
			}
		}
		if r.pos-r.from >= r.next {
			if b, ok := r.part(); ok {
				return b, nil
			}
		}
		if more, err := r.skip(); err != nil {
			return Batch{}, err
		} else if !more {
			return r.last()
		}
	}
}

// skip moves pos past the next byte that means something and what it opens;
// false at the end of the text.
func (r *Reader) skip() (bool, error) {
	for {
		n := bytes.IndexAny(r.buf[r.pos:r.end], "\n'\"[-/")
		if n >= 0 {
			r.pos += n
			break
		}
		r.pos = r.end
		if more, err := r.fill(); !more {
			return false, err
		}
	}
	c := r.buf[r.pos]
	r.pos++
	switch c {
	case '\n':
		r.lineStart = true
	case '\'', '"':
		return true, r.quoted("a quoted text", c)
	case '[':
		return true, r.quoted("a name in brackets", ']')
	case '-':
		return true, r.comment('-', r.lineComment)
	case '/':
		return true, r.comment('*', r.blockComment)
	}
	return true, nil
}

// comment calls read if the byte at pos makes the one before it a comment.
func (r *Reader) comment(second byte, read func() error) error {
	if r.pos == r.end {
		if more, err := r.fill(); !more {
			return err
		}
	}
	if r.buf[r.pos] != second {
		return nil
	}
	r.pos++
	return read()
}

// quoted moves pos past the closing byte. One that is doubled opens again at
// once, which comes to the same.
func (r *Reader) quoted(what string, closing byte) error {
	r.inside = span{what, r.pos - 1 - r.from}
	for {
		if n := bytes.IndexByte(r.buf[r.pos:r.end], closing); n >= 0 {
			r.pos += n + 1
			if closing != ']' || !r.doubled(closing) {
				r.inside = span{}
				return nil
			}
			r.pos++
			continue
		}
		r.pos = r.end
		if more, err := r.fill(); err != nil {
			return err
		} else if !more {
			return r.incomplete()
		}
	}
}

// doubled: [ does not open again behind ]], as a quote would.
func (r *Reader) doubled(c byte) bool {
	if r.pos == r.end {
		_, _ = r.fill() // an error comes again
	}
	return r.pos < r.end && r.buf[r.pos] == c
}

// lineComment leaves pos at the end of the line.
func (r *Reader) lineComment() error {
	for {
		if n := bytes.IndexByte(r.buf[r.pos:r.end], '\n'); n >= 0 {
			r.pos += n
			return nil
		}
		r.pos = r.end
		if more, err := r.fill(); !more {
			return err
		}
	}
}

func (r *Reader) blockComment() error {
	r.inside = span{"a comment", r.pos - 2 - r.from}
	for depth := 1; depth > 0; {
		n := bytes.IndexAny(r.buf[r.pos:r.end], "*/")
		if n >= 0 && r.pos+n+1 < r.end {
			r.pos += n
			switch string(r.buf[r.pos : r.pos+2]) {
			case "*/":
				depth--
				r.pos += 2
			case "/*":
				depth++
				r.pos += 2
			default:
				r.pos++
			}
			continue
		}
		if n >= 0 {
			r.pos += n // the mark waits for its second byte
		} else {
			r.pos = r.end
		}
		if more, err := r.fill(); err != nil {
			return err
		} else if !more {
			return r.incomplete()
		}
	}
	r.inside = span{}
	return nil
}

func (r *Reader) incomplete() error {
	return &Fault{Problem: Incomplete, Line: r.lineAt(r.end), Err: io.ErrUnexpectedEOF,
		Text: fmt.Sprintf("the text ends inside %s that begins in line %d", r.inside.what, r.lineAt(r.from+r.inside.at))}
}

// lineAt is the line of an offset in buf.
func (r *Reader) lineAt(offset int) int64 {
	n := line(r.buf[r.from:r.end], offset-r.from)
	if offset == r.end && offset > r.from && r.buf[offset-1] == '\n' {
		n--
	}
	return r.line + n
}

// command looks for GO and for directives at the start of a line.
func (r *Reader) command() (_ Batch, done bool, err error) {
	text, err := r.peekLine()
	if err != nil {
		return Batch{}, false, err
	}
	trimmed := bytes.TrimLeft(text, " \t")
	if len(trimmed) == 0 {
		return Batch{}, false, nil
	}
	switch trimmed[0] {
	case 'g', 'G':
		count, is, err := goLine(trimmed)
		if err != nil {
			return Batch{}, false, &Fault{Problem: BadGo, Line: r.lineAt(r.pos), Text: err.Error()}
		}
		if !is {
			return Batch{}, false, nil
		}
		b, err := r.finish(count, len(text))
		return b, true, err
	case ':', '!':
		return Batch{}, false, r.directive(trimmed, len(text))
	}
	return Batch{}, false, nil
}

// longestCommand is how much of a line is looked at for a command.
const longestCommand = 1 << 10

// peekLine is the line at pos with its end, or the beginning of a long one. Lines
// that cannot be a command are not read to their end.
func (r *Reader) peekLine() ([]byte, error) {
	for {
		b := r.buf[r.pos:r.end]
		if n := bytes.IndexByte(b, '\n'); n >= 0 {
			return b[:n+1], nil
		}
		if t := bytes.TrimLeft(b, " \t"); len(b) > longestCommand || len(t) > 0 && bytes.IndexByte([]byte("gG:!"), t[0]) < 0 {
			return b, nil
		}
		if more, err := r.fill(); err != nil {
			return nil, err
		} else if !more {
			return r.buf[r.pos:r.end], nil
		}
	}
}

// goLine reads a line that may be GO, GO 5, GO -- and so on. An error means that
// it is meant to be one and is not.
func goLine(b []byte) (count int, is bool, err error) {
	if len(b) < 2 || !bytes.EqualFold(b[:2], []byte("GO")) {
		return 0, false, nil
	}
	if len(b) > 2 && bytes.IndexByte([]byte(" \t\r\n-;"), b[2]) < 0 {
		return 0, false, nil
	}
	rest := string(b[2:])
	if i := strings.Index(rest, "--"); i >= 0 {
		rest = rest[:i]
	}
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return 1, true, nil
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 1 {
		return 0, true, fmt.Errorf("only a count from 1 and a comment with -- may follow GO in its line, not %q", shorten(rest))
	}
	return n, true, nil
}

func shorten(s string) string {
	if len(s) > 30 {
		s = s[:30]
	}
	return strings.ToValidUTF8(s, "?")
}

// directives are the commands of sqlcmd. Those with true change nothing here.
var directives = map[string]bool{
	"on error": true, "perftrace": false, "connect": false, "ed": false, "error": false, "exit": false, "help": false, "list": false,
	"listvar": false, "out": false, "quit": false, "r": false, "reset": false, "serverlist": false, "setvar": false, "xml": false,
}

// directive reads over a command of sqlcmd that does no harm, and refuses others.
func (r *Reader) directive(b []byte, length int) error {
	text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(b), ":")))
	name := text
	if i := strings.IndexAny(text, " \t"); i > 0 {
		name = text[:i]
	}
	switch {
	case strings.HasPrefix(text, "!!"):
		return r.refused("!!")
	case b[0] != ':':
		return nil
	case name == "on" && strings.HasPrefix(strings.Join(strings.Fields(text), " "), "on error"):
		name = "on error"
	}
	harmless, known := directives[name]
	switch {
	case !known:
		return nil
	case !harmless:
		return r.refused(":" + name)
	}
	r.Skipped[":"+name]++
	for i := range r.buf[r.pos : r.pos+length] {
		if c := &r.buf[r.pos+i]; *c != '\n' {
			*c = ' '
		}
	}
	return nil
}

func (r *Reader) refused(name string) error {
	what := "run sqlcmd's command " + name + " by hand and take the line out"
	switch name {
	case ":setvar":
		what = "put the values where $(name) stands and take the line out"
	case ":r":
		what = "put the file's text here"
	case ":connect":
		what = "take the line out: the script is run in a throw-away database"
	case "!!":
		what = "take the line out: no command of the operating system is run"
	}
	return &Fault{Problem: Directive, Line: r.lineAt(r.pos), Text: fmt.Sprintf("%s is a command to sqlcmd, which is not followed here: %s", name, what)}
}

// finish returns the batch in front of a GO line of a length.
func (r *Reader) finish(count, length int) (Batch, error) {
	if count > 1 && r.parted {
		return Batch{}, &Fault{Problem: TooLarge, Line: r.lineAt(r.pos), Text: "the batch is too large to be run more than once: write it out, with GO after some hundred statements"}
	}
	text := r.buf[r.from:r.pos]
	b := Batch{Text: text, Script: Parse(text), Line: r.line, Count: count, Ended: true}
	r.pos += length
	r.advance(r.pos)
	r.lineStart, r.parted, r.ended, r.next = true, false, true, r.limits.Piece
	return b, nil
}

// last returns what follows the last GO line.
func (r *Reader) last() (Batch, error) {
	text := r.buf[r.from:r.end]
	b := Batch{Text: text, Script: Parse(text), Line: r.line, Count: 1}
	r.advance(r.end)
	if len(b.Script.Units) == 0 {
		return Batch{}, io.EOF
	}
	return b, nil
}

// part returns the beginning of a large batch if it can be parted.
func (r *Reader) part() (Batch, bool) {
	text := r.buf[r.from:r.pos]
	s := Parse(text)
	n := s.cut()
	if n == 0 {
		r.next *= 2
		return Batch{}, false
	}
	s.Units, s.Open = s.Units[:len(s.Units)-1], ""
	b := Batch{Text: text[:n], Script: s, Line: r.line, Count: 1, Part: true}
	r.advance(r.from + n)
	r.parted, r.next = true, r.limits.Piece
	return b, true
}

// advance lets the next batch begin at an offset in buf.
func (r *Reader) advance(to int) {
	r.line += line(r.buf[r.from:r.end], to-r.from)
	r.from = to
}

// fill reads more bytes behind end; false when there are none. It may move what
// is in buf, so that only offsets relative to from and pos stay right.
func (r *Reader) fill() (bool, error) {
	if r.err != nil {
		if r.err != io.EOF {
			return false, &Fault{Problem: Unreadable, Line: r.lineAt(r.end), Text: r.err.Error(), Err: r.err}
		}
		return false, nil
	}
	if r.end == len(r.buf) {
		if err := r.makeRoom(); err != nil {
			return false, err
		}
	}
	for range 100 { // as bufio does with readers that return nothing
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.size += int64(n)
		r.err = err
		if n > 0 {
			return true, nil
		}
		if err != nil {
			return r.fill()
		}
	}
	r.err = io.ErrNoProgress
	return r.fill()
}

func (r *Reader) makeRoom() error {
	used := r.end - r.from
	buf := r.buf
	if used > len(r.buf)/2 {
		if len(r.buf) >= 2*r.limits.Batch || used > r.limits.Batch {
			return r.tooLarge()
		}
		buf = make([]byte, min(2*len(r.buf), 2*r.limits.Batch))
	}
	copy(buf, r.buf[r.from:r.end])
	r.buf = buf
	r.pos -= r.from
	r.from, r.end = 0, used
	return nil
}

func (r *Reader) tooLarge() error {
	text := fmt.Sprintf("the batch that begins in line %d has more than %d MiB", r.line, r.limits.Batch>>20)
	if r.inside.what != "" {
		text += fmt.Sprintf(", inside %s that begins in line %d", r.inside.what, r.lineAt(r.from+r.inside.at))
	}
	return &Fault{Problem: TooLarge, Line: r.lineAt(r.pos), Text: text + ": write GO between its statements"}
}
