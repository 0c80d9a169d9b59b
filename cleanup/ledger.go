package cleanup

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// LedgerTable is the one table that a run makes. Each batch writes its row in
// the batch's own transaction, so the ledger and the data cannot disagree. A run
// that comes to its end drops the table.
const LedgerTable = "TOKENSWEEP_LEDGER"

var ledgerColumns = []string{"RUN_ID", "BATCH", "PHASE", "AFTER_KEY", "THROUGH_KEY", "EXAMINED", "REMOVED", "AUDITED", "DETAIL", "WRITTEN_AT"}

// header is the DETAIL of a run's row 0: what a continued run must agree with.
type header struct {
	Policy  token.Policy `json:"policy"`
	CutOff  time.Time    `json:"cutoff"`
	Audit   bool         `json:"audit"`
	Started time.Time    `json:"started"`
	Backup  string       `json:"backup,omitempty"` // name of the RowKeeper
	// Cuts are the last keys of all lanes of a phase but the last; see lane.
	Cuts map[string][][]byte `json:"cuts,omitempty"`
}

// refusal is the DETAIL of the row that records a key that could not be removed.
type refusal struct {
	Key   string `json:"key"`
	Error string `json:"error"`
}

// entry is one row of the ledger.
type entry struct {
	batch                      int64
	phase                      string // or lane
	after                      token.Null[string]
	through                    string
	examined, removed, audited int64
	detail                     string
}

// ledger writes and reads the rows of one run.
type ledger struct {
	d     dialect.Dialect
	runID string
	next  int64 // number of the next batch
	used  bool  // some batch was committed
}

// Unfinished is a run that was interrupted.
type Unfinished struct {
	RunID   string
	Policy  token.Policy
	CutOff  time.Time
	Audit   bool
	Started time.Time
	Backup  string // name of the RowKeeper that it has, "" for none

	cuts map[string][][]byte
}

// FindUnfinished looks for the ledger of an interrupted run; nil means that
// there is none. A table of the ledger's name that is none is an error: it is
// somebody else's and is not touched.
func FindUnfinished(ctx context.Context, db schema.Querier, d dialect.Dialect, found *schema.Database) (*Unfinished, error) {
	table, ok := found.Table(LedgerTable)
	if !ok {
		return nil, nil
	}
	var names []string
	for _, c := range table.Columns {
		names = append(names, strings.ToUpper(c.Name))
	}
	if !slices.Equal(names, ledgerColumns) {
		return nil, Refuse(fmt.Sprintf("schema %s has a table %s that tokensweep did not make", found.Name, table.Name),
			"rename it, or clean another schema; it was not touched", nil)
	}
	rows, err := db.QueryContext(ctx, "SELECT RUN_ID, DETAIL FROM "+d.Table(LedgerTable)+" WHERE BATCH = 0 ORDER BY WRITTEN_AT DESC")
	if err != nil {
		return nil, fmt.Errorf("reading the ledger of an earlier run: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	var runID, detail string
	if err := rows.Scan(&runID, &detail); err != nil {
		return nil, fmt.Errorf("reading the ledger of an earlier run: %w", err)
	}
	var h header
	if err := json.Unmarshal([]byte(detail), &h); err != nil {
		return nil, Refuse("the ledger of an earlier run cannot be read", "drop table "+LedgerTable+" if no run is under way", err)
	}
	return &Unfinished{RunID: runID, Policy: h.Policy, CutOff: h.CutOff, Audit: h.Audit, Started: h.Started, Backup: h.Backup, cuts: h.Cuts}, nil
}

// create makes the table and writes row 0.
func (l *ledger) create(ctx context.Context, conn *sql.Conn, h header) error {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	l.runID, l.next = hex.EncodeToString(id[:]), 1
	detail, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, l.d.CreateLedger(LedgerTable)); err != nil {
		return fmt.Errorf("creating table %s: %w", LedgerTable, err)
	}
	insert := l.insert(entry{phase: "start", detail: string(detail)}, h.Started)
	if _, err := conn.ExecContext(ctx, insert.Text, insert.Args...); err != nil {
		return fmt.Errorf("writing the first row of %s: %w", LedgerTable, err)
	}
	return nil
}

// insert is the statement that writes an entry.
func (l *ledger) insert(e entry, now time.Time) dialect.SQL {
	var after, through []byte // nil is NULL
	var detail any
	if e.after.Valid {
		after = []byte(e.after.V)
	}
	if e.through != "" {
		through = []byte(e.through)
	}
	if e.detail != "" {
		detail = e.detail
	}
	return l.d.Bind(dialect.SQL{
		Text: "INSERT INTO " + l.d.Table(LedgerTable) + " (" + strings.Join(ledgerColumns, ", ") + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		Args: []any{l.runID, e.batch, e.phase, after, through, e.examined, e.removed, e.audited, detail, l.d.Wall(now)},
	})
}

// rows is the query for this run's rows that a condition holds for.
func (l *ledger) rows(columns string, condition ...any) dialect.SQL {
	head := dialect.Concat("SELECT ", columns, " FROM ", l.d.Table(LedgerTable), " WHERE RUN_ID = ", dialect.Value(l.runID), " AND ")
	return l.d.Bind(dialect.Concat(head, dialect.Concat(condition...)))
}

// has reports whether a batch was committed.
func (l *ledger) has(ctx context.Context, conn *sql.Conn, batch int64) (bool, error) {
	var one int
	q := l.rows("1", "BATCH = ", dialect.Value(batch))
	err := conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, wrap(err, "looking up batch %d in %s", batch, LedgerTable)
}

// last is the highest number of a batch, 0 if only row 0 exists.
func (l *ledger) last(ctx context.Context, conn *sql.Conn) (batch int64, err error) {
	q := l.rows("MAX(BATCH)", "BATCH >= 0")
	err = conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&batch)
	return batch, wrap(err, "reading where the earlier run stopped")
}

