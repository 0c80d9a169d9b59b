package seed

import (
	"slices"

	"github.com/tokensweep/tokensweep/token"
)

// tokenColumn is a column that the live table and the audit table share.
type tokenColumn struct {
	name string
	put  func(b []byte, g *generator, t *tokenRow) []byte
}

// Numbers of the draws of a token row. 0 to 2 make its id, 10 to 13 its class
// and what follows from it.
const (
	drawAccess int64 = 30 + iota
	drawRefresh
	drawAccessHash
	drawRefreshHash
	drawStateID
	drawIdP
	drawConsent
	drawOrganization
)

// tokenColumns lists the columns in the live table's order, TOKEN_ID first of
// all and three that differ between the two tables left out.
func tokenColumns() []tokenColumn {
	return []tokenColumn{
		{"ACCESS_TOKEN", func(b []byte, _ *generator, t *tokenRow) []byte { return appendRandomUUID(b, t.draw.at(drawAccess)) }},
		{"REFRESH_TOKEN", putRefresh},
		{"CONSUMER_KEY_ID", func(b []byte, _ *generator, t *tokenRow) []byte { return appendInt(b, t.app.id) }},
		{"AUTHZ_USER", appendUser},
		{"TENANT_ID", func(b []byte, _ *generator, _ *tokenRow) []byte { return append(b, tenant...) }},
		{"USER_DOMAIN", func(b []byte, _ *generator, _ *tokenRow) []byte { return append(b, userDomain...) }},
		{"USER_TYPE", putUserType},
		{"GRANT_TYPE", func(b []byte, _ *generator, t *tokenRow) []byte { return append(b, t.grant...) }},
		{"TIME_CREATED", func(b []byte, _ *generator, t *tokenRow) []byte { return appendTime(b, t.created) }},
		{"REFRESH_TOKEN_TIME_CREATED", func(b []byte, _ *generator, t *tokenRow) []byte { return appendTime(b, t.refreshCreated) }},
		{"VALIDITY_PERIOD", func(b []byte, _ *generator, t *tokenRow) []byte { return appendNullInt(b, t.class.validity) }},
		{"REFRESH_TOKEN_VALIDITY_PERIOD", func(b []byte, _ *generator, t *tokenRow) []byte {
			return appendNullInt(b, t.class.refreshValidity)
		}},
		{"TOKEN_SCOPE_HASH", putScopeHash},
		{"TOKEN_STATE", func(b []byte, _ *generator, t *tokenRow) []byte { return appendNullText(b, t.class.state) }},
		{"TOKEN_STATE_ID", putStateID},
		{"SUBJECT_IDENTIFIER", putSubject},
		{"ACCESS_TOKEN_HASH", func(b []byte, _ *generator, t *tokenRow) []byte { return appendHashJSON(b, t.draw.at(drawAccessHash)) }},
		{"REFRESH_TOKEN_HASH", putRefreshHash},
		{"IDP_ID", putIdP},
	}
}

func putRefresh(b []byte, _ *generator, t *tokenRow) []byte {
	switch t.class.refresh {
	case refreshNull:
		return appendNull(b)
	case refreshEmpty:
		return b
	}
	return appendRandomUUID(b, t.draw.at(drawRefresh))
}

func putRefreshHash(b []byte, _ *generator, t *tokenRow) []byte {
	if t.class.refresh != refreshSet {
		return appendNull(b)
	}
	return appendHashJSON(b, t.draw.at(drawRefreshHash))
}

// appendUser appends the user, or with client credentials the app's owner.
func appendUser(b []byte, g *generator, t *tokenRow) []byte {
	if t.isClient {
		return append(b, t.app.owner...)
	}
	user := t.key / 4
	b = append(b, g.words.people[user%people]...)
	return appendInt(b, user)
}

func putUserType(b []byte, _ *generator, t *tokenRow) []byte {
	if t.isClient {
		return append(b, "APPLICATION"...)
	}
	return append(b, "APPLICATION_USER"...)
}

// putScopeHash gives every client token a hash of its own (mix64 is a
// bijection), as scopes named after devices do in the product: an app's owner
// could otherwise have but one active token.
func putScopeHash(b []byte, g *generator, t *tokenRow) []byte {
	if t.scopes != nil {
		return append(b, t.scopes.hash...)
	}
	b = appendHex16(b, mix64(uint64(t.key)+gamma))
	return appendHex16(b, uint64(g.streams[streamKey].at(t.key)))
}

