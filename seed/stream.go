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
	rows    int64 // made so far
}

const rowBuffer = 32 << 10

func newRowReader(g *generator, t *table, columns []column, from, to int64) *rowReader {
	return &rowReader{g: g, columns: columns, walker: walker{g: g, t: t, next: from, to: to}}
}

func (r *rowReader) Read(p []byte) (int, error) {
	if len(r.ahead) == 0 {
		var ok bool
		if r.ahead, ok = r.next(); !ok {
			return 0, io.EOF
		}
	}
	n := copy(p, r.ahead)
	r.ahead = r.ahead[n:]
	return n, nil
}

// next makes some whole rows. They are valid until the next call.
func (r *rowReader) next() (rows []byte, ok bool) {
	b := r.buffer[:0]
	for len(b) < rowBuffer {
		e, n, ok := r.walker.step()
		if !ok {
			break
		}
		for row := range n {
			b = appendRow(b, r.g, r.columns, e, row)
		}
		r.rows += int64(n)
	}
	r.buffer = b
	return b, len(b) > 0
}

func appendRow(b []byte, g *generator, columns []column, e *entry, n int) []byte {
	for _, c := range columns {
		b = append(c.put(b, g, e, n), '\t')
	}
	b[len(b)-1] = '\n'
	return b
}
