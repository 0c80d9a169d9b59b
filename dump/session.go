package dump

import (
	"strings"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
)

// assignment is one item of a SET statement.
type assignment struct {
	// name is in lower case and without its scope; a user variable begins with @.
	name string
	// value is what is assigned: a word or the text of a string in lower case,
	// @name for a user variable, @@name for a session variable, or empty for
	// anything that is more than one token.
	value string
	// global: not, or not only, for this session.
	global bool
}

// parseSet reads a SET statement. other is the name of a form that assigns no
// variable of the session, such as SET PASSWORD, or empty.
func parseSet(b []byte) (assigned []assignment, other string) {
	l := &mysqltext.Lexer{Text: b}
	l.Next()
	if t := l.Peek(); t.IsAny("PASSWORD", "ROLE", "DEFAULT", "RESOURCE", "STATEMENT") {
		return nil, "SET " + strings.ToUpper(string(t.Raw))
	}
	for {
		a, more := parseAssignment(l)
		assigned = append(assigned, a)
		if !more {
			return assigned, ""
		}
	}
}

func parseAssignment(l *mysqltext.Lexer) (a assignment, more bool) {
	t := l.Next()
	switch {
	case t.IsAny("GLOBAL", "PERSIST", "PERSIST_ONLY"):
		a.global = true
		t = l.Next()
	case t.IsAny("SESSION", "LOCAL"):
		t = l.Next()
	}
	switch {
	case t.IsAny("NAMES", "CHARSET"):
		a.name = "character_set_client"
	case t.Is("CHARACTER"):
		l.Next() // SET
		a.name = "character_set_client"
	default:
		var global bool
		a.name, global = variable(t)
		a.global = a.global || global
	}
	l.Take(":")
	l.Take("=")
	depth, n := 0, 0
	for {
		switch t := l.Next(); {
		case t.Kind == mysqltext.End:
			return a, false
		case t.Is(",") && depth == 0:
			return a, true
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		default:
			if n++; n == 1 {
				a.value = value(t)
			} else if a.name != "character_set_client" { // SET NAMES x COLLATE y
				a.value = ""
			}
		}
	}
}

// variable splits the scope off a name.
func variable(t mysqltext.Token) (name string, global bool) {
	name = strings.ToLower(t.Unquoted())
	if !strings.HasPrefix(name, "@@") {
		return name, false
	}
	name = name[2:]
	scope, rest, found := strings.Cut(name, ".")
	switch {
	case !found:
		return name, false
	case scope == "session" || scope == "local":
		return rest, false
	}
	return rest, scope == "global" || strings.HasPrefix(scope, "persist")
}

func value(t mysqltext.Token) string {
	if t.Kind == mysqltext.Word && strings.HasPrefix(string(t.Raw), "@@") {
		name, _ := variable(t)
		return "@@" + name
	}
	return strings.ToLower(t.Unquoted())
}

// variables follows what the dump's SET statements do to the session, as far
// as it decides how the text is to be read.
type variables map[string]string

func (v variables) apply(assigned []assignment) {
	for _, a := range assigned {
		switch {
		case a.global:
		case strings.HasPrefix(a.value, "@@"):
			v[a.name] = v[a.value[2:]]
		case strings.HasPrefix(a.value, "@"):
			v[a.name] = v[a.value]
		default:
			v[a.name] = a.value
		}
	}
}

// charset is the character set of the text.
func (v variables) charset() string {
	if c := v["character_set_client"]; c != "" && c != "default" {
		return c
	}
	return "utf8mb4"
}

func (v variables) isUTF8() bool {
	switch v.charset() {
	case "utf8", "utf8mb3", "utf8mb4":
		return true
	}
	return false
}

func (v variables) noBackslash() bool {
	return strings.Contains(v["sql_mode"], "no_backslash_escapes")
}

// times is what is known of the zone in which a schema's rows are written.
type times struct{ local, unstated bool }

// see notes the zone of one INSERT. A dump that has a header without a zone
// was made with --skip-tz-utc; one without a header does not tell.
func (t *times) see(v variables) {
	if v["time_zone"] == "+00:00" {
		return
	}
	if _, header := v["foreign_key_checks"]; header {
		t.local = true
		return
	}
	t.unstated = true
}

// unreadable are the character sets of clients whose characters may hold the
// byte of a backslash or quote, so that the text cannot be cut without them.
var unreadable = map[string]bool{"big5": true, "cp932": true, "gb18030": true, "gbk": true, "sjis": true}
