//go:build unix

package harness_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
)

// These tests look at what is left after a process that had a database. That
// process is this test binary once more, running TestChild only, with a temporary
// directory of its own.

const childVariable = "TOKENSWEEP_TEST_CHILD" // what the child does, its kind and way of database

// child is such a process.
type child struct {
	*exec.Cmd
	t    *testing.T
	temp string
	out  *bufio.Scanner
	bad  *bytes.Buffer // its standard error, a panic for one; for after its end
}

// startChild starts a child and waits until it is ready.
func startChild(t *testing.T, temp string, o harness.Options, does string, env ...string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v"), t: t, temp: temp, bad: new(bytes.Buffer)}
	c.Stderr = c.bad
	c.Env = append(append(os.Environ(), "TMPDIR="+temp, childVariable+"="+strings.Join([]string{does, o.DB, o.Via}, " ")), env...)
	pipe, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill() // in case the test failed before
		_ = c.Wait()
	})
	c.out = bufio.NewScanner(pipe)
	var said []string
	for c.out.Scan() {
		said = append(said, c.out.Text())
		switch {
		case c.out.Text() == "READY":
			return c
		case strings.Contains(c.out.Text(), "UNAVAILABLE"):
			t.Skip(c.out.Text())
		}
	}
	c.await()
	t.Fatalf("the child ended early:\n%s\n%s", strings.Join(said, "\n"), c.bad)
	return nil
}

// await waits for the child's end, whatever its exit code.
func (c *child) await() {
	c.t.Helper()
	for c.out.Scan() {
	}
	var exit *exec.ExitError
	if err := c.Wait(); err != nil {
		require.ErrorAs(c.t, err, &exit)
	}
}

func TestChild(t *testing.T) {
	words := strings.Fields(os.Getenv(childVariable))
	if len(words) != 3 {
		return // it is a part of other tests
	}
	o := harness.Options{DB: words[1], Via: words[2], Fast: true}
	if does := map[string]func(*testing.T, harness.Options){"cancels": cancelled, "searches": searched}[words[0]]; does != nil {
		does(t, o)
		fmt.Println("READY")
		return
	}
	target, err := harness.Open(t.Context(), o)
	var unavailable *harness.UnavailableError
	if errors.As(err, &unavailable) {
		fmt.Println("UNAVAILABLE", err)
		return
	}
	require.NoError(t, err)
	run(t, target.DB, "CREATE TABLE t (i INT)")
	fmt.Println("READY")
	switch words[0] {
	case "panics":
		panic("as the test wants it")
	case "closes":
		require.NoError(t, target.Close())
		require.Empty(t, leftovers(t, os.TempDir()))
	default:
		select {} // until killed
	}
}

// cancelled interrupts the start at several moments.
func cancelled(t *testing.T, o harness.Options) {
	moments := []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond}
	if o.DB == harness.SQLServer {
		moments = append(moments, 3*time.Second) // it starts more slowly
	}
	for _, after := range moments {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		target, err := harness.Open(ctx, o)
		if err == nil {
			require.NoError(t, target.Close())
		}
		cancel()
		require.Empty(t, leftovers(t, os.TempDir()), "interrupted after %s", after)
	}
}

// searched interrupts the process's first search for a Docker engine while the
// engine is asked for the nth time, and then has another try.
func searched(t *testing.T, o harness.Options) {
	nth, err := strconv.ParseInt(os.Getenv(nthVariable), 10, 64)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked atomic.Int64
	proxied(t, func() {
		if asked.Add(1) == nth {
			cancel()
		}
	})
	_, err = harness.Open(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	var unavailable *harness.UnavailableError
	require.False(t, errors.As(err, &unavailable), "a test would skip: %v", err)

	target, err := harness.Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, target.Close())
}

const nthVariable = "TOKENSWEEP_TEST_NTH"

// proxied puts a proxy before the Docker engine of this process, which hears of
// each request before the engine does.
func proxied(t *testing.T, asked func()) {
	engine, err := client.New(client.FromEnv)
	require.NoError(t, err)
	dial := engine.Dialer()
	proxy := httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked()
		proxy.ServeHTTP(w, r)
	})}}
	server.Start()
	t.Cleanup(server.Close)
	t.Setenv("DOCKER_HOST", "tcp://"+listener.Addr().String())
}

