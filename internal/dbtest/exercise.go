package dbtest

import (
	"testing"

	"github.com/tokensweep/tokensweep/harness"
)

// Exercise runs the whole conformance suite on servers of one kind.
func Exercise(t *testing.T, open Opener) {
	t.Run("cases", func(t *testing.T) { t.Parallel(); Cases(t, open, harness.Options{}, "") })
}
