package estimate

import (
	"math"

	"github.com/aclements/go-moremath/stats"
)

// What is asked of the runs before they may say more than one speed.
const (
	// SizesDiffer is how many times larger the largest run is than the smallest, so
	// that one can see how the cost of a row grows.
	SizesDiffer = 5.0
	// SharesDiffer is the difference between two removable shares that tells the cost
	// of rows that go from that of rows that stay.
	SharesDiffer = 0.1
)

// load is how much there is to do.
type load struct {
	removed, kept float64 // rows; kept is 0 if it is not known
	whole         bool    // kept is known
}

func (l load) rows() float64 { return l.removed + l.kept }

// ofRemoved is the load without the rows that stay.
func (l load) ofRemoved() load { return load{removed: l.removed} }

// cost is what the load costs at so much a removed and a kept row.
func (l load) cost(removed, kept float64) float64 { return removed*l.removed + kept*l.kept }

// observation is a load and the seconds of work that it took.
type observation struct {
	load
	seconds float64
}

// What the durations of runs are taken to follow.
const (
	flat    = "flat"    // seconds = rows / speed
	growing = "growing" // seconds = rows^(1+growth) / speed
	mixed   = "mixed"   // seconds = removed / speed + kept / another speed
)

// model predicts the work of an engine. Its errors are relative: the logarithm of
// a duration is what spreads evenly.
type model struct {
	kind string
	// base is the number of rows that a flat or growing model counts.
	base func(load) float64
	// parameters of the kind: flat {ln seconds/row}, growing {ln seconds/row, growth},
	// mixed {seconds/removed row, seconds/kept row}.
	parameters [2]float64
	fitted     int        // of the parameters, 1 or 2
	gram       [3]float64 // of the design: [0][0], [0][1], [1][1]
	sigma      float64    // standard deviation of ln seconds between runs
	freedom    int        // degrees of freedom of sigma; 0 if it is DefaultSpread
	shrinks    bool       // larger runs were cheaper by the row, which is not relied on
}

// seconds of work for a load.
func (m *model) seconds(l load) float64 {
	p := m.parameters
	if m.kind == mixed {
		return l.cost(p[0], p[1])
	}
	return m.base(l) * math.Exp(p[0]+p[1]*math.Log(l.rows()))
}

// design is how ln seconds changes with each parameter.
func (m *model) design(l load) [2]float64 {
	switch m.kind {
	case mixed:
		t := m.seconds(l)
		return [2]float64{l.removed / t, l.kept / t}
	case growing:
		return [2]float64{1, math.Log(l.rows())}
	}
	return [2]float64{1, 0}
}

// leverage is the variance of the prediction for a load by that of a single run:
// 1/n in the middle of what was measured, more the further away.
func (m *model) leverage(l load) float64 {
	d, g := m.design(l), m.gram
	if m.fitted == 1 {
		return d[0] * d[0] / g[0]
	}
	return (d[0]*d[0]*g[2] - 2*d[0]*d[1]*g[1] + d[1]*d[1]*g[0]) / (g[0]*g[2] - g[1]*g[1])
}

// deviation is half the width of the prediction interval in ln seconds: what the
// next run may be off by, for the noise of that run and of those behind the model.
func (m *model) deviation(l load) float64 {
	return min(quantile(m.freedom)*m.sigma*math.Sqrt(1+m.leverage(l)), anything)
}

// anything is the ln of a factor so large that a prediction says nothing any more.
const anything = 20

// quantile is how many standard deviations hold the confidence on both sides.
func quantile(freedom int) float64 {
	if freedom < 1 {
		return stats.InvCDF(stats.StdNormal)(1 - (1-Confidence)/2)
	}
	return stats.InvCDF(stats.TDist{V: float64(freedom)})(1 - (1-Confidence)/2)
}

