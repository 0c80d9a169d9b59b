package backup

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/tokensweep/tokensweep/cleanup"
)

// Fate is what becomes of a row of a backup.
type Fate string

// Fates of rows. A row that went with another one has the fate of that one, unless
// it stays out for a reason of its own.
const (
	PutBack      Fate = "put back"
	AlreadyThere Fate = "already there" // the row itself, unchanged
	NewerRow     Fate = "newer row"     // its primary key is taken by a row that differs
	KeyTaken     Fate = "key taken"     // another unique key of it is taken
	AppGone      Fate = "app gone"      // its consumer app is not there any more
	ParentGone   Fate = "parent gone"   // another row that it refers to is not there any more
	RowRefused   Fate = "refused"       // by the server, for a reason of its own
)

// Fates lists all, the good ones first.
func Fates() []Fate {
	return []Fate{PutBack, AlreadyThere, NewerRow, KeyTaken, AppGone, ParentGone, RowRefused}
}

// Report is what a restore did, or with DryRun would do.
type Report struct {
	File        string         `json:"file"`
	RunID       string         `json:"run_id"`
	Schema      string         `json:"schema"`
	DryRun      bool           `json:"dry_run"`
	Complete    bool           `json:"complete"` // false: it was interrupted; the same restore goes on
	Tables      []TableReport  `json:"tables"`
	Listed      []Item         `json:"listed"`      // rows that could not be put back, at most MaxListed
	NotListed   int64          `json:"not_listed"`  // how many more there are
	AuditRows   int64          `json:"audit_rows"`  // taken out of the audit table again
	Unconfirmed []UnknownBatch `json:"unconfirmed"` // batches left out
	Notes       []string       `json:"notes,omitempty"`
	Sums        map[Fate]int64 `json:"sums"` // of all tables
	Seconds     float64        `json:"seconds"`
}

// TableReport counts the selected rows of one table.
type TableReport struct {
	Table string         `json:"table"`
	Rows  int64          `json:"rows"`
	Fates map[Fate]int64 `json:"fates"`
}

// Item is a row that could not be put back.
type Item struct {
	Table  string `json:"table"`
	Key    string `json:"key"`
	Fate   Fate   `json:"fate"`
	Detail string `json:"detail"` // e.g. "consumer app 17 is gone"
}

// UnknownBatch is a batch of which nobody knows whether it was committed.
type UnknownBatch struct {
	Batch int64 `json:"batch"`
	Rows  int64 `json:"rows"`
}

// MaxListed is how many rows a report lists.
const MaxListed = 10_000

// Whole reports whether every selected row is in the database now, or would be.
func (r *Report) Whole() bool {
	return r.Complete && len(r.Unconfirmed) == 0 && r.Sums[PutBack]+r.Sums[AlreadyThere] == r.rows()
}

func (r *Report) rows() (n int64) {
	for _, of := range r.Sums {
		n += of
	}
	return n
}

// Changed reports whether anything was put back.
func (r *Report) Changed() bool { return r.Sums[PutBack] > 0 && !r.DryRun }

// WriteJSON writes the report, indented.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return wrap(e.Encode(r), "writing the report as JSON")
}

func newReport(f *File, schemaName string, o Options) *Report {
	r := &Report{File: f.Path, RunID: f.RunID, Schema: schemaName, DryRun: o.DryRun, Complete: true, Listed: []Item{}, Unconfirmed: []UnknownBatch{},
		Sums: map[Fate]int64{}}
	for _, t := range f.Tables {
		r.Tables = append(r.Tables, TableReport{Table: t.Name, Fates: map[Fate]int64{}})
	}
	return r
}

func (r *Report) add(table int, fate Fate) {
	t := &r.Tables[table]
	t.Rows++
	t.Fates[fate]++
	r.Sums[fate]++
}

func (r *Report) list(i Item) {
	if len(r.Listed) >= MaxListed {
		r.NotListed++
		return
	}
	r.Listed = append(r.Listed, i)
}

// finish leaves out the tables of which nothing was selected.
func (r *Report) finish() {
	r.Tables = slices.DeleteFunc(r.Tables, func(t TableReport) bool { return t.Rows == 0 })
}

func (r *Report) unconfirmed(f *File) {
	for _, b := range f.Batches {
		if b.State != Unconfirmed {
			continue
		}
		u := UnknownBatch{Batch: b.Number}
		for _, n := range b.Rows {
			u.Rows += n
		}
		r.Unconfirmed = append(r.Unconfirmed, u)
	}
}

// notes says what a user must know about where the file ends.
func (r *Report) notes(f *File, inLedger bool) {
	note := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	if f.After > 0 {
		note("the file begins behind batch %d of the run: what went before is not in it", f.After)
	}
	switch {
	case f.Trailer != nil:
	case inLedger:
		note("run %s was interrupted, and the file ends there; clean goes on with it unless it is given up with --abandon-run", f.RunID)
	default:
		note("the file ends without a trailer, and table %s does not know run %s any more: batches may be missing at its end", cleanup.LedgerTable, f.RunID)
	}
	if f.Torn > 0 {
		note("the last %d bytes are no whole frame and were left out", f.Torn)
	}
}
