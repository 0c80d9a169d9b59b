package seed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const release = "apim-4.2"

var cutOff = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

func spec(m seed.Mix, tokens int64) seed.Spec {
	return seed.Spec{Seed: 7, Tokens: tokens, Mix: m, CutOff: cutOff}
}

func forTest(t *testing.T, db string) seed.Target {
	t.Helper()
	target := harness.ForTest(t, harness.Options{DB: db})
	return seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
}

// each runs a test on every kind of database.
func each(t *testing.T, test func(t *testing.T, target seed.Target)) {
	for _, db := range []string{harness.MySQL, harness.MariaDB, harness.SQLServer, harness.SQLite} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			test(t, forTest(t, db))
		})
	}
}

func number(t *testing.T, target seed.Target, query string, args ...any) int64 {
	t.Helper()
	var n int64
	require.NoError(t, target.DB.QueryRowContext(t.Context(), query, args...).Scan(&n), query)
	return n
}

func TestFillMakesWhatExpectSays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, target seed.Target) {
		s := spec(seed.Default, 20_000)
		var done int64
		result, err := seed.Fill(t.Context(), target, release, "", s, seed.Options{Log: t.Logf, Progress: func(n, total int64) { done = n }})
		require.NoError(t, err)
		require.Equal(t, s.Tokens, done)
		want, err := s.Expect(token.Documented)
		require.NoError(t, err)
		for table, outcome := range want.Tables {
			require.Equal(t, outcome.Rows, number(t, target, "SELECT COUNT(*) FROM "+table), table)
			require.Equal(t, outcome.Rows, result.Rows[table], table)
		}
		for table, rows := range map[string]int64{
			schema.ConsumerApps: 20, schema.TokenBinding: 2_000, schema.TokenAudit: 1_000, schema.RequestObject: 400,
			schema.RequestClaims: 800, schema.RequestValues: 800, schema.DeviceFlow: 200, schema.DeviceScope: 200,
		} {
			require.Equal(t, rows, number(t, target, "SELECT COUNT(*) FROM "+table), table)
			require.Equal(t, rows, result.Rows[table], table)
		}
		requireSound(t, target)
		requireIndexes(t, target)
		if target.Dialect.Product() == schema.SQLServer {
			require.Zero(t, number(t, target, "SELECT COUNT(*) FROM sys.foreign_keys WHERE is_not_trusted = 1 OR is_disabled = 1"))
		}
		t.Logf("%+v", result)
	})
}

// requireSound checks what foreign keys do not say.
func requireSound(t *testing.T, target seed.Target) {
	t.Helper()
	require.Zero(t, number(t, target, "SELECT COUNT(*) FROM "+schema.TokenAudit+" a JOIN "+schema.AccessToken+" t ON t.TOKEN_ID = a.TOKEN_ID"),
		"cleaned tokens that are still there")
	require.Positive(t, number(t, target, "SELECT COUNT(*) FROM "+schema.AuthzCode+" c JOIN "+schema.AccessToken+" t ON t.TOKEN_ID = c.TOKEN_ID"))
	require.Positive(t, number(t, target, "SELECT COUNT(*) FROM "+schema.AuthzCode+" WHERE TOKEN_ID IS NULL"))
	require.Positive(t, number(t, target, "SELECT COUNT(*) FROM "+schema.AuthzCode+" c LEFT JOIN "+schema.AccessToken+
		" t ON t.TOKEN_ID = c.TOKEN_ID WHERE c.TOKEN_ID IS NOT NULL AND t.TOKEN_ID IS NULL"), "codes with a dangling token")
	require.Positive(t, number(t, target, "SELECT COUNT(*) FROM "+schema.RequestObject+" WHERE CODE_ID IS NOT NULL"))
	require.Zero(t, number(t, target, "SELECT COUNT(*) FROM "+schema.AccessToken+" WHERE GRANT_TYPE = 'client_credentials' AND REFRESH_TOKEN IS NOT NULL"))
	require.Zero(t, number(t, target, "SELECT COUNT(*) FROM "+schema.TokenAudit+" WHERE INVALIDATED_TIME IS NULL"))
}

func requireIndexes(t *testing.T, target seed.Target) {
	t.Helper()
	want, err := schema.Release(release, target.Dialect.Product())
	require.NoError(t, err)
	got, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	names := func(d *schema.Database) map[string][]string {
		all := map[string][]string{}
		for i := range d.Tables {
			for _, ix := range d.Tables[i].Indexes {
				name := ix.Name
				if target.Dialect.Product() == schema.SQLServer { // some of whose names are the server's
					name = strings.Join(ix.Columns, ", ")
				}
				all[d.Tables[i].Name] = append(all[d.Tables[i].Name], name)
			}
		}
		return all
	}
	for table, indexes := range names(want) {
		require.ElementsMatch(t, indexes, names(got)[table], table)
	}
}

