package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
)

// rebuildFlags are for --engine rebuild alone.
type rebuildFlags struct {
	lockWait                             time.Duration
	skipDeleteTriggers, dropOld, resumes bool
}

// add adds those that make sense wherever it runs.
func (f *rebuildFlags) add(fs *pflag.FlagSet) {
	fs.BoolVar(&f.skipDeleteTriggers, "skip-delete-triggers", false, "--engine rebuild: go on although triggers for deleted rows will not see the rows that go")
}

// own adds those for a database of the user's.
func (f *rebuildFlags) own(fs *pflag.FlagSet) {
	fs.DurationVar(&f.lockWait, "lock-wait", 0,
		fmt.Sprintf("--engine rebuild: how long others may keep a table from it before it gives up, whole seconds (default %s)", rebuild.DefaultLockWait))
	fs.BoolVar(&f.dropOld, "drop-old", false, "--engine rebuild: drop the old tables at the end, unverified, instead of keeping them for rebuild finish or undo")
	fs.BoolVar(&f.resumes, "resume", false, "--engine rebuild: take up one that was cut off, with its cut-off: start over, or bring it to its end")
}

// only refuses these flags for other engines.
func (f *rebuildFlags) only(engine string) error {
	if engine == "rebuild" {
		return nil
	}
	for _, flag := range []struct {
		name  string
		given bool
	}{{"lock-wait", f.lockWait != 0}, {"skip-delete-triggers", f.skipDeleteTriggers}, {"drop-old", f.dropOld}, {"resume", f.resumes}} {
		if flag.given {
			return usage("--%s is for --engine rebuild: leave it out", flag.name)
		}
	}
	return nil
}

// forMixed leaves out what is for other engines that are run beside this one.
func (f *engineFlags) forMixed() {
	switch f.name {
	case "batch":
		f.rebuilds = rebuildFlags{}
	case "rebuild":
		f.batch, f.target, f.stopFile, f.throttleLog, f.binlog = "auto", cleanup.DefaultTarget, "", 0, ""
	default:
		f.rebuilds, f.workers, f.binlog = rebuildFlags{}, 0, ""
	}
}

// rebuild is the engine of that name. It refuses what only others do.
func (f *engineFlags) rebuild() (cleanup.Engine, error) {
	for _, flag := range []struct {
		name  string
		given bool
		why   string
	}{
		{"batch", f.batch != "auto", "it copies whole tables, in no batches"},
		{"batch-time", f.target != cleanup.DefaultTarget, "it copies whole tables, in no batches"},
		{"stop-file", f.stopFile != "", "there are no batches to stop between; interrupt it, or give it --max-duration: until the new tables are in place it is taken back"},
		{"throttle-log-percent", f.throttleLog != 0, "that is about SQL Server, and a rebuild is for MySQL and MariaDB"},
		{"abandon-run", f.abandon, "it gives up a run of --engine batch; an interrupted rebuild is taken back by tokensweep rebuild undo"},
	} {
		if flag.given {
			return nil, usage("--%s is not for --engine rebuild: %s", flag.name, flag.why)
		}
	}
	r := f.rebuilds
	switch {
	case f.workers < 0 || f.workers > maxWorkers:
		return nil, usage("--workers %d: use 1 to %d", f.workers, maxWorkers)
	case f.binlog != "":
		return nil, usage("--binlog-row-image is not for --engine rebuild: it deletes no rows")
	case r.lockWait < 0 || r.lockWait%time.Second != 0:
		return nil, usage("--lock-wait %s: use whole seconds, 1s or more", r.lockWait)
	case f.maxDuration < 0:
		return nil, usage("--max-duration %s: use 0 for no limit, or more", f.maxDuration)
	}
	return rebuild.Engine{Resume: r.resumes, Workers: f.workers, LockWait: r.lockWait, MaxDuration: f.maxDuration, SkipDeleteTriggers: r.skipDeleteTriggers}, nil
}

// ownEngine is the engine for a database of the user's.
func (f *engineFlags) ownEngine(keepIn string) (cleanup.Engine, error) {
	if f.name != "batch" && f.name != "rebuild" {
		return nil, usage("--engine %q: on a database of yours use batch or rebuild; run and validate try the others on one that is thrown away", f.name)
	}
	engine, err := f.choose(nil)
	r, ok := engine.(rebuild.Engine)
	if !ok || err != nil {
		return engine, err
	}
	if keepIn != "" {
		return nil, usage("--backup is not for --engine rebuild: it keeps the old tables instead, and tokensweep rebuild undo puts them back")
	}
	r.Keep = !f.rebuilds.dropOld
	return r, nil
}

