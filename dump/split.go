package dump

import (
	"bytes"
	"io"
	"strings"
)

// statement is one statement of a dump.
type statement struct {
	// text is without the delimiter and without comments before it. It is
	// valid until the next one is read.
	text []byte
	// line is the line of its first byte, from 1.
	line int64
	// size is len(text), or more where text holds only the beginning of a
	// statement that is larger than the splitter keeps.
	size int64
}

const (
	bufferStart = 128 << 10
	// keepHead bytes are kept of a statement that is too large to keep.
	keepHead = 64 << 10
)

// splitter cuts the text of a dump into statements as the mysql client does:
// it knows quotes, comments, executable comments and DELIMITER lines, and it
// reads no further into the language.
type splitter struct {
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
	// noBackslash: a backslash in a string is a plain character, as under
	// sql_mode NO_BACKSLASH_ESCAPES.
	noBackslash bool
	// remark is told the comment lines and messages between statements.
	remark func(line int64, text string)
}

func newSplitter(src io.Reader, max int, remark func(line int64, text string)) *splitter {
	s := &splitter{src: src, buf: make([]byte, min(bufferStart, max)), line: 1, max: max, remark: remark}
	s.setDelimiter(";")
	return s
}

func (s *splitter) setDelimiter(d string) {
	s.delim = d
	s.special = [256]bool{}
	for _, c := range []byte("'\"`#-/*") {
		s.special[c] = true
	}
	s.special[d[0]] = true
}

// next returns the next statement; io.EOF after the last.
func (s *splitter) next() (statement, error) {
	if err := s.between(); err != nil {
		return statement{}, err
	}
	depth := 0 // of executable comments
	for {
		if !s.skipPlain() {
			return statement{}, s.cutOff("the text")
		}
		c := s.buf[s.pos]
		switch {
		case depth == 0 && c == s.delim[0] && s.has(s.delim):
			st := s.take()
			s.pos += len(s.delim)
			return st, nil
		case c == '\'' || c == '"' || c == '`':
			if !s.skipQuoted(c) {
				return statement{}, s.cutOff("a quoted text")
			}
		case c == '/' && s.atExecutable() > 0:
			s.pos += s.atExecutable()
			depth++
		case c == '/' && s.has("/*"):
			if !s.skipPast("*/") {
				return statement{}, s.cutOff("a comment")
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
func (s *splitter) between() error {
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
			s.remark(s.line, line)
		case c == '/' && s.has("/*") && (s.atExecutable() == 0 || s.atSandboxMark()):
			if !s.skipPast("*/") {
				return s.cutOff("a comment")
			}
			s.remark(s.line, string(s.buf[s.from:s.pos]))
		case (c == 'D' || c == 'd') && s.atDelimiter():
			fields := strings.Fields(s.readLine())
			if len(fields) < 2 && s.pos == s.end {
				return s.cutOff("a DELIMITER line")
			}
			if len(fields) < 2 {
				return fault(NotADump, s.line, nil, "DELIMITER without a delimiter")
			}
			s.setDelimiter(fields[1])
		default:
			return nil
		}
	}
}

// stop is the error at the end of the text, outside of a statement.
func (s *splitter) stop() error {
	if s.err == io.EOF {
		return io.EOF
	}
	return readFault(s.err, s.wholeLine())
}

// cutOff is the error at the end of the text, inside of something.
func (s *splitter) cutOff(inside string) error {
	if s.err != io.EOF {
		return s.stop()
	}
	what := inside
	if c := parse(s.buf[s.from:s.end]); c.action != unknown {
		what += " of the statement " + c.String()
	}
	return fault(Truncated, s.lastLine(), io.ErrUnexpectedEOF,
		"the dump is cut off here, inside %s that begins in line %d: copy the file or dump again", what, s.line)
}

// wholeLine is the number of the last line that has an end, 1 at least.
func (s *splitter) wholeLine() int64 {
	return max(1, s.line+s.cutLine+int64(bytes.Count(s.buf[s.from:s.end], []byte{'\n'}))-1)
}

// lastLine is the number of the last line, with an end or without.
func (s *splitter) lastLine() int64 {
	if s.end > 0 && s.buf[s.end-1] == '\n' {
		return s.wholeLine()
	}
	return s.line + s.cutLine + int64(bytes.Count(s.buf[s.from:s.end], []byte{'\n'}))
}

func (s *splitter) take() statement {
	text := bytes.TrimRight(s.buf[s.from:s.pos], " \t\r\n")
	st := statement{text: text, line: s.line, size: int64(len(text)) + s.cutSize}
	if s.cutSize > 0 {
		st.text = text[:min(len(text), s.head())]
	}
	return st
}

// head is how many bytes are kept of a statement that is too large to keep.
func (s *splitter) head() int { return min(keepHead, s.max/4) }

// advance moves from to pos.
func (s *splitter) advance() {
	s.line += s.cutLine + int64(bytes.Count(s.buf[s.from:s.pos], []byte{'\n'}))
	s.cutLine, s.cutSize = 0, 0
	s.from = s.pos
}

// skipPlain moves pos to the next special byte; false when there is none.
func (s *splitter) skipPlain() bool {
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
func (s *splitter) skipQuoted(c byte) bool {
	s.pos++
	escape := byte('\\')
	if c == '`' || s.noBackslash {
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
func (s *splitter) skipPast(mark string) bool {
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
func (s *splitter) readLine() string {
	s.skipPast("\n")
	return string(bytes.TrimRight(s.buf[s.from:s.pos], "\r\n"))
}

// has reports whether the text goes on with mark at pos.
func (s *splitter) has(mark string) bool {
	for s.end-s.pos < len(mark) {
		if !s.fill() {
			return false
		}
	}
	return string(s.buf[s.pos:s.pos+len(mark)]) == mark
}

// atExecutable returns the length of the mark that opens an executable comment.
func (s *splitter) atExecutable() int {
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
func (s *splitter) atSandboxMark() bool {
	return s.has(`/*M!999999\-`) || s.has(`/*!999999\-`)
}

// atLineComment: # or two dashes and a blank or control character.
func (s *splitter) atLineComment() bool {
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

func (s *splitter) atDelimiter() bool {
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

func (s *splitter) atMessage() bool {
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
func (s *splitter) fill() bool {
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

func (s *splitter) makeRoom() {
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
func (s *splitter) dropMiddle() {
	head := s.from + s.head()
	if s.pos <= head {
		return // nothing has been looked at: fill ends with io.ErrNoProgress
	}
	s.cutLine += int64(bytes.Count(s.buf[head:s.pos], []byte{'\n'}))
	s.cutSize += int64(s.pos - head)
	s.end = head + copy(s.buf[head:], s.buf[s.pos:s.end])
	s.pos = head
}
