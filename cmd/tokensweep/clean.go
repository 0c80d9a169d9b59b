package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
)

const cleanHelp = `clean removes what the policy says from a database of yours, in small audited
transactions. It prints the plan first and asks; --dry-run changes nothing and
prints exact counts. After an interruption the same command goes on where the
run stopped, with the cut-off of that run.

--backup keeps every row that goes, with its children, in a file before the batch is
committed; restore puts rows back from it. The file holds tokens: treat it as the
database.

To have it judged, take the pre-image before, with the same cut-off, and check
after it:
  tokensweep verify capture --dsn … --cutoff 2026-11-25T02:00:00Z --out before.tscapture
  tokensweep clean --dsn … --cutoff 2026-11-25T02:00:00Z
  tokensweep verify check --dsn … --before before.tscapture

--engine rebuild is for a maintenance window, on MySQL and MariaDB: it copies the
rows that stay into new tables and puts those in the place of the old ones at once,
several times as fast where most rows go. Nobody may write meanwhile; it refuses
while other sessions use the tables. It says before what room it takes. Until the
new tables are in place everything can be taken back, and is when it is interrupted
or --max-duration is over. The old tables are kept then, until the verdict:
  tokensweep rebuild finish --dsn …    drops them
  tokensweep rebuild undo --dsn …      puts them back, as long as nobody wrote
  tokensweep rebuild status --dsn …    says where all this is
After a crash the same command with --resume goes on. --drop-old drops the old tables
unverified. --batch, --batch-time, --stop-file, --backup and
--abandon-run are for --engine batch.

Least privileges on the schema: SELECT on its tables (on MariaDB REFERENCES too);
DELETE on ` + schema.AccessToken + `, ` + schema.AuthzCode + `,
` + schema.CIBACode + `, ` + schema.RequestClaims + ` and on child tables
without a cascading key; INSERT on ` + schema.TokenAudit + `; CREATE, DROP, INSERT
and SELECT on ` + cleanup.LedgerTable + `, which exists for the time of a run. A rebuild
needs SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES,
TRIGGER and LOCK TABLES on all of it.`

func newClean() *cobra.Command {
	var (
		db     databaseFlags
		policy policyFlags
		engine engineFlags
		config string
		json   string
		keepIn string
		yes    bool
	)
	c := &cobra.Command{
		Use:   "clean --dsn DSN",
		Short: "Clean a database of yours",
		Long:  cleanHelp,
		Example: "  tokensweep clean --dsn 'cleaner:secret@tcp(db:3306)/apim_db' --dry-run\n" +
			"  tokensweep clean --dsn 'cleaner:secret@tcp(db:3306)/apim_db' --engine rebuild --max-duration 1h",
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := followConfig(c, config, &engine); err != nil {
			return err
		}
		chosen, err := engine.ownEngine(keepIn)
		if err != nil {
			return err
		}
		p, cutOff, err := policy.at(c, time.Now())
		if err != nil {
			return err
		}
		settings, err := engine.settings(c, p, cutOff)
		if err != nil {
			return err
		}
		target, err := db.open(c)
		if err != nil {
			return err
		}
		defer target.Close()
		j := &cleaning{c: c, target: target, settings: settings, json: json, dryRun: engine.dryRun, yes: yes}
		if e, ok := chosen.(rebuild.Engine); ok {
			return j.rebuild(e)
		}
		return j.batch(chosen.(cleanup.Batch), &policy, keepIn, engine.abandon)
	}
	fs := c.Flags()
	db.own(fs)
	policy.add(fs)
	engine.own(fs)
	fs.StringVar(&json, "json", "", "write what was done, or with --dry-run what was counted, as JSON to this file")
	fs.StringVar(&keepIn, "backup", "", "keep every row that is removed in this file; it must not exist, unless it is that of the run that is continued")
	fs.BoolVar(&yes, "yes", false, "do not ask")
	fs.StringVar(&config, "config", "", "the product's deployment.toml: follow its [oauth.token_cleanup]")
	return c
}

