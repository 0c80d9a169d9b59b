package procedure

import (
	"context"
	"sync"
	"time"
)

// followEvery is the time between two looks at the account of a running procedure.
const followEvery = time.Second

// follow reports how far the procedure is, by what it commits to TOKENSWEEP_RUNS,
// until the function that it returns is called. It is for people only: a look that
// fails is left out.
func (r *running) follow(ctx context.Context, tell func(phase string, examined int64)) (end func()) {
	if tell == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for tick := time.NewTicker(followEvery); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				r.look(ctx, tell)
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

func (r *running) look(ctx context.Context, tell func(phase string, examined int64)) {
	rows, err := r.db.QueryContext(ctx, "SELECT PHASE, EXAMINED FROM "+r.d.Table(RunsTable)+" WHERE ENDED_AT IS NULL AND EXAMINED > 0")
	if err != nil {
		return
	}
	defer rows.Close()
	for rows.Next() {
		var phase string
		var examined int64
		if rows.Scan(&phase, &examined) == nil {
			tell(phase, examined)
		}
	}
}
