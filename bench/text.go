package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tokensweep/tokensweep/report"
)

// WriteText writes the comparison as tables, one an engine.
func (c *Comparison) WriteText(w io.Writer) error {
	var b strings.Builder
	c.heading(&b)
	for _, engine := range enginesOf(c.Rows) {
		lines := [][]string{{"metric", "old", "new", "delta", "p", "verdict"}}
		for _, r := range c.Rows {
			if r.Engine == engine {
				lines = append(lines, append(r.cells(), because(r.Verdict, r.Reason)))
			}
		}
		fmt.Fprintf(&b, "\n%s\n", engine)
		table(&b, lines, 4)
	}
	fmt.Fprintf(&b, "\nmedian, ± the larger half of its %.0f %% interval; a difference counts if p < %v (Mann-Whitney)\n", 100*(1-c.Options.Alpha), c.Options.Alpha)
	return flush(w, &b, "the comparison")
}

// WriteText writes the verdict, what it rests on, and the reasons if it is no pass.
func (g *Gate) WriteText(w io.Writer) error {
	var b strings.Builder
	o := g.Comparison.Options
	fmt.Fprintf(&b, "%s  %s against the baseline, tolerance %s", strings.ToUpper(g.Verdict), plural(len(g.Rulings), "metric"), share(o.Tolerance))
	if o.Exact {
		b.WriteString(", exact counters only\n")
	} else {
		fmt.Fprintf(&b, ", alpha %v\n", o.Alpha)
	}
	for _, reason := range g.Reasons {
		fmt.Fprintf(&b, "      %s\n", reason)
	}
	b.WriteByte('\n')
	g.Comparison.heading(&b)
	var rows []Row
	for _, r := range g.Rulings {
		rows = append(rows, r.Row)
	}
	for _, engine := range enginesOf(rows) {
		lines := [][]string{{"metric", "baseline", "new", "delta", "p", "verdict"}}
		for _, r := range g.Rulings {
			if r.Engine == engine {
				cells := r.cells()
				if o.Exact && !r.Metric.Exact {
					cells[4] = "–" // no test was made
				}
				lines = append(lines, append(cells, because(r.Ruling, shortly(r))))
			}
		}
		fmt.Fprintf(&b, "\n%s\n", engine)
		table(&b, lines, 4)
	}
	if len(g.New) > 0 {
		fmt.Fprintf(&b, "\nnot judged, because the baseline does not have it: %s\n", strings.Join(g.New, ", "))
	}
	if len(g.Skipped) > 0 {
		fmt.Fprintf(&b, "\nnot judged, because another version or setting of the server may do the same in another way: %s\n", strings.Join(g.Skipped, ", "))
		for _, d := range g.Comparison.Servers {
			fmt.Fprintf(&b, "  %s\n", d)
		}
	}
	return flush(w, &b, "the verdict")
}

// shortly is why a metric passes; why it does not is above the table.
func shortly(r Ruling) string {
	if r.Ruling == report.Pass {
		return r.Why
	}
	return ""
}

func because(verdict, reason string) string {
	if reason == "" {
		return verdict
	}
	return verdict + " (" + reason + ")"
}

func (c *Comparison) heading(b *strings.Builder) {
	for _, side := range []struct {
		name string
		r    *Record
	}{{"old", c.Old}, {"new", c.New}} {
		fmt.Fprintf(b, "%s  %s, %s, fingerprint %s\n", side.name, side.r.Tool, side.r.Started().Format(time.RFC3339), side.r.Fingerprint.Hash())
	}
	fmt.Fprintf(b, "     %s\n", c.New.Fingerprint.Title())
	if len(c.Differences) > 0 {
		b.WriteString("\ncompared all the same (--force), though the fingerprints differ:\n")
		for _, d := range c.Differences {
			fmt.Fprintf(b, "  %s\n", d)
		}
	}
}

func (r Row) cells() []string {
	p := "exact"
	switch {
	case r.Old.N == 0 || r.New.N == 0:
		p = "–"
	case !r.Metric.Exact:
		p = fmt.Sprintf("%.3f", r.P)
	}
	return []string{r.Metric.Key(), r.Old.format(r.Metric), r.New.format(r.Metric), r.FormatDelta(), p}
}

// FormatDelta writes the change of the median for people.
func (r Row) FormatDelta() string {
	switch delta := r.Delta(); {
	case r.Old.N == 0 || r.New.N == 0:
		return "–"
	case math.IsInf(delta, 0):
		return "from 0"
	case delta == 0:
		return "0 %"
	default:
		return fmt.Sprintf("%+.1f %%", delta*100)
	}
}

// format writes a median and its interval: 11,031 rows/s ±2 %.
func (i Interval) format(m Metric) string {
	switch {
	case i.N == 0:
		return "–"
	case m.Exact && i.Spread() == 0:
		return m.Unit.Format(i.Median)
	}
	return fmt.Sprintf("%s (n=%d)", i.Text(m.Unit), i.N)
}

// Text is the median with its interval: "11,031 rows/s ±2 %". Of a median of 0 nothing
// is a share, so that it is "0 to 3".
func (i Interval) Text(u Unit) string {
	if i.Median == 0 && i.Hi > i.Lo {
		return u.Format(i.Lo) + " to " + u.Format(i.Hi)
	}
	return u.Format(i.Median) + " " + i.PlusMinus()
}

// PlusMinus is the interval as "±2 %", or "±?" for one sample.
func (i Interval) PlusMinus() string {
	if i.N == 1 {
		return "±?"
	}
	return "±" + share(i.Half())
}

func enginesOf(rows []Row) []string {
	var engines []string
	for _, r := range rows {
		if !slices.Contains(engines, r.Engine) {
			engines = append(engines, r.Engine)
		}
	}
	return engines
}

// table writes lines of cells in columns, those from the second to the numbered
// one to the right.
func table(b *strings.Builder, lines [][]string, lastRight int) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		var row strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i >= 1 && i <= lastRight {
				row.WriteString("  " + pad + cell)
			} else {
				row.WriteString("  " + cell + pad)
			}
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func flush(w io.Writer, b *strings.Builder, what string) error {
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing %s: %w", what, err)
	}
	return nil
}
