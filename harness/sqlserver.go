package harness

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
)

// sqlServerNode is a running SQL Server, or one of its relatives.
type sqlServerNode struct {
	login msdsn.Config // the database in it is not used
	via   string
	fast  bool
	end   func() error // removes a throw-away server; nil for a server of the user's
	// give copies a file to where the server can read it; nil if it has to be on
	// the same machine.
	give func(ctx context.Context, path string) (string, error)
}

func (n *sqlServerNode) owned() bool { return n.end != nil }

func (n *sqlServerNode) stop() error {
	if n.end == nil {
		return nil
	}
	return n.end()
}

func (n *sqlServerNode) target(ctx context.Context, p place, zone string) (*Target, error) {
	db, err := n.connect(ctx, p, Session{})
	if err != nil {
		return nil, err
	}
	t := &Target{DB: db, node: n, place: p, zone: zone}
	if t.Server, err = identify(ctx, db, n.via); err == nil {
		t.Schema, err = n.schemaOf(ctx, db, p)
	}
	if err != nil {
		return nil, errors.Join(interrupted(ctx, err), db.Close())
	}
	t.Dialect = sqlserver.Dialect{Schema: t.Schema}
	return t, nil
}

// interrupted says so where the driver's error does not: cancelled in the middle
// of an answer, it may only complain about that.
func interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %v", ctx.Err(), err)
}

// defaultSchema is that of a login that has none of its own, such as a member of
// a Windows group.
const defaultSchema = "dbo"

// schemaOf is the name of the schema as the database writes it.
func (n *sqlServerNode) schemaOf(ctx context.Context, db *sql.DB, p place) (string, error) {
	var own, found sql.NullString
	err := db.QueryRowContext(ctx, "SELECT SCHEMA_NAME(), SCHEMA_NAME(SCHEMA_ID(@p1))", p.schema).Scan(&own, &found)
	switch {
	case err != nil:
		return "", fmt.Errorf("asking for the schema: %w", err)
	case p.schema == "":
		return firstOf(own.String, defaultSchema), nil
	case found.String == "":
		return "", &OptionError{Problem: fmt.Sprintf("there is no schema %q in the database %q at %s: check the name, or that user %q may see it", p.schema, p.name, address(n.login), n.login.User)}
	}
	return found.String, nil
}

// admin runs statements outside of the databases that they are about.
func (n *sqlServerNode) admin(ctx context.Context, work func(*sql.Conn) error) error {
	db, err := n.connect(ctx, place{name: "master"}, Session{})
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return work(conn)
}

// installedCollation is what SQL Server itself offers when it is installed, and
// so what most databases have. The product's vendor asks for one that tells cases
// apart, such as Latin1_General_CS_AS.
const installedCollation = "SQL_Latin1_General_CP1_CI_AS"

func (n *sqlServerNode) create(ctx context.Context, name, collation string, log func(string, ...any)) (place, error) {
	quoted := sqlserver.Dialect{}.Quote(name)
	if collation == "" {
		collation = installedCollation
	}
	if !isWord(collation) {
		return place{}, &OptionError{Problem: fmt.Sprintf("%q is no collation: use a name such as Latin1_General_CS_AS", collation)}
	}
	p, begun := place{name: name, schema: defaultSchema}, false
	err := n.admin(ctx, func(conn *sql.Conn) error {
		err := persist(ctx, isBusy, func() error {
			_, err := conn.ExecContext(ctx, "CREATE DATABASE "+quoted+" COLLATE "+collation)
			return err
		})
		begun = err == nil || ctx.Err() != nil // an interruption leaves open whether it is there
		if err != nil {
			return n.explainCreate(err, name, collation)
		}
		return n.settings(ctx, conn, quoted, log)
	})
	if err != nil && begun {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, n.drop(ctx, p))
	}
	return p, interrupted(ctx, err)
}

// isBusy reports whether a server could not make a database because it was just
// making another one.
func isBusy(err error) bool {
	var server mssql.Error
	return errors.As(err, &server) && (server.Number == modelInUse || (sqlserver.Dialect{}).Classify(err) == dialect.Deadlock ||
		strings.HasSuffix(server.Message, "concurrently updated")) // Babelfish
}

// persist tries again, up to five times, while the failure is one that passes.
func persist(ctx context.Context, passes func(error) bool, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if err == nil || n == 5 || !passes(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(n) * 100 * time.Millisecond):
		}
	}
}

func (n *sqlServerNode) explainCreate(err error, name, collation string) error {
	if (sqlserver.Dialect{}).Classify(err) == dialect.Denied {
		return &OptionError{Problem: fmt.Sprintf("the user %s may not create databases: make it a member of the server role dbcreator", n.login.User), Err: err}
	}
	return fmt.Errorf("creating the database %s with the collation %s: %w", name, collation, err)
}

