package harness

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// rewinder is a node that can go back to an earlier state of all its data.
type rewinder interface {
	rewind(ctx context.Context) error
}

// Rewind shuts the server down in order and starts it again with the data that
// all of it had at the first Rewind: identical files, cold caches, no history of
// deleted rows to purge. It is how the same work is measured several times on the
// same data. Open connections are lost; Target.DB makes new ones.
//
// It takes a throw-away MySQL or MariaDB; for others the error is an
// [*OptionError].
func (t *Target) Rewind(ctx context.Context) error {
	n, ok := t.node.(rewinder)
	if !ok || !t.node.owned() {
		return &OptionError{Problem: fmt.Sprintf("%s cannot be set back to an earlier state: use a throw-away MySQL or MariaDB", t.Server)}
	}
	return n.rewind(ctx)
}

func (n *mysqlNode) rewind(ctx context.Context) error {
	if n.again == nil {
		return &OptionError{Problem: "a server that tokensweep did not start cannot be set back to an earlier state"}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := n.again(ctx); err != nil {
		return fmt.Errorf("setting the server back: %w", err)
	}
	// All that was deleted is purged and all pages are written: the first of two equal
	// states must not be the one with work left.
	if err := n.shutdown(ctx, "SET GLOBAL innodb_fast_shutdown = 0", "SHUTDOWN"); err != nil {
		return fmt.Errorf("setting the server back: %w", err)
	}
	if err := n.settle(ctx, n.died, n.zone); err != nil {
		return fmt.Errorf("starting the server again: %w", err)
	}
	return nil
}

// shutdown runs the statements and waits for the session's end, after which the
// server takes no login any more.
func (n *mysqlNode) shutdown(ctx context.Context, statements ...string) error {
	db, err := n.connect(ctx, place{}, Session{})
	if err != nil {
		return err
	}
	defer db.Close()
	witness, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer witness.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	for witness.PingContext(ctx) == nil {
		select {
		case <-ctx.Done():
			return errors.New("the server does not shut down")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return ctx.Err()
}
