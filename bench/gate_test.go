package bench_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/benchtest"
	"github.com/tokensweep/tokensweep/report"
)

// measured is a record of a whole benchmark in which every engine runs at the
// given share of its speed, with noise of ±3 %.
func measured(seed uint64, share float64, samples int) *bench.Record {
	return benchtest.Record(benchtest.Spec{Seed: seed, Tool: "tokensweep", Started: started, Rounds: samples, Engines: []benchtest.Engine{
		{Name: "batch", Rate: 14_000 * share, Noise: 0.03, Batch: 2000},
		{Name: "script:official.sql", Rate: 11_000, Noise: 0.03, Batch: 10_000},
	}})
}

var fivePercent = bench.Options{Tolerance: bench.DefaultTolerance}

func TestGateCatchesASlowDownOfTenPercent(t *testing.T) {
	g, err := bench.NewGate(measured(1, 1, 10), measured(2, 0.9, 10), fivePercent)
	require.NoError(t, err)
	require.Equal(t, report.Fail, g.Verdict)
	require.Len(t, g.Reasons, 1, "the other engine and the counters are as they were")
	require.Regexp(t, `^batch, clean-rows/s: worse by 1?\d(\.\d)? %, beyond the tolerance of 5\.0 % \(p=`, g.Reasons[0])
}

func TestGateIsSilentOverTwentyRunsOfNoChange(t *testing.T) {
	baseline := measured(1, 1, 10)
	for seed := range uint64(20) {
		g, err := bench.NewGate(baseline, measured(100+seed, 1, 10), fivePercent)
		require.NoError(t, err)
		require.Equal(t, report.Pass, g.Verdict, "run %d: %v", seed, g.Reasons)
		require.Len(t, g.Rulings, 2*(2+4), "two rates and four counters of two engines")
	}
}

// besideReference is a benchmark on a machine whose neighbours take up to half of its
// speed, and take it from the reference too; that is off, on, or ended before it told
// anything.
func besideReference(seed uint64, share float64, reference string) *bench.Record {
	f := benchtest.Fingerprint()
	f.Task.Reference = reference != "off"
	r, err := bench.NewRecord("tokensweep", f)
	panics{}.check(err)
	random := rand.New(rand.NewPCG(seed, 2))
	for round := range 10 {
		slower := 1 + random.Float64()
		rate := bench.Metric{Name: "clean", Unit: bench.RowRate, Better: bench.Higher, Value: 10_000 * share / slower * (1 + 0.03*random.NormFloat64())}
		metrics := []bench.Metric{rate}
		if reference == "on" {
			metrics = append(metrics, bench.Normalized(rate, time.Duration(slower*float64(bench.ReferenceTime))))
		}
		s, err := bench.NewSample(bench.Run{Engine: "batch", Round: round + 1, Started: started, Verdict: report.Pass}, metrics)
		panics{}.check(err)
		panics{}.check(r.Add(s))
	}
	return r
}

func TestReferenceMakesANoisyMachineJudgeable(t *testing.T) {
	raw := fivePercent
	raw.Metrics = []string{bench.CleanRate}
	for _, c := range []struct {
		old, new string
		share    float64
		options  bench.Options
		want     string
	}{
		{"off", "off", 0.9, fivePercent, report.Inconclusive},
		{"on", "on", 0.9, fivePercent, report.Fail},
		{"on", "on", 1, fivePercent, report.Pass},
		{"on", "on", 1, raw, report.Inconclusive},               // what is asked for is judged
		{"on", "short", 1, fivePercent, report.Inconclusive},    // nothing says how fast it was
		{"short", "short", 1, fivePercent, report.Inconclusive}, // judged by the clock
	} {
		g, err := bench.NewGate(besideReference(1, 1, c.old), besideReference(2, c.share, c.new), c.options)
		require.NoError(t, err)
		require.Equal(t, c.want, g.Verdict, "%+v: %v", c, g.Reasons)
		require.Len(t, g.Rulings, 1)
	}

	_, err := bench.NewGate(besideReference(1, 1, "off"), besideReference(2, 1, "on"), fivePercent)
	var differ *bench.FingerprintError
	require.ErrorAs(t, err, &differ, "the reference takes its share of the machine")
	require.Equal(t, []bench.Difference{{Part: "task reference", New: "on"}}, differ.Differences)
}

