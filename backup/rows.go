package backup

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tokensweep/tokensweep/dialect"
)

// Cell is one value of a row.
type Cell struct {
	Form  dialect.Form
	Bytes []byte // nil is NULL
}

// Null reports whether it is NULL.
func (c Cell) Null() bool { return c.Bytes == nil }

// A frame of rows is the index of the table, then the cells of row after row.
// NULL is 0; other cells are 1 + 4 × length + form, then the bytes.

func appendCell(b []byte, c Cell) []byte {
	if c.Null() {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, 1+(uint64(len(c.Bytes))<<2|uint64(c.Form)))
	return append(b, c.Bytes...)
}

// cellReader reads cells of an unpacked frame.
type cellReader struct{ rest []byte }

var errCell = errors.New("a row of it cannot be read")

func (r *cellReader) number() (uint64, error) {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		return 0, errCell
	}
	r.rest = r.rest[n:]
	return v, nil
}

func (r *cellReader) cell() (Cell, error) {
	v, err := r.number()
	if err != nil || v == 0 {
		return Cell{}, err
	}
	form, size := dialect.Form((v-1)&3), (v-1)>>2
	if size > uint64(len(r.rest)) {
		return Cell{}, errCell
	}
	c := Cell{Form: form, Bytes: r.rest[:size:size]}
	r.rest = r.rest[size:]
	return c, nil
}

// rows calls visit for each row of an unpacked frame. The cells point into it.
func (h *Header) rows(p *Phase, raw []byte, visit func(table int, cells []Cell) error) error {
	r := cellReader{raw}
	n, err := r.number()
	if err != nil || n >= uint64(len(h.Tables)) {
		return errors.New("it is of no table that the header has")
	}
	table := int(n)
	width := h.width(p, table)
	if width == 0 {
		return fmt.Errorf("rows of %s do not belong to phase %q", h.Tables[table].Name, p.Name)
	}
	for len(r.rest) > 0 {
		cells := make([]Cell, width)
		for i := range cells {
			if cells[i], err = r.cell(); err != nil {
				return fmt.Errorf("%w: rows of %s have %d values", err, h.Tables[table].Name, width)
			}
		}
		if err := visit(table, cells); err != nil {
			return err
		}
	}
	return nil
}
