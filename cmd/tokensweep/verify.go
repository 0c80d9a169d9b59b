package main

import (
	"fmt"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

func newVerify() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Judge a clean-up that someone else runs: pre-image before it, check after it",
		RunE:  func(c *cobra.Command, _ []string) error { return usage("use verify capture or verify check") },
	}
	c.AddCommand(newCapture(), newCheck())
	return c
}

func newCapture() *cobra.Command {
	var (
		db     databaseFlags
		policy policyFlags
		engine engineFlags
		out    string
	)
	c := &cobra.Command{
		Use:   "capture --dsn DSN --out FILE",
		Short: "Take the pre-image of a database to a file",
		Long: `capture reads every table once, in one snapshot, and writes a hash of every row and
what each policy says about it. The check can use any policy, but the cut-off is
the one given here: it has to be that of the clean-up.`,
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if out == "" {
			return usage("--out is missing: name the file for the pre-image")
		}
		if _, err := os.Stat(out); err == nil {
			return usage("--out: %s exists already, and a pre-image is never overwritten: choose another name", out)
		}
		_, cutOff, err := policy.at(c, time.Now())
		if err != nil {
			return err
		}
		target, err := db.open(c)
		if err != nil {
			return err
		}
		defer target.Close()
		if left, err := leftOf(c, target); err != nil {
			return err
		} else if left != nil { // its tables would be taken for the user's
			return left.Refusal()
		}
		at := verify.CutOffs{At: cutOff}
		if judge, err := engine.judge(c, target, token.Documented, cutOff); err != nil {
			return err
		} else if judge != nil {
			at = judge.CutOffs(cutOff)
		}
		show := newProgress(c.ErrOrStderr())
		image, err := verify.CaptureAt(c.Context(), sourceOf(target, show, "capture"), at)
		show.done()
		if err != nil {
			return err
		}
		defer image.Close()
		image.Server, image.Zone = target.Server.Product+" "+target.Server.Version, target.Server.Zone
		if err := image.Save(out); err != nil {
			return err
		}
		for _, w := range harness.ZoneWarnings(target.Server.Zone, image) {
			fmt.Fprintf(c.ErrOrStderr(), "note: %s\n", w)
		}
		fmt.Fprintf(c.OutOrStdout(), "%s rows of %d tables, cut-off %s, in %s\n", humanize.Comma(image.Rows), len(image.Found.Tables), cutOff.Format(time.RFC3339), out)
		return nil
	}
	fs := c.Flags()
	fs.StringVar(&out, "out", "", "file to write; it must not exist")
	engine.named(fs)
	db.own(fs)
	policy.add(fs)
	return c
}

func newCheck() *cobra.Command {
	var (
		db      databaseFlags
		results reportFlags
		engine  engineFlags
		before  string
		policy  string
		audit   bool
	)
	c := &cobra.Command{
		Use:   "check --dsn DSN --before FILE",
		Short: "Account for every row since a pre-image and give the verdict",
		Long: `check reads every table again and accounts for every row of the pre-image and for every
row that is there now. The verdict is the exit code: 0 pass, 1 fail, 4 inconclusive.

Old tables that clean --engine rebuild kept, and its journal, are no damage. Which ones
they are, the journal says; the new tables are judged like all others.`,
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, err := token.ParsePolicy(policy)
		if err != nil {
			return usage("--policy: %v", err)
		}
		if before == "" {
			return usage("--before is missing: name the file that verify capture wrote")
		}
		if err := results.checkWritable(); err != nil {
			return err
		}
		image, err := verify.Load(before)
		if err != nil {
			return usage("%v", err)
		}
		defer image.Close()
		target, err := db.open(c)
		if err != nil {
			return err
		}
		defer target.Close()
		if image.Zone != target.Server.Zone {
			return usage("the pre-image was read in time zone %s, this session is in %s: wall clocks would differ; use --writers-time-zone %s", image.Zone, target.Server.Zone, image.Zone)
		}
		d, err := check(c, target, image, &engine, p, audit)
		if err != nil {
			return err
		}
		return results.write(c, d)
	}
	fs := c.Flags()
	fs.StringVar(&before, "before", "", "the pre-image that verify capture wrote")
	fs.StringVar(&policy, "policy", string(token.Documented), "what was to go: documented, strict, official-mysql or official-mssql")
	fs.BoolVar(&audit, "audit", true, "removed tokens must be in the audit table; a script is asked for its own audit instead")
	engine.named(fs)
	db.own(fs)
	results.add(fs)
	return c
}

