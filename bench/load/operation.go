package load

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// Kind is a kind of operation.
type Kind int

// The kinds, and how many of a hundred operations are of each.
const (
	Validate Kind = iota // 60
	Refresh              // 20
	Issue                // 15
	Revoke               // 5

	kinds
)

// shares are percent, by kind.
var shares = [kinds]int{Validate: 60, Refresh: 20, Issue: 15, Revoke: 5}

// DeadShare is the part of all operations that leave a row behind which a clean-up
// may remove.
const DeadShare = 0.25

func (k Kind) String() string { return [...]string{"validate", "refresh", "issue", "revoke"}[k] }

// kindOf draws one.
func kindOf(r *rand.Rand) Kind {
	n := r.IntN(100)
	for k := range kinds {
		if n -= shares[k]; n < 0 {
			return k
		}
	}
	return Validate
}

var (
	// errRefused says that the server does not know a token that the client holds.
	errRefused = errors.New("the server does not find a token that is ACTIVE")
	errNone    = errors.New("the load has no token left")
)

// uncertain is an error after which nobody knows whether the operation happened.
type uncertain struct{ error }

func (u uncertain) Unwrap() error { return u.error }

// do runs operation number n.
func (l *Load) do(ctx context.Context, n uint64) (Kind, error) {
	r := rand.New(rand.NewPCG(l.spec.Seed+1, n))
	kind := kindOf(r)
	if kind == Issue {
		return kind, l.issue(ctx, l.newToken(r, l.first+n))
	}
	t, ok := l.take(r)
	if !ok {
		return kind, errNone
	}
	switch kind {
	case Refresh:
		return kind, l.refresh(ctx, t, held{n: l.first + n, user: t.user, app: t.app})
	case Revoke:
		return kind, l.revoke(ctx, t)
	}
	err := l.look(ctx, t, l.text.validate, hashed(l.names(t.n).access))
	l.settle(kind, err, &t, active, nil)
	return kind, err
}

// look reads a token and its scopes as the product does, and compares them with
// what the client holds.
func (l *Load) look(ctx context.Context, t held, query string, args ...any) error {
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	found := 0
	for rows.Next() {
		var id, state string
		var scoped sql.NullString
		var rest [8]sql.RawBytes
		dest := []any{&id, &state}
		for i := range rest {
			dest = append(dest, &rest[i])
		}
		if err := rows.Scan(append(dest, &scoped)...); err != nil {
			return err
		}
		if id != l.names(t.n).id || state != active.String() || scoped.String != scope {
			return errRefused
		}
		found++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if found != 1 {
		return errRefused
	}
	return nil
}

func (l *Load) refresh(ctx context.Context, old, fresh held) error {
	is := l.names(old.n)
	err := l.look(ctx, old, l.text.find, hashed(is.refresh), l.apps[old.app].key)
	if err == nil {
		err = l.inTransaction(ctx, func(tx *sql.Tx) error {
			if err := oneRow(tx.ExecContext(ctx, l.text.supersede, is.stateID, is.id)); err != nil {
				return err
			}
			return l.insert(ctx, tx, fresh)
		})
	}
	l.settle(Refresh, err, &old, inactive, &fresh)
	return err
}

func (l *Load) issue(ctx context.Context, fresh held) error {
	err := l.inTransaction(ctx, func(tx *sql.Tx) error { return l.insert(ctx, tx, fresh) })
	l.settle(Issue, err, nil, absent, &fresh)
	return err
}

func (l *Load) insert(ctx context.Context, tx *sql.Tx, t held) error {
	if _, err := tx.ExecContext(ctx, l.text.insertTokens(1), l.row(t, time.Now())...); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, l.text.insertScopes(1), l.scopeRow(t)...)
	return err
}

// revoke is one statement that commits by itself.
func (l *Load) revoke(ctx context.Context, t held) error {
	is := l.names(t.n)
	err := oneRow(l.db.ExecContext(ctx, l.text.revoke, is.stateID, hashed(is.access)))
	if err != nil && !errors.Is(err, errRefused) {
		err = ambiguous(err)
	}
	l.settle(Revoke, err, &t, revoked, nil)
	return err
}

func oneRow(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return errRefused
	}
	if err == nil && n != 1 {
		return fmt.Errorf("a statement about one token changed %d", n)
	}
	return err
}

// ambiguous marks the failure of a statement that commits, unless the server said
// itself that it failed.
func ambiguous(err error) error {
	var server *mysqldriver.MySQLError
	if err == nil || errors.As(err, &server) {
		return err
	}
	return uncertain{err}
}

// inTransaction commits what do did, or rolls it back.
func (l *Load) inTransaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback() // where that fails the connection is gone, and the server rolls back
		return err
	}
	return ambiguous(tx.Commit())
}

// settle books what the client knows after an operation on a token, which became
// another state if it worked, and made one (nil: none).
func (l *Load) settle(kind Kind, err error, was *held, became state, made *held) {
	var unclear uncertain
	switch {
	case errors.As(err, &unclear):
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unsure = append(l.unsure, unsure{was, became, made})
		return
	case errors.Is(err, errRefused):
		l.mu.Lock()
		l.refused = append(l.refused, refusal{*was, kind})
		l.mu.Unlock()
		was = nil
	}
	if was != nil {
		if err == nil {
			was.state = became
		}
		l.give(*was)
	}
	if made != nil {
		if err != nil {
			made.state = absent
		}
		l.give(*made)
	}
}
