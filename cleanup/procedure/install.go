package procedure

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/internal/mysqltext"
	"github.com/tokensweep/tokensweep/internal/tsql"
	"github.com/tokensweep/tokensweep/schema"
)

// Install generates the script and runs it. It replaces a procedure of ours and
// keeps its table of runs. It refuses, before anything changes, what Generate
// refuses, live columns that hold data and have no place in the audit table unless
// the plan says AuditDrop, and a procedure or table of these names that is not ours.
// What it made is gone again if a later step fails.
func Install(ctx context.Context, db *sql.DB, plan *cleanup.Plan) error {
	if _, err := supported(plan); err != nil {
		return err
	}
	s, err := connect(ctx, db, plan.Dialect, plan.Found.Name)
	if err != nil {
		return err
	}
	defer s.close()
	return s.install(ctx, plan)
}

// Uninstall drops the procedure and its table of runs. It refuses, before anything
// changes, a procedure or table of these names that is not ours. If neither is there,
// it does nothing.
func Uninstall(ctx context.Context, db *sql.DB, d dialect.Dialect, schemaName string) error {
	s, err := connect(ctx, db, d, schemaName)
	if err != nil {
		return err
	}
	defer s.close()
	return s.uninstall(ctx)
}

// Script is Generate for a plan made from a database: it asks that database for what
// the plan does not say, and refuses live columns that hold data and have no place in
// the audit table unless the plan says AuditDrop. It changes nothing.
func Script(ctx context.Context, db *sql.DB, plan *cleanup.Plan) (string, error) {
	if _, err := supported(plan); err != nil {
		return "", err
	}
	s, err := connect(ctx, db, plan.Dialect, plan.Found.Name)
	if err != nil {
		return "", err
	}
	defer s.close()
	return s.generate(ctx, plan)
}

// session is the one connection that installs or removes.
type session struct {
	conn   *sql.Conn
	d      Dialect
	schema string
}

func connect(ctx context.Context, db *sql.DB, plain dialect.Dialect, schemaName string) (*session, error) {
	d, ok := plain.(Dialect)
	if !ok {
		return nil, &cleanup.Error{Problem: plain.Name() + " has no stored procedures", Kind: cleanup.Refused}
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	s := &session{conn: conn, d: d, schema: schemaName}
	if user, ok := plain.(dialect.SchemaUser); ok {
		if _, err := conn.ExecContext(ctx, user.UseSchema(schemaName)); err != nil {
			s.close()
			return nil, s.explain(err, "choosing schema "+schemaName)
		}
	}
	return s, nil
}

// close ends the session: its settings must not return to the caller's pool.
func (s *session) close() {
	_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = s.conn.Close()
}

func (s *session) install(ctx context.Context, plan *cleanup.Plan) error {
	return s.locked(ctx, func() error {
		script, err := s.generate(ctx, plan)
		if err != nil {
			return err
		}
		before, err := s.find(ctx)
		if err != nil {
			return err
		}
		if err := s.run(ctx, script); err != nil {
			s.takeBack(context.WithoutCancel(ctx), before)
			return s.explain(err, "installing the procedure")
		}
		return nil
	})
}

func (s *session) uninstall(ctx context.Context) error {
	return s.locked(ctx, func() error {
		there, err := s.find(ctx)
		if err != nil {
			return err
		}
		for _, drop := range s.drops(there) {
			if _, err := s.conn.ExecContext(ctx, drop); err != nil {
				return s.explain(err, "removing the procedure")
			}
		}
		return nil
	})
}

// locked does something while no run is under way.
func (s *session) locked(ctx context.Context, do func() error) error {
	err := cleanup.TakeRunLock(ctx, s.conn, s.d, s.schema)
	if known := (*cleanup.Error)(nil); errors.As(err, &known) {
		return err
	}
	if err != nil {
		return s.explain(err, "installing or removing the procedure")
	}
	defer cleanup.ReleaseRunLock(s.conn, s.d, s.schema)
	return do()
}

// generate makes the script for this server and checks that it can be used.
func (s *session) generate(ctx context.Context, plan *cleanup.Plan) (string, error) {
	o, err := s.look(ctx, plan)
	if err != nil {
		return "", err
	}
	if err := cleanup.CheckAuditHolds(ctx, s.conn, plan); err != nil {
		return "", err
	}
	return Generate(plan, o)
}

// look asks SQL Server whether it is one, and whether conditions on the audit table
// keep a DELETE from writing to it.
func (s *session) look(ctx context.Context, plan *cleanup.Plan) (o Options, err error) {
	if s.d.Product() != schema.SQLServer {
		return o, nil
	}
	var babelfish sql.NullString
	if err := s.conn.QueryRowContext(ctx, "SELECT CAST(SERVERPROPERTY('BabelfishVersion') AS NVARCHAR(128))").Scan(&babelfish); err != nil {
		return o, s.explain(err, "asking the server what it is")
	}
	o.NoWait = babelfish.String != ""
	for i := range plan.Phases {
		audit := plan.Phases[i].Audit
		if audit == nil {
			continue
		}
		var conditions int
		q := s.d.Bind(dialect.Concat("SELECT COUNT(*) FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(", dialect.Value(s.d.Table(audit.Table)), ")"))
		if err := s.conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&conditions); err != nil {
			return o, s.explain(err, "looking for conditions on "+audit.Table)
		}
		audit.Guarded = audit.Guarded || conditions > 0
	}
	return o, nil
}

