package estimate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/report"
)

// Run is one clean-up that was timed.
type Run struct {
	File    string // that it was read from
	Engine  string // with the settings that make it another one
	Rows    int64  // of the tables that are cleaned, before it; 0 if that is not known
	Removed int64  // of these, 1 or more
	// Seconds is the whole time, more than 0. Pauses is the part of it in which the
	// engine slept because it is set to; it does not depend on the machine.
	Seconds, Pauses float64
	// Settled is the time until the server had purged what was deleted, at least
	// Seconds; 0 if that is not known.
	Settled float64
	Task    Task
	MadeUp  bool    // the rows came from a seed, not from a dump
	Load    float64 // operations a second that others did meanwhile
}

// work is the time in which the engine did something.
func (r Run) work() float64 { return r.Seconds - r.Pauses }

// Task is what runs must have in common to say anything about each other.
type Task struct {
	Product string // of the database: MySQL, MariaDB, SQL Server (Azure SQL too), SQLite
	Policy  string
	Audit   bool
}

func (t Task) String() string {
	return fmt.Sprintf("%s, policy %s, audit %s", t.Product, t.Policy, map[bool]string{true: "on", false: "off"}[t.Audit])
}

// LeftOut is an engine of which nothing is predicted.
type LeftOut struct {
	Engine string `json:"engine"`
	Why    string `json:"why"`
}

// ReadRuns reads the runs in a file: the JSON document of tokensweep run or
// validate, or a record of tokensweep bench in either format. An engine of a
// record that failed its verification once is left out. What is wrong with the file
// is a [*bench.FileError].
func ReadRuns(path string) ([]Run, []LeftOut, error) {
	text, err := read(path)
	if err != nil {
		return nil, nil, err
	}
	var kind struct {
		Verdict *string `json:"verdict"`
	}
	if json.Unmarshal(text, &kind) != nil || kind.Verdict == nil {
		record, err := bench.Read(text, path)
		if err != nil {
			return nil, nil, err
		}
		return ofRecord(record, path)
	}
	d, err := readDocument(text, path)
	if err != nil {
		return nil, nil, err
	}
	if problem := unfitForRuns(d); problem != "" {
		return nil, nil, &bench.FileError{File: path, Problem: problem}
	}
	run, err := ofDocument(d, path)
	return []Run{run}, nil, err
}

// unfitForRuns says why a document is no measurement of a whole, proven clean-up.
func unfitForRuns(d *report.Document) string {
	switch {
	case d.DryRun:
		return "is a dry run: name it with --production"
	case d.Verdict == report.Unverified:
		return "is of a clean-up that nobody verified: if it ran on production, name it with --calibration, else run tokensweep validate"
	case d.Verdict != report.Pass:
		return fmt.Sprintf("the verdict on it is %s, and what is wrong is not fast: mend that first (a vendor's script passes under its own rule, --policy official-mysql or official-mssql)", d.Verdict)
	case d.Run == nil:
		return "holds no clean-up, only its verification: nobody timed it"
	case d.Run.Stopped != "":
		return fmt.Sprintf("was stopped by %s: let it come to its end", d.Run.Stopped)
	}
	return ""
}

func read(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		reason := err
		var at *os.PathError
		if errors.As(err, &at) {
			reason = at.Err
		}
		return nil, &bench.FileError{File: path, Problem: "cannot be read: " + reason.Error(), Err: err}
	}
	return bytes.TrimSpace(text), nil
}

func readDocument(text []byte, path string) (*report.Document, error) {
	d := &report.Document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, &bench.FileError{File: path, Problem: "is no JSON document of tokensweep: " + err.Error(), Err: err}
	}
	if d.SchemaVersion != report.SchemaVersion {
		return nil, &bench.FileError{File: path, Problem: fmt.Sprintf("is a document of version %d, and this tokensweep reads version %d", d.SchemaVersion, report.SchemaVersion)}
	}
	return d, nil
}

// ofDocument takes the numbers out of a document of a clean-up.
func ofDocument(d *report.Document, path string) (Run, error) {
	r := Run{File: path, Engine: d.Engine, Task: taskOf(d), MadeUp: d.Data.Source == "seed"}
	for _, p := range d.Phases {
		r.Rows, r.Removed = r.Rows+p.Before, r.Removed+p.Removed
	}
	for _, s := range d.Stages {
		if s.Name == "clean" || strings.HasPrefix(s.Name, "clean ") {
			r.Seconds += s.Seconds
		}
	}
	if d.Comparison != nil {
		for _, a := range d.Comparison.Attributes {
			if a.Set {
				r.Engine += " " + a.Name + "=" + a.Value
			}
		}
		r.Pauses = pauses(d)
	}
	if !(r.Pauses < r.Seconds) {
		r.Pauses = 0 // it did not sleep as its attributes say
	}
	return r, r.check()
}

