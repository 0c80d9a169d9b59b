package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// WriteText writes the summary: the verdict, what is wrong, a line for each
// table, the speed of each stage.
func (d *Document) WriteText(w io.Writer) error {
	var b strings.Builder
	d.headline(&b)
	d.faults(&b)
	d.comparison(&b)
	if d.accounted() {
		d.tables(&b)
	}
	d.stages(&b)
	d.remarks(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// accounted reports whether there are rows to show.
func (d *Document) accounted() bool { return len(d.Phases) > 0 }

func (d *Document) headline(b *strings.Builder) {
	fmt.Fprintf(b, "%s  policy %s, cut-off %s", strings.ToUpper(d.Verdict), d.Policy, d.CutOff.UTC().Format(time.RFC3339))
	if d.Engine != "" {
		fmt.Fprintf(b, ", engine %s", d.Engine)
	}
	fmt.Fprintf(b, "\n      %s %s (%s)", d.Server.Product, d.Server.Version, d.Server.Via)
	if d.Server.Zone != "" {
		fmt.Fprintf(b, ", session time zone %s", d.Server.Zone)
	}
	b.WriteString("\n")
}

func (d *Document) faults(b *strings.Builder) {
	for _, f := range d.Findings {
		fmt.Fprintf(b, "\n  %s: %s in %s", f.Class, count(f.Count), f.Table)
		if f.Detail != "" {
			fmt.Fprintf(b, " — %s", f.Detail)
		}
		if len(f.Samples) > 0 {
			fmt.Fprintf(b, "\n      for example %s", strings.Join(f.Samples, ", "))
		}
		b.WriteString("\n")
	}
	for _, p := range d.Phases {
		for _, h := range p.Held {
			fmt.Fprintf(b, "\n  %s removable rows of %s could not go: %s\n      for example %s\n", count(h.Rows), p.Table, h.By, strings.Join(h.Samples, ", "))
		}
	}
	for _, doubt := range d.Doubts {
		fmt.Fprintf(b, "\n  not judged: %s\n", doubt)
	}
}

func (d *Document) tables(b *strings.Builder) {
	b.WriteString("\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "before\tremoved\taudited\tkept\t  table")
	for _, p := range slices.Concat(d.Phases, d.Children) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t  %s\n", count(p.Before), count(p.Removed), count(p.Audited), count(p.Kept), p.Table)
	}
	t.Flush()
	for _, p := range d.Phases {
		if len(p.KeptWhy) > 0 {
			fmt.Fprintf(b, "\n  kept in %s: %s", p.Table, reasons(p.KeptWhy))
		}
	}
	b.WriteString("\n")
	if d.Policy == "documented" && d.Comparison == nil {
		fmt.Fprintf(b, "  the strict policy would have kept %s of the rows removed\n", count(d.StrictWouldKeep))
	}
}

// reasons lists reasons, the commonest first.
func reasons(why map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(why), func(a, b string) int {
		if why[a] != why[b] {
			return int(why[b] - why[a])
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = count(why[n]) + " " + n
	}
	return strings.Join(parts, ", ")
}

func (d *Document) stages(b *strings.Builder) {
	if len(d.Stages) == 0 {
		return
	}
	b.WriteString("\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "seconds\trows\trows/s\t  stage")
	var total float64
	for _, s := range d.Stages {
		rate := "-"
		if s.Rows > 0 {
			rate = count(int64(s.RowsPerSecond))
		}
		fmt.Fprintf(t, "%.1f\t%s\t%s\t  %s\n", s.Seconds, count(s.Rows), rate, s.Name)
		total += s.Seconds
	}
	fmt.Fprintf(t, "%.1f\t\t\t  together\n", total)
	t.Flush()
}

func (d *Document) remarks(b *strings.Builder) {
	if d.Run != nil && d.Run.Stopped != "" {
		fmt.Fprintf(b, "\n  stopped by %s; run the same command again to go on\n", d.Run.Stopped)
	}
	for _, w := range d.Warnings {
		fmt.Fprintf(b, "\n  note: %s\n", w)
	}
	if len(d.NotCovered) > 0 {
		fmt.Fprintf(b, "\n  not covered by any clean-up: %s\n", strings.Join(d.NotCovered, ", "))
	}
}

func count(n int64) string { return humanize.Comma(n) }
