package load

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Domain is the USER_DOMAIN of every token of the load. Users are random, so it
// comes late in every index.
const Domain = "TOKENSWEEP-LOAD"

// DefaultConnections is the size of the product's connection pool as it ships.
const DefaultConnections = 50

// Spec says what load to make.
type Spec struct {
	Rate        float64 // operations a second, more than 0 and at most MaxRate
	Seed        uint64
	Connections int // 0: DefaultConnections
}

// MaxRate is more operations a second than one server takes.
const MaxRate = 100_000

// Validate reports what is wrong with s.
func (s Spec) Validate() error {
	if !(s.Rate > 0 && s.Rate <= MaxRate) {
		return fmt.Errorf("a load of %v operations a second: use more than 0 and at most %d", s.Rate, MaxRate)
	}
	if s.Connections < 0 {
		return fmt.Errorf("a load over %d connections: use 1 or more, or 0 for %d", s.Connections, DefaultConnections)
	}
	return nil
}

// Load is the product's traffic on one schema: the tokens that it holds, and what
// it was told of them. Of its methods only one may run at a time, Phase.End
// excepted, which ends what Start began.
type Load struct {
	spec Spec
	db   *sql.DB // of the load alone
	d    dialect.Dialect
	text statements
	apps []app

	mu      sync.Mutex
	pool    []held // ACTIVE, and in no operation
	done    []held // INACTIVE, REVOKED, absent
	unsure  []unsure
	refused []refusal
	next    uint64 // number of the next operation, and of the token that it makes, less those of Prepare
	first   uint64 // tokens of Prepare
}

// app is a consumer app.
type app struct {
	id  int64
	key string
}

// unsure is an operation whose connection broke at the commit: was is its token
// before, became afterwards, made the one that it would have inserted (nil: none).
type unsure struct {
	was    *held
	became state
	made   *held
}

// refusal is a token that the client holds and that the server did not find.
type refusal struct {
	token held
	doing Kind
}

// batch is the number of rows of a statement of Prepare, Check and Remove.
const batch = 200

// Prepare opens the connections and gives the load tokens for some seconds. It
// needs a pool of its own, which the caller closes after the last use of the load.
func Prepare(ctx context.Context, db *sql.DB, d dialect.Dialect, found *schema.Database, s Spec) (*Load, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.Connections == 0 {
		s.Connections = DefaultConnections
	}
	l := &Load{spec: s, db: db, d: d}
	var err error
	if l.text, err = newStatements(d, found); err != nil {
		return nil, err
	}
	if err := l.findApps(ctx); err != nil {
		return nil, err
	}
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	l.first = uint64(min(max(10*s.Rate, 500), 20_000))
	for n := uint64(0); n < l.first; n += batch {
		if err := l.issueMany(ctx, n, min(n+batch, l.first)); err != nil {
			return nil, fmt.Errorf("making the tokens of the load: %w", err)
		}
	}
	return l, nil
}

// connect opens all connections, so that no operation waits for one.
func (l *Load) connect(ctx context.Context) error {
	l.db.SetMaxOpenConns(l.spec.Connections)
	l.db.SetMaxIdleConns(l.spec.Connections)
	var failed error
	for range l.spec.Connections {
		conn, err := l.db.Conn(ctx)
		if err != nil {
			failed = fmt.Errorf("opening the %d connections of the load: %w", l.spec.Connections, err)
			break
		}
		defer conn.Close() // all of them at once, or it would be one
	}
	return failed
}

func (l *Load) findApps(ctx context.Context) error {
	rows, err := l.db.QueryContext(ctx, l.text.apps)
	if err != nil {
		return fmt.Errorf("reading the consumer apps: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var a app
		if err := rows.Scan(&a.id, &a.key); err != nil {
			return fmt.Errorf("reading the consumer apps: %w", err)
		}
		l.apps = append(l.apps, a)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the consumer apps: %w", err)
	}
	if len(l.apps) == 0 {
		return errors.New("there is no consumer app whose tokens the load could issue")
	}
	return nil
}

// issueMany makes the tokens of those numbers.
func (l *Load) issueMany(ctx context.Context, from, to uint64) error {
	var tokens, scopes []any
	var made []held
	for n := from; n < to; n++ {
		t := l.newToken(rand.New(rand.NewPCG(l.spec.Seed, ^n)), n)
		made = append(made, t)
		tokens = append(tokens, l.row(t, time.Now())...)
		scopes = append(scopes, l.scopeRow(t)...)
	}
	err := l.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, l.text.insertTokens(len(made)), tokens...); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, l.text.insertScopes(len(made)), scopes...)
		return err
	})
	if err == nil {
		l.pool = append(l.pool, made...)
	}
	return err
}

// newToken is one of a user who has none yet.
func (l *Load) newToken(r *rand.Rand, n uint64) held {
	return held{n: n, user: r.Uint64(), app: uint32(r.IntN(len(l.apps)))}
}

// take gives a token to one operation; false if there is none.
func (l *Load) take(r *rand.Rand) (t held, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pool) == 0 {
		return t, false
	}
	i := r.IntN(len(l.pool))
	last := len(l.pool) - 1
	t, l.pool[i] = l.pool[i], l.pool[last]
	l.pool = l.pool[:last]
	return t, true
}

// give books tokens by their state.
func (l *Load) give(tokens ...held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range tokens {
		if t.state == active {
			l.pool = append(l.pool, t)
		} else {
			l.done = append(l.done, t)
		}
	}
}

// tokens are all that may have rows, each once.
func (l *Load) tokens() []held {
	all := append(append([]held{}, l.pool...), l.done...)
	for _, u := range l.unsure {
		for _, t := range []*held{u.was, u.made} {
			if t != nil {
				all = append(all, *t)
			}
		}
	}
	for _, r := range l.refused {
		all = append(all, r.token)
	}
	return all
}
