package rebuild_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/dialect/sqlite"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

func TestOtherDatabases(t *testing.T) {
	t.Parallel()
	for _, p := range []*cleanup.Plan{{Dialect: sqlite.Dialect{}}, {Dialect: sqlserver.Dialect{}}} {
		_, err := rebuild.Engine{}.Clean(t.Context(), nil, p, cleanup.Watcher{})
		requireRefusal(t, err, "rebuild is for MySQL and MariaDB so far", "--engine batch")
	}
}

// requireRefusal requires an error in one line that says that nothing was changed.
func requireRefusal(t *testing.T, err error, words ...string) {
	t.Helper()
	var refusal *cleanup.Error
	require.True(t, errors.As(err, &refusal), "%v", err)
	require.Equal(t, cleanup.Refused, refusal.Kind, "%v", err)
	require.NotContains(t, err.Error(), "\n")
	for _, w := range words {
		require.ErrorContains(t, err, w)
	}
}

// refusal is something that keeps a rebuild from starting.
type refusal struct {
	change func(*schema.Database)                        // of the tables
	before func(t *testing.T, f *dbtest.Fixture)         // when the rows are there
	adapt  func(e *rebuild.Engine, s *cleanup.Settings)  // of the run
	pool   func(t *testing.T, f *dbtest.Fixture) *sql.DB // nil: the fixture's
	late   func(t *testing.T, f *dbtest.Fixture) func()  // when the plan is made; returns what ends it
	words  []string
}

func table(d *schema.Database, name string) *schema.Table {
	t, _ := d.Table(name)
	return t
}