// trial is one gate on a single rate.
func trial(random *rand.Rand, share, noise float64, samples int) string {
	draw := func(centre float64) (values []float64) {
		for range samples {
			values = append(values, max(1, centre*(1+noise*random.NormFloat64())))
		}
		return values
	}
	g, err := bench.NewGate(recordOf(panics{}, rate, draw(11_000)...), recordOf(panics{}, rate, draw(11_000*share)...), fivePercent)
	panics{}.check(err)
	return g.Verdict
}

type panics struct{}

func (panics) Errorf(format string, args ...any) { panic(format) }
func (panics) FailNow()                          { panic("failed") }
func (panics) check(err error) {
	if err != nil {
		panic(err)
	}
}

const trials = 100 // for each seed that rapid draws

// The power of the gate: whatever the seed, at least 95 % of the slow-downs by
// 10 % are caught with 10 samples at noise of ±3 %.
func TestGateHasPower(t *testing.T) {
	caught, all := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		here := 0
		for range trials {
			if trial(random, 0.9, 0.03, 10) == report.Fail {
				here++
			}
		}
		caught, all = caught+here, all+trials
		require.GreaterOrEqual(rt, here, trials*95/100)
	})
	t.Logf("caught %d of %d slow-downs by 10 %% (%.2f %%)", caught, all, 100*float64(caught)/float64(all))
}

// Its false alarms: at most 1 % of runs of no change fail, and hardly any cannot
// be judged.
func TestGateHasFewFalseAlarms(t *testing.T) {
	failed, doubted, all := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2))
		here := 0
		for range trials {
			switch trial(random, 1, 0.03, 10) {
			case report.Fail:
				here++
			case report.Inconclusive:
				doubted++
			}
		}
		failed, all = failed+here, all+trials
		require.LessOrEqual(rt, here, 5)
	})
	t.Logf("%d false alarms and %d undecided in %d runs of no change", failed, doubted, all)
	require.LessOrEqual(t, failed, all/100)
	require.LessOrEqual(t, doubted, all/100)
}

// Noise never passes for speed: where the samples scatter too widely to see a
// slow-down, the gate says so.
func TestNoisyIsNoPass(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		require.Equal(t, report.Inconclusive, trial(random, 1, 0.5, 10))
	}
}

func TestTooFewSamplesAreNoPass(t *testing.T) {
	for _, samples := range []int{1, 2, 3, 4, 5} {
		for _, share := range []float64{1, 0.5} {
			require.Equal(t, report.Inconclusive, trial(rand.New(rand.NewPCG(4, 4)), share, 0.03, samples))
		}
	}
	require.Equal(t, report.Fail, trial(rand.New(rand.NewPCG(4, 4)), 0.5, 0.03, 6))
	require.Equal(t, report.Pass, trial(rand.New(rand.NewPCG(4, 4)), 1, 0.01, 6))
}

func TestRulings(t *testing.T) {
	steady := []float64{100, 100.1, 99.9, 100.2, 99.8, 100}
	scaled := func(by float64) (values []float64) {
		for _, v := range steady {
			values = append(values, v*by)
		}
		return values
	}
	for name, c := range map[string]struct {
		kind     bench.Metric
		old, new []float64
		ruling   string
		why      string
	}{
		"rate 10 % down":            {rate, steady, scaled(0.9), report.Fail, "worse by 10 %, beyond the tolerance of 5.0 % (p=0.00"},
		"rate 10 % up":              {rate, steady, scaled(1.1), report.Pass, "better"},
		"rate 3 % down":             {rate, steady, scaled(0.97), report.Pass, "worse by 3.0 %, within the tolerance of 5.0 %"},
		"time 10 % up":              {batchTime, steady, scaled(1.1), report.Fail, "worse by 10 %"},
		"time 10 % down":            {batchTime, steady, scaled(0.9), report.Pass, "better"},
		"time from 0":               {batchTime, []float64{0, 0, 0, 0, 0, 0}, steady, report.Fail, "worse by ∞"},
		"all zero":                  {batchTime, []float64{0, 0, 0, 0, 0, 0}, []float64{0, 0, 0, 0, 0, 0}, report.Pass, "no difference"},
		"noisy, looks worse":        {rate, steady, []float64{50, 60, 70, 80, 90, 100}, report.Inconclusive, "it looks worse by 25 %"},
		"too few":                   {rate, steady, scaled(0.5)[:5], report.Inconclusive, "too few samples: 6 on each side are needed at alpha 0.05, there are 6 and 5"},
		"down, but chance could do": {rate, []float64{97, 100, 100, 100, 103, 103}, []float64{94, 94.5, 94.5, 94.5, 104, 104}, report.Inconclusive, "chance could do that"},
		"exact, one sample, more":   {statements, []float64{1000}, []float64{1051}, report.Fail, "exact: 1,051 instead of 1,000, beyond the tolerance of 5.0 %"},
		"exact, in tolerance":       {statements, []float64{1000}, []float64{1050}, report.Pass, "exact: differs"},
		"exact, less":               {statements, []float64{1000}, []float64{500}, report.Pass, "exact: differs"},
		"exact from 0":              {statements, []float64{0}, []float64{1}, report.Fail, "exact: 1 instead of 0"},
		"exact, varies, all worse":  {statements, []float64{1000}, []float64{1100, 1200}, report.Fail, "worse by 10 % at least"},
		"exact, varies, all good":   {statements, []float64{1000, 1010}, []float64{1005, 1009}, report.Pass, "exact, yet it varies"},
		"exact, varies, who knows":  {statements, []float64{1000}, []float64{1000, 1200}, report.Inconclusive, "exact, yet it varies"},
		"work one row less":         {removed, []float64{1000}, []float64{999}, report.Fail, "exact: 999 instead of 1,000 on the same data"},
		"work varies":               {removed, []float64{1000}, []float64{1000, 999}, report.Inconclusive, "exact, yet it varies"},
	} {
		t.Run(name, func(t *testing.T) {
			o := fivePercent
			o.Metrics = []string{c.kind.Key()}
			g, err := bench.NewGate(recordOf(t, c.kind, c.old...), recordOf(t, c.kind, c.new...), o)
			require.NoError(t, err)
			require.Equal(t, c.ruling, g.Rulings[0].Ruling, g.Rulings[0].Why)
			require.Equal(t, c.ruling, g.Verdict)
			require.Contains(t, g.Rulings[0].Why, c.why)
		})
	}
}

