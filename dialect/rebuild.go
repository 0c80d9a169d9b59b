package dialect

import (
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/schema"
)

// Rebuilder is implemented by dialects whose server can put new tables in the
// place of old ones in one step, see package rebuild.
type Rebuilder interface {
	Dialect
	RunLocker
	SchemaUser
	Sampler

	// RebuildSession are the statements that a session runs after SessionSetup. It
	// waits for a lock on a table no longer than wait (whole seconds).
	RebuildSession(wait time.Duration) []string
	// CopySession are the statements for a session that fills tables whose keys are
	// proven by other means.
	CopySession() []string
	// Optional are further settings, each of which some servers do not know.
	Optional() []string
	// InUTC is the statement after which a session copies every TIMESTAMP as it is.
	// In a zone that sets clocks back, a copy through the wall clock loses an hour.
	InUTC() string
	// OneToOne is the query for 1 if no two instants have the same wall clock in the
	// session's zone, else 0.
	OneToOne() string
	// Ambiguous is true where a column holds an instant that the session's zone
	// writes like another one.
	Ambiguous(table string, c schema.Column) SQL

	// ShowTable is the query for a table's name and definition, ParseTable reads that.
	ShowTable(table string) string
	ParseTable(text string) (TableText, error)
	// TriggerTexts is the query for all triggers of a schema in the order in which
	// they run: table, name, timing, event, definer, sql_mode, character set of the
	// client, collation of the connection, body.
	TriggerTexts(schema string) SQL
	// CreateTrigger are the statements that make a trigger on a table, under a name;
	// they leave the session with the trigger's settings.
	CreateTrigger(t TriggerText, name, table string) []string

	// CreateLike makes an empty table with columns, options and indexes of another.
	CreateLike(fresh, table string) string
	// DropIndexes drops secondary indexes of a table.
	DropIndexes(table string, names []string) string
	// Complete adds indexes, as TableText has them, and sets the next automatic id,
	// "" for none.
	Complete(table string, indexes []string, nextID string) string
	// ChangeKeys drops foreign keys by name and adds others, as KeyText writes them.
	ChangeKeys(table string, drop, add []string) string
	// AddKey is a foreign key under another name and, if refTable is not "", to
	// another table.
	AddKey(k KeyText, name, refTable string) string
	// NamesKeys reports whether the server made the name of a foreign key, so that
	// it changes with the name of the table; suffix is what follows that.
	NamesKeys(table, key string) (suffix string, ok bool)
	// CopyRows copies rows; values are SQL for the columns. It reads and writes
	// them in the order of the primary key, if there is one.
	CopyRows(fresh, table string, columns []string, values, where SQL, ordered []string) SQL
	// CopyToAuditUnlocked is CopyToAudit for rows that nobody else can change.
	CopyToAuditUnlocked(table string, a Audit, where SQL) SQL
	// InterleavesIDs is the query for 1 if several sessions can copy rows into a table
	// at a time that counts its ids up, else 0.
	InterleavesIDs() string

	// Lock and LockAll lock tables for the session: against writers, or against all.
	Lock(table string, write bool) string
	LockAll(tables []string) string
	Unlock() string
	// Rename is the one statement for all pairs of names.
	Rename(pairs [][2]string) string
	// WaitsFor is the query for 1 if the session of that id waits for the table,
	// else 0. It needs a server that keeps account, see Accounts.
	WaitsFor(session int64, schema, table string) SQL
	// Accounts is the query for 1 if the server shows the lock that the session of
	// that id has on the table.
	Accounts(session int64, schema, table string) SQL
	// Probe reads nothing from a table, in a session of ProbeSession; it times out
	// while a session waits to have the table to itself.
	Probe(table string) string
	ProbeSession() []string

	// Session is the query for the number of the session; Kill ends another.
	Session() string
	Kill(session int64) string
	// Alive is the query for the number of sessions with one of these numbers.
	Alive(sessions []int64) SQL
	// Busy is the query for who uses the tables: texts such as "session 12 of
	// app@10.0.0.1". Who may see more, sees more.
	Busy(schema string, tables []string, except []int64) []SQL

	// Peculiar are queries for tables that cannot be rebuilt: table, what it is.
	Peculiar(schema string) []SQL
	// Outsiders is the query for foreign keys of other schemas to tables of this
	// one: table, schema.table of the key, its name.
	Outsiders(schema string) SQL
	// Clustered are queries for the name of what spreads writes over several servers,
	// so that a lock on one does not stop the others; no row if nothing does.
	Clustered() []SQL
	// Room is the query for the free and the needed bytes, for tables; it may not be
	// known.
	Room(schema string, tables []string) SQL

	// CreateJournal makes the table in which a rebuild writes what it does.
	CreateJournal(table string) string
	// Instant is the query for the seconds since 1970 that the session means by a
	// wall clock, InstantOf those that a column holds.
	Instant(wall string) SQL
	InstantOf(table, column string) string
}

// TableText is the definition of a table as the server writes it.
type TableText struct {
	Text    string    // without foreign keys and the next automatic id
	NextID  string    // the next automatic id, "" for none
	Indexes []Named   // secondary, as they are added
	Keys    []KeyText // foreign keys
}

// Named is a part of a definition.
type Named struct{ Name, Text string }

// KeyText is a foreign key as the server writes it.
type KeyText struct {
	Name     string
	Columns  string // in parentheses
	RefTable string // as it is quoted, with the schema if it is another
	Rest     string // the columns it refers to, and the rules
}

// TriggerText is all that makes a trigger.
type TriggerText struct {
	Table, Name, Timing, Event, Definer, SQLMode, Charset, Collation, Body string
}

// Plain reports whether the body can be sent in any character set.
func (t TriggerText) Plain() bool {
	return strings.IndexFunc(t.Body, func(r rune) bool { return r > 126 }) < 0 || strings.HasPrefix(t.Charset, "utf8")
}
