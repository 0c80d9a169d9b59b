package verify

import "github.com/tokensweep/tokensweep/token"

// meta packs what is known of a row besides its hashes:
//
//	bits  0–39  offset of the key's text
//	bits 40–55  the reason under each of the four policies, four bits each; in what
//	            a code is told of its token, TokenExists where the policy keeps that
//	bits 56–58  state
//	bits 59–63  flags
type meta uint64

const textBits = 40

// Flags of rows and links.
const (
	badTime    meta = 1 << 59 // audit row: INVALIDATED_TIME is NULL or outside the run
	nullID     meta = 1 << 60 // audit row without TOKEN_ID
	hasToken   meta = 1 << 61 // code: its token was to stay, or stays
	parentGone meta = 1 << 62 // child: a parent was there before and is not any more
	parentLeft meta = 1 << 63 // child: a parent is still there

	noRefresh meta = 1 << 62 // token: it has no refresh token
)

func textAt(offset int64) meta { return meta(offset) & (1<<textBits - 1) }

func (m meta) text() int64 { return int64(m & (1<<textBits - 1)) }

func (m meta) with(policy int, why token.Reason) meta {
	return m | meta(why)<<(textBits+4*policy)
}

func (m meta) reason(policy int) token.Reason {
	return token.Reason(m >> (textBits + 4*policy) & 15)
}

// rowState is a token state in three bits.
type rowState uint64

// Row states that the verifier tells apart.
const (
	otherState rowState = iota
	activeState
	deadState
)

func stateOf(state token.Null[string]) rowState {
	switch state.V {
	case token.Active:
		return activeState
	case token.Inactive, token.Revoked, token.Expired:
		return deadState
	}
	return otherState
}

func (m meta) withState(s rowState) meta { return m | meta(s)<<56 }

func (m meta) state() rowState { return rowState(m >> 56 & 7) }

// policyIndex is the place of a policy in meta, -1 if it is unknown.
func policyIndex(p token.Policy) int {
	for i, known := range token.Policies() {
		if known == p {
			return i
		}
	}
	return -1
}
