package estimate

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// String writes two significant digits in the unit that fits: 45 s, 4.2 min, 31 h.
func (s Seconds) String() string { return s.text(math.Round) }

func (s Seconds) text(toward func(float64) float64) string {
	v := round2(float64(s), toward)
	unit := "s"
	for _, next := range []struct {
		of   float64
		name string
		from float64
	}{{60, "min", 60}, {3600, "h", 60}, {86400, "days", 48}} {
		if v < next.from {
			break
		}
		v, unit = max(round2(float64(s)/next.of, toward), 1), next.name
	}
	if unit == "days" && v >= 1000 {
		return "years"
	}
	decimals := 0
	if v > 0 && v < 10 {
		decimals = max(0, 1-int(math.Floor(math.Log10(v))))
	}
	return strconv.FormatFloat(v, 'f', decimals, 64) + " " + unit
}

// String writes the ends, rounded outwards: 15 to 20 min.
func (i Interval) String() string {
	low, high := i.Low.text(math.Floor), i.High.text(math.Ceil)
	number, unit, _ := strings.Cut(low, " ")
	if strings.HasSuffix(high, " "+unit) {
		low = number
	}
	return low + " to " + high
}

// labels are what the first interval supposes, by basis.
var labels = map[string]string{
	OnTest:        "if production is like the test's machine",
	OnRatio:       "if production is %s times as fast as the test's machine",
	OnOther:       "if production is as much faster or slower with this engine as with the calibrated one",
	OnCalibration: "if the rest goes like the part that was measured",
}

// WriteText writes the estimate for people.
func (e *Estimate) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "production  %s rows, %s to remove", count(e.Production.Rows), count(e.Production.Removable))
	if e.Production.File != "" {
		fmt.Fprintf(&b, " (%s)", e.Production.File)
	}
	b.WriteString("\n")
	for _, p := range e.Engines {
		e.prediction(&b, p)
	}
	for _, l := range e.LeftOut {
		fmt.Fprintf(&b, "\n%s  left out: %s\n", l.Engine, l.Why)
	}
	if len(e.Next) > 0 {
		b.WriteString("\nwhat would make it better:\n")
		for _, n := range e.Next {
			fmt.Fprintf(&b, "  - %s\n", n)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the estimate: %w", err)
	}
	return nil
}

func (e *Estimate) prediction(b *strings.Builder, p Prediction) {
	from := map[bool]string{true: "1 run", false: fmt.Sprintf("%d runs", p.Runs)}[p.Runs == 1]
	if p.Basis == OnCalibration {
		from = "measured on production"
	}
	label := labels[p.Basis]
	if p.Basis == OnRatio {
		label = fmt.Sprintf(label, e.ratio)
	}
	fmt.Fprintf(b, "\n%s, %s: about %s\n", p.Engine, from, p.Middle)
	fmt.Fprintf(b, "  %s  %s\n", p.Like, label)
	fmt.Fprintf(b, "  %s  reckon with this\n", p.Reckon)
	if p.Purge > 0 {
		fmt.Fprintf(b, "  %s  more until the server has purged what was deleted, in the background\n", p.Purge)
	}
	b.WriteString("  supposed:\n")
	for _, a := range p.Assumptions {
		fmt.Fprintf(b, "  - %s\n", a)
	}
}

// String writes the ends, or the one number if they are the same.
func (r Ratio) String() string {
	low, high := factorText(r.Low), factorText(r.High)
	if low == high {
		return low
	}
	return low + " to " + high
}

func count(n int64) string { return humanize.Comma(n) }

func factorText(v float64) string {
	return strconv.FormatFloat(round2(v, math.Round), 'f', -1, 64)
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }

// rowRange is the sizes of the runs.
func (e *engine) rowRange() string {
	low, high := count(int64(e.smallest())), count(int64(e.largest()))
	what := map[bool]string{true: " rows", false: " removed rows"}[e.ask.whole]
	if low == high {
		return low + what
	}
	return low + " to " + high + what
}

