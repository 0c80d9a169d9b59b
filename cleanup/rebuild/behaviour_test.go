package rebuild_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

const tokens = schema.AccessToken

// extras are tables that the product does not know, and rows without parents.
func extras(f *dbtest.Fixture) {
	for _, statement := range []string{
		"CREATE TABLE GOES (ID INT NOT NULL AUTO_INCREMENT PRIMARY KEY, TOKEN_ID VARCHAR(255), TWICE INT AS (2 * LEVEL) STORED, LEVEL INT, SEEN TIMESTAMP NULL, " +
			"CONSTRAINT FK_GOES FOREIGN KEY (TOKEN_ID) REFERENCES " + tokens + " (TOKEN_ID) ON DELETE CASCADE) " +
			"CHARACTER SET latin1 COMMENT = 'it''s; AUTO_INCREMENT=5' ROW_FORMAT=COMPRESSED AUTO_INCREMENT=77",
		"CREATE TABLE GOES_TOO (GOES_ID INT, NOTE VARCHAR(20), FOREIGN KEY (GOES_ID) REFERENCES GOES (ID) ON DELETE CASCADE)",
		"CREATE TABLE HOLDS (ID INT PRIMARY KEY, TOKEN_ID VARCHAR(255), CONSTRAINT FK_HOLDS FOREIGN KEY (TOKEN_ID) REFERENCES " + tokens + " (TOKEN_ID)) CHARACTER SET latin1",
		"CREATE TABLE HOLDS_SCOPE (ID INT PRIMARY KEY, TOKEN_ID VARCHAR(255), SCOPE VARCHAR(100), CONSTRAINT FK_HOLDS_SCOPE FOREIGN KEY (TOKEN_ID, SCOPE) REFERENCES " +
			schema.AccessTokenScope + " (TOKEN_ID, TOKEN_SCOPE)) CHARACTER SET latin1",
		"CREATE TABLE FORGETS (ID INT PRIMARY KEY, TOKEN_ID VARCHAR(255) NULL, CONSTRAINT FK_FORGETS FOREIGN KEY (TOKEN_ID) REFERENCES " + tokens +
			" (TOKEN_ID) ON DELETE SET NULL ON UPDATE CASCADE) CHARACTER SET latin1",
		"CREATE TABLE NEAR_FORGETS (FORGETS_ID INT, FOREIGN KEY (FORGETS_ID) REFERENCES FORGETS (ID))",
		"CREATE TABLE PLAIN (TOKEN_ID VARCHAR(255)) ENGINE=MyISAM",
	} {
		f.Exec(statement)
	}
	for i := range 30 {
		id, state, changes := fmt.Sprintf("t%02d", i), token.Revoked, dbtest.Row{}
		if i%3 == 0 {
			state, changes = token.Active, dbtest.Row{"TIME_CREATED": dbtest.At(7000)}
		}
		f.Insert(tokens, dbtest.TokenRow(id, state, changes))
		for _, scope := range []string{"email", "openid"} {
			f.Insert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": id, "TOKEN_SCOPE": scope})
		}
		f.Insert(schema.AuthzCode, dbtest.CodeRow("of-"+id, token.Inactive, dbtest.Row{"TOKEN_ID": id}))
		f.Insert(schema.RequestObject, dbtest.Row{"ID": i + 1, "TOKEN_ID": id, "CODE_ID": "of-" + fmt.Sprintf("t%02d", i-i%2), "CONSUMER_KEY_ID": dbtest.App})
		f.Insert(schema.RequestClaims, dbtest.Row{"ID": i + 1, "REQ_OBJECT_ID": i + 1, "CLAIM_ATTRIBUTE": "email"})
		f.Exec(fmt.Sprintf("INSERT INTO GOES (ID, TOKEN_ID, LEVEL, SEEN) VALUES (%d, '%s', %d, '2026-01-01 00:00:00')", i+100, id, i))
		f.Exec(fmt.Sprintf("INSERT INTO GOES_TOO VALUES (%d, 'x'), (NULL, 'y')", i+100))
		f.Exec(fmt.Sprintf("INSERT INTO FORGETS VALUES (%d, '%s')", i, id))
		f.Exec(fmt.Sprintf("INSERT INTO NEAR_FORGETS VALUES (%d)", i))
	}
	f.Exec("INSERT INTO HOLDS VALUES (1, 't01'), (2, 't03'), (3, NULL)")
	f.Exec("INSERT INTO HOLDS_SCOPE VALUES (1, 't04', 'email'), (2, 't06', 'openid')")
	conn, err := f.DB.Conn(context.Background())
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	for _, statement := range []string{"SET foreign_key_checks = 0",
		"INSERT INTO " + schema.AccessTokenScope + " (TOKEN_ID, TOKEN_SCOPE) VALUES ('orphan', 'openid')", "INSERT INTO FORGETS VALUES (98, 'orphan')",
		"INSERT INTO GOES (ID, TOKEN_ID) VALUES (98, 'orphan')", "INSERT INTO GOES_TOO VALUES (97, 'z')", "SET foreign_key_checks = 1"} {
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			panic(statement + err.Error())
		}
	}
}

