package token

import (
	"fmt"
	"strings"
	"time"
)

// MaxValidity is the vendor's maxValidityPeriod in milliseconds (about 3,169
// years). A validity of that much or more, a negative one and NULL never end.
const MaxValidity int64 = 99_999_999_999_990

// Policy is a rule for what may be removed.
type Policy string

// The four policies. Their texts are those of internal/cases: Documented is the
// vendor's prose, Strict keeps what a refresh grant still accepts, the Official
// ones are what the vendor's two procedures really do.
const (
	Documented    Policy = "documented"
	Strict        Policy = "strict"
	OfficialMySQL Policy = "official-mysql"
	OfficialMSSQL Policy = "official-mssql"
)

// Policies lists all policies, the default first.
func Policies() []Policy { return []Policy{Documented, Strict, OfficialMySQL, OfficialMSSQL} }

// ParsePolicy returns the policy of that name. The error lists the names.
func ParsePolicy(name string) (Policy, error) {
	var names []string
	for _, p := range Policies() {
		if string(p) == name {
			return p, nil
		}
		names = append(names, string(p))
	}
	return "", fmt.Errorf("unknown policy %q: use one of %s", name, strings.Join(names, ", "))
}

// Official reports whether p reproduces one of the vendor's procedures.
func (p Policy) Official() bool { return p == OfficialMySQL || p == OfficialMSSQL }

// Reason says why a row goes or stays. It is part of reports.
type Reason uint8

// Reasons to remove come first; every other reason keeps the row.
const (
	DeadState     Reason = iota + 1 // the state alone says that nobody can use the row
	LifetimeOver                    // every lifetime ended before the cut-off
	AccessLive                      // the access token has not ended before the cut-off
	RefreshLive                     // the refresh token has not ended before the cut-off
	NeverEnds                       // a validity is NULL, negative or at least MaxValidity
	UnknownTime                     // a time that decides is NULL or the zero date
	UnknownState                    // a state that the policy has no rule for, NULL included
	TokenExists                     // the code's token is still there
	NotEnded                        // the code or request has not ended before the cut-off
	OutsideLimits                   // an official policy's own limits on validities
	reasonEnd
)

var reasonTexts = [reasonEnd]string{
	DeadState:     "dead state",
	LifetimeOver:  "lifetime over",
	AccessLive:    "access token live",
	RefreshLive:   "refresh token live",
	NeverEnds:     "never ends",
	UnknownTime:   "time unknown",
	UnknownState:  "state unknown",
	TokenExists:   "its token exists",
	NotEnded:      "not ended",
	OutsideLimits: "outside the vendor's validity limits",
}

func (r Reason) String() string {
	if r == 0 || r >= reasonEnd {
		return fmt.Sprintf("reason %d", uint8(r))
	}
	return reasonTexts[r]
}

// Removes reports whether a row judged with r goes.
func (r Reason) Removes() bool { return r == DeadState || r == LifetimeOver }

// Judge applies a policy at one cut-off.
type Judge struct {
	policy    Policy
	cutOff    int64 // milliseconds
	collation Collation
}

// NewJudge returns a judge for p at cutOff, whose UTC wall clock counts.
// The collation is that of the state columns; only the official policies look
// at it, the others compare states exactly.
func NewJudge(p Policy, cutOff time.Time, c Collation) Judge {
	return Judge{policy: p, cutOff: cutOff.UnixMilli(), collation: c}
}

// Token judges a row of IDN_OAUTH2_ACCESS_TOKEN.
func (j Judge) Token(t Token) Reason {
	switch j.policy {
	case OfficialMySQL:
		return j.officialMySQLToken(t)
	case OfficialMSSQL:
		return j.officialMSSQLToken(t)
	}
	if !t.State.Valid {
		return UnknownState
	}
	switch t.State.V {
	case Inactive, Revoked:
		return DeadState
	case Expired:
		// The refresh grant accepts rows in state EXPIRED, so strict keeps them
		// for as long as their refresh token works.
		if j.policy == Strict {
			if why := j.refreshEnded(t); !why.Removes() {
				return why
			}
		}
		return DeadState
	case Active:
		if why := j.ended(t.Created, t.Validity, AccessLive); !why.Removes() {
			return why
		}
		return j.refreshEnded(t)
	}
	return UnknownState
}

func (j Judge) refreshEnded(t Token) Reason {
	if !t.HasRefresh {
		return LifetimeOver
	}
	return j.ended(t.RefreshCreated, t.RefreshValidity, RefreshLive)
}

// ended says whether a lifetime of validity milliseconds from t ended before
// the cut-off; live is the reason given when it did not.
func (j Judge) ended(t Time, validity Null[int64], live Reason) Reason {
	switch {
	case !validity.Valid || validity.V < 0 || validity.V >= MaxValidity:
		return NeverEnds
	case !t.known:
		return UnknownTime
	case t.ms+validity.V < j.cutOff:
		return LifetimeOver
	}
	return live
}

// Code judges a row of IDN_OAUTH2_AUTHORIZATION_CODE, after the tokens.
func (j Judge) Code(c Code) Reason {
	if c.HasToken {
		return TokenExists
	}
	switch j.policy {
	case OfficialMySQL:
		if j.stateIs(c.State, Inactive) {
			return DeadState
		}
		return j.endedRounded(c.Created, c.Validity, NotEnded)
	case OfficialMSSQL:
		if !withinMSSQLLimits(c.Validity) {
			return OutsideLimits
		}
		if j.stateIs(c.State, Inactive) {
			return DeadState
		}
		return j.endedTruncated(c.Created, c.Validity, NotEnded)
	}
	if c.State.Valid && c.State.V == Inactive {
		return DeadState
	}
	return j.ended(c.Created, c.Validity, NotEnded)
}

// CIBA judges a row of IDN_OAUTH2_CIBA_AUTH_CODE. All policies agree but for
// how the status is compared.
func (j Judge) CIBA(c CIBA) Reason {
	for _, dead := range []string{CIBAExpired, CIBATokenIssued, CIBAFailed} {
		exact := c.Status.Valid && c.Status.V == dead
		if exact || j.policy.Official() && j.stateIs(c.Status, dead) {
			return DeadState
		}
	}
	switch {
	case !c.ExpiresIn.Valid || c.ExpiresIn.V <= 0:
		return NeverEnds
	case !c.Issued.known:
		return UnknownTime
	case c.Issued.ms+c.ExpiresIn.V*1000 < j.cutOff:
		return LifetimeOver
	}
	return NotEnded
}
