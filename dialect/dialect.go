package dialect

import (
	"io"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// SQL is a statement, or a piece of one, with the values of its placeholders.
// Every placeholder is written ?.
type SQL struct {
	Text string
	Args []any
}

// Text makes SQL without placeholders.
func Text(parts ...string) SQL { return SQL{Text: strings.Join(parts, "")} }

// Value makes a placeholder for v.
func Value(v any) SQL { return SQL{Text: "?", Args: []any{v}} }

// Concat joins pieces, strings and SQL, in order.
func Concat(pieces ...any) SQL {
	var b strings.Builder
	var all SQL
	for _, piece := range pieces {
		switch p := piece.(type) {
		case string:
			b.WriteString(p)
		case SQL:
			b.WriteString(p.Text)
			all.Args = append(all.Args, p.Args...)
		default:
			panic("dialect.Concat: a piece is neither string nor SQL")
		}
	}
	all.Text = b.String()
	return all
}

// Dialect says everything that the engine, the verifier and the seeder need
// from one kind of database. Columns and tables are passed as plain names
// unless an argument is called expr; then it is SQL already.
type Dialect interface {
	schema.Catalog

	// Name is "mysql", "sqlserver" or "sqlite"; MariaDB is "mysql" too.
	Name() string
	// Product says which form of a release's tables is made here.
	Product() schema.Product
	// Quote makes an identifier of a name.
	Quote(name string) string
	// Table is a table where a statement says what it works on; its columns are
	// still qualified by Quote(name) alone.
	Table(name string) string
	// Bind makes of a whole statement what the driver takes: its way to write
	// placeholders and to pass values. Functions of this package that say they
	// return a statement have done it.
	Bind(statement SQL) SQL
	// Collation says how a column of that collation compares states.
	Collation(name string) token.Collation
	// Wall is the text of t's UTC wall clock to the second, as a parameter for
	// a time column.
	Wall(t time.Time) string

	// Exact is expr as bytes, so that neither case nor padding counts.
	Exact(expr string) string
	// SameText is true where expr is one of values byte for byte, else false or NULL.
	SameText(expr string, values ...string) SQL
	// LikeColumn is true where expr equals one of values under the column's own
	// collation, else false or NULL.
	LikeColumn(expr string, values ...string) SQL
	// Before is true where the time expr plus millis (SQL for a number of
	// milliseconds between 0 and token.MaxValidity) is earlier than cutOff, a text
	// such as Wall makes; false or NULL for an unknown time. It compares wall clocks
	// of the session.
	Before(expr, millis string, cutOff SQL) SQL

	// SessionSetup are the statements that a session of the engine runs first.
	SessionSetup() []string
	// FromLocked is a table in a FROM and the end of the statement, so that a
	// SELECT locks what it returns and a DELETE takes no lock that it can do without.
	FromLocked(table string) (from, end string)
	// Limit ends an ordered SELECT after that many rows.
	Limit(rows SQL) SQL
	// KeyText is a key column as text, of which MAX can be taken: it compares as
	// the column does.
	KeyText(expr string) string
	// TextLength is the length of the text expr in characters, or in bytes where
	// the server counts no characters.
	TextLength(expr string) string
	// DeleteVia is the statement that deletes the rows of a child table that hang
	// on the rows of the root table for which where holds. The path leads from the
	// child to the root.
	DeleteVia(path []schema.Hop, where SQL) SQL

	// DeepCascades reports whether the server can be trusted with cascades over
	// more than two levels.
	DeepCascades() bool

	// BeginSnapshot are the statements after which a session sees one state of
	// the database until it rolls back.
	BeginSnapshot() []string
	// Read is a column's value as text: two reads of the same value agree.
	Read(c schema.Column) string

	// CreateTable makes a table with its primary key and foreign keys but
	// without the secondary indexes; AddIndexes adds those.
	CreateTable(t schema.Table) string
	// AddIndexes returns the statements that build secondary indexes.
	AddIndexes(table string, indexes []schema.Index) []string
	// CreateLedger makes a ledger table, see cleanup, unless it is there.
	CreateLedger(table string) string
	// Grant is the statement that gives a user what the clean-up needs on a table:
	// "DELETE", "INSERT", or Ledger.
	Grant(privilege, schema, table string) string

	// Classify says what kind of failure a driver's error is.
	Classify(err error) Class
}

// QuoteAll lists names as identifiers.
func QuoteAll(d Dialect, names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = d.Quote(name)
	}
	return strings.Join(quoted, ", ")
}

// Ledger stands for the privileges that making, writing and dropping a ledger takes.
const Ledger = "INSERT, CREATE, DROP"

// BulkLoader is implemented by dialects that can load rows as a stream of text,
// several times faster than by INSERT.
type BulkLoader interface {
	// BulkLoad registers a stream of tab-separated rows and returns the
	// statement that loads it into the table's columns and a function that
	// unregisters the stream. Fields are escaped with a
	// backslash; \N is NULL.
	BulkLoad(table string, columns []string, open func() io.Reader) (statement string, done func())
}

