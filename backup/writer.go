package backup

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// flushAt is the size, unpacked, at which a frame of rows is full.
const flushAt = 1 << 20

// About is what a backup says of its origin.
type About struct {
	Tool   string // and its version
	Server string // product and version
	Zone   string // of the session; "" where there is none
}

// sink is the file that is written.
type sink interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// Writer keeps the rows of one run in a file. It is a cleanup.RowKeeper.
type Writer struct {
	path  string
	about About
	wrap  func(sink) sink // tests let writing fail

	run    cleanup.KeptRun
	codec  dialect.RowCodec
	d      dialect.Dialect
	head   Header
	file   sink
	pack   *zstd.Encoder
	at     int64 // size of the file so far
	number uint32
	link   chain

	fresh   bool    // the file was made by Start and holds no batch
	pending int64   // the batch that was saved and not committed, 0 for none
	next    *begin  // of the batch that is saved, until its first row
	counts  []int64 // rows of the batch that is saved, by table
	total   Trailer
	wall    string // of which moment is the exported form
	moment  string
	broken  error

	raw, packed, out []byte // buffers
}

// New prepares a backup in a file. Start makes it: it must not be there, unless it
// is the backup of the run that is continued.
func New(path string, about About) *Writer {
	return &Writer{path: path, about: about, wrap: func(s sink) sink { return s }}
}

// Name is the absolute path.
func (w *Writer) Name() string {
	if absolute, err := filepath.Abs(w.path); err == nil {
		return absolute
	}
	return w.path
}

// Check refuses a file that Start would refuse, before anything is asked or done.
// unfinished is the run that would be continued, nil for none.
func (w *Writer) Check(unfinished *cleanup.Unfinished) error {
	info, err := os.Stat(w.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(w.path)); err != nil {
			return refuse("the backup cannot be written: "+err.Error(), "make that directory, or name another file")
		}
		return nil
	case err != nil:
		return refuse("the backup cannot be written: "+err.Error(), "name another file")
	case info.IsDir():
		return refuse(w.path+" is a directory", "name a file in it")
	case unfinished == nil:
		return refuse(w.path+" is there already, and a backup is never overwritten", "name another file")
	}
	f, err := Open(w.path)
	if err != nil {
		return err
	}
	if f.RunID != unfinished.RunID {
		return refuse(fmt.Sprintf("%s is the backup of run %s, and the run that is continued is %s", w.path, f.RunID, unfinished.RunID), "name another file")
	}
	return nil
}

// Start makes or continues the file.
func (w *Writer) Start(ctx context.Context, conn *sql.Conn, run cleanup.KeptRun) error {
	codec, ok := run.Plan.Dialect.(dialect.RowCodec)
	if !ok {
		return refuse("rows of "+run.Plan.Dialect.Name()+" cannot be kept exactly", "run without --backup")
	}
	w.run, w.codec, w.d = run, codec, run.Plan.Dialect
	w.head = Header{Tool: w.about.Tool, Created: time.Now().UTC().Truncate(time.Second), Server: w.about.Server, Dialect: w.d.Name(),
		Schema: run.Plan.Found.Name, Zone: w.about.Zone, RunID: run.RunID, Started: run.Started, Policy: run.Plan.Policy, CutOff: run.Plan.CutOff,
		Audit: run.Plan.Audit}
	if err := layOut(&w.head, run, codec); err != nil {
		return err
	}
	if err := w.head.check(); err != nil {
		return refuse("the tables cannot be kept: "+err.Error(), "run without --backup")
	}
	if err := w.probe(ctx, conn); err != nil {
		return err
	}
	var err error
	if w.pack, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false)); err != nil {
		return err
	}
	if _, err := os.Stat(w.path); err == nil && run.Continued {
		return w.resume()
	}
	return w.create()
}

