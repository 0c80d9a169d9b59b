package load

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// world is a schema with seeded tokens and load on it.
type world struct {
	*harness.Target
	t     *testing.T
	found *schema.Database
	load  *Load
	older map[string]int64 // rows of each table before the load
}

func newWorld(t *testing.T, db, release string, s Spec) *world {
	t.Helper()
	target := harness.ForTest(t, harness.Options{DB: db})
	w := &world{Target: target, t: t}
	into := seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
	_, err := seed.Fill(t.Context(), into, release, "", seed.Spec{Seed: 5, Tokens: 300, CutOff: time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second)}, seed.Options{})
	require.NoError(t, err)
	w.found, err = schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	w.older = w.rows()
	own, err := target.Connect(t.Context(), harness.Session{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, own.Close()) })
	w.load, err = Prepare(t.Context(), own, target.Dialect, w.found, s)
	require.NoError(t, err)
	return w
}

// exec runs a statement that changes rows or returns what the server waited for.
func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	_, err := w.DB.ExecContext(w.t.Context(), query, args...)
	require.NoError(w.t, err, query)
}

// run makes load while the server lets a session sleep for so many seconds.
func (w *world) run(seconds float64) *Result {
	w.t.Helper()
	phase := w.load.Start(w.t.Context())
	w.exec(fmt.Sprintf("DO SLEEP(%g)", seconds))
	result, err := phase.End()
	require.NoError(w.t, err)
	return result
}

func (w *world) check(audit string) []Deviation {
	w.t.Helper()
	all, err := w.load.Check(w.t.Context(), w.found, audit)
	require.NoError(w.t, err)
	return all
}

// rows counts those of every table.
func (w *world) rows() map[string]int64 {
	w.t.Helper()
	all := map[string]int64{}
	for _, table := range w.found.Tables {
		var n int64
		require.NoError(w.t, w.DB.QueryRowContext(w.t.Context(), "SELECT COUNT(*) FROM "+w.Dialect.Table(table.Name)).Scan(&n))
		all[table.Name] = n
	}
	return all
}

// id is that of one of the load's tokens in a state.
func (w *world) id(state string) string {
	w.t.Helper()
	var id string
	err := w.DB.QueryRowContext(w.t.Context(), "SELECT TOKEN_ID FROM "+schema.AccessToken+" WHERE USER_DOMAIN = ? AND TOKEN_STATE = ? ORDER BY TOKEN_ID LIMIT 1", Domain, state).Scan(&id)
	require.NoError(w.t, err)
	return id
}

// TestLoadServesItsClientsAndLeavesNothing: on the tables of the oldest and the
// newest release all kinds of operations work, and afterwards every table has the
// rows that it had.
func TestLoadServesItsClientsAndLeavesNothing(t *testing.T) {
	for _, c := range []struct{ db, release string }{
		{harness.MySQL, schema.Releases()[0]}, {harness.MySQL, "is-7.3"}, {harness.MariaDB, schema.DefaultRelease},
	} {
		t.Run(c.db+" "+c.release, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.db, c.release, Spec{Rate: 200, Seed: 1, Connections: 8})
			made := w.rows()[schema.AccessToken] - 300
			require.EqualValues(t, w.load.first, made)
			result := w.run(0.6)
			require.Zero(t, result.Failed, "%v", result.Errors)
			require.GreaterOrEqual(t, result.Done, int64(120))
			for k, l := range result.Kinds {
				require.Positive(t, l.Count, Kind(k))
			}
			require.Greater(t, result.Kinds[Validate].Count, result.Kinds[Refresh].Count)
			require.Greater(t, result.Kinds[Refresh].Count, result.Kinds[Revoke].Count)
			require.Len(t, result.Slices, 1)
			require.Equal(t, result.All, result.Slices[0].Latency)
			require.Empty(t, w.check(schema.TokenAudit))
			require.EqualValues(t, 300+made+result.Kinds[Issue].Count+result.Kinds[Refresh].Count, w.rows()[schema.AccessToken])

			before := w.run(0.2) // operations of a second phase are others
			require.Zero(t, before.Failed, "%v", before.Errors)
			require.Empty(t, w.check(""))
			w.exec("CREATE TABLE BAK_TOKENS AS SELECT * FROM " + schema.AccessToken)
			now, err := schema.Read(t.Context(), w.DB, w.Dialect, w.Schema)
			require.NoError(t, err)
			require.NoError(t, w.load.Remove(t.Context(), now))
			var left int64
			require.NoError(t, w.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM BAK_TOKENS").Scan(&left))
			require.EqualValues(t, 300, left)
			require.Equal(t, w.older, w.rows())
		})
	}
}

