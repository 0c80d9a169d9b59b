package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Header says what a backup is of.
type Header struct {
	Tool    string       `json:"tool"`    // that wrote it
	Created time.Time    `json:"created"` // UTC
	Server  string       `json:"server"`  // product and version
	Dialect string       `json:"dialect"` // mysql, sqlserver or sqlite: whose values these are
	Schema  string       `json:"schema"`
	Zone    string       `json:"zone"` // of the session that cleaned; "" where there are none
	RunID   string       `json:"run_id"`
	Started time.Time    `json:"started"` // of the run, UTC
	Policy  token.Policy `json:"policy"`
	CutOff  time.Time    `json:"cutoff"` // UTC
	Audit   bool         `json:"audit"`
	// After is the last batch of the run that this file knows nothing of, because the
	// run was begun with another file; 0 for none.
	After  int64   `json:"after_batch"`
	Tables []Table `json:"tables"`
	Phases []Phase `json:"phases"`
}

// Table is the layout of the rows of a table.
type Table struct {
	Name    string          `json:"name"`
	Key     []string        `json:"key"` // primary key, may be empty
	Columns []schema.Column `json:"columns"`
}

// Phase is one table that is cleaned, with all that goes with its rows.
type Phase struct {
	Name     string  `json:"name"`
	Table    int     `json:"table"` // index in Header.Tables
	Key      string  `json:"key"`
	Children []Child `json:"children"` // a parent before its children
}

// Child is a table whose rows go with those of a phase. A row of it is kept with
// the key of the root row behind its columns.
type Child struct {
	Table int    `json:"table"`
	Links []Link `json:"links"`
}

// Link is how rows of a child hang on rows of a parent.
type Link struct {
	Parent        int      `json:"parent"` // index in Header.Tables
	Columns       []string `json:"columns"`
	ParentColumns []string `json:"parent_columns"`
}

// begin opens a batch.
type begin struct {
	Batch  int64     `json:"batch"`
	Phase  int       `json:"phase"`
	At     time.Time `json:"at"`     // UTC
	Moment string    `json:"moment"` // INVALIDATED_TIME of its audit rows, as exported
}

// end closes a batch.
type end struct {
	Batch int64   `json:"batch"`
	Rows  []int64 `json:"rows"` // of each of Header.Tables
}

// committed confirms a batch.
type committed struct {
	Batch int64 `json:"batch"`
}

// Trailer ends the backup of a run that came to its end.
type Trailer struct {
	Ended   time.Time `json:"ended"`   // UTC
	Batches int64     `json:"batches"` // committed ones
	Rows    []int64   `json:"rows"`    // of each of Header.Tables
}

// decode reads JSON of a frame and nothing else.
func decode(payload []byte, into any) error {
	if !utf8.Valid(payload) {
		return errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("something follows it")
	}
	return nil
}

// layOut makes the tables and phases of a header for a run.
func layOut(h *Header, run cleanup.KeptRun, codec dialect.RowCodec) error {
	for i, ph := range run.Plan.Phases {
		root, err := h.add(run.Plan.Found, ph.Table, codec)
		if err != nil {
			return err
		}
		p := Phase{Name: ph.Name, Table: root, Key: ph.Key}
		for _, name := range deepestLast(run.Children[i]) {
			c := Child{}
			if c.Table, err = h.add(run.Plan.Found, name, codec); err != nil {
				return err
			}
			for _, child := range run.Children[i] {
				if hop := child.Path[0]; schema.SameName(child.Table(), name) {
					parent := h.table(hop.Parent)
					c.Links = append(c.Links, Link{Parent: parent, Columns: hop.Columns, ParentColumns: hop.ParentColumns})
				}
			}
			p.Children = append(p.Children, c)
		}
		h.Phases = append(h.Phases, p)
	}
	return nil
}

