package cleanup

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Engine removes what a plan says.
type Engine interface {
	// Name is how reports call the engine.
	Name() string
	// Clean runs the plan on db. Cancelling ctx asks it to stop at the next safe
	// point; what was done until then is in the result, and a later call goes on.
	Clean(ctx context.Context, db *sql.DB, plan *Plan, w Watcher) (*Result, error)
}

// Watcher is told what happens during a clean-up. The zero value hears nothing.
type Watcher struct {
	// Log gets a sentence about something worth knowing.
	Log func(format string, args ...any)
	// Progress gets the number of keys examined in the phase so far.
	Progress func(phase string, examined int64)
}

func (w Watcher) log(format string, args ...any) {
	if w.Log != nil {
		w.Log(format, args...)
	}
}

func (w Watcher) progress(phase string, examined int64) {
	if w.Progress != nil {
		w.Progress(phase, examined)
	}
}

// Result is what an engine says that it did. The verifier does not believe it.
type Result struct {
	RunID   string
	Resumed bool // an earlier run had been interrupted and was continued
	Phases  []PhaseResult
	// Stopped says why the run ended before everything was examined: "", or a
	// reason such as "the time limit of 10m0s".
	Stopped string
	// Started and Ended enclose every INVALIDATED_TIME written, UTC.
	Started, Ended time.Time
	Retries        Retries
	Batches        BatchTimes
}

// Complete reports whether every phase came to its end.
func (r *Result) Complete() bool { return r.Stopped == "" }

// PhaseResult is the outcome of one phase.
type PhaseResult struct {
	Phase, Table string
	Examined     int64 // keys looked at
	Removed      int64 // rows deleted, children not counted
	Audited      int64 // rows copied to the audit table
	Batches      int64 // transactions that removed something
	Seconds      float64
	Held         []Held
}

// Held says which removable rows could not go.
type Held struct {
	By      string // the foreign key or the server's refusal
	Rows    int64
	Samples []string // keys, at most SampleSize
}

// SampleSize is the number of keys that a report names for each finding.
const SampleSize = 5

// Retries counts batches that had to be done again.
type Retries struct {
	Deadlocks, LockTimeouts, Reconnects int64
	// CountMismatches are batches that would have removed more rows than they
	// audited, because a row became removable in between.
	CountMismatches int64
}

// BatchTimes are the durations of transactions that removed something.
type BatchTimes struct {
	P50, P99, Max time.Duration
}

// Error is a refusal or failure that the user can do something about.
type Error struct {
	Problem string // what is wrong
	Remedy  string // what to do
	Kind    Kind
	Cause   error // may be nil
}

// Kind sorts errors by what they mean for the database.
type Kind int

// Kinds of errors.
const (
	Refused     Kind = iota // nothing was changed
	Unavailable             // the database cannot be used (any more); committed batches stay, a rerun resumes
	Failed                  // something else; committed batches stay, a rerun resumes
)

func (e *Error) Error() string {
	text := e.Problem
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

func (e *Error) Unwrap() error { return e.Cause }

// Refuse is an error before any change; cause may be nil.
func Refuse(problem, remedy string, cause error) error {
	return &Error{Problem: problem, Remedy: remedy, Kind: Refused, Cause: cause}
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
