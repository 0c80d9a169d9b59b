package dbtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/token"
)

// orSkip passes over a test on the one answer that the server does not have what
// it is about.
func (f *Fixture) orSkip(err error) {
	f.t.Helper()
	if class := f.Dialect.Classify(err); class == dialect.Unsupported || class == dialect.NoSuchTable {
		f.t.Skipf("%s: %v", f.Server, err)
	}
	require.NoError(f.t, err)
}

// rowVersions is READ_COMMITTED_SNAPSHOT: readers see what was committed when
// their statement began, and a batch must not.
func rowVersions(f *Fixture) {
	_, err := f.DB.ExecContext(f.t.Context(), "ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE")
	f.orSkip(err)
	becomesRemovable(f)
}

// noEscalation has far more dead tokens than a batch may lock, and asks for a
// batch of them all. The server must not lock the table.
func noEscalation(f *Fixture) {
	const onTable = "SELECT COUNT(*) FROM sys.dm_tran_locks WHERE resource_type = 'OBJECT' AND request_mode IN ('X', 'U', 'S') " +
		"AND resource_database_id = DB_ID() AND resource_associated_entity_id = OBJECT_ID('" + tokens + "')"
	var n int64
	f.orSkip(f.DB.QueryRowContext(f.t.Context(), onTable).Scan(&n))
	var many []Row
	for i := range 12_000 {
		many = append(many, TokenRow(fmt.Sprintf("bulk-%05d", i), token.Revoked, nil))
	}
	f.InsertAll(tokens, many)
	locks := func(step string) {
		if step == "ledger" {
			require.Zero(f.t, f.number(onTable), "the whole table is locked")
		}
	}
	result, err := cleanup.Batch{Size: 1_000_000, Hook: locks}.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), cleanup.Watcher{})
	require.NoError(f.t, err)
	require.EqualValues(f.t, 12_000+deadTokens, result.Phases[0].Removed)
	require.Greater(f.t, result.Phases[0].Batches, int64(12_000/4500))
}

// throttled pauses on a log that is always fuller than that, until it is told to stop.
func throttled(f *Fixture) {
	gauge := f.Dialect.(dialect.LogGauge).LogUse()
	rows, err := f.DB.QueryContext(f.t.Context(), gauge.Text)
	f.orSkip(err)
	require.NoError(f.t, rows.Close())
	f.orSkip(rows.Err())
	stop := filepath.Join(f.t.TempDir(), "stop")
	watch := cleanup.Watcher{Log: func(format string, _ ...any) {
		if strings.Contains(format, "pausing") {
			require.NoError(f.t, os.WriteFile(stop, nil, 0o600))
		}
	}}
	result, err := cleanup.Batch{Size: 4, ThrottleLog: 1, StopFile: stop}.Clean(f.t.Context(), f.DB, f.Plan(token.Documented), watch)
	require.NoError(f.t, err)
	require.Equal(f.t, "the stop file "+stop, result.Stopped)
	require.Zero(f.t, result.Phases[0].Removed)
}
