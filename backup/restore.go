package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Options say what to restore.
type Options struct {
	Selection
	DryRun    bool // change nothing
	KeepAudit bool // leave the audit rows of tokens that are put back
}

const (
	chunkRoots   = 500    // of a transaction
	portionRoots = 10_000 // for which the audit table is read once
	maxTries     = 10
	firstWait    = 20 * time.Millisecond
	maxWait      = 5 * time.Second
)

// Restore puts rows of a backup back. An error of kind cleanup.Refused means that
// nothing was changed; after any other one, what was put back stays, and the same
// call goes on: it recognises it. So it does when ctx is cancelled.
//
// Batches are undone in the opposite order, so that whatever a row refers to is back
// before it.
func Restore(ctx context.Context, db *sql.DB, d dialect.Dialect, schemaName string, f *File, o Options, w cleanup.Watcher) (*Report, error) {
	began := time.Now()
	work := context.WithoutCancel(ctx)
	session, err := cleanup.LockedSession(work, db, d, schemaName)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	r := &restorer{f: f, o: o, d: d, conn: session.Conn, watch: w, report: newReport(f, schemaName, o), returned: keySet{}}
	if err := r.prepare(work, schemaName); err != nil {
		return nil, cleanup.Explain(d, err)
	}
	if err := r.all(ctx, work); err != nil {
		r.report.Complete = false
		r.report.finish()
		return r.report, cleanup.Explain(d, err)
	}
	if r.report.rows() == 0 && r.report.Complete {
		return nil, refuse("no row of the backup is selected", "tokensweep backup show lists what is in it")
	}
	r.report.Seconds = time.Since(began).Seconds()
	r.report.finish()
	return r.report, nil
}

// Check refuses a restore that Restore would refuse, without a lock.
func Check(ctx context.Context, db *sql.DB, d dialect.Dialect, schemaName string, f *File, o Options) error {
	found, err := schema.Read(ctx, db, d, schemaName)
	if err != nil {
		return err
	}
	r := &restorer{f: f, o: o, d: d}
	return r.match(found)
}

// restorer is one call of Restore.
type restorer struct {
	f      *File
	o      Options
	d      dialect.Dialect
	codec  dialect.RowCodec
	conn   *sql.Conn
	watch  cleanup.Watcher
	report *Report

	found    *schema.Database
	targets  []target // one for each table of the file
	audit    *auditTable
	selected chosen
	returned keySet // what a dry run would have put back and others refer to
	seen     int64
}

// prepare refuses whatever can be refused, and settles which batches were committed.
func (r *restorer) prepare(ctx context.Context, schemaName string) error {
	found, err := schema.Read(ctx, r.conn, r.d, schemaName)
	if err != nil {
		return err
	}
	if err := r.match(found); err != nil {
		return err
	}
	inLedger := false
	if r.f.Trailer == nil {
		batches, known, err := cleanup.CommittedBatches(ctx, r.conn, r.d, found, r.f.RunID)
		if err != nil {
			return err
		}
		if inLedger = known; known {
			if err := r.f.settle(batches); err != nil {
				return refuse(r.f.Path+" does not agree with the database: "+err.Error(), "use the backup that belongs to this database")
			}
		}
	}
	r.report.notes(r.f, inLedger)
	r.report.unconfirmed(r.f)
	for _, statement := range r.codec.RestoreSession() {
		if _, err := r.conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("preparing the session (%s): %w", statement, err)
		}
	}
	r.selected, err = r.choose(ctx)
	return err
}

// all walks the batches from the last to the first, some at a time.
func (r *restorer) all(ctx, work context.Context) error {
	var portion []*group
	for i := len(r.f.Batches) - 1; i >= 0; i-- {
		b := &r.f.Batches[i]
		if b.State != Confirmed || b.At.Before(r.o.Since) {
			continue
		}
		if len(portion) > 0 && (len(portion) >= portionRoots || portion[0].batch.Phase != b.Phase) {
			if err := r.portion(ctx, work, portion); err != nil {
				return err
			}
			portion = nil
		}
		if ctx.Err() != nil {
			r.report.Complete = false
			return nil
		}
		groups, err := r.f.load(b)
		if err != nil {
			return err
		}
		portion = append(portion, slices.DeleteFunc(groups, func(g *group) bool { return !r.selected.takes(r.f, g) })...)
	}
	return r.portion(ctx, work, portion)
}

