package main

import (
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
)

// writeForecast writes what a dry run counted, if a file is named.
func writeForecast(path string, target *harness.Target, engine cleanup.Engine, plan *cleanup.Plan, forecast []cleanup.Forecast) error {
	if path == "" {
		return nil
	}
	d := describeClean(target, engine, plan, forecast, &cleanup.Result{})
	d.DryRun, d.Run = true, nil
	for i, f := range forecast {
		for _, h := range f.Held {
			d.Phases[i].Held = append(d.Phases[i].Held, report.Held{By: h.By, Rows: h.Rows, Samples: h.Samples})
		}
	}
	if err := toFile(path, d.WriteJSON); err != nil {
		return usage("%v", err)
	}
	return nil
}
