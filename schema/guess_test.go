package schema_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/schema"
)

// asFound gives a release the collations that a server would report.
func asFound(t *testing.T, name, collation string) *schema.Database {
	t.Helper()
	return collate(release(t, name), collation)
}

func collate(d *schema.Database, collation string) *schema.Database {
	for i := range d.Tables {
		table := &d.Tables[i]
		table.Collation = collation
		for j := range table.Columns {
			if c := &table.Columns[j]; c.Length > 0 && c.Collation == "" {
				c.Collation = collation
			}
		}
	}
	return d
}

func TestGuessReleases(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"apim-2.6": "apim-2.6", "apim-3.0": "apim-3.0", "apim-3.2": "apim-3.2, apim-4.0", "apim-4.0": "apim-3.2, apim-4.0",
		"apim-4.2": "apim-4.2…4.6", "apim-4.6": "apim-4.2…4.6", "apim-4.7": "apim-4.7",
		"is-7.0": "is-7.0", "is-7.1": "is-7.1", "is-7.2": "is-7.2", "is-7.3": "is-7.3",
	} {
		m := schema.Guess(asFound(t, name, "latin1_swedish_ci"))
		require.Equal(t, want, m.String(), name)
		require.True(t, m.Confident(), "%s: %v", name, m.Differences)
	}
}

// TestGuessSQLServer: the vendor's tables of 4.2 to 4.7 are the same there. The
// server names what the vendor does not.
func TestGuessSQLServer(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"apim-2.6": "apim-2.6", "apim-3.0": "apim-3.0", "apim-3.2": "apim-3.2, apim-4.0", "apim-4.0": "apim-3.2, apim-4.0",
		"apim-4.2": "apim-4.2…4.7", "apim-4.6": "apim-4.2…4.7", "apim-4.7": "apim-4.2…4.7",
		"is-7.0": "is-7.0", "is-7.1": "is-7.1", "is-7.2": "is-7.2", "is-7.3": "is-7.3",
	} {
		d := collate(releaseOn(t, name, schema.SQLServer), "SQL_Latin1_General_CP1_CI_AS")
		for i := range d.Tables {
			for j := range d.Tables[i].Indexes {
				d.Tables[i].Indexes[j].Name = "UQ__IDN_OAUT__" + d.Tables[i].Name
			}
		}
		m := schema.Guess(d)
		require.Equal(t, want, m.String(), name)
		require.True(t, m.Confident(), "%s: %v", name, m.Differences)
	}
}

// TestGuessSQLServerWithOtherCollations: a column whose collation is not the
// database's is worth a word.
func TestGuessSQLServerWithOtherCollations(t *testing.T) {
	t.Parallel()
	d := collate(releaseOn(t, "apim-4.7", schema.SQLServer), "SQL_Latin1_General_CP1_CI_AS")
	state, _ := tableOf(t, d, schema.AccessToken).Column("TOKEN_STATE")
	state.Collation = "Latin1_General_CS_AS"
	m := schema.Guess(d)
	require.Contains(t, m.Releases, "apim-4.7")
	require.Equal(t, []string{"IDN_OAUTH2_ACCESS_TOKEN.TOKEN_STATE has collation Latin1_General_CS_AS instead of SQL_Latin1_General_CP1_CI_AS"}, m.Differences)
}

// TestGuessWithoutCollations: all that 4.7 changed is a collation, so nothing
// tells it apart where all columns have that collation, or none has any.
func TestGuessWithoutCollations(t *testing.T) {
	t.Parallel()
	require.Equal(t, "apim-4.2…4.7", schema.Guess(asFound(t, "apim-4.3", "latin1_bin")).String())
	require.Equal(t, "apim-4.2…4.7", schema.Guess(asFound(t, "apim-4.3", "")).String())
}

func TestGuessForgivesExtras(t *testing.T) {
	t.Parallel()
	d := asFound(t, "apim-4.4", "latin1_swedish_ci")
	tokens := tableOf(t, d, schema.AccessToken)
	tokens.Indexes = append(tokens.Indexes, schema.Index{Name: "MINE", Columns: []string{"TOKEN_STATE"}})
	d.Tables = append(d.Tables, schema.Table{Name: "CUSTOMER_TABLE"})
	m := schema.Guess(d)
	require.Equal(t, "apim-4.2…4.6", m.String())
	require.True(t, m.Confident(), m.Differences)
}

func TestGuessNamesDifferences(t *testing.T) {
	t.Parallel()
	d := asFound(t, "apim-4.4", "latin1_swedish_ci")
	tokens := tableOf(t, d, schema.AccessToken)
	tokens.Columns = append(tokens.Columns, schema.Column{Name: "MINE", Kind: schema.Int})
	scope, _ := tableOf(t, d, schema.AccessTokenScope).Column("TOKEN_SCOPE")
	scope.Length = 300
	m := schema.Guess(d)
	require.Equal(t, "apim-4.2…4.6", m.String())
	require.False(t, m.Confident())
	require.ElementsMatch(t, []string{
		"IDN_OAUTH2_ACCESS_TOKEN has one more column, MINE",
		"IDN_OAUTH2_ACCESS_TOKEN_SCOPE.TOKEN_SCOPE holds 300 characters instead of 100",
	}, m.Differences)
}

// TestGuessPartialDump: the tables that are there decide.
func TestGuessPartialDump(t *testing.T) {
	t.Parallel()
	d := asFound(t, "is-7.0", "latin1_swedish_ci")
	d.Tables = slices.DeleteFunc(d.Tables, func(table schema.Table) bool { return table.Name != schema.AccessToken })
	m := schema.Guess(d)
	require.Equal(t, "is-7.0", m.String())
	require.True(t, m.Confident())
}

func TestGuessNothing(t *testing.T) {
	t.Parallel()
	m := schema.Guess(&schema.Database{Tables: []schema.Table{{Name: "T"}}})
	require.Empty(t, m.Releases)
	require.Equal(t, "unknown", m.String())
	require.False(t, m.Confident())
}
