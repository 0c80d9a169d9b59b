package backup

import (
	"context"
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
)

// rowsOfInsert is how many rows one statement inserts at most.
const rowsOfInsert = 200

// insert puts the rows of a transaction back, parents before their children.
func (c *chunk) insert(ctx context.Context, verdicts []verdict) error {
	phase := verdicts[0].g.phase
	var roots [][]Cell
	for _, v := range verdicts {
		if v.fate == PutBack {
			roots = append(roots, v.g.cells)
		}
	}
	if err := c.insertInto(ctx, phase.Table, roots); err != nil {
		return err
	}
	for _, child := range phase.Children {
		var rows [][]Cell
		for _, v := range verdicts {
			for n, row := range v.g.children {
				if v.fate == PutBack && row.table == child.Table && v.children[n].fate == "" {
					rows = append(rows, row.cells)
				}
			}
		}
		if err := c.insertInto(ctx, child.Table, rows); err != nil {
			return err
		}
	}
	return nil
}

func (c *chunk) insertInto(ctx context.Context, table int, rows [][]Cell) (err error) {
	if len(rows) == 0 {
		return nil
	}
	t := &c.r.targets[table]
	if t.ids {
		before, after := c.r.codec.GivenIDs(t.stored.Name)
		if err := c.exec(ctx, before); err != nil {
			return err
		}
		defer func() {
			if err == nil { // after a failure the transaction ends, or cannot be used
				err = c.exec(ctx, after)
			}
		}()
	}
	size := max(1, min(rowsOfInsert, c.r.codec.MaxParameters()/len(t.columns)))
	for len(rows) > 0 {
		n := min(size, len(rows))
		if err := c.insertSome(ctx, table, rows[:n]); err != nil {
			return fmt.Errorf("putting rows of %s back: %w", t.stored.Name, err)
		}
		rows = rows[n:]
	}
	return nil
}

func (c *chunk) exec(ctx context.Context, statements []string) error {
	for _, s := range statements {
		if _, err := c.tx.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (c *chunk) insertSome(ctx context.Context, table int, rows [][]Cell) error {
	t, file := &c.r.targets[table], &c.r.f.Tables[table]
	names := make([]string, len(t.columns))
	for i, column := range t.columns {
		names[i] = column.Name
	}
	q := dialect.SQL{Text: "INSERT INTO " + c.r.d.Table(t.stored.Name) + " (" + dialect.QuoteAll(c.r.d, names) + ") VALUES " +
		strings.Repeat(t.marks+", ", len(rows)-1) + t.marks}
	for _, row := range rows {
		for i, cell := range row {
			q.Args = append(q.Args, c.r.codec.Unpack(file.Columns[i], cell.Form, cell.Bytes))
		}
	}
	q = c.r.d.Bind(q)
	_, err := c.tx.ExecContext(ctx, q.Text, q.Args...)
	return err
}