// portion restores groups of one phase, chunk by chunk.
func (r *restorer) portion(ctx, work context.Context, groups []*group) error {
	if len(groups) == 0 {
		return nil
	}
	var copies auditRows
	if r.audit != nil && r.audit.phase == groups[0].batch.Phase {
		var err error
		if copies, err = r.auditRows(work, groups); err != nil {
			return err
		}
	}
	for len(groups) > 0 {
		if ctx.Err() != nil {
			r.report.Complete = false
			return nil
		}
		n := min(chunkRoots, len(groups))
		if err := r.chunk(work, groups[:n], copies); err != nil {
			return err
		}
		groups = groups[n:]
		r.seen += int64(n)
		if r.watch.Progress != nil {
			r.watch.Progress("put back", r.seen)
		}
	}
	return nil
}

// chunk restores groups in one transaction. If the server refuses a row that no
// look-up had found fault with, each group gets a transaction of its own.
func (r *restorer) chunk(ctx context.Context, groups []*group, copies auditRows) error {
	err := r.transaction(ctx, groups, copies, r.o.DryRun)
	if err == nil || r.fatal(err) {
		return err
	}
	if err = r.transaction(ctx, groups, copies, true); err == nil || r.fatal(err) {
		return err
	}
	for _, g := range groups {
		if len(groups) > 1 {
			err = r.transaction(ctx, []*group{g}, copies, true)
		}
		if err != nil && r.fatal(err) {
			return err
		}
		if err != nil {
			r.record([]verdict{{g: g, fate: RowRefused, detail: err.Error()}})
		}
	}
	return nil
}

// fatal reports whether an error is about more than the rows at hand.
func (r *restorer) fatal(err error) bool {
	var file *FileError
	if errors.As(err, &file) {
		return true
	}
	switch r.d.Classify(err) {
	case dialect.RowRefused, dialect.Duplicate, dialect.Unclassified:
		return false
	}
	return true
}

// transaction decides about groups and puts back those that may be; a failure that
// a new attempt can mend gets one.
func (r *restorer) transaction(ctx context.Context, groups []*group, copies auditRows, careful bool) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := r.attempt(ctx, groups, copies, careful)
		class := r.d.Classify(err)
		if err == nil || try >= maxTries || class != dialect.Deadlock && class != dialect.LockTimeout {
			return err
		}
		time.Sleep(wait/2 + rand.N(wait)) // jitter, or two victims of a deadlock meet again
		wait = min(2*wait, maxWait)
	}
}

func (r *restorer) attempt(ctx context.Context, groups []*group, copies auditRows, careful bool) error {
	tx, err := r.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after the commit
	c := &chunk{r: r, tx: tx, here: keySet{}}
	verdicts, err := c.decide(ctx, groups, careful)
	if err != nil {
		return err
	}
	audited := copies.of(verdicts)
	if !r.o.DryRun {
		if err := c.insert(ctx, verdicts); err != nil {
			return err
		}
		if audited, err = c.takeOut(ctx, verdicts, copies); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	for key := range c.here {
		if r.o.DryRun {
			r.returned[key] = struct{}{}
		}
	}
	r.report.AuditRows += audited
	r.record(verdicts)
	return nil
}

// record counts what became of groups.
func (r *restorer) record(verdicts []verdict) {
	for _, v := range verdicts {
		root := v.g.phase.Table
		r.report.add(root, v.fate)
		if v.fate != PutBack && v.fate != AlreadyThere {
			r.report.list(Item{Table: r.f.Tables[root].Name, Key: r.f.keyText(root, v.g.cells), Fate: v.fate, Detail: v.detail})
		}
		for i, child := range v.g.children {
			fate := v.fate
			if v.fate == PutBack && v.children[i].fate != "" {
				fate = v.children[i].fate
				r.report.list(Item{Table: r.f.Tables[child.table].Name, Key: r.f.keyText(child.table, child.cells), Fate: fate, Detail: v.children[i].detail})
			}
			r.report.add(child.table, fate)
		}
	}
}
