package schedule_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/internal/mysqltext"
	"github.com/tokensweep/tokensweep/schedule"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// farZone is a zone for schedules, far from that of the writers: to a session in it,
// tokens that live would look as if they had ended.
const farZone = "America/Los_Angeles"

// database is a schema with tokens on a server whose event scheduler is as asked.
type database struct {
	*dbtest.Fixture
	t *testing.T
}

func open(t *testing.T, db, scheduler string) *database {
	t.Helper()
	target := harness.ForTest(t, harness.Options{DB: db, ServerArgs: []string{"--event-scheduler=" + scheduler}})
	return &database{dbtest.New(t, target, dbtest.Setup{}), t}
}

func ago(d time.Duration) string { return time.Now().UTC().Add(-d).Format(time.DateTime) }

// fill inserts n tokens of each kind; no lifetime ends while a test runs. It
// returns how many are to go, codes and CIBA requests left out.
func (d *database) fill(n int) (tokens int64) {
	lived := func(created, access, refresh time.Duration) dbtest.Row {
		return dbtest.Row{"TIME_CREATED": ago(created), "REFRESH_TOKEN_TIME_CREATED": ago(created), "VALIDITY_PERIOD": access.Milliseconds(),
			"REFRESH_TOKEN_VALIDITY_PERIOD": refresh.Milliseconds()}
	}
	const day = 24 * time.Hour
	var rows []dbtest.Row
	for i := range n {
		for _, k := range []struct {
			kind, state string
			row         dbtest.Row
		}{
			{"revoked", token.Revoked, lived(time.Hour, time.Hour, day)}, {"inactive", token.Inactive, lived(time.Hour, time.Hour, day)},
			{"dead", token.Active, lived(day, time.Hour, 20*time.Hour)},
			// A session in farZone reads these as hours older than they are, one in Asia as younger.
			{"live", token.Active, lived(time.Hour, 3*time.Hour, 4*time.Hour)}, {"refreshable", token.Active, lived(20*time.Hour, time.Hour, day)},
		} {
			rows = append(rows, dbtest.TokenRow(fmt.Sprintf("%s-%d", k.kind, i), k.state, k.row))
		}
	}
	d.InsertAll(schema.AccessToken, rows)
	d.Insert(schema.AuthzCode, dbtest.CodeRow("code", "EXPIRED", dbtest.Row{"TIME_CREATED": ago(day), "TOKEN_ID": "revoked-0"}))
	d.Insert(schema.AuthzCode, dbtest.CodeRow("code-kept", "ACTIVE", dbtest.Row{"TIME_CREATED": ago(day), "TOKEN_ID": "live-0"}))
	d.Insert(schema.CIBACode, dbtest.CIBARow("ciba", "TOKEN_ISSUED", dbtest.Row{"ISSUED_TIME": ago(day), "LAST_POLLED_TIME": ago(day)}))
	return int64(3 * n)
}

// event is one of this schema's that has its first run in a year, unless changed.
func (d *database) event(every, starts, zone string) schedule.Event {
	d.t.Helper()
	if starts == "" && strings.HasSuffix(every, "w") {
		starts = time.Now().AddDate(1, 0, 0).Format(time.DateOnly) + " 12:00"
	}
	times, err := schedule.ParseTimes(every, starts, zone, time.Now())
	require.NoError(d.t, err)
	return schedule.Event{Name: schedule.EventName, Schema: d.Schema, Times: times,
		Call: procedure.Arguments{Policy: token.Documented, SafePeriod: 2 * time.Hour, Audit: true}}
}

// withProcedure makes the procedure as well.
func (d *database) withProcedure() schedule.Install {
	plan, err := procedure.NewPlan(d.Found(), d.Dialect, true, cleanup.AuditStop)
	require.NoError(d.t, err)
	return schedule.Install{Plan: plan}
}

func (d *database) install(e schedule.Event, o schedule.Install) {
	d.t.Helper()
	require.NoError(d.t, e.Install(d.t.Context(), d.DB, o))
}

func (d *database) status() *schedule.Status {
	d.t.Helper()
	st, err := schedule.EventStatus(d.t.Context(), d.DB, d.Schema, schedule.EventName)
	require.NoError(d.t, err)
	return st
}

// eventually waits for something that the server does by itself.
func (d *database) eventually(what string, holds func() bool) {
	d.t.Helper()
	require.Eventually(d.t, holds, time.Minute, 50*time.Millisecond, what)
}

