//go:build !linux

package measure

import (
	"time"

	"github.com/tokensweep/tokensweep/harness"
)

func usableCPUs() ([]int, error) {
	return nil, &harness.OptionError{Problem: "the reference needs the CPU time of a thread, which is asked for on Linux only: measure without it"}
}

func onCPU(int, func() error) (time.Duration, error) { panic("usableCPUs refuses before") }
