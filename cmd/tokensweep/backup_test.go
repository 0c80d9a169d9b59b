package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// unchanged requires that every row is as it was in a pre-image: the verifier is
// told to find out what a clean-up removed, and must find nothing gone.
func unchanged(t *testing.T, target *harness.Target, image *verify.Image) {
	t.Helper()
	outcome, err := verify.Check(t.Context(), source(target), image, verify.Expect{Policy: token.Documented, Audit: true, Incomplete: true,
		From: cutOff, To: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	for _, table := range outcome.Tables {
		require.Zero(t, table.Removed, table.Table)
		require.Equal(t, table.Before, table.Kept, table.Table)
	}
	for _, f := range outcome.Findings {
		require.Equal(t, verify.WronglyKept, f.Class, "%+v", f)
	}
}

// TestCleanAndRestore is the whole way by the command line, with two kills in the
// clean-up. TOKENSWEEP_BACKUP_TOKENS sets the number of tokens.
func TestCleanAndRestore(t *testing.T) {
	tokens := int64(8_000)
	if text := os.Getenv("TOKENSWEEP_BACKUP_TOKENS"); text != "" {
		var err error
		tokens, err = strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
	}
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			target := harness.ForTest(t, harness.Options{DB: db})
			if db == harness.SQLServer { // where stand-ins are slow
				seeded(t, target, seed.Spec{Seed: 8, Tokens: min(tokens, 1_500), Mix: seed.MostlyDead})
			} else {
				seeded(t, target, seed.Spec{Seed: 8, Tokens: tokens, Mix: seed.MostlyDead})
			}
			image := captured(t, target)
			file := filepath.Join(t.TempDir(), "removed.tsbackup")
			clean := []string{"clean", "--dsn", target.ConnectionString(), "--yes", "--cutoff", cutOffText, "--backup", file, "--batch", "500"}
			m := moments(t)
			for range 2 {
				killed(t, time.Duration(m.IntN(400))*time.Millisecond, clean)
			}
			began := time.Now()
			end := tokensweep(t, clean...)
			if strings.Contains(end.stderr, "is there already") { // a kill came behind the end
				end.code = 0
			}
			require.Zero(t, end.code, end.stderr)
			t.Logf("the rest of the clean-up took %.1f s", time.Since(began).Seconds())

			listed := tokensweep(t, "backup", "list", file)
			require.Zero(t, listed.code, listed.stderr)
			require.Contains(t, listed.stdout, "complete: the run came to its end")
			require.Contains(t, listed.stdout, schema.AccessTokenScope)
			restore := []string{"restore", "--backup", file, "--dsn", target.ConnectionString(), "--all"}
			asked := tokensweep(t, restore...)
			require.Equal(t, exitRefused, asked.code)
			require.Contains(t, asked.stderr, "restore changes schema")
			dry := tokensweep(t, append(restore, "--dry-run")...)
			require.Zero(t, dry.code, dry.stderr)
			require.Contains(t, dry.stdout, "dry run: nothing was changed")
			report := filepath.Join(t.TempDir(), "report.json")
			began = time.Now()
			done := tokensweep(t, append(restore, "--yes", "--json", report)...)
			require.Zero(t, done.code, done.stderr+done.stdout)
			t.Logf("restoring took %.1f s", time.Since(began).Seconds())
			requireReport(t, report, func(r *backup.Report) { require.True(t, r.Whole()); require.Positive(t, r.AuditRows) })
			unchanged(t, target, image)
			again := tokensweep(t, append(restore, "--yes")...)
			require.Zero(t, again.code)
			require.Contains(t, again.stdout, "nothing was changed")
			unchanged(t, target, image)
		})
	}
}

func requireReport(t *testing.T, path string, check func(*backup.Report)) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var r backup.Report
	require.NoError(t, json.Unmarshal(content, &r))
	check(&r)
}

// small is an SQLite file with few tokens, as the DSN of a user's.
func small(t *testing.T) (*harness.Target, string) {
	target := harness.ForTest(t, harness.Options{DB: harness.SQLite})
	seeded(t, target, seed.Spec{Seed: rand.Uint64N(1000), Tokens: 200, Mix: seed.MostlyDead})
	return target, target.ConnectionString()
}

// TestRestoreKilled: a restore that is killed is gone on with by the same command.
func TestRestoreKilled(t *testing.T) {
	target := harness.ForTest(t, harness.Options{DB: harness.MySQL})
	seeded(t, target, seed.Spec{Seed: 9, Tokens: 20_000, Mix: seed.MostlyDead})
	image := captured(t, target)
	file := filepath.Join(t.TempDir(), "removed.tsbackup")
	require.Zero(t, tokensweep(t, "clean", "--dsn", target.ConnectionString(), "--yes", "--cutoff", cutOffText, "--backup", file).code)
	restore := []string{"restore", "--backup", file, "--dsn", target.ConnectionString(), "--all", "--yes"}
	m := moments(t)
	require.True(t, killed(t, time.Duration(m.IntN(500))*time.Millisecond, restore), "the kill came after the end")
	end := tokensweep(t, restore...)
	require.Zero(t, end.code, end.stderr+end.stdout)
	unchanged(t, target, image)
}