// finished waits for a run that began after that moment and came to its end.
func (d *database) finished(after time.Time) (run procedure.Run) {
	d.t.Helper()
	d.eventually("a run that the event began", func() bool {
		all, err := procedure.Runs(d.t.Context(), d.DB, d.Dialect, d.Found())
		require.NoError(d.t, err)
		for _, run = range all {
			if run.Started.After(after) && run.Outcome == procedure.Done {
				return true
			}
		}
		return false
	})
	return run
}

func (d *database) requirePass(image *verify.Image, from time.Time) {
	d.t.Helper()
	outcome, err := verify.Check(d.t.Context(), d.Source(), image, verify.Expect{Policy: token.Documented, Audit: true, Own: []string{procedure.RunsTable},
		From: from, To: time.Now().UTC().Add(time.Second)})
	require.NoError(d.t, err)
	require.Equal(d.t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
}

func onBoth(t *testing.T, run func(t *testing.T, db string)) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) { t.Parallel(); run(t, db) })
	}
}

// TestEventCleans: an event that is fired by the server itself, in a zone that is
// not the writers', removes what the policy says and nothing else; fired again, it
// removes nothing.
func TestEventCleans(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		d := open(t, db, "ON")
		removable := d.fill(100)
		d.install(d.event("1w", "", farZone), d.withProcedure())
		image, err := verify.Capture(t.Context(), d.Source(), time.Now().Add(-2*time.Hour).Truncate(time.Second))
		require.NoError(t, err)
		defer image.Close()

		began := time.Now().UTC().Truncate(time.Second)
		d.install(d.event("1s", "", farZone), schedule.Install{})
		first := d.finished(began.Add(-time.Second))
		require.Equal(t, removable, first.Phases[0].Removed)
		require.Equal(t, removable, first.Phases[0].Audited)
		require.EqualValues(t, 1, first.Phases[1].Removed, "codes")
		require.EqualValues(t, 1, first.Phases[2].Removed, "CIBA codes")
		d.requirePass(image, began)

		second := d.finished(first.Started)
		for _, p := range second.Phases {
			require.Zero(t, p.Removed, p.Phase)
		}
		d.requirePass(image, began)

		st := d.status()
		require.Empty(t, st.Problems)
		require.Equal(t, []string{"ENABLED", "ON", "every second", farZone}, []string{st.State, st.Scheduler, st.Every, st.Zone})
		require.WithinDuration(t, time.Now(), *st.Last.UTC, time.Minute)
		require.WithinDuration(t, time.Now(), *st.Next.UTC, time.Minute)
		require.True(t, st.Next.UTC.After(*st.Last.UTC))
		require.NotEmpty(t, st.Runs)

		dropped, err := schedule.UninstallEvent(t.Context(), d.DB, d.Schema, schedule.EventName)
		require.NoError(t, err)
		require.True(t, dropped)
		require.Contains(t, d.Found().Programs, "procedure "+procedure.Name)
		require.NotContains(t, d.Found().Programs, "event "+schedule.EventName)
		dropped, err = schedule.UninstallEvent(t.Context(), d.DB, d.Schema, schedule.EventName)
		require.NoError(t, err)
		require.False(t, dropped)
		st = d.status()
		require.False(t, st.Installed)
		require.NotEmpty(t, st.Problems)
	})
}

// TestEventReadsInTheWritersZone: the same with writers in a zone of their own.
func TestEventReadsInTheWritersZone(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		target := harness.ForTest(t, harness.Options{DB: db, WritersZone: "+05:30", ServerArgs: []string{"--event-scheduler=ON"}})
		d := &database{dbtest.New(t, target, dbtest.Setup{}), t}
		removable := d.fill(5)
		e := d.event("1w", "", farZone)
		e.WritersZone = "+05:30"
		d.install(e, d.withProcedure())
		image, err := verify.Capture(t.Context(), d.Source(), time.Now().Add(-2*time.Hour).Truncate(time.Second))
		require.NoError(t, err)
		defer image.Close()
		began := time.Now().UTC().Truncate(time.Second)
		e.Times = d.event("1s", "", farZone).Times
		d.install(e, schedule.Install{})
		require.Equal(t, removable, d.finished(began.Add(-time.Second)).Phases[0].Removed)
		d.requirePass(image, began)
	})
}

