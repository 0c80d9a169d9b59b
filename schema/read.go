package schema

import (
	"context"
	"database/sql"
	"fmt"
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
	// primary (0/1), column.
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
	rows, err := r.db.QueryContext(r.ctx, query, r.found.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		row()
	}
	return rows.Err()
}

func (r *reader) tables() error {
	var t Table
	return r.each(r.c.TablesSQL(), func() { r.found.Tables = append(r.found.Tables, t) },
		&t.Name, &t.Engine, &t.Charset, &t.Collation, &t.Comment)
}

// on calls change with the table of that name, if it is a base table.
func (r *reader) on(table string, change func(*Table)) {
	if t, ok := r.found.Table(table); ok {
		change(t)
	}
}

func (r *reader) columns() error {
	var (
		c                 Column
		table, base, text string
		hasDefault        bool
	)
	return r.each(r.c.ColumnsSQL(), func() {
		c.Kind, c.Default = r.c.KindOf(base), nil
		if hasDefault {
			value := text
			c.Default = &value
		}
		r.on(table, func(t *Table) { t.Columns = append(t.Columns, c) })
	}, &table, &c.Name, &base, &c.Length, &c.Type, &c.Nullable, &hasDefault, &text, &c.Charset, &c.Collation, &c.AutoID, &c.Generated)
}

func (r *reader) indexes() error {
	var (
		table, name, column string
		unique, primary     bool
	)
	return r.each(r.c.IndexesSQL(), func() {
		r.on(table, func(t *Table) {
			if primary {
				t.PrimaryKey = append(t.PrimaryKey, column)
				return
			}
			if n := len(t.Indexes); n == 0 || t.Indexes[n-1].Name != name {
				t.Indexes = append(t.Indexes, Index{Name: name, Unique: unique})
			}
			last := &t.Indexes[len(t.Indexes)-1]
			last.Columns = append(last.Columns, column)
		})
	}, &table, &name, &unique, &primary, &column)
}

func (r *reader) foreignKeys() error {
	var table, name, column, refTable, refColumn, rule, hidden string
	err := r.each(r.c.ForeignKeysSQL(), func() {
		r.on(table, func(t *Table) {
			if n := len(t.ForeignKeys); n == 0 || t.ForeignKeys[n-1].Name != name {
				t.ForeignKeys = append(t.ForeignKeys, ForeignKey{Name: name, RefTable: refTable, OnDelete: Rule(rule)})
			}
			if rule == "" {
				hidden = name
			}
			last := &t.ForeignKeys[len(t.ForeignKeys)-1]
			last.Columns = append(last.Columns, column)
			last.RefColumns = append(last.RefColumns, refColumn)
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
