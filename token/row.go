package token

import (
	"fmt"
	"time"
)

// States of IDN_OAUTH2_ACCESS_TOKEN.TOKEN_STATE as the product writes them.
const (
	Active            = "ACTIVE"
	Inactive          = "INACTIVE"
	Revoked           = "REVOKED"
	Expired           = "EXPIRED"
	GracefullyRotated = "GRACEFULLY_ROTATED" // since May 2026; its deadline lives in another table
)

// Statuses of IDN_OAUTH2_CIBA_AUTH_CODE.AUTH_REQ_STATUS after which the request
// can no longer yield a token. The table spells its expired status like a token.
const (
	CIBATokenIssued = "TOKEN_ISSUED"
	CIBAFailed      = "FAILED"
	CIBAExpired     = Expired
)

// Null is a column value that may be SQL NULL.
type Null[T any] struct {
	V     T
	Valid bool // false: NULL, V is the zero value
}

// Some returns a value that is not NULL.
func Some[T any](v T) Null[T] { return Null[T]{V: v, Valid: true} }

// Time is a wall clock as the database shows it to a session in the writers'
// time zone, counted in milliseconds since 1970-01-01 00:00:00 on that clock.
// Fractions of a millisecond are cut off, which changes no verdict because
// cut-offs and validities are whole milliseconds. The zero value is unknown:
// SQL NULL or MySQL's zero date.
type Time struct {
	ms    int64
	known bool
}

// At returns the wall clock that is ms milliseconds after 1970-01-01 00:00:00.
func At(ms int64) Time { return Time{ms: ms, known: true} }

// AtTime returns t's UTC wall clock.
func AtTime(t time.Time) Time { return At(t.UnixMilli()) }

// Millis returns the wall clock in milliseconds and whether it is known.
func (t Time) Millis() (ms int64, known bool) { return t.ms, t.known }

// ParseTime reads a wall clock as MySQL, MariaDB and SQLite print it:
// "2006-01-02 15:04:05" with an optional fraction, or with 'T' between date and
// time. A date whose month or day is 0 (the zero date) is unknown, not an error.
func ParseTime(text []byte) (Time, error) {
	n, ok := digits(text, "dddd-dd-dd?dd:dd:dd")
	if !ok {
		return Time{}, fmt.Errorf("%q is not a time of the form 2006-01-02 15:04:05", text)
	}
	if n[1] == 0 || n[2] == 0 {
		return Time{}, nil
	}
	ms, err := fraction(text[19:])
	if err != nil {
		return Time{}, fmt.Errorf("%q is not a time: %w", text, err)
	}
	days := daysSince1970(n[0], n[1], n[2])
	return At(((days*24+n[3])*60+n[4])*60_000 + n[5]*1000 + ms), nil
}

// digits matches the start of text against a pattern in which d is a digit, ?
// any byte and everything else itself, and returns the six numbers found.
func digits(text []byte, pattern string) (n [6]int64, ok bool) {
	if len(text) < len(pattern) {
		return n, false
	}
	field := 0
	for i := range len(pattern) {
		switch c := text[i]; pattern[i] {
		case 'd':
			if c < '0' || c > '9' {
				return n, false
			}
			n[field] = n[field]*10 + int64(c-'0')
		case '?':
			field++
		default:
			if c != pattern[i] {
				return n, false
			}
			field++
		}
	}
	return n, true
}

// fraction reads ".123456" as whole milliseconds, rounding down.
func fraction(text []byte) (ms int64, err error) {
	if len(text) == 0 {
		return 0, nil
	}
	if text[0] != '.' {
		return 0, fmt.Errorf("unexpected %q behind the seconds", text)
	}
	scale := int64(100)
	for _, c := range text[1:] {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("unexpected %q in the fraction", text)
		}
		ms += int64(c-'0') * scale
		scale /= 10
	}
	return ms, nil
}

// daysSince1970 counts days in the proleptic Gregorian calendar. time.Date
// would do, but costs a third of the time that reading a whole row may take.
func daysSince1970(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
}

// Token is what decides about one row of IDN_OAUTH2_ACCESS_TOKEN.
type Token struct {
	State           Null[string]
	Created         Time
	Validity        Null[int64] // milliseconds
	HasRefresh      bool        // REFRESH_TOKEN is neither NULL nor ''
	RefreshCreated  Time
	RefreshValidity Null[int64] // milliseconds
}

// Code is what decides about one row of IDN_OAUTH2_AUTHORIZATION_CODE.
type Code struct {
	State    Null[string]
	Created  Time
	Validity Null[int64] // milliseconds
	// HasToken says that a token row with the code's TOKEN_ID is left after the
	// token phase. NULL, '' and ids that no row has count as none.
	HasToken bool
}

// CIBA is what decides about one row of IDN_OAUTH2_CIBA_AUTH_CODE.
type CIBA struct {
	Status    Null[string]
	Issued    Time
	ExpiresIn Null[int64] // seconds, not milliseconds as everywhere else
}