// TestEventLeavesAnotherCleanUpAlone: while the lock is held the event is fired and
// does nothing, without an error; afterwards it goes on.
func TestEventLeavesAnotherCleanUpAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		d := open(t, db, "ON")
		d.install(d.event("1w", "", ""), d.withProcedure())
		conn, err := d.DB.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		var got int
		require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT GET_LOCK(?, 0)", cleanup.LockName(d.Schema)).Scan(&got))
		require.Equal(t, 1, got)
		d.install(d.event("1s", "", ""), schedule.Install{})
		fired := func() time.Time {
			if last := d.status().Last.UTC; last != nil {
				return *last
			}
			return time.Time{}
		}
		d.eventually("the event is fired", func() bool { return !fired().IsZero() })
		first := fired()
		d.eventually("the event is fired again and again", func() bool { return fired().After(first.Add(2 * time.Second)) })
		require.Empty(t, d.status().Runs)
		require.Empty(t, d.status().Problems, "the other clean-up is what it waits for")
		d.requireNobodyWaits()
		_, err = conn.ExecContext(t.Context(), "DO RELEASE_LOCK(?)", cleanup.LockName(d.Schema))
		require.NoError(t, err)
		d.finished(first)
	})
}

// requireNobodyWaits: a run that waits for the lock would end with an error in the
// server's log.
func (d *database) requireNobodyWaits() {
	d.t.Helper()
	var n int
	const query = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = ? AND STATE = 'User lock'"
	require.NoError(d.t, d.DB.QueryRowContext(d.t.Context(), query, d.Schema).Scan(&n))
	require.Zero(d.t, n, "sessions that wait for the lock")
}

// TestEventStatusTellsFailures: what went wrong in a run, and what keeps the event
// from running.
func TestEventStatusTellsFailures(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		d := open(t, db, "ON")
		d.fill(1)
		d.Exec("CREATE TRIGGER REFUSES BEFORE DELETE ON " + schema.CIBACode + " FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'")
		d.install(d.event("1s", "", ""), d.withProcedure())
		d.eventually("a run that failed", func() bool {
			all, err := procedure.Runs(t.Context(), d.DB, d.Dialect, d.Found())
			require.NoError(t, err)
			return len(all) > 0 && strings.HasPrefix(all[0].Outcome, procedure.Failed)
		})
		d.Exec("ALTER EVENT " + schedule.EventName + " DISABLE")
		d.eventually("no run under way", func() bool { st := d.status(); return len(st.Runs) > 0 && st.Runs[0].Ended != nil })
		st := d.status()
		require.Len(t, st.Problems, 2)
		require.Contains(t, st.Problems[0], "failed: not this one")
		require.Equal(t, "it is disabled: ALTER EVENT `TOKENSWEEP_CLEAN_EVENT` ENABLE", st.Problems[1])
		require.Empty(t, st.Next)

		onReplica := map[string]string{harness.MySQL: "REPLICA", harness.MariaDB: "SLAVE"}[db]
		d.Exec("ALTER EVENT " + schedule.EventName + " DISABLE ON " + onReplica)
		require.Contains(t, d.status().Problems[1], "this server has it by replication and does not run it")
		require.ErrorContains(t, d.event("1w", "", "").Install(t.Context(), d.DB, schedule.Install{}), "install it on the primary")
		d.Exec("ALTER EVENT " + schedule.EventName + " ENABLE COMMENT 'mine now'")
		require.Contains(t, d.status().Problems[1], "not as tokensweep schedule made it")
		d.Exec("UPDATE " + procedure.RunsTable + " SET OUTCOME = 'running', ENDED_AT = NULL, STARTED_AT = '2099-01-01 00:00:00' LIMIT 1")
		require.Contains(t, d.status().Problems[0], "was cut off: its session is gone")
	})
}

