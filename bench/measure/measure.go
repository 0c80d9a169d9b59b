package measure

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/verify"
)

// Spec says what to measure.
type Spec struct {
	harness.Options // a throw-away MySQL or MariaDB, as production would run it unless Fast
	Settings        cleanup.Settings
	Seed            seed.Spec // its cut-off is that of Settings
	Release         string    // "": schema.DefaultRelease
	Engines         []Engine
	Rounds          int // samples of each engine, 1 or more
	// Load is the number of operations a second by others beside each engine, see
	// package load; 0: none. Quiet is how long they first have the server for
	// themselves, 0: DefaultQuiet.
	Load  float64
	Quiet time.Duration
	// Reference: a fixed piece of work runs beside each engine, and the rates are
	// recorded as they would have been on a machine of constant speed, too; see
	// bench.Normalized. On Linux only. It takes a sixth of a core and 80 MB of memory,
	// which client-cpu and client-peak include.
	Reference bool
	Tool      string
	// Done is told of each sample as soon as it is there.
	Done func(*bench.Sample)
	// Progress gets what is done, in words.
	Progress func(format string, args ...any)
}

// Engine is an engine under the name that tells its settings.
type Engine struct {
	Name   string // as in bench.Run
	Engine cleanup.Engine
	// Fixed: it always sends the same statements for the same data, so that their
	// number is exact.
	Fixed bool
	// Version is the hash of a script or the version of a program; "" for ours.
	Version string
}

// Run measures. A sample that is not verified is recorded with its verdict and
// without numbers. Errors end the run; what was recorded until then is returned
// with them.
func Run(ctx context.Context, s Spec) (*bench.Record, error) {
	s.Seed.CutOff = s.Settings.CutOff
	if err := s.validate(); err != nil {
		return nil, err
	}
	if s.Release == "" {
		s.Release = schema.DefaultRelease
	}
	s.prepareLoad()
	l := &lab{Spec: s}
	var err error
	if s.Reference {
		if l.reference, err = newReference(ctx); err != nil {
			return nil, err
		}
		defer l.reference.close()
	}
	if l.target, err = harness.Open(ctx, s.Options); err != nil {
		return nil, err
	}
	record, err := l.run(ctx)
	if closing := l.target.Close(); err == nil {
		err = closing
	}
	return record, err
}

func (s *Spec) validate() error {
	if s.Rounds < 1 || len(s.Engines) == 0 {
		return &harness.OptionError{Problem: "nothing to measure: name at least one engine and one round"}
	}
	if s.DSN != "" {
		return &harness.OptionError{Problem: "engines are compared on a server that can be set back to the same data: leave --dsn out"}
	}
	if s.Progress == nil {
		s.Progress = func(string, ...any) {}
	}
	if s.Done == nil {
		s.Done = func(*bench.Sample) {}
	}
	if err := s.validateLoad(); err != nil {
		return err
	}
	return s.Seed.Validate()
}

// lab is a run under way.
type lab struct {
	Spec
	target    *harness.Target
	record    *bench.Record
	reference *reference // nil: none
}

func (l *lab) run(ctx context.Context) (*bench.Record, error) {
	l.Progress("seeding %d tokens", l.Seed.Tokens)
	if _, err := seed.Fill(ctx, l.target.ForSeed(), l.Release, "", l.Seed, seed.Options{Log: l.Log}); err != nil {
		return nil, err
	}
	fingerprint, err := l.fingerprint(ctx)
	if err != nil {
		return nil, err
	}
	if l.record, err = bench.NewRecord(l.Tool, fingerprint); err != nil {
		return nil, err
	}
	for round := 1; round <= l.Rounds; round++ {
		for i := range l.Engines {
			engine := l.Engines[(i+round-1)%len(l.Engines)]
			if err := l.sample(ctx, engine, round); err != nil {
				return l.record, fmt.Errorf("measuring %s, round %d: %w", engine.Name, round, err)
			}
		}
	}
	return l.record, nil
}

