package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/report"
)

// ErrUnverified says that speed was to be recorded of a run that is not proven
// to have done its work.
var ErrUnverified = errors.New("a run that is not verified records no speed")

// Run says what was run.
type Run struct {
	// Engine is the engine with the settings that make it another one: batch,
	// batch:workers=2, script:official.sql. Samples are compared by it.
	Engine string `json:"engine"`
	// Round numbers the interleaved repetitions from 1: the engines of one round
	// ran one after the other, so their ratio is free of slow drift.
	Round   int       `json:"round"`
	Started time.Time `json:"started"`
	// Verdict is that of the verification: report.Pass, or report.Fail and
	// report.Inconclusive, which record no speed.
	Verdict string `json:"verdict"`
	// Notes are worth knowing: what the verifier found, rows that a script leaves
	// by design.
	Notes []string `json:"notes,omitempty"`
}

// Verified reports whether every row was accounted for.
func (r Run) Verified() bool { return r.Verdict == report.Pass }

// Sample is one run of one engine on one set of data.
type Sample struct {
	Run
	Metrics []Metric `json:"metrics,omitempty"`
	Series  []Series `json:"series,omitempty"`
}

// Names of series that the page plots. A sample has at most one of each.
const (
	Throughput  = "throughput"   // rows/s of the clean-up in the time up to each point
	BatchTime   = "batch-time"   // sec of each batch, at its end
	LatencyP50  = "latency-p50"  // sec of the operations beside the clean-up, per slice of time
	LatencyP99  = "latency-p99"  // the same
	LatencyP999 = "latency-p999" // the same
	LatencyMax  = "latency-max"  // the same
)

// Series is how something went over the time of a sample.
type Series struct {
	Name   string  `json:"name"`
	Unit   Unit    `json:"unit,omitempty"`
	Points []Point `json:"points"` // in the order of time
}

// Point is a value at a time. In JSON it is the array [at, value].
type Point struct {
	At    float64 // seconds since the clean-up began, 0 or more
	Value float64 // finite, 0 or more
}

// MarshalJSON writes [at, value].
func (p Point) MarshalJSON() ([]byte, error) { return json.Marshal([2]float64{p.At, p.Value}) }

// UnmarshalJSON reads [at, value].
func (p *Point) UnmarshalJSON(text []byte) error {
	var pair []float64
	if err := json.Unmarshal(text, &pair); err != nil || len(pair) != 2 {
		return fmt.Errorf("a point is %s: it has to be [seconds, value]", text)
	}
	p.At, p.Value = pair[0], pair[1]
	return nil
}

// NewSample makes a sample of a run. Metrics or series of a run that is not
// verified are refused with ErrUnverified.
func NewSample(run Run, metrics []Metric, series ...Series) (*Sample, error) {
	s := &Sample{Run: run, Metrics: slices.Clone(metrics), Series: slices.Clone(series)}
	s.Started = s.Started.UTC().Truncate(time.Second)
	if err := s.validate(); err != nil {
		return nil, err
	}
	return s, nil
}

// Metric finds a metric by its key.
func (s *Sample) Metric(key string) (Metric, bool) {
	i := slices.IndexFunc(s.Metrics, func(m Metric) bool { return m.Key() == key })
	if i < 0 {
		return Metric{}, false
	}
	return s.Metrics[i], true
}

// Points returns a series, nil if the sample has none of that name.
func (s *Sample) Points(name string) []Point {
	for _, series := range s.Series {
		if series.Name == name {
			return series.Points
		}
	}
	return nil
}

func (s *Sample) String() string { return fmt.Sprintf("%s, round %d", s.Engine, s.Round) }

func (s *Sample) validate() error {
	switch {
	case strings.TrimSpace(s.Engine) == "":
		return fmt.Errorf("a sample has no engine")
	case s.Round < 1:
		return fmt.Errorf("sample of %s: round %d: rounds count from 1", s.Engine, s.Round)
	case s.Started.IsZero():
		return fmt.Errorf("sample of %s: the time at which it started is missing", s)
	case !slices.Contains([]string{report.Pass, report.Fail, report.Inconclusive}, s.Verdict):
		return fmt.Errorf("sample of %s: verdict %q: use pass, fail or inconclusive", s, s.Verdict)
	case !s.Verified() && len(s.Metrics)+len(s.Series) > 0:
		return fmt.Errorf("sample of %s, verdict %s: %w", s, s.Verdict, ErrUnverified)
	case s.Verified() && len(s.Metrics) == 0:
		return fmt.Errorf("sample of %s: it is verified and has no metrics", s)
	}
	seen := map[string]bool{}
	for _, m := range s.Metrics {
		if err := m.validate(); err != nil {
			return fmt.Errorf("sample of %s: %w", s, err)
		}
		if seen[m.Key()] {
			return fmt.Errorf("sample of %s: metric %s is there twice", s, m.Key())
		}
		seen[m.Key()] = true
	}
	return s.validateSeries()
}

func (s *Sample) validateSeries() error {
	seen := map[string]bool{}
	for _, series := range s.Series {
		switch {
		case !metricName.MatchString(series.Name) || seen[series.Name]:
			return fmt.Errorf("sample of %s: series %q has no good name, or is there twice", s, series.Name)
		case !series.Unit.known():
			return fmt.Errorf("sample of %s: series %s: no unit %q", s, series.Name, series.Unit)
		}
		seen[series.Name] = true
		last := 0.0
		for i, p := range series.Points {
			if !(p.At >= last) || math.IsInf(p.At, 0) || !(p.Value >= 0) || math.IsInf(p.Value, 0) {
				return fmt.Errorf("sample of %s: series %s, point %d: [%v, %v] is no measurement, or earlier than the one before", s, series.Name, i+1, p.At, p.Value)
			}
			last = p.At
		}
	}
	return nil
}
