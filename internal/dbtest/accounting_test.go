package dbtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// accounting is what a run says about every table and class.
type accounting struct {
	Verdict          string
	Phases, Children []report.Phase
	Classes          map[string]int64
	StrictWouldKeep  int64
}

// account runs the whole tool on made-up tokens.
func account(t *testing.T, db string, p token.Policy, mix seed.Mix) accounting {
	t.Helper()
	harness.ForTest(t, harness.Options{DB: db}) // is it to be had here at all?
	result, err := harness.Run(t.Context(), harness.Scenario{
		Options:  harness.Options{DB: db, Fast: true, Log: t.Logf},
		Settings: cleanup.Settings{Policy: p, CutOff: dbtest.CutOff, Audit: true},
		Seed:     seed.Spec{Seed: 20, Tokens: 5000, Mix: mix},
	})
	require.NoError(t, err)
	return accounting{result.Verdict, result.Phases, result.Children, result.Classes, result.StrictWouldKeep}
}

// TestSameAccountingEverywhere: the same seed comes to the same end on every
// database, table by table and class by class.
func TestSameAccountingEverywhere(t *testing.T) {
	t.Parallel()
	for _, p := range token.Policies() {
		for _, mix := range []seed.Mix{seed.Default, seed.Edge} {
			name := string(p) + ", " + string(mix)
			want := account(t, harness.SQLite, p, mix)
			require.Equal(t, report.Pass, want.Verdict)
			for _, db := range []string{harness.MySQL, harness.MariaDB, harness.SQLServer} {
				t.Run(db+"/"+name, func(t *testing.T) { require.Equal(t, want, account(t, db, p, mix)) })
			}
		}
	}
}
