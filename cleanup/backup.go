package cleanup

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// RowKeeper keeps the rows of each batch before they are removed; package backup
// has one. Its calls come one at a time.
type RowKeeper interface {
	// Name is what a user names to go on with an interrupted run: the file.
	Name() string
	// Start is called once, when the run has its id and before its first change. It
	// reads on conn. A run that was interrupted gives the batches that it committed.
	Start(ctx context.Context, conn *sql.Conn, run KeptRun) error
	// Save reads the rows that a batch is about to remove, with all that goes with
	// them, in its transaction, and returns only when they would survive a loss of
	// power. A batch that is saved again was rolled back before.
	Save(ctx context.Context, tx *sql.Tx, b KeptBatch) (Kept, error)
	// Committed is called after the commit of the batch of that number, or when the
	// ledger says after a lost connection that it was committed; batches that saved
	// nothing may be among them.
	Committed(batch int64) error
	// Close ends the use of what Start opened. complete says that the run came to
	// its end.
	Close(complete bool) error
}

// KeptRun is what a RowKeeper learns of a run.
type KeptRun struct {
	Plan      *Plan
	RunID     string
	Started   time.Time        // UTC
	Continued bool             // an earlier run had been interrupted
	Batches   []CommittedBatch // that it committed, in order
	Children  [][]schema.Child // for each phase of the plan, what its rows take with them
}

// KeptBatch is a batch whose rows are locked and not yet removed.
type KeptBatch struct {
	Number int64
	Phase  int // index in Plan.Phases
	At     time.Time
	Where  dialect.SQL // holds for the rows to remove
}

// Kept counts the rows that were saved by table.
type Kept map[string]int64

// CommittedBatch is a batch that the ledger knows.
type CommittedBatch struct {
	Number, Removed int64
}

// CommittedBatches reads from the ledger which batches of a run were committed and
// removed rows. known is false if there is no ledger of that run, which then came
// to its end or was given up.
func CommittedBatches(ctx context.Context, q schema.Querier, d dialect.Dialect, found *schema.Database, runID string) (all []CommittedBatch, known bool, err error) {
	unfinished, err := FindUnfinished(ctx, q, d, found)
	if err != nil || unfinished == nil || unfinished.RunID != runID {
		return nil, false, err
	}
	l := ledger{d: d, runID: runID}
	all, err = l.committed(ctx, q)
	return all, true, err
}

// startBackup gives the run to the keeper.
func (w *walker) startBackup(ctx context.Context) error {
	kept := KeptRun{Plan: w.plan, RunID: w.ledger.runID, Started: w.result.Started, Continued: w.result.Resumed}
	for i := range w.plan.Phases {
		gone, err := removedWith(w.plan.Found, w.plan.Phases[i].Table)
		if err != nil {
			return err
		}
		kept.Children = append(kept.Children, gone)
	}
	var err error
	if kept.Batches, err = w.ledger.committed(ctx, w.conn); err != nil {
		return err
	}
	return w.Backup.Start(ctx, w.conn, kept)
}

// removedWith lists the tables whose rows go with a row of root. It refuses where
// a cascade goes round in a circle, because nobody can say which rows it takes.
func removedWith(found *schema.Database, root string) ([]schema.Child, error) {
	var gone []schema.Child
	for _, c := range found.Children(root) {
		if c.Fate != schema.Holds { // of those none goes: rows that they hold stay
			gone = append(gone, c)
		}
	}
	for _, table := range append([]string{root}, tablesOf(gone)...) {
		for _, ref := range found.References(table) {
			known := slices.ContainsFunc(gone, func(c schema.Child) bool {
				return schema.SameName(c.Table(), ref.Table.Name) && schema.SameName(c.Path[0].Parent, table)
			})
			if ref.Key.OnDelete == schema.Cascade && !known {
				return nil, Refuse(fmt.Sprintf("foreign key %s lets a delete in %s cascade round in a circle to %s, and a backup cannot tell which rows that takes",
					ref.Key.Name, table, ref.Table.Name), "run without --backup, or dump that table first", nil)
			}
		}
	}
	return gone, nil
}

func tablesOf(children []schema.Child) []string {
	var names []string
	for _, c := range children {
		if !slices.Contains(names, c.Table()) {
			names = append(names, c.Table())
		}
	}
	return names
}

// closeBackup ends the use of the backup; it may be called again.
func (r *run) closeBackup(complete bool) error {
	if r.Backup == nil || r.backupClosed {
		return nil
	}
	r.backupClosed = true
	return r.Backup.Close(complete)
}

// batchCommitted ends the batch under way.
func (w *walker) batchCommitted() error {
	number := w.ended()
	if w.Backup == nil {
		return nil
	}
	return w.Backup.Committed(number)
}

// save keeps the rows of a batch; it must be all that were locked.
func (b *batch) save(ctx context.Context, locked int64) (Kept, error) {
	b.w.hook("backup")
	phase := slices.IndexFunc(b.w.plan.Phases, func(p Phase) bool { return p.Name == b.ph.Name })
	kept, err := b.w.Backup.Save(ctx, b.tx, KeptBatch{Number: b.w.batch, Phase: phase, At: b.now, Where: b.where})
	if err != nil {
		return nil, err
	}
	if kept[b.ph.Table] != locked {
		return nil, fmt.Errorf("%d rows locked, %d saved: %w", locked, kept[b.ph.Table], errMismatch)
	}
	return kept, nil
}

// deleteKept deletes the rows of a child table that were saved, and no others. What
// goes by cascade was locked by its parent.
func (b *batch) deleteKept(ctx context.Context, child schema.Child, kept, gone Kept) error {
	n, err := b.change(ctx, "children", b.w.d.DeleteVia(child.Path, b.where))
	if err != nil {
		return err
	}
	if gone[child.Table()] += n; gone[child.Table()] > kept[child.Table()] {
		return fmt.Errorf("%d rows of %s saved, %d deleted: %w", kept[child.Table()], child.Table(), gone[child.Table()], errMismatch)
	}
	return nil
}

// Session is one set up as the engine's, which holds the run lock of a schema.
type Session struct {
	Conn *sql.Conn
	as   *walker
}

// LockedSession opens a session. It refuses while a clean-up of that schema is under way.
func LockedSession(ctx context.Context, db *sql.DB, d dialect.Dialect, schemaName string) (*Session, error) {
	w := &walker{run: &run{db: db, d: d, plan: &Plan{Dialect: d, Found: &schema.Database{Name: schemaName}}}, locks: true}
	if err := w.connect(ctx); err != nil {
		w.disconnect()
		return nil, err
	}
	return &Session{Conn: w.conn, as: w}, nil
}

// Close gives lock and connection back.
func (s *Session) Close() { s.as.disconnect() }

// Explain turns failures that have a remedy into an *Error and returns others as
// they are.
func Explain(d dialect.Dialect, err error) error { return classified(d, err) }
