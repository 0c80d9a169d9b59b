package mysql_test

import (
	"fmt"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/mysql"
)

// TestClassifyErrorsThatNeedLuck has those that no test can bring about at will: MariaDB
// gives 1467 to one of two audit copies that wait for each other, and a run must not end
// with it.
func TestClassifyErrorsThatNeedLuck(t *testing.T) {
	for number, class := range map[uint16]dialect.Class{1213: dialect.Deadlock, 1467: dialect.Deadlock, 1020: dialect.Deadlock} {
		err := fmt.Errorf("audit: %w", &mysqldriver.MySQLError{Number: number})
		require.Equal(t, class, mysql.Dialect{}.Classify(err), number)
	}
}
