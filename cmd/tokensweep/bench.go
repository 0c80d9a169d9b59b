package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/page"
	"github.com/tokensweep/tokensweep/report"
)

func newBench() *cobra.Command {
	var run benchRunFlags
	c := &cobra.Command{
		Use:   "bench --engines LIST",
		Short: "Measure clean-ups side by side, compare records, gate on a baseline, write the HTML page",
		Long: `bench runs clean-up engines on identical copies of the same made-up data: one
throw-away server, set back to the same files before each run. The engines run in
turn, each is verified, and a run that is not verified records no speed.

The record goes to --out, for bench compare, bench gate and bench report.`,
		Example: "  tokensweep bench --engines batch,script:WSO2_TOKEN_CLEANUP_SP.sql --set sleepTime=0 --tokens 500000 --out new.json\n" +
			"  tokensweep bench gate --baseline old.json new.json",
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return run.run(c) }
	run.add(c.Flags())
	c.AddCommand(newBenchCompare(), newBenchGate(), newBenchBaseline(), newBenchReport(), newBenchEstimate())
	return c
}

// share is a flag such as 5% or 0.05.
type share float64

func (s *share) String() string { return strconv.FormatFloat(float64(*s)*100, 'g', 4, 64) + "%" }

func (s *share) Type() string { return "share" }

func (s *share) Set(text string) error {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return fmt.Errorf("use a share such as 5%% or 0.05")
	}
	if isPercent {
		v /= 100
	}
	*s = share(v)
	return nil
}

// statisticsFlags say when a difference counts.
type statisticsFlags struct {
	alpha            float64
	tolerance, noise share
	metrics          []string
	force            bool
}

func (f *statisticsFlags) add(fs *pflag.FlagSet, metrics string) {
	fs.Float64Var(&f.alpha, "alpha", bench.DefaultAlpha, "level of significance: a difference counts if chance makes one like it less often")
	fs.StringArrayVar(&f.metrics, "metric", nil, "metric to judge, a name or a pattern such as 'batch-*'; may be repeated (default: "+metrics+")")
	fs.BoolVar(&f.force, "force", false, "compare although the fingerprints differ; the differences are printed")
}

func (f *statisticsFlags) addGate(fs *pflag.FlagSet) {
	f.tolerance = bench.DefaultTolerance
	fs.Var(&f.tolerance, "tolerance", "share of the baseline by which a metric may get worse, such as 5%")
	fs.Var(&f.noise, "noise", "width of an interval, as a share of its median, beyond which a metric is too noisy to judge (default: three times the tolerance)")
}

func (f *statisticsFlags) options(c *cobra.Command) (bench.Options, error) {
	o := bench.Options{Alpha: f.alpha, Tolerance: float64(f.tolerance), Noise: float64(f.noise), Metrics: f.metrics, Force: f.force}
	if f.alpha <= 0 {
		return o, usage("--alpha %v: use 0.0001 to 0.5, mostly 0.05", f.alpha)
	}
	if c.Flags().Changed("noise") && f.noise <= 0 {
		return o, usage("--noise %s: use more than 0", f.noise.String())
	}
	return o, nil
}

// benchProblem makes bad usage of what is wrong with files and options.
func benchProblem(err error) error {
	var (
		file        *bench.FileError
		option      *bench.OptionError
		fingerprint *bench.FingerprintError
	)
	switch {
	case errors.As(err, &fingerprint) && fingerprint.Exact:
		return usage("%v\nmeasure the same data and task again, or renew the baseline (tokensweep bench baseline)", err)
	case errors.As(err, &fingerprint):
		return usage("%v\nmeasure both on the same machine, server and data, or compare them all the same with --force", err)
	case errors.As(err, &file), errors.As(err, &option):
		return usage("%v", err)
	}
	return err
}

// words checks the number of files on the command line.
func words(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most > 0 && len(args) > most {
			return usage("%s takes %s; see %s --help", c.CommandPath(), what, c.CommandPath())
		}
		return nil
	}
}

func newBenchCompare() *cobra.Command {
	var statistics statisticsFlags
	c := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Compare two records metric by metric",
		Long: `compare reads two records, as JSON or Go benchmark text, and says of each metric
of each engine whether it is better, worse, or not different: medians with
confidence intervals, and the Mann-Whitney test. It always exits with 0 when it
could compare; bench gate is for scripts.`,
		Args: words(2, 2, "two files, the older first"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		o, err := statistics.options(c)
		if err != nil {
			return err
		}
		records, err := readRecords(args)
		if err != nil {
			return err
		}
		comparison, err := bench.Compare(records[0], records[1], o)
		if err != nil {
			return benchProblem(err)
		}
		return comparison.WriteText(c.OutOrStdout())
	}
	statistics.add(c.Flags(), "all")
	return c
}

