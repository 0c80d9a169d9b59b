package procedure_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// becomesRemovable revokes a token behind the one for which the delete waits, when
// the batch has been locked and copied. It must be taken back and done again, in halves.
func becomesRemovable(t *testing.T, db string) {
	w := newWorld(t, db)
	w.install()
	s := w.session()
	// The scope is locked, on which the cascade waits.
	tx, err := w.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.Exec("UPDATE " + w.Dialect.Table(schema.AccessTokenScope) + " SET TENANT_ID = 7 WHERE TOKEN_ID = 'dead-00'")
	require.NoError(t, err)
	done := s.start(arguments(func(a *procedure.Arguments) { a.Batch = 100 }))
	s.waits()
	w.Exec("UPDATE " + tokens + " SET TOKEN_STATE = 'REVOKED' WHERE TOKEN_ID = 'dead-27-but-live'")
	require.NoError(t, tx.Commit())
	result := <-done
	require.NoError(t, result.err)
	// A server whose DELETE reads rows as they were when it began leaves the token to the
	// next run; others take the batch back. What is gone is audited, in any case.
	gone := deadTokens + 1 - int(w.Count(tokens, "TOKEN_ID = 'dead-27-but-live'"))
	require.EqualValues(t, gone, w.Count(audits, ""))
	require.Equal(t, strconv.Itoa(gone), result.row["TOKENS_REMOVED"])
	require.Equal(t, strconv.Itoa(gone), result.row["TOKENS_AUDITED"])
	require.Equal(t, strconv.Itoa(deadTokens+deadTokens/3), result.row["TOKENS_EXAMINED"])
	if w.mysql() {
		require.Equal(t, deadTokens+1, gone)
		require.Equal(t, "1", result.row["MISMATCHES"])
		require.Equal(t, "2", result.row["TOKENS_BATCHES"], "a half each")
	}
}

// smallerBatches has rows of the first batch become removable whenever it has been
// locked. It must shrink until it holds none of them, and grow again behind it.
func smallerBatches(t *testing.T, db string) {
	w := newWorld(t, db)
	const late = " WHERE TOKEN_ID IN ('dead-02', 'dead-05')" // the fourth key and the eighth
	judged(t, w.Target, w.Plan(token.Documented), func() {
		w.Exec("UPDATE " + tokens + " SET " + live() + late)
		w.meddle("", "UPDATE "+w.Dialect.Table(tokens)+" SET "+dead()+late)
		row := w.session().mustCall(arguments(func(a *procedure.Arguments) { a.Batch = 8 }))
		require.Equal(t, "2", row["MISMATCHES"])
		require.Equal(t, strconv.Itoa(deadTokens+deadTokens/3), row["TOKENS_EXAMINED"])
		require.Equal(t, strconv.Itoa(deadTokens), row["TOKENS_REMOVED"])
		require.Equal(t, "7", row["TOKENS_BATCHES"], "of 2, 4, 8, 8, 8, 8 and 2 keys")
		account := w.runs()[0].Phases[0]
		require.EqualValues(t, deadTokens+deadTokens/3, account.Examined)
		require.EqualValues(t, 7, account.Batches)
		w.requireClean()
		require.NoError(t, procedure.Uninstall(t.Context(), w.DB, w.Dialect, w.Schema))
	})
}

// rowAlone has the first row become removable in every one of the first attempts.
func rowAlone(t *testing.T, db string) {
	meddled := func(w *world, attempts string) {
		first := " WHERE TOKEN_ID = 'dead-00' AND " + w.d.Variable("taken_back") + " < " + attempts
		w.meddle("UPDATE "+w.Dialect.Table(tokens)+" SET "+live()+first, "UPDATE "+w.Dialect.Table(tokens)+" SET "+dead()+first)
	}
	inFours := arguments(func(a *procedure.Arguments) { a.Batch = 4 })

	// With four keys, two, and twice the row alone: it goes at the fifth attempt.
	w := newWorld(t, db)
	meddled(w, "4")
	row := w.session().mustCall(inFours)
	require.Equal(t, "4", row["MISMATCHES"])
	require.Equal(t, strconv.Itoa(deadTokens+deadTokens/3), row["TOKENS_EXAMINED"])
	require.Equal(t, "12", row["TOKENS_BATCHES"], "of 1, 2, nine times 4, and 1 keys")
	w.requireClean()

	// And a third time alone.
	w = newWorld(t, db)
	meddled(w, "5")
	s := w.session()
	before, settings := w.Dump(), s.settings()
	_, err := s.call(inFours)
	w.requireRefused(err, "a row alone was rolled back 3 times in a row", "something changes it without pause", "call again at a quieter time")
	require.Equal(t, settings, s.settings())
	run := w.runs()[0]
	require.Contains(t, run.Outcome, "failed: tokensweep: a row alone was rolled back 3 times in a row")
	for _, p := range run.Phases {
		require.Zero(t, p.Examined+p.Removed+p.Audited+p.Batches, p.Phase)
		require.False(t, p.Ended.IsZero())
	}
	after := w.Dump()
	delete(before, procedure.RunsTable)
	delete(after, procedure.RunsTable)
	require.Equal(t, before, after)
	w.install()
	w.requireFree()
	w.requireClean()
}

// meddle installs the procedure with statements of a meddler in every batch of tokens:
// before its rows are locked, and before the first of them is deleted. What they change
// is rolled back with the batch, so that they do it at each attempt, without a second
// session that would have to be kept in step.
func (w *world) meddle(before, behind string) {
	w.t.Helper()
	text, err := procedure.Script(w.t.Context(), w.DB, w.plan(true))
	require.NoError(w.t, err)
	for mark, statement := range map[string]string{"            SET " + w.d.Variable("at") + " = ": before, "            DELETE": behind} {
		if statement == "" {
			continue
		}
		head, tail, found := strings.Cut(text, "\n"+mark)
		require.True(w.t, found, "no line starts with %q", mark)
		text = head + "\n" + statement + ";\n" + mark + tail
	}
	w.session().exec(statements(w.t, w.Dialect, text)...)
}

// live and dead are what an UPDATE sets for tokens to be as the world's live and dead ones.
func live() string { return "TOKEN_STATE = 'ACTIVE', TIME_CREATED = '" + at(7000) + "'" }
func dead() string { return "TOKEN_STATE = 'REVOKED', TIME_CREATED = '" + at(-9_000_000) + "'" }

// at is dbtest.At in the form that all servers read alike.
func at(seconds int64) string { return strings.Replace(dbtest.At(seconds), " ", "T", 1) }
