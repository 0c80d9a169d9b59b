package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// SchemaVersion is the version of Document.
const SchemaVersion = 1

// Verdicts of a document.
const (
	Pass         = "pass"
	Fail         = "fail"
	Inconclusive = "inconclusive"
	Unverified   = "unverified" // a clean-up alone: nobody took a pre-image, so nothing is proven
)

// Document is the result of one run, validation or check.
type Document struct {
	SchemaVersion int    `json:"schema_version"` // 1
	Tool          string `json:"tool"`           // "tokensweep" and its version
	Command       string `json:"command"`        // run, validate, clean, verify check

	Verdict string    `json:"verdict"` // pass, fail, inconclusive; unverified for clean
	Policy  string    `json:"policy"`  // documented, strict, official-mysql, official-mssql
	CutOff  time.Time `json:"cutoff"`  // UTC; what ended before it may go
	Audit   bool      `json:"audit,omitempty"`
	// DryRun says that nothing was changed: Phases hold what was counted.
	DryRun bool   `json:"dry_run,omitempty"`
	Server Server `json:"server"`
	Engine string `json:"engine"` // what removed the rows; "" if someone else did
	Data   Data   `json:"data"`

	Stages   []Stage          `json:"stages"`   // in the order in which they ran
	Phases   []Phase          `json:"phases"`   // tokens, codes, CIBA requests
	Children []Phase          `json:"children"` // tables whose rows go with them
	Classes  map[string]int64 `json:"classes"`  // rows of all tables by what became of them

	// StrictWouldKeep is the number of rows removed that the strict policy keeps.
	StrictWouldKeep int64     `json:"strict_would_keep"`
	Findings        []Finding `json:"findings"`              // faults, the worst first
	Doubts          []string  `json:"doubts,omitempty"`      // why the verdict is inconclusive
	Warnings        []string  `json:"warnings,omitempty"`    // worth knowing, no fault
	NotCovered      []string  `json:"not_covered,omitempty"` // token tables that no clean-up touches
	Run             *Run      `json:"run,omitempty"`         // what the engine says of itself

	// Comparison is set where a script of somebody else's ran.
	Comparison *Comparison `json:"comparison,omitempty"`
}

// Server is the database that was used.
type Server struct {
	Product string `json:"product"` // MySQL, MariaDB, SQL Server, Azure SQL, Babelfish, SQLite
	Version string `json:"version"`
	Via     string `json:"via"`  // e.g. "container mysql:8.4", "process mariadbd", "dsn", "embedded"
	Zone    string `json:"zone"` // session time zone in which wall clocks were read; "" where there are none
}

// Data is where the rows came from.
type Data struct {
	Source  string `json:"source"`            // seed, dump, database
	Release string `json:"release,omitempty"` // of the tables, guessed for dumps
	Seed    uint64 `json:"seed,omitempty"`
	Tokens  int64  `json:"tokens,omitempty"`
	Mix     string `json:"mix,omitempty"`
	Dump    string `json:"dump,omitempty"`
}

// Stage is a timed part of the run.
type Stage struct {
	Name          string  `json:"name"` // seed, indexes, restore, capture, clean, check
	Rows          int64   `json:"rows"`
	Seconds       float64 `json:"seconds"`
	RowsPerSecond float64 `json:"rows_per_second"`
}

// NewStage computes the rate.
func NewStage(name string, rows int64, seconds float64) Stage {
	s := Stage{Name: name, Rows: rows, Seconds: seconds}
	if seconds > 0 {
		s.RowsPerSecond = float64(rows) / seconds
	}
	return s
}

// Phase accounts for one table.
type Phase struct {
	Table     string           `json:"table"`
	Before    int64            `json:"before"`
	Removable int64            `json:"removable,omitempty"` // counted before a clean-up of the user's database, those held included
	Removed   int64            `json:"removed"`
	Audited   int64            `json:"audited"`
	Kept      int64            `json:"kept"`
	KeptWhy   map[string]int64 `json:"kept_why"`
	Held      []Held           `json:"held,omitempty"` // removable rows that could not go
}

// Held says what holds removable rows.
type Held struct {
	By      string   `json:"by"` // the foreign key or the server's refusal
	Rows    int64    `json:"rows"`
	Samples []string `json:"samples"`
}

// Finding is a fault.
type Finding struct {
	Class   string   `json:"class"`
	Table   string   `json:"table"`
	Count   int64    `json:"count"`
	Samples []string `json:"samples"`
	Detail  string   `json:"detail,omitempty"`
}

// Run is what the engine says of itself; the verdict does not rest on it.
type Run struct {
	ID            string  `json:"id"`
	Resumed       bool    `json:"resumed"`
	Stopped       string  `json:"stopped,omitempty"` // why it ended early
	Batches       int64   `json:"batches"`
	BatchP50      float64 `json:"batch_p50_seconds"`
	BatchP99      float64 `json:"batch_p99_seconds"`
	BatchMax      float64 `json:"batch_max_seconds"`
	Deadlocks     int64   `json:"deadlocks"`
	LockTimeouts  int64   `json:"lock_timeouts"`
	Reconnects    int64   `json:"reconnects"`
	CountMismatch int64   `json:"count_mismatches"`
}

// WriteJSON writes the document, indented.
func (d *Document) WriteJSON(w io.Writer) error {
	out := *d
	out.SchemaVersion = SchemaVersion
	if out.Findings == nil {
		out.Findings = []Finding{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return fmt.Errorf("writing the JSON report: %w", err)
	}
	return nil
}
