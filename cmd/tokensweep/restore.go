package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
)

// restoreFlags say what to put back.
type restoreFlags struct {
	file, since, json  string
	tokens, apps       []string
	all, dryRun        bool
	keepAudit, confirm bool
}

func newRestore() *cobra.Command {
	var (
		db   databaseFlags
		what restoreFlags
	)
	c := &cobra.Command{
		Use:   "restore --backup FILE --dsn DSN",
		Short: "Put rows back that clean --backup removed",
		Long: `restore puts rows back with the state they had, each with all that went with it. It
never overwrites: a row whose key is taken stays out and is listed, and so is one
whose consumer app is gone. The copies of restored tokens that the run had put in
the audit table are taken out again. Running it again changes nothing.

One of --all, --token-id, --app and --since is needed; the last three together
narrow each other. --dry-run looks everything up and changes nothing. It does so in
transactions that take no locks on rows, and finds what the restore would find, as
long as nobody changes anything between the two.

Exit codes: 0 everything is there, 1 some rows could not be put back, 2 refused
before any change.`,
		Example: "  tokensweep restore --backup removed.tsbackup --dsn 'cleaner:secret@tcp(db:3306)/apim_db' --app my_client_id --dry-run",
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		o, err := what.options()
		if err != nil {
			return err
		}
		f, err := openBackup(what.file)
		if err != nil {
			return err
		}
		target, err := db.open(c)
		if err != nil {
			return err
		}
		defer target.Close()
		return restore(c, target, f, o, &what)
	}
	fs := c.Flags()
	db.own(fs)
	fs.StringVar(&what.file, "backup", "", "the file that clean --backup wrote")
	fs.BoolVar(&what.all, "all", false, "everything that is in it")
	fs.StringArrayVar(&what.tokens, "token-id", nil, "the token with this TOKEN_ID, and its codes (may be given more than once)")
	fs.StringArrayVar(&what.apps, "app", nil, "what belongs to the app with this CONSUMER_KEY_ID or client id (may be given more than once)")
	fs.StringVar(&what.since, "since", "", "what was removed at this time or later, RFC 3339")
	fs.BoolVar(&what.dryRun, "dry-run", false, "change nothing, print what would be done")
	fs.BoolVar(&what.keepAudit, "keep-audit", false, "leave the copies of restored tokens in the audit table")
	fs.StringVar(&what.json, "json", "", "write what was done as JSON to this file")
	fs.BoolVar(&what.confirm, "yes", false, "do not ask")
	return c
}

func (f *restoreFlags) options() (backup.Options, error) {
	o := backup.Options{DryRun: f.dryRun, KeepAudit: f.keepAudit, Selection: backup.Selection{TokenIDs: f.tokens, Apps: f.apps}}
	if f.file == "" {
		return o, usage("--backup is missing: name the file that clean --backup wrote")
	}
	some := len(f.tokens) > 0 || len(f.apps) > 0 || f.since != ""
	switch {
	case f.all && some:
		return o, usage("--all contradicts --token-id, --app and --since: give one or the other")
	case !f.all && !some:
		return o, usage("say what to restore: --all, --token-id, --app or --since")
	}
	if f.since != "" {
		var err error
		if o.Since, err = time.Parse(time.RFC3339, f.since); err != nil {
			return o, usage("--since %q is no time such as 2026-11-25T02:00:00Z", f.since)
		}
	}
	return o, nil
}

func restore(c *cobra.Command, target *harness.Target, f *backup.File, o backup.Options, what *restoreFlags) error {
	if err := backup.Check(c.Context(), target.DB, target.Dialect, target.Schema, f, o); err != nil {
		return err
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "into   schema %s on %s\n", target.Schema, target.Server)
	listBackup(out, f)
	if !what.dryRun && !what.confirm {
		if err := confirm(c.InOrStdin(), out, "restore", target.Schema); err != nil {
			return err
		}
	}
	show := newProgress(c.ErrOrStderr())
	_, rows := f.Total(backup.Confirmed)
	var total int64
	for _, p := range f.Phases {
		total += rows[p.Table]
	}
	r, err := backup.Restore(c.Context(), target.DB, target.Dialect, target.Schema, f, o, cleanup.Watcher{Log: logTo(c.ErrOrStderr()),
		Progress: func(stage string, done int64) { show.show(stage, done, total) }})
	show.done()
	if r != nil {
		showRestored(out, r)
		if what.json != "" {
			err = errors.Join(err, toFile(what.json, r.WriteJSON))
		}
	}
	switch {
	case err != nil:
		return err
	case !r.Complete:
		return interruptedError{"what was put back stays; the same command goes on"}
	case !r.Whole():
		return verdictError{report.Fail}
	}
	return nil
}

// shownItems is how many rows that stay out the text lists for each reason.
const shownItems = 20

func showRestored(out io.Writer, r *backup.Report) {
	fmt.Fprintf(out, "\n%12s", "rows")
	var fates []backup.Fate
	for _, fate := range backup.Fates() {
		if fate == backup.PutBack || r.Sums[fate] > 0 {
			fates = append(fates, fate)
			fmt.Fprintf(out, "  %13s", fate)
		}
	}
	fmt.Fprintln(out, "  table")
	for _, t := range r.Tables {
		fmt.Fprintf(out, "%12s", humanize.Comma(t.Rows))
		for _, fate := range fates {
			fmt.Fprintf(out, "  %13s", humanize.Comma(t.Fates[fate]))
		}
		fmt.Fprintln(out, "  "+t.Table)
	}
	if r.AuditRows > 0 {
		fmt.Fprintf(out, "%s copies taken out of the audit table again\n", humanize.Comma(r.AuditRows))
	}
	showItems(out, r)
	for _, u := range r.Unconfirmed {
		fmt.Fprintf(out, "left out: batch %d (%s rows), of which nobody knows whether it was committed\n", u.Batch, humanize.Comma(u.Rows))
	}
	for _, note := range r.Notes {
		fmt.Fprintln(out, "note: "+note)
	}
	switch {
	case r.DryRun:
		fmt.Fprintln(out, "dry run: nothing was changed")
	case !r.Changed():
		fmt.Fprintln(out, "nothing was changed")
	}
}

func showItems(out io.Writer, r *backup.Report) {
	seen := map[backup.Fate]int64{}
	for _, item := range r.Listed {
		if seen[item.Fate]++; seen[item.Fate] <= shownItems {
			fmt.Fprintf(out, "%s: %s %s: %s\n", item.Fate, item.Table, strings.TrimSpace(item.Key), item.Detail)
		}
	}
	var hidden int64
	for _, n := range seen {
		hidden += max(0, n-shownItems)
	}
	if hidden += r.NotListed; hidden > 0 {
		fmt.Fprintf(out, "… and %s more; --json lists %s of all\n", humanize.Comma(hidden), humanize.Comma(int64(len(r.Listed))))
	}
}
