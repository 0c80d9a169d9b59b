package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// TestProcedureFromInstallToVerdict: installed on a database of the user's after
// the pre-image, called as an operator would, judged, removed.
func TestProcedureFromInstallToVerdict(t *testing.T) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 9, Tokens: 1500})
			dsn := []string{"--dsn", target.ConnectionString()}
			kind := map[string]string{"mysql": "mysql", "sqlserver": "sqlserver"}[target.Dialect.Name()]
			image := filepath.Join(t.TempDir(), "before.tscapture")
			got := tokensweep(t, append([]string{"verify", "capture", "--cutoff", cutOffText, "--out", image}, dsn...)...)
			require.Equal(t, exitPass, got.code, got.stderr)
			got = tokensweep(t, append([]string{"procedure", kind, "--install"}, dsn...)...)
			require.Equal(t, exitPass, got.code, got.stderr)

			call, err := procedure.Arguments{Policy: token.Documented, CutOff: cutOff, Audit: true}.Statement(target.Dialect.(procedure.Dialect))
			require.NoError(t, err)
			rows, err := target.DB.QueryContext(t.Context(), call)
			require.NoError(t, err)
			require.True(t, rows.Next(), "its row of counts")
			require.NoError(t, rows.Close())

			got = tokensweep(t, append([]string{"verify", "check", "--before", image}, dsn...)...)
			require.Equal(t, exitPass, got.code, got.stdout+got.stderr)
			got = tokensweep(t, append([]string{"procedure", kind, "--uninstall"}, dsn...)...)
			require.Equal(t, exitPass, got.code, got.stderr)
			found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
			require.NoError(t, err)
			require.Empty(t, found.Programs)
			_, left := found.Table(procedure.RunsTable)
			require.False(t, left)
		})
	}
}

func TestRunTheProcedure(t *testing.T) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			harness.ForTest(t, harness.Options{DB: db}) // is it to be had here at all?
			got := tokensweep(t, "run", "--db", db, "--tokens", "1500", "--engine", "procedure", "--policy", "strict")
			require.Equal(t, exitPass, got.code, got.stdout+got.stderr)
			require.Contains(t, got.stdout, "engine procedure")
		})
	}
}

func TestProcedureRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"official policy":    {[]string{"run", "--db", harness.MariaDB, "--via", "process", "--tokens", "100", "--engine", "procedure", "--policy", "official-mysql"}, "official"},
		"SQLite":             {[]string{"run", "--db", "sqlite", "--tokens", "100", "--engine", "procedure"}, "stored procedures"},
		"two ways at once":   {[]string{"procedure", "mysql", "--install", "--uninstall"}, "contradict"},
		"unknown release":    {[]string{"procedure", "mysql", "--release", "apim-0.1"}, "--release"},
		"neither dsn nor it": {[]string{"procedure", "mysql"}, "--dsn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "official policy" {
				harness.ForTest(t, harness.Options{DB: harness.MariaDB, Via: harness.Process})
			}
			got := tokensweep(t, c.args...)
			require.Equal(t, exitRefused, got.code, got.stderr)
			require.Contains(t, got.stderr, c.says)
		})
	}
	got := tokensweep(t, "procedure", "sqlserver", "--release", "apim-4.2")
	require.Equal(t, exitPass, got.code, got.stderr)
	require.Contains(t, got.stdout, "CREATE")
	require.Contains(t, got.stdout, procedure.Name)
}
