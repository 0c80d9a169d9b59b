package harness

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/tokensweep/tokensweep/dialect/sqlite"
)

// sqliteNode is a directory of SQLite files, a schema each, or one file of the user's.
type sqliteNode struct {
	claim *claim // nil for a file of the user's
	fast  bool
	via   string
}

func startSQLite(_ context.Context, o Options) (node, error) {
	sweep(o.log, nil)
	c, err := newClaim()
	if err != nil {
		return nil, err
	}
	return &sqliteNode{claim: c, fast: o.Fast, via: Embedded}, nil
}

// create only finds a name; the file comes with the first connection. Files
// rather than memory, so that several connections see the same and the size is
// bounded by the disk.
func (n *sqliteNode) create(_ context.Context, name, _ string, _ func(string, ...any)) (place, error) {
	if !n.owned() {
		return place{}, &OptionError{Problem: "an SQLite file has no further schemas: use another file"}
	}
	return place{name: filepath.Join(n.claim.dir, name+".db")}, nil
}

// pragmas are set on every connection. A file of the user's keeps the journal
// mode that it has, because that is stored in the file.
func (n *sqliteNode) pragmas() []string {
	pragmas := []string{"busy_timeout(10000)", "foreign_keys(ON)"}
	switch {
	case n.claim == nil:
		return pragmas
	case n.fast:
		return append(pragmas, "journal_mode(WAL)", "synchronous(OFF)")
	default:
		return append(pragmas, "journal_mode(WAL)", "synchronous(NORMAL)")
	}
}

func (n *sqliteNode) connect(ctx context.Context, p place, _ Session) (*sql.DB, error) {
	path := p.name
	// Writers take the lock at BEGIN: one that had read first could not wait for it.
	query := url.Values{"_pragma": n.pragmas(), "_txlock": {"immediate"}}
	if n.claim == nil {
		query.Set("mode", "rw") // never make a file that was misspelt
	}
	file := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	connector, err := driver.NewConnector(file.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(8)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(explainFile(err, path), db.Close())
	}
	return db, nil
}

func explainFile(err error, path string) error {
	var failure *driver.Error
	if errors.As(err, &failure) && failure.Code()&0xff == lib.SQLITE_NOTADB {
		return &OptionError{Problem: path + " is no SQLite database: check the path", Err: err}
	}
	return fmt.Errorf("opening %s: %w", path, err)
}

func (n *sqliteNode) target(ctx context.Context, p place, zone string) (*Target, error) {
	db, err := n.connect(ctx, p, Session{})
	if err != nil {
		return nil, err
	}
	t := &Target{DB: db, Dialect: sqlite.Dialect{}, Schema: "main", node: n, place: p, zone: zone}
	t.Server = Server{Product: "SQLite", Via: n.via}
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version() FROM (SELECT COUNT(*) FROM sqlite_schema)").Scan(&t.Server.Version); err != nil {
		return nil, errors.Join(explainFile(err, p.name), db.Close())
	}
	return t, nil
}

func (n *sqliteNode) drop(_ context.Context, p place) error {
	var failed error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(p.name + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func (n *sqliteNode) dsn(p place) string { return p.name }

func (n *sqliteNode) owned() bool { return n.claim != nil }

func (n *sqliteNode) stop() error {
	if n.claim == nil {
		return nil
	}
	return n.claim.release()
}
