package sqlserver

import (
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

var _ dialect.Procedural = Dialect{}

// Parameter starts with @.
func (Dialect) Parameter(name string) string { return "@" + name }

// Variable starts with @.
func (Dialect) Variable(name string) string { return "@" + name }

// KeyType is the column's type. A variable has no collation of its own to weigh
// against the column's.
func (Dialect) KeyType(_ *schema.Table, c *schema.Column) string { return typeOf(*c) }

// ProcedureText is the procedure's whole text, "" if the user may not see it.
func (d Dialect) ProcedureText(schema, name string) dialect.SQL {
	return d.Bind(dialect.Concat("SELECT COALESCE(m.definition, '') FROM sys.procedures p LEFT JOIN sys.sql_modules m ON m.object_id = p.object_id ",
		"WHERE p.schema_id = SCHEMA_ID(", dialect.Value(schema), ") AND p.name = ", dialect.Value(name)))
}

// DropProcedure is DROP PROCEDURE.
func (d Dialect) DropProcedure(name string) string { return "DROP PROCEDURE " + d.Table(name) }

// CallProcedure is EXEC, with every argument by its name.
func (d Dialect) CallProcedure(name string, arguments []dialect.Argument) string {
	values := make([]string, len(arguments))
	for i, a := range arguments {
		values[i] = d.Parameter(a.Name) + " = " + a.Value
	}
	return "EXEC " + d.Table(name) + " " + strings.Join(values, ", ")
}

// SessionID is @@SPID.
func (Dialect) SessionID() string { return "SELECT @@SPID" }

// KillSession is KILL.
func (Dialect) KillSession(id int64) string { return fmt.Sprintf("KILL %d", id) }

// GrantProcedure is for the whole schema.
func (d Dialect) GrantProcedure(schema string) string {
	return "GRANT CREATE PROCEDURE, CREATE TABLE TO that user; GRANT ALTER, EXECUTE, VIEW DEFINITION, SELECT, INSERT, UPDATE, DELETE ON SCHEMA::" +
		d.Quote(schema) + " TO that user"
}
