package harness_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tokensweep/tokensweep/harness"
)

// servedBy makes the DSN of a test's own schema in both forms.
func servedBy(t *testing.T, target *harness.Target) (c *mysqldriver.Config, asURL string) {
	t.Helper()
	c, err := mysqldriver.ParseDSN(target.ConnectionString())
	require.NoError(t, err)
	return c, "mysql://" + url.UserPassword(c.User, c.Passwd).String() + "@" + c.Addr + "/" + c.DBName
}

func TestDSNReachesTheSchemaAndLeavesItAlone(t *testing.T) {
	on(t, servers, func(t *testing.T, target *harness.Target) {
		run(t, target.DB, "CREATE TABLE t (i INT)", "SET GLOBAL max_connections = 400")
		_, asURL := servedBy(t, target)
		for _, dsn := range []string{
			target.ConnectionString(), asURL, strings.Replace(asURL, "mysql:", "mariadb:", 1) + "?parseTime=true&loc=Local&multiStatements=true",
		} {
			opened, err := harness.Open(t.Context(), harness.Options{DSN: dsn})
			require.NoError(t, err)
			require.False(t, opened.Temporary)
			require.Equal(t, "dsn", opened.Server.Via)
			require.Equal(t, target.Server.Product, opened.Server.Product)
			require.Equal(t, target.Schema, opened.Schema)
			require.Equal(t, "0", ask(t, opened.DB, "SELECT COUNT(*) FROM t"))
			_, err = opened.DB.ExecContext(t.Context(), "DO 1; DO 1")
			require.Error(t, err)
			require.NoError(t, opened.Close())
		}
		run(t, target.DB, "INSERT INTO t VALUES (1)")

		fresh := harness.ForTest(t, harness.Options{DSN: asURL})
		require.NotEqual(t, target.Schema, fresh.Schema)
		require.True(t, fresh.Temporary)
		run(t, fresh.DB, "CREATE TABLE t (i INT)")
	})
}

func TestPasswordsOfAnyShapeAreAccepted(t *testing.T) {
	on(t, servers[2:], func(t *testing.T, target *harness.Target) {
		const password = `p@ss:w/o?r#d%20)(`
		user := "p" + target.Schema[len(target.Schema)-12:]
		run(t, target.DB, "CREATE USER '"+user+"' IDENTIFIED BY '"+password+"'", "GRANT ALL ON `"+target.Schema+"`.* TO '"+user+"'")
		defer run(t, target.DB, "DROP USER '"+user+"'")
		c, _ := servedBy(t, target)
		c.User, c.Passwd = user, password
		for _, dsn := range []string{c.FormatDSN(), "mysql://" + url.UserPassword(user, password).String() + "@" + c.Addr + "/" + c.DBName} {
			opened, err := harness.Open(t.Context(), harness.Options{DSN: dsn})
			require.NoError(t, err)
			require.NoError(t, opened.Close())
		}
	})
}

func TestDSNThatCannotBeUsedSaysWhatToDo(t *testing.T) {
	on(t, servers, func(t *testing.T, target *harness.Target) {
		const wrong = "wr0ng-secret"
		edit := func(change func(*mysqldriver.Config)) string {
			c, _ := servedBy(t, target)
			change(c)
			return c.FormatDSN()
		}
		other := harness.MariaDB
		if target.Server.Product == "MariaDB" {
			other = harness.MySQL
		}
		for name, c := range map[string]struct {
			o    harness.Options
			says string
		}{
			"password": {harness.Options{DSN: edit(func(c *mysqldriver.Config) { c.Passwd = wrong })}, `refuses user "root": check user and password`},
			"schema":   {harness.Options{DSN: edit(func(c *mysqldriver.Config) { c.DBName = "nowhere" })}, `there is no schema "nowhere"`},
			"none":     {harness.Options{DSN: edit(func(c *mysqldriver.Config) { c.DBName = "" })}, "names no schema"},
			"kind":     {harness.Options{DB: other, DSN: target.ConnectionString()}, "name the right kind or none"},
			"zone":     {harness.Options{WritersZone: "Mars/Base", DSN: target.ConnectionString()}, "does not know the time zone Mars/Base"},
			"zones": {harness.Options{WritersZone: "+05:30", DSN: edit(func(c *mysqldriver.Config) { c.Params = map[string]string{"Time_Zone": "'+00:00'"} })},
				"the DSN sets time_zone to +00:00, but the writers' time zone is given as +05:30"},
		} {
			_, err := harness.Open(t.Context(), c.o)
			var option *harness.OptionError
			require.ErrorAs(t, err, &option, name)
			require.ErrorContains(t, err, c.says, name)
			requireNoSecret(t, err, wrong)
		}
	})
}

