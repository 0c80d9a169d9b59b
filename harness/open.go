package harness

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
)

// Server describes where a target lives.
type Server struct {
	Product string // "MySQL", "MariaDB", "SQLite"
	Version string // as the server says it, e.g. "10.11.19-MariaDB-0+deb12u1"
	Via     string // e.g. "container mysql:8.4", "process mariadbd", "dsn", "embedded"
	Zone    string // the sessions' time zone, e.g. "+00:00", "UTC", "Europe/Berlin"; "" on SQLite, which has none
}

// String is one phrase for a log line.
func (s Server) String() string { return s.Product + " " + s.Version + ", " + s.Via }

// Target is one schema to work on.
type Target struct {
	DB        *sql.DB // sessions in Server.Zone, see Options.WritersZone
	Dialect   dialect.Dialect
	Schema    string // "main" on SQLite
	Server    Server
	Temporary bool // the schema is made for this target and goes with it

	node   node
	place  string // what node calls the schema
	zone   string // Options.WritersZone
	remove func(context.Context) error
	closed sync.Once
	result error
}

// Session says how to connect to a target.
type Session struct {
	User     string // "" for the target's own, with its password
	Password string
	Zone     string // time zone, "" for the server's default. SQLite ignores it
}

// closeTimeout is how long Close waits for a server to go.
const closeTimeout = 30 * time.Second

// node is a running database that has schemas.
type node interface {
	// target connects to a schema in that time zone ("" for the default).
	target(ctx context.Context, place, zone string) (*Target, error)
	// connect opens a pool.
	connect(ctx context.Context, place string, s Session) (*sql.DB, error)
	// create makes a schema of that name and says how target finds it. The collation
	// "" is productCollation.
	create(ctx context.Context, name, collation string) (place string, err error)
	drop(ctx context.Context, place string) error
	// dsn is how another program connects, with the password.
	dsn(place string) string
	// stop ends the server and removes all that was made for it. Further calls do nothing.
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
	if o.Via == DSN {
		return openDSN(ctx, o)
	}
	n, err := startFirst(ctx, o, startAlone)
	if err != nil {
		return nil, err
	}
	t, err := throwAway(ctx, n, o)
	if err != nil {
		return nil, errors.Join(err, n.stop())
	}
	o.log("using %s", t.Server)
	return t, nil
}

// throwAway makes the first schema of a server that ends with it.
func throwAway(ctx context.Context, n node, o Options) (*Target, error) {
	place, err := n.create(ctx, "tokensweep", "")
	if err != nil {
		return nil, err
	}
	t, err := n.target(ctx, place, o.WritersZone)
	if err != nil {
		return nil, err
	}
	if o.DB != Auto && productName(o.DB) != t.Server.Product {
		return nil, errors.Join(&OptionError{Problem: fmt.Sprintf("%s is %s %s, not %s: name the right kind or another image",
			t.Server.Via, t.Server.Product, t.Server.Version, productName(o.DB))}, t.Close())
	}
	t.Temporary = true
	t.remove = func(context.Context) error { return n.stop() }
	return t, nil
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
		{MySQL, Container, func(ctx context.Context, o Options) (node, error) { return startContainer(ctx, o, MySQL) }},
		{MariaDB, Container, func(ctx context.Context, o Options) (node, error) { return startContainer(ctx, o, MariaDB) }},
		{MySQL, Process, func(ctx context.Context, o Options) (node, error) { return startProcess(ctx, o, MySQL) }},
		{MariaDB, Process, func(ctx context.Context, o Options) (node, error) { return startProcess(ctx, o, MariaDB) }},
		{SQLite, Embedded, startSQLite},
	} {
		switch {
		case o.DB != Auto && o.DB != c.db, o.Via != Auto && o.Via != c.via:
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
// same time zone, for work that runs in parallel. The collation "" is
// latin1_swedish_ci, which the product's tables need; SQLite ignores it. Closing the schema drops it; it has to be
// closed before the target of the server is.
func (t *Target) NewSchema(ctx context.Context, collation string) (*Target, error) {
	return newSchema(ctx, t.node, collation, t.zone)
}

func newSchema(ctx context.Context, n node, collation, zone string) (*Target, error) {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	place, err := n.create(ctx, "tokensweep_"+hex.EncodeToString(random[:]), collation)
	if err != nil {
		return nil, err
	}
	t, err := n.target(ctx, place, zone)
	if err != nil {
		return nil, errors.Join(err, n.drop(context.WithoutCancel(ctx), place))
	}
	t.Temporary = true
	t.remove = func(ctx context.Context) error { return n.drop(ctx, place) }
	return t, nil
}

// Connect opens another pool on the same schema, for a session that differs from
// those of DB. The caller closes it.
func (t *Target) Connect(ctx context.Context, s Session) (*sql.DB, error) {
	return t.node.connect(ctx, t.place, s)
}

// ConnectionString is the DSN (SQLite: path) with which another program reaches
// the target. It holds the password: hand it over, never print it.
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
