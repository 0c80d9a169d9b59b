package backup

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/tokensweep/tokensweep/schema"
)

// verdict is what is decided about a group.
type verdict struct {
	g        *group
	fate     Fate
	detail   string
	children []childVerdict // one for each child of the group
}

// childVerdict is empty for a row that has the fate of its group.
type childVerdict struct {
	fate   Fate
	detail string
}

// chunk is a transaction of a restore.
type chunk struct {
	r    *restorer
	tx   *sql.Tx
	here keySet // keys that this transaction puts back and others refer to
}

// keySet holds hashes of keys.
type keySet map[xxh3.Uint128]struct{}

// step finds the rows of a table that stay out for one reason.
type step func(ctx context.Context, table int, rows []*candidate) error

// decide looks up what is there. Careful also looks up the other unique keys, and
// all keys of child rows. They are hardly ever taken, and the server refuses a row
// whose key is; a second attempt is careful then.
func (c *chunk) decide(ctx context.Context, groups []*group, careful bool) ([]verdict, error) {
	all := make([]verdict, len(groups))
	for i, g := range groups {
		all[i] = verdict{g: g, fate: PutBack, children: make([]childVerdict, len(g.children))}
	}
	root := groups[0].phase.Table
	open := func() (rows []*candidate) {
		for i := range all {
			if v := &all[i]; v.fate == PutBack {
				rows = append(rows, &candidate{cells: v.g.cells, g: v.g, out: func(f Fate, detail string) { v.fate, v.detail = f, detail }})
			}
		}
		return rows
	}
	steps := []step{c.present, c.gone}
	if careful {
		steps = append(steps, c.taken)
	}
	for _, find := range steps {
		if err := find(ctx, root, open()); err != nil {
			return nil, err
		}
	}
	for i := range all {
		if all[i].fate == PutBack {
			c.remember(root, all[i].g.cells)
		}
	}
	for _, child := range groups[0].phase.Children {
		if err := c.decideChildren(ctx, child.Table, all, careful); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// candidate is a row that would be put back so far.
type candidate struct {
	cells []Cell
	g     *group
	child *childRow // nil for a root
	out   func(fate Fate, detail string)
}

func (c *chunk) decideChildren(ctx context.Context, table int, all []verdict, careful bool) error {
	open := func() (rows []*candidate) {
		for i := range all {
			v := &all[i]
			for n, child := range v.g.children {
				cv := &v.children[n]
				switch {
				case v.fate != PutBack || child.table != table || cv.fate != "":
				case parentOut(child, v):
					cv.fate, cv.detail = ParentGone, "the row that it hangs on stays out"
				default:
					rows = append(rows, &candidate{cells: child.cells, g: v.g, child: child, out: func(f Fate, detail string) { cv.fate, cv.detail = f, detail }})
				}
			}
		}
		return rows
	}
	steps := []step{c.gone}
	if careful {
		steps = append(steps, c.present, c.taken)
	}
	for _, find := range steps {
		if err := find(ctx, table, open()); err != nil {
			return err
		}
	}
	for _, row := range open() {
		c.remember(table, row.cells)
	}
	return nil
}

func parentOut(child *childRow, v *verdict) bool {
	for _, parent := range child.parents {
		for n, other := range v.g.children {
			if other == parent && v.children[n].fate != "" {
				return true
			}
		}
	}
	return false
}

// present finds the rows whose primary key is taken.
func (c *chunk) present(ctx context.Context, table int, rows []*candidate) error {
	t := &c.r.targets[table]
	if len(t.key) == 0 {
		return nil
	}
	found, err := c.r.lookUp(ctx, c.tx, look{table: t.stored, key: t.key, read: t.columns, values: pick(rows, t.key)})
	if err != nil {
		return err
	}
	for i, row := range rows {
		switch {
		case found[i] == nil:
		case sameCells(found[i], row.cells):
			row.out(AlreadyThere, "")
		default:
			row.out(NewerRow, "a row of that key is there and differs")
		}
	}
	return nil
}

func sameCells(a, b []Cell) bool {
	for i := range a {
		if a[i].Null() != b[i].Null() || a[i].Form != b[i].Form || string(a[i].Bytes) != string(b[i].Bytes) {
			return false
		}
	}
	return true
}

// taken finds the rows of which another unique key is taken.
func (c *chunk) taken(ctx context.Context, table int, rows []*candidate) error {
	t := &c.r.targets[table]
	for _, u := range t.uniques {
		var open []*candidate
		for _, row := range rows {
			if c.r.codec.NullsCollide() || !anyNull(row.cells, positionsOf(u.key)) {
				open = append(open, row)
			}
		}
		found, err := c.r.lookUp(ctx, c.tx, look{table: t.stored, key: u.key, read: t.shown, values: pick(open, u.key)})
		if err != nil {
			return err
		}
		for i, row := range open {
			if found[i] != nil {
				row.out(KeyTaken, fmt.Sprintf("%s is taken by %s", u.name, strings.Join(texts(found[i]), ",")))
			}
		}
		rows = stillOpen(open, rows, found)
	}
	return nil
}

// stillOpen is rows without those that were found.
func stillOpen(asked, rows []*candidate, found [][]Cell) []*candidate {
	out := map[*candidate]bool{}
	for i, row := range asked {
		out[row] = found[i] != nil
	}
	var open []*candidate
	for _, row := range rows {
		if !out[row] {
			open = append(open, row)
		}
	}
	return open
}

// gone finds the rows that refer to something that is not there any more.
func (c *chunk) gone(ctx context.Context, table int, rows []*candidate) error {
	for _, fk := range c.r.targets[table].foreign {
		var asked []*candidate
		for _, row := range rows {
			if !anyNull(row.cells, positionsOf(fk.key)) && !c.inGroup(row, &fk) && !c.comesBack(&fk, row) {
				asked = append(asked, row)
			}
		}
		found, err := c.lookUpOnce(ctx, &fk, asked)
		if err != nil {
			return err
		}
		for i, row := range asked {
			if found[i] != nil {
				continue
			}
			key := strings.Join(texts(pickOne(row.cells, fk.key)), ",")
			if schema.SameName(fk.parent.Name, schema.ConsumerApps) {
				row.out(AppGone, "consumer app "+key+" is gone")
			} else {
				row.out(ParentGone, fmt.Sprintf("row %s of %s is gone", key, fk.parent.Name))
			}
		}
		rows = missing(asked, rows, found)
	}
	return nil
}

// missing is rows without those that were asked for in vain.
func missing(asked, rows []*candidate, found [][]Cell) []*candidate {
	out := map[*candidate]bool{}
	for i, row := range asked {
		out[row] = found[i] == nil
	}
	var open []*candidate
	for _, row := range rows {
		if !out[row] {
			open = append(open, row)
		}
	}
	return open
}

// lookUpOnce asks for each parent once, however many rows refer to it.
func (c *chunk) lookUpOnce(ctx context.Context, fk *foreign, rows []*candidate) ([][]Cell, error) {
	at := map[string]int{}
	var values [][]Cell
	which := make([]int, len(rows))
	for i, row := range rows {
		v := pickOne(row.cells, fk.key)
		text := string(joined(v))
		n, ok := at[text]
		if !ok {
			n = len(values)
			at[text], values = n, append(values, v)
		}
		which[i] = n
	}
	found, err := c.r.lookUp(ctx, c.tx, look{table: fk.parent, key: fk.key, values: values})
	if err != nil {
		return nil, err
	}
	all := make([][]Cell, len(rows))
	for i, n := range which {
		all[i] = found[n]
	}
	return all, nil
}

// inGroup reports whether a row refers to a row of its own group, which is put back
// with it.
func (c *chunk) inGroup(row *candidate, fk *foreign) bool {
	if row.child == nil || fk.table < 0 {
		return false
	}
	own, theirs := positionsOf(fk.key), fk.parentAt
	if fk.table == row.g.phase.Table && refers(row.cells, own, row.g.cells, theirs) {
		return true
	}
	for _, parent := range row.child.parents {
		if parent.table == fk.table && refers(row.cells, own, parent.cells, theirs) {
			return true
		}
	}
	return false
}

// comesBack reports whether a row refers to one that this transaction puts back, or
// in a dry run one before it.
func (c *chunk) comesBack(fk *foreign, row *candidate) bool {
	if !fk.watched {
		return false
	}
	key := hashKey(fk.table, fk.parentAt, pickOne(row.cells, fk.key))
	_, here := c.here[key]
	_, before := c.r.returned[key]
	return here || before
}

// remember keeps the keys of a row that others may refer to.
func (c *chunk) remember(table int, cells []Cell) {
	for _, columns := range c.r.targets[table].watched {
		values := make([]Cell, len(columns))
		for i, at := range columns {
			values[i] = cells[at]
		}
		c.here[hashKey(table, columns, values)] = struct{}{}
	}
}

func hashKey(table int, columns []int, values []Cell) xxh3.Uint128 {
	b := fmt.Appendf(nil, "%d %v ", table, columns)
	return xxh3.Hash128(append(b, joined(values)...))
}

// joined is values as bytes that no other values give.
func joined(values []Cell) []byte {
	var b []byte
	for _, v := range values {
		b = appendCell(b, v)
	}
	return b
}
