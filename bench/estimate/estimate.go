package estimate

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/tokensweep/tokensweep/bench"
)

// SchemaVersion is the version of Estimate.
const SchemaVersion = 1

// What intervals are made of. README.md argues each number.
const (
	// Confidence of the first interval.
	Confidence = 0.95
	// RunsNeeded is the number of runs from which their spread is computed.
	RunsNeeded = 3
	// DefaultSpread stands for the standard deviation of ln seconds between runs
	// where there are too few to compute it.
	DefaultSpread = 0.15
	// PerDecade is by how much a row may cost more at ten times the rows, where
	// that was not measured.
	PerDecade = 1.3
	// Dearest is how many times what a row of one kind costs a rebuild, removed or
	// kept, one of the other kind may cost, where that was not measured.
	Dearest = 20
)

// Allowance is what the second interval adds for what was not measured: the first
// one's ends are divided by Faster and multiplied by Slower.
type Allowance struct {
	Faster float64 `json:"faster"`
	Slower float64 `json:"slower"`
}

// The allowances, by what is known of production.
var (
	ForAnyMachine  = Allowance{2, 4}      // nothing
	ForKnownSpeed  = Allowance{1.25, 2}   // how fast its machine is
	ForCalibration = Allowance{1.25, 1.5} // how fast this engine is there
)

// Ratio is how fast production is by the machine of the test: 0.5 is half as fast.
// The zero value says that it is not known.
type Ratio struct{ Low, High float64 }

func (r Ratio) check() error {
	if r != (Ratio{}) && !(r.Low > 0 && r.Low <= r.High && r.High <= 1000) {
		return &bench.OptionError{Problem: fmt.Sprintf("a speed ratio of %v to %v: use more than 0, the lower first, such as 0.5-1", r.Low, r.High)}
	}
	return nil
}

// Options are what else is known of production. At most one of the two.
type Options struct {
	Calibration *Calibration
	Ratio       Ratio
}

// What a prediction rests on.
const (
	OnTest        = "test"        // runs elsewhere, and nothing of production
	OnRatio       = "ratio"       // runs elsewhere, and a ratio that somebody gave
	OnOther       = "other"       // runs elsewhere, and a ratio measured with another engine
	OnCalibration = "calibration" // this engine on production itself
)

// Prediction is how long an engine will take.
type Prediction struct {
	Engine string  `json:"engine"`
	Runs   int     `json:"runs"`
	Basis  string  `json:"basis"` // OnTest and so on
	Middle Seconds `json:"middle"`
	// Like holds the duration with Confidence if production is as the basis says.
	Like     Interval `json:"like"`
	Computed bool     `json:"computed"` // Like is from the spread of runs, not from DefaultSpread
	// Reckon is Like with the allowance, and with what one composition and one size
	// leave open.
	Reckon    Interval  `json:"reckon"`
	Allowance Allowance `json:"allowance"`
	// Purge is for how long the server goes on purging what was deleted; 0 if that
	// was not measured.
	Purge       Seconds  `json:"purge,omitempty"`
	Assumptions []string `json:"assumptions"`
}

// Seconds is a duration. In JSON and in text it has two significant digits.
type Seconds float64

// Interval is a range of durations. In JSON and in text its ends have two
// significant digits and are rounded outwards.
type Interval struct {
	Low  Seconds `json:"low"`
	High Seconds `json:"high"`
}

// Estimate is the durations that are to be expected.
type Estimate struct {
	SchemaVersion int          `json:"schema_version"` // 1
	Tool          string       `json:"tool"`           // "tokensweep" and its version
	Confidence    float64      `json:"confidence"`
	Production    Production   `json:"production"`
	Engines       []Prediction `json:"engines"`
	LeftOut       []LeftOut    `json:"left_out,omitempty"`
	Next          []string     `json:"next"` // what would make it better
	ratio         Ratio
}

