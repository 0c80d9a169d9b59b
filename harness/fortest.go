package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// requireVariable lists what a test may not skip for, with commas: a kind of
// database (mysql), in whatever way, or a kind by a certain way (mysql:container).
const requireVariable = "TOKENSWEEP_REQUIRE"

// pool holds the servers that the tests of one test binary share.
type pool struct {
	mu      sync.Mutex
	servers map[string]*sharedServer
}

type sharedServer struct {
	once sync.Once
	node node
	err  error
}

// shared is the one pool, because Go runs the tests of a package in one process
// and gives them nothing else in common.
var shared = pool{servers: map[string]*sharedServer{}}

// start returns the server for these options and starts it if it is the first
// to ask. A failure is remembered, so that a hundred tests do not wait for a
// hundred failures.
func (p *pool) start(_ context.Context, c candidate, o Options) (node, error) {
	key := strings.Join(append([]string{c.db, c.via, o.Image, o.ServerZone, strconv.FormatBool(o.AcceptEULA)}, o.ServerArgs...), "\x00")
	p.mu.Lock()
	s, ok := p.servers[key]
	if !ok {
		s = &sharedServer{}
		p.servers[key] = s
	}
	p.mu.Unlock()
	// Not the context of the test: the server outlives it. Each step has a time limit.
	s.once.Do(func() { s.node, s.err = c.start(context.Background(), o) })
	if errors.Is(s.err, errEULA) { // a test cannot accept it
		return nil, &UnavailableError{Wanted: wanted(o), Reasons: []string{s.err.Error()}, Err: s.err}
	}
	return s.node, s.err
}

// stop ends all servers.
func (p *pool) stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed error
	for key, s := range p.servers {
		if s.node != nil {
			failed = errors.Join(failed, s.node.stop())
		}
		delete(p.servers, key)
	}
	return failed
}

// ForTest gives a test a fresh schema on a server as the options say, and drops
// it when the test ends. All tests of the binary share the servers; throw-away
// ones are always Fast (use Open for one that is not). With Options.DSN the
// schema is made on that server, and so are those of SQLServer on the one that
// TOKENSWEEP_SQLSERVER_DSN names.
//
// Where no such server can be had the test is skipped, unless the environment
// variable TOKENSWEEP_REQUIRE lists the kind; a test that names the way as well is
// skipped unless it lists kind:way. Any other problem, and a DSN at which nobody
// answers, fails it.
func ForTest(t testing.TB, o Options) *Target {
	t.Helper()
	o.Fast = true
	if o.Log == nil {
		o.Log = t.Logf // a server logs only while it starts
	}
	target, err := forTest(t.Context(), o)
	var unavailable *UnavailableError
	if errors.As(err, &unavailable) && !named(o) && !required(o) {
		t.Skipf("%v", err)
	}
	if err != nil {
		t.Fatalf("getting a database: %v", err)
	}
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Errorf("removing the database of the test: %v", err)
		}
	})
	t.Logf("database: %s, schema %s", target.Server, target.Schema)
	return target
}

func forTest(ctx context.Context, o Options) (*Target, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	if o.DSN != "" {
		return openFresh(ctx, o)
	}
	n, err := startFirst(ctx, o, shared.start)
	if err != nil {
		return nil, err
	}
	return newSchema(ctx, n, "", o)
}

// named reports whether the user says which server it is to be: then there is
// one, and if it does not answer, that is a failure.
func named(o Options) bool {
	return o.DSN != "" || strings.EqualFold(o.DB, SQLServer) && !strings.EqualFold(o.Via, Container) && lentDSN() != ""
}

// required reports whether the environment forbids to skip for these options.
func required(o Options) bool {
	listed := strings.FieldsFunc(strings.ToLower(os.Getenv(requireVariable)), func(r rune) bool { return r == ',' || r == ' ' })
	db, via := orAuto(o.DB), orAuto(o.Via)
	return slices.Contains(listed, db+":"+via) || via == Auto && slices.Contains(listed, db)
}

// Main runs the tests of a binary and ends the servers that ForTest started. Its
// result is the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
//
// Without it the servers end a moment after the binary.
func Main(m *testing.M) int {
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintf(os.Stderr, "ending the database servers of the tests: %v\n", err)
		return max(code, 1)
	}
	return code
}
