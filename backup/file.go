package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/tokensweep/tokensweep/cleanup"
)

// File is a backup that was read whole and found undamaged.
type File struct {
	Path string
	Header
	Batches []Batch  // in the order in which they were committed
	Trailer *Trailer // nil: the run was interrupted
	// Torn is the number of bytes at the end that are no whole frame, as a killed
	// process leaves them.
	Torn int64

	resumeAt   position // behind the last whole frame that is no trailer
	lateCommit int64    // batch of which only the ledger says that it was committed
}

// Batch is one transaction of the run.
type Batch struct {
	Number int64
	Phase  int // index in Header.Phases
	At     time.Time
	Rows   []int64 // of each of Header.Tables
	State  State

	moment string   // INVALIDATED_TIME of its audit rows
	start  position // of its first frame of rows
}

// State says whether a batch was committed.
type State int

// States of a batch. Those that were rolled back are not in a File at all.
const (
	Confirmed   State = iota
	Unconfirmed       // the process ended at the commit; the ledger of the run knows
)

// position is where a frame begins, and what precedes it.
type position struct {
	at     int64
	number uint32
	link   chain
}

// Total adds up the rows of the batches in a state, for each of Header.Tables.
func (f *File) Total(s State) (batches int64, rows []int64) {
	rows = make([]int64, len(f.Tables))
	for _, b := range f.Batches {
		if b.State == s {
			batches++
			for i, n := range b.Rows {
				rows[i] += n
			}
		}
	}
	return batches, rows
}

// Open reads a file whole. A *FileError says what is wrong with it; a file that
// ends early is none, as long as its header is whole.
func Open(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &FileError{path, "cannot be read", err}
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, &FileError{path, "cannot be read", err}
	case info.IsDir():
		return nil, &FileError{path, "is a directory, not a backup", nil}
	case info.Size() == 0:
		return nil, &FileError{path, "is empty, not a backup", nil}
	}
	f := &File{Path: path}
	buffered := bufio.NewReaderSize(file, 1<<20)
	if problem := recognise(buffered); problem != "" {
		return nil, &FileError{path, problem, nil}
	}
	s := scanner{f: f, frames: frameReader{r: buffered, at: int64(len(magic(version))), link: firstLink()}}
	if err := s.scan(info.Size()); err != nil {
		return nil, &FileError{path, fmt.Sprintf("is damaged at byte %d", s.frames.at), err}
	}
	return f, nil
}

// others are how files begin that are taken for a backup.
var others = []struct{ start, what string }{
	{"\x1f\x8b", "is a gzip file, not a backup of clean --backup"},
	{"PK\x03\x04", "is a zip file, not a backup of clean --backup"},
	{"\x28\xb5\x2f\xfd", "is a zstd file (a pre-image of verify capture, or a packed dump), not a backup of clean --backup"},
	{"BZh", "is a bzip2 file, not a backup of clean --backup"},
	{"\xfd7zXZ", "is an xz file, not a backup of clean --backup"},
	{"TAPE", "is a backup of SQL Server, not one of clean --backup"},
	{"SQLite format 3", "is an SQLite database, not a backup of clean --backup"},
}

// recognise reads the magic line, or says what else the file is.
func recognise(r *bufio.Reader) string {
	own := magic(version)
	start, _ := r.Peek(512) // a short file is told by what it has
	switch {
	case bytes.HasPrefix(start, []byte(own)):
		_, _ = r.Discard(len(own)) // was peeked
		return ""
	case bytes.HasPrefix([]byte(own), start):
		return "ends in its first line: it was cut off"
	case bytes.HasPrefix(start, []byte(magicWords)):
		format, _, _ := strings.Cut(string(start[len(magicWords):]), "\n")
		return fmt.Sprintf("has format %.20q, and this tokensweep reads format %d: use a newer one", format, version)
	}
	for _, other := range others {
		if bytes.HasPrefix(start, []byte(other.start)) {
			return other.what
		}
	}
	if isText(start) {
		return "is a text file (an SQL dump?), not a backup of clean --backup"
	}
	return "does not begin as a backup of clean --backup does"
}

func isText(start []byte) bool {
	for len(start) > 0 {
		r, size := utf8.DecodeRune(start)
		if r == utf8.RuneError && len(start) > utf8.UTFMax || r < ' ' && !strings.ContainsRune("\t\r\n", r) {
			return false
		}
		start = start[size:]
	}
	return true
}

