package seed

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
)

// rowSource gives rows as text, some at a time.
type rowSource interface{ next() ([]byte, bool) }

const (
	rowsPerInsert = 500
	maxParameters = 30_000 // SQLite takes 32,766, MySQL 65,535
)

// insertRows loads rows by INSERT statements of many rows each and returns how
// many there were.
func insertRows(ctx context.Context, tx *sql.Tx, d dialect.Dialect, f *filling, rows rowSource) (int64, error) {
	in := inserter{ctx: ctx, tx: tx, d: d, f: f, size: min(rowsPerInsert, maxParameters/len(f.columns))}
	defer in.close()
	for {
		text, ok := rows.next()
		if !ok {
			break
		}
		for len(text) > 0 {
			line, rest, _ := bytes.Cut(text, []byte{'\n'})
			text = rest
			if err := in.add(line); err != nil {
				return in.done, err
			}
		}
	}
	err := in.flush()
	return in.done, err
}

type inserter struct {
	ctx  context.Context
	tx   *sql.Tx
	d    dialect.Dialect
	f    *filling
	size int // rows of a full statement
	full *sql.Stmt
	args []any
	done int64
}

func (in *inserter) close() {
	if in.full != nil {
		_ = in.full.Close() // the transaction's end tells whether the rows are there
	}
}

func (in *inserter) add(line []byte) error {
	for {
		field, rest, more := bytes.Cut(line, []byte{'\t'})
		in.args = append(in.args, value(field))
		if !more {
			break
		}
		line = rest
	}
	if len(in.args) == in.size*len(in.f.columns) {
		return in.flush()
	}
	return nil
}

func (in *inserter) flush() error {
	rows := len(in.args) / len(in.f.columns)
	if rows == 0 {
		return nil
	}
	result, err := in.exec(rows)
	if err != nil {
		return fmt.Errorf("inserting into %s: %w", in.f.found.Name, explain(err))
	}
	if n, err := result.RowsAffected(); err != nil || n != int64(rows) {
		return fmt.Errorf("inserting into %s: %d of %d rows arrived (%v)", in.f.found.Name, n, rows, err)
	}
	in.done += int64(rows)
	in.args = in.args[:0]
	return nil
}

// exec prepares the full statement once, for SQLite; the last one is shorter.
func (in *inserter) exec(rows int) (sql.Result, error) {
	if rows < in.size {
		return in.tx.ExecContext(in.ctx, in.text(rows), in.args...)
	}
	if in.full == nil {
		var err error
		if in.full, err = in.tx.PrepareContext(in.ctx, in.text(rows)); err != nil {
			return nil, err
		}
	}
	return in.full.ExecContext(in.ctx, in.args...)
}

func (in *inserter) text(rows int) string {
	row := "(" + marks(len(in.f.names)) + ")"
	return "INSERT INTO " + in.d.Quote(in.f.found.Name) + " (" + dialect.QuoteAll(in.d, in.f.names) + ") VALUES " +
		strings.TrimSuffix(strings.Repeat(row+", ", rows), ", ")
}

// explain adds what to do about a time that the session's zone does not have.
func explain(err error) error {
	if text := err.Error(); strings.Contains(text, "ncorrect datetime value") || strings.Contains(text, "nvalid TIMESTAMP value") {
		return fmt.Errorf("%w: the session's time zone has no such wall clock, because clocks went forward then; "+
			"use another cut-off, or a session zone without clock changes", err)
	}
	return err
}
