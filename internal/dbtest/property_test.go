package dbtest

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// drawn is one random database.
type drawn struct {
	tokens   []cases.Token
	codes    []cases.Code
	requests []cases.CIBA
}

func draw(t *rapid.T) drawn {
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

func propertyFixture(t *testing.T) *Fixture {
	target := harness.ForTest(t, harness.Options{DB: harness.SQLite})
	return New(t, target, Setup{NullTimes: true})
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

// TestRunLeavesWhatTheOracleKeeps is the whole tool on random databases: the
// verifier passes, the dry run had counted right, a second run finds nothing,
// and the size of batches does not matter.
func TestRunLeavesWhatTheOracleKeeps(t *testing.T) {
	t.Parallel()
	f := propertyFixture(t)
	rapid.Check(t, func(rt *rapid.T) {
		d, policy := draw(rt), rapid.SampledFrom(token.Policies()).Draw(rt, "policy")
		f.fill(d)
		o := f.judge(policy, d.tokens, d.codes, d.requests)
		forecast, err := cleanup.Count(t.Context(), f.DB, f.Plan(policy))
		require.NoError(rt, err)
		for run, size := range []int{rapid.IntRange(1, 50).Draw(rt, "batch size"), 1000} {
			result, outcome, err := f.TryVerified(t.Context(), cleanup.Batch{Size: size}, f.Plan(policy))
			require.NoError(rt, err)
			require.Equal(rt, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
			require.Equal(rt, keptOf(o.tokens), f.Keys(tokens, "TOKEN_ID"))
			require.Equal(rt, keptOf(o.codes), f.Keys(codes, "CODE_ID"))
			require.Equal(rt, keptOf(o.requests), f.Keys(requests, "AUTH_CODE_KEY"))
			for i, p := range result.Phases {
				require.Equal(rt, []int64{forecast[i].Removable, 0}[run], p.Removed, p.Phase)
			}
		}
		once := f.Dump()
		f.fill(d)
		_, err = cleanup.Batch{Size: 1}.Clean(t.Context(), f.DB, f.Plan(policy), cleanup.Watcher{})
		require.NoError(rt, err)
		rowByRow := f.Dump()
		require.Len(rt, rowByRow[audits], len(once[audits]))
		delete(once, audits) // its rows have the time of their removal
		delete(rowByRow, audits)
		require.Equal(rt, once, rowByRow)
	})
}

// TestPredicatesAgree holds the predicates of SQL against the oracle, and
// against themselves: a row is either removable, or not, or unknown (ternary
// logic partitioning).
func TestPredicatesAgree(t *testing.T) {
	t.Parallel()
	f := propertyFixture(t)
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		f.fill(d)
		for _, p := range token.Policies() {
			rule := dialect.Rule{Dialect: f.Dialect, Policy: p, CutOff: CutOff}
			o := f.judge(p, d.tokens, d.codes, d.requests)
			left := dialect.TokenLeft(f.Dialect, codes, tokens, rule.Token(tokens))
			for _, q := range []struct {
				table, key string
				predicate  dialect.SQL
				want       map[string]bool
			}{
				{tokens, "TOKEN_ID", rule.Token(tokens), o.tokens},
				{codes, "CODE_ID", rule.Code(codes, left), o.codes},
				{requests, "AUTH_CODE_KEY", rule.CIBA(requests), o.requests},
			} {
				got := f.verdicts(q.table, q.key, q.predicate)
				require.True(rt, maps.Equal(q.want, got), "%s on %s: SQL says %v, Go %v", p, q.table, got, q.want)
				parts := f.countWhere(q.table, q.predicate) + f.countWhere(q.table, dialect.Concat("NOT (", q.predicate, ")")) +
					f.countWhere(q.table, dialect.Concat("(", q.predicate, ") IS NULL"))
				require.Equal(rt, f.Count(q.table, ""), parts, "%s on %s: p, not p and unknown do not add up", p, q.table)
			}
		}
	})
}

func (f *Fixture) countWhere(table string, where dialect.SQL) int64 {
	f.t.Helper()
	return f.number("SELECT COUNT(*) FROM ", f.Dialect.Table(table), " WHERE ", where)
}