func TestGateOnWhatIsMissing(t *testing.T) {
	g, err := bench.NewGate(recordOf(t, statements, 5), recordOf(t, removed, 5), fivePercent)
	require.NoError(t, err)
	require.Equal(t, report.Inconclusive, g.Verdict, "a metric that vanished is no pass")
	require.Equal(t, []string{"batch, statements: the baseline has it, the new record does not"}, g.Reasons)
	require.Equal(t, []string{"batch removed"}, g.New)

	other := recordOf(t, statements, 5)
	for i := range other.Samples {
		other.Samples[i].Engine = "rebuild"
	}
	g, err = bench.NewGate(recordOf(t, statements, 5), other, fivePercent)
	require.NoError(t, err)
	require.Equal(t, report.Inconclusive, g.Verdict)
	require.Equal(t, []string{"batch: the baseline has this engine, the new record does not"}, g.Reasons)

	_, err = bench.NewGate(recordOf(t, batchTime, 5), recordOf(t, batchTime, 5), fivePercent)
	require.ErrorContains(t, err, "nothing to judge")
}

func TestGateFailsWhatIsFastAndWrong(t *testing.T) {
	fast := benchtest.Record(benchtest.Spec{Seed: 1, Tool: "tokensweep", Started: started, Rounds: 10,
		Engines: []benchtest.Engine{{Name: "batch", Rate: 50_000, Noise: 0.01, Batch: 2000, Wrong: []int{4}}, {Name: "script:official.sql", Rate: 11_000, Batch: 10_000, Noise: 0.01}}})
	g, err := bench.NewGate(measured(1, 1, 10), fast, fivePercent)
	require.NoError(t, err)
	require.Equal(t, report.Fail, g.Verdict)
	require.Equal(t, []string{"batch: the verification of round 4 ended with fail"}, g.Reasons)
}

func TestGateOfOneSampleJudgesCounters(t *testing.T) {
	o := bench.Options{Metrics: []string{"statements", "round-trips", "batches", "removed"}}
	g, err := bench.NewGate(measured(1, 1, 1), measured(2, 0.5, 1), o)
	require.NoError(t, err)
	require.Equal(t, report.Pass, g.Verdict)
}

func TestGateAsText(t *testing.T) {
	g, err := bench.NewGate(measured(1, 1, 10), measured(2, 0.9, 10), fivePercent)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, g.WriteText(&b))
	require.Regexp(t, `^FAIL  12 metrics against the baseline, tolerance 5\.0 %, alpha 0\.05\n      batch, clean-rows/s: worse by `, b.String())
	require.Contains(t, b.String(), "\nscript:official.sql\n")
	require.Contains(t, b.String(), "pass (exact)")
}
