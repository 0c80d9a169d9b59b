// Command tokensweep tests, verifies and measures the clean-up of OAuth2 tokens
// in the database of WSO2 API Manager and Identity Server.
//
// Exit codes: 0 pass; 1 the verdict is fail; 2 bad usage, or refused before any
// change; 3 the database or a tool is not available; 4 inconclusive; 130
// interrupted, the state is safe and the printed command goes on.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// memoryLimit makes the garbage collector work harder before it takes more than
// this many bytes, because the database beside it wants the memory. GOMEMLIMIT
// overrides it.
const memoryLimit = 192 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks the run to end at a safe point; after it signals work
	// as usual again, so that a second one ends the program at once.
	context.AfterFunc(ctx, stop)
	err := newRoot().ExecuteContext(ctx)
	interrupted := ctx.Err() != nil
	stop()
	code := exitCode(err, interrupted)
	if message := explain(err, interrupted); message != "" {
		fmt.Fprintln(os.Stderr, "tokensweep: "+message)
	}
	os.Exit(code)
}
