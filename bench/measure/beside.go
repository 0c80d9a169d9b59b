package measure

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/load"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
)

// DefaultQuiet is how long the load runs alone before an engine.
const DefaultQuiet = 10 * time.Second

// scriptLimit ends a script that the load keeps busy for ever, unless its engine
// has a limit of its own.
const scriptLimit = time.Hour

// beside is the load of a sample. Methods on nil do nothing: there is none.
type beside struct {
	db            *sql.DB
	load          *load.Load
	phase         *load.Phase
	alone, during *load.Result
	failed        error // of the engine
	wrong         []load.Deviation
}

// validateLoad refuses engines that cannot work beside others, or would never end.
func (s *Spec) validateLoad() error {
	if s.Load == 0 && s.Quiet == 0 {
		return nil
	}
	if err := (load.Spec{Rate: s.Load}).Validate(); err != nil {
		return &harness.OptionError{Problem: err.Error()}
	}
	if s.Quiet < 0 {
		return &harness.OptionError{Problem: fmt.Sprintf("the load cannot run alone for %s", s.Quiet)}
	}
	if s.Settings.CutOff.After(time.Now()) {
		return &harness.OptionError{Problem: "with load the cut-off has to be in the past: the tokens that it issues must stay"}
	}
	for _, e := range s.Engines {
		if e.Engine.Name() == (rebuild.Engine{}).Name() {
			return &harness.OptionError{Problem: "a rebuild takes the tables for itself and refuses while others use them: leave it out, or measure it without load"}
		}
		if err := s.ends(e); err != nil {
			return err
		}
	}
	return nil
}

// ends refuses a script that sleeps after each batch for so long that the load
// leaves it enough rows to go on: it ends once fewer than its check count are to go.
func (s *Spec) ends(e Engine) error {
	of, ok := e.Engine.(script.Engine)
	if !ok {
		return nil
	}
	for _, a := range of.File.Attributes() {
		seconds, err := strconv.ParseFloat(a.Value, 64)
		if err != nil || !strings.Contains(strings.ToLower(a.Name), "sleep") {
			continue
		}
		if dead := s.Load * load.DeadShare * seconds; dead >= float64(of.File.CheckCount()) {
			return &harness.OptionError{Problem: fmt.Sprintf("%s would not end: it goes on while %d rows or more are to go, and in each of its sleeps (%s = %s) the load makes about %.0f; set the sleep to 0, or make less load",
				e.Name, of.File.CheckCount(), a.Name, a.Value, dead)}
		}
	}
	return nil
}

// prepareLoad settles what load changes for engines: how many statements they need
// depends on what it leaves them.
func (s *Spec) prepareLoad() {
	if s.Load == 0 {
		return
	}
	if s.Quiet == 0 {
		s.Quiet = DefaultQuiet
	}
	s.Engines = slices.Clone(s.Engines)
	for i := range s.Engines {
		s.Engines[i].Fixed = false
		if of, ok := s.Engines[i].Engine.(script.Engine); ok && of.MaxDuration == 0 {
			of.MaxDuration = scriptLimit
			s.Engines[i].Engine = of
		}
	}
}

