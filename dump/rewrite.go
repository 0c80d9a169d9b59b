package dump

import (
	"slices"
	"strings"
)

// edit replaces a piece of a statement.
type edit struct {
	span
	by string
}

// rewrite makes a statement fit another schema on another server, without a
// change to where its lines end.
func rewrite(it item, schema string) (text string, definer bool) {
	var edits []edit
	if it.definer.to > it.definer.from {
		edits = append(edits, edit{it.definer, "CURRENT_USER"})
		definer = true
	}
	for _, q := range it.qualifiers {
		edits = append(edits, edit{q, ""})
	}
	if it.kind == "ALTER DATABASE" && !slices.Contains(defaultClauses, strings.ToUpper(it.object)) {
		edits = append(edits, edit{it.named, quoteName(schema)})
	}
	if edits == nil {
		return string(it.text), false
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	at := 0
	for _, e := range edits {
		b.Write(it.text[at:e.from])
		b.WriteString(e.by)
		at = e.to
	}
	b.Write(it.text[at:])
	return b.String(), definer
}

// defaultClauses are what may follow ALTER DATABASE instead of a name.
var defaultClauses = []string{"DEFAULT", "CHARACTER", "CHARSET", "COLLATE"}

func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
