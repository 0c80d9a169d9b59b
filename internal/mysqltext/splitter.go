package mysqltext

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Statement is one statement of a text.
type Statement struct {
	// Text is without the delimiter and without comments before it. It is
	// valid until the next one is read.
	Text []byte
	// Line is the line of its first byte, from 1.
	Line int64
	// Size is len(Text), or more where Text holds only the beginning of a
	// statement that is larger than the splitter keeps.
	Size int64
}

// Problem says what is wrong with a text.
type Problem int

const (
	// Unreadable: the source failed.
	Unreadable Problem = iota
	// Incomplete: the text ends inside of a statement, a quoted text or a comment.
	Incomplete
	// BadDelimiter: DELIMITER stands alone in its line.
	BadDelimiter
)

// Fault is what keeps a text from being split.
type Fault struct {
	Problem Problem
	// Line is where the text ends, or where the delimiter is missing; of an
	// unreadable one the last line that has an end.
	Line int64
	// Inside says what an incomplete text ends in: [InText], "a quoted text", "a
	// comment", "a DELIMITER line". Begins is the line of the statement, Rest what
	// was read of it.
	Inside string
	Begins int64
	Rest   []byte
	Err    error // of the source; io.ErrUnexpectedEOF of an incomplete text
}

// InText says that a text ends in a statement, outside of its quotes and comments.
const InText = "the text"

func (f *Fault) Error() string {
	switch f.Problem {
	case Unreadable:
		return f.Err.Error()
	case BadDelimiter:
		return "DELIMITER without a delimiter"
	}
	return fmt.Sprintf("the text ends inside %s that begins in line %d", f.Inside, f.Begins)
}

func (f *Fault) Unwrap() error { return f.Err }

const (
	bufferStart = 128 << 10
	// keepHead bytes are kept of a statement that is too large to keep.
	keepHead = 64 << 10
)

// Splitter cuts a text into statements as the mysql client does: it knows quotes,
// comments, executable comments and DELIMITER lines, and it reads no further into
// the language.
type Splitter struct {
	// NoBackslash: a backslash in a string is a plain character, as under
	// sql_mode NO_BACKSLASH_ESCAPES. It may be changed between statements.
	NoBackslash bool
	// Remark, if not nil, is told the comment lines and messages between statements.
	Remark func(line int64, text string)
	// Command, if not nil, is shown every line in which a statement begins and says
	// whether it is a command to the client. Then it is not part of a statement, and
	// \g and \G end statements as the delimiter does. It is shown the line as far
	// as the delimiter, which is skipped with it. An error ends the reading.
	Command func(line int64, text string) (taken bool, err error)

	src io.Reader
	err error // of src; bytes read before it are still in buf

	buf  []byte
	from int // where the statement begins, or what is looked at before one
	pos  int // the next byte to look at
	end  int // the end of the bytes in buf

	size    int64 // of all that was read
	line    int64 // of buf[from]
	cutSize int64 // bytes of this statement that were taken out of buf
	cutLine int64 // line ends in them

	delim   string
	special [256]bool // bytes that mean something outside of quotes

	// max is how many bytes of one statement are kept.
	max int
}

// NewSplitter reads src and keeps at most max bytes of one statement.
func NewSplitter(src io.Reader, max int) *Splitter {
	s := &Splitter{src: src, buf: make([]byte, min(bufferStart, max)), line: 1, max: max}
	s.SetDelimiter(";")
	return s
}

// Size is how many bytes have been read.
func (s *Splitter) Size() int64 { return s.size }

// SetDelimiter does what a DELIMITER line does.
func (s *Splitter) SetDelimiter(d string) {
	s.delim = d
	s.special = [256]bool{}
	for _, c := range []byte("'\"`#-/*\\") {
		s.special[c] = true
	}
	s.special[d[0]] = true
}

// Next returns the next statement; io.EOF after the last. Other errors are a
// *Fault, or come from Command.
func (s *Splitter) Next() (Statement, error) {
	if err := s.between(); err != nil {
		return Statement{}, err
	}
	depth := 0 // of executable comments
	for {
		if !s.skipPlain() {
			return Statement{}, s.cutOff(InText)
		}
		c := s.buf[s.pos]
		switch {
		case depth == 0 && c == s.delim[0] && s.has(s.delim):
			st := s.take()
			s.pos += len(s.delim)
			return st, nil
		case c == '\'' || c == '"' || c == '`':
			if !s.skipQuoted(c) {
				return Statement{}, s.cutOff("a quoted text")
			}
		case c == '\\' && s.Command != nil && (s.has(`\g`) || s.has(`\G`)):
			st := s.take()
			s.pos += 2
			return st, nil
		case c == '/' && s.atExecutable() > 0:
			s.pos += s.atExecutable()
			depth++
		case c == '/' && s.has("/*"):
			if !s.skipPast("*/") {
				return Statement{}, s.cutOff("a comment")
			}
		case c == '*' && depth > 0 && s.has("*/"):
			s.pos += 2
			depth--
		case s.atLineComment():
			s.skipPast("\n")
		default:
			s.pos++
		}
	}
}

