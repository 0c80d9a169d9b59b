package measure

import (
	"context"
	"sync"
	"time"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/harness"
)

// watchEvery is the time between two looks at a running engine.
const watchEvery = 250 * time.Millisecond

// watch looks at both sides while an engine runs.
type watch struct {
	target *harness.Target
	began  time.Time
	stop   context.CancelFunc
	done   sync.WaitGroup

	serverPeak, clientPeak int64
	deleted                []bench.Point // rows deleted by statements, a second; those that go by cascade are not counted
	failed                 error
}

// startWatch begins to look.
func startWatch(ctx context.Context, t *harness.Target) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{target: t, began: time.Now(), stop: cancel}
	w.done.Go(func() { w.failed = w.look(ctx) })
	return w
}

func (w *watch) look(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last int64 = -1
	var at time.Time
	for {
		server, err := w.target.Usage(ctx)
		if err != nil {
			return ifRunning(ctx, err)
		}
		client, err := harness.OwnUsage(ctx)
		if err != nil {
			return ifRunning(ctx, err)
		}
		w.serverPeak, w.clientPeak = max(w.serverPeak, server.Memory), max(w.clientPeak, client.Memory)
		now := time.Now()
		var name string
		var deleted int64
		if err := w.target.DB.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Handler_delete'").Scan(&name, &deleted); err != nil {
			return ifRunning(ctx, err)
		}
		if last >= 0 {
			w.deleted = append(w.deleted, bench.Point{At: now.Sub(w.began).Seconds(), Value: float64(max(deleted-last, 0)) / now.Sub(at).Seconds()})
		}
		last, at = deleted, now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ifRunning drops errors that the end of the watch causes.
func ifRunning(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// end stops looking.
func (w *watch) end() error {
	w.stop()
	w.done.Wait()
	return w.failed
}
