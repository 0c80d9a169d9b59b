package seed

import "io"

// rowReader is the text of one table's rows at a range of positions. It makes
// the rows while it is read and never returns an error but io.EOF: the driver
// would take whatever came before an error for the whole.
type rowReader struct {
	g       *generator
	columns []column
	walker  walker
	ahead   []byte // made, not yet read
	buffer  []byte
	rows    int64
}

const rowBuffer = 32 << 10

func newRowReader(g *generator, t *table, columns []column, from, to int64) *rowReader {
	return &rowReader{g: g, columns: columns, walker: walker{g: g, t: t, next: from, to: to}, buffer: make([]byte, 0, rowBuffer+4<<10)}
}

func (r *rowReader) Read(p []byte) (int, error) {
	if len(r.ahead) == 0 && !r.fill() {
		return 0, io.EOF
	}
	n := copy(p, r.ahead)
	r.ahead = r.ahead[n:]
	return n, nil
}

// fill makes rows until the buffer is full enough.
func (r *rowReader) fill() bool {
	b := r.buffer[:0]
	for len(b) < rowBuffer {
		e, rows, ok := r.walker.step()
		if !ok {
			break
		}
		for n := range rows {
			b = r.appendRow(b, e, n)
		}
		r.rows += int64(rows)
	}
	r.buffer, r.ahead = b, b
	return len(b) > 0
}

func (r *rowReader) appendRow(b []byte, e *entry, n int) []byte {
	for _, c := range r.columns {
		b = append(c.put(b, r.g, e, n), '\t')
	}
	b[len(b)-1] = '\n'
	return b
}
