package harness

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// startTimeout bounds the start of a server, the initialisation of its data
// directory included.
const startTimeout = 2 * time.Minute

// rewindName is the file in a claim that says that its server will be started again.
const rewindName = "rewind"

// startProcess starts a mysqld or mariadbd of this machine on a private data
// directory, reachable from this machine only.
func startProcess(ctx context.Context, o Options, db string) (node, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	binary, err := findServer(ctx, db)
	if err != nil {
		return nil, err
	}
	sweep(o.log, nil)
	for try := 1; ; try++ {
		n, err := startBinary(ctx, o, db, binary)
		// The port was free a moment ago; another program may have been quicker.
		if try < 3 && errors.Is(err, errPortTaken) {
			continue
		}
		return n, err
	}
}

// startBinary is one try.
func startBinary(ctx context.Context, o Options, db, binary string) (_ node, err error) {
	c, err := newClaim()
	if err != nil {
		return nil, err
	}
	p := &process{claim: c, binary: binary, db: db, password: randomPassword(), args: tuning(o, memory()), log: o.log}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	o.log("starting %s in %s", binary, c.dir)
	if err := p.initialize(ctx); err != nil {
		return nil, fmt.Errorf("making a data directory for %s: %w", binary, err)
	}
	n, err := p.run(ctx, o.ServerZone)
	if err != nil {
		return nil, p.explain(err)
	}
	return n, nil
}

// process is a server of this machine in the making, and then the running one.
type process struct {
	claim      *claim
	binary, db string
	password   string
	args       []string
	log        func(string, ...any)
	keeper     *keeper
}

func (p *process) path(name string) string { return filepath.Join(p.claim.dir, name) }

func (p *process) stop() error {
	var failed error
	if p.keeper != nil {
		failed = p.keeper.stop()
	}
	return errors.Join(failed, p.claim.release())
}

// findServer finds the binary, and only one of the product asked for: a
// machine with MariaDB often calls its server mysqld as well.
func findServer(ctx context.Context, db string) (string, error) {
	unavailable := func(reason string) error {
		return &UnavailableError{Wanted: productName(db) + " by way of " + Process, Reasons: []string{reason}}
	}
	if !canKeep {
		return "", unavailable("starting servers is for Unix systems; use a container")
	}
	names := []string{"mysqld"}
	if db == MariaDB {
		names = []string{"mariadbd", "mysqld"}
	}
	for _, name := range names {
		path, ok := findBinary(name)
		if !ok {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").Output()
		if err != nil {
			return "", unavailable(fmt.Sprintf("%s does not run: %v", path, err))
		}
		if bytes.Contains(out, []byte("MariaDB")) == (db == MariaDB) {
			return path, nil
		}
	}
	return "", unavailable("no " + names[0] + " of " + productName(db) + " is installed here")
}

// findBinary looks where servers are installed, which a user's PATH often lacks.
func findBinary(name string, first ...string) (string, bool) {
	for _, dir := range first {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, true
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, true
	}
	for _, dir := range []string{"/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/mysql/bin", "/usr/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, true
		}
	}
	return "", false
}

// asUser is the argument without which a server refuses to run as root.
func asUser() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// initialize makes the data directory, with the time zones if the tool for
// them is there. No sync: if the machine crashes meanwhile, nobody wants it.
func (p *process) initialize(ctx context.Context) error {
	zones := p.zones(ctx)
	args := append([]string{"--no-defaults", "--datadir=" + p.path("data"), "--innodb-flush-method=nosync"}, asUser()...)
	if p.db == MySQL {
		args = append(args, "--initialize-insecure", "--loose-innodb-redo-log-capacity=32M", "--skip-log-bin", "--secure-file-priv=NULL")
		if zones != "" {
			args = append(args, "--init-file="+zones)
		}
		return p.command(ctx, p.binary, args)
	}
	installer, ok := findBinary("mariadb-install-db", filepath.Dir(p.binary))
	if !ok {
		installer, ok = findBinary("mysql_install_db", filepath.Dir(p.binary))
	}
	if !ok {
		return &UnavailableError{Wanted: "MariaDB by way of " + Process, Reasons: []string{"mariadb-install-db is missing beside " + p.binary}}
	}
	args = append(args, "--innodb-log-file-size=4M", "--auth-root-authentication-method=normal", "--skip-test-db")
	if zones != "" {
		args = append(args, "--extra-file="+zones)
	}
	return p.command(ctx, installer, args)
}

