package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/estimate"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// documentFile writes a document as run, validate and clean do; change may be nil.
func documentFile(t *testing.T, change func(*report.Document)) string {
	t.Helper()
	d := &report.Document{Tool: "tokensweep devel", Command: "run", Verdict: report.Pass, Policy: "documented", CutOff: cutOff, Audit: true, Engine: "batch",
		Server: report.Server{Product: "MySQL", Version: "9.7.4"}, Data: report.Data{Source: "dump"}, Run: &report.Run{Batches: 40},
		Stages: []report.Stage{report.NewStage("capture", 100_000, 1), report.NewStage("clean", 80_000, 8), report.NewStage("check", 100_000, 1)},
		Phases: []report.Phase{{Table: schema.AccessToken, Before: 90_000, Removed: 75_000, Audited: 75_000}, {Table: schema.AuthzCode, Before: 10_000, Removed: 5_000}}}
	if change != nil {
		change(d)
	}
	path := filepath.Join(t.TempDir(), "document.json")
	require.NoError(t, toFile(path, d.WriteJSON))
	return path
}

// asCleaned makes a document of clean, five minutes on production.
func asCleaned(d *report.Document) {
	d.Command, d.Verdict = "clean", report.Unverified
	d.Run.Stopped = "the time limit of 5m0s"
	d.Stages = []report.Stage{report.NewStage("clean tokens", 200_000, 300)}
	d.Phases = []report.Phase{{Table: schema.AccessToken, Before: 1_000_000, Removable: 800_000, Removed: 200_000, Audited: 200_000}, {Table: schema.AuthzCode, Before: 500, Removable: 100}}
}

func asCounted(d *report.Document) {
	asCleaned(d)
	d.DryRun, d.Run, d.Stages, d.Engine = true, nil, nil, "batch"
	d.Phases = []report.Phase{{Table: schema.AccessToken, Before: 1_000_000, Removable: 900_000, Held: []report.Held{{Rows: 100_000}}}}
}