// rebuild cleans by new tables.
func (j *cleaning) rebuild(e rebuild.Engine) error {
	if err := rebuildable(j.target); err != nil {
		return err
	}
	found, err := schema.Read(j.c.Context(), j.target.DB, j.target.Dialect, j.target.Schema)
	if err != nil {
		return err
	}
	left, err := j.takeUp(e, found)
	if err != nil {
		return err
	}
	plan, err := cleanup.NewPlan(found, j.target.Dialect, j.settings)
	if err != nil {
		return usage("%v", err)
	}
	out := j.c.OutOrStdout()
	var forecast []cleanup.Forecast
	if left != nil && left.Stage.InPlace() {
		for _, p := range left.Phases { // what it counted when the rows were there
			forecast = append(forecast, cleanup.Forecast{Phase: p.Phase, Table: p.Table, Rows: p.Examined, Removable: p.Removed, Held: p.Held})
		}
	} else {
		if forecast, err = showPlan(j.c, j.target, plan, nil); err != nil {
			return err
		}
		preview, err := e.Look(j.c.Context(), j.target.DB, plan, forecast)
		if err != nil {
			return err
		}
		showPreview(out, preview, e)
	}
	if left != nil {
		fmt.Fprintf(out, "%s: %s\n", left.State(), resumption(left, e))
	}
	if goOn, err := j.goOn(e, plan, forecast); !goOn {
		return err
	}
	err = j.clean(e, plan, forecast, "the tables are as they were; the same command starts over")
	if now, looked := leftOf(j.c, j.target); looked == nil && now != nil {
		showStatus(out, now)
	}
	return err
}

// rebuildable refuses databases in which tables are not swapped.
func rebuildable(t *harness.Target) error {
	if _, able := t.Dialect.(dialect.Rebuilder); !able {
		return usage("a rebuild is for MySQL and MariaDB so far, not for %s: use clean --engine batch", t.Server.Product)
	}
	return nil
}

// takeUp looks for an earlier rebuild, which this one must resume or cannot start
// beside. Its cut-off and policy count, unless the user names others.
func (j *cleaning) takeUp(e rebuild.Engine, found *schema.Database) (*rebuild.Status, error) {
	left, err := rebuild.Look(j.c.Context(), j.target.DB, j.target.Dialect, found)
	if err != nil || left == nil {
		return nil, err
	}
	if left.AtWork || left.Stage == rebuild.Kept || !e.Resume {
		return nil, left.Refusal()
	}
	if left.RunID == "" {
		return left, nil
	}
	given := j.c.Flags().Changed
	if left.Stage.InPlace() && !given("audit") && !given("no-audit") {
		j.settings.Audit = left.Audit
	}
	if !given("cutoff") && !given("safe-period") {
		j.settings.CutOff = left.CutOff
	}
	if !given("policy") {
		j.settings.Policy = left.Policy
	}
	return left, nil
}

func resumption(left *rebuild.Status, e rebuild.Engine) string {
	switch {
	case !left.Stage.InPlace():
		return "what it left goes first"
	case e.Keep:
		return "it is brought to its end, and no row goes any more; the old tables are kept"
	}
	return "it is brought to its end, and no row goes any more; the old tables are dropped"
}

// showPreview says which tables are rebuilt, and what room that takes.
func showPreview(out io.Writer, p *rebuild.Preview, e rebuild.Engine) {
	if len(p.Tables) == 0 {
		fmt.Fprintln(out, "rebuild: nothing is removable, so no table would be")
		return
	}
	fmt.Fprintf(out, "rebuild: %d tables, sizes as the server estimates them\n\n%10s  %10s\n", len(p.Tables), "now", "then")
	for _, t := range p.Tables {
		fmt.Fprintf(out, "%10s  %10s  %s\n", size(t.Bytes), "≈ "+size(t.New), t.Name)
	}
	free := "the server does not tell what is free"
	if p.Free >= 0 {
		free = size(p.Free) + " are free"
	}
	fmt.Fprintf(out, "\nroom: about %s more while both forms are there, %s of it for audit copies; at most %s; %s\n", size(p.Room()), size(p.Audit), size(p.AtMost()), free)
	if e.Keep {
		fmt.Fprintln(out, "the old tables are kept until rebuild finish drops them, or rebuild undo puts them back")
	} else {
		fmt.Fprintln(out, "the old tables are dropped at the end (--drop-old): nothing can be put back")
	}
	if len(p.Users) > 0 {
		fmt.Fprintf(out, "in use now by %s: stop the product and whatever else uses the tables, or the rebuild refuses to start\n",
			strings.Join(p.Users[:min(len(p.Users), cleanup.SampleSize)], ", "))
	}
}