// presence says which of ours are there.
type presence struct{ procedure, runs bool }

// find refuses what has our names and is not ours.
func (s *session) find(ctx context.Context) (p presence, err error) {
	q := s.d.ProcedureText(s.schema, Name)
	var text string
	switch err := s.conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&text); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return p, s.explain(err, "looking for procedure "+Name)
	case !strings.Contains(text, Mark):
		return p, &cleanup.Error{Problem: fmt.Sprintf("schema %s has a procedure %s that tokensweep did not make, or that this user may not see", s.schema, Name),
			Remedy: "rename it, or use another user; it was not touched", Kind: cleanup.Refused}
	default:
		p.procedure = true
	}
	found, err := schema.Read(ctx, s.conn, s.d, s.schema)
	if err != nil {
		return p, s.explain(err, "looking for table "+RunsTable)
	}
	p.runs, err = hasRuns(found)
	return p, err
}

// hasRuns reports whether the table of runs is there; one that is not ours is an error.
func hasRuns(found *schema.Database) (bool, error) {
	table, ok := found.Table(RunsTable)
	if !ok {
		return false, nil
	}
	if !slices.EqualFunc(table.Columns, runColumns, func(c schema.Column, name string) bool { return schema.SameName(c.Name, name) }) {
		return false, &cleanup.Error{Problem: fmt.Sprintf("schema %s has a table %s that tokensweep did not make", found.Name, table.Name),
			Remedy: "rename it; it was not touched", Kind: cleanup.Refused}
	}
	return true, nil
}

func (s *session) drops(p presence) (statements []string) {
	if p.procedure {
		statements = append(statements, s.d.DropProcedure(Name))
	}
	if p.runs {
		statements = append(statements, "DROP TABLE "+s.d.Table(RunsTable))
	}
	return statements
}

// takeBack removes what a failed installation made.
func (s *session) takeBack(ctx context.Context, before presence) {
	now, err := s.find(ctx)
	if err != nil {
		return // the failure that led here is what the user must read
	}
	for _, drop := range s.drops(presence{now.procedure && !before.procedure, now.runs && !before.runs}) {
		_, _ = s.conn.ExecContext(ctx, drop)
	}
}

// run runs a script as the mysql client or sqlcmd would.
func (s *session) run(ctx context.Context, script string) error {
	next := mysqlStatements(script)
	if s.d.Product() == schema.SQLServer {
		next = batches(script)
	}
	for {
		text, line, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := s.conn.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("line %d of the script: %w", line, err)
		}
	}
}

func mysqlStatements(script string) func() (string, int64, error) {
	splitter := mysqltext.NewSplitter(strings.NewReader(script), len(script)+1)
	return func() (string, int64, error) {
		st, err := splitter.Next()
		return string(st.Text), st.Line, err
	}
}

func batches(script string) func() (string, int64, error) {
	reader := tsql.NewReader(strings.NewReader(script), tsql.Limits{Piece: len(script) + 1, Batch: len(script) + 1})
	return func() (string, int64, error) {
		for {
			b, err := reader.Next()
			if err != nil || len(bytes.TrimSpace(b.Text)) > 0 {
				return string(b.Text), b.Line, err
			}
		}
	}
}

// explain says what to do about a failure.
func (s *session) explain(err error, doing string) error {
	err = fmt.Errorf("%s: %w", doing, err)
	switch s.d.Classify(err) {
	case dialect.Denied:
		return &cleanup.Error{Problem: "a privilege is missing", Remedy: s.d.GrantProcedure(s.schema), Kind: cleanup.Refused, Cause: err}
	case dialect.ReadOnly:
		return &cleanup.Error{Problem: "the server is read-only", Remedy: "run on the primary, or after read_only is switched off", Kind: cleanup.Refused, Cause: err}
	case dialect.Unclassified:
		return err
	}
	return &cleanup.Error{Problem: "the database refused or is gone", Remedy: "nothing was cleaned", Kind: cleanup.Unavailable, Cause: err}
}
