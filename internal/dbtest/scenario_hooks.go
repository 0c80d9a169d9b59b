package dbtest

import (
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// hook is what a scenario needs besides rows. Each function may be nil.
type hook struct {
	before func(*stage)                // the rows are there, nothing has run
	engine func(*stage) cleanup.Engine // for the first run
	after  func(*stage)                // all runs have been checked
}

// hooks are the names that a scenario.toml can give, made anew for each run.
func hooks() map[string]*hook {
	return map[string]*hook{
		"free-keys":          {before: keysTaken, after: keysFree},
		"second-schema":      secondSchema(),
		"change-during-run":  {engine: changedDuringRun},
		"ids-are-not-folded": {before: idsAreNotFolded},
	}
}

// freshToken is an ACTIVE token for the key of another.
func freshToken(id, user, userType string) Row {
	return TokenRow(id, token.Active, Row{"AUTHZ_USER": user, "USER_TYPE": userType, "TIME_CREATED": At(7000), "REFRESH_TOKEN_TIME_CREATED": At(7000)})
}

func keysTaken(st *stage) {
	st.requireTaken(freshToken("fresh-app", "shared", "APPLICATION"))
	st.requireTaken(freshToken("fresh-other", "other-dead", "APPLICATION_USER"))
}

// keysFree is the proof that dead rows no longer block the product; a key that
// a live token holds stays blocked, rightly.
func keysFree(st *stage) {
	st.Insert(schema.AccessToken, freshToken("fresh-app", "shared", "APPLICATION"))
	st.Insert(schema.AccessToken, freshToken("fresh-other", "other-dead", "APPLICATION_USER"))
	st.requireTaken(freshToken("fresh-user", "shared", "APPLICATION_USER"))
}

func (st *stage) requireTaken(row Row) {
	st.t.Helper()
	err := st.TryInsert(schema.AccessToken, row)
	require.Equal(st.t, dialect.Duplicate, st.Dialect.Classify(err), "%v", err)
}

// secondSchema puts another schema with the same rows on the server, and a
// foreign table of the ledger's name in it. The engine gets sessions whose
// default schema is that one, where the server has such a thing.
func secondSchema() *hook {
	var second *Fixture
	var held map[string][]string
	return &hook{
		before: func(st *stage) {
			target, err := st.NewSchema(st.t.Context(), "")
			require.NoError(st.t, err)
			st.t.Cleanup(func() { require.NoError(st.t, target.Close()) })
			second = New(st.t, target, Setup{})
			st.load(second, st.variant)
			second.Exec("CREATE TABLE " + cleanup.LedgerTable + " (NOTE VARCHAR(20))")
			second.Exec("INSERT INTO " + cleanup.LedgerTable + " VALUES ('not yours')")
			held = second.Dump()
		},
		engine: func(st *stage) cleanup.Engine {
			b := cleanup.Batch{Size: st.batchSize}
			if _, ok := st.Dialect.(dialect.SchemaUser); !ok {
				return b // sessions belong to one database
			}
			return onto{b, second.DB}
		},
		after: func(st *stage) { require.Equal(st.t, held, second.Dump()) },
	}
}

// changedDuringRun is the product at work between the moment when the engine
// picks keys and the moment when it removes them.
func changedDuringRun(st *stage) cleanup.Engine {
	done := false
	return cleanup.Batch{Size: 1000, Hook: func(step string) {
		if step != "begin" || done {
			return
		}
		done = true
		st.Exec("UPDATE " + tokens + " SET TIME_CREATED = '" + At(7000) + "', REFRESH_TOKEN_TIME_CREATED = '" + At(7000) + "' WHERE TOKEN_ID LIKE 'refreshed-%'")
		st.Exec("UPDATE " + tokens + " SET TIME_CREATED = '" + At(7000) + "', TOKEN_STATE = 'ACTIVE', TOKEN_STATE_ID = 'NONE' WHERE TOKEN_ID LIKE 'revived-%'")
		st.Exec("DELETE FROM " + tokens + " WHERE TOKEN_ID = 'reissued'")
		st.Insert(tokens, TokenRow("reissued", token.Active, Row{"TIME_CREATED": At(7000)}))
	}}
}

// idsAreNotFolded makes sure that the scenario tests what it says.
func idsAreNotFolded(st *stage) {
	require.EqualValues(st.t, 1, st.Count(tokens, "TOKEN_ID = 'abc'"))
	require.EqualValues(st.t, 1, st.Count(tokens, "TOKEN_ID = 'ABC'"))
}
