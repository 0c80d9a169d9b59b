package rebuild

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// create makes the new tables, without the indexes that can wait, and the two that
// guard the swap.
func (r *run) create(ctx context.Context) error {
	for _, t := range r.tables {
		if err := r.main().run(ctx, r.d.CreateLike(t.Fresh, t.Name)); err != nil {
			return err
		}
		_, like, err := r.main().definition(ctx, t.Fresh)
		if err != nil {
			return err
		}
		if like.Text != t.text.Text {
			return cleanup.Refuse(fmt.Sprintf("the server cannot make a table like %s: %s", t.Name, difference(t.text.Text, like.Text)), "use --engine batch", nil)
		}
		if drop := t.laterIndexes(); len(drop) > 0 {
			if err := r.main().run(ctx, r.d.DropIndexes(t.Fresh, drop)); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{r.journal.Gate, r.journal.Latch} {
		if err := r.main().run(ctx, "CREATE TABLE "+r.d.Quote(name)+" (ID INT NOT NULL PRIMARY KEY) ENGINE=InnoDB"); err != nil {
			return err
		}
	}
	return nil
}

// difference is the first line that differs.
func difference(was, is string) string {
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%q becomes %q", strings.TrimSpace(a[i]), strings.TrimSpace(b[i]))
		}
	}
	return "its definition gets longer or shorter"
}

// laterIndexes are built when the rows are there. An id that counts up needs its
// index, and a table without a primary key is stored along a unique one.
func (t *table) laterIndexes() (names []string) {
	t.keptIndexes = nil
	for _, ix := range t.text.Indexes {
		i := slices.IndexFunc(t.found.Indexes, func(f schema.Index) bool { return schema.SameName(f.Name, ix.Name) })
		stays := i >= 0 && len(t.found.PrimaryKey) == 0 && t.found.Indexes[i].Unique
		if i >= 0 {
			c, ok := t.found.Column(t.found.Indexes[i].Columns[0])
			stays = stays || ok && c.AutoID
		}
		if stays {
			t.keptIndexes = append(t.keptIndexes, ix.Name)
		} else {
			names = append(names, ix.Name)
		}
	}
	return names
}

// lock keeps writers out of each table by a session of its own: locks of one session
// go all at once, and what the swap waits for must go one by one.
func (r *run) lock(ctx context.Context) error {
	for _, t := range r.tables {
		s, err := r.open(ctx, r.LockWait, r.d.Lock(t.Name, false))
		if r.d.Classify(err) == dialect.LockTimeout {
			return r.inUse(r.users(ctx), err)
		}
		if err != nil {
			return err
		}
		t.locker = s
	}
	s, err := r.open(ctx, r.LockWait, r.d.Lock(r.journal.Gate, true))
	r.gate = s
	return err
}