// TestEventInstallRefuses: one sentence with what to do, and nothing is made.
func TestEventInstallRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		prepare string // a statement
		grants  string // of a user who installs it; "" for root
		change  func(*schedule.Event)
		says    []string
		alone   bool // without the procedure
	}{
		"an event of somebody else's": {prepare: "CREATE EVENT TOKENSWEEP_CLEAN_EVENT ON SCHEDULE EVERY 1 WEEK DO CALL TOKENSWEEP_CLEAN()",
			says: []string{"has an event TOKENSWEEP_CLEAN_EVENT that tokensweep schedule did not make", "--name"}},
		"our comment on another body": {prepare: "CREATE EVENT TOKENSWEEP_CLEAN_EVENT ON SCHEDULE EVERY 1 WEEK COMMENT 'tokensweep schedule' DO DO 1",
			says: []string{"did not make"}},
		"a procedure of somebody else's": {prepare: "CREATE PROCEDURE TOKENSWEEP_CLEAN() DELETE FROM IDN_OAUTH2_ACCESS_TOKEN",
			says: []string{"a procedure TOKENSWEEP_CLEAN that tokensweep did not make"}},
		"no procedure": {alone: true, says: []string{"has no procedure TOKENSWEEP_CLEAN", "tokensweep procedure mysql --install", "--with-procedure"}},
		"no such definer": {change: func(e *schedule.Event) { e.Definer = schedule.Account{User: "nobody", Host: "nowhere"} },
			says: []string{"there is no account `nobody`@`nowhere`", "--definer"}},
		"a zone that the server does not know": {prepare: "DELETE FROM mysql.time_zone_name WHERE Name = 'Pacific/Chatham'",
			change: func(e *schedule.Event) { e.Times.Zone, _ = schedule.ParseZone("Pacific/Chatham") },
			says:   []string{"--tz: the server does not know the time zone Pacific/Chatham", "tzinfo", "offset such as +01:00, which does not follow summer time"}},
		"a writers' zone that the server does not know": {change: func(e *schedule.Event) { e.WritersZone = "Mars/Olympus" },
			says: []string{"--writers-time-zone: the server does not know the time zone Mars/Olympus"}},
		"no privilege for events": {grants: "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER ROUTINE, CREATE ROUTINE, EXECUTE, REFERENCES",
			says: []string{"may not make events in schema", "GRANT EVENT ON", "TO `installer"}},
		"another definer without the right": {grants: "ALL", change: func(e *schedule.Event) { e.Definer = schedule.Account{User: "root", Host: "%"} },
			says: []string{"may not make an event that runs as `root`@`%`", "leave --definer out"}},
		"an argument that the procedure refuses": {change: func(e *schedule.Event) { e.Call.SafePeriod = 1 << 33 * time.Second },
			says: []string{"fails in a dry run, and would at every run"}},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, db string) {
				d := open(t, db, "ON")
				if c.prepare != "" {
					d.Exec(c.prepare)
				}
				before := d.Found()
				e, o := d.event("1w", "", "Europe/Berlin"), d.withProcedure()
				if c.change != nil {
					c.change(&e)
				}
				if c.alone {
					o = schedule.Install{}
				}
				pool := d.DB
				if c.grants != "" {
					user := "installer" + strings.TrimPrefix(d.Schema, "tokensweep_")
					d.Exec("CREATE USER " + user + " IDENTIFIED BY 'hidden-secret1'")
					d.Exec("GRANT " + c.grants + " ON `" + d.Schema + "`.* TO " + user)
					t.Cleanup(func() { _, _ = d.DB.Exec("DROP USER " + user) })
					var err error
					pool, err = d.Connect(t.Context(), harness.Session{User: user, Password: "hidden-secret1"})
					require.NoError(t, err)
					defer pool.Close()
				}
				err := e.Install(t.Context(), pool, o)
				var refusal *cleanup.Error
				require.ErrorAs(t, err, &refusal)
				require.Equal(t, cleanup.Refused, refusal.Kind, "%v", err)
				for _, part := range c.says {
					require.ErrorContains(t, err, part)
				}
				require.Equal(t, before, d.Found(), "nothing was made")
			})
		})
	}
}

// TestEventUninstallRefusesAnother: what tokensweep did not make stays.
func TestEventUninstallRefusesAnother(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		d := open(t, db, "ON")
		d.Exec("CREATE EVENT TOKENSWEEP_CLEAN_EVENT ON SCHEDULE EVERY 1 WEEK DO DO 1")
		_, err := schedule.UninstallEvent(t.Context(), d.DB, d.Schema, schedule.EventName)
		require.ErrorContains(t, err, "was not made by tokensweep schedule")
		require.Contains(t, d.Found().Programs, "event "+schedule.EventName)
	})
}