// TestAStallShowsInFull: all operations that are due while a table is locked wait,
// and not just one for each connection.
func TestAStallShowsInFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, harness.MySQL, schema.DefaultRelease, Spec{Rate: 100, Seed: 1, Connections: 4})
	phase := w.load.Start(t.Context())
	holder, err := w.DB.Conn(t.Context())
	require.NoError(t, err)
	defer holder.Close()
	for _, statement := range []string{"LOCK TABLES " + schema.AccessToken + " WRITE", "DO SLEEP(1)", "UNLOCK TABLES"} {
		_, err := holder.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	result, err := phase.End()
	require.NoError(t, err)
	require.GreaterOrEqual(t, result.All.Max, 950*time.Millisecond)
	require.GreaterOrEqual(t, result.All.P999, 950*time.Millisecond)
	// About 100 operations were due in that second, evenly: half of them waited for
	// half a second or more. By their own beginnings 4 would have waited for all of it,
	// and the 96 others not at all.
	require.GreaterOrEqual(t, result.All.P50, 200*time.Millisecond)
	require.Greater(t, result.Queued, int64(50))
	require.GreaterOrEqual(t, result.Slices[0].Max, 950*time.Millisecond)
	require.Empty(t, w.check(""))
}

// TestOverloadIsReported: a server that cannot keep up does not slow the schedule down.
func TestOverloadIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, harness.MySQL, schema.DefaultRelease, Spec{Rate: 20_000, Seed: 1, Connections: 1})
	result := w.run(0.02)
	require.GreaterOrEqual(t, result.Due, int64(400))
	require.Less(t, result.Rate, 15_000.0)
	require.Greater(t, result.Queued, result.Due/2)
	require.Greater(t, result.All.P99, result.Took)
}

// TestEveryWrongTokenIsNamed damages one token at a time.
func TestEveryWrongTokenIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, harness.MySQL, schema.DefaultRelease, Spec{Rate: 300, Seed: 3, Connections: 8})
	require.Zero(t, w.run(0.5).Failed)
	const tokens, scopes, audit = schema.AccessToken, schema.AccessTokenScope, schema.TokenAudit
	audited := func(id, state string) string {
		return "INSERT INTO " + audit + " (TOKEN_ID, TOKEN_STATE) VALUES ('" + id + "', '" + state + "')"
	}
	remove := "DELETE FROM " + tokens + " WHERE TOKEN_ID = '%s'"
	for name, c := range map[string]struct {
		state, says string
		audit       string // where removed tokens have to be
		damage      []string
	}{
		"removed ACTIVE":       {"ACTIVE", "were ACTIVE and are gone", "", []string{remove}},
		"removed and audited":  {"ACTIVE", "were ACTIVE and are gone", audit, []string{audited("%s", "ACTIVE"), remove}},
		"changed":              {"ACTIVE", "are EXPIRED and were left ACTIVE", "", []string{"UPDATE " + tokens + " SET TOKEN_STATE = 'EXPIRED' WHERE TOKEN_ID = '%s'"}},
		"resurrected":          {"REVOKED", "are INACTIVE and were left REVOKED", "", []string{"UPDATE " + tokens + " SET TOKEN_STATE = 'INACTIVE' WHERE TOKEN_ID = '%s'"}},
		"without scope":        {"ACTIVE", "have other scopes", "", []string{"DELETE FROM " + scopes + " WHERE TOKEN_ID = '%s'"}},
		"live and audited":     {"INACTIVE", "are audited and still live", audit, []string{audited("%s", "INACTIVE")}},
		"audited unasked":      {"INACTIVE", "in an audit table in which nothing belongs", "", []string{audited("%s", "INACTIVE"), remove}},
		"not audited":          {"REVOKED", "were REVOKED and are gone without an audit copy", audit, []string{remove}},
		"audited twice":        {"INACTIVE", "audited more than once", audit, []string{audited("%s", "INACTIVE"), audited("%s", "INACTIVE"), remove}},
		"audited as another":   {"REVOKED", "audited as ACTIVE and were left REVOKED", audit, []string{audited("%s", "ACTIVE"), remove}},
		"removed rightly":      {"REVOKED", "", "", []string{remove}},
		"and audited":          {"INACTIVE", "", audit, []string{audited("%s", "INACTIVE"), remove}},
		"scope without token":  {"REVOKED", "left their scopes", "", []string{"SET FOREIGN_KEY_CHECKS = 0", remove}},
		"of a failed one":      {"ACTIVE", "although the operation failed", "", nil},
		"which a client lacks": {"ACTIVE", "were ACTIVE and not found by a validate", "", nil},
	} {
		t.Run(name, func(t *testing.T) { w.damaged(t, c.state, c.says, c.audit, c.damage) })
	}
}

