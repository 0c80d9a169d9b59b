package estimate

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tokensweep/tokensweep/bench"
)

var mysql = Task{Product: "MySQL", Policy: "documented", Audit: true}

// timed is a run of 100,000 rows of which 80,000 were removed.
func timed(engine string, seconds float64) Run {
	return Run{File: engine + ".json", Engine: engine, Rows: 100_000, Removed: 80_000, Seconds: seconds, Task: mysql}
}

func estimate(t *testing.T, runs []Run, p *Production, o Options) *Estimate {
	t.Helper()
	e, err := New(runs, p, o)
	require.NoError(t, err)
	return e
}

func same(t *testing.T, low, high float64, got Interval, what string) {
	t.Helper()
	require.InEpsilon(t, low, float64(got.Low), 1e-4, what)
	require.InEpsilon(t, high, float64(got.High), 1e-4, what)
}

// The production of most tests: ten times the runs, so that 8 s become 80 s.
var tenTimes = &Production{Rows: 1_000_000, Removable: 800_000}

// spread2 is what the default spread makes of one run: both it and the next differ.
var spread2 = math.Exp(1.95996 * DefaultSpread * math.Sqrt2)

func TestOneRun(t *testing.T) {
	t.Parallel()
	e := estimate(t, []Run{timed("batch", 8)}, tenTimes, Options{})
	require.Len(t, e.Engines, 1)
	p := e.Engines[0]
	require.InEpsilon(t, 80, float64(p.Middle), 1e-9)
	require.False(t, p.Computed)
	same(t, 80/spread2, 80*spread2, p.Like, "first")
	same(t, 80/spread2/2, 80*spread2*4*1.3, p.Reckon, "÷2, ×4, and 1.3 for ten times the rows")
	requireSays(t, e, "1 of the 3 runs", "15 % is supposed", "the runs had 100,000 rows, and the second interval allows for 30 % more at ten times as many",
		"tokensweep clean --dsn … --max-duration 5m --json part.json", "repeat the run until there are 3", "take more rows: runs of less than 10 s")
}

func TestThreeRuns(t *testing.T) {
	t.Parallel()
	// ln of the durations: -0.1, 0, 0.1 around 8 s; standard deviation 0.1.
	runs := []Run{timed("batch", 8*math.Exp(-0.1)), timed("batch", 8), timed("batch", 8*math.Exp(0.1))}
	e := estimate(t, runs, &Production{Rows: 50_000, Removable: 40_000}, Options{})
	p, d := e.Engines[0], math.Exp(4.30265*0.1*math.Sqrt(4.0/3))
	require.True(t, p.Computed)
	require.InEpsilon(t, 4, float64(p.Middle), 1e-9)
	same(t, 4/d, 4*d, p.Like, "first")
	same(t, 4/d/2, 4*d*4, p.Reckon, "smaller than the runs: only ÷2 and ×4")
	requireSays(t, e, "the runs differ by 10.0 % among themselves")
	apart := []Run{timed("batch", 4), timed("batch", 8), timed("batch", 16)}
	requireSays(t, estimate(t, apart, tenTimes, Options{}), "the runs differ by a factor of 2 among themselves")
}

func TestSpeedRatio(t *testing.T) {
	t.Parallel()
	e := estimate(t, []Run{timed("batch", 8)}, &Production{Rows: 100_000, Removable: 80_000}, Options{Ratio: Ratio{0.25, 1}})
	p := e.Engines[0]
	require.Equal(t, OnRatio, p.Basis)
	require.InEpsilon(t, 16, float64(p.Middle), 1e-9)
	same(t, 8/spread2, 8*spread2*4, p.Like, "first")
	same(t, 8/spread2/1.25, 8*spread2*4*2, p.Reckon, "second")
	requireSays(t, e, "if production is 0.25 to 1 times as fast as the test's machine")
}

// Pauses go with the batches, and no machine makes them shorter.
func TestPausesDoNotDependOnTheMachine(t *testing.T) {
	t.Parallel()
	r := timed("script:sp.sql", 24)
	r.Pauses = 16
	p := estimate(t, []Run{r}, &Production{Rows: 200_000, Removable: 160_000}, Options{Ratio: Ratio{2, 2}}).Engines[0]
	require.InEpsilon(t, 2*(8.0/2+16), float64(p.Middle), 1e-9)
	require.InEpsilon(t, 2*(8/2/spread2+16), float64(p.Like.Low), 1e-4)
}

