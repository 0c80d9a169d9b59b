package bench_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/benchtest"
	"github.com/tokensweep/tokensweep/report"
)

// recordOf makes a record of one engine with one metric.
func recordOf(t require.TestingT, kind bench.Metric, values ...float64) *bench.Record {
	r, err := bench.NewRecord("tokensweep v1", benchtest.Fingerprint())
	require.NoError(t, err)
	for i, v := range values {
		kind.Value = v
		// Not by Add: the trials of the gate make tens of thousands.
		r.Samples = append(r.Samples, &bench.Sample{Run: bench.Run{Engine: "batch", Round: i + 1, Started: started, Verdict: report.Pass}, Metrics: []bench.Metric{kind}})
	}
	return r
}

var (
	rate       = bench.Rate("clean", 1, time.Second)
	batchTime  = bench.Took("batch-p99", time.Second)
	statements = bench.Cost("statements", 1)
	removed    = bench.Work("removed", 1)
)

func TestCompareGivesAVerdictOnEachMetric(t *testing.T) {
	for name, c := range map[string]struct {
		kind            bench.Metric
		old, new        []float64
		verdict, reason string
	}{
		"a higher rate":         {rate, []float64{100, 101, 102, 99, 98}, []float64{120, 121, 122, 119, 118}, bench.IsBetter, ""},
		"a lower rate":          {rate, []float64{120, 121, 122, 119, 118}, []float64{100, 101, 102, 99, 98}, bench.IsWorse, ""},
		"a longer batch":        {batchTime, []float64{1, 1.1, 1.2, 0.9}, []float64{2, 2.1, 2.2, 1.9}, bench.IsWorse, ""},
		"the same":              {rate, []float64{100, 101, 102, 99, 98}, []float64{101, 99, 100, 102, 98}, bench.NoDifference, ""},
		"constant":              {rate, []float64{100, 100, 100, 100}, []float64{100, 100, 100, 100}, bench.NoDifference, ""},
		"too few":               {rate, []float64{100, 101, 102}, []float64{200, 201, 202}, bench.IsInconclusive, "too few samples: 6 on each side are needed at alpha 0.05, there are 3 and 3"},
		"exact, unchanged":      {statements, []float64{921}, []float64{921}, bench.NoDifference, "exact"},
		"exact, more":           {statements, []float64{921}, []float64{922}, bench.IsWorse, "exact: differs"},
		"exact, less":           {statements, []float64{921}, []float64{900}, bench.IsBetter, "exact: differs"},
		"exact, yet varies":     {statements, []float64{921}, []float64{900, 901}, bench.IsInconclusive, "exact, yet it varies: 921 to 921, then 900 to 901"},
		"work that must stay":   {removed, []float64{921}, []float64{900}, bench.IsDiffers, "exact: had to stay the same"},
		"exact, out of nothing": {statements, []float64{0}, []float64{3}, bench.IsWorse, "exact: differs"},
	} {
		t.Run(name, func(t *testing.T) {
			c1, err := bench.Compare(recordOf(t, c.kind, c.old...), recordOf(t, c.kind, c.new...), bench.Options{})
			require.NoError(t, err)
			require.Len(t, c1.Rows, 1)
			require.Equal(t, c.verdict, c1.Rows[0].Verdict)
			require.Equal(t, c.reason, c1.Rows[0].Reason)
		})
	}
}

func TestCompareNamesWhatOnlyOneSideHas(t *testing.T) {
	older, newer := recordOf(t, rate, 1, 2), recordOf(t, statements, 3)
	c, err := bench.Compare(older, newer, bench.Options{})
	require.NoError(t, err)
	require.Equal(t, "not in the new record", c.Rows[0].Reason)
	require.Equal(t, "not in the old record", c.Rows[1].Reason)
}

func TestCompareRefusesOtherFingerprintsUnlessForced(t *testing.T) {
	older, newer := madeUp(), madeUp()
	newer.Fingerprint.Server.Version = "9.8.0"
	newer.Fingerprint.Data.Removable = 0.99
	_, err := bench.Compare(older, newer, bench.Options{})
	var refused *bench.FingerprintError
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "server version: 9.8.0, was 9.7.1")
	require.ErrorContains(t, err, "data removable: 99.0 %, was 91.0 %")
	c, err := bench.Compare(older, newer, bench.Options{Force: true})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, c.WriteText(&b))
	require.Contains(t, b.String(), "server version: 9.8.0, was 9.7.1")
}

