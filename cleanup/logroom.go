package cleanup

import (
	"context"
	"fmt"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
)

// logUse is how full a database's transaction log is.
type logUse struct {
	percent   float64 // of its size now
	ofLargest float64 // of the size that it may grow to
	recovery  string  // SIMPLE, FULL, BULK_LOGGED
	waits     string  // what keeps it from being reused, NOTHING for nothing
}

func (u logUse) String() string {
	return fmt.Sprintf("the transaction log is %.0f %% full (%s recovery, reuse waits for %s)", u.percent, u.recovery, u.waits)
}

// nearlyFull is the part of the largest size, in percent, beyond which no run starts.
const nearlyFull = 95

// pausePoll is how often a paused run looks at the log again.
const pausePoll = time.Second

func (w *walker) logUse(ctx context.Context) (u logUse, err error) {
	q := w.d.(dialect.LogGauge).LogUse()
	err = w.conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&u.percent, &u.ofLargest, &u.recovery, &u.waits)
	return u, err
}

// checkLog looks at the log before the first change. Who wants to be throttled by
// it must be able to read it.
func (w *walker) checkLog(ctx context.Context) error {
	if _, ok := w.d.(dialect.LogGauge); !ok {
		if w.ThrottleLog > 0 {
			return Refuse("a throttle on the transaction log is for SQL Server", "leave --throttle-log-percent out", nil)
		}
		return nil
	}
	use, err := w.logUse(ctx)
	switch {
	case err != nil && w.ThrottleLog > 0:
		return Refuse("this user or server does not say how full the transaction log is", "GRANT VIEW SERVER STATE TO that login, "+
			"on Azure SQL GRANT VIEW DATABASE STATE TO that user, or leave --throttle-log-percent out", err)
	case err != nil:
		w.say("how full the transaction log is cannot be seen (%v): watch it by other means", err)
	case use.ofLargest >= nearlyFull:
		return &Error{Problem: use.String() + " and cannot grow", Kind: Unavailable,
			Remedy: "nothing was changed; back the log up, or give it a larger maximum size, then run again"}
	default:
		w.say("%s", use)
	}
	return nil
}

// waitForLog pauses while the log is too full. It fails closed: a log that cannot
// be read any more ends the run.
func (w *walker) waitForLog(stop, ctx context.Context) error {
	for paused := false; w.ThrottleLog > 0; paused = true {
		var use logUse
		err := w.retry(ctx, func() (err error) { use, err = w.logUse(ctx); return err })
		if err != nil {
			return fmt.Errorf("reading how full the transaction log is: %w", err)
		}
		if use.percent <= float64(w.ThrottleLog) || w.stopReason(stop) != "" {
			if paused {
				w.say("going on: %s", use)
			}
			return nil
		}
		if !paused {
			w.say("pausing until it is below %d %%: %s", w.ThrottleLog, use)
		}
		select {
		case <-stop.Done():
		case <-time.After(pausePoll):
		}
	}
	return nil
}
