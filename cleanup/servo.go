package cleanup

import (
	"slices"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Limits of the servo.
const (
	firstWindow = 1000
	minWindow   = 10
	maxWindow   = 20_000
	maxGrowth   = 1.5 // a step
	servoMemory = 10  // batches
	panicFactor = 5   // times the target: cut at once
)

// servo sets how many keys a batch examines, so that batches take about the
// target time. The method is that of block/spirit: the 90th percentile of the
// last ten batches against the target, slow growth, and a cut to a tenth when
// one batch goes far beyond the target.
type servo struct {
	target time.Duration
	fixed  bool // the user chose the size
	limit  int  // the database's own upper limit, see LockLimit
	size   int
	recent []float64 // microseconds a key
}

func newServo(target time.Duration, fixed, limit int) *servo {
	if fixed > 0 {
		if limit > 0 {
			fixed = min(fixed, limit)
		}
		return &servo{fixed: true, size: fixed, target: target}
	}
	if limit == 0 {
		limit = maxWindow
	}
	return &servo{target: target, limit: limit, size: min(firstWindow, limit)}
}

// took feeds back how long a batch over that many keys took.
func (s *servo) took(keys int, d time.Duration) {
	if s.fixed || keys == 0 {
		return
	}
	if d > panicFactor*s.target {
		s.resize(float64(s.size) / 10)
		s.recent = nil
		return
	}
	s.recent = append(s.recent, float64(d.Microseconds())/float64(keys))
	if len(s.recent) > servoMemory {
		s.recent = s.recent[1:]
	}
	sorted := slices.Sorted(slices.Values(s.recent))
	p90 := sorted[(len(sorted)*9)/10]
	s.resize(min(float64(s.target.Microseconds())/max(p90, 0.01), maxGrowth*float64(s.size)))
}

// shrink halves the window after a lock wait: less is locked next time.
func (s *servo) shrink() {
	if !s.fixed {
		s.resize(float64(s.size) / 2)
	}
}

func (s *servo) resize(size float64) {
	s.size = min(max(int(size), minWindow), s.limit)
}

// childRows is how many rows of one child table a token is taken to have; more
// on average is rare.
const childRows = 4

// LockLimit is the largest batch for which no statement locks so many rows, index
// entries included, that the server would lock the whole table; 0 if it never does.
func (p *Plan) LockLimit() int {
	limiter, ok := p.Dialect.(dialect.LockLimiter)
	if !ok {
		return 0
	}
	locks := 1
	for _, ph := range p.Phases {
		locks = max(locks, locksOf(p.Found, ph.Table))
		for _, child := range p.Found.Children(ph.Table) {
			if child.Fate != schema.Holds {
				locks = max(locks, childRows*locksOf(p.Found, child.Table()))
			}
		}
	}
	return max(limiter.MaxRowLocks()/locks, minWindow)
}

// locksOf is how many locks it takes to delete one row.
func locksOf(found *schema.Database, name string) int {
	table, _ := found.Table(name)
	return 1 + len(table.Indexes)
}