func newBenchGate() *cobra.Command {
	var (
		statistics statisticsFlags
		baseline   string
		exact      bool
	)
	c := &cobra.Command{
		Use:   "gate --baseline FILE NEW",
		Short: "Fail if a record is slower than its baseline",
		Long: `gate fails (exit 1) if a metric got worse significantly and by more than the
tolerance, if an exact counter got worse by more than the tolerance, or if a run
was verified to be wrong. Too few samples or too much noise are inconclusive
(exit 4), never a pass.

Speed is judged only between equal machines, servers, data and tasks. --exact judges
counters instead: what an engine sends, and what the server writes for it. They do
not depend on the machine, so that only product, data, task and scripts have to be
equal. Where the server's version or settings differ, what it does by itself
(handler-...) is not judged, and the text says so.`,
		Args: words(1, 1, "one file beside --baseline"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if baseline == "" {
			return usage("--baseline is missing: name the record to judge against")
		}
		o, err := statistics.options(c)
		if err != nil {
			return err
		}
		o.Exact = exact
		records, err := readRecords([]string{baseline, args[0]})
		if err != nil {
			return err
		}
		gate, err := bench.NewGate(records[0], records[1], o)
		if err != nil {
			return benchProblem(err)
		}
		if err := gate.WriteText(c.OutOrStdout()); err != nil {
			return err
		}
		if gate.Verdict != report.Pass {
			return verdictError{gate.Verdict}
		}
		return nil
	}
	c.Flags().StringVar(&baseline, "baseline", "", "the record to judge against")
	c.Flags().BoolVar(&exact, "exact", false, "judge exact counters only, on any machine")
	statistics.add(c.Flags(), "the rates and the exact counters")
	statistics.addGate(c.Flags())
	return c
}

func newBenchBaseline() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "baseline RECORD --out FILE",
		Short: "Store what bench gate --exact needs of a record",
		Long: `baseline takes the exact counters out of a record, without speeds and series, so
that a stored baseline is small and its changes can be read. It refuses a record
that can be none: a run that is not verified, a counter that varies, or an engine
that does not send the same statements each time (batch:N and procedure:N do).`,
		Args: words(1, 1, "one file beside --out"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if out == "" {
			return usage("--out is missing: name the file to write")
		}
		records, err := readRecords(args)
		if err != nil {
			return err
		}
		kept, err := records[0].ForExact()
		if err != nil {
			return benchProblem(err)
		}
		if err := toFile(out, kept.WriteJSON); err != nil {
			return usage("%v", err)
		}
		return nil
	}
	c.Flags().StringVar(&out, "out", "", "file to write")
	return c
}

func newBenchReport() *cobra.Command {
	var (
		statistics               statisticsFlags
		out, baseline, yardstick string
	)
	c := &cobra.Command{
		Use:   "report FILE... --out FILE",
		Short: "Write one HTML page with plots of records",
		Long: `report writes a page that needs no network and no script. Records with the same
fingerprint share a section: the newest is shown, all of them make the trend, and
the newest is judged against --baseline, or else against the one before it. The
page says what the verdict is; the exit code is 0 once it is written.`,
		Args: words(1, 0, "the files of one or more records"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if out == "" {
			return usage("--out is missing: name the HTML file to write, or - for the standard output")
		}
		o, err := statistics.options(c)
		if err != nil {
			return err
		}
		shown := page.Options{Yardstick: yardstick, Gate: o}
		records, err := readRecords(args)
		if err != nil {
			return err
		}
		if baseline != "" {
			if shown.Baseline, err = bench.ReadFile(baseline); err != nil {
				return benchProblem(err)
			}
		}
		var text strings.Builder // nothing is written of a page that cannot be made
		if err := page.Write(&text, records, shown); err != nil {
			return benchProblem(err)
		}
		if out == "-" {
			_, err = io.WriteString(c.OutOrStdout(), text.String())
			return err
		}
		if err := toFile(out, func(w io.Writer) error { _, err := io.WriteString(w, text.String()); return err }); err != nil {
			return usage("%v", err)
		}
		return nil
	}
	fs := c.Flags()
	fs.StringVar(&out, "out", "", "HTML file to write, - for the standard output")
	fs.StringVar(&baseline, "baseline", "", "record to judge the newest against (default: the one before it)")
	fs.StringVar(&yardstick, "yardstick", "", "engine that the others are measured by (default: the first script, or else the first engine)")
	statistics.add(fs, "the rates and the exact counters")
	statistics.addGate(fs)
	return c
}

func readRecords(paths []string) ([]*bench.Record, error) {
	var records []*bench.Record
	for _, path := range paths {
		r, err := bench.ReadFile(path)
		if err != nil {
			return nil, benchProblem(err)
		}
		records = append(records, r)
	}
	return records, nil
}