// New predicts for each engine of the runs, and for that of the calibration. A nil
// waiting is what the calibration left. What is wrong with the input is a
// [*bench.OptionError].
func New(runs []Run, waiting *Production, o Options) (*Estimate, error) {
	p, err := check(runs, waiting, o)
	if err != nil {
		return nil, err
	}
	e := &Estimate{SchemaVersion: SchemaVersion, Confidence: Confidence, Production: p, ratio: o.Ratio}
	by := map[string]*engine{}
	var names []string
	for _, r := range runs {
		if by[r.Engine] == nil {
			by[r.Engine] = &engine{name: r.Engine}
			names = append(names, r.Engine)
		}
		by[r.Engine].runs = append(by[r.Engine].runs, r)
	}
	for _, one := range by {
		one.prepare(p)
	}
	if o.Calibration != nil {
		e.calibrated(by, names, o.Calibration)
	} else {
		for _, name := range names {
			e.Engines = append(e.Engines, by[name].predict(o.Ratio))
		}
	}
	e.next(runs, by, o)
	return e, nil
}

// check refuses what cannot be put together, and says what waits to be cleaned.
func check(runs []Run, waiting *Production, o Options) (p Production, err error) {
	refuse := func(problem string) (Production, error) { return p, &bench.OptionError{Problem: problem} }
	switch {
	case len(runs) == 0 && o.Calibration == nil:
		return refuse("there is no run to predict from: name what run or validate --json wrote, or a record of bench, or a calibration")
	case waiting == nil && o.Calibration == nil:
		return refuse("how much waits on production is not known: name what clean --dry-run --json counted there, or its rows and removable rows")
	case waiting == nil && o.Calibration.Left.Removable == 0:
		return refuse(o.Calibration.File + " left nothing to remove, or does not say what: give the rows of production too")
	case o.Calibration != nil && o.Ratio != (Ratio{}):
		return refuse("the calibration measured how fast production is: leave the speed ratio out")
	}
	if waiting == nil {
		waiting = &o.Calibration.Left
	}
	if err := waiting.check(); err != nil {
		return p, err
	}
	if err := o.Ratio.check(); err != nil {
		return p, err
	}
	return *waiting, sameTask(runs, *waiting, o.Calibration)
}

// sameTask refuses runs of different databases, policies or audit settings.
func sameTask(runs []Run, p Production, c *Calibration) error {
	type one struct {
		file string
		task Task
	}
	var all []one
	if p.Task != nil {
		all = append(all, one{p.File, *p.Task})
	}
	if c != nil {
		all = append(all, one{c.File, c.Task})
	}
	for _, r := range runs {
		all = append(all, one{r.File, r.Task})
	}
	for _, other := range all {
		if other.task != all[0].task {
			return &bench.OptionError{Problem: fmt.Sprintf("%s is about %s, and %s about %s: like is predicted from like only; measure with the database, policy and audit of production",
				all[0].file, all[0].task, other.file, other.task)}
		}
	}
	return nil
}

// engine is the runs of one engine, and what they say.
type engine struct {
	name   string
	runs   []Run
	model  *model
	ask    load    // of production
	pauses float64 // seconds a removed row
}

// prepare fits the model. Where one run does not know how many rows it left, none
// of them is asked.
func (e *engine) prepare(p Production) {
	e.ask = p.load()
	var all []observation
	var slept, removed float64
	for _, r := range e.runs {
		all = append(all, observation{load{float64(r.Removed), float64(r.Rows - r.Removed), r.Rows > 0}, r.work()})
		e.ask.whole = e.ask.whole && r.Rows > 0
		slept, removed = slept+r.Pauses, removed+float64(r.Removed)
	}
	e.pauses = slept / removed
	if !e.ask.whole {
		e.ask = e.ask.ofRemoved()
		for i := range all {
			all[i].load = all[i].ofRemoved()
		}
	}
	e.model = fit(all, e.base())
}

// base is the rows that one speed counts: those removed, and for an engine that
// copies what stays, all.
func (e *engine) base() func(load) float64 {
	if e.name == "rebuild" {
		return load.rows
	}
	return func(l load) float64 { return l.removed }
}

// predict predicts from the runs, on a machine as fast as theirs or by a ratio.
func (e *engine) predict(ratio Ratio) Prediction {
	p := Prediction{Engine: e.name, Runs: len(e.runs), Basis: OnTest, Allowance: ForAnyMachine, Computed: e.model.freedom > 0}
	if ratio == (Ratio{}) {
		ratio = Ratio{1, 1}
	} else {
		p.Basis, p.Allowance = OnRatio, ForKnownSpeed
	}
	p.Assumptions = e.sentences()
	e.fill(&p, e.model.seconds(e.ask), e.model.deviation(e.ask), ratio)
	return p
}

