package seed

import (
	"fmt"

	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/token"
)

// cycle is the edge mix: position i has the token case i modulo the number of
// token cases, and at some places a code and a CIBA case besides.
type cycle struct {
	tokens []class
	codes  []codeClass
	cibas  []cibaClass
	codeAt []int // place in the cycle to place in codes, -1: none
	cibaAt []int
}

// newCycle takes over the cases that have real times.
func newCycle() (*cycle, error) {
	c := &cycle{}
	place := map[string]int{}
	for _, t := range cases.Tokens() {
		if t.Created.Known() && t.RefreshCreated.Known() {
			place[t.ID] = len(c.tokens)
			c.tokens = append(c.tokens, edgeToken(t))
		}
	}
	c.codeAt, c.cibaAt = empty(len(c.tokens)), empty(len(c.tokens))
	if err := c.placeCodes(place); err != nil {
		return nil, err
	}
	for _, b := range cases.CIBAs() {
		if b.Issued.Known() {
			c.cibas = append(c.cibas, edgeCIBA(b))
		}
	}
	if len(c.cibas) > len(c.tokens) {
		return nil, fmt.Errorf("the edge mix has more CIBA cases than token cases")
	}
	for n := range c.cibas {
		c.cibaAt[n*len(c.tokens)/len(c.cibas)] = n
	}
	return c, nil
}

func empty(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = -1
	}
	return all
}

// placeCodes puts each code beside the token that it names or, where that place
// is taken, behind it: so the token is there whenever the code is, even if the
// last cycle is cut short. Codes without a token fill the places left over.
func (c *cycle) placeCodes(tokens map[string]int) error {
	var unlinked []int
	for _, code := range cases.Codes() {
		class, n := edgeCode(code), len(c.codes)
		at, known := tokens[code.Token.V]
		if !code.Created.Known() || class.link == linkOwn && !known {
			continue // it has no time, or its token has none and is left out
		}
		c.codes = append(c.codes, class)
		if class.link != linkOwn {
			unlinked = append(unlinked, n)
			continue
		}
		free, ok := c.freeFrom(at)
		if !ok {
			return fmt.Errorf("the edge mix has no room for code case %s", code.ID)
		}
		c.codeAt[free] = n
		if free != at {
			c.codes[n].link, c.codes[n].toCase = linkCase, at
		}
	}
	for _, n := range unlinked {
		free, ok := c.freeFrom(0)
		if !ok {
			return fmt.Errorf("the edge mix has no room for code case %s", c.codes[n].name)
		}
		c.codeAt[free] = n
	}
	return nil
}

func (c *cycle) freeFrom(at int) (int, bool) {
	for ; at < len(c.codeAt); at++ {
		if c.codeAt[at] < 0 {
			return at, true
		}
	}
	return 0, false
}

func declared(e cases.Expect) verdict {
	return verdict{
		documented: e[token.Documented], strict: e[token.Strict],
		officialMySQL: e[token.OfficialMySQL], officialMSSQL: e[token.OfficialMSSQL],
	}
}

func exactly(o cases.Offset) span { return span{o.Seconds, o.Seconds} }

func edgeToken(t cases.Token) class {
	refreshCreated := exactly(t.RefreshCreated)
	kind := refreshSet
	switch {
	case !t.Refresh.Valid:
		kind = refreshNull
	case t.Refresh.V == "":
		kind = refreshEmpty
	}
	return class{
		name: t.ID, state: t.State, created: exactly(t.Created), validity: t.Validity,
		refresh: kind, refreshCreated: &refreshCreated, refreshValidity: t.RefreshValidity,
		grants: []string{t.GrantType}, remove: declared(t.Remove), edge: true,
	}
}

func edgeCode(c cases.Code) codeClass {
	to := linkOwn
	switch {
	case !c.Token.Valid:
		to = linkNone
	case c.Token.V == "":
		to = linkEmpty
	case c.Token.V == "MISSING":
		to = linkDangling
	}
	return codeClass{name: c.ID, state: c.State, created: exactly(c.Created), validity: c.Validity, link: to, remove: declared(c.Remove), edge: true}
}

func edgeCIBA(b cases.CIBA) cibaClass {
	return cibaClass{name: b.ID, status: b.Status, issued: exactly(b.Issued), expiresIn: b.ExpiresIn, remove: declared(b.Remove), edge: true}
}
