package tsql

import "strings"

// Action is what becomes of a statement when a script is restored into one
// database.
type Action int

const (
	// Refuse: no script of a database's objects and rows has it.
	Refuse Action = iota
	// Run: it makes an object or rows.
	Run
	// Session: it sets the connection, in every database.
	Session
	// Skip: it is about the server, other databases, or who may do what.
	Skip
	// Neutral: it changes nothing by itself, and is run only along with others.
	Neutral
)

// Span is a piece of a batch's text, [From, To).
type Span struct{ From, To int }

// Name is the name of an object, unquoted; parts that are not written are empty.
type Name struct{ Server, Database, Schema, Object string }

// String is the name with dots, as far as it is written.
func (n Name) String() string {
	text := n.Object
	for _, part := range []string{n.Schema, n.Database, n.Server} {
		if part != "" {
			text = part + "." + text
		}
	}
	return text
}

// Statement is one statement of a batch.
type Statement struct {
	Span
	// Kind is how the statement is called in reports: INSERT, CREATE TABLE, SET
	// ANSI_NULLS, EXEC sp_bindrule. For a statement that is not known it is how
	// it begins.
	Kind   string
	Action Action
	// Name is what an INSERT goes into, what CREATE, ALTER and DROP are about, the
	// database of USE, the procedure of EXEC.
	Name Name
	// Why says why an Action is Refuse, for a message; may be empty.
	Why string

	// Rows is how many rows an INSERT writes, -1 when only a server can tell.
	Rows int64
	// Option and Value are what a SET, or an ALTER DATABASE ... SET, is about, in
	// upper case: ANSI_NULLS and ON. Several options have commas between them.
	Option, Value string
	// Collation is that of CREATE or ALTER DATABASE, or one in a CREATE TABLE.
	Collation string
	// Unchecked is the constraint that ALTER TABLE adds WITH NOCHECK or switches
	// off with NOCHECK CONSTRAINT; Disabled tells the two apart.
	Unchecked string
	Disabled  bool
	// Drops: ALTER TABLE takes something away.
	Drops bool
	// Trigger is the one that ALTER TABLE, ENABLE or DISABLE TRIGGER switches on
	// or off; empty for all of them.
	Trigger string

	// Filegroups are the names of filegroups other than PRIMARY. Owner is the
	// AUTHORIZATION clause of CREATE SCHEMA.
	Filegroups []Span
	Owner      Span
	// Inner is the script in the text Literal that EXEC runs.
	Inner   *Script
	Literal Span
}

// Module reports whether the statement makes a procedure, function, view or
// trigger: something that is run later.
func (s *Statement) Module() bool {
	switch s.Kind {
	case "CREATE PROCEDURE", "CREATE FUNCTION", "CREATE VIEW", "CREATE TRIGGER",
		"ALTER PROCEDURE", "ALTER FUNCTION", "ALTER VIEW", "ALTER TRIGGER":
		return true
	}
	return false
}

// Creates reports whether the statement is CREATE or, as tools write it for
// modules that exist, ALTER of an object type such as TABLE.
func (s *Statement) Creates(object string) bool {
	return s.Kind == "CREATE "+object || s.Kind == "ALTER "+object && s.Module()
}

// String names the statement without its data.
func (s *Statement) String() string {
	name := s.Name.String()
	switch {
	case name == "" || strings.HasPrefix(s.Kind, "EXEC"):
		return s.Kind
	case s.Kind == "INSERT":
		return "INSERT INTO " + name
	}
	return s.Kind + " " + name
}

// Ref is a name of three or four parts: one that may lead out of the database.
type Ref struct {
	Name
	Span
	// Local is where the part behind the database begins; what stands before it
	// can be taken away to make the name one of the current database.
	Local int
	// Reads: the name stands where rows are read, as behind FROM.
	Reads bool
	// Column: it stands in an expression, where it is most likely a column with
	// its schema and table in front.
	Column bool
	// Call: a parenthesis follows.
	Call bool
}

// Unit is a piece of a batch that is run or left out as a whole: one statement,
// or an IF, WHILE or BEGIN with all in it.
type Unit struct {
	Span
	Statements []Statement
	// Control: it is more than one plain statement.
	Control bool
	Refs    []Ref
}

// Script is a batch taken apart.
type Script struct {
	Units []Unit
	// Variables: the batch declares variables, so that its units belong together.
	Variables bool
	// Open says why the text cannot be the whole batch, as "inside a parenthesis";
	// empty when it can be.
	Open string
}

// Action is what becomes of the unit: Run if a statement in it is run, and then
// none may be one to skip, which is Refuse.
func (u *Unit) Action() Action { return together(u.Statements) }

func together(statements []Statement) Action {
	result := Neutral
	for i := range statements {
		switch a := statements[i].Action; {
		case a == Refuse || a == Skip && result == Run || a == Run && result == Skip:
			return Refuse
		case a == Run || a == Skip:
			result = a
		case a == Session && result == Neutral:
			result = Session
		}
	}
	return result
}

// Insert reports whether the unit is one plain INSERT.
func (u *Unit) Insert() bool { return !u.Control && u.Statements[0].Kind == "INSERT" }

// cut is where the text can be parted into two batches that do what the one
// would: in front of the last of two INSERT statements, with no variable, block
// or module before it. 0 when there is no such place.
func (s *Script) cut() int {
	n := len(s.Units)
	if n < 2 || s.Variables || !s.Units[n-1].Insert() || !s.Units[n-2].Insert() {
		return 0
	}
	for i := range s.Units {
		if s.Units[i].Control || s.Units[i].Statements[0].Module() {
			return 0
		}
	}
	return s.Units[n-1].From
}
