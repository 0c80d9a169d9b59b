package dbtest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// TestScriptAtScale runs the rebuilt procedures over 200,000 tokens and compares
// the report, kind by kind, with what the seed says that it made.
func TestScriptAtScale(t *testing.T) {
	for _, db := range []string{harness.MySQL, harness.MariaDB, harness.SQLServer} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := on(db)(t, harness.Options{}) // skips where there is none, and says which
			product := target.Dialect.Product()
			set := map[string]string{"enableAudit": "TRUE", "backupTables": "TRUE"}
			if product == schema.SQLServer {
				set = map[string]string{"enableAudit": "1", "backupTables": "1"}
			}
			spec := seed.Spec{Seed: 5, Tokens: 200_000}
			doc, err := harness.Run(t.Context(), harness.Scenario{
				Options:  harness.Options{DB: db, Fast: true, Log: t.Logf},
				Settings: cleanup.Settings{Policy: token.Documented, CutOff: time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second), Audit: true},
				Engine:   script.Engine{File: dbtest.OfficialScript(t, product, set)},
				Seed:     spec,
			})
			require.NoError(t, err)
			spec.CutOff = doc.CutOff
			requireSeedsDifferences(t, doc, spec, harness.OwnRule(target.Dialect))
		})
	}
}

// requireSeedsDifferences compares the counts of a report with the classes of a seed.
func requireSeedsDifferences(t *testing.T, doc *report.Document, spec seed.Spec, rule token.Policy) {
	t.Helper()
	require.True(t, doc.Comparison.Conforms, "%+v", doc.Findings)
	for _, policy := range []token.Policy{token.Documented, token.Strict} {
		differ, err := spec.Compare(rule, policy)
		require.NoError(t, err)
		for table, want := range differ {
			var got seed.Disagreement
			for _, d := range doc.Comparison.Differences {
				switch {
				case d.Policy != string(policy) || !strings.EqualFold(d.Table, table):
				case d.Gone:
					got.Gone += d.Count
				default:
					got.Left += d.Count
				}
			}
			require.Equal(t, want, got, "%s beside %s", table, policy)
		}
	}
	i := slices.IndexFunc(doc.Comparison.Copies, func(c report.Copies) bool { return c.Rows > 0 })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, doc.Phases[0].Removed, doc.Comparison.Copies[i].Rows, "its audit has every removed token")
	require.Empty(t, doc.Comparison.Copies[i].Findings)
}
