package seed

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Target is a schema to fill. The connections of DB must use it, in the time
// zone in which the product writes: wall clocks are written as UTC text through
// the session, as the product does.
type Target struct {
	DB      *sql.DB
	Dialect dialect.Dialect
	Schema  string
	// Unlogged keeps the rows out of the server's binary log, where it has one: for a
	// server that is thrown away. It takes a privilege, of which root has enough.
	Unlogged bool
}

// defaultCharset is what the vendor asks for. In a character set with several
// bytes a character some releases' indexes are too long.
const defaultCharset = "latin1"

// CreateTables makes the tables of a release without the secondary indexes that
// can wait, see BuildIndexes. If one of the tables is there already it makes
// none and says so. The collation is that of all tables; with "" tables have
// the character set that their release declares, or latin1.
func CreateTables(ctx context.Context, t Target, release, collation string) error {
	tables, err := schema.Release(release, t.Dialect.Product())
	if err != nil {
		return err
	}
	found, err := schema.Read(ctx, t.DB, t.Dialect, t.Schema)
	if err != nil {
		return err
	}
	for _, table := range tables.Tables {
		if _, ok := found.Table(table.Name); ok {
			return refuse("schema %s has a table %s already: give an empty schema to create the tables of %s in", t.Schema, table.Name, release)
		}
	}
	ordered, err := tables.CreationOrder()
	if err != nil {
		return err
	}
	return t.onSession(ctx, func(conn *sql.Conn) error {
		for _, table := range ordered {
			if err := create(ctx, conn, t.Dialect, tables, table, collation); err != nil {
				return err
			}
		}
		return nil
	})
}

func create(ctx context.Context, conn *sql.Conn, d dialect.Dialect, all *schema.Database, table schema.Table, collation string) error {
	switch {
	case collation != "":
		table.Charset, table.Collation = "", collation
	case table.Charset == "" && table.Collation == "":
		table.Charset = defaultCharset
	}
	before, _ := all.SplitIndexes(&table)
	for _, statement := range append([]string{d.CreateTable(table)}, d.AddIndexes(table.Name, before)...) {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("creating table %s: %w", table.Name, err)
		}
	}
	return nil
}

// BuildIndexes builds the secondary indexes of the release that its tables
// lack, one table at a time: the servers use several threads for one build, and
// builds on tables that refer to each other can deadlock. A unique index also
// proves that the data respect it.
func BuildIndexes(ctx context.Context, t Target, release string) error {
	tables, err := schema.Release(release, t.Dialect.Product())
	if err != nil {
		return err
	}
	found, err := schema.Read(ctx, t.DB, t.Dialect, t.Schema)
	if err != nil {
		return err
	}
	return t.onSession(ctx, func(conn *sql.Conn) error {
		for _, table := range tables.Tables {
			there, ok := found.Table(table.Name)
			if !ok {
				return refuse("schema %s has no table %s of release %s", t.Schema, table.Name, release)
			}
			if missing := missingIndexes(&table, there, t.Dialect.Product()); len(missing) > 0 {
				if err := buildIndexes(ctx, conn, t.Dialect, there.Name, missing); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func missingIndexes(want, have *schema.Table, on schema.Product) []schema.Index {
	var missing []schema.Index
	for _, ix := range want.Indexes {
		like := ix
		if on == schema.SQLServer {
			like.Name = "" // it makes no indexes by itself, and Babelfish gives them names of its own
		}
		if !have.HasIndexLike(like) {
			missing = append(missing, ix)
		}
	}
	return missing
}

func buildIndexes(ctx context.Context, conn *sql.Conn, d dialect.Dialect, table string, missing []schema.Index) error {
	if sorter, ok := d.(dialect.IndexSorter); ok {
		_, _ = conn.ExecContext(ctx, sorter.WidenSort()) // it is only slower without
	}
	for _, statement := range d.AddIndexes(table, missing) {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("building the indexes of %s: %w%s", table, err, hint(err))
		}
	}
	return nil
}

func hint(err error) string {
	if strings.Contains(err.Error(), "key was too long") {
		return " (the release's indexes need a character set with one byte a character, such as latin1)"
	}
	return ""
}

// query runs a query made of strings and SQL.
func (t Target) query(ctx context.Context, pieces ...any) (*sql.Rows, error) {
	q := t.Dialect.Bind(dialect.Concat(pieces...))
	return t.DB.QueryContext(ctx, q.Text, q.Args...)
}

func (t Target) queryRow(ctx context.Context, pieces ...any) *sql.Row {
	q := t.Dialect.Bind(dialect.Concat(pieces...))
	return t.DB.QueryRowContext(ctx, q.Text, q.Args...)
}

// onSession runs work on a connection that is set up like the engine's: strict,
// READ COMMITTED, with foreign keys checked.
func (t Target) onSession(ctx context.Context, work func(*sql.Conn) error) error {
	conn, err := t.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to schema %s: %w", t.Schema, err)
	}
	defer conn.Close()
	for _, statement := range t.Dialect.SessionSetup() {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("setting the session up (%s): %w", statement, err)
		}
	}
	if d, ok := t.Dialect.(dialect.BinlogSetter); ok && t.Unlogged {
		// Whoever gets this session next wants its work in the log.
		defer conn.Raw(func(any) error { return driver.ErrBadConn })
		if _, err := conn.ExecContext(ctx, d.SkipBinlog()); err != nil {
			return fmt.Errorf("switching the session's binary log off: %w", err)
		}
	}
	return work(conn)
}

// connections is how many are used at a time. More would wait for each other
// where a load locks the table (RowCopier) or the database.
func (t Target) connections(wanted int) int {
	_, bulk := t.Dialect.(dialect.BulkLoader)
	switch {
	case !bulk:
		return 1
	case wanted <= 0:
		return 2
	}
	return wanted
}