// check accounts for every row and describes the outcome.
func check(c *cobra.Command, target *harness.Target, image *verify.Image, engine *engineFlags, p token.Policy, audit bool) (*report.Document, error) {
	judge, err := engine.judge(c, target, p, image.CutOff)
	if err != nil {
		return nil, err
	}
	if err := sameCutOffs(image, judge, p); err != nil {
		return nil, err
	}
	expect, made, err := expectation(c, target, image, judge, p, audit)
	if err != nil {
		return nil, err
	}
	left, err := judgeable(c, target, image, p, &expect)
	if err != nil {
		return nil, err
	}
	show := newProgress(c.ErrOrStderr())
	outcome, err := verify.Check(c.Context(), sourceOf(target, show, "check"), image, expect)
	show.done()
	if err != nil {
		return nil, err
	}
	s := target.Server
	d := &report.Document{Command: "verify check", Policy: string(p), CutOff: image.CutOff, Data: report.Data{Source: "database"},
		Server: report.Server{Product: s.Product, Version: s.Version, Via: s.Via, Zone: s.Zone},
		Stages: []report.Stage{report.NewStage("check", outcome.RowsRead, outcome.Seconds)}}
	harness.Describe(d, outcome, nil)
	if left != nil {
		d.Warnings = append(d.Warnings, left.State()+"; "+left.Remedy())
	}
	if judge != nil {
		if err := judge.Describe(c.Context(), d, sourceOf(target, show, "check"), outcome, image.Found, made); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// sameCutOffs refuses a pre-image whose rows were judged at another time than the
// clean-up compared with: under the rule of a script on MySQL that depends on the
// script and on the zone of the session.
func sameCutOffs(image *verify.Image, judge *harness.ScriptJudge, p token.Policy) error {
	have, want := image.CutOffs().Of(token.OfficialMySQL), judge.CutOffs(image.CutOff).Of(token.OfficialMySQL)
	switch {
	case have.Equal(want) || judge == nil && !p.Official():
		return nil
	case judge != nil:
		return usage("the pre-image judges the script's rule at %s, and in a session of time zone %s the script compares with %s: "+
			"take it again before the clean-up, with verify capture --engine script:%s",
			have.Format(time.RFC3339), image.Zone, want.Format(time.RFC3339), judge.File.Name())
	}
	return usage("the pre-image was taken for a script that compares with %s: name it by --engine script:FILE, or take the pre-image again without it", have.Format(time.RFC3339))
}

// judgeable tells the expectation of a rebuild that waits for the verdict, and refuses
// one that is half done; nil means that there is none.
func judgeable(c *cobra.Command, t *harness.Target, image *verify.Image, p token.Policy, e *verify.Expect) (*rebuild.Status, error) {
	left, err := leftOf(c, t)
	if err != nil || left == nil {
		return nil, err
	}
	switch {
	case left.AtWork, left.Stage == rebuild.AtTheSwap, left.Stage == rebuild.Swapped:
		return nil, left.Refusal()
	case left.Stage == rebuild.Building:
		e.Incomplete = true
	case !left.CutOff.Equal(image.CutOff) || left.Policy != p:
		fmt.Fprintf(c.ErrOrStderr(), "note: the rebuild had policy %s and cut-off %s, it is judged by %s and %s\n",
			left.Policy, left.CutOff.Format(time.RFC3339), p, image.CutOff.Format(time.RFC3339))
	}
	e.Own = append(e.Own, left.Own()...)
	return left, nil
}

// expectation says what the clean-up since the pre-image was to do, and which
// tables a script made.
func expectation(c *cobra.Command, t *harness.Target, image *verify.Image, judge *harness.ScriptJudge, p token.Policy,
	audit bool) (e verify.Expect, made []schema.Table, err error) {
	found, err := schema.Read(c.Context(), t.DB, t.Dialect, t.Schema)
	if err != nil {
		return e, nil, err
	}
	if judge != nil {
		e, made = judge.Expect(t.Dialect, image.Found, found, false)
	} else {
		e = verify.Expect{Policy: p, Audit: audit}
		run, err := cleanup.FindUnfinished(c.Context(), t.DB, t.Dialect, found)
		if err != nil {
			return e, nil, err
		}
		e.Incomplete = run != nil
	}
	e.From, e.To = image.Taken, time.Now().UTC().Add(time.Second)
	// The ledger of a run of ours, waiting now or when the pre-image was taken, is
	// no damage; nor is our procedure with its account of runs.
	e.Own = append(e.Own, cleanup.LedgerTable, procedure.RunsTable)
	e.OwnPrograms = append(e.OwnPrograms, "procedure "+procedure.Name)
	return e, made, nil
}

func sourceOf(t *harness.Target, show *progress, stage string) verify.Source {
	return verify.Source{DB: t.DB, Dialect: t.Dialect, Schema: t.Schema, Progress: func(table string, rows int64) { show.show(stage+" "+table, rows, 0) }}
}
