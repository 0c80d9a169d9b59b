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

func (r *run) logUse(ctx context.Context) (u logUse, err error) {
	q := r.d.(dialect.LogGauge).LogUse()
	err = r.conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&u.percent, &u.ofLargest, &u.recovery, &u.waits)
	return u, err
}

// checkLog looks at the log before the first change. Who wants to be throttled by
// it must be able to read it.
func (r *run) checkLog(ctx context.Context) error {
	if _, ok := r.d.(dialect.LogGauge); !ok {
		if r.ThrottleLog > 0 {
			return Refuse("a throttle on the transaction log is for SQL Server", "leave --throttle-log-percent out", nil)
		}
		return nil
	}
	use, err := r.logUse(ctx)
	switch {
	case err != nil && r.ThrottleLog > 0:
		return Refuse("this user or server does not say how full the transaction log is", "GRANT VIEW SERVER STATE TO that login, "+
			"on Azure SQL GRANT VIEW DATABASE STATE TO that user, or leave --throttle-log-percent out", err)
	case err != nil:
		r.watch.log("how full the transaction log is cannot be seen (%v): watch it by other means", err)
	case use.ofLargest >= nearlyFull:
		return &Error{Problem: use.String() + " and cannot grow", Kind: Unavailable,
			Remedy: "nothing was changed; back the log up, or give it a larger maximum size, then run again"}
	default:
		r.watch.log("%s", use)
	}
	return nil
}

// waitForLog pauses while the log is too full. It fails closed: a log that cannot
// be read any more ends the run.
func (r *run) waitForLog(stop, ctx context.Context) error {
	for paused := false; r.ThrottleLog > 0; paused = true {
		var use logUse
		err := r.retry(ctx, func() (err error) { use, err = r.logUse(ctx); return err })
		if err != nil {
			return fmt.Errorf("reading how full the transaction log is: %w", err)
		}
		if use.percent <= float64(r.ThrottleLog) || r.stopReason(stop) != "" {
			if paused {
				r.watch.log("going on: %s", use)
			}
			return nil
		}
		if !paused {
			r.watch.log("pausing until it is below %d %%: %s", r.ThrottleLog, use)
		}
		select {
		case <-stop.Done():
		case <-time.After(pausePoll):
		}
	}
	return nil
}
