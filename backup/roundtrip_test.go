package backup_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

// TestEveryRelease: restore(clean(x)) = x, on the tables of every release.
func TestEveryRelease(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		for n, release := range schema.Releases() {
			t.Run(release, func(t *testing.T) {
				t.Parallel()
				mix, tokens := seed.Default, int64(600)
				if n%2 == 1 {
					mix = seed.Edge
				}
				target := open(t, harness.Options{DB: db})
				seeded(t, target, release, tokens, mix)
				before := contents(t, target)
				result, f := cleaned(t, target, cleanup.Batch{Size: 100}, n%3 != 0)
				require.Positive(t, result.Phases[0].Removed)
				cleanState := contents(t, target)

				dry := restored(t, target, f.Path, backup.Options{DryRun: true})
				requireSame(t, cleanState, contents(t, target))
				report := restored(t, target, f.Path, backup.Options{})
				require.True(t, report.Whole(), brief(report))
				require.True(t, report.Changed())
				require.Equal(t, dry.Sums, report.Sums)
				require.Equal(t, dry.AuditRows, report.AuditRows)
				requireSame(t, before, contents(t, target))
				again := restored(t, target, f.Path, backup.Options{})
				require.False(t, again.Changed())
				require.True(t, again.Whole(), brief(again))
				requireSame(t, before, contents(t, target))
			})
		}
	})
}