// damaged damages a token in that state, looks what Check says and repairs it.
func (w *world) damaged(t *testing.T, state, says, audit string, damage []string) {
	id := w.id(state)
	conn, err := w.DB.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	exec := func(statement string) {
		_, err := conn.ExecContext(t.Context(), strings.ReplaceAll(statement, "%s", id))
		require.NoError(t, err, statement)
	}
	exec("CREATE TEMPORARY TABLE keep_token AS SELECT * FROM " + schema.AccessToken + " WHERE TOKEN_ID = '%s'")
	exec("CREATE TEMPORARY TABLE keep_scope AS SELECT * FROM " + schema.AccessTokenScope + " WHERE TOKEN_ID = '%s'")
	undo := func() {}
	for i, p := range w.load.pool {
		if w.load.names(p.n).id != id || damage != nil {
			continue
		}
		pool := append([]held{}, w.load.pool...)
		w.load.pool = append(w.load.pool[:i:i], w.load.pool[i+1:]...)
		undo = func() { w.load.pool, w.load.done, w.load.refused = pool, w.load.done[:len(w.load.done)-1], nil }
		if strings.Contains(says, "failed") {
			p.state = absent
			w.load.done = append(w.load.done, p)
		} else {
			w.load.done = append(w.load.done, held{n: 1 << 60, state: absent})
			w.load.refused = append(w.load.refused, refusal{p, Validate})
		}
		break
	}
	for _, statement := range damage {
		exec(statement)
	}
	found := w.check(audit)
	undo()
	for _, statement := range []string{"SET FOREIGN_KEY_CHECKS = 1", "DELETE FROM " + schema.AccessTokenScope + " WHERE TOKEN_ID = '%s'", "DELETE FROM " + schema.AccessToken + " WHERE TOKEN_ID = '%s'",
		"DELETE FROM " + schema.TokenAudit + " WHERE TOKEN_ID = '%s'", "INSERT INTO " + schema.AccessToken + " SELECT * FROM keep_token",
		"INSERT INTO " + schema.AccessTokenScope + " SELECT * FROM keep_scope", "DROP TEMPORARY TABLE keep_token, keep_scope"} {
		exec(statement)
	}
	require.Empty(t, w.check(audit), "repaired")
	if says == "" {
		require.Empty(t, found)
		return
	}
	require.Len(t, found, 1, "%v", found)
	require.Contains(t, found[0].What, says)
	require.EqualValues(t, 1, found[0].Count)
	require.Equal(t, []string{id}, found[0].Samples)
}

