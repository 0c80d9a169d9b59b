package backup_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// interruption ends a run in its n-th batch.
type interruption struct {
	name string
	// engine returns the engine to run, and what to do afterwards with the file.
	engine func(path string, cancel func()) (cleanup.Batch, func(t *testing.T))
	panics bool
}

// at calls do in the n-th batch before a step, once.
func at(n int, step string, do func()) func(string) {
	batch := 0
	return func(now string) {
		if now == "begin" {
			batch++
		}
		if batch == n && now == step {
			batch = n + 1
			do()
		}
	}
}

// crashing is a keeper whose process ends behind the commit of a batch.
type crashing struct {
	*backup.Writer
	left *int
}

func (c crashing) Committed(batch int64) error {
	if *c.left--; *c.left == 0 {
		panic("crash")
	}
	return c.Writer.Committed(batch)
}

func crash() { panic("crash") }

func nothing(*testing.T) {}

func interruptions() []interruption {
	return []interruption{
		{name: "cancelled", engine: func(path string, cancel func()) (cleanup.Batch, func(*testing.T)) {
			return cleanup.Batch{Size: 40, Backup: keep(path), Hook: at(3, "delete", cancel)}, nothing
		}},
		{name: "crashed before the commit", panics: true, engine: func(path string, _ func()) (cleanup.Batch, func(*testing.T)) {
			return cleanup.Batch{Size: 40, Backup: keep(path), Hook: at(3, "commit", crash)}, nothing
		}},
		{name: "crashed behind the commit", panics: true, engine: func(path string, _ func()) (cleanup.Batch, func(*testing.T)) {
			left := 3
			return cleanup.Batch{Size: 40, Backup: crashing{keep(path), &left}}, nothing
		}},
		{name: "crashed while it wrote", panics: true, engine: func(path string, _ func()) (cleanup.Batch, func(*testing.T)) {
			b := cleanup.Batch{Size: 40, Backup: keep(path), Hook: at(4, "backup", crash)}
			return b, func(t *testing.T) {
				f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				require.NoError(t, err)
				_, err = f.Write([]byte{'B', 17, 0, 0})
				require.NoError(t, err)
				require.NoError(t, f.Close())
			}
		}},
	}
}

// interrupted runs a clean-up until it is interrupted.
func (i interruption) run(t *testing.T, target *harness.Target, path string, audit bool) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b, after := i.engine(path, cancel)
	clean := func() {
		_, err := b.Clean(ctx, target.DB, plan(t, target, audit), cleanup.Watcher{})
		require.NoError(t, err)
	}
	if i.panics {
		require.PanicsWithValue(t, "crash", clean)
	} else {
		clean()
	}
	after(t)
}

// TestInterruptedAndContinued: the file of a run that was interrupted goes on, and
// in the end holds each row once.
func TestInterruptedAndContinued(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		for n, i := range interruptions() {
			t.Run(i.name, func(t *testing.T) {
				t.Parallel()
				target := open(t, harness.Options{DB: db})
				seeded(t, target, schema.DefaultRelease, 400, seed.MostlyDead)
				before := contents(t, target)
				path := file(t)
				audit := n%2 == 0
				i.run(t, target, path, audit)

				_, err := cleanup.Batch{Size: 50}.Clean(t.Context(), target.DB, plan(t, target, audit), watcher(t))
				requireRefused(t, err, "keeps what it removes in "+path, "--backup")
				result, err := cleanup.Batch{Size: 50, Backup: keep(path)}.Clean(t.Context(), target.DB, plan(t, target, audit), watcher(t))
				require.NoError(t, err)
				require.True(t, result.Resumed)
				require.True(t, result.Complete())
				f, err := backup.Open(path)
				require.NoError(t, err)
				require.NotNil(t, f.Trailer)
				_, rows := f.Total(backup.Confirmed)
				require.Equal(t, result.Phases[0].Removed, rows[f.Phases[0].Table])
				report := restored(t, target, path, backup.Options{})
				require.True(t, report.Whole(), brief(report))
				requireSame(t, before, contents(t, target))
			})
		}
	})
}