// sentences says what a prediction from runs elsewhere supposes.
func (e *engine) sentences() []string {
	all := append([]string{e.ofSpread()}, e.ofComposition()...)
	all = append(all, e.ofSize())
	if e.pauses > 0 {
		all = append(all, fmt.Sprintf("it sleeps as it did in the runs, %s of the time above: that grows with the batches and does not depend on the machine", Seconds(e.pauses*e.ask.removed)))
	}
	for _, r := range e.runs {
		if r.MadeUp {
			all = append(all, "the rows of the runs were made up: rows of production may be longer and have more child rows; validate a dump to have that in it")
			break
		}
	}
	for _, r := range e.runs {
		if r.Load > 0 {
			all = append(all, fmt.Sprintf("others did %v operations a second beside the runs", r.Load))
			break
		}
	}
	if e.runs[0].Task.Product == "SQLite" {
		all = append(all, "the speed of SQLite says nothing about a server")
	}
	return append(all, "no test says how much of its tables production holds in memory, how fast its disks flush, and what else runs there: the second interval allows for that")
}

func (e *engine) ofSpread() string {
	switch {
	case e.model.freedom > 0:
		differ := fmt.Sprintf("by %.1f %%", e.model.sigma*100)
		if e.model.sigma > 0.3 {
			differ = "by a factor of " + factorText(math.Exp(e.model.sigma))
		}
		return fmt.Sprintf("the runs differ %s among themselves (standard deviation), and so will the next: %s of such runs are inside the first interval", differ, percent(Confidence))
	case len(e.runs) < RunsNeeded:
		return fmt.Sprintf("%d of the %d runs that it takes to see how much they differ: %s is supposed", len(e.runs), RunsNeeded, percent(DefaultSpread))
	}
	return fmt.Sprintf("the %d runs are too few to see how much they differ beside the costs that they were to tell apart: %s is supposed", len(e.runs), percent(DefaultSpread))
}

// ofComposition says what is made of rows that stay.
func (e *engine) ofComposition() []string {
	if !e.ask.whole {
		return []string{"the runs do not say how many rows they left: a row that stays is taken to cost nothing"}
	}
	share := e.ask.removed / e.ask.rows()
	least, most := math.Inf(1), 0.0
	for _, r := range e.runs {
		of := float64(r.Removed) / float64(r.Rows)
		least, most = min(least, of), max(most, of)
	}
	shares := percent(most)
	if percent(least) != shares {
		shares = fmt.Sprintf("%.0f to %s", least*100, shares)
	}
	if e.model.kind == mixed {
		p := e.model.parameters
		text := fmt.Sprintf("removing takes %s a million rows and keeping %s, told apart by runs with %s removable", Seconds(p[0]*1e6), Seconds(p[1]*1e6), shares)
		if share < least-0.01 || share > most+0.01 {
			text += fmt.Sprintf("; production, with %s, is outside of that", percent(share))
		}
		return []string{text}
	}
	low, high := e.composition()
	if low > 0.95 && high < 1.05 {
		return nil
	}
	what := "only removed rows are counted; the second interval goes as far as rows that stay costing as much"
	if e.name == "rebuild" {
		what = fmt.Sprintf("all rows are counted alike; the second interval goes as far as one of either kind costing %d times one of the other", Dearest)
	}
	return []string{fmt.Sprintf("of production %s is removable, of the runs' rows %s, which does not tell what a row that stays costs: %s", percent(share), shares, what)}
}

