package seed_test

import (
	"flag"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/seed"
)

var benchTokens = flag.Int64("tokens", 100_000, "tokens that BenchmarkFill loads")

// BenchmarkFill loads a server that is as durable as in production:
//
//	go test -run - -bench Fill/mysql -benchtime 1x -tokens 1000000 ./seed
func BenchmarkFill(b *testing.B) {
	for _, db := range []string{harness.MySQL, harness.MariaDB, harness.SQLite} {
		b.Run(db, func(b *testing.B) {
			for b.Loop() {
				target, err := harness.Open(b.Context(), harness.Options{DB: db})
				require.NoError(b, err)
				t := seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
				b.ResetTimer()
				result, err := seed.Fill(b.Context(), t, release, "", spec(seed.Default, *benchTokens), seed.Options{})
				b.StopTimer()
				require.NoError(b, err)
				b.ReportMetric(float64(*benchTokens)/(result.Seconds+result.IndexSeconds), "tokens/s")
				b.ReportMetric(result.Seconds, "load-s")
				b.ReportMetric(result.IndexSeconds, "index-s")
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
				require.NoError(b, target.Close())
				b.StartTimer()
			}
		})
	}
}
