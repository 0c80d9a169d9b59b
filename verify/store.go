package verify

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
)

// digest identifies a row by its key columns: 128 bits of XXH3.
type digest struct{ hi, lo uint64 }

func (d digest) less(other digest) bool {
	return d.hi < other.hi || d.hi == other.hi && d.lo < other.lo
}

// record is what is remembered of one row.
type record struct {
	key    digest
	full   uint64 // hash of all columns
	shared uint64 // hash of the columns that live and audit table share
	meta   meta
}

const (
	recordSize   = 40 // bytes
	partitions   = 64
	chunkRecords = 200 // about 8 KB a partition
)

// spillLimit is the number of bytes of records that all stores of one image
// keep in memory together before they go to a file.
const spillLimit = 32 << 20

// budget is shared by the stores of one image.
type budget struct{ left int64 }

// store is an append-only bag of records, split by key so that two stores can
// be matched one partition at a time in bounded memory.
type store struct {
	budget *budget
	open   [partitions][]byte   // the chunk that is being filled
	memory [partitions][][]byte // full chunks in memory
	disk   [partitions][]int64  // offsets of full chunks in file
	file   *os.File             // nil until the budget is used up
	end    int64
	rows   int64
}

func newStore(b *budget) *store { return &store{budget: b} }

func (s *store) add(r record) error {
	p := r.key.hi >> 58 // the six highest bits: 64 partitions
	b := s.open[p]
	if b == nil {
		b = make([]byte, 0, chunkRecords*recordSize)
	}
	b = binary.LittleEndian.AppendUint64(b, r.key.hi)
	b = binary.LittleEndian.AppendUint64(b, r.key.lo)
	b = binary.LittleEndian.AppendUint64(b, r.full)
	b = binary.LittleEndian.AppendUint64(b, r.shared)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.meta))
	s.open[p] = b
	s.rows++
	if len(b) == cap(b) {
		return s.flush(int(p))
	}
	return nil
}

func (s *store) flush(p int) error {
	chunk := s.open[p]
	if s.budget.left >= int64(len(chunk)) {
		s.budget.left -= int64(len(chunk))
		s.memory[p] = append(s.memory[p], chunk)
		s.open[p] = nil
		return nil
	}
	if s.file == nil {
		var err error
		if s.file, err = scratchFile(); err != nil {
			return err
		}
	}
	if _, err := s.file.WriteAt(chunk, s.end); err != nil {
		return fmt.Errorf("writing row hashes to a temporary file (TMPDIR chooses the directory): %w", err)
	}
	s.disk[p] = append(s.disk[p], s.end)
	s.end += int64(len(chunk))
	s.open[p] = chunk[:0]
	return nil
}

// partition returns the records of one partition in key order.
func (s *store) partition(p int) ([]record, error) {
	all, err := s.records(p)
	slices.SortFunc(all, func(a, b record) int {
		switch {
		case a.key.less(b.key):
			return -1
		case b.key.less(a.key):
			return 1
		case a.full < b.full:
			return -1
		case a.full > b.full:
			return 1
		}
		return 0
	})
	return all, err
}

// records returns the records of one partition as they came.
func (s *store) records(p int) ([]record, error) {
	if s == nil {
		return nil, nil
	}
	n := len(s.open[p])/recordSize + (len(s.memory[p])+len(s.disk[p]))*chunkRecords
	all := make([]record, 0, n)
	for _, chunk := range s.memory[p] {
		all = appendRecords(all, chunk)
	}
	buffer := make([]byte, chunkRecords*recordSize)
	for _, offset := range s.disk[p] {
		if _, err := s.file.ReadAt(buffer, offset); err != nil {
			return nil, fmt.Errorf("reading row hashes from a temporary file: %w", err)
		}
		all = appendRecords(all, buffer)
	}
	all = appendRecords(all, s.open[p])
	return all, nil
}

