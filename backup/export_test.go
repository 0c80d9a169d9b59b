package backup

import (
	"encoding/binary"
	"encoding/json"

	"github.com/klauspost/compress/zstd"
)

// Failing makes every write behind so many bytes fail, and every Sync of a number
// from failSync on.
func (w *Writer) Failing(room int64, failSync int, err error) *Writer {
	w.wrap = func(s sink) sink { return &failing{sink: s, room: room, syncs: failSync, err: err} }
	return w
}

// failing is a disk that fills up.
type failing struct {
	sink
	room  int64
	syncs int
	err   error
}

func (f *failing) Write(b []byte) (int, error) {
	n := min(int64(len(b)), f.room)
	f.room -= n
	written, err := f.sink.Write(b[:n])
	if err == nil && written < len(b) {
		err = f.err
	}
	return written, err
}

func (f *failing) Sync() error {
	if f.syncs--; f.syncs < 0 {
		return f.err
	}
	return f.sink.Sync()
}

// Frame is a frame for tests that make files up.
type Frame struct {
	Kind    byte
	Payload []byte // unpacked
	Raw     uint32 // what the head says; 0: the truth
	Packed  []byte // instead of packing the payload
}

// Frames takes a file apart.
func Frames(file []byte) []Frame {
	rest := file[len(magic(version)):]
	var all []Frame
	for len(rest) > 0 {
		packed := binary.LittleEndian.Uint32(rest[1:])
		f := Frame{Kind: rest[0], Payload: rest[headSize : headSize+packed], Raw: binary.LittleEndian.Uint32(rest[5:])}
		if kind(f.Kind) == kindRows {
			f.Packed = f.Payload
		}
		all = append(all, f)
		rest = rest[headSize+int(packed)+sumSize+chainSize:]
	}
	return all
}

// Assemble puts frames together with numbers and checksums as they must be.
func Assemble(frames []Frame) []byte {
	file, link := []byte(magic(version)), firstLink()
	z, _ := zstd.NewWriter(nil)
	for i, f := range frames {
		made := frame{kind: kind(f.Kind), number: uint32(i), raw: uint32(len(f.Payload)), payload: f.Payload}
		switch {
		case f.Packed != nil:
			made.payload = f.Packed
		case made.kind == kindRows:
			made.payload = z.EncodeAll(f.Payload, nil)
		}
		if f.Raw > 0 {
			made.raw = f.Raw
		}
		file, link = appendFrame(file, made, link)
	}
	return file
}

// JSON is a payload.
func JSON(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// Unpack unpacks rows of a frame.
func (f Frame) Unpack() []byte {
	z, _ := zstd.NewReader(nil)
	b, _ := z.DecodeAll(f.Packed, nil)
	return b
}

// HeadSize and Magic say where frames begin.
const HeadSize = headSize

// Magic is the first line of a file of a format.
func Magic(version int) string { return magic(version) }
