package mysql

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/tokensweep/tokensweep/dialect"
)

// classes are server error numbers, the same on MySQL and MariaDB unless said.
var classes = map[uint16]dialect.Class{
	1213: dialect.Deadlock,
	1205: dialect.LockTimeout,
	3572: dialect.LockTimeout, // NOWAIT
	1020: dialect.Deadlock,    // MariaDB 11: record has changed since last read
	1467: dialect.Deadlock,    // MariaDB: the wait for the lock of an auto-increment was one

	1451: dialect.RowRefused, // foreign key
	1217: dialect.RowRefused, // foreign key, details withheld
	1644: dialect.RowRefused, // SIGNAL in a trigger
	1062: dialect.Duplicate,

	1044: dialect.Denied, // database
	1142: dialect.Denied, // table
	1143: dialect.Denied, // column
	1227: dialect.Denied, // SUPER and the like
	1370: dialect.Denied, // routine
	1045: dialect.BadLogin,
	1698: dialect.BadLogin,
	1290: dialect.ReadOnly, // --read-only, --super-read-only
	1792: dialect.ReadOnly, // read-only transaction
	1836: dialect.ReadOnly,

	3:    dialect.DiskFull, // error writing file (errno 28)
	1021: dialect.DiskFull,
	1026: dialect.DiskFull,
	1114: dialect.DiskFull, // the table is full
	3675: dialect.DiskFull, // no room for a new table (MySQL)

	1049: dialect.NoSuchTable,
	1146: dialect.NoSuchTable,

	1148: dialect.Unsupported, // LOCAL INFILE, MariaDB and old MySQL
	3948: dialect.Unsupported, // LOCAL INFILE, MySQL 8
	4166: dialect.Unsupported, // LOCAL INFILE, MariaDB 10.6 and later

	1053: dialect.Disconnected, // server shutdown in progress
	1927: dialect.Disconnected, // MariaDB: connection was killed
	1317: dialect.Disconnected, // query interrupted: KILL QUERY by someone else
	3169: dialect.Disconnected, // MySQL: session was killed
	4031: dialect.Disconnected, // idle for too long
}

func classify(err error) dialect.Class {
	var server *mysqldriver.MySQLError
	if errors.As(err, &server) {
		return classes[server.Number]
	}
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return dialect.Unreachable
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysqldriver.ErrInvalidConn), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &dial):
		return dialect.Disconnected
	}
	return dialect.Unclassified
}
