package seed

import (
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/schema"
)

// filling is a table as found, with what goes into it.
type filling struct {
	table
	found *schema.Table // its name and columns are as the database spells them
	names []string      // of columns, as found
}

// plan matches the tables that positions have rows in with those found. Tables
// and columns that are not there are left out. A column that nothing is known
// to put in is no problem unless a row cannot be without it.
func plan(all []table, found *schema.Database) ([]filling, error) {
	var fillings []filling
	for _, t := range all {
		there, ok := found.Table(t.name)
		if !ok {
			continue
		}
		f, err := match(t, there)
		if err != nil {
			return nil, err
		}
		fillings = append(fillings, f)
	}
	return fillings, nil
}

func match(t table, found *schema.Table) (filling, error) {
	f := filling{table: t, found: found}
	f.columns = nil
	for i := range found.Columns {
		c := &found.Columns[i]
		known, ok := t.column(c.Name)
		switch {
		case c.Generated, c.AutoID && !known.id:
		case ok:
			f.columns, f.names = append(f.columns, known), append(f.names, c.Name)
		case !c.Nullable && c.Default == nil:
			return f, refuse("table %s has a column %s that is NOT NULL and has no default, and the seed does not know what to put in it: "+
				"give it a default or allow NULL", found.Name, c.Name)
		}
	}
	return f, nil
}

func (t *table) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

// without leaves a column to the server.
func (f filling) without(name string) filling {
	var columns []column
	var names []string
	for i, n := range f.names {
		if !strings.EqualFold(n, name) {
			columns, names = append(columns, f.columns[i]), append(names, n)
		}
	}
	f.columns, f.names = columns, names
	return f
}