func TestEveryReleaseCanBeFilled(t *testing.T) {
	t.Parallel()
	for _, release := range schema.Releases() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, target seed.Target) {
				s := spec(seed.Edge, 2_000)
				s.BindTokens = true
				result, err := seed.Fill(t.Context(), target, release, "", s, seed.Options{})
				require.NoError(t, err)
				found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
				require.NoError(t, err)
				for _, table := range found.Tables {
					require.Positive(t, result.Rows[table.Name], "nothing in %s", table.Name)
				}
			})
		})
	}
}

func TestInterruptedLoadContinues(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, target seed.Target) {
		s := spec(seed.MostlyDead, 12_345)
		require.NoError(t, seed.CreateTables(t.Context(), target, release, ""))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := seed.Load(ctx, target, s, seed.Options{ChunkTokens: 2_000, Progress: func(done, _ int64) {
			if done >= 4_000 {
				cancel()
			}
		}})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "the same settings continue it")
		there := number(t, target, "SELECT COUNT(*) FROM "+schema.AccessToken)
		require.GreaterOrEqual(t, there, int64(4_000))
		require.Less(t, there, s.Tokens)

		// Other chunks than before, and the ids of request objects go on.
		result, err := seed.Load(t.Context(), target, s, seed.Options{ChunkTokens: 5_000})
		require.NoError(t, err)
		require.Equal(t, there, result.Resumed)
		require.Equal(t, s.Tokens-there, result.Rows[schema.AccessToken])
		require.Equal(t, int64(247), number(t, target, "SELECT MAX(ID) FROM "+schema.RequestObject), "one for every 50 tokens begun")
		require.NoError(t, seed.BuildIndexes(t.Context(), target, release))
		requireSameAsFresh(t, target, s)

		result, err = seed.Load(t.Context(), target, s, seed.Options{})
		require.NoError(t, err)
		require.Equal(t, s.Tokens, result.Resumed, "nothing left to do")
		require.Empty(t, result.Rows)
	})
}

// requireSameAsFresh loads the same data in one go beside it and compares.
func requireSameAsFresh(t *testing.T, target seed.Target, s seed.Spec) {
	t.Helper()
	sums := map[string]string{
		schema.AccessToken:   "SELECT COUNT(*), SUM(CONSUMER_KEY_ID), MAX(ACCESS_TOKEN), MIN(ACCESS_TOKEN_HASH) FROM ",
		schema.RequestClaims: "SELECT COUNT(*), SUM(ID), MIN(REQ_OBJECT_ID), MAX(REQ_OBJECT_ID) FROM ",
		schema.AuthzCode:     "SELECT COUNT(*), COUNT(TOKEN_ID), MAX(AUTHORIZATION_CODE), MAX(%s) FROM ",
	}
	fresh := forTest(t, harness.SQLite)
	_, err := seed.Fill(t.Context(), fresh, release, "", s, seed.Options{})
	require.NoError(t, err)
	for table, query := range sums {
		var got [2][4]string
		for i, from := range []seed.Target{target, fresh} {
			query := strings.Replace(query, "%s", from.Dialect.Read(schema.Column{Name: "TIME_CREATED", Kind: schema.Timestamp}), 1) + table
			require.NoError(t, from.DB.QueryRowContext(t.Context(), query).Scan(&got[i][0], &got[i][1], &got[i][2], &got[i][3]))
			got[i][3] = strings.TrimSuffix(got[i][3], ".000") // which SQL Server shows
		}
		require.Equal(t, got[1], got[0], table)
	}
}

func TestLoadRefusesBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, target seed.Target) {
		ctx := t.Context()
		s := spec(seed.Default, 2_000)
		_, err := seed.Load(ctx, target, s, seed.Options{})
		require.ErrorContains(t, err, "has no table "+schema.AccessToken)
		require.ErrorContains(t, seed.CreateTables(ctx, target, "apim-9", ""), `there is no release "apim-9"`)

		_, err = seed.Fill(ctx, target, release, "", s, seed.Options{})
		require.NoError(t, err)
		require.ErrorContains(t, seed.CreateTables(ctx, target, release, ""), "already")
		rows := func() int64 {
			return number(t, target, "SELECT COUNT(*) FROM "+schema.AccessToken) + 1_000_000*number(t, target, "SELECT COUNT(*) FROM "+schema.ConsumerApps)
		}
		before := rows()
		for what, change := range map[string]func(*seed.Spec){
			"of which an earlier run of this data can explain 0": func(s *seed.Spec) { s.Tokens++ },
			"use an empty database, or append":                   func(s *seed.Spec) { s.Seed++ },
			"not as this seed, size, mix and cut-off make it (":  func(s *seed.Spec) { s.Mix = seed.MostlyDead },
			"(TIME_CREATED is":                                   func(s *seed.Spec) { s.CutOff = s.CutOff.Add(time.Hour) },
		} {
			other := s
			change(&other)
			_, err := seed.Load(ctx, target, other, seed.Options{})
			require.ErrorContains(t, err, what)
			require.Equal(t, before, rows())
		}

		_, err = target.DB.ExecContext(ctx, "DELETE FROM "+schema.TokenAudit+" WHERE ID = 1")
		require.NoError(t, err)
		_, err = seed.Load(ctx, target, s, seed.Options{})
		require.ErrorContains(t, err, schema.TokenAudit+" has 99 rows, of which an earlier run of this data can explain 100")
	})
}

func TestUnknownColumnThatNeedsAValueIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, target seed.Target) {
		tables, err := schema.Release(release, target.Dialect.Product())
		require.NoError(t, err)
		require.NoError(t, seed.CreateTables(t.Context(), target, release, ""))
		_, err = target.DB.ExecContext(t.Context(), "DROP TABLE "+schema.AccessTokenScope)
		require.NoError(t, err)
		scopes, _ := tables.Table(schema.AccessTokenScope)
		scopes.Charset = "latin1"
		scopes.Columns = append(scopes.Columns,
			schema.Column{Name: "NOTE", Kind: schema.Int, Nullable: true}, schema.Column{Name: "REGION", Kind: schema.Int})
		_, err = target.DB.ExecContext(t.Context(), target.Dialect.CreateTable(*scopes))
		require.NoError(t, err)
		_, err = seed.Load(t.Context(), target, spec(seed.Default, 1_000), seed.Options{})
		require.ErrorContains(t, err, "table "+schema.AccessTokenScope+" has a column REGION that is NOT NULL and has no default")
		require.Zero(t, number(t, target, "SELECT COUNT(*) FROM "+schema.ConsumerApps))
	})
}

func TestAppendLeavesForeignRowsAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, target seed.Target) {
		ctx := t.Context()
		_, err := seed.Fill(ctx, target, release, "", spec(seed.Default, 3_000), seed.Options{})
		require.NoError(t, err)
		checksum := "SELECT SUM(CONSUMER_KEY_ID * VALIDITY_PERIOD) FROM " + schema.AccessToken + " WHERE CONSUMER_KEY_ID <= 20"
		before := number(t, target, checksum)

		other := spec(seed.MostlyDead, 6_000)
		other.Seed = 8
		interrupted, cancel := context.WithCancel(ctx)
		defer cancel()
		_, err = seed.Load(interrupted, target, other, seed.Options{Append: true, ChunkTokens: 1_000, Progress: func(int64, int64) { cancel() }})
		require.ErrorIs(t, err, context.Canceled)
		result, err := seed.Load(ctx, target, other, seed.Options{Append: true})
		require.NoError(t, err)
		require.Positive(t, result.Resumed)
		require.Equal(t, other.Tokens, result.Resumed+result.Rows[schema.AccessToken])
		require.Equal(t, int64(20), number(t, target, "SELECT COUNT(*) FROM "+schema.ConsumerApps+" WHERE ID > 20"), "apps of its own")
		require.Equal(t, other.Tokens, number(t, target, "SELECT COUNT(*) FROM "+schema.AccessToken+" WHERE CONSUMER_KEY_ID > 20"))
		require.Equal(t, int64(60+120), number(t, target, "SELECT MAX(ID) FROM "+schema.RequestObject), "ids go on, without a gap")
		require.Equal(t, int64(120+240), number(t, target, "SELECT MAX(ID) FROM "+schema.RequestClaims))
		require.Equal(t, int64(60+120), number(t, target, "SELECT COUNT(DISTINCT REQ_OBJECT_ID) FROM "+schema.RequestClaims))
		require.Equal(t, before, number(t, target, checksum), "the rows that were there")

		_, err = seed.Load(ctx, target, spec(seed.MostlyLive, 3_000), seed.Options{Append: true})
		require.ErrorContains(t, err, "not as this seed, size, mix and cut-off make it", "the same ids with another mix")
	})
}