// probe runs every statement of Save on no rows.
func (w *Writer) probe(ctx context.Context, conn *sql.Conn) error {
	for i := range w.head.Phases {
		for _, s := range w.statements(i, dialect.Text("1 = 0")) {
			rows, err := conn.QueryContext(ctx, s.query.Text, s.query.Args...)
			if err == nil {
				rows.Next()
				err = errors.Join(rows.Err(), rows.Close())
			}
			if err != nil {
				name := w.head.Tables[s.table].Name
				if w.d.Classify(err) == dialect.Denied {
					return &cleanup.Error{Problem: "the user may not read and lock rows of " + name, Kind: cleanup.Refused, Cause: err,
						Remedy: w.d.Grant("UPDATE", w.head.Schema, name) + " (SELECT alone is enough on some servers), or run without --backup"}
				}
				return fmt.Errorf("reading %s for the backup: %w", name, err)
			}
		}
	}
	return nil
}

// create makes the file and its header.
func (w *Writer) create() error {
	file, err := os.OpenFile(w.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return refuse(w.path+" is there already, and a backup is never overwritten", "name another file")
	}
	if err != nil {
		return refuse("the backup cannot be written: "+err.Error(), "name another file")
	}
	w.file, w.fresh, w.link = w.wrap(file), true, firstLink()
	if n := len(w.run.Batches); n > 0 {
		w.head.After = w.run.Batches[n-1].Number
	}
	w.total.Rows = make([]int64, len(w.head.Tables))
	if err := w.begun(); err != nil {
		return errors.Join(err, w.Close(false))
	}
	return nil
}

// begun writes magic and header, and has them and the file's name on the disk.
func (w *Writer) begun() error {
	if err := w.bytes([]byte(magic(version))); err != nil {
		return err
	}
	if err := w.json(kindHeader, w.head); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(w.path))
	if err != nil {
		return w.failed(err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return w.failed(err)
	}
	return nil
}

// resume continues the file of an interrupted run behind its last whole frame. The
// ledger says what was committed: a batch that it knows and the file does not is
// a loss that nobody must paper over.
func (w *Writer) resume() error {
	f, err := Open(w.path)
	if err != nil {
		return err
	}
	if differs := f.sameAs(&w.head); differs != "" {
		return refuse(w.path+" does not belong to this run: "+differs, "name another file")
	}
	if err := f.settle(w.run.Batches); err != nil {
		return refuse(w.path+" does not agree with the run: "+err.Error(), "name another file, and keep this one")
	}
	file, err := os.OpenFile(w.path, os.O_WRONLY, 0)
	if err != nil {
		return refuse("the backup cannot be continued: "+err.Error(), "make it writable, or name another file")
	}
	if _, err := file.Seek(f.resumeAt.at, io.SeekStart); err != nil {
		return errors.Join(err, file.Close())
	}
	w.file, w.head = w.wrap(file), f.Header
	w.at, w.number, w.link = f.resumeAt.at, f.resumeAt.number, f.resumeAt.link
	w.total = Trailer{Rows: make([]int64, len(w.head.Tables))}
	for _, b := range f.Batches {
		if b.State == Confirmed {
			w.count(b.Rows)
		}
	}
	err = w.file.Truncate(w.at)
	if err == nil && f.lateCommit > 0 {
		err = w.json(kindCommitted, committed{f.lateCommit})
	}
	if err = errors.Join(err, w.sync()); err != nil {
		return errors.Join(w.failed(err), w.Close(false))
	}
	return nil
}

func (w *Writer) count(rows []int64) {
	w.total.Batches++
	for i, n := range rows {
		w.total.Rows[i] += n
	}
}

// statement reads rows of a table.
type statement struct {
	table int
	query dialect.SQL
}

