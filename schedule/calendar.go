package schedule

import (
	"fmt"
	"strings"
	"time"
)

// unsayable says what an interval cannot be, and the nearest that can.
func (t Times) unsayable(who string, sayable []Interval) error {
	var near []string
	wanted := t.Every.Seconds()
	for _, i := range sayable { // shortest first
		if i.Seconds() < wanted {
			near = []string{i.String()}
		} else {
			near = append(near, i.String())
			break
		}
	}
	return fmt.Errorf("%s cannot run %s: its times repeat within an hour, a day or a week; use %s, or schedule mysql, whose events take any interval",
		who, t.Every.Phrase(), strings.Join(near, " or "))
}

// sayable are the intervals that a calendar of minutes, hours and week days
// says exactly, shortest first; seconds, if wanted, too.
func sayable(seconds bool) []Interval {
	var all []Interval
	add := func(unit Unit, numbers ...int64) {
		for _, n := range numbers {
			all = append(all, Interval{n, unit})
		}
	}
	partsOf60 := []int64{1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30}
	if seconds {
		add(Second, partsOf60...)
	}
	add(Minute, partsOf60...)
	add(Hour, 1, 2, 3, 4, 6, 8, 12)
	add(Day, 1)
	add(Week, 1)
	return all
}

// said is the interval in the unit of sayable.
func (t Times) said(who string, seconds bool) (Interval, error) {
	every, list := t.Every.coarsest(), sayable(seconds)
	for _, i := range list {
		if i == every {
			return every, nil
		}
	}
	return every, t.unsayable(who, list)
}

// cron is the five fields of a line of cron; who is the program that reads them.
func (t Times) cron(who string) (string, error) {
	every, err := t.said(who, false)
	if err != nil {
		return "", err
	}
	hour, minute, second := t.Starts.Clock()
	if second != 0 {
		return "", fmt.Errorf("%s runs at whole minutes: give --starts without seconds", who)
	}
	switch every.Unit {
	case Minute:
		return steps(minute, int(every.N), 59) + " * * * *", nil
	case Hour:
		return fmt.Sprintf("%d %s * * *", minute, steps(hour, int(every.N), 23)), nil
	case Day:
		return fmt.Sprintf("%d %d * * *", minute, hour), nil
	}
	return fmt.Sprintf("%d %d * * %d", minute, hour, t.Starts.Weekday()), nil
}

// steps is every n-th value of a field of cron that goes up to last, so that at
// is among them.
func steps(at, n, last int) string {
	switch first := at % n; {
	case n == 1:
		return "*"
	case first == 0:
		return fmt.Sprintf("*/%d", n)
	default:
		return fmt.Sprintf("%d-%d/%d", first, last, n)
	}
}

// onCalendar is a time specification of systemd.
func (t Times) onCalendar() (string, error) {
	every, err := t.said("systemd", true)
	if err != nil {
		return "", err
	}
	zone, err := t.Zone.iana()
	if err != nil {
		return "", err
	}
	hour, minute, second := t.Starts.Clock()
	var at string
	switch every.Unit {
	case Second:
		at = "*-*-* *:*:" + repeats(second, int(every.N))
	case Minute:
		at = fmt.Sprintf("*-*-* *:%s:%02d", repeats(minute, int(every.N)), second)
	case Hour:
		at = fmt.Sprintf("*-*-* %s:%02d:%02d", repeats(hour, int(every.N)), minute, second)
	case Day:
		at = fmt.Sprintf("*-*-* %02d:%02d:%02d", hour, minute, second)
	default:
		at = fmt.Sprintf("%s *-*-* %02d:%02d:%02d", t.Starts.Format("Mon"), hour, minute, second)
	}
	return at + " " + zone, nil
}

// repeats is every n-th value of a field of systemd, so that at is among them.
func repeats(at, n int) string {
	if n == 1 {
		return "*"
	}
	return fmt.Sprintf("%02d/%d", at%n, n)
}

// early says that a calendar without a first date begins before the start; "" if
// the start is the first of its times anyway.
func (t Times) early(who string, now time.Time) string {
	before := t.Starts.Add(-t.Every.Duration())
	if !t.Zone.resolve(before).After(now) {
		return ""
	}
	return fmt.Sprintf("%s knows no first date: put it in place after %s, or it begins before %s.",
		who, before.Format(time.DateTime), t.Starts.Format(time.DateTime))
}
