package rebuild

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// takeBack removes what the run made, in new sessions if need be. swapped says that
// the tables had been swapped already; then nothing was taken back.
func (r *run) takeBack(ctx context.Context) (swapped bool, err error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if swapped, err = r.takeBackOnce(ctx); err == nil || time.Now().After(deadline) || r.d.Classify(err) == dialect.Unreachable {
			return swapped, err
		}
	}
}

func (r *run) takeBackOnce(ctx context.Context) (swapped bool, err error) {
	if err := r.reconnect(ctx); err != nil {
		return false, err
	}
	if r.found, err = schema.Read(ctx, r.main().conn, r.d, r.schema); err != nil {
		return false, err
	}
	j, err := r.readJournal(ctx)
	if err != nil || j == nil {
		return false, err
	}
	if j.RunID != "" {
		r.journal = j
	}
	if r.isSwapped() {
		return true, nil
	}
	return false, r.discard(ctx)
}

// isSwapped reports whether the new tables are in place.
func (r *run) isSwapped() bool { return r.journal.stage(r.found).InPlace() }

// discard removes everything of a rebuild that did not swap. It can be done again.
func (r *run) discard(ctx context.Context) error {
	j := r.journal
	// An undone rebuild may still have keys and triggers under other names.
	if err := r.restoreKeys(ctx, fresh); err != nil {
		return err
	}
	if err := r.restoreTriggers(ctx, fresh); err != nil {
		return err
	}
	if j.state == ready && j.Audit != nil {
		if err := r.forgetAudit(ctx); err != nil {
			return err
		}
	}
	var names []string
	for _, t := range slices.Backward(j.Tables) {
		names = append(names, t.Fresh)
	}
	names = append(names, j.Gate, j.Latch, j.Latch+"_2", JournalTable) // the journal last
	for _, name := range names {
		if name == "" {
			continue
		}
		if err := r.main().run(ctx, "DROP TABLE IF EXISTS "+r.d.Quote(name)); err != nil {
			return err
		}
	}
	return nil
}

// forgetAudit deletes the run's audit rows: those of its time, of tokens that are
// there. The journal says in the same transaction that it is done.
func (r *run) forgetAudit(ctx context.Context) error {
	a, d := r.journal.Audit, r.d
	where := []any{"EXISTS (SELECT 1 FROM ", d.Quote(a.Tokens), " WHERE ", d.Quote(a.Tokens), ".TOKEN_ID = ", d.Quote(a.Table), ".TOKEN_ID)"}
	if a.ID != "" {
		where = append(where, " AND ", d.Quote(a.Table), ".", d.Quote(a.ID), " > ", dialect.Value(a.Above))
	}
	switch {
	case a.Invalidated == "":
	case a.Moment:
		where = append(where, " AND ", d.InstantOf(a.Table, a.Invalidated), " = ", dialect.Value(a.Instant))
	default:
		where = append(where, " AND ", d.Quote(a.Table), ".", d.Quote(a.Invalidated), " = ", dialect.Value(d.Wall(a.At)))
	}
	if err := r.main().run(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	n, err := r.main().exec(ctx, dialect.Concat("DELETE FROM ", d.Quote(a.Table), " WHERE ", dialect.Concat(where...)))
	if err != nil {
		return fmt.Errorf("taking the audit rows back: %w", err)
	}
	if err := r.write(ctx, r.main(), building); err != nil {
		return err
	}
	r.log("%d audit rows were taken back", n)
	return r.main().run(ctx, "COMMIT")
}

// retryComplete brings a swapped run to its end, over lost connections.
func (r *run) retryComplete(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := r.complete(ctx)
		if err == nil || attempt == 5 || r.d.Classify(err) == dialect.Unreachable {
			return err
		}
		r.log("%v: once more", err)
		if _, again := r.takeBack(ctx); again != nil {
			return again
		}
	}
}

