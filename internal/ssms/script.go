// Package ssms writes a database of SQL Server as a script, in the layout of SQL
// Server Management Studio's "Generate Scripts", for tests of what reads one.
package ssms

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Write writes tables, rows, indexes, and foreign keys at the end, each batch
// followed by GO.
func Write(ctx context.Context, to io.Writer, db *sql.DB, d dialect.Dialect, found *schema.Database) error {
	w := &writer{to: to, d: d}
	w.batch("USE [master]")
	w.batch("CREATE DATABASE [WSO2AM_DB]\n CONTAINMENT = NONE\n ON  PRIMARY \n( NAME = N'WSO2AM_DB', FILENAME = N'C:\\WSO2AM_DB.mdf' )")
	w.batch("ALTER DATABASE [WSO2AM_DB] SET COMPATIBILITY_LEVEL = 150")
	w.batch("USE [WSO2AM_DB]")
	for _, table := range found.Tables {
		table.ForeignKeys = nil
		w.print("/****** Object:  Table [dbo].[%s]    Script Date: 11/25/2026 4:36:08 AM ******/\n", table.Name)
		w.batch("SET ANSI_NULLS ON")
		w.batch("SET QUOTED_IDENTIFIER ON")
		w.batch("%s ON [PRIMARY]", d.CreateTable(table))
	}
	for _, table := range found.Tables {
		if err := w.rows(ctx, db, table); err != nil {
			return fmt.Errorf("scripting the rows of %s: %w", table.Name, err)
		}
	}
	w.keys(found)
	w.batch("USE [master]")
	w.batch("ALTER DATABASE [WSO2AM_DB] SET  READ_WRITE ")
	return w.err
}

type writer struct {
	to  io.Writer
	d   dialect.Dialect
	err error // the first
}

func (w *writer) print(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.to, format, args...)
	}
}

func (w *writer) batch(format string, args ...any) { w.print(format+"\nGO\n", args...) }

func (w *writer) rows(ctx context.Context, db *sql.DB, table schema.Table) error {
	if slices.ContainsFunc(table.Columns, func(c schema.Column) bool { return c.AutoID }) {
		w.batch("SET IDENTITY_INSERT %s ON ", w.d.Table(table.Name))
		defer w.batch("SET IDENTITY_INSERT %s OFF", w.d.Table(table.Name))
	}
	names := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		names[i] = w.d.Quote(c.Name)
	}
	columns := strings.Join(names, ", ")
	rows, err := db.QueryContext(ctx, "SELECT "+columns+" FROM "+w.d.Table(table.Name))
	if err != nil {
		return err
	}
	defer rows.Close()
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		literals := make([]string, len(values))
		for i, v := range values {
			literals[i] = literal(v)
		}
		w.batch("INSERT %s (%s) VALUES (%s)", w.d.Table(table.Name), columns, strings.Join(literals, ", "))
	}
	return rows.Err()
}

func literal(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case string:
		return "N'" + strings.ReplaceAll(v, "'", "''") + "'"
	case time.Time:
		return v.Format("CAST(N'2006-01-02T15:04:05.000' AS DateTime)")
	}
	return fmt.Sprint(value)
}

// keys writes indexes, then foreign keys.
func (w *writer) keys(found *schema.Database) {
	for _, table := range found.Tables {
		for _, index := range w.d.AddIndexes(table.Name, table.Indexes) {
			w.batch("SET ANSI_PADDING ON")
			w.batch("%s", index)
		}
	}
	for _, table := range found.Tables {
		for _, fk := range table.ForeignKeys {
			rule := ""
			if !fk.OnDelete.Refuses() {
				rule = "\nON DELETE " + string(fk.OnDelete)
			}
			w.batch("ALTER TABLE %s  WITH CHECK ADD  CONSTRAINT %s FOREIGN KEY([%s])\nREFERENCES %s ([%s])%s",
				w.d.Table(table.Name), w.d.Quote(fk.Name), strings.Join(fk.Columns, "], ["), w.d.Table(fk.RefTable), strings.Join(fk.RefColumns, "], ["), rule)
			w.batch("ALTER TABLE %s CHECK CONSTRAINT %s", w.d.Table(table.Name), w.d.Quote(fk.Name))
		}
	}
}
