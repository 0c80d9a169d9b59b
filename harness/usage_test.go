package harness_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
)

// TestUsage: work costs CPU time, and the server's memory is at least that of
// its buffer pool's use.
func TestUsage(t *testing.T) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db})
			before, err := target.Usage(t.Context())
			require.NoError(t, err)
			require.Greater(t, before.Memory, int64(20<<20))
			_, err = target.DB.ExecContext(t.Context(), "DO BENCHMARK(20000000, 1 + 1)")
			require.NoError(t, err)
			after, err := target.Usage(t.Context())
			require.NoError(t, err)
			require.Greater(t, after.CPU, before.CPU)
		})
	}
	var refused *harness.OptionError
	_, err := harness.ForTest(t, harness.Options{DB: harness.SQLite}).Usage(t.Context())
	require.ErrorAs(t, err, &refused)
	own, err := harness.OwnUsage(t.Context())
	require.NoError(t, err)
	require.Greater(t, own.Memory, int64(1<<20))
}
