// Package token says what a token, an authorization code and a CIBA request
// are, in which states they can be, and when each may be removed.
//
// It is the oracle: pure Go, exact integer milliseconds, no SQL and no clock.
// The same rules exist a second time as SQL text in the dialect packages, on
// purpose and written separately; tests hold the two together over every case
// of internal/cases and over random rows. The verifier uses only this package.
package token
