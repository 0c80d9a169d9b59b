package seed

import "github.com/tokensweep/tokensweep/token"

// link says what TOKEN_ID of an authorization code holds.
type link int

const (
	linkOwn      link = iota // the token of the same position
	linkNone                 // NULL
	linkEmpty                // ''
	linkDangling             // an id that no token has
	linkCase                 // the token of another case of the same cycle, see codeClass.toCase
)

// codeClass is a kind of authorization code. The verdict is that for a code
// whose token is gone or never was; a token that stays keeps its code.
type codeClass struct {
	name     string
	state    token.Null[string]
	created  span
	validity token.Null[int64]
	link     link
	toCase   int // with linkCase, the token's place in the cycle
	remove   verdict
	share    int // per hundred
	edge     bool
}

const codeLifetime int64 = 300_000 // milliseconds

var (
	codeLongAgo = span{-400 * secondsPerDay, -secondsPerDay}
	codeLive    = span{-200, 600}
)

func codeClasses() []codeClass {
	active, inactive, expired := token.Some(token.Active), token.Some(token.Inactive), token.Some(token.Expired)
	lifetime := token.Some(codeLifetime)
	return []codeClass{
		{name: "code-used", state: inactive, created: codeLongAgo, validity: lifetime, link: linkOwn, remove: goes, share: 45},
		{name: "code-linked-expired", state: active, created: codeLongAgo, validity: lifetime, link: linkOwn, remove: goes, share: 10},
		{name: "code-abandoned", state: active, created: codeLongAgo, validity: lifetime, link: linkNone, remove: goes, share: 15},
		{name: "code-expired", state: expired, created: codeLongAgo, validity: lifetime, link: linkNone, remove: goes, share: 10},
		{name: "code-dangling", state: inactive, created: codeLongAgo, validity: lifetime, link: linkDangling, remove: goes, share: 10},
		{name: "code-dangling-new", state: inactive, created: codeLive, validity: lifetime, link: linkDangling, remove: goes, share: 3},
		{name: "code-pending", state: active, created: codeLive, validity: lifetime, link: linkNone, remove: stays, share: 4},
		// Of the states of a code only INACTIVE says that it is used up.
		{name: "code-expired-state-live", state: expired, created: codeLive, validity: lifetime, link: linkNone, remove: stays, share: 3},
	}
}

// cibaClass is a kind of CIBA request.
type cibaClass struct {
	name      string
	status    token.Null[string]
	issued    span
	expiresIn token.Null[int64] // seconds
	remove    verdict
	share     int // per hundred
	edge      bool
}

func cibaClasses() []cibaClass {
	two, sixty := token.Some[int64](120), token.Some(secondsPerHour)
	return []cibaClass{
		{name: "ciba-issued", status: token.Some(token.CIBATokenIssued), issued: recently, expiresIn: sixty, remove: goes, share: 30},
		{name: "ciba-failed", status: token.Some(token.CIBAFailed), issued: recently, expiresIn: sixty, remove: goes, share: 10},
		{name: "ciba-expired", status: token.Some(token.CIBAExpired), issued: longAgo, expiresIn: two, remove: goes, share: 20},
		{name: "ciba-unanswered", status: token.Some("REQUESTED"), issued: longAgo, expiresIn: two, remove: goes, share: 15},
		{name: "ciba-denied", status: token.Some("CONSENT_DENIED"), issued: longAgo, expiresIn: two, remove: goes, share: 5},
		{name: "ciba-pending", status: token.Some("REQUESTED"), issued: recently, expiresIn: sixty, remove: stays, share: 15},
		{name: "ciba-authenticated", status: token.Some("AUTHENTICATED"), issued: recently, expiresIn: sixty, remove: stays, share: 5},
	}
}
