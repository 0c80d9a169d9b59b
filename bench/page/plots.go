package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/bench"
)

// Sizes in the plots, in pixels.
const (
	leftMargin   = 46.0
	rightMargin  = 12.0
	bottomMargin = 34.0
)

// both draws a plot for a wide and for a narrow page.
func both(id string, draw func(d *drawing, width float64)) []*drawing {
	wideOne, narrowOne := &drawing{ID: id + "-wide", Class: "wide", W: wide}, &drawing{ID: id + "-narrow", Class: "narrow", W: narrow}
	draw(wideOne, wide)
	draw(narrowOne, narrow)
	return []*drawing{wideOne, narrowOne}
}

func few(width float64, onWide, onNarrow int) int {
	if width == narrow {
		return onNarrow
	}
	return onWide
}

// enginesPlot shows the speed of each engine: a bar to the median, its interval,
// and a dot for each sample.
func enginesPlot(id string, engines []*engine) []*drawing {
	most := 0.0
	for _, e := range engines {
		most = max(most, e.Rate.Hi)
	}
	return both(id, func(d *drawing, width float64) {
		const row = 58.0
		x := linear(most, 0, width-1, few(width, 8, 5))
		bottom := row * float64(len(engines))
		d.H = px(bottom + 20)
		d.Title = "Speed of each engine in rows a second"
		d.Desc = "The numbers are in the table below."
		for _, tick := range x.ticks {
			d.line("grid", x.at(tick), 6, x.at(tick), bottom)
			anchor := "middle"
			if tick == 0 {
				anchor = "start"
			} else if x.at(tick) > width-16 {
				anchor = "end"
			}
			d.text("tick", x.at(tick), bottom+16, anchor, tickLabel(bench.RowRate, tick))
		}
		for i, e := range engines {
			engineBar(d, e, x, row*float64(i), width)
		}
	})
}

func engineBar(d *drawing, e *engine, x axis, top, width float64) {
	value := bench.RowRate.Format(e.Rate.Median)
	if e.Ratio.N > 0 && !e.Yardstick {
		value += " · " + times(e.Ratio.Median)
	}
	d.label("name halo", 1, top+18, width-perCharacter*float64(len([]rune(value))+2), e.Name)
	d.text("value halo", width-1, top+18, "end", value)
	bar, height := top+25, 18.0
	d.rect("fill "+e.Class, 0, bar, max(x.at(e.Rate.Median), 1), height, e.Name+": "+value)
	if e.Rate.N > 1 {
		mid := bar + height/2
		d.line("whisker", x.at(e.Rate.Lo), mid, x.at(e.Rate.Hi), mid)
		d.line("whisker", x.at(e.Rate.Lo), mid-5, x.at(e.Rate.Lo), mid+5)
		d.line("whisker", x.at(e.Rate.Hi), mid-5, x.at(e.Rate.Hi), mid+5)
	}
	for _, v := range e.Rate.Values {
		d.dot("sample", x.at(v), bar+height+4, 2.2, bench.RowRate.Format(v))
	}
}

// frame draws the axes of a plot over time, the times themselves if wanted, and
// returns the axis of time.
func frame(d *drawing, width, height float64, xMost float64, y axis, unit bench.Unit, times bool) axis {
	x := upTo(xMost, leftMargin, width-rightMargin, few(width, 9, 5))
	for _, tick := range y.ticks {
		d.line("grid", leftMargin, y.at(tick), width-rightMargin, y.at(tick))
		d.text("tick", leftMargin-6, y.at(tick)+4, "end", tickLabel(unit, tick))
	}
	d.line("mark", leftMargin, height, width-rightMargin, height)
	for _, tick := range x.ticks {
		d.line("mark", x.at(tick), height, x.at(tick), height+4)
		if times {
			d.text("tick", x.at(tick), height+17, "middle", bench.Seconds.Format(tick))
		}
	}
	return x
}

// rates is the vertical axis for speeds, with its title. Engines that are far
// apart would press each other flat on a linear one.
func rates(slowest, fastest, most, height float64) (axis, string) {
	if slowest > 0 && fastest > 4*slowest {
		return logarithmic(slowest/3, most*1.05, height, 22, 8), "rows a second, logarithmic"
	}
	return linear(most, height, 22, 6), "rows a second"
}

