package main

import (
	"github.com/tokensweep/tokensweep/cleanup"
)

// choose returns the engine that --engine names.
func (f *engineFlags) choose() (cleanup.Engine, error) {
	switch f.name {
	case "batch":
		return f.engine()
	}
	return nil, usage("--engine %q: use batch", f.name)
}
