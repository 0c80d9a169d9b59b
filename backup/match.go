package backup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// target is a table of the database for the rows of one in the file.
type target struct {
	stored  *schema.Table
	columns []schema.Column // the file's, as the database has them
	key     []keyColumn     // primary key, or the one that the table is walked along
	shown   []schema.Column // that key, for people
	uniques []unique
	foreign []foreign
	watched [][]int // columns that rows of other groups refer to
	marks   string  // (?, ?, …) of a row
	ids     bool    // it counts up by itself
}

// unique is a unique key other than the primary one.
type unique struct {
	name string
	key  []keyColumn
}

// foreign is a foreign key of a target.
type foreign struct {
	key      []keyColumn // at: columns of the child; stored: those of the parent
	parent   *schema.Table
	table    int   // of the parent in the file, -1 if it is not there
	parentAt []int // its columns there
	watched  bool  // rows of another group may bring the parent back
}

// match finds the place of everything that the file has rows of. It refuses a
// database that lacks one, and names it.
func (r *restorer) match(found *schema.Database) error {
	codec, ok := r.d.(dialect.RowCodec)
	if !ok || r.d.Name() != r.f.Dialect {
		return refuse(fmt.Sprintf("%s holds rows of %s, and the database is %s", r.f.Path, productName(r.f.Dialect), productName(r.d.Name())),
			"restore it into a database of the kind that it came from")
	}
	r.codec, r.found, r.targets = codec, found, make([]target, len(r.f.Tables))
	for i := range r.f.Tables {
		if !r.f.has(i) {
			continue
		}
		if err := r.matchTable(i); err != nil {
			return err
		}
	}
	for i := range r.targets {
		if r.targets[i].stored != nil {
			r.foreignKeys(i)
		}
	}
	return r.matchAudit()
}

func productName(dialect string) string {
	switch dialect {
	case "mysql":
		return "MySQL or MariaDB"
	case "sqlserver":
		return "SQL Server"
	case "sqlite":
		return "SQLite"
	}
	return fmt.Sprintf("%q, which this tokensweep does not know", dialect)
}

// has reports whether the file has rows of a table.
func (f *File) has(table int) bool {
	return slices.ContainsFunc(f.Batches, func(b Batch) bool { return b.Rows[table] > 0 })
}

func (r *restorer) matchTable(i int) error {
	file, t := &r.f.Tables[i], &r.targets[i]
	changed := "restore into the tables as they were, or add what is missing; nothing was changed"
	stored, ok := r.found.Table(file.Name)
	if !ok {
		return refuse(fmt.Sprintf("schema %s has no table %s, of which the backup has rows", r.found.Name, file.Name), changed)
	}
	t.stored = stored
	marks := make([]string, len(file.Columns))
	for n, c := range file.Columns {
		to, ok := stored.Column(c.Name)
		if !ok || to.Generated {
			return refuse(fmt.Sprintf("table %s has no column %s that takes values, and the backup has some", stored.Name, c.Name), changed)
		}
		t.columns, t.ids = append(t.columns, *to), t.ids || to.AutoID
		marks[n] = r.codec.Import(c, *to)
	}
	t.marks = "(" + strings.Join(marks, ", ") + ")"
	for _, c := range stored.Columns {
		if file.index(c.Name) < 0 && !c.Nullable && c.Default == nil && !c.AutoID && !c.Generated {
			return refuse(fmt.Sprintf("column %s of table %s must have a value, and the backup has none: it is newer", c.Name, stored.Name), "give it a default first")
		}
	}
	r.keys(i)
	return nil
}

// keys finds the unique keys of a target.
func (r *restorer) keys(i int) {
	t := &r.targets[i]
	t.key = r.keyOf(i, t.stored.PrimaryKey)
	for _, p := range r.f.Phases {
		if p.Table == i && len(t.key) == 0 {
			t.key = r.keyOf(i, []string{p.Key})
		}
	}
	for _, k := range t.key {
		t.shown = append(t.shown, k.stored)
	}
	if len(t.shown) == 0 {
		t.shown = t.columns[:1]
	}
	for _, ix := range t.stored.Indexes {
		if key := r.keyOf(i, ix.Columns); ix.Unique && len(key) > 0 {
			t.uniques = append(t.uniques, unique{ix.Name, key})
		}
	}
}

// keyOf is nil if the file does not have all the columns.
func (r *restorer) keyOf(i int, columns []string) []keyColumn {
	var key []keyColumn
	for _, name := range columns {
		at := r.f.Tables[i].index(name)
		if at < 0 {
			return nil
		}
		key = append(key, keyColumn{at, r.f.Tables[i].Columns[at], r.targets[i].columns[at]})
	}
	return key
}

// foreignKeys finds what rows of a target refer to.
func (r *restorer) foreignKeys(i int) {
	for _, fk := range r.targets[i].stored.ForeignKeys {
		parent, ok := r.found.Table(fk.RefTable)
		key := r.keyOf(i, fk.Columns)
		if !ok || len(key) == 0 {
			continue // the server checks it
		}
		f := foreign{key: key, parent: parent, table: r.f.table(parent.Name)}
		for n, name := range fk.RefColumns {
			c, ok := parent.Column(name)
			if !ok {
				return
			}
			f.key[n].stored = *c
		}
		if f.table >= 0 {
			f.parentAt = r.f.positions(f.table, fk.RefColumns)
			if slices.Contains(f.parentAt, -1) {
				f.table = -1
			}
		}
		if f.table >= 0 && r.mayComeBack(i, &f, fk) {
			f.watched = true
			r.watchFor(f.table, f.parentAt)
		}
		r.targets[i].foreign = append(r.targets[i].foreign, f)
	}
}

func (r *restorer) watchFor(table int, columns []int) {
	t := &r.targets[table]
	if !slices.ContainsFunc(t.watched, func(known []int) bool { return slices.Equal(known, columns) }) {
		t.watched = append(t.watched, columns)
	}
}

// mayComeBack reports whether a parent may be a row of a group that comes before the
// child's, or with it. Phases are undone from the last to the first.
func (r *restorer) mayComeBack(child int, f *foreign, fk schema.ForeignKey) bool {
	for n := range r.f.Phases {
		p := &r.f.Phases[n]
		if r.f.width(p, child) == 0 {
			continue
		}
		c := p.child(child)
		linked := c != nil && len(c.Links) == 1 && c.Links[0].Parent == f.table && slices.EqualFunc(c.Links[0].Columns, fk.Columns, strings.EqualFold)
		for m := n; m < len(r.f.Phases) && !linked; m++ {
			if r.f.width(&r.f.Phases[m], f.table) > 0 {
				return true
			}
		}
	}
	return false
}
