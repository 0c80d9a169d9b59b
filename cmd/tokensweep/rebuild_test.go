package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// rebuilders are the databases that a rebuild is for.
var rebuilders = []string{harness.MySQL, harness.MariaDB}

// owned is a database of a user's, with a trigger and a key with a name of its own.
type owned struct {
	*testing.T
	*harness.Target
	dsn    []string
	before map[string]string // definitions
	image  *verify.Image
}

// onOwned runs a test on a seeded database of each kind.
func onOwned(t *testing.T, test func(o *owned)) {
	for _, db := range rebuilders {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			target := harness.ForTest(t, harness.Options{DB: db})
			seeded(t, target, seed.Spec{Seed: 16, Tokens: 1500})
			sqlOn(t, target, "CREATE TRIGGER NOTE_TOKEN BEFORE INSERT ON "+schema.AccessToken+" FOR EACH ROW SET NEW.GRANT_TYPE = LOWER(NEW.GRANT_TYPE)",
				"CREATE TABLE CUSTOMER_NOTE (ID INT NOT NULL AUTO_INCREMENT PRIMARY KEY, TOKEN_ID VARCHAR(255), CONSTRAINT FK_CUSTOMER_NOTE FOREIGN KEY (TOKEN_ID) "+
					"REFERENCES "+schema.AccessToken+" (TOKEN_ID) ON DELETE CASCADE)",
				"INSERT INTO CUSTOMER_NOTE (TOKEN_ID) SELECT TOKEN_ID FROM "+schema.AccessToken+" WHERE TOKEN_ID LIKE '%7'")
			test(&owned{t, target, []string{"--dsn", target.ConnectionString()}, definitions(t, target), captured(t, target)})
		})
	}
}

// definitions are tables and triggers as the server writes them.
func definitions(t *testing.T, target *harness.Target) map[string]string {
	t.Helper()
	all := map[string]string{}
	found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	for _, table := range found.Tables {
		var name, text string
		require.NoError(t, target.DB.QueryRowContext(t.Context(), "SHOW CREATE TABLE "+target.Dialect.Quote(table.Name)).Scan(&name, &text))
		if name == schema.TokenAudit { // its next id goes on
			text = regexp.MustCompile(` AUTO_INCREMENT=\d+`).ReplaceAllString(text, "")
		}
		all[name] = text
		for _, trigger := range table.Triggers {
			all[trigger.Name] = fmt.Sprint(table.Name, trigger)
		}
	}
	return all
}

// do runs a command on the database and requires its exit code.
func (o *owned) do(code int, args ...string) outcome {
	o.Helper()
	got := tokensweep(o.T, append(args, o.dsn...)...)
	require.Equal(o, code, got.code, "%v: %s%s", args, got.stdout, got.stderr)
	login, err := mysqldriver.ParseDSN(o.dsn[1])
	require.NoError(o, err)
	require.NotContains(o, got.stdout+got.stderr, login.Passwd+"@")
	return got
}

func (o *owned) clean(code int, args ...string) outcome {
	o.Helper()
	return o.do(code, append([]string{"clean", "--engine", "rebuild", "--yes", "--cutoff", cutOffText}, args...)...)
}

// capture takes the pre-image to a file.
func (o *owned) capture() (file string) {
	o.Helper()
	file = filepath.Join(o.TempDir(), "before.tscapture")
	o.do(exitPass, "verify", "capture", "--cutoff", cutOffText, "--out", file)
	return file
}

func (o *owned) requireNoRebuild() {
	o.Helper()
	require.Equal(o, o.before, definitions(o.T, o.Target))
	require.Contains(o, o.do(exitPass, "rebuild", "status").stdout, "has no rebuild to finish or to undo")
}

