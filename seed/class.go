package seed

import "github.com/tokensweep/tokensweep/token"

// verdict says which policies remove a row.
type verdict struct{ documented, strict, officialMySQL, officialMSSQL bool }

var (
	goes  = verdict{true, true, true, true}
	stays = verdict{}
)

func (v verdict) removes(p token.Policy) bool {
	switch p {
	case token.Strict:
		return v.strict
	case token.OfficialMySQL:
		return v.officialMySQL
	case token.OfficialMSSQL:
		return v.officialMSSQL
	}
	return v.documented
}

// Lifetimes in milliseconds.
const (
	hour  int64 = 3_600_000
	day         = 24 * hour
	year        = 365 * day
	never int64 = -1
	// lastDays is the refresh lifetime of the product's defaults, 84,600 s.
	lastDays int64 = 84_600_000
)

const (
	secondsPerDay  int64 = 86_400
	secondsPerHour int64 = 3_600
)

// The spans of TIME_CREATED. Ends keep a distance from all lifetimes, so that
// the vendor's rounding to minutes changes no verdict; the edge mix is for that.
var (
	longAgo   = span{-400 * secondsPerDay, -2 * secondsPerDay}
	today     = span{-22 * secondsPerHour, -2 * secondsPerHour}
	justNow   = span{-50 * 60, 0}
	afterward = span{1, secondsPerHour} // inside the safe period
	recently  = span{-50 * 60, secondsPerHour}
)

// refreshKind says what REFRESH_TOKEN holds.
type refreshKind int

const (
	refreshSet refreshKind = iota
	refreshNull
	refreshEmpty
)

// class is a kind of token.
type class struct {
	name            string
	state           token.Null[string]
	created         span
	validity        token.Null[int64]
	refresh         refreshKind
	refreshCreated  *span // nil: the same time as created
	refreshValidity token.Null[int64]
	grants          []string
	remove          verdict
	share           shares
	edge            bool // of the edge mix: name is a case id
}

// shares are the parts per thousand that a class has of each mix.
type shares struct{ normal, mostlyDead, mostlyLive int }

func (s shares) of(m Mix) int {
	switch m {
	case MostlyDead:
		return s.mostlyDead
	case MostlyLive:
		return s.mostlyLive
	}
	return s.normal
}

const (
	grantCode     = "authorization_code"
	grantClient   = "client_credentials"
	grantPassword = "password"
	grantRefresh  = "refresh_token"
	grantDevice   = "urn:ietf:params:oauth:grant-type:device_code"
	grantJWT      = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

var (
	users   = []string{grantCode, grantCode, grantCode, grantCode, grantPassword, grantPassword, grantRefresh, grantRefresh, grantDevice, grantJWT}
	clients = []string{grantClient}
)

// tokenClasses returns the classes of all mixes but edge. Each verdict is
// declared, and the reason is in the comment where it is not plain.
func tokenClasses() []class {
	active, inactive := token.Some(token.Active), token.Some(token.Inactive)
	revoked, expired := token.Some(token.Revoked), token.Some(token.Expired)
	rotated := token.Some(token.GracefullyRotated)
	ms := token.Some[int64]
	return []class{
		{name: "active-live", state: active, created: justNow, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: stays, share: shares{70, 16, 310}},
		{name: "active-new", state: active, created: afterward, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: stays, share: shares{20, 4, 90}},
		{name: "active-refreshable", state: active, created: today, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: stays, share: shares{80, 18, 360}},
		{name: "active-client-live", state: active, created: justNow, validity: ms(hour), refresh: refreshNull, refreshValidity: ms(lastDays),
			grants: clients, remove: stays, share: shares{30, 7, 140}},
		{name: "active-never-expiring", state: active, created: longAgo, validity: ms(never), refreshValidity: ms(never),
			grants: users, remove: stays, share: shares{12, 3, 30}},
		// No policy has a rule for this state.
		{name: "rotated", state: rotated, created: longAgo, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: stays, share: shares{8, 2, 20}},

		{name: "active-expired", state: active, created: longAgo, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: goes, share: shares{250, 310, 14}},
		{name: "active-expired-no-refresh", state: active, created: longAgo, validity: ms(hour), refresh: refreshNull, refreshValidity: ms(lastDays),
			grants: clients, remove: goes, share: shares{130, 160, 8}},
		// The vendor's procedures look at the refresh lifetime of rows that have
		// no refresh token.
		{name: "active-expired-no-refresh-today", state: active, created: today, validity: ms(hour), refresh: refreshNull, refreshValidity: ms(lastDays),
			grants: clients, remove: verdict{documented: true, strict: true}, share: shares{30, 35, 3}},
		{name: "revoked", state: revoked, created: longAgo, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: goes, share: shares{60, 70, 4}},
		{name: "revoked-live-times", state: revoked, created: recently, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: goes, share: shares{30, 35, 3}},
		// SQL Server's procedure keeps whatever has a negative validity.
		{name: "revoked-never-expiring", state: revoked, created: longAgo, validity: ms(never), refreshValidity: ms(never),
			grants: users, remove: verdict{documented: true, strict: true, officialMySQL: true}, share: shares{10, 12, 1}},
		{name: "inactive", state: inactive, created: longAgo, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: goes, share: shares{90, 108, 5}},
		{name: "expired-dead", state: expired, created: longAgo, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: goes, share: shares{130, 160, 8}},
		// A refresh grant still accepts these rows, so strict keeps them.
		{name: "expired-refreshable", state: expired, created: today, validity: ms(hour), refreshValidity: ms(day),
			grants: users, remove: verdict{documented: true, officialMySQL: true, officialMSSQL: true}, share: shares{50, 60, 4}},
	}
}

// deal lays the classes of a mix out as a table of a thousand cards.
func deal(n int, share func(class int) int) []uint8 {
	var cards []uint8
	for c := range n {
		for range share(c) {
			cards = append(cards, uint8(c))
		}
	}
	return cards
}

func spanOf(classes []class) span {
	all := classes[0].created
	for _, c := range classes {
		all = all.union(c.created)
		if c.refreshCreated != nil {
			all = all.union(*c.refreshCreated)
		}
	}
	return all
}
