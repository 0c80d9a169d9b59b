package dump

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
	mssql "github.com/microsoft/go-mssqldb"

	"github.com/tokensweep/tokensweep/internal/tsql"
)

// productOf says what a database handle leads to by its driver: MySQL (which may
// be MariaDB), SQLServer, or empty for another one.
func productOf(db *sql.DB) string {
	switch db.Driver().(type) {
	case *mysqldriver.MySQLDriver, mysqldriver.MySQLDriver:
		return MySQL
	case *mssql.Driver:
		return SQLServer
	}
	return ""
}

// Numbers of SQL Server's errors.
var (
	// wrongSQLServer lists the errors that say that the server is of another
	// version or edition than the script needs, and what they are about.
	wrongSQLServer = map[int32]string{
		102:  "does not understand this statement",
		156:  "does not understand this statement",
		155:  "does not know an option",
		195:  "does not know a function or option",
		243:  "does not know a data type",
		325:  "does not understand this statement at its compatibility level",
		448:  "does not know a collation",
		2715: "does not know a data type",
	}
	// unresolvedObjects lists the errors of a module on what is not there: object,
	// column, function, schema, database, linked server, user, and rights on them.
	unresolvedObjects = map[int32]bool{207: true, 208: true, 229: true, 230: true, 911: true, 916: true, 2760: true, 2812: true, 4121: true, 4413: true,
		4502: true, 4512: true, 7202: true, 15150: true, 15151: true, 15517: true}
	// absentObjects lists the errors of DROP on what is not there.
	absentObjects = map[int32]bool{3701: true, 3728: true, 4902: true, 4922: true, 4924: true, 15151: true}
	// remedies say what to do about errors that are no fault of the script.
	remedies = map[int32]string{
		262:  "the user needs the role db_owner in the throw-away database",
		229:  "the user needs the role db_owner in the throw-away database",
		701:  "give the server more memory",
		1101: "make room on the disk of the throw-away server",
		1105: "make room on the disk of the throw-away server, or in the limit of its edition (Express: 10 GB)",
		1827: "the edition of the throw-away server (Express) holds no more than 10 GB: use the Developer edition",
		9002: "the transaction log of the throw-away database is full: make room for it, or set its recovery model to SIMPLE",
		1505: "keys that differ in case only need the collation of the original: create the throw-away database with it",
		2601: "keys that differ in case only need the collation of the original: create the throw-away database with it",
		2627: "keys that differ in case only need the collation of the original: create the throw-away database with it",
		1921: "a filegroup or partition scheme of the original is missing: script it too, or take its name out",
		111:  "write GO in front of it",
	}
)

// serverError is the error that SQL Server gave first: those behind it only say
// what came of it.
func serverError(err error) (mssql.Error, bool) {
	var e mssql.Error
	if !errors.As(err, &e) {
		return e, false
	}
	if len(e.All) > 0 {
		return e.All[0], true
	}
	return e, true
}

func isServerError(err error) bool {
	_, is := serverError(err)
	return is
}

// firstMessage is the server's message, or the text of another error.
func firstMessage(err error) string {
	if e, is := serverError(err); is {
		return fmt.Sprintf("error %d: %s", e.Number, e.Message)
	}
	return err.Error()
}

func isUnresolved(err error) bool {
	e, is := serverError(err)
	return is && unresolvedObjects[e.Number]
}

// isAbsent: a statement drops what the empty database does not have, as scripts
// do that drop and create.
func isAbsent(err error, s *tsql.Statement) bool {
	e, is := serverError(err)
	return is && absentObjects[e.Number] && (strings.HasPrefix(s.Kind, "DROP ") || s.Drops)
}

// explain makes the Error for a piece that the server refused. s is its
// statement, or nil to find it by the line.
func (r *scriptRestore) explain(cause error, p textAt, s *tsql.Statement) error {
	e, is := serverError(cause)
	line := p.line
	if is {
		line += lineInPiece(e, p.text, s)
	}
	what := "these statements"
	if s == nil {
		s = statementAt(p.text, line-p.line)
	}
	if s != nil {
		what = s.String()
	}
	if !is {
		return fault(Failed, line, cause, "the connection to the throw-away server broke in %s: %v", what, cause)
	}
	if about, found := wrongSQLServer[e.Number]; found {
		return fault(WrongServer, line, cause, "%s %s (%s: %s): %s", r.server, about, what, firstMessage(cause), r.advice())
	}
	message := fmt.Sprintf("the server refused %s: %s", what, firstMessage(cause))
	if remedy := remedies[e.Number]; remedy != "" {
		message += ": " + remedy
	}
	return fault(Failed, line, cause, "%s", message)
}

// lineInPiece counts the lines from the beginning of a piece to the fault. Inside
// of a procedure or trigger that the piece runs, or of the text of an EXEC, the
// server counts the lines of that.
func lineInPiece(e mssql.Error, text string, s *tsql.Statement) int64 {
	n := int64(e.LineNo) - 1
	inside := e.ProcName != "" && (s == nil || !s.Module()) || s != nil && s.Inner != nil
	if inside || n < 0 || n > int64(strings.Count(text, "\n")) {
		return 0
	}
	return n
}

// statementAt finds the statement in a line of a piece, counted from 0.
func statementAt(text string, line int64) *tsql.Statement {
	var found *tsql.Statement
	units := tsql.Parse([]byte(text)).Units
	for i := range units {
		if lineOf([]byte(text), units[i].From) > line || len(units[i].Statements) == 0 {
			break
		}
		found = &units[i].Statements[0]
	}
	return found
}

// advice says which server the script needs.
func (r *scriptRestore) advice() string {
	level := r.info.Compatibility
	major, _ := release(r.server.version)
	switch {
	case r.server.product == babelfish:
		return "it does not have all of SQL Server's language: use SQL Server"
	case level > 10*major:
		return fmt.Sprintf("the script is of compatibility level %d: use a newer image with --image", level)
	case level > 0:
		return fmt.Sprintf("the script is of compatibility level %d: try an image of the original's version with --image", level)
	}
	return "the script does not say its version: try an image of the original's with --image"
}

// Collation is the collation of the chosen schema or database; empty when the
// dump does not say.
func (i *Info) Collation() string {
	for _, s := range i.Schemas {
		if strings.EqualFold(s.Name, i.key) {
			return s.Collation
		}
	}
	return ""
}
