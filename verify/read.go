package verify

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// layout says which columns of a table are read and what each is for.
type layout struct {
	table   schema.Table
	columns []schema.Column
	times   []bool // column holds a time
	key     []int  // positions of the key columns; nil: the whole row is the key
	shared  []int  // positions of the columns that live and audit table share, in name order
	links   []link // how rows hang on rows of other tables
	order   []string
}

// link ties child rows to parent rows.
type link struct {
	parent  string // table name
	columns []int  // positions of the child's columns
	// token marks the link from a code to its token, which is no foreign key:
	// it decides whether the code may go, and lets it live without the token.
	token bool
}

func (l *layout) position(name string) int {
	return slices.IndexFunc(l.columns, func(c schema.Column) bool { return strings.EqualFold(c.Name, name) })
}

func (l *layout) positions(names []string) []int {
	at := make([]int, len(names))
	for i, n := range names {
		at[i] = l.position(n)
	}
	return at
}

// newLayout lays out a table; columns limits it to those names (a table that
// got columns since the pre-image), nil takes all.
func newLayout(t schema.Table, columns []string) *layout {
	l := &layout{table: t, order: t.PrimaryKey}
	for _, c := range t.Columns {
		if columns == nil || slices.Contains(columns, c.Name) {
			l.columns = append(l.columns, c)
			l.times = append(l.times, c.Kind == schema.Timestamp)
		}
	}
	if len(t.PrimaryKey) > 0 {
		l.key = l.positions(t.PrimaryKey)
	}
	return l
}

func (l *layout) names() []string {
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = c.Name
	}
	return names
}

func (l *layout) query(d dialect.Dialect) string {
	columns := make([]string, len(l.columns))
	for i, c := range l.columns {
		columns[i] = d.Read(c)
	}
	q := "SELECT " + strings.Join(columns, ", ") + " FROM " + d.Table(l.table.Name)
	if len(l.order) == 0 {
		return q
	}
	keys := make([]string, len(l.order))
	for i, k := range l.order {
		keys[i] = d.Quote(l.table.Name) + "." + d.Quote(k)
	}
	return q + " ORDER BY " + strings.Join(keys, ", ")
}

// rowReader turns the current row of a query into hashes.
type rowReader struct {
	l      *layout
	values []sql.RawBytes
	dest   []any
	buffer []byte
}

func newRowReader(l *layout) *rowReader {
	r := &rowReader{l: l, values: make([]sql.RawBytes, len(l.columns)), dest: make([]any, len(l.columns))}
	for i := range r.values {
		r.dest[i] = &r.values[i]
	}
	return r
}

// each reads the whole table and calls visit on every row.
func (r *rowReader) each(ctx context.Context, q schema.Querier, d dialect.Dialect, visit func() error) (int64, error) {
	rows, err := q.QueryContext(ctx, r.l.query(d))
	if err != nil {
		return 0, fmt.Errorf("reading table %s: %w", r.l.table.Name, err)
	}
	defer rows.Close()
	var n int64
	for rows.Next() {
		if err := rows.Scan(r.dest...); err != nil {
			return n, fmt.Errorf("reading table %s, row %d: %w", r.l.table.Name, n+1, err)
		}
		if err := visit(); err != nil {
			return n, fmt.Errorf("table %s, row %d: %w", r.l.table.Name, n+1, err)
		}
		n++
	}
	if err := rows.Err(); err != nil {
		return n, fmt.Errorf("reading table %s, row %d: %w", r.l.table.Name, n+1, err)
	}
	return n, nil
}

// canon writes a value so that no two rows can look alike: a mark for NULL, a
// length for the rest. A time loses a fraction of zeros, so that columns of
// different precision agree when they mean the same.
func (r *rowReader) canon(b []byte, i int) []byte {
	v := r.values[i]
	if v == nil {
		return append(b, 0)
	}
	if r.l.times[i] {
		if dot := bytes.IndexByte(v, '.'); dot >= 0 {
			v = bytes.TrimRight(bytes.TrimRight(v, "0"), ".")
		}
	}
	b = append(b, 1)
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func (r *rowReader) hash(positions []int) digest {
	b := r.buffer[:0]
	for _, i := range positions {
		b = r.canon(b, i)
	}
	r.buffer = b
	h := xxh3.Hash128(b)
	return digest{h.Hi, h.Lo}
}

func (r *rowReader) hash64(positions []int) uint64 {
	b := r.buffer[:0]
	for _, i := range positions {
		b = r.canon(b, i)
	}
	r.buffer = b
	return xxh3.Hash(b)
}

func (r *rowReader) full() uint64 {
	b := r.buffer[:0]
	for i := range r.values {
		b = r.canon(b, i)
	}
	r.buffer = b
	return xxh3.Hash(b)
}

// key hashes the key columns, or the whole row where there are none. full is
// the hash of the whole row.
func (r *rowReader) key(full uint64) digest {
	if r.l.key == nil {
		return digest{full, full}
	}
	return r.hash(r.l.key)
}

// keyText is the key as people read it.
func (r *rowReader) keyText() []byte {
	b := r.buffer[:0]
	positions := r.l.key
	if positions == nil {
		positions = []int{0}
	}
	for n, i := range positions {
		if n > 0 {
			b = append(b, ',')
		}
		if r.values[i] == nil {
			b = append(b, "NULL"...)
		}
		b = append(b, r.values[i]...)
	}
	r.buffer = b
	return b
}

func (r *rowReader) isNull(i int) bool { return r.values[i] == nil }

func (r *rowReader) text(i int) token.Null[string] {
	if r.values[i] == nil {
		return token.Null[string]{}
	}
	switch string(r.values[i]) { // the usual states without an allocation
	case token.Active:
		return token.Some(token.Active)
	case token.Revoked:
		return token.Some(token.Revoked)
	case token.Expired:
		return token.Some(token.Expired)
	case token.Inactive:
		return token.Some(token.Inactive)
	}
	return token.Some(string(r.values[i]))
}

func (r *rowReader) number(i int) (token.Null[int64], error) {
	if r.values[i] == nil {
		return token.Null[int64]{}, nil
	}
	n, err := strconv.ParseInt(string(r.values[i]), 10, 64)
	if err != nil {
		return token.Null[int64]{}, fmt.Errorf("column %s: %w", r.l.columns[i].Name, err)
	}
	return token.Some(n), nil
}

func (r *rowReader) time(i int) (token.Time, error) {
	if r.values[i] == nil {
		return token.Time{}, nil
	}
	t, err := token.ParseTime(r.values[i])
	if err != nil {
		return token.Time{}, fmt.Errorf("column %s: %w", r.l.columns[i].Name, err)
	}
	return t, nil
}