// settle computes what the intervals need, once the parameters are there.
func (m *model) settle(all []observation) {
	m.gram = [3]float64{}
	var squares float64
	for _, o := range all {
		d := m.design(o.load)
		m.gram[0], m.gram[1], m.gram[2] = m.gram[0]+d[0]*d[0], m.gram[1]+d[0]*d[1], m.gram[2]+d[1]*d[1]
		e := math.Log(o.seconds / m.seconds(o.load))
		squares += e * e
	}
	m.freedom = len(all) - m.fitted
	if len(all) < RunsNeeded || m.freedom < 1 {
		m.sigma, m.freedom = DefaultSpread, 0
		return
	}
	m.sigma = math.Sqrt(squares / float64(m.freedom))
}

// fit makes the model that the runs allow; base is what a flat one counts.
func fit(all []observation, base func(load) float64) *model {
	known := true
	smallest, largest := math.Inf(1), 0.0
	least, most := math.Inf(1), 0.0
	for _, o := range all {
		known = known && o.whole
		smallest, largest = min(smallest, o.rows()), max(largest, o.rows())
		share := o.removed / o.rows()
		least, most = min(least, share), max(most, share)
	}
	switch {
	case known && most-least >= SharesDiffer:
		if m := fitMixed(all); m != nil {
			return m
		}
	case largest >= SizesDiffer*smallest:
		return fitGrowing(all, base)
	}
	return fitFlat(all, base)
}

// fitFlat takes the geometric mean of the cost of a row.
func fitFlat(all []observation, base func(load) float64) *model {
	m := &model{kind: flat, base: base, fitted: 1}
	for _, o := range all {
		m.parameters[0] += math.Log(o.seconds/base(o.load)) / float64(len(all))
	}
	m.settle(all)
	return m
}

// fitGrowing fits a straight line to the cost of a row over the size, both as
// logarithms. A cost that falls with the size is no reason to hope that it goes on
// falling: the runs are then taken as flat.
func fitGrowing(all []observation, base func(load) float64) *model {
	n := float64(len(all))
	var x, y, xx, xy float64
	for _, o := range all {
		size, cost := math.Log(o.rows()), math.Log(o.seconds/base(o.load))
		x, y, xx, xy = x+size/n, y+cost/n, xx+size*size/n, xy+size*cost/n
	}
	growth := (xy - x*y) / (xx - x*x)
	if growth < 0 {
		m := fitFlat(all, base)
		m.shrinks = true
		return m
	}
	m := &model{kind: growing, base: base, parameters: [2]float64{y - growth*x, growth}, fitted: 2}
	m.settle(all)
	return m
}

// fitMixed fits the cost of a removed row and that of a kept one so that the squares
// of the relative errors are least. It starts with the errors as shares of the
// durations and goes on with their logarithms. It returns nil if one of the costs
// vanishes: what such a row costs is then hidden in the noise, and nobody should be
// told that it costs nothing.
func fitMixed(all []observation) *model {
	m := &model{kind: mixed, fitted: 2}
	x := make([][2]float64, len(all))
	y := make([]float64, len(all))
	for i, o := range all {
		x[i], y[i] = [2]float64{o.removed / o.seconds, o.kept / o.seconds}, 1
	}
	ok := false
	for range 50 {
		if m.parameters, ok = positive(x, y); !ok {
			return nil
		}
		for i, o := range all {
			t := m.seconds(o.load)
			x[i], y[i] = [2]float64{o.removed / t, o.kept / t}, 1+math.Log(o.seconds/t)
		}
	}
	m.settle(all)
	return m
}

// positive solves y ≈ a·x0 + b·x1 by least squares; ok is false if a or b is not
// more than 0.
func positive(x [][2]float64, y []float64) (ab [2]float64, ok bool) {
	var g [3]float64
	var h [2]float64
	for i, v := range x {
		g[0], g[1], g[2] = g[0]+v[0]*v[0], g[1]+v[0]*v[1], g[2]+v[1]*v[1]
		h[0], h[1] = h[0]+v[0]*y[i], h[1]+v[1]*y[i]
	}
	det := g[0]*g[2] - g[1]*g[1]
	ab = [2]float64{(h[0]*g[2] - h[1]*g[1]) / det, (h[1]*g[0] - h[0]*g[1]) / det}
	return ab, ab[0] > 0 && ab[1] > 0
}
