package schedule_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schedule"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// now is the time of the calls in tests that name none: a Thursday.
var now = time.Date(2026, 11, 26, 4, 30, 0, 0, time.UTC)

func times(t *testing.T, every, starts, zone string) schedule.Times {
	t.Helper()
	parsed, err := schedule.ParseTimes(every, starts, zone, now)
	require.NoError(t, err)
	return parsed
}

func TestParseInterval(t *testing.T) {
	for text, seconds := range map[string]int64{"1s": 1, "90s": 90, "15m": 900, "6h": 21_600, "1d": 86_400, "2w": 1_209_600, "366d": 31_622_400} {
		i, err := schedule.ParseInterval(text)
		require.NoError(t, err, text)
		require.Equal(t, seconds, i.Seconds(), text)
		require.Equal(t, text, i.String())
	}
	for _, text := range []string{"", "1", "w", "0s", "-1h", "1.5h", "1h30m", "1W", "1 w", "367d", "53w", "999999999w", "1y", "１h"} {
		_, err := schedule.ParseInterval(text)
		require.Error(t, err, text)
	}
}

func TestParseZone(t *testing.T) {
	for text, fixed := range map[string]bool{"Europe/Berlin": false, "+01:00": true, "-08:00": true, "+14:00": true, "UTC": true, "Etc/UTC": true, "Asia/Kolkata": false} {
		z, err := schedule.ParseZone(text)
		require.NoError(t, err, text)
		require.Equal(t, fixed, z.Fixed, text)
	}
	for _, text := range []string{"", "Local", "Europe/Atlantis", "+1:00", "+14:01", "-14:00", "+01:60", "CET-1", "../etc/passwd", "Europe/Berlin'"} {
		_, err := schedule.ParseZone(text)
		require.Error(t, err, text)
	}
}

// TestStart: what the first run is, and what is refused.
func TestStart(t *testing.T) {
	for name, c := range map[string]struct{ every, starts, zone, first string }{
		"as given":                          {"1w", "2026-12-01 01:00", "Europe/Berlin", "2026-12-01T00:00:00Z"},
		"in summer":                         {"1w", "2027-07-01 01:00", "Europe/Berlin", "2027-06-30T23:00:00Z"},
		"by an offset":                      {"1d", "2026-12-01T01:00:30", "-08:00", "2026-12-01T09:00:30Z"},
		"UTC if no zone is named":           {"1d", "2026-12-01 01:00", "", "2026-12-01T01:00:00Z"},
		"over by weeks: the next of them":   {"1w", "2026-10-06 01:00", "Europe/Berlin", "2026-12-01T00:00:00Z"},
		"over by an hour":                   {"1d", "2026-11-26 04:30", "Europe/Berlin", "2026-11-27T03:30:00Z"},
		"now is over":                       {"1d", "2026-11-26 04:30", "UTC", "2026-11-27T04:30:00Z"},
		"over, in 36 hour steps":            {"36h", "2026-11-24 00:00", "UTC", "2026-11-27T00:00:00Z"},
		"none for seconds: the next second": {"1s", "", "", "2026-11-26T04:30:01Z"},
		"none for hours: the next of a day": {"6h", "", "Europe/Berlin", "2026-11-26T05:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			got := times(t, c.every, c.starts, c.zone)
			require.Equal(t, c.first, got.Next(now).UTC().Format(time.RFC3339))
			require.Equal(t, got.Next(now).UTC(), got.Next(got.Next(now).Add(-time.Second)).UTC(), "the start is one of the times")
		})
	}
	for name, c := range map[string]struct{ every, starts, zone, says string }{
		"no start for days":     {"1d", "", "Europe/Berlin", `--starts is missing: say when the first run is, at a time of little traffic, as "2026-11-27 01:00"`},
		"gap of spring":         {"1d", "2027-03-28 02:30", "Europe/Berlin", "2027-03-28 02:30:00 does not exist in Europe/Berlin: its clocks go from 02:00 to 03:00 that day; choose"},
		"hour of autumn":        {"1d", "2027-10-31 02:30", "Europe/Berlin", "2027-10-31 02:30:00 comes twice in Europe/Berlin: its clocks go back from 03:00 to 02:00 that day; choose another time"},
		"half an hour's change": {"1d", "2027-10-03 02:15", "Australia/Lord_Howe", "does not exist in Australia/Lord_Howe: its clocks go from 02:00 to 02:30"},
		"a gap at midnight":     {"1d", "2027-09-05 00:00", "America/Santiago", "does not exist in America/Santiago"},
		"no time":               {"1d", "tomorrow", "", `--starts "tomorrow" is no wall clock`},
		"no such day":           {"1d", "2026-02-30 01:00", "", "is no wall clock"},
		"a zone in it":          {"1d", "2026-12-01T01:00:00Z", "", "the zone is --tz"},
		"far away":              {"1d", "2099-12-01 01:00", "", "use a year from 1971 to 2037"},
		"no interval":           {"weekly", "2026-12-01 01:00", "", `--every: "weekly" is no interval`},
		"no zone":               {"1d", "2026-12-01 01:00", "Berlin", `--tz: "Berlin" is no time zone`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := schedule.ParseTimes(c.every, c.starts, c.zone, now)
			require.ErrorContains(t, err, c.says)
		})
	}
	parsed, err := schedule.ParseTimes("1d", "2027-10-31 03:00", "Europe/Berlin", now)
	require.NoError(t, err, "the hour that comes twice ends at 03:00")
	require.Equal(t, "2027-10-31T02:00:00Z", parsed.Next(now).UTC().Format(time.RFC3339))
}

