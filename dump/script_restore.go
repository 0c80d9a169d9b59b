package dump

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/internal/tsql"
)

// scriptRestore restores a script on one connection.
type scriptRestore struct {
	conn   *sql.Conn
	server server
	info   *Info
	log    func(format string, args ...any)

	walker  *scriptWalker
	waiting waiting
	// open: a transaction with bytes of rows waits for its commit.
	open  bool
	bytes int64
	// later are modules that the server refused for now; settings are those that
	// a module is stored with.
	later    []laterModule
	settings map[string]string
	// tables are those with rows, as they are written in the script, by rowKey.
	tables map[string]string
}

// textAt is text for the server, and the line in the script that it begins in.
type textAt struct {
	text string
	line int64
}

// waiting are statements that are sent together. They have as many line ends
// between them as in the script, so that the server counts as the script does.
type waiting struct {
	text strings.Builder
	line int64 // of the first
	last int64 // in which the text ends
}

func (w *waiting) add(p textAt) {
	if w.text.Len() == 0 {
		w.line, w.last = p.line, p.line
	}
	for ; w.last < p.line; w.last++ {
		w.text.WriteByte('\n')
	}
	w.text.WriteByte(' ')
	w.text.WriteString(p.text)
	w.last += int64(strings.Count(p.text, "\n"))
}

// take returns what waits, and nothing waits then.
func (w *waiting) take() textAt {
	p := textAt{w.text.String(), w.line}
	*w = waiting{}
	return p
}

// laterModule is a module that may be about others that come behind it.
type laterModule struct {
	textAt
	statement tsql.Statement
	settings  map[string]string
	cause     error
}

func restoreScript(ctx context.Context, db *sql.DB, path string, info *Info, o Options) error {
	r := &scriptRestore{info: info, log: o.Log, settings: map[string]string{}, tables: map[string]string{}}
	if err := r.connect(ctx, db); err != nil {
		return err
	}
	defer r.disconnect()
	if err := r.runAll(ctx, path, o.Progress); err != nil {
		return err
	}
	return r.compareRows(ctx)
}

// sessionStart is how tools connect that run scripts. Its last line keeps text
// dates such as '2026-01-31' from depending on the login's language.
const sessionStart = `SET XACT_ABORT ON; SET NOCOUNT ON; SET IMPLICIT_TRANSACTIONS OFF;
SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; SET NUMERIC_ROUNDABORT OFF; SET QUOTED_IDENTIFIER ON;
SET LANGUAGE us_english;`

// connect takes a connection and looks at the server and its database.
func (r *scriptRestore) connect(ctx context.Context, db *sql.DB) (err error) {
	if r.conn, err = db.Conn(ctx); err != nil {
		return fmt.Errorf("connect to the throw-away server: %w", err)
	}
	defer func() {
		if err != nil {
			r.disconnect()
		}
	}()
	var name, collation string
	var tables int
	if r.server, err = sqlServer(ctx, r.conn); err != nil {
		return err
	}
	err = r.conn.QueryRowContext(ctx, "SELECT DB_NAME(), CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS nvarchar(128)), "+
		"(SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES)").Scan(&name, &collation, &tables)
	switch {
	case err != nil:
		return fmt.Errorf("look at the throw-away database: %w", err)
	case systemDatabases[strings.ToLower(name)]:
		return fault(BadTarget, 0, nil, "the current database is the server's own %s: name another one in the DSN (database=...)", name)
	case tables > 0:
		return fault(BadTarget, 0, nil, "the database %s is not empty (%d tables): a script is only restored into an empty one", name, tables)
	}
	if err := r.collate(ctx, name, collation); err != nil {
		return err
	}
	if _, err := r.conn.ExecContext(ctx, sessionStart); err != nil {
		return fmt.Errorf("prepare the throw-away server: %w", err)
	}
	return nil
}

// babelfish answers as SQL Server and is none.
const babelfish = "Babelfish"

// sqlServer asks what the server is.
func sqlServer(ctx context.Context, conn *sql.Conn) (server, error) {
	var version, other sql.NullString
	err := conn.QueryRowContext(ctx, "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(128))").Scan(&version, &other)
	switch {
	case err != nil:
		return server{}, fmt.Errorf("look at the throw-away server: %w", err)
	case other.Valid:
		return server{babelfish, other.String}, nil
	}
	return server{SQLServer, version.String}, nil
}

// collate gives the database the collation that the script says.
func (r *scriptRestore) collate(ctx context.Context, name, has string) error {
	wanted := r.info.Collation()
	if wanted == "" || strings.EqualFold(wanted, has) {
		return nil
	}
	const single, multi = "ALTER DATABASE CURRENT SET SINGLE_USER WITH ROLLBACK IMMEDIATE", "ALTER DATABASE CURRENT SET MULTI_USER"
	var err error
	for _, statement := range []string{single, "ALTER DATABASE CURRENT COLLATE " + wanted} {
		if err == nil {
			_, err = r.conn.ExecContext(ctx, statement)
		}
	}
	if _, back := r.conn.ExecContext(ctx, multi); err == nil {
		err = back
	}
	if err != nil {
		return fault(BadTarget, 0, err, "the script is of a database with the collation %s, and %s has %s and cannot change to it (%s): create it with COLLATE %s",
			wanted, name, has, firstMessage(err), wanted)
	}
	return nil
}

