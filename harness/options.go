package harness

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kinds of database for Options.DB.
const (
	MySQL     = "mysql"
	MariaDB   = "mariadb"
	SQLServer = "sqlserver"
	SQLite    = "sqlite"
)

// Ways to get a database for Options.Via.
const (
	Container = "container"
	Process   = "process"
	DSN       = "dsn"
	Embedded  = "embedded"
)

// Auto leaves the choice to Open, for Options.DB and Options.Via.
const Auto = "auto"

// Options say which database to get and how. The zero value takes the best that
// this machine has.
type Options struct {
	// DB is Auto (or ""), MySQL, MariaDB, SQLServer or SQLite. Auto takes the first
	// that can be had of: a MySQL container, a local mysqld, a local mariadbd,
	// SQLite; and SQLServer if the DSN is one of it.
	DB string
	// Via is Auto (or ""), Container, Process, DSN or Embedded. DSN needs a DSN, or
	// for SQLServer the environment variable TOKENSWEEP_SQLSERVER_DSN: on the
	// server that it names a throw-away database is made. Auto takes that server if
	// the variable is set, and else a container.
	Via string
	// DSN names a server of the user's: user:password@tcp(host:3306)/schema or
	// mysql://user:password@host:3306/schema; for SQLServer
	// sqlserver://user:password@host:1433?database=name, or the ADO and odbc: forms
	// of its driver; for SQLite the path of a file that exists, with or without
	// sqlite: or file: before it.
	DSN string
	// Schema is the schema to work in, "" for the one that the DSN names. For
	// SQLServer it is one in the DSN's database, "" for the default schema of the
	// login there, mostly dbo. Only for servers of the user's.
	Schema string
	// Image is the container image, "" for the official one (mysql:8.4,
	// mariadb:11.4, mcr.microsoft.com/mssql/server:2022-latest, which is for amd64
	// only) or the one that the environment variable TOKENSWEEP_MYSQL_IMAGE,
	// TOKENSWEEP_MARIADB_IMAGE or TOKENSWEEP_SQLSERVER_IMAGE names.
	Image string
	// AcceptEULA says that the user accepts Microsoft's licence terms for the
	// container of SQLServer, as ACCEPT_EULA=Y in the environment does. Without
	// either none is started.
	AcceptEULA bool
	// WritersZone is the time zone of the sessions, in which wall clocks are written
	// and read: a name that the server knows, or an offset such as +05:30. ""
	// leaves sessions at the server's default. SQLite has no time zones and ignores
	// it; SQLServer has none either, and refuses it, because there a time is read
	// as it was written in whatever zone.
	WritersZone string
	// ServerZone is the default time zone of a throw-away server, "" for +00:00.
	// SQLite ignores it, SQLServer refuses it.
	ServerZone string
	// Fast makes a throw-away server that is quick and small and would lose data if
	// the machine crashed: for tests. Otherwise it works as durably as the product
	// ships, with a buffer pool of half the memory.
	Fast bool
	// ServerArgs are further arguments for a throw-away mysqld or mariadbd.
	ServerArgs []string
	// Log takes one progress sentence per call, nil for none. Calls may come from any goroutine.
	Log func(format string, args ...any)
}

func (o Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(format, args...)
	}
}

// zoneText is what MySQL takes for a time zone: an offset, or a name of the zone tables.
var zoneText = regexp.MustCompile(`^[A-Za-z0-9_+\-:/]{1,64}$`)

// normalize fills in what the given options imply and refuses what cannot work
// together.
func (o Options) normalize() (Options, error) {
	refuse := func(format string, args ...any) (Options, error) {
		return o, &OptionError{Problem: fmt.Sprintf(format, args...)}
	}
	o.DB, o.Via = orAuto(o.DB), orAuto(o.Via)
	switch {
	case !slices.Contains([]string{Auto, MySQL, MariaDB, SQLServer, SQLite}, o.DB):
		return refuse("there is no database kind %q: use auto, mysql, mariadb, sqlserver or sqlite", o.DB)
	case !slices.Contains([]string{Auto, Container, Process, DSN, Embedded}, o.Via):
		return refuse("there is no way %q to get a database: use auto, container, process, dsn or embedded", o.Via)
	}
	if o.DSN != "" && o.Via == Auto {
		o.Via = DSN
	}
	if o.DB == Auto && isSQLServerDSN(o.DSN) {
		o.DB = SQLServer
	}
	if o.Image != "" && o.Via == Auto {
		o.Via = Container
	}
	if o.Via == Embedded && o.DB == Auto {
		o.DB = SQLite
	}
	if o.DB == SQLite && o.Via == Auto {
		o.Via = Embedded
	}
	throwAway := o.Via != DSN || o.DB == SQLServer && o.DSN == ""
	switch {
	case throwAway && o.DSN != "":
		return refuse("a DSN and %s contradict each other: leave one of them out", o.Via)
	case !throwAway && o.DSN == "":
		return refuse("the DSN is missing: give one such as user:password@tcp(host:3306)/schema")
	case o.Via == Embedded && o.DB != SQLite, o.DB == SQLite && (o.Via == Container || o.Via == Process):
		return refuse("there is no %s by way of %s: only sqlite is embedded, and it is nothing else", o.DB, o.Via)
	case o.DB == SQLServer && o.Via == Process:
		return refuse("there is no sqlserver by way of process: use a container, or a server by its DSN")
	case o.DB == SQLServer && (o.WritersZone != "" || o.ServerZone != ""):
		return refuse("SQL Server has no time zone to set: a DATETIME is read as it was written, and the product writes UTC")
	case o.DB == SQLServer && len(o.ServerArgs) > 0:
		return refuse("SQL Server takes no server arguments: they are for mysqld and mariadbd")
	case o.Image != "" && o.Via != Container:
		return refuse("an image is for a container and contradicts %s: leave one of them out", o.Via)
	case !throwAway && (o.ServerZone != "" || len(o.ServerArgs) > 0):
		return refuse("the server's time zone and arguments cannot be set on a server that runs already: they are for throw-away servers")
	case o.Via == Embedded && len(o.ServerArgs) > 0:
		return refuse("the embedded engine takes no server arguments")
	}
	for _, zone := range []string{o.WritersZone, o.ServerZone} {
		if zone != "" && !zoneText.MatchString(zone) {
			return refuse("%q is no time zone: use a name such as Europe/Berlin or an offset such as +05:30", zone)
		}
	}
	return o, nil
}

func orAuto(choice string) string {
	if choice == "" {
		return Auto
	}
	return strings.ToLower(choice)
}

// productName is how people write a kind of database.
func productName(db string) string {
	switch db {
	case MySQL:
		return "MySQL"
	case MariaDB:
		return "MariaDB"
	case SQLServer:
		return "SQL Server"
	case SQLite:
		return "SQLite"
	default:
		return "a database"
	}
}
