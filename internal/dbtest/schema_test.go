package dbtest_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/tokensweep/tokensweep/dialect/sqlite"
	"github.com/tokensweep/tokensweep/internal/dbtest"
)

func TestSchemaSQLite(t *testing.T) {
	t.Parallel()
	dbtest.Schema(t, sqlite.Dialect{}, func(t *testing.T) (*sql.DB, string) {
		db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "test.db")+"?_pragma=foreign_keys(1)")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return db, "main"
	})
}
