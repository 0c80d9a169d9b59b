package rebuild

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// table is one that is rebuilt.
type table struct {
	*journalTable
	found    *schema.Table
	text     dialect.TableText
	phase    *cleanup.Phase // nil: its rows go only with those of others
	parents  []schema.Hop   // a row goes with the row that one of these leads to
	nulls    []schema.Hop   // columns that become NULL with the row that one of these leads to
	upstream []*table       // tables that must be copied before

	keptIndexes              []string // that are there while rows are copied
	rows, removable, written int64
	started                  bool
	begun, copied            chan struct{} // closed when its copy has begun, and when it is done
	took                     time.Duration // of copying
	locker                   *session      // keeps writers out
}

// choose finds the tables to rebuild: those from which the policy removes rows,
// and all that refer to one of them, because their keys would follow the old table.
func (r *run) choose(ctx context.Context) error {
	chosen := map[string]*table{}
	for i := range r.plan.Phases {
		ph := &r.plan.Phases[i]
		any, err := r.anyRemovable(ctx, ph, chosen)
		if err != nil {
			return fmt.Errorf("looking for removable rows in %s: %w", ph.Table, err)
		}
		if any {
			r.join(chosen, ph.Table).phase = ph
			for _, c := range r.found.Children(ph.Table) {
				if c.Fate == schema.Holds {
					continue
				}
				child := r.join(chosen, c.Table())
				if !slices.ContainsFunc(child.parents, func(h schema.Hop) bool { return reflect.DeepEqual(h, c.Path[0]) }) {
					child.parents = append(child.parents, c.Path[0])
				}
			}
		}
	}
	r.followKeys(chosen)
	return r.inOrder(chosen)
}

func (r *run) join(chosen map[string]*table, name string) *table {
	found, _ := r.found.Table(name)
	t, ok := chosen[found.Name]
	if !ok {
		t = &table{found: found, begun: make(chan struct{}), copied: make(chan struct{})}
		chosen[found.Name] = t
	}
	return t
}

// anyRemovable looks at the table as it is before the run.
func (r *run) anyRemovable(ctx context.Context, ph *cleanup.Phase, chosen map[string]*table) (bool, error) {
	removable := ph.Removable
	tokens := &r.plan.Phases[0]
	if _, ok := chosen[tokens.Table]; ok {
		removable = ph.Under(r.rule(), dialect.TokenLeft(r.d, ph.Table, tokens.Table, tokens.Eligible(r.d, tokens.Removable)))
	}
	q := dialect.Concat("SELECT 1 FROM ", r.d.Table(ph.Table), " WHERE ", ph.Eligible(r.d, removable), r.d.Limit(dialect.Text("1")))
	_, found, err := r.main().number(ctx, q)
	return found, err
}

func (r *run) rule() dialect.Rule {
	return dialect.Rule{Dialect: r.d, Policy: r.plan.Policy, CutOff: dialect.CutOff(r.d, r.plan.CutOff)}
}

// followKeys adds what refers to a chosen table, until there is nothing more.
func (r *run) followKeys(chosen map[string]*table) {
	for grown := true; grown; {
		grown = false
		for _, t := range sorted(chosen) {
			for _, ref := range r.found.References(t.found.Name) {
				before := len(chosen)
				child := r.join(chosen, ref.Table.Name)
				grown = grown || len(chosen) > before
				hop := schema.Hop{Table: child.found.Name, Columns: ref.Key.Columns, Parent: t.found.Name, ParentColumns: ref.Key.RefColumns}
				if ref.Key.OnDelete == schema.SetNull && !slices.ContainsFunc(child.nulls, func(h schema.Hop) bool { return reflect.DeepEqual(h, hop) }) {
					child.nulls = append(child.nulls, hop)
				}
			}
		}
	}
}

func sorted(chosen map[string]*table) []*table {
	var all []*table
	for _, t := range chosen {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *table) int { return strings.Compare(a.found.Name, b.found.Name) })
	return all
}

// inOrder lists the chosen tables, those that others refer to before them.
func (r *run) inOrder(chosen map[string]*table) error {
	waiting := sorted(chosen)
	for _, t := range waiting {
		for _, name := range r.refersTo(t, chosen) {
			if name == t.found.Name {
				return cleanup.Refuse(fmt.Sprintf("table %s has a foreign key to itself", name), "use --engine batch", nil)
			}
			t.upstream = append(t.upstream, chosen[name])
		}
	}
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(t *table) bool {
			return !slices.ContainsFunc(t.upstream, func(p *table) bool { return slices.Contains(waiting, p) })
		})
		if i < 0 {
			return cleanup.Refuse(fmt.Sprintf("table %s and others refer to each other in a circle", waiting[0].found.Name), "use --engine batch", nil)
		}
		r.tables = append(r.tables, waiting[i])
		waiting = slices.Delete(waiting, i, i+1)
	}
	return nil
}

