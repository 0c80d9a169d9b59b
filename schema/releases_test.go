package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/schema"
)

func release(t *testing.T, name string) *schema.Database {
	t.Helper()
	return releaseOn(t, name, schema.MySQL)
}

func releaseOn(t *testing.T, name string, p schema.Product) *schema.Database {
	t.Helper()
	d, err := schema.Release(name, p)
	require.NoError(t, err)
	require.Equal(t, name, d.Name)
	return d
}

var products = []schema.Product{schema.MySQL, schema.SQLServer}

func tableOf(t *testing.T, d *schema.Database, name string) *schema.Table {
	t.Helper()
	table, ok := d.Table(name)
	require.True(t, ok, "%s has no table %s", d.Name, name)
	return table
}

func columnNames(t *schema.Table) (names []string) {
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	return names
}

func indexNamed(t *testing.T, table *schema.Table, name string) schema.Index {
	t.Helper()
	i := slices.IndexFunc(table.Indexes, func(ix schema.Index) bool { return ix.Name == name })
	require.GreaterOrEqual(t, i, 0, "%s has no index %s", table.Name, name)
	return table.Indexes[i]
}

func TestReleaseNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"apim-2.6", "apim-3.0", "apim-3.2", "apim-4.0", "apim-4.2", "apim-4.3", "apim-4.4", "apim-4.5", "apim-4.6", "apim-4.7",
		"is-7.0", "is-7.1", "is-7.2", "is-7.3",
	}, schema.Releases())
	require.Contains(t, schema.Releases(), schema.DefaultRelease)

	_, err := schema.Release("apim-9.9", schema.MySQL)
	require.ErrorContains(t, err, `no release "apim-9.9"`)
	require.ErrorContains(t, err, "apim-2.6, apim-3.0")

	_, err = schema.Release("apim-2.6", "oracle")
	require.ErrorContains(t, err, `"oracle"; known are mysql and sqlserver`)
}

// TestReleasesHangTogether holds every release to what a database would refuse.
func TestReleasesHangTogether(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		for _, name := range schema.Releases() {
			d := releaseOn(t, name, p)
			require.True(t, slices.IsSortedFunc(d.Tables, func(a, b schema.Table) int { return strings.Compare(a.Name, b.Name) }))
			for _, table := range d.Tables {
				requireSound(t, d, table)
			}
		}
	}
}

func requireSound(t *testing.T, d *schema.Database, table schema.Table) {
	t.Helper()
	require.True(t, table.Has(table.PrimaryKey...), table.Name)
	for _, c := range table.PrimaryKey {
		column, _ := table.Column(c)
		require.False(t, column.Nullable, "%s.%s", table.Name, c)
	}
	for _, ix := range table.Indexes {
		require.True(t, table.Has(ix.Columns...), "%s.%s", table.Name, ix.Name)
		require.True(t, table.Has(ix.Include...), "%s.%s", table.Name, ix.Name)
		same := func(other schema.Index) bool { return other.Name == ix.Name && slices.Equal(other.Columns, ix.Columns) }
		require.Equal(t, 1, len(slices.DeleteFunc(slices.Clone(table.Indexes), func(o schema.Index) bool { return !same(o) })))
	}
	for _, fk := range table.ForeignKeys {
		requirePointsAtKey(t, d, table, fk)
	}
}

func requirePointsAtKey(t *testing.T, d *schema.Database, child schema.Table, fk schema.ForeignKey) {
	t.Helper()
	parent := tableOf(t, d, fk.RefTable)
	isKey := slices.Equal(parent.PrimaryKey, fk.RefColumns) ||
		slices.ContainsFunc(parent.Indexes, func(ix schema.Index) bool { return ix.Unique && slices.Equal(ix.Columns, fk.RefColumns) })
	require.True(t, isKey, "%s refers to %s%v, which is no key", child.Name, parent.Name, fk.RefColumns)
	for i := range fk.Columns {
		from, _ := child.Column(fk.Columns[i])
		to, _ := parent.Column(fk.RefColumns[i])
		require.Equal(t, to.Kind, from.Kind)
		require.Equal(t, to.Length, from.Length)
	}
}

