package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/benchtest"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
)

// benchFile writes a made-up record of ten rounds; change may be nil.
func benchFile(t *testing.T, seed uint64, share float64, rounds int, change func(*bench.Fingerprint)) string {
	t.Helper()
	r := benchtest.Record(benchtest.Spec{Seed: seed, Tool: "tokensweep devel", Started: cutOff.AddDate(0, 0, int(seed)), Rounds: rounds, Series: true, Change: change,
		Engines: []benchtest.Engine{{Name: "batch", Rate: 14_000 * share, Noise: 0.03, Batch: 2000}, {Name: "script:official.sql", Rate: 11_000, Noise: 0.03, Batch: 10_000}}})
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	path := filepath.Join(t.TempDir(), "record.json")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	return path
}

func TestBenchGateExitCodes(t *testing.T) {
	baseline := benchFile(t, 1, 1, 10, nil)
	otherServer := benchFile(t, 2, 1, 10, func(f *bench.Fingerprint) { f.Server.Version = "8.4.0" })
	cut := filepath.Join(t.TempDir(), "cut.json")
	text, err := os.ReadFile(baseline)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cut, text[:len(text)/2], 0o644))
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no change":          {[]string{"--baseline", baseline, benchFile(t, 2, 1, 10, nil)}, exitPass, "PASS  12 metrics"},
		"slower by 10 %":     {[]string{"--baseline", baseline, benchFile(t, 2, 0.9, 10, nil)}, exitFail, "batch, clean-rows/s: worse by"},
		"tolerated":          {[]string{"--baseline", baseline, "--tolerance", "20%", benchFile(t, 2, 0.9, 10, nil)}, exitPass, "within the tolerance of 20 %"},
		"too few samples":    {[]string{"--baseline", baseline, benchFile(t, 2, 1, 3, nil)}, exitInconclusive, "too few samples: 6 on each side are needed"},
		"counters alone":     {[]string{"--baseline", baseline, "--metric", "statements", "--tolerance", "0", benchFile(t, 2, 0.5, 1, nil)}, exitPass, "PASS  2 metrics"},
		"another server":     {[]string{"--baseline", baseline, otherServer}, exitRefused, "server version: 8.4.0, was 9.7.1"},
		"forced":             {[]string{"--baseline", baseline, "--force", otherServer}, exitPass, "server version: 8.4.0, was 9.7.1"},
		"no baseline":        {[]string{baseline}, exitRefused, "--baseline is missing"},
		"no file":            {[]string{"--baseline", baseline, "/nowhere.json"}, exitRefused, "/nowhere.json: cannot be read"},
		"no new file":        {[]string{"--baseline", baseline}, exitRefused, "takes one file"},
		"a damaged file":     {[]string{"--baseline", baseline, cut}, exitRefused, "cut off"},
		"no such metric":     {[]string{"--baseline", baseline, "--metric", "speed", baseline}, exitRefused, `no metric is called "speed"`},
		"no share":           {[]string{"--baseline", baseline, "--tolerance", "little", baseline}, exitRefused, "use a share such as 5%"},
		"negative tolerance": {[]string{"--baseline", baseline, "--tolerance", "-5%", baseline}, exitRefused, "tolerance"},
		"exact elsewhere":    {[]string{"--baseline", baseline, "--exact", "--tolerance", "0", benchFile(t, 2, 0.5, 1, func(f *bench.Fingerprint) { f.Machine.Cores = 64 })}, exitPass, "exact counters only"},
		"exact, other data":  {[]string{"--baseline", baseline, "--exact", benchFile(t, 2, 1, 1, func(f *bench.Fingerprint) { f.Data.Tokens *= 2 })}, exitRefused, "renew the baseline (tokensweep bench baseline)"},
		"no alpha":           {[]string{"--baseline", baseline, "--alpha", "0", baseline}, exitRefused, "--alpha"},
	} {
		t.Run(name, func(t *testing.T) {
			code, said := benchCommand(t, append([]string{"gate"}, c.args...)...)
			require.Equal(t, c.code, code, said)
			require.Contains(t, said, c.says)
		})
	}
}

