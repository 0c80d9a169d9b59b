package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

func newSeed() *cobra.Command {
	var (
		db     databaseFlags
		policy policyFlags
		data   seedFlags
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
		into := seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
		found, err := schema.Read(c.Context(), target.DB, target.Dialect, target.Schema)
		if err != nil {
			return err
		}
		_, exists := found.Table(schema.AccessToken)
		if !exists {
			if err := seed.CreateTables(c.Context(), into, data.release, ""); err != nil {
				return err
			}
		}
		fmt.Fprintf(c.ErrOrStderr(), "seeding %s tokens, --seed %d --mix %s --cutoff %s\n", humanize.Comma(spec.Tokens), spec.Seed, spec.Mix, cutOff.Format(time.RFC3339))
		show := newProgress(c.ErrOrStderr())
		result, err := seed.Load(c.Context(), into, spec, seed.Options{Log: logTo(c.ErrOrStderr()),
			Progress: func(done, total int64) { show.show("seed", done, total) }})
		show.done()
		if err != nil {
			if c.Context().Err() != nil {
				return interruptedError{fmt.Sprintf("go on with the same command and --cutoff %s", cutOff.Format(time.RFC3339))}
			}
			return err
		}
		// Tables of the user's keep the indexes they have; ours may have been left
		// without by an interruption.
		if !exists || slices.Contains(schema.Guess(found).Releases, data.release) {
			if err := seed.BuildIndexes(c.Context(), into, data.release); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(result.Rows)) {
			fmt.Fprintf(c.OutOrStdout(), "%12s  %s\n", humanize.Comma(result.Rows[name]), name)
		}
		return nil
	}
	fs := c.Flags()
	db.own(fs)
	policy.add(fs)
	data.add(fs)
	return c
}
