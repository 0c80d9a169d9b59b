package backup

import (
	"fmt"

	"github.com/tokensweep/tokensweep/cleanup"
)

// FileError says that a file is no backup that can be used. Nothing was changed.
type FileError struct {
	Path    string
	Problem string
	Err     error // may be nil
}

func (e *FileError) Error() string {
	text := e.Path + " " + e.Problem
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *FileError) Unwrap() error { return e.Err }

// refuse is an error before any change.
func refuse(problem, remedy string) error { return cleanup.Refuse(problem, remedy, nil) }

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
