package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schedule"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// The flags mean the same in every command that has them.

// databaseFlags say which database.
type databaseFlags struct {
	db, via, dsn, image, zone, schema string
	acceptEULA, verbose               bool
}

// throwAway adds the flags for a database that is made for the run.
func (f *databaseFlags) throwAway(fs *pflag.FlagSet) {
	fs.StringVar(&f.db, "db", harness.Auto, "database: auto, mysql, mariadb, sqlserver or sqlite; auto does not choose sqlserver")
	fs.StringVar(&f.via, "via", harness.Auto, "how to get it: auto, container, process, dsn or embedded")
	fs.StringVar(&f.dsn, "dsn", "", "server on which a schema of its own is made and dropped: user:password@tcp(host:3306)/ or sqlserver://user:password@host:1433")
	fs.StringVar(&f.image, "image", "", "container image (default mysql:8.4, mariadb:11.4 or mcr.microsoft.com/mssql/server:2022-latest)")
	fs.BoolVar(&f.acceptEULA, "accept-eula", false, "you accept Microsoft's licence for SQL Server in a container (or ACCEPT_EULA=Y in the environment)")
	f.common(fs)
}

// own adds the flags for a database of the user's.
func (f *databaseFlags) own(fs *pflag.FlagSet) {
	fs.StringVar(&f.db, "db", harness.Auto, "database: auto, mysql, mariadb, sqlserver or sqlite; auto does not choose sqlserver")
	fs.StringVar(&f.via, "via", harness.DSN, "how to get it: only dsn here")
	fs.StringVar(&f.dsn, "dsn", "", "the database: user:password@tcp(host:3306)/schema, mysql://…, sqlserver://user:password@host:1433?database=name, or a SQLite file (default: "+schedule.DSNVariable+" in the environment)")
	fs.StringVar(&f.schema, "schema", "", "schema to work on, if not the DSN's (SQL Server: if not the user's default, mostly dbo)")
	f.common(fs)
}

func (f *databaseFlags) common(fs *pflag.FlagSet) {
	fs.StringVar(&f.zone, "writers-time-zone", "", "time zone of the product's database sessions (default: the server's); not for SQL Server, whose times have none")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "say more about what is done")
}

func (f *databaseFlags) options(c *cobra.Command) harness.Options {
	return harness.Options{DB: f.db, Via: f.via, DSN: f.dsn, Image: f.image, AcceptEULA: f.acceptEULA, WritersZone: f.zone, Schema: f.schema, Log: logTo(c.ErrOrStderr())}
}

// open connects to a database of the user's. Without --dsn it is the one that the
// environment names, so that no process list and no unit has to show a password.
func (f *databaseFlags) open(c *cobra.Command) (*harness.Target, error) {
	if f.dsn == "" {
		f.dsn = os.Getenv(schedule.DSNVariable)
	}
	if f.dsn == "" {
		return nil, usage("--dsn is missing: %s works on a database of yours; name it there or in the environment variable %s", c.CommandPath(), schedule.DSNVariable)
	}
	if f.via != harness.DSN && f.via != harness.Auto {
		return nil, usage("--via %s: %s works on a database of yours, by --dsn", f.via, c.CommandPath())
	}
	o := f.options(c)
	o.Via = harness.DSN
	return harness.Open(c.Context(), o)
}

// policyFlags say what is to go.
type policyFlags struct {
	policy, cutOff string
	safePeriod     time.Duration
}

func (f *policyFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.policy, "policy", string(token.Documented), "what may go: documented, strict, official-mysql or official-mssql")
	fs.DurationVar(&f.safePeriod, "safe-period", harness.DefaultSafePeriod, "how long ago a token must have ended; sets the cut-off to now less this")
	fs.StringVar(&f.cutOff, "cutoff", "", "the cut-off itself, RFC 3339, whole seconds, instead of --safe-period")
}

// at returns the policy and the cut-off; now is the time of the run.
func (f *policyFlags) at(c *cobra.Command, now time.Time) (token.Policy, time.Time, error) {
	p, err := token.ParsePolicy(f.policy)
	if err != nil {
		return "", time.Time{}, usage("--policy: %v", err)
	}
	if f.cutOff == "" {
		if f.safePeriod < 0 {
			return "", time.Time{}, usage("--safe-period %s is negative: tokens that still work would go", f.safePeriod)
		}
		return p, now.UTC().Add(-f.safePeriod).Truncate(time.Second), nil
	}
	if c.Flags().Changed("safe-period") {
		return "", time.Time{}, usage("--cutoff and --safe-period contradict each other: give one of them")
	}
	at, err := time.Parse(time.RFC3339, f.cutOff)
	if err != nil {
		return "", time.Time{}, usage("--cutoff %q is no time such as 2026-11-25T02:00:00Z", f.cutOff)
	}
	if at.Nanosecond() != 0 {
		return "", time.Time{}, usage("--cutoff %q has a fraction of a second: give whole seconds", f.cutOff)
	}
	if at.After(now) {
		return "", time.Time{}, usage("--cutoff %s is in the future: tokens that still work would go", at.Format(time.RFC3339))
	}
	return p, at.UTC(), nil
}