// putStateID is NONE for ACTIVE rows only, so that CON_APP_KEY lets one active
// row and any number of others have the same key.
func putStateID(b []byte, _ *generator, t *tokenRow) []byte {
	if t.class.state == token.Some(token.Active) {
		return append(b, noRef...)
	}
	return appendRandomUUID(b, t.draw.at(drawStateID))
}

func putSubject(b []byte, g *generator, t *tokenRow) []byte {
	if t.class.edge {
		return append(b, t.class.name...)
	}
	return append(appendUser(b, g, t), "@carbon.super"...)
}

// putIdP belongs to the key: one identity provider in ten is not the product.
func putIdP(b []byte, g *generator, t *tokenRow) []byte {
	if g.streams[streamKey].at(t.key).at(drawIdP).below(10) == 0 {
		return append(b, '1')
	}
	return append(b, "-1"...)
}

// liveTokenColumns adds what only the live table has.
func liveTokenColumns() []column {
	columns := []column{{name: "TOKEN_ID", put: putTokenID}}
	for _, c := range tokenColumns() {
		columns = append(columns, column{name: c.name, put: func(b []byte, g *generator, e *entry, _ int) []byte {
			return c.put(b, g, &e.token)
		}})
	}
	return append(columns,
		column{name: "TOKEN_BINDING_REF", put: putBoundRef},
		column{name: "CONSENTED_TOKEN", put: putConsent},
		column{name: "AUTHORIZED_ORGANIZATION", put: putOrganization},
	)
}

func putTokenID(b []byte, g *generator, e *entry, _ int) []byte {
	return g.tokenUUID(b, e.i, e.token.draw)
}

func putBoundRef(b []byte, g *generator, e *entry, _ int) []byte {
	if g.spec.BindTokens {
		if _, d, ok := g.chosen(streamBinding, e.i, bindingEvery); ok {
			return appendHash32(b, d.at(drawBindingRef))
		}
	}
	return append(b, noRef...)
}

func putConsent(b []byte, g *generator, e *entry, _ int) []byte {
	if g.spec.BindTokens {
		switch e.token.draw.at(drawConsent).below(4) {
		case 0:
			return append(b, "true"...)
		case 1:
			return append(b, "false"...)
		}
	}
	return appendNull(b)
}

func putOrganization(b []byte, g *generator, e *entry, _ int) []byte {
	if d := e.token.draw.at(drawOrganization); g.spec.BindTokens && d.below(20) == 0 {
		return appendRandomUUID(b, d)
	}
	return append(b, noRef...)
}

// history are tokens that were cleaned long ago: their ids are in no other table.
var historyCreated = span{-700 * secondsPerDay, -410 * secondsPerDay}

const maxDelay = 9 * secondsPerDay // from issue to clean-up

func historyClasses() []class {
	ms := token.Some[int64]
	base := class{created: historyCreated, validity: ms(hour), refreshValidity: ms(day), grants: users}
	states := []string{token.Revoked, token.Inactive, token.Expired, token.Expired}
	all := slices.Repeat([]class{base}, len(states))
	for i := range all {
		all[i].state = token.Some(states[i])
	}
	return all
}

func historyRow(g *generator, e *entry) int {
	block, d, ok := g.chosen(streamHistory, e.i, historyEvery)
	if !ok {
		return 0
	}
	e.block, e.draw = block, d
	e.history.class = &g.history[d.at(10).below(len(g.history))]
	g.fill(&e.history, d, e.i)
	return 1
}

func auditColumns() []column {
	columns := []column{{name: "TOKEN_ID", put: func(b []byte, g *generator, e *entry, _ int) []byte {
		return g.otherUUID(b, e.i, e.draw)
	}}}
	for _, c := range tokenColumns() {
		columns = append(columns, column{name: c.name, put: func(b []byte, g *generator, e *entry, _ int) []byte {
			return c.put(b, g, &e.history)
		}})
	}
	null := func(b []byte, _ *generator, _ *entry, _ int) []byte { return appendNull(b) }
	return append(columns,
		column{name: "INVALIDATED_TIME", put: func(b []byte, _ *generator, e *entry, _ int) []byte {
			return appendTime(b, e.history.created+e.draw.at(14).in(span{secondsPerHour, maxDelay}))
		}},
		column{name: "TOKEN_BINDING_REF", put: literal(noRef)},
		column{name: "CONSENTED_TOKEN", put: null},
		column{name: "AUTHORIZED_ORGANIZATION", put: literal(noRef)},
	)
}
