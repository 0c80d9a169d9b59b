package script

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tokensweep/tokensweep/schema"
)

// Attribute is a variable that the script gives one value, written out: what its
// authors mean its users to change.
type Attribute struct {
	Name    string // as written, with @ if it has one
	Value   string // as it is run, with quotes
	Line    int64  // of the value
	Routine string // that it belongs to, "" for none
	Set     bool   // by Set
}

// attribute is where an Attribute stands.
type attribute struct {
	Attribute
	statement int
	from, to  int // of the value in the statement's text
	kind      valueKind
	wide      bool // written N'…'
}

// valueKind is what values an attribute takes.
type valueKind int

const (
	plainText valueKind = iota
	wholeNumber
	anyNumber
	truthValue  // TRUE or FALSE, as a word
	truthNumber // the same as 1 or 0
	truthText   // the same as a text
	clockText   // hh:mm:ss
)

var (
	wholeTypes = words("INT INTEGER BIGINT SMALLINT MEDIUMINT TINYINT")
	truthTypes = words("BIT BOOL BOOLEAN")
	clockForm  = regexp.MustCompile(`^\d{1,2}:\d{2}:\d{2}(\.\d{1,7})?$`)
	whole      = regexp.MustCompile(`^-?\d{1,18}$`)
	decimal    = regexp.MustCompile(`^-?\d{1,18}(\.\d{1,18})?$`)
)

// findAttributes chooses the variables that are attributes: the first value is a
// literal that every run assigns, and if another one is ever assigned, that is a
// literal too and behind an IF, as "audit needs the backup". A counter or a flag,
// which a loop or a handler changes, is none.
func (f *File) findAttributes() {
	for _, v := range f.variables {
		if a := f.attributeOf(v); a != nil {
			f.attributes = append(f.attributes, a)
		}
	}
	slices.SortFunc(f.attributes, func(a, b *attribute) int {
		if a.statement != b.statement {
			return a.statement - b.statement
		}
		return a.from - b.from
	})
}

func (f *File) attributeOf(v *variable) *attribute {
	if len(v.set) == 0 || v.set[0].nested || v.set[0].again {
		return nil
	}
	for i, a := range v.set {
		if f.literal(a) == nil || a.again || i > 0 && !a.nested {
			return nil
		}
	}
	first := v.set[0]
	st := &f.statements[first.statement]
	value := f.literal(first)
	last := value[len(value)-1]
	a := &attribute{statement: first.statement, from: value[0].from, to: last.to}
	a.Name, a.Value, a.Line = written(st.text, st.tokens[first.name]), st.text[value[0].from:last.to], st.lineOf(value[0])
	if st.makes != nil {
		a.Routine = st.makes.name
	}
	a.kind = kindOfValue(v.typ, last)
	a.wide = last.kind == text && st.text[last.from] != '\'' && st.text[last.from] != '"'
	return a
}

// literal are the tokens of the value that is assigned if it is written out: a
// number with or without a sign, a text, TRUE or FALSE. nil for anything else.
func (f *File) literal(a assignment) []token {
	if a.to <= a.from {
		return nil
	}
	value := f.statements[a.statement].tokens[a.from:a.to]
	last := value[len(value)-1]
	switch {
	case len(value) == 2 && value[0].is("-", "+") && last.kind == number:
	case len(value) != 1:
		return nil
	case last.kind == number, last.kind == text:
	case f.product == schema.MySQL && last.is("TRUE", "FALSE"):
	default:
		return nil
	}
	return value
}

func kindOfValue(typ string, value token) valueKind {
	switch {
	case value.kind == word:
		return truthValue
	case truthTypes[typ] && value.kind == number:
		return truthNumber
	case truthTypes[typ]:
		return truthText
	case value.kind == number && (wholeTypes[typ] || typ == "" && digits(value.text)):
		return wholeNumber
	case value.kind == number:
		return anyNumber
	case clockForm.MatchString(value.text):
		return clockText
	}
	return plainText
}

// Attributes are the values that Set can change, in the order of the script.
func (f *File) Attributes() []Attribute {
	var all []Attribute
	for _, a := range f.attributes {
		all = append(all, a.Attribute)
	}
	return all
}

// find is the attribute of a name; nil if there is none, or several.
func (f *File) find(name string) *attribute {
	if all := f.matching(name); len(all) == 1 {
		return all[0]
	}
	return nil
}