// engineFlags say how the rows go.
type engineFlags struct {
	name                string   // of the engine; "" where there is no choice
	set                 []string // attributes of a script: name=value
	call                string   // the procedure of a script to call
	audit, noAudit      bool
	auditMissing        string
	batch, stopFile     string
	target, maxDuration time.Duration
	throttleLog         int
	abandon, dryRun     bool
	workers             int
	binlog              string
	rebuilds            rebuildFlags
}

// maxWorkers is more than any server is quicker with.
const maxWorkers = 64

func (f *engineFlags) add(fs *pflag.FlagSet) {
	fs.BoolVar(&f.audit, "audit", true, "copy removed tokens to "+schema.TokenAudit)
	fs.BoolVar(&f.noAudit, "no-audit", false, "same as --audit=false (retain_access_tokens_for_auditing = false)")
	fs.StringVar(&f.auditMissing, "audit-missing", "stop", "live columns with data that the audit table lacks: stop, extend or drop")
	fs.StringVar(&f.batch, "batch", "auto", "keys that a transaction examines at most, or auto")
	fs.DurationVar(&f.target, "batch-time", cleanup.DefaultTarget, "duration of a transaction that --batch auto aims at")
	fs.IntVar(&f.workers, "workers", 0, fmt.Sprintf("sessions at work: --engine batch on MySQL and MariaDB, removing rows side by side (default 1); rebuild, copying tables, and as many copying to the audit table (default %d)", rebuild.DefaultWorkers))
	fs.StringVar(&f.binlog, "binlog-row-image", "", "--engine batch on MySQL and MariaDB: minimal writes only the keys of deleted rows to the binary log, where change capture and flashback miss the rest; takes a privilege (default: the server's setting)")
	fs.DurationVar(&f.maxDuration, "max-duration", 0, "stop after the batch under way when this time is over; a rebuild is taken back if the new tables are not in place by then (0: no limit)")
	fs.IntVar(&f.throttleLog, "throttle-log-percent", 0, "SQL Server: pause while the transaction log is fuller than this (1 to 99; 0: never)")
	fs.BoolVar(&f.dryRun, "dry-run", false, "remove nothing, print exact counts")
	fs.StringVar(&f.stopFile, "stop-file", "", "stop after the batch under way as soon as this file exists")
}

// own adds the choice of an engine, for a database of the user's.
func (f *engineFlags) own(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "engine", "batch", "what removes the rows: batch (online), or rebuild (new tables, for a maintenance window; the old ones are kept)")
	fs.BoolVar(&f.abandon, "abandon-run", false, "give an interrupted run of --engine batch up instead of going on with it")
	f.rebuilds.add(fs)
	f.rebuilds.own(fs)
	f.add(fs)
}

// throwAway adds the choice of an engine, for databases that are made for the run.
func (f *engineFlags) throwAway(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "engine", "batch", "what removes the rows: batch (online), rebuild (new tables, for a maintenance window), procedure (ours, in the database), script:FILE (a clean-up script of yours, such as the vendor's), or 'command:PROGRAM ARGS'")
	f.rebuilds.add(fs)
	fs.StringVar(&f.call, "call", "", "procedure to call, if the script makes several and calls none")
	fs.StringArrayVar(&f.set, "set", nil, "name=value: change a configurable attribute in the copy of the script that is run; may be repeated")
	f.add(fs)
}

