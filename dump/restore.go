package dump

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
)

const (
	// commitEvery bytes of rows are one transaction: dumps with a row a
	// statement would else wait for the disk at each of them.
	commitEvery = 16 << 20
	// maxSamples is how many warnings are kept.
	maxSamples = 10
)

// Restore restores one schema of a dump into the current schema of db, which
// must be empty: for a script of SQL Server, one database of it into the current
// database. It inspects the dump first unless o.Inspected is given, and
// then runs it on one connection of its own that is closed afterwards.
//
// The user needs all rights on the schema, on SQL Server the role db_owner. Views, triggers and routines become
// that user's. When an error comes while statements run, what was restored
// until then stays: throw the schema away. The error is an [*Error], or the
// one of ctx.
func Restore(ctx context.Context, db *sql.DB, path string, o Options) (*Info, error) {
	product := productOf(db)
	info := o.Inspected
	if info == nil || !info.chosen || o.Schema != "" && o.Schema != info.Schema {
		var err error
		if info, err = Inspect(ctx, path, Options{Schema: o.Schema, For: product, Log: o.Log}); err != nil {
			return nil, err
		}
	}
	if err := (&source{format: info.Format}).suits(product); err != nil {
		return nil, inFile(err, path)
	}
	result := *info
	result.Statements, result.Skipped, result.SkippedKinds, result.Adjusted = 0, 0, map[string]int{}, map[string]int{}
	result.Notes = slices.Clone(info.Notes)
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	switch info.Format {
	case Backup:
		return nil, inFile(fault(BadTarget, 0, nil, "a backup file is restored by the server itself, with RestoreBackup"), path)
	case Script:
		if err := restoreScript(ctx, db, path, &result, o); err != nil {
			return nil, inFile(err, path)
		}
		return &result, nil
	}
	r := &restore{info: &result, log: o.Log}
	if err := r.connect(ctx, db); err != nil {
		return nil, inFile(err, path)
	}
	defer r.disconnect()
	if err := r.runAll(ctx, path, o.Progress); err != nil {
		return nil, inFile(err, path)
	}
	return &result, nil
}

// restore is one restore on one connection.
type restore struct {
	conn   *sql.Conn
	server server
	schema string // the current one of the connection
	packet int64  // the server's limit of a statement in bytes
	rows   int64  // bytes of rows since the last commit
	info   *Info
	log    func(format string, args ...any)
}

// connect takes a connection and looks at the server and its schema.
func (r *restore) connect(ctx context.Context, db *sql.DB) (err error) {
	if r.conn, err = db.Conn(ctx); err != nil {
		return fmt.Errorf("connect to the throw-away server: %w", err)
	}
	defer func() {
		if err != nil {
			r.disconnect()
		}
	}()
	var schema sql.NullString
	err = r.conn.QueryRowContext(ctx, "SELECT DATABASE(), VERSION(), @@max_allowed_packet").Scan(&schema, &r.server.version, &r.packet)
	if err != nil {
		return fmt.Errorf("look at the throw-away server: %w", err)
	}
	r.server.product = MySQL
	if strings.Contains(r.server.version, MariaDB) {
		r.server.product = MariaDB
	}
	if !schema.Valid {
		return fault(BadTarget, 0, nil, "the connection has no current schema to restore into: name one in the DSN")
	}
	r.schema = schema.String
	var tables int
	err = r.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()").Scan(&tables)
	if err != nil {
		return fmt.Errorf("look at the throw-away schema: %w", err)
	}
	if tables > 0 {
		return fault(BadTarget, 0, nil, "the schema %s is not empty (%d tables): a dump is only restored into an empty one", r.schema, tables)
	}
	if largest := r.info.Largest; largest.Bytes >= r.packet {
		return r.tooLarge(largest.Line, largest.Bytes)
	}
	return r.prepare(ctx)
}

