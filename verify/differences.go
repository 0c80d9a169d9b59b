package verify

import (
	"cmp"
	"slices"

	"github.com/tokensweep/tokensweep/token"
)

// Difference is a kind of row for which what happened is not what some policy says.
type Difference struct {
	Policy token.Policy // the one that says otherwise, of Expect.Compare
	Table  string
	// Gone: the row is gone and the policy keeps it. Otherwise the row is there and
	// the policy removes it.
	Gone bool
	Says token.Reason // what Policy says of the row
	// Rule is what Expect.Policy says of the row: whether it was meant.
	Rule token.Reason
	// State is that of a token: "active", "dead" (INACTIVE, REVOKED or EXPIRED,
	// byte for byte) or "other"; "" for codes and requests.
	State string
	// NoRefresh: a token without a refresh token.
	NoRefresh bool
	Count     int64
	Samples   []string // keys, at most SampleSize
}

type differenceKey struct {
	policy    token.Policy
	table     string
	gone      bool
	says      token.Reason
	rule      token.Reason
	state     string
	noRefresh bool
}

var stateNames = map[rowState]string{otherState: "other", activeState: "active", deadState: "dead"}

// differ books a row of which a compared policy says something else than what happened.
func (c *checker) differ(from *tableImage, r record, gone bool, rule token.Reason, says func(policy int) token.Reason) error {
	for _, p := range c.expect.Compare {
		why := says(policyIndex(p))
		if why.Removes() == gone {
			continue
		}
		key := differenceKey{policy: p, table: from.layout.table.Name, gone: gone, says: why, rule: rule, noRefresh: r.meta&noRefresh != 0}
		if from.layout.position("TOKEN_STATE") >= 0 {
			key.state = stateNames[r.meta.state()]
		}
		d := c.differences[key]
		if d == nil {
			d = &Difference{Policy: p, Table: key.table, Gone: gone, Says: why, Rule: rule, State: key.state, NoRefresh: key.noRefresh}
			c.differences[key] = d
		}
		d.Count++
		if err := from.sample(&d.Samples, r); err != nil {
			return err
		}
	}
	return nil
}

// sortedDifferences lists rows that are gone before rows that are left, the most first.
func (c *checker) sortedDifferences() []Difference {
	var all []Difference
	for _, d := range c.differences {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(policyIndex(a.Policy), policyIndex(b.Policy)), cmp.Compare(boolRank(!a.Gone), boolRank(!b.Gone)),
			cmp.Compare(b.Count, a.Count), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Says, b.Says), cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.State, b.State), cmp.Compare(boolRank(a.NoRefresh), boolRank(b.NoRefresh)))
	})
	return all
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}