// between skips what stands between statements, and leaves pos and from at the
// first byte of the next one.
func (s *Splitter) between() error {
	for {
		s.advance()
		if s.pos == s.end && !s.fill() {
			return s.stop()
		}
		switch c := s.buf[s.pos]; {
		case c <= ' ':
			s.pos++
		case s.has(s.delim):
			s.pos += len(s.delim)
		case s.atLineComment(), s.atMessage():
			line := s.readLine()
			s.note(line)
		case c == '/' && s.has("/*") && (s.atExecutable() == 0 || s.atSandboxMark()):
			if !s.skipPast("*/") {
				return s.cutOff("a comment")
			}
			s.note(string(s.buf[s.from:s.pos]))
		case (c == 'D' || c == 'd') && s.atDelimiter():
			fields := strings.Fields(s.readLine())
			if len(fields) < 2 && s.pos == s.end {
				return s.cutOff("a DELIMITER line")
			}
			if len(fields) < 2 {
				return &Fault{Problem: BadDelimiter, Line: s.line}
			}
			s.SetDelimiter(fields[1])
		case s.Command != nil:
			if taken, err := s.command(); err != nil || !taken {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *Splitter) note(text string) {
	if s.Remark != nil {
		s.Remark(s.line, text)
	}
}

// command asks whether the line at from is a command to the client.
func (s *Splitter) command() (taken bool, err error) {
	line := s.readLine()
	end := s.pos
	text, _, delimited := strings.Cut(line, s.delim)
	if delimited {
		end = s.from + len(text) + len(s.delim)
	}
	s.pos = s.from
	taken, err = s.Command(s.line, strings.TrimSpace(text))
	if taken {
		s.pos = end
	}
	return taken, err
}

// stop is the error at the end of the text, outside of a statement.
func (s *Splitter) stop() error {
	if s.err == io.EOF {
		return io.EOF
	}
	return &Fault{Problem: Unreadable, Line: s.wholeLine(), Err: s.err}
}

// cutOff is the error at the end of the text, inside of something.
func (s *Splitter) cutOff(inside string) error {
	if s.err != io.EOF {
		return s.stop()
	}
	return &Fault{Problem: Incomplete, Line: s.LastLine(), Inside: inside, Begins: s.line, Rest: s.buf[s.from:s.end], Err: io.ErrUnexpectedEOF}
}

// wholeLine is the number of the last line that has an end, 1 at least.
func (s *Splitter) wholeLine() int64 {
	return max(1, s.line+s.cutLine+int64(bytes.Count(s.buf[s.from:s.end], []byte{'\n'}))-1)
}

// LastLine is the number of the last line, with an end or without.
func (s *Splitter) LastLine() int64 {
	if s.end > 0 && s.buf[s.end-1] == '\n' {
		return s.wholeLine()
	}
	return s.line + s.cutLine + int64(bytes.Count(s.buf[s.from:s.end], []byte{'\n'}))
}

func (s *Splitter) take() Statement {
	text := bytes.TrimRight(s.buf[s.from:s.pos], " \t\r\n")
	st := Statement{Text: text, Line: s.line, Size: int64(len(text)) + s.cutSize}
	if s.cutSize > 0 {
		st.Text = text[:min(len(text), s.head())]
	}
	return st
}

// head is how many bytes are kept of a statement that is too large to keep.
func (s *Splitter) head() int { return min(keepHead, s.max/4) }

// advance moves from to pos.
func (s *Splitter) advance() {
	s.line += s.cutLine + int64(bytes.Count(s.buf[s.from:s.pos], []byte{'\n'}))
	s.cutLine, s.cutSize = 0, 0
	s.from = s.pos
}

// skipPlain moves pos to the next special byte; false when there is none.
func (s *Splitter) skipPlain() bool {
	for {
		b := s.buf[s.pos:s.end]
		for i, c := range b {
			if s.special[c] {
				s.pos += i
				return true
			}
		}
		s.pos = s.end
		if !s.fill() {
			return false
		}
	}
}

// skipQuoted moves pos past the quote c at pos and the one that closes it. A
// doubled quote needs no care: it closes and opens again at once.
func (s *Splitter) skipQuoted(c byte) bool {
	s.pos++
	escape := byte('\\')
	if c == '`' || s.NoBackslash {
		escape = c
	}
	for {
		i := indexEither(s.buf[s.pos:s.end], c, escape)
		switch {
		case i < 0:
			s.pos = s.end
		case s.buf[s.pos+i] == c:
			s.pos += i + 1
			return true
		case s.pos+i+1 < s.end:
			s.pos += i + 2
			continue
		default:
			s.pos += i // the escape waits for its second byte
		}
		if !s.fill() {
			return false
		}
	}
}

func indexEither(b []byte, x, y byte) int {
	for i, c := range b {
		if c == x || c == y {
			return i
		}
	}
	return -1
}

// skipPast moves pos behind the next occurrence of mark; to the end, and false,
// when there is none. pos may stand on the two bytes that open a comment.
func (s *Splitter) skipPast(mark string) bool {
	if mark == "*/" {
		s.pos += 2
	}
	for {
		if i := bytes.Index(s.buf[s.pos:s.end], []byte(mark)); i >= 0 {
			s.pos += i + len(mark)
			return true
		}
		s.pos = max(s.pos, s.end-len(mark)+1)
		if !s.fill() {
			s.pos = s.end
			return false
		}
	}
}

// readLine returns the line at from and moves pos behind it.
func (s *Splitter) readLine() string {
	s.skipPast("\n")
	return string(bytes.TrimRight(s.buf[s.from:s.pos], "\r\n"))
}

// has reports whether the text goes on with mark at pos.
func (s *Splitter) has(mark string) bool {
	for s.end-s.pos < len(mark) {
		if !s.fill() {
			return false
		}
	}
	return string(s.buf[s.pos:s.pos+len(mark)]) == mark
}

// atExecutable returns the length of the mark that opens an executable comment.
func (s *Splitter) atExecutable() int {
	switch {
	case s.has("/*!"):
		return 3
	case s.has("/*M!"):
		return 4
	}
	return 0
}

// atSandboxMark: the first line of newer MariaDB dumps is an executable comment
// without a delimiter. It is for the mariadb client and not for the server.
func (s *Splitter) atSandboxMark() bool {
	return s.has(`/*M!999999\-`) || s.has(`/*!999999\-`)
}

// atLineComment: # or two dashes and a blank or control character.
func (s *Splitter) atLineComment() bool {
	switch s.buf[s.pos] {
	case '#':
		return true
	case '-':
		if !s.has("--") {
			return false
		}
		for s.end-s.pos < 3 {
			if !s.fill() {
				return true
			}
		}
		return s.buf[s.pos+2] <= ' '
	}
	return false
}

func (s *Splitter) atDelimiter() bool {
	const word = "DELIMITER"
	for s.end-s.pos < len(word)+1 {
		if !s.fill() {
			return false
		}
	}
	c := s.buf[s.pos+len(word)]
	return bytes.EqualFold(s.buf[s.pos:s.pos+len(word)], []byte(word)) && (c == ' ' || c == '\t')
}

// messages are how lines begin that the dump tools write to standard error,
// which 2>&1 brings into the file.
var messages = []string{"mysqldump: ", "mariadb-dump: ", "Warning: ", "WARNING: ", "In order to ensure a consistent backup"}

func (s *Splitter) atMessage() bool {
	switch s.buf[s.pos] {
	case 'm', 'W', 'I':
		for _, m := range messages {
			if s.has(m) {
				return true
			}
		}
	}
	return false
}

// fill reads more bytes behind end; false when there are none. It may move what
// is in buf, so that offsets relative to from and pos stay right and slices of
// buf do not.
func (s *Splitter) fill() bool {
	if s.err != nil {
		return false
	}
	if s.end == len(s.buf) {
		s.makeRoom()
	}
	for range 100 { // as bufio does with readers that return nothing
		n, err := s.src.Read(s.buf[s.end:])
		s.end += n
		s.size += int64(n)
		s.err = err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	s.err = io.ErrNoProgress
	return false
}

func (s *Splitter) makeRoom() {
	used := s.end - s.from
	switch {
	case used <= len(s.buf)/2, used < s.max && len(s.buf) >= s.max:
		copy(s.buf, s.buf[s.from:s.end])
	case len(s.buf) < s.max:
		larger := make([]byte, min(2*len(s.buf), s.max))
		copy(larger, s.buf[s.from:s.end])
		s.buf = larger
	default:
		s.dropMiddle()
		return
	}
	s.pos -= s.from
	s.from, s.end = 0, used
}

// dropMiddle forgets what has been looked at of a statement that is too large,
// but for its head.
func (s *Splitter) dropMiddle() {
	head := s.from + s.head()
	if s.pos <= head {
		return // nothing has been looked at: fill ends with io.ErrNoProgress
	}
	s.cutLine += int64(bytes.Count(s.buf[head:s.pos], []byte{'\n'}))
	s.cutSize += int64(s.pos - head)
	s.end = head + copy(s.buf[head:], s.buf[s.pos:s.end])
	s.pos = head
}
