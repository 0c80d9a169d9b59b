package harness_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
)

// TestRewind: after work and Rewind the data are as before the work, as often as wanted.
func TestRewind(t *testing.T) {
	for _, o := range []harness.Options{
		{DB: harness.MySQL, Via: harness.Container}, {DB: harness.MariaDB, Via: harness.Process},
	} {
		t.Run(o.DB, func(t *testing.T) {
			t.Parallel()
			harness.ForTest(t, o) // is it to be had here at all?
			o.Fast, o.ServerZone = true, "+05:30"
			target, err := harness.Open(t.Context(), o)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, target.Close()) })
			exec := func(statement string) {
				_, err := target.DB.ExecContext(t.Context(), statement)
				require.NoError(t, err, statement)
			}
			exec("CREATE TABLE N (ID INT PRIMARY KEY AUTO_INCREMENT)")
			exec("INSERT INTO N VALUES (1), (2), (3)")
			require.NoError(t, target.Rewind(t.Context()))
			for range 2 {
				exec("DELETE FROM N WHERE ID < 3")
				exec("CREATE TABLE OTHER (ID INT)")
				require.NoError(t, target.Rewind(t.Context()))
				var rows, tables int
				var zone string
				require.NoError(t, target.DB.QueryRow("SELECT (SELECT COUNT(*) FROM N), (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()), "+
					"@@session.time_zone").Scan(&rows, &tables, &zone))
				require.Equal(t, 3, rows)
				require.Equal(t, 1, tables)
				require.Equal(t, "+05:30", zone)
			}
		})
	}
	t.Run("what cannot go back", func(t *testing.T) {
		t.Parallel()
		var refused *harness.OptionError
		require.ErrorAs(t, harness.ForTest(t, harness.Options{DB: harness.SQLite}).Rewind(t.Context()), &refused)
	})
}
