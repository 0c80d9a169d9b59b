package estimate

import (
	"fmt"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/report"
)

// Production is what waits to be cleaned.
type Production struct {
	File      string `json:"file,omitempty"` // "" if somebody said the numbers
	Rows      int64  `json:"rows"`           // of the tables that are cleaned: access tokens, authorization codes, CIBA requests
	Removable int64  `json:"removable"`      // of these
	Task      *Task  `json:"-"`              // nil if it is not known
}

// check refuses what nothing can be predicted for.
func (p Production) check() error {
	switch {
	case p.Rows < 0 || p.Removable < 0:
		return &bench.OptionError{Problem: fmt.Sprintf("%d rows and %d removable: use numbers that are not negative", p.Rows, p.Removable)}
	case p.Rows == 0:
		return &bench.OptionError{Problem: "production has no rows: there is nothing to clean"}
	case p.Removable == 0:
		return &bench.OptionError{Problem: "production has nothing to remove: there is nothing to predict"}
	case p.Removable > p.Rows:
		return &bench.OptionError{Problem: fmt.Sprintf("%d removable of %d rows: rows counts all, those that stay too", p.Removable, p.Rows)}
	}
	return nil
}

// ReadProduction reads what tokensweep clean --dry-run --json counted. Removable
// rows that something holds are not counted. What is wrong with the file is a
// [*bench.FileError].
func ReadProduction(path string) (Production, error) {
	text, err := read(path)
	if err != nil {
		return Production{}, err
	}
	d, err := readDocument(text, path)
	if err != nil {
		return Production{}, err
	}
	if !d.DryRun {
		return Production{}, &bench.FileError{File: path, Problem: "is no dry run: write it on production, with tokensweep clean --dsn … --dry-run --json FILE"}
	}
	return waiting(d, path), nil
}

// waiting is what a document counted before the clean-up, less what that removed.
func waiting(d *report.Document, path string) Production {
	t := taskOf(d)
	p := Production{File: path, Task: &t}
	for _, phase := range d.Phases {
		p.Rows, p.Removable = p.Rows+phase.Before-phase.Removed, p.Removable+phase.Removable-phase.Removed
		for _, h := range phase.Held {
			p.Removable -= h.Rows
		}
	}
	return p
}

// load is all that there is to do there.
func (p Production) load() load {
	return load{removed: float64(p.Removable), kept: float64(p.Rows - p.Removable), whole: true}
}

// Calibration is a clean-up on production itself, mostly one that was stopped after
// some minutes.
type Calibration struct {
	Run
	// Left is what it left to be removed; no rows if its document does not say.
	Left Production
}

// ReadCalibration reads what tokensweep clean --max-duration --json wrote on
// production. What is wrong with the file is a [*bench.FileError].
func ReadCalibration(path string) (*Calibration, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	d, err := readDocument(text, path)
	if err != nil {
		return nil, err
	}
	refuse := func(problem string) (*Calibration, error) { return nil, &bench.FileError{File: path, Problem: problem} }
	switch {
	case d.DryRun:
		return refuse("is a dry run, which has no speed: name it with --production")
	case d.Command != "clean" || d.Run == nil:
		return refuse(fmt.Sprintf("is of tokensweep %s, on a throw-away database: a calibration is what tokensweep clean --max-duration 5m --json FILE writes on production", d.Command))
	case d.Run.Resumed:
		return refuse("is of a run that had been interrupted and went on: it counts the rows of all its parts and the time of the last one only; use the document of the first part")
	}
	run, err := ofDocument(d, path)
	if err != nil {
		return nil, err
	}
	c := &Calibration{Run: run}
	if left := waiting(d, path); left.Removable > 0 {
		c.Left = left
	}
	return c, nil
}
