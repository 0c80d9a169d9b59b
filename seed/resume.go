package seed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// cellTokens is the unit of resuming. Transactions cover whole cells, whatever
// their size is in a run, so a cell is there if and only if its first token is.
// All block sizes divide it.
const cellTokens = 1_000

const idsPerQuery = 500

// job is a range of positions, to exclusive.
type job struct{ from, to int64 }

// survey finds out what is there already, and refuses if that is not what an
// earlier Load of the same Spec left. It changes nothing.
func (l *loader) survey(ctx context.Context) error {
	if err := l.countAll(ctx, l.before); err != nil {
		return err
	}
	if l.before[schema.AccessToken] > 0 {
		if _, err := l.findApps(ctx); err != nil {
			return err
		}
		if err := l.findCells(ctx); err != nil {
			return err
		}
		if err := l.compareSamples(ctx); err != nil {
			return err
		}
	}
	if !l.options.Append {
		if err := l.refuseForeignRows(); err != nil {
			return err
		}
	}
	return l.findRequestIDs(ctx)
}

func (l *loader) countAll(ctx context.Context, into map[string]int64) error {
	for i := range l.fillings {
		f := &l.fillings[i]
		var n int64
		if err := l.target.queryRow(ctx, "SELECT COUNT(*) FROM ", l.target.Dialect.Table(f.found.Name)).Scan(&n); err != nil {
			return fmt.Errorf("counting the rows of %s: %w", f.found.Name, err)
		}
		into[f.name] = n
	}
	return nil
}

// findCells looks up the first token of every cell.
func (l *loader) findCells(ctx context.Context) error {
	n := l.g.spec.Tokens
	ids := make([]any, 0, idsPerQuery)
	cells := map[string]int64{}
	look := func() error {
		d := l.target.Dialect
		rows, err := l.target.query(ctx, "SELECT ", d.Quote("TOKEN_ID"), " FROM ", d.Table(l.tokens().found.Name),
			" WHERE ", d.Quote("TOKEN_ID"), in(ids))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			l.present[cells[id]] = true
		}
		return rows.Err()
	}
	for from := int64(0); from < n; from += cellTokens {
		id := string(l.g.appendTokenID(nil, from))
		ids, cells[id] = append(ids, id), from/cellTokens
		if len(ids) == idsPerQuery || from+cellTokens >= n {
			if err := look(); err != nil {
				return fmt.Errorf("looking for tokens of an earlier run: %w", err)
			}
			ids = ids[:0]
			clear(cells)
		}
	}
	return nil
}

// jobs lists the positions that are missing, or with there those that are not,
// in ranges of at most size.
func (l *loader) jobs(there bool, size int64) []job {
	var all []job
	for c := range l.present {
		if l.present[c] != there {
			continue
		}
		from := int64(c) * cellTokens
		to := min(from+cellTokens, l.g.spec.Tokens)
		if n := len(all); n > 0 && all[n-1].to == from && to-all[n-1].from <= size {
			all[n-1].to = to
		} else {
			all = append(all, job{from, to})
		}
	}
	return all
}

func (l *loader) tokens() *filling { return &l.fillings[0] }

// sampleCells and cellSamples say how many cells, and tokens of each, are compared.
const (
	sampleCells = 10
	cellSamples = 20
)

