package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// TestCleanRefuses: one sentence with what to do, the right exit code, and the
// database as it was.
func TestCleanRefuses(t *testing.T) {
	for _, db := range servers {
		for name, c := range refusals(db) {
			t.Run(db+"/"+name, func(t *testing.T) {
				t.Parallel()
				target := harness.ForTest(t, harness.Options{DB: db})
				seeded(t, target, seed.Spec{Seed: 9, Tokens: 300})
				dsn := target.ConnectionString()
				if c.prepare != nil {
					dsn = c.prepare(t, target, dsn)
				}
				image := captured(t, target)
				got := tokensweep(t, "clean", "--dsn", dsn, "--yes", "--cutoff", cutOffText)
				require.Equal(t, c.code, got.code, got.stderr)
				message := lastLine(got.stderr)
				for _, part := range c.says {
					require.Contains(t, message, part)
				}
				require.NotContains(t, got.stdout+got.stderr, "hidden-secret")
				requireUnchanged(t, target, image)
			})
		}
	}
}

type refusal struct {
	prepare func(t *testing.T, target *harness.Target, dsn string) string // returns the DSN to use
	code    int
	says    []string
}

func refusals(db string) map[string]refusal {
	return map[string]refusal{
		"wrong password": {
			prepare: func(_ *testing.T, _ *harness.Target, dsn string) string { return login(dsn, "root:hidden-secret") },
			code:    exitRefused, says: []string{"refuses user", "check user and password"}},
		"nobody answers": {
			prepare: func(t *testing.T, _ *harness.Target, dsn string) string {
				l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free once it is closed again
				require.NoError(t, err)
				require.NoError(t, l.Close())
				if db == harness.SQLServer {
					return "sqlserver://root:hidden-secret@" + l.Addr().String() + "?database=apim"
				}
				return "root:hidden-secret@tcp(" + l.Addr().String() + ")/apim"
			},
			code: exitUnavailable, says: []string{"not available", "check host and port"}},
		"no token table": {
			prepare: func(t *testing.T, target *harness.Target, dsn string) string {
				sqlOn(t, target, append(withoutChildren, "DROP TABLE "+schema.AccessToken)...)
				return dsn
			},
			code: exitRefused, says: []string{"has no table " + schema.AccessToken, "name the schema"}},
		"missing privilege": {
			prepare: func(t *testing.T, target *harness.Target, dsn string) string {
				return login(dsn, reader(t, target)+":hidden-secret1")
			},
			code: exitRefused, says: []string{"lacks the privilege DELETE", schema.AccessToken, "GRANT"}},
		"ids not unique": {
			prepare: func(t *testing.T, target *harness.Target, dsn string) string {
				noKey := []string{"ALTER TABLE " + schema.AccessToken + " DROP PRIMARY KEY, ADD INDEX (TOKEN_ID)"}
				if db == harness.SQLServer { // which gives the key a name that nobody knows
					noKey = []string{"SELECT * INTO WITHOUT_KEY FROM " + schema.AccessToken, "DROP TABLE " + schema.AccessToken,
						"EXEC sp_rename 'WITHOUT_KEY', '" + schema.AccessToken + "', 'OBJECT'"}
				}
				sqlOn(t, target, append(withoutChildren, noKey...)...)
				return dsn
			},
			code: exitRefused, says: []string{"TOKEN_ID is not unique", "PRIMARY KEY"}},
		"audit table lacks a column with data": {
			prepare: func(t *testing.T, target *harness.Target, dsn string) string {
				sqlOn(t, target, "UPDATE "+schema.AccessToken+" SET CONSENTED_TOKEN = 'true'")
				return dsn
			},
			code: exitRefused, says: []string{"CONSENTED_TOKEN holds data", "--audit-missing=extend"}},
		"no audit table": {
			prepare: func(t *testing.T, target *harness.Target, dsn string) string {
				sqlOn(t, target, "DROP TABLE "+schema.TokenAudit)
				return dsn
			},
			code: exitRefused, says: []string{"has no table " + schema.TokenAudit, "--no-audit"}},
		"somebody else's ledger": {
			prepare: func(t *testing.T, target *harness.Target, dsn string) string {
				sqlOn(t, target, "CREATE TABLE "+cleanup.LedgerTable+" (ID INT PRIMARY KEY)")
				return dsn
			},
			code: exitRefused, says: []string{"tokensweep did not make", "rename it"}},
	}
}

// withoutChildren drops the tables that refer to tokens, the last first.
var withoutChildren = []string{"DROP TABLE " + schema.RequestValues, "DROP TABLE " + schema.RequestClaims, "DROP TABLE " + schema.RequestObject,
	"DROP TABLE " + schema.AccessTokenScope, "DROP TABLE " + schema.TokenBinding}

// reader makes a user who may read all tables and nothing else, with the
// password hidden-secret1.
func reader(t *testing.T, target *harness.Target) string {
	t.Helper()
	name := fmt.Sprintf("reader%x", xxh3.HashString(target.ConnectionString()))
	if target.Dialect.Name() == "sqlserver" {
		sqlOn(t, target, "CREATE LOGIN "+name+" WITH PASSWORD = 'hidden-secret1'", "CREATE USER "+name+" FOR LOGIN "+name,
			"GRANT SELECT ON SCHEMA::dbo TO "+name)
		t.Cleanup(func() {
			sqlOn(t, target, "REVOKE SELECT ON SCHEMA::dbo FROM "+name, "DROP USER "+name, "DROP LOGIN "+name)
		})
		return name
	}
	sqlOn(t, target, "CREATE USER "+name+" IDENTIFIED BY 'hidden-secret1'", "GRANT SELECT, REFERENCES ON `"+target.Schema+"`.* TO "+name)
	t.Cleanup(func() { sqlOn(t, target, "DROP USER "+name) })
	return name
}

// login replaces the user and password of a DSN.
func login(dsn, user string) string {
	if address, ok := strings.CutPrefix(dsn, "sqlserver://"); ok {
		_, address, _ = strings.Cut(address, "@")
		return "sqlserver://" + user + "@" + address
	}
	_, address, _ := strings.Cut(dsn, "@tcp")
	return user + "@tcp" + address
}

func sqlOn(t *testing.T, target *harness.Target, statements ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // clean-ups run after it is cancelled
	conn, err := target.DB.Conn(ctx)
	require.NoError(t, err)
	defer conn.Close()
	for _, s := range statements {
		_, err := conn.ExecContext(ctx, s)
		require.NoError(t, err, s)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// requireUnchanged checks that every row and table is as in the image: under
// the strict reading that nothing at all may go, only removals that wait are
// left.
func requireUnchanged(t *testing.T, target *harness.Target, image *verify.Image) {
	t.Helper()
	outcome, err := verify.Check(t.Context(), source(target), image, verify.Expect{Policy: token.Documented, Audit: true})
	require.NoError(t, err)
	for _, f := range outcome.Findings {
		require.Equal(t, verify.WronglyKept, f.Class, fmt.Sprintf("%+v", f))
	}
	for _, table := range outcome.Tables {
		require.Equal(t, table.Before, table.After, table.Table)
	}
}