// With one composition the second interval reaches as far as the rows that stay
// could matter, and with two the costs are told apart.
func TestComposition(t *testing.T) {
	t.Parallel()
	live := &Production{Rows: 100_000, Removable: 10_000}
	e := estimate(t, []Run{timed("batch", 8)}, live, Options{})
	require.InEpsilon(t, 1, float64(e.Engines[0].Middle), 1e-9)
	same(t, 1/spread2/2, 1*spread2*4*8, e.Engines[0].Reckon, "as if all 100,000 rows cost the same: 8 s")
	requireSays(t, e, "of production 10 % is removable, of the runs' rows 80 %", "run --mix removable:10")

	rebuilt := estimate(t, []Run{timed("rebuild", 8)}, live, Options{}).Engines[0]
	require.InEpsilon(t, 8, float64(rebuilt.Middle), 1e-9, "all rows are counted")
	same(t, 8*(20*10+90.0)/(20*80+20)/spread2/2, 8*(10+20*90.0)/(80+20*20)*spread2*4, rebuilt.Reckon, "removed rows cost 20 times kept ones, kept rows removed ones")
	noneKept := timed("rebuild", 8)
	noneKept.Removed = noneKept.Rows
	most := estimate(t, []Run{noneKept}, live, Options{}).Engines[0]
	same(t, 8*(20*10+90.0)/(20*100)/spread2/2, 8*(10+20*90.0)/100*spread2*4, most.Reckon, "the runs kept nothing, and production keeps")

	other := timed("batch", 2.8) // a removed row costs 0.1 ms and a kept one 0.01 ms
	other.Removed = 20_000
	mix := estimate(t, []Run{timed("batch", 8.2), other}, live, Options{})
	require.InEpsilon(t, 1.9, float64(mix.Engines[0].Middle), 1e-6)
	requireSays(t, mix, "removing takes 1.7 min a million rows and keeping 10 s", "production, with 10 %, is outside of that")

	r := timed("batch", 8)
	r.Rows = 0
	requireSays(t, estimate(t, []Run{r}, live, Options{}), "the runs do not say how many rows they left")
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	large := Run{File: "l.json", Engine: "batch", Rows: 1_000_000, Removed: 800_000, Seconds: 96, Task: mysql}
	e := estimate(t, []Run{timed("batch", 8), large}, &Production{Rows: 10_000_000, Removable: 8_000_000}, Options{})
	p := e.Engines[0]
	require.InEpsilon(t, 8*100*1.44, float64(p.Middle), 1e-9)
	d := math.Exp(1.95996 * DefaultSpread * math.Sqrt(6)) // leverage 1/2 + 1.5²/0.5
	same(t, 1152/d, 1152*d, p.Like, "first")
	same(t, 1152/d/2, 1152*d*4, p.Reckon, "growth is in it already")
	requireSays(t, e, "a row costs 20 % more at ten times the rows, as it did from 100,000 to 1,000,000 rows")
}

// Where a row gets dearer with the size, the machines are compared at the size that
// production had when it was measured.
func TestGrowthIsNotTakenForSpeed(t *testing.T) {
	t.Parallel()
	large := Run{File: "l.json", Engine: "batch", Rows: 1_000_000, Removed: 800_000, Seconds: 96, Task: mysql}
	runs := []Run{timed("batch", 8), large, timed("rebuild", 2)}
	c := calibration("batch", 80_000, 9.6) // of 1,000,000 rows, as fast as the run of as many
	e := estimate(t, runs, &Production{Rows: 10_000_000, Removable: 8_000_000}, Options{Calibration: c})
	require.Equal(t, OnOther, e.Engines[1].Basis)
	require.InEpsilon(t, 200, float64(e.Engines[1].Middle), 1e-9)
}

func TestPurge(t *testing.T) {
	t.Parallel()
	r := timed("batch", 8)
	r.Settled = 10
	e := estimate(t, []Run{r}, tenTimes, Options{})
	require.InEpsilon(t, 20, float64(e.Engines[0].Purge), 1e-9)
	requireSays(t, e, "20 s  more until the server has purged")
	without := timed("batch", 8)
	require.Zero(t, estimate(t, []Run{r, without}, tenTimes, Options{}).Engines[0].Purge)
}