func (f *engineFlags) engine() (cleanup.Batch, error) {
	b := cleanup.Batch{Target: f.target, MaxDuration: f.maxDuration, ThrottleLog: f.throttleLog, StopFile: f.stopFile, Abandon: f.abandon, Workers: f.workers}
	if f.workers < 0 || f.workers > maxWorkers {
		return b, usage("--workers %d: use 1 to %d", f.workers, maxWorkers)
	}
	switch f.binlog {
	case "":
	case "minimal":
		b.MinimalBinlog = true
	default:
		return b, usage("--binlog-row-image %q: use minimal, or leave it out", f.binlog)
	}
	if f.target <= 0 {
		return b, usage("--batch-time %s: use more than 0", f.target)
	}
	if f.throttleLog < 0 || f.throttleLog > 99 {
		return b, usage("--throttle-log-percent %d: use 1 to 99, or 0 for never", f.throttleLog)
	}
	if f.maxDuration < 0 {
		return b, usage("--max-duration %s: use 0 for no limit, or more", f.maxDuration)
	}
	if f.batch != "auto" {
		n, err := strconv.Atoi(f.batch)
		if err != nil || n < 1 || n > 1_000_000 {
			return b, usage("--batch %q: use auto or a number from 1 to 1000000", f.batch)
		}
		b.Size = n
	}
	return b, nil
}

func (f *engineFlags) settings(c *cobra.Command, p token.Policy, cutOff time.Time) (cleanup.Settings, error) {
	s := cleanup.Settings{Policy: p, CutOff: cutOff, Audit: f.audit && !f.noAudit}
	if f.noAudit && c.Flags().Changed("audit") && f.audit {
		return s, usage("--audit and --no-audit contradict each other")
	}
	switch f.auditMissing {
	case "stop":
	case "extend", "drop":
		s.AuditMissing = cleanup.AuditMissing(f.auditMissing)
	default:
		return s, usage("--audit-missing %q: use stop, extend or drop", f.auditMissing)
	}
	return s, nil
}

// seedFlags say what data to make.
type seedFlags struct {
	tokens  int64
	seed    uint64
	mix     string
	release string
}

func (f *seedFlags) add(fs *pflag.FlagSet) {
	fs.Int64Var(&f.tokens, "tokens", 100_000, "number of tokens to make; everything else in proportion")
	fs.Uint64Var(&f.seed, "seed", 1, "the same seed makes the same rows")
	fs.StringVar(&f.mix, "mix", string(seed.Default), "states of the tokens: default, mostly-dead, mostly-live, edge or removable:PERCENT")
	fs.StringVar(&f.release, "release", schema.DefaultRelease, "product release whose tables are made")
}

func (f *seedFlags) spec(cutOff time.Time) (seed.Spec, error) {
	mix, err := seed.ParseMix(f.mix)
	if err != nil {
		return seed.Spec{}, usage("--mix: %v", err)
	}
	if _, err := schema.Release(f.release, schema.MySQL); err != nil {
		return seed.Spec{}, usage("--release: %v", err)
	}
	s := seed.Spec{Seed: f.seed, Tokens: f.tokens, Mix: mix, CutOff: cutOff}
	if err := s.Validate(); err != nil {
		return s, usage("%v", err)
	}
	return s, nil
}

// reportFlags say where the result goes besides the terminal.
type reportFlags struct{ json, junit, markdown string }

func (f *reportFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.json, "json", "", "write the result as JSON to this file (- is the standard output, instead of the text)")
	fs.StringVar(&f.markdown, "markdown", "", "write the result as Markdown without HTML to this file")
	fs.StringVar(&f.junit, "junit", "", "write the result as a JUnit test suite to this file")
}

// write prints the document and writes the files; the error carries a verdict
// that is not pass.
func (f *reportFlags) write(c *cobra.Command, d *report.Document) error {
	d.Tool = "tokensweep " + version()
	if f.json == "-" {
		if err := d.WriteJSON(c.OutOrStdout()); err != nil {
			return err
		}
	} else if err := d.WriteText(c.OutOrStdout()); err != nil {
		return err
	}
	if f.json != "" && f.json != "-" {
		if err := toFile(f.json, d.WriteJSON); err != nil {
			return err
		}
	}
	if f.markdown != "" {
		if err := toFile(f.markdown, d.WriteMarkdown); err != nil {
			return err
		}
	}
	if f.junit != "" {
		var faults []string
		for _, class := range verify.Faults() {
			faults = append(faults, string(class))
		}
		if err := toFile(f.junit, func(w io.Writer) error { return d.WriteJUnit(w, faults) }); err != nil {
			return err
		}
	}
	if d.Verdict != report.Pass {
		return verdictError{d.Verdict}
	}
	return nil
}

// checkWritable finds out before a long run that a report could not be written
// after it.
func (f *reportFlags) checkWritable() error { return writable(f.json, f.junit, f.markdown) }

// writable refuses files that cannot be written; "" and - are none.
func writable(paths ...string) error {
	for _, path := range paths {
		if path == "" || path == "-" {
			continue
		}
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return usage("a report cannot be written: %v", err)
		}
		file.Close()
	}
	return nil
}

func toFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing a report: %w", err)
	}
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