func TestBackupOnTheCommandLine(t *testing.T) {
	t.Parallel()
	target, dsn := small(t)
	file := filepath.Join(t.TempDir(), "removed.tsbackup")
	clean := []string{"clean", "--db", "sqlite", "--dsn", dsn, "--yes", "--cutoff", cutOffText, "--backup", file}
	done := tokensweep(t, clean...)
	require.Zero(t, done.code, done.stderr)
	again := tokensweep(t, clean...)
	require.Equal(t, exitRefused, again.code)
	require.Contains(t, again.stderr, "a backup is never overwritten")

	shown := tokensweep(t, "backup", "show", file, "--limit", "0")
	require.Zero(t, shown.code, shown.stderr)
	var secret, id string
	f, err := backup.Open(file)
	require.NoError(t, err)
	require.NoError(t, f.Show("", true, func(r backup.Row) bool {
		for i, c := range r.Columns {
			switch c {
			case "ACCESS_TOKEN":
				secret = r.Values[i]
			case "TOKEN_ID":
				id = r.Values[i]
			}
		}
		return secret == ""
	}))
	require.NotEmpty(t, secret)
	require.NotContains(t, shown.stdout, secret)
	require.Contains(t, shown.stdout, "ACCESS_TOKEN=(masked, ")
	require.Contains(t, shown.stdout, schema.AccessTokenScope)
	one := tokensweep(t, "backup", "show", file, "--token-id", id, "--secrets")
	require.Contains(t, one.stdout, "ACCESS_TOKEN="+secret)
	require.Contains(t, tokensweep(t, "backup", "show", file, "--limit", "1").stdout, "… and more")

	restore := []string{"restore", "--db", "sqlite", "--dsn", dsn, "--backup", file, "--yes"}
	require.Zero(t, tokensweep(t, append(restore, "--token-id", id)...).code)
	var there int
	require.NoError(t, target.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+schema.AccessToken+" WHERE TOKEN_ID = ?", id).Scan(&there))
	require.Equal(t, 1, there)
	_, err = target.DB.ExecContext(t.Context(), "UPDATE "+schema.AccessToken+" SET USER_TYPE = 'OTHER' WHERE TOKEN_ID = ?", id)
	require.NoError(t, err)
	partly := tokensweep(t, append(restore, "--all")...)
	require.Equal(t, exitFail, partly.code, partly.stderr)
	require.Contains(t, partly.stdout, "newer row: "+schema.AccessToken+" "+id)
}

func TestRestoreRefusals(t *testing.T) {
	t.Parallel()
	_, dsn := small(t)
	file := filepath.Join(t.TempDir(), "removed.tsbackup")
	require.Zero(t, tokensweep(t, "clean", "--db", "sqlite", "--dsn", dsn, "--yes", "--cutoff", cutOffText, "--backup", file).code)
	text := filepath.Join(t.TempDir(), "dump.sql")
	require.NoError(t, os.WriteFile(text, []byte("CREATE TABLE A (B INT);\n"), 0o600))
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no file":            {[]string{"restore", "--dsn", dsn, "--all"}, "--backup is missing"},
		"no selection":       {[]string{"restore", "--dsn", dsn, "--backup", file}, "say what to restore"},
		"all and some":       {[]string{"restore", "--dsn", dsn, "--backup", file, "--all", "--app", "1"}, "--all contradicts"},
		"no time":            {[]string{"restore", "--dsn", dsn, "--backup", file, "--since", "yesterday"}, "is no time such as"},
		"no database":        {[]string{"restore", "--backup", file, "--all"}, "--dsn is missing"},
		"not a backup":       {[]string{"restore", "--db", "sqlite", "--dsn", dsn, "--backup", text, "--all"}, "is a text file"},
		"nothing selected":   {[]string{"restore", "--db", "sqlite", "--dsn", dsn, "--backup", file, "--token-id", "none", "--yes"}, "no row of the backup is selected"},
		"list without file":  {[]string{"backup", "list"}, "takes one file"},
		"list two":           {[]string{"backup", "list", file, file}, "takes one file"},
		"list a text":        {[]string{"backup", "list", text}, "is a text file"},
		"show with less":     {[]string{"backup", "show", file, "--limit", "-1"}, "--limit -1"},
		"no such directory":  {[]string{"clean", "--db", "sqlite", "--dsn", dsn, "--backup", "/no/such/file", "--dry-run"}, "the backup cannot be written"},
		"backup of nothing":  {[]string{"backup"}, "use backup list or backup show"},
		"backup is a folder": {[]string{"clean", "--db", "sqlite", "--dsn", dsn, "--backup", t.TempDir(), "--dry-run"}, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			got := tokensweep(t, test.args...)
			require.Equal(t, exitRefused, got.code, got.stderr)
			require.Contains(t, got.stderr, test.says)
		})
	}
}
