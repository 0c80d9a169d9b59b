package seed

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// copyRows loads rows by calls of the driver, a row each, and returns how many
// there were.
func copyRows(ctx context.Context, tx *sql.Tx, copier dialect.RowCopier, f *filling, rows rowSource) (sent int64, err error) {
	stmt, err := tx.PrepareContext(ctx, copier.CopyRows(f.found.Name, f.names))
	if err != nil {
		return 0, fmt.Errorf("loading %s: %w", f.found.Name, err)
	}
	defer stmt.Close()
	c := newTyped(f)
	for {
		text, ok := rows.next()
		if !ok {
			break
		}
		for len(text) > 0 {
			line, rest, _ := bytes.Cut(text, []byte{'\n'})
			text = rest
			if err := c.read(line); err != nil {
				return sent, fmt.Errorf("loading %s, row %d: %w", f.found.Name, sent+1, err)
			}
			if _, err := stmt.ExecContext(ctx, c.values...); err != nil {
				return sent, fmt.Errorf("loading %s, row %d: %w", f.found.Name, sent+1, err)
			}
			sent++
		}
	}
	done, err := stmt.ExecContext(ctx)
	if err != nil {
		return sent, fmt.Errorf("loading %s: %w", f.found.Name, err)
	}
	if loaded, err := done.RowsAffected(); err != nil || loaded != sent {
		return loaded, fmt.Errorf("loading %s: %d of %d rows arrived (%v)", f.found.Name, loaded, sent, err)
	}
	return sent, nil
}

// typed gives the fields of a row the types of their columns.
type typed struct {
	kinds  []schema.Kind
	values []any
}

func newTyped(f *filling) *typed {
	c := &typed{kinds: make([]schema.Kind, len(f.names)), values: make([]any, len(f.names))}
	for i, name := range f.names {
		column, _ := f.found.Column(name)
		c.kinds[i] = column.Kind
	}
	return c
}

func (c *typed) read(line []byte) (err error) {
	for i, kind := range c.kinds {
		field, rest, _ := bytes.Cut(line, []byte{'\t'})
		line = rest
		text, ok := value(field).(string)
		switch {
		case !ok:
			c.values[i] = nil
		case kind == schema.Int || kind == schema.BigInt:
			c.values[i], err = strconv.ParseInt(text, 10, 64)
		case kind == schema.Timestamp:
			c.values[i], err = time.Parse(time.DateTime, text)
		default:
			c.values[i] = text
		}
		if err != nil {
			return err
		}
	}
	return nil
}