// complete does what is left after the swap. Each part looks at what is there, so
// that it can be done again.
func (r *run) complete(ctx context.Context) error {
	for _, s := range []step{
		{"names", func(ctx context.Context) error { return r.restoreKeys(ctx, old) }},
		{"restore triggers", func(ctx context.Context) error { return r.restoreTriggers(ctx, old) }}, {"compare", r.compare},
	} {
		r.hook(s.name)
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	if r.Keep {
		if err := r.write(ctx, r.main(), kept); err != nil {
			return err
		}
		r.log("the old tables are kept as %sold_…", prefix)
		return nil
	}
	r.hook("drop")
	return r.dropOld(ctx)
}

// old and fresh are what is behind a table after a swap, and after it was undone.
func old(t *journalTable) string   { return t.Old }
func fresh(t *journalTable) string { return t.Fresh }

// restoreKeys gives keys their names back: a name that is not made of the table's
// is one in the whole schema, and the table behind has it until now.
func (r *run) restoreKeys(ctx context.Context, behind func(*journalTable) string) error {
	var s *session
	for _, t := range r.journal.Tables {
		was, err := r.d.ParseTable(t.Definition)
		if err != nil {
			return err
		}
		var drop, temporary, add []string
		for i, k := range was.Keys {
			name, own := t.key(r.d, k, i)
			if own {
				continue
			}
			drop, temporary = append(drop, k.Name), append(temporary, name)
			add = append(add, r.d.AddKey(k, k.Name, ""))
		}
		if len(drop) == 0 {
			continue
		}
		if s == nil {
			if s, err = r.open(ctx, patience, r.d.CopySession()...); err != nil {
				return err
			}
			defer r.end(s)
		}
		if err := r.moveKeys(ctx, s, t.Name, behind(t), keyNames{drop, temporary}, add); err != nil {
			return fmt.Errorf("restoring the names of the foreign keys of %s: %w", t.Name, err)
		}
	}
	return nil
}

// keyNames are the names of keys as they were, and as they are meanwhile.
type keyNames struct{ own, meanwhile []string }

func (r *run) moveKeys(ctx context.Context, s *session, table, behind string, names keyNames, add []string) error {
	if _, there, err := s.number(ctx, r.exists(behind)); err != nil {
		return err
	} else if there {
		still, err := hasKeys(ctx, s, behind, names.own)
		if err == nil && still {
			err = s.run(ctx, r.d.ChangeKeys(behind, names.own, nil))
		}
		if err != nil {
			return err
		}
	}
	r.hook("between names")
	if still, err := hasKeys(ctx, s, table, names.meanwhile); err != nil || !still {
		return err
	}
	return s.run(ctx, r.d.ChangeKeys(table, names.meanwhile, add))
}

// hasKeys reports whether a table has one of the foreign keys named.
func hasKeys(ctx context.Context, s *session, table string, names []string) (bool, error) {
	_, now, err := s.definition(ctx, table)
	return slices.ContainsFunc(now.Keys, func(k dialect.KeyText) bool { return slices.Contains(names, k.Name) }), err
}

func (r *run) exists(table string) dialect.SQL {
	return dialect.Concat("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ", dialect.Value(r.schema), " AND TABLE_NAME = ", dialect.Value(table))
}

// restoreTriggers makes the triggers under their names again, while nobody uses the
// tables, and drops those that did their work meanwhile.
func (r *run) restoreTriggers(ctx context.Context, behind func(*journalTable) string) error {
	now, err := r.triggerTexts(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.journal.Tables {
		statements := r.triggerChanges(t, now[t.Name], now[behind(t)])
		if len(statements) == 0 {
			continue
		}
		lock := []string{t.Name}
		if len(now[behind(t)]) > 0 {
			lock = append(lock, behind(t))
		}
		if err := r.main().run(ctx, r.d.LockAll(lock)); err != nil {
			return err
		}
		for _, statement := range statements {
			r.hook("trigger")
			if err := r.main().run(ctx, statement); err != nil {
				return fmt.Errorf("restoring the triggers of %s: %w", t.Name, err)
			}
		}
		if err := r.main().run(ctx, append([]string{r.d.Unlock()}, r.d.RebuildSession(r.LockWait)...)...); err != nil {
			return err
		}
	}
	return nil
}

// triggerChanges are the statements that are missing, given the triggers that the
// table and the one behind it have.
func (r *run) triggerChanges(t *journalTable, has, behind []dialect.TriggerText) (statements []string) {
	for i, trigger := range t.Triggers {
		missing := !hasTrigger(has, trigger.Name)
		if missing && hasTrigger(behind, trigger.Name) {
			statements = append(statements, "DROP TRIGGER "+r.d.Quote(trigger.Name))
		}
		if missing {
			statements = append(statements, r.d.CreateTrigger(trigger, trigger.Name, t.Name)...)
		}
		if hasTrigger(has, t.trigger(i)) {
			statements = append(statements, "DROP TRIGGER "+r.d.Quote(t.trigger(i)))
		}
	}
	return statements
}

func hasTrigger(all []dialect.TriggerText, name string) bool {
	return slices.ContainsFunc(all, func(t dialect.TriggerText) bool { return t.Name == name })
}

// compare looks once more before the old tables go: the new ones are defined as they were.
func (r *run) compare(ctx context.Context) error {
	triggers, err := r.triggerTexts(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.journal.Tables {
		was, err := r.d.ParseTable(t.Definition)
		if err != nil {
			return err
		}
		_, now, err := r.main().definition(ctx, t.Name)
		if err != nil {
			return err
		}
		if now.Text != was.Text || !sameKeys(was.Keys, now.Keys) || !slices.Equal(t.Triggers, triggers[t.Name]) {
			return fmt.Errorf("%s is not defined as it was: %s; the old table is kept as %s", t.Name, difference(was.Text, now.Text), t.Old)
		}
	}
	return r.write(ctx, r.main(), swapped)
}

// sameKeys does not care for the order in which a server lists keys.
func sameKeys(a, b []dialect.KeyText) bool {
	byName := func(x, y dialect.KeyText) int { return strings.Compare(x.Name, y.Name) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byName), slices.SortedFunc(slices.Values(b), byName))
}

// dropOld drops the old tables, children first, with keys checked: one that is still
// referred to stays. The journal goes last.
func (r *run) dropOld(ctx context.Context) error {
	var names []string
	for _, t := range slices.Backward(r.journal.Tables) {
		names = append(names, r.d.Quote(t.Old))
	}
	for _, name := range []string{r.journal.Gate, r.journal.Latch} {
		names = append(names, r.d.Quote(name))
	}
	if err := r.main().run(ctx, "DROP TABLE IF EXISTS "+strings.Join(names, ", ")); err != nil {
		return err
	}
	r.hook("end")
	return r.main().run(ctx, "DROP TABLE IF EXISTS "+r.d.Quote(JournalTable))
}

// leftovers takes up an earlier rebuild, or says what it left. resumed means that it
// had swapped and is done now: the result is its own.
func (r *run) leftovers(ctx context.Context) (resumed bool, err error) {
	j, err := r.readJournal(ctx)
	if err != nil {
		return false, err
	}
	if j == nil {
		return false, r.strangers()
	}
	r.journal = j
	status, err := Look(ctx, r.main().conn, r.d, r.found)
	if err != nil {
		return false, err
	}
	status.AtWork = false // the lock is ours
	done := status.Stage.InPlace()
	switch {
	case status.Stage == Kept || !r.Resume:
		return false, status.Refusal()
	case !done:
		r.log("removing what rebuild %s left", j.RunID)
		if err := r.discard(ctx); err != nil {
			return false, classified(r.d, err)
		}
		r.journal = nil
		r.found, err = schema.Read(ctx, r.main().conn, r.d, r.schema)
		return false, err
	}
	if r.plan != nil && (j.Policy != r.plan.Policy || !j.CutOff.Equal(r.plan.CutOff) || (j.Audit != nil) != r.plan.Audit && removedTokens(j)) {
		return false, cleanup.Refuse(fmt.Sprintf("rebuild %s was interrupted and has other settings than this run: policy %s, cut-off %s",
			j.RunID, j.Policy, j.CutOff.Format(time.RFC3339)), "finish it with those settings first, or by tokensweep rebuild finish", nil)
	}
	r.log("bringing rebuild %s to its end", j.RunID)
	if err := r.retryComplete(context.WithoutCancel(ctx)); err != nil {
		return false, err
	}
	r.finishResult()
	r.result.Resumed = true
	return true, nil
}

func removedTokens(j *journal) bool { return len(j.Phases) > 0 && j.Phases[0].Removed > 0 }

// strangers refuses tables with names of ours that no journal knows.
func (r *run) strangers() error {
	for _, name := range strangers(r.found) {
		return cleanup.Refuse(fmt.Sprintf("schema %s has a table %s, as a rebuild makes them, and no %s that tells of it", r.schema, name, JournalTable),
			"look at it, and drop it if nobody needs it", nil)
	}
	return nil
}

// Finish drops the old tables of a rebuild that kept them, or brings one to its end
// that was interrupted after the swap. It is an error if there is none.
func Finish(ctx context.Context, db *sql.DB, d dialect.Dialect, schemaName string, w cleanup.Watcher) error {
	r, err := takeUp(ctx, db, d, schemaName, w)
	if err != nil {
		return err
	}
	defer r.close()
	if !r.isSwapped() {
		return cleanup.Refuse("the rebuild had not put its tables in place", "clean --engine rebuild --resume starts over, tokensweep rebuild undo drops what is left", nil)
	}
	return r.retryComplete(context.WithoutCancel(ctx))
}

// takeUp reads the journal of an earlier rebuild.
func takeUp(ctx context.Context, db *sql.DB, d dialect.Dialect, schemaName string, w cleanup.Watcher) (*run, error) {
	rebuilder, ok := d.(dialect.Rebuilder)
	if !ok {
		return nil, unsupported()
	}
	r := newRun(Engine{}, db, rebuilder, schemaName, w)
	err := r.connect(ctx)
	if err == nil {
		r.found, err = schema.Read(ctx, r.main().conn, r.d, r.schema)
	}
	if err == nil {
		r.journal, err = r.readJournal(ctx)
	}
	if err == nil && r.journal == nil {
		err = cleanup.Refuse(fmt.Sprintf("schema %s has no rebuild to finish or to undo", schemaName), "", nil)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}
