package harness_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/microsoft/go-mssqldb/msdsn"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/harness"
)

func requireNoDatabase(t *testing.T, on *harness.Target, name string) {
	t.Helper()
	require.Equal(t, "", ask(t, on.DB, "SELECT COALESCE(DB_NAME(DB_ID(@p1)), '')", name))
}

// settingsOf takes the target's DSN apart.
func settingsOf(t *testing.T, target *harness.Target) msdsn.Config {
	t.Helper()
	c, err := msdsn.Parse(target.ConnectionString())
	require.NoError(t, err)
	return c
}

// edited is the target's DSN with some of its keys set, or left out where "".
func edited(t *testing.T, target *harness.Target, user, password string, keys ...string) string {
	t.Helper()
	u, err := url.Parse(target.ConnectionString())
	require.NoError(t, err)
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	query := u.Query()
	for i := 0; i < len(keys); i += 2 {
		if query.Set(keys[i], keys[i+1]); keys[i+1] == "" {
			query.Del(keys[i])
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// login makes a login that the test removes, with a user in the target's database.
func login(t *testing.T, target *harness.Target, password string) string {
	t.Helper()
	name := "l" + strings.TrimPrefix(ask(t, target.DB, "SELECT DB_NAME()"), "tokensweep_")
	run(t, target.DB, "CREATE LOGIN "+name+" WITH PASSWORD = '"+password+"'")
	t.Cleanup(func() {
		// The server may take a moment to see that its sessions have ended.
		require.Eventually(t, func() bool {
			_, err := target.DB.ExecContext(context.Background(), "DROP LOGIN "+name)
			return err == nil
		}, 20*time.Second, 50*time.Millisecond)
	})
	return name
}

func TestSQLServerDSNReachesTheDatabaseAndLeavesItAlone(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		run(t, target.DB, "CREATE TABLE t (i INT)")
		c := settingsOf(t, target)
		server, name := target.ConnectionString(), ask(t, target.DB, "SELECT DB_NAME()")
		_, port, err := net.SplitHostPort(strings.Split(strings.Split(server, "@")[1], "?")[0])
		require.NoError(t, err)
		for _, dsn := range []string{
			server,
			"server=" + c.Host + "," + port + ";user id=" + c.User + ";password=" + c.Password + ";database=" + name + ";encrypt=disable;connection timeout=9",
			"odbc:server=" + c.Host + ";port=" + port + ";user id=" + c.User + ";password={" + c.Password + "};database=" + name + ";encrypt=disable",
		} {
			opened, err := harness.Open(t.Context(), harness.Options{DSN: dsn})
			require.NoError(t, err)
			require.False(t, opened.Temporary)
			require.Equal(t, "dsn", opened.Server.Via)
			require.Equal(t, target.Server.Product, opened.Server.Product)
			require.Equal(t, target.Schema, opened.Schema)
			require.Equal(t, "0", ask(t, opened.DB, "SELECT COUNT(*) FROM t"))
			require.NoError(t, opened.Close())

			again, err := harness.Open(t.Context(), harness.Options{DSN: opened.ConnectionString()})
			require.NoError(t, err, "what another program is given works")
			require.Equal(t, name, ask(t, again.DB, "SELECT DB_NAME()"))
			require.NoError(t, again.Close())
		}
		run(t, target.DB, "INSERT INTO t VALUES (1)")

		fresh := harness.ForTest(t, harness.Options{DSN: edited(t, target, "", "", "database", "")})
		require.True(t, fresh.Temporary)
		run(t, fresh.DB, "CREATE TABLE t (i INT)")
	})
}

func TestSQLServerSchemaInTheDatabase(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		run(t, target.DB, "CREATE SCHEMA wso2", "CREATE TABLE wso2.t (i INT)")
		opened, err := harness.Open(t.Context(), harness.Options{DSN: target.ConnectionString(), Schema: "WSO2"})
		require.NoError(t, err)
		defer opened.Close()
		require.Equal(t, "wso2", opened.Schema, "as the database writes it")
		require.Equal(t, "[wso2].[t]", opened.Dialect.(sqlserver.Dialect).Table("t"))

		_, err = harness.Open(t.Context(), harness.Options{DSN: target.ConnectionString(), Schema: "nowhere"})
		var option *harness.OptionError
		require.ErrorAs(t, err, &option)
		require.ErrorContains(t, err, `there is no schema "nowhere"`)
	})
}