// matching are the attributes that a name can mean: in any case of letters, with
// or without @, with or without the routine and a dot in front.
func (f *File) matching(name string) []*attribute {
	routine, name, qualified := cutRoutine(name)
	var all []*attribute
	for _, a := range f.attributes {
		if strings.EqualFold(strings.TrimPrefix(a.Name, "@"), name) && (!qualified || strings.EqualFold(a.Routine, routine)) {
			all = append(all, a)
		}
	}
	return all
}

func cutRoutine(s string) (routine, name string, qualified bool) {
	routine, name, qualified = strings.Cut(strings.TrimSpace(s), ".")
	if !qualified {
		name = routine
	}
	return routine, strings.TrimPrefix(name, "@"), qualified
}

// Set changes an attribute in the copy that is run. The name may be in any case of
// letters, with or without @, and routine.name where several routines have it. The
// value must be of the kind that the script has there; a text is given without
// quotes. Errors are *cleanup.Error and change nothing.
func (f *File) Set(name, value string) error {
	return f.problem(f.set(name, value))
}

// Has reports whether Set would find the attribute.
func (f *File) Has(name string) bool { return len(f.matching(name)) > 0 }

func (f *File) set(name, value string) error {
	all := f.matching(name)
	switch {
	case len(all) == 0:
		return refuse(0, f.known(), "the script has no attribute %q", name)
	case len(all) > 1:
		return refuse(0, fmt.Sprintf("say which: %s.%s or %s.%s", all[0].Routine, name, all[1].Routine, name), "several routines have an attribute %s", name)
	}
	a := all[0]
	written, wants := a.write(strings.TrimSpace(value), f.product)
	if wants != "" {
		return refuse(a.Line, "", "%s is %s: it takes %s, not %s", a.Name, a.Value, wants, shorten(value))
	}
	a.Value, a.Set = written, true
	return nil
}

// known lists the attributes for a message.
func (f *File) known() string {
	if len(f.attributes) == 0 {
		return "it has none: no variable of it has a fixed value"
	}
	var all []string
	for _, a := range f.attributes {
		all = append(all, strings.TrimPrefix(a.Name, "@")+"="+a.Value)
	}
	return "it has " + strings.Join(all, ", ")
}

// write is a value as the script has to say it. wants says what is taken instead
// of a value of another kind.
func (a *attribute) write(value string, on schema.Product) (written, wants string) {
	switch a.kind {
	case wholeNumber:
		return value, unless(whole.MatchString(value), "a whole number")
	case anyNumber:
		return value, unless(decimal.MatchString(value), "a number")
	case clockText:
		return "'" + value + "'", unless(clockForm.MatchString(value), "a time as hh:mm:ss or hh:mm:ss.fff")
	case plainText:
		if strings.ContainsFunc(value, unicode.IsControl) || !utf8.ValidString(value) {
			return "", "a text without line ends and the like"
		}
		return a.quote(value, on), ""
	}
	truth, known := map[string]bool{"TRUE": true, "1": true, "FALSE": false, "0": false}[strings.ToUpper(value)]
	if !known {
		return "", "TRUE or FALSE"
	}
	written = strings.ToUpper(strconv.FormatBool(truth))
	switch {
	case a.kind == truthNumber && truth:
		written = "1"
	case a.kind == truthNumber:
		written = "0"
	case a.kind == truthText:
		written = "'" + written + "'"
	}
	return written, ""
}

func unless(good bool, wants string) string {
	if good {
		return ""
	}
	return wants
}

// quote makes a text of a value that cannot end before its quote. A backslash is
// doubled for MySQL, which comes to two of them under NO_BACKSLASH_ESCAPES and
// never to none.
func (a *attribute) quote(value string, on schema.Product) string {
	quoted := "'" + strings.ReplaceAll(value, "'", "''") + "'"
	if on == schema.MySQL {
		return strings.ReplaceAll(quoted, `\`, `\\`)
	}
	if a.wide || strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII }) {
		quoted = "N" + quoted
	}
	return quoted
}

// integer is the value of an attribute, or another one if there is none.
func (f *File) integer(name string, otherwise int64) int64 {
	a := f.find(name)
	if a == nil {
		return otherwise
	}
	n, err := strconv.ParseInt(strings.Trim(a.Value, "'"), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

// truth reports whether an attribute is true.
func (f *File) truth(name string) bool {
	a := f.find(name)
	if a == nil {
		return false
	}
	value := strings.ToUpper(strings.Trim(strings.TrimPrefix(a.Value, "N"), `'"`))
	return value == "TRUE" || value == "1"
}