func TestRowsThatDoNotFitAreAnError(t *testing.T) {
	t.Parallel()
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := forTest(t, db)
			ctx := t.Context()
			require.NoError(t, seed.CreateTables(ctx, target, release, ""))
			_, err := target.DB.ExecContext(ctx, "ALTER TABLE "+schema.TokenBinding+" MODIFY TOKEN_BINDING_VALUE VARCHAR(35)")
			require.NoError(t, err)
			_, err = seed.Load(ctx, target, spec(seed.Default, 5_000), seed.Options{ChunkTokens: 1_000})
			require.ErrorContains(t, err, "loading "+schema.TokenBinding+": the server says Warning 1265: Data truncated for column 'TOKEN_BINDING_VALUE' at row 1")
			require.Zero(t, number(t, target, "SELECT COUNT(*) FROM "+schema.AccessToken), "the chunk's tokens went back with it")

			_, err = target.DB.ExecContext(ctx, "ALTER TABLE "+schema.TokenBinding+" MODIFY TOKEN_BINDING_VALUE VARCHAR(36)")
			require.NoError(t, err)
			_, err = target.DB.ExecContext(ctx, "CREATE UNIQUE INDEX ONE_USER ON "+schema.AccessToken+" (GRANT_TYPE)")
			require.NoError(t, err)
			_, err = seed.Load(ctx, target, spec(seed.Default, 5_000), seed.Options{ChunkTokens: 1_000})
			require.ErrorContains(t, err, "1062")
			require.Zero(t, number(t, target, "SELECT COUNT(*) FROM "+schema.AccessToken))
		})
	}
}

func TestWallClockThatTheZoneLeavesOut(t *testing.T) {
	t.Parallel()
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			all := harness.ForTest(t, harness.Options{DB: db})
			berlin, err := all.Connect(t.Context(), harness.Session{Zone: "Europe/Berlin"})
			require.NoError(t, err)
			defer berlin.Close()
			target := seed.Target{DB: berlin, Dialect: all.Dialect, Schema: all.Schema}
			_, err = seed.Fill(t.Context(), target, release, "", spec(seed.Default, 20_000), seed.Options{})
			require.ErrorContains(t, err, "the session's time zone has no such wall clock")
		})
	}
}

func TestInsertWhereLocalInfileIsOff(t *testing.T) {
	t.Parallel()
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			all := harness.ForTest(t, harness.Options{DB: db, ServerArgs: []string{"--local-infile=0"}})
			target := seed.Target{DB: all.DB, Dialect: all.Dialect, Schema: all.Schema}
			s := spec(seed.Edge, 6_000)
			var said []string
			result, err := seed.Fill(t.Context(), target, release, "", s, seed.Options{ChunkTokens: 1_000, Log: func(format string, args ...any) {
				said = append(said, fmt.Sprintf(format, args...))
			}})
			require.NoError(t, err)
			require.Equal(t, seed.BulkInsert, result.Bulk)
			require.Len(t, said, 1)
			require.Contains(t, said[0], "set local_infile=1 to allow it")
			requireSameAsFresh(t, target, s)
		})
	}
}

func TestLoadFailsClearlyWhenTheServerGoes(t *testing.T) {
	t.Parallel()
	target := forTest(t, harness.SQLite)
	require.NoError(t, seed.CreateTables(t.Context(), target, release, ""))
	require.NoError(t, target.DB.Close())
	_, err := seed.Load(t.Context(), target, spec(seed.Default, 10), seed.Options{})
	require.Error(t, err)
	require.False(t, errors.Is(err, context.Canceled))
}

// TestUnloggedLeavesNoTrace: rows for a server that is thrown away stay out of its
// binary log, and what its sessions do later does not.
func TestUnloggedLeavesNoTrace(t *testing.T) {
	t.Parallel()
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db, ServerArgs: []string{"--log-bin=on", "--server-id=7", "--binlog-format=ROW"}})
			into := target.ForSeed()
			require.True(t, into.Unlogged)
			into.DB.SetMaxOpenConns(2)
			logged := func() (total int64) {
				rows, err := into.DB.QueryContext(t.Context(), "SHOW BINARY LOGS")
				require.NoError(t, err)
				defer rows.Close()
				for rows.Next() {
					var name, encrypted string
					var size int64
					dest := []any{&name, &size, &encrypted}
					columns, err := rows.Columns()
					require.NoError(t, err)
					require.NoError(t, rows.Scan(dest[:len(columns)]...))
					total += size
				}
				require.NoError(t, rows.Err())
				return total
			}
			before := logged()
			_, err := seed.Fill(t.Context(), into, release, "", spec(seed.Default, 2_000), seed.Options{})
			require.NoError(t, err)
			require.Less(t, logged()-before, int64(1000), "2,000 tokens with all that hangs on them have a megabyte")
			before = logged()
			_, err = into.DB.ExecContext(t.Context(), "DELETE FROM IDN_OAUTH2_ACCESS_TOKEN_SCOPE")
			require.NoError(t, err)
			require.Greater(t, logged()-before, int64(10_000))
		})
	}
}
