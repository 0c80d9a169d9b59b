package seed

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"
)

const hexDigits = "0123456789abcdef"

// hex8 spells v as 8 hex digits, the first in the highest byte. It works on
// all digits at once: spelling ids and hashes is most of the work of a row.
func hex8(v uint32) uint64 {
	x := uint64(v)
	x = x&0xffff0000<<16 | x&0xffff
	x = x&0xff000000ff00<<8 | x&0x00ff000000ff
	x = x&0x00f000f000f000f0<<4 | x&0x000f000f000f000f
	aboveNine := (x + 0x0606060606060606) >> 4 & 0x0101010101010101
	return x + 0x3030303030303030 + aboveNine*('a'-'0'-10)
}

// appendHex16 appends 16 hex digits.
func appendHex16(b []byte, v uint64) []byte {
	b = binary.BigEndian.AppendUint64(b, hex8(uint32(v>>32)))
	return binary.BigEndian.AppendUint64(b, hex8(uint32(v)))
}

// appendUUID appends a version 4 UUID of 48 bits and 74 bits of rest.
func appendUUID(b []byte, first uint64, rest draw) []byte {
	const version, variant = 0x4000, 0x8 << 60
	high := first<<16 | version | uint64(rest)&0xfff
	low := uint64(rest.at(0))&^(3<<62) | variant
	var digits [32]byte
	appendHex16(appendHex16(digits[:0], high), low)
	b = append(append(b, digits[:8]...), '-')
	b = append(append(b, digits[8:12]...), '-')
	b = append(append(b, digits[12:16]...), '-')
	b = append(append(b, digits[16:20]...), '-')
	return append(b, digits[20:]...)
}

// appendRandomUUID appends a UUID in no order.
func appendRandomUUID(b []byte, d draw) []byte { return appendUUID(b, uint64(d.at(1)), d) }

// tokenUUID and otherUUID differ in the last bit, so that an id that must not
// be a token's cannot be one.
func (g *generator) tokenUUID(b []byte, i int64, d draw) []byte {
	return setLast(appendUUID(b, g.ordered(i, d), d), 0)
}

func (g *generator) otherUUID(b []byte, i int64, d draw) []byte {
	return setLast(appendUUID(b, g.ordered(i, d), d), 1)
}

func setLast(b []byte, bit uint64) []byte {
	last := &b[len(b)-1]
	*last = hexDigits[unhex(*last)&^1|bit]
	return b
}

func unhex(c byte) uint64 {
	if c <= '9' {
		return uint64(c - '0')
	}
	return uint64(c-'a') + 10
}

// ordered is 48 bits that ascend in i and look random: every position has its
// own slot of the 48-bit range and a random place in it.
func (g *generator) ordered(i int64, d draw) uint64 {
	hi, lo := bits.Mul64(uint64(i), 1<<48)
	start, _ := bits.Div64(hi, lo, uint64(g.spec.Tokens))
	within, _ := bits.Mul64(uint64(d.at(2)), g.slot)
	return start + within
}

// appendHash64 appends 64 hex digits, as of a SHA-256.
func appendHash64(b []byte, d draw) []byte {
	for n := range int64(4) {
		b = appendHex16(b, uint64(d.at(n)))
	}
	return b
}

func appendHash32(b []byte, d draw) []byte {
	return appendHex16(appendHex16(b, uint64(d.at(0))), uint64(d.at(1)))
}

// appendHashJSON appends a hash in the form in which the product stores it.
func appendHashJSON(b []byte, d draw) []byte {
	b = append(b, `{"hash":"`...)
	return append(appendHash64(b, d), `","algorithm":"SHA-256"}`...)
}

// appendTime appends the UTC wall clock of a Unix time.
func appendTime(b []byte, unix int64) []byte {
	return time.Unix(unix, 0).UTC().AppendFormat(b, time.DateTime)
}

func appendInt(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }
