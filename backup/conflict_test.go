package backup_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

const goneApp = 17

// world is a database in which life goes on between clean and restore.
func world(t *testing.T, db string) *dbtest.Fixture {
	f := dbtest.New(t, open(t, harness.Options{DB: db}), dbtest.Setup{})
	f.Insert(schema.ConsumerApps, dbtest.Row{"ID": goneApp, "CONSUMER_KEY": "app-17", "CONSUMER_SECRET": "secret", "USERNAME": "admin", "TENANT_ID": -1234,
		"USER_DOMAIN": "PRIMARY", "APP_NAME": "gone"})
	old := dbtest.At(-900_000_000)
	ended := dbtest.Row{"TIME_CREATED": old, "REFRESH_TOKEN_TIME_CREATED": old, "VALIDITY_PERIOD": 1000, "REFRESH_TOKEN_VALIDITY_PERIOD": 1000}
	of := func(app int) dbtest.Row { return dbtest.Row{"CONSUMER_KEY_ID": app} }
	f.Insert(schema.AccessToken, dbtest.TokenRow("plain", token.Revoked, nil))
	f.Insert(schema.AccessToken, dbtest.TokenRow("active", token.Active, ended))
	f.Insert(schema.AccessToken, dbtest.TokenRow("reissued", token.Revoked, nil))
	f.Insert(schema.AccessToken, dbtest.TokenRow("of-gone-app", token.Revoked, of(goneApp)))
	for _, id := range []string{"plain", "active", "reissued", "of-gone-app"} {
		f.Insert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": id, "TOKEN_SCOPE": "openid"})
		f.Insert(schema.TokenBinding, dbtest.Row{"TOKEN_ID": id, "TOKEN_BINDING_TYPE": "cookie", "TOKEN_BINDING_VALUE": "value-" + id})
	}
	f.Insert(schema.AuthzCode, dbtest.CodeRow("code-plain", token.Inactive, dbtest.Row{"TOKEN_ID": "plain"}))
	f.Insert(schema.AuthzCode, dbtest.CodeRow("code-of-gone-app", token.Inactive, of(goneApp)))
	f.Insert(schema.AuthzCodeScope, dbtest.Row{"CODE_ID": "code-of-gone-app", "SCOPE": "openid"})
	// One request object goes with its token before its code goes, and comes back behind it.
	f.Insert(schema.RequestObject, dbtest.Row{"ID": 1, "CONSUMER_KEY_ID": dbtest.App, "CODE_ID": "code-plain", "TOKEN_ID": "plain"})
	f.Insert(schema.RequestObject, dbtest.Row{"ID": 2, "CONSUMER_KEY_ID": goneApp, "CODE_ID": nil, "TOKEN_ID": "active"})
	for id := 1; id <= 2; id++ {
		f.Insert(schema.RequestClaims, dbtest.Row{"ID": id, "REQ_OBJECT_ID": id, "CLAIM_ATTRIBUTE": "email"})
		f.Insert(schema.RequestValues, dbtest.Row{"ID": id, "REQ_OBJECT_CLAIMS_ID": id, "CLAIM_VALUES": "a"})
	}
	f.Insert(schema.CIBACode, dbtest.CIBARow("ciba", "FAILED", nil))
	f.Insert(schema.CIBACode, dbtest.CIBARow("ciba-of-gone-app", "FAILED", dbtest.Row{"CONSUMER_KEY": "app-17"}))
	f.Insert(schema.CIBAScope, dbtest.Row{"AUTH_CODE_KEY": "ciba", "SCOPE": "openid"})
	return f
}

