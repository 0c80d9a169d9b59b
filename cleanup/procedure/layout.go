package procedure

import "strings"

// breaksBefore are the words in front of which a line is broken.
var breaksBefore = []string{"FROM", "WHERE", "ORDER BY", "OUTPUT", "INTO", "STRAIGHT_JOIN", "JOIN", "AND", "OR", "THEN CASE", "FOR UPDATE", "LIMIT", "OFFSET"}

// lineWidth is where long lists are broken.
const lineWidth = 120

// lay breaks a statement into lines for readers, indented by so many blanks and
// more in brackets. It changes no more than blanks between words.
func lay(indent int, sql string) string {
	var b strings.Builder
	l := layout{out: &b, indent: indent, column: indent}
	for i := 0; i < len(sql); {
		n := quotedLength(sql[i:])
		switch {
		case n > 0:
			l.write(sql[i : i+n])
		case l.breakAt(sql[i:]):
			l.newLine()
			n = 1
		default:
			l.write(sql[i : i+1])
			l.follow(sql[i:])
			n = 1
		}
		i += n
	}
	return b.String()
}

type layout struct {
	out            *strings.Builder
	indent, column int
	depth          int
	last           byte
	conditions     []int // depths of a CASE WHEN whose THEN is to come
}

func (l *layout) write(text string) {
	l.out.WriteString(text)
	l.column += len(text)
	l.last = text[len(text)-1]
}

func (l *layout) newLine() {
	l.column = l.indent + 2*(l.depth+1)
	l.out.WriteString("\n" + strings.Repeat(" ", l.column))
}

// follow keeps track of brackets and of the conditions of a CASE, which stay on a line.
func (l *layout) follow(rest string) {
	switch {
	case rest[0] == '(':
		l.depth++
	case rest[0] == ')':
		l.depth--
	case strings.HasPrefix(rest, " WHEN "):
		l.conditions = append(l.conditions, l.depth)
	case strings.HasPrefix(rest, " THEN ") && len(l.conditions) > 0:
		l.conditions = l.conditions[:len(l.conditions)-1]
	}
}

func (l *layout) breakAt(rest string) bool {
	if rest[0] != ' ' {
		return false
	}
	if l.column > lineWidth && (l.last == ',' || strings.HasPrefix(rest, " > ")) {
		return true
	}
	for _, word := range breaksBefore {
		if !strings.HasPrefix(rest[1:], word+" ") {
			continue
		}
		if word == "THEN CASE" {
			l.follow(rest)
		}
		inCase := len(l.conditions) > 0 && l.conditions[len(l.conditions)-1] == l.depth
		return word != "AND" && word != "OR" || !inCase
	}
	return false
}

// quotedLength is the length of the literal or quoted name at the start of a text, 0
// if there is none.
func quotedLength(text string) int {
	closing, ok := map[byte]byte{'\'': '\'', '`': '`', '[': ']', '"': '"'}[text[0]]
	if !ok {
		return 0
	}
	for i := 1; i < len(text); i++ {
		if text[i] != closing {
			continue
		}
		if i+1 < len(text) && text[i+1] == closing {
			i++
			continue
		}
		return i + 1
	}
	return len(text)
}
