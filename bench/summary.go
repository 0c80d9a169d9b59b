package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Yardstick is the engine that the others are measured by: the one wanted, or else
// the first script, or else the first engine.
func (r *Record) Yardstick(wanted string) string {
	names := r.Engines()
	if slices.Contains(names, wanted) {
		return wanted
	}
	for _, name := range names {
		if strings.HasPrefix(name, "script:") {
			return name
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// Ratios divides the speed of each sample of an engine by that of the yardstick in
// the same round, which takes out whatever both had in common: a slow hour of the
// machine.
func (r *Record) Ratios(engine, yardstick string) []float64 {
	by := map[int]float64{}
	for _, s := range r.Of(yardstick) {
		if m, ok := s.Metric(CleanRate); ok && m.Value > 0 {
			by[s.Round] = m.Value
		}
	}
	var ratios []float64
	for _, s := range r.Of(engine) {
		if m, ok := s.Metric(CleanRate); ok && by[s.Round] > 0 {
			ratios = append(ratios, m.Value/by[s.Round])
		}
	}
	return ratios
}

// summaryColumn is a metric of a summary and how it is shown.
type summaryColumn struct {
	key, head string
	show      func(v float64) string
}

// summaryColumns are those of every summary.
var summaryColumns = []summaryColumn{
	{CleanRate, "rows/s", whole},
	{"settled-rows/s", "with purge", whole},
	{"batch-p99-sec", "batch p99", func(v float64) string {
		return time.Duration(v * float64(time.Second)).Round(time.Millisecond).String()
	}},
	{"server-cpu-sec", "server CPU", func(v float64) string { return fmt.Sprintf("%.1f s", v) }},
	{"redo-B", "redo", mebibytes},
	{"binlog-B", "binlog", mebibytes},
}

// loadColumns are those of a benchmark with load beside the engines.
var loadColumns = []summaryColumn{
	{"quiet-refresh-p99-sec", "quiet p99", milliseconds},
	{"latency-refresh-p99-sec", "refresh p99", milliseconds},
	{"latency-refresh-p999-sec", "p99.9", milliseconds},
	{"latency-refresh-max-sec", "max", milliseconds},
	{"client-errors", "errors", whole},
}

// columns of this record's summary.
func (r *Record) columns() []summaryColumn {
	if slices.ContainsFunc(r.Samples, func(s *Sample) bool { _, ok := s.Metric(loadColumns[0].key); return ok }) {
		return slices.Concat(summaryColumns, loadColumns)
	}
	return summaryColumns
}

func whole(v float64) string { return fmt.Sprintf("%.0f", v) }

func milliseconds(v float64) string { return fmt.Sprintf("%.1f ms", v*1e3) }

func mebibytes(v float64) string { return fmt.Sprintf("%.0f MiB", v/(1<<20)) }

// WriteSummary writes the engines side by side, medians of their verified runs.
func (r *Record) WriteSummary(w io.Writer) error {
	yardstick := r.Yardstick("")
	head := []string{"engine", "runs", "× yardstick"}
	columns := r.columns()
	for _, c := range columns {
		head = append(head, c.head)
	}
	lines := [][]string{head}
	for _, engine := range r.Engines() {
		lines = append(lines, r.summary(engine, yardstick, columns))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.Fingerprint.Title())
	table(&b, lines, len(head))
	fmt.Fprintf(&b, "\nmedians; ± is the larger half of the 95 %% interval; × is taken round by round, against %s\n", yardstick)
	return flush(w, &b, "the summary")
}

func (r *Record) summary(engine, yardstick string, columns []summaryColumn) []string {
	samples := r.Of(engine)
	line := []string{engine, fmt.Sprint(len(samples)), "-"}
	if i, ok := Summarize(r.Ratios(engine, yardstick), false, DefaultAlpha); ok {
		line[2] = fmt.Sprintf("%.2f", i.Median)
	}
	for n, c := range columns {
		var values []float64
		for _, s := range samples {
			if m, ok := s.Metric(c.key); ok {
				values = append(values, m.Value)
			}
		}
		i, ok := Summarize(values, false, DefaultAlpha)
		switch {
		case !ok:
			line = append(line, "-")
		case n == 0:
			line = append(line, c.show(i.Median)+" "+i.PlusMinus())
		default:
			line = append(line, c.show(i.Median))
		}
	}
	return line
}
