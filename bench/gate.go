package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tokensweep/tokensweep/report"
)

// Ruling is what the gate says of one metric of one engine.
type Ruling struct {
	Row
	Ruling string `json:"ruling"` // report.Pass, report.Fail or report.Inconclusive
	Why    string `json:"why"`
}

// Gate says whether a record is slower than its baseline may make it.
type Gate struct {
	Comparison *Comparison
	// Verdict is report.Fail if any ruling is, or a sample was verified to be wrong;
	// else report.Inconclusive if anything could not be judged; else report.Pass.
	Verdict string
	Rulings []Ruling
	Reasons []string // why the verdict is not pass, the worst first
	// New lists metrics and engines that the baseline does not have, and that were
	// not judged therefore.
	New []string
	// Skipped lists the metrics that were not judged because the servers differ, see
	// Options.Exact.
	Skipped []string
}

// NewGate judges a record against a baseline. A measured metric fails if it got
// worse significantly and beyond the tolerance, and is not noisy; too few samples
// or noise are inconclusive. An exact one fails as soon as it got worse beyond the
// tolerance. Rates that the baseline has normalized by the reference too are judged by
// that alone, unless Options.Metrics names some. With Options.Exact it judges the exact
// metrics alone, and Reads. Its errors are those of Compare.
func NewGate(baseline, newer *Record, o Options) (*Gate, error) {
	chosen := len(o.Metrics) > 0
	c, err := Compare(baseline, newer, o)
	if err != nil {
		return nil, err
	}
	g := &Gate{Comparison: c, Verdict: report.Pass}
	g.samples(newer)
	instead := c.normalizedRates()
	for _, row := range c.Rows {
		switch {
		case o.Exact && !countable(row.Metric):
		case !o.Exact && !chosen && !row.Metric.Exact && row.Metric.Unit != RowRate:
		case !chosen && instead[row.Engine+" "+row.Metric.Key()]:
		case len(c.Servers) > 0 && strings.HasPrefix(row.Metric.Name, HandlerPrefix):
			g.Skipped = union(g.Skipped, []string{row.Metric.Key()})
		case row.Old.N == 0:
			g.New = append(g.New, row.Engine+" "+row.Metric.Key())
		default:
			g.Rulings = append(g.Rulings, rule(row, c.Options))
		}
	}
	if len(g.Rulings) == 0 {
		if o.Exact {
			return nil, &OptionError{"there is nothing to judge: the baseline has no exact metric of those"}
		}
		return nil, &OptionError{"there is nothing to judge: the baseline has no rate and no exact metric; name some with --metric"}
	}
	g.conclude(newer)
	return g, nil
}

// normalizedRates are the engines and rates that have a normalized twin in the baseline.
func (c *Comparison) normalizedRates() map[string]bool {
	found := map[string]bool{}
	for _, row := range c.Rows {
		of := row.Metric
		var ok bool
		if of.Name, ok = strings.CutSuffix(of.Name, normalized); ok && of.Unit == RowRate && row.Old.N > 0 {
			found[row.Engine+" "+of.Key()] = true
		}
	}
	return found
}

// samples looks for runs that were not verified: what did not do its work is not
// fast, whatever the clock says.
func (g *Gate) samples(r *Record) {
	for _, verdict := range []string{report.Fail, report.Inconclusive} {
		for _, engine := range r.Engines() {
			var rounds []string
			for _, s := range r.Unverified() {
				if s.Engine == engine && s.Verdict == verdict {
					rounds = append(rounds, strconv.Itoa(s.Round))
				}
			}
			if len(rounds) > 0 {
				which := map[bool]string{true: "round", false: "rounds"}[len(rounds) == 1]
				g.worsen(verdict, fmt.Sprintf("%s: the verification of %s %s ended with %s", engine, which, strings.Join(rounds, ", "), verdict))
			}
		}
	}
}

// conclude says of an engine that is not in the new record only that.
func (g *Gate) conclude(newer *Record) {
	there, told := newer.Engines(), map[string]bool{}
	for _, ruling := range []string{report.Fail, report.Inconclusive} {
		for _, r := range g.Rulings {
			switch {
			case r.Ruling != ruling || told[r.Engine]:
			case !slices.Contains(there, r.Engine):
				told[r.Engine] = true
				g.worsen(ruling, r.Engine+": the baseline has this engine, the new record does not")
			default:
				g.worsen(ruling, fmt.Sprintf("%s, %s: %s", r.Engine, r.Metric.Key(), r.Why))
			}
		}
	}
}

