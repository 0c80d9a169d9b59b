package harness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
)

// sqlServerTimeout bounds one attempt to connect, login included.
func sqlServerTimeout(c msdsn.Config) time.Duration {
	for _, key := range []string{msdsn.DialTimeout, msdsn.ConnectionTimeout} {
		if seconds, err := strconv.Atoi(c.Parameters[key]); err == nil && seconds > 0 {
			return time.Duration(seconds) * time.Second
		}
	}
	return dialTimeout
}

// sqlServerConnector opens sessions. The driver's own connector would wait
// without end for a server that takes the connection and says nothing.
type sqlServerConnector struct{ config msdsn.Config }

// Driver is the driver's.
func (sqlServerConnector) Driver() driver.Driver { return &mssql.Driver{} }

// Connect logs in within the time limit.
func (c sqlServerConnector) Connect(ctx context.Context) (driver.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, c.config.DialTimeout)
	defer cancel()
	dialer := &impatientDialer{ctx: limited, keepAlive: c.config.KeepAlive}
	inner := mssql.NewConnectorConfig(c.config)
	inner.Dialer = dialer
	conn, err := inner.Connect(limited)
	late := dialer.loggedIn()
	if err == nil && !late {
		return conn, nil
	}
	if err == nil {
		_ = conn.Close() // its time has run out at the last moment
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	return nil, err
}

// impatientDialer makes connections that fail once ctx ends, until told
// otherwise.
type impatientDialer struct {
	ctx       context.Context
	keepAlive time.Duration
	mu        sync.Mutex
	stop      []func() bool
}

// DialContext is that of net.Dialer.
func (d *impatientDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{KeepAlive: d.keepAlive}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop = append(d.stop, context.AfterFunc(d.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }))
	return conn, nil
}

// loggedIn ends the impatience; late is true if it has struck.
func (d *impatientDialer) loggedIn() (late bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, stop := range d.stop {
		late = !stop() || late
	}
	return late
}

func (n *sqlServerNode) connect(ctx context.Context, p place, s Session) (*sql.DB, error) {
	if s.Zone != "" {
		return nil, &OptionError{Problem: "sessions of SQL Server have no time zone to set: leave it out"}
	}
	c := n.login
	c.Database = p.name
	if s.User != "" {
		c.User, c.Password = s.User, s.Password
	}
	db := sql.OpenDB(sqlServerConnector{c})
	db.SetMaxIdleConns(8)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(explainSQLServer(ctx, interrupted(ctx, err), c), db.Close())
	}
	return db, nil
}

// explainSQLServer makes one sentence with what to do out of a failed login.
func explainSQLServer(ctx context.Context, err error, c msdsn.Config) error {
	at := address(c)
	var server mssql.Error
	var lookup *net.DNSError
	class := sqlserver.Dialect{}.Classify(err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("connecting to %s: %w", at, err)
	case errors.As(err, &server) && isBadLogin(server):
		return &OptionError{Problem: fmt.Sprintf("the server at %s refuses user %q%s: check user and password", at, c.User, reason(server)), Err: err}
	case errors.As(err, &server) && c.Database != "" && !isSystemDatabase(c.Database):
		return explainDatabase(ctx, err, c)
	case errors.As(err, &server):
		return fmt.Errorf("logging in to %s: %w", at, err)
	case strings.HasPrefix(err.Error(), failedHandshake):
	case class == dialect.Unreachable, class == dialect.Disconnected, errors.As(err, &lookup):
		return &UnavailableError{
			Wanted:  "the server at " + at,
			Reasons: []string{unreachable(err) + ": check host and port, and that it is running"},
			Err:     err,
		}
	}
	return explainHandshake(err, c)
}

// failedHandshake is how errors of the driver begin that are about TLS.
const failedHandshake = "TLS Handshake failed: "