// unchanged looks again at what may have changed before the lock.
func (r *run) unchanged(ctx context.Context) error {
	triggers, err := r.triggerTexts(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.tables {
		_, now, err := r.main().definition(ctx, t.Name)
		if err != nil {
			return err
		}
		if now.Text != t.text.Text || !slices.Equal(now.Keys, t.text.Keys) || !slices.Equal(triggers[t.Name], t.Triggers) {
			return cleanup.Refuse(fmt.Sprintf("table %s was changed while the run started", t.Name), "run again", nil)
		}
		t.text.NextID = now.NextID
		if t.rows, _, err = r.main().number(ctx, dialect.Text("SELECT COUNT(*) FROM ", r.d.Quote(t.Name))); err != nil {
			return err
		}
	}
	now, err := schema.Read(ctx, r.main().conn, r.d, r.schema)
	if err != nil {
		return err
	}
	for _, t := range r.tables {
		if len(now.References(t.Name)) != len(r.found.References(t.Name)) {
			return cleanup.Refuse(fmt.Sprintf("a foreign key to %s was made or dropped while the run started", t.Name), "run again", nil)
		}
	}
	return nil
}

// indexAll builds the indexes and sets the next ids, several tables at a time, those
// with the most to do first.
func (r *run) indexAll(ctx context.Context) error {
	work := func(t *table) int64 { return t.written * int64(len(t.text.Indexes)-len(t.keptIndexes)) }
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(len(r.free))
	for _, t := range slices.SortedStableFunc(slices.Values(r.tables), func(a, b *table) int { return cmp.Compare(work(b), work(a)) }) {
		group.Go(func() error {
			return r.borrow(func(s *session) error { return r.index(ctx, s, t) })
		})
	}
	return group.Wait()
}

func (r *run) index(ctx context.Context, s *session, t *table) error {
	var indexes []string
	for _, ix := range t.text.Indexes {
		if !slices.Contains(t.keptIndexes, ix.Name) {
			indexes = append(indexes, ix.Text)
		}
	}
	if len(indexes) == 0 && t.text.NextID == "" {
		return nil
	}
	r.hook("index " + t.Name)
	began := time.Now()
	if err := s.run(ctx, r.d.Complete(t.Fresh, indexes, t.text.NextID)); err != nil {
		return fmt.Errorf("building the indexes of %s: %w", t.Name, err)
	}
	r.log("%s: %d indexes built in %.1f s", t.Name, len(indexes), time.Since(began).Seconds())
	return nil
}

// addKeys adds the foreign keys, unchecked: what they ask for was asked by the copy,
// and orphans that were there before are to stay.
func (r *run) addKeys(ctx context.Context) error {
	return r.borrow(func(s *session) error {
		for _, t := range r.tables {
			if err := r.addKeysOf(ctx, s, t); err != nil {
				return fmt.Errorf("adding the foreign keys of %s: %w", t.Name, err)
			}
		}
		return nil
	})
}

func (r *run) addKeysOf(ctx context.Context, s *session, t *table) error {
	var add []string
	for i, k := range t.text.Keys {
		name, _ := t.key(r.d, k, i)
		to := ""
		if parent := r.refTable(k); parent != nil {
			to = parent.Fresh
		}
		add = append(add, r.d.AddKey(k, name, to))
	}
	if len(add) == 0 {
		return nil
	}
	return s.run(ctx, r.d.ChangeKeys(t.Fresh, nil, add))
}

// refTable is the rebuilt table that a key points at, nil if it points at another.
func (r *run) refTable(k dialect.KeyText) *table {
	for _, t := range r.tables {
		if schema.SameName(r.d.Quote(t.Name), k.RefTable) {
			return t
		}
	}
	return nil
}

// addTriggers makes the triggers under other names. They work from the swap on.
func (r *run) addTriggers(ctx context.Context) error {
	for _, t := range r.tables {
		for i, trigger := range t.Triggers {
			if err := r.main().run(ctx, r.d.CreateTrigger(trigger, t.trigger(i), t.Fresh)...); err != nil {
				return fmt.Errorf("making trigger %s again: %w", trigger.Name, err)
			}
		}
	}
	return r.main().run(ctx, r.d.RebuildSession(r.LockWait)...)
}

// count compares what was read, what goes and what was written.
func (r *run) count(ctx context.Context) error {
	for _, t := range r.tables {
		there, _, err := r.main().number(ctx, dialect.Text("SELECT COUNT(*) FROM ", r.d.Quote(t.Fresh)))
		if err != nil {
			return err
		}
		// Without parents, a row goes by the policy or not at all.
		if there != t.written || len(t.parents) == 0 && t.rows != t.written+t.removable {
			return &cleanup.Error{Kind: cleanup.Failed, Remedy: "all tables are as they were; please report this",
				Problem: fmt.Sprintf("the counts of %s disagree: %d rows, %d to go, %d copied, %d there", t.Name, t.rows, t.removable, t.written, there)}
		}
		t.Rows = there
		for _, hop := range t.nulls {
			t.Nulled = append(t.Nulled, hop.Columns...)
		}
		_, now, err := r.main().definition(ctx, t.Fresh)
		if err != nil {
			return err
		}
		if now.Text != t.text.Text || len(now.Keys) != len(t.text.Keys) {
			return cleanup.Refuse(fmt.Sprintf("the new form of %s differs from the old one: %s", t.Name, difference(t.text.Text, now.Text)), "use --engine batch", nil)
		}
	}
	return r.describe(ctx)
}

// describe fills the result of the phases.
func (r *run) describe(ctx context.Context) error {
	var forecasts []cleanup.Forecast
	for i := range r.plan.Phases {
		if len(r.plan.Phases[i].Guards) > 0 {
			var err error
			if forecasts, err = cleanup.Count(ctx, r.main().conn, r.plan); err != nil {
				return err
			}
			break
		}
	}
	timed := false
	for i := range r.plan.Phases {
		ph := &r.plan.Phases[i]
		pr := cleanup.PhaseResult{Phase: ph.Name, Table: ph.Table}
		if t := r.named(ph.Table); t != nil {
			pr.Examined, pr.Removed, pr.Batches = t.rows, t.rows-t.written, 1
			if !timed {
				pr.Seconds = r.Now().Sub(r.begun).Seconds() // of all: tables are copied side by side
			}
			timed = true
			if ph.Audit != nil {
				pr.Audited = r.audited
			}
		} else {
			var err error
			if pr.Examined, _, err = r.main().number(ctx, dialect.Text("SELECT COUNT(*) FROM ", r.d.Quote(ph.Table))); err != nil {
				return err
			}
		}
		if forecasts != nil {
			pr.Held = forecasts[i].Held
		}
		r.journal.Phases = append(r.journal.Phases, pr)
	}
	return nil
}

// reportNothing is the result of a run with nothing to do.
func (r *run) reportNothing(ctx context.Context) error {
	var err error
	if r.journal, err = newJournal(r.plan, r.begun); err != nil {
		return err
	}
	if err := r.describe(ctx); err != nil {
		return err
	}
	r.finishResult()
	return nil
}