// TestClientsAreToldWhatTheyLost: operations on a token that somebody removed are
// faults, and those that end in a broken connection may have happened or not.
func TestClientsAreToldWhatTheyLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, harness.MySQL, schema.DefaultRelease, Spec{Rate: 100, Seed: 2, Connections: 2})
	w.exec("DELETE FROM "+schema.AccessToken+" WHERE USER_DOMAIN = ?", Domain)
	result := w.run(0.3)
	require.Positive(t, result.Failed)
	require.Contains(t, strings.Join(result.Errors, "\n"), "does not find a token that is ACTIVE")
	said := fmt.Sprint(w.check(""))
	for _, kind := range []Kind{Validate, Refresh} {
		require.Contains(t, said, "not found by a "+kind.String())
	}
	require.Contains(t, said, "were ACTIVE and are gone")
}

func TestHalfOfAnOperation(t *testing.T) {
	t.Parallel()
	is := func(states ...string) seen { return seen{live: states, scopes: []string{scope}} }
	gone := seen{}
	for name, c := range map[string]struct {
		became   state
		was, now seen
		right    bool
	}{
		"did not happen":             {inactive, is("ACTIVE"), gone, true},
		"happened":                   {inactive, is("INACTIVE"), is("ACTIVE"), true},
		"happened, old one cleaned":  {inactive, gone, is("ACTIVE"), true},
		"old one only":               {inactive, is("INACTIVE"), gone, false},
		"new one only":               {inactive, is("ACTIVE"), is("ACTIVE"), false},
		"new one without its scope":  {inactive, is("INACTIVE"), seen{live: []string{"ACTIVE"}}, false},
		"nothing is left of either":  {inactive, gone, gone, false},
		"revoked instead":            {inactive, is("REVOKED"), is("ACTIVE"), false},
		"revocation, happened":       {revoked, is("REVOKED"), gone, true},
		"revocation, did not happen": {revoked, is("ACTIVE"), gone, true},
	} {
		u := unsure{was: &held{n: 1}, became: c.became, made: &held{n: 2}}
		if c.became == revoked {
			u.made = nil
		}
		what, _ := u.judge(func(t held) seen { return map[uint64]seen{1: c.was, 2: c.now}[t.n] }, false)
		require.Equal(t, c.right, what == "", "%s: %s", name, what)
	}
}

// TestALostConnectionIsCountedAndForgiven: sessions that are killed make operations
// fail, and what they may have done is judged as a whole.
func TestALostConnectionIsCountedAndForgiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t, harness.MySQL, schema.DefaultRelease, Spec{Rate: 300, Seed: 4, Connections: 8})
	phase := w.load.Start(t.Context())
	killed := 0
	for range 30 {
		killed += w.killOne(t.Context())
		w.exec("DO SLEEP(0.01)")
	}
	result, err := phase.End()
	require.NoError(t, err)
	require.Positive(t, killed)
	require.Positive(t, result.Done-result.Failed)
	require.Empty(t, w.check(""))
}

// killOne kills a session of the load, one that works if there is such.
func (w *world) killOne(ctx context.Context) int {
	var id int64
	err := w.DB.QueryRowContext(ctx, "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = ? AND ID <> CONNECTION_ID() ORDER BY COMMAND = 'Sleep' LIMIT 1", w.Schema).Scan(&id)
	if err != nil {
		return 0
	}
	_, err = w.DB.ExecContext(ctx, fmt.Sprintf("KILL %d", id))
	if err != nil {
		return 0
	}
	return 1
}

func TestWhatCannotBeMadeIsRefused(t *testing.T) {
	t.Parallel()
	for says, s := range map[string]Spec{"a load of 0": {}, "a load of -1": {Rate: -1}, "200000 operations": {Rate: 200_000}, "-1 connections": {Rate: 1, Connections: -1}} {
		require.ErrorContains(t, s.Validate(), says)
	}
	w := newWorld(t, harness.MySQL, schema.DefaultRelease, Spec{Rate: 1, Connections: 1})
	own, err := w.Connect(t.Context(), harness.Session{})
	require.NoError(t, err)
	defer own.Close()
	_, err = Prepare(t.Context(), own, w.Dialect, &schema.Database{}, Spec{Rate: 1})
	require.ErrorContains(t, err, "there is no table")
}
