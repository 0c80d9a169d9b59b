package bench_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/benchtest"
	"github.com/tokensweep/tokensweep/report"
)

// elsewhere is a fingerprint of the same data on another machine.
func elsewhere(f *bench.Fingerprint) {
	f.Machine = bench.Machine{CPU: "Another Processor", Cores: 64, Memory: 256 << 30, Kernel: "linux 7.0.0"}
	f.Server.Via = "process"
	f.Server.Settings["innodb_buffer_pool_size"] = "1073741824"
	f.Tools["go"] = "go1.99"
}

// counts is a record of one engine that was counted once.
func counts(change func(*bench.Fingerprint), metrics ...bench.Metric) *bench.Record {
	f := benchtest.Fingerprint()
	if change != nil {
		change(&f)
	}
	r, err := bench.NewRecord("tokensweep v1", f)
	panics{}.check(err)
	s, err := bench.NewSample(bench.Run{Engine: "batch:500", Round: 1, Started: started, Verdict: report.Pass}, metrics)
	panics{}.check(err)
	panics{}.check(r.Add(s))
	return r
}

var (
	sent    = bench.Cost("statements", 230)
	written = bench.Cost("handler-write", 9501)
	read    = bench.Counted(bench.Reads, 60_000)
)

func TestExactGateOnOtherMachines(t *testing.T) {
	version := func(f *bench.Fingerprint) { f.Server.Version = "8.4.0" }
	for name, c := range map[string]struct {
		change  func(*bench.Fingerprint)
		metrics []bench.Metric
		verdict string
		why     string
		skipped []string
	}{
		"the same":             {nil, []bench.Metric{sent, written, read}, report.Pass, "", nil},
		"another machine":      {elsewhere, []bench.Metric{sent, written, read}, report.Pass, "", nil},
		"one statement more":   {elsewhere, []bench.Metric{bench.Cost("statements", 231), written, read}, report.Fail, "batch:500, statements: exact: 231 instead of 230", nil},
		"one statement less":   {elsewhere, []bench.Metric{bench.Cost("statements", 229), written, read}, report.Pass, "", nil},
		"one row more written": {elsewhere, []bench.Metric{sent, bench.Cost("handler-write", 9502), read}, report.Fail, "batch:500, handler-write: exact: 9,502 instead of 9,501", nil},
		"a little more read":   {elsewhere, []bench.Metric{sent, written, bench.Counted(bench.Reads, 70_000)}, report.Pass, "", nil},
		"an index lost":        {elsewhere, []bench.Metric{sent, written, bench.Counted(bench.Reads, 90_000)}, report.Fail, "batch:500, handler-reads: the server reads more by 50 % at least", nil},
		"a metric lost":        {elsewhere, []bench.Metric{sent, read}, report.Inconclusive, "handler-write: the baseline has it, the new record does not", nil},
		"another version": {version, []bench.Metric{sent, bench.Cost("handler-write", 20_000), bench.Counted(bench.Reads, 900_000)},
			report.Pass, "", []string{"handler-write", "handler-reads"}},
		"another version, one statement more": {version, []bench.Metric{bench.Cost("statements", 231), written, read},
			report.Fail, "batch:500, statements", []string{"handler-write", "handler-reads"}},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := bench.NewGate(counts(nil, sent, written, read), counts(c.change, c.metrics...), bench.Options{Exact: true})
			require.NoError(t, err)
			require.Equal(t, c.verdict, g.Verdict, "%v", g.Reasons)
			require.ElementsMatch(t, c.skipped, g.Skipped)
			if c.why == "" {
				require.Empty(t, g.Reasons)
				return
			}
			require.Len(t, g.Reasons, 1)
			require.Contains(t, g.Reasons[0], c.why)
		})
	}
}