func calibration(engine string, removed int64, seconds float64) *Calibration {
	left := Production{File: "part.json", Rows: 1_000_000 - removed, Removable: 800_000 - removed, Task: &mysql}
	return &Calibration{Run: Run{File: "part.json", Engine: engine, Rows: 1_000_000, Removed: removed, Seconds: seconds, Task: mysql}, Left: left}
}

func TestCalibration(t *testing.T) {
	t.Parallel()
	c := calibration("batch", 200_000, 300)
	e := estimate(t, nil, nil, Options{Calibration: c})
	p := e.Engines[0]
	require.Equal(t, OnCalibration, p.Basis)
	require.EqualValues(t, 600_000, e.Production.Removable)
	require.InEpsilon(t, 900, float64(p.Middle), 1e-9)
	same(t, 900/spread2, 900*spread2, p.Like, "first")
	same(t, 900/spread2/1.25, 900*spread2*1.5, p.Reckon, "second")
	for _, n := range e.Next {
		require.NotContains(t, n, "max-duration", "it is there already")
	}

	// The test's machine was twice as fast, and its runs differ by 0.1: that is the
	// spread, and the script goes at half its speed too.
	runs := []Run{timed("batch", 60*math.Exp(-0.1)), timed("batch", 60), timed("batch", 60*math.Exp(0.1)), timed("script:sp.sql", 100)}
	e = estimate(t, runs, tenTimes, Options{Calibration: c})
	require.Equal(t, []string{"batch", "script:sp.sql"}, []string{e.Engines[0].Engine, e.Engines[1].Engine})
	require.InEpsilon(t, 1200, float64(e.Engines[0].Middle), 1e-9)
	d := math.Exp(4.30265 * 0.1 * math.Sqrt2)
	same(t, 1200/d, 1200*d, e.Engines[0].Like, "first")
	require.True(t, e.Engines[0].Computed)
	script := e.Engines[1]
	require.Equal(t, OnOther, script.Basis)
	require.InEpsilon(t, 1000*2, float64(script.Middle), 1e-9)
	d = math.Exp(math.Hypot(4.30265*0.1*math.Sqrt(4.0/3), 1.95996*DefaultSpread*math.Sqrt2))
	same(t, 2000/d, 2000*d, script.Like, "the noise of both")
	requireSays(t, e, "production was 0.5 times as fast as the test's machine with batch")

	e = estimate(t, runs[3:], tenTimes, Options{Calibration: c})
	require.Equal(t, OnTest, e.Engines[1].Basis)
	requireSays(t, e, "the calibration says nothing of this engine")
	requireSays(t, estimate(t, nil, nil, Options{Calibration: calibration("batch", 2000, 3)}), "3.0 s is short for that", "--max-duration 5m")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	strict, sqlite := mysql, mysql
	strict.Policy, sqlite.Product = "strict", "SQLite"
	noAudit := timed("script:sp.sql", 8)
	noAudit.Task.Audit = false
	whole := calibration("batch", 800_000, 300)
	for says, c := range map[string]struct {
		runs []Run
		p    *Production
		o    Options
	}{
		"no run to predict from":      {nil, tenTimes, Options{}},
		"is not known":                {[]Run{timed("batch", 8)}, nil, Options{}},
		"left nothing to remove":      {nil, nil, Options{Calibration: whole}},
		"leave the speed ratio out":   {nil, nil, Options{Calibration: calibration("batch", 2000, 3), Ratio: Ratio{1, 1}}},
		"production has no rows":      {[]Run{timed("batch", 8)}, &Production{}, Options{}},
		"nothing to remove":           {[]Run{timed("batch", 8)}, &Production{Rows: 1}, Options{}},
		"2 removable of 1 rows":       {[]Run{timed("batch", 8)}, &Production{Rows: 1, Removable: 2}, Options{}},
		"not negative":                {[]Run{timed("batch", 8)}, &Production{Rows: 1, Removable: -2}, Options{}},
		"the lower first":             {[]Run{timed("batch", 8)}, tenTimes, Options{Ratio: Ratio{2, 1}}},
		"policy strict":               {[]Run{timed("batch", 8)}, &Production{File: "p", Rows: 2, Removable: 1, Task: &strict}, Options{}},
		"SQLite, policy documented":   {[]Run{timed("batch", 8)}, &Production{File: "p", Rows: 2, Removable: 1, Task: &sqlite}, Options{}},
		"script:sp.sql.json about My": {[]Run{timed("batch", 8), noAudit}, tenTimes, Options{}},
		"part.json is about MySQL":    {[]Run{noAudit}, tenTimes, Options{Calibration: calibration("batch", 2000, 3)}},
	} {
		_, err := New(c.runs, c.p, c.o)
		require.ErrorContains(t, err, says)
		var option *bench.OptionError
		require.ErrorAs(t, err, &option)
	}
}

