package rebuild

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// part is a share of the audit rows, and the session that copies it in a transaction
// of its own.
type part struct {
	*session
	of   dialect.Span // tokens
	rows int64
}

// copyAudit copies the rows that go into the audit table, in transactions that are left
// open. Where most rows go this takes longer than all the rest, and one session keeps
// one core busy: hence the parts.
func (r *run) copyAudit(ctx context.Context) error {
	t, j := r.named(r.journal.Audit.Tokens), r.journal.Audit
	r.hook("audit")
	began := time.Now()
	first, err := r.open(ctx, patience)
	if err != nil {
		return err
	}
	if j.ID != "" {
		if j.Above, _, err = first.number(ctx, dialect.Text("SELECT COALESCE(MAX(", r.d.Quote(j.ID), "), 0) FROM ", r.d.Quote(j.Table))); err != nil {
			return err
		}
	}
	odd, err := r.odd(ctx, first, t)
	if err != nil {
		return err
	}
	if r.audit, err = r.divide(ctx, first, t); err != nil {
		return fmt.Errorf("dividing the rows for %s: %w", j.Table, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range r.audit {
		group.Go(func() error { return r.copyPart(ctx, p, t, odd) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("copying to %s: %w", j.Table, err)
	}
	for _, p := range r.audit {
		r.audited += p.rows
	}
	t.removable = r.audited
	r.log("%d rows copied to %s in %.1f s, sessions: %d", r.audited, j.Table, time.Since(began).Seconds(), len(r.audit))
	return nil
}

// divide makes a part for each worker, or one where sessions would wait for each other
// to commit.
func (r *run) divide(ctx context.Context, first *session, t *table) ([]*part, error) {
	side, err := r.sideBySide(ctx, first, t)
	if err != nil {
		return nil, err
	}
	var cuts [][]byte
	if side {
		if cuts, err = cleanup.Quantiles(ctx, first.conn, r.d, t.Name, t.phase.Key, t.rows, int64(r.Workers)); err != nil {
			return nil, err
		}
	}
	parts := []*part{{session: first, of: dialect.Span{Table: t.Name, Key: t.phase.Key}}}
	for _, cut := range cuts {
		s, err := r.open(ctx, patience)
		if err != nil {
			return nil, err
		}
		next := &part{session: s, of: dialect.Span{Table: t.Name, Key: t.phase.Key, After: dialect.Value(string(cut))}}
		parts[len(parts)-1].of.Through = next.of.After
		parts = append(parts, next)
	}
	return parts, nil
}

// sideBySide reports whether transactions that insert other tokens into the audit table
// never wait for each other.
func (r *run) sideBySide(ctx context.Context, s *session, t *table) (bool, error) {
	j := r.journal.Audit
	audit, _ := r.found.Table(j.Table)
	byID := func(columns []string) bool { return j.ID != "" && schema.SameName(columns[0], j.ID) }
	unique := len(audit.PrimaryKey) > 0 && !byID(audit.PrimaryKey) ||
		slices.ContainsFunc(audit.Indexes, func(ix schema.Index) bool { return ix.Unique && !byID(ix.Columns) })
	if unique || t.phase.Audit.Guarded {
		return false, nil
	}
	if j.ID == "" {
		return true, nil
	}
	interleaved, _, err := s.number(ctx, dialect.SQL{Text: r.d.InterleavesIDs()})
	return interleaved == 1, err
}

// copyPart copies a part; odd tells the rows that lose an hour in the session's zone.
func (r *run) copyPart(ctx context.Context, p *part, t *table, odd dialect.SQL) error {
	if err := p.run(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	audit, gone := *t.phase.Audit, r.eligible(t)
	audit.At = r.journal.Audit.At
	if within := p.of.Where(r.d); within.Text != "" {
		gone = dialect.Concat(within, " AND ", gone)
	}
	where := gone
	if odd.Text != "" {
		where = dialect.Concat(gone, " AND NOT ", odd)
	}
	var err error
	if p.rows, err = p.exec(ctx, r.d.CopyToAuditUnlocked(t.Name, audit, where)); err != nil || odd.Text == "" {
		return err
	}
	return r.copyOdd(ctx, p, t, audit, dialect.Concat(odd, " AND ", gone))
}

// copyOdd changes the transaction's zone between finding the rows and copying them.
func (r *run) copyOdd(ctx context.Context, p *part, t *table, audit dialect.Audit, where dialect.SQL) error {
	var all []dialect.SQL
	if err := r.eachOdd(ctx, p.session, t, where, func(these dialect.SQL) error { all = append(all, these); return nil }); err != nil {
		return err
	}
	if r.journal.Audit.Moment {
		audit.At = time.Unix(r.journal.Audit.Instant, 0).UTC()
	}
	if err := p.run(ctx, r.d.InUTC()); err != nil {
		return err
	}
	for _, these := range all {
		n, err := p.exec(ctx, r.d.CopyToAuditUnlocked(t.Name, audit, these))
		if err != nil {
			return err
		}
		p.rows += n
	}
	return nil
}

// commitAudit makes the audit rows final. The journal says before that they may be
// there: whoever finds it so, and not the new tables, takes exactly those out again.
// From here to the swap it is moments.
func (r *run) commitAudit(ctx context.Context) error {
	if err := r.write(ctx, r.main(), ready); err != nil {
		return err
	}
	for i, p := range r.audit {
		if i > 0 {
			r.hook("between commits")
		}
		if err := p.run(ctx, "COMMIT"); err != nil {
			return err
		}
		r.end(p.session)
	}
	r.audit = nil
	return nil
}