func TestExactGateRefusesOtherWork(t *testing.T) {
	for name, change := range map[string]func(*bench.Fingerprint){
		"server product": func(f *bench.Fingerprint) { f.Server.Product = "MariaDB" },
		"data tokens":    func(f *bench.Fingerprint) { f.Data.Tokens++ },
		"data seed":      func(f *bench.Fingerprint) { f.Data.Seed++ },
		"data mix":       func(f *bench.Fingerprint) { f.Data.Mix = "edge" },
		"data release":   func(f *bench.Fingerprint) { f.Data.Release = "apim-4.2" },
		"task policy":    func(f *bench.Fingerprint) { f.Task.Policy = "strict" },
		"task audit":     func(f *bench.Fingerprint) { f.Task.Audit = false },
		"task load":      func(f *bench.Fingerprint) { f.Task.Load = 300 },
		"tool script":    func(f *bench.Fingerprint) { f.Tools["script"] = "1a2b" },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bench.NewGate(counts(nil, sent), counts(change, sent), bench.Options{Exact: true})
			var refused *bench.FingerprintError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, "the difference in the counters would not be that of the engines:\n  "+name+": ")
			require.Len(t, refused.Differences, 1)
		})
	}
}

// Speed says nothing on another machine, however it is asked for.
func TestExactGateJudgesNoSpeed(t *testing.T) {
	slow := func(by float64) *bench.Record {
		r := measured(2, by, 1)
		elsewhere(&r.Fingerprint)
		return r
	}
	g, err := bench.NewGate(measured(1, 1, 1), slow(0.1), bench.Options{Exact: true})
	require.NoError(t, err)
	require.Equal(t, report.Pass, g.Verdict)
	for _, r := range g.Rulings {
		require.True(t, r.Metric.Exact, r.Metric.Key())
	}
	_, err = bench.NewGate(measured(1, 1, 1), slow(1), bench.Options{Exact: true, Metrics: []string{"clean"}})
	require.ErrorContains(t, err, "nothing to judge")

	var b bytes.Buffer
	require.NoError(t, g.WriteText(&b))
	require.Regexp(t, `^PASS  8 metrics against the baseline, tolerance 0\.0 %, exact counters only\n`, b.String())
}

func TestExactGateSaysWhatItDidNotJudge(t *testing.T) {
	g, err := bench.NewGate(counts(nil, sent, written), counts(func(f *bench.Fingerprint) { f.Server.Version = "8.4.0" }, sent, written), bench.Options{Exact: true})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, g.WriteText(&b))
	require.Contains(t, b.String(), "may do the same in another way: handler-write\n  server version: 8.4.0, was 9.7.1\n")
}

func TestBaselineHoldsOnlyWhatIsExact(t *testing.T) {
	whole := measured(1, 1, 3)
	kept, err := whole.ForExact()
	require.NoError(t, err)
	require.Len(t, kept.Samples, 2, "one of each engine")
	for _, s := range kept.Samples {
		require.Empty(t, s.Series)
		for _, m := range s.Metrics {
			require.True(t, m.Exact, m.Key())
		}
	}
	var b bytes.Buffer
	require.NoError(t, kept.WriteJSON(&b))
	require.Contains(t, b.String(), "\n      {\"name\":\"statements\",\"better\":\"lower\",\"exact\":true,\"value\":", "a line that shows in a diff")
	again, err := bench.Read(b.Bytes(), "baseline")
	require.NoError(t, err)
	require.Equal(t, kept, again)

	g, err := bench.NewGate(again, whole, bench.Options{Exact: true})
	require.NoError(t, err)
	require.Equal(t, report.Pass, g.Verdict)
}

func TestWhatCanBeNoBaseline(t *testing.T) {
	for name, c := range map[string]struct {
		record *bench.Record
		why    string
	}{
		"wrong": {benchtest.Record(benchtest.Spec{Seed: 1, Tool: "tokensweep", Started: started, Rounds: 2, Engines: []benchtest.Engine{{Name: "batch", Rate: 9000, Batch: 500, Wrong: []int{2}}}}),
			"the verification of batch, round 2 ended with fail"},
		"varies":        {recordOf(t, sent, 230, 231), "batch, statements: exact, yet it varies from 230 to 231"},
		"nothing exact": {recordOf(t, rate, 230, 231), "batch has no exact counter"},
		"only its work": {recordOf(t, removed, 7), "batch has no exact counter"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.record.ForExact()
			var refused *bench.OptionError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, c.why)
		})
	}
}
