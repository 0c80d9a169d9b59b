package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schedule"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

// TestScheduleRefusesBadUsage: no server is asked for any of these.
func TestScheduleRefusesBadUsage(t *testing.T) {
	weekly := []string{"--every", "1w", "--starts", "2030-12-01 01:00"}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no kind":                      {nil, "use schedule mysql, sqlserver, cron, systemd or kubernetes"},
		"no interval":                  {[]string{"mysql"}, "--every is missing"},
		"bad interval":                 {[]string{"mysql", "--every", "weekly"}, `"weekly" is no interval`},
		"bad start":                    {[]string{"mysql", "--every", "1w", "--starts", "monday"}, `--starts "monday" is no wall clock`},
		"no start":                     {[]string{"mysql", "--every", "1w"}, "--starts is missing"},
		"a start that does not exist":  {[]string{"mysql", "--every", "1w", "--starts", "2030-03-31 02:30", "--tz", "Europe/Berlin"}, "does not exist in Europe/Berlin"},
		"bad zone":                     {append([]string{"mysql", "--tz", "Mars/Olympus"}, weekly...), `"Mars/Olympus" is no time zone`},
		"bad writers' zone":            {append([]string{"mysql", "--writers-time-zone", "x'; DROP"}, weekly...), "--writers-time-zone"},
		"two actions":                  {append([]string{"mysql", "--install", "--status"}, weekly...), "--install and --status contradict each other"},
		"status with times":            {append([]string{"mysql", "--status"}, weekly...), "--status has no use for --every, --starts"},
		"uninstall with a policy":      {[]string{"sqlserver", "--uninstall", "--policy", "strict"}, "--uninstall has no use for --policy"},
		"print with a DSN":             {append([]string{"mysql", "--dsn", "root:hidden-secret@tcp(db)/x"}, weekly...), "--print has no use for --dsn"},
		"print with the scheduler":     {append([]string{"mysql", "--enable-scheduler"}, weekly...), "--print has no use for --enable-scheduler"},
		"audit of no procedure":        {append([]string{"mysql", "--install", "--audit-missing", "drop"}, weekly...), "--install has no use for --audit-missing"},
		"install without a DSN":        {append([]string{"mysql", "--install"}, weekly...), "--dsn is missing"},
		"an official policy":           {append([]string{"mysql", "--policy", "official-mysql"}, weekly...), "use documented or strict"},
		"negative safe period":         {append([]string{"mysql", "--safe-period", "-1h"}, weekly...), "tokens that still work would go"},
		"a fraction of a second":       {append([]string{"sqlserver", "--max-duration", "1500ms"}, weekly...), "whole seconds"},
		"a name that breaks its line":  {append([]string{"mysql", "--name", "a\nb"}, weekly...), "--name"},
		"a name that is too long":      {append([]string{"mysql", "--name", strings.Repeat("n", 65)}, weekly...), "1 to 64 characters"},
		"no account":                   {append([]string{"mysql", "--definer", "a@b@c"}, weekly...), "--definer"},
		"Agent, a named zone":          {append([]string{"sqlserver", "--tz", "Europe/Berlin"}, weekly...), "leave --tz out"},
		"Agent, 36 hours":              {[]string{"sqlserver", "--every", "36h", "--starts", "2030-12-01 01:00"}, "a day must hold a whole number"},
		"cron, 36 hours":               {[]string{"cron", "--every", "36h", "--starts", "2030-12-01 01:00"}, "use 1d or 1w, or schedule mysql"},
		"cron, a DSN in sight":         {append([]string{"cron", "--dsn", "x"}, weekly...), "unknown flag: --dsn"},
		"cron, a cut-off for all runs": {append([]string{"cron", "--cutoff", "2026-01-01T00:00:00Z"}, weekly...), "unknown flag: --cutoff"},
		"systemd, a relative path":     {append([]string{"systemd", "--program", "tokensweep"}, weekly...), "--program"},
		"systemd, an odd name":         {append([]string{"systemd", "--name", "../x"}, weekly...), "--name"},
		"kubernetes, no image":         {append([]string{"kubernetes"}, weekly...), "--image is missing"},
		"clean's own flags":            {append([]string{"cron", "--batch", "many"}, weekly...), "--batch"},
		"audit and no audit":           {append([]string{"cron", "--audit", "--no-audit"}, weekly...), "contradict each other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tokensweep(t, append([]string{"schedule"}, c.args...)...)
			require.Equal(t, exitRefused, got.code, got.stderr)
			require.Contains(t, got.stderr, c.says)
			require.NotContains(t, got.stderr, "hidden-secret")
			require.Empty(t, got.stdout)
		})
	}
}