func TestRebuildKeepsOldTablesUntilTheVerdict(t *testing.T) {
	onOwned(t, func(o *owned) {
		image, result := o.capture(), filepath.Join(o.TempDir(), "result.json")
		got := o.clean(exitPass, "--json", result)
		for _, part := range []string{"the old ones are kept as _tokensweep_old_", "verify check", "tokensweep rebuild finish", "tokensweep rebuild undo"} {
			require.Contains(o, got.stdout, part)
		}
		d := document(o.T, result)
		require.Equal(o, "rebuild", d.Engine)
		require.Positive(o, d.Phases[0].Removed)
		require.Contains(o, strings.Join(d.Warnings, "; "), "are kept")

		status := o.do(exitPass, "rebuild", "status").stdout
		for _, part := range []string{"are kept", "policy documented, cut-off " + cutOffText, "tokens: ", "old " + schema.AccessToken, "old CUSTOMER_NOTE", "rebuild finish"} {
			require.Contains(o, status, part)
		}
		// Nothing else starts beside it.
		require.Contains(o, o.clean(exitRefused).stderr, "rebuild finish")
		require.Contains(o, o.clean(exitRefused, "--resume").stderr, "rebuild undo")
		require.Contains(o, o.do(exitRefused, "clean", "--yes", "--cutoff", cutOffText).stderr, "rebuild status")
		require.Contains(o, o.do(exitRefused, "verify", "capture", "--out", image+".2").stderr, "are kept")

		got = o.do(exitPass, "verify", "check", "--before", image)
		require.Contains(o, got.stdout, "are kept")
		require.Contains(o, o.do(exitRefused, "rebuild", "finish").stderr, "--yes")
		o.do(exitPass, "rebuild", "finish", "--yes")
		o.requireNoRebuild()
		require.NotContains(o, o.do(exitPass, "verify", "check", "--before", image).stdout, "are kept")
		require.Contains(o, o.do(exitRefused, "rebuild", "finish", "--yes").stderr, "has no rebuild")
		require.Contains(o, o.do(exitRefused, "rebuild", "undo", "--yes").stderr, "has no rebuild")
	})
}

func TestRebuildDropsOldTablesIfTold(t *testing.T) {
	onOwned(t, func(o *owned) {
		image := o.capture()
		require.NotContains(o, o.clean(exitPass, "--drop-old", "--workers", "3").stdout, "rebuild undo")
		o.requireNoRebuild()
		o.do(exitPass, "verify", "check", "--before", image)
	})
}

func TestRebuildUndone(t *testing.T) {
	onOwned(t, func(o *owned) {
		o.clean(exitPass)
		o.do(exitPass, "rebuild", "undo", "--yes")
		o.requireNoRebuild()
		requireUnchanged(o.T, o.Target, o.image)

		// What was written since is not lost, unless the user says so.
		o.clean(exitPass)
		const late = schema.AccessToken + " SET GRANT_TYPE = UPPER(GRANT_TYPE) ORDER BY TOKEN_ID LIMIT 1"
		sqlOn(o.T, o.Target, "UPDATE "+late)
		got := o.do(exitRefused, "rebuild", "undo", "--yes")
		for _, part := range []string{schema.AccessToken + " were written since", "rebuild finish", "rebuild undo --force"} {
			require.Contains(o, lastLine(got.stderr), part)
		}
		require.Contains(o, o.do(exitPass, "rebuild", "status").stdout, "are kept")
		o.do(exitPass, "rebuild", "undo", "--yes", "--force")
		o.requireNoRebuild()
		requireUnchanged(o.T, o.Target, o.image)
	})
}

// TestRebuildDamage: what is wrong with the new tables shows while the old ones are
// kept, and so does a table that only has a name like theirs.
func TestRebuildDamage(t *testing.T) {
	onOwned(t, func(o *owned) {
		image := o.capture()
		o.clean(exitPass)
		const live = schema.AccessToken + " WHERE TOKEN_STATE = 'ACTIVE' ORDER BY TOKEN_ID LIMIT 1"
		for _, c := range []struct{ class, damage, mend string }{
			{"WRONGLY_REMOVED", "DELETE FROM " + live, ""},
			{"ALTERED", "UPDATE " + schema.AccessTokenScope + " SET TENANT_ID = 77 LIMIT 1", ""},
			{"INVENTED", "CREATE TABLE _tokensweep_old_0123456789ab_1 (ID INT)", "DROP TABLE _tokensweep_old_0123456789ab_1"},
			{"ALTERED", "DROP TRIGGER NOTE_TOKEN", ""},
			{"LOST", "DELETE FROM " + schema.TokenAudit + " LIMIT 1", ""},
		} {
			sqlOn(o.T, o.Target, c.damage)
			got := o.do(exitFail, "verify", "check", "--before", image)
			require.Contains(o, got.stdout, c.class, c.damage)
			require.NotContains(o, got.stdout, rebuild.JournalTable+"\n")
			if c.mend != "" {
				sqlOn(o.T, o.Target, c.mend)
			}
		}
	})
}

