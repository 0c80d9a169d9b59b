package backup_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

// TestDiskFull: when the backup cannot be written, nothing of the batch is removed,
// the run stops and says so, and goes on once there is room.
func TestDiskFull(t *testing.T) {
	for name, fail := range map[string]func(w *backup.Writer) *backup.Writer{
		"in a frame":        func(w *backup.Writer) *backup.Writer { return w.Failing(60_000, 1000, syscall.ENOSPC) },
		"at the sync":       func(w *backup.Writer) *backup.Writer { return w.Failing(1<<40, 3, syscall.EIO) },
		"in the header":     func(w *backup.Writer) *backup.Writer { return w.Failing(100, 1000, syscall.ENOSPC) },
		"at the first sync": func(w *backup.Writer) *backup.Writer { return w.Failing(1<<40, 0, syscall.EIO) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := open(t, harness.Options{DB: harness.SQLite})
			seeded(t, target, schema.DefaultRelease, 600, seed.MostlyDead)
			before := contents(t, target)
			path := file(t)
			result, err := cleanup.Batch{Size: 60, Backup: fail(keep(path))}.Clean(t.Context(), target.DB, plan(t, target, true), watcher(t))
			require.ErrorContains(t, err, "the backup "+path+" cannot be written")
			require.ErrorContains(t, err, "make room for it")
			if result == nil { // not even the header
				require.NoFileExists(t, path)
				requireSame(t, before, contents(t, target))
				return
			}
			f, err := backup.Open(path)
			require.NoError(t, err)
			_, rows := f.Total(backup.Confirmed)
			for i, table := range f.Tables {
				gone := int64(len(before[table.Name]) - len(contents(t, target)[table.Name]))
				require.Equal(t, gone, rows[i], "%s: removed and kept", table.Name)
			}
			require.Positive(t, rows[f.Phases[0].Table])

			_, err = cleanup.Batch{Size: 60, Backup: keep(path)}.Clean(t.Context(), target.DB, plan(t, target, true), watcher(t))
			require.NoError(t, err)
			report := restored(t, target, path, backup.Options{})
			require.True(t, report.Whole(), brief(report))
			requireSame(t, before, contents(t, target))
		})
	}
}
