package schema_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/schema"
)

// TestSQLServerTimes: a token's times can be NULL, those of a device flow must
// be given.
func TestSQLServerTimes(t *testing.T) {
	t.Parallel()
	now := schema.DefaultNow
	for _, name := range schema.Releases() {
		d := releaseOn(t, name, schema.SQLServer)
		for _, table := range d.Tables {
			for _, c := range table.Columns {
				if c.Kind != schema.Timestamp {
					continue
				}
				required := table.Name == schema.DeviceFlow || table.Name == schema.CIBACode
				require.Equal(t, !required, c.Nullable, "%s: %s.%s", name, table.Name, c.Name)
				if c.Name == "ISSUED_TIME" {
					require.Equal(t, &now, c.Default)
				} else {
					require.Nil(t, c.Default, "%s: %s.%s", name, table.Name, c.Name)
				}
			}
		}
	}
}

// TestSQLServerCascades: two keys of the request object do not cascade, so that
// no delete reaches it on two paths. All others do.
func TestSQLServerCascades(t *testing.T) {
	t.Parallel()
	for _, name := range schema.Releases() {
		for _, table := range releaseOn(t, name, schema.SQLServer).Tables {
			for _, fk := range table.ForeignKeys {
				want := schema.Cascade
				if table.Name == schema.RequestObject && fk.RefTable != schema.ConsumerApps {
					want = schema.NoAction
				}
				require.Equal(t, want, fk.OnDelete, "%s: %s%v", name, table.Name, fk.Columns)
			}
		}
		for _, table := range release(t, name).Tables {
			for _, fk := range table.ForeignKeys {
				require.Equal(t, schema.Cascade, fk.OnDelete, "%s: %s%v on MySQL", name, table.Name, fk.Columns)
			}
		}
	}
}

// TestSQLServerHasOnePathOfCascades: the server refuses a table that a delete
// can reach on two.
func TestSQLServerHasOnePathOfCascades(t *testing.T) {
	t.Parallel()
	for _, name := range schema.Releases() {
		d := releaseOn(t, name, schema.SQLServer)
		for _, root := range d.Tables {
			reached := map[string]int{}
			cascadesFrom(d, root.Name, reached)
			for table, paths := range reached {
				require.Equal(t, 1, paths, "%s: %s from %s", name, table, root.Name)
			}
		}
	}
}

func cascadesFrom(d *schema.Database, parent string, reached map[string]int) {
	for _, ref := range d.References(parent) {
		if ref.Key.OnDelete == schema.Cascade {
			reached[ref.Table.Name]++
			cascadesFrom(d, ref.Table.Name, reached)
		}
	}
}

// TestSQLServerChildren: what does not cascade is deleted by hand, and what
// hangs on it cascades from there.
func TestSQLServerChildren(t *testing.T) {
	t.Parallel()
	d := releaseOn(t, "is-7.3", schema.SQLServer)
	fates := func(root string) map[string]schema.Fate {
		all := map[string]schema.Fate{}
		for _, c := range d.Children(root) {
			all[c.Table()] = c.Fate
		}
		return all
	}
	require.Equal(t, map[string]schema.Fate{
		schema.AccessTokenScope: schema.Cascades, schema.TokenBinding: schema.Cascades, schema.TokenAttributes: schema.Cascades,
		schema.RequestObject: schema.ByHand, schema.RequestClaims: schema.Cascades, schema.RequestValues: schema.Cascades,
	}, fates(schema.AccessToken))
	require.Equal(t, map[string]schema.Fate{
		schema.AuthzCodeScope: schema.Cascades, schema.DPoPThumbprint: schema.Cascades,
		schema.RequestObject: schema.ByHand, schema.RequestClaims: schema.Cascades, schema.RequestValues: schema.Cascades,
	}, fates(schema.AuthzCode))
	require.Equal(t, map[string]schema.Fate{schema.CIBAScope: schema.Cascades}, fates(schema.CIBACode))
}