func TestBenchCompareAndReport(t *testing.T) {
	older, newer := benchFile(t, 1, 1, 10, nil), benchFile(t, 2, 1.2, 10, nil)
	code, said := benchCommand(t, "compare", older, newer)
	require.Equal(t, exitPass, code, said)
	require.Regexp(t, `clean-rows/s .* \+\d+\.\d %  0\.000  better\n`, said)

	out := filepath.Join(t.TempDir(), "page.html")
	code, said = benchCommand(t, "report", older, newer, "--out", out)
	require.Equal(t, exitPass, code, said)
	html, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Contains(t, string(html), "<strong>PASS</strong>")

	for want, args := range map[string][]string{
		"--out is missing":            {"report", older},
		"takes the files":             {"report", "--out", out},
		`no record has an engine "x"`: {"report", older, "--out", out, "--yardstick", "x"},
		"writing a report":            {"report", older, "--out", "/nowhere/page.html"},
		"takes two files":             {"compare", older},
		"--engines is missing":        {},

		"a rebuild takes the tables for itself": {"--engines", "batch,rebuild", "--load", "300"},
		"use up to 100000 operations a second":  {"--engines", "batch", "--load", "1e9"},
		"--load-quiet is about the load":        {"--engines", "batch", "--load-quiet", "5s"},
		"--load-quiet 0s: use more than 0":      {"--engines", "batch", "--load", "300", "--load-quiet", "0s"},

		`unknown option "fast=1"`:                     {"--engines", "batch:fast=1"},
		`option "workers=two"`:                        {"--engines", "batch:workers=two"},
		"--workers 65: use 1 to 64":                   {"--engines", "batch:workers=65"},
		`--binlog-row-image "full": use minimal`:      {"--engines", "batch:binlog=full"},
		"batch:500 is there twice":                    {"--engines", "batch:500,rebuild,batch:500"},
		`no script of --engines has an attribute "x"`: {"--engines", "batch,script:../../testdata/procedures/official-mysql.sql", "--set", "x=1"},
	} {
		code, said := benchCommand(t, args...)
		require.Equal(t, exitRefused, code, said)
		require.Contains(t, said, want)
	}
}

func TestBenchBaseline(t *testing.T) {
	record, out := benchFile(t, 1, 1, 2, nil), filepath.Join(t.TempDir(), "baseline.json")
	code, said := benchCommand(t, "baseline", record, "--out", out)
	require.Equal(t, exitPass, code, said)
	stored, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NotContains(t, string(stored), "clean")
	require.Contains(t, string(stored), "statements")
	code, said = benchCommand(t, "gate", "--exact", "--baseline", out, record)
	require.Equal(t, exitPass, code, said)

	for want, args := range map[string][]string{
		"--out is missing": {"baseline", record},
		"takes one file":   {"baseline", "--out", out},
		"cannot be read":   {"baseline", "/nowhere.json", "--out", out},
		"writing a report": {"baseline", record, "--out", "/nowhere/baseline.json"},
	} {
		code, said := benchCommand(t, args...)
		require.Equal(t, exitRefused, code, said)
		require.Contains(t, said, want)
	}
}

func TestBenchEnginesThatAreExact(t *testing.T) {
	for name, exact := range map[string]bool{"batch": false, "batch:500": true, "procedure": true, "procedure:500": true, "rebuild": false,
		"batch:500:workers=2": false, "batch:500:binlog=minimal": true} {
		var f benchRunFlags
		root := &cobra.Command{}
		f.add(root.Flags())
		require.NoError(t, root.ParseFlags([]string{"--engines", name}))
		engines, err := f.list()
		require.NoError(t, err, name)
		require.Equal(t, exact, engines[0].Fixed, name)
	}
}

// TestBenchEnginesHaveTheirOwnSettings: what one engine or script has no use for is
// not refused beside others.
func TestBenchEnginesHaveTheirOwnSettings(t *testing.T) {
	var f benchRunFlags
	root := &cobra.Command{}
	f.add(root.Flags())
	scripts := "script:../../testdata/procedures/official-mysql.sql,script:../../testdata/procedures/single-delete-mysql.sql"
	require.NoError(t, root.ParseFlags([]string{"--engines", "batch:batch-time=1s:workers=3,rebuild:workers=4,procedure," + scripts, "--engines", "command:/some/where/program -x",
		"--batch", "700", "--set", "sleepTime=0", "--set", "safePeriod=3"}))
	engines, err := f.list()
	require.NoError(t, err)
	var names []string
	for _, e := range engines {
		names = append(names, e.Name)
	}
	require.Equal(t, []string{"batch:batch-time=1s:workers=3", "rebuild:workers=4", "procedure", "script:official-mysql.sql sleepTime=0 safePeriod=3",
		"script:single-delete-mysql.sql safePeriod=3", "command:program"}, names)
	require.Equal(t, cleanup.Batch{Size: 700, Target: time.Second, Workers: 3}, engines[0].Engine)
	require.Equal(t, rebuild.Engine{Workers: 4}, engines[1].Engine)
}

// benchCommand runs tokensweep bench and returns its exit code and all it says.
func benchCommand(t *testing.T, args ...string) (int, string) {
	t.Helper()
	root := &cobra.Command{Use: "tokensweep", SilenceErrors: true, SilenceUsage: true}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	root.AddCommand(newBench())
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(append([]string{"bench"}, args...))
	err := root.ExecuteContext(t.Context())
	return exitCode(err, false), out.String() + explain(err, false)
}
