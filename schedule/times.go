package schedule

import (
	"fmt"
	"time"
)

// Times are the times of a schedule: every so often from a start on, on the wall
// clock of a zone. A weekly schedule keeps its hour through changes of clocks.
type Times struct {
	Every Interval
	Zone  Zone
	// Starts is the wall clock of the first run, written as a time in UTC. It is
	// later than the moment for which the times were made, see ParseTimes.
	Starts time.Time
	// Given is the start that the user gave, if it was over then; else zero.
	Given time.Time
}

// ParseTimes reads --every, --starts and --tz. now is the time of the call: from
// a start that is over the first of its times behind now is taken. starts is a
// wall clock as "2026-12-01 01:00"; "" takes the next multiple of the interval
// since midnight, and is refused for intervals of a day or more. The zone "" is UTC.
//
// It refuses a start that its zone skips or has twice.
func ParseTimes(every, starts, zone string, now time.Time) (Times, error) {
	var t Times
	var err error
	if t.Every, err = ParseInterval(every); err != nil {
		return t, fmt.Errorf("--every: %w", err)
	}
	if zone == "" {
		zone = "UTC"
	}
	if t.Zone, err = ParseZone(zone); err != nil {
		return t, fmt.Errorf("--tz: %w", err)
	}
	if starts == "" {
		if t.Every.Seconds() >= units[Day].seconds {
			return t, fmt.Errorf("--starts is missing: say when the first run is, at a time of little traffic, as \"%s\"",
				now.In(t.Zone.Location).AddDate(0, 0, 1).Format(time.DateOnly)+" 01:00")
		}
		today := t.Zone.wall(now).Truncate(24 * time.Hour)
		t.Starts = t.ahead(today, now)
		return t, nil
	}
	if t.Starts, err = parseWall(starts); err != nil {
		return t, err
	}
	if problem := t.Zone.explain(t.Starts); problem != "" {
		return t, fmt.Errorf("--starts: %s; choose another time", problem)
	}
	if !t.Zone.resolve(t.Starts).After(now) {
		t.Given = t.Starts
		t.Starts = t.ahead(t.Given, now)
	}
	return t, nil
}

func parseWall(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if wall, err := time.Parse(layout, text); err == nil {
			if wall.Year() < 1971 || wall.Year() > 2037 { // a server may keep it as a TIMESTAMP
				return wall, fmt.Errorf("--starts %q is out of range: use a year from 1971 to 2037", text)
			}
			return wall, nil
		}
	}
	return time.Time{}, fmt.Errorf("--starts %q is no wall clock such as \"2026-12-01 01:00\" (the zone is --tz)", text)
}

// ahead is the first time behind now that exists once, counted from start.
// A start in a gap would move every later run to the end of that gap.
func (t Times) ahead(start, now time.Time) time.Time {
	for {
		wall := t.after(start, now)
		if t.Zone.explain(wall) == "" {
			return wall
		}
		now = t.Zone.resolve(wall)
	}
}

// after is the wall clock of the first time behind now, counted from start. It
// does what the event scheduler of MySQL and MariaDB does: it adds to the wall
// clock, so that of a repeated hour only the first counts.
func (t Times) after(start, now time.Time) time.Time {
	step := t.Every.Duration()
	wall := start
	if passed := t.Zone.wall(now).Sub(start); passed >= 0 {
		wall = start.Add(passed - passed%step + step)
	}
	for !t.Zone.resolve(wall).After(now) {
		wall = wall.Add(step)
	}
	return wall
}

// Next is the moment of the first run behind now.
func (t Times) Next(now time.Time) time.Time { return t.Zone.resolve(t.after(t.Starts, now)) }

// Hazards are the runs of the year from the start on whose wall clock the zone skips or
// has twice, a sentence each. Intervals under a day have none: some of their
// runs always meet the change.
func (t Times) Hazards() []string {
	if t.Zone.Fixed || t.Every.Seconds() < units[Day].seconds {
		return nil
	}
	var all []string
	for wall := t.Starts; wall.Before(t.Starts.AddDate(1, 0, 1)); wall = wall.Add(t.Every.Duration()) {
		if problem := t.Zone.explain(wall); problem != "" {
			all = append(all, problem)
		}
	}
	return all
}

// Phrase is for people, as "every week from 2026-12-01 01:00:00 on, Europe/Berlin".
func (t Times) Phrase() string {
	return fmt.Sprintf("%s from %s on, %s", t.Every.Phrase(), t.Starts.Format(time.DateTime), t.Zone.Name)
}
