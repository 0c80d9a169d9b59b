package dbtest

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/token"
)

func propertyFixture(t *testing.T) *Fixture {
	target := harness.ForTest(t, harness.Options{DB: harness.SQLite})
	return New(t, target, Setup{NullTimes: true})
}

// TestRunLeavesWhatTheOracleKeeps is the whole tool on random databases: the
// verifier passes, the dry run had counted right, a second run finds nothing,
// and the size of batches does not matter.
func TestRunLeavesWhatTheOracleKeeps(t *testing.T) {
	t.Parallel()
	f := propertyFixture(t)
	rapid.Check(t, func(rt *rapid.T) {
		d, policy := drawDatabase(rt), rapid.SampledFrom(token.Policies()).Draw(rt, "policy")
		f.fill(d)
		f.requireOracle(rt, d, policy, rapid.IntRange(1, 50).Draw(rt, "batch size"))
		once := f.Dump()
		f.fill(d)
		_, err := cleanup.Batch{Size: 1}.Clean(t.Context(), f.DB, f.Plan(policy), cleanup.Watcher{})
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
		d := drawDatabase(rt)
		f.fill(d)
		for _, p := range token.Policies() {
			rule := dialect.Rule{Dialect: f.Dialect, Policy: p, CutOff: dialect.CutOff(f.Dialect, CutOff)}
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
