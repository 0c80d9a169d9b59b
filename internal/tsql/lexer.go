package tsql

import "bytes"

type tokenKind uint8

const (
	endToken    tokenKind = iota
	wordToken             // a keyword, name, @variable or #table
	nameToken             // [quoted] or "quoted"
	textToken             // 'quoted' or N'quoted'
	numberToken           // begins with a digit
	punctToken            // one byte
)

// token is a piece of a batch.
type token struct {
	kind tokenKind
	Span
	// keyword is the word in upper case if the parser knows it.
	keyword string
	// open: the text ended before the token did.
	open bool
}

// lexer reads the tokens of one batch and skips comments.
type lexer struct {
	b []byte
	i int
	// open: the text ended inside of a comment.
	open bool
}

func (l *lexer) next() token {
	for l.i < len(l.b) {
		c := l.b[l.i]
		switch {
		case c <= ' ':
			l.i++
		case c == '-' && l.at("--"):
			l.skipLine()
		case c == '/' && l.at("/*"):
			l.skipComment()
		case c == '\'':
			return l.quoted(textToken, l.i, '\'')
		case (c == 'N' || c == 'n') && l.i+1 < len(l.b) && l.b[l.i+1] == '\'':
			from := l.i
			l.i++
			return l.quoted(textToken, from, '\'')
		case c == '"':
			return l.quoted(nameToken, l.i, '"')
		case c == '[':
			return l.quoted(nameToken, l.i, ']')
		case '0' <= c && c <= '9':
			return l.run(numberToken, func(c byte) bool { return isWord(c) || c == '.' })
		case isWord(c):
			return l.run(wordToken, isWord)
		default:
			l.i++
			return token{kind: punctToken, Span: Span{l.i - 1, l.i}}
		}
	}
	return token{kind: endToken, Span: Span{l.i, l.i}}
}

// peek returns the next token without taking it.
func (l *lexer) peek() token {
	ahead := *l
	return ahead.next()
}

func (l *lexer) at(mark string) bool { return bytes.HasPrefix(l.b[l.i:], []byte(mark)) }

func (l *lexer) skipLine() {
	if n := bytes.IndexByte(l.b[l.i:], '\n'); n >= 0 {
		l.i += n + 1
		return
	}
	l.i = len(l.b)
}

// skipComment skips a comment with those inside of it.
func (l *lexer) skipComment() {
	l.i += 2
	for depth := 1; depth > 0; {
		switch {
		case l.i >= len(l.b):
			l.open = true
			return
		case l.at("/*"):
			depth++
			l.i += 2
		case l.at("*/"):
			depth--
			l.i += 2
		default:
			l.i++
		}
	}
}

// quoted reads from the opening quote at l.i to the closing one. A closing
// quote that is doubled stands for itself.
func (l *lexer) quoted(kind tokenKind, from int, closing byte) token {
	i := l.i + 1
	for {
		n := bytes.IndexByte(l.b[i:], closing)
		if n < 0 {
			l.i = len(l.b)
			return token{kind: kind, Span: Span{from, l.i}, open: true}
		}
		i += n + 1
		if i < len(l.b) && l.b[i] == closing {
			i++
			continue
		}
		l.i = i
		return token{kind: kind, Span: Span{from, i}}
	}
}

func (l *lexer) run(kind tokenKind, is func(byte) bool) token {
	from := l.i
	for l.i < len(l.b) && is(l.b[l.i]) {
		l.i++
	}
	t := token{kind: kind, Span: Span{from, l.i}}
	if kind == wordToken {
		t.keyword = keyword(l.b[from:l.i])
	}
	return t
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '@' || c == '#' || c == '$' || c >= 0x80
}

// is reports whether the token is this byte.
func (l *lexer) is(t token, punct byte) bool {
	return t.kind == punctToken && l.b[t.From] == punct
}

// unquoted is a name or text without its quotes; other tokens are as they stand.
func (l *lexer) unquoted(t token) string {
	raw := l.b[t.From:t.To]
	if t.kind != nameToken && t.kind != textToken {
		return string(raw)
	}
	if raw[0] == 'N' || raw[0] == 'n' {
		raw = raw[1:]
	}
	closing := raw[0]
	if closing == '[' {
		closing = ']'
	}
	if raw = raw[1:]; !t.open {
		raw = bytes.TrimSuffix(raw, []byte{closing}) // not there in a name that the text ends in
	}
	return string(bytes.ReplaceAll(raw, []byte{closing, closing}, []byte{closing}))
}

// isIdentifier: the token can be a part of a name. A reserved keyword only can
// when a dot follows.
func (l *lexer) isIdentifier(t token) bool {
	switch t.kind {
	case nameToken:
		return true
	case wordToken:
		return l.b[t.From] != '@' && (t.keyword == "" || unreserved[t.keyword] || t.To < len(l.b) && l.b[t.To] == '.')
	}
	return false
}