// items are the rows that stay out, as table and key.
func items(r *backup.Report, fate backup.Fate) (keys []string) {
	for _, i := range r.Listed {
		if i.Fate == fate {
			keys = append(keys, i.Table+" "+i.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

// TestLifeWentOn: the app goes away, a user logs in again, an id is issued anew.
// Nothing newer is touched; what stays out is listed, with its reason.
func TestLifeWentOn(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		f := world(t, db)
		_, kept := cleaned(t, f.Target, cleanup.Batch{Size: 2}, true)
		require.Empty(t, f.Keys(schema.AccessToken, "TOKEN_ID"))

		f.Exec("DELETE FROM "+schema.ConsumerApps+" WHERE ID = ?", goneApp)
		f.Insert(schema.AccessToken, dbtest.TokenRow("new-login", token.Active, dbtest.Row{"AUTHZ_USER": "active", "TIME_CREATED": dbtest.At(7000)}))
		f.Insert(schema.AccessToken, dbtest.TokenRow("reissued", token.Active, dbtest.Row{"TIME_CREATED": dbtest.At(7000)}))
		between := contents(t, f.Target)

		dry := restored(t, f.Target, kept.Path, backup.Options{DryRun: true})
		requireSame(t, between, contents(t, f.Target))
		report := restored(t, f.Target, kept.Path, backup.Options{})
		require.Equal(t, dry.Sums, report.Sums)
		require.Equal(t, dry.Listed, report.Listed)
		require.False(t, report.Whole())
		require.Equal(t, []string{schema.AccessToken + " active"}, items(report, backup.KeyTaken))
		require.Equal(t, []string{schema.AccessToken + " reissued"}, items(report, backup.NewerRow))
		require.Equal(t, []string{schema.AccessToken + " of-gone-app", schema.AuthzCode + " code-of-gone-app", schema.CIBACode + " ciba-of-gone-app"},
			trimmed(items(report, backup.AppGone)))
		for _, i := range report.Listed {
			switch i.Fate {
			case backup.KeyTaken:
				require.Contains(t, i.Detail, "is taken by new-login")
			case backup.AppGone:
				require.Regexp(t, "consumer app (17|app-17) is gone", i.Detail)
			}
		}
		require.Equal(t, []string{"new-login", "plain", "reissued"}, f.Keys(schema.AccessToken, "TOKEN_ID"))
		require.EqualValues(t, 2, f.Count(schema.AccessToken, "TOKEN_STATE = 'ACTIVE'"))
		require.Equal(t, []string{"code-plain"}, f.Keys(schema.AuthzCode, "CODE_ID"))
		require.Equal(t, []string{"plain"}, f.Keys(schema.AccessTokenScope, "TOKEN_ID"))
		require.EqualValues(t, 1, f.Count(schema.RequestObject, "CODE_ID = 'code-plain' AND TOKEN_ID = 'plain'"))
		require.EqualValues(t, 1, f.Count(schema.RequestValues, ""))
		require.EqualValues(t, 3, f.Count(schema.TokenAudit, ""), "copies of what stays out stay")

		after := contents(t, f.Target)
		again := restored(t, f.Target, kept.Path, backup.Options{})
		require.False(t, again.Changed())
		require.Equal(t, report.Sums[backup.PutBack], again.Sums[backup.AlreadyThere])
		requireSame(t, after, contents(t, f.Target))
		second, more := cleaned(t, f.Target, cleanup.Batch{}, true)
		require.EqualValues(t, 1, second.Phases[0].Removed, "the restored token can be cleaned again")
		require.True(t, restored(t, f.Target, more.Path, backup.Options{}).Whole())
		requireSame(t, after, contents(t, f.Target))
	})
}

func trimmed(keys []string) []string {
	for i := range keys {
		for len(keys[i]) > 0 && keys[i][len(keys[i])-1] == ' ' { // CHAR of SQL Server
			keys[i] = keys[i][:len(keys[i])-1]
		}
	}
	return keys
}

// TestSelections: only what is asked for comes back.
func TestSelections(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		f := world(t, db)
		before := contents(t, f.Target)
		_, kept := cleaned(t, f.Target, cleanup.Batch{Size: 2}, true)
		for _, step := range []struct {
			selection    backup.Selection
			tokens       []string // that are there then
			codes, cibas int64
		}{
			{backup.Selection{TokenIDs: []string{"plain", "no such"}}, []string{"plain"}, 1, 0},
			{backup.Selection{Apps: []string{"app-17"}}, []string{"of-gone-app", "plain"}, 2, 1},
			{backup.Selection{Apps: []string{"1"}, TokenIDs: []string{"active"}}, []string{"active", "of-gone-app", "plain"}, 2, 1},
			{backup.Selection{Since: kept.Started.Add(-1)}, []string{"active", "of-gone-app", "plain", "reissued"}, 2, 2},
		} {
			report := restored(t, f.Target, kept.Path, backup.Options{Selection: step.selection})
			require.True(t, report.Whole(), brief(report))
			require.Equal(t, step.tokens, f.Keys(schema.AccessToken, "TOKEN_ID"), "%+v", step.selection)
			require.Equal(t, step.codes, f.Count(schema.AuthzCode, ""), "%+v", step.selection)
			require.Equal(t, step.cibas, f.Count(schema.CIBACode, ""), "%+v", step.selection)
		}
		requireSame(t, before, contents(t, f.Target))
		for name, none := range map[string]backup.Selection{
			"token": {TokenIDs: []string{"no such"}}, "app": {Apps: []string{"no such"}}, "time": {Since: kept.Trailer.Ended.AddDate(1, 0, 0)},
		} {
			file, err := backup.Open(kept.Path)
			require.NoError(t, err)
			_, err = backup.Restore(t.Context(), f.DB, f.Dialect, f.Schema, file, backup.Options{Selection: none}, cleanup.Watcher{})
			requireRefused(t, err, "no row of the backup is selected")
			requireSame(t, before, contents(t, f.Target))
			_ = name
		}
	})
}

// TestKeepAudit leaves the copies.
func TestKeepAudit(t *testing.T) {
	t.Parallel()
	f := world(t, harness.SQLite)
	_, kept := cleaned(t, f.Target, cleanup.Batch{}, true)
	report := restored(t, f.Target, kept.Path, backup.Options{KeepAudit: true})
	require.True(t, report.Whole())
	require.Zero(t, report.AuditRows)
	require.EqualValues(t, 4, f.Count(schema.TokenAudit, ""))
}

