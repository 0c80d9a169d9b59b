package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/ssms"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

// dumped writes a dump with the server's own tool.
func dumped(t *testing.T, target *harness.Target) string {
	t.Helper()
	if target.Dialect.Name() == "sqlserver" {
		return scripted(t, target)
	}
	c, err := mysqldriver.ParseDSN(target.ConnectionString())
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(c.Addr)
	require.NoError(t, err)
	args := []string{"--host=" + host, "--port=" + port, "--protocol=tcp", "--user=" + c.User, "--password=" + c.Passwd, target.Schema}
	tool := exec.CommandContext(t.Context(), "mariadb-dump", args...)
	if image, ok := strings.CutPrefix(target.Server.Via, "container "); ok {
		tool = exec.CommandContext(t.Context(), "docker", append([]string{"run", "--rm", "--network=host", "--entrypoint=mysqldump", image}, args...)...)
	} else if target.Server.Product == "MySQL" {
		tool = exec.CommandContext(t.Context(), "mysqldump", args...)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "dump.sql"))
	require.NoError(t, err)
	defer file.Close()
	tool.Stdout = file
	output := &strings.Builder{}
	tool.Stderr = output
	require.NoError(t, tool.Run(), output.String())
	return file.Name()
}

// scripted writes a script as SQL Server Management Studio does.
func scripted(t *testing.T, target *harness.Target) string {
	t.Helper()
	found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	file, err := os.Create(filepath.Join(t.TempDir(), "script.sql"))
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, ssms.Write(t.Context(), file, target.DB, target.Dialect, found))
	return file.Name()
}

// someRevoked are the ids of n revoked tokens.
func someRevoked(t *testing.T, target *harness.Target, n int) (ids []string) {
	t.Helper()
	rows, err := target.DB.QueryContext(t.Context(), "SELECT TOKEN_ID FROM "+schema.AccessToken+" WHERE TOKEN_STATE = 'REVOKED' ORDER BY TOKEN_ID")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() && len(ids) < n {
		var id string
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.Len(t, ids, n)
	return ids
}

// TestValidateADump: the tables of 4.2 pass; the tables of 2.6 with a child
// table of the customer's, whose key does not cascade, fail by the key's name,
// and everything that it does not hold is cleaned.
func TestValidateADump(t *testing.T) {
	for _, db := range servers {
		t.Run(db+"/4.2", func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 11, Tokens: 5000})
			got := tokensweep(t, "validate", "--dump", dumped(t, target), "--cutoff", cutOffText)
			require.Zero(t, got.code, got.stdout+got.stderr)
			require.Contains(t, got.stdout, "release apim-4.2")
			require.Contains(t, got.stdout, "PASS")
		})
		t.Run(db+"/2.6 with a child table", func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db})
			seededAs(t, target, "apim-2.6", seed.Spec{Seed: 12, Tokens: 2000})
			sqlOn(t, target, "CREATE TABLE CUSTOMER_NOTE (TOKEN_ID VARCHAR(255) NOT NULL PRIMARY KEY, CONSTRAINT FK_CUSTOMER_NOTE "+
				"FOREIGN KEY (TOKEN_ID) REFERENCES "+schema.AccessToken+" (TOKEN_ID))")
			for _, id := range someRevoked(t, target, 20) {
				sqlOn(t, target, "INSERT INTO CUSTOMER_NOTE (TOKEN_ID) VALUES ('"+id+"')")
			}
			file := filepath.Join(t.TempDir(), "result.json")
			got := tokensweep(t, "validate", "--dump", dumped(t, target), "--cutoff", cutOffText, "--json", file)
			require.Equal(t, exitFail, got.code, got.stdout+got.stderr)
			require.Contains(t, got.stdout, "release apim-2.6")
			require.Contains(t, got.stdout, "unknown child table CUSTOMER_NOTE")
			d := document(t, file)
			require.Equal(t, report.Fail, d.Verdict)
			require.Len(t, d.Findings, 1)
			require.Equal(t, "WRONGLY_KEPT", d.Findings[0].Class)
			require.EqualValues(t, 20, d.Findings[0].Count)
			require.Len(t, d.Phases[0].Held, 1)
			require.Contains(t, strings.ToUpper(d.Phases[0].Held[0].By), "FK_CUSTOMER_NOTE") // Babelfish has it in lower case
			require.EqualValues(t, 20, d.Phases[0].Held[0].Rows)
		})
	}
}

func TestValidateRefusesABadDump(t *testing.T) {
	target := harness.ForTest(t, harness.Options{DB: harness.MariaDB})
	seeded(t, target, seed.Spec{Seed: 13, Tokens: 500})
	whole, err := os.ReadFile(dumped(t, target))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		text string
		says string
	}{
		"cut off":      {string(whole[:len(whole)/2]), "cut off"},
		"not UTF-8":    {strings.Replace(string(whole), "'ACTIVE'", "'ACT\xcfVE'", 1), "UTF-8"},
		"of something": {"SELECT 1;\n", "holds no table"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "bad.sql")
			require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
			got := tokensweep(t, "validate", "--dump", file)
			require.Equal(t, exitRefused, got.code, got.stderr)
			require.Contains(t, got.stderr, c.says)
			if name != "of something" {
				require.Regexp(t, `line \d+`, got.stderr)
			}
		})
	}
}