func TestBenchEstimate(t *testing.T) {
	run, part, counted := documentFile(t, nil), documentFile(t, asCleaned), documentFile(t, asCounted)
	record := benchFile(t, 1, 1, 10, nil)
	failed := func(d *report.Document) { d.Verdict = report.Fail }
	change := func(as, more func(*report.Document)) string {
		return documentFile(t, func(d *report.Document) { as(d); more(d) })
	}
	slept := documentFile(t, func(d *report.Document) {
		d.Engine, d.Stages[1].Seconds = "script:sp.sql", 28
		d.Comparison = &report.Comparison{Attributes: []report.Attribute{{Name: "batchSize", Value: "10000"}, {Name: "@sleepTime", Value: "'00:00:02.500'", Set: true}}}
	})
	const counts1M = "production  1,000,000 rows, 800,000 to remove"
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"numbers":                    {[]string{run, "--rows", "1000000", "--removable", "800000"}, exitPass, "batch, 1 run: about 1.3 min"},
		"a dry run":                  {[]string{run, "--production", counted}, exitPass, counts1M},
		"what the calibration left":  {[]string{"--calibration", part}, exitPass, "production  800,500 rows, 600,100 to remove"},
		"the calibration's speed":    {[]string{run, "--calibration", part}, exitPass, "batch, measured on production: about 15 min"},
		"both":                       {[]string{run, "--production", counted, "--calibration", part}, exitPass, "about 20 min"},
		"a ratio":                    {[]string{run, "--production", counted, "--speed-ratio", "0.5"}, exitPass, "batch, 1 run: about 2.7 min"},
		"a record":                   {[]string{record, "--rows", "500000", "--removable", "455000"}, exitPass, "batch, 10 runs: about"},
		"pauses":                     {[]string{slept, "--production", counted, "--speed-ratio", "1000"}, exitPass, "script:sp.sql @sleepTime='00:00:02.500', 1 run: about 3.8 min"},
		"no run":                     {[]string{"--rows", "2", "--removable", "1"}, exitRefused, "there is no run to predict from"},
		"no production":              {[]string{run}, exitRefused, "how much waits on production is not known"},
		"zero rows":                  {[]string{run, "--rows", "0", "--removable", "0"}, exitRefused, "production has no rows"},
		"nothing to remove":          {[]string{run, "--rows", "5", "--removable", "0"}, exitRefused, "production has nothing to remove"},
		"negative":                   {[]string{run, "--rows", "-5", "--removable", "1"}, exitRefused, "numbers that are not negative"},
		"more than all":              {[]string{run, "--rows", "5", "--removable", "6"}, exitRefused, "6 removable of 5 rows"},
		"half of it":                 {[]string{run, "--rows", "5"}, exitRefused, "--rows and --removable go together"},
		"twice":                      {[]string{run, "--rows", "5", "--removable", "1", "--production", counted}, exitRefused, "leave --rows and --removable out"},
		"one run twice":              {[]string{run, run, "--production", counted}, exitRefused, "is named twice"},
		"no number":                  {[]string{run, "--rows", "many"}, exitRefused, "--rows"},
		"no ratio":                   {[]string{run, "--production", counted, "--speed-ratio", "fast"}, exitRefused, "0.5-1, or 0.8"},
		"ratio upside down":          {[]string{run, "--production", counted, "--speed-ratio", "2-1"}, exitRefused, "the lower first"},
		"ratio beside a calibration": {[]string{run, "--calibration", part, "--speed-ratio", "1-2"}, exitRefused, "leave the speed ratio out"},
		"no file":                    {[]string{"/nowhere.json", "--production", counted}, exitRefused, "/nowhere.json: cannot be read: no such file"},
		"an empty document":          {[]string{documentFile(t, func(d *report.Document) { *d = report.Document{Verdict: "pass", Run: &report.Run{}} }), "--production", counted}, exitRefused, "does not say which engine"},
		"a failed run":               {[]string{documentFile(t, failed), "--production", counted}, exitRefused, "the verdict on it is fail, and what is wrong is not fast"},
		"a stopped run":              {[]string{documentFile(t, func(d *report.Document) { d.Run.Stopped = "the stop file x" }), "--production", counted}, exitRefused, "was stopped by the stop file x"},
		"a verification alone":       {[]string{documentFile(t, func(d *report.Document) { d.Run = nil }), "--production", counted}, exitRefused, "nobody timed it"},
		"no speed":                   {[]string{documentFile(t, func(d *report.Document) { d.Stages = nil }), "--production", counted}, exitRefused, "took 0 seconds"},
		"removed nothing":            {[]string{documentFile(t, func(d *report.Document) { d.Phases = nil }), "--production", counted}, exitRefused, "removed nothing"},
		"a clean-up as a run":        {[]string{part, "--production", counted}, exitRefused, "name it with --calibration"},
		"a dry run as a run":         {[]string{counted, "--production", counted}, exitRefused, "name it with --production"},
		"a run as production":        {[]string{run, "--production", run}, exitRefused, "is no dry run"},
		"a run as calibration":       {[]string{"--calibration", run}, exitRefused, "is of tokensweep run, on a throw-away database"},
		"a dry run as calibration":   {[]string{"--calibration", counted}, exitRefused, "has no speed"},
		"a continued calibration": {[]string{"--calibration", change(asCleaned, func(d *report.Document) { d.Run.Resumed = true })}, exitRefused,
			"the rows of all its parts and the time of the last one only"},
		"another policy": {[]string{run, "--production", change(asCounted, func(d *report.Document) { d.Policy = "strict" })}, exitRefused, "policy strict"},
		"no audit":       {[]string{run, "--production", change(asCounted, func(d *report.Document) { d.Audit = false })}, exitRefused, "audit off"},
		"another server": {[]string{run, "--calibration", change(asCleaned, func(d *report.Document) { d.Server.Product = "MariaDB" })}, exitRefused, "MariaDB, policy documented"},
	} {
		t.Run(name, func(t *testing.T) {
			code, said := benchCommand(t, append([]string{"estimate"}, c.args...)...)
			require.Equal(t, c.code, code, said)
			require.Contains(t, said, c.says)
		})
	}
}

// An engine of a record that failed its verification has no speed, the others have.
func TestBenchEstimateLeavesOutWhatIsWrong(t *testing.T) {
	r, err := bench.ReadFile(benchFile(t, 1, 1, 3, nil))
	require.NoError(t, err)
	wrong, err := bench.NewSample(bench.Run{Engine: "batch", Round: 4, Started: cutOff, Verdict: report.Fail}, nil)
	require.NoError(t, err)
	require.NoError(t, r.Add(wrong))
	path := filepath.Join(t.TempDir(), "record.json")
	require.NoError(t, toFile(path, r.WriteJSON))
	code, said := benchCommand(t, "estimate", path, "--rows", "10", "--removable", "5")
	require.Equal(t, exitPass, code, said)
	require.Contains(t, said, "batch  left out: the verification of round 4")
	require.Contains(t, said, "script:official.sql, 3 runs: about")
}