// crash lets a rebuild begin and cuts it off before a step, as if its process was killed.
func (o *owned) crash(step string) {
	o.Helper()
	login, err := mysqldriver.ParseDSN(o.ConnectionString())
	require.NoError(o, err)
	var mu sync.Mutex
	var open []net.Conn
	dead := false
	login.Logger = &mysqldriver.NopLogger{}
	login.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if dead {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("cut off")}
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		open = append(open, conn)
		return conn, err
	}
	connector, err := mysqldriver.NewConnector(login)
	require.NoError(o, err)
	pool := sql.OpenDB(connector)
	defer pool.Close()
	plan, err := cleanup.NewPlan(o.image.Found, o.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: cutOff, Audit: true})
	require.NoError(o, err)
	_, err = rebuild.Engine{Keep: true, Hook: func(s string) {
		if strings.HasPrefix(s, step) {
			mu.Lock()
			defer mu.Unlock()
			dead = true
			for _, conn := range open {
				conn.Close()
			}
		}
	}}.Clean(o.Context(), pool, plan, cleanup.Watcher{})
	require.Error(o, err)
	o.awaitEnd()
}

// awaitEnd waits until the server has noticed that the sessions of a run are gone.
func (o *owned) awaitEnd() {
	o.Helper()
	require.Eventually(o, func() bool {
		var others int
		err := o.DB.QueryRowContext(o.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = ? AND ID <> CONNECTION_ID() AND COMMAND <> 'Sleep' "+
			"OR ID = IS_USED_LOCK(?)", o.Schema, cleanup.LockName(o.Schema)).Scan(&others)
		return err == nil && others == 0
	}, time.Minute, 10*time.Millisecond)
}

// TestRebuildInterrupted: what is said in each state, what the verifier makes of it,
// and both ways out.
func TestRebuildInterrupted(t *testing.T) {
	for step, c := range map[string]struct {
		says  string
		check int
	}{
		"copy":  {"was interrupted before it changed anything", exitInconclusive},
		"swap":  {"was interrupted just before the new tables were put in place", exitRefused},
		"names": {"was interrupted after the new tables were put in place", exitRefused},
	} {
		t.Run(step, func(t *testing.T) {
			onOwned(t, func(o *owned) {
				image := o.capture()
				for _, end := range []string{"undo", "resume"} {
					o.crash(step)
					status := o.do(exitPass, "rebuild", "status").stdout
					require.Contains(o, status, c.says)
					require.Contains(o, status, "tokensweep clean --engine rebuild --resume")
					require.Contains(o, o.do(c.check, "verify", "check", "--before", image).stderr+status, c.says)
					require.Contains(o, o.clean(exitRefused).stderr, "--resume")
					if end == "undo" {
						o.do(exitPass, "rebuild", "undo", "--yes")
						o.requireNoRebuild()
						requireUnchanged(o.T, o.Target, o.image)
						continue
					}
					require.Contains(o, o.clean(exitPass, "--resume", "--dry-run").stdout, "dry run: nothing was changed")
					// Without a cut-off it goes on with that of the run.
					got := o.do(exitPass, "clean", "--engine", "rebuild", "--yes", "--resume", "--json", filepath.Join(o.TempDir(), "result.json"))
					require.Contains(o, got.stdout, "are kept")
					o.do(exitPass, "verify", "check", "--before", image)
					o.do(exitPass, "rebuild", "finish", "--yes")
					o.requireNoRebuild()
					o.do(exitPass, "verify", "check", "--before", image)
				}
			})
		})
	}
}

// TestRebuildKilled kills the program itself.
func TestRebuildKilled(t *testing.T) {
	onOwned(t, func(o *owned) {
		image := o.capture()
		c := program(o.Context(), append([]string{"clean", "--engine", "rebuild", "--yes", "--cutoff", cutOffText}, o.dsn...)...)
		conn, err := o.DB.Conn(o.Context())
		require.NoError(o, err)
		defer conn.Close()
		_, err = conn.ExecContext(o.Context(), "USE information_schema") // so that it is not taken for a user of the tables
		require.NoError(o, err)
		defer conn.Raw(func(any) error { return driver.ErrBadConn })
		require.NoError(o, c.Start())
		require.Eventually(o, func() bool { // from then on it works
			var n int
			return conn.QueryRowContext(o.Context(), "SELECT COUNT(*) FROM "+o.Dialect.Quote(o.Schema)+"."+rebuild.JournalTable).Scan(&n) == nil
		}, time.Minute, time.Millisecond)
		require.NoError(o, c.Process.Kill())
		_ = c.Wait()
		require.False(o, c.ProcessState.Exited(), "it was too fast to be killed")
		o.awaitEnd()
		o.clean(exitPass, "--resume")
		o.do(exitPass, "verify", "check", "--before", image)
		o.do(exitPass, "rebuild", "finish", "--yes")
		o.requireNoRebuild()
	})
}

