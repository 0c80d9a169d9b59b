package main

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// TestKilledTenTimesAndRunToTheEnd kills a clean-up of 200,000 tokens with
// SIGKILL at ten random moments. TOKENSWEEP_TEST_SEED repeats the moments.
func TestKilledTenTimesAndRunToTheEnd(t *testing.T) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			target := harness.ForTest(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 8, Tokens: 200_000, Mix: seed.MostlyDead})
			image := captured(t, target)
			from := time.Now().UTC().Truncate(time.Second)
			moments := moments(t)
			clean := []string{"clean", "--dsn", target.ConnectionString(), "--yes", "--cutoff", cutOffText}
			for kill := 1; kill <= 10; kill++ {
				require.True(t, killed(t, time.Duration(moments.IntN(700))*time.Millisecond, clean), "kill %d came after the end of the run", kill)
			}
			end := tokensweep(t, clean...)
			require.Zero(t, end.code, end.stderr)
			outcome, err := verify.Check(t.Context(), source(target), image, verify.Expect{
				Policy: token.Documented, Audit: true, From: from, To: time.Now().UTC().Add(time.Second)})
			require.NoError(t, err)
			require.Equal(t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
			var twice int
			require.NoError(t, target.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM (SELECT TOKEN_ID FROM "+schema.TokenAudit+
				" GROUP BY TOKEN_ID HAVING COUNT(*) > 1) AS d").Scan(&twice))
			require.Zero(t, twice, "tokens that were audited twice")
		})
	}
}

func moments(t *testing.T) *rand.Rand {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("TOKENSWEEP_TEST_SEED"); text != "" {
		var err error
		n, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("rerun: TOKENSWEEP_TEST_SEED=%d go test ./cmd/tokensweep -run %s", n, t.Name())
		}
	})
	return rand.New(rand.NewPCG(n, n))
}

// killed starts a clean-up, waits until it removes rows, then a little longer,
// and kills it. It is false if the run had come to its end.
func killed(t *testing.T, later time.Duration, args []string) bool {
	t.Helper()
	c := program(t.Context(), args...)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	// The plan is on the standard output before the first batch starts.
	buffer := make([]byte, 4096)
	_, err = out.Read(buffer)
	require.NoError(t, err)
	kill := time.AfterFunc(300*time.Millisecond+later, func() { c.Process.Kill() })
	defer kill.Stop()
	for err == nil {
		_, err = out.Read(buffer)
	}
	_ = c.Wait()
	return !c.ProcessState.Exited()
}

// TestInterruptedAtASafePoint: Ctrl-C ends the run after the batch under way,
// says so, and the same command goes on.
func TestInterruptedAtASafePoint(t *testing.T) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 10, Tokens: 20_000, Mix: seed.MostlyDead})
			clean := []string{"clean", "--dsn", target.ConnectionString(), "--yes", "--cutoff", cutOffText, "--batch", "100"}
			c := program(t.Context(), clean...)
			errors := &strings.Builder{}
			c.Stderr = errors
			require.NoError(t, c.Start())
			require.Eventually(t, func() bool { // the ledger is the signal that batches are committed
				var batches int
				err := target.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+cleanup.LedgerTable+" WHERE BATCH > 0").Scan(&batches)
				return err == nil && batches > 2
			}, time.Minute, 5*time.Millisecond)
			require.NoError(t, c.Process.Signal(os.Interrupt))
			_ = c.Wait()
			require.Equal(t, exitInterrupted, c.ProcessState.ExitCode(), errors.String())
			require.Contains(t, errors.String(), "the same command goes on")
			end := tokensweep(t, clean[:len(clean)-2]...)
			require.Zero(t, end.code, end.stderr)
			require.Contains(t, end.stderr, "continuing run")
		})
	}
}
