// Command prove shows on a real server that the gate of package bench does what it is
// for: it catches a slow-down by 10 % that is planted in the batch engine, and stays
// quiet over twenty records of no change.
//
// All engines are measured in one benchmark, a round of all of them after the other, so
// that a machine that gets slower or faster meanwhile does so for all: the baseline, the
// planted slow-downs, and the unchanged engine twenty times. Each becomes a record of
// its own under the same engine name, is written to a file and read back, and is judged
// against the baseline with the options that bench gate has by default.
//
// There are two slow-downs, each by a tenth of a batch's time. One waits: it is the same
// on every machine, and can be seen by the clock alone. The other has the server
// calculate, as a statement would that got dearer, and is in the server's CPU time too.
//
// Unless told otherwise the rates are normalized by the reference of package measure,
// so that a machine with neighbours can be used.
//
// Exit codes: 0 the gate did what it should; 1 it did not; 2 bad usage; 3 it could not
// be measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/measure"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// proof is what is measured.
type proof struct {
	db             string
	tokens         int64
	batch          int
	samples, quiet int
	share          float64 // of a batch's time that is planted
	reference      bool
	out            string
}

func main() {
	var p proof
	flag.StringVar(&p.db, "db", harness.MySQL, "server: mysql or mariadb")
	flag.Int64Var(&p.tokens, "tokens", 20_000, "tokens to clean; a clean-up should take 1 s or more")
	flag.IntVar(&p.batch, "batch", 1000, "keys a transaction")
	flag.IntVar(&p.samples, "samples", 10, "samples of each record")
	flag.IntVar(&p.quiet, "quiet", 20, "records of no change")
	flag.Float64Var(&p.share, "share", 0.10, "slow-down to plant, as a share of a batch's time")
	flag.BoolVar(&p.reference, "reference", true, "normalize the rates by a reference that runs beside each clean-up, see the README of bench")
	flag.StringVar(&p.out, "out", "bin/prove", "directory for the records")
	flag.Parse()
	if flag.NArg() > 0 || p.samples < 1 || p.quiet < 0 || p.share <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	proven, err := p.run(ctx)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "prove:", err)
		os.Exit(3)
	case !proven:
		os.Exit(1)
	}
}

// Names of the engines in the one benchmark.
const (
	baseline = "baseline"
	waits    = "waits"
	works    = "works"
)

func quietName(i int) string { return fmt.Sprintf("no-change-%02d", i) }

func (p proof) run(ctx context.Context) (proven bool, err error) {
	if err := os.MkdirAll(p.out, 0o755); err != nil {
		return false, err
	}
	plain := cleanup.Batch{Size: p.batch}
	planted := map[string]*spent{waits: {}, works: {}}
	engines := []measure.Engine{{Name: baseline, Engine: plain},
		{Name: waits, Engine: plant{plain, p.share, wait, planted[waits]}},
		{Name: works, Engine: plant{plain, p.share, work, planted[works]}}}
	for i := range p.quiet {
		engines = append(engines, measure.Engine{Name: quietName(i + 1), Engine: plain})
	}
	all, err := p.measure(ctx, engines)
	if err != nil {
		return false, err
	}
	base, err := p.separate(all, baseline)
	if err != nil {
		return false, err
	}
	v := verdicts{base: base}
	fmt.Printf("%s, %d samples a record, planted: waiting %.1f %%, working %.1f %%\n\n", all.Fingerprint.Title(), p.samples,
		100*planted[waits].share(), 100*planted[works].share())
	for _, e := range engines[1:] {
		newer, err := p.separate(all, e.Name)
		if err != nil {
			return false, err
		}
		if err := v.judge(e.Name, newer); err != nil {
			return false, err
		}
	}
	return v.conclude(os.Stdout), nil
}

// smallRedo is enough for these data, and is what the server is set back with each time:
// copying a large log takes longer than a clean-up.
var smallRedo = []string{"--loose-innodb-redo-log-capacity=256M", "--loose-innodb-log-file-size=256M"}

// measure runs all engines in turn.
func (p proof) measure(ctx context.Context, engines []measure.Engine) (*bench.Record, error) {
	began, done := time.Now(), 0
	all := len(engines) * p.samples
	return measure.Run(ctx, measure.Spec{
		Options: harness.Options{DB: p.db, ServerArgs: smallRedo}, Engines: engines, Rounds: p.samples, Reference: p.reference, Tool: "tokensweep prove",
		Settings: cleanup.Settings{Policy: token.Documented, CutOff: time.Now().UTC().Add(-harness.DefaultSafePeriod).Truncate(time.Second), Audit: true},
		Seed:     seed.Spec{Seed: 1, Tokens: p.tokens},
		Done: func(s *bench.Sample) {
			done++
			rate, _ := s.Metric(bench.CleanRate)
			left := time.Since(began) / time.Duration(done) * time.Duration(all-done)
			fmt.Fprintf(os.Stderr, "%d of %d, %s: %s, %s left\n", done, all, s.Engine, bench.RowRate.Format(rate.Value), left.Round(time.Second))
		},
	})
}

// separate makes a record of one engine under the name that they all have, writes it,
// and reads it back.
func (p proof) separate(all *bench.Record, name string) (*bench.Record, error) {
	r, err := bench.NewRecord(all.Tool, all.Fingerprint)
	if err != nil {
		return nil, err
	}
	for _, s := range all.Samples {
		if s.Engine != name {
			continue
		}
		run := s.Run
		run.Engine = fmt.Sprintf("batch:%d", p.batch)
		renamed, err := bench.NewSample(run, s.Metrics, s.Series...)
		if err != nil {
			return nil, err
		}
		if err := r.Add(renamed); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(p.out, name+".json")
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(r.WriteJSON(file), file.Close()); err != nil {
		return nil, err
	}
	return bench.ReadFile(path)
}