// fill computes the numbers from the seconds of work on the test's machine, their
// deviation in logarithms, and how fast production is by that.
func (e *engine) fill(p *Prediction, work, deviation float64, ratio Ratio) {
	pauses := e.pauses * e.ask.removed
	end := func(factor float64) Seconds { return Seconds(work*factor + pauses) }
	p.Middle = end(1 / math.Sqrt(ratio.Low*ratio.High))
	low, high := math.Exp(-deviation)/ratio.High, math.Exp(deviation)/ratio.Low
	p.Like = Interval{end(low), end(high)}
	least, most := e.open()
	p.Reckon = Interval{end(low * least / p.Allowance.Faster), end(high * most * p.Allowance.Slower)}
	if purge, ok := e.purge(); ok {
		p.Purge = Seconds(purge * work / math.Sqrt(ratio.Low*ratio.High))
	}
}

// open is by which factors the work may be less or more because the runs had all
// the same composition, or were smaller than production.
func (e *engine) open() (least, most float64) {
	least, most = e.composition()
	if e.model.kind != growing {
		most *= math.Pow(PerDecade, max(0, math.Log10(e.ask.rows()/e.largest())))
	}
	return least, most
}

// composition is by which factors the work may be less or more, if a kept row
// costs anything from nothing to as much as a removed one. For an engine that copies
// what stays, either may cost up to Dearest times the other.
func (e *engine) composition() (least, most float64) {
	if e.model.kind == mixed || !e.ask.whole {
		return 1, 1
	}
	var sum load
	for _, r := range e.runs {
		sum.removed, sum.kept = sum.removed+float64(r.Removed), sum.kept+float64(r.Rows-r.Removed)
	}
	scaled := e.base()(e.ask) / e.base()(sum)
	at := func(removed, kept float64) float64 {
		return e.ask.cost(removed, kept) / sum.cost(removed, kept) / scaled
	}
	ends := []float64{at(1, 0), at(1, 1)}
	if e.name == "rebuild" {
		ends = []float64{at(Dearest, 1), 1, at(1, Dearest)}
	}
	return slices.Min(ends), slices.Max(ends)
}

func (e *engine) smallest() float64 {
	least := math.Inf(1)
	for _, r := range e.runs {
		least = min(least, e.size(r))
	}
	return least
}

func (e *engine) largest() float64 {
	var most float64
	for _, r := range e.runs {
		most = max(most, e.size(r))
	}
	return most
}

// size is the rows of a run, or those that it removed where not all know theirs.
func (e *engine) size(r Run) float64 {
	if e.ask.whole {
		return float64(r.Rows)
	}
	return float64(r.Removed)
}

// purge is the time of purging by that of the work, the mean of all runs; ok is
// false if one of them did not measure it.
func (e *engine) purge() (share float64, ok bool) {
	for _, r := range e.runs {
		if r.Settled == 0 {
			return 0, false
		}
		share += (r.Settled - r.Seconds) / r.work() / float64(len(e.runs))
	}
	return share, len(e.runs) > 0
}

// round2 rounds to two significant digits; toward is math.Floor, Round or Ceil.
func round2(v float64, toward func(float64) float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return v
	}
	digit := math.Pow(10, 1-math.Floor(math.Log10(v)))
	r := toward(math.Round(v*digit*1e6)/1e6) / digit
	text, _ := strconv.ParseFloat(strconv.FormatFloat(r, 'g', 6, 64), 64)
	return text
}

// MarshalJSON writes two significant digits.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(round2(float64(s), math.Round)) }

// MarshalJSON writes two significant digits, rounded outwards.
func (i Interval) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Low  float64 `json:"low"`
		High float64 `json:"high"`
	}{round2(float64(i.Low), math.Floor), round2(float64(i.High), math.Ceil)})
}

// WriteJSON writes the estimate, indented.
func (e *Estimate) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(e); err != nil {
		return fmt.Errorf("writing the estimate as JSON: %w", err)
	}
	return nil
}
