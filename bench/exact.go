package bench

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/report"
)

// Reads is the number of rows and index entries that the server read for an engine.
// It is almost exact: the server's statistics, which it samples, and its dictionary,
// which it caches, change it by a few percent. A lost index multiplies it.
const Reads = HandlerPrefix + "reads"

// ReadsTolerance is the share by which Reads may grow before an exact gate fails.
const ReadsTolerance = 0.25

// countable reports whether an exact gate judges a metric.
func countable(m Metric) bool { return m.Exact || m.Key() == Reads }

// countsDepend sorts the differences of two fingerprints by what exact counters owe
// to them. Between other data, tasks, scripts or products nothing can be compared.
// Between other versions of a server what the engine sends can, and what the server
// does for it cannot; nor with a binary log, which takes part in each commit, or other
// pages. The machine, the way to the server, sizes and flushes change no counter, nor
// does Go or a reference.
func countsDepend(all []Difference) (refused, server []Difference) {
	for _, d := range all {
		switch {
		case slices.Contains([]string{"server version", "server setting log_bin", "server setting binlog_row_image", "server setting innodb_page_size"}, d.Part):
			server = append(server, d)
		case strings.HasPrefix(d.Part, "machine "), strings.HasPrefix(d.Part, "server setting "), d.Part == "server via", d.Part == "task reference", d.Part == "tool go":
		default:
			refused = append(refused, d)
		}
	}
	return refused, server
}

// ForExact returns the record with no more than an exact gate needs: the first sample
// of each engine, without speed, series and notes. It refuses a record that can be no
// baseline, because a run is not verified, an engine has nothing exact, or an exact
// counter varies.
func (r *Record) ForExact() (*Record, error) {
	if wrong := r.Unverified(); len(wrong) > 0 {
		return nil, &OptionError{fmt.Sprintf("the verification of %s ended with %s: that is no baseline", wrong[0], wrong[0].Verdict)}
	}
	for _, engine := range r.Engines() {
		for _, kind := range r.Kinds() {
			if i, ok := r.Summarize(engine, kind, DefaultAlpha); ok && kind.Exact && i.Spread() != 0 {
				return nil, &OptionError{fmt.Sprintf("%s, %s: exact, yet it varies from %s to %s: that is no baseline", engine, kind.Key(), kind.Unit.Format(i.Lo), kind.Unit.Format(i.Hi))}
			}
		}
	}
	out := &Record{SchemaVersion: SchemaVersion, Tool: r.Tool, Fingerprint: r.Fingerprint}
	for _, engine := range r.Engines() {
		first := r.Of(engine)[0]
		kept := &Sample{Run: first.Run, Metrics: slices.DeleteFunc(slices.Clone(first.Metrics), func(m Metric) bool { return !countable(m) })}
		kept.Notes = nil
		if !slices.ContainsFunc(kept.Metrics, func(m Metric) bool { return m.Exact && m.Better == Lower }) {
			return nil, &OptionError{fmt.Sprintf("%s has no exact counter: it does not send the same statements each time; engines that do are batch:N and procedure", engine)}
		}
		out.Samples = append(out.Samples, kept)
	}
	return out, nil
}

// ruleReads rules on Reads, which few samples say enough about.
func ruleReads(r Row, o Options) Ruling {
	tolerance := max(o.Tolerance, ReadsTolerance)
	least, most := r.worsening(r.Old.Hi, r.New.Lo), r.worsening(r.Old.Lo, r.New.Hi)
	switch {
	case least > tolerance:
		return Ruling{r, report.Fail, fmt.Sprintf("the server reads more by %s at least, beyond %s: is an index not used any more?", share(least), share(tolerance))}
	case most <= tolerance:
		return Ruling{r, report.Pass, fmt.Sprintf("almost exact: within %s", share(tolerance))}
	}
	return Ruling{r, report.Inconclusive, fmt.Sprintf("it varies too widely to judge: %s to %s, then %s to %s, tolerance %s",
		r.Metric.Unit.Format(r.Old.Lo), r.Metric.Unit.Format(r.Old.Hi), r.Metric.Unit.Format(r.New.Lo), r.Metric.Unit.Format(r.New.Hi), share(tolerance))}
}
