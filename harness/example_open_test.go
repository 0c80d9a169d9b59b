package harness_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tokensweep/tokensweep/harness"
)

// The zero Options take the best database of this machine; here it is the
// embedded one.
func ExampleOpen() {
	ctx := context.Background()
	target, err := harness.Open(ctx, harness.Options{DB: harness.SQLite})
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()

	var answer int
	if err := target.DB.QueryRowContext(ctx, "SELECT 6 * 7").Scan(&answer); err != nil {
		log.Print(err)
	}
	fmt.Println(target.Server.Product, answer)
	// Output: SQLite 42
}
