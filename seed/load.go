package seed

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Options say how to load. The zero value is fine.
type Options struct {
	// Connections is how many load at a time, 0 for 2. SQL Server and SQLite take one.
	Connections int
	// ChunkTokens is the size of a transaction in tokens, with all that hangs on
	// them; 0 for 25,000. It is rounded up to whole thousands.
	ChunkTokens int
	// Append allows rows that are not of this data in the tables. Off, Load
	// refuses them, but for consumer apps, which may always be there.
	Append bool
	// Log takes one sentence per call, Progress the tokens done and all tokens;
	// nil for none. Calls may come from any goroutine, but one at a time.
	Log      func(format string, args ...any)
	Progress func(done, total int64)
}

// Result is what a Load did.
type Result struct {
	Rows         map[string]int64 // added, by table
	Resumed      int64            // tokens that an earlier Load had left
	Bulk         string           // BulkLoadData, BulkCopy or BulkInsert
	Seconds      float64          // loading, without indexes
	IndexSeconds float64          // building indexes, by Fill
}

// Fill makes and fills the tables of a release: CreateTables unless the token
// table is there, Load, BuildIndexes. Called again with the same arguments
// after an interruption it continues.
func Fill(ctx context.Context, t Target, release, collation string, s Spec, o Options) (*Result, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	found, err := schema.Read(ctx, t.DB, t.Dialect, t.Schema)
	if err != nil {
		return nil, err
	}
	if _, ok := found.Table(schema.AccessToken); !ok {
		if err := CreateTables(ctx, t, release, collation); err != nil {
			return nil, err
		}
	}
	l, err := newLoader(ctx, t, s, o)
	if err != nil {
		return nil, err
	}
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := BuildIndexes(ctx, t, release); err != nil {
		return nil, err
	}
	l.result.IndexSeconds = time.Since(start).Seconds()
	return l.result, l.verifyCounts(ctx) // quicker with indexes
}

// Load fills the tables that are there. Tables and columns of the product that
// the schema does not have are left out.
//
// Each chunk of tokens is one transaction with all its children. After an
// interruption Load with the same Spec continues: what is committed stays.
// Before the first change it refuses, with one clear error, a schema without
// the token or app table, tables with rows that are not of this data (see
// Options.Append), data of another Spec, and a column that must have a value
// and is not known. Rows that the database does not take as they are (a
// duplicate key, a text that is too long, a wall clock that the session's time
// zone leaves out) are an error that names the first; their chunk is not kept.
func Load(ctx context.Context, t Target, s Spec, o Options) (*Result, error) {
	l, err := newLoader(ctx, t, s, o)
	if err != nil {
		return nil, err
	}
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	return l.result, l.verifyCounts(ctx)
}

// loader is one run of Load.
type loader struct {
	target   Target
	options  Options
	g        *generator
	fillings []filling // the token table first
	apps     filling
	before   map[string]int64 // rows of each table
	present  []bool           // cells that are there already
	bulk     dialect.BulkLoader
	copier   dialect.RowCopier
	inserts  atomic.Bool // bulk loading is not to be had

	mu     sync.Mutex // for what follows, and for calls of Log and Progress
	rows   map[string]int64
	done   int64
	result *Result
}

func newLoader(ctx context.Context, t Target, s Spec, o Options) (*loader, error) {
	g, err := newGenerator(s)
	if err != nil {
		return nil, err
	}
	found, err := schema.Read(ctx, t.DB, t.Dialect, t.Schema)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{schema.AccessToken, schema.ConsumerApps} {
		if _, ok := found.Table(name); !ok {
			return nil, refuse("schema %s has no table %s: create the product's tables first", t.Schema, name)
		}
	}
	l := &loader{target: t, options: o, g: g, before: map[string]int64{}, rows: map[string]int64{}}
	l.present = make([]bool, (s.Tokens+cellTokens-1)/cellTokens)
	l.result = &Result{Rows: l.rows}
	l.bulk, _ = t.Dialect.(dialect.BulkLoader)
	l.copier, _ = t.Dialect.(dialect.RowCopier)
	if l.fillings, err = plan(g.tables(), found); err != nil {
		return nil, err
	}
	apps, _ := found.Table(schema.ConsumerApps)
	l.apps, err = match(appTable(), apps)
	return l, err
}

func (l *loader) filling(name string) (*filling, bool) {
	for i := range l.fillings {
		if l.fillings[i].name == name {
			return &l.fillings[i], true
		}
	}
	return nil, false
}

func (l *loader) log(format string, args ...any) {
	if l.options.Log != nil {
		l.options.Log(format, args...)
	}
}

func (l *loader) load(ctx context.Context) error {
	start := time.Now()
	if err := l.survey(ctx); err != nil {
		return err
	}
	for _, j := range l.jobs(true, l.g.spec.Tokens) {
		l.result.Resumed += j.to - j.from
	}
	if l.result.Resumed > 0 {
		l.log("%d of %d tokens are there from an earlier run", l.result.Resumed, l.g.spec.Tokens)
	}
	if err := l.addApps(ctx); err != nil {
		return err
	}
	l.done = l.result.Resumed
	if err := l.loadAll(ctx); err != nil {
		return fmt.Errorf("seeding stopped after %d of %d tokens, the same settings continue it: %w", l.done, l.g.spec.Tokens, err)
	}
	switch {
	case l.copier != nil:
		l.result.Bulk = BulkCopy
	case l.bulk == nil || l.inserts.Load():
		l.result.Bulk = BulkInsert
	default:
		l.result.Bulk = BulkLoadData
	}
	l.result.Seconds = time.Since(start).Seconds()
	return nil
}

// verifyCounts compares the rows that are there with those that must be.
func (l *loader) verifyCounts(ctx context.Context) error {
	after := map[string]int64{}
	if err := l.countAll(ctx, after); err != nil {
		return err
	}
	for i := range l.fillings {
		f := &l.fillings[i]
		if want := l.before[f.name] + l.rows[f.name]; after[f.name] != want {
			return fmt.Errorf("table %s has %d rows after seeding, not %d: something else changed it meanwhile", f.found.Name, after[f.name], want)
		}
	}
	return nil
}
