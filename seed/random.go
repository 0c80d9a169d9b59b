package seed

import "math/bits"

// mix64 is the output function of SplitMix64, a bijection on 64 bits.
func mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

const gamma = 0x9e3779b97f4a7c15 // SplitMix64's step

// draw is a random value that further values can be drawn from. It has no
// state: the same draw gives the same values, in any order.
type draw uint64

// at returns the n-th draw below d.
func (d draw) at(n int64) draw { return draw(mix64(uint64(d) + (uint64(n)+1)*gamma)) }

// below returns a number from 0 to n-1.
func (d draw) below(n int) int {
	hi, _ := bits.Mul64(uint64(d), uint64(n))
	return int(hi)
}

// in returns a second of the span.
func (d draw) in(s span) int64 { return s.from + int64(d.below(int(s.to-s.from+1))) }

// span is a range of seconds relative to the cut-off, both ends included.
type span struct{ from, to int64 }

func (s span) union(o span) span { return span{min(s.from, o.from), max(s.to, o.to)} }

// stream parts the uses of one seed, so that a new field of one table leaves
// all other values as they are.
type stream int64

const (
	streamToken stream = iota // one draw per position
	streamKey                 // one per CON_APP_KEY key
	streamCode                // one per position
	streamCIBA                // one per block, as all below
	streamHistory
	streamDevice
	streamBinding
	streamAttribute
	streamRequest
	streamApps
	streams
)

// newStreams derives one draw per stream.
func newStreams(seed uint64, tokens int64) (all [streams]draw) {
	root := draw(mix64(seed+gamma) ^ mix64(uint64(tokens)))
	for s := range all {
		all[s] = root.at(int64(s))
	}
	return all
}