// TestSameAsBatch runs both engines on equal tables: the same rows must be left, and
// the same rows reported as held.
func TestSameAsBatch(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		for _, named := range []bool{false, true} {
			var left []map[string][]string
			var held [][]cleanup.Held
			for _, e := range []cleanup.Engine{cleanup.Batch{Size: 7}, rebuild.Engine{}} {
				fresh, err := target.NewSchema(t.Context(), "")
				require.NoError(t, err)
				setup := dbtest.Setup{}
				if named {
					setup.Change = nameKeys
				}
				f := dbtest.New(t, fresh, setup)
				extras(f)
				before := definitions(t, fresh)
				result, err := e.Clean(t.Context(), f.DB, f.Plan(token.Documented), logging(t))
				require.NoError(t, err)
				require.Equal(t, before, definitions(t, fresh), e.Name())
				rows := f.Dump()
				rows[schema.TokenAudit] = f.Keys(schema.TokenAudit, "TOKEN_ID") // ids and times differ
				left, held = append(left, rows), append(held, result.Phases[0].Held)
				require.Equal(t, int64(20-2), result.Phases[0].Removed, e.Name())
				require.NoError(t, fresh.Close())
			}
			require.Equal(t, left[0], left[1])
			require.NotEmpty(t, held[0])
			require.Equal(t, held[0], held[1])
			require.Contains(t, fmt.Sprint(left[1]["GOES"]), "orphan")
		}
	})
}

// TestAuditInParts counts the transactions that copy to the audit table. Several are
// quicker, and where they would wait for each other's commit there must be one.
func TestAuditInParts(t *testing.T) {
	t.Parallel()
	const workers = 3
	for name, c := range map[string]struct {
		kind   string
		args   []string
		change func(audit *schema.Table)
		before func(f *dbtest.Fixture)
		parts  int
	}{
		"MySQL":                            {kind: harness.MySQL, parts: workers},
		"MariaDB locks the counter of ids": {kind: harness.MariaDB, parts: 1},
		"MariaDB told not to":              {kind: harness.MariaDB, args: interleaved[harness.MariaDB], parts: workers},
		"MariaDB without an id": {kind: harness.MariaDB, parts: workers, change: func(audit *schema.Table) {
			audit.PrimaryKey, audit.Columns = nil, audit.Columns[1:]
		}},
		"unique key": {kind: harness.MySQL, parts: 1, change: func(audit *schema.Table) {
			audit.Indexes = append(audit.Indexes, schema.Index{Name: "ONCE", Unique: true, Columns: []string{"TOKEN_ID"}})
		}},
		"trigger": {kind: harness.MySQL, parts: 1, before: func(f *dbtest.Fixture) {
			f.Exec("CREATE TABLE ONE (N INT)")
			f.Exec("INSERT INTO ONE VALUES (0)")
			f.Exec("CREATE TRIGGER ONE_AT_A_TIME AFTER INSERT ON " + schema.TokenAudit + " FOR EACH ROW SELECT N INTO @n FROM ONE FOR UPDATE")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := dbtest.New(t, harness.ForTest(t, harness.Options{DB: c.kind, ServerArgs: c.args}), dbtest.Setup{Change: func(d *schema.Database) {
				if c.change != nil {
					c.change(table(d, schema.TokenAudit))
				}
			}})
			if c.before != nil {
				c.before(f)
			}
			for i := range 20 {
				f.Insert(tokens, dbtest.TokenRow(fmt.Sprintf("t%02d", i), token.Revoked, nil))
			}
			parts := 1
			result, outcome := f.Verified(rebuild.Engine{Workers: workers, Hook: func(step string) {
				if step == "between commits" {
					parts++
				}
			}}, f.Plan(token.Documented))
			require.EqualValues(t, "pass", strings.ToLower(string(outcome.Verdict)), "%+v", outcome.Findings)
			require.EqualValues(t, 20, result.Phases[0].Audited)
			require.Equal(t, c.parts, parts)
		})
	}
}

