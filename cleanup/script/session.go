package script

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-sql/sqlexp"
	mssql "github.com/microsoft/go-mssqldb"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// session is the one in which a script is run.
type session struct {
	db        *sql.DB
	conn      *sql.Conn
	product   schema.Product
	id        int64
	babelfish bool
	held      held
	log       func(format string, args ...any)
	discarded sync.Once
}

// open opens a session in the schema that is cleaned and holds its clock. None of
// its other settings are changed.
func open(ctx context.Context, db *sql.DB, plan *cleanup.Plan, clock time.Time, log func(string, ...any)) (*session, error) {
	conn, err := fresh(ctx, db)
	if err != nil {
		return nil, err
	}
	s := &session{db: db, conn: conn, product: plan.Dialect.Product(), held: held{at: clock}, log: log}
	prepare := s.prepareMySQL
	if s.product == schema.SQLServer {
		prepare = s.prepareSQLServer
	}
	if err := prepare(ctx, plan); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

// fresh opens a connection that nobody has used: an idle one of the pool may have
// settings of whoever had it before.
func fresh(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	for range db.Stats().Idle {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}
	return db.Conn(ctx)
}

func (s *session) prepareMySQL(ctx context.Context, plan *cleanup.Plan) error {
	// autocommit is the one setting that connections of ours do not leave as it is.
	statements := []string{"SET SESSION autocommit = DEFAULT", fmt.Sprintf("SET TIMESTAMP = %d", s.held.at.Unix())}
	if user, can := plan.Dialect.(dialect.SchemaUser); can {
		statements = append(statements, user.UseSchema(plan.Found.Name))
	}
	for _, statement := range statements {
		if _, err := s.conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return s.conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&s.id)
}

func (s *session) prepareSQLServer(ctx context.Context, plan *cleanup.Plan) error {
	var seconds int64
	var own sql.NullString
	err := s.conn.QueryRowContext(ctx, "SELECT @@SPID, DATEDIFF(SECOND, GETUTCDATE(), GETDATE()), SCHEMA_NAME(), "+
		"CASE WHEN SERVERPROPERTY('BabelfishVersion') IS NULL THEN 0 ELSE 1 END").Scan(&s.id, &seconds, &own, &s.babelfish)
	if err != nil {
		return err
	}
	const quarter = 15 * time.Minute // zones are whole ones
	s.held.local = (time.Duration(seconds) * time.Second).Round(quarter)
	if !strings.EqualFold(own.String, plan.Found.Name) {
		return &cleanup.Error{Kind: cleanup.Refused, Problem: fmt.Sprintf("the session works in the schema %s, and the tables are in %s", own.String, plan.Found.Name),
			Remedy: "run the script as a user whose default schema is " + plan.Found.Name}
	}
	return nil
}

// has reports whether the schema that is cleaned has a procedure of a name.
func (s *session) has(ctx context.Context, procedure string, plan *cleanup.Plan) (bool, error) {
	query := dialect.Concat("SELECT COUNT(*) FROM INFORMATION_SCHEMA.ROUTINES WHERE ROUTINE_TYPE = 'PROCEDURE' AND ROUTINE_NAME = ", dialect.Value(procedure),
		" AND ROUTINE_SCHEMA = ", dialect.Value(plan.Found.Name))
	if s.product == schema.SQLServer {
		query = dialect.Concat("SELECT CASE WHEN OBJECT_ID(", dialect.Value(plan.Dialect.Table(procedure)), ", 'P') IS NULL THEN 0 ELSE 1 END")
	}
	query = plan.Dialect.Bind(query)
	var n int
	err := s.conn.QueryRowContext(ctx, query.Text, query.Args...).Scan(&n)
	return n > 0, err
}

// discard closes the session for good: the pool must not hand it out again, with
// what the script left in it.
func (s *session) discard() {
	s.discarded.Do(func() {
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = s.conn.Close()
	})
}

// run runs a statement. When ctx ends, the statement is killed, and run waits
// until it is over.
func (s *session) run(ctx context.Context, text string) error {
	inner, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	done := make(chan error, 1)
	go func() {
		if s.product == schema.SQLServer {
			done <- s.batch(inner, text)
		} else {
			done <- s.statement(inner, text)
		}
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if err := s.kill(inner); err != nil {
		s.log("the statement could not be killed (%v): its connection is closed", err)
	}
	abandon()
	return <-done
}

const (
	killTime = 30 * time.Second // that KILL itself may take
	grace    = 10 * time.Minute // that a killed statement may take to roll back
	look     = 200 * time.Millisecond
)

// kill ends the session from another one, and waits until it is gone. A cancelled
// context would only close the connection, which MySQL notices when it next writes
// to it, and Babelfish not even then.
func (s *session) kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killTime+grace)
	defer cancel()
	killing, done := context.WithTimeout(ctx, killTime)
	defer done()
	if _, err := s.db.ExecContext(killing, "KILL "+strconv.FormatInt(s.id, 10)); err != nil {
		return err
	}
	query := "SELECT COUNT(*) FROM INFORMATION_SCHEMA.PROCESSLIST WHERE ID = " + strconv.FormatInt(s.id, 10)
	if s.product == schema.SQLServer {
		query = "SELECT COUNT(*) FROM sys.sysprocesses WHERE spid = " + strconv.FormatInt(s.id, 10)
	}
	for tick := time.NewTicker(look); ; <-tick.C {
		var there int
		if err := s.db.QueryRowContext(ctx, query).Scan(&there); err != nil || there == 0 {
			tick.Stop()
			return err
		}
	}
}

