package harness_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

var cutOff = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

// A whole run makes a database of its own on a server of the user's, for which
// the DSN need not name one, and leaves nothing there.
func TestRunOnAServerOfTheUsers(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		var server harness.Server
		result, err := harness.Run(t.Context(), harness.Scenario{
			Options:  harness.Options{DSN: edited(t, target, "", "", "database", "")},
			Settings: cleanup.Settings{Policy: token.Strict, CutOff: cutOff, Audit: true},
			Seed:     seed.Spec{Seed: 1, Tokens: 500, Mix: seed.Edge},
			Opened:   func(s harness.Server) { server = s },
		})
		require.NoError(t, err)
		require.Equal(t, "pass", result.Verdict, "%+v", result.Findings)
		require.Equal(t, target.Server.Product, result.Server.Product)
		require.Equal(t, "dsn", server.Via)
		require.Empty(t, result.Server.Zone)
		require.Empty(t, result.Warnings, "a DATETIME has no zone to warn of")
	})
}

// A script of SQL Server is taken for one without being told, and cleaned in the
// schema that its tokens are in.
func TestRunRestoresAScriptOfSQLServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prod.sql")
	require.NoError(t, os.WriteFile(path, []byte(script(t, "wso2")), 0o600))
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		var found *harness.Contents
		result, err := harness.Run(t.Context(), harness.Scenario{
			Options:  harness.Options{DSN: target.ConnectionString()},
			Settings: cleanup.Settings{Policy: token.Documented, CutOff: cutOff, Audit: true},
			Dump:     path,
			Found:    func(c *harness.Contents) { found = c },
		})
		require.NoError(t, err)
		require.Equal(t, "pass", result.Verdict, "%+v", result.Findings)
		require.EqualValues(t, 3, result.Phases[0].Before)
		require.EqualValues(t, 2, result.Phases[0].Removed)
		require.Equal(t, "dump", result.Data.Source)
		require.Contains(t, found.Release, "apim-4.2")
		require.Equal(t, "0", ask(t, target.DB, "SELECT COUNT(*) FROM sys.tables"), "the DSN's own database stays as it is")
	})
}

// A backup is for SQL Server itself to read.
func TestRunWithABackupNeedsSQLServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prod.bak")
	require.NoError(t, os.WriteFile(path, append([]byte("TAPE"), make([]byte, 4096)...), 0o600))
	s := harness.Scenario{Dump: path, Settings: cleanup.Settings{Policy: token.Documented, CutOff: cutOff}}
	s.DB, s.Fast = harness.MySQL, true
	_, err := harness.Run(t.Context(), s)
	require.ErrorContains(t, err, "--db sqlserver")
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		_, err := harness.Run(t.Context(), harness.Scenario{Dump: path, Settings: s.Settings, Options: harness.Options{DSN: target.ConnectionString()}})
		require.Error(t, err)
		if target.Server.Product == "Babelfish" {
			require.ErrorContains(t, err, "Babelfish")
		}
	})
}

// script is what a tool would write of a database with three tokens, two of which
// are over.
func script(t *testing.T, in string) string {
	t.Helper()
	release, err := schema.Release(schema.DefaultRelease, schema.SQLServer)
	require.NoError(t, err)
	d := sqlserver.Dialect{Schema: in}
	tables := map[string]schema.Table{}
	for _, table := range release.Tables {
		tables[table.Name] = table
	}
	batches := []string{"SET ANSI_NULLS ON", "CREATE SCHEMA [" + in + "]"}
	var create func(name string)
	create = func(name string) {
		table, ok := tables[name]
		if !ok {
			return
		}
		delete(tables, name)
		for _, key := range table.ForeignKeys {
			create(key.RefTable)
		}
		batches = append(append(batches, d.CreateTable(table)), d.AddIndexes(name, table.Indexes)...)
	}
	for _, table := range release.Tables {
		create(table.Name)
	}
	batches = append(batches, fmt.Sprintf("INSERT %s (CONSUMER_KEY, APP_NAME) VALUES ('k', 'a')", d.Table("IDN_OAUTH_CONSUMER_APPS")))
	for i, state := range []string{"ACTIVE", "EXPIRED", "REVOKED"} {
		batches = append(batches, fmt.Sprintf("INSERT %s (TOKEN_ID, ACCESS_TOKEN, REFRESH_TOKEN, CONSUMER_KEY_ID, TIME_CREATED, REFRESH_TOKEN_TIME_CREATED, VALIDITY_PERIOD, REFRESH_TOKEN_VALIDITY_PERIOD, TOKEN_STATE, TOKEN_STATE_ID) "+
			"VALUES ('t%d', 'a%d', 'r%d', 1, '2026-11-25T01:59:00', '2026-11-25T01:59:00', 3600000, 86400000, '%s', '%d')", d.Table(schema.AccessToken), i, i, i, state, i))
	}
	return strings.Join(batches, "\nGO\n") + "\nGO\n"
}
