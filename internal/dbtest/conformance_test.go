package dbtest_test

import (
	"os"
	"testing"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// on opens targets of one kind.
func on(db string) dbtest.Opener {
	return func(t *testing.T, o harness.Options) *harness.Target {
		t.Helper()
		o.DB = db
		return harness.ForTest(t, o)
	}
}

func TestSQLite(t *testing.T)  { t.Parallel(); dbtest.Exercise(t, on(harness.SQLite)) }
func TestMySQL(t *testing.T)   { t.Parallel(); dbtest.Exercise(t, on(harness.MySQL)) }
func TestMariaDB(t *testing.T) { t.Parallel(); dbtest.Exercise(t, on(harness.MariaDB)) }

// TestSQLServer runs on whatever speaks T-SQL: SQL Server, Azure SQL, Babelfish.
func TestSQLServer(t *testing.T) { t.Parallel(); dbtest.Exercise(t, on(harness.SQLServer)) }
