package command

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/kballard/go-shellquote"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
)

// Server is where the program finds the database.
type Server struct {
	Host, Port, User, Password, Schema string
}

// Engine runs a program, which has to leave the database as the plan says that it
// should be: what it did is counted before and after, and judged by the verifier.
type Engine struct {
	// Args are the program and its arguments. In each of them {host}, {port}, {user},
	// {password}, {schema} and {cutoff} (the cut-off as a UTC wall clock) are filled
	// in. The program also finds the password in MYSQL_PWD, where other users of the
	// machine do not see it.
	Args   []string
	Server Server
}

// stopAfter is how long a program may take to end once it was interrupted.
const stopAfter = 10 * time.Second

// Parse splits a command line as a shell does, as far as quotes and backslashes
// go; there is no shell.
func Parse(line string) ([]string, error) {
	args, err := shellquote.Split(line)
	if err != nil {
		return nil, fmt.Errorf("reading the command %q: %w", line, err)
	}
	if len(args) == 0 {
		return nil, errors.New("the command is empty: name a program and its arguments")
	}
	return args, nil
}

// Name is "command:" and the program.
func (e Engine) Name() string { return "command:" + e.Args[0] }

// Clean implements cleanup.Engine. What the program prints goes to the log. It is
// interrupted when ctx ends; a status other than 0 is an error.
func (e Engine) Clean(ctx context.Context, db *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	path, err := exec.LookPath(e.Args[0])
	if err != nil {
		return nil, &cleanup.Error{Problem: "the program " + e.Args[0] + " is not here", Remedy: "install it, or give its path", Kind: cleanup.Refused, Cause: err}
	}
	before, err := count(ctx, db, plan)
	if err != nil {
		return nil, err
	}
	result := &cleanup.Result{Started: time.Now().UTC().Truncate(time.Second)}
	began := time.Now()
	if err := e.run(ctx, path, plan, w); err != nil {
		return nil, &cleanup.Error{Problem: e.Args[0] + " failed", Remedy: "what it did until then stays; its output is above", Kind: cleanup.Failed, Cause: err}
	}
	result.Ended = time.Now().UTC().Truncate(time.Second).Add(time.Second)
	seconds := time.Since(began).Seconds()
	after, err := count(ctx, db, plan)
	for i, ph := range plan.Phases {
		result.Phases = append(result.Phases, cleanup.PhaseResult{Phase: ph.Name, Table: ph.Table, Removed: before[i] - after[i], Seconds: seconds})
	}
	return result, err
}

func count(ctx context.Context, db *sql.DB, plan *cleanup.Plan) ([]int64, error) {
	rows := make([]int64, len(plan.Phases))
	for i, ph := range plan.Phases {
		q := plan.Dialect.Bind(dialect.Text("SELECT COUNT(*) FROM ", plan.Dialect.Table(ph.Table)))
		if err := db.QueryRowContext(ctx, q.Text, q.Args...).Scan(&rows[i]); err != nil {
			return nil, fmt.Errorf("counting the rows of %s: %w", ph.Table, err)
		}
	}
	return rows, nil
}

func (e Engine) run(ctx context.Context, path string, plan *cleanup.Plan, w cleanup.Watcher) error {
	fill := strings.NewReplacer("{host}", e.Server.Host, "{port}", e.Server.Port, "{user}", e.Server.User, "{password}", e.Server.Password,
		"{schema}", e.Server.Schema, "{cutoff}", plan.CutOff.UTC().Format(time.DateTime))
	args := make([]string, len(e.Args)-1)
	for i, a := range e.Args[1:] {
		args[i] = fill.Replace(a)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+e.Server.Password)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopAfter
	output, input := io.Pipe()
	cmd.Stdout, cmd.Stderr = input, input
	var said sync.WaitGroup
	said.Go(func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if w.Log != nil {
				w.Log("%s", e.masked(lines.Text()))
			}
		}
		_, _ = io.Copy(io.Discard, output) // a line too long for the scanner
	})
	err := cmd.Run()
	_ = input.Close() // a pipe's never fails
	said.Wait()
	return err
}

// masked takes the password out of what a program says.
func (e Engine) masked(line string) string {
	if e.Server.Password == "" {
		return line
	}
	return strings.ReplaceAll(line, e.Server.Password, "***")
}
