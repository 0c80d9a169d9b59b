package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Phase is load under way.
type Phase struct {
	load    *Load
	began   time.Time
	first   uint64 // number of its first operation
	next    atomic.Uint64
	cancel  context.CancelFunc
	stop    chan struct{}
	until   time.Time // set before stop is closed
	done    chan struct{}
	record  *recorder
	endOnce sync.Once
}

// patience is how long End waits for operations that were due before it.
const patience = time.Minute

// Start begins to make load; operation 0 is due at once. Cancelling ctx ends all
// operations, after which the load can no longer be checked.
func (l *Load) Start(ctx context.Context) *Phase {
	ctx, cancel := context.WithCancel(ctx)
	p := &Phase{load: l, began: time.Now(), first: l.next, cancel: cancel, stop: make(chan struct{}), done: make(chan struct{}), record: newRecorder()}
	var workers sync.WaitGroup
	for range l.spec.Connections {
		workers.Go(func() { p.work(ctx) })
	}
	go func() { workers.Wait(); close(p.done) }()
	return p
}

// due is when an operation has to begin.
func (p *Phase) due(n uint64) time.Time {
	return p.began.Add(time.Duration(float64(n) / p.load.spec.Rate * float64(time.Second)))
}

// work does one operation after the other, each when it is due or, if that was
// earlier, at once.
func (p *Phase) work(ctx context.Context) {
	for {
		n := p.next.Add(1) - 1
		due := p.due(n)
		queued := time.Now().After(due)
		if !p.await(ctx, due) {
			return
		}
		if p.ended() && time.Since(p.until) > patience {
			p.record.leave(due.Sub(p.began), time.Since(due))
			continue
		}
		kind, err := p.load.do(ctx, p.first+n)
		p.record.add(kind, due.Sub(p.began), time.Since(due), queued, err, p.load.d)
	}
}

// await waits for the time at which an operation is due; false if it is not to be
// done, because the phase ended before.
func (p *Phase) await(ctx context.Context, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil && !(p.ended() && due.After(p.until))
	case <-p.stop:
		return ctx.Err() == nil && !due.After(p.until)
	case <-ctx.Done():
		return false
	}
}

func (p *Phase) ended() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// End lets no further operation become due and waits for those that are. An
// operation that does not come to an end is an error, after which the load can no
// longer be checked.
func (p *Phase) End() (*Result, error) {
	defer p.cancel()
	p.endOnce.Do(func() {
		p.until = time.Now()
		close(p.stop)
	})
	select {
	case <-p.done:
	case <-time.After(2 * patience):
		p.cancel()
		<-p.done
		return nil, fmt.Errorf("operations of the load did not come to an end within %s: something holds locks", 2*patience)
	}
	l := p.load
	l.next = p.first + p.next.Load()
	result := p.record.sum(p.until.Sub(p.began))
	if result.Done == 0 {
		return nil, errors.New("no operation of the load was done")
	}
	return result, nil
}
