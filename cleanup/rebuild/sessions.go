package rebuild

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// patience is how long sessions of ours may take to go, and how long statements
// wait for each other.
const patience = 30 * time.Second

// session is one of the run's own.
type session struct {
	conn *sql.Conn
	id   int64
	d    dialect.Rebuilder
}

// sessions are all that a run opened and did not close.
type sessions struct {
	mu   sync.Mutex
	all  []*session
	main *session // holds the run lock; renames
}

func (r *run) main() *session { return r.sessions.main }

// open opens a session that waits so long for locks on tables, with further setup.
func (r *run) open(ctx context.Context, wait time.Duration, setup ...string) (*session, error) {
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return nil, classified(r.d, fmt.Errorf("connecting: %w", err))
	}
	s := &session{conn: conn, d: r.d}
	r.sessions.mu.Lock()
	r.sessions.all = append(r.sessions.all, s)
	r.sessions.mu.Unlock()
	if err := conn.QueryRowContext(ctx, r.d.Session()).Scan(&s.id); err != nil {
		return nil, classified(r.d, err)
	}
	all := append([]string{r.d.UseSchema(r.schema)}, r.d.SessionSetup()...)
	all = append(append(all, r.d.RebuildSession(wait)...), setup...)
	if err := s.run(ctx, all...); err != nil {
		return nil, classified(r.d, fmt.Errorf("preparing a session: %w", err))
	}
	for _, setting := range r.d.Optional() {
		_ = s.run(ctx, setting) // unknown to some servers
	}
	return s, nil
}

// run executes statements one after the other.
func (s *session) run(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := s.conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%w (in: %.200s)", err, statement)
		}
	}
	return nil
}

// exec executes one and returns how many rows it changed.
func (s *session) exec(ctx context.Context, q dialect.SQL) (int64, error) {
	done, err := s.conn.ExecContext(ctx, q.Text, q.Args...)
	if err != nil {
		return 0, fmt.Errorf("%w (in: %.200s)", err, q.Text)
	}
	return done.RowsAffected()
}

// number reads one number; found is false if there is no row.
func (s *session) number(ctx context.Context, q dialect.SQL) (n int64, found bool, err error) {
	err = s.conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return n, err == nil, err
}

// texts reads rows of text.
func (s *session) texts(ctx context.Context, q dialect.SQL) ([][]string, error) {
	return texts(ctx, s.conn, q)
}

func texts(ctx context.Context, db schema.Querier, q dialect.SQL) ([][]string, error) {
	rows, err := db.QueryContext(ctx, q.Text, q.Args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]string
	for rows.Next() {
		row, dest := make([]string, len(columns)), make([]any, len(columns))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// definition reads a table as the server writes it.
func (s *session) definition(ctx context.Context, table string) (text string, t dialect.TableText, err error) {
	rows, err := s.texts(ctx, dialect.SQL{Text: s.d.ShowTable(table)})
	if err != nil {
		return "", t, fmt.Errorf("reading the definition of %s: %w", table, err)
	}
	t, err = s.d.ParseTable(rows[0][1])
	return rows[0][1], t, err
}

// end gives the session's locks back and closes it. A session with settings of
// ours must not return to the caller's pool.
func (r *run) end(s *session) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = s.run(ctx, r.d.Unlock()) // or the server does when it is gone
	drop(s)
	r.sessions.mu.Lock()
	defer r.sessions.mu.Unlock()
	r.sessions.all = slices.DeleteFunc(r.sessions.all, func(o *session) bool { return o == s })
}

// drop closes a session. What it is doing comes to an end first, or is cancelled
// with its context.
func drop(s *session) {
	_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = s.conn.Close()
}

// connect opens the main session and takes the run lock in it.
func (r *run) connect(ctx context.Context) error {
	s, err := r.open(ctx, r.LockWait)
	if err != nil {
		return err
	}
	if err := cleanup.TakeRunLock(ctx, s.conn, r.d, r.schema); err != nil {
		return classified(r.d, err)
	}
	r.sessions.main = s
	return nil
}

// close ends all sessions in an orderly way.
func (r *run) close() {
	if s := r.main(); s != nil {
		cleanup.ReleaseRunLock(s.conn, r.d, r.schema)
	}
	for _, s := range slices.Clone(r.sessions.all) {
		r.end(s)
	}
}

// reconnect ends every session, with what it is doing, and connects anew. A RENAME
// is not killed but ends by itself, without the gate or without the locks of the
// others: MariaDB loses the triggers of tables whose RENAME is killed.
func (r *run) reconnect(ctx context.Context) error {
	var ids, killed []int64
	main := r.main()
	for _, s := range slices.Clone(r.sessions.all) {
		ids = append(ids, s.id)
		if s != main || !r.renaming {
			killed = append(killed, s.id)
		}
		if s != main {
			drop(s)
		}
	}
	if main != nil {
		drop(main)
	}
	r.sessions.all, r.sessions.main, r.audit, r.renaming = nil, nil, nil, false
	deadline := time.Now().Add(patience)
	killer, err := r.open(ctx, patience)
	if err != nil {
		return err
	}
	for {
		for _, id := range killed {
			_ = killer.run(ctx, r.d.Kill(id)) // most have gone by themselves
		}
		left, _, err := killer.number(ctx, r.d.Alive(ids))
		if err != nil {
			return err
		}
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d sessions of the run are still there after %s", left, patience)
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.end(killer)
	return r.connect(ctx)
}