// TestNothingToRemove leaves alone what has nothing removable.
func TestNothingToRemove(t *testing.T) {
	t.Parallel()
	onFixture(t, dbtest.Setup{}, func(t *testing.T, f *dbtest.Fixture) {
		f.Insert(tokens, dbtest.TokenRow("live", token.Active, dbtest.Row{"TIME_CREATED": dbtest.At(7000)}))
		result, err := rebuild.Engine{Hook: func(step string) { t.Errorf("step %s", step) }}.Clean(t.Context(), f.DB, f.Plan(token.Documented), logging(t))
		require.NoError(t, err)
		require.EqualValues(t, 1, result.Phases[0].Examined)
		require.Zero(t, result.Phases[0].Removed)

		f.Insert(schema.CIBACode, dbtest.CIBARow("dead", "FAILED", nil))
		var steps []string
		result, outcome := f.Verified(rebuild.Engine{Hook: func(step string) { steps = append(steps, step) }}, f.Plan(token.Documented))
		require.EqualValues(t, "pass", strings.ToLower(string(outcome.Verdict)))
		require.EqualValues(t, 1, result.Phases[2].Removed)
		require.Contains(t, steps, "copy "+schema.CIBACode)
		require.NotContains(t, steps, "copy "+tokens)
	})
}

// TestNamesStay looks through everything that is bound to the names of the tables.
func TestNamesStay(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		f := furnished(t, target)
		f.Exec("CREATE VIEW LIVING AS SELECT t.TOKEN_ID, s.TOKEN_SCOPE FROM " + tokens + " t JOIN " + schema.AccessTokenScope + " s ON s.TOKEN_ID = t.TOKEN_ID")
		f.Exec("CREATE PROCEDURE HOW_MANY () SELECT COUNT(*) FROM " + tokens)
		f.Insert(schema.RequestObject, dbtest.Row{"ID": 900, "TOKEN_ID": "a", "CONSUMER_KEY_ID": dbtest.App})
		reader := as(t, f, []string{"CREATE TEMPORARY TABLES"})
		f.Exec("GRANT SELECT ON `" + f.Schema + "`." + tokens + " TO 'rebuild_" + f.Schema[len(f.Schema)-8:] + "'@'%'")
		_, outcome := f.Verified(rebuild.Engine{}, f.Plan(token.Documented))
		require.EqualValues(t, "pass", strings.ToLower(string(outcome.Verdict)), "%+v", outcome.Findings)

		count := func(db *sql.DB, query string) (n int) {
			require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&n), query)
			return n
		}
		require.Equal(t, 2, count(f.DB, "SELECT COUNT(*) FROM LIVING"))
		require.Equal(t, 2, count(f.DB, "CALL HOW_MANY()"))
		require.Equal(t, 2, count(reader, "SELECT COUNT(*) FROM "+tokens))
		require.Empty(t, f.Keys("NOTES", "BODY"), "triggers ran for the copy")
		f.Insert(tokens, dbtest.TokenRow("new", token.Active, nil))
		require.Equal(t, []string{"AFTER new", "BEFORE new"}, f.Keys("NOTES", "BODY"))
		f.Exec("INSERT INTO " + schema.RequestObject + " (TOKEN_ID, CONSUMER_KEY_ID) VALUES ('new', 1)")
		require.Equal(t, 1, count(f.DB, "SELECT COUNT(*) FROM "+schema.RequestObject+" WHERE ID = 901"), "ids count on behind those that are gone")
		f.Exec("DELETE FROM " + tokens + " WHERE TOKEN_ID = 'new'")
		require.Zero(t, count(f.DB, "SELECT COUNT(*) FROM "+schema.RequestObject), "the new tables refer to each other")
		require.Error(t, f.TryInsert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": "nobody", "TOKEN_SCOPE": "x"}))
	})
}