func TestCompareSelectsMetrics(t *testing.T) {
	keys := func(patterns ...string) (keys []string) {
		c, err := bench.Compare(madeUp(), madeUp(), bench.Options{Metrics: patterns})
		require.NoError(t, err)
		for _, r := range c.Rows {
			if r.Engine == "batch" {
				keys = append(keys, r.Metric.Key())
			}
		}
		return keys
	}
	require.Equal(t, []string{"clean-rows/s", "seed-rows/s"}, keys("*-rows/s"))
	require.Equal(t, []string{"batch-p50-sec", "batch-p99-sec", "batch-max-sec"}, keys("batch-*"))
	require.Equal(t, []string{"clean-rows/s"}, keys("clean"))

	var bad *bench.OptionError
	for _, o := range []bench.Options{{Metrics: []string{"clean", "none"}}, {Metrics: []string{"["}}, {Alpha: 2}, {Alpha: -1}, {Tolerance: -0.1}, {Tolerance: 5}, {Noise: -1}} {
		_, err := bench.Compare(madeUp(), madeUp(), o)
		require.ErrorAs(t, err, &bad)
	}
	_, err := bench.Compare(madeUp(), madeUp(), bench.Options{Metrics: []string{"speed"}})
	require.ErrorContains(t, err, `no metric is called "speed"; there are: clean-rows/s, `)
}

func TestCompareRefusesMetricsThatMeanSomethingElse(t *testing.T) {
	inexact := statements
	inexact.Exact = false
	_, err := bench.Compare(recordOf(t, statements, 1), recordOf(t, inexact, 1), bench.Options{})
	require.ErrorContains(t, err, "statements")
}

func TestIntervals(t *testing.T) {
	few, ok := bench.Summarize([]float64{5, 1, 3}, false, 0.05)
	require.True(t, ok)
	require.Equal(t, bench.Interval{Median: 3, Lo: 1, Hi: 5, Confidence: 0.75, N: 3, Values: []float64{1, 3, 5}}, few, "the range, and what it is worth")
	one, ok := bench.Summarize([]float64{7}, false, 0.05)
	require.True(t, ok)
	require.Zero(t, one.Confidence)
	ten, ok := bench.Summarize([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, false, 0.05)
	require.True(t, ok)
	require.Equal(t, []float64{5.5, 2, 9}, []float64{ten.Median, ten.Lo, ten.Hi})
	require.GreaterOrEqual(t, ten.Confidence, 0.95)
	_, ok = bench.Summarize(nil, false, 0.05)
	require.False(t, ok)
}

func TestIntervalsAsText(t *testing.T) {
	for want, values := range map[string][]float64{
		"100 ±2.0 %": {98, 99, 100, 101, 102, 100}, "0 to 3": {0, 0, 3, 0, 0, 0}, "0 ±0.0 %": {0, 0, 0, 0, 0, 0}, "7 ±?": {7}, "4 ±25 %": {3, 4, 5},
	} {
		i, ok := bench.Summarize(values, false, 0.05)
		require.True(t, ok)
		require.Equal(t, want, i.Text(bench.Count))
	}
}

func TestSamplesNeeded(t *testing.T) {
	require.Equal(t, 6, bench.SamplesNeeded(0.05))
	require.Equal(t, 8, bench.SamplesNeeded(0.01))
}

func TestComparisonAsText(t *testing.T) {
	engines := func(rate float64) []benchtest.Engine {
		return []benchtest.Engine{{Name: "batch", Rate: rate, Noise: 0.01, Batch: 2000}}
	}
	older := benchtest.Record(benchtest.Spec{Seed: 1, Tool: "tokensweep v1", Started: started, Rounds: 10, Engines: engines(10_000)})
	newer := benchtest.Record(benchtest.Spec{Seed: 2, Tool: "tokensweep v2", Started: started.AddDate(0, 0, 7), Rounds: 10, Engines: engines(12_000)})
	c, err := bench.Compare(older, newer, bench.Options{Metrics: []string{"clean", "statements", "lock-waits"}})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, c.WriteText(&b))
	require.Equal(t, `old  tokensweep v1, 2026-11-25T02:00:00Z, fingerprint ca5f2b0817b744a6
new  tokensweep v2, 2026-12-02T02:00:00Z, fingerprint ca5f2b0817b744a6
     500,000 tokens, 91.0 % removable, audit on · MySQL 9.7.1

batch
  metric                               old                          new    delta      p  verdict
  clean-rows/s  9,983 rows/s ±0.9 % (n=10)  12,018 rows/s ±0.9 % (n=10)  +20.4 %  0.000  better
  lock-waits              11 ±9.1 % (n=10)             11 ±9.1 % (n=10)      0 %  1.000  no difference
  statements                           921                          921      0 %  exact  no difference (exact)

median, ± the larger half of its 95 % interval; a difference counts if p < 0.05 (Mann-Whitney)
`, b.String())
}
