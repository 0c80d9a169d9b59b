package bench_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/benchtest"
	"github.com/tokensweep/tokensweep/report"
)

var started = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

func madeUp() *bench.Record {
	return benchtest.Record(benchtest.Spec{Seed: 1, Tool: "tokensweep v1.2.0", Started: started, Rounds: 3, Series: true, Engines: []benchtest.Engine{
		{Name: "batch", Rate: 14_000, Noise: 0.03, Batch: 2000},
		{Name: `command:pt-archiver --where "a/b" <x>`, Rate: 17_800, Noise: 0.03, Wrong: []int{2}},
	}})
}

func TestUnverifiedRunRecordsNoSpeed(t *testing.T) {
	run := bench.Run{Engine: "batch", Round: 1, Started: started, Verdict: report.Fail}
	_, err := bench.NewSample(run, []bench.Metric{bench.Rate("clean", 100, time.Second)})
	require.ErrorIs(t, err, bench.ErrUnverified)
	_, err = bench.NewSample(run, nil, bench.Series{Name: bench.Throughput, Unit: bench.RowRate})
	require.ErrorIs(t, err, bench.ErrUnverified)
	run.Verdict = report.Inconclusive
	_, err = bench.NewSample(run, []bench.Metric{bench.Cost("statements", 1)})
	require.ErrorIs(t, err, bench.ErrUnverified)
	_, err = bench.NewSample(run, nil)
	require.NoError(t, err)

	// Nor does a verdict that is changed afterwards get past the encoders.
	r := madeUp()
	r.Samples[0].Verdict = report.Fail
	require.ErrorIs(t, r.WriteJSON(&bytes.Buffer{}), bench.ErrUnverified)
	require.ErrorIs(t, r.WriteText(&bytes.Buffer{}), bench.ErrUnverified)
}

func TestFileThatGivesSpeedToAnUnverifiedRunIsRefused(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, madeUp().WriteJSON(&b))
	forged := strings.Replace(b.String(), `"verdict":"pass"`, `"verdict":"fail"`, 1)
	_, err := bench.Read([]byte(forged), "forged.json")
	require.ErrorIs(t, err, bench.ErrUnverified)
	b.Reset()
	require.NoError(t, madeUp().WriteText(&b))
	_, err = bench.Read([]byte(strings.Replace(b.String(), "verdict: pass", "verdict: fail", 1)), "forged.txt")
	require.ErrorIs(t, err, bench.ErrUnverified)
}

func TestSampleRefusesWhatIsNoMeasurement(t *testing.T) {
	good := bench.Cost("statements", 1)
	for name, metrics := range map[string][]bench.Metric{
		"none":               {},
		"twice":              {good, good},
		"not a number":       {{Name: "x", Better: bench.Lower, Value: math.NaN()}},
		"infinite":           {{Name: "x", Better: bench.Lower, Value: math.Inf(1)}},
		"negative":           {{Name: "x", Better: bench.Lower, Value: -1}},
		"no direction":       {{Name: "x", Value: 1}},
		"noise must be same": {{Name: "x", Better: bench.Same, Value: 1}},
		"unknown unit":       {{Name: "x", Unit: "ms", Better: bench.Lower, Value: 1}},
		"space":              {{Name: "two words", Better: bench.Lower, Value: 1}},
		"unit in the name":   {{Name: "wait-sec", Better: bench.Lower, Value: 1}},
		"unit of benchfmt":   {{Name: "wait-ns", Better: bench.Lower, Value: 1}},
		"rate of no time":    {bench.Rate("clean", 5, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bench.NewSample(bench.Run{Engine: "batch", Round: 1, Started: started, Verdict: report.Pass}, metrics)
			require.Error(t, err)
		})
	}
}

func TestRecordRefusesContradictions(t *testing.T) {
	r := madeUp()
	again := *r.Samples[0]
	require.ErrorContains(t, r.Add(&again), "two samples of batch, round 1")
	other, err := bench.NewSample(bench.Run{Engine: "batch", Round: 9, Started: started, Verdict: report.Pass}, []bench.Metric{{Name: "statements", Better: bench.Lower, Value: 4}})
	require.NoError(t, err)
	require.ErrorContains(t, r.Add(other), "statements")
	require.Len(t, r.Samples, 6)
}

