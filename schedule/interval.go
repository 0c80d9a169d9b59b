package schedule

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Interval is the time between two runs: a number of one unit, on the wall clock
// of the schedule's zone.
type Interval struct {
	N    int64
	Unit Unit
}

// Unit is a unit of time as --every writes it.
type Unit string

// Units, and the longest interval.
const (
	Second Unit = "s"
	Minute Unit = "m"
	Hour   Unit = "h"
	Day    Unit = "d"
	Week   Unit = "w"

	longest = 366 * 24 * 60 * 60 // seconds
)

// seconds and names of the units.
var units = map[Unit]struct {
	seconds int64
	name    string
}{Second: {1, "second"}, Minute: {60, "minute"}, Hour: {3600, "hour"}, Day: {86_400, "day"}, Week: {604_800, "week"}}

var intervalText = regexp.MustCompile(`^([0-9]{1,9})([smhdw])$`)

// ParseInterval reads a number and a unit, as 30s, 15m, 6h, 1d or 2w: from one
// second to a year.
func ParseInterval(text string) (Interval, error) {
	parts := intervalText.FindStringSubmatch(text)
	if parts == nil {
		return Interval{}, fmt.Errorf("%q is no interval: write a number and one unit (s, m, h, d, w), as 6h, 1d or 1w", text)
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return Interval{}, err
	}
	every := Interval{N: n, Unit: Unit(parts[2])}
	if n < 1 || every.Seconds() > longest {
		return Interval{}, fmt.Errorf("%q is out of range: use 1s to 366d", text)
	}
	return every, nil
}

// Seconds is the interval's length on a clock that never changes.
func (i Interval) Seconds() int64 { return i.N * units[i.Unit].seconds }

// Duration is Seconds as a duration.
func (i Interval) Duration() time.Duration { return time.Duration(i.Seconds()) * time.Second }

// String is what ParseInterval reads.
func (i Interval) String() string { return strconv.FormatInt(i.N, 10) + string(i.Unit) }

// Phrase is for people, as "every week" or "every 6 hours".
func (i Interval) Phrase() string {
	if i.N == 1 {
		return "every " + units[i.Unit].name
	}
	return fmt.Sprintf("every %d %ss", i.N, units[i.Unit].name)
}

// coarsest is the same interval in the largest unit that says it in whole
// numbers: 120m is 2h, 7d is 1w.
func (i Interval) coarsest() Interval {
	for _, unit := range []Unit{Week, Day, Hour, Minute} {
		if s := units[unit].seconds; i.Seconds()%s == 0 {
			return Interval{i.Seconds() / s, unit}
		}
	}
	return Interval{i.Seconds(), Second}
}

// dividesDay reports whether a day holds a whole number of intervals, so that
// each day has the same times.
func (i Interval) dividesDay() bool { return units[Day].seconds%i.Seconds() == 0 }