// throughputPlot shows the speed over time: of each engine the round of median
// speed, and the others faintly behind it.
func throughputPlot(id string, engines []*engine) []*drawing {
	longest, most := 0.0, 0.0
	slowest, fastest := math.Inf(1), 0.0
	for _, e := range engines {
		for _, s := range e.samples {
			for _, p := range bucketed(s.Points(bench.Throughput), 240, false) {
				longest, most = max(longest, p.At), max(most, p.Value)
			}
		}
		slowest, fastest = min(slowest, e.Rate.Median), max(fastest, e.Rate.Median)
	}
	if longest == 0 {
		return nil
	}
	return both(id, func(d *drawing, width float64) {
		height := 300.0
		d.H = px(height + bottomMargin)
		d.Title, d.Desc = "Speed over time", "One line for each engine, from the beginning of its clean-up to the end; a summary is in the table below."
		y, title := rates(slowest, fastest, most, height)
		d.text("tick", 0, 12, "start", title)
		x := frame(d, width, height, longest, y, bench.RowRate, true)
		d.text("tick", width-rightMargin, height+32, "end", "since the clean-up began")
		curve := func(class, title string, s *bench.Sample) {
			var xs, ys []float64
			for _, p := range bucketed(s.Points(bench.Throughput), int(width/3), false) {
				xs, ys = append(xs, x.at(p.At)), append(ys, min(y.at(max(p.Value, slowest/1e3)), height))
			}
			d.path(class, title, xs, ys)
			if len(xs) > 0 && !strings.Contains(class, "faint") {
				d.dot("end "+strings.TrimPrefix(class, "curve "), xs[len(xs)-1], ys[len(ys)-1], 3.5, title+", the end")
			}
		}
		for _, e := range engines {
			for _, s := range e.samples {
				if s != e.typical {
					curve("curve faint "+e.Class, "", s)
				}
			}
		}
		for _, e := range engines {
			if e.typical != nil {
				curve("curve "+e.Class, e.Name, e.typical)
			}
		}
	})
}

// batchPlot shows how long batches took: a histogram for each engine over one
// logarithmic axis.
func batchPlot(id string, engines []*engine) []*drawing {
	least, most := math.Inf(1), 0.0
	for _, e := range engines {
		for _, v := range e.batches {
			if v > 0 {
				least, most = min(least, v), max(most, v)
			}
		}
	}
	if most == 0 {
		return nil
	}
	return both(id, func(d *drawing, width float64) {
		d.Title, d.Desc = "Distribution of batch times", "A histogram for each engine over the same logarithmic axis; p50, p99 and the longest are in the table below."
		x := logarithmic(least/1.05, most*1.05, 4, width-rightMargin, few(width, 12, 6))
		row, bars := 104.0, 56.0
		withBatches := slices.DeleteFunc(slices.Clone(engines), func(e *engine) bool { return len(e.batches) == 0 })
		bottom := row * float64(len(withBatches))
		d.H = px(bottom + 20)
		for _, tick := range x.ticks {
			d.line("grid", x.at(tick), 8, x.at(tick), bottom)
			d.text("tick", x.at(tick), bottom+16, "middle", bench.Seconds.Format(tick))
		}
		for i, e := range withBatches {
			histogram(d, e, x, row*float64(i), bars, width)
		}
	})
}

func histogram(d *drawing, e *engine, x axis, top, height, width float64) {
	base := top + 38 + height
	d.label("name halo", 1, top+16, width-10, e.Name)
	d.text("value halo", 1, top+32, "start", fmt.Sprintf("p50 %s · p99 %s · max %s", bench.Seconds.Format(quantile(e.batches, 0.5)), bench.Seconds.Format(quantile(e.batches, 0.99)), bench.Seconds.Format(quantile(e.batches, 1))))
	bins := few(width, 76, 38)
	counts := make([]int, bins)
	highest := 0
	for _, v := range e.batches {
		if v <= 0 {
			continue
		}
		bin := min(int(x.scale.Map(v)*float64(bins)), bins-1)
		counts[bin]++
		highest = max(highest, counts[bin])
	}
	step := (x.to - x.from) / float64(bins)
	for bin, n := range counts {
		if n > 0 {
			tall := max(height*float64(n)/float64(highest), 1.5)
			d.rect("fill "+e.Class, x.from+step*float64(bin)+0.5, base-tall, step-1, tall, fmt.Sprintf("%d of %d batches", n, len(e.batches)))
		}
	}
	d.line("mark", x.from, base, x.to, base)
	for _, q := range []float64{0.5, 0.99} {
		at := x.at(quantile(e.batches, q))
		d.line(map[bool]string{true: "quantile", false: "quantile dashed"}[q == 0.5], at, base-height, at, base+4)
	}
}

// The percentiles of the latency plot, the worst first.
var latencies = []struct{ series, name, class string }{
	{bench.LatencyMax, "max", "l-max"}, {bench.LatencyP999, "p99.9", "l-999"}, {bench.LatencyP99, "p99", "l-99"}, {bench.LatencyP50, "p50", "l-50"},
}

