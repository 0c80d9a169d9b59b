package command_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/command"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

func TestParse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		`pt-archiver --where 'TOKEN_STATE = "REVOKED"' --limit 10`: {"pt-archiver", "--where", `TOKEN_STATE = "REVOKED"`, "--limit", "10"},
		`a "b c"\ d '' \"`: {"a", "b c d", "", `"`},
		`  a  `:            {"a"},
	} {
		got, err := command.Parse(line)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, line := range []string{"", "  ", `a 'b`, `a "b`, `a \`} {
		_, err := command.Parse(line)
		require.Error(t, err, line)
	}
}

// plan is of a small SQLite database: the program need not touch it.
func plan(t *testing.T) (*harness.Target, *cleanup.Plan) {
	t.Helper()
	target := harness.ForTest(t, harness.Options{DB: harness.SQLite})
	cutOff := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	into := seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
	_, err := seed.Fill(t.Context(), into, schema.DefaultRelease, "", seed.Spec{Seed: 1, Tokens: 10, CutOff: cutOff}, seed.Options{})
	require.NoError(t, err)
	found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	p, err := cleanup.NewPlan(found, target.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: cutOff})
	require.NoError(t, err)
	return target, p
}

func TestRunsAProgram(t *testing.T) {
	t.Parallel()
	target, p := plan(t)
	var said []string
	log := cleanup.Watcher{Log: func(_ string, args ...any) { said = append(said, args[0].(string)) }}
	server := command.Server{Host: "db", Port: "3306", User: "cleaner", Password: "secret", Schema: "apim"}
	e := command.Engine{Args: []string{"sh", "-c", `echo "$0 $MYSQL_PWD"; echo error >&2`, "{user}@{host}:{port}/{schema} {cutoff}"}, Server: server}
	result, err := e.Clean(t.Context(), target.DB, p, log)
	require.NoError(t, err)
	require.Equal(t, []string{"cleaner@db:3306/apim 2026-11-25 02:00:00 ***", "error"}, said)
	require.True(t, result.Complete())
	require.Zero(t, result.Phases[0].Removed)

	e.Args = []string{"sh", "-c", "exit 3"}
	_, err = e.Clean(t.Context(), target.DB, p, log)
	require.ErrorContains(t, err, "exit status 3")
	require.NotContains(t, err.Error(), "secret")

	e.Args = []string{"no-such-program"}
	_, err = e.Clean(t.Context(), target.DB, p, log)
	var refused *cleanup.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, cleanup.Refused, refused.Kind)
	require.True(t, strings.Contains(err.Error(), "install it"))
}
