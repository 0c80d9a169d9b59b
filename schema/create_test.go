package schema_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/schema"
)

func TestCreationOrderPutsParentsFirst(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		for _, name := range schema.Releases() {
			d := releaseOn(t, name, p)
			ordered, err := d.CreationOrder()
			require.NoError(t, err)
			require.Len(t, ordered, len(d.Tables))
			for i, table := range ordered {
				for _, fk := range table.ForeignKeys {
					require.True(t, slices.ContainsFunc(ordered[:i], func(p schema.Table) bool { return p.Name == fk.RefTable }),
						"%s: %s before %s", name, fk.RefTable, table.Name)
				}
			}
		}
	}
}

func TestCreationOrderOfCircles(t *testing.T) {
	t.Parallel()
	refers := func(name, to string) schema.Table {
		return schema.Table{Name: name, ForeignKeys: []schema.ForeignKey{{RefTable: to}}}
	}
	d := schema.Database{Tables: []schema.Table{refers("SELF", "self"), refers("OUT", "other.T")}}
	ordered, err := d.CreationOrder()
	require.NoError(t, err)
	require.Len(t, ordered, 2)

	d = schema.Database{Tables: []schema.Table{refers("A", "B"), {Name: "FREE"}, refers("B", "A")}}
	_, err = d.CreationOrder()
	require.ErrorContains(t, err, "A, B")
}

func TestSplitIndexes(t *testing.T) {
	t.Parallel()
	split := func(named, table string, on ...schema.Product) (before, after []string) {
		d := releaseOn(t, named, append(on, schema.MySQL)[0])
		b, a := d.SplitIndexes(tableOf(t, d, table))
		for _, ix := range b {
			before = append(before, ix.Name)
		}
		for _, ix := range a {
			after = append(after, ix.Name)
		}
		return before, after
	}
	before, after := split("apim-4.2", schema.ConsumerApps)
	require.Equal(t, []string{"CONSUMER_KEY_CONSTRAINT"}, before, "CIBA codes refer to it")
	require.Equal(t, []string{"IDX_OCA_UM_TID_UD_APN"}, after)

	before, _ = split("apim-2.6", schema.ConsumerApps)
	require.Empty(t, before, "no CIBA codes yet")

	before, _ = split("is-7.0", schema.ConsumerApps)
	require.Equal(t, []string{"CONSUMER_KEY_CONSTRAINT"}, before, "over two columns")

	before, _ = split("apim-4.2", schema.AccessToken)
	require.Empty(t, before, "children refer to its primary key")

	before, after = split("apim-3.2", schema.DeviceFlow, schema.SQLServer)
	require.Equal(t, []string{""}, before, "scopes refer to CODE_ID; the server names both unique keys")
	require.Equal(t, []string{""}, after)
}