// statement runs a statement on MySQL and logs its rows.
func (s *session) statement(ctx context.Context, text string) error {
	rows, err := s.conn.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err has it
	for {
		if err := s.logRows(rows); err != nil {
			return err
		}
		if !rows.NextResultSet() {
			return rows.Err()
		}
	}
}

// batch runs a batch on SQL Server, and logs its rows and messages. As in sqlcmd
// an error does not end it: the server decides what else of it is run. The first
// one is returned.
func (s *session) batch(ctx context.Context, text string) error {
	messages := &sqlexp.ReturnMessage{}
	rows, err := s.conn.QueryContext(ctx, text, messages)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // the error comes as a message, and from Err
	var first error
	for more := true; more; {
		switch m := messages.Message(ctx).(type) {
		case sqlexp.MsgNotice:
			if message := strings.TrimSpace(m.Message.String()); message != "" {
				s.log("%s", bounded(message))
			}
		case sqlexp.MsgError:
			var server mssql.Error
			if !errors.As(m.Error, &server) { // the connection broke, and no message follows
				return cmp.Or(first, m.Error)
			}
			if killed(server) {
				continue
			}
			s.log("%s", bounded(m.Error.Error()))
			if first == nil {
				first = m.Error
			}
		case sqlexp.MsgNext:
			if err := s.logRows(rows); err != nil && first == nil {
				first = err
			}
		case sqlexp.MsgNextResultSet:
			more = rows.NextResultSet()
		}
	}
	if first != nil {
		return first
	}
	return errors.Join(rows.Err(), ctx.Err())
}

const (
	loggedRows  = 100 // of a result set
	loggedRunes = 500 // of a row
)

// logRows logs a result set as it comes, a line for each row.
func (s *session) logRows(rows *sql.Rows) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	n := 0
	for rows.Next() {
		if n++; n > loggedRows {
			continue
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		line := make([]string, len(values))
		for i, v := range values {
			line[i] = "NULL"
			if v.Valid {
				line[i] = v.String
			}
		}
		s.log("%s", bounded(strings.Join(line, " ")))
	}
	if n > loggedRows {
		s.log("… and %d rows more", n-loggedRows)
	}
	return rows.Err()
}

func bounded(s string) string {
	if r := []rune(s); len(r) > loggedRunes {
		return string(r[:loggedRunes]) + "…"
	}
	return s
}

// ofScript reports whether the error of a statement that was killed is one that the
// script had met before. On MySQL the first error ends a statement, so that it is
// none; SQL Server goes on.
func (s *session) ofScript(err error) bool {
	var e mssql.Error
	return errors.As(err, &e) && !killed(e)
}

// killed reports whether an error only says that the session was killed. Babelfish
// says it in the words of PostgreSQL.
func killed(e mssql.Error) bool {
	return e.Number == 596 || strings.Contains(e.Message, "terminating connection") || strings.Contains(e.Message, "canceling statement")
}

// mysqlLine is how MySQL names the line in a statement that it does not understand.
var mysqlLine = regexp.MustCompile(`at line (\d+)$`)

// lineIn is the line of the script that an error is about: the one that the server
// names, or the one in which the statement begins.
func (r *run) lineIn(st *statement, err error) int64 {
	var e mssql.Error
	if errors.As(err, &e) {
		if len(e.All) > 0 {
			e = e.All[0]
		}
		if made := r.File.statementOf(e.ProcName); made != nil {
			return made.line + max(0, int64(e.LineNo)-1)
		}
		if e.ProcName == "" && st.tokens != nil {
			return st.line + max(0, int64(e.LineNo)-1)
		}
		return st.line
	}
	if m := mysqlLine.FindStringSubmatch(err.Error()); m != nil && st.tokens != nil {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		return st.line + max(0, n-1)
	}
	return st.line
}

// statementOf is the statement that makes a procedure; nil for none.
func (f *File) statementOf(procedure string) *statement {
	procedure = procedure[strings.LastIndexByte(procedure, '.')+1:]
	for i := range f.statements {
		if m := f.statements[i].makes; m != nil && strings.EqualFold(m.name, strings.Trim(procedure, "[]")) {
			return &f.statements[i]
		}
	}
	return nil
}