// TestTokenTableHistory is the table of releases in columns and CON_APP_KEY.
func TestTokenTableHistory(t *testing.T) {
	t.Parallel()
	key := []string{"CONSUMER_KEY_ID", "AUTHZ_USER", "TENANT_ID", "USER_DOMAIN", "USER_TYPE", "TOKEN_SCOPE_HASH", "TOKEN_STATE", "TOKEN_STATE_ID"}
	first := []string{
		"TOKEN_ID", "ACCESS_TOKEN", "REFRESH_TOKEN", "CONSUMER_KEY_ID", "AUTHZ_USER", "TENANT_ID", "USER_DOMAIN", "USER_TYPE", "GRANT_TYPE",
		"TIME_CREATED", "REFRESH_TOKEN_TIME_CREATED", "VALIDITY_PERIOD", "REFRESH_TOKEN_VALIDITY_PERIOD", "TOKEN_SCOPE_HASH", "TOKEN_STATE",
		"TOKEN_STATE_ID", "SUBJECT_IDENTIFIER", "ACCESS_TOKEN_HASH", "REFRESH_TOKEN_HASH",
	}
	for _, c := range []struct {
		releases        []string
		more, moreOfKey []string
	}{
		{[]string{"apim-2.6"}, nil, nil},
		{[]string{"apim-3.0"}, []string{"IDP_ID"}, []string{"IDP_ID"}},
		{[]string{"apim-3.2", "apim-4.0"}, []string{"IDP_ID", "TOKEN_BINDING_REF"}, []string{"IDP_ID", "TOKEN_BINDING_REF"}},
		{[]string{"apim-4.2", "apim-4.3", "apim-4.4", "apim-4.5", "apim-4.6", "apim-4.7"},
			[]string{"IDP_ID", "TOKEN_BINDING_REF", "CONSENTED_TOKEN"}, []string{"IDP_ID", "TOKEN_BINDING_REF"}},
		{[]string{"is-7.0", "is-7.1", "is-7.2", "is-7.3"},
			[]string{"IDP_ID", "TOKEN_BINDING_REF", "CONSENTED_TOKEN", "AUTHORIZED_ORGANIZATION"},
			[]string{"IDP_ID", "TOKEN_BINDING_REF", "AUTHORIZED_ORGANIZATION"}},
	} {
		for _, name := range c.releases {
			for _, p := range products {
				tokens := tableOf(t, releaseOn(t, name, p), schema.AccessToken)
				require.Equal(t, slices.Concat(first, c.more), columnNames(tokens), name)
				require.Equal(t, slices.Concat(key, c.moreOfKey), indexNamed(t, tokens, "CON_APP_KEY").Columns, name)
				require.True(t, indexNamed(t, tokens, "CON_APP_KEY").Unique)
				require.True(t, tokens.UniqueOn("TOKEN_ID"))
			}
		}
	}
}

func TestProviderBecomesRequired(t *testing.T) {
	t.Parallel()
	old, _ := tableOf(t, release(t, "apim-3.0"), schema.AccessToken).Column("IDP_ID")
	require.True(t, old.Nullable)
	now, _ := tableOf(t, release(t, "apim-3.2"), schema.AccessToken).Column("IDP_ID")
	require.False(t, now.Nullable)
	require.Equal(t, "-1", *now.Default)
}

// TestAuditHistory: the audit table's odd columns, in their order.
func TestAuditHistory(t *testing.T) {
	t.Parallel()
	audit := func(name string) *schema.Table { return tableOf(t, release(t, name), schema.TokenAudit) }
	last := func(name string) string { names := columnNames(audit(name)); return names[len(names)-1] }

	require.Equal(t, "INVALIDATED_TIME", last("apim-2.6"))
	require.Equal(t, "IDP_ID", last("apim-3.0"), "behind INVALIDATED_TIME")
	require.Empty(t, audit("apim-4.0").PrimaryKey)
	require.Equal(t, []string{"ID"}, audit("apim-4.2").PrimaryKey)
	require.Equal(t, "ID", columnNames(audit("apim-4.2"))[0])
	require.True(t, audit("apim-4.2").Columns[0].AutoID)

	for _, name := range []string{"apim-3.2", "apim-4.7", "is-7.0"} {
		require.False(t, audit(name).Has("TOKEN_BINDING_REF"), name)
	}
	require.False(t, audit("is-7.0").Has("AUTHORIZED_ORGANIZATION"))
	require.True(t, audit("is-7.1").Has("TOKEN_BINDING_REF", "CONSENTED_TOKEN", "AUTHORIZED_ORGANIZATION"))

	for _, name := range schema.Releases() {
		require.Empty(t, audit(name).Indexes)
		require.Empty(t, audit(name).ForeignKeys)
		created, _ := audit(name).Column("TIME_CREATED")
		require.True(t, created.Nullable)
		require.Nil(t, created.Default)
	}
}

