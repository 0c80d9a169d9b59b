// Package page writes records of benchmarks as one HTML page that needs nothing
// else: no network, no script, plots as inline SVG with their numbers in tables
// below them.
package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/report"
)

//go:embed page.html
var pageHTML string

// Options say what the page compares.
type Options struct {
	// Yardstick is the engine that the others are measured by; "" is the first
	// script, or else the first engine.
	Yardstick string
	// Baseline is what the newest record with the same fingerprint is judged
	// against; nil is the record before it.
	Baseline *bench.Record
	// Gate says how it is judged.
	Gate bench.Options
}

// Write writes the page. Records with the same fingerprint share a section, in
// which the newest is shown and all make the trend.
func Write(w io.Writer, records []*bench.Record, o Options) error {
	p, err := newPage(records, o)
	if err != nil {
		return err
	}
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("reading the template of the page: %w", err)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// page is what the template shows.
type page struct {
	Verdict  string // pass, fail, inconclusive, or none if there is nothing to compare with
	Headline string
	Reasons  []string
	Tool     string
	Started  string
	Groups   []*group
}

func newPage(records []*bench.Record, o Options) (*page, error) {
	if len(records) == 0 {
		return nil, fmt.Errorf("there are no records to show")
	}
	p := &page{}
	for _, r := range records {
		i := slices.IndexFunc(p.Groups, func(g *group) bool { return g.Hash == r.Fingerprint.Hash() })
		if i < 0 {
			p.Groups = append(p.Groups, &group{Hash: r.Fingerprint.Hash(), ID: fmt.Sprintf("data-%d", len(p.Groups)+1), Title: r.Fingerprint.Title(), Parts: r.Fingerprint.Parts()})
			i = len(p.Groups) - 1
		}
		p.Groups[i].records = append(p.Groups[i].records, r)
	}
	known := false
	for _, g := range p.Groups {
		found, err := g.fill(o)
		if err != nil {
			return nil, err
		}
		known = known || found
	}
	if o.Yardstick != "" && !known {
		return nil, &bench.OptionError{Problem: fmt.Sprintf("no record has an engine %q to measure the others by", o.Yardstick)}
	}
	if o.Baseline != nil && !slices.ContainsFunc(p.Groups, func(g *group) bool { return g.Gate != nil }) {
		return nil, &bench.FingerprintError{Differences: o.Baseline.Fingerprint.Diff(records[len(records)-1].Fingerprint)}
	}
	p.conclude()
	return p, nil
}

// conclude makes the one verdict on top of the page.
func (p *page) conclude() {
	samples, bad, judged := 0, 0, 0
	p.Verdict = "none"
	rank := []string{"none", report.Pass, report.Inconclusive, report.Fail}
	for _, g := range p.Groups {
		samples += len(g.Newest.Samples)
		for _, s := range g.Newest.Unverified() {
			bad++
			p.Verdict = worst(rank, p.Verdict, s.Verdict)
			if g.Gate == nil { // a gate says so itself
				p.Reasons = append(p.Reasons, fmt.Sprintf("%s: the verification of round %d ended with %s", s.Engine, s.Round, s.Verdict))
			}
		}
		if g.Gate != nil {
			judged += len(g.Gate.Rulings)
			p.Verdict = worst(rank, p.Verdict, g.Gate.Verdict)
			p.Reasons = append(p.Reasons, g.Gate.Reasons...)
		}
		if p.Started < g.Started {
			p.Started, p.Tool = g.Started, g.Newest.Tool
		}
	}
	verified := fmt.Sprintf("All %d runs accounted for every row.", samples)
	if bad > 0 {
		verified = fmt.Sprintf("%d of %d runs did not pass the verification, and record no speed.", bad, samples)
	}
	switch {
	case judged == 0:
		p.Headline = verified + " No baseline to compare with."
	case p.Verdict == report.Pass:
		p.Headline = verified + fmt.Sprintf(" None of %d metrics got worse than the baseline allows.", judged)
	default:
		p.Headline = verified + fmt.Sprintf(" %d metrics were judged against the baseline.", judged)
	}
}

func worst(rank []string, a, b string) string {
	if slices.Index(rank, b) > slices.Index(rank, a) {
		return b
	}
	return a
}

// VerdictText is the verdict in capitals.
func (p *page) VerdictText() string {
	if p.Verdict == "none" {
		return "MEASURED"
	}
	return strings.ToUpper(p.Verdict)
}
