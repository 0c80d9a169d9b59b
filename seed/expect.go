package seed

import (
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Expected is what a clean-up under a policy must do to the data of a Spec.
type Expected struct {
	Policy token.Policy
	// Tables has schema.AccessToken, schema.AuthzCode and schema.CIBACode.
	Tables map[string]Outcome
}

// Outcome is what must become of the rows of one table.
type Outcome struct {
	Rows, Removed, Kept int64
	// StrictKeeps counts the rows that documented removes and strict keeps,
	// whatever the policy.
	StrictKeeps int64
	Classes     map[string]ClassOutcome // by class, or in the edge mix by case id
}

// ClassOutcome is what must become of the rows of one class. Whether a code
// goes may depend on its token, so a class may be removed in part.
type ClassOutcome struct{ Rows, Removed int64 }

// Expect counts, from the verdicts that the classes declare, what a clean-up
// under p must do. The official policies' verdicts are those under MySQL's and
// SQL Server's default collations. It takes about 0.1 µs a token and no
// database.
func (s Spec) Expect(p token.Policy) (Expected, error) {
	g, err := newGenerator(s)
	if err != nil {
		return Expected{}, err
	}
	tokens := make([]tally, len(g.tokens))
	codes := make([]tally, len(g.codes))
	cibas := make([]tally, len(g.cibas))
	var e entry
	for i := range s.Tokens {
		g.at(&e, i)
		tokens[e.token.n].add(e.token.class.remove, p)
		if e.hasCode {
			codes[e.code.n].add(g.codeVerdict(&e), p)
		}
		if n, _, ok := g.cibaAt(i); ok {
			cibas[n].add(g.cibas[n].remove, p)
		}
	}
	return Expected{Policy: p, Tables: map[string]Outcome{
		schema.AccessToken: outcome(tokens, func(n int) string { return g.tokens[n].name }),
		schema.AuthzCode:   outcome(codes, func(n int) string { return g.codes[n].name }),
		schema.CIBACode:    outcome(cibas, func(n int) string { return g.cibas[n].name }),
	}}, nil
}

// Disagreement counts rows on which two policies differ.
type Disagreement struct {
	Gone int64 // removed by the first and kept by the second
	Left int64 // kept by the first and removed by the second
}

func (d *Disagreement) add(v verdict, first, second token.Policy) {
	switch {
	case v.removes(first) && !v.removes(second):
		d.Gone++
	case !v.removes(first) && v.removes(second):
		d.Left++
	}
}

// Compare counts, row by row, where two policies disagree. The map has what
// Expected.Tables has; classes are not enough for it, because whether a code goes
// depends on its token too.
func (s Spec) Compare(first, second token.Policy) (map[string]Disagreement, error) {
	g, err := newGenerator(s)
	if err != nil {
		return nil, err
	}
	var tokens, codes, cibas Disagreement
	var e entry
	for i := range s.Tokens {
		g.at(&e, i)
		tokens.add(e.token.class.remove, first, second)
		if e.hasCode {
			codes.add(g.codeVerdict(&e), first, second)
		}
		if n, _, ok := g.cibaAt(i); ok {
			cibas.add(g.cibas[n].remove, first, second)
		}
	}
	return map[string]Disagreement{schema.AccessToken: tokens, schema.AuthzCode: codes, schema.CIBACode: cibas}, nil
}

// codeVerdict keeps the code where its token is kept.
func (g *generator) codeVerdict(e *entry) verdict {
	var holder verdict
	switch e.code.class.link {
	case linkOwn:
		holder = e.token.class.remove
	case linkCase:
		holder = g.tokens[e.code.class.toCase].remove
	default:
		return e.code.class.remove
	}
	own := e.code.class.remove
	return verdict{
		documented:    own.documented && holder.documented,
		strict:        own.strict && holder.strict,
		officialMySQL: own.officialMySQL && holder.officialMySQL,
		officialMSSQL: own.officialMSSQL && holder.officialMSSQL,
	}
}

type tally struct{ rows, removed, strictKeeps int64 }

func (t *tally) add(v verdict, p token.Policy) {
	t.rows++
	if v.removes(p) {
		t.removed++
	}
	if v.documented && !v.strict {
		t.strictKeeps++
	}
}

func outcome(tallies []tally, name func(int) string) Outcome {
	o := Outcome{Classes: map[string]ClassOutcome{}}
	for n, t := range tallies {
		if t.rows == 0 {
			continue
		}
		o.Rows += t.rows
		o.Removed += t.removed
		o.StrictKeeps += t.strictKeeps
		o.Classes[name(n)] = ClassOutcome{Rows: t.rows, Removed: t.removed}
	}
	o.Kept = o.Rows - o.Removed
	return o
}