func TestBindingHistory(t *testing.T) {
	t.Parallel()
	binding := func(name string) *schema.Table { return tableOf(t, release(t, name), schema.TokenBinding) }
	require.Equal(t, []string{"TOKEN_ID"}, binding("apim-4.0").PrimaryKey)
	require.Empty(t, binding("apim-4.2").PrimaryKey)
	require.Equal(t, []string{"TOKEN_ID", "TOKEN_BINDING_TYPE", "TOKEN_BINDING_VALUE"}, indexNamed(t, binding("apim-4.2"), "TOKEN_ID").Columns)
	require.Empty(t, binding("is-7.2").PrimaryKey)
	require.Equal(t, []string{"ID"}, binding("is-7.3").PrimaryKey)

	for name, collation := range map[string]string{"apim-4.6": "", "apim-4.7": "latin1_bin", "is-7.0": ""} {
		value, _ := binding(name).Column("TOKEN_BINDING_VALUE")
		require.Equal(t, collation, value.Collation, name)
	}
}

func TestScopeLengths(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]int{"apim-2.6": 60, "apim-4.0": 60, "apim-4.2": 100, "apim-4.7": 100, "is-7.0": 255, "is-7.3": 255} {
		scope, _ := tableOf(t, release(t, name), schema.AccessTokenScope).Column("TOKEN_SCOPE")
		require.Equal(t, length, scope.Length, name)
	}
}

func TestTablesComeWith(t *testing.T) {
	t.Parallel()
	for name, since := range map[string]string{
		schema.TokenBinding: "apim-3.2", schema.AuthzCodeScope: "apim-3.2", schema.CIBACode: "apim-3.2", schema.CIBAScope: "apim-3.2",
		schema.DeviceFlow: "apim-3.2", schema.DeviceScope: "apim-3.2", schema.TokenAttributes: "is-7.2", schema.DPoPThumbprint: "is-7.2",
		schema.RequestObject: "apim-2.6", schema.RequestClaims: "apim-2.6", schema.RequestValues: "apim-2.6", schema.TokenAudit: "apim-2.6",
	} {
		there := false
		for _, r := range schema.Releases() {
			there = there || r == since
			_, has := release(t, r).Table(name)
			require.Equal(t, there, has, "%s in %s", name, r)
		}
	}
}

func TestIndexHistory(t *testing.T) {
	t.Parallel()
	three := []string{"IDX_AT_CK_AU", "IDX_AT_AU_TID_UD_TS_CKID", "IDX_AT_AU_CKID_TS_UT"}
	has := func(named, index string) bool {
		tokens := tableOf(t, release(t, named), schema.AccessToken)
		require.False(t, slices.ContainsFunc(tokens.Indexes, func(ix schema.Index) bool { return ix.Columns[0] == "TOKEN_STATE" }))
		return slices.ContainsFunc(tokens.Indexes, func(ix schema.Index) bool { return ix.Name == index })
	}
	for _, index := range three {
		require.True(t, has("apim-3.0", index))
		require.True(t, has("apim-4.0", index))
		require.False(t, has("apim-4.2", index))
		require.False(t, has("is-7.0", index))
		require.True(t, has("is-7.1", index))
	}
	require.False(t, has("apim-3.0", "IDX_AT_CKID_AU_TID_UD_TSH_TS"))
	require.True(t, has("apim-3.2", "IDX_AT_CKID_AU_TID_UD_TSH_TS"))
	require.True(t, has("apim-4.7", "IDX_IOAT_TSH_TS"))
	require.False(t, has("is-7.0", "IDX_IOAT_TSH_TS"))
	require.True(t, has("is-7.0", "IDX_TBR_TS"))
}

// TestReleaseIsACopy: what a caller does to one is not seen by the next.
func TestReleaseIsACopy(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		mine := releaseOn(t, "apim-4.3", p)
		tokens := tableOf(t, mine, schema.AccessToken)
		tokens.Columns[0].Name = "MINE"
		for i := range tokens.Indexes {
			tokens.Indexes[i].Columns[0] = "MINE"
			if len(tokens.Indexes[i].Include) > 0 {
				tokens.Indexes[i].Include[0] = "MINE"
			}
		}
		state, _ := tokens.Column("TOKEN_STATE")
		*state.Default = "MINE"
		require.Equal(t, tableOf(t, releaseOn(t, "apim-4.2", p), schema.AccessToken), tableOf(t, releaseOn(t, "apim-4.3", p), schema.AccessToken))
		require.NotEqual(t, mine, releaseOn(t, "apim-4.3", p))
	}
}
