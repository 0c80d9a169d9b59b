package harness

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/mysql"
)

// dialTimeout bounds one attempt to connect.
const dialTimeout = 10 * time.Second

// mysqlNode is a running MySQL or MariaDB.
type mysqlNode struct {
	login *mysqldriver.Config // without a schema
	via   string
	end   func() error    // removes a throw-away server; nil for a server of the user's
	died  <-chan struct{} // closed when a throw-away server has ended for good
	zone  string          // Options.ServerZone
	// again makes the next end of the server one after which it starts again with
	// its frozen data; nil if it cannot.
	again func(context.Context) error
	usage func(context.Context) (Usage, error) // nil if it cannot be asked
}

// tuned makes the settings of a connection those that the project relies on,
// whatever a DSN says. Neither loc nor time_zone is among them: a wall clock has
// to arrive as the server sends it, see Options.WritersZone.
func tuned(c *mysqldriver.Config) *mysqldriver.Config {
	c = c.Clone()
	c.InterpolateParams = true
	c.ParseTime = false
	c.Loc = time.UTC
	c.MultiStatements = false
	c.AllowAllFiles = false
	c.ClientFoundRows = false
	c.ColumnsWithAlias = false
	c.MaxAllowedPacket = 0 // ask the server
	c.Logger = &mysqldriver.NopLogger{}
	if c.Timeout == 0 {
		c.Timeout = dialTimeout
	}
	_ = c.Apply(mysqldriver.Charset("utf8mb4", "")) // cannot fail
	maps.DeleteFunc(c.Params, func(name, _ string) bool { return strings.EqualFold(name, "autocommit") })
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	c.Params["autocommit"] = "1" // with a server's 0 nothing would be committed
	return c
}

// session adds the schema and what the session wants.
func (n *mysqlNode) session(schema string, s Session) *mysqldriver.Config {
	c := n.login.Clone()
	c.DBName = schema
	if s.User != "" {
		c.User, c.Passwd = s.User, s.Password
	}
	if s.Zone != "" {
		c.Params["time_zone"] = "'" + s.Zone + "'"
	}
	return c
}

func (n *mysqlNode) connect(ctx context.Context, p place, s Session) (*sql.DB, error) {
	if s.Zone != "" && !zoneText.MatchString(s.Zone) {
		return nil, &OptionError{Problem: fmt.Sprintf("%q is no time zone: use a name such as Europe/Berlin or an offset such as +05:30", s.Zone)}
	}
	c := n.session(p.name, s)
	connector, err := mysqldriver.NewConnector(c)
	if err != nil {
		return nil, errors.New("the connection settings are not usable") // err may hold the password
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(8)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(explainLogin(err, c, s.Zone), db.Close())
	}
	return db, nil
}

func (n *mysqlNode) target(ctx context.Context, p place, zone string) (*Target, error) {
	db, err := n.connect(ctx, p, Session{Zone: zone})
	if err != nil {
		return nil, err
	}
	t := &Target{DB: db, Dialect: mysql.Dialect{}, Schema: p.name, node: n, place: p, zone: zone}
	if t.Server, err = describe(ctx, db, n.via); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return t, nil
}

// describe asks a server who it is.
func describe(ctx context.Context, db *sql.DB, via string) (Server, error) {
	s := Server{Product: "MySQL", Via: via}
	var system string
	err := db.QueryRowContext(ctx, "SELECT VERSION(), @@session.time_zone, @@system_time_zone").Scan(&s.Version, &s.Zone, &system)
	if err != nil {
		return s, fmt.Errorf("asking the server for its version: %w", err)
	}
	if strings.Contains(s.Version, "MariaDB") {
		s.Product = "MariaDB"
	}
	if s.Zone == "SYSTEM" {
		s.Zone = system
	}
	return s, nil
}

