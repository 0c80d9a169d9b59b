package dump

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// The largest window of a zstd stream, and with it the memory to unpack one:
// what the zstd tool takes without asking.
const zstdWindow = 128 << 20

// source is the uncompressed text of a dump in UTF-8, or the beginning of a backup.
type source struct {
	text    *bufio.Reader
	closers []func() error
	// format is 0 for a text that does not tell.
	format   Format
	encoding string // of the file: utf8Text and so on
}

// Encodings of a text.
const (
	utf8Text = "utf-8"
	utf16LE  = "utf-16le"
	utf16BE  = "utf-16be"
)

// window is the size of buffers; it is what peek can look at.
const window = sniffed

func (s *source) Read(p []byte) (int, error) { return s.text.Read(p) }

func (s *source) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		_ = s.closers[i]() // only read from: nothing is lost
	}
}

// open opens a dump, unpacks it and finds out what it is. The text that it
// delivers has no byte order mark; UTF-16 becomes UTF-8.
func open(ctx context.Context, path string, progress func(done, total int64)) (_ *source, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault(Unreadable, 0, err, "cannot open the dump: %v", err)
	}
	s := &source{closers: []func() error{f.Close}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	stat, err := f.Stat()
	if err != nil {
		return nil, fault(Unreadable, 0, err, "cannot read the dump: %v", err)
	}
	if !stat.Mode().IsRegular() {
		return nil, fault(Unreadable, 0, nil, "the dump must be a regular file, since it is read twice")
	}
	raw := &meter{ctx: ctx, src: f, total: stat.Size(), report: progress}
	if s.text, err = s.unpack(bufio.NewReaderSize(raw, window)); err != nil {
		return nil, err
	}
	if s.format == Backup {
		return s, nil
	}
	return s, s.look()
}

// unpack finds out how the file is packed.
func (s *source) unpack(raw *bufio.Reader) (*bufio.Reader, error) {
	start, err := raw.Peek(8)
	if len(start) == 0 {
		if err == io.EOF {
			return nil, fault(NotADump, 0, nil, "the file is empty")
		}
		return nil, readFault(err, 0)
	}
	var unpacked io.Reader
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, readFault(err, 0)
		}
		unpacked = z
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(start) > 3 && start[0]&0xf0 == 0x50 && bytes.Equal(start[1:4], []byte{0x2a, 0x4d, 0x18}): // a skippable frame first
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, readFault(err, 0)
		}
		s.closers = append(s.closers, func() error { z.Close(); return nil })
		unpacked = z
	case isBackup(start):
		s.format = Backup
		return raw, nil
	default:
		for magic, name := range foreign {
			if bytes.HasPrefix(start, []byte(magic)) {
				return nil, fault(NotADump, 0, nil, "this is %s: unpack it first, or pack the dump with gzip or zstd", name)
			}
		}
		return raw, nil
	}
	return bufio.NewReaderSize(unpacked, window), nil
}

// foreign lists the first bytes of packers that are not read here.
var foreign = map[string]string{
	"BZh":              "a bzip2 file",
	"\xfd7zXZ\x00":     "an xz file",
	"PK\x03\x04":       "a zip archive (a .bacpac is one too, and cannot be restored here: give a script or a .bak)",
	"7z\xbc\xaf\x27":   "a 7z archive",
	"\x04\x22\x4d\x18": "an lz4 file",
}

// look refuses text that is no SQL by its first bytes, turns UTF-16 into UTF-8
// and guesses the format.
func (s *source) look() error {
	start, err := s.peek(512)
	if err != nil {
		return err
	}
	s.encoding = utf8Text
	switch {
	case len(start) == 0:
		return fault(NotADump, 0, nil, "the file is empty")
	case bytes.HasPrefix(start, []byte{0xff, 0xfe}):
		s.decode(utf16LE, unicode.LittleEndian)
	case bytes.HasPrefix(start, []byte{0xfe, 0xff}):
		s.decode(utf16BE, unicode.BigEndian)
	case bytes.HasPrefix(start, []byte{0xef, 0xbb, 0xbf}):
		_, _ = s.text.Discard(3) // they were just seen
	default:
		if err := notText(start); err != nil {
			return err
		}
	}
	if start, err = s.peek(sniffed); err != nil {
		return err
	}
	s.format = guess(start)
	if s.format == MySQLDump && s.encoding != utf8Text {
		return fault(BadEncoding, 1, nil, "the dump is UTF-16, as output redirected in Windows PowerShell becomes: dump again with --result-file=FILE instead of > FILE")
	}
	return nil
}

// decode turns UTF-16 with a byte order mark into UTF-8.
func (s *source) decode(name string, order unicode.Endianness) {
	s.encoding = name
	text := transform.NewReader(s.text, unicode.UTF16(order, unicode.ExpectBOM).NewDecoder())
	s.text = bufio.NewReaderSize(text, window)
}

// notText refuses what is no SQL.
func notText(start []byte) error {
	switch {
	case isBackup(start):
		return fault(NotADump, 0, nil, "this is a packed backup file of SQL Server: unpack it first, since the server reads it by itself")
	case len(start) > 262 && bytes.Equal(start[257:262], []byte("ustar")):
		return fault(NotADump, 0, nil, "this is a tar archive: unpack it first and give the .sql file in it")
	case len(start) > 1 && (start[0] == 0) != (start[1] == 0):
		return fault(BadEncoding, 1, nil, "the text is UTF-16 without a byte order mark: script again as \"Unicode text\", or dump again with --result-file=FILE instead of > FILE")
	case bytes.IndexByte(start, 0) >= 0:
		return fault(NotADump, 1, nil, "this is a binary file: give the output of mysqldump or mariadb-dump, or a script or a backup (.bak) of SQL Server")
	case bytes.HasPrefix(start, []byte("<?xml")):
		return fault(NotADump, 1, nil, "this is an XML dump: dump again without --xml")
	}
	return nil
}

// readFault says why the text cannot be read on after its last whole line.
func readFault(err error, line int64) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault(Truncated, line, err, "the dump is cut off: the compressed data stop after this line; copy it or dump again")
	case isPathError(err):
		return fault(Unreadable, line, err, "cannot read on after this line: %v", err)
	}
	return fault(Damaged, line, err, "the compressed data are damaged after this line (%v): copy the dump again", err)
}

func isPathError(err error) bool {
	var p *os.PathError
	return errors.As(err, &p)
}

// meter counts what is read of the packed file and stops when ctx ends.
type meter struct {
	ctx         context.Context
	src         io.Reader
	done, shown int64
	total       int64
	report      func(done, total int64)
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.src.Read(p)
	m.done += int64(n)
	if m.report != nil && (m.done-m.shown >= 1<<20 || err == io.EOF && m.done > m.shown) {
		m.shown = m.done
		m.report(m.done, m.total)
	}
	return n, err
}
