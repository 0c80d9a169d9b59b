package rebuild_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// swappedFrom is the first step after which the new tables are in place.
var swappedFrom = slices.Index(rebuild.Steps(), "swapped")

// furnished has dead and live tokens with children, foreign keys with names of their
// own and triggers, so that a run comes through every step.
func furnished(t *testing.T, target *harness.Target) *dbtest.Fixture {
	return furnishedWith(t, target, nil)
}

func furnishedWith(t *testing.T, target *harness.Target, change func(*schema.Database)) *dbtest.Fixture {
	f := dbtest.New(t, target, dbtest.Setup{Change: func(d *schema.Database) {
		nameKeys(d)
		if change != nil {
			change(d)
		}
	}})
	f.Exec("CREATE TABLE NOTES (BODY VARCHAR(300))")
	for _, timing := range []string{"BEFORE", "AFTER"} {
		f.Exec("CREATE TRIGGER `NOTE_" + timing + "` " + timing + " INSERT ON `" + schema.AccessToken + "` " +
			"FOR EACH ROW INSERT INTO NOTES VALUES (CONCAT('" + timing + " ', NEW.TOKEN_ID))")
	}
	f.Exec("CREATE TRIGGER `NOTE_SCOPE` BEFORE UPDATE ON `" + schema.AccessTokenScope + "` FOR EACH ROW SET NEW.TENANT_ID = OLD.TENANT_ID")
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		state := token.Revoked
		changes := dbtest.Row{}
		if id == "c" || id == "f" {
			state, changes = token.Active, dbtest.Row{"TIME_CREATED": dbtest.At(7000)}
		}
		f.Insert(schema.AccessToken, dbtest.TokenRow(id, state, changes))
		f.Insert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": id, "TOKEN_SCOPE": "openid"})
		f.Insert(schema.AuthzCode, dbtest.CodeRow("of-"+id, token.Inactive, dbtest.Row{"TOKEN_ID": id}))
		f.Insert(schema.CIBACode, dbtest.CIBARow("of-"+id, "FAILED", nil))
	}
	f.Exec("DELETE FROM NOTES")
	return f
}

func nameKeys(d *schema.Database) {
	for i := range d.Tables {
		for k := range d.Tables[i].ForeignKeys {
			if k%2 == 0 {
				d.Tables[i].ForeignKeys[k].Name = "FK_" + strings.TrimPrefix(d.Tables[i].Name, "IDN_") + "_" + string(rune('A'+k))
			}
		}
	}
}

func documented() cleanup.Settings { return settings(token.Documented, true) }

// once calls do at the first step of that name.
func once(step string, do func()) func(string) {
	var first sync.Once
	return func(s string) {
		if s == step || strings.HasPrefix(s, step+" ") && (step == "copy" || step == "index") {
			first.Do(do)
		}
	}
}

// TestKilledAtEachStep kills every session of the run before each step. Before the
// swap the run takes back what it did, after it goes on.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	eachStep(t, func(t *testing.T, f *dbtest.Fixture, step string, late bool) {
		pool, _ := ownPool(t, f)
		before, w := definitions(t, f.Target), startWatch(t, f.Target, documented())
		killed := false
		_, err := rebuild.Engine{Hook: once(step, func() { killed = true; killAll(t, f) })}.Clean(t.Context(), pool, plan(t, f.Target, documented()), logging(t))
		require.True(t, killed, "there is no step %s", step)
		if late {
			require.NoError(t, err)
		} else {
			require.Error(t, err)
			var known *cleanup.Error
			require.True(t, errors.As(err, &known), "%v", err)
			require.Equal(t, before, definitions(t, f.Target))
			w.requireUntouched(t)
			_, err = rebuild.Engine{}.Clean(t.Context(), f.DB, plan(t, f.Target, documented()), logging(t))
			require.NoError(t, err)
		}
		require.Equal(t, before, definitions(t, f.Target))
		w.requirePass(t)
	})
}

// TestCrashedAtEachStep cuts the run off for good: it cannot take anything back. The
// next one finds what is left, says so, and with Resume comes to the same end.
func TestCrashedAtEachStep(t *testing.T) {
	t.Parallel()
	eachStep(t, func(t *testing.T, f *dbtest.Fixture, step string, _ bool) {
		pool, cut := ownPool(t, f)
		before, w := definitions(t, f.Target), startWatch(t, f.Target, documented())
		_, err := rebuild.Engine{Hook: once(step, cut)}.Clean(t.Context(), pool, plan(t, f.Target, documented()), logging(t))
		require.Error(t, err)
		settled(t, f)
		_, left := f.Found().Table(rebuild.JournalTable)
		if left {
			_, err = rebuild.Engine{}.Clean(t.Context(), f.DB, w.plan(t), logging(t))
			require.ErrorContains(t, err, "was interrupted")
			require.ErrorContains(t, err, "--resume")
		}
		result, err := rebuild.Engine{Resume: true}.Clean(t.Context(), f.DB, w.plan(t), logging(t))
		require.NoError(t, err)
		require.EqualValues(t, 4, result.Phases[0].Removed)
		require.EqualValues(t, 4, result.Phases[0].Audited)
		require.Equal(t, before, definitions(t, f.Target))
		w.requirePass(t)
	})
}

