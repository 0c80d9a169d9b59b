package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dump"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/seed"
)

// Exit codes.
const (
	exitPass         = 0
	exitFail         = 1
	exitRefused      = 2
	exitUnavailable  = 3
	exitInconclusive = 4
	exitInterrupted  = 130
)

// verdictError carries a verdict that is not pass to the exit code; what there
// is to say is in the report already.
type verdictError struct{ verdict string }

func (e verdictError) Error() string { return "the verdict is " + e.verdict }

// interruptedError says that the work stopped at a safe point.
type interruptedError struct{ hint string }

func (e interruptedError) Error() string { return "interrupted; " + e.hint }

// usageError is something about the command line.
type usageError struct{ problem string }

func (e usageError) Error() string { return e.problem }

func usage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

func exitCode(err error, interrupted bool) int {
	var (
		verdict     verdictError
		stopped     interruptedError
		unavailable *harness.UnavailableError
		engine      *cleanup.Error
	)
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &stopped), interrupted && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &verdict) && verdict.verdict == report.Inconclusive:
		return exitInconclusive
	case errors.As(err, &verdict):
		return exitFail
	case errors.As(err, &unavailable):
		return exitUnavailable
	case errors.As(err, &engine):
		if engine.Kind == cleanup.Refused {
			return exitRefused
		}
		return exitUnavailable
	}
	return failureCode(err)
}

// failureCode tells what the user can mend from what went wrong underneath.
func failureCode(err error) int {
	var (
		bad    usageError
		option *harness.OptionError
		dumped *dump.Error
		seeded *seed.RefusedError
		file   *backup.FileError
	)
	switch {
	case errors.As(err, &bad), errors.As(err, &option), errors.As(err, &dumped), errors.As(err, &seeded), errors.As(err, &file):
		return exitRefused
	}
	return exitUnavailable
}

// explain is the sentence for the error stream, "" if the report said it all.
func explain(err error, interrupted bool) string {
	var verdict verdictError
	switch {
	case err == nil, errors.As(err, &verdict):
		return ""
	case interrupted && errors.Is(err, context.Canceled):
		return "interrupted; everything that was made for the run is removed"
	}
	return err.Error()
}
