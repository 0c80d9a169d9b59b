package seed

import (
	"crypto/md5" //nolint:gosec // the product's own scope hash, no secret
	"encoding/hex"
	"slices"
	"strings"

	"github.com/brianvoe/gofakeit/v6"
)

// words are the dictionaries that rows pick from. They are the only use of
// gofakeit, whose lists may change between versions: the golden test notices.
type words struct {
	people []string // "first.last"
	apps   []string
	scopes []string // ascending, at most 40 characters
	sets   []scopeSet
}

// scopeSet is what one token may do.
type scopeSet struct {
	names []string // ascending, as the primary key of the scope table wants them
	hash  string   // 32 hex digits
}

const (
	people     = 500
	appNames   = 200
	scopeNouns = 16
	maxScopes  = 3
	personSeed = 11
	appSeed    = 12
	scopeSeed  = 13
)

func newWords() words {
	var w words
	f := gofakeit.NewUnlocked(personSeed)
	w.people = distinct(people, func() string { return letters(f.FirstName()) + "." + letters(f.LastName()) })
	f = gofakeit.NewUnlocked(appSeed)
	w.apps = distinct(appNames, func() string { return letters(f.AppName()) })
	f = gofakeit.NewUnlocked(scopeSeed)
	for _, noun := range distinct(scopeNouns, func() string { return letters(f.NounConcrete()) }) {
		w.scopes = append(w.scopes, noun+"_manage", noun+"_view", noun+"_write")
	}
	slices.Sort(w.scopes)
	w.sets = scopeSets(w.scopes)
	return w
}

// scopeSets makes all runs of up to maxScopes neighbours, the empty one first.
func scopeSets(scopes []string) []scopeSet {
	sets := []scopeSet{newScopeSet(nil)}
	for n := 1; n <= maxScopes; n++ {
		for from := range len(scopes) - maxScopes + 1 {
			sets = append(sets, newScopeSet(scopes[from:from+n]))
		}
	}
	return sets
}

// newScopeSet hashes the scopes as the product does.
func newScopeSet(names []string) scopeSet {
	sum := md5.Sum([]byte(strings.Join(names, " "))) //nolint:gosec // see the import
	return scopeSet{names: names, hash: hex.EncodeToString(sum[:])}
}

// set picks 0 to 3 scopes, 1.2 on average.
func (w *words) set(d draw) *scopeSet {
	starts := len(w.scopes) - maxScopes + 1
	switch part, from := d.at(0).below(10), d.at(1).below(starts); {
	case part < 2:
		return &w.sets[0]
	case part < 7:
		return &w.sets[1+from]
	case part < 9:
		return &w.sets[1+starts+from]
	default:
		return &w.sets[1+2*starts+from]
	}
}

// distinct collects n different words.
func distinct(n int, next func() string) []string {
	seen := map[string]bool{"": true}
	var all []string
	for len(all) < n {
		if w := next(); !seen[w] {
			seen[w] = true
			all = append(all, w)
		}
	}
	return all
}

// letters keeps a to z, so that no word ever needs escaping or folds to another.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(s))
}
