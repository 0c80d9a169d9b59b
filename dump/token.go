package dump

import "bytes"

type tokenKind int

const (
	endToken   tokenKind = iota
	wordToken            // a keyword, name, number or @variable
	nameToken            // `quoted`
	textToken            // 'quoted' or "quoted"
	punctToken           // one byte
)

// token is a piece of a statement, raw[from:to] of its text with quotes.
type token struct {
	kind     tokenKind
	raw      []byte
	from, to int
}

// is reports whether the token is the word or the byte, in any case of letters.
func (t token) is(s string) bool {
	return (t.kind == wordToken || t.kind == punctToken) && len(t.raw) == len(s) && bytes.EqualFold(t.raw, []byte(s))
}

func (t token) isAny(words ...string) bool {
	for _, w := range words {
		if t.is(w) {
			return true
		}
	}
	return false
}

// unquoted is the token without its quotes; escapes other than doubled quotes
// are left as they are.
func (t token) unquoted() string {
	if t.kind != nameToken && t.kind != textToken || len(t.raw) < 2 {
		return string(t.raw)
	}
	q := t.raw[:1]
	return string(bytes.ReplaceAll(t.raw[1:len(t.raw)-1], append(q[:1:1], q[0]), q))
}

// lexer reads the tokens of one statement. What an executable comment holds
// counts as if it stood there plainly; other comments are skipped.
type lexer struct {
	b           []byte
	i           int
	noBackslash bool
}

func (l *lexer) next() token {
	for l.i < len(l.b) {
		c := l.b[l.i]
		switch {
		case c <= ' ':
			l.i++
		case c == '/' && l.at("/*!"):
			l.skipVersion(3)
		case c == '/' && l.at("/*M!"):
			l.skipVersion(4)
		case c == '/' && l.at("/*"):
			l.skipTo("*/", 2)
		case c == '*' && l.at("*/"): // ends an executable comment
			l.i += 2
		case c == '#', c == '-' && l.at("--") && (l.i+2 == len(l.b) || l.b[l.i+2] <= ' '):
			l.skipTo("\n", 1)
		case c == '\'' || c == '"' || c == '`':
			return l.quoted(c)
		case isWord(c) || c == '@':
			return l.word()
		default:
			return l.cut(punctToken, l.i+1)
		}
	}
	return token{kind: endToken, from: l.i, to: l.i}
}

// peek returns the next token without taking it.
func (l *lexer) peek() token {
	i := l.i
	t := l.next()
	l.i = i
	return t
}

// take takes the next token if it is one of the words.
func (l *lexer) take(words ...string) bool {
	i := l.i
	if l.next().isAny(words...) {
		return true
	}
	l.i = i
	return false
}

func (l *lexer) at(mark string) bool { return bytes.HasPrefix(l.b[l.i:], []byte(mark)) }

func (l *lexer) cut(kind tokenKind, to int) token {
	t := token{kind: kind, raw: l.b[l.i:to], from: l.i, to: to}
	l.i = to
	return t
}

// skipTo skips what is behind the next mark, which may begin after opening bytes.
func (l *lexer) skipTo(mark string, opening int) {
	from := min(l.i+opening, len(l.b))
	if i := bytes.Index(l.b[from:], []byte(mark)); i >= 0 {
		l.i = from + i + len(mark)
		return
	}
	l.i = len(l.b)
}

func (l *lexer) skipVersion(mark int) {
	for l.i += mark; l.i < len(l.b) && '0' <= l.b[l.i] && l.b[l.i] <= '9'; {
		l.i++
	}
}

func (l *lexer) quoted(c byte) token {
	kind, escape := textToken, byte('\\')
	if c == '`' {
		kind = nameToken
	}
	if c == '`' || l.noBackslash {
		escape = c
	}
	for i := l.i + 1; i < len(l.b); i++ {
		n := indexEither(l.b[i:], c, escape)
		if n < 0 {
			break
		}
		i += n
		switch {
		case l.b[i] != c: // an escape
			i++
		case i+1 < len(l.b) && l.b[i+1] == c: // a doubled quote
			i++
		default:
			return l.cut(kind, i+1)
		}
	}
	return l.cut(kind, len(l.b))
}

func (l *lexer) word() token {
	i, dots := l.i, l.b[l.i] == '@' // @@session.x is one word
	for i < len(l.b) && (isWord(l.b[i]) || l.b[i] == '@' || dots && l.b[i] == '.') {
		i++
	}
	return l.cut(wordToken, i)
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= 0x80
}
