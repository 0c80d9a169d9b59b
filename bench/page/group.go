package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/report"
)

// group is the records with one fingerprint.
type group struct {
	ID, Hash, Title string
	Parts           []bench.Part
	Started         string
	Newest          *bench.Record
	Yardstick       string
	Engines         []*engine
	Costs           []cost
	Gate            *bench.Gate // nil if there is no baseline
	BaselineTool    string
	Trend           []trend

	// The plots, nil where the records have nothing to plot.
	EnginesPlot, ThroughputPlot, BatchPlot, LatencyPlot, TrendPlot []*drawing

	records []*bench.Record // the oldest first
}

// engine is one engine in the newest record of a group.
type engine struct {
	Name      string
	Class     string // in the style sheet: its colour and dash
	Yardstick bool
	Rate      bench.Interval // of the clean-up; N is 0 if it was not measured
	Ratio     bench.Interval // to the yardstick, round by round
	Runs      int            // verified
	Failed    int            // not verified

	samples []*bench.Sample
	typical *bench.Sample // the one of median speed, nil if none
	batches []float64     // seconds, all samples, ascending
}

// trend is the speed of an engine in each record of a group.
type trend struct {
	Engine, Class string
	Rates         []bench.Interval // N is 0 where a record does not have it
}

// cost is a metric of all engines.
type cost struct {
	Metric bench.Metric
	Cells  []string
}

// colours is the number of classes e0, e1, … in the style sheet.
const colours = 8

func (g *group) fill(o Options) (yardstickFound bool, err error) {
	slices.SortStableFunc(g.records, func(a, b *bench.Record) int { return a.Started().Compare(b.Started()) })
	g.Newest = g.records[len(g.records)-1]
	g.Started = g.Newest.Started().Format("2006-01-02 15:04 UTC")
	names := g.Newest.Engines()
	yardstickFound = slices.Contains(names, o.Yardstick)
	g.Yardstick = g.Newest.Yardstick(o.Yardstick)
	for _, name := range names {
		g.Engines = append(g.Engines, g.engine(name, len(g.Engines)))
	}
	g.costs()
	if err := g.judge(o); err != nil {
		return false, err
	}
	for _, e := range g.Engines {
		t := trend{Engine: e.Name, Class: e.Class}
		for _, r := range g.records {
			rate, _ := bench.Summarize(valuesOf(r.Of(e.Name), bench.CleanRate), false, bench.DefaultAlpha)
			t.Rates = append(t.Rates, rate)
		}
		g.Trend = append(g.Trend, t)
	}
	measured := slices.DeleteFunc(slices.Clone(g.Engines), func(e *engine) bool { return e.Rate.N == 0 })
	if len(measured) > 0 {
		g.EnginesPlot = enginesPlot(g.ID+"-engines", measured)
		g.TrendPlot = trendPlot(g.ID+"-trend", g)
	}
	g.ThroughputPlot = throughputPlot(g.ID+"-throughput", measured)
	g.BatchPlot = batchPlot(g.ID+"-batches", g.Engines)
	g.LatencyPlot = latencyPlot(g.ID+"-latency", g.Engines)
	return yardstickFound, nil
}

func (g *group) engine(name string, n int) *engine {
	e := &engine{Name: name, Yardstick: name == g.Yardstick, samples: g.Newest.Of(name)}
	e.Class = "e" + fmt.Sprint(n%colours)
	e.Runs = len(e.samples)
	for _, s := range g.Newest.Unverified() {
		if s.Engine == name {
			e.Failed++
		}
	}
	e.Rate, _ = bench.Summarize(valuesOf(e.samples, bench.CleanRate), false, bench.DefaultAlpha)
	e.Ratio, _ = bench.Summarize(g.Newest.Ratios(name, g.Yardstick), false, bench.DefaultAlpha)
	nearest := math.Inf(1)
	for _, s := range e.samples {
		if m, ok := s.Metric(bench.CleanRate); ok && math.Abs(m.Value-e.Rate.Median) < nearest {
			nearest, e.typical = math.Abs(m.Value-e.Rate.Median), s
		}
		for _, p := range s.Points(bench.BatchTime) {
			e.batches = append(e.batches, p.Value)
		}
	}
	slices.Sort(e.batches)
	return e
}

