package token

import "strings"

// Collation is how a column compares text, as far as states are concerned.
// The zero value compares byte by byte.
type Collation struct {
	FoldCase  bool // 'active' = 'ACTIVE'
	FoldMarks bool // 'ÉXPIRED' = 'EXPIRED'
	PadSpace  bool // trailing blanks do not count
}

// Equal reports whether the collation takes a and b for the same text. b is an
// ASCII state name; letters that only fold to ASCII by dropping a mark are
// handled for those that states contain (the vowels).
func (c Collation) Equal(a, b string) bool {
	if c.PadSpace {
		a, b = strings.TrimRight(a, " "), strings.TrimRight(b, " ")
	}
	if c.FoldMarks {
		a = unmark.Replace(a)
	}
	if c.FoldCase {
		return strings.EqualFold(a, b)
	}
	return a == b
}

// unmark covers what both latin1_swedish_ci and the Unicode ai collations call
// equal; å, ä, ö and ü, on which they differ, stay as they are.
var unmark = strings.NewReplacer(
	"À", "A", "Á", "A", "Â", "A", "Ã", "A", "à", "a", "á", "a", "â", "a", "ã", "a",
	"È", "E", "É", "E", "Ê", "E", "Ë", "E", "è", "e", "é", "e", "ê", "e", "ë", "e",
	"Ì", "I", "Í", "I", "Î", "I", "Ï", "I", "ì", "i", "í", "i", "î", "i", "ï", "i",
	"Ò", "O", "Ó", "O", "Ô", "O", "Õ", "O", "ò", "o", "ó", "o", "ô", "o", "õ", "o",
)

const minute = 60_000 // milliseconds

func (j Judge) stateIs(s Null[string], want string) bool {
	return s.Valid && j.collation.Equal(s.V, want)
}

func (j Judge) officialDead(s Null[string]) bool {
	return j.stateIs(s, Inactive) || j.stateIs(s, Revoked) || j.stateIs(s, Expired)
}

// officialMySQLToken is WSO2_TOKEN_CLEANUP_SP for MySQL: dead states whatever
// their times; ACTIVE only between exclusive limits, the refresh token's text
// not looked at.
func (j Judge) officialMySQLToken(t Token) Reason {
	if j.officialDead(t.State) {
		return DeadState
	}
	if !j.stateIs(t.State, Active) {
		return UnknownState
	}
	if why := j.endedRounded(t.Created, t.Validity, AccessLive); !why.Removes() {
		return why
	}
	return j.endedRounded(t.RefreshCreated, t.RefreshValidity, RefreshLive)
}

// officialMSSQLToken is WSO2_TOKEN_CLEANUP_SP for SQL Server: both validities
// between inclusive limits for every state.
func (j Judge) officialMSSQLToken(t Token) Reason {
	if !withinMSSQLLimits(t.Validity) || !withinMSSQLLimits(t.RefreshValidity) {
		return OutsideLimits
	}
	if j.officialDead(t.State) {
		return DeadState
	}
	if !j.stateIs(t.State, Active) {
		return UnknownState
	}
	if why := j.endedTruncated(t.Created, t.Validity, AccessLive); !why.Removes() {
		return why
	}
	return j.endedTruncated(t.RefreshCreated, t.RefreshValidity, RefreshLive)
}

// endedRounded rounds the validity to whole minutes, halves up, as MySQL does
// in INTERVAL (ms/60000) MINUTE, and demands 0 < validity < MaxValidity.
func (j Judge) endedRounded(t Time, validity Null[int64], live Reason) Reason {
	if !validity.Valid || validity.V <= 0 || validity.V >= MaxValidity {
		return OutsideLimits
	}
	return j.minutesEnded(t, (validity.V+minute/2)/minute, live)
}

// endedTruncated cuts the validity down to whole minutes, as T-SQL's integer
// division does.
func (j Judge) endedTruncated(t Time, validity Null[int64], live Reason) Reason {
	return j.minutesEnded(t, validity.V/minute, live)
}

func (j Judge) minutesEnded(t Time, minutes int64, live Reason) Reason {
	switch {
	case !t.known:
		return UnknownTime
	case t.ms+minutes*minute < j.cutOff:
		return LifetimeOver
	}
	return live
}

func withinMSSQLLimits(validity Null[int64]) bool {
	return validity.Valid && validity.V >= 0 && validity.V <= MaxValidity
}