// TestScheduleUnitsRunClean: what the user says about the clean-up is in the unit's
// command, which tokensweep itself takes.
func TestScheduleUnitsRunClean(t *testing.T) {
	t.Parallel()
	got := tokensweep(t, "schedule", "cron", "--every", "1d", "--starts", "2030-12-01 01:00", "--tz", "+01:00", "--policy", "strict", "--safe-period", "4h",
		"--max-duration", "1h", "--no-audit", "--schema", "apim db")
	require.Equal(t, exitPass, got.code, got.stderr)
	line := lastLine(got.stdout)
	require.Equal(t, "0 1 * * * set -a; . /etc/tokensweep/clean.env && exec /usr/local/bin/tokensweep clean --yes --policy=strict "+
		"--max-duration=1h0m0s --no-audit=true --safe-period=4h0m0s '--schema=apim db' --abandon-run", line)
	require.Contains(t, got.stdout, "\nCRON_TZ=Etc/GMT-1\n")
	_, command, _ := strings.Cut(line, "/usr/local/bin/tokensweep ")
	args := strings.Fields(strings.ReplaceAll(command, "'--schema=apim db'", "--schema=x"))
	got = tokensweep(t, append(args, "--dsn", "root:hidden-secret@tcp(127.0.0.1:1)/x")...)
	require.Equal(t, exitUnavailable, got.code, "it is understood, and goes to the server: %s", got.stderr)
}

// TestScheduleEvent: the whole way on the command line, the DSN in the environment.
func TestScheduleEvent(t *testing.T) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			target := harness.ForTest(t, harness.Options{DB: db, ServerArgs: []string{"--event-scheduler=ON"}})
			seeded(t, target, seed.Spec{Seed: 3, Tokens: 300})
			t.Setenv(schedule.DSNVariable, target.ConnectionString())
			run := func(code int, args ...string) outcome {
				t.Helper()
				got := tokensweep(t, append([]string{"schedule", "mysql"}, args...)...)
				require.Equal(t, code, got.code, got.stdout+got.stderr)
				return got
			}
			times := []string{"--every", "1w", "--starts", "2030-12-01 01:00", "--tz", "Europe/Berlin"}
			got := run(exitRefused, append(times, "--install")...)
			require.Contains(t, got.stderr, "has no procedure TOKENSWEEP_CLEAN")
			got = run(exitPass, append(times, "--install", "--with-procedure", "--policy", "strict")...)
			require.Contains(t, got.stdout, "2030-12-01 01:00:00 Europe/Berlin (2030-12-01T00:00:00Z)")
			run(exitPass, append(times, "--install")...)

			began := time.Now().Add(-time.Second)
			got = run(exitPass, "--every", "1s", "--install")
			var st schedule.Status
			require.Eventually(t, func() bool {
				got := tokensweep(t, "schedule", "mysql", "--status", "--json", "-")
				require.NoError(t, json.Unmarshal([]byte(got.stdout), &st), got.stdout)
				return got.code == exitPass && len(st.Runs) > 0 && st.Runs[len(st.Runs)-1].Outcome == procedure.Done
			}, time.Minute, 50*time.Millisecond, "a run that the event began")
			require.True(t, st.Installed)
			require.True(t, st.Runs[0].Started.After(began))
			require.Equal(t, "tokens", st.Runs[0].Phases[0].Phase)
			got = run(exitPass, "--status")
			require.Contains(t, got.stdout, "tokens: ")

			sqlOn(t, target, "ALTER EVENT "+schedule.EventName+" DISABLE")
			got = run(exitFail, "--status")
			require.Contains(t, got.stdout, "PROBLEM  it is disabled")
			require.NotContains(t, got.stderr, "tokensweep: ", "the status says it all")
			require.Contains(t, run(exitPass, "--uninstall").stdout, "is removed")
			require.Contains(t, run(exitPass, "--uninstall").stdout, "nothing was changed")
			require.Contains(t, run(exitFail, "--status").stdout, "not installed")
			found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
			require.NoError(t, err)
			require.Equal(t, []string{"procedure " + procedure.Name}, found.Programs)

			got = tokensweep(t, "schedule", "sqlserver", "--status")
			require.Equal(t, exitRefused, got.code)
			require.Contains(t, got.stderr, "schedule mysql is for MySQL and MariaDB")
		})
	}
}
