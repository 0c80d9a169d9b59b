package seed

import (
	"fmt"
	"time"
)

// MaxTokens is the largest number of tokens: with more, the 32-bit ids of the
// smaller tables would run out.
const MaxTokens int64 = 1 << 34

// The range of a MySQL TIMESTAMP less a day on both sides, which no session
// time zone exceeds.
var (
	earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2038, 1, 18, 0, 0, 0, 0, time.UTC)
)

// Spec says everything about the data. Two equal Specs make equal rows.
type Spec struct {
	Seed   uint64
	Tokens int64     // rows of IDN_OAUTH2_ACCESS_TOKEN, 1 to MaxTokens
	Mix    Mix       // "" is Default
	CutOff time.Time // all times are relative to it; UTC, whole seconds
	// BindTokens fills TOKEN_BINDING_REF of the tokens that have a binding, and
	// CONSENTED_TOKEN and AUTHORIZED_ORGANIZATION of some. Off, these columns
	// hold their defaults: most releases have no place for them in the audit
	// table, and a clean-up that would lose them must refuse.
	BindTokens bool
}

// Validate reports the first thing that is wrong with s.
func (s Spec) Validate() error {
	_, err := newGenerator(s)
	return err
}

func (s Spec) check() error {
	if s.Tokens < 1 || s.Tokens > MaxTokens {
		return fmt.Errorf("%d tokens: use 1 to %d", s.Tokens, MaxTokens)
	}
	if s.CutOff.IsZero() {
		return fmt.Errorf("the cut-off is missing: all times of the data are relative to it")
	}
	if s.CutOff.Nanosecond() != 0 {
		return fmt.Errorf("cut-off %s: use whole seconds", s.CutOff.Format(time.RFC3339Nano))
	}
	return nil
}

// checkTimes makes sure that every time that a mix can make fits a TIMESTAMP.
func checkTimes(cutOff time.Time, all span, mix Mix) error {
	from := earliest.Add(time.Duration(-all.from) * time.Second)
	to := latest.Add(time.Duration(-all.to) * time.Second)
	if cutOff.Before(from) || cutOff.After(to) {
		return fmt.Errorf("cut-off %s: the times of mix %s fit a TIMESTAMP column (1970 to 2038) only for a cut-off between %s and %s",
			cutOff.UTC().Format(time.RFC3339), mix, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return nil
}

// RefusedError says why nothing was seeded: what is in the database already, or
// a table that cannot be filled. Nothing was changed.
type RefusedError struct{ Problem string }

func (e *RefusedError) Error() string { return e.Problem }

func refuse(format string, args ...any) error {
	return &RefusedError{Problem: fmt.Sprintf(format, args...)}
}