func TestRebuildAtWork(t *testing.T) {
	onOwned(t, func(o *owned) {
		o.clean(exitPass)
		conn, err := o.DB.Conn(o.Context())
		require.NoError(o, err)
		defer conn.Close()
		_, err = conn.ExecContext(o.Context(), "DO GET_LOCK(?, 0)", cleanup.LockName(o.Schema))
		require.NoError(o, err)
		require.Contains(o, o.do(exitPass, "rebuild", "status").stdout, "is at work")
		require.Contains(o, o.do(exitRefused, "rebuild", "finish", "--yes").stderr, "under way")
	})
}

// TestRebuildDryRun says what would be rebuilt, and what would be refused, and does not
// mind others at work.
func TestRebuildDryRun(t *testing.T) {
	onOwned(t, func(o *owned) {
		conn, err := o.DB.Conn(o.Context())
		require.NoError(o, err)
		defer conn.Close()
		for _, s := range []string{"START TRANSACTION", "UPDATE " + schema.AccessToken + " SET GRANT_TYPE = 'x' LIMIT 1"} {
			_, err := conn.ExecContext(o.Context(), s)
			require.NoError(o, err)
		}
		got := o.clean(exitPass, "--dry-run")
		_, err = conn.ExecContext(o.Context(), "ROLLBACK")
		require.NoError(o, err)
		require.Regexp(o, `rebuild: \d+ tables`, got.stdout)
		require.Regexp(o, `\d+ (K|M)iB +≈ [\d.]+ (B|KiB|MiB)  `+schema.AccessToken+"\n", got.stdout)
		for _, part := range []string{"CUSTOMER_NOTE", "room: about ", "in use now by session", "are kept until"} {
			require.Contains(o, got.stdout, part)
		}
		sqlOn(o.T, o.Target, "CREATE TRIGGER SEES_ALL AFTER DELETE ON "+schema.AuthzCode+" FOR EACH ROW SET @seen = OLD.CODE_ID")
		require.Contains(o, o.clean(exitRefused, "--dry-run").stderr, "--skip-delete-triggers")
		require.Contains(o, o.clean(exitPass, "--dry-run", "--skip-delete-triggers", "--drop-old").stdout, "nothing can be put back")
		requireUnchanged(o.T, o.Target, captured(o.T, o.Target))
		sqlOn(o.T, o.Target, "DROP TRIGGER SEES_ALL")
		o.requireNoRebuild()
		requireUnchanged(o.T, o.Target, o.image)
	})
}

func TestRebuildTimeLimit(t *testing.T) {
	onOwned(t, func(o *owned) {
		got := o.clean(exitInconclusive, "--max-duration", "1ns")
		require.Contains(o, got.stdout, "stopped by the time limit of 1ns; the tables are as they were")
		o.requireNoRebuild()
		requireUnchanged(o.T, o.Target, o.image)
		o.clean(exitPass, "--max-duration", "10m", "--drop-old")
	})
}