// TestInterruptedAndRestored: the file of a run that nobody goes on with is restored
// as far as the run had come; of its last batch the ledger knows.
func TestInterruptedAndRestored(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		for _, i := range interruptions() {
			t.Run(i.name, func(t *testing.T) {
				t.Parallel()
				target := open(t, harness.Options{DB: db})
				seeded(t, target, schema.DefaultRelease, 300, seed.MostlyDead)
				before := contents(t, target)
				path := file(t)
				i.run(t, target, path, true)
				report := restored(t, target, path, backup.Options{})
				require.True(t, report.Whole(), brief(report))
				require.Contains(t, report.Notes[0], "was interrupted")
				after := contents(t, target)
				require.Contains(t, after, cleanup.LedgerTable)
				delete(after, cleanup.LedgerTable)
				requireSame(t, before, after)
			})
		}
	})
}

// TestWithoutTheLedger: a batch of which nobody knows whether it was committed stays
// out and is listed.
func TestWithoutTheLedger(t *testing.T) {
	for name, committed := range map[string]bool{"rolled back": false, "committed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := open(t, harness.Options{DB: harness.SQLite})
			seeded(t, target, schema.DefaultRelease, 300, seed.MostlyDead)
			before := contents(t, target)
			path := file(t)
			all := interruptions()
			if committed {
				all[2].run(t, target, path, true)
			} else {
				all[1].run(t, target, path, true)
			}
			_, err := target.DB.ExecContext(t.Context(), "DROP TABLE "+cleanup.LedgerTable)
			require.NoError(t, err)
			report := restored(t, target, path, backup.Options{})
			require.Len(t, report.Unconfirmed, 1)
			require.EqualValues(t, 3, report.Unconfirmed[0].Batch)
			require.Positive(t, report.Unconfirmed[0].Rows)
			require.False(t, report.Whole())
			require.Contains(t, report.Notes[0], "batches may be missing at its end")
			audited := len(contents(t, target)[schema.TokenAudit]) - len(before[schema.TokenAudit])
			if committed {
				require.Positive(t, audited, "the copies of what stays out stay too")
			} else {
				require.Zero(t, audited)
			}
		})
	}
}

// TestContinuedWithALoss: a file that lacks a batch of the run is not gone on with.
func TestContinuedWithALoss(t *testing.T) {
	t.Parallel()
	target := open(t, harness.Options{DB: harness.SQLite})
	seeded(t, target, schema.DefaultRelease, 300, seed.MostlyDead)
	path := file(t)
	interruptions()[0].run(t, target, path, true)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)*2/3], 0o600))
	_, err = cleanup.Batch{Size: 50, Backup: keep(path)}.Clean(t.Context(), target.DB, plan(t, target, true), watcher(t))
	requireRefused(t, err, "it lacks batch")
	cut, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, cut, len(whole)*2/3, "the file was changed")

	f, err := backup.Open(path)
	require.NoError(t, err)
	_, err = backup.Restore(t.Context(), target.DB, target.Dialect, target.Schema, f, backup.Options{}, cleanup.Watcher{})
	requireRefused(t, err, "it lacks batch")

	other := file(t)
	result, err := cleanup.Batch{Size: 50, Backup: keep(other)}.Clean(t.Context(), target.DB, plan(t, target, true), watcher(t))
	require.NoError(t, err)
	require.True(t, result.Complete())
	f, err = backup.Open(other)
	require.NoError(t, err)
	require.EqualValues(t, 3, f.After)
}

// TestNeverOverwritten: a file that is there is refused before anything changes.
func TestNeverOverwritten(t *testing.T) {
	t.Parallel()
	target := open(t, harness.Options{DB: harness.SQLite})
	seeded(t, target, schema.DefaultRelease, 100, seed.MostlyDead)
	before := contents(t, target)
	path := file(t)
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	_, err := cleanup.Batch{Backup: keep(path)}.Clean(t.Context(), target.DB, plan(t, target, true), watcher(t))
	requireRefused(t, err, "is there already")
	requireSame(t, before, contents(t, target))
	mine, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "mine", string(mine))

	_, f := cleaned(t, target, cleanup.Batch{}, true)
	info, err := os.Stat(f.Path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	interruptedTarget := open(t, harness.Options{DB: harness.SQLite})
	seeded(t, interruptedTarget, schema.DefaultRelease, 300, seed.MostlyDead)
	interruptions()[0].run(t, interruptedTarget, file(t), true)
	_, err = cleanup.Batch{Backup: keep(f.Path)}.Clean(t.Context(), interruptedTarget.DB, plan(t, interruptedTarget, true), watcher(t))
	requireRefused(t, err, "it is the backup of run")
}

