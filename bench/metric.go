package bench

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/perf/benchunit"
)

// Unit is what a metric is measured in.
type Unit string

// The units. All are base units: seconds, not milliseconds.
const (
	Count   Unit = ""
	Seconds Unit = "sec"
	Bytes   Unit = "B"
	RowRate Unit = "rows/s"
)

func (u Unit) known() bool { return slices.Contains([]Unit{Count, Seconds, Bytes, RowRate}, u) }

// Better says which direction of a metric is the good one.
type Better string

// The directions.
const (
	Lower  Better = "lower"
	Higher Better = "higher"
	// Same is for exact metrics that say how much work there was: on the same data
	// any change is wrong.
	Same Better = "same"
)

// Metric is one number of a sample. Names are words of lower-case letters and
// digits joined by hyphens, such as batch-p99.
type Metric struct {
	Name   string  `json:"name"`
	Unit   Unit    `json:"unit,omitempty"`
	Better Better  `json:"better"`
	Exact  bool    `json:"exact,omitempty"` // deterministic: the same work always gives this very number
	Value  float64 `json:"value"`           // finite, 0 or more
}

// Key names the metric with its unit, such as clean-rows/s or batch-p99-sec. It
// is the unit of a Go benchmark line.
func (m Metric) Key() string {
	if m.Unit == Count {
		return m.Name
	}
	return m.Name + "-" + string(m.Unit)
}

// splitKey is the inverse of Key.
func splitKey(key string) (name string, unit Unit) {
	for _, u := range []Unit{Seconds, Bytes, RowRate} {
		if name, ok := strings.CutSuffix(key, "-"+string(u)); ok {
			return name, u
		}
	}
	return key, Count
}

// CleanRate is the key of the metric that engines are ranked by: Rate("clean", …).
const CleanRate = "clean-rows/s"

// Rate is the speed of a stage, such as clean or seed, in rows a second. A stage
// that took no time has no speed: the value is then NaN, which no sample accepts.
func Rate(stage string, rows int64, took time.Duration) Metric {
	v := math.NaN()
	if took > 0 {
		v = float64(rows) / took.Seconds()
	}
	return Metric{Name: stage, Unit: RowRate, Better: Higher, Value: v}
}

// ReferenceTime is what Normalized counts with: the CPU time that a piece of the
// reference of package measure takes on a machine of constant speed. That is made up,
// near to one of 2026.
const ReferenceTime = 2 * time.Millisecond

const normalized = "-normalized"

// NormalizedRate is the key of CleanRate's metric after Normalized.
const NormalizedRate = "clean" + normalized + "-rows/s"

// Normalized is a rate or a time as it would have been on a machine of constant
// speed. Took is the CPU time of a piece of the same reference work, measured
// meanwhile: where that takes twice ReferenceTime, the machine was half as fast.
func Normalized(m Metric, took time.Duration) Metric {
	slower := took.Seconds() / ReferenceTime.Seconds()
	m.Name += normalized
	if m.Better == Higher {
		m.Value *= slower
	} else {
		m.Value /= slower
	}
	return m
}

// Took is a duration that should be short: CPU time, the time of a batch.
func Took(name string, d time.Duration) Metric {
	return Metric{Name: name, Unit: Seconds, Better: Lower, Value: d.Seconds()}
}

// Size is a number of bytes that should be small: memory, redo, undo, binary log.
func Size(name string, bytes int64) Metric {
	return Metric{Name: name, Unit: Bytes, Better: Lower, Value: float64(bytes)}
}

// Counted is a number that should be small and differs from run to run, such as
// pages read or lock waits.
func Counted(name string, n int64) Metric {
	return Metric{Name: name, Better: Lower, Value: float64(n)}
}

// Cost is a number that should be small and is always the same for the same work,
// such as statements, round trips, batches or transactions.
func Cost(name string, n int64) Metric {
	return Metric{Name: name, Better: Lower, Exact: true, Value: float64(n)}
}

// HandlerPrefix begins the names of metrics that the server counts while it runs an
// engine's statements: rows read, written, deleted, commits. They say nothing between
// servers of different versions or settings, which may run the same statement in
// another way.
const HandlerPrefix = "handler-"

// Work is a number that has to be the same for the same data, such as rows removed.
func Work(name string, n int64) Metric {
	return Metric{Name: name, Better: Same, Exact: true, Value: float64(n)}
}

// BatchTimes are the metrics of the durations of a sample's batches: batch-p50,
// batch-p99 and batch-max, nearest rank. No batches, no metrics.
func BatchTimes(batches []time.Duration) []Metric {
	if len(batches) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(batches))
	rank := func(q float64) time.Duration { return sorted[int(math.Ceil(q*float64(len(sorted))))-1] }
	return []Metric{Took("batch-p50", rank(0.50)), Took("batch-p99", rank(0.99)), Took("batch-max", rank(1))}
}

var metricName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func (m Metric) validate() error {
	key := m.Key()
	_, tidy := benchunit.Tidy(1, key)
	name, unit := splitKey(key)
	switch {
	case !metricName.MatchString(m.Name):
		return fmt.Errorf("metric %q: use lower-case letters and digits joined by hyphens, such as batch-p99", m.Name)
	case !m.Unit.known():
		return fmt.Errorf("metric %s: no unit %q: use rows/s, sec, B or none", m.Name, m.Unit)
	case name != m.Name || unit != m.Unit || tidy != key || key == unverified:
		return fmt.Errorf("metric %s: the name means something in the Go benchmark format: choose another", m.Name)
	case m.Better != Lower && m.Better != Higher && m.Better != Same:
		return fmt.Errorf("metric %s: better is %q: use lower, higher or same", key, m.Better)
	case m.Better == Same && !m.Exact:
		return fmt.Errorf("metric %s: only an exact metric can have to stay the same", key)
	case math.IsNaN(m.Value) || math.IsInf(m.Value, 0) || m.Value < 0:
		return fmt.Errorf("metric %s: %v is no measurement: it has to be finite, and 0 or more", key, m.Value)
	}
	return nil
}

// Format writes a value for people: 11,031 rows/s, 85 ms, 12 MiB, 1,204.
func (u Unit) Format(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.IsInf(v, 0):
		return "∞"
	case u == Seconds:
		return formatSeconds(v)
	case u == Bytes:
		return humanize.IBytes(uint64(math.Round(max(v, 0))))
	case u == RowRate:
		return plainNumber(v) + " rows/s"
	}
	return plainNumber(v)
}

func plainNumber(v float64) string {
	if v == math.Trunc(v) || math.Abs(v) >= 100 {
		return humanize.Comma(int64(math.Round(v)))
	}
	return humanize.FormatFloat("#,###.##", v)
}

func formatSeconds(v float64) string {
	digits := func(x float64) string {
		switch {
		case x >= 99.95 || x == math.Trunc(x):
			return fmt.Sprintf("%.0f", x)
		case x >= 9.995:
			return fmt.Sprintf("%.1f", x)
		}
		return fmt.Sprintf("%.2f", x)
	}
	switch {
	case v == 0:
		return "0 s"
	case v < 1e-3:
		return digits(v*1e6) + " µs"
	case v < 1:
		return digits(v*1e3) + " ms"
	case v < 600:
		return digits(v) + " s"
	}
	return time.Duration(math.Round(v) * 1e9).String()
}
