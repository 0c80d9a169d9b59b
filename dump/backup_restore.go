package dump

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/golang-sql/sqlexp"
	mssql "github.com/microsoft/go-mssqldb"
)

// BackupOptions say how a backup file is restored.
type BackupOptions struct {
	// Database is the name of the new database; it must not be there yet.
	Database string
	// From is the database to restore, where the file holds several.
	From string
	// DataDir and LogDir are where the files of the new database go, as the
	// server sees them; empty for the server's defaults.
	DataDir, LogDir string
	// Log is told one sentence per step; may be nil.
	Log func(format string, args ...any)
	// Progress is told how much of the database is restored, in bytes; may be nil.
	Progress func(done, total int64)
}

// RestoreBackup restores a backup file of SQL Server into a new database. path
// is the file as the server sees it: it must lie where the account that runs the
// server can read it. It restores the last full backup of a database in the file.
//
// admin is connected to the server, to its database master for one; its user
// needs the right to create databases. When an error comes while the server
// restores, a database that cannot be used may stay: drop it. The error is an
// [*Error], or the one of ctx.
func RestoreBackup(ctx context.Context, admin *sql.DB, path string, o BackupOptions) (*Info, error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	b := &backupRestore{BackupOptions: o, path: path}
	info, err := b.restore(ctx, admin)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("restore of %s stopped: %w", path, ctx.Err())
	}
	return info, inFile(err, strings.ReplaceAll(path, `\`, "/"))
}

type backupRestore struct {
	BackupOptions
	path string
	conn *sql.Conn
	restorer
	notes []string
}

func (b *backupRestore) restore(ctx context.Context, admin *sql.DB) (*Info, error) {
	if err := b.connect(ctx, admin); err != nil {
		return nil, err
	}
	defer b.disconnect()
	if err := b.look(ctx); err != nil {
		return nil, err
	}
	if err := b.restorer.check(b.Database); err != nil {
		return nil, err
	}
	set, statement, err := b.plan(ctx)
	if err != nil {
		return nil, err
	}
	return b.carryOut(ctx, set, statement)
}

func (b *backupRestore) carryOut(ctx context.Context, set *backupSet, statement string) (*Info, error) {
	b.Log("restoring the full backup of %s of %s (SQL Server %s) as %s", set.database, set.finished.Format(time.DateTime), set.version, b.Database)
	if err := b.run(ctx, statement, set.bytes); err != nil {
		return nil, explainBackup(err, b.server)
	}
	if err := b.mend(ctx); err != nil {
		return nil, err
	}
	return b.describe(ctx, set)
}

func (b *backupRestore) connect(ctx context.Context, admin *sql.DB) (err error) {
	if b.conn, err = admin.Conn(ctx); err != nil {
		return fmt.Errorf("connect to the throw-away server: %w", err)
	}
	return nil
}

func (b *backupRestore) disconnect() {
	_ = b.conn.Raw(func(any) error { return driver.ErrBadConn }) // its language is not as others expect it
	_ = b.conn.Close()
}

// look finds out what the server is and has.
func (b *backupRestore) look(ctx context.Context) (err error) {
	if b.server, err = sqlServer(ctx, b.conn); err != nil {
		return err
	}
	var data, log sql.NullString
	var id sql.NullInt64
	err = b.conn.QueryRowContext(ctx, "SELECT CAST(SERVERPROPERTY('EngineEdition') AS int), CAST(SERVERPROPERTY('InstanceDefaultDataPath') AS nvarchar(260)), "+
		"CAST(SERVERPROPERTY('InstanceDefaultLogPath') AS nvarchar(260)), DB_ID(@p1)", b.Database).Scan(&b.edition, &data, &log, &id)
	if err != nil {
		return fmt.Errorf("look at the throw-away server: %w", err)
	}
	b.dataDir, b.logDir, b.databaseIsThere = orElse(b.DataDir, data.String), orElse(b.LogDir, log.String), id.Valid
	if b.product != SQLServer || cannotRestore[b.edition] != "" {
		return b.restorer.check(b.Database)
	}
	if _, err := b.conn.ExecContext(ctx, "SET LANGUAGE us_english"); err != nil { // for run
		return fmt.Errorf("prepare the throw-away server: %w", err)
	}
	return b.certificates(ctx)
}

func (b *backupRestore) certificates(ctx context.Context) error {
	found, err := records(ctx, b.conn, "SELECT thumbprint FROM master.sys.certificates UNION ALL SELECT thumbprint FROM master.sys.asymmetric_keys")
	if err != nil {
		return fmt.Errorf("look at the certificates of the throw-away server: %w", err)
	}
	for _, f := range found {
		b.thumbprints = append(b.thumbprints, f.bytes("thumbprint"))
	}
	return nil
}

// plan reads the file and makes the statement that restores it.
func (b *backupRestore) plan(ctx context.Context) (*backupSet, string, error) {
	labels, err := b.ask(ctx, "RESTORE LABELONLY FROM DISK = "+quoteText(b.path))
	if err != nil {
		return nil, "", err
	}
	if err := mediaOf(labels).check(); err != nil {
		return nil, "", err
	}
	sets, err := b.sets(ctx)
	if err != nil {
		return nil, "", err
	}
	set, err := chooseSet(sets, b.From)
	if err != nil {
		return nil, "", err
	}
	if err := b.checkSet(set); err != nil {
		return nil, "", err
	}
	if kinds := later(sets, set); kinds != "" {
		b.notes = append(b.notes, fmt.Sprintf("the file holds a %s backup behind the full one of %s, which is not applied", kinds, set.finished.Format(time.DateTime)))
	}
	listed, err := b.ask(ctx, fmt.Sprintf("RESTORE FILELISTONLY FROM DISK = %s WITH FILE = %d", quoteText(b.path), set.position))
	if err != nil {
		return nil, "", err
	}
	files := make([]backupFile, len(listed))
	for i, f := range listed {
		files[i] = fileOf(f)
	}
	if err := b.checkFiles(files); err != nil {
		return nil, "", err
	}
	statement, err := b.restoreStatement(b.path, b.Database, set, files)
	return set, statement, err
}

func (b *backupRestore) sets(ctx context.Context) ([]backupSet, error) {
	headers, err := b.ask(ctx, "RESTORE HEADERONLY FROM DISK = "+quoteText(b.path))
	if err != nil {
		return nil, err
	}
	sets := make([]backupSet, len(headers))
	for i, h := range headers {
		sets[i] = setOf(h)
	}
	return sets, nil
}

func (b *backupRestore) ask(ctx context.Context, statement string) ([]record, error) {
	found, err := records(ctx, b.conn, statement)
	if err != nil {
		return nil, explainBackup(err, b.server)
	}
	return found, nil
}

// percent is what STATS lets the server say in English.
var percent = regexp.MustCompile(`^(\d+) percent processed`)

// run restores, and follows the messages of the server meanwhile.
func (b *backupRestore) run(ctx context.Context, statement string, total int64) error {
	return withMessages(ctx, b.conn, statement, func(message string) {
		m := percent.FindStringSubmatch(message)
		if m == nil {
			b.Log("%s", message)
			return
		}
		if n, _ := strconv.ParseInt(m[1], 10, 64); b.Progress != nil {
			b.Progress(total/100*n, total)
		}
	})
}

// withMessages runs a statement and tells what the server says while it runs.
func withMessages(ctx context.Context, conn *sql.Conn, statement string, tell func(message string)) error {
	messages := &sqlexp.ReturnMessage{}
	rows, err := conn.QueryContext(ctx, statement, messages)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // the error comes as a message, and from Err
	var first error
	for more := true; more; {
		switch m := messages.Message(ctx).(type) {
		case sqlexp.MsgNotice:
			tell(m.Message.String())
		case sqlexp.MsgError:
			if first == nil {
				first = m.Error
			}
			var server mssql.Error
			if !errors.As(m.Error, &server) { // the connection broke, and no message follows
				return first
			}
		case sqlexp.MsgNext:
			for rows.Next() {
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

// mend makes the new database writable for all and readable under SNAPSHOT.
func (b *backupRestore) mend(ctx context.Context) error {
	var d databaseState
	err := b.conn.QueryRowContext(ctx, "SELECT state_desc, user_access_desc, is_read_only, snapshot_isolation_state FROM sys.databases WHERE name = @p1", b.Database).
		Scan(&d.state, &d.access, &d.readOnly, &d.snapshot)
	if err != nil {
		return fmt.Errorf("look at the restored database: %w", err)
	}
	statements, err := d.mend(b.Database)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := b.conn.ExecContext(ctx, statement); err != nil {
			return fault(Failed, 0, err, "cannot prepare the restored database (%s): %s", statement, firstMessage(err))
		}
	}
	return nil
}

// describe says what was restored.
func (b *backupRestore) describe(ctx context.Context, set *backupSet) (*Info, error) {
	info := &Info{Format: Backup, Flavor: SQLServer, ServerVersion: set.version, Schema: set.database, key: set.database, chosen: true, Notes: b.notes,
		CompletedClock: set.finished, CompletedAt: set.finished.Format(time.DateTime), Compatibility: set.compatibility}
	tables, err := records(ctx, b.conn, "SELECT TABLE_SCHEMA, TABLE_NAME FROM "+quoteBrackets(b.Database)+".INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY 1, 2")
	if err != nil {
		return nil, fmt.Errorf("look at the restored database: %w", err)
	}
	schema := Schema{Name: set.database, Tables: len(tables), Collation: set.collation}
	var holders []string
	for _, t := range tables {
		if strings.EqualFold(t.text("table_name"), TokenTable) {
			holders = append(holders, t.text("table_schema"))
		}
	}
	schema.HasTokens = len(holders) > 0
	info.TokenSchema = info.tokenSchema(holders)
	info.Schemas = []Schema{schema}
	return info, nil
}
