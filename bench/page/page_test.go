package page_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/benchtest"
	"github.com/tokensweep/tokensweep/bench/page"
)

var started = time.Date(2026, 9, 1, 2, 0, 0, 0, time.UTC)

const archiver = `command:pt-archiver --source h=db,D=apim,t=IDN_OAUTH2_ACCESS_TOKEN --where "1=1" --bulk-delete --limit 10000`

// history is a year of a project: five records, the last with a slow-down if wanted.
func history(lastShare float64, wrong ...int) []*bench.Record {
	var all []*bench.Record
	for i, speed := range []float64{9_800, 11_900, 12_100, 14_300, 14_300 * lastShare} {
		s := benchtest.Spec{Seed: uint64(i + 1), Tool: "tokensweep v1." + string(rune('0'+i)) + ".0", Started: started.AddDate(0, 0, 9*i), Rounds: 10, Series: i == 4,
			Engines: []benchtest.Engine{
				{Name: "batch", Rate: speed, Noise: 0.02, Batch: 2000},
				{Name: "script:official.sql", Rate: 11_000, Noise: 0.025, Batch: 10_000},
				{Name: archiver, Rate: 8_700, Noise: 0.03, Batch: 5000},
			}}
		if i >= 3 {
			s.Engines = append(s.Engines, benchtest.Engine{Name: "rebuild", Rate: 61_000, Noise: 0.03})
		}
		if i == 4 {
			s.Engines[2].Wrong = wrong
		}
		all = append(all, benchtest.Record(s))
	}
	return all
}

var options = page.Options{Gate: bench.Options{Tolerance: bench.DefaultTolerance}}

func write(t *testing.T, records []*bench.Record, o page.Options) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, page.Write(&b, records, o))
	return b.String()
}

func TestPageSaysTheVerdictFirst(t *testing.T) {
	pass := write(t, history(1), options)
	require.Contains(t, pass, `<div class="verdict pass"><strong>PASS</strong><p>All 40 runs accounted for every row. None of 23 metrics got worse than the baseline allows.</p></div>`)
	fail := write(t, history(0.9, 3, 7), options)
	require.Contains(t, fail, `<strong>FAIL</strong><p>2 of 40 runs did not pass the verification, and record no speed.`)
	require.Contains(t, fail, `rounds 3, 7 ended with fail</li>`)
	require.Regexp(t, `<li>batch, clean-rows/s: worse by \d+(\.\d)? %, beyond the tolerance of 5\.0 %`, fail)
	alone := write(t, history(1)[4:], options)
	require.Contains(t, alone, `<div class="verdict none"><strong>MEASURED</strong><p>All 40 runs accounted for every row. No baseline to compare with.</p></div>`)
	require.NotContains(t, alone, ">Trend<")
	few := benchtest.Record(benchtest.Spec{Seed: 1, Tool: "tokensweep v2", Started: started.AddDate(1, 0, 0), Rounds: 3, Engines: []benchtest.Engine{{Name: "batch", Rate: 14_000, Noise: 0.02, Batch: 2000}}})
	require.Contains(t, write(t, append(history(1), few), options), `<strong>INCONCLUSIVE</strong>`)
}

func TestUnverifiedRunsAloneFail(t *testing.T) {
	wrong := benchtest.Record(benchtest.Spec{Seed: 1, Tool: "tokensweep", Started: started, Rounds: 1, Engines: []benchtest.Engine{{Name: "batch", Rate: 1, Wrong: []int{1}}}})
	text := write(t, []*bench.Record{wrong}, options)
	require.Contains(t, text, `<strong>FAIL</strong>`)
	require.Contains(t, text, "WRONGLY_REMOVED: 3 rows of IDN_OAUTH2_ACCESS_TOKEN")
	require.NotContains(t, text, "<figure>")
}

