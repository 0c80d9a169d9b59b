package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "tokensweep",
		Short: "Tests, verifies and measures the clean-up of OAuth2 tokens on real databases",
		Long: `tokensweep answers one question and proves the answer: may I run this token
clean-up on this database?

Exit codes: 0 pass, 1 the verdict is fail, 2 bad usage or refused before any
change, 3 the database or a tool is not available, 4 inconclusive, 130
interrupted (the state is safe; the printed command goes on).`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%v; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(newRun(), newValidate(), newSeed(), newClean(), newRebuild(), newProcedure(), newVerify(), newSchedule(), newBackup(), newRestore(), newBench(), newVersion())
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	positional(root)
	return root
}

func noWords(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s knows no %q; see %s --help", c.CommandPath(), args[0], c.CommandPath())
	}
	return nil
}

// positional refuses words that a command does not take, as bad usage.
func positional(c *cobra.Command) {
	if c.Args == nil {
		c.Args = noWords
	}
	for _, sub := range c.Commands() {
		positional(sub)
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", RunE: func(c *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(c.OutOrStdout(), "tokensweep "+version())
		return err
	}}
}

// version is the module's version, or "devel" for a build from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