func valuesOf(samples []*bench.Sample, key string) []float64 {
	var values []float64
	for _, s := range samples {
		if m, ok := s.Metric(key); ok {
			values = append(values, m.Value)
		}
	}
	return values
}

// costs makes the table of all metrics.
func (g *group) costs() {
	for _, kind := range g.Newest.Kinds() {
		c := cost{Metric: kind}
		for _, e := range g.Engines {
			i, ok := g.Newest.Summarize(e.Name, kind, bench.DefaultAlpha)
			switch {
			case !ok:
				c.Cells = append(c.Cells, "–")
			case kind.Exact && i.Spread() == 0:
				c.Cells = append(c.Cells, kind.Unit.Format(i.Median))
			default:
				c.Cells = append(c.Cells, strings.Replace(i.Text(kind.Unit), " rows/s", "", 1))
			}
		}
		g.Costs = append(g.Costs, c)
	}
}

// judge compares the newest record with the baseline, or with the one before it.
func (g *group) judge(o Options) error {
	baseline := o.Baseline
	if baseline == nil && len(g.records) > 1 {
		baseline = g.records[len(g.records)-2]
	}
	if baseline == nil || baseline.Fingerprint.Hash() != g.Hash && !o.Gate.Force {
		return nil
	}
	var err error
	g.Gate, err = bench.NewGate(baseline, g.Newest, o.Gate)
	if err != nil {
		return err
	}
	g.BaselineTool = fmt.Sprintf("%s of %s", baseline.Tool, baseline.Started().Format("2006-01-02"))
	return nil
}

// The rest is for the template.

// Records is the number of records in the trend.
func (g *group) Records() []*bench.Record { return g.records }

// Best is the fastest engine, nil if none was measured.
func (g *group) Best() *engine {
	var best *engine
	for _, e := range g.Engines {
		if e.Rate.N > 0 && (best == nil || e.Rate.Median > best.Rate.Median) {
			best = e
		}
	}
	return best
}

// Level says what the intervals are worth: 95 %, or less with few samples. Of single
// runs there are none.
func (g *group) Level() string {
	least := 1.0
	for _, e := range g.Engines {
		if e.Rate.N > 0 {
			least = min(least, e.Rate.Confidence)
		}
	}
	if least == 0 {
		return "too few runs for intervals"
	}
	return "intervals of " + percentOf(least) + " confidence"
}

func percentOf(x float64) string { return fmt.Sprintf("%.0f %%", math.Floor(x*100)) }

// longestLabel is how many characters of an engine's name stand in tables other
// than the first, which has all of it.
const longestLabel = 26

func label(name string) string {
	if runes := []rune(name); len(runes) > longestLabel {
		return string(runes[:longestLabel-1]) + "…"
	}
	return name
}

// Label is the name, cut if it is long.
func (e *engine) Label() string { return label(e.Name) }

// Label is the name of the engine, cut if it is long.
func (t trend) Label() string { return label(t.Engine) }

// Label is the name of an engine, cut if it is long.
func (g *group) Label(engine string) string { return label(engine) }

// Speed is the median rate.
func (e *engine) Speed() string { return bench.RowRate.Format(e.Rate.Median) }

// SpeedRange is the interval of the rate.
func (e *engine) SpeedRange() string { return rangeOf(e.Rate, bench.RowRate.Format) }

// RatioText is the ratio to the yardstick.
func (e *engine) RatioText() string {
	switch {
	case e.Ratio.N == 0:
		return "–"
	case e.Yardstick:
		return "1 (yardstick)"
	}
	return times(e.Ratio.Median)
}

