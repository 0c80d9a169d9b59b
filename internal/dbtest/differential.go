package dbtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/token"
)

// Differential judges random rows twice, in Go and by the dialect's SQL. It
// finds what nobody thought of writing a case for.
func Differential(t *testing.T, open Opener) {
	const many, some = 20_000, 4_000
	f := New(t, open(t, harness.Options{}), Setup{NullTimes: true})
	f.requireSameVerdicts(
		examples(many, func(i int) cases.Token { return tokenGenerator.Example(i) }),
		examples(some, func(i int) cases.Code { return codeGenerator.Example(i) }),
		examples(some, func(i int) cases.CIBA { return cibaGenerator.Example(i) }))
}

func examples[T any](n int, example func(int) T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = example(i)
	}
	return all
}

// oracle is what the Go policy says about generated rows.
type oracle struct {
	tokens, codes, requests map[string]bool // by id: whether it goes
}

func (f *Fixture) judge(p token.Policy, ts []cases.Token, cs []cases.Code, bs []cases.CIBA) oracle {
	f.t.Helper()
	judgeOf := func(table, column string) token.Judge {
		found, ok := f.Found().Table(table)
		require.True(f.t, ok)
		c, ok := found.Column(column)
		require.True(f.t, ok)
		return token.NewJudge(p, CutOff, f.Dialect.Collation(c.Collation))
	}
	o := oracle{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	j := judgeOf(tokens, "TOKEN_STATE")
	for i, c := range ts {
		o.tokens[tokenID(i)] = j.Token(c.Row(CutOff)).Removes()
	}
	j = judgeOf(codes, "STATE")
	for i, row := range f.codeRows(cs) {
		gone, known := o.tokens[cs[i].Token.V]
		o.codes[row["CODE_ID"].(string)] = j.Code(token.Code{State: cs[i].State, Created: cs[i].Created.At(CutOff), Validity: cs[i].Validity,
			HasToken: known && !gone}).Removes()
	}
	j = judgeOf(requests, "AUTH_REQ_STATUS")
	for i, row := range f.cibaRows(bs) {
		o.requests[row["AUTH_CODE_KEY"].(string)] = j.CIBA(token.CIBA{Status: bs[i].Status, Issued: bs[i].Issued.At(CutOff), ExpiresIn: bs[i].ExpiresIn}).Removes()
	}
	return o
}

// requireSameVerdicts inserts rows and requires that SQL removes what Go does.
func (f *Fixture) requireSameVerdicts(ts []cases.Token, cs []cases.Code, bs []cases.CIBA) {
	f.t.Helper()
	f.InsertAll(tokens, f.tokenRows(ts))
	f.InsertAll(codes, f.codeRows(cs))
	f.InsertAll(requests, f.cibaRows(bs))
	for _, p := range token.Policies() {
		rule := dialect.Rule{Dialect: f.Dialect, Policy: p, CutOff: dialect.CutOff(f.Dialect, CutOff)}
		o := f.judge(p, ts, cs, bs)
		left := dialect.TokenLeft(f.Dialect, codes, tokens, rule.Token(tokens))
		f.requireVerdicts(p, tokens, "TOKEN_ID", rule.Token(tokens), o.tokens)
		f.requireVerdicts(p, codes, "CODE_ID", rule.Code(codes, left), o.codes)
		f.requireVerdicts(p, requests, "AUTH_CODE_KEY", rule.CIBA(requests), o.requests)
	}
}

func (f *Fixture) requireVerdicts(p token.Policy, table, key string, predicate dialect.SQL, want map[string]bool) {
	f.t.Helper()
	var differ []string
	for id, goes := range f.verdicts(table, key, predicate) {
		if goes != want[id] && len(differ) < 5 {
			differ = append(differ, f.describe(table, key, id))
		}
	}
	require.Empty(f.t, differ, "%s: SQL and Go differ on %s", p, table)
}

// verdicts is what the predicate says about each row, by key.
func (f *Fixture) verdicts(table, key string, predicate dialect.SQL) map[string]bool {
	f.t.Helper()
	rows := f.query("SELECT ", f.Dialect.KeyText(f.Dialect.Quote(key)), ", CASE WHEN ", predicate, " THEN 1 ELSE 0 END FROM ", f.Dialect.Table(table))
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var id string
		var goes bool
		require.NoError(f.t, rows.Scan(&id, &goes))
		all[id] = goes
	}
	require.NoError(f.t, rows.Err())
	return all
}

// describe is a row as text.
func (f *Fixture) describe(table, key, id string) string {
	f.t.Helper()
	found, _ := f.Found().Table(table)
	cells := make([]any, len(found.Columns))
	for i := range cells {
		cells[i] = new(any)
	}
	rows := f.query("SELECT * FROM ", f.Dialect.Table(table), " WHERE ", f.Dialect.Quote(key), " = ", dialect.Value(id))
	defer rows.Close()
	require.True(f.t, rows.Next())
	require.NoError(f.t, rows.Scan(cells...))
	return rowText(cells)
}