// TestUndoneAfterACrashAtEachStep puts the old tables back instead.
func TestUndoneAfterACrashAtEachStep(t *testing.T) {
	t.Parallel()
	eachStep(t, func(t *testing.T, f *dbtest.Fixture, step string, _ bool) {
		pool, cut := ownPool(t, f)
		before, w := definitions(t, f.Target), startWatch(t, f.Target, documented())
		_, err := rebuild.Engine{Hook: once(step, cut)}.Clean(t.Context(), pool, plan(t, f.Target, documented()), logging(t))
		require.Error(t, err)
		settled(t, f)
		err = rebuild.Undo(t.Context(), f.DB, f.Dialect, f.Schema, false, logging(t))
		switch step {
		case "check", "try", "journal":
			requireRefusal(t, err, "has no rebuild to finish or to undo")
		case "end":
			requireRefusal(t, err, "is gone", "rebuild finish")
			require.NoError(t, rebuild.Finish(t.Context(), f.DB, f.Dialect, f.Schema, logging(t)))
			w.requirePass(t)
			return
		default:
			require.NoError(t, err)
		}
		require.Equal(t, before, definitions(t, f.Target))
		w.requireUntouched(t)
	})
}

// interleaved are the arguments with which several sessions copy to the audit table, so
// that there is a step between their commits.
var interleaved = map[string][]string{harness.MariaDB: {"--innodb-autoinc-lock-mode=2"}}

// eachStep runs a test for every step, on each kind of server.
func eachStep(t *testing.T, test func(t *testing.T, f *dbtest.Fixture, step string, late bool)) {
	onEachWith(t, interleaved, func(t *testing.T, target *harness.Target) {
		for i, step := range rebuild.Steps() {
			t.Run(step, func(t *testing.T) {
				fresh, err := target.NewSchema(t.Context(), "")
				require.NoError(t, err)
				defer func() { require.NoError(t, fresh.Close()) }()
				test(t, furnished(t, fresh), step, i >= swappedFrom)
			})
		}
	})
}

// plan is made of the tables before the run, as by a process that died.
func (w *watch) plan(t *testing.T) *cleanup.Plan {
	t.Helper()
	p, err := cleanup.NewPlan(w.image.Found, w.target.Dialect, w.settings)
	require.NoError(t, err)
	return p
}

// ownPool is a pool for the run alone, and what cuts it off.
func ownPool(t *testing.T, f *dbtest.Fixture) (pool *sql.DB, cut func()) {
	t.Helper()
	login, err := mysqldriver.ParseDSN(f.ConnectionString())
	require.NoError(t, err)
	var mu sync.Mutex
	var open []net.Conn
	isCut := false
	login.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if isCut {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("cut off")}
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			open = append(open, conn)
		}
		return conn, err
	}
	connector, err := mysqldriver.NewConnector(login)
	require.NoError(t, err)
	pool = sql.OpenDB(connector)
	t.Cleanup(func() { _ = pool.Close() })
	return pool, func() {
		mu.Lock()
		defer mu.Unlock()
		isCut = true
		for _, conn := range open {
			conn.Close()
		}
	}
}

// others are the sessions in the fixture's schema that use tables.
func others(t *testing.T, f *dbtest.Fixture, own *sql.Conn) (ids []int64) {
	t.Helper()
	rows, err := own.QueryContext(t.Context(), "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = ? AND ID <> CONNECTION_ID()", f.Schema)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var id int64
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	return ids
}

// killAll ends all sessions of the schema but its own, and waits for their end.
func killAll(t *testing.T, f *dbtest.Fixture) {
	conn, err := f.DB.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	// A RENAME first, while it waits: MariaDB loses triggers if it is killed at work.
	var renaming int64
	_ = conn.QueryRowContext(t.Context(), "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = ? AND INFO LIKE 'RENAME%'", f.Schema).Scan(&renaming)
	_, _ = conn.ExecContext(t.Context(), fmt.Sprintf("KILL %d", renaming))
	for renaming > 0 && slices.Contains(others(t, f, conn), renaming) {
		require.NoError(t, t.Context().Err())
	}
	for _, id := range others(t, f, conn) {
		_, _ = conn.ExecContext(t.Context(), fmt.Sprintf("KILL %d", id))
	}
}

// settled waits until the server has noticed that the run's sessions are gone.
func settled(t *testing.T, f *dbtest.Fixture) {
	t.Helper()
	conn, err := f.DB.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	f.DB.SetMaxIdleConns(0) // so that only the run's are left
	defer f.DB.SetMaxIdleConns(2)
	for len(others(t, f, conn)) > 0 {
		require.NoError(t, t.Context().Err())
	}
}