// scanner checks that frames follow each other as a Writer writes them.
type scanner struct {
	f       *File
	frames  frameReader
	open    *Batch // begun
	pending *Batch // ended
	last    int64  // number of the newest batch
	roots   map[string]bool
	unpack  unpacker
}

func (s *scanner) scan(size int64) error {
	first, err := s.frames.next()
	switch {
	case errors.Is(err, errTorn), errors.Is(err, errEnd):
		return errors.New("it ends in its header: it was cut off")
	case err != nil:
		return wrap(err, "its header")
	case first.kind != kindHeader:
		return fmt.Errorf("it begins with a frame of %s, not with a header", first.kind)
	}
	if err := decode(first.payload, &s.f.Header); err != nil {
		return wrap(err, "its header is no JSON of ours")
	}
	if err := s.f.check(); err != nil {
		return wrap(err, "its header describes nothing")
	}
	for {
		s.f.resumeAt = position{s.frames.at, s.frames.number, s.frames.link}
		before := s.frames.at
		f, err := s.frames.next()
		switch {
		case errors.Is(err, errEnd):
			return s.ended()
		case errors.Is(err, errTorn):
			s.f.Torn = size - before
			return s.ended()
		case err != nil:
			return err
		}
		if err := s.take(f); err != nil {
			return err
		}
		if f.kind == kindTrailer {
			return s.atEnd()
		}
	}
}

// ended keeps a batch of which only the ledger knows what became of it.
func (s *scanner) ended() error {
	if s.pending != nil {
		s.pending.State = Unconfirmed
		s.f.Batches = append(s.f.Batches, *s.pending)
	}
	return nil
}

func (s *scanner) atEnd() error {
	if _, err := s.frames.next(); !errors.Is(err, errEnd) {
		return errors.New("something follows its trailer")
	}
	return nil
}

func (s *scanner) take(f frame) error {
	switch f.kind {
	case kindBegin:
		return s.begin(f)
	case kindRows:
		return s.rows(f)
	case kindEnd:
		return s.end(f)
	case kindCommitted:
		return s.committed(f)
	case kindTrailer:
		return s.trailer(f)
	}
	return errors.New("it has a second header")
}

func (s *scanner) begin(f frame) error {
	var b begin
	if err := decode(f.payload, &b); err != nil {
		return wrap(err, "the begin of a batch")
	}
	if b.Phase < 0 || b.Phase >= len(s.f.Phases) {
		return fmt.Errorf("batch %d is of a phase that the header does not have", b.Batch)
	}
	if b.Batch < 1 || b.Batch < s.last || s.confirmed(b.Batch) {
		return fmt.Errorf("batch %d follows batch %d", b.Batch, s.last)
	}
	s.open = &Batch{Number: b.Batch, Phase: b.Phase, At: b.At, moment: b.Moment, Rows: make([]int64, len(s.f.Tables)),
		start: position{s.frames.at, s.frames.number, s.frames.link}}
	s.pending, s.last, s.roots = nil, b.Batch, map[string]bool{} // a batch without a commit was rolled back
	return nil
}

func (s *scanner) confirmed(batch int64) bool {
	n := len(s.f.Batches)
	return n > 0 && s.f.Batches[n-1].Number >= batch
}

func (s *scanner) rows(f frame) error {
	if s.open == nil {
		return errors.New("rows stand outside of a batch")
	}
	raw, err := s.unpack.all(f)
	if err != nil {
		return wrap(err, "rows of batch %d", s.open.Number)
	}
	p := &s.f.Phases[s.open.Phase]
	key := s.f.Tables[p.Table].index(p.Key)
	err = s.f.Header.rows(p, raw, func(table int, cells []Cell) error {
		s.open.Rows[table]++
		if table == p.Table {
			s.roots[string(cells[key].Bytes)] = true
		} else if !s.roots[string(cells[len(cells)-1].Bytes)] {
			return fmt.Errorf("a row of %s belongs to no row of %s", s.f.Tables[table].Name, s.f.Tables[p.Table].Name)
		}
		return nil
	})
	return wrap(err, "rows of batch %d", s.open.Number)
}

