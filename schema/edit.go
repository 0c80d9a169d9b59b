package schema

import (
	"fmt"
	"slices"
	"strings"
)

// The words in which the releases are told: columns and their properties, and
// the edits that turn the tables of one release into those of the next. What
// only one product has is said with only. An edit that finds nothing to change
// panics: the history contradicts itself, which the tests would not let out.

func column(name string, kind Kind, length int, properties []func(*Column)) Column {
	c := Column{Name: name, Kind: kind, Length: length, Nullable: true}
	for _, set := range properties {
		set(&c)
	}
	return c
}

func varchar(name string, length int, properties ...func(*Column)) Column {
	return column(name, VarChar, length, properties)
}

func char(name string, length int, properties ...func(*Column)) Column {
	return column(name, Char, length, properties)
}

func integer(name string, properties ...func(*Column)) Column {
	return column(name, Int, 0, properties)
}

func bigint(name string, properties ...func(*Column)) Column {
	return column(name, BigInt, 0, properties)
}

func timestamp(name string, properties ...func(*Column)) Column {
	return column(name, Timestamp, 0, properties)
}

// autoID is a 32-bit id that the server counts up.
func autoID(name string) Column { return integer(name, required, func(c *Column) { c.AutoID = true }) }

func required(c *Column) { c.Nullable = false }

// or gives the column's default.
func or(value string) func(*Column) { return func(c *Column) { c.Default = &value } }

// orNow is for times that are required and default to the current one.
func orNow(c *Column) { required(c); or(DefaultNow)(c) }

func collated(charset, collation string) func(*Column) {
	return func(c *Column) { c.Charset, c.Collation = charset, collation }
}

// An edit changes one table of a product, a change any table of a release.
type (
	edit   func(*Table, Product)
	change func(*Database, Product)
)

// table adds a table.
func table(name string, edits ...edit) change {
	return func(d *Database, p Product) {
		t := Table{Name: name}
		for _, do := range edits {
			do(&t, p)
		}
		d.Tables = append(d.Tables, t)
	}
}

// in edits a table that is there.
func in(name string, edits ...edit) change {
	return func(d *Database, p Product) {
		t, ok := d.Table(name)
		mustFind(ok, "table", name)
		for _, do := range edits {
			do(t, p)
		}
	}
}

// everywhere edits all tables.
func everywhere(do edit) change {
	return func(d *Database, p Product) {
		for i := range d.Tables {
			do(&d.Tables[i], p)
		}
	}
}

// only makes edits on one product and none on the others.
func only(where Product, edits ...edit) edit {
	return func(t *Table, p Product) {
		if p != where {
			return
		}
		for _, do := range edits {
			do(t, p)
		}
	}
}

func charset(name string) edit { return func(t *Table, _ Product) { t.Charset = name } }

// columns adds columns at the end.
func columns(add ...Column) edit {
	return func(t *Table, _ Product) { t.Columns = append(t.Columns, add...) }
}

// first adds a column in front of all others.
func first(c Column) edit {
	return func(t *Table, _ Product) { t.Columns = slices.Insert(t.Columns, 0, c) }
}

// after adds a column behind the one named.
func after(name string, c Column) edit {
	return func(t *Table, _ Product) { t.Columns = slices.Insert(t.Columns, t.position(name)+1, c) }
}

// alter replaces columns by those of the same name.
func alter(changed ...Column) edit {
	return func(t *Table, _ Product) {
		for _, c := range changed {
			t.Columns[t.position(c.Name)] = c
		}
	}
}

func (t *Table) position(column string) int {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == column })
	mustFind(i >= 0, "column", column)
	return i
}

// primary sets the primary key; without columns it removes it.
func primary(columns ...string) edit {
	return func(t *Table, _ Product) { t.PrimaryKey = columns }
}

func index(name string, columns ...string) edit {
	return func(t *Table, _ Product) { t.Indexes = append(t.Indexes, Index{Name: name, Columns: columns}) }
}

// including adds columns to the index that the edit makes, beside its key.
func (do edit) including(columns ...string) edit {
	return func(t *Table, p Product) {
		do(t, p)
		t.Indexes[len(t.Indexes)-1].Include = columns
	}
}

// supporting is the index that InnoDB makes for a foreign key that has none. It
// bears the name of the key's first column. SQL Server makes none.
func supporting(columns ...string) edit { return only(MySQL, index(columns[0], columns...)) }

func unique(name string, columns ...string) edit {
	return func(t *Table, p Product) {
		t.Indexes = append(t.Indexes, Index{Name: name, Unique: true, Constraint: p == SQLServer, Columns: columns})
	}
}

// unnamed is a unique key that the server names: MySQL by its first column, SQL
// Server by numbers that differ from database to database.
func unnamed(columns ...string) edit {
	return func(t *Table, p Product) {
		if p == SQLServer {
			unique("", columns...)(t, p)
			return
		}
		unique(columns[0], columns...)(t, p)
	}
}

// dropUnique removes the unique key over these columns.
func dropUnique(columns ...string) edit {
	return func(t *Table, _ Product) {
		i := slices.IndexFunc(t.Indexes, func(ix Index) bool { return ix.Unique && sameNames(ix.Columns, columns) })
		mustFind(i >= 0, "unique key", strings.Join(columns, ", "))
		t.Indexes = slices.Delete(t.Indexes, i, i+1)
	}
}

// widen adds columns at the end of an index.
func widen(name string, columns ...string) edit {
	return func(t *Table, _ Product) {
		ix := &t.Indexes[t.indexPosition(name)]
		ix.Columns = append(slices.Clone(ix.Columns), columns...)
	}
}

func dropIndex(names ...string) edit {
	return func(t *Table, _ Product) {
		for _, name := range names {
			i := t.indexPosition(name)
			t.Indexes = slices.Delete(t.Indexes, i, i+1)
		}
	}
}

func (t *Table) indexPosition(name string) int {
	i := slices.IndexFunc(t.Indexes, func(ix Index) bool { return ix.Name == name })
	mustFind(i >= 0, "index", name)
	return i
}

// on names the columns of a foreign key, refers its target; children go with
// the parent row unless noCascade takes that back.
func on(columns ...string) ForeignKey { return ForeignKey{Columns: columns, OnDelete: Cascade} }

func (fk ForeignKey) refers(table string, columns ...string) edit {
	fk.RefTable, fk.RefColumns = table, columns
	return func(t *Table, _ Product) { t.ForeignKeys = append(t.ForeignKeys, fk) }
}

// noCascade makes the foreign key over these columns refuse the delete of the
// parent row.
func noCascade(columns ...string) edit {
	return func(t *Table, _ Product) { t.ForeignKeys[t.keyPosition(columns)].OnDelete = NoAction }
}

// dropForeignKey removes the foreign key over these columns.
func dropForeignKey(columns ...string) edit {
	return func(t *Table, _ Product) {
		i := t.keyPosition(columns)
		t.ForeignKeys = slices.Delete(t.ForeignKeys, i, i+1)
	}
}

func (t *Table) keyPosition(columns []string) int {
	i := slices.IndexFunc(t.ForeignKeys, func(fk ForeignKey) bool { return sameNames(fk.Columns, columns) })
	mustFind(i >= 0, "foreign key", strings.Join(columns, ", "))
	return i
}

func mustFind(found bool, what, name string) {
	if !found {
		panic(fmt.Sprintf("schema: the history of the releases edits %s %s, which is not there", what, name))
	}
}
