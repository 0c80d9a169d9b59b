package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/seed"
)

// own opens a server that a test may break. It skips where ForTest does.
func own(t *testing.T, o harness.Options) *harness.Target {
	t.Helper()
	harness.ForTest(t, o)
	o.Fast = true
	target, err := harness.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, target.Close()) })
	return target
}

func TestCleanRefusesAReadOnlyServer(t *testing.T) {
	for db, readOnly := range map[string]string{harness.MySQL: "super_read_only", harness.MariaDB: "read_only"} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := own(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 14, Tokens: 300})
			sqlOn(t, target, "CREATE USER cleaner IDENTIFIED BY 'hidden-secret'", "GRANT ALL ON `"+target.Schema+"`.* TO cleaner",
				"SET GLOBAL "+readOnly+" = ON")
			image := captured(t, target)
			got := tokensweep(t, "clean", "--dsn", login(target.ConnectionString(), "cleaner:hidden-secret"), "--yes", "--cutoff", cutOffText)
			require.Equal(t, exitRefused, got.code, got.stderr)
			require.Contains(t, lastLine(got.stderr), "the server is read-only")
			require.Contains(t, lastLine(got.stderr), "run on the primary")
			requireUnchanged(t, target, image)
		})
	}
}