// latencyPlot shows what others felt while each engine ran: a panel an engine,
// with the same axes.
func latencyPlot(id string, engines []*engine) []*drawing {
	longest, least, most := 0.0, math.Inf(1), 0.0
	var shown []*engine
	for _, e := range engines {
		if e.typical == nil || !e.hasLatency() {
			continue
		}
		shown = append(shown, e)
		for _, l := range latencies {
			for _, p := range e.typical.Points(l.series) {
				longest = max(longest, p.At)
				if p.Value > 0 {
					least, most = min(least, p.Value), max(most, p.Value)
				}
			}
		}
	}
	if most == 0 {
		return nil
	}
	return both(id, func(d *drawing, width float64) {
		d.Title, d.Desc = "Latency of others during the clean-up", "A panel for each engine with the same logarithmic axis; the worst and the middle values are in the table below."
		const row, panel = 166.0, 120.0
		bottom := row * float64(len(shown))
		d.H = px(bottom + 22)
		for i, e := range shown {
			top := row * float64(i)
			d.label("name", 1, top+18, width-10, e.Name)
			y := logarithmic(least/1.1, most*1.1, top+30+panel, top+30, 6)
			x := frame(d, width, top+30+panel, longest, y, bench.Seconds, i == len(shown)-1)
			for _, l := range latencies {
				var xs, ys []float64
				for _, p := range bucketed(e.typical.Points(l.series), int(width/3), true) {
					xs, ys = append(xs, x.at(p.At)), append(ys, y.at(max(p.Value, least)))
				}
				if len(xs) > 0 {
					d.path("curve "+l.class, e.Name+", "+l.name, xs, ys)
				}
			}
		}
		d.text("tick", width-rightMargin, bottom+16, "end", "since the clean-up began")
	})
}

// trendPlot shows the speed of the engines over the stored records.
func trendPlot(id string, g *group) []*drawing {
	if len(g.records) < 2 {
		return nil
	}
	most, slowest, fastest := 0.0, math.Inf(1), 0.0
	for _, t := range g.Trend {
		for _, i := range t.Rates {
			if i.N > 0 {
				most, slowest, fastest = max(most, i.Hi), min(slowest, i.Lo), max(fastest, i.Lo)
			}
		}
	}
	return both(id, func(d *drawing, width float64) {
		height := 260.0
		d.H = px(height + bottomMargin + 14)
		d.Title, d.Desc = "Speed over the stored records", "The median of each engine with its interval, the oldest record first; the numbers are in the table below."
		y, title := rates(slowest, fastest, most, height)
		d.text("tick", 0, 12, "start", title)
		for _, tick := range y.ticks {
			d.line("grid", leftMargin, y.at(tick), width-rightMargin, y.at(tick))
			d.text("tick", leftMargin-6, y.at(tick)+4, "end", tickLabel(bench.RowRate, tick))
		}
		gap := (width - rightMargin - leftMargin) / float64(len(g.records))
		x := func(i int) float64 { return leftMargin + gap*(float64(i)+0.5) }
		every := int(math.Ceil(76 / gap))
		for i, r := range g.records {
			if (len(g.records)-1-i)%every == 0 {
				d.text("tick", x(i), height+17, "middle", r.Started().Format("2006-01-02"))
				d.text("tick", x(i), height+32, "middle", shortTool(r.Tool, int(gap*float64(every)/perCharacter)))
			}
		}
		for n, t := range g.Trend {
			trendLine(d, t, func(i int) float64 { return x(i) + 5*(float64(n)-float64(len(g.Trend)-1)/2) }, y)
		}
	})
}

func trendLine(d *drawing, t trend, x func(int) float64, y axis) {
	var xs, ys []float64
	for i, r := range t.Rates {
		if r.N > 0 {
			xs, ys = append(xs, x(i)), append(ys, y.at(r.Median))
			d.line("interval "+t.Class, x(i), y.at(r.Lo), x(i), y.at(r.Hi))
		}
	}
	d.path("curve "+t.Class, t.Engine, xs, ys)
	for i, r := range t.Rates {
		if r.N > 0 {
			d.dot("end "+t.Class, x(i), y.at(r.Median), 4, t.Engine+": "+r.Text(bench.RowRate))
		}
	}
}

// shortTool is the version of a tool in at most n characters.
func shortTool(tool string, n int) string {
	runes := []rune(strings.TrimPrefix(tool, "tokensweep "))
	if len(runes) > n {
		return string(runes[:max(n-1, 1)]) + "…"
	}
	return string(runes)
}

// quantile is the nearest rank of sorted values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[max(int(math.Ceil(q*float64(len(sorted)))), 1)-1]
}

func times(ratio float64) string { return fmt.Sprintf("%.2f ×", ratio) }
