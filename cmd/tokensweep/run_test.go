package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// TestRunPassesUnderEveryPolicyAndMix is the whole path as a user runs it, with
// the seed's own expectation as the second oracle.
func TestRunPassesUnderEveryPolicyAndMix(t *testing.T) {
	for _, p := range token.Policies() {
		for _, mix := range seed.Mixes() {
			t.Run(string(p)+"/"+string(mix), func(t *testing.T) {
				t.Parallel()
				file := filepath.Join(t.TempDir(), "result.json")
				got := tokensweep(t, "run", "--db", "sqlite", "--tokens", "3000", "--policy", string(p), "--mix", string(mix), "--json", file)
				require.Zero(t, got.code, got.stdout+got.stderr)
				require.True(t, strings.HasPrefix(got.stdout, "PASS"), got.stdout)
				require.Contains(t, got.stderr, "speed says nothing about MySQL")
				d := document(t, file)
				require.Equal(t, 1, d.SchemaVersion)
				require.Equal(t, report.Pass, d.Verdict)
				require.Equal(t, string(p), d.Policy)
				require.Equal(t, "SQLite", d.Server.Product)
				require.Len(t, d.Phases, 3)
				require.Equal(t, int64(3000), d.Phases[0].Before)
				require.Equal(t, d.Phases[0].Removed, d.Phases[0].Audited)
				require.Positive(t, d.Phases[0].Removed)
				require.Positive(t, d.Phases[0].Kept)
				require.Equal(t, d.Phases[0].Audited, d.Classes["MOVED"])
			})
		}
	}
}

func TestRunOnServers(t *testing.T) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			product := harness.ForTest(t, harness.Options{DB: db}).Server.Product // is it to be had here at all?
			dir := t.TempDir()
			got := tokensweep(t, "run", "--db", db, "--tokens", "5000", "--policy", "strict", "--release", "is-7.1",
				"--json", filepath.Join(dir, "result.json"), "--junit", filepath.Join(dir, "result.xml"))
			require.Zero(t, got.code, got.stdout+got.stderr)
			d := document(t, filepath.Join(dir, "result.json"))
			require.Equal(t, product, d.Server.Product)
			require.Equal(t, []string{"seed", "capture", "clean", "check"}, stageNames(d))
			text, err := os.ReadFile(filepath.Join(dir, "result.xml"))
			require.NoError(t, err)
			var suite struct {
				Tests    int `xml:"tests,attr"`
				Failures int `xml:"failures,attr"`
			}
			require.NoError(t, xml.Unmarshal(text, &suite))
			require.Equal(t, 9, suite.Tests) // eight faults, and that everything was judged
			require.Zero(t, suite.Failures)
		})
	}
}

func stageNames(d report.Document) (names []string) {
	for _, s := range d.Stages {
		names = append(names, s.Name)
	}
	return names
}

func document(t *testing.T, file string) (d report.Document) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

// TestVerifyJudgesSomeoneElsesCleanUp: the pre-image goes to a file, anything
// may clean, the check finds what was done wrong.
func TestVerifyJudgesSomeoneElsesCleanUp(t *testing.T) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 4, Tokens: 2000})
			dsn, file := target.ConnectionString(), filepath.Join(t.TempDir(), "before")
			got := tokensweep(t, "verify", "capture", "--dsn", dsn, "--out", file, "--cutoff", cutOffText)
			require.Zero(t, got.code, got.stderr)
			got = tokensweep(t, "verify", "capture", "--dsn", dsn, "--out", file, "--cutoff", cutOffText)
			require.Equal(t, exitRefused, got.code, "a pre-image is never overwritten: %s", got.stderr)

			const some = schema.AccessToken + " WHERE TOKEN_STATE <> 'ACTIVE' OR TOKEN_ID LIKE '0%'"
			sqlOn(t, target, "DELETE FROM "+schema.RequestObject+" WHERE TOKEN_ID IN (SELECT TOKEN_ID FROM "+some+")", "DELETE FROM "+some)
			got = tokensweep(t, "verify", "check", "--dsn", dsn, "--before", file, "--audit=false")
			require.Equal(t, exitFail, got.code, got.stderr)
			require.Contains(t, got.stdout, "WRONGLY_REMOVED")
			require.Contains(t, got.stdout, "access token live")

			damaged, err := os.ReadFile(file)
			require.NoError(t, err)
			damaged[len(damaged)/2] ^= 0xff
			require.NoError(t, os.WriteFile(file, damaged, 0o600))
			got = tokensweep(t, "verify", "check", "--dsn", dsn, "--before", file)
			require.Equal(t, exitRefused, got.code, got.stderr)
			require.Contains(t, got.stderr, "damaged or cut off")
		})
	}
}

func TestDryRunChangesNothingAndCountsWhatARunRemoves(t *testing.T) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db})
			spec := seed.Spec{Seed: 5, Tokens: 2000}
			seeded(t, target, spec)
			image := captured(t, target)
			got := tokensweep(t, "clean", "--dsn", target.ConnectionString(), "--dry-run", "--cutoff", cutOffText)
			require.Zero(t, got.code, got.stderr)
			requireUnchanged(t, target, image)
			spec.CutOff = cutOff
			expected, err := spec.Expect(token.Documented)
			require.NoError(t, err)
			for table, want := range expected.Tables {
				require.Regexp(t, counts(want.Rows, want.Removed, want.Kept)+`\s+`+table, strings.ReplaceAll(got.stdout, ",", ""))
			}
		})
	}
}

// TestConfigIsFollowed: the product's own settings decide about the audit.
func TestConfigIsFollowed(t *testing.T) {
	target := harness.ForTest(t, harness.Options{DB: harness.MySQL})
	seeded(t, target, seed.Spec{Seed: 6, Tokens: 300})
	config := filepath.Join(t.TempDir(), "deployment.toml")
	clean := []string{"clean", "--dsn", target.ConnectionString(), "--yes", "--cutoff", cutOffText, "--config", config}

	require.NoError(t, os.WriteFile(config, []byte("[oauth.token_cleanup]\nenable = false\n"), 0o600))
	got := tokensweep(t, clean...)
	require.Equal(t, exitRefused, got.code)
	require.Contains(t, got.stderr, "enable = false")

	require.NoError(t, os.WriteFile(config, []byte("[server]\nhostname = \"x\"\n[oauth.token_cleanup]\nenable = true\nretain_access_tokens_for_auditing = false\n"), 0o600))
	result := filepath.Join(t.TempDir(), "result.json")
	got = tokensweep(t, append(clean, "--json", result)...)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, "removed tokens are not kept")
	d := document(t, result)
	require.Equal(t, report.Unverified, d.Verdict)
	require.Positive(t, d.Phases[0].Removed)
	require.Zero(t, d.Phases[0].Audited)
}
