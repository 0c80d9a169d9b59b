package tsql

// Kind is a kind of [Token].
type Kind uint8

// Kinds of tokens.
const (
	Word  = Kind(wordToken)   // a keyword, name, @variable or #table
	Ident = Kind(nameToken)   // [quoted] or "quoted"
	Text  = Kind(textToken)   // 'quoted' or N'quoted'
	Digit = Kind(numberToken) // begins with a digit
	Punct = Kind(punctToken)  // one byte
)

// Token is a piece of a batch.
type Token struct {
	Span
	Kind Kind
	// Text is the token as it stands; of a name or text what it means, without quotes.
	Text string
}

// Tokens are the tokens of a batch. Comments are none.
func Tokens(batch []byte) []Token {
	l := &lexer{b: batch}
	var all []Token
	for t := l.next(); t.kind != endToken; t = l.next() {
		all = append(all, Token{Span: t.Span, Kind: Kind(t.kind), Text: l.unquoted(t)})
	}
	return all
}
