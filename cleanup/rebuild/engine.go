package rebuild

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Engine is the engine for a dump or a maintenance window. It needs connections
// for each table and a few more.
type Engine struct {
	// Keep leaves the old tables beside the new ones, for Finish or Undo. Until then
	// no other rebuild starts.
	Keep bool
	// Resume takes up what an interrupted rebuild left: what it had not swapped in is
	// removed and the run starts over, a swap is brought to its end.
	Resume bool
	// Workers is the number of tables copied at a time, and of sessions that copy to the
	// audit table besides. 0: 2. It is one session there where more would wait for each
	// other: if the table has unique keys or triggers, or its ids are locked until an
	// INSERT … SELECT ends (innodb_autoinc_lock_mode below 2, MariaDB's default).
	Workers int
	// LockWait is how long other sessions may keep a table from the run before it
	// gives up, in whole seconds. 0: 3 s.
	LockWait time.Duration
	// MaxDuration is how long a run may take until the new tables are in place. If
	// they are not by then it is taken back, as one that is interrupted. 0: no limit.
	MaxDuration time.Duration
	// SkipDeleteTriggers allows tables with triggers that a DELETE would run. They
	// do not run for rows that are left out of a copy; without this they are refused.
	SkipDeleteTriggers bool
	// Now is the clock; nil is time.Now. The cut-off does not come from it.
	Now func() time.Time

	// Hook is called before each step, one at a time, for tests: see Steps.
	Hook func(step string)
}

// Steps are the steps of a run in their order. "copy" and "index" come once for each
// table, with its name behind a blank, and "audit" among them; "between commits" comes
// only if several sessions copied to the audit table; "gate" is the last step before
// the swap; "between names" and "trigger" come for each table and statement.
func Steps() []string {
	return []string{"check", "try", "journal", "create", "lock", "copy", "audit", "index", "keys", "triggers", "count", "commit", "between commits", "swap", "gate", "swapped",
		"names", "between names", "restore triggers", "trigger", "compare", "drop", "end"}
}

// Defaults of Engine.
const (
	DefaultWorkers  = 2
	DefaultLockWait = 3 * time.Second
)

var _ cleanup.Engine = Engine{}

// Name returns "rebuild".
func (Engine) Name() string { return "rebuild" }

// Clean implements cleanup.Engine. It refuses before the first change what it
// cannot rebuild, and takes back what it did if a step before the swap fails or ctx
// is cancelled. From the swap on it goes forward, over a lost connection too.
func (e Engine) Clean(ctx context.Context, db *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	d, ok := plan.Dialect.(dialect.Rebuilder)
	if !ok {
		return nil, unsupported()
	}
	if e.MaxDuration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, e.MaxDuration, errTimeLimit)
		defer cancel()
	}
	r := newRun(e, db, d, plan.Found.Name, w)
	r.plan = plan
	defer r.close()
	resumed, err := r.start(ctx)
	if err != nil && ctx.Err() != nil {
		return r.stopped(ctx), nil
	}
	if err != nil {
		return nil, classified(d, err)
	}
	if resumed {
		return r.result, nil
	}
	if len(r.tables) == 0 {
		return r.result, r.reportNothing(ctx)
	}
	return r.rebuild(ctx)
}

var errTimeLimit = errors.New("the time limit is over")

// stopped is the result of a run that ended before it changed anything.
func (r *run) stopped(ctx context.Context) *cleanup.Result {
	r.result.Stopped = "an interruption"
	if errors.Is(context.Cause(ctx), errTimeLimit) {
		r.result.Stopped = fmt.Sprintf("the time limit of %s", r.MaxDuration)
	}
	r.result.Ended = r.ended()
	return r.result
}

// run is one call of Clean, Finish or Undo.
type run struct {
	Engine
	db     *sql.DB
	d      dialect.Rebuilder
	schema string
	plan   *cleanup.Plan // nil in Finish and Undo
	watch  cleanup.Watcher
	found  *schema.Database
	begun  time.Time
	result *cleanup.Result

	sessions sessions
	journal  *journal
	tables   []*table // parents before children
	audit    []*part  // until they are committed
	audited  int64
	free     chan *session // that copy and index, while not at work
	gate     *session      // without which the swap cannot happen
	renaming bool
	hooks    sync.Mutex
	logs     sync.Mutex
}

