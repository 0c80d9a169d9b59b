//go:build unix

package harness_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
)

func TestServerThatEndsEarlyTellsItsLastLines(t *testing.T) {
	t.Parallel()
	for _, o := range servers {
		t.Run(o.DB+" "+o.Via, func(t *testing.T) {
			t.Parallel()
			harness.ForTest(t, o) // skips where there is none
			o.ServerArgs = []string{"--no-such-setting=1"}
			_, err := harness.Open(t.Context(), o)
			require.ErrorContains(t, err, "the server ended while it was starting")
			require.ErrorContains(t, err, "no-such-setting=1")
		})
	}
}

func TestServerZoneThatNobodyKnowsIsRefused(t *testing.T) {
	t.Parallel()
	for _, o := range servers {
		t.Run(o.DB+" "+o.Via, func(t *testing.T) {
			t.Parallel()
			harness.ForTest(t, o)
			o.ServerZone, o.Fast = "Mars/Base", true
			_, err := harness.Open(t.Context(), o)
			var option *harness.OptionError
			require.ErrorAs(t, err, &option)
			require.ErrorContains(t, err, "does not know the time zone Mars/Base")
			require.NotContains(t, err.Error(), "\n", "the server's log has no more to say")
		})
	}
}

func TestImageOfAnotherProductIsRefused(t *testing.T) {
	t.Parallel()
	o := servers[0]
	_, image, _ := strings.Cut(harness.ForTest(t, o).Server.Via, " ")
	_, err := harness.Open(t.Context(), harness.Options{DB: harness.MariaDB, Image: image, Fast: true})
	var option *harness.OptionError
	require.ErrorAs(t, err, &option)
	require.ErrorContains(t, err, "not MariaDB: name the right kind or another image")
}

func TestImageThatCannotBeHadIsUnavailable(t *testing.T) {
	t.Parallel()
	harness.ForTest(t, servers[0])
	_, err := harness.Open(t.Context(), harness.Options{DB: harness.MySQL, Image: "tokensweep/no-such-image:none"})
	var unavailable *harness.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.ErrorContains(t, err, "the image tokensweep/no-such-image:none is not here and cannot be pulled")
}

func TestServerArgumentsComeLast(t *testing.T) {
	t.Parallel()
	for _, o := range servers {
		t.Run(o.DB+" "+o.Via, func(t *testing.T) {
			t.Parallel()
			o.ServerArgs = []string{"--max-allowed-packet=32M", "--read-only=1"}
			target := harness.ForTest(t, o)
			require.Equal(t, "33554432", ask(t, target.DB, "SELECT @@global.max_allowed_packet"))
			require.NotEqual(t, "0", ask(t, target.DB, "SELECT @@global.read_only"))
		})
	}
}

func TestServerIsDurableUnlessFast(t *testing.T) {
	t.Parallel()
	o := servers[0]
	harness.ForTest(t, o)
	o.Log = t.Logf
	target, err := harness.Open(t.Context(), o)
	require.NoError(t, err)
	defer target.Close()
	require.Equal(t, "1 1 1", ask(t, target.DB, "SELECT CONCAT_WS(' ', @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@log_bin)"))
	require.Equal(t, "+00:00", target.Server.Zone)
}

// without runs a test of this binary in a process that finds neither Docker nor
// a server binary, and returns what it printed.
func without(t *testing.T, test string, environment ...string) (output string, ok bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), append(environment, "DOCKER_HOST=unix:///nonexistent.sock", "TESTCONTAINERS_RYUK_DISABLED=true", "PATH=/nonexistent", bareVariable+"=1")...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

const bareVariable = "TOKENSWEEP_TEST_BARE"

func TestBareAuto(t *testing.T) {
	if os.Getenv(bareVariable) == "" {
		return // it is a part of other tests
	}
	harness.ForTest(t, harness.Options{})
}

func TestBareMySQL(t *testing.T) {
	if os.Getenv(bareVariable) == "" {
		return // it is a part of other tests
	}
	harness.ForTest(t, harness.Options{DB: harness.MySQL, Via: harness.Container})
}

func TestBareSQLServer(t *testing.T) {
	if os.Getenv(bareVariable) == "" {
		return // it is a part of other tests
	}
	harness.ForTest(t, harness.Options{DB: harness.SQLServer})
}

