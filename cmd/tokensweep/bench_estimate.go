package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokensweep/tokensweep/bench/estimate"
)

// speedRatio is a flag such as 0.5-1.
type speedRatio estimate.Ratio

func (r *speedRatio) String() string {
	if *r == (speedRatio{}) {
		return ""
	}
	return estimate.Ratio(*r).String()
}

func (r *speedRatio) Type() string { return "LOW-HIGH" }

func (r *speedRatio) Set(text string) error {
	low, high, two := strings.Cut(text, "-")
	if !two {
		high = low
	}
	for _, end := range []struct {
		text string
		into *float64
	}{{low, &r.Low}, {high, &r.High}} {
		v, err := strconv.ParseFloat(strings.TrimSpace(end.text), 64)
		if err != nil || !(v > 0) {
			return fmt.Errorf("write how fast production is by the test's machine as 0.5-1, or 0.8")
		}
		*end.into = v
	}
	return nil
}

// estimateFlags say what is known of production.
type estimateFlags struct {
	rows, removable               int64
	production, calibration, json string
	ratio                         speedRatio
}

func newBenchEstimate() *cobra.Command {
	var f estimateFlags
	c := &cobra.Command{
		Use:   "estimate [RUN.json...] --production FILE | --rows N --removable N",
		Short: "Predict how long a clean-up takes on production",
		Long: `estimate predicts the duration of a clean-up on production from runs that were
timed elsewhere: what run or validate --json wrote of a run that passed, or a
record of bench. Of each engine it prints the middle, where 95 % of such runs
end, a second, wider interval for what no test can know, and all that it
supposes. A calibration, some minutes of clean on production itself, narrows it.

What waits to be cleaned is what clean --dry-run --json counted on production, or
--rows and --removable, or what the calibration left.`,
		Example: "  tokensweep clean --dsn … --dry-run --json production.json\n" +
			"  tokensweep bench estimate run1.json run2.json run3.json --production production.json\n" +
			"  tokensweep clean --dsn … --max-duration 5m --json part.json\n" +
			"  tokensweep bench estimate run1.json run2.json run3.json --calibration part.json",
	}
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error { return f.run(c, args) }
	fs := c.Flags()
	fs.StringVar(&f.production, "production", "", "what clean --dry-run --json counted on production")
	fs.Int64Var(&f.rows, "rows", 0, "rows of access tokens, authorization codes and CIBA requests on production, instead")
	fs.Int64Var(&f.removable, "removable", 0, "those of them that are to be removed")
	fs.StringVar(&f.calibration, "calibration", "", "what clean --max-duration --json wrote on production")
	fs.Var(&f.ratio, "speed-ratio", "how fast production is by the test's machine: 0.5-1 is half as fast to as fast")
	fs.StringVar(&f.json, "json", "", "write the estimate as JSON to this file (- is the standard output, instead of the text)")
	return c
}

func (f *estimateFlags) run(c *cobra.Command, args []string) error {
	waiting, options, err := f.read(c)
	if err != nil {
		return benchProblem(err)
	}
	var (
		runs []estimate.Run
		left []estimate.LeftOut
	)
	seen := map[string]bool{}
	for _, path := range args {
		if seen[path] {
			return usage("%s is named twice: one run counts once", path)
		}
		seen[path] = true
		more, without, err := estimate.ReadRuns(path)
		if err != nil {
			return benchProblem(err)
		}
		runs, left = append(runs, more...), append(left, without...)
	}
	if len(runs) == 0 && len(left) > 0 {
		return usage("%s: %s", left[0].Engine, left[0].Why)
	}
	e, err := estimate.New(runs, waiting, options)
	if err != nil {
		return benchProblem(err)
	}
	e.Tool, e.LeftOut = "tokensweep "+version(), left
	return f.write(c, e)
}

// read reads what is known of production.
func (f *estimateFlags) read(c *cobra.Command) (waiting *estimate.Production, o estimate.Options, err error) {
	rows, removable := c.Flags().Changed("rows"), c.Flags().Changed("removable")
	switch {
	case f.production != "" && (rows || removable):
		return nil, o, usage("--production counts the rows: leave --rows and --removable out")
	case rows != removable:
		return nil, o, usage("--rows and --removable go together: all rows of production, and those of them that are to be removed")
	case rows:
		waiting = &estimate.Production{Rows: f.rows, Removable: f.removable}
	case f.production != "":
		counted, err := estimate.ReadProduction(f.production)
		if err != nil {
			return nil, o, err
		}
		waiting = &counted
	}
	o.Ratio = estimate.Ratio(f.ratio)
	if f.calibration != "" {
		o.Calibration, err = estimate.ReadCalibration(f.calibration)
	}
	return waiting, o, err
}

func (f *estimateFlags) write(c *cobra.Command, e *estimate.Estimate) error {
	if f.json == "-" {
		return e.WriteJSON(c.OutOrStdout())
	}
	if f.json != "" {
		if err := toFile(f.json, e.WriteJSON); err != nil {
			return usage("%v", err)
		}
	}
	return e.WriteText(c.OutOrStdout())
}
