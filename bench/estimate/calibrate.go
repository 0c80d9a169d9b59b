package estimate

import (
	"fmt"
	"math"
)

// calibrated predicts with a measurement on production: its own engine from that
// alone, the others by how fast production was with it.
func (e *Estimate) calibrated(by map[string]*engine, names []string, c *Calibration) {
	own := by[c.Engine]
	e.Engines = append(e.Engines, e.fromCalibration(own, c))
	for _, name := range names {
		switch {
		case name == c.Engine:
		case own == nil:
			p := by[name].predict(Ratio{})
			p.Assumptions = append(p.Assumptions, fmt.Sprintf("the calibration says nothing of this engine, because %s was not run on the test's machine", c.Engine))
			e.Engines = append(e.Engines, p)
		default:
			e.Engines = append(e.Engines, byOther(by[name], own, c))
		}
	}
}

// fromCalibration takes the speed of production and, where the test's runs are
// enough, their spread.
func (e *Estimate) fromCalibration(own *engine, c *Calibration) Prediction {
	p := Prediction{Engine: c.Engine, Runs: 1, Basis: OnCalibration, Allowance: ForCalibration}
	sigma, freedom := DefaultSpread, 0
	if own != nil && own.model.freedom > 0 {
		sigma, freedom, p.Computed = own.model.sigma, own.model.freedom, true
	}
	on := &engine{name: c.Engine, pauses: c.Pauses / float64(c.Removed), ask: load{removed: float64(e.Production.Removable)}}
	work := c.work() / float64(c.Removed) * on.ask.removed
	// Of one run the next differs by the noise of both.
	deviation := quantile(freedom) * sigma * math.Sqrt2
	pauses := on.pauses * on.ask.removed
	end := func(factor float64) Seconds { return Seconds(work*factor + pauses) }
	p.Middle = end(1)
	p.Like = Interval{end(math.Exp(-deviation)), end(math.Exp(deviation))}
	p.Reckon = Interval{end(math.Exp(-deviation) / p.Allowance.Faster), end(math.Exp(deviation) * p.Allowance.Slower)}
	if own != nil {
		if share, ok := own.purge(); ok {
			p.Purge = Seconds(share * work)
		}
	}
	p.Assumptions = calibrationSentences(c, p.Computed)
	return p
}

// atStart is what there was on production when the calibration began, and what there is
// now if its document does not say: where a row gets dearer with the size, the two
// machines are compared at that size and not at another.
func (c *Calibration) atStart(now load) load {
	if c.Left.Rows == 0 {
		return now
	}
	then := c.Left.load()
	then.removed += float64(c.Removed)
	if !now.whole {
		return then.ofRemoved()
	}
	return then
}

// byOther predicts an engine that did not run on production, by how long another
// one took there and here.
func byOther(one, own *engine, c *Calibration) Prediction {
	then := c.atStart(own.ask)
	here := own.model.seconds(then) / then.removed
	there := c.work() / float64(c.Removed)
	speed := here / there
	p := Prediction{Engine: one.name, Runs: len(one.runs), Basis: OnOther, Allowance: ForKnownSpeed, Computed: one.model.freedom > 0 && own.model.freedom > 0}
	p.Assumptions = append(one.sentences(), fmt.Sprintf("production was %s times as fast as the test's machine with %s, and is taken to be so with this engine too", factorText(speed), c.Engine))
	// Both the run to come and the comparison of the machines are uncertain.
	deviation := math.Hypot(one.model.deviation(one.ask), own.model.deviation(then))
	one.fill(&p, one.model.seconds(one.ask), deviation, Ratio{speed, speed})
	return p
}