func taskOf(d *report.Document) Task {
	t := Task{Product: product(d.Server.Product), Policy: d.Policy, Audit: d.Audit}
	for _, p := range d.Phases {
		t.Audit = t.Audit || p.Audited > 0
	}
	return t
}

// product takes Azure SQL for what it runs.
func product(name string) string {
	if strings.HasPrefix(name, "Azure SQL") { // Database, Managed Instance
		return "SQL Server"
	}
	return name
}

// pauses is the time that a vendor's script slept: it does so after each batch.
func pauses(d *report.Document) float64 {
	var sleep, batch float64
	for _, a := range d.Comparison.Attributes {
		name := strings.ToLower(strings.TrimLeft(a.Name[strings.LastIndex(a.Name, ".")+1:], "@"))
		switch name {
		case "sleeptime":
			sleep = clock(a.Value)
		case "batchsize":
			batch, _ = strconv.ParseFloat(a.Value, 64)
		}
	}
	if !(batch >= 1) {
		return 0
	}
	var batches float64
	for _, p := range d.Phases {
		batches += math.Ceil(float64(p.Removed) / batch)
	}
	return sleep * batches
}

// clock reads seconds, or '00:00:02.000'; 0 is something else.
func clock(text string) float64 {
	var seconds float64
	for _, part := range strings.Split(strings.Trim(text, "N'"), ":") {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil || v < 0 {
			return 0
		}
		seconds = seconds*60 + v
	}
	return seconds
}

func (r Run) check() error {
	switch {
	case r.Engine == "":
		return &bench.FileError{File: r.File, Problem: "does not say which engine cleaned"}
	case r.Removed < 1:
		return &bench.FileError{File: r.File, Problem: r.Engine + " removed nothing: there is no speed to predict from"}
	case !(r.Seconds > 0) || math.IsInf(r.Seconds, 0):
		return &bench.FileError{File: r.File, Problem: fmt.Sprintf("%s took %v seconds: that is no measurement", r.Engine, r.Seconds)}
	case r.Rows != 0 && r.Rows < r.Removed:
		return &bench.FileError{File: r.File, Problem: fmt.Sprintf("%s removed %d of %d rows: that is no measurement", r.Engine, r.Removed, r.Rows)}
	}
	return nil
}

// ofRecord takes the numbers out of a record: one run for each sample.
func ofRecord(record *bench.Record, path string) (runs []Run, left []LeftOut, err error) {
	f := record.Fingerprint
	for _, engine := range record.Engines() {
		if i := unverified(record, engine); i != nil {
			left = append(left, LeftOut{engine, fmt.Sprintf("the verification of round %d in %s ended with %s, and what is wrong is not fast", i.Round, path, i.Verdict)})
			continue
		}
		for _, s := range record.Of(engine) {
			r := Run{File: path, Engine: engine, MadeUp: f.Data.Source == "seed", Load: f.Task.Load,
				Task: Task{Product: product(f.Server.Product), Policy: f.Task.Policy, Audit: f.Task.Audit}}
			removed, counted := s.Metric("removed")
			rate, timed := s.Metric(bench.CleanRate)
			if !counted || !timed {
				return nil, nil, &bench.FileError{File: path, Problem: fmt.Sprintf("%s, round %d, has no metrics removed and %s", engine, s.Round, bench.CleanRate)}
			}
			r.Removed, r.Seconds = int64(removed.Value), removed.Value/rate.Value
			if m, ok := s.Metric("examined"); ok {
				r.Rows = int64(m.Value)
			}
			if m, ok := s.Metric("settled-rows/s"); ok && m.Value > 0 {
				r.Settled = max(removed.Value/m.Value, r.Seconds)
			}
			if err := r.check(); err != nil {
				return nil, nil, err
			}
			runs = append(runs, r)
		}
	}
	return runs, left, nil
}

func unverified(record *bench.Record, engine string) *bench.Sample {
	for _, s := range record.Unverified() {
		if s.Engine == engine {
			return s
		}
	}
	return nil
}
