package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// openDSN connects to a schema, or a file, of the user's.
func openDSN(ctx context.Context, o Options) (*Target, error) {
	s, err := serverOf(o)
	if err != nil {
		return nil, err
	}
	if s.unnamed != nil {
		return nil, s.unnamed
	}
	t, err := s.node.target(ctx, s.place, o.WritersZone)
	if err != nil {
		return nil, err
	}
	t.log = o.Log
	if !t.is(o.DB) {
		return nil, errors.Join(s.otherKind(t, o.DB), t.Close())
	}
	o.log("using %s at %s", t.Server, s.address)
	return t, nil
}

// userServer is a server of the user's, or a file, as a DSN names it.
type userServer struct {
	node    node
	address string // e.g. "db:3306", or the file's path
	place   place
	unnamed error // why place is none to work in, or nil
}

func (s userServer) otherKind(t *Target, wanted string) error {
	return &OptionError{Problem: fmt.Sprintf("the server at %s is %s %s, not %s: name the right kind or none",
		s.address, t.Server.Product, t.Server.Version, productName(wanted))}
}

// serverOf reads the DSN; it does not connect.
func serverOf(o Options) (userServer, error) {
	if path, ok := sqlitePath(o); ok {
		return fileOf(path)
	}
	if o.DB == SQLServer {
		return sqlServerOf(o)
	}
	c, err := parseDSN(o.DSN)
	if err != nil {
		return userServer{}, err
	}
	if err := agreeOnZone(c, o.WritersZone); err != nil {
		return userServer{}, err
	}
	s := userServer{node: &mysqlNode{login: tuned(c), via: DSN}, address: c.Addr, place: place{name: firstOf(o.Schema, c.DBName)}}
	if s.place.name == "" {
		s.unnamed = &OptionError{Problem: "the DSN names no schema: put it after the last /, as in user:password@tcp(" + c.Addr + ")/schema"}
	}
	return s, nil
}

func sqlServerOf(o Options) (userServer, error) {
	c, err := parseSQLServer(o.DSN)
	if err != nil {
		return userServer{}, err
	}
	return userServer{node: &sqlServerNode{login: c, via: DSN, fast: o.Fast}, address: address(c),
		place: place{name: c.Database, schema: o.Schema}, unnamed: ownDatabase(c.Database)}, nil
}

// sqlitePath finds out whether a DSN is that of an SQLite file.
func sqlitePath(o Options) (string, bool) {
	if o.DB != Auto && o.DB != SQLite {
		return "", false
	}
	for _, scheme := range []string{"sqlite://", "sqlite:", "file://", "file:"} {
		if path, ok := strings.CutPrefix(o.DSN, scheme); ok {
			path, _, _ = strings.Cut(path, "?") // the settings of the connection are ours
			return path, true
		}
	}
	if o.DB == SQLite {
		return o.DSN, true
	}
	info, err := os.Stat(o.DSN)
	return o.DSN, err == nil && info.Mode().IsRegular()
}

func fileOf(path string) (userServer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return userServer{}, &UnavailableError{Wanted: "the SQLite file " + path, Reasons: []string{"it cannot be read: check the path"}, Err: err}
	}
	if !info.Mode().IsRegular() {
		return userServer{}, &OptionError{Problem: path + " is no file"}
	}
	if path, err = filepath.Abs(path); err != nil {
		return userServer{}, err
	}
	return userServer{node: &sqliteNode{via: DSN}, address: path, place: place{name: path}}, nil
}

// dsnForm is how a DSN has to look.
const dsnForm = "write user:password@tcp(host:3306)/schema or mysql://user:password@host:3306/schema"

// parseDSN reads either form. Its errors quote nothing of the DSN, because a
// part of a password may be what makes it malformed.
func parseDSN(dsn string) (*mysqldriver.Config, error) {
	malformed := func(why string) error { return &OptionError{Problem: "the DSN cannot be read" + why + ": " + dsnForm} }
	scheme, _, isURL := strings.Cut(dsn, "://")
	switch {
	case strings.HasPrefix(dsn, "jdbc:"):
		return nil, malformed(", it is one for Java")
	case isURL && (scheme == "mysql" || scheme == "mariadb"):
		c, err := parseURL(dsn)
		if err != nil {
			return nil, malformed(" as a URL (in one, a / ? # or @ of the password is written %2F %3F %23 or %40)")
		}
		return c, nil
	case isURL && !strings.ContainsAny(scheme, ":@()/"):
		return nil, malformed(", because its scheme is neither mysql nor mariadb")
	}
	c, err := mysqldriver.ParseDSN(dsn)
	if err != nil || !slices.Contains([]string{"tcp", "tcp4", "tcp6", "unix"}, c.Net) {
		return nil, malformed("")
	}
	return c, nil
}

// parseURL leaves the parameters after the ? to the driver.
func parseURL(dsn string) (*mysqldriver.Config, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, err
	}
	schema := strings.TrimPrefix(u.Path, "/")
	// An @ or # behind the host is from a password with a / ? or # in it, and what
	// is taken for the host is a part of it.
	if u.Hostname() == "" || strings.Contains(schema, "/") || strings.Contains(dsn, "#") || strings.Contains(schema+u.RawQuery, "@") {
		return nil, errors.New("no host, or more than a schema after it")
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	c, err := mysqldriver.ParseDSN("tcp(" + net.JoinHostPort(u.Hostname(), port) + ")/?" + u.RawQuery)
	if err != nil {
		return nil, err
	}
	c.User, c.DBName = u.User.Username(), schema
	c.Passwd, _ = u.User.Password()
	return c, nil
}

// agreeOnZone refuses two different answers to what zone the wall clocks are in.
func agreeOnZone(c *mysqldriver.Config, writers string) error {
	for name, value := range c.Params {
		if !strings.EqualFold(name, "time_zone") {
			continue
		}
		if zone := strings.Trim(value, `'"`); writers != "" && zone != writers {
			return &OptionError{Problem: fmt.Sprintf("the DSN sets time_zone to %s, but the writers' time zone is given as %s: leave one of them out", zone, writers)}
		}
		delete(c.Params, name)
		c.Params["time_zone"] = value // the one spelling that a Session overrides
		break
	}
	return nil
}