// refersTo are the chosen tables that a table depends on.
func (r *run) refersTo(t *table, chosen map[string]*table) []string {
	var names []string
	for _, fk := range t.found.ForeignKeys {
		if _, ok := chosen[fk.RefTable]; ok {
			names = append(names, fk.RefTable)
		}
	}
	for _, hop := range t.parents {
		names = append(names, hop.Parent)
	}
	tokens := r.plan.Phases[0].Table
	if _, ok := chosen[tokens]; ok && t.phase != nil && schema.SameName(t.found.Name, schema.AuthzCode) {
		names = append(names, tokens) // a code may only go when its token is gone
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// named returns the rebuilt table of that name, nil for another.
func (r *run) named(name string) *table {
	for _, t := range r.tables {
		if schema.SameName(t.found.Name, name) {
			return t
		}
	}
	return nil
}

func (r *run) tableNames() []string {
	names := make([]string, len(r.tables))
	for i, t := range r.tables {
		names[i] = t.found.Name
	}
	return names
}

// eligible is true for the rows of a phase's table that go. Of the tokens, those
// are left that were copied, so that the codes ask for no more than that.
func (r *run) eligible(t *table) dialect.SQL {
	ph, removable := t.phase, t.phase.Removable
	if tokens := r.named(r.plan.Phases[0].Table); tokens != nil {
		removable = ph.Under(r.rule(), dialect.TokenLeft(r.d, ph.Table, tokens.Fresh, dialect.SQL{}))
	}
	return ph.Eligible(r.d, removable)
}

// stays is true for the rows to copy; empty for all.
func (r *run) stays(t *table) dialect.SQL {
	var all []any
	and := func(pieces ...any) {
		if len(all) > 0 {
			all = append(all, " AND ")
		}
		all = append(all, pieces...)
	}
	if t.phase != nil {
		and("CASE WHEN ", r.eligible(t), " THEN 0 ELSE 1 END = 1")
	}
	for _, hop := range t.parents {
		and("NOT ", r.goesWith(hop))
	}
	return dialect.Concat(all...)
}

// orphans is true for the rows that lead to no parent; empty if they are to be copied
// with the rest. Asked for both in one condition, the server looks up the copied and the
// old parent of every row, which takes twice as long as a join each.
func (r *run) orphans(t *table) dialect.SQL {
	if t.phase != nil || len(t.parents) != 1 || len(t.nulls) > 0 {
		return dialect.SQL{}
	}
	return dialect.Concat("NOT ", r.leads(t.parents[0]))
}

// goesWith is true for rows of which the row that the hop leads to was not copied.
// Rows that lead to none are orphans and stay.
func (r *run) goesWith(hop schema.Hop) dialect.SQL {
	return dialect.Concat("(NOT ", r.leads(r.copied(hop)), " AND ", r.leads(hop), ")")
}

// leads is true for rows that the hop leads from to a row.
func (r *run) leads(hop schema.Hop) dialect.SQL {
	return dialect.Text("EXISTS (SELECT 1 FROM ", r.d.Quote(hop.Parent), " WHERE ", dialect.OnHop(r.d, hop), ")")
}

// copied is the hop into the new table.
func (r *run) copied(hop schema.Hop) schema.Hop {
	hop.Parent = r.named(hop.Parent).Fresh
	return hop
}

// columns are those of a table that take values, and the values.
func (r *run) columns(t *table) (names []string, values dialect.SQL) {
	var all []any
	for _, c := range t.found.Columns {
		if c.Generated {
			continue
		}
		value := dialect.Text(r.d.Quote(t.found.Name), ".", r.d.Quote(c.Name))
		for _, hop := range t.nulls {
			if slices.ContainsFunc(hop.Columns, func(name string) bool { return schema.SameName(name, c.Name) }) {
				value = dialect.Concat("CASE WHEN ", r.goesWith(hop), " THEN NULL ELSE ", value, " END")
			}
		}
		if len(names) > 0 {
			all = append(all, ", ")
		}
		names, all = append(names, c.Name), append(all, value)
	}
	return names, dialect.Concat(all...)
}