// leftovers lists what is there of the claims in a temporary directory, and of
// the containers and processes that belong to them.
func leftovers(t *testing.T, temp string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(temp, "*tokensweep-*"))
	require.NoError(t, err)
	return append(found, running(t, temp)...)
}

// running lists the processes that have the directory on their command line, and
// the containers that have it on their label.
func running(t *testing.T, temp string) []string {
	t.Helper()
	var found []string
	out, err := exec.Command("ps", "-A", "-ww", "-o", "pid=,args=").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, temp+"/tokensweep-") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	docker, err := client.New(client.FromEnv)
	require.NoError(t, err)
	defer docker.Close()
	containers, err := docker.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", "org.tokensweep.claim")})
	if err != nil {
		return found // no engine, no containers
	}
	for _, c := range containers.Items {
		if strings.HasPrefix(c.Labels["org.tokensweep.claim"], temp) {
			found = append(found, "container "+c.Names[0])
		}
	}
	return found
}

// becomesEmpty waits for what happens by itself after the end of a process.
func becomesEmpty(t *testing.T, list func(*testing.T, string) []string, temp string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(list(t, temp)) == 0 }, 20*time.Second, 50*time.Millisecond)
}

func onEveryWay(t *testing.T, test func(*testing.T, harness.Options)) {
	t.Parallel()
	ways := slices.Concat(servers, []harness.Options{{DB: harness.SQLServer, Via: harness.Container}, {DB: harness.SQLite, Via: harness.Embedded}})
	for _, o := range ways {
		t.Run(o.DB+" "+o.Via, func(t *testing.T) {
			t.Parallel()
			if o.DB == harness.SQLServer {
				harness.ForTest(t, o) // skips where its licence is not accepted
			}
			test(t, o)
		})
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	onEveryWay(t, func(t *testing.T, o harness.Options) {
		c := startChild(t, t.TempDir(), o, "closes")
		c.await()
		require.True(t, c.ProcessState.Success())
		require.Empty(t, leftovers(t, c.temp))
	})
}

func TestInterruptedStartLeavesNothing(t *testing.T) {
	onEveryWay(t, func(t *testing.T, o harness.Options) {
		c := startChild(t, t.TempDir(), o, "cancels")
		c.await()
		require.True(t, c.ProcessState.Success())
		require.Empty(t, leftovers(t, c.temp))
	})
}

// An interrupted search for an engine is not an engine that is missing, and the
// next one finds it. The first requests are the search's.
func TestInterruptedSearchForAnEngineIsNotRemembered(t *testing.T) {
	t.Parallel()
	harness.ForTest(t, servers[0]) // skips where there is none
	for nth := 1; nth <= 8; nth++ {
		t.Run(strconv.Itoa(nth), func(t *testing.T) {
			t.Parallel()
			c := startChild(t, t.TempDir(), servers[0], "searches", nthVariable+"="+strconv.Itoa(nth))
			c.await()
			require.True(t, c.ProcessState.Success(), c.bad)
		})
	}
}

// Whatever ends a process that has a database, the server goes with it. The
// directory of a local server goes as well; the others, which hold only a file,
// go when the next database is made.
func TestEndOfTheProcessIsTheEndOfTheServer(t *testing.T) {
	onEveryWay(t, func(t *testing.T, o harness.Options) {
		temp := t.TempDir()
		end := func(does string, signals ...os.Signal) {
			c := startChild(t, temp, o, does)
			for _, s := range signals {
				require.NoError(t, c.Process.Signal(s))
			}
			c.await()
			require.False(t, c.ProcessState.Success())
			becomesEmpty(t, running, temp)
			if o.Via == harness.Process {
				becomesEmpty(t, leftovers, temp)
			}
		}
		end("waits", os.Kill)
		end("waits", os.Interrupt)
		end("panics")
		startChild(t, temp, o, "closes").await()
		require.Empty(t, leftovers(t, temp), "after the next database")
	})
}

// Even a server that lost its keeper is found by the next one.
func TestServerWithoutKeeperIsSwept(t *testing.T) {
	t.Parallel()
	o := harness.Options{DB: harness.MariaDB, Via: harness.Process}
	c := startChild(t, t.TempDir(), o, "waits")
	pids, err := filepath.Glob(filepath.Join(c.temp, "tokensweep-*", "server.pid"))
	require.NoError(t, err)
	require.Len(t, pids, 1)
	content, err := os.ReadFile(pids[0])
	require.NoError(t, err)
	server, err := strconv.Atoi(strings.TrimSpace(string(content)))
	require.NoError(t, err)

	group, err := syscall.Getpgid(server)
	require.NoError(t, err)
	out, err := exec.Command("ps", "-A", "-o", "pid=,pgid=").Output()
	require.NoError(t, err)
	// Stopped first, or one would do its duty when it sees another die.
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		for line := range strings.Lines(string(out)) {
			var pid, pgid int
			_, err := fmt.Sscan(line, &pid, &pgid)
			require.NoError(t, err)
			if pgid == group && pid != server {
				require.NoError(t, syscall.Kill(pid, signal))
			}
		}
	}
	require.NoError(t, c.Process.Kill())
	c.await()
	require.NotEmpty(t, running(t, c.temp), "the server is alone now")

	startChild(t, c.temp, harness.Options{DB: harness.SQLite, Via: harness.Embedded}, "closes").await()
	becomesEmpty(t, leftovers, c.temp)
}