// explainHandshake is for what fails before the login.
func explainHandshake(err error, c msdsn.Config) error {
	at, text := address(c), err.Error()
	switch {
	case strings.Contains(text, "no instance matching"):
		return &UnavailableError{Wanted: "the server at " + at, Err: err,
			Reasons: []string{"no such instance is announced there: check its name and that SQL Server Browser (UDP port 1434) can be reached, or give the port"}}
	case strings.Contains(text, "negative serial number"):
		return &OptionError{Problem: fmt.Sprintf("the certificate of the server at %s has a negative serial number: update SQL Server (2019 CU32, 2022 CU18), give it another certificate, or write encrypt=disable", at), Err: err}
	case strings.Contains(text, "does not support encryption"):
		return &OptionError{Problem: fmt.Sprintf("the server at %s does not encrypt, but the DSN asks for it: write encrypt=disable", at), Err: err}
	case strings.HasPrefix(text, failedHandshake):
		return &OptionError{Problem: fmt.Sprintf("no encrypted connection to the server at %s (%s): trust its certificate (certificate=file), or write TrustServerCertificate=true or encrypt=disable",
			at, strings.TrimPrefix(text, failedHandshake)), Err: err}
	}
	return fmt.Errorf("logging in to %s: %w", at, err)
}

// isBadLogin tells a login that the server does not take from one that may not
// open the database; with that one the number of the first comes too.
func isBadLogin(e mssql.Error) bool {
	bad := false
	for _, part := range append([]mssql.Error{e}, e.All...) {
		switch {
		case part.Number == cannotOpenDatabase:
			return false
		case sqlserver.Dialect{}.Classify(part) == dialect.BadLogin:
			bad = true
		}
	}
	return bad
}

// Error numbers of the server.
const (
	noSuchDatabase     = 911
	noUserInDatabase   = 916
	modelInUse         = 1807
	cannotOpenDatabase = 4060
	loginFailed        = 18456
)

// isShut reports whether the server says that it does not let the login into the database.
func isShut(err error) bool {
	var server mssql.Error
	errors.As(err, &server)
	for _, part := range append([]mssql.Error{server}, server.All...) {
		if slices.Contains([]int32{noSuchDatabase, noUserInDatabase, cannotOpenDatabase}, part.Number) {
			return true
		}
	}
	return false
}

// reason is why the server refuses a login, where it says so: disabled, locked,
// expired.
func reason(e mssql.Error) string {
	if e.Number == loginFailed {
		return ""
	}
	return " (" + strings.TrimSuffix(strings.TrimPrefix(e.Message, "login error: "), ".") + ")"
}

// explainDatabase finds out from outside of a database why the login cannot open
// it: the server says the same of one that is not there and of one that is shut.
func explainDatabase(ctx context.Context, err error, c msdsn.Config) error {
	name, at := c.Database, address(c)
	c.Database = "master"
	db := sql.OpenDB(sqlServerConnector{c})
	defer db.Close()
	var state, access string
	var allowed sql.NullInt64
	asked := db.QueryRowContext(ctx, "SELECT state_desc, user_access_desc, HAS_DBACCESS(name) FROM sys.databases WHERE name = @p1", name).Scan(&state, &access, &allowed)
	closed := func(why string) error {
		return &UnavailableError{Wanted: fmt.Sprintf("the database %q at %s", name, at), Reasons: []string{why}, Err: err}
	}
	switch {
	case errors.Is(asked, sql.ErrNoRows):
		return &OptionError{Problem: fmt.Sprintf("there is no database %q at %s: check the name after database= in the DSN", name, at), Err: err}
	case asked != nil && !isShut(err):
		return fmt.Errorf("logging in to %s: %w", at, err)
	case asked != nil:
		return &OptionError{Problem: fmt.Sprintf("user %q may not open the database %q at %s, or it is not there: check the name, and that the login has a user in it", c.User, name, at), Err: err}
	case !strings.EqualFold(state, "ONLINE"):
		return closed("it is in the state " + state + ": bring it online first")
	case strings.EqualFold(access, "SINGLE_USER"):
		return closed("it is in single-user mode and another session is that user: end that one, or ALTER DATABASE … SET MULTI_USER")
	case allowed.Int64 == 0:
		return &OptionError{Problem: fmt.Sprintf("user %q may not open the database %q at %s: make a user in it with CREATE USER … FOR LOGIN …", c.User, name, at), Err: err}
	}
	return fmt.Errorf("opening the database %q at %s: %w", name, at, err)
}
