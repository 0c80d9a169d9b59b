package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/report"
)

// The metrics of the table: without a reference and with one.
var (
	rateKey = map[bool]string{false: bench.CleanRate, true: bench.NormalizedRate}
	cpuKey  = map[bool]string{false: "server-cpu-sec", true: "server-cpu-normalized-sec"}
)

// verdicts are what the gate says of each record.
type verdicts struct {
	base *bench.Record
	all  []verdict
}

type verdict struct {
	name       string
	rates, cpu *bench.Gate // as bench gate judges by default, and by the server's CPU time
}

func (v *verdicts) reference() bool { return v.base.Fingerprint.Task.Reference }

// judge adds a record.
func (v *verdicts) judge(name string, newer *bench.Record) error {
	o := bench.Options{Tolerance: bench.DefaultTolerance}
	rates, err := bench.NewGate(v.base, newer, o)
	if err != nil {
		return err
	}
	o.Metrics = []string{cpuKey[v.reference()]}
	cpu, err := bench.NewGate(v.base, newer, o)
	if err != nil {
		return err
	}
	v.all = append(v.all, verdict{name, rates, cpu})
	return nil
}

// conclude prints the verdicts and says whether those by the rates, which are what the
// gate looks at unless it is told otherwise, are as they should be: both slow-downs
// caught, and no failure where nothing changed. What could not be judged is counted by
// itself: it is no false alarm, and no pass either.
func (v *verdicts) conclude(w io.Writer) bool {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rate, serverCPU := rateKey[v.reference()], cpuKey[v.reference()]
	fmt.Fprintf(table, "record\t%s\tverdict\t%s\tverdict\n", rate, serverCPU)
	caught := true
	rates, cpu := map[string]int{}, map[string]int{}
	for _, one := range v.all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.name, changed(one.rates, rate), one.rates.Verdict, changed(one.cpu, serverCPU), one.cpu.Verdict)
		switch one.name {
		case waits, works:
			caught = caught && one.rates.Verdict == report.Fail
		default:
			rates[one.rates.Verdict]++
			cpu[one.cpu.Verdict]++
		}
	}
	table.Flush()
	for _, one := range v.all {
		for _, g := range []*bench.Gate{one.rates, one.cpu} {
			if g.Verdict != report.Pass {
				fmt.Fprintf(w, "%s: %s: %s\n", one.name, g.Verdict, strings.Join(g.Reasons, "; "))
			}
		}
	}
	fmt.Fprintf(w, "\nno change, by the rates: %s\nno change, by server CPU: %s\n", counts(rates), counts(cpu))
	fmt.Fprintf(w, "slow-downs caught: %s; false alarms: %d by the rates, %d by server CPU\n", map[bool]string{true: "all", false: "not all"}[caught], rates[report.Fail], cpu[report.Fail])
	return caught && rates[report.Fail] == 0
}

// changed is the change of a median, and how wide the new interval is.
func changed(g *bench.Gate, key string) string {
	for _, r := range g.Rulings {
		if r.Metric.Key() == key {
			return fmt.Sprintf("%s, %s", r.FormatDelta(), r.New.PlusMinus())
		}
	}
	return "–"
}

func counts(of map[string]int) string {
	return fmt.Sprintf("%d pass, %d inconclusive, %d fail", of[report.Pass], of[report.Inconclusive], of[report.Fail])
}