func TestRecordReadsBackFromJSON(t *testing.T) {
	var b bytes.Buffer
	r := madeUp()
	require.NoError(t, r.WriteJSON(&b))
	back, err := bench.Read(b.Bytes(), "a.json")
	require.NoError(t, err)
	require.Equal(t, r, back)
	require.Equal(t, r.Fingerprint.Hash(), back.Fingerprint.Hash())
}

func TestRecordReadsBackFromGoText(t *testing.T) {
	var b bytes.Buffer
	r := madeUp()
	require.NoError(t, r.WriteText(&b))
	require.Contains(t, b.String(), "Unit clean-rows/s better=higher\n")
	require.Contains(t, b.String(), "Unit statements assume=exact\n")
	require.Contains(t, b.String(), "\nserver: MySQL 9.7.1\n")
	require.Contains(t, b.String(), "\nBenchmarkClean/engine=batch-2 1 ")
	back, err := bench.Read(b.Bytes(), "a.txt")
	require.NoError(t, err)
	for _, s := range r.Samples {
		s.Series = nil // the text has none
	}
	require.Equal(t, r, back)
}

// Whatever stands in names and settings, both formats give it back.
func TestAnyTextSurvivesBothFormats(t *testing.T) {
	word := rapid.StringMatching(`[ -~\n\t"äπ✓]{0,20}`)
	rapid.Check(t, func(rt *rapid.T) {
		f := benchtest.Fingerprint()
		f.Server.Settings[word.Draw(rt, "name")] = word.Draw(rt, "value")
		f.Machine.CPU = "x" + word.Draw(rt, "cpu")
		r, err := bench.NewRecord("tokensweep "+word.Draw(rt, "tool"), f)
		require.NoError(rt, err)
		s, err := bench.NewSample(bench.Run{Engine: "e" + word.Draw(rt, "engine"), Round: 1, Started: started, Verdict: report.Pass, Notes: []string{word.Draw(rt, "note")}},
			[]bench.Metric{bench.Rate("clean", rapid.Int64Range(0, 1e12).Draw(rt, "rows"), 7*time.Second)})
		require.NoError(rt, err)
		require.NoError(rt, r.Add(s))
		for _, write := range []func(*bytes.Buffer) error{
			func(b *bytes.Buffer) error { return r.WriteJSON(b) }, func(b *bytes.Buffer) error { return r.WriteText(b) },
		} {
			var b bytes.Buffer
			require.NoError(rt, write(&b))
			back, err := bench.Read(b.Bytes(), "f")
			require.NoError(rt, err)
			require.Equal(rt, r, back)
		}
	})
}

