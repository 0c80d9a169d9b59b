package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Match says which releases a database looks like.
type Match struct {
	// Releases are those that fit best, in the order of Releases. They can be
	// several, because many releases change nothing here. None: there is no token
	// table.
	Releases []string
	// Differences are what the database has differently in columns and keys from
	// the last of Releases, in words, for tables that are in both. Other indexes
	// than the release's, more tables and absent tables are no differences here.
	Differences []string
}

// Confident reports whether the tables found are exactly as in the releases.
func (m Match) Confident() bool { return len(m.Releases) > 0 && len(m.Differences) == 0 }

// String is as "apim-4.2…4.6", "apim-3.2, apim-4.0" or "unknown". Neighbours of
// one product are joined if there are more than two.
func (m Match) String() string {
	if len(m.Releases) == 0 {
		return "unknown"
	}
	var parts []string
	for start := 0; start < len(m.Releases); {
		end := runEnd(m.Releases, start)
		if end-start < 2 {
			end = start
			parts = append(parts, m.Releases[start])
		} else {
			_, version, _ := strings.Cut(m.Releases[end], "-")
			parts = append(parts, m.Releases[start]+"…"+version)
		}
		start = end + 1
	}
	return strings.Join(parts, ", ")
}

// runEnd is the last index up to which the names are neighbours, in Releases,
// and of one family.
func runEnd(names []string, start int) int {
	all := Releases()
	at := slices.Index(all, names[start])
	end := start
	for end+1 < len(names) && at+end+1-start < len(all) && names[end+1] == all[at+end+1-start] && family(names[end+1]) == family(names[start]) {
		end++
	}
	return end
}

// family is "apim" or "is".
func family(release string) string {
	name, _, _ := strings.Cut(release, "-")
	return name
}

// Guess compares a database with every release on every product. The columns
// and keys of the product's tables decide, then which tables there are, then the
// other indexes, which customers like to change. Tables that no release has do
// not count.
func Guess(found *Database) Match {
	if _, ok := found.Table(AccessToken); !ok {
		return Match{}
	}
	m, best := guessOn(MySQL, found)
	if other, l := guessOn(SQLServer, found); l.compare(best) < 0 {
		return other
	}
	return m
}

func guessOn(p Product, found *Database) (m Match, best likeness) {
	for _, name := range Releases() {
		release, err := Release(name, p)
		if err != nil {
			panic(err) // Releases lists nothing else
		}
		l := likenessOf(found, release)
		switch c := l.compare(best); {
		case len(m.Releases) == 0 || c < 0:
			best, m = l, Match{Releases: []string{name}, Differences: l.differences}
		case c == 0:
			m.Releases, m.Differences = append(m.Releases, name), l.differences
		}
	}
	return m, best
}

// likeness says how a database differs from a release, the weightiest first.
type likeness struct {
	differences     []string // of columns and keys
	tables, indexes int
}

func (l likeness) compare(other likeness) int {
	return slices.Compare([]int{len(l.differences), l.tables, l.indexes}, []int{len(other.differences), other.tables, other.indexes})
}

func likenessOf(found, release *Database) likeness {
	var l likeness
	for i := range release.Tables {
		want := &release.Tables[i]
		have, ok := found.Table(want.Name)
		if !ok {
			l.tables++
			continue
		}
		l.columns(have, want)
		l.keys(have, want)
	}
	for _, name := range laterTables() {
		_, has := found.Table(name)
		if _, known := release.Table(name); has && !known {
			l.tables++
		}
	}
	return l
}

// laterTables are those that only some releases have.
func laterTables() []string {
	return []string{TokenBinding, AuthzCodeScope, CIBACode, CIBAScope, DeviceFlow, DeviceScope, TokenAttributes, DPoPThumbprint}
}

func (l *likeness) differ(format string, args ...any) {
	l.differences = append(l.differences, fmt.Sprintf(format, args...))
}

func (l *likeness) columns(have, want *Table) {
	for _, w := range want.Columns {
		h, ok := have.Column(w.Name)
		switch {
		case !ok:
			l.differ("%s has no column %s", have.Name, w.Name)
		case h.Length != w.Length:
			l.differ("%s.%s holds %d characters instead of %d", have.Name, w.Name, h.Length, w.Length)
		case h.Collation != "" && h.Collation != w.expectedCollation(have):
			l.differ("%s.%s has collation %s instead of %s", have.Name, w.Name, h.Collation, w.expectedCollation(have))
		}
	}
	for _, h := range have.Columns {
		if !want.Has(h.Name) {
			l.differ("%s has one more column, %s", have.Name, h.Name)
		}
	}
}

// expectedCollation is that of a release's column in a table found.
func (c Column) expectedCollation(found *Table) string {
	if c.Collation != "" {
		return c.Collation
	}
	return found.Collation
}

func (l *likeness) keys(have, want *Table) {
	if !sameNames(have.PrimaryKey, want.PrimaryKey) {
		l.differ("%s has the primary key (%s) instead of (%s)",
			have.Name, strings.Join(have.PrimaryKey, ", "), strings.Join(want.PrimaryKey, ", "))
	}
	for _, w := range want.Indexes {
		if slices.ContainsFunc(have.Indexes, w.sameWork) {
			continue
		}
		if w.Unique {
			l.differ("%s has no unique key over (%s)", have.Name, strings.Join(w.Columns, ", "))
		} else {
			l.indexes++
		}
	}
	for _, h := range have.Indexes {
		if !slices.ContainsFunc(want.Indexes, h.sameWork) {
			l.indexes++
		}
	}
}
