package seed

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Options say how to load. The zero value will do.
type Options struct {
	// Connections is the number used at a time, 0 for 2. SQLite has one.
	Connections int
	// ChunkTokens is the number of tokens in one transaction, 0 for 25,000. To go
	// on after an interruption it has to be what it was.
	ChunkTokens int64
	// Log is told what is worth knowing, in one sentence; may be nil.
	Log func(format string, args ...any)
	// Progress is told how many of the tokens are loaded; may be nil.
	Progress func(done, total int64)
}

const (
	defaultChunk = 25_000
	insertRows   = 100 // of one INSERT statement
	loadRetries  = 5   // of a chunk, after a deadlock
)

// Result is what Load did.
type Result struct {
	Rows    map[string]int64 // rows of the Spec by table, the earlier part of a continued load included
	Resumed int64            // tokens that an earlier, interrupted load had left
	Bulk    bool             // rows were streamed with the database's bulk loader
	Seconds float64
}

// Load fills the tables that exist with the rows of s. A chunk of tokens and
// everything that hangs on them is one transaction, so that an interrupted load
// can be continued by the same call. It fails, before it changes anything, if
// rows of the same ids but other settings are there, or if a table has a column
// that it cannot fill. The number of rows of every table is checked at the end.
func Load(ctx context.Context, t Target, s Spec, o Options) (*Result, error) {
	began := time.Now()
	g, err := newGenerator(s)
	if err != nil {
		return nil, err
	}
	if g.spec.Mix == "" {
		g.spec.Mix = Default
	}
	l := &loading{Target: t, Options: o, g: g, result: &Result{Rows: map[string]int64{}}}
	if l.ChunkTokens <= 0 {
		l.ChunkTokens = defaultChunk
	}
	if l.found, err = schema.Read(ctx, t.DB, t.Dialect, t.Schema); err != nil {
		return nil, err
	}
	if _, ok := l.found.Table(schema.AccessToken); !ok {
		return nil, refuse("schema %s has no table %s to fill", t.Schema, schema.AccessToken)
	}
	if l.fillings, err = plan(g.tables(), l.found); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{l.ensureApps, l.findChunks, l.numberRows, l.countBefore, l.loadChunks, l.countAfter} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("seeding: %w", err)
		}
	}
	l.result.Bulk = !l.noBulk.Load() && l.hasBulk()
	l.result.Seconds = time.Since(began).Seconds()
	return l.result, nil
}

// loading is one call of Load.
type loading struct {
	Target
	Options
	g        *generator
	found    *schema.Database
	fillings []filling
	pending  []span  // chunks that are not there yet
	loaded   []span  // chunks that are
	before   []int64 // rows of each filling before the load
	noBulk   atomic.Bool
	mu       sync.Mutex
	done     int64 // tokens
	result   *Result
}

func (l *loading) log(format string, args ...any) {
	if l.Log != nil {
		l.Log(format, args...)
	}
}

// findChunks splits the positions into chunks and finds out which are there: a
// chunk is committed as a whole, so it is there if its first token is.
func (l *loading) findChunks(ctx context.Context) error {
	q := l.Dialect.Quote
	table, _ := l.found.Table(schema.AccessToken)
	query := "SELECT COUNT(*) FROM " + q(table.Name) + " WHERE " + q("TOKEN_ID") + " = ?"
	for from := int64(0); from < l.g.spec.Tokens; from += l.ChunkTokens {
		chunk := span{from, min(from+l.ChunkTokens, l.g.spec.Tokens)}
		var n int
		if err := l.DB.QueryRowContext(ctx, query, string(l.g.appendTokenID(nil, from))).Scan(&n); err != nil {
			return fmt.Errorf("looking for rows of an earlier load: %w", err)
		}
		if n > 0 {
			l.loaded = append(l.loaded, chunk)
			l.done += chunk.to - chunk.from
		} else {
			l.pending = append(l.pending, chunk)
		}
	}
	if l.result.Resumed = l.done; l.done > 0 {
		l.log("%d of %d tokens are there from an earlier load", l.done, l.g.spec.Tokens)
	}
	return nil
}

