// Package benchtest makes up records of benchmarks, for tests of what reads them.
// Nothing in them was measured.
package benchtest

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/report"
)

// Engine is a made-up engine.
type Engine struct {
	Name  string
	Rate  float64 // rows/s, the centre
	Noise float64 // standard deviation of the rate and of all else that is measured, as a share of it
	Batch int     // rows of a transaction; 0 for an engine without batches
	// Wrong are the rounds after which the verification failed.
	Wrong []int
}

// Spec says what to make up.
type Spec struct {
	Seed    uint64 // the same seed makes the same record
	Tool    string
	Started time.Time
	Rounds  int
	Engines []Engine
	Series  bool // with series over time
	// Change alters the fingerprint, may be nil.
	Change func(*bench.Fingerprint)
}

// Fingerprint is one of a small machine with MySQL.
func Fingerprint() bench.Fingerprint {
	return bench.Fingerprint{
		Machine: bench.Machine{CPU: "Example Processor 3.0 GHz", Cores: 2, Memory: 8 << 30, Kernel: "linux 6.1.0"},
		Server: bench.Server{Product: "MySQL", Version: "9.7.1", Via: "container",
			Settings: map[string]string{"innodb_buffer_pool_size": "2147483648", "innodb_flush_log_at_trx_commit": "1", "sql_mode": ""}},
		Data:  bench.Data{Source: "seed", Release: "apim-4.5.0", Seed: 1, Tokens: 500_000, Mix: "mostly-dead", Removable: 0.91},
		Task:  bench.Task{Policy: "documented", Audit: true},
		Tools: map[string]string{"go": "go1.26.8", "seed generator": "3"},
	}
}

// Record makes up a record. It panics if the specification makes none.
func Record(s Spec) *bench.Record {
	f := Fingerprint()
	if s.Change != nil {
		s.Change(&f)
	}
	r, err := bench.NewRecord(s.Tool, f)
	if err != nil {
		panic(err)
	}
	random := rand.New(rand.NewPCG(s.Seed, 7))
	at := s.Started
	for round := 1; round <= s.Rounds; round++ {
		for _, e := range s.Engines {
			sample, took := e.sample(random, f, round, at, s.Series)
			if err := r.Add(sample); err != nil {
				panic(err)
			}
			at = at.Add(took + 20*time.Second)
		}
	}
	return r
}

func (e Engine) sample(random *rand.Rand, f bench.Fingerprint, round int, at time.Time, series bool) (*bench.Sample, time.Duration) {
	run := bench.Run{Engine: e.Name, Round: round, Started: at, Verdict: report.Pass}
	rows := int64(f.Data.Removable * float64(f.Data.Tokens))
	noisy := func(x float64) float64 { return x * math.Max(0.05, 1+e.Noise*random.NormFloat64()) }
	rate := noisy(e.Rate)
	took := time.Duration(float64(rows) / rate * 1e9)
	for _, wrong := range e.Wrong {
		if wrong == round {
			run.Verdict, run.Notes = report.Fail, []string{"WRONGLY_REMOVED: 3 rows of IDN_OAUTH2_ACCESS_TOKEN"}
			s, err := bench.NewSample(run, nil)
			if err != nil {
				panic(err)
			}
			return s, took
		}
	}
	metrics := []bench.Metric{
		bench.Rate("clean", rows, took), bench.Rate("seed", f.Data.Tokens, time.Duration(noisy(14e9))),
		bench.Took("client-cpu", time.Duration(noisy(took.Seconds()*0.2)*1e9)), bench.Took("server-cpu", time.Duration(noisy(took.Seconds()*1.1)*1e9)),
		bench.Size("client-peak", int64(noisy(90<<20))), bench.Size("server-peak", int64(noisy(2600<<20))), bench.Size("redo", int64(noisy(1400)*float64(rows))),
		bench.Counted("lock-waits", int64(noisy(12))), bench.Work("removed", rows),
	}
	var all []bench.Series
	if e.Batch > 0 {
		batches := (rows + int64(e.Batch) - 1) / int64(e.Batch)
		times := e.batchTimes(random, int(batches), took)
		metrics = append(metrics, bench.Cost("statements", 4*batches+9), bench.Cost("round-trips", 5*batches+12), bench.Cost("batches", batches))
		metrics = append(metrics, bench.BatchTimes(times)...)
		all = append(all, batchSeries(times))
	} else {
		metrics = append(metrics, bench.Cost("statements", 41), bench.Cost("round-trips", 44))
	}
	if series {
		all = append(all, e.throughput(random, rate, took))
		all = append(all, latency(random, e, took)...)
	} else {
		all = nil
	}
	s, err := bench.NewSample(run, metrics, all...)
	if err != nil {
		panic(err)
	}
	return s, took
}

// batchTimes are skewed, with a flush now and then, and add up to the whole.
func (e Engine) batchTimes(random *rand.Rand, n int, took time.Duration) []time.Duration {
	weights, sum := make([]float64, n), 0.0
	for i := range weights {
		weights[i] = math.Exp(0.18 * random.NormFloat64())
		if random.IntN(60) == 0 {
			weights[i] *= 2 + random.Float64()
		}
		sum += weights[i]
	}
	times := make([]time.Duration, n)
	for i, w := range weights {
		times[i] = time.Duration(float64(took) * w / sum)
	}
	return times
}

func batchSeries(times []time.Duration) bench.Series {
	s := bench.Series{Name: bench.BatchTime, Unit: bench.Seconds}
	var at time.Duration
	for _, t := range times {
		at += t
		s.Points = append(s.Points, bench.Point{At: at.Seconds(), Value: t.Seconds()})
	}
	return s
}

func (e Engine) throughput(random *rand.Rand, rate float64, took time.Duration) bench.Series {
	s := bench.Series{Name: bench.Throughput, Unit: bench.RowRate}
	const step = 0.5
	for at := step; at <= took.Seconds(); at += step {
		v := rate * (1 + 0.06*random.NormFloat64() + 0.05*math.Sin(at/3))
		if random.IntN(25) == 0 {
			v *= 0.55
		}
		s.Points = append(s.Points, bench.Point{At: at, Value: math.Max(v, 0)})
	}
	return s
}

func latency(random *rand.Rand, e Engine, took time.Duration) []bench.Series {
	names := []string{bench.LatencyP50, bench.LatencyP99, bench.LatencyMax}
	base := []float64{0.0016, 0.02, 0.045}
	all := make([]bench.Series, len(names))
	for i, name := range names {
		all[i] = bench.Series{Name: name, Unit: bench.Seconds}
		heavy := 1 + float64(e.Batch)/2500*float64(i)
		for at := 1.0; at <= took.Seconds(); at++ {
			all[i].Points = append(all[i].Points, bench.Point{At: at, Value: base[i] * heavy * math.Exp(0.25*random.NormFloat64())})
		}
	}
	return all
}
