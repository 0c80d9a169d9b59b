package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/schedule"
	"github.com/tokensweep/tokensweep/token"
)

var call = procedure.Arguments{Policy: token.Strict, SafePeriod: 4 * time.Hour, Batch: 500, Sleep: 250 * time.Millisecond,
	MaxDuration: 30 * time.Minute, Audit: true}

func job(t *testing.T, every, starts, zone string) schedule.Job {
	t.Helper()
	parsed, local, err := schedule.ParseJobTimes(every, starts, zone, now)
	require.NoError(t, err)
	return schedule.Job{Name: schedule.JobName, Times: parsed, Local: local, Call: call}
}

// TestJobAsPrinted: the script as text, to be read.
func TestJobAsPrinted(t *testing.T) {
	weekly := job(t, "2w", "2026-12-01 01:00", "")
	repeated := job(t, "6h", "2026-12-01 19:10", "+01:00")
	repeated.Name, repeated.Schema, repeated.Owner = "nightly 'clean]", "tok'ens", `DOMAIN\cleaner`
	for name, j := range map[string]schedule.Job{"job-weekly.sql": weekly, "job-repeated.sql": repeated} {
		text, err := j.Script()
		require.NoError(t, err)
		requireGolden(t, name, text)
	}
}

func TestJobRefusesWhatAgentCannotSay(t *testing.T) {
	for _, c := range []struct{ every, starts, zone, says string }{
		{"5s", "", "", "at most every 10 seconds"},
		{"36h", "2026-12-01 01:00", "", "a day must hold a whole number of intervals"},
		{"7h", "", "", "a day must hold a whole number of intervals"},
		{"1000s", "", "", "a day must hold a whole number of intervals"},
		{"144m", "", "", "at most 100 units"},
		{"1d", "2026-12-01 01:00", "Europe/Berlin", "knows only the local time of its server; leave --tz out"},
	} {
		_, _, err := schedule.ParseJobTimes(c.every, c.starts, c.zone, now)
		require.ErrorContains(t, err, c.says, c.every)
	}
}
