package dump_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dump"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/ssms"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

// A release's tables with more than a thousand tokens go through a script in the
// layout of SQL Server Management Studio and are the same afterwards: every
// value of every row, keys, indexes and foreign keys.
func TestRoundTripOfAScript(t *testing.T) {
	t.Parallel()
	from := sqlServer(t)
	spec := seed.Spec{Seed: 7, Tokens: 1200, CutOff: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	_, err := seed.Fill(t.Context(), seed.Target{DB: from.DB, Dialect: from.Dialect, Schema: from.Schema}, schema.DefaultRelease, "", spec, seed.Options{})
	require.NoError(t, err)
	const apps = "dbo.IDN_OAUTH_CONSUMER_APPS"
	for i, awkward := range []string{"it''s; GO", "ünïcödé", "a\nGO\nb", "-- [x] /*", "''", "\\"} {
		_, err := from.DB.ExecContext(t.Context(), fmt.Sprintf("SET IDENTITY_INSERT %s ON; INSERT %[1]s (ID, CONSUMER_KEY, APP_NAME) VALUES (%d, 'key-%[2]d', '%s'); SET IDENTITY_INSERT %[1]s OFF",
			apps, 1_000_000+i, awkward))
		require.NoError(t, err)
	}
	found, err := schema.Read(t.Context(), from.DB, from.Dialect, from.Schema)
	require.NoError(t, err)
	text := scripted(t, from, found)

	target := sqlServer(t)
	info := restore(t, target, utf16Text(strings.ReplaceAll(text, "\n", "\r\n"), false), dump.Options{})
	again, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	if target.Server.Product == "Babelfish" { // it makes up names of indexes
		unnamed(found)
		unnamed(again)
	}
	require.Equal(t, found.Tables, again.Tables)
	require.EqualValues(t, 1200, info.Rows["dbo."+schema.AccessToken])
	for _, table := range found.Tables {
		query := "SELECT * FROM " + from.Dialect.Table(table.Name)
		want, got := rows(t, from.DB, query), rows(t, target.DB, query)
		slices.Sort(got)
		for i := range want { // the line ends of the file are those of its texts too
			want[i] = strings.ReplaceAll(want[i], "\n", "\r\n")
		}
		slices.Sort(want)
		require.Equal(t, want, got, table.Name)
		require.EqualValues(t, len(want), info.Rows["dbo."+table.Name], table.Name)
	}
}

// unnamed takes the names off indexes.
func unnamed(d *schema.Database) {
	for i := range d.Tables {
		indexes := d.Tables[i].Indexes
		for j := range indexes {
			indexes[j].Name = ""
		}
		slices.SortFunc(indexes, func(a, b schema.Index) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}

// scripted is a database as the tools write it.
func scripted(t *testing.T, from *harness.Target, found *schema.Database) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, ssms.Write(t.Context(), &b, from.DB, from.Dialect, found))
	return b.String()
}
