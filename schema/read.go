package schema

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// Catalog gives the queries that list what a database holds. A dialect
// implements it. Each query takes the schema's name as its only argument and
// returns no NULL: an empty text stands for nothing.
type Catalog interface {
	// TablesSQL lists base tables: name, engine, charset, collation, comment.
	TablesSQL() string
	// ColumnsSQL lists columns in ordinal order: table, name, base type,
	// length in characters (0: none), full type, nullable (0/1), has default
	// (0/1), default, charset, collation, auto id (0/1), generated (0/1).
	ColumnsSQL() string
	// IndexesSQL lists key columns in key order: table, index, unique (0/1),
	// primary (0/1), column. A catalog that knows them adds constraint (0/1),
	// see Index, and included (0/1) for a column that is stored beside the key.
	IndexesSQL() string
	// ForeignKeysSQL lists key columns in key order: table, constraint, column,
	// referenced table, referenced column, delete rule.
	ForeignKeysSQL() string
	// TriggersSQL lists table, trigger, timing, event.
	TriggersSQL() string
	// ProgramsSQL lists type and name of procedures, functions and events.
	ProgramsSQL() string
	// KindOf maps a base type to a Kind.
	KindOf(baseType string) Kind
}

// DefaultParser is implemented by catalogs whose ColumnsSQL gives defaults as
// the server writes them.
type DefaultParser interface {
	// ParseDefault is the Default of a column with that expression, nil for none.
	ParseDefault(expression string) *string
}

// Querier is *sql.DB, *sql.Conn or *sql.Tx.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Read finds everything in the schema of that name. An empty schema is no
// error; a schema that does not exist looks empty too.
func Read(ctx context.Context, db Querier, c Catalog, name string) (*Database, error) {
	r := reader{ctx: ctx, db: db, c: c, found: &Database{Name: name}}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"tables", r.tables}, {"columns", r.columns}, {"indexes", r.indexes},
		{"foreign keys", r.foreignKeys}, {"triggers", r.triggers}, {"procedures and events", r.programs},
	} {
		if err := step.do(); err != nil {
			return nil, fmt.Errorf("reading the %s of schema %s: %w", step.what, name, err)
		}
	}
	return r.found, nil
}

type reader struct {
	ctx   context.Context
	db    Querier
	c     Catalog
	found *Database
}

// each runs a query and calls row once per row after scanning into dest.
func (r *reader) each(query string, row func(), dest ...any) error {
	return r.scan(query, row, dest, nil)
}

// scan is each for queries of which some give more columns than others.
func (r *reader) scan(query string, row func(), dest, more []any) error {
	rows, err := r.db.QueryContext(r.ctx, query, r.found.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	if len(columns) > len(dest) {
		dest = append(dest, more...)
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		row()
	}
	return rows.Err()
}

// tables sorts by itself: servers have their own orders of digits and underscores.
func (r *reader) tables() error {
	var t Table
	err := r.each(r.c.TablesSQL(), func() { r.found.Tables = append(r.found.Tables, t) },
		&t.Name, &t.Engine, &t.Charset, &t.Collation, &t.Comment)
	slices.SortFunc(r.found.Tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	return err
}

// on calls change with the table of that name, if it is a base table.
func (r *reader) on(table string, change func(*Table)) {
	if t, ok := r.found.Table(table); ok {
		change(t)
	}
}

// named is the column's name as it was declared. Some catalogs have the names
// in keys in another case.
func (t *Table) named(column string) string {
	if c, ok := t.Column(column); ok {
		return c.Name
	}
	return column
}

func (r *reader) columns() error {
	var (
		c                 Column
		table, base, text string
		hasDefault        bool
	)
	parser, parses := r.c.(DefaultParser)
	return r.each(r.c.ColumnsSQL(), func() {
		c.Kind, c.Default = r.c.KindOf(base), nil
		switch value := text; {
		case hasDefault && parses:
			c.Default = parser.ParseDefault(value)
		case hasDefault:
			c.Default = &value
		}
		r.on(table, func(t *Table) { t.Columns = append(t.Columns, c) })
	}, &table, &c.Name, &base, &c.Length, &c.Type, &c.Nullable, &hasDefault, &text, &c.Charset, &c.Collation, &c.AutoID, &c.Generated)
}

func (r *reader) indexes() error {
	var (
		table, name, column                   string
		unique, primary, constraint, included bool
	)
	return r.scan(r.c.IndexesSQL(), func() {
		r.on(table, func(t *Table) {
			column := t.named(column)
			if primary {
				t.PrimaryKey = append(t.PrimaryKey, column)
				return
			}
			if n := len(t.Indexes); n == 0 || t.Indexes[n-1].Name != name {
				t.Indexes = append(t.Indexes, Index{Name: name, Unique: unique, Constraint: constraint})
			}
			last := &t.Indexes[len(t.Indexes)-1]
			if included {
				last.Include = append(last.Include, column)
			} else {
				last.Columns = append(last.Columns, column)
			}
		})
	}, []any{&table, &name, &unique, &primary, &column}, []any{&constraint, &included})
}

func (r *reader) foreignKeys() error {
	var table, name, column, refTable, refColumn, rule, hidden string
	err := r.each(r.c.ForeignKeysSQL(), func() {
		parent, parentColumn := refTable, refColumn
		r.on(refTable, func(p *Table) { parent, parentColumn = p.Name, p.named(refColumn) })
		r.on(table, func(t *Table) {
			if n := len(t.ForeignKeys); n == 0 || t.ForeignKeys[n-1].Name != name {
				t.ForeignKeys = append(t.ForeignKeys, ForeignKey{Name: name, RefTable: parent, OnDelete: Rule(rule)})
			}
			if rule == "" {
				hidden = name
			}
			last := &t.ForeignKeys[len(t.ForeignKeys)-1]
			last.Columns = append(last.Columns, t.named(column))
			last.RefColumns = append(last.RefColumns, parentColumn)
		})
	}, &table, &name, &column, &refTable, &refColumn, &rule)
	if err == nil && hidden != "" {
		// MariaDB shows the key but not its rule to a user who may only read.
		err = fmt.Errorf("the server hides the delete rule of foreign key %s from this user: GRANT REFERENCES on the schema, or use a user who may change its tables", hidden)
	}
	return err
}

func (r *reader) triggers() error {
	var (
		table string
		tr    Trigger
	)
	return r.each(r.c.TriggersSQL(), func() {
		r.on(table, func(t *Table) { t.Triggers = append(t.Triggers, tr) })
	}, &table, &tr.Name, &tr.Timing, &tr.Event)
}

func (r *reader) programs() error {
	var kind, name string
	return r.each(r.c.ProgramsSQL(), func() { r.found.Programs = append(r.found.Programs, kind+" "+name) }, &kind, &name)
}
