package backup

import (
	"bytes"
)

// group is a row of a phase's table with all that went with it.
type group struct {
	batch    *Batch
	phase    *Phase
	cells    []Cell
	children []*childRow // a parent before its children
}

// childRow is a row that went with a root.
type childRow struct {
	table   int
	cells   []Cell
	parents []*childRow // other than the root
}

// grouper puts the rows of a batch together.
type grouper struct {
	f      *File
	batch  *Batch
	phase  *Phase
	key    int
	at     map[string]*group
	groups []*group
}

func newGrouper(f *File, b *Batch) *grouper {
	g := &grouper{f: f, batch: b, phase: &f.Phases[b.Phase], at: map[string]*group{}}
	g.key = f.Tables[g.phase.Table].index(g.phase.Key)
	return g
}

func (g *grouper) add(table int, cells []Cell) error {
	if table == g.phase.Table {
		root := &group{batch: g.batch, phase: g.phase, cells: cells}
		g.at[string(cells[g.key].Bytes)] = root
		g.groups = append(g.groups, root)
		return nil
	}
	root := g.at[string(cells[len(cells)-1].Bytes)] // Open has seen that it is there
	row := &childRow{table: table, cells: cells[:len(cells)-1]}
	for _, l := range g.phase.child(table).Links {
		if l.Parent == g.phase.Table {
			continue
		}
		own, theirs := g.f.positions(table, l.Columns), g.f.positions(l.Parent, l.ParentColumns)
		for _, other := range root.children {
			if other.table == l.Parent && refers(row.cells, own, other.cells, theirs) {
				row.parents = append(row.parents, other)
			}
		}
	}
	root.children = append(root.children, row)
	return nil
}

// refers compares as loosely as the loosest collation of a key does. Rows of one
// root that differ in no more than case are not worth telling apart here.
func refers(child []Cell, own []int, parent []Cell, theirs []int) bool {
	for i := range own {
		a, b := child[own[i]], parent[theirs[i]]
		if a.Null() || b.Null() || !bytes.EqualFold(bytes.TrimRight(a.Bytes, " "), bytes.TrimRight(b.Bytes, " ")) {
			return false
		}
	}
	return true
}

func (h *Header) positions(table int, columns []string) []int {
	at := make([]int, len(columns))
	for i, c := range columns {
		at[i] = h.Tables[table].index(c)
	}
	return at
}

// value is a cell of a table by the column's name; ok is false without such a column.
func (h *Header) value(table int, cells []Cell, column string) (c Cell, ok bool) {
	i := h.Tables[table].index(column)
	if i < 0 {
		return Cell{}, false
	}
	return cells[i], true
}
