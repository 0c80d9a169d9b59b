package script

import (
	"fmt"

	"github.com/tokensweep/tokensweep/cleanup"
)

// refusal is what makes a script unusable, in a line of it; 0 if it is not in one.
type refusal struct {
	line   int64
	text   string
	remedy string
}

func (r *refusal) Error() string { return r.text }

func refuse(line int64, remedy, format string, args ...any) error {
	return &refusal{line: line, text: fmt.Sprintf(format, args...), remedy: remedy}
}

// at is a place in a file for messages.
func at(name string, line int64) string {
	if line == 0 {
		return name
	}
	return fmt.Sprintf("%s, line %d", name, line)
}

// refused is a refusal as users meet it: nothing was changed.
func refused(name string, r *refusal) error {
	return &cleanup.Error{Kind: cleanup.Refused, Problem: at(name, r.line) + ": " + r.text, Remedy: r.remedy}
}
