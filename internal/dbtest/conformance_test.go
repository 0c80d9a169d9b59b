package dbtest_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// on opens targets of one kind.
func on(db string) dbtest.Opener {
	return func(t *testing.T, o harness.Options) *harness.Target {
		t.Helper()
		o.DB = db
		server := harness.ForTest(t, o)
		fresh, err := server.NewSchema(t.Context(), "latin1_swedish_ci")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, fresh.Close()) })
		return fresh
	}
}

func TestSQLite(t *testing.T)  { t.Parallel(); dbtest.Exercise(t, on(harness.SQLite)) }
func TestMySQL(t *testing.T)   { t.Parallel(); dbtest.Exercise(t, on(harness.MySQL)) }
func TestMariaDB(t *testing.T) { t.Parallel(); dbtest.Exercise(t, on(harness.MariaDB)) }
