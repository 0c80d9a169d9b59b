package backup

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// keyColumn is a column of a key, as the file has it and as the database does.
type keyColumn struct {
	at       int // position in the rows of the file
	exported schema.Column
	stored   schema.Column
}

func positionsOf(key []keyColumn) []int {
	at := make([]int, len(key))
	for i, k := range key {
		at[i] = k.at
	}
	return at
}

func pickOne(cells []Cell, key []keyColumn) []Cell {
	values := make([]Cell, len(key))
	for i, k := range key {
		values[i] = cells[k.at]
	}
	return values
}

func pick(rows []*candidate, key []keyColumn) [][]Cell {
	all := make([][]Cell, len(rows))
	for i, row := range rows {
		all[i] = pickOne(row.cells, key)
	}
	return all
}

func anyNull(cells []Cell, at []int) bool {
	for _, i := range at {
		if cells[i].Null() {
			return true
		}
	}
	return false
}

// look asks which keys a table has.
type look struct {
	table  *schema.Table
	key    []keyColumn
	read   []schema.Column // of the rows found; empty for those of the key
	values [][]Cell
}

// keysOfLook is how many keys one statement asks for.
const keysOfLook = 100

// lookUp returns for each key the row that has it, nil for none. Keys are compared
// as the server does. querier is a *sql.Tx or *sql.Conn.
func (r *restorer) lookUp(ctx context.Context, q schema.Querier, l look) ([][]Cell, error) {
	all := make([][]Cell, 0, len(l.values))
	size := min(keysOfLook, r.codec.MaxParameters()/len(l.key))
	for from := 0; from < len(l.values); from += size {
		part := l
		part.values = l.values[from:min(from+size, len(l.values))]
		found, err := r.lookUpSome(ctx, q, part)
		if err != nil {
			return nil, fmt.Errorf("looking rows of %s up: %w", l.table.Name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func (r *restorer) lookUpSome(ctx context.Context, q schema.Querier, l look) ([][]Cell, error) {
	rows, err := r.query(ctx, q, l)
	if err != nil {
		return nil, err
	}
	found := make([][]Cell, len(l.values))
	left := 0
	for _, row := range rows {
		left++
		for i, v := range l.values {
			if found[i] == nil && sameBytes(row[:len(l.key)], v) {
				found[i] = row[len(l.key):]
				left--
				break
			}
		}
	}
	if left == 0 || len(l.values) == 1 {
		if len(rows) > 0 && len(l.values) == 1 {
			found[0] = rows[0][len(l.key):]
		}
		return found, nil
	}
	// To the server, a key of ours is the same as one with other bytes: ask for each.
	for i := range l.values {
		if found[i] != nil {
			continue
		}
		one := l
		one.values = l.values[i : i+1]
		again, err := r.lookUpSome(ctx, q, one)
		if err != nil {
			return nil, err
		}
		found[i] = again[0]
	}
	return found, nil
}

func sameBytes(a, b []Cell) bool {
	for i := range a {
		if a[i].Null() != b[i].Null() || !bytes.Equal(a[i].Bytes, b[i].Bytes) {
			return false
		}
	}
	return true
}

// query reads the rows that have one of the keys: the key, then what is to be read.
func (r *restorer) query(ctx context.Context, q schema.Querier, l look) ([][]Cell, error) {
	columns := make([]schema.Column, 0, len(l.key)+len(l.read))
	for _, k := range l.key {
		columns = append(columns, k.stored)
	}
	columns = append(columns, l.read...)
	if len(l.read) == 0 {
		columns = append(columns, l.key[0].stored)
	}
	s := r.d.Bind(dialect.Concat("SELECT ", dialect.ExportAll(r.codec, l.table.Name, columns), " FROM ", r.d.Table(l.table.Name), " WHERE ", r.where(l)))
	rows, err := q.QueryContext(ctx, s.Text, s.Args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return r.readAll(rows, columns)
}

func (r *restorer) readAll(rows *sql.Rows, columns []schema.Column) ([][]Cell, error) {
	read := newRowReader(r.codec, columns, len(columns))
	var all [][]Cell
	for rows.Next() {
		cells, err := read.cells(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, append([]Cell(nil), cells...))
	}
	return all, rows.Err()
}

// where is true for the rows that have one of the keys.
func (r *restorer) where(l look) dialect.SQL {
	var text strings.Builder
	s := dialect.SQL{}
	column := func(i int) string { return r.d.Quote(l.table.Name) + "." + r.d.Quote(l.key[i].stored.Name) }
	if len(l.key) == 1 && !anyKeyNull(l.values) {
		mark := r.codec.Import(l.key[0].exported, l.key[0].stored)
		text.WriteString(column(0) + " IN (" + strings.Repeat(mark+", ", len(l.values)-1) + mark + ")")
		for _, v := range l.values {
			s.Args = append(s.Args, r.codec.Unpack(l.key[0].exported, v[0].Form, v[0].Bytes))
		}
		s.Text = text.String()
		return s
	}
	for n, v := range l.values {
		if n > 0 {
			text.WriteString(" OR ")
		}
		text.WriteString("(")
		for i, k := range l.key {
			if i > 0 {
				text.WriteString(" AND ")
			}
			if v[i].Null() {
				text.WriteString(column(i) + " IS NULL")
				continue
			}
			text.WriteString(column(i) + " = " + r.codec.Import(k.exported, k.stored))
			s.Args = append(s.Args, r.codec.Unpack(k.exported, v[i].Form, v[i].Bytes))
		}
		text.WriteString(")")
	}
	s.Text = text.String()
	return s
}

func anyKeyNull(values [][]Cell) bool {
	for _, v := range values {
		if v[0].Null() {
			return true
		}
	}
	return false
}

// texts are cells for people.
func texts(cells []Cell) []string {
	all := make([]string, len(cells))
	for i, c := range cells {
		all[i] = c.String()
	}
	return all
}

// keyText is the key of a row for people: the primary key or, without one, the
// first column.
func (h *Header) keyText(table int, cells []Cell) string {
	t := &h.Tables[table]
	key := h.positions(table, t.Key)
	if len(key) == 0 {
		key = []int{0}
	}
	var parts []string
	for _, i := range key {
		if i >= 0 {
			parts = append(parts, cells[i].String())
		}
	}
	return strings.Join(parts, ",")
}
