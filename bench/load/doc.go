// Package load does beside a clean-up what the product does to the token tables,
// measures what its users feel, and proves that they were served right.
//
// # What it does
//
// Of a hundred operations 60 validate a token (its row by the hash of the access
// token, joined with its app and its scopes), 20 refresh one (its row by the hash
// of the refresh token; then in one transaction the old row becomes INACTIVE, with
// a new TOKEN_STATE_ID, and a new token and its scope are inserted), 15 issue one
// (token and scope) and 5 revoke one (by the hash of the access token). A gateway
// validates far more often than that, and answers most of it from its cache: this is
// what is left for the database. In-server clean-up is off, as the vendor advises
// where a procedure does the work: superseded and revoked tokens, a quarter of the
// operations, stay until the clean-up under test takes them. A script that goes on
// while there are a hundred rows to go may so never end.
//
// The load works on tokens of its own. Their ids are random, and so are their apps
// and users: they lie among the rows of every batch, in every index. All of a run
// follows from a seed, except which token an operation meets: that depends on which
// others are done.
//
// # How it measures
//
// The generator is open-loop: operation n is due at a fixed time, whether the ones
// before it are done or not, and its latency counts from that time. A generator
// that sends its next operation when the last one is answered asks less of a server
// that stalls; one stall of two seconds is then one slow operation and not the six
// hundred that users would have felt (coordinated omission). Here each of the six
// hundred is recorded, with its own share of the wait.
//
// Operations share Connections sessions, as in the product's pool. One that is due
// while all are busy waits, that wait counts, and Result.Queued tells how many did.
// Where the server, or the machine that both share, cannot keep up, Result.Rate is
// below the rate wanted and the latencies grow without end: overload shows, and is
// no measurement of anything else.
//
// Operations that fail are counted, and how long they took is in the latencies too:
// their users waited for it. Nothing is tried again, since the product does not.
//
// # What it proves
//
// Check compares every token with what the client was told last. An ACTIVE one is
// there, ACTIVE, with its scope, and not audited. A superseded or revoked one is
// there in that state, or removed with its scope and, where the clean-up audits,
// audited exactly once and in that state. Of an operation that failed nothing is
// there; one whose connection broke at the commit happened as a whole or not at
// all. A token that the client holds and the server does not find is a fault at
// once. Remove takes everything of the load out again, so that the verifier
// accounts for the rows that were there before.
package load
