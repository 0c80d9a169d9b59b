package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/verify"
)

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	table := func(name string, indexes ...string) schema.Table {
		found := schema.Table{Name: name, Columns: []schema.Column{{Name: "ID", Type: "int"}}}
		for _, ix := range indexes {
			found.Indexes = append(found.Indexes, schema.Index{Name: ix, Columns: []string{"ID"}})
		}
		return found
	}
	before := &schema.Database{Tables: []schema.Table{table("A", "BY_ID"), table("B")}}
	for name, c := range map[string]struct {
		now  []schema.Table
		own  []string
		want []verify.Class
	}{
		"nothing":          {now: before.Tables},
		"an index is gone": {now: []schema.Table{table("A"), table("B")}, want: []verify.Class{verify.Altered}},
		"a table is gone":  {now: []schema.Table{table("A", "BY_ID")}, want: []verify.Class{verify.Lost}},
		"a table is new":   {now: append(before.Tables[:2:2], table("C")), want: []verify.Class{verify.Invented}},
		"it is our own":    {now: append(before.Tables[:2:2], table("C")), own: []string{"c"}},
		"the worst first":  {now: []schema.Table{table("A"), table("C")}, want: []verify.Class{verify.Lost, verify.Altered, verify.Invented}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var classes []verify.Class
			for _, f := range verify.CheckSchema(before, &schema.Database{Tables: c.now}, verify.Expect{Own: c.own}) {
				classes = append(classes, f.Class)
			}
			require.Equal(t, c.want, classes)
		})
	}
}
