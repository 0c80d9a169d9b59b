package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tokensweep/tokensweep/backup"
)

func newBackup() *cobra.Command {
	c := &cobra.Command{
		Use:   "backup",
		Short: "Look into a file that clean --backup wrote",
		RunE:  func(*cobra.Command, []string) error { return usage("use backup list or backup show") },
	}
	c.AddCommand(newBackupList(), newBackupShow())
	return c
}

// oneFile takes exactly one word, the file.
func oneFile(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("%s takes one file; see %s --help", c.CommandPath(), c.CommandPath())
	}
	return nil
}

func newBackupList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list FILE",
		Short: "Say what is in a backup, and check every byte of it",
		Args:  oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			f, err := openBackup(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return listJSON(c.OutOrStdout(), f)
			}
			listBackup(c.OutOrStdout(), f)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

func openBackup(path string) (*backup.File, error) {
	f, err := backup.Open(path)
	if err != nil {
		return nil, usage("%v", err)
	}
	return f, nil
}

// listBackup prints what a backup is of and how many rows it has.
func listBackup(out io.Writer, f *backup.File) {
	fmt.Fprintf(out, "backup of schema %s on %s (%s), session time zone %s\n", f.Schema, f.Server, f.Dialect, orDash(f.Zone))
	fmt.Fprintf(out, "       run %s, started %s, policy %s, cut-off %s, audit %t\n", f.RunID, f.Started.Format(time.RFC3339), f.Policy,
		f.CutOff.Format(time.RFC3339), f.Audit)
	fmt.Fprintf(out, "       written by %s from %s on", f.Tool, f.Created.Format(time.RFC3339))
	if f.After > 0 {
		fmt.Fprintf(out, ", behind batch %d: what the run did before is not in it", f.After)
	}
	fmt.Fprintln(out)
	batches, rows := f.Total(backup.Confirmed)
	fmt.Fprintf(out, "\n%12s  table, of %s batches\n", "rows", humanize.Comma(batches))
	for i, n := range rows {
		if n > 0 {
			fmt.Fprintf(out, "%12s  %s\n", humanize.Comma(n), f.Tables[i].Name)
		}
	}
	fmt.Fprintln(out)
	showEnd(out, f)
}

// showEnd says whether the backup is complete, and what it lacks if not.
func showEnd(out io.Writer, f *backup.File) {
	if f.Trailer != nil {
		fmt.Fprintf(out, "complete: the run came to its end %s\n", f.Trailer.Ended.Format(time.RFC3339))
		return
	}
	fmt.Fprintf(out, "incomplete: run %s was interrupted\n", f.RunID)
	if n, _ := f.Total(backup.Unconfirmed); n > 0 {
		fmt.Fprintln(out, "  whether its last batch was committed is in the ledger in the database only; restore looks there")
	}
	if f.Torn > 0 {
		fmt.Fprintf(out, "  the last %s bytes are no whole frame and do not count\n", humanize.Comma(f.Torn))
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func listJSON(out io.Writer, f *backup.File) error {
	batches, rows := f.Total(backup.Confirmed)
	unknown, _ := f.Total(backup.Unconfirmed)
	tables := map[string]int64{}
	for i, n := range rows {
		tables[f.Tables[i].Name] = n
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"tool": f.Tool, "created": f.Created, "server": f.Server, "dialect": f.Dialect, "schema": f.Schema, "zone": f.Zone,
		"run_id": f.RunID, "started": f.Started, "policy": f.Policy, "cutoff": f.CutOff, "audit": f.Audit, "after_batch": f.After,
		"batches": batches, "unconfirmed_batches": unknown, "rows": tables, "complete": f.Trailer != nil, "torn_bytes": f.Torn})
}

func newBackupShow() *cobra.Command {
	var (
		tokenID string
		limit   int
		secrets bool
	)
	c := &cobra.Command{
		Use:   "show FILE",
		Short: "Print the rows of a backup; tokens and codes are masked",
		Args:  oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 0 {
				return usage("--limit %d: use 0 for all rows, or more", limit)
			}
			f, err := openBackup(args[0])
			if err != nil {
				return err
			}
			return showRows(c.OutOrStdout(), f, tokenID, limit, secrets)
		},
	}
	fs := c.Flags()
	fs.StringVar(&tokenID, "token-id", "", "only this token and what went with it, its codes included")
	fs.IntVar(&limit, "limit", 100, "print no more rows than this (0: all)")
	fs.BoolVar(&secrets, "secrets", false, "print the values of tokens, codes and their hashes too")
	return c
}

func showRows(out io.Writer, f *backup.File, tokenID string, limit int, secrets bool) error {
	shown, more := 0, false
	err := f.Show(tokenID, secrets, func(r backup.Row) bool {
		if more = limit > 0 && shown == limit; more {
			return false
		}
		shown++
		parts := make([]string, len(r.Columns))
		for i, c := range r.Columns {
			parts[i] = c + "=" + quoted(r.Values[i])
		}
		fmt.Fprintf(out, "batch %d  %s  %s\n", r.Batch, r.Table, strings.Join(parts, " "))
		return true
	})
	switch {
	case err != nil:
		return err
	case more:
		fmt.Fprintf(out, "… and more: --limit 0 prints all\n")
	case shown == 0:
		fmt.Fprintln(out, "no such row")
	}
	return nil
}

// quoted puts values in quotes that would be hard to read without.
func quoted(value string) string {
	if value == "" || strings.ContainsAny(value, " \t\r\n\"=") && !strings.HasPrefix(value, "(masked") {
		return strconv.Quote(value)
	}
	return value
}
