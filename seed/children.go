package seed

// Draws of a binding's block.
const (
	drawBindingRef int64 = 30 + iota
	drawBindingValue
)

const claimsPerRequest = 2

func countScopes(_ *generator, e *entry) int {
	if e.token.scopes == nil {
		return 1
	}
	return len(e.token.scopes.names)
}

func tokenScopeColumns() []column {
	return []column{
		{name: "TOKEN_ID", put: putTokenID},
		{name: "TOKEN_SCOPE", put: putScope},
		{name: "TENANT_ID", put: literal(tenant)},
	}
}

func putScope(b []byte, g *generator, e *entry, n int) []byte {
	if e.token.scopes == nil {
		return appendRandomUUID(append(b, "device_"...), g.streams[streamKey].at(e.token.key))
	}
	return append(b, e.token.scopes.names[n]...)
}

func bindingColumns() []column {
	return []column{
		{name: "TOKEN_ID", put: putTokenID},
		{name: "TOKEN_BINDING_TYPE", put: func(b []byte, _ *generator, e *entry, _ int) []byte {
			if e.draw.at(40).below(2) == 0 {
				return append(b, "cookie"...)
			}
			return append(b, "sso-session"...)
		}},
		{name: "TOKEN_BINDING_REF", put: func(b []byte, _ *generator, e *entry, _ int) []byte {
			return appendHash32(b, e.draw.at(drawBindingRef))
		}},
		{name: "TOKEN_BINDING_VALUE", put: func(b []byte, _ *generator, e *entry, _ int) []byte {
			return appendRandomUUID(b, e.draw.at(drawBindingValue))
		}},
		{name: "TENANT_ID", put: literal(tenant)},
	}
}

func attributeColumns() []column {
	return []column{
		{name: "TOKEN_ID", put: putTokenID},
		{name: "TOKEN_ATTR_NAME", put: literal("impersonating_actor")},
		{name: "TOKEN_ATTR_VALUE", put: func(b []byte, _ *generator, e *entry, _ int) []byte { return appendRandomUUID(b, e.draw) }},
	}
}

// requestColumns refer to the token, to the code that became the token, or only
// to a code that never did.
func requestColumns() []column {
	return []column{
		{name: "ID", id: true, put: func(b []byte, g *generator, e *entry, _ int) []byte { return appendInt(b, g.requestID(e)) }},
		{name: "CONSUMER_KEY_ID", put: func(b []byte, _ *generator, e *entry, _ int) []byte { return appendInt(b, e.token.app.id) }},
		{name: "CODE_ID", put: func(b []byte, g *generator, e *entry, _ int) []byte {
			if !e.hasCode {
				return appendNull(b)
			}
			return putCodeID(b, g, e, 0)
		}},
		{name: "TOKEN_ID", put: func(b []byte, g *generator, e *entry, _ int) []byte {
			if e.hasCode && e.code.class.link != linkOwn {
				return appendNull(b)
			}
			return putTokenID(b, g, e, 0)
		}},
		{name: "SESSION_DATA_KEY", put: putSessionKey},
	}
}

func putSessionKey(b []byte, _ *generator, e *entry, _ int) []byte {
	return appendRandomUUID(b, e.draw)
}

func (g *generator) requestID(e *entry) int64 { return g.lastRequest + e.block + 1 }

func (g *generator) claimID(e *entry, n int) int64 {
	return g.lastClaim + e.block*claimsPerRequest + int64(n) + 1
}

func claimColumns() []column {
	attributes := [claimsPerRequest]string{"email", "given_name"}
	return []column{
		{name: "ID", id: true, put: func(b []byte, g *generator, e *entry, n int) []byte { return appendInt(b, g.claimID(e, n)) }},
		{name: "REQ_OBJECT_ID", put: func(b []byte, g *generator, e *entry, _ int) []byte { return appendInt(b, g.requestID(e)) }},
		{name: "CLAIM_ATTRIBUTE", put: func(b []byte, _ *generator, _ *entry, n int) []byte { return append(b, attributes[n]...) }},
		{name: "ESSENTIAL", put: literal("1")},
		{name: "VALUE", put: func(b []byte, _ *generator, _ *entry, _ int) []byte { return appendNull(b) }},
		{name: "IS_USERINFO", put: func(b []byte, _ *generator, _ *entry, n int) []byte { return appendInt(b, int64(n)) }},
	}
}

func claimValueColumns() []column {
	return []column{
		{name: "REQ_OBJECT_CLAIMS_ID", put: func(b []byte, g *generator, e *entry, n int) []byte { return appendInt(b, g.claimID(e, n)) }},
		{name: "CLAIM_VALUES", put: func(b []byte, g *generator, e *entry, _ int) []byte {
			return append(b, g.words.people[e.draw.at(50).below(people)]...)
		}},
	}
}
