package harness

import (
	"errors"
	"net"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/microsoft/go-mssqldb/msdsn"
)

// sqlServerVariable names a server on which throw-away databases are made.
const sqlServerVariable = "TOKENSWEEP_SQLSERVER_DSN"

// sqlServerForm is how a DSN of SQL Server has to look.
const sqlServerForm = "write sqlserver://user:password@host:1433?database=name or server=host;user id=user;password=password;database=name"

// adoForm is the begin of a DSN of keys and values, adoServer the key that every
// one of them has.
var (
	adoForm   = regexp.MustCompile(`(?i)^\s*[a-z][a-z ]*=`)
	adoServer = regexp.MustCompile(`(?i)(^|;)\s*(server|data source|address|addr|network address)\s*=`)
)

// isSQLServerDSN finds out whether a DSN is one of SQL Server, well-formed or not.
func isSQLServerDSN(dsn string) bool {
	for _, prefix := range []string{"sqlserver:", "mssql:", "odbc:", "jdbc:sqlserver:"} {
		if strings.HasPrefix(strings.ToLower(dsn), prefix) {
			return true
		}
	}
	return adoForm.MatchString(dsn) && adoServer.MatchString(dsn)
}

// parseSQLServer reads any form that the driver knows. Its errors quote nothing
// of the DSN, because a part of a password may be what makes it malformed.
func parseSQLServer(dsn string) (msdsn.Config, error) {
	malformed := func(why string) (msdsn.Config, error) {
		return msdsn.Config{}, &OptionError{Problem: "the DSN cannot be read" + why + ": " + sqlServerForm}
	}
	scheme, _, isURL := strings.Cut(dsn, "://")
	switch {
	case strings.HasPrefix(strings.ToLower(dsn), "jdbc:"):
		return malformed(", it is one for Java")
	case isURL && scheme == "sqlserver":
		if err := plainURL(dsn); err != nil {
			return malformed(" as a URL (in one, a / ? # @ or % of the password is written %2F %3F %23 %40 or %25)")
		}
	case isURL && !strings.ContainsAny(scheme, "=;:@"):
		return malformed(", because its scheme is not sqlserver")
	case !strings.HasPrefix(dsn, "odbc:") && !isSQLServerDSN(dsn):
		return malformed("")
	}
	c, err := msdsn.Parse(dsn)
	switch {
	case err != nil:
		return malformed("")
	case c.Parameters[msdsn.Server] == "": // the driver would take this machine
		return malformed(", it names no server")
	case c.Parameters["fedauth"] != "":
		return msdsn.Config{}, &OptionError{Problem: "the DSN asks for Microsoft Entra authentication, which is not supported: use a login with a password"}
	case c.User == "" && runtime.GOOS != "windows": // there it means the user of this session
		return malformed(", it names no user")
	}
	return tunedSQLServer(c), nil
}

// plainURL refuses what is from a password with a / ? or # in it: what is taken
// for the host would be a part of it.
func plainURL(dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil {
		return err
	}
	if u.Hostname() == "" || strings.Count(u.Path, "/") > 1 || strings.Contains(dsn, "#") || strings.Contains(u.Path+u.RawQuery, "@") {
		return errors.New("no host, or more than an instance after it")
	}
	return nil
}

// tunedSQLServer makes the settings of a connection those that the project relies
// on, whatever a DSN says.
func tunedSQLServer(c msdsn.Config) msdsn.Config {
	c.AppName = "tokensweep"
	c.LogFlags = 0
	c.ChangePassword = ""
	c.DialTimeout = sqlServerTimeout(c)
	// In a DSN it is meant for the login, but the driver would end a statement
	// that takes longer.
	c.ConnTimeout = 0
	c.Encoding.Timezone = nil // UTC: a DATETIME has to arrive as it is stored
	c.Encoding.GuidConversion = false
	return c
}

// systemDatabases belong to the server.
var systemDatabases = []string{"master", "model", "msdb", "tempdb"}

func isSystemDatabase(name string) bool {
	return slices.Contains(systemDatabases, strings.ToLower(name))
}

// ownDatabase refuses a DSN that names no database to work in.
func ownDatabase(name string) error {
	switch {
	case name == "":
		return &OptionError{Problem: "the DSN names no database: add it, as in sqlserver://user:password@host:1433?database=name or …;database=name"}
	case isSystemDatabase(name):
		return &OptionError{Problem: "the DSN names " + strings.ToLower(name) + ", a system database of the server: name the product's"}
	}
	return nil
}

// lentDSN is the DSN of a server on which throw-away databases may be made, or "".
func lentDSN() string { return strings.TrimSpace(os.Getenv(sqlServerVariable)) }

// address is what people call the server of a DSN.
func address(c msdsn.Config) string {
	switch {
	case c.Port != 0:
		return net.JoinHostPort(c.Host, strconv.FormatUint(c.Port, 10))
	case c.Instance != "":
		return c.Host + `\` + c.Instance
	default:
		return net.JoinHostPort(c.Host, "1433")
	}
}

// formatSQLServer makes a DSN of the settings in the form of a URL.
func formatSQLServer(c msdsn.Config) string {
	u := url.URL{Scheme: "sqlserver", User: url.UserPassword(c.User, c.Password), Host: c.Host}
	if c.Port != 0 {
		u.Host = net.JoinHostPort(c.Host, strconv.FormatUint(c.Port, 10))
	} else if strings.Contains(c.Host, ":") {
		u.Host = "[" + c.Host + "]"
	}
	if c.Instance != "" {
		u.Path = "/" + c.Instance
	}
	query := url.Values{}
	for key, value := range c.Parameters {
		query.Set(key, value)
	}
	for _, key := range []string{msdsn.Server, msdsn.UserID, msdsn.Password, msdsn.Port, msdsn.ChangePassword, msdsn.LogParam} {
		query.Del(key)
	}
	query.Set(msdsn.Database, c.Database)
	u.RawQuery = query.Encode()
	return u.String()
}