func TestZoneOfTheDSNIsKept(t *testing.T) {
	on(t, servers, func(t *testing.T, target *harness.Target) {
		c, _ := servedBy(t, target)
		c.Params = map[string]string{"TIME_ZONE": "'+05:30'"}
		for _, writers := range []string{"", "+05:30"} {
			opened, err := harness.Open(t.Context(), harness.Options{DSN: c.FormatDSN(), WritersZone: writers})
			require.NoError(t, err)
			require.Equal(t, "+05:30", opened.Server.Zone)
			other, err := opened.Connect(t.Context(), harness.Session{Zone: "-08:00"})
			require.NoError(t, err)
			require.Equal(t, "-08:00", ask(t, other, "SELECT @@session.time_zone"))
			require.NoError(t, other.Close())
			require.NoError(t, opened.Close())
		}
	})
}

func TestServerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // connections are made and nothing is said
	require.NoError(t, err)
	defer deaf.Close()
	for address, says := range map[string]string{
		free.Addr().String():     "the server at " + free.Addr().String() + " is not available: connection refused",
		"no-such-host.invalid:1": "the server at no-such-host.invalid:1 is not available: no such host",
	} {
		_, err := harness.Open(t.Context(), harness.Options{DSN: "root:s3cret@tcp(" + address + ")/s"})
		var unavailable *harness.UnavailableError
		require.ErrorAs(t, err, &unavailable)
		require.ErrorContains(t, err, says)
		requireNoSecret(t, err, "s3cret")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = harness.Open(ctx, harness.Options{DSN: "root:s3cret@tcp(" + deaf.Addr().String() + ")/s"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func requireNoSecret(t require.TestingT, err error, secret string) {
	require.NotContains(t, err.Error(), secret)
}

func TestMalformedDSNIsExplainedWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	for dsn, says := range map[string]string{
		"root:s3cret":                       "write user:password@tcp(host:3306)/schema",
		"root:s3cret@s3cret2/db":            "write user:password@tcp(host:3306)/schema",
		"root:s3cret@tcp(h:1/db":            "write user:password@tcp(host:3306)/schema",
		"root:s3cret@tcp(h)/db?tls=s3cret":  "write user:password@tcp(host:3306)/schema",
		"mysql://root:s3cret@/db":           "as a URL",
		"mysql://root:s3/cret@h/db":         "as a URL",
		"mysql://root:%s3cret@h/db":         "as a URL",
		"mysql://root:s3cret@h:x/db":        "as a URL",
		"mysql://s3cret:1#x@h/db":           "as a URL",
		"mysql://s3cret:1/x@h":              "as a URL",
		"mysql://s3cret:1?x@h/db":           "as a URL",
		"root:x@s3cret(h)/db":               "write user:password@tcp(host:3306)/schema",
		"postgres://root:s3cret@h/db":       "scheme is neither mysql nor mariadb",
		"jdbc:mysql://h/db?password=s3cret": "one for Java",
	} {
		_, err := harness.Open(t.Context(), harness.Options{DSN: dsn})
		var option *harness.OptionError
		require.ErrorAs(t, err, &option, dsn)
		require.ErrorContains(t, err, says, dsn)
		requireNoSecret(t, err, "s3cret")
		requireNoSecret(t, err, "cret")
	}
}

// Whatever surrounds a secret, an error about the DSN does not tell it.
func TestNoErrorTellsASecret(t *testing.T) {
	t.Parallel()
	piece := rapid.StringOfN(rapid.RuneFrom([]rune(`:@/()?&=%# ax0.`)), 0, 12, -1)
	rapid.Check(t, func(r *rapid.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what can be parsed is not to be dialled
		scheme := rapid.SampledFrom([]string{"", "mysql://", "root:", "mysql://root:"}).Draw(r, "scheme")
		_, err := harness.Open(ctx, harness.Options{DB: harness.MySQL, DSN: scheme + piece.Draw(r, "before") + "s3cret" + piece.Draw(r, "after") + "@tcp(h)/"})
		require.Error(r, err)
		requireNoSecret(r, err, "s3cret")
	})
}

func TestSQLiteFileOfTheUsers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b%3f?#.db")
	_, err := harness.Open(t.Context(), harness.Options{DB: harness.SQLite, DSN: path})
	var unavailable *harness.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.NoFileExists(t, path, "a file that was misspelt is not made")

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	for _, o := range []harness.Options{{DSN: path}, {DB: harness.SQLite, DSN: path}, {DB: harness.SQLite, Via: harness.DSN, DSN: path}} {
		target, err := harness.Open(t.Context(), o)
		require.NoError(t, err)
		require.False(t, target.Temporary)
		run(t, target.DB, "CREATE TABLE IF NOT EXISTS t (i INT)")
		require.Equal(t, "delete", ask(t, target.DB, "PRAGMA journal_mode"), "it is stored in the file and stays")
		_, err = target.NewSchema(t.Context(), "")
		require.ErrorContains(t, err, "use another file")
		require.NoError(t, target.Close())
		require.FileExists(t, path)
	}

	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600))
	_, err = harness.Open(t.Context(), harness.Options{DSN: path})
	require.ErrorContains(t, err, "is no SQLite database")
}