func TestRatioIsToTheYardstickRoundByRound(t *testing.T) {
	require.Regexp(t, `<th scope="row">batch</th><td>14,\d\d\d rows/s</td><td>14,\d\d\d to 14,\d\d\d</td><td>1\.3\d ×</td><td>1\.2\d to 1\.3\d</td>`, write(t, history(1), options))
	o := options
	o.Yardstick = "rebuild"
	require.Regexp(t, `<th scope="row">batch</th>.*<td>0\.2\d ×</td>`, write(t, history(1), o))
	o.Yardstick = "nobody"
	require.ErrorContains(t, page.Write(&bytes.Buffer{}, history(1), o), `no record has an engine "nobody"`)
}

func TestOtherDataHasASectionOfItsOwn(t *testing.T) {
	other := benchtest.Record(benchtest.Spec{Seed: 9, Tool: "tokensweep v1.4.0", Started: started, Rounds: 5, Series: true, Change: func(f *bench.Fingerprint) { f.Data.Removable = 0.99 },
		Engines: []benchtest.Engine{{Name: "batch", Rate: 14_000, Noise: 0.02, Batch: 2000}}})
	text := write(t, append(history(1), other), options)
	require.Contains(t, text, `<section id="data-2"`)
	require.Contains(t, text, `<a href="#data-2">500,000 tokens, 99.0 % removable, audit on`)
	require.Contains(t, text, "intervals of 93 % confidence", "five runs are worth no more")
}

func TestBaselineOfOtherDataIsRefused(t *testing.T) {
	o := options
	o.Baseline = history(1)[0]
	o.Baseline.Fingerprint.Server.Version = "8.4.0"
	var refused *bench.FingerprintError
	require.ErrorAs(t, page.Write(&bytes.Buffer{}, history(1), o), &refused)
	o.Gate.Force = true
	require.Contains(t, write(t, history(1), o), "The fingerprints differ: server version: 9.7.1, was 8.4.0.")
}

// Nothing of what a record says becomes markup.
func TestEverythingIsEscaped(t *testing.T) {
	const evil = `<script>alert("x")</script><img src=x onerror=y>"'&{{.}}`
	r := benchtest.Record(benchtest.Spec{Seed: 1, Tool: "tokensweep " + evil, Started: started, Rounds: 6, Series: true,
		Engines: []benchtest.Engine{{Name: evil, Rate: 1000, Noise: 0.01, Batch: 20_000}, {Name: "x" + evil, Rate: 1000, Wrong: []int{1}}},
		Change: func(f *bench.Fingerprint) {
			f.Machine.CPU, f.Server.Version, f.Data.Mix, f.Tools[evil] = evil, evil, evil, evil
		}})
	for _, s := range r.Unverified() {
		s.Notes = []string{evil}
	}
	later := *r
	text := write(t, []*bench.Record{r, &later}, options)
	require.NotContains(t, text, "<script")
	require.NotContains(t, text, "<img")
	require.Contains(t, text, "&lt;script&gt;")
	require.NotContains(t, text, "ZgotmplZ")
}

// The page asks the network for nothing, and could not.
func TestPageIsSelfContained(t *testing.T) {
	text := write(t, history(1), options)
	require.Contains(t, text, `content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`)
	require.NotRegexp(t, `(?i)https?://|src=|@import|url\(|<script|\son\w+=`, text)
	require.Less(t, len(text), 400_000)
}

func TestPlotsHaveTitlesAndTables(t *testing.T) {
	text := write(t, history(1), options)
	plots := strings.Count(text, `role="img" aria-labelledby="`)
	require.Equal(t, 10, plots, "five plots for wide and narrow pages")
	require.Equal(t, plots, strings.Count(text, "<desc id="))
	require.GreaterOrEqual(t, strings.Count(text, "<caption>"), 5)
	ids := regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(text, -1)
	seen := map[string]bool{}
	for _, id := range ids {
		require.False(t, seen[id[1]], id[1])
		seen[id[1]] = true
	}
	require.NotRegexp(t, `NaN|Inf`, text)
}