func (r *restore) tooLarge(line, bytes int64) error {
	return fault(TooLarge, line, nil,
		"this statement has %s and the server takes less than %s: start the server with a larger --max-allowed-packet, or dump again with --net-buffer-length=1M",
		mebibytes(bytes), mebibytes(min(r.packet, keepStatement)))
}

// prepare sets the session as the header of a dump does, for dumps without one,
// and takes over the schema's defaults.
func (r *restore) prepare(ctx context.Context) error {
	// Needs a privilege that not everyone has, and only saves time.
	_, _ = r.conn.ExecContext(ctx, "SET SESSION sql_log_bin = 0")
	statements := []string{
		"SET NAMES utf8mb4",
		"SET SESSION foreign_key_checks = 0, unique_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO', autocommit = 0",
	}
	if r.info.TimesUnstated && r.info.TimesInUTC {
		statements = append(statements, "SET SESSION time_zone = '+00:00'")
	}
	for _, statement := range statements {
		if _, err := r.conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("prepare the throw-away server (%s): %w", statement, err)
		}
	}
	for _, s := range r.info.Schemas {
		if s.Name != r.info.key || s.Charset == "" {
			continue
		}
		statement := "ALTER DATABASE " + quoteName(r.schema) + " CHARACTER SET " + quoteName(s.Charset)
		if s.Collation != "" {
			statement += " COLLATE " + quoteName(s.Collation)
		}
		if _, err := r.conn.ExecContext(ctx, statement); err != nil {
			it := item{statement: statementOf(statement, s.line), command: parse([]byte(statement))}
			return explain(err, it, r.info, r.server)
		}
	}
	return nil
}

func statementOf(text string, line int64) statement {
	return statement{text: []byte(text), line: line, size: int64(len(text))}
}

// disconnect closes the connection for good: its session is not as others
// expect it.
func (r *restore) disconnect() {
	_ = r.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = r.conn.Close()
}

func (r *restore) runAll(ctx context.Context, path string, progress func(done, total int64)) error {
	src, err := open(ctx, path, progress)
	if err != nil {
		return err
	}
	defer src.close()
	w := newWalker(src)
	for {
		it, err := w.next()
		switch {
		case err == io.EOF:
			return r.commit(ctx)
		case err != nil:
			return err
		}
		if err := r.one(ctx, it); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("restore stopped in line %d: %w", it.line, ctx.Err())
			}
			return err
		}
	}
}

// one runs or skips one statement.
func (r *restore) one(ctx context.Context, it item) error {
	own := it.of == r.info.key
	switch {
	case it.inSchema() && !own:
		r.count(OtherSchemas)
		return nil
	case it.action == skip:
		r.skipped(it)
		return nil
	case it.size > int64(len(it.text)):
		return r.tooLarge(it.line, it.size)
	}
	text, definer := rewrite(it, r.schema)
	if definer {
		r.info.Adjusted["DEFINER is the restoring user"]++
	}
	err := r.exec(ctx, text)
	if err != nil {
		return r.recover(ctx, it, own, text, err)
	}
	switch it.kind {
	case "INSERT", "REPLACE", "CREATE TABLE":
		if err := r.warnings(ctx, it); err != nil {
			return err
		}
	default:
		return nil
	}
	if r.rows += it.size; r.rows >= commitEvery {
		return r.commit(ctx)
	}
	return nil
}

func (r *restore) exec(ctx context.Context, text string) error {
	_, err := r.conn.ExecContext(ctx, text)
	if err == nil {
		r.info.Statements++
	}
	return err
}

func (r *restore) commit(ctx context.Context) error {
	r.rows = 0
	if _, err := r.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return fault(Failed, 0, err, "cannot commit the restored rows: %v", err)
	}
	return nil
}

func (r *restore) count(kind string) {
	r.info.Skipped++
	r.info.SkippedKinds[kind]++
}