// through is the key up to which a lane is done; ok is false if it was not begun.
func (l *ledger) through(ctx context.Context, conn *sql.Conn, lane string) (key string, ok bool, err error) {
	var through []byte
	q := l.rows("THROUGH_KEY", "BATCH > 0 AND PHASE = ", dialect.Value(lane), " ORDER BY BATCH DESC", l.d.Limit(dialect.Value(1)))
	err = conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&through)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return string(through), err == nil, wrap(err, "reading where the earlier run stopped")
}

// committed lists the batches that removed rows.
func (l *ledger) committed(ctx context.Context, q schema.Querier) ([]CommittedBatch, error) {
	s := l.rows("BATCH, REMOVED", "REMOVED > 0 ORDER BY BATCH")
	rows, err := q.QueryContext(ctx, s.Text, s.Args...)
	if err != nil {
		return nil, fmt.Errorf("reading the batches of %s: %w", LedgerTable, err)
	}
	defer rows.Close()
	var all []CommittedBatch
	for rows.Next() {
		var b CommittedBatch
		if err := rows.Scan(&b.Number, &b.Removed); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, rows.Err()
}

// totals adds up the whole run, the part before an interruption included.
func (l *ledger) totals(ctx context.Context, conn *sql.Conn, lanes []string) (removed, audited, batches int64, err error) {
	q := l.rows("COALESCE(SUM(REMOVED), 0), COALESCE(SUM(AUDITED), 0), COALESCE(SUM(CASE WHEN REMOVED > 0 THEN 1 ELSE 0 END), 0)",
		"PHASE IN (", dialect.Literals(lanes), ")")
	err = conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&removed, &audited, &batches)
	return removed, audited, batches, wrap(err, "adding up %s", LedgerTable)
}

// refusals returns the keys that were refused.
func (l *ledger) refusals(ctx context.Context, conn *sql.Conn, lanes []string) ([]refusal, error) {
	q := l.rows("DETAIL", "PHASE IN (", dialect.Literals(lanes), ") AND DETAIL IS NOT NULL ORDER BY BATCH")
	rows, err := conn.QueryContext(ctx, q.Text, q.Args...)
	if err != nil {
		return nil, fmt.Errorf("reading refused rows from %s: %w", LedgerTable, err)
	}
	defer rows.Close()
	var all []refusal
	for rows.Next() {
		var detail string
		if err := rows.Scan(&detail); err != nil {
			return nil, err
		}
		var r refusal
		if err := json.Unmarshal([]byte(detail), &r); err != nil {
			return nil, fmt.Errorf("reading refused rows from %s: %w", LedgerTable, err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func (l *ledger) drop(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "DROP TABLE "+l.d.Table(LedgerTable))
	return wrap(err, "dropping %s after the run; every row is committed, drop it by hand", LedgerTable)
}
