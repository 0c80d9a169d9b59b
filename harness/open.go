package harness

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/seed"
)

// Server describes where a target lives.
type Server struct {
	Product string // "MySQL", "MariaDB", "SQLite", "SQL Server"; what answers as SQL Server goes by its own name, e.g. "Azure SQL Database", "Babelfish"
	Version string // as the server says it, e.g. "10.11.19-MariaDB-0+deb12u1"; of SQL Server e.g. "2022 CU14 (16.0.4135.4), Developer Edition"
	Via     string // e.g. "container mysql:8.4", "process mariadbd", "dsn", "server of TOKENSWEEP_SQLSERVER_DSN", "embedded"
	Zone    string // the sessions' time zone, e.g. "+00:00", "UTC", "Europe/Berlin"; "" on SQLite and SQL Server, which have none
}

// String is one phrase for a log line.
func (s Server) String() string { return s.Product + " " + s.Version + ", " + s.Via }

// Target is one schema to work on.
type Target struct {
	DB        *sql.DB // sessions in Server.Zone, see Options.WritersZone
	Dialect   dialect.Dialect
	Schema    string // "main" on SQLite; on SQL Server one in the database that the sessions are in, mostly "dbo"
	Server    Server
	Temporary bool // the schema is made for this target and goes with it

	node   node
	place  place
	zone   string // Options.WritersZone
	log    func(format string, args ...any)
	remove func(context.Context) error
	closed sync.Once
	result error
}

// Session says how to connect to a target.
type Session struct {
	User     string // "" for the target's own, with its password
	Password string
	Zone     string // time zone, "" for the server's default. SQLite ignores it, SQL Server refuses it
}

// closeTimeout is how long Close waits for a server to go.
const closeTimeout = 30 * time.Second

// place is where a node keeps a schema.
type place struct {
	name   string // the schema; the file on SQLite, the database on SQL Server
	schema string // the schema in the database of SQL Server, "" for the login's default; "" on others
}

// node is a running database that has schemas.
type node interface {
	// target connects to a schema in that time zone ("" for the default).
	target(ctx context.Context, p place, zone string) (*Target, error)
	// connect opens a pool.
	connect(ctx context.Context, p place, s Session) (*sql.DB, error)
	// create makes a schema of that name and says how target finds it. The collation
	// "" is the node's default.
	create(ctx context.Context, name, collation string, log func(string, ...any)) (place, error)
	drop(ctx context.Context, p place) error
	// dsn is how another program connects, with the password.
	dsn(p place) string
	// owned reports whether stop ends the server and removes all that was made for
	// it. On a server of the user's it does nothing, so that schemas have to be dropped.
	owned() bool
	// stop may be called again.
	stop() error
}

// Open gets a database as the options say. The target has to be closed.
//
// Errors: [*OptionError] for options that cannot work, [*UnavailableError] if
// this machine does not have what was asked for; any other error means that a
// server was there and failed. Options.Log gets the reasons why a better choice
// of Auto was not taken. When ctx is cancelled, what was begun is removed.
func Open(ctx context.Context, o Options) (*Target, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	if o.DSN != "" {
		return openDSN(ctx, o)
	}
	return openThrowAway(ctx, o)
}

// openFresh gets a schema that is made for the caller, be it on a server of the
// user's.
func openFresh(ctx context.Context, o Options) (*Target, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	if o.DSN == "" {
		return openThrowAway(ctx, o)
	}
	s, err := serverOf(o)
	if err != nil {
		return nil, err
	}
	t, err := newSchema(ctx, s.node, "", o)
	if err != nil {
		return nil, err
	}
	if !t.is(o.DB) {
		return nil, errors.Join(s.otherKind(t, o.DB), t.Close())
	}
	o.log("using %s at %s", t.Server, s.address)
	return t, nil
}

// openThrowAway starts a server, or makes a schema on the one that is there for
// that.
func openThrowAway(ctx context.Context, o Options) (*Target, error) {
	n, err := startFirst(ctx, o, startAlone)
	if err != nil {
		return nil, err
	}
	t, err := newSchema(ctx, n, "", o)
	if err != nil {
		return nil, errors.Join(err, n.stop())
	}
	if n.owned() {
		t.remove = func(context.Context) error { return n.stop() }
	}
	if !t.is(o.DB) {
		return nil, errors.Join(&OptionError{Problem: fmt.Sprintf("%s is %s %s, not %s: name the right kind or another image",
			t.Server.Via, t.Server.Product, t.Server.Version, productName(o.DB))}, t.Close())
	}
	o.log("using %s", t.Server)
	return t, nil
}

// is reports whether a target is of that kind.
func (t *Target) is(db string) bool {
	return db == Auto || productName(db) == t.Server.Product || t.Dialect.Name() == db && db == SQLServer
}

// candidate is one way to get a throw-away server.
type candidate struct {
	db, via string
	start   func(context.Context, Options) (node, error)
}

