package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tokensweep/tokensweep/dialect"
)

// Result is what the users of a phase felt.
type Result struct {
	Due   int64         // operations that the schedule asked for
	Done  int64         // that were done, failed ones included
	Rate  float64       // of Done, a second, until the last of them ended
	Took  time.Duration // of the schedule
	All   Latency
	Kinds [kinds]Latency // by Kind
	// Queued operations found no free connection when they were due. Left ones had
	// still none a minute after the phase; their latencies are what they had waited.
	Queued, Left int64
	// Failed operations, and the kinds of failure that a clean-up causes most.
	Failed, Deadlocks, LockTimeouts int64
	Errors                          []string // some of the others, each text once
	Slices                          []Slice
}

// Latency is how long operations took from the time at which they were due, with
// three significant digits. All zero: there were none.
type Latency struct {
	Count               int64
	P50, P99, P999, Max time.Duration
}

// Slice are the operations that became due in one second.
type Slice struct {
	End time.Duration // since the phase began; the last slice ends with it
	Latency
}

// sliceTime is the length of a slice.
const sliceTime = time.Second

// maxLatency is the longest that is told apart; longer ones count as it.
const maxLatency = 2 * time.Hour

// maxErrors is the number of texts in Result.Errors.
const maxErrors = 5

// recorder gathers a phase. Latencies are microseconds.
type recorder struct {
	mu      sync.Mutex
	all     *hdrhistogram.Histogram
	kinds   [kinds]*hdrhistogram.Histogram
	slices  [][]uint32 // by the second in which an operation was due
	result  Result
	lastEnd time.Duration
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency.Microseconds(), 3)
}

func newRecorder() *recorder {
	r := &recorder{all: newHistogram()}
	for k := range r.kinds {
		r.kinds[k] = newHistogram()
	}
	return r
}

// add records an operation that was due so long after the beginning, and what it took.
func (r *recorder) add(kind Kind, due, took time.Duration, queued bool, err error, d dialect.Dialect) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took(due, took)
	_ = r.kinds[kind].RecordValue(micros(took)) // within its range
	r.result.Done++
	r.lastEnd = max(r.lastEnd, due+took)
	if queued {
		r.result.Queued++
	}
	if err != nil {
		r.failure(kind, err, d)
	}
}

// leave records an operation that never began.
func (r *recorder) leave(due, waited time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took(due, waited)
	r.result.Left++
}

func (r *recorder) took(due, took time.Duration) {
	v := micros(took)
	_ = r.all.RecordValue(v) // within its range
	n := int(due / sliceTime)
	for len(r.slices) <= n {
		r.slices = append(r.slices, nil)
	}
	r.slices[n] = append(r.slices[n], uint32(min(v, math.MaxUint32)))
}

func micros(d time.Duration) int64 { return min(max(d, time.Microsecond), maxLatency).Microseconds() }

func (r *recorder) failure(kind Kind, err error, d dialect.Dialect) {
	r.result.Failed++
	switch d.Classify(err) {
	case dialect.Deadlock:
		r.result.Deadlocks++
		return
	case dialect.LockTimeout:
		r.result.LockTimeouts++
		return
	}
	text := err.Error()
	if u := (uncertain{}); errors.As(err, &u) {
		text += " (whether it was done is not known)"
	}
	text = fmt.Sprintf("%s: %s", kind, text)
	if !slices.Contains(r.result.Errors, text) && len(r.result.Errors) < maxErrors {
		r.result.Errors = append(r.result.Errors, text)
	}
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(percent float64) time.Duration {
		return time.Duration(h.ValueAtPercentile(percent)) * time.Microsecond
	}
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{Count: h.TotalCount(), P50: at(50), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max()) * time.Microsecond}
}

// sum is the result of a phase whose schedule was that long.
func (r *recorder) sum(took time.Duration) *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.result
	s.Took, s.Due = took, s.Done+s.Left
	s.Rate = float64(s.Done) / max(took, r.lastEnd, time.Millisecond).Seconds()
	s.All = latencyOf(r.all)
	for k, h := range r.kinds {
		s.Kinds[k] = latencyOf(h)
	}
	part := newHistogram()
	for n, values := range r.slices {
		if len(values) == 0 {
			continue // at less than one operation a second
		}
		part.Reset()
		for _, v := range values {
			_ = part.RecordValue(int64(v)) // within its range
		}
		s.Slices = append(s.Slices, Slice{End: min(time.Duration(n+1)*sliceTime, max(took, time.Duration(n)*sliceTime)), Latency: latencyOf(part)})
	}
	return &s
}
