package rebuild

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// fill copies all tables, several at a time, and the audit rows besides.
func (r *run) fill(ctx context.Context) error {
	free := make(chan *session, r.Workers)
	for range min(r.Workers, len(r.tables)) {
		s, err := r.open(ctx, patience, append(r.d.CopySession(), r.d.InUTC())...)
		if err != nil {
			return err
		}
		free <- s
	}
	r.free = free
	group, ctx := errgroup.WithContext(ctx)
	if r.journal.Audit != nil {
		group.Go(func() error { return r.copyAudit(ctx) })
	}
	for _, t := range r.tables {
		group.Go(func() error {
			if err := r.copyTable(ctx, t); err != nil {
				return fmt.Errorf("copying %s: %w", t.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// copyTable copies a table after those that it depends on. Orphans depend on none: they
// are looked for before, while the largest table keeps another session busy.
func (r *run) copyTable(ctx context.Context, t *table) error {
	rest, orphans := r.stays(t), r.orphans(t)
	if orphans.Text != "" {
		if err := r.turn(ctx, t, (*table).hasBegun, orphans); err != nil {
			return err
		}
		rest = r.leads(r.copied(t.parents[0]))
	}
	if err := r.turn(ctx, t, (*table).isCopied, rest); err != nil {
		return err
	}
	r.log("%s: %d of %d rows copied in %.1f s", t.Name, t.written, t.rows, t.took.Seconds())
	close(t.copied)
	if t.phase == nil || t.phase.Audit != nil && r.journal.Audit != nil {
		return nil // the audit counts those that go
	}
	return r.countRemovable(ctx, t)
}

func (t *table) hasBegun() <-chan struct{} { return t.begun }
func (t *table) isCopied() <-chan struct{} { return t.copied }

// turn copies the rows for which where holds, once the tables that t depends on have
// come so far and a session is free.
func (r *run) turn(ctx context.Context, t *table, far func(*table) <-chan struct{}, where dialect.SQL) error {
	for _, p := range t.upstream {
		select {
		case <-far(p):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.borrow(func(s *session) error {
		if !t.started {
			t.started = true
			close(t.begun)
			r.hook("copy " + t.Name)
		}
		began := time.Now()
		defer func() { t.took += time.Since(began) }()
		if t.phase != nil {
			return r.copyJudged(ctx, s, t, where)
		}
		return r.copyRows(ctx, s, t, where)
	})
}

// borrow does something in one of the sessions that copy and index.
func (r *run) borrow(do func(*session) error) error {
	s := <-r.free
	defer func() { r.free <- s }()
	return do(s)
}

// copyRows copies the rows for which where holds in the session's zone.
func (r *run) copyRows(ctx context.Context, s *session, t *table, where dialect.SQL) error {
	names, values := r.columns(t)
	n, err := s.exec(ctx, r.d.CopyRows(t.Fresh, t.Name, names, values, where, t.found.PrimaryKey))
	t.written += n
	return err
}

// copyJudged copies rows that are judged by wall clocks in the zone in which they are
// judged, but for those that would lose an hour there: these in UTC's session.
func (r *run) copyJudged(ctx context.Context, utc *session, t *table, stays dialect.SQL) error {
	zoned, err := r.open(ctx, patience, r.d.CopySession()...)
	if err != nil {
		return err
	}
	defer r.end(zoned)
	odd, err := r.odd(ctx, zoned, t)
	if err != nil {
		return err
	}
	if odd.Text == "" {
		return r.copyRows(ctx, zoned, t, stays)
	}
	if err := r.copyRows(ctx, zoned, t, dialect.Concat(stays, " AND NOT ", odd)); err != nil {
		return err
	}
	return r.eachOdd(ctx, zoned, t, dialect.Concat(odd, " AND ", stays), func(these dialect.SQL) error { return r.copyRows(ctx, utc, t, these) })
}

// countRemovable counts the rows that go, in the zone in which they are judged.
func (r *run) countRemovable(ctx context.Context, t *table) error {
	zoned, err := r.open(ctx, patience)
	if err != nil {
		return err
	}
	defer r.end(zoned)
	t.removable, _, err = zoned.number(ctx, dialect.Concat("SELECT COUNT(*) FROM ", r.d.Quote(t.Name), " WHERE ", r.eligible(t)))
	return err
}

// odd is true for the rows with a time that the session's zone writes like another
// one. Empty: there are none.
func (r *run) odd(ctx context.Context, s *session, t *table) (dialect.SQL, error) {
	safe, _, err := s.number(ctx, dialect.SQL{Text: r.d.OneToOne()})
	if err != nil || safe == 1 {
		return dialect.SQL{}, err
	}
	all := []any{"("}
	for _, c := range t.found.Columns {
		if c.Kind == schema.Timestamp {
			if len(all) > 1 {
				all = append(all, " OR ")
			}
			all = append(all, r.d.Ambiguous(t.Name, c))
		}
	}
	if len(all) == 1 {
		return dialect.SQL{}, nil
	}
	odd := dialect.Concat(append(all, ")")...)
	_, any, err := s.number(ctx, dialect.Concat("SELECT 1 FROM ", r.d.Quote(t.Name), " WHERE ", odd, r.d.Limit(dialect.Text("1"))))
	if !any {
		return dialect.SQL{}, err
	}
	return odd, err
}

// oddAtOnce is how many keys a statement names.
const oddAtOnce = 500

// eachOdd calls do with conditions that hold for the rows of which where holds, a
// few at a time.
func (r *run) eachOdd(ctx context.Context, s *session, t *table, where dialect.SQL, do func(dialect.SQL) error) error {
	key := r.d.Quote(t.Name) + "." + r.d.Quote(t.phase.Key)
	rows, err := s.texts(ctx, dialect.Concat("SELECT ", key, " FROM ", r.d.Quote(t.Name), " WHERE ", where, " ORDER BY ", key))
	if err != nil {
		return err
	}
	for some := range slices.Chunk(rows, oddAtOnce) {
		these := []any{key, " IN ("}
		for i, row := range some {
			if i > 0 {
				these = append(these, ", ")
			}
			these = append(these, dialect.Value(row[0]))
		}
		if err := do(dialect.Concat(append(these, ")")...)); err != nil {
			return err
		}
	}
	return nil
}