// TestRetriedBatch: of a batch that was rolled back and done again, the rows are
// those of the attempt that was committed.
func TestRetriedBatch(t *testing.T) {
	for _, db := range servers[1:] { // on SQLite a writer has the database to itself
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			f := dbtest.New(t, open(t, harness.Options{DB: db}), dbtest.Setup{})
			for n := range 9 {
				f.Insert(schema.AccessToken, dbtest.TokenRow(fmt.Sprintf("dead-%d", n), token.Revoked, nil))
				f.Insert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": fmt.Sprintf("dead-%d", n), "TOKEN_SCOPE": "openid"})
			}
			f.Insert(schema.AccessToken, dbtest.TokenRow("dead-4-but-live", token.Active, dbtest.Row{"TIME_CREATED": dbtest.At(7000)}))
			revoke := at(2, "delete", func() {
				f.Exec("UPDATE " + schema.AccessToken + " SET TOKEN_STATE = 'REVOKED' WHERE TOKEN_ID = 'dead-4-but-live'")
			})
			result, kept := cleaned(t, f.Target, cleanup.Batch{Size: 4, Hook: revoke}, true)
			require.EqualValues(t, 1, result.Retries.CountMismatches)
			_, rows := kept.Total(backup.Confirmed)
			require.EqualValues(t, 10, rows[kept.Phases[0].Table])
			report := restored(t, f.Target, kept.Path, backup.Options{})
			require.EqualValues(t, 19, report.Sums[backup.PutBack], brief(report))
			require.EqualValues(t, 1, f.Count(schema.AccessToken, "TOKEN_ID = 'dead-4-but-live' AND TOKEN_STATE = 'REVOKED'"))
			require.Zero(t, f.Count(schema.TokenAudit, ""))
		})
	}
}

// TestChildOfTheLastMoment: a row that comes between what was kept and the delete is
// not removed without having been kept.
func TestChildOfTheLastMoment(t *testing.T) {
	for _, db := range []string{harness.MySQL, harness.MariaDB} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			f := dbtest.New(t, open(t, harness.Options{DB: db}), dbtest.Setup{Change: func(tables *schema.Database) {
				scopes, _ := tables.Table(schema.AccessTokenScope)
				scopes.ForeignKeys = nil // as some databases have it: only the product knows what belongs together
			}})
			f.Insert(schema.AccessToken, dbtest.TokenRow("dead", token.Revoked, nil))
			f.Insert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": "dead", "TOKEN_SCOPE": "early"})
			late := at(1, "children", func() { f.Insert(schema.AccessTokenScope, dbtest.Row{"TOKEN_ID": "dead", "TOKEN_SCOPE": "late"}) })
			result, kept := cleaned(t, f.Target, cleanup.Batch{Hook: late}, true)
			require.EqualValues(t, 1, result.Retries.CountMismatches)
			require.Zero(t, f.Count(schema.AccessTokenScope, ""))
			require.True(t, restored(t, f.Target, kept.Path, backup.Options{}).Whole())
			require.EqualValues(t, 2, f.Count(schema.AccessTokenScope, ""))
		})
	}
}

// TestOnlyWithABackup: without one, a batch takes no step more than it did.
func TestOnlyWithABackup(t *testing.T) {
	t.Parallel()
	for keeping, want := range map[bool][]string{
		false: {"begin", "audit", "children", "delete", "ledger", "commit", "begin", "delete", "ledger", "commit"},
		true:  {"begin", "audit", "backup", "children", "delete", "ledger", "commit", "begin", "audit", "backup", "delete", "ledger", "commit"},
	} {
		f := dbtest.New(t, open(t, harness.Options{DB: harness.SQLite}), dbtest.Setup{Change: func(tables *schema.Database) {
			scopes, _ := tables.Table(schema.AccessTokenScope)
			scopes.ForeignKeys = nil
		}})
		f.Insert(schema.AccessToken, dbtest.TokenRow("dead", token.Revoked, nil))
		f.Insert(schema.AuthzCode, dbtest.CodeRow("code", token.Inactive, nil))
		var steps []string
		b := cleanup.Batch{Hook: func(step string) { steps = append(steps, step) }}
		if keeping {
			b.Backup = keep(file(t))
		}
		_, err := b.Clean(t.Context(), f.DB, plan(t, f.Target, true), cleanup.Watcher{})
		require.NoError(t, err)
		require.Equal(t, want, steps)
	}
}
