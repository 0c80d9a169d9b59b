package measure

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/harness"
)

// sessions are those of an engine and of nobody else. They count what it sends and
// what the server does for it, so that neither our own looks at the server nor other
// sessions are in the numbers. A session is asked as it closes, and is not counted
// while it is open.
type sessions struct {
	db    *sql.DB // what the engine gets
	login *mysqldriver.Config

	mu         sync.Mutex
	roundTrips int64
	status     counters // added up over the sessions that have ended
	failed     error
}

// exactly are the status variables of a session that do not differ between runs of
// an engine that always sends the same statements.
var exactly = []struct{ metric, variable string }{
	{"statements", "Questions"},
	{bench.HandlerPrefix + "commit", "Handler_commit"},
	{bench.HandlerPrefix + "delete", "Handler_delete"},
	{bench.HandlerPrefix + "update", "Handler_update"},
	{bench.HandlerPrefix + "write", "Handler_write"},
}

// reads begins the status variables that add up to bench.Reads. Each by itself
// depends on what the server knows of its tables when it chooses how to read them.
const reads = "Handler_read_"

// openSessions makes a pool like that of a target, with one session open.
func openSessions(ctx context.Context, t *harness.Target, zone string) (*sessions, error) {
	login, err := mysqldriver.ParseDSN(t.ConnectionString())
	if err != nil {
		return nil, errors.New("the connection settings are not usable") // err may hold the password
	}
	login.Logger = &mysqldriver.NopLogger{}
	if zone != "" {
		login.Params["time_zone"] = "'" + zone + "'"
	}
	s := &sessions{login: login, status: counters{}}
	s.db = sql.OpenDB(s)
	s.db.SetMaxIdleConns(8)
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connecting the engine: %w", err), s.db.Close())
	}
	return s, conn.Close()
}

// Connect implements driver.Connector.
func (s *sessions) Connect(ctx context.Context) (driver.Conn, error) {
	w := &wire{}
	login := s.login.Clone()
	login.DialFunc = w.dial
	connector, err := mysqldriver.NewConnector(login)
	if err != nil {
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := conn.(fullConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's %T lacks what database/sql makes use of", conn), conn.Close())
	}
	return &session{fullConn: inner, wire: w, of: s}, nil
}

// Driver implements driver.Connector.
func (s *sessions) Driver() driver.Driver { return &mysqldriver.MySQLDriver{} }

// fullConn is all that database/sql looks for in a connection. One wrapped without
// any of it would send other statements.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// session is one connection of an engine.
type session struct {
	fullConn
	wire *wire
	of   *sessions
}

// Close asks the server what it did in this session, and closes it.
func (s *session) Close() error {
	sent := s.wire.roundTrips
	status, err := s.status()
	s.of.mu.Lock()
	s.of.roundTrips += sent
	for name, n := range status {
		s.of.status[name] += n
	}
	s.of.status["Questions"]-- // ours
	s.of.failed = errors.Join(s.of.failed, err)
	s.of.mu.Unlock()
	return s.fullConn.Close()
}

func (s *session) status() (counters, error) {
	rows, err := s.QueryContext(context.Background(), "SHOW SESSION STATUS", nil)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all, row := counters{}, make([]driver.Value, 2)
	for {
		if err := rows.Next(row); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if n, err := strconv.ParseInt(fmt.Sprintf("%s", row[1]), 10, 64); err == nil { // others are texts and fractions
			all[fmt.Sprintf("%s", row[0])] = n
		}
	}
}

// metrics are what was counted, exact counts only of engines that are fixed. It
// closes the pool. The error is that of a session that could not be asked, such as one
// that was killed.
func (s *sessions) metrics(fixed bool) ([]bench.Metric, error) {
	err := s.db.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = errors.Join(err, s.failed); err != nil {
		return nil, err
	}
	var read int64
	for name, n := range s.status {
		if strings.HasPrefix(name, reads) {
			read += n
		}
	}
	all := []bench.Metric{bench.Counted(bench.Reads, read)}
	if !fixed {
		return all, nil
	}
	all = append(all, bench.Cost("round-trips", s.roundTrips))
	for _, c := range exactly {
		all = append(all, bench.Cost(c.metric, s.status[c.variable]))
	}
	return all, nil
}

// counted are the counters of the engine's own sessions, and its transactions.
func (r *sampleRun) counted(batches int64) []bench.Metric {
	all, err := r.own.metrics(r.engine.Fixed)
	if err != nil {
		r.run.Notes = append(r.run.Notes, fmt.Sprintf("its statements are not counted, a session could not be asked: %v", err))
	}
	if r.engine.Fixed && batches > 0 {
		all = append(all, bench.Cost("batches", batches))
	}
	return all
}

// wire counts the commands that go over a connection and that the server answers.
// The driver writes each in one piece, and without TLS, which throw-away servers do
// not ask for.
type wire struct {
	net.Conn
	roundTrips int64 // database/sql uses a connection from one goroutine at a time
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	w.Conn = conn
	return w, err
}

// Commands of the protocol that get no answer.
const (
	comQuit         = 0x01
	comSendLongData = 0x18
	comStmtClose    = 0x19
)

// Write counts a packet that begins a command: its number, the fourth byte, is 0.
func (w *wire) Write(packet []byte) (int, error) {
	if len(packet) > 4 && packet[3] == 0 {
		switch packet[4] {
		case comQuit, comSendLongData, comStmtClose:
		default:
			w.roundTrips++
		}
	}
	return w.Conn.Write(packet)
}