// cleaning is one call of clean.
type cleaning struct {
	c           *cobra.Command
	target      *harness.Target
	settings    cleanup.Settings
	json        string // file for the result, "" for none
	dryRun, yes bool
}

// batch cleans in small transactions.
func (j *cleaning) batch(batch cleanup.Batch, policy *policyFlags, keepIn string, abandon bool) error {
	plan, unfinished, err := planFor(j.c, j.target, j.settings, policy, abandon)
	if err != nil {
		return err
	}
	if err := keepRows(&batch, keepIn, j.target, unfinished, abandon); err != nil {
		return err
	}
	forecast, err := showPlan(j.c, j.target, plan, unfinished)
	if err != nil {
		return err
	}
	if goOn, err := j.goOn(batch, plan, forecast); !goOn {
		return err
	}
	return j.clean(batch, plan, forecast, "what was committed stays; the same command goes on")
}

// goOn ends a dry run, and asks otherwise.
func (j *cleaning) goOn(engine cleanup.Engine, plan *cleanup.Plan, forecast []cleanup.Forecast) (bool, error) {
	if j.dryRun {
		fmt.Fprintln(j.c.OutOrStdout(), "dry run: nothing was changed")
		return false, writeForecast(j.json, j.target, engine, plan, forecast)
	}
	if j.yes {
		return true, nil
	}
	err := confirm(j.c.InOrStdin(), j.c.OutOrStdout(), "clean", j.target.Schema)
	return err == nil, err
}

// keepRows has removed rows kept in a file, if one is named.
func keepRows(batch *cleanup.Batch, path string, target *harness.Target, unfinished *cleanup.Unfinished, abandon bool) error {
	if path == "" {
		return nil
	}
	if abandon {
		unfinished = nil
	}
	keeper := backup.New(path, backup.About{Tool: "tokensweep " + version(), Server: target.Server.Product + " " + target.Server.Version, Zone: target.Server.Zone})
	if err := keeper.Check(unfinished); err != nil {
		return err
	}
	batch.Backup = keeper
	return nil
}

// planFor plans the clean-up; an interrupted run is planned with the cut-off
// that it had, unless the user names one.
func planFor(c *cobra.Command, target *harness.Target, s cleanup.Settings, policy *policyFlags, abandon bool) (*cleanup.Plan, *cleanup.Unfinished, error) {
	found, err := schema.Read(c.Context(), target.DB, target.Dialect, target.Schema)
	if err != nil {
		return nil, nil, err
	}
	unfinished, err := cleanup.FindUnfinished(c.Context(), target.DB, target.Dialect, found)
	if err != nil {
		return nil, nil, err
	}
	if unfinished != nil && !abandon && policy.cutOff == "" && !c.Flags().Changed("safe-period") {
		s.CutOff = unfinished.CutOff
	}
	plan, err := cleanup.NewPlan(found, target.Dialect, s)
	if err != nil {
		return nil, nil, usage("%v", err)
	}
	return plan, unfinished, nil
}

func showPlan(c *cobra.Command, target *harness.Target, plan *cleanup.Plan, unfinished *cleanup.Unfinished) ([]cleanup.Forecast, error) {
	out := c.OutOrStdout()
	audit := "removed tokens are not kept"
	if plan.Audit {
		audit = "removed tokens are copied to " + schema.TokenAudit
	}
	fmt.Fprintf(out, "plan   schema %s on %s, session time zone %s\n       policy %s, cut-off %s, %s\n",
		target.Schema, target.Server, target.Server.Zone, plan.Policy, plan.CutOff.Format(time.RFC3339), audit)
	if unfinished != nil {
		fmt.Fprintf(out, "       run %s of %s was interrupted and is continued\n", unfinished.RunID, unfinished.Started.Format(time.RFC3339))
	}
	forecast, err := cleanup.Count(c.Context(), target.DB, plan)
	if err != nil {
		return nil, err
	}
	showForecast(out, forecast)
	return forecast, nil
}

