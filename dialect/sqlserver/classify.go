package sqlserver

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/tokensweep/tokensweep/dialect"
)

// classes are error numbers of the server, see sys.messages.
var classes = map[int32]dialect.Class{
	1205: dialect.Deadlock,
	3960: dialect.Deadlock,    // snapshot isolation: another transaction changed the row
	1204: dialect.LockTimeout, // no memory for locks
	1222: dialect.LockTimeout,

	547:  dialect.RowRefused, // foreign key or condition
	3609: dialect.RowRefused, // the transaction ended in a trigger
	2601: dialect.Duplicate,  // unique index
	2627: dialect.Duplicate,  // primary key, unique constraint

	229: dialect.Denied, // object
	230: dialect.Denied, // column
	262: dialect.Denied, // statement, such as CREATE TABLE
	297: dialect.Denied,
	300: dialect.Denied, // VIEW SERVER STATE and the like
	371: dialect.Denied,
	916: dialect.Denied, // no user for the login in this database
	// What may not be seen may not be dropped or altered either.
	3701:  dialect.Denied,
	1088:  dialect.Denied,
	2760:  dialect.Denied,   // the schema is not there or may not be used
	4060:  dialect.BadLogin, // the login may not open the database
	18452: dialect.BadLogin,
	18456: dialect.BadLogin,
	18470: dialect.BadLogin, // disabled
	18486: dialect.BadLogin, // locked out
	18487: dialect.BadLogin, // password expired
	18488: dialect.BadLogin, // password must be changed

	3906: dialect.ReadOnly, // the database
	3908: dialect.ReadOnly, // in emergency mode
	976:  dialect.ReadOnly, // secondary of an availability group that takes no connections
	978:  dialect.ReadOnly, // secondary for connections with read intent
	1101: dialect.DiskFull,
	1105: dialect.DiskFull, // the filegroup is full
	5149: dialect.DiskFull, // a file cannot grow
	9002: dialect.LogFull,
	3952: dialect.NoSnapshot,

	208: dialect.NoSuchTable,
	911: dialect.NoSuchTable, // database

	195:  dialect.Unsupported, // not a recognised function
	331:  dialect.Unsupported, // OUTPUT INTO a table with triggers
	332:  dialect.Unsupported, // OUTPUT INTO a table with foreign keys
	333:  dialect.Unsupported, // OUTPUT INTO a table with conditions or rules
	343:  dialect.Unsupported,
	2812: dialect.Unsupported, // no such procedure

	596:   dialect.Disconnected, // the session was killed
	6005:  dialect.Disconnected, // shutdown in progress
	983:   dialect.Disconnected, // availability group in transition
	40197: dialect.Disconnected, // Azure SQL: reconfiguration
	40501: dialect.Disconnected, // Azure SQL: busy
	40613: dialect.Disconnected, // Azure SQL: not available for the moment
	924:   dialect.Unreachable,  // single-user mode, and that user is another one
	921:   dialect.Unreachable,  // not recovered yet
	922:   dialect.Unreachable,
	942:   dialect.Unreachable, // offline
	17142: dialect.Unreachable, // paused
}

const (
	// firstUserError begins the numbers of RAISERROR and THROW, which is how a
	// trigger refuses a row.
	firstUserError = 50000
	// noNumber is what Babelfish gives to errors of PostgreSQL that have no number.
	noNumber = 33557097
)

// babelfishWords are parts of PostgreSQL's messages that come with noNumber.
var babelfishWords = []struct {
	words string
	class dialect.Class
}{
	{"due to lock timeout", dialect.LockTimeout},
	{"tuple concurrently updated", dialect.Deadlock}, // of two CREATE DATABASE, the one that lost
	{"permission denied", dialect.Denied},
	{"must be owner", dialect.Denied},
	{"read-only transaction", dialect.ReadOnly},
	{"No space left on device", dialect.DiskFull},
	{"does not exist", dialect.NoSuchTable},
	{"not currently supported in Babelfish", dialect.Unsupported},
	{"supported for default collation", dialect.Unsupported}, // of a database, where every one has the server's
	{"terminating connection", dialect.Disconnected},
	{"the database system is", dialect.Unreachable}, // starting up, shutting down
}

func babelfishClass(message string) dialect.Class {
	for _, known := range babelfishWords {
		if strings.Contains(message, known.words) {
			return known.class
		}
	}
	return dialect.Unclassified
}

// Classify knows the server's error numbers and the driver's own errors.
func (Dialect) Classify(err error) dialect.Class {
	var server mssql.Error
	if errors.As(err, &server) {
		return classOf(server)
	}
	var dial *net.OpError
	var stream mssql.StreamError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return dialect.Unreachable
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.As(err, &dial), errors.As(err, &stream):
		return dialect.Disconnected
	}
	return dialect.Unclassified
}

// classOf looks at every message that came with the error: the last one may
// only say that the statement has ended.
func classOf(e mssql.Error) dialect.Class {
	for _, part := range append([]mssql.Error{e}, e.All...) {
		if class, ok := classes[part.Number]; ok {
			return class
		}
	}
	for _, part := range append([]mssql.Error{e}, e.All...) {
		switch {
		case part.Number == noNumber:
			return babelfishClass(part.Message)
		case part.Number >= firstUserError:
			return dialect.RowRefused
		}
	}
	return dialect.Unclassified
}
