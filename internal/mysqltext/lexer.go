package mysqltext

import "bytes"

// Kind is a kind of [Token].
type Kind int

// Kinds of tokens.
const (
	End   Kind = iota
	Word       // a keyword, name, number or @variable
	Name       // `quoted`
	Text       // 'quoted' or "quoted"
	Punct      // one byte
)

// Token is a piece of a statement: Raw is its text with quotes, [From:To] of that
// of the statement.
type Token struct {
	Kind     Kind
	Raw      []byte
	From, To int
}

// Is reports whether the token is the word or the byte, in any case of letters.
func (t Token) Is(s string) bool {
	return (t.Kind == Word || t.Kind == Punct) && len(t.Raw) == len(s) && bytes.EqualFold(t.Raw, []byte(s))
}

// IsAny reports whether the token is one of the words, see Is.
func (t Token) IsAny(words ...string) bool {
	for _, w := range words {
		if t.Is(w) {
			return true
		}
	}
	return false
}

// Unquoted is the token without its quotes; escapes other than doubled quotes
// are left as they are.
func (t Token) Unquoted() string {
	if t.Kind != Name && t.Kind != Text || len(t.Raw) < 2 {
		return string(t.Raw)
	}
	q := t.Raw[:1]
	return string(bytes.ReplaceAll(t.Raw[1:len(t.Raw)-1], append(q[:1:1], q[0]), q))
}

// Lexer reads the tokens of one statement. What an executable comment holds
// counts as if it stood there plainly; other comments are skipped.
type Lexer struct {
	Text []byte
	At   int // where the next token, or the blanks before it, begins
	// NoBackslash is as in a [Splitter].
	NoBackslash bool
}

// Next takes the next token; its Kind is End after the last.
func (l *Lexer) Next() Token {
	for l.At < len(l.Text) {
		c := l.Text[l.At]
		switch {
		case c <= ' ':
			l.At++
		case c == '/' && l.at("/*!"):
			l.skipVersion(3)
		case c == '/' && l.at("/*M!"):
			l.skipVersion(4)
		case c == '/' && l.at("/*"):
			l.skipTo("*/", 2)
		case c == '*' && l.at("*/"): // ends an executable comment
			l.At += 2
		case c == '#', c == '-' && l.at("--") && (l.At+2 == len(l.Text) || l.Text[l.At+2] <= ' '):
			l.skipTo("\n", 1)
		case c == '\'' || c == '"' || c == '`':
			return l.quoted(c)
		case IsWord(c) || c == '@':
			return l.word()
		default:
			return l.cut(Punct, l.At+1)
		}
	}
	return Token{Kind: End, From: l.At, To: l.At}
}

// Peek returns the next token without taking it.
func (l *Lexer) Peek() Token {
	i := l.At
	t := l.Next()
	l.At = i
	return t
}

// Take takes the next token if it is one of the words.
func (l *Lexer) Take(words ...string) bool {
	i := l.At
	if l.Next().IsAny(words...) {
		return true
	}
	l.At = i
	return false
}

func (l *Lexer) at(mark string) bool { return bytes.HasPrefix(l.Text[l.At:], []byte(mark)) }

func (l *Lexer) cut(kind Kind, to int) Token {
	t := Token{Kind: kind, Raw: l.Text[l.At:to], From: l.At, To: to}
	l.At = to
	return t
}

// skipTo skips what is behind the next mark, which may begin after opening bytes.
func (l *Lexer) skipTo(mark string, opening int) {
	from := min(l.At+opening, len(l.Text))
	if i := bytes.Index(l.Text[from:], []byte(mark)); i >= 0 {
		l.At = from + i + len(mark)
		return
	}
	l.At = len(l.Text)
}

func (l *Lexer) skipVersion(mark int) {
	for l.At += mark; l.At < len(l.Text) && '0' <= l.Text[l.At] && l.Text[l.At] <= '9'; {
		l.At++
	}
}

func (l *Lexer) quoted(c byte) Token {
	kind, escape := Text, byte('\\')
	if c == '`' {
		kind = Name
	}
	if c == '`' || l.NoBackslash {
		escape = c
	}
	for i := l.At + 1; i < len(l.Text); i++ {
		n := indexEither(l.Text[i:], c, escape)
		if n < 0 {
			break
		}
		i += n
		switch {
		case l.Text[i] != c: // an escape
			i++
		case i+1 < len(l.Text) && l.Text[i+1] == c: // a doubled quote
			i++
		default:
			return l.cut(kind, i+1)
		}
	}
	return l.cut(kind, len(l.Text))
}

func (l *Lexer) word() Token {
	i, dots := l.At, l.Text[l.At] == '@' // @@session.x is one word
	for i < len(l.Text) && (IsWord(l.Text[i]) || l.Text[i] == '@' || dots && l.Text[i] == '.') {
		i++
	}
	return l.cut(Word, i)
}

// IsWord reports whether a byte can be part of a word.
func IsWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= 0x80
}