// deepestLast lists the tables, each once, so that a parent comes before its children.
func deepestLast(children []schema.Child) []string {
	var names []string
	depth := map[string]int{}
	for _, c := range children {
		if depth[c.Table()] == 0 {
			names = append(names, c.Table())
		}
		depth[c.Table()] = max(depth[c.Table()], len(c.Path))
	}
	slices.SortStableFunc(names, func(a, b string) int { return depth[a] - depth[b] })
	return names
}

func (h *Header) table(name string) int {
	return slices.IndexFunc(h.Tables, func(t Table) bool { return schema.SameName(t.Name, name) })
}

// add lays a table out unless it is there, and returns its index.
func (h *Header) add(found *schema.Database, name string, codec dialect.RowCodec) (int, error) {
	if i := h.table(name); i >= 0 {
		return i, nil
	}
	t, ok := found.Table(name)
	if !ok {
		return 0, fmt.Errorf("table %s is gone", name)
	}
	table := Table{Name: t.Name, Key: t.PrimaryKey}
	for _, c := range t.Columns {
		if c.Generated {
			continue
		}
		if codec.Export(t.Name, c) == "" {
			return 0, refuse(fmt.Sprintf("%s.%s is of type %s, of which no exact copy can be kept", t.Name, c.Name, c.Type), "run without --backup, or dump that table first")
		}
		table.Columns = append(table.Columns, c)
	}
	h.Tables = append(h.Tables, table)
	return len(h.Tables) - 1, nil
}

// sameAs tells what a header that is continued has different, "" for nothing.
func (h *Header) sameAs(o *Header) string {
	switch {
	case h.RunID != o.RunID:
		return fmt.Sprintf("it is the backup of run %s, and the run that is continued is %s", h.RunID, o.RunID)
	case h.Dialect != o.Dialect:
		return fmt.Sprintf("its values are those of %s, and the database is %s", h.Dialect, o.Dialect)
	}
	mine, _ := json.Marshal([]any{h.Tables, h.Phases}) // plain data
	theirs, _ := json.Marshal([]any{o.Tables, o.Phases})
	if !bytes.Equal(mine, theirs) {
		return "tables or columns of the schema were changed since the run began"
	}
	return ""
}

// index is where a column stands, -1 for nowhere.
func (t *Table) index(column string) int {
	return slices.IndexFunc(t.Columns, func(c schema.Column) bool { return schema.SameName(c.Name, column) })
}

// check refuses a header that no backup has.
func (h *Header) check() error {
	valid := func(table int) bool { return table >= 0 && table < len(h.Tables) }
	if h.RunID == "" || len(h.Tables) == 0 || len(h.Phases) == 0 {
		return errors.New("it names no run, no table or no phase")
	}
	for _, t := range h.Tables {
		if t.Name == "" || len(t.Columns) == 0 {
			return errors.New("it has a table without a name or without columns")
		}
	}
	for _, p := range h.Phases {
		if !valid(p.Table) || h.Tables[p.Table].index(p.Key) < 0 {
			return fmt.Errorf("phase %q has no table or no key", p.Name)
		}
		for _, c := range p.Children {
			if !valid(c.Table) {
				return fmt.Errorf("phase %q has a child that is no table", p.Name)
			}
			for _, l := range c.Links {
				if !valid(l.Parent) || len(l.Columns) == 0 || len(l.Columns) != len(l.ParentColumns) ||
					slices.Contains(h.positions(c.Table, l.Columns), -1) || slices.Contains(h.positions(l.Parent, l.ParentColumns), -1) {
					return fmt.Errorf("table %s hangs on nothing that is kept", h.Tables[c.Table].Name)
				}
			}
		}
	}
	return nil
}

// child is how a table hangs in a phase; nil for the root and for tables that do
// not belong to it.
func (p *Phase) child(table int) *Child {
	for i := range p.Children {
		if p.Children[i].Table == table {
			return &p.Children[i]
		}
	}
	return nil
}

// width is the number of values of a row of a table in a phase, 0 if it has none.
func (h *Header) width(p *Phase, table int) int {
	switch {
	case table == p.Table:
		return len(h.Tables[table].Columns)
	case p.child(table) != nil:
		return len(h.Tables[table].Columns) + 1
	}
	return 0
}
