package bench

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"
)

// Defaults of Options.
const (
	DefaultAlpha     = 0.05
	DefaultTolerance = 0.05
)

// Options say how records are compared.
type Options struct {
	// Alpha is the level of significance: a difference counts if chance makes one
	// like it less often. 0 is DefaultAlpha.
	Alpha float64
	// Tolerance is the share of the old median by which a metric may get worse.
	// 0 is none at all; the command line's default is DefaultTolerance.
	Tolerance float64
	// Noise is the width of a confidence interval, as a share of its median, beyond
	// which the metric is too noisy to judge. 0 is three times the tolerance, at
	// least 3 %.
	Noise float64
	// Metrics are the metrics to look at: keys, names or patterns such as batch-*.
	// Empty is all for Compare, and for Gate the rates and the exact ones.
	Metrics []string
	// Exact compares records of any two machines by their exact counters alone. Of
	// the fingerprints only product, data, task and scripts have to be equal; where the
	// server's version or settings differ, a Gate does not judge the metrics of
	// HandlerPrefix. It judges Reads too, though that is only almost exact.
	Exact bool
	// Force compares records whose fingerprints differ.
	Force bool
}

func (o Options) normalize() (Options, error) {
	if o.Alpha == 0 {
		o.Alpha = DefaultAlpha
	}
	if o.Noise == 0 {
		o.Noise = max(3*o.Tolerance, 0.03)
	}
	switch {
	case !(o.Alpha >= 0.0001 && o.Alpha <= 0.5):
		return o, &OptionError{fmt.Sprintf("alpha %v: use 0.0001 to 0.5, mostly 0.05", o.Alpha)}
	case !(o.Tolerance >= 0 && o.Tolerance < 1):
		return o, &OptionError{fmt.Sprintf("tolerance %v: use 0 to less than 1 (5%% is 0.05)", o.Tolerance)}
	case !(o.Noise > 0):
		return o, &OptionError{fmt.Sprintf("noise limit %v: use more than 0 (15%% is 0.15)", o.Noise)}
	}
	for _, pattern := range o.Metrics {
		if _, err := path.Match(pattern, ""); err != nil {
			return o, &OptionError{fmt.Sprintf("metric %q is no pattern: %v", pattern, err)}
		}
	}
	return o, nil
}

// OptionError is a problem with Options.
type OptionError struct{ Problem string }

func (e *OptionError) Error() string { return e.Problem }

// FingerprintError refuses to compare records of different machines, servers,
// data, tasks or tools.
type FingerprintError struct {
	Differences []Difference
	Exact       bool // it was about counters, see Options
}

func (e *FingerprintError) Error() string {
	var b strings.Builder
	what := map[bool]string{true: "the counters", false: "speed"}[e.Exact]
	b.WriteString("the fingerprints differ, so the difference in " + what + " would not be that of the engines:")
	for _, d := range e.Differences {
		b.WriteString("\n  " + d.String())
	}
	return b.String()
}

// Verdicts on one metric.
const (
	IsBetter       = "better"
	IsWorse        = "worse"
	NoDifference   = "no difference"
	IsDiffers      = "differs" // an exact metric that had to stay the same
	IsInconclusive = "inconclusive"
)

