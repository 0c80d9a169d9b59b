package rebuild

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Undo puts the old tables of a rebuild back that kept them, or that was
// interrupted, and takes its audit rows back. It refuses if rows were written since
// the swap, which would be lost; with force it loses them. It is an error if there is
// no rebuild.
func Undo(ctx context.Context, db *sql.DB, d dialect.Dialect, schemaName string, force bool, w cleanup.Watcher) error {
	r, err := takeUp(ctx, db, d, schemaName, w)
	if err != nil {
		return err
	}
	defer r.close()
	work := context.WithoutCancel(ctx)
	if r.isSwapped() {
		if err := r.swapBack(work, force); err != nil {
			return err
		}
	}
	return r.discard(work)
}

// swapBack is a swap with the parts of old and new tables changed.
func (r *run) swapBack(ctx context.Context, force bool) error {
	for _, t := range r.journal.Tables {
		if _, there, err := r.main().number(ctx, r.exists(t.Old)); err != nil {
			return err
		} else if !there {
			return cleanup.Refuse(fmt.Sprintf("the old table of %s is gone", t.Name), "finish it instead: tokensweep rebuild finish", nil)
		}
		back := &journalTable{Name: t.Name, Fresh: t.Old, Old: t.Fresh}
		found, ok := r.found.Table(t.Name)
		if !ok {
			return cleanup.Refuse(fmt.Sprintf("table %s is gone", t.Name), "rename "+t.Old+" to it by hand", nil)
		}
		r.tables = append(r.tables, &table{journalTable: back, found: found})
	}
	if err := r.checkUse(ctx); err != nil {
		return err
	}
	if err := r.main().run(ctx, "DROP TABLE IF EXISTS "+r.d.Quote(r.journal.Latch)+", "+r.d.Quote(r.journal.Gate)); err != nil {
		return err
	}
	for _, name := range []string{r.journal.Gate, r.journal.Latch} {
		if err := r.main().run(ctx, "CREATE TABLE "+r.d.Quote(name)+" (ID INT NOT NULL PRIMARY KEY) ENGINE=InnoDB"); err != nil {
			return err
		}
	}
	if err := r.lock(ctx); err != nil {
		return err
	}
	if !force {
		if err := r.unwritten(ctx); err != nil {
			return err
		}
	}
	if err := r.prepareOld(ctx); err != nil {
		return err
	}
	// From here on the names of tables tell which ones are in place.
	if err := r.write(ctx, r.main(), ready); err != nil {
		return err
	}
	if err := r.swap(ctx); err != nil {
		return err
	}
	return nil
}

// unwritten refuses if a table holds anything but what the rebuild put there.
func (r *run) unwritten(ctx context.Context) error {
	for i, t := range r.tables {
		was := r.journal.Tables[i]
		count, _, err := r.main().number(ctx, dialect.Text("SELECT COUNT(*) FROM ", r.d.Quote(t.Name)))
		if err != nil {
			return err
		}
		same := r.sameRow(t, was)
		_, other, err := r.main().number(ctx, dialect.Text("SELECT 1 FROM ", r.d.Quote(t.Name), " WHERE NOT EXISTS (SELECT 1 FROM ", r.d.Quote(t.Fresh),
			" WHERE ", same, ") LIMIT 1"))
		if err != nil {
			return err
		}
		if count != was.Rows || other {
			return cleanup.Refuse(fmt.Sprintf("rows of %s were written since the rebuild, and would be lost", t.Name),
				"keep them by tokensweep rebuild finish, or lose them by tokensweep rebuild undo --force", nil)
		}
	}
	return nil
}

// sameRow is true for a row of the old table that the one in place is a copy of, byte
// for byte: a collation would take a change of case for none.
func (r *run) sameRow(t *table, was *journalTable) string {
	var same []string
	for _, c := range t.found.Columns {
		then, now := r.d.Quote(t.Fresh)+"."+r.d.Quote(c.Name), r.d.Quote(t.Name)+"."+r.d.Quote(c.Name)
		equal := then + " <=> " + now
		if c.Collation != "" {
			equal += " AND " + r.d.Exact(then) + " <=> " + r.d.Exact(now)
		}
		if slices.ContainsFunc(was.Nulled, func(name string) bool { return schema.SameName(name, c.Name) }) {
			equal = "(" + now + " IS NULL OR " + equal + ")"
		}
		same = append(same, equal)
	}
	return strings.Join(same, " AND ")
}

// prepareOld gives the old tables the keys and triggers again that the swap took.
func (r *run) prepareOld(ctx context.Context) error {
	s, err := r.open(ctx, patience, r.d.CopySession()...)
	if err != nil {
		return err
	}
	defer r.end(s)
	triggers, err := r.triggerTexts(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.journal.Tables {
		if err := r.prepareKeys(ctx, s, t); err != nil {
			return fmt.Errorf("giving the old form of %s its foreign keys: %w", t.Name, err)
		}
		for i, trigger := range t.Triggers {
			if hasTrigger(triggers[t.Old], trigger.Name) || hasTrigger(triggers[t.Old], t.trigger(i)) {
				continue
			}
			statements := r.d.CreateTrigger(trigger, t.trigger(i), t.Old)
			if hasTrigger(triggers[t.Name], t.trigger(i)) {
				statements = append([]string{"DROP TRIGGER " + r.d.Quote(t.trigger(i))}, statements...)
			}
			if err := r.main().run(ctx, statements...); err != nil {
				return fmt.Errorf("making trigger %s again: %w", trigger.Name, err)
			}
		}
	}
	return r.main().run(ctx, r.d.RebuildSession(r.LockWait)...)
}

func (r *run) prepareKeys(ctx context.Context, s *session, t *journalTable) error {
	was, err := r.d.ParseTable(t.Definition)
	if err != nil {
		return err
	}
	_, now, err := s.definition(ctx, t.Old)
	if err != nil {
		return err
	}
	_, live, err := s.definition(ctx, t.Name)
	if err != nil {
		return err
	}
	named := func(keys []dialect.KeyText, name string) bool {
		return slices.ContainsFunc(keys, func(k dialect.KeyText) bool { return k.Name == name })
	}
	var add []string
	for i, k := range was.Keys {
		meanwhile, own := t.key(r.d, k, i)
		if own || named(now.Keys, k.Name) || named(now.Keys, meanwhile) {
			continue
		}
		name := meanwhile
		if !named(live.Keys, k.Name) {
			name = k.Name // nobody has it
		}
		to := ""
		for _, other := range r.journal.Tables {
			if schema.SameName(r.d.Quote(other.Name), k.RefTable) {
				to = other.Old
			}
		}
		add = append(add, r.d.AddKey(k, name, to))
	}
	if len(add) == 0 {
		return nil
	}
	return s.run(ctx, r.d.ChangeKeys(t.Old, nil, add))
}