// TestRebuildRefusesForeignFlags: a flag that an engine does not know is refused, with
// what to do instead, before anything is connected to.
func TestRebuildRefusesForeignFlags(t *testing.T) {
	t.Parallel()
	sqlite := harness.ForTest(t, harness.Options{DB: harness.SQLite}).ConnectionString()
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"batch":                  {[]string{"clean", "--engine", "rebuild", "--batch", "100"}, []string{"--batch is not for", "whole tables"}},
		"batch time":             {[]string{"clean", "--engine", "rebuild", "--batch-time", "2s"}, []string{"--batch-time is not for"}},
		"stop file":              {[]string{"clean", "--engine", "rebuild", "--stop-file", "stop"}, []string{"--stop-file", "--max-duration"}},
		"throttle":               {[]string{"clean", "--engine", "rebuild", "--throttle-log-percent", "60"}, []string{"SQL Server"}},
		"abandon":                {[]string{"clean", "--engine", "rebuild", "--abandon-run"}, []string{"rebuild undo"}},
		"backup":                 {[]string{"clean", "--engine", "rebuild", "--backup", "file"}, []string{"--backup", "rebuild undo"}},
		"lock wait":              {[]string{"clean", "--engine", "rebuild", "--lock-wait", "1500ms"}, []string{"whole seconds"}},
		"workers":                {[]string{"clean", "--engine", "rebuild", "--workers", "65"}, []string{"1 to 64"}},
		"negative limit":         {[]string{"clean", "--engine", "rebuild", "--max-duration", "-1s"}, []string{"--max-duration"}},
		"drop old, batch":        {[]string{"clean", "--drop-old"}, []string{"--drop-old is for --engine rebuild"}},
		"resume, batch":          {[]string{"clean", "--resume"}, []string{"--resume is for --engine rebuild"}},
		"triggers, batch":        {[]string{"run", "--skip-delete-triggers"}, []string{"--skip-delete-triggers is for --engine rebuild"}},
		"run with batch":         {[]string{"run", "--engine", "rebuild", "--batch", "100"}, []string{"--batch is not for"}},
		"other engine":           {[]string{"clean", "--engine", "procedure"}, []string{"batch or rebuild", "run and validate"}},
		"run on SQLite":          {[]string{"run", "--db", "sqlite", "--tokens", "100", "--engine", "rebuild"}, []string{"MySQL and MariaDB", "--db mysql"}},
		"clean on SQLite":        {[]string{"clean", "--engine", "rebuild", "--dsn", sqlite, "--db", "sqlite"}, []string{"MySQL and MariaDB", "--engine batch"}},
		"force, which is undo's": {[]string{"rebuild", "finish", "--force"}, []string{"unknown flag"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tokensweep(t, c.args...)
			require.Equal(t, exitRefused, got.code, got.stderr)
			for _, part := range c.says {
				require.Contains(t, lastLine(got.stderr), part)
			}
		})
	}
}

// TestRunARebuild: on a throw-away server it is finished once the verdict is there.
func TestRunARebuild(t *testing.T) {
	for _, db := range rebuilders {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			harness.ForTest(t, harness.Options{DB: db}) // is it to be had here at all?
			result := filepath.Join(t.TempDir(), "result.json")
			got := tokensweep(t, "run", "--db", db, "--tokens", "1500", "--engine", "rebuild", "--workers", "1", "--json", result)
			require.Equal(t, exitPass, got.code, got.stdout+got.stderr)
			d := document(t, result)
			require.Equal(t, report.Pass, d.Verdict)
			require.Equal(t, []string{"seed", "capture", "clean", "check", "finish"}, stageNames(d))
			require.Empty(t, d.Findings)
		})
	}
}

// TestVerifyRefusesOtherCutOffs: the vendor's script takes the local time of its
// session for UTC. A pre-image that does not know of the script judged at another time.
func TestVerifyRefusesOtherCutOffs(t *testing.T) {
	t.Parallel()
	target := harness.ForTest(t, harness.Options{DB: harness.MySQL})
	seeded(t, target, seed.Spec{Seed: 7, Tokens: 500})
	path, _ := official(harness.MySQL)
	dir, script := t.TempDir(), []string{"--engine", "script:" + path}
	for zone, code := range map[string]int{"+05:30": exitRefused, "+00:00": exitFail} {
		on := []string{"--dsn", target.ConnectionString(), "--writers-time-zone", zone}
		capture := func(name string, more ...string) string {
			file := filepath.Join(dir, zone+name)
			got := tokensweep(t, append(append([]string{"verify", "capture", "--cutoff", cutOffText, "--out", file}, on...), more...)...)
			require.Equal(t, exitPass, got.code, got.stderr)
			return file
		}
		check := func(code int, file string, more ...string) string {
			got := tokensweep(t, append(append([]string{"verify", "check", "--before", file}, on...), more...)...)
			require.Equal(t, code, got.code, got.stdout+got.stderr)
			return lastLine(got.stderr)
		}
		plain, with := capture("plain"), capture("script", script...)
		message := check(code, plain, script...) // nobody cleaned: in UTC the verdict is fail
		check(exitFail, with, script...)
		if code == exitRefused {
			for _, part := range []string{"+05:30", "2026-11-25T02:00:00Z", "2026-11-25T07:30:00Z", "verify capture --engine script:"} {
				require.Contains(t, message, part)
			}
			require.Contains(t, check(exitRefused, with, "--policy", "official-mysql"), "--engine script:FILE")
			check(exitFail, with, "--policy", "strict")
		}
	}
}
