package procedure

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/token"
)

// Arguments are those of a call.
type Arguments struct {
	Policy token.Policy // documented or strict
	// SafePeriod is how long a token must have been over, in whole seconds. It counts
	// only if CutOff is zero.
	SafePeriod time.Duration
	// CutOff is the cut-off itself, whole seconds.
	CutOff time.Time
	// Batch is how many keys a transaction examines at most. 0: the procedure's default.
	Batch int
	// Sleep is the pause between batches, to the millisecond.
	Sleep time.Duration
	// MaxDuration ends the run after the batch under way, in whole seconds. 0: no limit.
	MaxDuration   time.Duration
	Audit, DryRun bool
}

// Statement is the call as text, with every argument in it. It refuses the official
// policies and negative durations, as the procedure would.
func (a Arguments) Statement(d Dialect) (string, error) {
	if a.Policy.Official() {
		return "", officialPolicy(a.Policy)
	}
	if a.SafePeriod < 0 || a.Sleep < 0 || a.MaxDuration < 0 || a.Batch < 0 {
		return "", &cleanup.Error{Problem: "an argument of the procedure is negative", Remedy: "give 0 or more", Kind: cleanup.Refused}
	}
	safe, cutOff, batch := strconv.FormatInt(int64(a.SafePeriod/time.Second), 10), "NULL", "NULL"
	if !a.CutOff.IsZero() {
		safe, cutOff = "NULL", dialect.Literal(d.Wall(a.CutOff))
	}
	if a.Batch > 0 {
		batch = strconv.Itoa(a.Batch)
	}
	return d.CallProcedure(Name, []dialect.Argument{
		{Name: "policy", Value: dialect.Literal(string(a.Policy))},
		{Name: "safe_period", Value: safe},
		{Name: "cut_off", Value: cutOff},
		{Name: "batch", Value: batch},
		{Name: "sleep", Value: strconv.FormatFloat(a.Sleep.Seconds(), 'f', 3, 64)},
		{Name: "max_seconds", Value: strconv.FormatFloat(math.Ceil(a.MaxDuration.Seconds()), 'f', 0, 64)},
		{Name: "audit", Value: bit(a.Audit)},
		{Name: "dry_run", Value: bit(a.DryRun)},
	}), nil
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func officialPolicy(p token.Policy) error {
	return &cleanup.Error{Problem: fmt.Sprintf("policy %s repeats what a vendor's script does, for comparison; a procedure for production does not", p),
		Remedy: "use documented or strict", Kind: cleanup.Refused}
}
