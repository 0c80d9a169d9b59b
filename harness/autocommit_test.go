package harness_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
)

// TestSessionsCommitByThemselves: on a server with autocommit=0 a statement of
// ours is committed all the same, and no session is left in a transaction.
func TestSessionsCommitByThemselves(t *testing.T) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db, ServerArgs: []string{"--autocommit=0"}})
			var global int
			require.NoError(t, target.DB.QueryRow("SELECT @@GLOBAL.autocommit").Scan(&global))
			require.Zero(t, global)
			one, err := target.DB.Conn(t.Context())
			require.NoError(t, err)
			defer one.Close()
			for _, statement := range []string{"CREATE TABLE N (ID INT PRIMARY KEY)", "INSERT INTO N VALUES (1)"} {
				_, err := one.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			other, err := target.DB.Conn(t.Context())
			require.NoError(t, err)
			defer other.Close()
			var rows int
			require.NoError(t, other.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM N").Scan(&rows))
			require.Equal(t, 1, rows)
			_, err = other.ExecContext(t.Context(), "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") // refused inside of a transaction
			require.NoError(t, err)
		})
	}
}