// quiet lets the load run alone. The pre-image is there already: it knows none of
// the load's rows, and by its end all of them are gone.
func (r *sampleRun) quiet(ctx context.Context) error {
	if r.Load == 0 {
		return nil
	}
	r.beside = &beside{}
	var err error
	if r.beside.db, err = r.target.Connect(ctx, harness.Session{Zone: r.WritersZone}); err != nil {
		return err
	}
	spec := load.Spec{Rate: r.Load, Seed: r.Seed.Seed}
	if r.beside.load, err = load.Prepare(ctx, r.beside.db, r.target.Dialect, r.image.Found, spec); err != nil {
		return err
	}
	r.beside.start(ctx)
	select {
	case <-ctx.Done():
	case <-time.After(r.Quiet):
	}
	r.beside.alone, err = r.beside.phase.End()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (b *beside) start(ctx context.Context) {
	if b != nil {
		b.phase = b.load.Start(ctx)
	}
}

// end ends the load beside an engine. An engine that fails there has lost against
// its users' traffic, which says something of it: the run goes on.
func (b *beside) end(ctx context.Context, failed error) error {
	if b == nil {
		return failed
	}
	var err error
	b.during, err = b.phase.End()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.failed = failed
	return err
}

func (b *beside) close() {
	if b != nil && b.db != nil {
		b.db.Close()
	}
}

// checkLoad compares what the load's clients know with the tables and takes their
// rows out. done: the engine failed, and there is nothing more to check.
func (r *sampleRun) checkLoad(ctx context.Context) (done bool, err error) {
	b := r.beside
	if b == nil {
		return false, nil
	}
	now, err := schema.Read(ctx, r.target.DB, r.target.Dialect, r.target.Schema)
	if err != nil {
		return false, err
	}
	if b.wrong, err = b.load.Check(ctx, now, r.auditTable(now)); err != nil {
		return false, err
	}
	for _, d := range b.wrong {
		r.run.Notes = append(r.run.Notes, d.String())
	}
	r.run.Notes = append(r.run.Notes, b.notes()...)
	if b.failed != nil {
		r.run.Verdict = report.Fail
		r.run.Notes = append(r.run.Notes, "the engine failed beside the load: "+b.failed.Error())
		return true, nil
	}
	if !r.result.Complete() {
		r.run.Notes = append(r.run.Notes, "the engine did not come to its end beside the load: "+r.result.Stopped)
	}
	return false, b.load.Remove(ctx, now)
}

// auditTable is where the engine has to keep what it removes, "" if nowhere.
func (r *sampleRun) auditTable(now *schema.Database) string {
	switch {
	case r.judge == nil && r.Settings.Audit:
		return schema.TokenAudit
	case r.judge == nil || !r.judge.File.Audits():
		return ""
	}
	e, _ := r.judge.Expect(r.target.Dialect, r.image.Found, now, true)
	if len(e.Copies) == 0 {
		return ""
	}
	return e.Copies[0]
}

// verdict is that of the verifier, unless the load's clients know better.
func (b *beside) verdict(of string) string {
	if b != nil && len(b.wrong) > 0 {
		return report.Fail
	}
	return of
}

// tooMany is the share of operations that wait for a connection from which on the
// notes say so: their latencies tell of a queue.
const tooMany = 0.01

// notes say what else happened to the load.
func (b *beside) notes() []string {
	var all []string
	for _, p := range []struct {
		when string
		of   *load.Result
	}{{"alone", b.alone}, {"beside the engine", b.during}} {
		if p.of.Failed > 0 {
			all = append(all, fmt.Sprintf("load %s: %d of %d operations failed, %d by deadlocks, %d by lock timeouts", p.when, p.of.Failed, p.of.Done, p.of.Deadlocks, p.of.LockTimeouts))
		}
		for _, e := range p.of.Errors {
			all = append(all, fmt.Sprintf("load %s: %s", p.when, e))
		}
		if waited := p.of.Queued + p.of.Left; float64(waited) > tooMany*float64(p.of.Due) {
			all = append(all, fmt.Sprintf("load %s: %d of %d operations had to wait for a connection; %.0f a second were done", p.when, waited, p.of.Due, p.of.Rate))
		}
	}
	return all
}

// metrics are what the users felt: all operations, and of refreshes, which block
// most, once more by themselves.
func (b *beside) metrics() ([]bench.Metric, []bench.Series) {
	if b == nil {
		return nil, nil
	}
	var all []bench.Metric
	for _, l := range []struct {
		name string
		of   load.Latency
	}{{"quiet", b.alone.All}, {"quiet-refresh", b.alone.Kinds[load.Refresh]}, {"latency", b.during.All}, {"latency-refresh", b.during.Kinds[load.Refresh]}} {
		if l.of.Count > 0 {
			all = append(all, bench.Took(l.name+"-p50", l.of.P50), bench.Took(l.name+"-p99", l.of.P99), bench.Took(l.name+"-p999", l.of.P999), bench.Took(l.name+"-max", l.of.Max))
		}
	}
	all = append(all, bench.Counted("client-errors", b.during.Failed), bench.Counted("client-deadlocks", b.during.Deadlocks),
		bench.Counted("client-lock-timeouts", b.during.LockTimeouts), bench.Counted("client-queued", b.during.Queued),
		bench.Metric{Name: "operations-per-second", Better: bench.Higher, Value: b.during.Rate})
	return all, b.series()
}

// series are the latencies by second, from when the clean-up began.
func (b *beside) series() []bench.Series {
	var all []bench.Series
	for _, s := range []struct {
		name string
		of   func(load.Slice) time.Duration
	}{
		{bench.LatencyP50, func(s load.Slice) time.Duration { return s.P50 }}, {bench.LatencyP99, func(s load.Slice) time.Duration { return s.P99 }},
		{bench.LatencyP999, func(s load.Slice) time.Duration { return s.P999 }}, {bench.LatencyMax, func(s load.Slice) time.Duration { return s.Max }},
	} {
		one := bench.Series{Name: s.name, Unit: bench.Seconds}
		for _, slice := range b.during.Slices {
			one.Points = append(one.Points, bench.Point{At: slice.End.Seconds(), Value: s.of(slice).Seconds()})
		}
		all = append(all, one)
	}
	return all
}