// Whatever the runs are, the middle lies in the first interval and that in the
// second, twice the rows take longer, and what is written can be read.
func TestIntervalsAreNested(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var runs []Run
		for range rapid.IntRange(1, 6).Draw(t, "runs") {
			r := timed(rapid.SampledFrom([]string{"batch", "rebuild"}).Draw(t, "engine"), rapid.Float64Range(0.01, 1e5).Draw(t, "seconds"))
			r.Removed = rapid.Int64Range(1, 1e7).Draw(t, "removed")
			r.Rows = r.Removed + rapid.Int64Range(0, 1e7).Draw(t, "kept")
			r.Pauses = r.Seconds * rapid.Float64Range(0, 0.9).Draw(t, "pauses")
			runs = append(runs, r)
		}
		p := Production{Removable: rapid.Int64Range(1, 1e9).Draw(t, "removable")}
		p.Rows = p.Removable + rapid.Int64Range(0, 1e9).Draw(t, "stays")
		o := Options{}
		if rapid.Bool().Draw(t, "calibrated") {
			o.Calibration = calibration("batch", rapid.Int64Range(1, 799_999).Draw(t, "part"), rapid.Float64Range(0.1, 1e4).Draw(t, "took"))
		}
		e, err := New(runs, &p, o)
		require.NoError(t, err)
		twice, err := New(runs, &Production{Rows: 2 * p.Rows, Removable: 2 * p.Removable}, o)
		require.NoError(t, err)
		for i, one := range e.Engines {
			order := []float64{float64(one.Reckon.Low), float64(one.Like.Low), float64(one.Middle), float64(one.Like.High), float64(one.Reckon.High)}
			require.Positive(t, order[0])
			require.IsNonDecreasing(t, order)
			require.Greater(t, float64(twice.Engines[i].Middle), order[2])
		}
		var b bytes.Buffer
		require.NoError(t, e.WriteJSON(&b))
		require.NoError(t, json.Unmarshal(b.Bytes(), &Estimate{}))
	})
}

func TestDurationsHaveTwoDigits(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{"0 s": 0, "0.012 s": 0.0123, "1.0 s": 1.04, "45 s": 45.2, "59 s": 59.4, "1.0 min": 59.6, "1.4 min": 84,
		"17 min": 1021, "59 min": 59.3 * 60, "1.0 h": 59.8 * 60, "31 h": 31.2 * 3600, "2.1 days": 50 * 3600, "120 days": 123 * 86400, "years": 1e9} {
		require.Equal(t, want, Seconds(v).String())
	}
	require.Equal(t, "15 to 21 min", Interval{15.9 * 60, 20.1 * 60}.String())
	require.Equal(t, "15 to 20 min", Interval{15 * 60, 20 * 60}.String(), "what is round already stays")
	require.Equal(t, "45 s to 1.3 min", Interval{45.9, 72.1}.String())
	require.Equal(t, "12 h to years", Interval{12 * 3600, 1e20}.String())
	text, err := json.Marshal(Prediction{Middle: 1234.5, Like: Interval{1111, 1391}})
	require.NoError(t, err)
	require.Contains(t, string(text), `"middle":1200,"like":{"low":1100,"high":1400}`)
}

// requireSays looks for texts in what people read.
func requireSays(t *testing.T, e *Estimate, texts ...string) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, e.WriteText(&b))
	require.False(t, strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "%!"), b.String())
	for _, text := range texts {
		require.Contains(t, b.String(), text)
	}
}
