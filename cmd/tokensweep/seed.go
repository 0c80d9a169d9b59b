package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

func newSeed() *cobra.Command {
	var (
		db     databaseFlags
		policy policyFlags
		data   seedFlags
		more   bool
	)
	c := &cobra.Command{
		Use:   "seed --dsn DSN",
		Short: "Fill a database of yours with made-up tokens",
		Long: `seed fills the tables of a database of yours; tables that do not exist are made as
in --release. The same seed, number of tokens, mix and cut-off make the same rows.
After an interruption the same command, with --cutoff as printed, goes on.`,
		Example: "  tokensweep seed --dsn 'root:secret@tcp(127.0.0.1:3306)/apim_db' --tokens 200000",
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		_, cutOff, err := policy.at(c, time.Now())
		if err != nil {
			return err
		}
		spec, err := data.spec(cutOff)
		if err != nil {
			return err
		}
		target, err := db.open(c)
		if err != nil {
			return err
		}
		defer target.Close()
		return seedInto(c, target, spec, data.release, more)
	}
	fs := c.Flags()
	db.own(fs)
	policy.add(fs)
	data.add(fs)
	fs.BoolVar(&more, "append", false, "allow tokens that are not of this data in the tables")
	return c
}

// seedInto fills the user's tables, or makes those of the release first. Tables
// of the user's keep the indexes that they have.
func seedInto(c *cobra.Command, target *harness.Target, spec seed.Spec, release string, more bool) error {
	into := seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
	found, err := schema.Read(c.Context(), target.DB, target.Dialect, target.Schema)
	if err != nil {
		return err
	}
	cutOff := spec.CutOff.Format(time.RFC3339)
	fmt.Fprintf(c.ErrOrStderr(), "seeding %s tokens, --seed %d --mix %s --cutoff %s\n", humanize.Comma(spec.Tokens), spec.Seed, spec.Mix, cutOff)
	show := newProgress(c.ErrOrStderr())
	options := seed.Options{Append: more, Log: logTo(c.ErrOrStderr()), Progress: func(done, total int64) { show.show("seed", done, total) }}
	var result *seed.Result
	if _, exists := found.Table(schema.AccessToken); exists && !slices.Contains(schema.Guess(found).Releases, release) {
		result, err = seed.Load(c.Context(), into, spec, options)
	} else {
		result, err = seed.Fill(c.Context(), into, release, "", spec, options)
	}
	show.done()
	if err != nil {
		if c.Context().Err() != nil {
			return interruptedError{"go on with the same command and --cutoff " + cutOff}
		}
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(result.Rows)) {
		fmt.Fprintf(c.OutOrStdout(), "%12s  %s\n", humanize.Comma(result.Rows[name]), name)
	}
	return nil
}