func (l *lab) fingerprint(ctx context.Context) (f bench.Fingerprint, err error) {
	if f.Machine, err = bench.ThisMachine(ctx); err != nil {
		return f, err
	}
	expected, err := l.Seed.Expect(l.Settings.Policy)
	if err != nil {
		return f, err
	}
	server := l.target.Server
	f.Server = bench.Server{Product: server.Product, Version: server.Version, Via: server.Via}
	if f.Server.Settings, err = settings(ctx, l.target.DB); err != nil {
		return f, err
	}
	tokens := expected.Tables[schema.AccessToken]
	f.Data = bench.Data{Source: "seed", Release: l.Release, Seed: l.Seed.Seed, Tokens: l.Seed.Tokens, Mix: string(l.Seed.Mix),
		Removable: float64(tokens.Removed) / float64(max(tokens.Rows, 1))}
	f.Task = bench.Task{Policy: string(l.Settings.Policy), Audit: l.Settings.Audit, Load: l.Load, Reference: l.Reference}
	f.Tools = map[string]string{"go": runtime.Version()}
	for _, e := range l.Engines {
		if e.Version != "" {
			f.Tools[e.Name] = e.Version
		}
	}
	return f, nil
}

// sample runs one engine on the frozen data.
func (l *lab) sample(ctx context.Context, e Engine, round int) error {
	l.Progress("round %d of %d: %s", round, l.Rounds, e.Name)
	if err := l.target.Rewind(ctx); err != nil {
		return err
	}
	r := &sampleRun{lab: l, engine: e, run: bench.Run{Engine: e.Name, Round: round}}
	defer r.close()
	for _, step := range []func(context.Context) error{r.prepare, r.quiet, r.clean, r.check} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	sample, err := r.sample()
	if err != nil {
		return err
	}
	l.Done(sample)
	return l.record.Add(sample)
}

// sampleRun is one sample under way.
type sampleRun struct {
	*lab
	engine Engine
	run    bench.Run
	plan   *cleanup.Plan
	judge  *harness.ScriptJudge
	image  *verify.Image
	own    *sessions // the engine's
	result *cleanup.Result

	from           time.Time
	took, settled  time.Duration
	before, done   counters
	purged         counters
	server, client time.Duration // CPU
	watched        *watch
	checked        *verify.Outcome

	beside *beside // nil: no load
}

func (r *sampleRun) close() {
	if r.image != nil {
		r.image.Close()
	}
	if r.own != nil {
		r.own.db.Close()
	}
	if r.watched != nil {
		_ = r.watched.end() // clean returned what it failed with
	}
	r.beside.close()
}

func (r *sampleRun) source() verify.Source {
	return verify.Source{DB: r.target.DB, Dialect: r.target.Dialect, Schema: r.target.Schema}
}

// prepare plans and takes the pre-image.
func (r *sampleRun) prepare(ctx context.Context) error {
	found, err := schema.Read(ctx, r.target.DB, r.target.Dialect, r.target.Schema)
	if err != nil {
		return err
	}
	if r.plan, err = cleanup.NewPlan(found, r.target.Dialect, r.Settings); err != nil {
		return err
	}
	if r.judge, err = harness.JudgeOf(ctx, r.target, r.engine.Engine, r.Settings); err != nil {
		return err
	}
	if r.engine.Engine, err = r.target.Connected(r.engine.Engine); err != nil {
		return err
	}
	r.image, err = verify.CaptureAt(ctx, r.source(), r.judge.CutOffs(r.Settings.CutOff))
	return err
}