func TestSQLServerPasswordsOfAnyShapeAreAccepted(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		const password = `Aa1 p@ss:w/o?r#d%20)(;"=}&`
		user := login(t, target, password)
		run(t, target.DB, "CREATE USER "+user+" FOR LOGIN "+user)
		c := settingsOf(t, target)
		host := strings.Split(strings.Split(target.ConnectionString(), "@")[1], "?")[0]
		for _, dsn := range []string{
			edited(t, target, user, password),
			"server=" + strings.Replace(host, ":", ",", 1) + ";user id=" + user + `;password="` + strings.ReplaceAll(password, `"`, `""`) + `";database=` + c.Database + ";encrypt=disable",
			"odbc:server=" + strings.Replace(host, ":", ";port=", 1) + ";user id=" + user + ";password={" + strings.ReplaceAll(password, "}", "}}") + "};database=" + c.Database + ";encrypt=disable",
		} {
			opened, err := harness.Open(t.Context(), harness.Options{DSN: dsn})
			require.NoError(t, err)
			require.Equal(t, user, ask(t, opened.DB, "SELECT SUSER_NAME()"))
			require.NoError(t, opened.Close())
		}
	})
}

func TestSQLServerDSNThatCannotBeUsedSaysWhatToDo(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		const wrong = "wr0ng-Secret"
		stranger := login(t, target, "Wr0ng-Secret")
		c := settingsOf(t, target)
		for name, c := range map[string]struct {
			o    harness.Options
			says string
		}{
			"password":  {harness.Options{DSN: edited(t, target, c.User, wrong)}, `refuses user "` + c.User + `": check user and password`},
			"database":  {harness.Options{DSN: edited(t, target, "", "", "database", "nowhere")}, `there is no database "nowhere"`},
			"none":      {harness.Options{DSN: edited(t, target, "", "", "database", "")}, "names no database"},
			"system":    {harness.Options{DSN: edited(t, target, "", "", "database", "Master")}, "names master, a system database"},
			"kind":      {harness.Options{DB: harness.MySQL, DSN: target.ConnectionString()}, "scheme is neither mysql nor mariadb"},
			"stranger":  {harness.Options{DSN: edited(t, target, stranger, "Wr0ng-Secret")}, `user "` + stranger + `" may not open the database`},
			"may not":   {harness.Options{DSN: edited(t, target, stranger, "Wr0ng-Secret", "database", "nowhere")}, `there is no database "nowhere"`},
			"no TLS":    {harness.Options{DSN: edited(t, target, "", "", "encrypt", "strict")}, "encrypt=disable"},
			"no domain": {harness.Options{DSN: "sqlserver://u:" + wrong + "@h?fedauth=ActiveDirectoryDefault"}, "use a login with a password"},
		} {
			_, err := harness.Open(t.Context(), c.o)
			var option *harness.OptionError
			require.ErrorAs(t, err, &option, name)
			require.ErrorContains(t, err, c.says, name)
			requireNoSecret(t, err, wrong)
			requireNoSecret(t, err, "Wr0ng-Secret")
		}
	})
}

func TestSQLServerLoginThatMayMakeNoDatabase(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		user := login(t, target, "Wr0ng-Secret")
		run(t, target.DB, "CREATE USER "+user+" FOR LOGIN "+user)
		opened, err := harness.Open(t.Context(), harness.Options{DSN: edited(t, target, user, "Wr0ng-Secret")})
		require.NoError(t, err)
		defer opened.Close()
		_, err = opened.NewSchema(t.Context(), "")
		var option *harness.OptionError
		require.ErrorAs(t, err, &option)
		require.ErrorContains(t, err, "the user "+user+" may not create databases")
	})
}

func TestSQLServerDatabaseThatIsShut(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		other, err := target.NewSchema(t.Context(), "")
		require.NoError(t, err)
		defer other.Close()
		name := ask(t, other.DB, "SELECT DB_NAME()")
		refused := func(says string) {
			_, err := harness.Open(t.Context(), harness.Options{DSN: other.ConnectionString()})
			var unavailable *harness.UnavailableError
			require.ErrorAs(t, err, &unavailable)
			require.ErrorContains(t, err, says)
		}
		user, err := other.DB.Conn(t.Context())
		require.NoError(t, err)
		defer user.Close()
		_, err = user.ExecContext(t.Context(), "ALTER DATABASE ["+name+"] SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
		if target.Dialect.Classify(err) == dialect.Unsupported { // and nothing else may pass over it
			t.Skipf("%s: %v", target.Server, err)
		}
		require.NoError(t, err)
		refused("single-user mode")
		_, err = user.ExecContext(t.Context(), "ALTER DATABASE ["+name+"] SET MULTI_USER")
		require.NoError(t, err)

		run(t, target.DB, "ALTER DATABASE ["+name+"] SET OFFLINE WITH ROLLBACK IMMEDIATE")
		refused("OFFLINE")
		run(t, target.DB, "ALTER DATABASE ["+name+"] SET ONLINE")
	})
}

func TestSQLServerCollation(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		const property = "SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS VARCHAR(99))"
		cased, err := target.NewSchema(t.Context(), "Latin1_General_CS_AS")
		if target.Server.Product == "Babelfish" {
			// Its databases all have the collation that the server was set up with.
			require.ErrorContains(t, err, "Latin1_General_CS_AS")
		} else {
			require.NoError(t, err)
			defer cased.Close()
			require.Equal(t, "Latin1_General_CS_AS", ask(t, cased.DB, property))
			require.Equal(t, "SQL_Latin1_General_CP1_CI_AS", ask(t, target.DB, property))
		}
		_, err = target.NewSchema(t.Context(), "no_such_collation")
		require.ErrorContains(t, err, "no_such_collation")
		_, err = target.NewSchema(t.Context(), "Latin1_General_CS_AS; DROP DATABASE x")
		var option *harness.OptionError
		require.ErrorAs(t, err, &option)
	})
}

func TestSQLServerDatabaseIsSetUpForTheWork(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		require.Equal(t, "ON", ask(t, target.DB, "SELECT snapshot_isolation_state_desc FROM sys.databases WHERE name = DB_NAME()"))
		if target.Server.Product != "Babelfish" { // it has no log of the kind
			require.Equal(t, "SIMPLE", ask(t, target.DB, "SELECT recovery_model_desc FROM sys.databases WHERE name = DB_NAME()"))
		}
	})
}

func TestSQLServerConnectionsHaveTheSettingsOfTheProject(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		dsn := edited(t, target, "", "", "app name", "something", "connection timeout", "1", "log", "255", "timezone", "Asia/Colombo")
		opened, err := harness.Open(t.Context(), harness.Options{DSN: dsn})
		require.NoError(t, err)
		defer opened.Close()
		require.Equal(t, "tokensweep", ask(t, opened.DB, "SELECT APP_NAME()"))
		require.Equal(t, "2024 ☃", ask(t, opened.DB, "SELECT CAST(@p1 AS NVARCHAR(9))", "2024 ☃"))

		run(t, opened.DB, "CREATE TABLE t (d DATETIME)", "INSERT INTO t VALUES ('2024-03-31T02:30:00')")
		var at time.Time
		require.NoError(t, opened.DB.QueryRowContext(t.Context(), "SELECT d FROM t").Scan(&at))
		require.Equal(t, "2024-03-31 02:30:00 +0000", at.Format("2006-01-02 15:04:05 -0700"), "as it is stored")

		// The time limit of the DSN is for the login: a statement may wait longer.
		holder, err := target.DB.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = holder.ExecContext(t.Context(), "DELETE FROM t")
		require.NoError(t, err)
		time.AfterFunc(1500*time.Millisecond, func() { _ = holder.Rollback() })
		run(t, opened.DB, "DELETE FROM t")

		_, err = opened.Connect(t.Context(), harness.Session{Zone: "+05:30"})
		var option *harness.OptionError
		require.ErrorAs(t, err, &option)
	})
}

func TestSQLServerConnectAsAnotherUser(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		user := login(t, target, "Wr0ng-Secret")
		run(t, target.DB, "CREATE TABLE t (i INT)", "CREATE USER "+user+" FOR LOGIN "+user, "GRANT SELECT ON t TO "+user)
		db, err := target.Connect(t.Context(), harness.Session{User: user, Password: "Wr0ng-Secret"})
		require.NoError(t, err)
		defer db.Close()
		require.Equal(t, "0", ask(t, db, "SELECT COUNT(*) FROM t"))
		_, err = db.ExecContext(t.Context(), "DELETE FROM t")
		require.Equal(t, dialect.Denied, target.Dialect.Classify(err))
	})
}

