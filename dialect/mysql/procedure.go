package mysql

import (
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

var _ dialect.Procedural = Dialect{}

// Parameter starts with p_.
func (Dialect) Parameter(name string) string { return "p_" + name }

// Variable starts with v_.
func (Dialect) Variable(name string) string { return "v_" + name }

// KeyType names character set and collation, which a variable would else have from
// the schema: under another collation than the column's, a comparison can hold for
// keys that are not the same.
func (Dialect) KeyType(t *schema.Table, c *schema.Column) string {
	text, charset, collation := typeOf(*c), c.Charset, c.Collation
	if charset == "" && collation == "" {
		charset, collation = t.Charset, t.Collation
	}
	if charset != "" {
		text += " CHARACTER SET " + charset
	}
	if collation != "" {
		text += " COLLATE " + collation
	}
	return text
}

// ProcedureText is the comment, which unlike the body can be seen by everyone who
// may run the procedure.
func (Dialect) ProcedureText(schema, name string) dialect.SQL {
	return dialect.Concat("SELECT ROUTINE_COMMENT FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'PROCEDURE' AND ROUTINE_SCHEMA = ",
		dialect.Value(schema), " AND ROUTINE_NAME = ", dialect.Value(name))
}

// DropProcedure is DROP PROCEDURE.
func (d Dialect) DropProcedure(name string) string { return "DROP PROCEDURE " + d.Quote(name) }

// CallProcedure is CALL, which takes arguments by their order.
func (d Dialect) CallProcedure(name string, arguments []dialect.Argument) string {
	values := make([]string, len(arguments))
	for i, a := range arguments {
		values[i] = a.Value
	}
	return "CALL " + d.Table(name) + "(" + strings.Join(values, ", ") + ")"
}

// SessionID is CONNECTION_ID().
func (Dialect) SessionID() string { return "SELECT CONNECTION_ID()" }

// KillSession is KILL.
func (Dialect) KillSession(id int64) string { return fmt.Sprintf("KILL %d", id) }

// GrantProcedure is for the whole schema: the definer's privileges are those of a run.
func (d Dialect) GrantProcedure(schema string) string {
	return "GRANT CREATE ROUTINE, ALTER ROUTINE, EXECUTE, CREATE, DROP, REFERENCES, SELECT, INSERT, UPDATE, DELETE ON " + d.Quote(schema) + ".* TO that user"
}
