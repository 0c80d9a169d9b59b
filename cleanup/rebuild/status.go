package rebuild

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Stage is how far a rebuild has come that is not finished.
type Stage string

// Stages. Up to AtTheSwap the old tables are in their places.
const (
	Building  Stage = building // nothing is changed, tables of the rebuild's own stand beside the others
	AtTheSwap Stage = ready    // and copies of tokens that are still there may be in the audit table
	Swapped   Stage = swapped  // the new tables are in their places; keys and triggers may not have their own names yet
	Kept      Stage = kept     // and all is done but for dropping the old tables
)

// InPlace reports whether the new tables are in the places of the old ones.
func (s Stage) InPlace() bool { return s == Swapped || s == Kept }

// Status is what the journal says of a rebuild that is not finished.
type Status struct {
	Schema  string
	RunID   string // "" if the run died before it wrote anything
	Policy  token.Policy
	CutOff  time.Time // UTC
	Audit   bool      // removed tokens are, or were to be, copied to the audit table
	Started time.Time // UTC
	Stage   Stage
	// AtWork: a clean-up of the schema is under way right now, so that nothing was
	// interrupted yet.
	AtWork bool
	Tables []string // that are rebuilt
	// Made are the tables of the rebuild's own that are there, the journal last.
	Made []Made
	// Phases are what went, as Result has them; empty before the new tables are counted.
	Phases []cleanup.PhaseResult
}

// Made is a table of a rebuild's own.
type Made struct {
	Name  string
	Of    string // the rebuilt table that it is a form of; "" for the journal and what guards the swap
	Bytes int64  // data and indexes, as the server estimates; 0 if it does not tell
}

// Look reads the journal; nil means that the schema has no rebuild to finish or to
// undo. It changes nothing and takes no locks. Which tables are the rebuild's is what
// the journal says: names alone prove nothing. On other databases than MySQL and
// MariaDB there is none.
func Look(ctx context.Context, db schema.Querier, d dialect.Dialect, found *schema.Database) (*Status, error) {
	if _, ok := d.(dialect.Rebuilder); !ok {
		return nil, nil
	}
	j, err := readJournal(ctx, db, d, found)
	if err != nil || j == nil {
		return nil, err
	}
	s := &Status{Schema: found.Name, RunID: j.RunID, Policy: j.Policy, CutOff: j.CutOff, Audit: j.Audit != nil, Started: j.Started, Stage: j.stage(found),
		Phases: j.Phases}
	for _, t := range j.Tables {
		s.Tables = append(s.Tables, t.Name)
		for _, name := range []string{t.Fresh, t.Old} {
			s.add(found, name, t.Name)
		}
	}
	for _, name := range []string{j.Gate, j.Latch, j.Latch + "_2", JournalTable} {
		s.add(found, name, "")
	}
	if err := s.measure(ctx, db); err != nil {
		return nil, err
	}
	s.AtWork, err = atWork(ctx, db, found.Name)
	return s, err
}

// add notes a table if it is there.
func (s *Status) add(found *schema.Database, name, of string) {
	if t, ok := found.Table(name); ok {
		s.Made = append(s.Made, Made{Name: t.Name, Of: of})
	}
}

// measure asks how large the tables are.
func (s *Status) measure(ctx context.Context, db schema.Querier) error {
	names := make([]string, len(s.Made))
	for i, m := range s.Made {
		names[i] = m.Name
	}
	sizes, err := sizes(ctx, db, s.Schema, names)
	for i := range s.Made {
		s.Made[i].Bytes = sizes[s.Made[i].Name]
	}
	return err
}

// sizes are bytes of data and indexes, by name, as the server estimates them.
func sizes(ctx context.Context, db schema.Querier, in string, tables []string) (map[string]int64, error) {
	q := []any{"SELECT TABLE_NAME, COALESCE(DATA_LENGTH, 0) + COALESCE(INDEX_LENGTH, 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ",
		dialect.Value(in), " AND TABLE_NAME IN (''"}
	for _, name := range tables {
		q = append(q, ", ", dialect.Value(name))
	}
	rows, err := texts(ctx, db, dialect.Concat(append(q, ")")...))
	if err != nil {
		return nil, fmt.Errorf("asking for the sizes of tables: %w", err)
	}
	all := map[string]int64{}
	for _, row := range rows {
		var n int64
		if _, err := fmt.Sscan(row[1], &n); err != nil {
			return nil, fmt.Errorf("the size of table %s: %w", row[0], err)
		}
		all[row[0]] = n
	}
	return all, nil
}