func newRun(e Engine, db *sql.DB, d dialect.Rebuilder, in string, w cleanup.Watcher) *run {
	if e.Workers <= 0 {
		e.Workers = DefaultWorkers
	}
	if e.LockWait == 0 {
		e.LockWait = DefaultLockWait
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	r := &run{Engine: e, db: db, d: d, schema: in, watch: w, result: &cleanup.Result{}}
	r.begun = r.Now()
	r.result.Started = r.begun.UTC().Truncate(time.Second)
	return r
}

func (r *run) hook(step string) {
	r.hooks.Lock()
	defer r.hooks.Unlock()
	if r.Hook != nil {
		r.Hook(step)
	}
}

func (r *run) log(format string, args ...any) {
	r.logs.Lock()
	defer r.logs.Unlock()
	if r.watch.Log != nil {
		r.watch.Log(format, args...)
	}
}

// start connects, deals with leftovers, and checks everything that could refuse
// later.
func (r *run) start(ctx context.Context) (resumed bool, err error) {
	if err := r.connect(ctx); err != nil {
		return false, err
	}
	if r.found, err = schema.Read(ctx, r.main().conn, r.d, r.schema); err != nil {
		return false, classified(r.d, err)
	}
	if resumed, err = r.leftovers(ctx); resumed || err != nil {
		return resumed, err
	}
	if err := r.unfinished(ctx); err != nil {
		return false, err
	}
	if err := r.choose(ctx); err != nil || len(r.tables) == 0 {
		return false, err
	}
	r.hook("check")
	if err := r.check(ctx); err != nil {
		return false, err
	}
	r.hook("try")
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return false, r.try(context.WithoutCancel(ctx)) // it takes moments, and must not leave its table behind
}

// unfinished refuses beside an interrupted run of the batch engine.
func (r *run) unfinished(ctx context.Context) error {
	run, err := cleanup.FindUnfinished(ctx, r.main().conn, r.d, r.found)
	if err == nil && run != nil {
		err = cleanup.Refuse(fmt.Sprintf("run %s of the batch engine was interrupted", run.RunID),
			"finish it with --engine batch first; --abandon-run gives it up, and starts another of that engine", nil)
	}
	return err
}

// step is one that may fail before the swap.
type step struct {
	name string
	do   func(context.Context) error
}

// rebuild does what changes something.
func (r *run) rebuild(ctx context.Context) (*cleanup.Result, error) {
	work := context.WithoutCancel(ctx)
	err := r.build(ctx)
	if err == nil {
		err = r.replace(work)
	}
	if err != nil {
		swapped, again := r.takeBack(work)
		switch {
		case again != nil:
			return r.result, &cleanup.Error{Problem: "the rebuild failed, and what it left could not be removed or finished", Kind: cleanup.Unavailable,
				Cause: errors.Join(err, again), Remedy: "run again with --resume: tables " + prefix + "… and " + JournalTable + " are left"}
		case !swapped && ctx.Err() != nil:
			return r.stopped(ctx), nil
		case !swapped:
			return nil, r.failure(err)
		}
		r.log("the tables were swapped before the failure (%v): going on", err)
	}
	if err := r.retryComplete(work); err != nil {
		return r.result, &cleanup.Error{Problem: "the rows are gone, but the rebuild could not be brought to its end", Kind: cleanup.Unavailable, Cause: err,
			Remedy: "run again with --resume"}
	}
	r.finishResult()
	return r.result, nil
}

// build makes the new tables; only the audit transactions are left open.
func (r *run) build(ctx context.Context) error {
	for _, s := range []step{
		{"journal", r.openJournal}, {"create", r.create}, {"lock", r.lock}, {"", r.unchanged}, {"", r.fill}, {"", r.indexAll},
		{"keys", r.addKeys}, {"triggers", r.addTriggers}, {"count", r.count},
	} {
		if s.name != "" {
			r.hook(s.name)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// replace commits the audit and swaps.
func (r *run) replace(ctx context.Context) error {
	r.hook("commit")
	if err := r.commitAudit(ctx); err != nil {
		return err
	}
	r.hook("swap")
	return r.swap(ctx)
}

// failure is the error of a run that was taken back.
func (r *run) failure(err error) error {
	var known *cleanup.Error
	if errors.As(err, &known) {
		return err
	}
	e := &cleanup.Error{Problem: "the rebuild failed and was taken back: all tables are as they were", Remedy: "mend the cause and run again",
		Kind: cleanup.Failed, Cause: err}
	switch class(r.d, err) {
	case dialect.Denied:
		e.Kind, e.Remedy = cleanup.Refused, r.grants()
	case dialect.ReadOnly:
		e.Kind, e.Remedy = cleanup.Refused, "run on the primary, or after read_only is switched off"
	case dialect.LockTimeout:
		e.Kind, e.Remedy = cleanup.Refused, "stop what uses the tables, then run again"
	case dialect.DiskFull:
		e.Kind, e.Remedy = cleanup.Unavailable, "the new tables need room beside the old ones: free space, or use --engine batch"
	case dialect.Disconnected, dialect.Unreachable:
		e.Kind, e.Remedy = cleanup.Unavailable, "run again"
	}
	return e
}

func (r *run) ended() time.Time { return r.Now().UTC().Truncate(time.Second).Add(time.Second) }

// finishResult says what was done, from the journal.
func (r *run) finishResult() {
	r.result.RunID, r.result.Phases, r.result.Ended = r.journal.RunID, r.journal.Phases, r.ended()
	r.result.Started = r.journal.Started
}

// classified turns failures before the first change that have a remedy into an Error.
func classified(d dialect.Dialect, err error) error {
	if known := (*cleanup.Error)(nil); errors.As(err, &known) {
		return err
	}
	switch class(d, err) {
	case dialect.ReadOnly:
		return cleanup.Refuse("the server is read-only", "run on the primary, or after read_only is switched off", err)
	case dialect.BadLogin, dialect.Unreachable, dialect.Disconnected:
		return &cleanup.Error{Problem: "the database cannot be reached", Remedy: "check host, port, user and password", Kind: cleanup.Unavailable, Cause: err}
	}
	return err
}

// class knows a session that is over, too: the driver only says the first time why.
func class(d dialect.Dialect, err error) dialect.Class {
	if errors.Is(err, sql.ErrConnDone) {
		return dialect.Disconnected
	}
	return d.Classify(err)
}