// TestWriterBesideTheRun writes from before the lock to behind the swap: whatever the
// writer was told to be written is there.
func TestWriterBesideTheRun(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		for _, from := range []string{"create", "lock", "audit", "swap", "gate"} {
			t.Run("from "+from, func(t *testing.T) {
				fresh, err := target.NewSchema(t.Context(), "")
				require.NoError(t, err)
				defer func() { require.NoError(t, fresh.Close()) }()
				writersFrom(t, furnished(t, fresh), from)
			})
		}
	})
}

func writersFrom(t *testing.T, f *dbtest.Fixture, from string) {
	var writers sync.WaitGroup
	var over atomic.Bool
	written := make([][]string, 4)
	updates := int64(0)
	write := func(conn *sql.Conn, statement string) bool {
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), statement)
		return err == nil
	}
	start := func(work func(conn *sql.Conn, n int)) {
		conn, err := f.DB.Conn(t.Context())
		require.NoError(t, err)
		writers.Add(1)
		go func() {
			defer writers.Done()
			defer conn.Close()
			for n := 0; !over.Load(); n++ {
				work(conn, n)
			}
		}()
	}
	begin := once(from, func() {
		for w := range written {
			start(func(conn *sql.Conn, n int) {
				id := fmt.Sprintf("new-%d-%d", w, n)
				// Each writer begins with another table, so that some wait for each.
				statement := "INSERT INTO " + tokens + " (TOKEN_ID, ACCESS_TOKEN, CONSUMER_KEY_ID, TOKEN_STATE, TOKEN_STATE_ID, AUTHZ_USER) VALUES ('" +
					id + "', 'x', 1, 'ACTIVE', 'NONE', '" + id + "')"
				switch w {
				case 1:
					statement = "INSERT INTO " + schema.AccessTokenScope + " (TOKEN_ID, TOKEN_SCOPE) VALUES ('c', '" + id + "')"
				case 2:
					statement = "INSERT INTO " + schema.AuthzCode + " (CODE_ID, CONSUMER_KEY_ID, STATE, TOKEN_ID) VALUES ('" + id + "', 1, 'ACTIVE', 'c')"
				case 3:
					statement = "INSERT INTO " + schema.CIBACode + " (AUTH_CODE_KEY, AUTH_REQ_STATUS, ISSUED_TIME, LAST_POLLED_TIME) VALUES ('" + id + "', 'REQUESTED', NOW(), NOW())"
				}
				if write(conn, statement) {
					written[w] = append(written[w], id)
				}
			})
		}
		start(func(conn *sql.Conn, _ int) {
			if write(conn, "UPDATE "+tokens+" SET VALIDITY_PERIOD = VALIDITY_PERIOD + 1 WHERE TOKEN_ID = 'f'") {
				updates++
			}
		})
	})
	result, err := rebuild.Engine{Hook: begin}.Clean(t.Context(), f.DB, f.Plan(token.Documented), logging(t))
	over.Store(true)
	writers.Wait()
	require.NoError(t, err)
	require.EqualValues(t, 4, result.Phases[0].Removed)
	for w, where := range [][2]string{{tokens, "TOKEN_ID"}, {schema.AccessTokenScope, "TOKEN_SCOPE"}, {schema.AuthzCode, "CODE_ID"}, {schema.CIBACode, "AUTH_CODE_KEY"}} {
		require.NotEmpty(t, written[w], "nothing was written to %s", where[0])
		require.Subset(t, f.Keys(where[0], where[1]), written[w], "rows written to %s are lost", where[0])
	}
	require.EqualValues(t, 1, f.Count(tokens, fmt.Sprintf("TOKEN_ID = 'f' AND VALIDITY_PERIOD = 3600000 + %d", updates)), "%d updates", updates)
	notes := f.Keys("NOTES", "BODY")
	for _, id := range written[0] {
		require.Contains(t, notes, "BEFORE "+id, "a trigger was not there")
		require.Contains(t, notes, "AFTER "+id, "a trigger was not there")
	}
	require.Len(t, notes, 2*len(written[0]), "a trigger ran twice")
}