// numberRows finds the ids that ours follow in the tables whose ids others
// refer to: behind what is there, or where an earlier load put them.
func (l *loading) numberRows(ctx context.Context) error {
	for i := range l.fillings {
		f := &l.fillings[i]
		var last *int64
		switch f.name {
		case schema.RequestObject:
			last = &l.g.lastRequest
		case schema.RequestClaims:
			last = &l.g.lastClaim
		default:
			continue
		}
		q := l.Dialect.Quote
		highest := "SELECT COALESCE(MAX(" + q("ID") + "), 0) FROM " + q(f.found.Name)
		if err := l.DB.QueryRowContext(ctx, highest).Scan(last); err != nil {
			return fmt.Errorf("finding the highest id of %s: %w", f.found.Name, err)
		}
		if len(l.loaded) > 0 {
			if err := l.renumber(ctx, f, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// renumber takes the base of an earlier load from one of its rows.
func (l *loading) renumber(ctx context.Context, f *filling, last *int64) error {
	for _, chunk := range l.loaded {
		w := walker{g: l.g, t: &f.table, next: chunk.from, to: chunk.to}
		e, _, ok := w.step()
		if !ok {
			continue
		}
		q := l.Dialect.Quote
		query := "SELECT r." + q("ID") + " FROM " + q(schema.RequestObject) + " r WHERE r." + q("SESSION_DATA_KEY") + " = ?"
		if f.name == schema.RequestClaims {
			query = "SELECT MIN(c." + q("ID") + ") FROM " + q(schema.RequestClaims) + " c JOIN " + q(schema.RequestObject) + " r ON c." +
				q("REQ_OBJECT_ID") + " = r." + q("ID") + " WHERE r." + q("SESSION_DATA_KEY") + " = ?"
		}
		var id int64
		if err := l.DB.QueryRowContext(ctx, query, string(putSessionKey(nil, l.g, e, 0))).Scan(&id); err != nil {
			return fmt.Errorf("finding the ids that an earlier load used in %s: %w", f.found.Name, err)
		}
		*last = id - e.block - 1
		if f.name == schema.RequestClaims {
			*last = id - e.block*claimsPerRequest - 1
		}
		return nil
	}
	return nil
}

func (l *loading) countBefore(ctx context.Context) error {
	for i := range l.fillings {
		n, err := l.count(ctx, &l.fillings[i])
		if err != nil {
			return err
		}
		l.before = append(l.before, n)
	}
	return nil
}

func (l *loading) count(ctx context.Context, f *filling) (n int64, err error) {
	if err := l.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+l.Dialect.Quote(f.found.Name)).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting %s: %w", f.found.Name, err)
	}
	return n, nil
}

// countAfter compares what the tables hold with what was sent.
func (l *loading) countAfter(ctx context.Context) error {
	for i := range l.fillings {
		f := &l.fillings[i]
		var sent, all int64
		for _, chunk := range l.pending {
			sent += f.count(l.g, chunk.from, chunk.to)
		}
		all = sent
		for _, chunk := range l.loaded {
			all += f.count(l.g, chunk.from, chunk.to)
		}
		n, err := l.count(ctx, f)
		if err != nil {
			return err
		}
		if n != l.before[i]+sent {
			return fmt.Errorf("table %s has %d rows, %d were there and %d were loaded: something else changes it, or rows were lost", f.found.Name, n, l.before[i], sent)
		}
		l.result.Rows[f.found.Name] = all
	}
	return nil
}

func (l *loading) hasBulk() bool {
	_, ok := l.Dialect.(dialect.BulkLoader)
	return ok
}

// loadChunks loads what is missing, in key order, over several connections.
func (l *loading) loadChunks(ctx context.Context) error {
	chunks := make(chan span)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(chunks)
		for _, c := range l.pending {
			select {
			case chunks <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range l.connections(l.Connections) {
		group.Go(func() error {
			return l.onSession(ctx, func(conn *sql.Conn) error {
				for c := range chunks {
					if err := l.chunk(ctx, conn, c); err != nil {
						return fmt.Errorf("tokens %d to %d: %w", c.from, c.to-1, err)
					}
					l.advance(c.to - c.from)
				}
				return nil
			})
		})
	}
	return group.Wait()
}

func (l *loading) advance(tokens int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done += tokens
	if l.Progress != nil {
		l.Progress(l.done, l.g.spec.Tokens)
	}
}

// chunk loads one chunk, again after a deadlock, and by INSERT if the server
// has its bulk loader switched off.
func (l *loading) chunk(ctx context.Context, conn *sql.Conn, c span) error {
	for attempt := 1; ; attempt++ {
		err := l.transaction(ctx, conn, c)
		switch class := l.Dialect.Classify(err); {
		case err == nil:
			return nil
		case class == dialect.Unsupported && !l.noBulk.Load():
			l.noBulk.Store(true)
			l.log("the server does not take LOAD DATA LOCAL (local_infile is off): inserting rows instead, at about half the speed")
		case (class == dialect.Deadlock || class == dialect.LockTimeout) && attempt < loadRetries:
		default:
			return err
		}
	}
}

func (l *loading) transaction(ctx context.Context, conn *sql.Conn, c span) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for i := range l.fillings {
		f := &l.fillings[i]
		load := l.insert
		if l.hasBulk() && !l.noBulk.Load() {
			load = l.bulk
		}
		if err := load(ctx, tx, f, c); err != nil {
			return fmt.Errorf("loading %s: %w", f.found.Name, err)
		}
	}
	return tx.Commit()
}

// bulk streams the rows of a chunk. The server turns errors about single rows
// into warnings, so the number of rows and the warnings are looked at.
func (l *loading) bulk(ctx context.Context, tx *sql.Tx, f *filling, c span) error {
	rows := newRowReader(l.g, &f.table, f.columns, c.from, c.to)
	statement, done := l.Dialect.(dialect.BulkLoader).BulkLoad(f.found.Name, f.names, func() io.Reader { return rows })
	defer done()
	result, err := tx.ExecContext(ctx, statement)
	if err != nil {
		return err
	}
	loaded, err := result.RowsAffected()
	if err != nil {
		return err
	}
	var level, message string
	var code int
	switch err := tx.QueryRowContext(ctx, "SHOW WARNINGS LIMIT 1").Scan(&level, &code, &message); {
	case err == nil:
		return fmt.Errorf("the server says %s %d: %s", strings.ToLower(level), code, message)
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	if loaded != rows.rows {
		return fmt.Errorf("%d rows were sent and %d arrived", rows.rows, loaded)
	}
	return nil
}

// insert sends the same text as rows of INSERT statements.
func (l *loading) insert(ctx context.Context, tx *sql.Tx, f *filling, c span) error {
	text, err := io.ReadAll(newRowReader(l.g, &f.table, f.columns, c.from, c.to))
	if err != nil {
		return err
	}
	quoted := make([]string, len(f.names))
	for i, n := range f.names {
		quoted[i] = l.Dialect.Quote(n)
	}
	head := "INSERT INTO " + l.Dialect.Quote(f.found.Name) + " (" + strings.Join(quoted, ", ") + ") VALUES "
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(quoted)), ", ") + ")"
	full := head + strings.Repeat(row+", ", insertRows-1) + row
	var args []any
	n := 0
	flush := func(statement string) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		args, n = args[:0], 0
		return err
	}
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		for field := range bytes.SplitSeq(line, []byte{'\t'}) {
			args = append(args, value(field))
		}
		if n++; n == insertRows {
			if err := flush(full); err != nil {
				return err
			}
		}
	}
	if n == 0 {
		return nil
	}
	return flush(head + strings.Repeat(row+", ", n-1) + row)
}
