package page

import (
	"math"
	"strconv"
	"strings"

	"github.com/aclements/go-moremath/scale"

	"github.com/tokensweep/tokensweep/bench"
)

// px is a coordinate in an SVG.
type px float64

func (p px) String() string {
	return strconv.FormatFloat(math.Round(float64(p)*10)/10, 'f', -1, 64)
}

// shape is one element of an SVG; Kind says which, and which fields count.
type shape struct {
	Kind       string // line, path, rect, dot, text
	Class      string
	X, Y, W, H px     // of a line, W and H are the other end
	D          string // of a path
	Text       string
	Anchor     string // of a text: start, middle, end
	Title      string // shown when the pointer rests on it, "" for none
}

// drawing is one SVG.
type drawing struct {
	ID          string // unique on the page
	Class       string // wide or narrow
	W, H        px
	Title, Desc string
	Shapes      []shape
}

// The widths in which each plot is drawn: text in an SVG shrinks with it, so a
// phone gets its own.
const (
	wide   = 760.0
	narrow = 350.0
)

// Safe widths of a character of the plots' text, and of its bold text.
const (
	perCharacter = 7.0
	perBold      = 8.2
)

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	d.Shapes = append(d.Shapes, shape{Kind: "line", Class: class, X: px(x1), Y: px(y1), W: px(x2), H: px(y2)})
}

func (d *drawing) rect(class string, x, y, w, h float64, title string) {
	d.Shapes = append(d.Shapes, shape{Kind: "rect", Class: class, X: px(x), Y: px(y), W: px(w), H: px(h), Title: title})
}

func (d *drawing) dot(class string, x, y, r float64, title string) {
	d.Shapes = append(d.Shapes, shape{Kind: "dot", Class: class, X: px(x), Y: px(y), W: px(r), Title: title})
}

func (d *drawing) text(class string, x, y float64, anchor, text string) {
	d.Shapes = append(d.Shapes, shape{Kind: "text", Class: class, X: px(x), Y: px(y), Anchor: anchor, Text: text})
}

// label writes bold text cut to the given width, with all of it for the pointer.
func (d *drawing) label(class string, x, y, room float64, text string) {
	s := shape{Kind: "text", Class: class, X: px(x), Y: px(y), Anchor: "start", Text: text}
	if runes, fit := []rune(text), int(room/perBold); len(runes) > fit {
		s.Text, s.Title = string(runes[:max(fit-1, 1)])+"…", text
	}
	d.Shapes = append(d.Shapes, s)
}

func (d *drawing) path(class, title string, xs, ys []float64) {
	var b strings.Builder
	for i := range xs {
		b.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
		b.WriteString(px(xs[i]).String() + " " + px(ys[i]).String())
	}
	d.Shapes = append(d.Shapes, shape{Kind: "path", Class: class, D: b.String(), Title: title})
}

// axis maps values to a range of pixels.
type axis struct {
	from, to float64 // pixels
	scale    scale.Quantitative
	ticks    []float64
}

func (a axis) at(v float64) float64 { return a.from + (a.to-a.from)*a.scale.Map(v) }

// linear is an axis from 0 to a round number, at least the given one.
func linear(most, from, to float64, ticks int) axis {
	a := upTo(most, from, to, ticks)
	a.top(math.Ceil(most/a.step()-1e-9) * a.step())
	return a
}

// upTo is an axis from 0 to exactly the given value.
func upTo(most, from, to float64, ticks int) axis {
	if !(most > 0) {
		most = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most/float64(ticks))))
	for _, times := range []float64{1, 2, 5, 10} {
		if most/(step*times) <= float64(ticks) {
			step *= times
			break
		}
	}
	a := axis{from: from, to: to, ticks: []float64{0, step}}
	a.top(most)
	return a
}

func (a *axis) step() float64 { return a.ticks[1] }

// top sets the end of a linear axis and its ticks.
func (a *axis) top(most float64) {
	step := a.step()
	a.scale = &scale.Linear{Min: 0, Max: max(most, step/1e6)}
	a.ticks = []float64{0}
	for i := 1.0; i*step <= most*(1+1e-9) || i == 1; i++ {
		a.ticks = append(a.ticks, i*step)
	}
}

// logarithmic is an axis between two values above 0, with ticks at 1, 2 and 5 of
// each power of ten, or at the powers alone where that would be too many.
func logarithmic(least, most, from, to float64, ticks int) axis {
	if most <= least {
		least, most = least/2, most*2
	}
	s, err := scale.NewLog(least, most, 10)
	if err != nil { // unreachable: both are above 0
		return linear(most, from, to, ticks)
	}
	a := axis{from: from, to: to, scale: &s}
	for _, steps := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		a.ticks = nil
		for power := math.Floor(math.Log10(least)); power <= math.Ceil(math.Log10(most)); power++ {
			for _, step := range steps {
				if v := step * math.Pow(10, power); v >= least*0.999 && v <= most*1.001 {
					a.ticks = append(a.ticks, v)
				}
			}
		}
		if len(a.ticks) <= ticks {
			break
		}
	}
	return a
}

// tickLabel is a value in few characters.
func tickLabel(u bench.Unit, v float64) string {
	if u == bench.Seconds || u == bench.Bytes {
		return u.Format(v)
	}
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + "M"
	case v >= 1e3:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + "k"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// bucketed thins points out to at most n, each the mean or the greatest of those
// that it stands for.
func bucketed(points []bench.Point, n int, greatest bool) []bench.Point {
	if len(points) <= n {
		return points
	}
	thin := make([]bench.Point, 0, n)
	for i := range n {
		some := points[i*len(points)/n : (i+1)*len(points)/n]
		p := bench.Point{At: some[len(some)-1].At}
		for _, q := range some {
			if greatest {
				p.Value = max(p.Value, q.Value)
			} else {
				p.Value += q.Value / float64(len(some))
			}
		}
		thin = append(thin, p)
	}
	return thin
}
