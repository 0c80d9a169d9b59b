package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
)

func newValidate() *cobra.Command {
	var (
		db         databaseFlags
		policy     policyFlags
		engine     engineFlags
		results    reportFlags
		path, name string
	)
	c := &cobra.Command{
		Use:   "validate --dump FILE",
		Short: "Restore a dump into a throw-away server, clean it there and give the verdict",
		Long: `validate restores a dump into a throw-away server, shows what is in it, cleans it there
and accounts for every row. It never touches the server that the dump came from.

A dump is what mysqldump or mariadb-dump wrote, or a script of SQL Server with GO between
its batches (.sql, .sql.gz, .sql.zst), or a backup of SQL Server (.bak).`,
		Example: "  tokensweep validate --dump prod.sql.gz\n  tokensweep validate --dump all.sql.zst --schema apim_db --writers-time-zone Asia/Colombo\n" +
			"  tokensweep validate --dump prod.bak --accept-eula",
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if path == "" {
			return usage("--dump is missing: name the file that mysqldump, mariadb-dump or SQL Server wrote")
		}
		if _, err := os.Stat(path); err != nil {
			return usage("--dump: %v", err)
		}
		if db.db == harness.SQLite || db.via == harness.Embedded {
			return usage("a dump needs a real server: use --db mysql, mariadb or sqlserver")
		}
		s, err := scenario(c, &db, &policy, &engine, &results)
		if err != nil {
			return err
		}
		s.Dump, s.DumpSchema, s.Command = path, name, "validate"
		out := c.OutOrStdout()
		if results.json == "-" {
			out = c.ErrOrStderr()
		}
		s.Found = func(contents *harness.Contents) { showContents(out, contents) }
		return execute(c, s, &results)
	}
	fs := c.Flags()
	fs.StringVar(&path, "dump", "", "the dump: .sql, .sql.gz, .sql.zst or .bak")
	fs.StringVar(&name, "schema", "", "schema to restore, if the dump holds several")
	db.throwAway(fs)
	policy.add(fs)
	engine.throwAway(fs)
	results.add(fs)
	return c
}

// showContents prints what a dump holds before anything is cleaned.
func showContents(w io.Writer, c *harness.Contents) {
	fmt.Fprintf(w, "found  schema %s, %d tables, release %s\n", orUnknown(c.Dump.Schema), len(c.Schema.Tables), c.Release)
	fmt.Fprintf(w, "       dump of %s, complete at %s", strings.TrimSpace(orUnknown(c.Dump.Flavor)+" "+c.Dump.ServerVersion), orUnknown(c.Dump.CompletedAt))
	if c.Zone != "" {
		fmt.Fprintf(w, ", wall clocks read in time zone %s", c.Zone)
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "       collations %s\n", collations(c.Schema))
	for _, u := range c.Unknown {
		fmt.Fprintf(w, "       unknown child table %s\n", u)
	}
	showForecast(w, c.Forecast)
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

// collations lists those of the key columns of the cleaned tables.
func collations(d *schema.Database) string {
	var parts []string
	for _, t := range schema.Cleaned() {
		if table, ok := d.Table(t); ok && len(table.PrimaryKey) > 0 {
			if c, ok := table.Column(table.PrimaryKey[0]); ok {
				parts = append(parts, table.Name+"."+c.Name+" "+c.Collation)
			}
		}
	}
	return strings.Join(parts, ", ")
}

// showForecast prints rows per state and what would go.
func showForecast(w io.Writer, forecast []cleanup.Forecast) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nrows\tto remove\tto keep\t  state")
	for _, f := range forecast {
		fmt.Fprintf(t, "%s\t%s\t%s\t  %s\n", humanize.Comma(f.Rows), humanize.Comma(f.Removable), humanize.Comma(f.Rows-f.Removable), f.Table)
		for _, s := range f.States {
			fmt.Fprintf(t, "%s\t%s\t%s\t    %s\n", humanize.Comma(s.Rows), humanize.Comma(s.Removable), humanize.Comma(s.Rows-s.Removable), s.State)
		}
	}
	t.Flush()
	for _, f := range forecast {
		for _, h := range f.Held {
			fmt.Fprintf(w, "\n  %s of them cannot go: %s, for example %s\n", humanize.Comma(h.Rows), h.By, strings.Join(h.Samples, ", "))
		}
	}
	fmt.Fprintln(w)
}
