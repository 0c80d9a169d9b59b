package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/zeebo/xxh3"
)

// A file is the magic line and then frames. A frame is a head, a payload and two
// checksums: its own, and that of the chain up to it.
const (
	magicWords = "tokensweep backup, format "
	version    = 1

	headSize  = 17 // kind, sizes packed and raw, number, checksum of these
	sumSize   = 8
	chainSize = sha256.Size

	// maxRaw is the most that a frame holds, unpacked. It bounds what a reader
	// takes for a file that somebody made up.
	maxRaw = 256 << 20
	// maxText is the most that a frame of JSON holds.
	maxText = 16 << 20
)

func magic(version int) string { return fmt.Sprintf("%s%d\n", magicWords, version) }

// kind says what a frame is.
type kind byte

const (
	kindHeader    kind = 'H' // JSON, the first frame
	kindBegin     kind = 'B' // JSON, a batch begins; an earlier one without a commit was rolled back
	kindRows      kind = 'R' // rows of one table of the batch, packed
	kindEnd       kind = 'E' // JSON, the batch is whole; on the disk before its commit
	kindCommitted kind = 'C' // JSON, the batch in front of it was committed
	kindTrailer   kind = 'T' // JSON, the run came to its end
)

func (k kind) String() string {
	switch k {
	case kindHeader:
		return "header"
	case kindBegin:
		return "begin of a batch"
	case kindRows:
		return "rows"
	case kindEnd:
		return "end of a batch"
	case kindCommitted:
		return "commit"
	case kindTrailer:
		return "trailer"
	}
	return fmt.Sprintf("kind %q", byte(k))
}

type chain [chainSize]byte

func firstLink() chain { return sha256.Sum256([]byte(magic(version))) }

func (c chain) next(head, payload []byte) chain {
	h := sha256.New()
	h.Write(c[:])
	h.Write(head)
	h.Write(payload)
	return chain(h.Sum(nil))
}

// frame is one frame without what protects it.
type frame struct {
	kind    kind
	number  uint32 // counts from 0
	raw     uint32 // size of the payload unpacked
	payload []byte // packed if kind is kindRows
}

// appendFrame appends a frame that follows last, and returns its link.
func appendFrame(b []byte, f frame, last chain) ([]byte, chain) {
	start := len(b)
	b = append(b, byte(f.kind))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.payload)))
	b = binary.LittleEndian.AppendUint32(b, f.raw)
	b = binary.LittleEndian.AppendUint32(b, f.number)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
	head := b[start : start+headSize]
	link := last.next(head, f.payload)
	sum := ownSum(head, f.payload)
	b = append(b, f.payload...)
	b = binary.LittleEndian.AppendUint64(b, sum)
	return append(b, link[:]...), link
}

func ownSum(head, payload []byte) uint64 {
	h := xxh3.New()
	_, _ = h.Write(head) // never fails
	_, _ = h.Write(payload)
	return h.Sum64()
}

// errTorn says that the file ends within a frame, as one does that a killed
// process or a full disk left.
var errTorn = errors.New("the file ends in the middle of a frame")

// errEnd says that the file ends behind a whole frame.
var errEnd = errors.New("end of the file")

// frameReader reads frames in order.
type frameReader struct {
	r      io.Reader
	at     int64 // offset of the next frame
	number uint32
	link   chain
	buffer []byte
}

// next returns the next frame, whose payload is good until the call after.
func (r *frameReader) next() (frame, error) {
	var head [headSize]byte
	n, err := io.ReadFull(r.r, head[:])
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return frame{}, errEnd
	case errors.Is(err, io.ErrUnexpectedEOF):
		return frame{}, errTorn
	case err != nil:
		return frame{}, err
	}
	f, packed, err := readHead(head)
	if err != nil {
		return f, err
	}
	if f.payload, err = r.body(head, packed, &f); err != nil {
		return f, err
	}
	r.at += int64(headSize + len(f.payload) + sumSize + chainSize)
	r.number++
	return f, nil
}

func readHead(head [headSize]byte) (f frame, packed uint32, err error) {
	if crc32.ChecksumIEEE(head[:headSize-4]) != binary.LittleEndian.Uint32(head[headSize-4:]) {
		return f, 0, errors.New("the head of a frame is damaged, or something that is none follows the last frame")
	}
	f = frame{kind: kind(head[0]), raw: binary.LittleEndian.Uint32(head[5:]), number: binary.LittleEndian.Uint32(head[9:])}
	packed = binary.LittleEndian.Uint32(head[1:])
	switch limit := uint32(maxText); {
	case !bytes.ContainsRune([]byte("HBRECT"), rune(f.kind)):
		return f, 0, fmt.Errorf("a frame has the unknown kind %q", head[0])
	case f.kind == kindRows && f.raw > maxRaw, f.kind == kindRows && packed > maxRaw:
		return f, 0, fmt.Errorf("a frame says that it holds %d bytes, %d packed; none holds more than %d", f.raw, packed, maxRaw)
	case f.kind != kindRows && packed > limit:
		return f, 0, fmt.Errorf("a %s says that it is %d bytes long; none is longer than %d", f.kind, packed, limit)
	case f.kind != kindRows && f.raw != packed:
		return f, 0, fmt.Errorf("a %s says that it is packed, which none is", f.kind)
	}
	return f, packed, nil
}

// body reads what follows a head. The buffer grows with what is there, not with
// what the head says.
func (r *frameReader) body(head [headSize]byte, packed uint32, f *frame) ([]byte, error) {
	size := int64(packed) + sumSize + chainSize
	buffer := bytes.NewBuffer(r.buffer[:0])
	n, err := io.Copy(buffer, io.LimitReader(r.r, size))
	r.buffer = buffer.Bytes()
	switch {
	case err != nil:
		return nil, err
	case n < size:
		return nil, errTorn
	}
	payload, sums := r.buffer[:packed], r.buffer[packed:]
	link := r.link.next(head[:], payload)
	switch {
	case ownSum(head[:], payload) != binary.LittleEndian.Uint64(sums):
		return nil, fmt.Errorf("the checksum of a frame (%s) is wrong: bytes were changed", f.kind)
	case f.number != r.number:
		return nil, fmt.Errorf("frame %d stands where frame %d must: frames are missing, doubled or in another order", f.number, r.number)
	case !bytes.Equal(link[:], sums[sumSize:]):
		return nil, errors.New("a frame does not follow from those before it: it comes from another backup, or one before it was changed")
	}
	r.link = link
	return payload, nil
}