func TestDamagedFilesSayWhatIsWrong(t *testing.T) {
	var j, g bytes.Buffer
	require.NoError(t, madeUp().WriteJSON(&j))
	require.NoError(t, madeUp().WriteText(&g))
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {" \n", "is empty"},
		"cut JSON":          {j.String()[:j.Len()/2], "cut off"},
		"broken JSON":       {strings.Replace(j.String(), `"metrics":[`, `"metrics":[[`, 1), "line "},
		"other JSON":        {`{"name": "x"}`, "no schema_version"},
		"newer JSON":        {strings.Replace(j.String(), `"schema_version": 1`, `"schema_version": 2`, 1), "version 2"},
		"unknown field":     {strings.Replace(j.String(), `"tool"`, `"tols"`, 1), "tols"},
		"wrong kind":        {strings.Replace(j.String(), `"cores": 2`, `"cores": "two"`, 1), "cores"},
		"no samples":        {j.String()[:strings.Index(j.String(), `"samples"`)] + `"samples": []}`, "no samples"},
		"unknown verdict":   {strings.Replace(j.String(), `"verdict":"pass"`, `"verdict":"good"`, 1), `verdict "good"`},
		"bad point":         {strings.Replace(j.String(), `"points":[[`, `"points":[[1,`, 1), "a point"},
		"prose":             {"dear all,\n", "neither JSON nor Go benchmark text"},
		"foreign benchmark": {"BenchmarkX 1 5 ns/op\n", "not of tokensweep bench"},
		"cut text":          {g.String()[:g.Len()-30], "cut off"},
		"cut between lines": {g.String()[:strings.LastIndex(g.String(), "\nround: 3")+1], "4 of 6 samples"},
		"missing unit":      {strings.Replace(g.String(), "455000 removed", "455000", 1), "damaged in line"},
		"cut in a number":   {g.String()[:strings.LastIndex(g.String(), " round-trips")+len(" round-trips")], "cut off"},
		"bad number":        {strings.Replace(g.String(), "-2 1 ", "-2 1 x", 1), "damaged in line"},
		"forged machine":    {strings.Replace(g.String(), `"cores":2`, `"cores":4`, 1), "the fingerprint was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bench.Read([]byte(c.text), "file.x")
			var bad *bench.FileError
			require.ErrorAs(t, err, &bad)
			require.ErrorContains(t, err, c.want)
			require.True(t, strings.HasPrefix(err.Error(), "file.x: "), err.Error())
		})
	}
	_, err := bench.ReadFile(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, 1, strings.Count(err.Error(), "none.json"))
}

func TestFingerprint(t *testing.T) {
	a, b := benchtest.Fingerprint(), benchtest.Fingerprint()
	require.Equal(t, a.Hash(), b.Hash())
	require.Equal(t, "ca5f2b0817b744a6", a.Hash(), "a stored baseline must keep its hash: bump the schema version if this has to change")
	require.Empty(t, a.Diff(b))

	b.Machine.Cores = 4
	b.Server.Settings["innodb_flush_log_at_trx_commit"] = "2"
	delete(b.Server.Settings, "sql_mode")
	b.Tools["pt-archiver"] = "3.7.0"
	require.NotEqual(t, a.Hash(), b.Hash())
	var lines []string
	for _, d := range a.Diff(b) {
		lines = append(lines, d.String())
	}
	require.Equal(t, []string{
		"machine cores: 4, was 2",
		"server setting innodb_flush_log_at_trx_commit: 2, was 1",
		"tool pt-archiver: 3.7.0, was none",
		"server setting sql_mode: none, was (empty)",
	}, lines)
}

func TestThisMachine(t *testing.T) {
	m, err := bench.ThisMachine(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, m.CPU)
	require.Positive(t, m.Cores)
	require.Positive(t, m.Memory)
	again, err := bench.ThisMachine(t.Context())
	require.NoError(t, err)
	require.Equal(t, m, again)
}

func TestBatchTimesAreNearestRanks(t *testing.T) {
	var times []time.Duration
	for i := 200; i >= 1; i-- {
		times = append(times, time.Duration(i)*time.Millisecond)
	}
	require.Equal(t, []bench.Metric{
		bench.Took("batch-p50", 100*time.Millisecond), bench.Took("batch-p99", 198*time.Millisecond), bench.Took("batch-max", 200*time.Millisecond),
	}, bench.BatchTimes(times))
	require.Empty(t, bench.BatchTimes(nil))
}

func TestUnitsForPeople(t *testing.T) {
	for want, got := range map[string]string{
		"11,031 rows/s": bench.RowRate.Format(11030.6),
		"85.3 ms":       bench.Seconds.Format(0.0853),
		"2 s":           bench.Seconds.Format(2),
		"12m3s":         bench.Seconds.Format(723.2),
		"0 s":           bench.Seconds.Format(0),
		"250 µs":        bench.Seconds.Format(0.00025),
		"12 MiB":        bench.Bytes.Format(12 << 20),
		"1,204":         bench.Count.Format(1204),
		"–":             bench.Count.Format(math.NaN()),
	} {
		require.Equal(t, want, got)
	}
}
