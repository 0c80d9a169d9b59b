package cleanup

import (
	"context"
	"fmt"
	"slices"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// lane is a part of a table's key range that one worker walks at a time. One alone is
// the whole table.
type lane struct {
	name           string             // in the ledger
	after, through token.Null[string] // exclusive, inclusive; NULL is open
}

// Workers take lanes in turn. Several for each even out that some hold more to remove
// than others. Ranges that are cleaned at the same time should not touch: on both
// servers a locking read waits for the lock on the first row behind its range.
const (
	lanesPerWorker = 4
	samplesPerLane = 1000
	// With fewer rows a lane is not worth its session.
	rowsPerLane = 2000
)

// cuts finds the keys that divide each phase's table into lanes with equal numbers of
// rows. A phase without cuts is not in the map.
func (w *walker) cuts(ctx context.Context) (map[string][][]byte, error) {
	sampler, ok := w.d.(dialect.Sampler)
	if !ok || w.Workers < 2 {
		return nil, nil
	}
	all := map[string][][]byte{}
	for i := range w.plan.Phases {
		ph := &w.plan.Phases[i]
		var rows int64
		if err := w.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+w.d.Table(ph.Table)).Scan(&rows); err != nil {
			return nil, fmt.Errorf("counting the rows of %s: %w", ph.Table, err)
		}
		cuts, err := Quantiles(ctx, w.conn, sampler, ph.Table, ph.Key, rows, min(int64(lanesPerWorker*w.Workers), rows/rowsPerLane))
		if err != nil {
			return nil, err
		}
		if len(cuts) > 0 {
			all[ph.Name] = cuts
		}
	}
	return all, nil
}

// Quantiles are keys that divide a table of so many rows into parts of about the same
// size, ascending; each is the last of its part. They are sampled: ids share prefixes,
// such as those of UUIDs by time, so that nothing can be calculated. There may be fewer
// than parts-1, and are none for less than two parts.
func Quantiles(ctx context.Context, db schema.Querier, d dialect.Sampler, table, key string, rows, parts int64) (cuts [][]byte, err error) {
	if parts < 2 {
		return nil, nil
	}
	keys, err := sample(ctx, db, d.Sample(table, key, max(1, rows/(parts*samplesPerLane))))
	if err != nil {
		return nil, fmt.Errorf("sampling the keys of %s: %w", table, err)
	}
	for n := int64(1); n < parts && len(keys) > 0; n++ {
		cuts = append(cuts, keys[int64(len(keys))*n/parts])
	}
	return slices.CompactFunc(cuts, slices.Equal), nil
}

func sample(ctx context.Context, db schema.Querier, q dialect.SQL) (keys [][]byte, err error) {
	rows, err := db.QueryContext(ctx, q.Text, q.Args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// lanesOf are the lanes between cuts, for each phase.
func lanesOf(p *Plan, cuts map[string][][]byte) [][]lane {
	all := make([][]lane, len(p.Phases))
	for i, ph := range p.Phases {
		name, after := ph.Name, token.Null[string]{}
		for n, cut := range cuts[ph.Name] {
			through := token.Some(string(cut))
			all[i] = append(all[i], lane{name: fmt.Sprintf("%s, lane %d", ph.Name, n+1), after: after, through: through})
			name, after = fmt.Sprintf("%s, lane %d", ph.Name, n+2), through
		}
		all[i] = append(all[i], lane{name: name, after: after})
	}
	return all
}

func (r *run) lanesOf(ph *Phase) []lane {
	return r.lanes[slices.IndexFunc(r.plan.Phases, func(p Phase) bool { return p.Name == ph.Name })]
}

// laneNames are the names under which a phase's batches are in the ledger.
func (r *run) laneNames(ph *Phase) (names []string) {
	for _, l := range r.lanesOf(ph) {
		names = append(names, l.name)
	}
	return names
}