// A container that outlived its owner, in spite of its leash, goes when the next
// one is made.
func TestContainerWithoutOwnerIsSwept(t *testing.T) {
	t.Parallel()
	o := servers[0]
	_, image, _ := strings.Cut(harness.ForTest(t, o).Server.Via, " ")
	docker, err := client.New(client.FromEnv)
	require.NoError(t, err)
	defer docker.Close()

	temp := t.TempDir()
	claim := filepath.Join(temp, "tokensweep-stale")
	name := "tokensweep-test-" + strconv.Itoa(os.Getpid())
	require.NoError(t, os.Mkdir(claim, 0o700))
	for file, content := range map[string]string{"owner.lock": "", "container": docker.DaemonHost() + "\n" + name + "\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(claim, file), []byte(content), 0o600))
	}
	made, err := docker.ContainerCreate(t.Context(), client.ContainerCreateOptions{Name: name, Config: &container.Config{
		Image: image, Entrypoint: []string{"sleep", "600"}, Labels: map[string]string{"org.tokensweep.claim": claim},
	}})
	require.NoError(t, err)
	t.Cleanup(func() { // in case the test failed before
		_, _ = docker.ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	})
	_, err = docker.ContainerStart(t.Context(), made.ID, client.ContainerStartOptions{})
	require.NoError(t, err)

	startChild(t, temp, harness.Options{DB: harness.SQLite, Via: harness.Embedded}, "waits").Process.Kill()
	require.Contains(t, running(t, temp), "container /"+name, "who does not use Docker leaves it alone")
	startChild(t, temp, o, "closes").await()
	require.Empty(t, leftovers(t, temp))
}

// inContainer reads a file of the container in which a target's server is, as
// the server's account may.
func inContainer(t *testing.T, target *harness.Target, path string) string {
	t.Helper()
	_, image, _ := strings.Cut(target.Server.Via, " ")
	docker, err := client.New(client.FromEnv)
	require.NoError(t, err)
	defer docker.Close()
	containers, err := docker.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", "org.tokensweep.claim").Add("ancestor", image)})
	require.NoError(t, err)
	for _, c := range containers.Items {
		found, err := docker.CopyFromContainer(t.Context(), c.ID, client.CopyFromContainerOptions{SourcePath: path})
		if err != nil {
			continue // another one
		}
		defer found.Content.Close()
		archive := tar.NewReader(found.Content)
		header, err := archive.Next()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o644), header.FileInfo().Mode().Perm())
		content, err := io.ReadAll(archive)
		require.NoError(t, err)
		return string(content)
	}
	t.Fatalf("no container has %s", path)
	return ""
}
