package dump_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dump"
	"github.com/tokensweep/tokensweep/harness"
)

// A schema that goes through the real tools and Restore is the same afterwards:
// every byte of every row, tables, views, triggers and routines.
func TestRoundTrip(t *testing.T) {
	eachServer(t, func(t *testing.T, db string) {
		from := loadSource(t, db)
		want := content(t, from)
		want["events"] = nil
		full := []string{"--single-transaction", "--routines", "--triggers", "--events"}
		for name, c := range map[string]struct {
			args []string
			with string
		}{
			"default":          {full, ""},
			"gzip":             {append(full, "--add-drop-trigger", "--complete-insert"), "gzip"},
			"a row a line":     {append(full, "--skip-extended-insert", "--hex-blob", "--no-autocommit"), "zstd"},
			"without comments": {append(full, "--skip-comments", "--skip-tz-utc", "--skip-quote-names"), ""},
			"compact":          {append(full, "--compact"), ""},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				text := dumpOf(t, from, append(c.args, from.Schema)...)
				target := harness.ForTest(t, harness.Options{DB: db})
				info, err := dump.Restore(t.Context(), target.DB, packed(t, text, c.with), dump.Options{Log: t.Logf})
				require.NoError(t, err)
				requireSame(t, want, content(t, target))
				require.Equal(t, 1, info.SkippedKinds["CREATE EVENT"])
				require.Zero(t, info.Warnings, "%v", info.WarningSamples)
				require.Len(t, info.Schemas, 1)

				_, err = target.DB.ExecContext(t.Context(), "DELETE FROM IDN_OAUTH2_ACCESS_TOKEN WHERE TOKEN_ID = 't1'")
				require.ErrorContains(t, err, "kept; for ever", "the trigger works")
			})
		}
	})
}

// Of two databases in a dump the one with tokens is restored, with its defaults.
func TestRoundTripOfSeveralSchemas(t *testing.T) {
	eachServer(t, func(t *testing.T, db string) {
		from := loadSource(t, db)
		other := harness.ForTest(t, harness.Options{DB: db})
		_, err := other.DB.ExecContext(t.Context(), "CREATE TABLE REG_LOG (TXT TEXT)")
		require.NoError(t, err)
		text := dumpOf(t, from, "--routines", "--events", "--add-drop-database", "--databases", other.Schema, from.Schema)

		target := harness.ForTest(t, harness.Options{DB: db})
		path := packed(t, text, "gzip")
		inspected, err := dump.Inspect(t.Context(), path, dump.Options{})
		require.NoError(t, err)
		info, err := dump.Restore(t.Context(), target.DB, path, dump.Options{Inspected: inspected})
		require.NoError(t, err)
		want := content(t, from)
		want["events"] = nil
		requireSame(t, want, content(t, target))
		require.Equal(t, []string{"latin1|latin1_bin"}, rows(t, target.DB, "SELECT @@character_set_database, @@collation_database"))
		require.Equal(t, inspected.Statements, info.Statements)
		require.Equal(t, inspected.SkippedKinds, info.SkippedKinds)
		require.Equal(t, 6, info.Adjusted["DEFINER is the restoring user"])
	})
}

// The captured dumps are what dumpOf falls back to; they are real output too.
func TestRoundTripOfCapturedDumps(t *testing.T) {
	eachServer(t, func(t *testing.T, db string) {
		from := loadSource(t, db)
		if *update {
			text := dumpOf(t, from, "--single-transaction", "--routines", "--triggers", "--events", from.Schema)
			text = strings.ReplaceAll(text, from.Schema, "source_schema")
			require.NoError(t, os.WriteFile(captured[db], []byte(text), 0o644))
		}
		target := harness.ForTest(t, harness.Options{DB: db})
		info, err := dump.Restore(t.Context(), target.DB, captured[db], dump.Options{})
		require.NoError(t, err)
		require.Equal(t, "source_schema", info.Schema)
		require.True(t, strings.EqualFold(info.Flavor, db))
		require.True(t, info.TimesInUTC)
		require.NotEmpty(t, info.CompletedAt)
		want := content(t, from)
		want["events"] = nil
		requireSame(t, want, content(t, target))
	})
}

func requireSame(t *testing.T, want, got map[string][]string) {
	t.Helper()
	for what := range want {
		require.Equal(t, want[what], got[what], what)
	}
	require.Len(t, got, len(want))
}