// compareSamples compares some tokens with what this Spec says. Ids do not
// depend on the mix and the cut-off, other columns do.
func (l *loader) compareSamples(ctx context.Context) error {
	there := l.jobs(true, cellTokens)
	for n := 0; n < len(there); n += (len(there) + sampleCells - 1) / sampleCells {
		for i := there[n].from; i < there[n].to; i += cellTokens / cellSamples {
			if err := l.compare(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) compare(ctx context.Context, i int64) error {
	f, d := l.tokens(), l.target.Dialect
	read := make([]string, len(f.names))
	got := make([]sql.NullString, len(f.names))
	dest := make([]any, len(f.names))
	for n, name := range f.names {
		c, _ := f.found.Column(name)
		read[n], dest[n] = d.Read(*c), &got[n]
	}
	id := string(l.g.appendTokenID(nil, i))
	err := l.target.queryRow(ctx, "SELECT ", strings.Join(read, ", "), " FROM ", d.Table(f.found.Name),
		" WHERE ", d.Quote("TOKEN_ID"), " = ", dialect.Value(id)).Scan(dest...)
	if err != nil {
		return fmt.Errorf("reading token %s of an earlier run: %w", id, err)
	}
	var e entry
	l.g.at(&e, i)
	for n, c := range f.columns {
		want := value(c.put(nil, l.g, &e, 0))
		have := got[n]
		if found, _ := f.found.Column(f.names[n]); found.Kind == schema.Timestamp {
			have.String = strings.TrimSuffix(have.String, ".000") // SQL Server shows them
		}
		if have.Valid != (want != nil) || have.Valid && have.String != want {
			return refuse("token %s is there, but not as this seed, size, mix and cut-off make it (%s is %s, not %s): "+
				"to continue an earlier run repeat its settings and its time zone, or use an empty database", id, f.names[n], show(have), showAny(want))
		}
	}
	return nil
}

func show(s sql.NullString) string {
	if !s.Valid {
		return "NULL"
	}
	return fmt.Sprintf("%q", s.String)
}

func showAny(v any) string {
	s, ok := v.(string)
	return show(sql.NullString{String: s, Valid: ok})
}

// refuseForeignRows compares the counts with what the cells that are there
// explain.
func (l *loader) refuseForeignRows() error {
	there := l.jobs(true, l.g.spec.Tokens)
	for i := range l.fillings {
		f := &l.fillings[i]
		var ours int64
		for _, j := range there {
			ours += f.count(l.g, j.from, j.to)
		}
		if have := l.before[f.name]; have != ours {
			return refuse("table %s has %d rows, of which an earlier run of this data can explain %d: "+
				"use an empty database, or append to what is there", f.found.Name, have, ours)
		}
	}
	return nil
}

// findRequestIDs decides where the ids of request objects and claims begin: at
// 1, behind what is there, or where an earlier run began.
func (l *loader) findRequestIDs(ctx context.Context) error {
	requests, ok := l.filling(schema.RequestObject)
	if !ok || l.before[schema.RequestObject] == 0 {
		return nil
	}
	for _, j := range l.jobs(true, l.g.spec.Tokens) {
		w := walker{g: l.g, t: &requests.table, next: j.from, to: j.to}
		if e, _, ok := w.step(); ok {
			return l.continueRequestIDs(ctx, requests, e)
		}
	}
	var err error
	if l.g.lastRequest, err = l.highest(ctx, requests.found.Name, "ID"); err != nil {
		return err
	}
	if claims, ok := l.filling(schema.RequestClaims); ok {
		l.g.lastClaim, err = l.highest(ctx, claims.found.Name, "ID")
	}
	return err
}

// continueRequestIDs reads the ids that an earlier run gave to an entry.
func (l *loader) continueRequestIDs(ctx context.Context, requests *filling, e *entry) error {
	d := l.target.Dialect
	var id int64
	err := l.target.queryRow(ctx, "SELECT ", d.Quote("ID"), " FROM ", d.Table(requests.found.Name), " WHERE ",
		d.Quote("SESSION_DATA_KEY"), " = ", dialect.Value(string(putSessionKey(nil, l.g, e, 0)))).Scan(&id)
	if err != nil {
		return fmt.Errorf("reading the request objects of an earlier run from %s: %w", requests.found.Name, err)
	}
	l.g.lastRequest += id - l.g.requestID(e)
	claims, ok := l.filling(schema.RequestClaims)
	if !ok {
		return nil
	}
	err = l.target.queryRow(ctx, "SELECT MIN(", d.Quote("ID"), ") FROM ", d.Table(claims.found.Name), " WHERE ",
		d.Quote("REQ_OBJECT_ID"), " = ", dialect.Value(id)).Scan(&id)
	if err != nil {
		return fmt.Errorf("reading the claims of an earlier run from %s: %w", claims.found.Name, err)
	}
	l.g.lastClaim += id - l.g.claimID(e, 0)
	return nil
}

// highest returns the highest id of a table, 0 if it is empty.
func (l *loader) highest(ctx context.Context, table, column string) (int64, error) {
	var id sql.NullInt64
	d := l.target.Dialect
	err := l.target.queryRow(ctx, "SELECT MAX(", d.Quote(column), ") FROM ", d.Table(table)).Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("reading the highest id of %s: %w", table, err)
	}
	return id.Int64, nil
}
