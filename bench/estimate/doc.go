// Package estimate says how long a clean-up will take on production, from runs
// that were measured somewhere else, or from the first minutes on production
// itself, with an interval that admits what nobody measured.
//
// It knows no database: runs are read from JSON documents of tokensweep run,
// validate and clean, and from records of tokensweep bench. README.md in this
// folder argues the model and its intervals.
package estimate
