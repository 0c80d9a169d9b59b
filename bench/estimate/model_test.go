package estimate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func whole(removed, kept float64) load { return load{removed, kept, true} }

func removedRows(l load) float64 { return l.removed }

func TestModelsRecoverKnownCosts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		all    []observation
		kind   string
		target load
		want   float64
	}{
		"one run":                  {[]observation{{whole(1000, 100), 10}}, flat, whole(5000, 500), 50},
		"geometric mean":           {[]observation{{whole(1000, 100), 10}, {whole(1000, 100), 40}}, flat, whole(1000, 100), 20},
		"kept rows are not known":  {[]observation{{load{removed: 1000}, 10}, {load{removed: 1000}, 10}}, flat, load{removed: 3000}, 30},
		"two compositions":         {[]observation{{whole(900, 100), 9.1}, {whole(100, 900), 1.9}}, mixed, whole(5000, 5000), 55},
		"three compositions":       {[]observation{{whole(900, 100), 9.1}, {whole(500, 500), 5.5}, {whole(100, 900), 1.9}}, mixed, whole(0, 1000), 1},
		"keeping costs too little": {[]observation{{whole(900, 100), 9}, {whole(100, 900), 0.99}}, flat, whole(1000, 9000), math.Sqrt(99)},
		"keeping cannot cost less": {[]observation{{whole(500, 100), 5}, {whole(500, 5000), 4}}, flat, whole(500, 99), math.Sqrt(20)},
		"removing costs nothing":   {[]observation{{whole(900, 100), 1}, {whole(100, 900), 9}}, flat, whole(9000, 1000), 90},
		"half as much again":       {[]observation{{whole(1000, 0), 10}, {whole(10_000, 0), 150}}, growing, whole(100_000, 0), 2250},
		"grows by 1/4 in between":  {[]observation{{whole(100, 0), 1}, {whole(10_000, 0), 156.25}}, growing, whole(1000, 0), 12.5},
		"larger is cheaper":        {[]observation{{whole(1000, 0), 20}, {whole(10_000, 0), 50}}, flat, whole(100, 0), 1},
		"all rows removed in one":  {[]observation{{whole(1000, 0), 10}, {whole(500, 500), 6}}, mixed, whole(0, 1000), 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := fit(c.all, removedRows)
			require.Equal(t, c.kind, m.kind)
			require.InEpsilon(t, c.want, m.seconds(c.target), 1e-6)
			if len(c.all) < RunsNeeded {
				require.Zero(t, m.freedom)
				require.Equal(t, DefaultSpread, m.sigma)
			}
		})
	}
}

// Known answers: a t-quantile from a table, and textbook formulas by hand.
func TestDeviations(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 1.95996, quantile(0), 1e-4)
	require.InDelta(t, 12.7062, quantile(1), 1e-3)
	require.InDelta(t, 4.30265, quantile(2), 1e-4)
	require.InDelta(t, 2.26216, quantile(9), 1e-4)

	one := fit([]observation{{whole(100, 10), 1}}, removedRows)
	require.InDelta(t, 1.95996*0.15*math.Sqrt(2), one.deviation(whole(1, 1)), 1e-4)

	// ln seconds a row: 0, 1, 2; mean 1, standard deviation 1.
	three := fit([]observation{{whole(100, 10), 100}, {whole(100, 10), 100 * math.E}, {whole(100, 10), 100 * math.E * math.E}}, removedRows)
	require.Equal(t, 2, three.freedom)
	require.InDelta(t, 1, three.sigma, 1e-9)
	require.InDelta(t, 4.30265*math.Sqrt(1+1.0/3), three.deviation(whole(1, 1)), 1e-4)

	// A line through ln sizes 0, 1, 2 and ln costs 0, 0.5, 0.4: slope 0.2, intercept 0.1,
	// residuals -0.1, 0.2, -0.1; at ln size 4: leverage 1/3 + (4-1)²/2.
	line := fit([]observation{{whole(1, 0), 1}, {whole(math.E, 0), math.Exp(1.5)}, {whole(math.E*math.E, 0), math.Exp(2.4)}}, removedRows)
	require.Equal(t, growing, line.kind)
	require.InDelta(t, 0.2, line.parameters[1], 1e-9)
	require.InDelta(t, math.Sqrt(0.06), line.sigma, 1e-9)
	require.InDelta(t, 1.0/3+4.5, line.leverage(whole(math.Exp(4), 0)), 1e-9)
}

// TestIntervalHoldsTheNextRun: the interval is one for the run to come, so the truth
// that it must hold is a duration with noise of its own. Whatever the true rates
// are, 95 % of such runs have to be inside; 2,000 of them tell it to ±1 %.
func TestIntervalHoldsTheNextRun(t *testing.T) {
	t.Parallel()
	const noise, times = 0.1, 2000
	uniform := func(i int) load { return whole(9000+float64(i), 1000) }
	for name, c := range map[string]struct {
		loads  func(i int) load
		cost   func(l load) float64
		target load
		ns     []int
	}{
		"one composition": {uniform, func(l load) float64 { return l.removed / 11_000 }, whole(9e6, 1e6), []int{3, 5, 10}},
		"compositions": {func(i int) load { return []load{whole(9000, 1000), whole(5000, 5000), whole(1000, 9000)}[i%3] },
			func(l load) float64 { return l.removed/11_000 + l.kept/40_000 }, whole(7e6, 3e6), []int{3, 5, 10}},
		"sizes": {func(i int) load { return whole([]float64{900, 90_000}[i%2], 100) },
			func(l load) float64 { return l.removed / 11_000 * math.Pow(l.rows(), 0.2) }, whole(9e6, 1e6), []int{3, 5, 10}},
	} {
		for _, n := range c.ns {
			random := rand.New(rand.NewPCG(uint64(n), 1))
			took := func(l load) float64 { return c.cost(l) * math.Exp(noise*random.NormFloat64()) }
			inside := 0
			for range times {
				var all []observation
				for i := range n {
					all = append(all, observation{c.loads(i), took(c.loads(i))})
				}
				m := fit(all, removedRows)
				if math.Abs(math.Log(took(c.target)/m.seconds(c.target))) <= m.deviation(c.target) {
					inside++
				}
			}
			share := float64(inside) / times
			t.Logf("%s, %d runs: %.1f %%", name, n, share*100)
			require.GreaterOrEqual(t, share, 0.93, "%s, %d runs", name, n)
			require.LessOrEqual(t, share, 0.975, "%s, %d runs", name, n)
		}
	}
}

// The default spread is supposed to be on the safe side of what runs differ by.
func TestDefaultSpreadIsWideForTenPercentNoise(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 1))
	took := func() float64 { return math.Exp(0.1 * random.NormFloat64()) }
	for n := 1; n < RunsNeeded; n++ {
		inside := 0
		for range 2000 {
			var all []observation
			for range n {
				all = append(all, observation{whole(1000, 100), took()})
			}
			m := fit(all, removedRows)
			require.Zero(t, m.freedom)
			if math.Abs(math.Log(took()/m.seconds(whole(1000, 100)))) <= m.deviation(whole(1000, 100)) {
				inside++
			}
		}
		require.GreaterOrEqual(t, inside, 1980, "%d runs", n)
	}
}
