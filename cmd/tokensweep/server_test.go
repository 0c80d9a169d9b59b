package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/seed"
)

// own opens a server that a test may break. It skips only where there is none.
func own(t *testing.T, o harness.Options) *harness.Target {
	t.Helper()
	o.Fast = true
	target, err := harness.Open(t.Context(), o)
	var unavailable *harness.UnavailableError
	if errors.As(err, &unavailable) && !slices.Contains(strings.Split(os.Getenv("TOKENSWEEP_REQUIRE"), ","), o.DB) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, target.Close()) })
	return target
}

func TestCleanRefusesAReadOnlyServer(t *testing.T) {
	for db, readOnly := range map[string]string{harness.MySQL: "super_read_only", harness.MariaDB: "read_only"} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := own(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 14, Tokens: 300})
			sqlOn(t, target, "CREATE USER cleaner IDENTIFIED BY 'hidden-secret'", "GRANT ALL ON `"+target.Schema+"`.* TO cleaner",
				"SET GLOBAL "+readOnly+" = ON")
			image := captured(t, target)
			got := tokensweep(t, "clean", "--dsn", login(target.ConnectionString(), "cleaner:hidden-secret"), "--yes", "--cutoff", cutOffText)
			require.Equal(t, exitRefused, got.code, got.stderr)
			require.Contains(t, lastLine(got.stderr), "the server is read-only")
			require.Contains(t, lastLine(got.stderr), "run on the primary")
			requireUnchanged(t, target, image)
		})
	}
}

// TestCleanOnAFullDisk: there is no room for an audit copy. The run ends with a
// clear word and changes nothing; with room again it goes through.
func TestCleanOnAFullDisk(t *testing.T) {
	const disk = 700 << 20
	target := own(t, harness.Options{DB: harness.MySQL, Via: harness.Container, DataDisk: disk})
	seeded(t, target, seed.Spec{Seed: 15, Tokens: 3000})
	image := captured(t, target)
	fill(t, target)
	clean := []string{"clean", "--dsn", target.ConnectionString(), "--yes", "--cutoff", cutOffText}
	got := tokensweep(t, clean...)
	require.Equal(t, exitUnavailable, got.code, got.stderr)
	require.Contains(t, lastLine(got.stderr), "no disk space left")
	require.Contains(t, lastLine(got.stderr), "free space")
	sqlOn(t, target, "DROP TABLE FILLER")
	requireUnchanged(t, target, image)
	got = tokensweep(t, clean...)
	require.Zero(t, got.code, got.stderr)
}

// fill writes to a table of its own until the server finds no room.
func fill(t *testing.T, target *harness.Target) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	sqlOn(t, target, "CREATE TABLE FILLER (ID INT PRIMARY KEY AUTO_INCREMENT, B LONGBLOB) ENGINE=InnoDB")
	for _, size := range []int{4 << 20, 256 << 10, 4 << 10} {
		var err error
		for err == nil {
			_, err = target.DB.ExecContext(ctx, "INSERT INTO FILLER (B) VALUES (REPEAT('x', ?))", size)
		}
		require.Regexp(t, "full|No space|1114|1026|errno", err.Error())
	}
}
