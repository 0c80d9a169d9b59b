package procedure_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

const (
	tokens   = schema.AccessToken
	codes    = schema.AuthzCode
	requests = schema.CIBACode
	audits   = schema.TokenAudit
)

// Numbers of removable rows in a world.
const (
	deadTokens = 30
	deadCodes  = 10
	deadCIBAs  = 5
)

// world is a database with dead tokens, which have all kinds of children, between
// live ones.
type world struct {
	*dbtest.Fixture
	t *testing.T
	d procedure.Dialect
}

func newWorld(t *testing.T, db string) *world {
	return worldOf(t, harness.ForTest(t, harness.Options{DB: db}), dbtest.Setup{})
}

func worldOf(t *testing.T, target *harness.Target, s dbtest.Setup) *world {
	f := dbtest.New(t, target, s)
	for i := range deadTokens {
		id := fmt.Sprintf("dead-%02d", i)
		f.Insert(tokens, dbtest.TokenRow(id, token.Revoked, nil))
		f.Insert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": id, "TOKEN_SCOPE": "openid"})
		if i%3 != 0 {
			continue
		}
		f.Insert(schema.RequestObject, dbtest.Row{"ID": i + 1, "TOKEN_ID": id, "CONSUMER_KEY_ID": dbtest.App})
		f.Insert(schema.RequestClaims, dbtest.Row{"ID": i + 1, "REQ_OBJECT_ID": i + 1, "CLAIM_ATTRIBUTE": "email"})
		f.Insert(schema.RequestValues, dbtest.Row{"ID": i + 1, "REQ_OBJECT_CLAIMS_ID": i + 1, "CLAIM_VALUES": "a@b"})
		live := id + "-but-live" // between them in key order
		f.Insert(tokens, dbtest.TokenRow(live, token.Active, dbtest.Row{"TIME_CREATED": dbtest.At(7000)}))
		f.Insert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": live, "TOKEN_SCOPE": "openid"})
		f.Insert(codes, dbtest.CodeRow("of-"+id, token.Inactive, dbtest.Row{"TOKEN_ID": id}))
		f.Insert(codes, dbtest.CodeRow("of-"+live, token.Inactive, dbtest.Row{"TOKEN_ID": live}))
	}
	for i := range deadCIBAs {
		f.Insert(requests, dbtest.CIBARow(fmt.Sprintf("dead-%d", i), "FAILED", nil))
	}
	f.Insert(requests, dbtest.CIBARow("live", "REQUESTED", dbtest.Row{"ISSUED_TIME": dbtest.At(7000)}))
	return &world{Fixture: f, t: t, d: target.Dialect.(procedure.Dialect)}
}

func (w *world) mysql() bool { return w.Dialect.Product() == schema.MySQL }

// babelfish cannot wait, and reads a procedure for seconds when a session calls it first.
func (w *world) babelfish() bool { return w.Server.Product == "Babelfish" }

func (w *world) install() {
	w.t.Helper()
	require.NoError(w.t, procedure.Install(w.t.Context(), w.DB, w.plan(true)))
}

func (w *world) plan(audit bool) *cleanup.Plan {
	w.t.Helper()
	plan, err := procedure.NewPlan(w.Found(), w.Dialect, audit, cleanup.AuditStop)
	require.NoError(w.t, err)
	return plan
}

// runs are what TOKENSWEEP_RUNS holds.
func (w *world) runs() []procedure.Run {
	w.t.Helper()
	all, err := procedure.Runs(w.t.Context(), w.DB, w.Dialect, w.Found())
	require.NoError(w.t, err)
	return all
}

// arguments are those of an audited run at the fixture's cut-off.
func arguments(change func(*procedure.Arguments)) procedure.Arguments {
	a := procedure.Arguments{Policy: token.Documented, CutOff: dbtest.CutOff, Batch: 7, Audit: true}
	if change != nil {
		change(&a)
	}
	return a
}

// session is one that calls.
type session struct {
	*world
	conn *sql.Conn
	id   int64
}

func (w *world) session() *session {
	w.t.Helper()
	conn, err := w.DB.Conn(w.t.Context())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { conn.Close() })
	s := &session{world: w, conn: conn}
	require.NoError(w.t, conn.QueryRowContext(w.t.Context(), w.d.SessionID()).Scan(&s.id))
	return s
}

func (s *session) exec(statements ...string) {
	s.t.Helper()
	for _, statement := range statements {
		_, err := s.conn.ExecContext(s.t.Context(), statement)
		require.NoError(s.t, err, statement)
	}
}

// call returns the procedure's row by column name.
func (s *session) call(a procedure.Arguments) (map[string]string, error) {
	s.t.Helper()
	statement, err := a.Statement(s.d)
	require.NoError(s.t, err)
	return s.row(statement)
}

func (s *session) mustCall(a procedure.Arguments) map[string]string {
	s.t.Helper()
	row, err := s.call(a)
	require.NoError(s.t, err)
	return row
}

