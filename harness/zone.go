package harness

import (
	"fmt"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dump"
	"github.com/tokensweep/tokensweep/verify"
)

// ZoneWarnings says what the data of a pre-image tell about the time zone in
// which they were read, Server.Zone. It has nothing to say where there is none.
func ZoneWarnings(zone string, im *verify.Image) []string { return zoneWarnings(zone, im, nil) }

// zoneWarnings says what the data tell about the time zone in which they were
// read. The product writes UTC wall clocks through its own session zone into
// TIMESTAMP columns: only a session in that zone reads them as they were meant.
func zoneWarnings(zone string, im *verify.Image, info *dump.Info) []string {
	if zone == "" {
		return nil // a time is read as it was written
	}
	var warnings []string
	if changes(zone) {
		warnings = append(warnings, fmt.Sprintf("the session time zone %s has clock changes: wall clocks in the hours around them are ambiguous by one hour", zone))
	}
	if im.Newest == 0 {
		return warnings
	}
	newest := im.NewestToken()
	const remedy = "if the product's sessions use another zone than this one, name it with --writers-time-zone"
	if ahead := newest.Sub(im.Taken); ahead > 5*time.Minute {
		warnings = append(warnings, fmt.Sprintf("the newest token was made %s in the future (%s): %s", ahead.Round(time.Minute), newest.Format(time.DateTime), remedy))
	}
	if info != nil && !info.CompletedClock.IsZero() {
		if behind := info.CompletedClock.Sub(newest); behind > 2*time.Hour || behind < -5*time.Minute {
			warnings = append(warnings, fmt.Sprintf("the newest token is of %s, the dump was complete at %s on its own clock: %s",
				newest.Format(time.DateTime), info.CompletedClock.Format(time.DateTime), remedy))
		}
	}
	return warnings
}

// changes reports whether a zone changes its clocks within the year.
func changes(zone string) bool {
	if strings.HasPrefix(zone, "+") || strings.HasPrefix(zone, "-") {
		return false
	}
	at, err := time.LoadLocation(zone)
	if err != nil {
		return false // an abbreviation such as CET of a system zone: not known here
	}
	year := time.Now().Year()
	_, winter := time.Date(year, 1, 15, 0, 0, 0, 0, at).Zone()
	_, summer := time.Date(year, 7, 15, 0, 0, 0, 0, at).Zone()
	return winter != summer
}
