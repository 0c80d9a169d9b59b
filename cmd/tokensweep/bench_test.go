package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/benchtest"
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
	} {
		code, said := benchCommand(t, args...)
		require.Equal(t, exitRefused, code, said)
		require.Contains(t, said, want)
	}
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