// disconnect closes the connection for good: its session is not as others
// expect it.
func (r *scriptRestore) disconnect() {
	_ = r.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = r.conn.Close()
}

func (r *scriptRestore) runAll(ctx context.Context, path string, progress func(done, total int64)) error {
	src, err := open(ctx, path, progress)
	if err != nil {
		return err
	}
	defer src.close()
	w := newScriptWalker(src)
	r.walker = w
	for {
		b, err := w.next()
		if err == io.EOF {
			for directive, n := range w.batches.Skipped {
				r.count(directive, n)
			}
			return r.finish(ctx)
		}
		if err == nil {
			err = r.batch(ctx, b)
		}
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("restore stopped in line %d: %w", w.batches.Line(), ctx.Err())
			}
			return err
		}
	}
}

// batch runs what of a batch is to be run, as often as its GO says.
func (r *scriptRestore) batch(ctx context.Context, b scriptBatch) error {
	for range b.Count {
		line, at := b.Line, 0
		for i := range b.Script.Units {
			u := &b.Script.Units[i]
			line, at = line+lineOf(b.Text[at:], u.From-at), u.From
			if err := ctx.Err(); err != nil {
				return err // the driver sends a statement first, and cancels it then
			}
			if err := r.unit(ctx, &b, i, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// unit runs or skips one unit of a batch, which begins in a line.
func (r *scriptRestore) unit(ctx context.Context, b *scriptBatch, i int, line int64) error {
	u := b.Script.Units[i]
	action := u.Action()
	of := strings.ToLower(b.of[i])
	ofServer := action == tsql.Skip && (of == "" || systemDatabases[of])
	switch {
	case action == tsql.Session:
		return r.session(ctx, textAt{string(b.Text[u.From:u.To]), line}, &u)
	case action == tsql.Neutral:
		r.skipped(&u, line, false)
		return nil
	case !strings.EqualFold(of, r.info.key) && !ofServer:
		r.other(&u)
		return nil
	case action == tsql.Skip:
		r.skipped(&u, line, true)
		return nil
	case action == tsql.Refuse:
		return refusal(b, &u)
	}
	switch kind, names := r.walker.leaveOut(&u, r.info.key); {
	case kind != "":
		r.count(kind, 1)
		if names != nil {
			r.log("line %d: %s is not restored: it names the database %s", line, &u.Statements[0], outer(names))
		}
		return nil
	case names != nil: // Inspect refuses that
		return fault(NotADump, line, nil, "%s names the database %s", &u.Statements[0], outer(names))
	}
	if i == 0 && u.Statements[0].Module() {
		u.From, line = 0, b.Line // remarks in front of a module are part of it
	}
	text, changed := rewriteUnit(b.Text, &u, r.info.key)
	for _, what := range changed {
		r.info.Adjusted[what]++
	}
	return r.run(ctx, textAt{text, line}, &u)
}

// quietKinds are skipped statements that say nothing about the data.
var quietKinds = []string{"USE", "PRINT", "SELECT", "CREATE DATABASE", "ALTER DATABASE", "DROP DATABASE"}

func (r *scriptRestore) skipped(u *tsql.Unit, line int64, tell bool) {
	for i := range u.Statements {
		s := &u.Statements[i]
		r.count(s.Kind, 1)
		if tell && r.info.SkippedKinds[s.Kind] == 1 && !slices.Contains(quietKinds, s.Kind) { // there may be many grants
			r.log("line %d: %s is not restored", line, s)
		}
	}
}

// other counts a unit of another database, as inspectScript does.
func (r *scriptRestore) other(u *tsql.Unit) {
	n := 1
	if u.Action() == tsql.Skip {
		n = len(u.Statements)
	}
	r.count(OtherSchemas, n)
}

func (r *scriptRestore) count(kind string, n int) {
	r.info.Skipped += int64(n)
	r.info.SkippedKinds[kind] += n
}

// session runs a SET statement.
func (r *scriptRestore) session(ctx context.Context, p textAt, u *tsql.Unit) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	if _, err := r.conn.ExecContext(ctx, p.text); err != nil {
		return r.explain(err, p, &u.Statements[0])
	}
	r.info.Statements++
	for i := range u.Statements {
		s := &u.Statements[i]
		for option := range strings.SplitSeq(s.Option, ",") {
			r.settings[option] = s.Value
		}
	}
	return nil
}

// run runs one unit, or puts it to those that are sent together.
func (r *scriptRestore) run(ctx context.Context, p textAt, u *tsql.Unit) error {
	s := &u.Statements[0]
	if s.Kind == "INSERT" {
		r.tables[rowKey(s.Name)] = quoted(s.Name)
	}
	if !u.Control && (s.Kind == "INSERT" || s.Kind == "SET IDENTITY_INSERT") {
		return r.gather(ctx, p)
	}
	if err := r.commit(ctx); err != nil {
		return err
	}
	_, err := r.conn.ExecContext(ctx, p.text)
	switch {
	case err == nil:
		r.info.Statements++
		return nil
	case s.Module() && !s.Creates("TRIGGER") && isServerError(err):
		r.later = append(r.later, laterModule{p, *s, cloneSettings(r.settings), err})
		return nil
	case isAbsent(err, s):
		r.count(s.Kind, 1)
		return nil
	}
	return r.explain(err, p, s)
}

// gather puts a statement to those that wait.
func (r *scriptRestore) gather(ctx context.Context, p textAt) error {
	if r.waiting.text.Len()+len(p.text) > pieceOfBatch || p.line < r.waiting.last {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	r.info.Statements++
	r.waiting.add(p)
	return nil
}

// flush sends the statements that wait.
func (r *scriptRestore) flush(ctx context.Context) error {
	p := r.waiting.take()
	if p.text == "" {
		return nil
	}
	if !r.open {
		if _, err := r.conn.ExecContext(ctx, "BEGIN TRANSACTION"); err != nil {
			return r.explain(err, p, nil)
		}
		r.open = true
	}
	if _, err := r.conn.ExecContext(ctx, p.text); err != nil {
		return r.explain(err, p, nil)
	}
	if r.bytes += int64(len(p.text)); r.bytes >= commitEvery {
		return r.commit(ctx)
	}
	return nil
}

func (r *scriptRestore) commit(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	if !r.open {
		return nil
	}
	r.open, r.bytes = false, 0
	if _, err := r.conn.ExecContext(ctx, "COMMIT TRANSACTION"); err != nil {
		return fault(Failed, 0, err, "cannot commit the restored rows: %s", firstMessage(err))
	}
	return nil
}

// finish commits and tries the modules again that were refused, as long as that
// helps.
func (r *scriptRestore) finish(ctx context.Context) error {
	if err := r.commit(ctx); err != nil {
		return err
	}
	for before := -1; len(r.later) > 0 && len(r.later) != before; {
		before = len(r.later)
		waiting := r.later
		r.later = nil
		for _, m := range waiting {
			if err := r.again(ctx, m); err != nil {
				return err
			}
		}
	}
	for i := range r.later {
		m := &r.later[i]
		if !isUnresolved(m.cause) {
			return r.explain(m.cause, m.textAt, &m.statement)
		}
		r.count(unresolvedKind(&m.statement), 1)
		r.log("line %d: %s is not restored: %s", m.line, &m.statement, firstMessage(m.cause))
	}
	return nil
}

func unresolvedKind(s *tsql.Statement) string {
	if s.Creates("VIEW") {
		return UnresolvedView
	}
	return s.Kind + Unresolved
}

// again makes a module under the settings that it stood under in the script.
func (r *scriptRestore) again(ctx context.Context, m laterModule) error {
	for _, option := range []string{"QUOTED_IDENTIFIER", "ANSI_NULLS"} {
		value := m.settings[option]
		if value != "OFF" {
			value = "ON"
		}
		if _, err := r.conn.ExecContext(ctx, "SET "+option+" "+value); err != nil {
			return r.explain(err, m.textAt, &m.statement)
		}
	}
	_, err := r.conn.ExecContext(ctx, m.text)
	switch {
	case err == nil:
		r.info.Statements++
	case isServerError(err):
		m.cause = err
		r.later = append(r.later, m)
	default:
		return r.explain(err, m.textAt, &m.statement)
	}
	return nil
}

func cloneSettings(settings map[string]string) map[string]string {
	return map[string]string{"QUOTED_IDENTIFIER": settings["QUOTED_IDENTIFIER"], "ANSI_NULLS": settings["ANSI_NULLS"]}
}

// compareRows compares the rows of each table with those that the script
// inserts: an error inside of a TRY block would else go unseen.
func (r *scriptRestore) compareRows(ctx context.Context) error {
	for _, table := range slices.Sorted(maps.Keys(r.info.Rows)) {
		want := r.info.Rows[table]
		name, known := r.tables[table]
		if want < 0 || !known {
			continue
		}
		var have int64
		if err := r.conn.QueryRowContext(ctx, "SELECT COUNT_BIG(*) FROM "+name).Scan(&have); err != nil {
			return fault(Failed, 0, err, "cannot count the restored rows of %s: %s", table, firstMessage(err))
		}
		if have != want {
			return fault(Failed, 0, nil, "the table %s has %d rows, and the script inserts %d: something in the script or the database changes rows while they are inserted",
				table, have, want)
		}
	}
	return nil
}

// quoted is a name for the current database.
func quoted(n tsql.Name) string {
	if n.Schema == "" {
		return quoteBrackets(n.Object)
	}
	return quoteBrackets(n.Schema) + "." + quoteBrackets(n.Object)
}

func quoteBrackets(s string) string { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }
