package dbtest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// RandomDatabases is the whole tool on a few random databases. The property test
// on SQLite has many more; these show that servers agree with it.
func RandomDatabases(t *testing.T, open Opener) {
	f := New(t, open(t, harness.Options{}), Setup{NullTimes: true})
	databases := rapid.Custom(drawDatabase)
	for i, p := range token.Policies() {
		d := databases.Example(100 + i)
		f.fill(d)
		f.requireOracle(t, d, p, 3+i)
	}
}

// drawn is one random database.
type drawn struct {
	tokens   []cases.Token
	codes    []cases.Code
	requests []cases.CIBA
}

func drawDatabase(t *rapid.T) drawn {
	return drawn{
		rapid.SliceOfN(tokenGenerator, 0, 40).Draw(t, "tokens"),
		rapid.SliceOfN(codeGenerator, 0, 10).Draw(t, "codes"),
		rapid.SliceOfN(cibaGenerator, 0, 5).Draw(t, "CIBA requests"),
	}
}

// fill makes f hold d and nothing else. Every other token has a scope.
func (f *Fixture) fill(d drawn) {
	f.t.Helper()
	for _, table := range []string{codes, requests, tokens, audits} {
		f.Exec("DELETE FROM " + table)
	}
	f.InsertAll(tokens, f.tokenRows(d.tokens))
	f.InsertAll(codes, f.codeRows(d.codes))
	f.InsertAll(requests, f.cibaRows(d.requests))
	for i := 0; i < len(d.tokens); i += 2 {
		f.Insert(schema.AccessTokenScope, Row{"TOKEN_ID": tokenID(i), "TOKEN_SCOPE": "openid"})
	}
}

// requireOracle runs twice: the verifier passes, the dry run had counted right,
// what is left is what the Go policy keeps, and the second run finds nothing.
func (f *Fixture) requireOracle(t require.TestingT, d drawn, p token.Policy, size int) {
	o := f.judge(p, d.tokens, d.codes, d.requests)
	forecast, err := cleanup.Count(f.t.Context(), f.DB, f.Plan(p))
	require.NoError(t, err)
	for run, size := range []int{size, 1000} {
		result, outcome, err := f.TryVerified(f.t.Context(), cleanup.Batch{Size: size}, f.Plan(p))
		require.NoError(t, err)
		require.Equal(t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
		require.Equal(t, keptOf(o.tokens), f.Keys(tokens, "TOKEN_ID"))
		require.Equal(t, keptOf(o.codes), f.Keys(codes, "CODE_ID"))
		require.Equal(t, keptOf(o.requests), f.Keys(requests, "AUTH_CODE_KEY"))
		for i, phase := range result.Phases {
			require.Equal(t, []int64{forecast[i].Removable, 0}[run], phase.Removed, phase.Phase)
		}
	}
}

func keptOf(verdicts map[string]bool) []string {
	ids := []string{}
	for id, goes := range verdicts {
		if !goes {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
