package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/verify"
)

// asProgram makes the test binary be tokensweep itself, so that tests can start
// it, kill it and look at its exit code.
const asProgram = "TOKENSWEEP_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(harness.Main(m))
}

func program(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// outcome is what a user sees of a finished command.
type outcome struct {
	code           int
	stdout, stderr string
}

func tokensweep(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := program(t.Context(), args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return outcome{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

var cutOff = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

const cutOffText = "2026-11-25T02:00:00Z"

// servers are those that the commands are tried on.
var servers = []string{harness.MySQL, harness.MariaDB, harness.SQLServer}

// seeded is a database with made-up tokens.
func seeded(t *testing.T, target *harness.Target, spec seed.Spec) {
	t.Helper()
	seededAs(t, target, schema.DefaultRelease, spec)
}

func seededAs(t *testing.T, target *harness.Target, release string, spec seed.Spec) {
	t.Helper()
	into := seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
	spec.CutOff = cutOff
	_, err := seed.Fill(t.Context(), into, release, "", spec, seed.Options{})
	require.NoError(t, err)
}

func source(target *harness.Target) verify.Source {
	return verify.Source{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
}

// counts matches three numbers in a table.
func counts(numbers ...int64) string {
	parts := make([]string, len(numbers))
	for i, n := range numbers {
		parts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(parts, `\s+`)
}

func captured(t *testing.T, target *harness.Target) *verify.Image {
	t.Helper()
	image, err := verify.Capture(t.Context(), source(target), cutOff)
	require.NoError(t, err)
	t.Cleanup(image.Close)
	return image
}