// atWork reports whether somebody has the run lock.
func atWork(ctx context.Context, db schema.Querier, in string) (bool, error) {
	q := dialect.Concat("SELECT IS_USED_LOCK(", dialect.Value(cleanup.LockName(in)), ")")
	rows, err := db.QueryContext(ctx, q.Text, q.Args...)
	if err != nil {
		return false, fmt.Errorf("asking for the run lock: %w", err)
	}
	defer rows.Close()
	var session sql.NullInt64
	for rows.Next() {
		if err := rows.Scan(&session); err != nil {
			return false, err
		}
	}
	return session.Valid, rows.Err()
}

// stage looks at the journal and at the tables: the RENAME moved all or none.
func (j *journal) stage(found *schema.Database) Stage {
	behind := slices.ContainsFunc(j.Tables, func(t *journalTable) bool { _, ok := found.Table(t.Old); return ok })
	switch {
	case j.state == kept:
		return Kept
	case j.state == swapped || behind:
		return Swapped
	case j.state == ready:
		return AtTheSwap
	}
	return Building
}

// Old are the kept tables.
func (s *Status) Old() []Made {
	if !s.Stage.InPlace() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.Made), func(m Made) bool { return m.Of == "" })
}

// Bytes is the size of all tables of the rebuild's own.
func (s *Status) Bytes() (n int64) {
	for _, m := range s.Made {
		n += m.Bytes
	}
	return n
}

// Own are the names of all tables of the rebuild's own.
func (s *Status) Own() []string {
	names := make([]string, len(s.Made))
	for i, m := range s.Made {
		names[i] = m.Name
	}
	return names
}

func (s *Status) name() string {
	if s.RunID == "" {
		return "a rebuild"
	}
	return fmt.Sprintf("rebuild %s, started %s,", s.RunID, s.Started.Format(time.RFC3339))
}

// State is a sentence about where the tables are.
func (s *Status) State() string {
	if s.AtWork {
		return s.name() + " is at work, or another clean-up is"
	}
	switch s.Stage {
	case Kept:
		return s.name() + " is done: the new tables are in place, the old ones are kept as " + prefix + "old_…"
	case Swapped:
		return s.name() + " was interrupted after the new tables were put in place; the old ones are " + prefix + "old_…, " +
			"and foreign keys or triggers may not have their own names yet"
	case AtTheSwap:
		return s.name() + " was interrupted just before the new tables were put in place: the tables are as they were, " +
			"but the audit table may have copies of tokens that are still there"
	}
	return s.name() + " was interrupted before it changed anything; it left tables " + prefix + "… and " + JournalTable
}

// Remedy says what to do next.
func (s *Status) Remedy() string {
	switch {
	case s.AtWork:
		return "wait for it to end"
	case s.Stage == Kept:
		return "tokensweep rebuild finish drops them, tokensweep rebuild undo puts them back"
	case s.Stage == Swapped:
		return "clean --engine rebuild --resume brings it to its end, tokensweep rebuild finish does and drops the old tables, " +
			"tokensweep rebuild undo puts them back"
	}
	return "clean --engine rebuild --resume drops what is left and starts over, tokensweep rebuild undo only drops it"
}

// Refusal is the error of whatever cannot go on beside it.
func (s *Status) Refusal() error { return cleanup.Refuse(s.State(), s.Remedy(), nil) }

// Strangers are tables with names as a rebuild gives them.
func strangers(found *schema.Database) (names []string) {
	for _, t := range found.Tables {
		if strings.HasPrefix(t.Name, prefix) || strings.Contains(t.Name, prefix+"gate_") {
			names = append(names, t.Name)
		}
	}
	return names
}