// statements read the rows of a phase for which where holds, the root's first, then
// each child's with the key of its root. A row that hangs on the root by two paths
// is left to the first.
func (w *Writer) statements(phase int, where dialect.SQL) []statement {
	p := w.head.Phases[phase]
	root := w.head.Tables[p.Table]
	all := []statement{{p.Table, dialect.SelectMatching(w.d, root.Name, dialect.ExportAll(w.codec, root.Name, root.Columns), where)}}
	key := w.codec.Export(root.Name, root.Columns[root.index(p.Key)])
	for _, c := range p.Children {
		table := w.head.Tables[c.Table]
		columns := dialect.ExportAll(w.codec, table.Name, table.Columns) + ", " + key
		unseen := where
		for _, child := range w.run.Children[phase] {
			if !schema.SameName(child.Table(), table.Name) {
				continue
			}
			all = append(all, statement{c.Table, w.codec.SelectVia(child.Path, columns, unseen)})
			unseen = dialect.Concat(unseen, " AND NOT ", dialect.HangsOn(w.d, child.Path, where))
		}
	}
	return all
}

// Save implements cleanup.RowKeeper.
func (w *Writer) Save(ctx context.Context, tx *sql.Tx, b cleanup.KeptBatch) (cleanup.Kept, error) {
	if w.broken != nil {
		return nil, w.broken
	}
	first := begin{Batch: b.Number, Phase: b.Phase, At: b.At.UTC()}
	if w.run.Plan.Phases[b.Phase].Audit != nil {
		var err error
		if first.Moment, err = w.momentOf(ctx, tx, w.d.Wall(b.At)); err != nil {
			return nil, err
		}
	}
	w.next, w.pending, w.counts = &first, 0, make([]int64, len(w.head.Tables))
	kept := cleanup.Kept{}
	for _, s := range w.statements(b.Phase, b.Where) {
		n, err := w.saveTable(ctx, tx, s)
		if err != nil {
			return nil, wrap(err, "saving rows of %s", w.head.Tables[s.table].Name)
		}
		w.counts[s.table] += n
		kept[w.head.Tables[s.table].Name] += n
	}
	if w.next != nil { // there was no row
		return kept, nil
	}
	if err := w.json(kindEnd, end{Batch: b.Number, Rows: w.counts}); err != nil {
		return nil, err
	}
	w.fresh, w.pending = false, b.Number
	return kept, w.sync()
}

// momentOf is what an audit row of that wall clock will say.
func (w *Writer) momentOf(ctx context.Context, tx *sql.Tx, wall string) (string, error) {
	if wall == w.wall {
		return w.moment, nil
	}
	moment := wall
	if q := w.codec.Moment(wall); q.Text != "" {
		if err := tx.QueryRowContext(ctx, q.Text, q.Args...).Scan(&moment); err != nil {
			return "", fmt.Errorf("finding out when the batch is: %w", err)
		}
	}
	w.wall, w.moment = wall, moment
	return moment, nil
}