func appendRecords(all []record, chunk []byte) []record {
	for ; len(chunk) >= recordSize; chunk = chunk[recordSize:] {
		all = append(all, record{
			key:    digest{binary.LittleEndian.Uint64(chunk), binary.LittleEndian.Uint64(chunk[8:])},
			full:   binary.LittleEndian.Uint64(chunk[16:]),
			shared: binary.LittleEndian.Uint64(chunk[24:]),
			meta:   meta(binary.LittleEndian.Uint64(chunk[32:])),
		})
	}
	return all
}

// writeTo writes all records, the number first.
func (s *store) writeTo(w io.Writer) error {
	if err := binary.Write(w, binary.LittleEndian, s.rows); err != nil {
		return err
	}
	for p := range partitions {
		all, err := s.partition(p)
		if err != nil {
			return err
		}
		for _, r := range all {
			if err := binary.Write(w, binary.LittleEndian, []uint64{r.key.hi, r.key.lo, r.full, r.shared, uint64(r.meta)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// readFrom adds the records that writeTo wrote.
func (s *store) readFrom(r io.Reader) error {
	var n int64
	if err := binary.Read(r, binary.LittleEndian, &n); err != nil {
		return err
	}
	buffer := make([]byte, recordSize)
	for range n {
		if _, err := io.ReadFull(r, buffer); err != nil {
			return err
		}
		if err := s.add(appendRecords(nil, buffer)[0]); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) close() {
	if s != nil && s.file != nil {
		s.file.Close()
	}
}

// scratchFile is a temporary file that vanishes with the process, however that
// ends.
func scratchFile() (*os.File, error) {
	f, err := os.CreateTemp("", "tokensweep-verify-*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file (TMPDIR chooses the directory): %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	return f, nil
}

// texts keeps the keys of rows as text, for samples in reports. They are on
// disk from the start: only a handful is ever read again.
type texts struct {
	file *os.File
	w    *bufio.Writer
	end  int64
}

func newTexts() (*texts, error) {
	f, err := scratchFile()
	if err != nil {
		return nil, err
	}
	return &texts{file: f, w: bufio.NewWriterSize(f, 64<<10)}, nil
}

// add returns the offset at which text can be read again.
func (t *texts) add(text []byte) (int64, error) {
	at := t.end
	var length [2]byte
	text = text[:min(len(text), 1<<16-1)]
	binary.LittleEndian.PutUint16(length[:], uint16(len(text)))
	if _, err := t.w.Write(length[:]); err != nil {
		return 0, err
	}
	if _, err := t.w.Write(text); err != nil {
		return 0, err
	}
	t.end += int64(len(text)) + 2
	return at, nil
}

func (t *texts) get(at int64) (string, error) {
	if err := t.w.Flush(); err != nil {
		return "", err
	}
	var length [2]byte
	if _, err := t.file.ReadAt(length[:], at); err != nil {
		return "", fmt.Errorf("reading a key from a temporary file: %w", err)
	}
	text := make([]byte, binary.LittleEndian.Uint16(length[:]))
	if _, err := t.file.ReadAt(text, at+2); err != nil && len(text) > 0 {
		return "", fmt.Errorf("reading a key from a temporary file: %w", err)
	}
	return string(text), nil
}

func (t *texts) close() {
	if t != nil {
		t.file.Close()
	}
}

// writeTo writes all texts, their total size first.
func (t *texts) writeTo(w io.Writer) error {
	if err := t.w.Flush(); err != nil {
		return err
	}
	if err := binary.Write(w, binary.LittleEndian, t.end); err != nil {
		return err
	}
	_, err := io.Copy(w, io.NewSectionReader(t.file, 0, t.end))
	return err
}

// readFrom reads what writeTo wrote.
func (t *texts) readFrom(r io.Reader) error {
	if err := binary.Read(r, binary.LittleEndian, &t.end); err != nil {
		return err
	}
	if t.end < 0 {
		return fmt.Errorf("a size of %d bytes", t.end)
	}
	_, err := io.CopyN(t.w, r, t.end)
	return err
}
