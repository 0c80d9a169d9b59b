//go:build unix

package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const canKeep = true

// serverPID is the file in a claim that holds the server's process id.
const serverPID = "server.pid"

// keeperScript runs a server and, when its standard input ends, kills the server
// and removes the directory. The input is a pipe from this process that nobody
// else holds, so it ends on Close and, by the operating system, on the end of
// this process. SIGKILL, because nobody wants the data and an orderly shutdown
// first writes all of it. When the server ends by itself, the keeper closes its
// standard output and waits for its input to end; if the file rewindName was put
// into the directory before, it starts the server again instead, with the data
// that it had at the first time.
const keeperScript = `
trap '' PIPE
dir=$1 log=$2
shift 2
exec 3<&0
while :; do
	"$@" </dev/null >>"$log" 2>&1 3<&- &
	server=$!
	(cat <&3 >/dev/null; kill -KILL "$server") >/dev/null 2>&1 &
	leash=$!
	wait "$server" && [ -e "$dir/` + rewindName + `" ] || break
	kill "$leash"
	[ -e "$dir/frozen" ] || cp -a "$dir/data" "$dir/frozen" || break
	rm -rf "$dir/data" && cp -a "$dir/frozen" "$dir/data" && sync || break
done
exec >/dev/null 2>&1
kill "$leash"
cat <&3
rm -rf "$dir"
`

// keeper watches over one server process.
type keeper struct {
	cmd   *exec.Cmd
	leash io.Closer
	died  chan struct{} // closed when the server has ended
	ended chan error    // the keeper's own end
}

// startKeeper starts a command in a process group of its own: Ctrl-C on the
// terminal is for this process, which then decides.
func startKeeper(dir, log string, command []string) (*keeper, error) {
	k := &keeper{died: make(chan struct{}), ended: make(chan error, 1)}
	k.cmd = exec.Command("/bin/sh", append([]string{"-c", keeperScript, "tokensweep-keeper", dir, log}, command...)...)
	k.cmd.Dir = "/"
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	leash, err := k.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := k.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := k.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command[0], err)
	}
	k.leash = leash
	go func() {
		_, _ = io.Copy(io.Discard, output) // ends when the server does
		close(k.died)
		k.ended <- k.cmd.Wait()
	}()
	return k, nil
}

// stop kills the server and waits until it is gone and its directory with it.
func (k *keeper) stop() error {
	_ = k.leash.Close() // closed already: stopped already
	select {
	case err := <-k.ended:
		k.ended <- err
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil // removing what is left is up to the claim
		}
		return err
	case <-time.After(closeTimeout):
		_ = syscall.Kill(-k.cmd.Process.Pid, syscall.SIGKILL)
		return fmt.Errorf("the server in process group %d did not end in %s and was killed", k.cmd.Process.Pid, closeTimeout)
	}
}

// groupOfItsOwn makes the end of a command's context the end of everything it started.
func groupOfItsOwn(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}

// killServerIn kills the server of a stale claim, if it still runs: its keeper
// must have been killed too. The process id may have been used again, so the
// command line has to name the directory.
func killServerIn(dir string) {
	content, err := os.ReadFile(filepath.Join(dir, serverPID))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return
	}
	if lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan() && strings.Contains(lines.Text(), dir) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
