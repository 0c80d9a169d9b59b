package seed

// Draws of a device request's block.
const (
	drawDeviceID int64 = 30 + iota
	drawDeviceCreated
	drawDeviceApp
	drawDeviceUser
)

// Clean-up never touches device requests; the verifier checks that they stay.
var deviceCreated = span{-100 * secondsPerDay, -secondsPerHour}

const (
	deviceLifetime = 600 // seconds
	// User codes are eight of twenty letters, numbered through by a factor that
	// has no divisor in common with 20, so that no two blocks share one.
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodes       = 25_600_000_000 // 20 to the 8th
	userCodeFactor  = 15_485_863
)

func deviceColumns() []column {
	return []column{
		{name: "CODE_ID", put: putDeviceID},
		{name: "DEVICE_CODE", put: func(b []byte, g *generator, e *entry, _ int) []byte { return g.otherUUID(b, e.i, e.draw) }},
		{name: "USER_CODE", put: func(b []byte, g *generator, e *entry, _ int) []byte { return g.appendUserCode(b, e.block) }},
		{name: "QUANTIFIER", put: literal("0")},
		{name: "CONSUMER_KEY_ID", put: func(b []byte, g *generator, e *entry, _ int) []byte {
			return appendInt(b, g.apps[e.draw.at(drawDeviceApp).below(len(g.apps))].id)
		}},
		{name: "LAST_POLL_TIME", put: putDeviceTime(pollSeconds)},
		{name: "EXPIRY_TIME", put: putDeviceTime(deviceLifetime)},
		{name: "TIME_CREATED", put: putDeviceTime(0)},
		{name: "POLL_TIME", put: literal("5000")},
		{name: "STATUS", put: literal("EXPIRED")},
		{name: "AUTHZ_USER", put: putDeviceUser},
		{name: "TENANT_ID", put: literal(tenant)},
		{name: "USER_DOMAIN", put: literal(userDomain)},
		{name: "IDP_ID", put: literal("-1")},
		{name: "SUBJECT_IDENTIFIER", put: putDeviceUser},
	}
}

func putDeviceID(b []byte, _ *generator, e *entry, _ int) []byte {
	return appendRandomUUID(b, e.draw.at(drawDeviceID))
}

func putDeviceUser(b []byte, g *generator, e *entry, _ int) []byte {
	return append(b, g.words.people[e.draw.at(drawDeviceUser).below(people)]...)
}

func putDeviceTime(after int64) put {
	return func(b []byte, g *generator, e *entry, _ int) []byte {
		return appendTime(b, g.cutOff+e.draw.at(drawDeviceCreated).in(deviceCreated)+after)
	}
}

// appendUserCode numbers from a place of the seed's own, so that seeds that are
// appended to each other do not collide.
func (g *generator) appendUserCode(b []byte, block int64) []byte {
	start := int64(g.streams[streamDevice].at(-1).below(userCodes))
	n := (start + block) % userCodes * userCodeFactor % userCodes
	for range 8 {
		b = append(b, userCodeLetters[n%int64(len(userCodeLetters))])
		n /= int64(len(userCodeLetters))
	}
	return b
}

func deviceScopeColumns() []column {
	return []column{
		{name: "SCOPE_ID", put: putDeviceID},
		{name: "SCOPE", put: literal("openid")},
	}
}