// row is the one row that a statement returns.
func (s *session) row(statement string) (map[string]string, error) {
	rows, err := s.conn.QueryContext(context.WithoutCancel(s.t.Context()), statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	if !rows.Next() {
		return nil, errors.Join(rows.Err(), errors.New("no row"))
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	row := map[string]string{}
	for i, name := range names {
		if row[name] = values[i].String; !values[i].Valid {
			row[name] = "NULL"
		}
	}
	if rows.Next() {
		return nil, errors.New("more than one row")
	}
	return row, rows.Err()
}

// settings are what a call must leave as it was.
func (s *session) settings() map[string]string {
	s.t.Helper()
	q := "SELECT @@LOCK_TIMEOUT AS wait, @@OPTIONS AS options, @@TRANCOUNT AS transactions"
	if s.mysql() {
		isolation := "@@SESSION.transaction_isolation"
		if s.Server.Product == "MariaDB" {
			isolation = "@@SESSION.tx_isolation"
		}
		q = "SELECT @@SESSION.autocommit, @@SESSION.sql_safe_updates, @@SESSION.sql_big_selects, @@SESSION.foreign_key_checks, @@SESSION.unique_checks, " +
			"@@SESSION.innodb_lock_wait_timeout, @@SESSION.lock_wait_timeout, @@SESSION.sql_mode, @@SESSION.time_zone, " + isolation
	}
	row, err := s.row(q)
	require.NoError(s.t, err)
	return row
}

// requireClean requires that exactly the dead rows are gone, and accounted for.
func (w *world) requireClean() {
	w.t.Helper()
	require.EqualValues(w.t, deadTokens/3, w.Count(tokens, ""))
	require.EqualValues(w.t, deadTokens/3, w.Count(schema.AccessTokenScope, ""))
	require.EqualValues(w.t, deadTokens/3, w.Count(codes, ""))
	require.EqualValues(w.t, 1, w.Count(requests, ""))
	require.Zero(w.t, w.Count(schema.RequestObject, "")+w.Count(schema.RequestClaims, "")+w.Count(schema.RequestValues, ""))
	require.EqualValues(w.t, deadTokens, w.Count(audits, ""))
	var removed, audited int64
	for _, r := range w.runs() {
		for _, p := range r.Phases {
			removed, audited = removed+p.Removed, audited+p.Audited
		}
	}
	require.EqualValues(w.t, deadTokens+deadCodes+deadCIBAs, removed)
	require.EqualValues(w.t, deadTokens, audited)
}

// requireFree requires that nobody holds the run lock: a run can start.
func (w *world) requireFree() {
	w.t.Helper()
	w.session().mustCall(arguments(nil))
}

// waits returns once a session waits for a lock.
func (s *session) waits() {
	s.t.Helper()
	look := s.world.session()
	require.Eventually(s.t, func() bool { return s.waitsIn(look) != "" }, 2*time.Minute, 5*time.Millisecond, "session %d waits for no lock", s.id)
}

// waitsIn is the transaction in which a session waits for a lock, as another session
// sees it; "" if it waits for none.
func (s *session) waitsIn(look *session) string {
	q := "SELECT CAST(transaction_id AS VARCHAR(30)) AS Status FROM sys.dm_exec_requests WHERE wait_type LIKE 'LCK%%' AND session_id = %d"
	switch {
	case s.mysql(): // INNODB_TRX shows what it showed before to whoever asks often
		q = "SHOW ENGINE INNODB STATUS /* %d */"
	case s.babelfish():
		q = "SELECT 'a' AS Status FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = %d"
	}
	row, err := look.row(fmt.Sprintf(q, s.id))
	if err != nil || !s.mysql() {
		return row["Status"]
	}
	for _, one := range strings.Split(row["Status"], "---TRANSACTION ")[1:] {
		if strings.Contains(one, "LOCK WAIT") && strings.Contains(one, fmt.Sprintf(" thread id %d,", s.id)) {
			id, _, _ := strings.Cut(one, ",")
			return id
		}
	}
	return ""
}

// hold starts a transaction that changes a token and so keeps its row locked.
func (w *world) hold(id, set string) *sql.Tx {
	w.t.Helper()
	tx, err := w.DB.BeginTx(context.WithoutCancel(w.t.Context()), nil)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = tx.Rollback() })
	_, err = tx.Exec("UPDATE " + w.Dialect.Table(tokens) + " SET " + set + " WHERE TOKEN_ID = '" + id + "'")
	require.NoError(w.t, err)
	return tx
}

// called is a call under way.
type called struct {
	row map[string]string
	err error
}

func (s *session) start(a procedure.Arguments) <-chan called {
	done := make(chan called, 1)
	go func() {
		row, err := s.call(a)
		done <- called{row, err}
	}()
	return done
}

func (w *world) requireRefused(err error, words ...string) {
	w.t.Helper()
	require.Error(w.t, err)
	for _, word := range words {
		require.ErrorContains(w.t, err, word)
	}
	require.NotContains(w.t, err.Error(), "\n")
}