// command runs a tool that is killed with everything it started when ctx ends.
func (p *process) command(ctx context.Context, path string, args []string) error {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = p.claim.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+p.claim.dir)
	groupOfItsOwn(cmd)
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("%s: %w%s", path, err, out.quote())
	}
	return nil
}

// zones writes the SQL that fills the time zone tables and returns its file, or
// "" if this machine cannot.
func (p *process) zones(ctx context.Context) string {
	names := []string{"mysql_tzinfo_to_sql"}
	if p.db == MariaDB {
		names = []string{"mariadb-tzinfo-to-sql", "mysql_tzinfo_to_sql"}
	}
	for _, name := range names {
		tool, ok := findBinary(name, filepath.Dir(p.binary))
		if !ok {
			continue
		}
		sql, err := exec.CommandContext(ctx, tool, "/usr/share/zoneinfo").Output() // its warnings are about files that are no zones
		if err != nil || len(sql) == 0 {
			continue
		}
		file := p.path("zones.sql")
		if os.WriteFile(file, append([]byte("USE mysql;\n"), sql...), 0o600) == nil {
			return file
		}
	}
	p.log("named time zones will be unknown to the server: %s or /usr/share/zoneinfo is missing", names[0])
	return ""
}

// run starts the server and waits until it takes a login.
func (p *process) run(ctx context.Context, zone string) (node, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	accounts := p.path("accounts.sql")
	if err := os.WriteFile(accounts, []byte(accountSQL(p.password)), 0o600); err != nil {
		return nil, err
	}
	args := append([]string{p.binary, "--no-defaults", "--datadir=" + p.path("data"), "--tmpdir=" + p.claim.dir,
		// Relative to the data directory, because the path of a socket is limited to about 100 bytes.
		"--socket=server.sock", "--pid-file=" + p.path(serverPID), "--init-file=" + accounts,
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port)}, asUser()...)
	if p.db == MySQL {
		args = append(args, "--mysqlx=OFF", "--secure-file-priv=NULL")
	}
	if p.keeper, err = startKeeper(p.claim.dir, p.path("server.log"), append(args, p.args...)); err != nil {
		return nil, err
	}
	login := mysqldriver.NewConfig()
	login.User, login.Passwd, login.Net, login.Addr = "root", p.password, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	n := &mysqlNode{login: tuned(login), via: Process + " " + filepath.Base(p.binary), end: p.stop, died: p.keeper.died, zone: zone}
	n.usage = p.usage
	n.again = func(context.Context) error { return os.WriteFile(p.path(rewindName), nil, 0o600) }
	return n, n.settle(ctx, p.keeper.died, zone)
}

// accountSQL gives root a password and leaves it no other door. It runs before
// the server listens.
func accountSQL(password string) string {
	return "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';\n" +
		"ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '" + password + "';\n" +
		"GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n" +
		"ALTER USER 'root'@'localhost' IDENTIFIED BY '" + password + "';\n"
}

// randomPassword has letters of both cases, digits and a mark, as the policy of
// SQL Server wants them.
func randomPassword() string { return "Aa1-" + randomHex(16) }

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	_, _ = rand.Read(random) // never fails
	return hex.EncodeToString(random)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// serverLog is the end of what the server said.
func (p *process) serverLog() *tail {
	var t tail
	if content, err := os.ReadFile(p.path("server.log")); err == nil {
		_, _ = t.Write(content) // never fails
	}
	return &t
}

// errPortTaken says that the port of a new server was not free any more.
var errPortTaken = errors.New("its port is taken")

func (p *process) explain(err error) error {
	log := p.serverLog()
	if errors.Is(err, errDied) && strings.Contains(strings.ToLower(log.String()), "address already in use") {
		err = errPortTaken
	}
	return startFailed(p.binary, err, log)
}

// startFailed adds what the server said, unless the failure is the user's choice.
func startFailed(what string, err error, said *tail) error {
	var option *OptionError
	switch {
	case errors.As(err, &option):
		return err
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("starting %s: %w", what, err)
	default:
		return fmt.Errorf("starting %s: %w%s", what, err, said.quote())
	}
}