// confirm asks on a terminal; where there is none, it refuses.
func confirm(in io.Reader, out io.Writer, command, name string) error {
	file, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return usage("%s changes schema %s and cannot ask here: add --yes, or --dry-run", command, name)
	}
	fmt.Fprintf(out, "Type the name of the schema (%s) to go on: ", name)
	answer, err := bufio.NewReader(file).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != name {
		return usage("not confirmed: nothing was changed")
	}
	return nil
}

// clean runs an engine. again says what the same command does after a run that was
// stopped.
func (j *cleaning) clean(engine cleanup.Engine, plan *cleanup.Plan, forecast []cleanup.Forecast, again string) error {
	show := newProgress(j.c.ErrOrStderr())
	rows := map[string]int64{}
	for _, f := range forecast {
		rows[f.Phase] = f.Rows
	}
	result, err := engine.Clean(j.c.Context(), j.target.DB, plan, cleanup.Watcher{Log: logTo(j.c.ErrOrStderr()), Progress: func(phase string, examined int64) {
		show.show(phase, examined, rows[phase])
	}})
	show.done()
	if result != nil {
		showResult(j.c.OutOrStdout(), result, again)
		if j.json != "" {
			d := describeClean(j.target, engine, plan, forecast, result)
			d.Warnings = j.kept(engine)
			err = errors.Join(err, toFile(j.json, d.WriteJSON))
		}
	}
	if err != nil {
		return err
	}
	if j.c.Context().Err() != nil && !result.Complete() {
		return interruptedError{again}
	}
	for _, p := range result.Phases {
		if len(p.Held) > 0 {
			return verdictError{"fail"}
		}
	}
	if !result.Complete() {
		return verdictError{"inconclusive"}
	}
	return nil
}

// describeClean is the result of a clean-up that nobody verified.
func describeClean(target *harness.Target, engine cleanup.Engine, plan *cleanup.Plan, forecast []cleanup.Forecast, r *cleanup.Result) *report.Document {
	s := target.Server
	d := &report.Document{Tool: "tokensweep " + version(), Command: "clean", Verdict: report.Unverified, Policy: string(plan.Policy), CutOff: plan.CutOff,
		Audit: plan.Audit, Engine: engine.Name(), Data: report.Data{Source: "database"}, Server: report.Server{Product: s.Product, Version: s.Version, Via: s.Via, Zone: s.Zone}}
	for i, p := range r.Phases {
		d.Stages = append(d.Stages, report.NewStage("clean "+p.Phase, p.Removed, p.Seconds))
		d.Phases = append(d.Phases, report.Phase{Table: p.Table, Before: forecast[i].Rows, Removable: forecast[i].Removable, Removed: p.Removed, Audited: p.Audited})
	}
	for _, f := range forecast[len(r.Phases):] { // a run that was stopped did not come to these
		d.Phases = append(d.Phases, report.Phase{Table: f.Table, Before: f.Rows, Removable: f.Removable})
	}
	harness.DescribeRun(d, r)
	return d
}

func showResult(out io.Writer, r *cleanup.Result, again string) {
	for _, p := range r.Phases {
		fmt.Fprintf(out, "%s: %s removed, %s audited, %s batches, %.1f s\n", p.Phase, humanize.Comma(p.Removed), humanize.Comma(p.Audited), humanize.Comma(p.Batches), p.Seconds)
		for _, h := range p.Held {
			fmt.Fprintf(out, "  %s could not go: %s, for example %s\n", humanize.Comma(h.Rows), h.By, strings.Join(h.Samples, ", "))
		}
	}
	if !r.Complete() {
		fmt.Fprintf(out, "stopped by %s; %s\n", r.Stopped, again)
	}
}