// A server that the user names is one that there has to be; with none named, a
// test is skipped.
func TestMissingSQLServerSkipsUnlessNamedOrRequired(t *testing.T) {
	t.Parallel()
	out, ok := without(t, "TestBareSQLServer", "TOKENSWEEP_REQUIRE=", "TOKENSWEEP_SQLSERVER_DSN=")
	require.True(t, ok, out)
	require.Contains(t, out, "--- SKIP: TestBareSQLServer")
	require.Contains(t, out, "SQL Server dsn: TOKENSWEEP_SQLSERVER_DSN is not set")
	require.Contains(t, out, "SQL Server container: no Docker engine answers")

	out, ok = without(t, "TestBareSQLServer", "TOKENSWEEP_REQUIRE=sqlserver", "TOKENSWEEP_SQLSERVER_DSN=")
	require.False(t, ok, out)
	require.Contains(t, out, "--- FAIL: TestBareSQLServer")

	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	for dsn, says := range map[string]string{
		"sqlserver://sa:s3cret@" + free.Addr().String(): "connection refused",
		"sqlserver://sa:s3/cret@h":                      "TOKENSWEEP_SQLSERVER_DSN: the DSN cannot be read as a URL",
	} {
		out, ok = without(t, "TestBareSQLServer", "TOKENSWEEP_REQUIRE=", "TOKENSWEEP_SQLSERVER_DSN="+dsn)
		require.False(t, ok, out)
		require.Contains(t, out, "--- FAIL: TestBareSQLServer")
		require.Contains(t, out, says)
		require.NotContains(t, out, "s3cret")
		require.NotContains(t, out, "cret@")
	}
}

func TestBareEULA(t *testing.T) {
	if os.Getenv(bareVariable) == "" {
		return // it is a part of another test
	}
	_, err := harness.Open(t.Context(), harness.Options{DB: harness.SQLServer, Via: harness.Container})
	var option *harness.OptionError
	t.Logf("option error: %t: %v", errors.As(err, &option), err)
	harness.ForTest(t, harness.Options{DB: harness.SQLServer, Via: harness.Container})
}

// Nobody but the user accepts a licence.
func TestContainerOfSQLServerNeedsItsLicenceAccepted(t *testing.T) {
	t.Parallel()
	harness.ForTest(t, servers[0]) // there is a Docker engine, or this is skipped
	cmd := exec.Command(os.Args[0], "-test.run=^TestBareEULA$", "-test.v")
	cmd.Env = append(os.Environ(), "ACCEPT_EULA=", "TOKENSWEEP_SQLSERVER_DSN=", bareVariable+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "option error: true: a container of SQL Server needs Microsoft's licence terms (EULA) accepted")
	require.Contains(t, string(out), "--accept-eula or ACCEPT_EULA=Y")
	require.Contains(t, string(out), "--- SKIP: TestBareEULA")
}

func TestAutoTakesTheEmbeddedEngineAndSaysWhy(t *testing.T) {
	t.Parallel()
	out, ok := without(t, "TestBareAuto")
	require.True(t, ok, out)
	require.Contains(t, out, "no MySQL container: no Docker engine answers")
	if !strings.Contains(out, "process mariadbd") { // it is looked for beside PATH
		require.Contains(t, out, "database: SQLite")
	}
}

func TestMissingServerSkipsUnlessRequired(t *testing.T) {
	t.Parallel()
	out, ok := without(t, "TestBareMySQL")
	require.True(t, ok, out)
	require.Contains(t, out, "--- SKIP: TestBareMySQL")
	require.Contains(t, out, "MySQL is not available: MySQL container: no Docker engine answers")

	out, ok = without(t, "TestBareMySQL", "TOKENSWEEP_REQUIRE=mariadb, MySQL:container")
	require.False(t, ok, out)
	require.Contains(t, out, "--- FAIL: TestBareMySQL")

	out, ok = without(t, "TestBareMySQL", "TOKENSWEEP_REQUIRE=mysql,mysql:process,mariadb:container")
	require.True(t, ok, "that MySQL is required does not mean this way to it: %s", out)
}

func TestSchemaMayBeClosedAfterItsServer(t *testing.T) {
	t.Parallel()
	o := servers[2]
	harness.ForTest(t, o)
	o.Fast = true
	server, err := harness.Open(t.Context(), o)
	require.NoError(t, err)
	defer server.Close()
	schema, err := server.NewSchema(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, server.Close())
	require.NoError(t, schema.Close())
}