// TestInterrupted cancels a run before and among the copies: nothing has happened.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		f := furnished(t, target)
		before, w := definitions(t, target), startWatch(t, target, documented())
		for _, step := range []string{"check", "try", "index", "count"} {
			ctx, cancel := context.WithCancel(t.Context())
			result, err := rebuild.Engine{Hook: once(step, cancel)}.Clean(ctx, f.DB, f.Plan(token.Documented), logging(t))
			require.NoError(t, err)
			require.Equal(t, "an interruption", result.Stopped)
			require.Equal(t, before, definitions(t, target))
			w.requireUntouched(t)
		}
	})
}

// TestTimeLimit lets the time run out while indexes are built.
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		f := furnished(t, target)
		before, w := definitions(t, target), startWatch(t, target, documented())
		const limit = 500 * time.Millisecond
		over := time.After(limit + 50*time.Millisecond)
		short := rebuild.Engine{MaxDuration: limit, Hook: once("index", func() { <-over })}
		result, err := short.Clean(t.Context(), f.DB, f.Plan(token.Documented), logging(t))
		require.NoError(t, err)
		require.Equal(t, "the time limit of 500ms", result.Stopped)
		require.Equal(t, before, definitions(t, target))
		w.requireUntouched(t)

		long := rebuild.Engine{MaxDuration: time.Hour}
		result, err = long.Clean(t.Context(), f.DB, f.Plan(token.Documented), logging(t))
		require.NoError(t, err)
		require.True(t, result.Complete())
		w.requirePass(t)
	})
}

func TestKeptFinishedAndUndone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		f := furnished(t, target)
		before, w := definitions(t, target), startWatch(t, target, documented())
		keep := func() {
			_, err := rebuild.Engine{Keep: true}.Clean(t.Context(), f.DB, plan(t, target, documented()), logging(t))
			require.NoError(t, err)
			_, err = rebuild.Engine{Resume: true}.Clean(t.Context(), f.DB, plan(t, target, documented()), logging(t))
			requireRefusal(t, err, "are kept", "rebuild finish", "rebuild undo")
		}
		keep()
		f.Insert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": "c", "TOKEN_SCOPE": "late"})
		requireRefusal(t, rebuild.Undo(t.Context(), f.DB, f.Dialect, f.Schema, false, logging(t)), schema.AccessTokenScope+" were written since", "--force")
		f.Exec("DELETE FROM " + schema.AccessTokenScope + " WHERE TOKEN_SCOPE = 'late'")
		require.NoError(t, rebuild.Undo(t.Context(), f.DB, f.Dialect, f.Schema, false, logging(t)))
		require.Equal(t, before, definitions(t, target))
		w.requireUntouched(t)
		requireRefusal(t, rebuild.Undo(t.Context(), f.DB, f.Dialect, f.Schema, false, logging(t)), "has no rebuild")

		keep()
		require.NoError(t, rebuild.Finish(t.Context(), f.DB, f.Dialect, f.Schema, logging(t)))
		require.Equal(t, before, definitions(t, target))
		w.requirePass(t)
	})
}