// IndexSorter is implemented by dialects whose servers have memory to sort an index in
// that a session can widen.
type IndexSorter interface {
	// WidenSort returns the statement. Servers that do not know the setting refuse it:
	// they are slower, and that is all.
	WidenSort() string
}

// RowCopier is implemented by dialects whose driver loads rows one call each, as
// a prepared statement.
type RowCopier interface {
	// CopyRows is the text to prepare in a transaction. Each Exec of it takes the
	// values of one row: int64 for Int and BigInt, time.Time for Timestamp, string
	// for the rest, nil for NULL. An Exec without values ends the load and says how
	// many rows arrived.
	CopyRows(table string, columns []string) string
}

// Mover is implemented by dialects whose DELETE can hand on what it removes.
type Mover interface {
	// PrepareMove are the statements that a session runs before its first Move.
	PrepareMove(table string, a Audit) []SQL
	// Move are the statements that delete the rows for which where holds and copy
	// each to the audit table. The last one says how many rows were copied.
	Move(table string, a Audit, where SQL) []SQL
}

// Counter is implemented by dialects whose driver cannot be trusted to count
// rows where triggers change rows too.
type Counter interface {
	// Counted is a statement that does the same and returns the number of rows
	// that it changed itself.
	Counted(statement SQL) SQL
}

// LockLimiter is implemented by dialects whose server trades many row locks of a
// statement for one on the whole table.
type LockLimiter interface {
	// MaxRowLocks is how many a statement may take on one table, those on indexes included.
	MaxRowLocks() int
}

// LogGauge is implemented by dialects whose server has a log that a long run can
// fill.
type LogGauge interface {
	// LogUse is the statement that returns how full the log is in percent of its
	// size and of the size that it may grow to (numbers), how the database recovers
	// and what keeps the log from being reused (texts).
	LogUse() SQL
}

// RunLocker is implemented by dialects with locks that belong to a session.
type RunLocker interface {
	// LockRun returns 1 if the session holds the lock named, or got it within a
	// few seconds; 0 or NULL if another session holds it.
	LockRun(name string) SQL
	// UnlockRun gives the lock back.
	UnlockRun(name string) SQL
}

// Sampler is implemented by dialects on which several sessions can clean a table at a
// time.
type Sampler interface {
	// Sample reads about one in so many keys of a table, in key order and spread evenly.
	Sample(table, key string, oneIn int64) SQL
}

// BinlogSetter is implemented by dialects of servers with a binary log of rows.
type BinlogSetter interface {
	// MinimizeBinlog makes a session write the keys of deleted rows only.
	MinimizeBinlog() string
	// SkipBinlog makes a session write nothing to the log.
	SkipBinlog() string
}

// Procedural is implemented by dialects in which a procedure can be made, see
// package procedure.
type Procedural interface {
	// Parameter and Variable are names of a procedure's own, as it writes them.
	Parameter(name string) string
	Variable(name string) string
	// KeyType is the type of a variable that takes every value of a column and
	// compares as the column does.
	KeyType(t *schema.Table, c *schema.Column) string
	// ProcedureText is the query for what a procedure says of itself, a text with its
	// maker's mark in it; no row if there is none of that name in the schema.
	ProcedureText(schema, name string) SQL
	// DropProcedure is the statement that drops a procedure of the schema.
	DropProcedure(name string) string
	// CallProcedure is the statement that calls a procedure of the schema with
	// arguments that are SQL, all of them and in order.
	CallProcedure(name string, arguments []Argument) string
	// GrantProcedure is the statement that gives a user what making, running and
	// dropping the procedure and its table take.
	GrantProcedure(schema string) string
	// SessionID asks for the number of a session; KillSession ends the one of that
	// number, with what it does.
	SessionID() string
	KillSession(id int64) string
}

// Argument is one of a call: the parameter's bare name and its value as SQL.
type Argument struct{ Name, Value string }

// SchemaUser is implemented by dialects whose sessions have a default schema,
// in which unqualified tables are looked up.
type SchemaUser interface {
	// UseSchema is the statement that makes a schema the session's default.
	UseSchema(name string) string
}

// Class is a kind of failure, as far as it decides what to do next.
type Class int

// Classes of failures.
const (
	Unclassified Class = iota
	Deadlock           // the transaction was rolled back, try again
	LockTimeout        // a lock was not had in time, roll back and try again
	Disconnected       // the connection is gone; whether the statement ran is unknown
	RowRefused         // a foreign key or a trigger refuses one of the rows
	Duplicate          // a unique key refuses the row
	Denied             // a privilege is missing
	BadLogin           // user or password are wrong
	Unreachable        // nothing answers at that address
	ReadOnly           // the server or the session is read-only
	DiskFull           // the server has no room
	NoSuchTable        // a table or schema does not exist
	Unsupported        // the server does not know the statement or has switched it off
	LogFull            // the database's transaction log is full
	NoSnapshot         // the database does not let sessions read in a snapshot
)