// TestParentGone: a child comes back only with everything that it refers to.
func TestParentGone(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		f := world(t, db)
		_, kept := cleaned(t, f.Target, cleanup.Batch{}, true)
		report := restored(t, f.Target, kept.Path, backup.Options{Selection: backup.Selection{TokenIDs: []string{"plain"}}})
		require.True(t, report.Whole(), brief(report))
		_, more := cleaned(t, f.Target, cleanup.Batch{}, true) // the first file is that of another run now
		f.Exec("DELETE FROM "+schema.ConsumerApps+" WHERE ID = ?", goneApp)
		report = restored(t, f.Target, kept.Path, backup.Options{Selection: backup.Selection{TokenIDs: []string{"active"}}})
		require.Equal(t, []string{"active"}, f.Keys(schema.AccessToken, "TOKEN_ID"))
		require.Equal(t, []string{schema.RequestObject + " 2"}, items(report, backup.AppGone), brief(report))
		require.EqualValues(t, 2, report.Sums[backup.ParentGone], "the claim and its value")
		require.Zero(t, f.Count(schema.RequestObject, ""))
		require.True(t, restored(t, f.Target, more.Path, backup.Options{}).Whole())
		require.EqualValues(t, 1, f.Count(schema.RequestObject, ""))
	})
}

// TestChangedSchema: what has no place any more is named before anything changes.
func TestChangedSchema(t *testing.T) {
	for name, test := range map[string]struct{ change, names string }{
		"table":              {"DROP TABLE " + schema.TokenBinding, "no table " + schema.TokenBinding},
		"column":             {"ALTER TABLE " + schema.AuthzCode + " DROP COLUMN PKCE_CODE_CHALLENGE_METHOD", "no column PKCE_CODE_CHALLENGE_METHOD"},
		"new column":         {"ALTER TABLE " + schema.AccessTokenScope + " RENAME COLUMN TENANT_ID TO NEW", "no column TENANT_ID"},
		"audit table":        {"ALTER TABLE " + schema.TokenAudit + " RENAME TO ELSEWHERE", "--keep-audit"},
		"audit table's time": {"ALTER TABLE " + schema.TokenAudit + " DROP COLUMN INVALIDATED_TIME", "INVALIDATED_TIME"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := world(t, harness.SQLite)
			_, kept := cleaned(t, f.Target, cleanup.Batch{}, true)
			f.Exec(test.change)
			before := contents(t, f.Target)
			file, err := backup.Open(kept.Path)
			require.NoError(t, err)
			requireRefused(t, backup.Check(t.Context(), f.DB, f.Dialect, f.Schema, file, backup.Options{}), test.names)
			_, err = backup.Restore(t.Context(), f.DB, f.Dialect, f.Schema, file, backup.Options{}, cleanup.Watcher{})
			requireRefused(t, err, test.names)
			requireSame(t, before, contents(t, f.Target))
		})
	}
}

// TestOtherProduct: values of one product are no values of another.
func TestOtherProduct(t *testing.T) {
	t.Parallel()
	f := world(t, harness.SQLite)
	_, kept := cleaned(t, f.Target, cleanup.Batch{}, true)
	other := dbtest.New(t, open(t, harness.Options{DB: harness.MariaDB}), dbtest.Setup{})
	err := backup.Check(t.Context(), other.DB, other.Dialect, other.Schema, kept, backup.Options{})
	requireRefused(t, err, "holds rows of SQLite, and the database is MySQL or MariaDB")
}

// TestRefusedByTheServer: a row that only the server has something against stays out,
// and its neighbours come back.
func TestRefusedByTheServer(t *testing.T) {
	t.Parallel()
	f := world(t, harness.SQLite)
	_, kept := cleaned(t, f.Target, cleanup.Batch{}, true)
	f.Exec("CREATE TRIGGER NOT_THIS_ONE BEFORE INSERT ON " + schema.AccessToken + " WHEN NEW.TOKEN_ID = 'plain' BEGIN SELECT RAISE(ABORT, 'not this one'); END")
	report := restored(t, f.Target, kept.Path, backup.Options{})
	require.Equal(t, []string{schema.AccessToken + " plain"}, items(report, backup.RowRefused))
	require.Contains(t, report.Listed[0].Detail, "not this one")
	require.Equal(t, []string{"active", "of-gone-app", "reissued"}, f.Keys(schema.AccessToken, "TOKEN_ID"))
}

// TestRestoredOnlyOnceAtATime: it takes the lock that a clean-up takes.
func TestRestoredOnlyOnceAtATime(t *testing.T) {
	for _, db := range servers[1:] {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			f := world(t, db)
			_, kept := cleaned(t, f.Target, cleanup.Batch{}, true)
			session, err := cleanup.LockedSession(t.Context(), f.DB, f.Dialect, f.Schema)
			require.NoError(t, err)
			defer session.Close()
			_, err = backup.Restore(t.Context(), f.DB, f.Dialect, f.Schema, kept, backup.Options{}, cleanup.Watcher{})
			requireRefused(t, err, "another clean-up of schema", "is under way")
		})
	}
}