// TestOverlappingClocks copies two instants with one wall clock. Copied through the
// wall clock, the second would become the first.
func TestOverlappingClocks(t *testing.T) {
	t.Parallel()
	target := harness.ForTest(t, harness.Options{DB: harness.MySQL, WritersZone: "Europe/Berlin"})
	f := dbtest.New(t, target, dbtest.Setup{})
	conn, err := f.DB.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for i, id := range []string{"summer", "winter", "old-summer", "old-winter"} {
		state := token.Active
		if i > 1 {
			state = token.Revoked
		}
		f.Insert(tokens, dbtest.TokenRow(id, state, dbtest.Row{"VALIDITY_PERIOD": -1}))
		for _, s := range []string{"SET time_zone = '+00:00'", fmt.Sprintf("UPDATE %s SET TIME_CREATED = '2026-10-25 0%d:30:00' WHERE TOKEN_ID = '%s'", tokens, i%2, id)} {
			_, err := conn.ExecContext(t.Context(), s)
			require.NoError(t, err)
		}
	}
	_, outcome := f.Verified(rebuild.Engine{}, f.Plan(token.Documented))
	require.EqualValues(t, "pass", strings.ToLower(string(outcome.Verdict)), "%+v", outcome.Findings)
	for table, names := range map[string][2]string{tokens: {"summer", "winter"}, schema.TokenAudit: {"old-summer", "old-winter"}} {
		require.EqualValues(t, 1, f.Count(table, "TOKEN_ID = '"+names[0]+"' AND UNIX_TIMESTAMP(TIME_CREATED) = 1792888200"), table)
		require.EqualValues(t, 1, f.Count(table, "TOKEN_ID = '"+names[1]+"' AND UNIX_TIMESTAMP(TIME_CREATED) = 1792891800"), table)
	}
	require.Len(t, f.Keys(schema.TokenAudit, "INVALIDATED_TIME"), 2)
	require.Equal(t, f.Keys(schema.TokenAudit, "INVALIDATED_TIME")[0], f.Keys(schema.TokenAudit, "INVALIDATED_TIME")[1])
}

// TestLockIsLost kills the session that keeps writers from the tokens, just before the
// swap. What is written then must not go with the old table.
func TestLockIsLost(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		f := furnished(t, target)
		before := definitions(t, target)
		pool := as(t, f, grants) // on MySQL without an account of locks
		more := "SUPER"          // for the triggers of others
		if target.Server.Product == "MySQL" {
			more = "SUPER, SYSTEM_USER"
		}
		f.Exec("GRANT " + more + " ON *.* TO 'rebuild_" + f.Schema[len(f.Schema)-8:] + "'@'%'")
		pool.SetMaxIdleConns(0) // sessions from before do not have it
		_, err := rebuild.Engine{Hook: once("swap", func() {
			var main, locker int64
			require.NoError(t, f.DB.QueryRowContext(t.Context(), "SELECT IS_USED_LOCK(?)", cleanup.LockName(f.Schema)).Scan(&main))
			require.NoError(t, f.DB.QueryRowContext(t.Context(), "SELECT MIN(ID) FROM information_schema.PROCESSLIST WHERE USER LIKE 'rebuild%' AND DB = ? AND ID > ?",
				f.Schema, main).Scan(&locker))
			f.Exec(fmt.Sprintf("KILL %d", locker))
			f.Insert(tokens, dbtest.TokenRow("late", token.Active, nil)) // waits for the end of the session
		})}.Clean(t.Context(), pool, f.Plan(token.Documented), logging(t))
		require.ErrorContains(t, err, "the session that kept writers from "+tokens+" is gone")
		require.Equal(t, before, definitions(t, target))
		require.EqualValues(t, 1, f.Count(tokens, "TOKEN_ID = 'late'"))
		require.Zero(t, f.Count(schema.TokenAudit, ""))
		_, outcome := f.Verified(rebuild.Engine{}, f.Plan(token.Documented))
		require.EqualValues(t, "pass", strings.ToLower(string(outcome.Verdict)), "%+v", outcome.Findings)
	})
}

// TestReaderAtTheSwap opens a transaction that reads, which the lock allows and the
// swap does not.
func TestReaderAtTheSwap(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		f := furnished(t, target)
		before, w := definitions(t, target), startWatch(t, target, documented())
		var end func()
		_, err := rebuild.Engine{Hook: once("commit", func() { end = transaction(t, f, "SELECT COUNT(*) FROM "+schema.AuthzCode) })}.Clean(
			t.Context(), f.DB, f.Plan(token.Documented), logging(t))
		requireRefusal(t, err, "was taken back", "stop what uses the tables")
		require.Equal(t, before, definitions(t, target))
		w.requireUntouched(t)
		end()
	})
}
