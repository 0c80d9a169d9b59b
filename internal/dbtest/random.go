package dbtest

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/token"
)

// The generators draw from what decides: states in odd spellings, validities at
// every limit, times that make a lifetime end around the cut-off.

var (
	oddStates = []string{"active", "Revoked", "ACTIVE ", " ACTIVE", "EXPIRED  ", "REVOKED\t", "", "GRACEFULLY_ROTATED", "ÉXPIRED", "éxpired", "DEACTIVATED"}
	limits    = []int64{-1 << 63, -1, 0, 1, 999, 1000, 29_999, 30_000, 30_001, 59_999, 60_000, 89_999, 90_000, 3_600_000, 86_400_000,
		token.MaxValidity - 1, token.MaxValidity, token.MaxValidity + 1, 1<<63 - 1}
	someText = []token.Null[string]{{}, token.Some(""), token.Some("SET")}
)

func drawState(t *rapid.T, usual ...string) token.Null[string] {
	if rapid.IntRange(0, 3).Draw(t, "usual state") > 0 {
		return token.Some(rapid.SampledFrom(usual).Draw(t, "state"))
	}
	if rapid.Bool().Draw(t, "NULL") {
		return token.Null[string]{}
	}
	return token.Some(rapid.SampledFrom(oddStates).Draw(t, "odd state"))
}

func drawValidity(t *rapid.T) token.Null[int64] {
	switch rapid.IntRange(0, 9).Draw(t, "kind of validity") {
	case 0:
		return token.Null[int64]{}
	case 1, 2, 3, 4:
		return token.Some(rapid.SampledFrom(limits).Draw(t, "limit"))
	}
	return token.Some(rapid.Int64Range(0, 100_000_000).Draw(t, "validity"))
}

// drawTime draws a time such that a lifetime of so many milliseconds often ends
// within minutes of the cut-off.
func drawTime(t *rapid.T, validity token.Null[int64]) cases.Offset {
	switch rapid.IntRange(0, 9).Draw(t, "kind of time") {
	case 0:
		return cases.Offset{Null: true}
	case 1:
		return cases.Offset{Zero: true}
	case 2, 3:
		return cases.Offset{Seconds: rapid.Int64Range(-100_000_000, 10_000).Draw(t, "time")}
	}
	seconds := int64(0)
	if validity.Valid && validity.V >= 0 && validity.V < 1e12 { // TIMESTAMP begins in 1970
		seconds = -validity.V / 1000
	}
	return cases.Offset{Seconds: seconds + rapid.Int64Range(-90, 90).Draw(t, "end")}
}

var tokenGenerator = rapid.Custom(func(t *rapid.T) cases.Token {
	c := cases.Token{State: drawState(t, token.Active, token.Active, token.Active, token.Expired, token.Expired, token.Revoked, token.Inactive)}
	c.Validity, c.RefreshValidity = drawValidity(t), drawValidity(t)
	c.Created, c.RefreshCreated = drawTime(t, c.Validity), drawTime(t, c.RefreshValidity)
	c.Refresh = rapid.SampledFrom(someText).Draw(t, "refresh token")
	return c
})

// codeGenerator links codes to one of the tokens t0 to t39, to an id that no
// row has, or to none.
var codeGenerator = rapid.Custom(func(t *rapid.T) cases.Code {
	c := cases.Code{State: drawState(t, token.Active, token.Active, token.Inactive, token.Expired), Validity: drawValidity(t)}
	c.Created = drawTime(t, c.Validity)
	c.Token = rapid.SampledFrom(someText).Draw(t, "link")
	if c.Token.V != "" {
		c.Token.V = tokenID(rapid.IntRange(0, 60).Draw(t, "token"))
	}
	return c
})

var cibaGenerator = rapid.Custom(func(t *rapid.T) cases.CIBA {
	c := cases.CIBA{Status: drawState(t, "REQUESTED", "AUTHENTICATED", token.CIBAExpired, token.CIBATokenIssued, token.CIBAFailed)}
	if rapid.IntRange(0, 5).Draw(t, "expires") > 0 {
		c.ExpiresIn = token.Some(rapid.SampledFrom([]int64{-1 << 31, -1, 0, 1, 60, 3600, 1<<31 - 1}).Draw(t, "expires_in"))
	}
	c.Issued = drawTime(t, token.Some(c.ExpiresIn.V*1000))
	return c
})

func tokenID(n int) string { return fmt.Sprintf("t%d", n) }

// tokenRows are generated tokens ready to be inserted, with the ids t0, t1, ...
func (f *Fixture) tokenRows(all []cases.Token) []Row {
	rows := make([]Row, len(all))
	for i, c := range all {
		rows[i] = TokenRow(tokenID(i), "", Row{"TOKEN_STATE": value(c.State), "TIME_CREATED": f.wall(c.Created), "VALIDITY_PERIOD": value(c.Validity),
			"REFRESH_TOKEN": value(c.Refresh), "REFRESH_TOKEN_TIME_CREATED": f.wall(c.RefreshCreated), "REFRESH_TOKEN_VALIDITY_PERIOD": value(c.RefreshValidity)})
	}
	return rows
}

func (f *Fixture) codeRows(all []cases.Code) []Row {
	rows := make([]Row, len(all))
	for i, c := range all {
		rows[i] = CodeRow(fmt.Sprintf("c%d", i), "", Row{"STATE": value(c.State), "TIME_CREATED": f.wall(c.Created), "VALIDITY_PERIOD": value(c.Validity),
			"TOKEN_ID": value(c.Token)})
	}
	return rows
}

func (f *Fixture) cibaRows(all []cases.CIBA) []Row {
	rows := make([]Row, len(all))
	for i, c := range all {
		rows[i] = CIBARow(fmt.Sprintf("b%d", i), "", Row{"AUTH_REQ_STATUS": value(c.Status), "ISSUED_TIME": f.wall(c.Issued), "EXPIRES_IN": value(c.ExpiresIn)})
	}
	return rows
}