// Interval is the median of some samples, and where the true median lies.
type Interval struct {
	Median float64 `json:"median"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
	// Confidence of the interval, 0 to 1; 1 for exact metrics. Where the samples are
	// too few for the one asked for, the interval is their range and this is what
	// the range is worth.
	Confidence float64   `json:"confidence"`
	N          int       `json:"n"`
	Values     []float64 `json:"values"` // ascending
}

// Spread is the width of the interval as a share of the median.
func (i Interval) Spread() float64 {
	if i.Hi == i.Lo {
		return 0
	}
	return (i.Hi - i.Lo) / i.Median // infinite if the median is 0
}

// Half is the larger half of the interval as a share of the median: the ± of a table.
func (i Interval) Half() float64 {
	if i.Hi == i.Lo {
		return 0
	}
	return max(i.Hi-i.Median, i.Median-i.Lo) / i.Median
}

// Summarize returns the median of an engine's verified samples with its interval
// at the confidence 1-alpha; ok is false if no sample has the metric.
func (r *Record) Summarize(engine string, kind Metric, alpha float64) (i Interval, ok bool) {
	return Summarize(r.values(engine, kind), kind.Exact, alpha)
}

func (r *Record) values(engine string, kind Metric) []float64 {
	var values []float64
	for _, s := range r.Of(engine) {
		if m, ok := s.Metric(kind.Key()); ok {
			values = append(values, m.Value)
		}
	}
	return values
}

// Summarize returns the median of values and its interval at the confidence
// 1-alpha; ok is false if there are none.
func Summarize(values []float64, exact bool, alpha float64) (i Interval, ok bool) {
	if len(values) == 0 {
		return i, false
	}
	s := sampleOf(values, alpha)
	summary := assumption(exact).Summary(s, 1-alpha)
	i = Interval{summary.Center, summary.Lo, summary.Hi, summary.Confidence, len(values), s.Values}
	if math.IsInf(i.Lo, 0) || math.IsInf(i.Hi, 0) || len(values) == 1 && !exact {
		i.Lo, i.Hi = s.Values[0], s.Values[len(s.Values)-1]
		i.Confidence = 1 - math.Pow(2, 1-float64(len(values)))
	}
	return i, true
}

func sampleOf(values []float64, alpha float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.Thresholds{CompareAlpha: alpha})
}

func assumption(exact bool) benchmath.Assumption {
	if exact {
		return benchmath.AssumeExact
	}
	return benchmath.AssumeNothing
}

// Row is one metric of one engine in two records.
type Row struct {
	Engine string   `json:"engine"`
	Metric Metric   `json:"metric"` // without a value
	Old    Interval `json:"old"`    // N is 0 if the old record has no such metric
	New    Interval `json:"new"`
	P      float64  `json:"p"` // chance of a difference like this where there is none; 0 for exact metrics
	// Verdict is IsBetter and so on; tolerance and noise play no part in it.
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
}

// Delta is the change of the median as a share of the old one: infinite from 0 to
// something.
func (r Row) Delta() float64 {
	switch {
	case r.New.Median == r.Old.Median:
		return 0
	case r.Old.Median == 0:
		return math.Inf(1)
	}
	return r.New.Median/r.Old.Median - 1
}

// worsening is the change in the bad direction between two values as a share of
// the old one, less than 0 if it is a gain.
func (r Row) worsening(older, newer float64) float64 {
	change := Row{Old: Interval{Median: older}, New: Interval{Median: newer}}.Delta()
	switch r.Metric.Better {
	case Higher:
		return -change
	case Same:
		return math.Abs(change)
	}
	return change
}

// Comparison is two records side by side.
type Comparison struct {
	Old, New    *Record
	Options     Options      // with the defaults filled in
	Differences []Difference // of the fingerprints; only if forced
	// Servers are the differences of version and settings because of which exact
	// counters of HandlerPrefix say nothing.
	Servers []Difference
	Rows    []Row // by engine, then by metric
}

// Compare compares the metrics of the engines that both records have, and lists
// those that only one has as inconclusive. Its errors are OptionError and
// FingerprintError.
func Compare(older, newer *Record, o Options) (*Comparison, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	c := &Comparison{Old: older, New: newer, Options: o, Differences: older.Fingerprint.Diff(newer.Fingerprint)}
	if o.Exact {
		c.Differences, c.Servers = countsDepend(c.Differences)
	}
	if len(c.Differences) > 0 && !o.Force {
		return nil, &FingerprintError{c.Differences, o.Exact}
	}
	kinds, err := selected(older, newer, o.Metrics)
	if err != nil {
		return nil, err
	}
	for _, engine := range union(older.Engines(), newer.Engines()) {
		for _, kind := range kinds {
			if row, ok := c.row(engine, kind); ok {
				c.Rows = append(c.Rows, row)
			}
		}
	}
	return c, nil
}

// selected are the kinds of metrics that the patterns name, all if there are none.
func selected(older, newer *Record, patterns []string) ([]Metric, error) {
	all := union(older.Kinds(), newer.Kinds())
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.Key() == b.Key() {
				return nil, &OptionError{fmt.Sprintf("metric %s is better %s and exact %t in one record, better %s and exact %t in the other: they cannot be compared", a.Key(), a.Better, a.Exact, b.Better, b.Exact)}
			}
		}
	}
	if len(patterns) == 0 {
		return all, nil
	}
	used := map[string]bool{}
	kinds := slices.DeleteFunc(slices.Clone(all), func(m Metric) bool {
		matched := false
		for _, p := range patterns {
			if matches(p, m) {
				used[p], matched = true, true
			}
		}
		return !matched
	})
	for _, p := range patterns {
		if !used[p] {
			return nil, &OptionError{fmt.Sprintf("no metric is called %q; there are: %s", p, strings.Join(keys(all), ", "))}
		}
	}
	return kinds, nil
}

func matches(pattern string, m Metric) bool {
	flat := func(text string) string { return strings.ReplaceAll(text, "/", "\x00") }
	ok, _ := path.Match(flat(pattern), flat(m.Key()))
	return ok || pattern == m.Name
}

func keys(kinds []Metric) []string {
	var all []string
	for _, m := range kinds {
		all = append(all, m.Key())
	}
	return all
}

func union[T comparable](a, b []T) []T {
	all := slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	return all
}

func (c *Comparison) row(engine string, kind Metric) (Row, bool) {
	row := Row{Engine: engine, Metric: kind, P: 1}
	before, after := c.Old.values(engine, kind), c.New.values(engine, kind)
	var had, has bool
	row.Old, had = Summarize(before, kind.Exact, c.Options.Alpha)
	row.New, has = Summarize(after, kind.Exact, c.Options.Alpha)
	switch {
	case !had && !has:
		return row, false
	case !had:
		row.Verdict, row.Reason = IsInconclusive, "not in the old record"
	case !has:
		row.Verdict, row.Reason = IsInconclusive, "not in the new record"
	case kind.Exact:
		row.exact()
	default:
		cmp := benchmath.AssumeNothing.Compare(sampleOf(before, c.Options.Alpha), sampleOf(after, c.Options.Alpha))
		row.P = cmp.P
		row.measured(c.Options.Alpha)
	}
	return row, true
}

// exact compares numbers that have no noise: any difference is one.
func (r *Row) exact() {
	r.P = 0
	switch {
	case r.Old.Spread() != 0 || r.New.Spread() != 0:
		r.Verdict, r.Reason = IsInconclusive, fmt.Sprintf("exact, yet it varies: %s to %s, then %s to %s",
			r.Metric.Unit.Format(r.Old.Lo), r.Metric.Unit.Format(r.Old.Hi), r.Metric.Unit.Format(r.New.Lo), r.Metric.Unit.Format(r.New.Hi))
	case r.Old.Median == r.New.Median:
		r.Verdict, r.Reason = NoDifference, "exact"
	case r.Metric.Better == Same:
		r.Verdict, r.Reason = IsDiffers, "exact: had to stay the same"
	default:
		r.Verdict, r.Reason = r.direction(), "exact: differs"
	}
}

func (r *Row) measured(alpha float64) {
	switch {
	case r.P < alpha && r.Old.Median != r.New.Median:
		r.Verdict = r.direction()
	case leastP(r.Old.N, r.New.N) >= alpha:
		r.Verdict, r.Reason = IsInconclusive, "too few samples: "+tooFew(r.Old.N, r.New.N, alpha)
	default:
		r.Verdict = NoDifference
	}
}

func (r *Row) direction() string {
	if r.worsening(r.Old.Median, r.New.Median) > 0 {
		return IsWorse
	}
	return IsBetter
}

// leastP is the least p-value that the Mann-Whitney test can give: that of
// samples which do not overlap, 2 / (n1+n2 choose n1).
func leastP(n1, n2 int) float64 {
	orders := 1.0
	for i := 1; i <= n1; i++ {
		orders *= float64(n2+i) / float64(i)
	}
	return 2 / orders
}

// SamplesNeeded is the number of samples that each side needs for a verdict at
// this alpha: as many as give the median a confidence interval, 1 + log2(1/alpha).
// The test itself needs fewer.
func SamplesNeeded(alpha float64) int {
	n := 2
	for math.Pow(2, 1-float64(n)) > alpha {
		n++
	}
	return n
}

func tooFew(before, after int, alpha float64) string {
	return fmt.Sprintf("%d on each side are needed at alpha %v, there are %d and %d", SamplesNeeded(alpha), alpha, before, after)
}
