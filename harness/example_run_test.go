package harness_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

// A whole run on a throw-away database. With DB: harness.MySQL it is a real one.
func ExampleRun() {
	result, err := harness.Run(context.Background(), harness.Scenario{
		Options:  harness.Options{DB: harness.SQLite, Fast: true},
		Settings: cleanup.Settings{Policy: token.Strict, CutOff: time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC), Audit: true},
		Seed:     seed.Spec{Seed: 1, Tokens: 5000, Mix: seed.MostlyDead},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Verdict, result.Phases[0].Removed == result.Phases[0].Audited, len(result.Findings))
	// Output: pass true 0
}
