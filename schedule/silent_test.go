package schedule

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup/procedure"
)

// TestFiredWithoutARun: an event that is fired while the procedure refuses leaves no
// row behind; the status has to notice by what is missing.
func TestFiredWithoutARun(t *testing.T) {
	now := time.Date(2026, 11, 26, 4, 30, 0, 0, time.UTC)
	ran := func(ago, took time.Duration) []procedure.Run {
		r := procedure.Run{Started: now.Add(-ago), Outcome: procedure.Running}
		if took > 0 {
			r.Ended = r.Started.Add(took)
		}
		return []procedure.Run{r}
	}
	for name, c := range map[string]struct {
		every  string
		fired  time.Duration // before now; 0: never
		runs   []procedure.Run
		locked bool
		silent bool
	}{
		"never fired":                        {every: "1 WEEK"},
		"fired, and a run came of it":        {every: "1 WEEK", fired: time.Hour, runs: ran(time.Hour-2*time.Second, time.Minute)},
		"fired three days ago, no run":       {every: "1 WEEK", fired: 72 * time.Hour, silent: true},
		"fired, the last run is a week old":  {every: "1 WEEK", fired: time.Hour, runs: ran(7*24*time.Hour, time.Minute), silent: true},
		"fired this moment":                  {every: "1 WEEK", fired: 2 * time.Second, runs: ran(7*24*time.Hour, time.Minute)},
		"fired this moment, a run missed":    {every: "1 WEEK", fired: 2 * time.Second, runs: ran(14*24*time.Hour, time.Minute), silent: true},
		"fired while a run was under way":    {every: "1 HOUR", fired: time.Hour, runs: ran(2*time.Hour, 90*time.Minute)},
		"fired while a run is under way":     {every: "1 HOUR", fired: time.Hour, runs: ran(2*time.Hour, 0)},
		"somebody holds the lock":            {every: "1 HOUR", fired: time.Hour, locked: true},
		"fired every second, and no run yet": {every: "1 SECOND", fired: time.Second, silent: true},
		"fired every second, runs come":      {every: "1 SECOND", fired: time.Second, runs: ran(3*time.Second, time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			f := foundEvent{zone: "+01:00", starts: "2026-11-01 05:00:00", every: c.every[:1], field: c.every[2:]}
			if c.fired > 0 {
				f.lastExecuted = sql.NullString{String: now.Add(time.Hour - c.fired).Format(time.DateTime), Valid: true} // in the event's zone
			}
			text := f.silent(c.runs, "UTC", now, c.locked)
			if c.silent {
				require.Contains(t, text, "no run of the procedure came of it")
				require.Contains(t, text, now.Add(-c.fired).Format(time.RFC3339))
			} else {
				require.Empty(t, text)
			}
		})
	}
}

func TestAgentTime(t *testing.T) {
	require.Equal(t, "2026-12-01 01:30:05 server's local time", agentTime(20261201, 13005).String())
	require.Equal(t, "-", agentTime(0, 0).String())
}

func TestParseAccount(t *testing.T) {
	for text, want := range map[string]string{"root": "`root`@`%`", "cleaner@10.0.0.%": "`cleaner`@`10.0.0.%`", "'clean er'@'localhost'": "`clean er`@`localhost`",
		"`a`@`b`": "`a`@`b`", "'user@home'@host": "`user@home`@`host`"} {
		a, err := ParseAccount(text)
		require.NoError(t, err, text)
		require.Equal(t, want, a.SQL())
	}
	for _, text := range []string{"", "@host", "a@b@c", "'a", "a'; DROP USER b"} {
		_, err := ParseAccount(text)
		require.Error(t, err, text)
	}
}