// saveTable writes the rows that a statement reads and counts them.
func (w *Writer) saveTable(ctx context.Context, tx *sql.Tx, s statement) (n int64, err error) {
	rows, err := tx.QueryContext(ctx, s.query.Text, s.query.Args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	table := &w.head.Tables[s.table]
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	read := newRowReader(w.codec, table.Columns, len(columns))
	raw := binary.AppendUvarint(w.raw[:0], uint64(s.table))
	empty := len(raw)
	for rows.Next() {
		cells, err := read.cells(rows)
		if err != nil {
			return n, err
		}
		for _, c := range cells {
			raw = appendCell(raw, c)
		}
		n++
		if len(raw) >= flushAt {
			if err := w.rows(raw); err != nil {
				return n, err
			}
			raw = raw[:empty]
		}
	}
	if err := rows.Err(); err != nil {
		return n, err
	}
	w.raw = raw
	if len(raw) > empty {
		return n, w.rows(raw)
	}
	return n, nil
}

// rowReader turns rows of a query into cells. The columns are those given; one more
// is the key of the root.
type rowReader struct {
	codec   dialect.RowCodec
	columns []schema.Column
	values  []any
	dest    []any
	row     []Cell
}

func newRowReader(codec dialect.RowCodec, columns []schema.Column, width int) *rowReader {
	r := &rowReader{codec: codec, columns: columns, values: make([]any, width), dest: make([]any, width), row: make([]Cell, width)}
	for i := range r.values {
		r.dest[i] = &r.values[i]
	}
	return r
}

// cells are good until the next call.
func (r *rowReader) cells(rows *sql.Rows) ([]Cell, error) {
	if err := rows.Scan(r.dest...); err != nil {
		return nil, err
	}
	for i, v := range r.values {
		r.row[i] = Cell{}
		if v == nil {
			continue
		}
		var column schema.Column
		if i < len(r.columns) {
			column = r.columns[i]
		}
		form, packed, err := r.codec.Pack(column, v)
		if err != nil {
			return nil, wrap(err, "column %s", column.Name)
		}
		if packed == nil {
			packed = []byte{}
		}
		r.row[i] = Cell{form, packed}
	}
	return r.row, nil
}

// rows writes a frame of rows, after the begin of the batch if it is the first.
func (w *Writer) rows(raw []byte) error {
	if len(raw) > maxRaw {
		return refuse(fmt.Sprintf("a row takes %d bytes, more than a backup keeps in one piece", len(raw)), "run without --backup, or dump that table first")
	}
	if w.next != nil {
		if err := w.json(kindBegin, w.next); err != nil {
			return err
		}
		w.next = nil
	}
	w.packed = w.pack.EncodeAll(raw, w.packed[:0])
	return w.frame(frame{kind: kindRows, raw: uint32(len(raw)), payload: w.packed})
}

func (w *Writer) json(k kind, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(payload) > maxText {
		return refuse(fmt.Sprintf("the description of the tables takes %d bytes, more than a backup keeps", len(payload)), "run without --backup")
	}
	return w.frame(frame{kind: k, raw: uint32(len(payload)), payload: payload})
}

func (w *Writer) frame(f frame) error {
	f.number = w.number
	var link chain
	w.out, link = appendFrame(w.out[:0], f, w.link)
	if err := w.bytes(w.out); err != nil {
		return err
	}
	w.number, w.link = w.number+1, link
	return nil
}

func (w *Writer) bytes(b []byte) error {
	if w.broken != nil {
		return w.broken
	}
	n, err := w.file.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.failed(err)
	}
	w.at += int64(n)
	return nil
}

func (w *Writer) sync() error {
	if w.broken != nil {
		return w.broken
	}
	if err := w.file.Sync(); err != nil {
		return w.failed(err)
	}
	return nil
}

// failed remembers that the file cannot be written any more: what is in it behind
// the last whole frame is unknown. After a failed Sync nothing that was written
// before can be trusted to be there either, so there is no second try.
func (w *Writer) failed(err error) error {
	if w.broken == nil {
		_ = w.file.Truncate(w.at) // gives back what a frame that did not fit has taken
		w.broken = &cleanup.Error{Problem: "the backup " + w.path + " cannot be written", Kind: cleanup.Failed, Cause: err,
			Remedy: "make room for it; whatever was removed is in the backup, and a batch that is not was rolled back; the same command goes on"}
	}
	return w.broken
}

// Committed implements cleanup.RowKeeper. It does not wait for the disk: should the
// frame be lost, the ledger knows what it says.
func (w *Writer) Committed(batch int64) error {
	if w.pending != batch || batch == 0 {
		return nil // saved nothing
	}
	w.pending = 0
	if err := w.json(kindCommitted, committed{batch}); err != nil {
		return err
	}
	w.count(w.counts)
	return nil
}

// Close implements cleanup.RowKeeper. A file without any batch is removed unless the
// run came to its end.
func (w *Writer) Close(complete bool) error {
	if w.file == nil {
		return nil
	}
	var err error
	if complete && w.broken == nil {
		w.total.Ended = time.Now().UTC().Truncate(time.Second)
		err = w.json(kindTrailer, w.total)
	}
	if w.broken == nil {
		err = errors.Join(err, w.sync())
	}
	err = errors.Join(err, w.file.Close())
	w.file = nil
	if w.fresh && !complete {
		err = errors.Join(err, os.Remove(w.path))
	}
	return err
}