// TestEventScheduler: it is never switched on silently; what there is to do is said.
func TestEventScheduler(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		d := open(t, db, "OFF")
		d.install(d.event("1s", "", ""), d.withProcedure())
		keep := map[string]string{harness.MySQL: "SET PERSIST event_scheduler = ON", harness.MariaDB: "event_scheduler = ON under [mysqld] in my.cnf"}[db]
		st := d.status()
		require.Equal(t, "OFF", st.Scheduler)
		require.Len(t, st.Problems, 1)
		require.Contains(t, st.Problems[0], "the event scheduler is OFF, so that no event runs")
		require.Contains(t, st.Problems[0], keep)
		require.Empty(t, st.Next)

		user := "installer" + strings.TrimPrefix(d.Schema, "tokensweep_")
		d.Exec("CREATE USER " + user + " IDENTIFIED BY 'hidden-secret1'")
		defer d.Exec("DROP USER " + user)
		d.Exec("GRANT ALL ON `" + d.Schema + "`.* TO " + user)
		pool, err := d.Connect(t.Context(), harness.Session{User: user, Password: "hidden-secret1"})
		require.NoError(t, err)
		defer pool.Close()
		err = d.event("1w", "", "").Install(t.Context(), pool, schedule.Install{EnableScheduler: true})
		right := map[string]string{harness.MySQL: "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO", harness.MariaDB: "GRANT SUPER ON *.* TO"}[db]
		require.ErrorContains(t, err, "may not switch the event scheduler on")
		require.ErrorContains(t, err, right)
		require.Equal(t, "every second", d.status().Every, "the event is as it was")

		d.install(d.event("1s", "", ""), schedule.Install{EnableScheduler: true})
		require.Empty(t, d.status().Problems)
		d.finished(time.Time{})

		off := open(t, db, "DISABLED")
		err = off.event("1w", "", "").Install(t.Context(), off.DB, schedule.Install{EnableScheduler: true, Plan: off.withProcedure().Plan})
		require.ErrorContains(t, err, "event_scheduler=DISABLED")
		require.Empty(t, off.Found().Programs)
		if db == harness.MySQL { // MariaDB makes no event then
			off.install(off.event("1w", "", ""), off.withProcedure())
		}
		require.Contains(t, strings.Join(off.status().Problems, "\n"), "DISABLED, so that no event runs: put event_scheduler = ON under")
	})
}

// TestEventScript: the text that --print writes, golden, and run as a client does.
func TestEventScript(t *testing.T) {
	e := schedule.Event{Name: "odd `name`", Schema: "apim`db", Definer: schedule.Account{User: "clean'er", Host: "%"}, WritersZone: "Asia/Colombo", Call: call,
		Times: times(t, "1w", "2026-10-04 02:30", "Europe/Berlin")}
	text, err := e.Script()
	require.NoError(t, err)
	requireGolden(t, "event.sql", text)
	onBoth(t, func(t *testing.T, db string) {
		d := open(t, db, "ON")
		d.install(d.event("1w", "", ""), d.withProcedure()) // the procedure, and an event that the next line takes away
		d.Exec("DROP EVENT " + schedule.EventName)
		e := d.event("1w", "2030-07-02 01:00", "Europe/Berlin")
		e.Schema, e.Name = "", "odd `name`"
		text, err := e.Script()
		require.NoError(t, err)
		conn, err := d.DB.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.ExecContext(t.Context(), "SET SESSION time_zone = '+03:00', sql_mode = 'ANSI_QUOTES'")
		require.NoError(t, err)
		for splitter := mysqltext.NewSplitter(strings.NewReader(text), len(text)+1); ; {
			statement, err := splitter.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			_, err = conn.ExecContext(t.Context(), string(statement.Text))
			require.NoError(t, err, string(statement.Text))
		}
		var zone, mode string
		require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT @@SESSION.time_zone, @@SESSION.sql_mode").Scan(&zone, &mode))
		require.Equal(t, []string{"+03:00", "ANSI_QUOTES"}, []string{zone, mode}, "the session is as it was")
		st, err := schedule.EventStatus(t.Context(), d.DB, d.Schema, "odd `name`")
		require.NoError(t, err)
		require.Empty(t, st.Problems)
		require.Equal(t, "2030-07-01T23:00:00Z", st.Next.UTC.Format(time.RFC3339))
		require.Equal(t, "2030-07-02 01:00:00 Europe/Berlin (2030-07-01T23:00:00Z)", st.Next.String())
		e.Schema = d.Schema
		d.install(e, schedule.Install{}) // knows the script's event as its own
	})
}