// RatioRange is the interval of the ratio.
func (e *engine) RatioRange() string {
	if e.Yardstick {
		return ""
	}
	return rangeOf(e.Ratio, func(v float64) string { return fmt.Sprintf("%.2f", v) })
}

func rangeOf(i bench.Interval, format func(float64) string) string {
	if i.N < 2 {
		return "–"
	}
	return strings.TrimSuffix(format(i.Lo), " rows/s") + " to " + strings.TrimSuffix(format(i.Hi), " rows/s")
}

// Took is how long the clean-up of median speed took, as far as it was followed.
func (e *engine) Took() string {
	return e.curve(func(p []bench.Point) string { return bench.Seconds.Format(p[len(p)-1].At) })
}

// Slowest is the speed that nine tenths of the time were above.
func (e *engine) Slowest() string {
	return e.curve(func(p []bench.Point) string { return bench.RowRate.Format(quantile(sorted(p), 0.1)) })
}

// Middle is the median speed over time.
func (e *engine) Middle() string {
	return e.curve(func(p []bench.Point) string { return bench.RowRate.Format(quantile(sorted(p), 0.5)) })
}

// Fastest is the speed that a tenth of the time was above.
func (e *engine) Fastest() string {
	return e.curve(func(p []bench.Point) string { return bench.RowRate.Format(quantile(sorted(p), 0.9)) })
}

func (e *engine) curve(of func([]bench.Point) string) string {
	if e.typical == nil || len(e.typical.Points(bench.Throughput)) == 0 {
		return "–"
	}
	return of(e.typical.Points(bench.Throughput))
}

func sorted(points []bench.Point) []float64 {
	var values []float64
	for _, p := range points {
		values = append(values, p.Value)
	}
	slices.Sort(values)
	return values
}

// BatchCount is the number of batches of all samples.
func (e *engine) BatchCount() string { return bench.Count.Format(float64(len(e.batches))) }

// Batch is a quantile of the batch times.
func (e *engine) Batch(q float64) string { return bench.Seconds.Format(quantile(e.batches, q)) }

func (e *engine) hasLatency() bool {
	return slices.ContainsFunc(e.typical.Series, func(s bench.Series) bool { return strings.HasPrefix(s.Name, "latency-") })
}

// latencyCell is a row of the table of latencies.
type latencyCell struct{ Name, Middle, Worst string }

// Latencies are the percentiles over the time of the typical sample.
func (e *engine) Latencies() []latencyCell {
	var cells []latencyCell
	for _, l := range slices.Backward(latencies) {
		if e.typical == nil {
			break
		}
		if values := sorted(e.typical.Points(l.series)); len(values) > 0 {
			cells = append(cells, latencyCell{l.name, bench.Seconds.Format(quantile(values, 0.5)), bench.Seconds.Format(quantile(values, 1))})
		}
	}
	return cells
}

// Texts are the rates of the trend for its table.
func (t trend) Texts() []string {
	var texts []string
	for _, r := range t.Rates {
		if r.N == 0 {
			texts = append(texts, "–")
			continue
		}
		texts = append(texts, r.Text(bench.RowRate))
	}
	return texts
}

// Rulings are those of the gate, the worst first.
func (g *group) Rulings() []bench.Ruling {
	rank := map[string]int{report.Fail: 0, report.Inconclusive: 1, report.Pass: 2}
	rulings := slices.Clone(g.Gate.Rulings)
	slices.SortStableFunc(rulings, func(a, b bench.Ruling) int { return rank[a.Ruling] - rank[b.Ruling] })
	return rulings
}

// curveName names a curve in the legend of the latency plot.
type curveName struct{ Class, Name string }

// Latencies are the percentiles that any engine has, the least first.
func (g *group) Latencies() []curveName {
	var names []curveName
	for _, l := range slices.Backward(latencies) {
		if slices.ContainsFunc(g.Engines, func(e *engine) bool { return e.typical != nil && len(e.typical.Points(l.series)) > 0 }) {
			names = append(names, curveName{l.class, l.name})
		}
	}
	return names
}
