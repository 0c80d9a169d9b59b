package schedule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Zone is the time zone of a schedule.
type Zone struct {
	Name     string // as the user wrote it; "UTC" for all names of UTC
	Location *time.Location
	Fixed    bool // UTC or an offset: it never changes its clocks
}

var offsetText = regexp.MustCompile(`^([+-])(0[0-9]|1[0-4]):([0-5][0-9])$`)

// ParseZone reads a name of the IANA database, as Europe/Berlin, or an offset
// from -13:59 to +14:00. An offset does not follow summer time.
func ParseZone(text string) (Zone, error) {
	switch {
	case slices.Contains([]string{"utc", "etc/utc", "gmt", "z", "+00:00", "-00:00"}, strings.ToLower(text)):
		return Zone{Name: "UTC", Location: time.UTC, Fixed: true}, nil
	case offsetText.MatchString(text):
		seconds := offsetSeconds(text)
		if seconds < -(14*3600-60) || seconds > 14*3600 {
			return Zone{}, fmt.Errorf("%q is out of range: offsets go from -13:59 to +14:00", text)
		}
		return Zone{Name: text, Location: time.FixedZone(text, seconds), Fixed: true}, nil
	}
	location, err := time.LoadLocation(text)
	if err != nil || text == "" || text == "Local" {
		return Zone{}, fmt.Errorf("%q is no time zone: use a name such as Europe/Berlin, an offset such as +01:00 (which does not follow summer time), or UTC", text)
	}
	return Zone{Name: text, Location: location}, nil
}

func offsetSeconds(text string) int {
	parts := offsetText.FindStringSubmatch(text)
	hours, _ := strconv.Atoi(parts[2]) // the pattern admits digits only
	minutes, _ := strconv.Atoi(parts[3])
	if parts[1] == "-" {
		return -(hours*3600 + minutes*60)
	}
	return hours*3600 + minutes*60
}

// wall is the zone's wall clock at an instant, written as a time in UTC: wall
// clocks are compared and added to without any zone.
func (z Zone) wall(at time.Time) time.Time {
	y, m, d := at.In(z.Location).Date()
	h, min, s := at.In(z.Location).Clock()
	return time.Date(y, m, d, h, min, s, 0, time.UTC)
}

// instants are the moments at which the zone's clocks show that wall clock: one;
// none in the gap of spring; two in the hour that comes twice in autumn.
func (z Zone) instants(wall time.Time) []time.Time {
	var found []time.Time
	for _, around := range []time.Duration{-36 * time.Hour, -12 * time.Hour, 12 * time.Hour, 36 * time.Hour} {
		_, offset := wall.Add(around).In(z.Location).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(z.Location)
		if z.wall(at).Equal(wall) && !slices.ContainsFunc(found, at.Equal) {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, time.Time.Compare)
	return found
}

// resolve is when an event of MySQL with that wall clock runs: at the first of
// two moments; in a gap when the gap is over.
func (z Zone) resolve(wall time.Time) time.Time {
	if found := z.instants(wall); len(found) > 0 {
		return found[0]
	}
	_, end := z.change(wall)
	return end
}

// change finds the change of clocks that a wall clock falls into: the wall clock
// before it, and the moment of it.
func (z Zone) change(wall time.Time) (before time.Time, at time.Time) {
	early := wall.Add(-36 * time.Hour).In(z.Location)
	for {
		_, at = early.ZoneBounds()
		if at.IsZero() || at.After(wall.Add(36*time.Hour)) {
			return wall, wall // no change: every caller has seen that there is one
		}
		_, was := at.Add(-time.Second).Zone()
		before = at.UTC().Add(time.Duration(was) * time.Second)
		after := z.wall(at)
		if !wall.Before(earlier(before, after)) && wall.Before(later(before, after)) {
			return before, at
		}
		early = at
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// explain says why a wall clock is no single moment; "" if it is one.
func (z Zone) explain(wall time.Time) string {
	found := z.instants(wall)
	if len(found) == 1 {
		return ""
	}
	before, at := z.change(wall)
	after := z.wall(at)
	what := "comes twice in %s: its clocks go back"
	if len(found) == 0 {
		what = "does not exist in %s: its clocks go"
	}
	return fmt.Sprintf("%s "+what+" from %s to %s that day", wall.Format(time.DateTime), z.Name, before.Format(clock), after.Format(clock))
}

const clock = "15:04"

// iana is the zone's name in the IANA database, for programs that take no
// offset: +01:00 is Etc/GMT-1 there, with the sign the other way round.
func (z Zone) iana() (string, error) {
	if !z.Fixed || z.Location == time.UTC {
		return z.Name, nil
	}
	seconds := offsetSeconds(z.Name)
	if seconds%3600 != 0 || seconds < -12*3600 {
		return "", fmt.Errorf("the offset %s cannot be said here, only names of zones: use one such as Asia/Kolkata", z.Name)
	}
	return fmt.Sprintf("Etc/GMT%+d", -seconds/3600), nil
}