func (g *Gate) worsen(verdict, why string) {
	if g.Verdict == report.Pass || verdict == report.Fail {
		g.Verdict = verdict
	}
	g.Reasons = append(g.Reasons, why)
}

func rule(r Row, o Options) Ruling {
	pass := func(format string, args ...any) Ruling { return Ruling{r, report.Pass, fmt.Sprintf(format, args...)} }
	fail := func(format string, args ...any) Ruling { return Ruling{r, report.Fail, fmt.Sprintf(format, args...)} }
	doubt := func(format string, args ...any) Ruling {
		return Ruling{r, report.Inconclusive, fmt.Sprintf(format, args...)}
	}
	if r.New.N == 0 {
		return doubt("the baseline has it, the new record does not")
	}
	switch {
	case r.Metric.Exact:
		return ruleExact(r, o)
	case o.Exact:
		return ruleReads(r, o)
	}
	worse := r.worsening(r.Old.Median, r.New.Median)
	needed := SamplesNeeded(o.Alpha)
	switch {
	case r.Old.N < needed || r.New.N < needed:
		return doubt("too few samples: %s", tooFew(r.Old.N, r.New.N, o.Alpha))
	case r.Old.Spread() > o.Noise || r.New.Spread() > o.Noise:
		return doubt("too noisy to judge: the intervals are %s and %s of the median wide, beyond %s%s",
			share(r.Old.Spread()), share(r.New.Spread()), share(o.Noise), looks(worse, o))
	case !o.exceeds(worse) && r.Verdict == IsWorse:
		return pass("worse by %s, within the tolerance of %s", share(worse), share(o.Tolerance))
	case !o.exceeds(worse):
		return pass("%s", r.Verdict)
	case r.Verdict == IsWorse:
		return fail("worse by %s, beyond the tolerance of %s (p=%.3g)", share(worse), share(o.Tolerance), r.P)
	}
	return doubt("worse by %s, beyond the tolerance of %s, but chance could do that (p=%.3g): take more samples", share(worse), share(o.Tolerance), r.P)
}

// exceeds leaves room for the rounding of a division: 1,050 is 5 % more than 1,000.
func (o Options) exceeds(worse float64) bool { return worse > o.Tolerance+1e-9 }

func looks(worse float64, o Options) string {
	if o.exceeds(worse) {
		return fmt.Sprintf("; it looks worse by %s", share(worse))
	}
	return ""
}

// ruleExact rules on a metric that has no noise. Should it vary all the same, it
// is judged only where every sample says the same.
func ruleExact(r Row, o Options) Ruling {
	least, most := r.worsening(r.Old.Hi, r.New.Lo), r.worsening(r.Old.Lo, r.New.Hi)
	if r.Metric.Better == Higher {
		least, most = r.worsening(r.Old.Lo, r.New.Hi), r.worsening(r.Old.Hi, r.New.Lo)
	}
	varies := r.Verdict == IsInconclusive
	switch {
	case r.Verdict == NoDifference:
		return Ruling{r, report.Pass, r.Reason}
	case r.Verdict == IsDiffers:
		return Ruling{r, report.Fail, fmt.Sprintf("exact: %s instead of %s on the same data", r.Metric.Unit.Format(r.New.Median), r.Metric.Unit.Format(r.Old.Median))}
	case r.Metric.Better != Same && o.exceeds(least) && varies:
		return Ruling{r, report.Fail, fmt.Sprintf("worse by %s at least, beyond the tolerance of %s (%s)", share(least), share(o.Tolerance), r.Reason)}
	case r.Metric.Better != Same && o.exceeds(least):
		return Ruling{r, report.Fail, fmt.Sprintf("exact: %s instead of %s, beyond the tolerance of %s", r.Metric.Unit.Format(r.New.Median), r.Metric.Unit.Format(r.Old.Median), share(o.Tolerance))}
	case r.Metric.Better != Same && !o.exceeds(most):
		return Ruling{r, report.Pass, r.Reason}
	}
	return Ruling{r, report.Inconclusive, r.Reason}
}

func share(x float64) string {
	switch {
	case x > 99:
		return "∞"
	case x >= 0.095:
		return fmt.Sprintf("%.0f %%", x*100)
	}
	return fmt.Sprintf("%.1f %%", x*100)
}
