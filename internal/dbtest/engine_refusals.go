package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// requireRefusal requires an error that says that nothing was changed, in one
// line that holds all the words.
func requireRefusal(t *testing.T, err error, words ...string) {
	t.Helper()
	var refusal *cleanup.Error
	require.True(t, errors.As(err, &refusal), "%v", err)
	require.Equal(t, cleanup.Refused, refusal.Kind)
	require.NotContains(t, err.Error(), "\n")
	for _, w := range words {
		require.ErrorContains(t, err, w)
	}
}

// auditTables are the ways in which an audit table can be too small.
func auditTables(t *testing.T, open Opener) {
	// consented has one token with data in a column that the audit table lacks.
	consented := func(t *testing.T) *Fixture {
		f := engineFixture(t, open)
		f.Exec("UPDATE " + tokens + " SET CONSENTED_TOKEN = 'true' WHERE TOKEN_ID = 'dead-07'")
		return f
	}
	plan := func(f *Fixture, missing cleanup.AuditMissing) *cleanup.Plan {
		p, err := cleanup.NewPlan(f.Found(), f.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: CutOff, Audit: true, AuditMissing: missing})
		require.NoError(f.t, err)
		return p
	}
	t.Run("audit column missing", func(t *testing.T) {
		t.Parallel()
		f := consented(t)
		f.requireRefused(cleanup.Batch{}, plan(f, cleanup.AuditStop), "CONSENTED_TOKEN", "1 rows", "--audit-missing=extend")
	})
	t.Run("audit column missing, dropped", func(t *testing.T) {
		t.Parallel()
		f := consented(t)
		f.requireClean(f.Verified(cleanup.Batch{}, plan(f, cleanup.AuditDrop)))
	})
	t.Run("audit column missing, added", func(t *testing.T) {
		t.Parallel()
		f := consented(t)
		f.requireClean(f.Verified(cleanup.Batch{}, plan(f, cleanup.AuditExtend)))
		require.EqualValues(t, 1, f.Count(audits, "CONSENTED_TOKEN = 'true' AND TOKEN_ID = 'dead-07'"))
		require.EqualValues(t, deadTokens, f.Count(audits, "TOKEN_BINDING_REF = 'NONE'"))
	})
	t.Run("audit column too short", func(t *testing.T) {
		t.Parallel()
		f := New(t, open(t, harness.Options{}), Setup{Change: func(d *schema.Database) {
			audit, _ := d.Table(audits)
			user, _ := audit.Column("AUTHZ_USER")
			user.Length = 10
		}})
		f.Insert(tokens, TokenRow("short", token.Revoked, nil))
		f.Insert(tokens, TokenRow("rather-long", token.Revoked, nil))
		f.requireRefused(cleanup.Batch{}, plan(f, cleanup.AuditStop), "AUTHZ_USER", "1 rows", "10 characters", "widen")
		f.Exec("DELETE FROM " + tokens + " WHERE TOKEN_ID = 'rather-long'")
		_, outcome := f.Verified(cleanup.Batch{}, plan(f, cleanup.AuditStop))
		require.Equal(t, verify.Pass, outcome.Verdict)
	})
}

// requireRefused requires that the engine refuses and changes nothing.
func (f *Fixture) requireRefused(e cleanup.Engine, plan *cleanup.Plan, words ...string) {
	f.t.Helper()
	before := f.Dump()
	_, err := e.Clean(f.t.Context(), f.DB, plan, cleanup.Watcher{})
	requireRefusal(f.t, err, words...)
	require.Equal(f.t, before, f.Dump())
}

// refusals are tables that no plan is made for, and servers that take no change.
func refusals(t *testing.T, open Opener, product string) {
	for name, wrong := range map[string]struct {
		change func(*schema.Database)
		words  []string
	}{
		"token id not unique": {func(d *schema.Database) {
			d.Tables = slices.DeleteFunc(d.Tables, func(t schema.Table) bool {
				return t.Name != tokens && t.Name != audits && t.Name != schema.ConsumerApps
			})
			table, _ := d.Table(tokens)
			table.PrimaryKey = nil
			table.Indexes = append(table.Indexes, schema.Index{Name: "IDX_ID", Columns: []string{"TOKEN_ID"}})
		}, []string{tokens + ".TOKEN_ID is not unique", "PRIMARY KEY (TOKEN_ID)"}},
		"column missing": {func(d *schema.Database) {
			table, _ := d.Table(codes)
			table.Columns = slices.DeleteFunc(table.Columns, func(c schema.Column) bool { return c.Name == "VALIDITY_PERIOD" })
		}, []string{codes, "no column VALIDITY_PERIOD"}},
		"no token table": {func(d *schema.Database) {
			d.Tables = slices.DeleteFunc(d.Tables, func(t schema.Table) bool { return t.Name != schema.ConsumerApps })
		}, []string{"no table " + tokens, "name the schema"}},
		"no audit table": {func(d *schema.Database) {
			d.Tables = slices.DeleteFunc(d.Tables, func(t schema.Table) bool { return t.Name == audits })
		}, []string{"no table " + audits, "--no-audit"}},
		"audit column without default": {func(d *schema.Database) {
			table, _ := d.Table(audits)
			table.Columns = append(table.Columns, schema.Column{Name: "REASON", Kind: schema.VarChar, Length: 20})
		}, []string{audits + ".REASON", "give it a default"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := New(t, open(t, harness.Options{}), Setup{Change: wrong.change})
			_, err := cleanup.NewPlan(f.Found(), f.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: CutOff, Audit: true})
			for _, w := range wrong.words {
				require.ErrorContains(t, err, w)
			}
		})
	}
	t.Run("read-only", func(t *testing.T) {
		t.Parallel()
		switch product {
		case "SQLite":
			readOnlySession(engineFixture(t, open))
			return
		case "MySQL", "MariaDB":
		default:
			readOnlyDatabase(engineFixture(t, open))
			return
		}
		readOnlyServer(engineFixture(t, func(t *testing.T, _ harness.Options) *harness.Target {
			return open(t, harness.Options{ServerArgs: []string{"--max-connections=42"}}) // so that no other test has this server
		}), product)
	})
}