// TestNextKeepsTheHour: the times of Europe/Berlin around both changes of 2027, as
// the event schedulers of MySQL and MariaDB compute them.
func TestNextKeepsTheHour(t *testing.T) {
	for name, c := range map[string]struct {
		every, starts, from string
		next                []string // UTC
	}{
		"daily through spring": {"1d", "2026-12-01 01:00", "2027-03-27T12:00:00Z",
			[]string{"2027-03-28T00:00:00Z", "2027-03-28T23:00:00Z", "2027-03-29T23:00:00Z"}},
		"daily into the gap": {"1d", "2026-12-01 02:30", "2027-03-27T12:00:00Z",
			[]string{"2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"}},
		"daily into the hour that comes twice": {"1d", "2026-12-01 02:30", "2027-10-30T12:00:00Z",
			[]string{"2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"}},
		"weekly through autumn": {"1w", "2026-12-01 01:00", "2027-10-26T12:00:00Z",
			[]string{"2027-11-02T00:00:00Z", "2027-11-09T00:00:00Z"}},
		"hourly: of the repeated hour the first": {"1h", "2026-12-01 00:30", "2027-10-31T00:00:00Z",
			[]string{"2027-10-31T00:30:00Z", "2027-10-31T02:30:00Z", "2027-10-31T03:30:00Z"}},
		"before the start": {"1d", "2027-06-01 01:00", "2026-12-24T00:00:00Z", []string{"2027-05-31T23:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			parsed := times(t, c.every, c.starts, "Europe/Berlin")
			at, err := time.Parse(time.RFC3339, c.from)
			require.NoError(t, err)
			for _, want := range c.next {
				at = parsed.Next(at)
				require.Equal(t, want, at.UTC().Format(time.RFC3339))
			}
		})
	}
}

func TestHazardsNameTheRunsThatMeetAChange(t *testing.T) {
	require.Empty(t, times(t, "1w", "2026-12-01 01:00", "Europe/Berlin").Hazards(), "Tuesdays")
	require.Empty(t, times(t, "1d", "2026-12-01 02:30", "+01:00").Hazards())
	require.Empty(t, times(t, "1d", "2026-12-01 03:00", "Europe/Berlin").Hazards())
	require.Equal(t, []string{
		"2027-03-28 02:30:00 does not exist in Europe/Berlin: its clocks go from 02:00 to 03:00 that day",
		"2027-10-31 02:30:00 comes twice in Europe/Berlin: its clocks go back from 03:00 to 02:00 that day",
	}, times(t, "1w", "2026-12-06 02:30", "Europe/Berlin").Hazards(), "Sundays")
}
