package load

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
)

// state is what the client was told last of a token.
type state uint8

const (
	active state = iota
	inactive
	revoked
	absent // its insert failed
)

func (s state) String() string { return [...]string{"ACTIVE", "INACTIVE", "REVOKED", "absent"}[s] }

// held is a token that the client holds. All that is in its row follows from it.
type held struct {
	n     uint64 // names the token
	user  uint64 // kept when it is refreshed
	app   uint32 // index of Load.apps
	state state
}

// names are the texts of a token that a client or the server knows it by.
type names struct{ id, access, refresh, stateID string }

// names derives them from the seed and the token's number.
func (l *Load) names(n uint64) names {
	r := rand.New(rand.NewPCG(l.spec.Seed, n))
	return names{id: newUUID(r), access: newUUID(r), refresh: newUUID(r), stateID: newUUID(r)}
}

// newUUID makes a version 4 UUID.
func newUUID(r *rand.Rand) string {
	high, low := r.Uint64()&^0xf000|0x4000, r.Uint64()&^(3<<62)|1<<63
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", high>>32, high>>16&0xffff, high&0xffff, low>>48, low&(1<<48-1))
}

// hashed is a text as the product stores its hash.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return `{"hash":"` + hex.EncodeToString(sum[:]) + `","algorithm":"SHA-256"}`
}

// userName begins with any digit, so that keys spread over an app's whole range.
func (t held) userName() string { return fmt.Sprintf("%012x", t.user&(1<<48-1)) }
