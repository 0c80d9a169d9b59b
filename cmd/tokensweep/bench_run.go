package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/load"
	"github.com/tokensweep/tokensweep/bench/measure"
	"github.com/tokensweep/tokensweep/harness"
)

// benchRunFlags say what is measured.
type benchRunFlags struct {
	db        databaseFlags
	policy    policyFlags
	engine    engineFlags
	data      seedFlags
	engines   []string
	rounds    int
	load      float64
	quiet     time.Duration
	reference bool
	out, text string
}

func (f *benchRunFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.engines, "engines", nil, "engines to measure, with commas or repeated: batch, batch:N (N keys a transaction), batch:batch-time=1s:workers=2:binlog=minimal, rebuild, rebuild:workers=4, procedure, procedure:N, script:FILE, 'command:PROGRAM ARGS'")
	fs.IntVar(&f.rounds, "rounds", 5, "runs of each engine; a verdict on a difference takes 6 or more")
	fs.Float64Var(&f.load, "load", 0, "operations a second that users do beside each engine (validate, refresh, issue, revoke); their latencies are measured; 0: none")
	fs.DurationVar(&f.quiet, "load-quiet", measure.DefaultQuiet, "how long the load first runs alone, to compare with")
	fs.BoolVar(&f.reference, "reference", false, "do a fixed piece of work beside each engine, and record the rates as on a machine of constant speed, too: for machines whose neighbours slow them down")
	fs.StringVar(&f.out, "out", "", "write the record as JSON to this file")
	fs.StringVar(&f.text, "text", "", "write the record as Go benchmark text to this file")
	fs.StringVar(&f.engine.call, "call", "", "procedure to call, if a script makes several and calls none")
	fs.StringArrayVar(&f.engine.set, "set", nil, "name=value: change an attribute in those scripts that have it; may be repeated")
	f.db.throwAway(fs)
	f.policy.add(fs)
	f.engine.add(fs)
	f.engine.rebuilds.add(fs)
	f.data.add(fs)
}

// traffic is the load beside the engines, and how long it runs alone.
func (f *benchRunFlags) traffic(c *cobra.Command) (float64, time.Duration, error) {
	switch {
	case f.load != 0 && (load.Spec{Rate: f.load}).Validate() != nil:
		return 0, 0, usage("--load %v: use up to %d operations a second, or 0 for none", f.load, load.MaxRate)
	case f.load == 0 && c.Flags().Changed("load-quiet"):
		return 0, 0, usage("--load-quiet is about the load: use it with --load")
	case f.load == 0:
		return 0, 0, nil
	case f.quiet <= 0:
		return 0, 0, usage("--load-quiet %s: use more than 0", f.quiet)
	}
	return f.load, f.quiet, nil
}

func (f *benchRunFlags) run(c *cobra.Command) error {
	engines, err := f.list()
	if err != nil {
		return err
	}
	if f.rounds < 1 || f.rounds > 1000 {
		return usage("--rounds %d: use 1 to 1000", f.rounds)
	}
	p, cutOff, err := f.policy.at(c, time.Now())
	if err != nil {
		return err
	}
	rate, quiet, err := f.traffic(c)
	if err != nil {
		return err
	}
	s := measure.Spec{Options: f.db.options(c), Engines: engines, Load: rate, Quiet: quiet, Rounds: f.rounds, Reference: f.reference, Tool: "tokensweep " + version(), Release: f.data.release}
	if s.Settings, err = f.engine.settings(c, p, cutOff); err != nil {
		return err
	}
	if s.Seed, err = f.data.spec(cutOff); err != nil {
		return err
	}
	if s.DB == harness.Auto {
		s.DB = harness.MySQL
	}
	if err := writable(f.out, f.text); err != nil {
		return err
	}
	return f.measure(c, s)
}

// measure runs the benchmark and writes what there is of it, also when it failed.
func (f *benchRunFlags) measure(c *cobra.Command, s measure.Spec) error {
	s.Progress = logTo(c.ErrOrStderr())
	s.Done = func(sample *bench.Sample) {
		speed := "not verified: " + sample.Verdict
		if m, ok := sample.Metric(bench.CleanRate); ok {
			speed = fmt.Sprintf("%.0f rows/s", m.Value)
		}
		fmt.Fprintf(c.ErrOrStderr(), "       %s: %s\n", sample.Engine, speed)
		for _, note := range sample.Notes {
			fmt.Fprintf(c.ErrOrStderr(), "         %s\n", note)
		}
	}
	record, err := measure.Run(c.Context(), s)
	if record != nil && len(record.Samples) > 0 {
		for _, out := range []struct {
			path  string
			write func(io.Writer) error
		}{{f.out, record.WriteJSON}, {f.text, record.WriteText}} {
			if out.path == "" {
				continue
			}
			if failed := toFile(out.path, out.write); err == nil {
				err = failed
			}
		}
		if failed := record.WriteSummary(c.OutOrStdout()); err == nil {
			err = failed
		}
	}
	if err != nil {
		return err
	}
	for _, sample := range record.Samples {
		if !sample.Verified() {
			return verdictError{sample.Verdict}
		}
	}
	return nil
}
