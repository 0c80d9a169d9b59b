package rebuild

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Preview is what a rebuild would do now.
type Preview struct {
	// Tables are those that would be rebuilt, parents before children; none if nothing
	// is removable.
	Tables []Rebuilt
	// Audit is the room for the copies of removed tokens, in bytes, estimated; 0
	// without audit.
	Audit int64
	// Free is what the server's data directory has free, in bytes; -1 if the server
	// does not tell.
	Free int64
	// Users are sessions that use the tables now, as far as they can be seen. The
	// rebuild refuses while there are any.
	Users []string
}

// Rebuilt is a table in a preview. The sizes are the server's own estimates.
type Rebuilt struct {
	Name  string
	Bytes int64 // data and indexes now
	// New is the room for the new form, in bytes, if all rows are of one size and those
	// of a child go with their parents in equal parts.
	New int64
}

// Room is what the run takes beside the tables that are there, in bytes, estimated:
// the new tables and the audit copies. At most it is AtMost.
func (p *Preview) Room() int64 {
	n := p.Audit
	for _, t := range p.Tables {
		n += t.New
	}
	return n
}

// AtMost is the room if nothing went.
func (p *Preview) AtMost() int64 {
	n := p.Audit
	for _, t := range p.Tables {
		n += t.Bytes
	}
	return n
}

// Look tells what Clean would do with a plan, and refuses what Clean would refuse,
// but for what has to be tried: locks and privileges. It changes nothing and locks
// nothing, so that a live database does not feel it. forecast is of cleanup.Count.
func (e Engine) Look(ctx context.Context, db *sql.DB, plan *cleanup.Plan, forecast []cleanup.Forecast) (*Preview, error) {
	d, ok := plan.Dialect.(dialect.Rebuilder)
	if !ok {
		return nil, unsupported()
	}
	r := newRun(e, db, d, plan.Found.Name, cleanup.Watcher{})
	r.plan = plan
	defer r.close()
	if err := r.peek(ctx); err != nil {
		return nil, classified(d, err)
	}
	p := &Preview{Free: -1, Users: r.users(ctx)}
	if len(r.tables) == 0 {
		return p, nil
	}
	return p, r.estimate(ctx, p, forecast)
}

func unsupported() error {
	return cleanup.Refuse("rebuild is for MySQL and MariaDB so far", "use --engine batch", nil)
}

// peek is start, without locks.
func (r *run) peek(ctx context.Context) (err error) {
	if r.sessions.main, err = r.open(ctx, r.LockWait); err != nil {
		return err
	}
	if r.found, err = schema.Read(ctx, r.main().conn, r.d, r.schema); err != nil {
		return err
	}
	if _, there := r.found.Table(JournalTable); !there {
		if err := r.strangers(); err != nil {
			return err
		}
	}
	if err := r.unfinished(ctx); err != nil {
		return err
	}
	if err := r.choose(ctx); err != nil || len(r.tables) == 0 {
		return err
	}
	return r.checkQuietly(ctx)
}

// estimate fills in the sizes.
func (r *run) estimate(ctx context.Context, p *Preview, forecast []cleanup.Forecast) error {
	_ = r.main().run(ctx, "SET SESSION information_schema_stats_expiry = 0") // MySQL's may be of yesterday; MariaDB's are not
	now, err := sizes(ctx, r.main().conn, r.schema, r.tableNames())
	if err != nil {
		return err
	}
	stays := map[string]float64{} // the part of the rows, by table
	for _, t := range r.tables {
		part := 1.0
		for _, hop := range t.parents {
			part = min(part, stays[r.named(hop.Parent).Name])
		}
		if t.phase != nil {
			part = staying(forecast, t.phase)
			if t.phase.Audit != nil && r.journal.Audit != nil {
				p.Audit = int64((1 - part) * float64(now[t.Name]))
			}
		}
		stays[t.Name] = part
		p.Tables = append(p.Tables, Rebuilt{Name: t.Name, Bytes: now[t.Name], New: int64(part * float64(now[t.Name]))})
	}
	if rows, err := r.main().texts(ctx, r.d.Room(r.schema, r.tableNames())); err == nil && len(rows) > 0 { // else it cannot be told
		_, _ = fmt.Sscan(rows[0][0], &p.Free)
	}
	return nil
}

// staying is the part of a phase's rows that is forecast to stay.
func staying(forecast []cleanup.Forecast, ph *cleanup.Phase) float64 {
	for _, f := range forecast {
		if f.Phase != ph.Name || f.Rows == 0 {
			continue
		}
		stay := f.Rows - f.Removable
		for _, h := range f.Held {
			stay += h.Rows
		}
		return min(1, float64(stay)/float64(f.Rows))
	}
	return 1
}
