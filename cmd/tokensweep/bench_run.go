package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/measure"
	"github.com/tokensweep/tokensweep/cleanup/script"
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
	out, text string
}

func (f *benchRunFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.engines, "engines", nil, "engines to measure, with commas or repeated: batch, batch:N (N keys a transaction), rebuild, procedure, script:FILE, 'command:PROGRAM ARGS'")
	fs.IntVar(&f.rounds, "rounds", 5, "runs of each engine; a verdict on a difference takes 6 or more")
	fs.StringVar(&f.out, "out", "", "write the record as JSON to this file")
	fs.StringVar(&f.text, "text", "", "write the record as Go benchmark text to this file")
	fs.StringVar(&f.engine.call, "call", "", "procedure to call, if a script makes several and calls none")
	fs.StringArrayVar(&f.engine.set, "set", nil, "name=value: change a configurable attribute of scripts; may be repeated")
	f.db.throwAway(fs)
	f.policy.add(fs)
	f.engine.add(fs)
	f.data.add(fs)
}

// names lists the engines: a command may hold commas, the others not.
func (f *benchRunFlags) names() []string {
	var all []string
	for _, e := range f.engines {
		if strings.HasPrefix(e, "command:") {
			all = append(all, e)
			continue
		}
		for _, name := range strings.Split(e, ",") {
			if name = strings.TrimSpace(name); name != "" {
				all = append(all, name)
			}
		}
	}
	return all
}

// list makes the engines.
func (f *benchRunFlags) list() ([]measure.Engine, error) {
	var all []measure.Engine
	for _, name := range f.names() {
		flags := f.engine
		flags.name = name
		if size, ok := strings.CutPrefix(name, "batch:"); ok {
			flags.name, flags.batch = "batch", size
		}
		if !strings.HasPrefix(name, "script:") {
			flags.set, flags.call = nil, ""
		}
		engine, err := flags.choose(&f.db)
		if err != nil {
			return nil, err
		}
		m := measure.Engine{Name: name, Engine: engine, Fixed: flags.name == "batch" && flags.batch != "auto"}
		if s, ok := engine.(script.Engine); ok {
			m.Version = s.File.Hash()
			if len(f.engine.set) > 0 {
				m.Name += " " + strings.Join(f.engine.set, " ")
			}
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, usage("--engines is missing: name what to measure, such as batch,script:FILE")
	}
	return all, nil
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
	s := measure.Spec{Options: f.db.options(c), Engines: engines, Rounds: f.rounds, Tool: "tokensweep " + version(), Release: f.data.release}
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