var refusals = map[string]refusal{
	"open transaction that wrote": {late: func(t *testing.T, f *dbtest.Fixture) func() {
		return transaction(t, f, "UPDATE "+schema.AccessToken+" SET GRANT_TYPE = 'x' WHERE TOKEN_ID = 'c'")
	}, words: []string{"the tables are in use by session", "stop the product"}},
	"open transaction that read": {late: func(t *testing.T, f *dbtest.Fixture) func() {
		return transaction(t, f, "SELECT COUNT(*) FROM "+schema.AccessTokenScope)
	}, words: []string{"the tables are in use by session"}},
	"table locked": {late: func(t *testing.T, f *dbtest.Fixture) func() {
		return transaction(t, f, "LOCK TABLES "+schema.AuthzCode+" READ")
	}, words: []string{"the tables are in use"}},
	"run lock": {late: func(t *testing.T, f *dbtest.Fixture) func() {
		return transaction(t, f, "SELECT GET_LOCK('"+cleanup.LockName(f.Schema)+"', 0)")
	}, words: []string{"another clean-up of schema", "wait for it to end"}},
	"other storage engine": {change: func(d *schema.Database) { table(d, schema.CIBAScope).Engine = "MyISAM" },
		words: []string{schema.CIBAScope + " is on the storage engine MyISAM", "ENGINE=InnoDB"}},
	"partitions": {change: func(d *schema.Database) { table(d, schema.CIBAScope).ForeignKeys = nil }, before: func(t *testing.T, f *dbtest.Fixture) {
		f.Exec("ALTER TABLE " + schema.CIBAScope + " PARTITION BY KEY () PARTITIONS 2")
	}, words: []string{schema.CIBAScope + " is partitioned", "--engine batch"}},
	"foreign key from another schema": {before: func(t *testing.T, f *dbtest.Fixture) {
		other, err := f.NewSchema(t.Context(), "")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, other.Close()) })
		_, err = other.DB.ExecContext(t.Context(), "CREATE TABLE OUTSIDE (TOKEN_ID VARCHAR(255), CONSTRAINT FK_OUTSIDE FOREIGN KEY (TOKEN_ID) REFERENCES `"+
			f.Schema+"`."+schema.AccessToken+" (TOKEN_ID)) CHARACTER SET latin1")
		require.NoError(t, err)
	}, words: []string{"foreign key FK_OUTSIDE of table", "OUTSIDE, which is in another schema", schema.AccessToken}},
	"foreign key to itself": {before: func(_ *testing.T, f *dbtest.Fixture) {
		f.Exec("CREATE TABLE TREE (ID INT PRIMARY KEY, UP INT, TOKEN_ID VARCHAR(255), FOREIGN KEY (UP) REFERENCES TREE (ID), FOREIGN KEY (TOKEN_ID) REFERENCES " +
			schema.AccessToken + " (TOKEN_ID) ON DELETE CASCADE) CHARACTER SET latin1")
	}, words: []string{"TREE has a foreign key to itself"}},
	"foreign keys in a circle": {before: func(_ *testing.T, f *dbtest.Fixture) {
		f.Exec("CREATE TABLE EAST (ID INT PRIMARY KEY, TOKEN_ID VARCHAR(255), FOREIGN KEY (TOKEN_ID) REFERENCES " + schema.AccessToken +
			" (TOKEN_ID) ON DELETE CASCADE) CHARACTER SET latin1")
		f.Exec("CREATE TABLE WEST (ID INT PRIMARY KEY, FOREIGN KEY (ID) REFERENCES EAST (ID))")
		f.Exec("ALTER TABLE EAST ADD FOREIGN KEY (ID) REFERENCES WEST (ID)")
	}, words: []string{"refer to each other in a circle"}},
	"trigger for deleted rows": {before: func(_ *testing.T, f *dbtest.Fixture) {
		f.Exec("CREATE TRIGGER SEES_ALL AFTER DELETE ON " + schema.AuthzCode + " FOR EACH ROW INSERT INTO NOTES VALUES (OLD.CODE_ID)")
	}, words: []string{"trigger SEES_ALL", "a rebuild deletes none"}},
	"trigger in a character set": {before: func(t *testing.T, f *dbtest.Fixture) {
		conn, err := f.DB.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		for _, s := range []string{"SET NAMES latin1",
			"CREATE TRIGGER LATIN BEFORE INSERT ON " + schema.AuthzCode + " FOR EACH ROW SET NEW.AUTHZ_USER = '\xe4'", "SET NAMES utf8mb4"} {
			_, err := conn.ExecContext(t.Context(), s)
			require.NoError(t, err)
		}
	}, words: []string{"trigger LATIN", "character set latin1"}},
	"interrupted batch run": {before: func(t *testing.T, f *dbtest.Fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := cleanup.Batch{Size: 1, Hook: func(step string) {
			if step == "commit" {
				cancel()
			}
		}}.Clean(ctx, f.DB, f.Plan(token.Documented), cleanup.Watcher{})
		require.NoError(t, err)
	}, words: []string{"of the batch engine was interrupted", "finish it with --engine batch first"}},
	"journal of somebody else": {before: func(_ *testing.T, f *dbtest.Fixture) { f.Exec("CREATE TABLE " + rebuild.JournalTable + " (NOTE INT)") },
		words: []string{rebuild.JournalTable + " that tokensweep did not make", "it was not touched"}},
	"stray table of a rebuild": {before: func(_ *testing.T, f *dbtest.Fixture) { f.Exec("CREATE TABLE _tokensweep_old_123_1 (NOTE INT)") },
		words: []string{"_tokensweep_old_123_1", "drop it if nobody needs it"}},
	"audit column missing": {before: func(_ *testing.T, f *dbtest.Fixture) {
		f.Exec("UPDATE " + schema.AccessToken + " SET CONSENTED_TOKEN = 'true' WHERE TOKEN_ID = 'a'")
	}, words: []string{"CONSENTED_TOKEN", "--audit-missing"}},
	"audit to be extended": {adapt: func(_ *rebuild.Engine, s *cleanup.Settings) { s.AuditMissing = cleanup.AuditExtend },
		words: []string{"adds no columns to the audit table"}},
	"audit rows that nothing tells apart": {change: func(d *schema.Database) {
		audit := table(d, schema.TokenAudit)
		audit.PrimaryKey = nil
		audit.Columns = append(audit.Columns[1:2:2], audit.Columns[2:]...)
		for i, c := range audit.Columns {
			if c.Name == "INVALIDATED_TIME" {
				audit.Columns = append(audit.Columns[:i:i], audit.Columns[i+1:]...)
				break
			}
		}
	}, words: []string{"neither INVALIDATED_TIME nor an id"}},
	"pool too small": {pool: func(t *testing.T, f *dbtest.Fixture) *sql.DB {
		pool, _ := ownPool(t, f)
		pool.SetMaxOpenConns(8)
		return pool
	}, words: []string{"connections, and the pool allows 8"}},
	"trigger of another user": {pool: func(t *testing.T, f *dbtest.Fixture) *sql.DB { return as(t, f, grants) },
		words: []string{"may not make triggers that run as root@", "SET_ANY_DEFINER"}},
	"table changed since the plan": {late: func(_ *testing.T, f *dbtest.Fixture) func() {
		f.Exec("ALTER TABLE " + schema.AuthzCode + " ADD EXTRA INT NULL")
		return func() {}
	}, words: []string{schema.AuthzCode + " has changed since the plan was made", "run again"}},
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		for name, r := range refusals {
			t.Run(name, func(t *testing.T) {
				fresh, err := target.NewSchema(t.Context(), "")
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, fresh.Close()) })
				r.run(t, fresh)
			})
		}
	})
}

func (r refusal) run(t *testing.T, target *harness.Target) {
	f := furnishedWith(t, target, r.change)
	if r.before != nil {
		r.before(t, f)
	}
	e, s, pool := rebuild.Engine{}, documented(), f.DB
	if r.adapt != nil {
		r.adapt(&e, &s)
	}
	if r.pool != nil {
		pool = r.pool(t, f)
	}
	p := plan(t, target, s)
	end := func() {}
	if r.late != nil {
		end = r.late(t, f)
	}
	rows, before := f.Dump(), definitions(t, target)
	_, err := e.Clean(t.Context(), pool, p, logging(t))
	requireRefusal(t, err, r.words...)
	require.Equal(t, rows, f.Dump())
	require.Equal(t, before, definitions(t, target))
	end()
}

