package harness

import "strings"

// UnavailableError says that a database that was asked for cannot be had on
// this machine now. Nothing was changed. It is the only reason for a test to
// skip; the command line exits with 3.
type UnavailableError struct {
	Wanted  string   // e.g. "MySQL", "a container of MariaDB", "the server at db:3306"
	Reasons []string // one clause per way that was tried, e.g. "container: no Docker engine answers"
	Err     error    // the cause, if it was one error
}

func (e *UnavailableError) Error() string {
	return e.Wanted + " is not available: " + strings.Join(e.Reasons, "; ")
}

// Unwrap returns the cause, or nil.
func (e *UnavailableError) Unwrap() error { return e.Err }

// OptionError says that what the user asked for cannot work, on any machine,
// until the user changes it: options that contradict each other, a malformed
// DSN, a login that the server refuses. Nothing was changed. The command line
// exits with 2.
type OptionError struct {
	Problem string // what is wrong and what to do, without secrets
	Err     error  // the server's answer, if it was asked
}

func (e *OptionError) Error() string { return e.Problem }

// Unwrap returns the server's answer, or nil.
func (e *OptionError) Unwrap() error { return e.Err }