// ofSize says how the cost of a row goes with their number.
func (e *engine) ofSize() string {
	switch e.model.kind {
	case growing:
		return fmt.Sprintf("a row costs %s more at ten times the rows, as it did from %s", percent(math.Pow(10, e.model.parameters[1])-1), e.rowRange())
	case mixed:
		return fmt.Sprintf("a row costs the same at any size; the runs had %s%s", e.rowRange(), e.beyond())
	}
	text := "a row costs the same at any size"
	if e.model.shrinks {
		text += ", although it cost less in the larger runs"
	}
	return fmt.Sprintf("%s; the runs had %s%s", text, e.rowRange(), e.beyond())
}

func (e *engine) beyond() string {
	if e.ask.rows() <= e.largest() {
		return ""
	}
	return fmt.Sprintf(", and the second interval allows for %s more at ten times as many", percent(PerDecade-1))
}

func calibrationSentences(c *Calibration, spread bool) []string {
	all := []string{fmt.Sprintf("%s rows removed on production in %s; keys are random, so the rest of them is like that part", count(c.Removed), Seconds(c.Seconds))}
	if c.Seconds < ShortCalibration {
		all = append(all, fmt.Sprintf("%s is short for that: caches were filling and checkpoints did not come", Seconds(c.Seconds)))
	}
	if spread {
		all = append(all, "how much runs differ is taken from the test's runs")
	} else {
		all = append(all, fmt.Sprintf("%s is supposed for how much runs differ", percent(DefaultSpread)))
	}
	return append(all, "traffic and backups at other hours are not in it: the second interval allows for them")
}

// Below so many seconds a measurement is called short.
const (
	ShortCalibration = 120
	ShortRun         = 10
)

// next lists what to do for a better prediction, the most useful first.
func (e *Estimate) next(runs []Run, by map[string]*engine, o Options) {
	task := e.Production.Task
	if task == nil && len(runs) > 0 {
		task = &runs[0].Task
	}
	if o.Calibration == nil || o.Calibration.Seconds < ShortCalibration {
		e.Next = append(e.Next, fmt.Sprintf("measure on production: tokensweep clean --dsn …%s --max-duration 5m --json part.json, then add --calibration part.json "+
			"(it removes rows for five minutes; the same command goes on later)", flags(task)))
	}
	if e.Production.File == "" {
		e.Next = append(e.Next, fmt.Sprintf("count on production: tokensweep clean --dsn …%s --dry-run --json production.json, then --production production.json", flags(task)))
	}
	few, oneSize, oneMix, short := false, false, false, false
	for _, one := range by {
		few = few || one.model.freedom == 0
		oneSize = oneSize || one.model.kind == flat && !one.model.shrinks && one.ask.rows() > one.largest()
		least, most := one.composition()
		oneMix = oneMix || most > 1.05 || least < 0.95
		for _, r := range one.runs {
			short = short || r.Seconds < ShortRun
		}
	}
	if o.Calibration != nil && (by[o.Calibration.Engine] == nil || len(by) == 1) {
		oneSize, oneMix = false, false // nothing predicted rests on it
	}
	if short {
		e.Next = append(e.Next, fmt.Sprintf("take more rows: runs of less than %d s measure how an engine starts, and differ more", ShortRun))
	}
	if few {
		e.Next = append(e.Next, fmt.Sprintf("repeat the run until there are %d or more of each engine, and name all their files: then their spread is known", RunsNeeded))
	}
	if oneSize {
		e.Next = append(e.Next, fmt.Sprintf("add runs with %.0f times the rows or more: then it is known whether a row gets dearer", SizesDiffer))
	}
	if oneMix {
		e.Next = append(e.Next, fmt.Sprintf("add runs in which another share of the rows is removable, best production's (run --mix removable:%.0f): then it is known what a row costs that stays",
			min(max(100*float64(e.Production.Removable)/float64(e.Production.Rows), 1), 99)))
	}
}

// flags are those of clean that make it do the task.
func flags(t *Task) string {
	if t == nil {
		return ""
	}
	var text string
	if t.Policy != "documented" {
		text += " --policy " + t.Policy
	}
	if !t.Audit {
		text += " --no-audit"
	}
	return text
}