// clean runs the engine and waits for the server to be done with it.
func (r *sampleRun) clean(ctx context.Context) error {
	quiet, err := history(ctx, r.target.DB)
	if err != nil {
		return err
	}
	r.watched = startWatch(ctx, r.target)
	usage, own, err := r.usage(ctx)
	if err != nil {
		return err
	}
	if r.own, err = openSessions(ctx, r.target, r.WritersZone); err != nil {
		return err
	}
	if r.before, err = readCounters(ctx, r.target.DB); err != nil {
		return err
	}
	r.beside.start(ctx)
	r.reference.start(ctx)
	began := time.Now()
	r.run.Started, r.from = began, began.UTC().Truncate(time.Second)
	r.result, err = r.engine.Engine.Clean(ctx, r.own.db, r.plan, cleanup.Watcher{Log: r.Log})
	r.took = time.Since(began)
	if ended := r.reference.end(); err == nil {
		err = ended
	}
	if err := r.beside.end(ctx, err); err != nil {
		return err
	}
	if r.done, err = readCounters(ctx, r.target.DB); err != nil {
		return err
	}
	if err := awaitPurge(ctx, r.target.DB, quiet); err != nil {
		return err
	}
	r.settled = time.Since(began)
	if r.purged, err = readCounters(ctx, r.target.DB); err != nil {
		return err
	}
	usageAfter, ownAfter, err := r.usage(ctx)
	r.server, r.client = usageAfter.CPU-usage.CPU, ownAfter.CPU-own.CPU
	if ended := r.watched.end(); err == nil {
		err = ended
	}
	return err
}

func (r *sampleRun) usage(ctx context.Context) (server, client harness.Usage, err error) {
	if server, err = r.target.Usage(ctx); err != nil {
		return server, client, err
	}
	client, err = harness.OwnUsage(ctx)
	return server, client, err
}

// check accounts for every row.
func (r *sampleRun) check(ctx context.Context) error {
	if done, err := r.checkLoad(ctx); err != nil || done {
		return err
	}
	doc := &report.Document{}
	outcome, err := harness.Cleaned{Settings: r.Settings, Judge: r.judge, Result: r.result, From: r.from}.Describe(ctx, r.target, r.image, doc)
	if err != nil {
		return err
	}
	r.checked, r.run.Verdict = outcome, r.beside.verdict(doc.Verdict)
	for _, f := range doc.Findings {
		r.run.Notes = append(r.run.Notes, fmt.Sprintf("%s: %d in %s: %s", f.Class, f.Count, f.Table, f.Detail))
	}
	if doc.Comparison != nil {
		for _, d := range doc.Comparison.Differences {
			if d.Policy == string(r.Settings.Policy) {
				r.run.Notes = append(r.run.Notes, fmt.Sprintf("%d rows of %s %s", d.Count, d.Table, d.Sentence))
			}
		}
	}
	return nil
}

// sample puts the numbers together.
func (r *sampleRun) sample() (*bench.Sample, error) {
	if r.run.Verdict != report.Pass {
		return bench.NewSample(r.run, nil)
	}
	var examined, removed int64
	for _, t := range r.checked.Tables {
		if schema.IsCleaned(t.Table) {
			examined, removed = examined+t.Before, removed+t.Removed
		}
	}
	clean, settled, serverCPU := bench.Rate("clean", removed, r.took), bench.Rate("settled", removed, r.settled), bench.Took("server-cpu", r.server)
	all := append(metrics(r.before, r.done, r.purged), clean, settled, bench.Work("examined", examined), bench.Work("removed", removed),
		serverCPU, bench.Took("client-cpu", r.client),
		bench.Size("server-peak", r.watched.serverPeak), bench.Size("client-peak", r.watched.clientPeak))
	if b := r.result.Batches; b.Max > 0 {
		all = append(all, bench.Took("batch-p50", b.P50), bench.Took("batch-p99", b.P99), bench.Took("batch-max", b.Max))
	}
	all = append(all, r.reference.metrics(clean, settled, serverCPU)...)
	batches := int64(0)
	for _, p := range r.result.Phases {
		batches += p.Batches
	}
	all = append(all, r.counted(batches)...)
	felt, series := r.beside.metrics()
	if r.beside != nil {
		again := r.result.Retries
		felt = append(felt, bench.Counted("engine-deadlocks", again.Deadlocks), bench.Counted("engine-lock-timeouts", again.LockTimeouts),
			bench.Counted("engine-mismatches", again.CountMismatches))
	}
	series = append(series, bench.Series{Name: bench.Throughput, Unit: bench.RowRate, Points: r.watched.deleted})
	return bench.NewSample(r.run, append(all, felt...), series...)
}
