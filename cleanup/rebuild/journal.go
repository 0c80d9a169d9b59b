package rebuild

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// JournalTable is the table in which a rebuild writes what it does, so that
// another one can take up what it leaves. It is dropped last.
const JournalTable = cleanup.RebuildJournal

// prefix starts the names of all other tables that a rebuild makes, but for one.
const prefix = "_tokensweep_"

// States of a rebuild.
const (
	building = "building" // the old tables are in their places, the audit table is as it was
	ready    = "ready"    // the audit rows may be there; whether the swap happened, the names of tables tell
	swapped  = "swapped"  // the new tables are in their places
	kept     = "kept"     // and all else is done but for dropping the old ones
)

// journal is the DETAIL of the one row.
type journal struct {
	RunID   string                `json:"run"`
	Policy  token.Policy          `json:"policy"`
	CutOff  time.Time             `json:"cutoff"`
	Started time.Time             `json:"started"`
	Tables  []*journalTable       `json:"tables"` // parents before children
	Gate    string                `json:"gate"`
	Latch   string                `json:"latch"`
	Audit   *journalAudit         `json:"audit,omitempty"`
	Phases  []cleanup.PhaseResult `json:"phases,omitempty"`

	state string
}

// journalTable is all that another run must know to finish or undo a table.
type journalTable struct {
	Name       string                `json:"name"`
	Fresh      string                `json:"fresh"` // the new table before the swap
	Old        string                `json:"old"`   // the old one behind it
	Definition string                `json:"definition"`
	Triggers   []dialect.TriggerText `json:"triggers,omitempty"`
	Rows       int64                 `json:"rows"`             // of the new table
	Nulled     []string              `json:"nulled,omitempty"` // columns that the rebuild may have changed
}

// journalAudit tells the run's own audit rows from others.
type journalAudit struct {
	Table       string    `json:"table"`
	Tokens      string    `json:"tokens"`
	Invalidated string    `json:"invalidated,omitempty"` // column
	Moment      bool      `json:"moment,omitempty"`      // it is a TIMESTAMP
	At          time.Time `json:"at"`
	Instant     int64     `json:"instant"` // what the session meant by At
	ID          string    `json:"id,omitempty"`
	Above       int64     `json:"above"` // the ids before are others'
}

// key is the name that a foreign key has until the swap, at the position in its table.
func (t *journalTable) key(d dialect.Rebuilder, k dialect.KeyText, i int) (name string, own bool) {
	if suffix, ok := d.NamesKeys(t.Name, k.Name); ok {
		return t.Fresh + suffix, true
	}
	return strings.Replace(t.Fresh, "_new_", "_key_", 1) + fmt.Sprintf("_%d", i), false
}

// trigger is the name that a trigger has until the swap.
func (t *journalTable) trigger(i int) string {
	return strings.Replace(t.Fresh, "_new_", "_trg_", 1) + fmt.Sprintf("_%d", i)
}

func (j *journal) table(name string) *journalTable {
	i := slices.IndexFunc(j.Tables, func(t *journalTable) bool { return schema.SameName(t.Name, name) })
	if i < 0 {
		return nil
	}
	return j.Tables[i]
}

// newJournal names everything. The number of a run cannot be guessed.
func newJournal(plan *cleanup.Plan, now time.Time) (*journal, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	run := hex.EncodeToString(id[:])
	return &journal{RunID: run, Policy: plan.Policy, CutOff: plan.CutOff, Started: now.UTC().Truncate(time.Second),
		Latch: prefix + "latch_" + run[:12], state: building}, nil
}

// add names the new and the old form of a table.
func (j *journal) add(name, definition string, triggers []dialect.TriggerText) {
	n := fmt.Sprintf("_%s_%d", j.RunID[:12], len(j.Tables)+1)
	j.Tables = append(j.Tables, &journalTable{Name: name, Fresh: prefix + "new" + n, Old: prefix + "old" + n, Definition: definition, Triggers: triggers})
}

// nameGate finds a name behind those of all tables: the server locks tables in the
// order of their names, and the gate has to be the last.
func (j *journal) nameGate() error {
	j.Gate = "zz" + prefix + "gate_" + j.RunID[:12]
	for _, t := range j.Tables {
		for strings.ToLower(t.Name) >= j.Gate || t.Name >= j.Gate {
			j.Gate = "zz" + j.Gate
			if len(j.Gate) > 60 {
				return cleanup.Refuse("no name of a table can come behind "+t.Name, "use --engine batch", nil)
			}
		}
	}
	return nil
}

// openJournal makes the table and its row. That it is there already means that
// another run is under way, which the run lock excludes, or was interrupted.
func (r *run) openJournal(ctx context.Context) error {
	if err := r.main().run(ctx, r.d.CreateJournal(JournalTable)); err != nil {
		return err
	}
	detail, err := json.Marshal(r.journal)
	if err != nil {
		return err
	}
	_, err = r.main().exec(ctx, dialect.Concat("INSERT INTO ", r.d.Table(JournalTable), " VALUES (", dialect.Value(r.journal.RunID), ", ",
		dialect.Value(building), ", 0, ", dialect.Value(string(detail)), ", ", dialect.Value(r.d.Wall(r.begun)), ")"))
	return err
}

// write changes state and detail, in the session's transaction.
func (r *run) write(ctx context.Context, s *session, state string) error {
	detail, err := json.Marshal(r.journal)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, dialect.Concat("UPDATE ", r.d.Table(JournalTable), " SET STATE = ", dialect.Value(state), ", AUDITED = ", dialect.Value(r.audited),
		", DETAIL = ", dialect.Value(string(detail)), " WHERE RUN_ID = ", dialect.Value(r.journal.RunID)))
	if err == nil {
		r.journal.state = state
	}
	return err
}

// readJournal returns nil if there is no rebuild to take up. A table without a row
// is what is left when a run stopped between making the two.
func readJournal(ctx context.Context, db schema.Querier, d dialect.Dialect, found *schema.Database) (*journal, error) {
	table, ok := found.Table(JournalTable)
	if !ok {
		return nil, nil
	}
	if !table.Has("RUN_ID", "STATE", "AUDITED", "DETAIL", "WRITTEN_AT") {
		return nil, cleanup.Refuse(fmt.Sprintf("schema %s has a table %s that tokensweep did not make", found.Name, table.Name),
			"rename it, or clean another schema; it was not touched", nil)
	}
	rows, err := texts(ctx, db, dialect.Text("SELECT STATE, DETAIL FROM ", d.Quote(found.Name), ".", d.Quote(JournalTable)))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", JournalTable, err)
	}
	j := &journal{state: building}
	if len(rows) > 0 {
		if err := json.Unmarshal([]byte(rows[0][1]), j); err != nil {
			return nil, cleanup.Refuse(JournalTable+" cannot be read", "look at the tables "+prefix+"… by hand", err)
		}
		j.state = rows[0][0]
	}
	return j, nil
}

func (r *run) readJournal(ctx context.Context) (*journal, error) {
	return readJournal(ctx, r.main().conn, r.d, r.found)
}
