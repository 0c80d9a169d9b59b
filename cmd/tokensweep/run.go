package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokensweep/tokensweep/harness"
)

func newRun() *cobra.Command {
	var (
		db      databaseFlags
		policy  policyFlags
		engine  engineFlags
		data    seedFlags
		results reportFlags
	)
	c := &cobra.Command{
		Use:   "run",
		Short: "Make a database, fill it, clean it and account for every row",
		Long: `run does everything on a throw-away database: it starts one, fills it with made-up
tokens in mixed states, takes the pre-image, cleans, verifies every row, reports
and removes the database.

--db auto takes the first that this machine has of: a MySQL container, a local
mysqld or mariadbd, the embedded SQLite. It says which, and why not the others.`,
		Example: "  tokensweep run --tokens 1000000 --db mysql\n  tokensweep run --mix edge --policy strict --json result.json",
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := scenario(c, &db, &policy, &engine, &results)
		if err != nil {
			return err
		}
		if s.Seed, err = data.spec(s.Settings.CutOff); err != nil {
			return err
		}
		s.Release, s.Command = data.release, "run"
		return execute(c, s, &results)
	}
	fs := c.Flags()
	db.throwAway(fs)
	policy.add(fs)
	engine.throwAway(fs)
	data.add(fs)
	results.add(fs)
	return c
}

// scenario puts together what run and validate share.
func scenario(c *cobra.Command, db *databaseFlags, policy *policyFlags, engine *engineFlags, results *reportFlags) (s harness.Scenario, err error) {
	p, cutOff, err := policy.at(c, time.Now())
	if err != nil {
		return s, err
	}
	if s.Settings, err = engine.settings(c, p, cutOff); err != nil {
		return s, err
	}
	if s.Engine, err = engine.choose(db); err != nil {
		return s, err
	}
	s.Options, s.DryRun = db.options(c), engine.dryRun
	return s, results.checkWritable()
}

const embeddedBanner = `
  *** The embedded engine checks the rules and the accounting. ***
  *** Its speed says nothing about MySQL.                      ***

`

// execute runs a scenario with progress and reports it.
func execute(c *cobra.Command, s harness.Scenario, results *reportFlags) error {
	show := newProgress(c.ErrOrStderr())
	s.Progress = show.show
	s.Opened = func(server harness.Server) {
		if server.Product == "SQLite" {
			fmt.Fprint(c.ErrOrStderr(), embeddedBanner)
		}
	}
	if s.DryRun && s.Found == nil {
		s.Found = func(contents *harness.Contents) { showForecast(c.OutOrStdout(), contents.Forecast) }
	}
	document, err := harness.Run(c.Context(), s)
	show.done()
	if err != nil {
		return err
	}
	if s.DryRun {
		fmt.Fprintln(c.OutOrStdout(), "dry run: nothing was removed, nothing was judged")
		return nil
	}
	return results.write(c, document)
}
