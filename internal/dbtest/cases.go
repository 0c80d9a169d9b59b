package dbtest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// Opener gets a fresh schema on a server of the kind under test.
type Opener func(t *testing.T, o harness.Options) *harness.Target

// Cases shows that every ground-truth case has its verdict through the
// dialect's SQL and through the whole engine, as the verifier sees it.
func Cases(t *testing.T, open Opener, o harness.Options, stateCollation string) {
	for _, p := range token.Policies() {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			f := New(t, open(t, o), Setup{StateCollation: stateCollation, NullTimes: true})
			expect := f.LoadCases(true)
			require.Len(t, expect, len(cases.Tokens())+len(cases.Codes())+len(cases.CIBAs()))
			override(expect, mysqlName(stateCollation))
			plan := f.Plan(p)
			f.requireForecast(plan, expect)
			_, outcome := f.Verified(cleanup.Batch{Size: 7}, plan)
			require.Equal(t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
			require.Equal(t, kept(expect, p, "TS"), f.Keys(schema.AccessToken, "TOKEN_ID"))
			require.Equal(t, kept(expect, p, "CS"), f.Keys(schema.AuthzCode, "CODE_ID"))
			require.Equal(t, kept(expect, p, "BS"), f.Keys(schema.CIBACode, "AUTH_CODE_KEY"))
		})
	}
}

// override puts the verdicts in place that depend on the collation. A state that
// the column does not take for a dead one is none to either official policy.
func override(expect map[string]cases.Expect, collation string) {
	for _, o := range cases.Overrides() {
		if o.Collation == collation {
			changed := cases.Expect{}
			for p, remove := range expect[o.ID] {
				changed[p] = remove
			}
			changed[token.OfficialMySQL] = o.Remove
			changed[token.OfficialMSSQL] = changed[token.OfficialMSSQL] && o.Remove
			expect[o.ID] = changed
		}
	}
}

// kept are the ids that a policy keeps, sorted.
func kept(expect map[string]cases.Expect, p token.Policy, prefix string) []string {
	ids := []string{}
	for _, all := range [][]string{tokenIDs(), codeIDs(), cibaIDs()} {
		for _, id := range all {
			if e, loaded := expect[id]; loaded && !e[p] && strings.HasPrefix(id, prefix) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func tokenIDs() (ids []string) {
	for _, c := range cases.Tokens() {
		ids = append(ids, c.ID)
	}
	return ids
}

func codeIDs() (ids []string) {
	for _, c := range cases.Codes() {
		ids = append(ids, c.ID)
	}
	return ids
}

func cibaIDs() (ids []string) {
	for _, c := range cases.CIBAs() {
		ids = append(ids, c.ID)
	}
	return ids
}

// requireForecast compares the dialect's predicate, row by row for the tokens
// and CIBA requests, with the cases; the dry run's counts must agree too.
func (f *Fixture) requireForecast(plan *cleanup.Plan, expect map[string]cases.Expect) {
	f.t.Helper()
	rule := dialect.Rule{Dialect: f.Dialect, Policy: plan.Policy, CutOff: dialect.CutOff(f.Dialect, plan.CutOff)}
	removable := map[string]int64{}
	for table, q := range map[string]struct {
		key       string
		predicate dialect.SQL
	}{
		schema.AccessToken: {"TOKEN_ID", rule.Token(schema.AccessToken)},
		schema.CIBACode:    {"AUTH_CODE_KEY", rule.CIBA(schema.CIBACode)},
		schema.AuthzCode: {"CODE_ID", rule.Code(schema.AuthzCode, dialect.TokenLeft(f.Dialect, schema.AuthzCode, schema.AccessToken,
			rule.Token(schema.AccessToken)))},
	} {
		for id, hit := range f.verdicts(table, q.key, q.predicate) {
			require.Equal(f.t, expect[id][plan.Policy], hit, "%s under %s in SQL", id, plan.Policy)
			if hit {
				removable[table]++
			}
		}
	}
	forecast, err := cleanup.Count(f.t.Context(), f.DB, plan)
	require.NoError(f.t, err)
	for _, c := range forecast {
		require.Equal(f.t, removable[c.Table], c.Removable, "dry run of %s", c.Table)
	}
}
