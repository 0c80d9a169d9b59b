package seed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/tokensweep/tokensweep/dialect"
)

// Values of Result.Bulk.
const (
	BulkLoadData = "LOAD DATA LOCAL"
	BulkCopy     = "INSERT BULK"
	BulkInsert   = "INSERT"
)

// bulkRows streams rows in. LOAD DATA LOCAL makes warnings of errors about rows
// and returns no error for them: rows are counted and warnings are read. Whatever
// is wrong, the caller's transaction keeps none of the rows.
func bulkRows(ctx context.Context, tx *sql.Tx, bulk dialect.BulkLoader, f *filling, rows *rowReader) (int64, error) {
	statement, done := bulk.BulkLoad(f.found.Name, f.names, func() io.Reader { return rows })
	defer done()
	result, err := tx.ExecContext(ctx, statement)
	if err != nil {
		return 0, fmt.Errorf("loading %s: %w", f.found.Name, err)
	}
	loaded, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("loading %s: %w", f.found.Name, err)
	}
	var (
		level, message string
		code           int
	)
	switch err := tx.QueryRowContext(ctx, "SHOW WARNINGS LIMIT 1").Scan(&level, &code, &message); {
	case err == nil:
		return 0, fmt.Errorf("loading %s: %w", f.found.Name, explain(fmt.Errorf("the server says %s %d: %s", level, code, message)))
	case !errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("reading the warnings of loading %s: %w", f.found.Name, err)
	}
	if loaded != rows.rows {
		return 0, fmt.Errorf("loading %s: %d of %d rows arrived", f.found.Name, loaded, rows.rows)
	}
	return loaded, nil
}