func readOnlySession(f *Fixture) {
	db, err := f.Connect(f.t.Context(), harness.Session{})
	require.NoError(f.t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(f.t.Context(), "PRAGMA query_only = ON")
	require.NoError(f.t, err)
	f.requireRefused(onto{cleanup.Batch{}, db}, f.Plan(token.Documented), "read-only")
}

// readOnlyServer is a replica, or a primary before a failover.
func readOnlyServer(f *Fixture, product string) {
	db := f.as("SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON `" + f.Schema + "`.*")
	setting := "super_read_only"
	if product == "MariaDB" {
		setting = "read_only"
	}
	f.Exec("SET GLOBAL " + setting + " = 1")
	defer f.Exec("SET GLOBAL read_only = 0")
	f.requireRefused(onto{cleanup.Batch{}, db}, f.Plan(token.Documented), "read-only", "run on the primary")
}

// privileges are users that lack one.
func privileges(t *testing.T, open Opener, product string) {
	all := map[string]string{tokens: "DELETE", codes: "DELETE", requests: "DELETE", audits: "INSERT", cleanup.LedgerTable: "INSERT, CREATE, DROP"}
	byHand := schema.RequestClaims // see dialect.DeepCascades
	if hasTSQL(product) {
		byHand = schema.RequestObject // whose keys do not cascade there
	}
	all[byHand] = "DELETE"
	for name, lack := range map[string]struct{ table, rest, privilege string }{
		"no privilege to delete tokens":       {tokens, "", "DELETE"},
		"no privilege to delete a child":      {byHand, "", "DELETE"},
		"no privilege to delete codes":        {codes, "", "DELETE"},
		"no privilege to delete CIBA codes":   {requests, "", "DELETE"},
		"no privilege to audit":               {audits, "", "INSERT"},
		"no privilege on the ledger":          {cleanup.LedgerTable, "", "INSERT, CREATE, DROP"},
		"no privilege to drop the ledger":     {cleanup.LedgerTable, "INSERT, CREATE", "INSERT, CREATE, DROP"},
		"no privilege to write to the ledger": {cleanup.LedgerTable, "CREATE, DROP", "INSERT, CREATE, DROP"},
		"least privileges":                    {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := engineFixture(t, open)
			granted := map[string]string{}
			for table, privileges := range all {
				if table == lack.table {
					privileges = lack.rest
				}
				if privileges != "" {
					granted[table] = privileges
				}
			}
			if f.Dialect.Name() == "sqlserver" {
				if lack.table != "" && lack.table != cleanup.LedgerTable {
					delete(granted, cleanup.LedgerTable) // tried last, and not every server can grant it
				}
			}
			db := f.reader(granted)
			found, err := schema.Read(t.Context(), db, f.Dialect, f.Schema) // as that user sees it
			require.NoError(t, err)
			plan, err := cleanup.NewPlan(found, f.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: CutOff, Audit: true})
			require.NoError(t, err)
			if lack.table == "" {
				f.requireClean(f.Verified(onto{cleanup.Batch{Size: 7}, db}, plan))
				return
			}
			if product == "Babelfish" && lack.table == byHand {
				// It checks no privilege of a table that is deleted from by a join.
				q := f.Dialect.DeleteVia(plan.Phases[0].Children[0].Path, dialect.Text("1 = 0"))
				if _, err := db.ExecContext(t.Context(), q.Text, q.Args...); err == nil {
					t.Skipf("%s lets a user delete who may not: %s", f.Server, q.Text)
				}
			}
			f.requireRefused(onto{cleanup.Batch{}, db}, plan, "the user lacks the privilege "+lack.privilege+" on "+f.Schema+"."+lack.table+":",
				f.Dialect.Grant(lack.privilege, f.Schema, lack.table))
		})
	}
}

// reader makes a user who may read everything and has further privileges by
// table, and returns a pool of its sessions.
func (f *Fixture) reader(privileges map[string]string) *sql.DB {
	f.t.Helper()
	if f.Dialect.Name() == "sqlserver" {
		return f.sqlServerReader(privileges)
	}
	grants := []string{"SELECT, REFERENCES ON `" + f.Schema + "`.*"} // without REFERENCES, MariaDB hides delete rules
	for table, some := range privileges {
		grants = append(grants, some+" ON `"+f.Schema+"`."+table)
	}
	return f.as(grants...)
}

// as makes a user with those privileges and returns a pool of its sessions.
func (f *Fixture) as(grants ...string) *sql.DB {
	f.t.Helper()
	name := fnv.New64a()
	name.Write([]byte(f.Schema))
	user := fmt.Sprintf("'tokensweep_%x'@'%%'", name.Sum64()) // names of users are shorter than those of schemas
	f.Exec("CREATE USER " + user + " IDENTIFIED BY 'Pass-word-1'")
	f.t.Cleanup(func() { _, _ = f.DB.ExecContext(context.Background(), "DROP USER "+user) })
	for _, g := range grants {
		f.Exec("GRANT " + g + " TO " + user)
	}
	db, err := f.Connect(f.t.Context(), harness.Session{User: fmt.Sprintf("tokensweep_%x", name.Sum64()), Password: "Pass-word-1"})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { require.NoError(f.t, db.Close()) })
	return db
}