// admin runs statements without a schema.
func (n *mysqlNode) admin(ctx context.Context, statements ...string) error {
	db, err := n.connect(ctx, place{}, Session{})
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// productCollation is the default of a schema: the product's tables need a
// character set with one byte a character, or their indexes are too long.
const productCollation = "latin1_swedish_ci"

func (n *mysqlNode) create(ctx context.Context, name, collation string, _ func(string, ...any)) (place, error) {
	if collation == "" {
		collation = productCollation
	}
	err := n.admin(ctx, "CREATE DATABASE "+mysql.Dialect{}.Quote(name)+" COLLATE "+mysql.Dialect{}.Quote(collation))
	if (mysql.Dialect{}).Classify(err) == dialect.Denied {
		return place{}, &OptionError{Problem: fmt.Sprintf("the user %s may not create schemas: grant CREATE and DROP on `tokensweep\\_%%`.*", n.login.User), Err: err}
	}
	if err != nil {
		return place{}, fmt.Errorf("creating the schema %s: %w", name, err)
	}
	return place{name: name}, nil
}

func (n *mysqlNode) drop(ctx context.Context, p place) error {
	err := n.admin(ctx, "DROP DATABASE IF EXISTS "+mysql.Dialect{}.Quote(p.name))
	if class := (mysql.Dialect{}).Classify(err); n.owned() && (class == dialect.Unreachable || class == dialect.Disconnected) {
		return nil // the throw-away server went first, and the schema with it
	}
	if err != nil {
		return fmt.Errorf("dropping the schema %s: %w", p.name, err)
	}
	return nil
}

func (n *mysqlNode) dsn(p place) string { return n.session(p.name, Session{}).FormatDSN() }

func (n *mysqlNode) owned() bool { return n.end != nil }

func (n *mysqlNode) stop() error {
	if n.end == nil {
		return nil
	}
	return n.end()
}

// settle waits until a new server takes the administrator's login and gives it
// its default time zone. died is closed if the server ends instead.
func (n *mysqlNode) settle(ctx context.Context, died <-chan struct{}, zone string) error {
	quick := *n
	quick.login = n.login.Clone()
	quick.login.Timeout = time.Second
	if err := await(ctx, died, func() error { return quick.admin(ctx, "DO 1") }); err != nil {
		return err
	}
	if zone == "" {
		zone = "+00:00"
	}
	// Not by an argument: the images load the zone tables only after the first start.
	if err := n.admin(ctx, "SET GLOBAL time_zone = '"+zone+"'"); err != nil {
		return unknownZone(err, zone)
	}
	return nil
}

// errDied says that a server ended by itself while it was awaited.
var errDied = errors.New("the server ended while it was starting")

// await tries to log in until it works. died is closed if the server ends instead.
func await(ctx context.Context, died <-chan struct{}, login func() error) error {
	for {
		err := login()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it takes no login: %w; the last try: %v", ctx.Err(), err) // an UnavailableError, which this is not
		case <-died:
			return errDied
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// unknownZone explains why a time zone cannot be set.
func unknownZone(err error, zone string) error {
	var server *mysqldriver.MySQLError
	if errors.As(err, &server) && server.Number == 1298 {
		return &OptionError{Problem: fmt.Sprintf("the server does not know the time zone %s: load its time zone tables (mysql_tzinfo_to_sql) or use an offset such as +05:30", zone), Err: err}
	}
	return fmt.Errorf("setting the time zone %s: %w", zone, err)
}

// explainLogin makes one sentence with what to do out of a failed login.
func explainLogin(err error, c *mysqldriver.Config, zone string) error {
	var server *mysqldriver.MySQLError
	if errors.As(err, &server) && server.Number == 1298 {
		return unknownZone(err, zone)
	}
	// The server's own words are left out where they say no more.
	switch (mysql.Dialect{}).Classify(err) {
	case dialect.BadLogin:
		return &OptionError{Problem: fmt.Sprintf("the server at %s refuses user %q: check user and password", c.Addr, c.User), Err: err}
	case dialect.Denied:
		return &OptionError{Problem: fmt.Sprintf("user %q may not use schema %q at %s: grant it, or name another schema", c.User, c.DBName, c.Addr), Err: err}
	case dialect.NoSuchTable:
		return &OptionError{Problem: fmt.Sprintf("there is no schema %q at %s: check the name after the last / of the DSN", c.DBName, c.Addr), Err: err}
	case dialect.Unreachable, dialect.Disconnected:
		return &UnavailableError{
			Wanted:  "the server at " + c.Addr,
			Reasons: []string{unreachable(err) + ": check host and port, and that it is running"},
			Err:     err,
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("connecting to %s: %w", c.Addr, err)
	}
	return fmt.Errorf("logging in to %s: %w", c.Addr, err)
}

// unreachable is why nothing answers, without the address, which the sentence has already.
func unreachable(err error) string {
	text := err.Error()
	for _, short := range []string{"connection refused", "no such host", "i/o timeout", "no route to host", "network is unreachable", "no such file or directory"} {
		if strings.Contains(text, short) {
			return short
		}
	}
	return text
}