// TestBenchEstimateOfRealRuns runs the real commands on SQLite and predicts from
// what they wrote. It asserts on the arithmetic alone: how fast this machine is
// today is nobody's business.
func TestBenchEstimateOfRealRuns(t *testing.T) {
	dir := t.TempDir()
	var files []string
	var took []report.Document
	for _, tokens := range []string{"1000", "6000"} {
		file := filepath.Join(dir, tokens+".json")
		got := tokensweep(t, "run", "--db", "sqlite", "--tokens", tokens, "--cutoff", cutOffText, "--json", file)
		require.Zero(t, got.code, got.stderr)
		files, took = append(files, file), append(took, document(t, file))
	}
	target := harness.ForTest(t, harness.Options{DB: harness.SQLite})
	seeded(t, target, seed.Spec{Seed: 3, Tokens: 3000})
	dsn, counted := target.ConnectionString(), filepath.Join(dir, "production.json")
	got := tokensweep(t, "clean", "--db", "sqlite", "--dsn", dsn, "--cutoff", cutOffText, "--dry-run", "--json", counted)
	require.Zero(t, got.code, got.stderr)
	want, err := seed.Spec{Seed: 3, Tokens: 3000, CutOff: cutOff}.Expect(token.Documented)
	require.NoError(t, err)
	var rows, removable int64
	for _, table := range want.Tables {
		rows, removable = rows+table.Rows, removable+table.Removed
	}

	out := filepath.Join(dir, "estimate.json")
	code, said := benchCommand(t, "estimate", files[0], files[1], "--production", counted, "--json", out)
	require.Equal(t, exitPass, code, said)
	require.Contains(t, said, "the speed of SQLite says nothing about a server")
	e := readEstimate(t, out)
	require.Equal(t, []int64{rows, removable}, []int64{e.Production.Rows, e.Production.Removable})
	require.Len(t, e.Engines, 1)
	p := e.Engines[0]
	require.Equal(t, 2, p.Runs)
	cost := func(i int) float64 {
		return took[i].Stages[2].Seconds / float64(took[i].Stages[2].Rows) * float64(removable)
	}
	require.Equal(t, "clean", took[0].Stages[2].Name)
	least, most := min(cost(0), cost(1)), max(cost(0), cost(1))
	require.Greater(t, float64(p.Middle), least*0.95, "between what the two speeds say, rounded")
	require.Less(t, float64(p.Middle), most*1.05)
	require.Less(t, p.Like.Low, p.Middle)
	require.Greater(t, p.Like.High, p.Middle)
	require.Less(t, p.Reckon.Low, p.Like.Low)
	require.Greater(t, p.Reckon.High, p.Like.High)

	// Five minutes by a clock that goes on by a second each time somebody looks.
	part := partOnProduction(t, target, filepath.Join(dir, "part.json"))
	code, said = benchCommand(t, "estimate", "--calibration", filepath.Join(dir, "part.json"), "--json", out)
	require.Equal(t, exitPass, code, said)
	e = readEstimate(t, out)
	require.Equal(t, rows-part.removed, e.Production.Rows)
	require.Equal(t, removable-part.removed, e.Production.Removable)
	require.InEpsilon(t, part.seconds/float64(part.removed)*float64(removable-part.removed), float64(e.Engines[0].Middle), 0.05)
}

type partDone struct {
	removed int64
	seconds float64
}

// partOnProduction cleans until the time is over, and writes what clean writes.
func partOnProduction(t *testing.T, target *harness.Target, path string) partDone {
	t.Helper()
	found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	plan, err := cleanup.NewPlan(found, target.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: cutOff, Audit: true})
	require.NoError(t, err)
	forecast, err := cleanup.Count(t.Context(), target.DB, plan)
	require.NoError(t, err)
	now := time.Now()
	engine := cleanup.Batch{Size: 100, MaxDuration: time.Minute, Now: func() time.Time { now = now.Add(time.Second); return now }}
	result, err := engine.Clean(t.Context(), target.DB, plan, cleanup.Watcher{})
	require.NoError(t, err)
	require.False(t, result.Complete())
	require.Len(t, result.Phases, 1, "it did not come to the codes")
	require.Positive(t, result.Phases[0].Removed)
	require.NoError(t, toFile(path, describeClean(target, engine, plan, forecast, result).WriteJSON))
	return partDone{result.Phases[0].Removed, result.Phases[0].Seconds}
}

func readEstimate(t *testing.T, path string) (e estimate.Estimate) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &e))
	return e
}
