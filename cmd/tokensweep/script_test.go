package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// official is the rebuilt procedure for a kind of database, and how it is told
// not to sleep.
func official(db string) (path, noSleep string) {
	if db == harness.SQLServer {
		return filepath.Join("..", "..", "testdata", "procedures", "official-mssql.sql"), "sleepTime=00:00:00.000"
	}
	return filepath.Join("..", "..", "testdata", "procedures", "official-mysql.sql"), "sleepTime=0"
}

func TestRunAScript(t *testing.T) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			harness.ForTest(t, harness.Options{DB: db}) // is it to be had here at all?
			path, noSleep := official(db)
			dir := t.TempDir()
			got := tokensweep(t, "run", "--db", db, "--tokens", "3000", "--engine", "script:"+path, "--set", noSleep, "--set", "checkCount=1",
				"--json", filepath.Join(dir, "result.json"), "--markdown", filepath.Join(dir, "result.md"))
			require.Contains(t, got.stdout, "does it do what its own rule", got.stderr)
			require.Contains(t, got.stdout, "removed whose refresh token still worked")
			markdown, err := os.ReadFile(filepath.Join(dir, "result.md"))
			require.NoError(t, err)
			require.Contains(t, string(markdown), "| strict | removes ")
			var d report.Document
			text, err := os.ReadFile(filepath.Join(dir, "result.json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &d))
			require.True(t, d.Comparison.Conforms, got.stdout)
			require.Equal(t, exitPass, got.code, "under documented it removes nothing that must stay:\n%s", got.stdout)

			got = tokensweep(t, "run", "--db", db, "--tokens", "3000", "--policy", "strict", "--engine", "script:"+path, "--set", noSleep)
			require.Equal(t, exitFail, got.code, "under strict it does:\n%s", got.stdout)
		})
	}
}

// TestVerifyJudgesAScript: somebody runs the script on a database of ours, between
// pre-image and check.
func TestVerifyJudgesAScript(t *testing.T) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 7, Tokens: 2000})
			path, noSleep := official(db)
			engine := []string{"--dsn", target.ConnectionString(), "--engine", "script:" + path, "--set", noSleep}
			image := filepath.Join(t.TempDir(), "before.tscapture")
			got := tokensweep(t, append([]string{"verify", "capture", "--cutoff", cutOffText, "--out", image}, engine...)...)
			require.Equal(t, exitPass, got.code, got.stderr)

			file, err := script.Read(path, target.Dialect.Product())
			require.NoError(t, err)
			name, value := "sleepTime", noSleep[len("sleepTime="):]
			require.NoError(t, file.Set(name, value))
			found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
			require.NoError(t, err)
			plan, err := cleanup.NewPlan(found, target.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: cutOff})
			require.NoError(t, err)
			_, err = script.Engine{File: file}.Clean(t.Context(), target.DB, plan, cleanup.Watcher{})
			require.NoError(t, err)

			got = tokensweep(t, append([]string{"verify", "check", "--before", image}, engine...)...)
			require.Equal(t, exitPass, got.code, got.stdout+got.stderr)
			require.Contains(t, got.stdout, "its own rule (")
			require.Contains(t, got.stdout, "BAK_IDN_OAUTH2_ACCESS_TOKEN")
			got = tokensweep(t, "verify", "check", "--before", image, "--dsn", target.ConnectionString(), "--audit=false")
			require.Equal(t, exitFail, got.code, "without its name its tables are strangers:\n%s", got.stdout)
		})
	}
}

func TestScriptIsRefused(t *testing.T) {
	t.Parallel()
	mysql, _ := official(harness.MySQL)
	empty := filepath.Join(t.TempDir(), "empty.sql")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"unknown attribute":   {[]string{"--engine", "script:" + mysql, "--set", "batchsiez=1"}, []string{"batchsiez", "batchSize"}},
		"attribute of text":   {[]string{"--engine", "script:" + mysql, "--set", "batchSize=many"}, []string{"batchSize", "number"}},
		"no value":            {[]string{"--engine", "script:" + mysql, "--set", "batchSize"}, []string{"name=value"}},
		"no such file":        {[]string{"--engine", "script:nowhere.sql"}, []string{"nowhere.sql"}},
		"empty file":          {[]string{"--engine", "script:" + empty}, []string{"empty"}},
		"another database":    {[]string{"--engine", "script:" + mysql, "--db", "sqlserver"}, []string{"MySQL"}},
		"no procedures":       {[]string{"--engine", "script:" + mysql, "--db", "sqlite"}, []string{"SQLite", "--db mysql"}},
		"no such engine":      {[]string{"--engine", "bacth"}, []string{"bacth", "script:FILE"}},
		"attributes of batch": {[]string{"--set", "batchSize=1"}, []string{"--engine script:FILE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tokensweep(t, append([]string{"run", "--tokens", "100"}, c.args...)...)
			require.Equal(t, exitRefused, got.code, got.stderr)
			for _, part := range c.says {
				require.Contains(t, lastLine(got.stderr), part)
			}
		})
	}
}