// A session that somebody left in the database, in the middle of its work, keeps
// nobody from removing it.
func TestSQLServerDatabaseInUseIsDropped(t *testing.T) {
	on(t, sqlServers, func(t *testing.T, target *harness.Target) {
		other, err := target.NewSchema(t.Context(), "")
		require.NoError(t, err)
		name := ask(t, other.DB, "SELECT DB_NAME()")
		left, err := other.Connect(t.Context(), harness.Session{})
		require.NoError(t, err)
		defer left.Close()
		session, err := left.Conn(t.Context())
		require.NoError(t, err)
		defer session.Close()
		for _, statement := range []string{"CREATE TABLE t (i INT)", "BEGIN TRANSACTION", "INSERT INTO t VALUES (1)"} {
			_, err = session.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		require.NoError(t, other.Close())
		requireNoDatabase(t, target, name)
	})
}

// What is cut short while it is made is not left on a server of the user's.
func TestSQLServerInterruptedCreationLeavesNothing(t *testing.T) {
	on(t, sqlServers[:1], func(t *testing.T, target *harness.Target) {
		dsn := edited(t, target, "", "", "app name", "x")
		for _, after := range []time.Duration{0, 10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			opened, err := harness.Open(ctx, harness.Options{DSN: dsn})
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				cancel()
				continue
			}
			names := databases(t, opened)
			fresh, err := opened.NewSchema(ctx, "")
			if err == nil {
				require.NoError(t, fresh.Close())
			}
			for name := range databases(t, target) {
				if !names[name] {
					// Of a test beside this one, if it is not gone soon.
					require.Eventually(t, func() bool { return !databases(t, target)[name] || !strings.HasPrefix(name, "tokensweep_") }, 30*time.Second, 50*time.Millisecond)
				}
			}
			require.NoError(t, opened.Close())
			cancel()
		}
	})
}

func databases(t *testing.T, target *harness.Target) map[string]bool {
	t.Helper()
	rows, err := target.DB.QueryContext(context.WithoutCancel(t.Context()), "SELECT name FROM sys.databases")
	require.NoError(t, err)
	defer rows.Close()
	names := map[string]bool{}
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names[name] = true
	}
	require.NoError(t, rows.Err())
	return names
}

func TestGiveFileMakesAFileReadableForTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prod.bak")
	require.NoError(t, os.WriteFile(path, []byte("a backup"), 0o600))
	t.Run("sqlserver", func(t *testing.T) {
		on(t, sqlServers, func(t *testing.T, target *harness.Target) {
			got, err := target.GiveFile(t.Context(), path)
			require.NoError(t, err)
			if target.Server.Via == "server of TOKENSWEEP_SQLSERVER_DSN" {
				require.Equal(t, path, got)
			} else {
				require.Equal(t, ".bak", filepath.Ext(got))
				require.Equal(t, "a backup", inContainer(t, target, got))
			}
			_, err = target.GiveFile(t.Context(), path+".not")
			var option *harness.OptionError
			require.ErrorAs(t, err, &option)
			require.ErrorContains(t, err, "check the path")
		})
	})
	t.Run("other", func(t *testing.T) {
		on(t, append(servers, embedded), func(t *testing.T, target *harness.Target) {
			_, err := target.GiveFile(t.Context(), path)
			var option *harness.OptionError
			require.ErrorAs(t, err, &option)
			require.ErrorContains(t, err, "takes no files")
		})
	})
}

func TestSQLServerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // connections are made and nothing is said
	require.NoError(t, err)
	defer deaf.Close()
	rude, err := net.Listen("tcp", "127.0.0.1:0") // connections are made and ended
	require.NoError(t, err)
	defer rude.Close()
	go func() {
		for {
			c, err := rude.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	for server, says := range map[string]string{
		free.Addr().String():     "the server at " + free.Addr().String() + " is not available: connection refused",
		rude.Addr().String():     "the server at " + rude.Addr().String() + " is not available",
		deaf.Addr().String():     "the server at " + deaf.Addr().String() + " is not available: i/o timeout",
		"no-such-host.invalid:1": "the server at no-such-host.invalid:1 is not available: no such host",
		"127.0.0.1/INST":         `the server at 127.0.0.1\INST is not available`,
	} {
		_, err := harness.Open(t.Context(), harness.Options{DSN: "sqlserver://sa:s3cret@" + server + "?database=d&dial+timeout=1"})
		var unavailable *harness.UnavailableError
		require.ErrorAs(t, err, &unavailable, server)
		require.ErrorContains(t, err, says)
		requireNoSecret(t, err, "s3cret")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = harness.Open(ctx, harness.Options{DSN: "sqlserver://sa:s3cret@" + deaf.Addr().String() + "?database=d"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestMalformedSQLServerDSNIsExplainedWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	const form = "write sqlserver://user:password@host:1433?database=name"
	for dsn, says := range map[string]string{
		"sqlserver://sa:s3/cret@h?database=d":                       "as a URL",
		"sqlserver://sa:s3#cret@h?database=d":                       "as a URL",
		"sqlserver://sa:s3?cret@h?database=d":                       "as a URL",
		"sqlserver://sa:%s3cret@h?database=d":                       "as a URL",
		"sqlserver://s3cret:1/x@h?database=d":                       "as a URL",
		"sqlserver://s3cret:1?x@h":                                  "as a URL",
		"sqlserver://s3cret:1#x@h":                                  "as a URL",
		"sqlserver://sa:s3cret@":                                    "as a URL",
		"sqlserver://sa:s3cret@h:1x?database=d":                     "as a URL",
		"sqlserver://h?database=d":                                  "names no user",
		"sqlserver://sa:s3cret@h?database=d&encrypt=s3cret":         form,
		"sqlserver://sa:s3cret@h?database=d&dial+timeout=s3cret":    form,
		"sqlserver://sa:s3cret@h?database=s3cret&database=d":        form,
		"sqlserver:sa:s3cret@h":                                     "names no server",
		"mssql://sa:s3cret@h/d":                                     "scheme is not sqlserver",
		"server=h,s3cret;user id=sa;password=x;database=d":          form,
		"server=h;password=s3cret;database=d":                       "names no user",
		"server=h;uid=sa;pwd=s3cret;port=s3cret;database=d":         form,
		"odbc:server=h;uid=sa;pwd={s3cret;database=d":               form,
		"odbc:user id=sa;password=s3cret;database=d":                "names no server",
		"jdbc:sqlserver://h;databaseName=d;user=sa;password=s3cret": "one for Java",
	} {
		_, err := harness.Open(t.Context(), harness.Options{DSN: dsn})
		var option *harness.OptionError
		require.ErrorAs(t, err, &option, dsn)
		require.ErrorContains(t, err, says, dsn)
		require.ErrorContains(t, err, form, dsn)
		requireNoSecret(t, err, "s3cret")
		requireNoSecret(t, err, "cret@")
	}
	_, err := harness.Open(t.Context(), harness.Options{DB: harness.SQLServer, DSN: "sa:s3cret@tcp(h:1433)/d"})
	require.ErrorContains(t, err, form)
	requireNoSecret(t, err, "s3cret")
	_, err = harness.Open(t.Context(), harness.Options{DSN: "sqlserver://sa:s3cret@h:1433/d"})
	require.ErrorContains(t, err, "names no database: add it, as in sqlserver://user:password@host:1433?database=name")
}

// Whatever surrounds a secret, an error about the DSN does not tell it.
func TestNoErrorTellsASecretOfSQLServer(t *testing.T) {
	t.Parallel()
	piece := rapid.StringOfN(rapid.RuneFrom([]rune(`:@/()?&=%# ax0.;"'{},\`)), 0, 12, -1)
	rapid.Check(t, func(r *rapid.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what can be parsed is not to be dialled
		around := rapid.SampledFrom([][2]string{
			{"sqlserver://sa:", "@h?database=d"}, {"sqlserver://", "@h?database=d"}, {"sqlserver://sa:x@h?database=d&password=", ""},
			{"server=h;user id=sa;password=", ";database=d"}, {"server=h;database=d;user id=sa;pwd=\"", "\""}, {"server=h;database=d;user id=sa;password=", ""},
			{"odbc:server=h;database=d;user id=sa;password={", "}"}, {"odbc:server=h;user id=sa;database=d;password=", ""}, {"", ""},
		}).Draw(r, "around")
		dsn := around[0] + piece.Draw(r, "before") + "s3cret" + piece.Draw(r, "after") + around[1]
		_, err := harness.Open(ctx, harness.Options{DB: harness.SQLServer, DSN: dsn})
		require.Error(r, err)
		requireNoSecret(r, err, "s3cret")
	})
}
