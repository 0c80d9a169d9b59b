package seed

import "strconv"

// Draws of a code row; 10 and 11 choose it and its class.
const (
	drawCode int64 = 30 + iota
	drawCodeHash
	drawChallenge
	drawDangling
	drawThumbprint
	drawCodeCreated
)

const callbackURL = "https://app.example.com/callback"

func countCodes(_ *generator, e *entry) int {
	if e.hasCode {
		return 1
	}
	return 0
}

func codeColumns() []column {
	return []column{
		{name: "CODE_ID", put: putCodeID},
		{name: "AUTHORIZATION_CODE", put: func(b []byte, _ *generator, e *entry, _ int) []byte {
			return appendRandomUUID(b, e.code.draw.at(drawCode))
		}},
		{name: "CONSUMER_KEY_ID", put: func(b []byte, _ *generator, e *entry, _ int) []byte { return appendInt(b, e.token.app.id) }},
		{name: "CALLBACK_URL", put: literal(callbackURL)},
		{name: "SCOPE", put: func(b []byte, _ *generator, _ *entry, _ int) []byte { return appendNull(b) }},
		{name: "AUTHZ_USER", put: func(b []byte, g *generator, e *entry, _ int) []byte { return appendUser(b, g, &e.token) }},
		{name: "TENANT_ID", put: literal(tenant)},
		{name: "USER_DOMAIN", put: literal(userDomain)},
		{name: "TIME_CREATED", put: func(b []byte, g *generator, e *entry, _ int) []byte {
			return appendTime(b, g.cutOff+e.code.draw.at(drawCodeCreated).in(e.code.class.created))
		}},
		{name: "VALIDITY_PERIOD", put: func(b []byte, _ *generator, e *entry, _ int) []byte { return appendNullInt(b, e.code.class.validity) }},
		{name: "STATE", put: func(b []byte, _ *generator, e *entry, _ int) []byte { return appendNullText(b, e.code.class.state) }},
		{name: "TOKEN_ID", put: putCodeToken},
		{name: "SUBJECT_IDENTIFIER", put: putCodeSubject},
		{name: "PKCE_CODE_CHALLENGE", put: func(b []byte, _ *generator, e *entry, _ int) []byte {
			return appendHash32(b, e.code.draw.at(drawChallenge))
		}},
		{name: "PKCE_CODE_CHALLENGE_METHOD", put: literal("S256")},
		{name: "AUTHORIZATION_CODE_HASH", put: func(b []byte, _ *generator, e *entry, _ int) []byte {
			return appendHashJSON(b, e.code.draw.at(drawCodeHash))
		}},
		{name: "IDP_ID", put: func(b []byte, g *generator, e *entry, _ int) []byte { return putIdP(b, g, &e.token) }},
	}
}

func putCodeID(b []byte, g *generator, e *entry, _ int) []byte {
	return g.otherUUID(b, e.i, e.code.draw)
}

func putCodeToken(b []byte, g *generator, e *entry, _ int) []byte {
	switch c := e.code.class; c.link {
	case linkNone:
		return appendNull(b)
	case linkEmpty:
		return b
	case linkDangling:
		return g.otherUUID(b, e.i, e.code.draw.at(drawDangling))
	case linkCase:
		return g.appendTokenID(b, e.i-e.i%int64(len(g.tokens))+int64(c.toCase))
	}
	return putTokenID(b, g, e, 0)
}

func putCodeSubject(b []byte, g *generator, e *entry, _ int) []byte {
	if e.code.class.edge {
		return append(b, e.code.class.name...)
	}
	return putSubject(b, g, &e.token)
}

func countCodeScopes(g *generator, e *entry) int {
	if !e.hasCode {
		return 0
	}
	return countScopes(g, e)
}

func codeScopeColumns() []column {
	return []column{
		{name: "CODE_ID", put: putCodeID},
		{name: "SCOPE", put: putScope},
		{name: "TENANT_ID", put: literal(tenant)},
	}
}

// countThumbprints binds a quarter of the codes to a DPoP key.
func countThumbprints(_ *generator, e *entry) int {
	if e.hasCode && e.code.draw.at(drawThumbprint).below(4) == 0 {
		return 1
	}
	return 0
}

func thumbprintColumns() []column {
	return []column{
		{name: "CODE_ID", put: putCodeID},
		{name: "DPOP_JKT", put: func(b []byte, _ *generator, e *entry, _ int) []byte {
			return appendHash64(b, e.code.draw.at(drawThumbprint))
		}},
	}
}

// Draws of a CIBA request's block.
const (
	drawRequestID int64 = 30 + iota
	drawIssued
	drawRequester
	drawRequestApp
	drawRequestScopes
)

const pollSeconds = 5 // from issue to the last poll

func countCIBA(g *generator, e *entry) int {
	n, d, ok := g.cibaAt(e.i)
	if !ok {
		return 0
	}
	e.ciba, e.draw = &g.cibas[n], d
	return 1
}

func (g *generator) issued(e *entry) int64 { return g.cutOff + e.draw.at(drawIssued).in(e.ciba.issued) }

func putAuthCodeKey(b []byte, g *generator, e *entry, _ int) []byte {
	return g.otherUUID(b, e.i, e.draw)
}

func cibaColumns() []column {
	return []column{
		{name: "AUTH_CODE_KEY", put: putAuthCodeKey},
		{name: "AUTH_REQ_ID", put: func(b []byte, _ *generator, e *entry, _ int) []byte {
			return appendRandomUUID(b, e.draw.at(drawRequestID))
		}},
		{name: "ISSUED_TIME", put: func(b []byte, g *generator, e *entry, _ int) []byte { return appendTime(b, g.issued(e)) }},
		{name: "CONSUMER_KEY", put: func(b []byte, g *generator, e *entry, _ int) []byte {
			return append(b, g.apps[e.draw.at(drawRequestApp).below(len(g.apps))].key...)
		}},
		{name: "LAST_POLLED_TIME", put: func(b []byte, g *generator, e *entry, _ int) []byte { return appendTime(b, g.issued(e)+pollSeconds) }},
		{name: "POLLING_INTERVAL", put: literal(strconv.Itoa(pollSeconds))},
		{name: "EXPIRES_IN", put: func(b []byte, _ *generator, e *entry, _ int) []byte { return appendNullInt(b, e.ciba.expiresIn) }},
		{name: "AUTHENTICATED_USER_NAME", put: func(b []byte, g *generator, e *entry, _ int) []byte {
			if e.ciba.edge {
				return append(b, e.ciba.name...)
			}
			return append(b, g.words.people[e.draw.at(drawRequester).below(people)]...)
		}},
		{name: "USER_STORE_DOMAIN", put: literal(userDomain)},
		{name: "TENANT_ID", put: literal(tenant)},
		{name: "AUTH_REQ_STATUS", put: func(b []byte, _ *generator, e *entry, _ int) []byte { return appendNullText(b, e.ciba.status) }},
		{name: "IDP_ID", put: literal("-1")},
	}
}

func (g *generator) cibaScopes(e *entry) *scopeSet { return g.words.set(e.draw.at(drawRequestScopes)) }

func countCIBAScopes(g *generator, e *entry) int {
	if countCIBA(g, e) == 0 {
		return 0
	}
	return len(g.cibaScopes(e).names)
}

func cibaScopeColumns() []column {
	return []column{
		{name: "AUTH_CODE_KEY", put: putAuthCodeKey},
		{name: "SCOPE", put: func(b []byte, g *generator, e *entry, n int) []byte { return append(b, g.cibaScopes(e).names[n]...) }},
	}
}