// isWord keeps to what names of collations are made of, because there is no way
// to quote one.
func isWord(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// settings are those of a throw-away database: readers may have a snapshot, and
// its log is not kept for a backup that nobody will take.
func (n *sqlServerNode) settings(ctx context.Context, conn *sql.Conn, quoted string, log func(string, ...any)) error {
	wanted := []string{"ALLOW_SNAPSHOT_ISOLATION ON", "RECOVERY SIMPLE"}
	if n.fast {
		wanted = append(wanted, "DELAYED_DURABILITY = FORCED")
	}
	for _, setting := range wanted {
		_, err := conn.ExecContext(ctx, "ALTER DATABASE "+quoted+" SET "+setting)
		switch {
		case err == nil:
		case isUnsupported(err):
			log("the server has no ALTER DATABASE … SET %s: left at what it is", setting)
		default:
			return fmt.Errorf("setting %s of a new database: %w", setting, err)
		}
	}
	return nil
}

// noSuchSetting are the answers of servers that do not let users set a database
// up as they like, such as Azure SQL.
var noSuchSetting = map[int32]bool{5008: true, 5058: true, 40510: true, 40517: true}

// isUnsupported reports whether the server says that it does not have a
// statement or an option, rather than that it went wrong.
func isUnsupported(err error) bool {
	var server mssql.Error
	if !errors.As(err, &server) {
		return false
	}
	return noSuchSetting[server.Number] || (sqlserver.Dialect{}).Classify(err) == dialect.Unsupported ||
		strings.Contains(server.Message, "is not currently supported in Babelfish")
}

func (n *sqlServerNode) drop(ctx context.Context, p place) error {
	err := n.admin(ctx, func(conn *sql.Conn) error { return n.dropOn(ctx, conn, p.name) })
	var unavailable *UnavailableError
	if n.owned() && errors.As(err, &unavailable) {
		return nil // the throw-away server went first, and the database with it
	}
	return err
}

// dropOn drops a database and ends the sessions in it. Between the two steps
// another session may come, or the server be busy with another database, so it
// tries a few times.
func (n *sqlServerNode) dropOn(ctx context.Context, conn *sql.Conn, name string) error {
	err := persist(ctx, func(err error) bool { return errors.As(err, new(mssql.Error)) }, func() error {
		if err := n.vacate(ctx, conn, name); err != nil {
			return fmt.Errorf("ending the sessions in it: %w", err)
		}
		_, err := conn.ExecContext(ctx, "DROP DATABASE IF EXISTS "+sqlserver.Dialect{}.Quote(name))
		return err
	})
	if err != nil {
		return fmt.Errorf("dropping the database %s: %w", name, err)
	}
	return nil
}

// vacate ends the sessions in a database. A server without single-user mode gets
// told one by one.
func (n *sqlServerNode) vacate(ctx context.Context, conn *sql.Conn, name string) error {
	var id sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT DB_ID(@p1)", name).Scan(&id); err != nil || !id.Valid {
		return err // NULL: it is gone already
	}
	_, err := conn.ExecContext(ctx, "ALTER DATABASE "+sqlserver.Dialect{}.Quote(name)+" SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
	if err == nil || !isUnsupported(err) {
		return err
	}
	sessions, err := sessionsIn(ctx, conn, id.Int64)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		// It may have ended meanwhile; that it is still there shows when dropping.
		_, _ = conn.ExecContext(ctx, "KILL "+strconv.FormatInt(session, 10))
	}
	return nil
}

func sessionsIn(ctx context.Context, conn *sql.Conn, database int64) ([]int64, error) {
	rows, err := conn.QueryContext(ctx, "SELECT session_id FROM sys.dm_exec_sessions WHERE database_id = @p1 AND session_id <> @@SPID", database)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var sessions []int64
	for rows.Next() {
		var session int64
		if err := rows.Scan(&session); err != nil {
			return nil, err
		}
		sessions = append(sessions, session)
	}
	return sessions, rows.Err()
}

// dsn does not name the schema, which no DSN of SQL Server can.
func (n *sqlServerNode) dsn(p place) string {
	c := n.login
	c.Database = p.name
	return formatSQLServer(c)
}

// borrowSQLServer takes the server that the environment names. It is there for
// throw-away databases, so none of what it has already is touched.
func borrowSQLServer(ctx context.Context, o Options) (node, error) {
	dsn := lentDSN()
	if dsn == "" {
		return nil, &UnavailableError{Wanted: productName(SQLServer), Reasons: []string{sqlServerVariable + " is not set"}}
	}
	c, err := parseSQLServer(dsn)
	if err != nil {
		return nil, explainBorrow(err)
	}
	n := &sqlServerNode{login: c, via: "server of " + sqlServerVariable, fast: o.Fast}
	if err := n.admin(ctx, func(*sql.Conn) error { return nil }); err != nil {
		return nil, explainBorrow(err)
	}
	return n, nil
}

func explainBorrow(err error) error {
	var unavailable *UnavailableError
	var option *OptionError
	text := sqlServerVariable + ": " + err.Error()
	switch {
	case errors.As(err, &unavailable):
		return &UnavailableError{Wanted: productName(SQLServer), Reasons: []string{text}, Err: err}
	case errors.As(err, &option):
		return &OptionError{Problem: text, Err: err}
	}
	return fmt.Errorf("%s: %w", sqlServerVariable, err)
}
