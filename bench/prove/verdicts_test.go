package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/bench/benchtest"
)

// madeUp is a record at that share of the engine's speed.
func madeUp(seed uint64, share, noise float64, samples int) *bench.Record {
	return benchtest.Record(benchtest.Spec{Seed: seed, Tool: "tokensweep prove", Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Rounds: samples,
		Engines: []benchtest.Engine{{Name: "batch:1000", Rate: 10_000 * share, Noise: noise, Batch: 1000}}})
}

func TestWhatIsProven(t *testing.T) {
	for name, c := range map[string]struct {
		waits, works, quiet float64 // speeds
		noise               float64
		samples             int
		proven              bool
		says                string
	}{
		"as it should be":         {0.9, 0.9, 1, 0.01, 10, true, "no change, by the rates: 1 pass, 0 inconclusive, 0 fail"},
		"a false alarm":           {0.9, 0.9, 0.8, 0.01, 10, false, "no change, by the rates: 0 pass, 0 inconclusive, 1 fail"},
		"waiting is not caught":   {1, 0.9, 1, 0.01, 10, false, "slow-downs caught: not all"},
		"working is not caught":   {0.9, 1, 1, 0.01, 10, false, "slow-downs caught: not all"},
		"too few samples to know": {0.9, 0.9, 1, 0.01, 2, false, "no change, by the rates: 0 pass, 1 inconclusive, 0 fail"},
	} {
		t.Run(name, func(t *testing.T) {
			v := verdicts{base: madeUp(1, 1, c.noise, c.samples)}
			require.NoError(t, v.judge(waits, madeUp(2, c.waits, c.noise, c.samples)))
			require.NoError(t, v.judge(works, madeUp(3, c.works, c.noise, c.samples)))
			require.NoError(t, v.judge(quietName(1), madeUp(4, c.quiet, c.noise, c.samples)))
			var said strings.Builder
			require.Equal(t, c.proven, v.conclude(&said), said.String())
			require.Contains(t, said.String(), c.says)
		})
	}
}