// TestSQLServerKeys: unique keys are constraints, of which the vendor names
// some; a name is one in the whole schema.
func TestSQLServerKeys(t *testing.T) {
	t.Parallel()
	for _, name := range schema.Releases() {
		var names []string
		for _, table := range releaseOn(t, name, schema.SQLServer).Tables {
			for _, ix := range table.Indexes {
				require.Equal(t, ix.Unique, ix.Constraint, "%s: %s.%s", name, table.Name, ix.Name)
				if ix.Constraint && ix.Name != "" {
					names = append(names, ix.Name)
				}
			}
		}
		slices.Sort(names)
		require.Len(t, slices.Compact(slices.Clone(names)), len(names), name)
		want := []string{"CONSUMER_KEY_CONSTRAINT", "CON_APP_KEY"}
		if slices.Index(schema.Releases(), name) >= slices.Index(schema.Releases(), "apim-4.2") {
			want = append(want, "USRCDE_QNTFR_CONSTRAINT")
		}
		require.Equal(t, want, names, name)
		for _, table := range release(t, name).Tables {
			for _, ix := range table.Indexes {
				require.False(t, ix.Constraint)
				require.NotEmpty(t, ix.Name)
				require.Empty(t, ix.Include)
			}
		}
	}
	binding := tableOf(t, releaseOn(t, "apim-4.2", schema.SQLServer), schema.TokenBinding)
	require.Contains(t, binding.Indexes, schema.Index{Unique: true, Constraint: true, Columns: []string{"TOKEN_ID", "TOKEN_BINDING_TYPE", "TOKEN_BINDING_VALUE"}})
}

// TestSQLServerIndexes: none for a foreign key, but some that carry the tokens.
func TestSQLServerIndexes(t *testing.T) {
	t.Parallel()
	d := releaseOn(t, "apim-2.6", schema.SQLServer)
	require.Empty(t, tableOf(t, d, schema.RequestObject).Indexes)
	require.Empty(t, tableOf(t, d, schema.RequestClaims).Indexes)

	for name, has := range map[string]bool{"apim-2.6": false, "apim-3.0": false, "apim-3.2": true, "apim-4.7": true, "is-7.0": true, "is-7.3": true} {
		d := releaseOn(t, name, schema.SQLServer)
		for _, c := range []struct {
			table string
			index schema.Index
		}{
			{schema.AccessToken, schema.Index{Name: "IDX_AT_AT", Columns: []string{"AUTHZ_USER"}, Include: []string{"ACCESS_TOKEN"}}},
			{schema.AccessToken, schema.Index{Name: "IDX_AT_RT", Columns: []string{"AUTHZ_USER"}, Include: []string{"REFRESH_TOKEN"}}},
			{schema.AuthzCode, schema.Index{Name: "IDX_AC_AC_CKID", Columns: []string{"AUTHZ_USER"}, Include: []string{"AUTHORIZATION_CODE", "CONSUMER_KEY_ID"}}},
		} {
			table := tableOf(t, d, c.table)
			require.Equal(t, has, table.HasIndex(c.index.Name), "%s: %s", name, c.index.Name)
			if has {
				require.Contains(t, table.Indexes, c.index)
			}
		}
	}
}

// TestSQLServerDeclaresNoCollation: the database's applies.
func TestSQLServerDeclaresNoCollation(t *testing.T) {
	t.Parallel()
	for _, name := range schema.Releases() {
		for _, table := range releaseOn(t, name, schema.SQLServer).Tables {
			require.Empty(t, table.Charset+table.Collation, "%s: %s", name, table.Name)
			for _, c := range table.Columns {
				require.Empty(t, c.Charset+c.Collation, "%s: %s.%s", name, table.Name, c.Name)
			}
		}
	}
}

func TestHasIndexLike(t *testing.T) {
	t.Parallel()
	table := schema.Table{Indexes: []schema.Index{{Name: "UQ__T__1A2B", Unique: true, Columns: []string{"a", "b"}}, {Name: "mine", Columns: []string{"c"}}}}
	require.True(t, table.HasIndexLike(schema.Index{Unique: true, Columns: []string{"A", "B"}}))
	require.False(t, table.HasIndexLike(schema.Index{Unique: true, Columns: []string{"A"}}))
	require.False(t, table.HasIndexLike(schema.Index{Columns: []string{"A", "B"}}))
	require.True(t, table.HasIndexLike(schema.Index{Name: "MINE", Columns: []string{"X"}}))
	require.False(t, table.HasIndexLike(schema.Index{Name: "IDX_C", Columns: []string{"C"}}), "InnoDB's own goes when a named one comes")
}
