package dump

import (
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// Faults that a throw-away server of this test run does not have.
func TestExplainSaysWhatToDo(t *testing.T) {
	t.Parallel()
	it := item{statement: statementOf("CREATE FUNCTION f() RETURNS int\nRETURN 1", 7)}
	it.command = parse(it.text)
	for _, c := range []struct {
		cause error
		kind  Kind
		says  string
	}{
		{&mysqldriver.MySQLError{Number: 1418, Message: "This function has none of DETERMINISTIC"}, Failed, "--log-bin-trust-function-creators=1"},
		{&mysqldriver.MySQLError{Number: 1021, Message: "Disk full"}, Failed, "CREATE FUNCTION f: Error 1021: Disk full"},
		{mysqldriver.ErrInvalidConn, Failed, "the connection to the throw-away server broke in the statement CREATE FUNCTION f"},
		{mysqldriver.ErrPktTooLarge, TooLarge, "maxAllowedPacket"},
	} {
		err := explain(c.cause, it, &Info{}, server{MySQL, "9.7.4"})
		var fault *Error
		require.ErrorAs(t, err, &fault)
		require.ErrorIs(t, err, c.cause)
		require.Equal(t, c.kind, fault.Kind)
		require.EqualValues(t, 7, fault.Line)
		require.Contains(t, fault.Message, c.says)
	}
}
