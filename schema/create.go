package schema

import (
	"fmt"
	"slices"
	"strings"
)

// CreationOrder lists the tables so that each one comes after those that its
// foreign keys refer to, and otherwise in the order of d.Tables. A table that
// refers to itself is no problem; tables that refer to each other in a circle
// are an error, because no order suits them. Keys that refer to a table outside
// d do not count.
func (d *Database) CreationOrder() ([]Table, error) {
	var (
		ordered []Table
		waiting = slices.Clone(d.Tables)
	)
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(t Table) bool { return !refersToAny(t, waiting) })
		if i < 0 {
			return nil, fmt.Errorf("the foreign keys of these tables form a circle, so none can be created first: %s", names(waiting))
		}
		ordered = append(ordered, waiting[i])
		waiting = slices.Delete(waiting, i, i+1)
	}
	return ordered, nil
}

func refersToAny(t Table, others []Table) bool {
	return slices.ContainsFunc(t.ForeignKeys, func(fk ForeignKey) bool {
		return !strings.EqualFold(fk.RefTable, t.Name) &&
			slices.ContainsFunc(others, func(o Table) bool { return strings.EqualFold(o.Name, fk.RefTable) })
	})
}

func names(tables []Table) string {
	all := make([]string, len(tables))
	for i, t := range tables {
		all[i] = t.Name
	}
	return strings.Join(all, ", ")
}

// SplitIndexes parts a table's secondary indexes into those that must be there
// before other tables can refer to it, and those that can wait until its rows
// are loaded.
func (d *Database) SplitIndexes(t *Table) (before, after []Index) {
	needed := d.References(t.Name)
	for _, ix := range t.Indexes {
		if slices.ContainsFunc(needed, func(r Reference) bool { return sameNames(r.Key.RefColumns, ix.Columns) }) {
			before = append(before, ix)
		} else {
			after = append(after, ix)
		}
	}
	return before, after
}
