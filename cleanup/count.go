package cleanup

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Forecast is what a plan would do to one table, counted without changing it.
type Forecast struct {
	Phase, Table string
	States       []StateCount // in the order of the states' names
	Rows         int64
	Removable    int64
	Held         []Held // of the removable rows, those that a foreign key holds
}

// StateCount is the forecast for the rows in one state.
type StateCount struct {
	State     string // "NULL" for SQL NULL
	Rows      int64
	Removable int64
}

// Count forecasts every phase. On a quiet database a run removes exactly
// Removable less the Held rows.
func Count(ctx context.Context, db schema.Querier, p *Plan) ([]Forecast, error) {
	var all []Forecast
	for i := range p.Phases {
		ph := &p.Phases[i]
		f := Forecast{Phase: ph.Name, Table: ph.Table}
		if err := countStates(ctx, db, p, ph, &f); err != nil {
			return nil, fmt.Errorf("counting %s: %w", ph.Table, err)
		}
		held, err := countHeld(ctx, db, p.Dialect, ph, ph.forecast)
		if err != nil {
			return nil, fmt.Errorf("counting held rows of %s: %w", ph.Table, err)
		}
		f.Held = held
		all = append(all, f)
	}
	return all, nil
}

func countStates(ctx context.Context, db schema.Querier, p *Plan, ph *Phase, f *Forecast) error {
	// The state is grouped as bytes: a collation would lump ACTIVE and active.
	state := p.Dialect.Exact(p.Dialect.Quote(ph.Table) + "." + p.Dialect.Quote(ph.State))
	q := dialect.Concat("SELECT w.state, COUNT(*), SUM(w.hit) FROM (SELECT ", state, " AS state, CASE WHEN ", ph.forecast,
		" THEN 1 ELSE 0 END AS hit FROM ", p.Dialect.Table(ph.Table), ") AS w GROUP BY w.state ORDER BY w.state")
	q = p.Dialect.Bind(q)
	rows, err := db.QueryContext(ctx, q.Text, q.Args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name sql.NullString
		var c StateCount
		if err := rows.Scan(&name, &c.Rows, &c.Removable); err != nil {
			return err
		}
		if c.State = name.String; !name.Valid {
			c.State = "NULL"
		}
		f.States = append(f.States, c)
		f.Rows, f.Removable = f.Rows+c.Rows, f.Removable+c.Removable
	}
	return rows.Err()
}

// countHeld says for each guard how many removable rows it holds.
func countHeld(ctx context.Context, db schema.Querier, d dialect.Dialect, ph *Phase, removable dialect.SQL) ([]Held, error) {
	var all []Held
	for _, g := range ph.Guards {
		where := dialect.Concat(removable, " AND ", dialect.Held(d, g.Path))
		h := Held{By: fmt.Sprintf("foreign key %s of table %s", g.ForeignKey, g.Table())}
		key := d.Quote(ph.Table) + "." + d.Quote(ph.Key)
		q := d.Bind(dialect.Concat("SELECT ", d.KeyText(key), ", COUNT(*) OVER () FROM ", d.Table(ph.Table), " WHERE ", where, " ORDER BY ", key,
			d.Limit(dialect.Value(SampleSize))))
		rows, err := db.QueryContext(ctx, q.Text, q.Args...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var sample string
			if err := rows.Scan(&sample, &h.Rows); err != nil {
				rows.Close()
				return nil, err
			}
			h.Samples = append(h.Samples, sample)
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
		if h.Rows > 0 {
			all = append(all, h)
		}
	}
	return all, nil
}

// held lists the rows that a finished phase had to leave: those behind a guard
// and those that the server refused one by one.
func (w *walker) held(ctx context.Context, ph *Phase) ([]Held, error) {
	all, err := countHeld(ctx, w.conn, w.d, ph, ph.Removable)
	if err != nil {
		return nil, fmt.Errorf("counting held rows of %s: %w", ph.Table, err)
	}
	refusals, err := w.ledger.refusals(ctx, w.conn, w.laneNames(ph))
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for _, refused := range refusals {
		i, ok := at[refused.Error]
		if !ok {
			i = len(all)
			at[refused.Error], all = i, append(all, Held{By: refused.Error})
		}
		all[i].Rows++
		if len(all[i].Samples) < SampleSize {
			all[i].Samples = append(all[i].Samples, refused.Key)
		}
	}
	return all, nil
}