// candidates lists what Auto stands for, best first.
func candidates(o Options) []candidate {
	var found []candidate
	for _, c := range []candidate{
		{MySQL, Container, mysqlContainer().start},
		{MariaDB, Container, mariadbContainer().start},
		{MySQL, Process, func(ctx context.Context, o Options) (node, error) { return startProcess(ctx, o, MySQL) }},
		{MariaDB, Process, func(ctx context.Context, o Options) (node, error) { return startProcess(ctx, o, MariaDB) }},
		{SQLServer, DSN, borrowSQLServer},
		{SQLServer, Container, sqlServerContainer().start},
		{SQLite, Embedded, startSQLite},
	} {
		switch {
		case o.DB != Auto && o.DB != c.db, o.Via != Auto && o.Via != c.via:
		case o.DB == Auto && c.db == SQLServer: // it is slow to start and needs a licence accepted
		case c.db == SQLServer && c.via == Container && o.Via == Auto && lentDSN() != "": // the server named is meant
		case o.DB == Auto && c.db == MariaDB && c.via == Container: // one pull is enough to wait for
		case c.via == Embedded && len(o.ServerArgs) > 0: // they ask for a real server
		default:
			found = append(found, c)
		}
	}
	return found
}

// starter starts a candidate or finds it started.
type starter func(context.Context, candidate, Options) (node, error)

func startAlone(ctx context.Context, c candidate, o Options) (node, error) { return c.start(ctx, o) }

// startFirst starts the first candidate that this machine has. Only if neither
// kind nor way was named does it also pass over one that is there and fails.
func startFirst(ctx context.Context, o Options, start starter) (node, error) {
	var reasons []string
	for _, c := range candidates(o) {
		n, err := start(ctx, c, o)
		if err == nil {
			return n, nil
		}
		var unavailable *UnavailableError
		var option *OptionError
		reason := err.Error()
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("getting a database was interrupted: %w", err)
		case errors.As(err, &unavailable):
			reason = strings.Join(unavailable.Reasons, "; ")
		case errors.As(err, &option) || o.DB != Auto || o.Via != Auto:
			return nil, err
		}
		o.log("no %s %s: %s", productName(c.db), c.via, reason)
		reasons = append(reasons, fmt.Sprintf("%s %s: %s", productName(c.db), c.via, reason))
	}
	return nil, &UnavailableError{Wanted: wanted(o), Reasons: reasons}
}

// wanted names what the options ask for.
func wanted(o Options) string {
	switch {
	case o.DB == Auto && o.Via == Auto:
		return "a database"
	case o.DB == Auto:
		return "a database by way of " + o.Via
	default:
		return productName(o.DB)
	}
}

// NewSchema makes a schema of its own on the same server, with sessions in the
// same time zone, for work that runs in parallel; on SQL Server it is a database
// of its own with the schema dbo. The collation "" is latin1_swedish_ci on MySQL
// and MariaDB, since the product's tables need a character set with one byte a
// character, and SQL_Latin1_General_CP1_CI_AS on SQL Server, as it is installed;
// SQLite ignores it. Closing the schema drops it; it has to be closed before the
// target of the server is.
func (t *Target) NewSchema(ctx context.Context, collation string) (*Target, error) {
	return newSchema(ctx, t.node, collation, Options{WritersZone: t.zone, Log: t.log})
}

func newSchema(ctx context.Context, n node, collation string, o Options) (*Target, error) {
	p, err := n.create(ctx, "tokensweep_"+randomHex(6), collation, o.log)
	if err != nil {
		return nil, err
	}
	t, err := n.target(ctx, p, o.WritersZone)
	if err != nil {
		return nil, errors.Join(err, n.drop(context.WithoutCancel(ctx), p))
	}
	t.log, t.Temporary = o.Log, true
	t.remove = func(ctx context.Context) error { return n.drop(ctx, p) }
	return t, nil
}

// Connect opens another pool on the same schema, for a session that differs from
// those of DB. The caller closes it.
func (t *Target) Connect(ctx context.Context, s Session) (*sql.DB, error) {
	return t.node.connect(ctx, t.place, s)
}

// ForSeed is where package seed puts rows. What is thrown away with its server is kept
// out of the binary log.
func (t *Target) ForSeed() seed.Target {
	return seed.Target{DB: t.DB, Dialect: t.Dialect, Schema: t.Schema, Unlogged: t.node.owned()}
}

// ConnectionString is the DSN (SQLite: path) with which another program reaches
// the target. On SQL Server it names the database, but not the schema, which
// no DSN can. It holds the password: hand it over, never print it.
func (t *Target) ConnectionString() string { return t.node.dsn(t.place) }

// Close disconnects and removes everything that was made for the target. It may
// be called again and then returns the same.
func (t *Target) Close() error {
	t.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		t.result = t.DB.Close()
		if t.remove != nil {
			t.result = errors.Join(t.result, t.remove(ctx))
		}
	})
	return t.result
}