// quiet are skipped statements that every dump of several schemas has.
var quiet = []string{"USE", "CREATE DATABASE", "DROP DATABASE"}

func (r *restore) skipped(it item) {
	r.count(it.kind)
	first := r.info.SkippedKinds[it.kind] == 1 // there may be many grants
	if !slices.Contains(quiet, it.kind) && (it.inSchema() || first) {
		r.log("line %d: %s is not restored", it.line, it.command)
	}
}

// recover decides about a statement that the server refused.
func (r *restore) recover(ctx context.Context, it item, own bool, text string, cause error) error {
	var e *mysqldriver.MySQLError
	if !errors.As(cause, &e) {
		return explain(cause, it, r.info, r.server)
	}
	switch {
	case it.action == session && !own && it.of != "": // for a schema that is not restored
		r.count(OtherSchemas)
		return nil
	case it.kind == "SET" && assigns(it.set, "sql_log_bin"):
		r.count("SET SQL_LOG_BIN")
		return nil
	case it.kind == "SET" && e.Number == errWrongValue && assigns(it.set, "sql_mode"):
		return r.withoutMode(ctx, it, own, text, e)
	case it.kind == "CREATE VIEW" && unresolved[e.Number]:
		r.count(UnresolvedView)
		r.log("line %d: the view %s is not restored: %v", it.line, it.object, e)
		return nil
	}
	return explain(cause, it, r.info, r.server)
}

var refusedMode = regexp.MustCompile(`value of '([A-Za-z0-9_]+)'`)

// withoutMode sets sql_mode again without a mode that the server does not have.
// It matters for none of them here: NO_AUTO_CREATE_USER, which MySQL 8 dropped
// and MariaDB has by default, is about users, and modes only apply to the
// triggers and routines that are made under them.
func (r *restore) withoutMode(ctx context.Context, it item, own bool, text string, e *mysqldriver.MySQLError) error {
	m := refusedMode.FindStringSubmatch(e.Message)
	if m == nil || !strings.Contains(text, m[1]) {
		return explain(e, it, r.info, r.server)
	}
	r.info.Adjusted["sql_mode without "+m[1]]++
	text = strings.Replace(text, m[1], "", 1) // empty items are allowed in the list
	if err := r.exec(ctx, text); err != nil {
		return r.recover(ctx, it, own, text, err)
	}
	return nil
}

func assigns(set []assignment, name string) bool {
	return slices.ContainsFunc(set, func(a assignment) bool { return a.name == name })
}

// harmless are warnings about rows that are stored as they were.
var harmless = map[int]bool{
	1300: true, // MySQL: the bytes of a binary column are no text; text was checked before
	1906: true, // MariaDB: a generated column is computed again
}

// otherEngine: the server made a table with another storage engine.
const otherEngine = 1266

// warnings asks for what the server stored otherwise than the dump says. A dump
// turns strict mode off, so that this is no error. Of the warnings about tables,
// which are mostly about old spellings, only the one about the engine counts.
func (r *restore) warnings(ctx context.Context, it item) error {
	rows, err := r.conn.QueryContext(ctx, "SHOW WARNINGS LIMIT 100")
	if err != nil {
		return fault(Failed, it.line, err, "cannot read the warnings of %s: %v", it.command, err)
	}
	defer rows.Close() //nolint:errcheck // the error comes from Err
	for rows.Next() {
		var level, message string
		var code int
		if err := rows.Scan(&level, &code, &message); err != nil {
			return fault(Failed, it.line, err, "cannot read the warnings of %s: %v", it.command, err)
		}
		if level == "Note" || harmless[code] || it.kind == "CREATE TABLE" && code != otherEngine {
			continue
		}
		if r.info.Warnings++; len(r.info.WarningSamples) < maxSamples {
			r.info.WarningSamples = append(r.info.WarningSamples, Warning{Line: it.line, Code: code, Message: message})
		}
	}
	return rows.Err()
}
