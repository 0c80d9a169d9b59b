package dbtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// Dump reads every table: its name and the rows as text, sorted.
func (f *Fixture) Dump() map[string][]string {
	f.t.Helper()
	all := map[string][]string{}
	for _, table := range f.Found().Tables {
		rows := f.query("SELECT * FROM ", f.Dialect.Table(table.Name))
		all[table.Name] = []string{}
		cells := make([]any, len(table.Columns))
		for i := range cells {
			cells[i] = new(any)
		}
		for rows.Next() {
			require.NoError(f.t, rows.Scan(cells...))
			all[table.Name] = append(all[table.Name], rowText(cells))
		}
		require.NoError(f.t, rows.Close())
		slices.Sort(all[table.Name])
	}
	return all
}

func rowText(cells []any) string {
	var b strings.Builder
	for _, c := range cells {
		v := *c.(*any)
		if raw, ok := v.([]byte); ok {
			v = string(raw)
		}
		fmt.Fprintf(&b, "%v|", v)
	}
	return b.String()
}