func (s *scanner) end(f frame) error {
	var e end
	if err := decode(f.payload, &e); err != nil {
		return wrap(err, "the end of a batch")
	}
	if s.open == nil || s.open.Number != e.Batch {
		return fmt.Errorf("batch %d ends and was not begun", e.Batch)
	}
	if !equal(e.Rows, s.open.Rows) {
		return fmt.Errorf("batch %d has other numbers of rows than it says", e.Batch)
	}
	s.pending, s.open = s.open, nil
	return nil
}

func (s *scanner) committed(f frame) error {
	var c committed
	if err := decode(f.payload, &c); err != nil {
		return wrap(err, "the commit of a batch")
	}
	if s.pending == nil || s.pending.Number != c.Batch {
		return fmt.Errorf("batch %d is committed and was not saved", c.Batch)
	}
	s.f.Batches, s.pending = append(s.f.Batches, *s.pending), nil
	return nil
}

func (s *scanner) trailer(f frame) error {
	var t Trailer
	if err := decode(f.payload, &t); err != nil {
		return wrap(err, "the trailer")
	}
	batches, rows := s.f.Total(Confirmed)
	if t.Batches != batches || !equal(t.Rows, rows) {
		return errors.New("the trailer counts other batches or rows than there are")
	}
	s.f.Trailer, s.pending = &t, nil // a batch without a commit was rolled back
	return nil
}

func equal(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// unpacker unpacks frames of rows.
type unpacker struct{ z *zstd.Decoder }

// all unpacks a payload, which must be as large as its frame says. It stops there,
// whatever is still to come, and takes no more memory than what has come.
func (u *unpacker) all(f frame) ([]byte, error) {
	if u.z == nil {
		var err error
		if u.z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRaw)); err != nil {
			return nil, err
		}
	}
	if err := u.z.Reset(bytes.NewReader(f.payload)); err != nil {
		return nil, fmt.Errorf("they are not packed as they must be: %w", err)
	}
	raw := bytes.NewBuffer(make([]byte, 0, min(f.raw, flushAt+flushAt/4)))
	n, err := io.Copy(raw, io.LimitReader(u.z, int64(f.raw)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("they cannot be unpacked: %w", err)
	case n != int64(f.raw):
		return nil, fmt.Errorf("they unpack to another size than the %d bytes that their frame says", f.raw)
	}
	return raw.Bytes(), nil
}

// settle takes from the ledger of the run which batches were committed. What the
// file has and the ledger lacks was rolled back, unless the file says that it was
// committed; that, and the opposite, is an error.
func (f *File) settle(ledger []cleanup.CommittedBatch) error {
	removed := map[int64]int64{}
	for _, b := range ledger {
		if b.Number > f.After {
			removed[b.Number] = b.Removed
		}
	}
	var all []Batch
	for _, b := range f.Batches {
		n, known := removed[b.Number]
		switch {
		case !known && b.State == Confirmed:
			return fmt.Errorf("it says that batch %d was committed, and the ledger of the run in the database does not", b.Number)
		case !known: // rolled back
			continue
		case n != b.Rows[f.Phases[b.Phase].Table]:
			return fmt.Errorf("it has %d rows of batch %d, and the ledger of the run in the database has %d", b.Rows[f.Phases[b.Phase].Table], b.Number, n)
		case b.State == Unconfirmed:
			f.lateCommit, b.State = b.Number, Confirmed
		}
		delete(removed, b.Number)
		all = append(all, b)
	}
	for number := range removed {
		return fmt.Errorf("it lacks batch %d, which the ledger of the run in the database has", number)
	}
	f.Batches = all
	return nil
}

// load reads the rows of a batch again.
func (f *File) load(b *Batch) ([]*group, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, &FileError{f.Path, "cannot be read", err}
	}
	defer file.Close()
	if _, err := file.Seek(b.start.at, io.SeekStart); err != nil {
		return nil, &FileError{f.Path, "cannot be read", err}
	}
	frames := frameReader{r: bufio.NewReaderSize(file, 1<<20), at: b.start.at, number: b.start.number, link: b.start.link}
	l := newGrouper(f, b)
	var unpack unpacker
	for {
		fr, err := frames.next()
		if err != nil {
			return nil, &FileError{f.Path, "was changed while it was in use", err}
		}
		if fr.kind != kindRows {
			return l.groups, nil
		}
		raw, err := unpack.all(fr)
		if err == nil {
			err = f.rows(&f.Phases[b.Phase], raw, l.add)
		}
		if err != nil {
			return nil, &FileError{f.Path, "was changed while it was in use", err}
		}
	}
}