// transaction is one of another session that stays open until the function is called.
func transaction(t *testing.T, f *dbtest.Fixture, statement string) func() {
	t.Helper()
	conn, err := f.DB.Conn(t.Context())
	require.NoError(t, err)
	for _, s := range []string{"START TRANSACTION", statement} {
		_, err = conn.ExecContext(t.Context(), s)
		require.NoError(t, err)
	}
	return func() {
		for _, s := range []string{"ROLLBACK", "UNLOCK TABLES", "DO RELEASE_LOCK('" + cleanup.LockName(f.Schema) + "')"} {
			_, err := conn.ExecContext(context.WithoutCancel(t.Context()), s)
			require.NoError(t, err)
		}
		require.NoError(t, conn.Close())
	}
}

// TestNamedCheck is MySQL's alone: there a condition with a name of its own cannot
// be made twice.
func TestNamedCheck(t *testing.T) {
	t.Parallel()
	f := furnished(t, harness.ForTest(t, harness.Options{DB: harness.MySQL}))
	f.Exec("ALTER TABLE " + schema.AuthzCode + " ADD CONSTRAINT POSITIVE CHECK (VALIDITY_PERIOD > 0)")
	before := definitions(t, f.Target)
	_, err := rebuild.Engine{}.Clean(t.Context(), f.DB, plan(t, f.Target, documented()), logging(t))
	requireRefusal(t, err, "the server cannot make a table like "+schema.AuthzCode, "POSITIVE")
	require.Equal(t, before, definitions(t, f.Target))
}

// grants are what the documentation says a rebuild needs.
var grants = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "TRIGGER", "LOCK TABLES"}

// as makes a user with privileges on the fixture's schema and returns a pool of its sessions.
func as(t *testing.T, f *dbtest.Fixture, privileges []string) *sql.DB {
	t.Helper()
	name := "rebuild_" + f.Schema[len(f.Schema)-8:]
	f.Exec("CREATE USER '" + name + "'@'%' IDENTIFIED BY 'Pass-word-1'")
	t.Cleanup(func() { _, _ = f.DB.ExecContext(context.Background(), "DROP USER '"+name+"'@'%'") })
	f.Exec("GRANT " + strings.Join(privileges, ", ") + " ON `" + f.Schema + "`.* TO '" + name + "'@'%'")
	pool, err := f.Connect(t.Context(), harness.Session{User: name, Password: "Pass-word-1"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	return pool
}

func TestPrivileges(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		for _, lack := range grants[1:] {
			t.Run("without "+lack, func(t *testing.T) {
				fresh, err := target.NewSchema(t.Context(), "")
				require.NoError(t, err)
				defer func() { require.NoError(t, fresh.Close()) }()
				f := dbtest.New(t, fresh, dbtest.Setup{})
				f.Insert(schema.AccessToken, dbtest.TokenRow("dead", token.Revoked, nil))
				var some []string
				for _, g := range grants {
					if g != lack {
						some = append(some, g)
					}
				}
				pool, before := as(t, f, some), f.Dump()
				_, err = rebuild.Engine{}.Clean(t.Context(), pool, plan(t, f.Target, documented()), logging(t))
				if err == nil && (lack == "INDEX" || lack == "REFERENCES") {
					return // ALTER and SELECT are enough for this server
				}
				requireRefusal(t, err, "GRANT SELECT", f.Schema+".*")
				require.Equal(t, before, f.Dump())
			})
		}
		t.Run("least privileges", func(t *testing.T) {
			f := dbtest.New(t, target, dbtest.Setup{Change: nameKeys})
			f.Insert(schema.AccessToken, dbtest.TokenRow("dead", token.Revoked, nil))
			pool, w := as(t, f, grants), startWatch(t, f.Target, documented())
			_, err := rebuild.Engine{}.Clean(t.Context(), pool, plan(t, f.Target, documented()), logging(t))
			require.NoError(t, err)
			w.requirePass(t)
		})
	})
}

func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := furnished(t, harness.ForTest(t, harness.Options{DB: kind, ServerArgs: []string{"--max-connections=43"}})) // a server of its own
			pool := as(t, f, grants)
			f.Exec("SET GLOBAL read_only = 1")
			defer f.Exec("SET GLOBAL read_only = 0")
			before := f.Dump()
			_, err := rebuild.Engine{}.Clean(t.Context(), pool, plan(t, f.Target, documented()), logging(t))
			requireRefusal(t, err, "read-only", "run on the primary")
			require.Equal(t, before, f.Dump())
		})
	}
}