func size(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// leftOf reads the journal; nil if there is none, or cannot be.
func leftOf(c *cobra.Command, target *harness.Target) (*rebuild.Status, error) {
	if rebuildable(target) != nil {
		return nil, nil
	}
	ctx := context.WithoutCancel(c.Context()) // after an interruption it is worth knowing too
	found, err := schema.Read(ctx, target.DB, target.Dialect, target.Schema)
	if err != nil {
		return nil, err
	}
	return rebuild.Look(ctx, target.DB, target.Dialect, found)
}

// kept says in a sentence what an engine leaves for finish or undo.
func (j *cleaning) kept(engine cleanup.Engine) []string {
	if _, ok := engine.(rebuild.Engine); !ok {
		return nil
	}
	left, err := leftOf(j.c, j.target)
	if err != nil || left == nil {
		return nil
	}
	return []string{left.State() + "; " + left.Remedy()}
}

// showStatus says where the tables are, and what can be done.
func showStatus(out io.Writer, s *rebuild.Status) {
	fmt.Fprintln(out, s.State())
	if s.RunID != "" {
		audit := "removed tokens not audited"
		if s.Audit {
			audit = "removed tokens audited"
		}
		fmt.Fprintf(out, "       policy %s, cut-off %s, %s\n", s.Policy, s.CutOff.Format(time.RFC3339), audit)
	}
	if s.Stage.InPlace() {
		for _, p := range s.Phases {
			fmt.Fprintf(out, "       %s: %s of %s rows went\n", p.Phase, humanize.Comma(p.Removed), humanize.Comma(p.Examined))
		}
	}
	for _, m := range s.Made {
		what := "the rebuild's own"
		switch {
		case m.Of != "" && s.Stage.InPlace():
			what = "old " + m.Of
		case m.Of != "":
			what = "new " + m.Of + ", not in use"
		}
		fmt.Fprintf(out, "%10s  %s  %s\n", size(m.Bytes), m.Name, what)
	}
	showNext(out, s)
}

// showNext prints the commands that go on from here. A DSN may hold a password: it
// is left out.
func showNext(out io.Writer, s *rebuild.Status) {
	resume, does := "clean --engine rebuild --resume --dsn …", "drops what it left and starts over"
	finish, undo := [2]string{"rebuild finish --dsn …", "drops the old tables"}, [2]string{"rebuild undo --dsn …", "puts the old tables back, unless somebody wrote since"}
	var all [][2]string
	switch {
	case s.AtWork:
		fmt.Fprintln(out, "next: wait for it to end")
		return
	case s.Stage == rebuild.Kept:
		all = [][2]string{{"verify check --before FILE --dsn …", "judges the new tables, if a pre-image was taken"}, finish, undo}
	case s.Stage == rebuild.Swapped:
		does, finish[1] = "brings it to its end", "does that, and drops the old tables"
		all = [][2]string{{resume, does}, finish, undo}
	default:
		undo[1] = "only drops what it left"
		all = [][2]string{{resume, does}, undo}
	}
	fmt.Fprintln(out, "next:")
	for _, c := range all {
		fmt.Fprintf(out, "  tokensweep %-42s %s\n", c[0], c[1])
	}
}

func newRebuild() *cobra.Command {
	c := &cobra.Command{
		Use:   "rebuild",
		Short: "Finish, undo or look at what clean --engine rebuild left",
		Long: `clean --engine rebuild puts new tables in the place of the old ones and keeps those,
so that the verdict can be waited for. Until then there is a table ` + rebuild.JournalTable + `,
clean does not start again, and the room of the old tables is taken.

  tokensweep verify capture --dsn … --cutoff 2026-11-25T02:00:00Z --out before.tscapture
  tokensweep clean --engine rebuild --dsn … --cutoff 2026-11-25T02:00:00Z
  tokensweep verify check --dsn … --before before.tscapture
  tokensweep rebuild finish --dsn …        if the verdict is pass
  tokensweep rebuild undo --dsn …          if it is not`,
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.AddCommand(newRebuildStatus(), newRebuildFinish(), newRebuildUndo())
	return c
}

// openRebuild connects and reads the journal; left is nil if there is none.
func openRebuild(c *cobra.Command, db *databaseFlags) (target *harness.Target, left *rebuild.Status, err error) {
	if target, err = db.open(c); err != nil {
		return nil, nil, err
	}
	if err = rebuildable(target); err == nil {
		left, err = leftOf(c, target)
	}
	if err != nil {
		target.Close()
		return nil, nil, err
	}
	return target, left, nil
}

func newRebuildStatus() *cobra.Command {
	var db databaseFlags
	c := &cobra.Command{
		Use:   "status --dsn DSN",
		Short: "Say how far a rebuild is, which tables are kept, and what to do next",
		Long: `status reads the journal of a rebuild and changes nothing. It says which run it is,
where old and new tables are, how much room the ones take that are not in use, and
which commands go on from there. The exit code is 0 whatever it finds.`,
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		target, left, err := openRebuild(c, &db)
		if err != nil {
			return err
		}
		defer target.Close()
		if left == nil {
			fmt.Fprintf(c.OutOrStdout(), "schema %s has no rebuild to finish or to undo: nothing is kept\n", target.Schema)
			return nil
		}
		showStatus(c.OutOrStdout(), left)
		return nil
	}
	db.own(c.Flags())
	return c
}

func newRebuildFinish() *cobra.Command {
	return newRebuildEnd(&cobra.Command{
		Use:   "finish --dsn DSN",
		Short: "Drop the old tables of a rebuild: it cannot be undone after that",
		Long: `finish drops the tables that clean --engine rebuild kept, and its journal. The schema
is then as it was before the rebuild, less the rows that went. A rebuild that was
interrupted after the new tables were put in place is brought to its end first. One
that was interrupted before is refused.`,
	}, func(ctx context.Context, t *harness.Target, _ bool, w cleanup.Watcher) error {
		return rebuild.Finish(ctx, t.DB, t.Dialect, t.Schema, w)
	}, "finished: the old tables are dropped")
}

func newRebuildUndo() *cobra.Command {
	return newRebuildEnd(&cobra.Command{
		Use:   "undo --dsn DSN",
		Short: "Put the old tables of a rebuild back, with every row that went",
		Long: `undo swaps the old tables back, with their rows, foreign keys and triggers, takes the
copies of removed tokens out of the audit table, and drops the new tables. It
refuses while other sessions use the tables.

It does not merge: where a row was inserted, changed or deleted since the rebuild it
refuses and names the table. Tables that were not rebuilt keep what was written to
them. --force undoes nevertheless: what was written to the rebuilt tables since is
lost then, tokens issued and tokens revoked alike.

Of a rebuild that was interrupted before the new tables were in place it drops what
is left.`,
	}, func(ctx context.Context, t *harness.Target, force bool, w cleanup.Watcher) error {
		return rebuild.Undo(ctx, t.DB, t.Dialect, t.Schema, force, w)
	}, "undone: the tables are as they were before it")
}

// newRebuildEnd is finish or undo.
func newRebuildEnd(c *cobra.Command, do func(context.Context, *harness.Target, bool, cleanup.Watcher) error, done string) *cobra.Command {
	var (
		db         databaseFlags
		yes, force bool
	)
	c.RunE = func(c *cobra.Command, _ []string) error {
		target, left, err := openRebuild(c, &db)
		if err != nil {
			return err
		}
		defer target.Close()
		if left == nil {
			return usage("schema %s has no rebuild to finish or to undo", target.Schema)
		}
		showStatus(c.OutOrStdout(), left)
		if !yes {
			if err := confirm(c.InOrStdin(), c.OutOrStdout(), c.CommandPath(), target.Schema); err != nil {
				return err
			}
		}
		if err := do(c.Context(), target, force, cleanup.Watcher{Log: logTo(c.ErrOrStderr())}); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "rebuild %s is %s\n", left.RunID, done)
		return nil
	}
	db.own(c.Flags())
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	if c.Name() == "undo" {
		c.Flags().BoolVar(&force, "force", false, "undo although rows were written since, and lose them")
	}
	return c
}
