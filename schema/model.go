package schema

import (
	"slices"
	"strings"
)

// Database is one schema (MySQL: database; SQL Server: a schema as dbo in one
// database) with everything in it.
type Database struct {
	Name   string
	Tables []Table // in name order; views are left out
	// Programs are the names of stored procedures, functions and events, each
	// as "procedure p", "event e"; the verifier compares them before and after.
	Programs []string
}

// Table returns the table of that name; case does not count, because MySQL on
// Windows and macOS stores names in lower case and SQL Server by default takes
// them in any.
func (d *Database) Table(name string) (*Table, bool) {
	for i := range d.Tables {
		if strings.EqualFold(d.Tables[i].Name, name) {
			return &d.Tables[i], true
		}
	}
	return nil, false
}

// References lists the foreign keys of any table that point at parent.
func (d *Database) References(parent string) []Reference {
	var found []Reference
	for i := range d.Tables {
		for _, fk := range d.Tables[i].ForeignKeys {
			if strings.EqualFold(fk.RefTable, parent) {
				found = append(found, Reference{Table: &d.Tables[i], Key: fk})
			}
		}
	}
	return found
}

// Reference is a foreign key together with the table that declares it.
type Reference struct {
	Table *Table
	Key   ForeignKey
}

// Table is one base table.
type Table struct {
	Name        string
	Engine      string // MySQL storage engine, "" elsewhere
	Charset     string // of the table when it is declared; "" is the schema's default
	Collation   string // SQL Server: the database's default, which the columns need not have
	Comment     string
	Columns     []Column // in ordinal order
	PrimaryKey  []string // empty: none
	Indexes     []Index  // secondary, unique ones included
	ForeignKeys []ForeignKey
	Triggers    []Trigger
}

// Column returns the column of that name; case does not count.
func (t *Table) Column(name string) (*Column, bool) {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return &t.Columns[i], true
		}
	}
	return nil, false
}

// Has reports whether the table has all the columns named.
func (t *Table) Has(columns ...string) bool {
	return !slices.ContainsFunc(columns, func(name string) bool { _, ok := t.Column(name); return !ok })
}

// UniqueOn reports whether exactly these columns are the primary key or a
// unique index over columns that cannot be NULL.
func (t *Table) UniqueOn(columns ...string) bool {
	if sameNames(t.PrimaryKey, columns) {
		return true
	}
	return slices.ContainsFunc(t.Indexes, func(ix Index) bool {
		return ix.Unique && sameNames(ix.Columns, columns) && !slices.ContainsFunc(columns, func(name string) bool {
			c, ok := t.Column(name)
			return !ok || c.Nullable
		})
	})
}

// HasIndex reports whether the table has a secondary index of that name.
func (t *Table) HasIndex(name string) bool {
	return slices.ContainsFunc(t.Indexes, func(ix Index) bool { return SameName(ix.Name, name) })
}

// HasIndexLike reports whether the table has the index of a release: one of its
// name or, if it has none, one over the same columns. Where the release has a
// name, columns are not enough: InnoDB's own indexes go when named ones come.
func (t *Table) HasIndexLike(ix Index) bool {
	if ix.Name != "" {
		return t.HasIndex(ix.Name)
	}
	return slices.ContainsFunc(t.Indexes, ix.sameWork)
}

// SameName reports whether two names mean the same column, table or index:
// case does not count.
func SameName(a, b string) bool { return strings.EqualFold(a, b) }

func sameNames(a, b []string) bool { return slices.EqualFunc(a, b, strings.EqualFold) }

// Kind is a column type as far as making and comparing tables needs it.
type Kind string

// The kinds that the product's tables use.
const (
	VarChar   Kind = "varchar"
	Char      Kind = "char"
	Text      Kind = "text"
	Int       Kind = "int"       // 32 bits
	BigInt    Kind = "bigint"    // 64 bits
	Timestamp Kind = "timestamp" // MySQL TIMESTAMP, SQL Server DATETIME, DATETIME2 and SMALLDATETIME
	Blob      Kind = "blob"
	Other     Kind = "other" // see Column.Type
)

// Column is one column.
type Column struct {
	Name      string
	Kind      Kind
	Length    int     // characters of VarChar and Char, 0 for others
	Type      string  // the server's own text, e.g. "varchar(255)"; "" in releases
	Nullable  bool    // NULL is allowed
	Default   *string // nil: none. DefaultNow is the current time; other texts are literals without quotes
	Charset   string  // "" where the type has none, or the table's
	Collation string  // "" where the type has none, or the table's
	AutoID    bool    // AUTO_INCREMENT, IDENTITY
	Generated bool    // computed by the server (SQL Server: ROWVERSION too), cannot be inserted
}

// DefaultNow is the Default of a column that takes the current time.
const DefaultNow = "CURRENT_TIMESTAMP"

// Index is a secondary index or a unique key.
type Index struct {
	Name       string // "" in a release: the server's choice
	Unique     bool
	Constraint bool     // SQL Server: declared as a UNIQUE constraint, whose name is one in the whole schema
	Columns    []string // the key; "" for a part that is an expression
	Include    []string // SQL Server: columns that it stores beside the key
}

// String is as "unique BY_A (A, B) include (C)".
func (ix Index) String() string {
	text := ix.Name + " (" + strings.Join(ix.Columns, ", ") + ")"
	if ix.Unique {
		text = "unique " + text
	}
	if len(ix.Include) > 0 {
		text += " include (" + strings.Join(ix.Include, ", ") + ")"
	}
	return text
}

// sameWork reports whether two indexes differ in nothing but how they are declared.
func (ix Index) sameWork(other Index) bool {
	return ix.Unique == other.Unique && sameNames(ix.Columns, other.Columns) && sameNames(ix.Include, other.Include)
}

// Rule is what a foreign key does to child rows when the parent row goes.
type Rule string

// Delete rules. Restrict and NoAction refuse the delete of the parent.
const (
	Cascade    Rule = "CASCADE"
	SetNull    Rule = "SET NULL"
	SetDefault Rule = "SET DEFAULT"
	Restrict   Rule = "RESTRICT"
	NoAction   Rule = "NO ACTION"
)

// Refuses reports whether the rule keeps a parent row that has children.
func (r Rule) Refuses() bool { return r != Cascade && r != SetNull && r != SetDefault }

// ForeignKey is a foreign key of the table that holds it.
type ForeignKey struct {
	Name       string
	Columns    []string
	RefTable   string // schema.table if it is in another schema
	RefColumns []string
	OnDelete   Rule
}

// Trigger is a trigger of the table that holds it.
type Trigger struct {
	Name   string
	Timing string // BEFORE, AFTER, INSTEAD OF
	Event  string // INSERT, UPDATE, DELETE
}
