package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // for machines without zone tables, as containers are
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schedule"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

func newSchedule() *cobra.Command {
	c := &cobra.Command{
		Use:   "schedule",
		Short: "Clean again and again: an event, an Agent job, or a unit of cron, systemd or Kubernetes",
		Long: `schedule mysql and schedule sqlserver make the database itself clean on a schedule, by
the procedure ` + procedure.Name + ` (tokensweep procedure). schedule cron, systemd and
kubernetes print a unit that runs tokensweep clean.`,
		RunE: func(*cobra.Command, []string) error {
			return usage("use schedule mysql, sqlserver, cron, systemd or kubernetes")
		},
	}
	c.AddCommand(newScheduleMySQL(), newScheduleSQLServer(), newScheduleUnit(cronUnit), newScheduleUnit(systemdUnit), newScheduleUnit(kubernetesUnit))
	return c
}

// timesFlags say when.
type timesFlags struct{ every, starts, zone string }

func (f *timesFlags) add(fs *pflag.FlagSet, zone string) {
	fs.StringVar(&f.every, "every", "", "interval: a number and s, m, h, d or w, as 6h, 1d or 1w")
	fs.StringVar(&f.starts, "starts", "", "wall clock of the first run, as \"2026-12-01 01:00\" (may be left out for intervals under a day)")
	fs.StringVar(&f.zone, "tz", "", "time zone of --starts: "+zone)
}

func (f *timesFlags) given() error {
	if f.every == "" {
		return usage("--every is missing: say how often, as --every 1w")
	}
	return nil
}

// callFlags are the arguments of the procedure.
type callFlags struct {
	policy                         string
	safePeriod, sleep, maxDuration time.Duration
	batch                          int
	audit                          bool
}

func (f *callFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.policy, "policy", string(token.Documented), "what may go: documented or strict")
	fs.DurationVar(&f.safePeriod, "safe-period", harness.DefaultSafePeriod, "how long ago a token must have ended when a run begins")
	fs.IntVar(&f.batch, "batch", 0, "keys that a transaction examines (0: the procedure's own choice)")
	fs.DurationVar(&f.sleep, "sleep", 0, "pause between two batches, to the millisecond")
	fs.DurationVar(&f.maxDuration, "max-duration", 0, "end a run after the batch in which this time is over; the next one begins anew (0: no limit)")
	fs.BoolVar(&f.audit, "audit", true, "copy removed tokens to "+schema.TokenAudit)
}

func (f *callFlags) arguments() (procedure.Arguments, error) {
	p, err := token.ParsePolicy(f.policy)
	if err != nil {
		return procedure.Arguments{}, usage("--policy: %v", err)
	}
	a := procedure.Arguments{Policy: p, SafePeriod: f.safePeriod, Batch: f.batch, Sleep: f.sleep, MaxDuration: f.maxDuration, Audit: f.audit}
	if err := schedule.CheckCall(a); err != nil {
		return a, usage("%v", err)
	}
	return a, nil
}

// actionFlags say what is to be done with an event or job.
type actionFlags struct {
	print, install, status, uninstall bool
	withProcedure                     bool
	auditMissing, name, json          string
}

func (f *actionFlags) add(fs *pflag.FlagSet, name string) {
	fs.BoolVar(&f.print, "print", false, "print the script and ask no server (this is done if nothing else is said)")
	fs.BoolVar(&f.install, "install", false, "make it in the database, or change the one that was made before")
	fs.BoolVar(&f.status, "status", false, "say whether it runs, when, and what the last runs did; exit code 1 if something is wrong")
	fs.BoolVar(&f.uninstall, "uninstall", false, "remove it; the procedure stays")
	fs.BoolVar(&f.withProcedure, "with-procedure", false, "with --install: make the procedure as well if it is not there, both or none")
	fs.StringVar(&f.auditMissing, "audit-missing", "stop", "with --with-procedure: live columns with data that the audit table lacks: stop or drop")
	fs.StringVar(&f.name, "name", name, "its name")
	fs.StringVar(&f.json, "json", "", "write the status as JSON to this file (- is the standard output, instead of the text)")
}

// withoutTimes are the flags that --status and --uninstall have a meaning for.
var withoutTimes = []string{"status", "uninstall", "name", "json", "db", "via", "dsn", "schema", "writers-time-zone", "verbose", "help"}

// check returns the one thing to do: print, install, status or uninstall.
func (f *actionFlags) check(c *cobra.Command, longest int) (string, error) {
	var chosen []string
	for name, set := range map[string]bool{"print": f.print, "install": f.install, "status": f.status, "uninstall": f.uninstall} {
		if set {
			chosen = append(chosen, name)
		}
	}
	slices.Sort(chosen)
	if len(chosen) > 1 {
		return "", usage("--%s contradict each other: give one of them", strings.Join(chosen, " and --"))
	}
	action := append(chosen, "print")[0]
	if err := checkName(f.name, longest); err != nil {
		return "", err
	}
	var out []string
	c.Flags().Visit(func(flag *pflag.Flag) {
		told := slices.Contains(withoutTimes, flag.Name)
		switch {
		case action == "print" && slices.Contains([]string{"dsn", "via", "db", "json", "with-procedure", "audit-missing", "enable-scheduler"}, flag.Name),
			action == "install" && flag.Name == "audit-missing" && !f.withProcedure,
			(action == "status" || action == "uninstall") && !told,
			action == "uninstall" && flag.Name == "json":
			out = append(out, "--"+flag.Name)
		}
	})
	if len(out) > 0 {
		return "", usage("--%s has no use for %s: leave it out", action, strings.Join(out, ", "))
	}
	return action, nil
}

// checkName admits what a server takes for a name and a line of a comment can hold.
func checkName(name string, longest int) error {
	if name == "" || len([]rune(name)) > longest || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) {
		return usage("--name %q: use 1 to %d characters, no blank at either end and none that cannot be seen", name, longest)
	}
	return nil
}

// open connects and refuses a database of another kind.
func (f *actionFlags) open(c *cobra.Command, db *databaseFlags, dialect string) (*harness.Target, error) {
	target, err := db.open(c)
	if err != nil {
		return nil, err
	}
	if target.Dialect.Name() != dialect {
		defer target.Close()
		return nil, usage("%s is not for %s: schedule mysql is for MySQL and MariaDB, schedule sqlserver for SQL Server, and the others print units for any of them",
			c.CommandPath(), target.Server.Product)
	}
	return target, nil
}

// installation says what may be made besides.
func (f *actionFlags) installation(c *cobra.Command, target *harness.Target, audit, enable bool) (schedule.Install, error) {
	o := schedule.Install{EnableScheduler: enable}
	if !f.withProcedure {
		return o, nil
	}
	missing := cleanup.AuditStop
	switch f.auditMissing {
	case "stop":
	case "drop":
		missing = cleanup.AuditDrop
	default:
		return o, usage("--audit-missing %q: use stop or drop", f.auditMissing)
	}
	found, err := schema.Read(c.Context(), target.DB, target.Dialect, target.Schema)
	if err != nil {
		return o, err
	}
	if o.Plan, err = procedure.NewPlan(found, target.Dialect, audit, missing); err != nil {
		return o, usage("%v", err)
	}
	return o, nil
}

// show prints a status; the error carries what is wrong to the exit code.
func (f *actionFlags) show(c *cobra.Command, st *schedule.Status, err error) error {
	if err != nil {
		return err
	}
	if f.json == "-" {
		err = st.WriteJSON(c.OutOrStdout())
	} else if err = st.WriteText(c.OutOrStdout()); err == nil && f.json != "" {
		err = toFile(f.json, st.WriteJSON)
	}
	if err == nil && len(st.Problems) > 0 {
		return verdictError{"fail"}
	}
	return err
}

// removed says what --uninstall did.
func removed(c *cobra.Command, what, name string, dropped bool, err error) error {
	if err != nil {
		return err
	}
	said := what + " " + name + " is removed"
	if !dropped {
		said = "there is no " + what + " " + name + ": nothing was changed"
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), said)
	return err
}

func newScheduleMySQL() *cobra.Command {
	var (
		db      databaseFlags
		times   timesFlags
		call    callFlags
		action  actionFlags
		definer string
		enable  bool
	)
	c := &cobra.Command{
		Use:   "mysql --every INTERVAL [--starts TIME] [--tz ZONE] [--print|--install|--status|--uninstall]",
		Short: "An event of MySQL or MariaDB that calls the procedure",
		Long: `schedule mysql makes an event that calls ` + procedure.Name + `. --print writes it as a
script; --install makes it, after it has tried the procedure in a dry run of a
second; --status says when it ran and runs next, and exits with 1 if something is
wrong; --uninstall removes it.

The event keeps the hour of --tz through changes of clocks. A named zone needs the
server's zone tables; an offset such as +01:00 needs none and does not follow summer
time. The tokens are read in the server's default time zone, or in
--writers-time-zone, whatever --tz says.

It takes the privilege EVENT on the schema, and the event scheduler has to be on:
SET PERSIST event_scheduler = ON on MySQL; on MariaDB SET GLOBAL and my.cnf. Only
--enable-scheduler switches it on. Runs never overlap: one that finds another clean-up
under way leaves it alone.`,
		Example: `  tokensweep schedule mysql --every 1w --starts "2026-12-01 01:00" --tz Europe/Berlin --dsn … --install --with-procedure
  tokensweep schedule mysql --dsn … --status`,
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		do, err := action.check(c, 64)
		if err != nil {
			return err
		}
		switch do {
		case "status", "uninstall":
			return eventDo(c, &db, &action, do)
		}
		e, err := eventOf(&times, &call, &db, action.name, definer)
		if err != nil {
			return err
		}
		if do == "print" {
			return printed(c.OutOrStdout())(e.Script())
		}
		return installEvent(c, e, &db, &action, enable)
	}
	fs := c.Flags()
	times.add(fs, "a name such as Europe/Berlin, or an offset such as +01:00 (default UTC)")
	call.add(fs)
	action.add(fs, schedule.EventName)
	fs.StringVar(&definer, "definer", "", "account with whose rights the event runs, as user@host (default: the one that makes it)")
	fs.BoolVar(&enable, "enable-scheduler", false, "with --install: SET GLOBAL event_scheduler = ON, "+
		"which takes SYSTEM_VARIABLES_ADMIN (MariaDB: SUPER) and ends with the next restart")
	db.own(fs)
	return c
}

func eventOf(times *timesFlags, call *callFlags, db *databaseFlags, name, definer string) (schedule.Event, error) {
	e := schedule.Event{Name: name, Schema: db.schema, WritersZone: db.zone}
	err := times.given()
	if err != nil {
		return e, err
	}
	if e.Times, err = schedule.ParseTimes(times.every, times.starts, times.zone, time.Now()); err != nil {
		return e, usage("%v", err)
	}
	if e.WritersZone != "" {
		if _, err := schedule.ParseZone(e.WritersZone); err != nil {
			return e, usage("--writers-time-zone: %v", err)
		}
	}
	if definer != "" {
		if e.Definer, err = schedule.ParseAccount(definer); err != nil {
			return e, usage("--definer: %v", err)
		}
	}
	e.Call, err = call.arguments()
	return e, err
}

func installEvent(c *cobra.Command, e schedule.Event, db *databaseFlags, action *actionFlags, enable bool) error {
	target, err := action.open(c, db, "mysql")
	if err != nil {
		return err
	}
	defer target.Close()
	e.Schema = target.Schema
	o, err := action.installation(c, target, e.Call.Audit, enable)
	if err != nil {
		return err
	}
	if err := e.Install(c.Context(), target.DB, o); err != nil {
		return err
	}
	for _, note := range e.Notes() {
		fmt.Fprintf(c.ErrOrStderr(), "note: %s\n", note)
	}
	st, err := schedule.EventStatus(c.Context(), target.DB, target.Schema, e.Name)
	return action.show(c, st, err)
}

// eventDo shows or removes an event.
func eventDo(c *cobra.Command, db *databaseFlags, action *actionFlags, do string) error {
	target, err := action.open(c, db, "mysql")
	if err != nil {
		return err
	}
	defer target.Close()
	if do == "status" {
		st, err := schedule.EventStatus(c.Context(), target.DB, target.Schema, action.name)
		return action.show(c, st, err)
	}
	dropped, err := schedule.UninstallEvent(c.Context(), target.DB, target.Schema, action.name)
	return removed(c, "event", action.name, dropped, err)
}

func newScheduleSQLServer() *cobra.Command {
	var (
		db     databaseFlags
		times  timesFlags
		call   callFlags
		action actionFlags
		owner  string
	)
	c := &cobra.Command{
		Use:   "sqlserver --every INTERVAL [--starts TIME] [--tz OFFSET] [--print|--install|--status|--uninstall]",
		Short: "A job of SQL Server Agent that calls the procedure",
		Long: `schedule sqlserver makes a job of SQL Server Agent, with its step, its schedule and
its server, that calls ` + procedure.Name + `: all of it or nothing. --print writes the
T-SQL script. Express and Azure SQL Database have no Agent, and are told so before
anything is made.

Agent runs in the local time of its server, summer time included: leave --tz out and
give --starts in that time. An offset is converted once, with the offset that the
server's clock has at that moment. Named zones are refused: Agent knows none.

It takes SQLAgentUserRole in msdb, and db_datareader there for --status.`,
		Example: `  tokensweep schedule sqlserver --every 1d --starts "2026-12-01 01:00" --print > job.sql
  sqlcmd -b -d apim_db -i job.sql`,
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		do, err := action.check(c, 128)
		if err != nil {
			return err
		}
		j := schedule.Job{Name: action.name, Schema: db.schema, Owner: owner}
		if do == "print" || do == "install" {
			if err := times.given(); err != nil {
				return err
			}
			if j.Times, j.Local, err = schedule.ParseJobTimes(times.every, times.starts, times.zone, time.Now()); err != nil {
				return usage("%v", err)
			}
			if j.Call, err = call.arguments(); err != nil {
				return err
			}
		}
		if do == "print" {
			return printed(c.OutOrStdout())(j.Script())
		}
		return jobDo(c, j, &db, &action, do)
	}
	fs := c.Flags()
	times.add(fs, "an offset such as +01:00 or UTC (default: the server's local time)")
	call.add(fs)
	action.add(fs, schedule.JobName)
	fs.StringVar(&owner, "owner", "", "login that the job belongs to and, if it is no sysadmin, runs as (default: the one that makes it)")
	db.own(fs)
	return c
}

// jobDo does what needs the server.
func jobDo(c *cobra.Command, j schedule.Job, db *databaseFlags, action *actionFlags, do string) error {
	target, err := action.open(c, db, "sqlserver")
	if err != nil {
		return err
	}
	defer target.Close()
	j.Schema = target.Schema
	switch do {
	case "uninstall":
		dropped, err := j.Uninstall(c.Context(), target.DB)
		return removed(c, "job", j.Name, dropped, err)
	case "install":
		o, err := action.installation(c, target, j.Call.Audit, false)
		if err != nil {
			return err
		}
		if err := j.Install(c.Context(), target.DB, o); err != nil {
			return err
		}
	}
	st, err := j.Status(c.Context(), target.DB)
	return action.show(c, st, err)
}

// printed writes a script, or passes on why there is none.
func printed(out io.Writer) func(string, error) error {
	return func(text string, err error) error {
		if err != nil {
			return usage("%v", err)
		}
		_, err = io.WriteString(out, text)
		return err
	}
}

// unitKind is a program that runs tokensweep clean.
type unitKind struct {
	name, short string
	write       func(schedule.Times, schedule.Command, schedule.Place, time.Time) (string, error)
}

var (
	cronUnit       = unitKind{"cron", "Lines of a crontab that run tokensweep clean", schedule.Crontab}
	systemdUnit    = unitKind{"systemd", "A service and a timer of systemd that run tokensweep clean", schedule.Systemd}
	kubernetesUnit = unitKind{"kubernetes", "A CronJob of Kubernetes that runs tokensweep clean", schedule.Kubernetes}
)

// newScheduleUnit prints a unit. What the user says about the clean-up becomes
// the arguments of tokensweep clean.
func newScheduleUnit(kind unitKind) *cobra.Command {
	var (
		times   timesFlags
		policy  policyFlags
		engine  engineFlags
		place   schedule.Place
		program string
	)
	clean := pflag.NewFlagSet("clean", pflag.ContinueOnError)
	policy.add(clean)
	engine.add(clean)
	clean.String("schema", "", "schema to work on, if not the DSN's")
	clean.String("writers-time-zone", "", "time zone of the product's database sessions (default: the server's)")
	c := &cobra.Command{
		Use:   kind.name + " --every INTERVAL [--starts TIME] [--tz ZONE]",
		Short: kind.short,
		Long: fmt.Sprintf(`schedule %s prints a unit and asks no server. The DSN is not in it: the unit hands it
over in the environment variable %s. What %s cannot say is refused.`, kind.name, schedule.DSNVariable, kind.name),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := times.given(); err != nil {
			return err
		}
		now := time.Now()
		parsed, err := schedule.ParseTimes(times.every, times.starts, times.zone, now)
		if err != nil {
			return usage("%v", err)
		}
		args, err := cleanArguments(c, clean, &policy, &engine)
		if err != nil {
			return err
		}
		if err := checkPlace(c, place, program); err != nil {
			return err
		}
		return printed(c.OutOrStdout())(kind.write(parsed, schedule.Command{Program: program, Args: args, MaxDuration: engine.maxDuration}, place, now))
	}
	fs := c.Flags()
	clean.VisitAll(func(f *pflag.Flag) {
		if f.Name != "dry-run" && f.Name != "cutoff" { // a schedule has neither
			fs.AddFlag(f)
		}
	})
	times.add(fs, "a name such as Europe/Berlin, or an offset of whole hours such as +01:00 (default UTC)")
	fs.StringVar(&program, "program", "/usr/local/bin/tokensweep", "path of tokensweep where it runs")
	if kind.name != cronUnit.name {
		fs.StringVar(&place.Name, "name", "tokensweep-clean", "name of what is made")
	}
	if kind.name == kubernetesUnit.name {
		fs.StringVar(&place.Image, "image", "", "container image that holds tokensweep")
		fs.StringVar(&place.Secret, "secret", "tokensweep", "name of the Secret whose key dsn is the DSN")
	} else {
		fs.StringVar(&place.Environment, "environment-file", "/etc/tokensweep/clean.env", "file of mode 0600 that sets "+schedule.DSNVariable)
	}
	return c
}

// cleanArguments are those of tokensweep clean, as the flags say. A safe period of
// the user's makes another cut-off for every run, so that an interrupted one cannot be
// gone on with: it is given up.
func cleanArguments(c *cobra.Command, clean *pflag.FlagSet, policy *policyFlags, engine *engineFlags) ([]string, error) {
	p, cutOff, err := policy.at(c, time.Now())
	if err != nil {
		return nil, err
	}
	if _, err := engine.engine(); err != nil {
		return nil, err
	}
	if _, err := engine.settings(c, p, cutOff); err != nil {
		return nil, err
	}
	args := []string{"clean", "--yes", "--policy=" + string(p)}
	clean.VisitAll(func(f *pflag.Flag) {
		if f.Changed && f.Name != "policy" {
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	if c.Flags().Changed("safe-period") {
		args = append(args, "--abandon-run")
	}
	if text := strings.Join(args, ""); strings.ContainsFunc(text, unicode.IsControl) {
		return nil, usage("an argument holds a line's end or another character that cannot be seen")
	}
	return args, nil
}

var (
	// label is a name that Kubernetes and systemd both take.
	label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$`)
	path  = regexp.MustCompile(`^/[^\x00-\x1f"\\%$]+$`)
	image = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)
)

func checkPlace(c *cobra.Command, place schedule.Place, program string) error {
	switch {
	case c.Flags().Lookup("name") != nil && !label.MatchString(place.Name):
		return usage("--name %q: use 1 to 52 of a to z, 0 to 9 and -", place.Name)
	case !path.MatchString(program):
		return usage("--program %q: give the whole path, beginning with /", program)
	case c.Flags().Lookup("environment-file") != nil && !path.MatchString(place.Environment):
		return usage("--environment-file %q: give the whole path, beginning with /", place.Environment)
	case c.Flags().Lookup("secret") != nil && !label.MatchString(place.Secret):
		return usage("--secret %q: use 1 to 52 of a to z, 0 to 9 and -", place.Secret)
	case place.Image != "" && !image.MatchString(place.Image):
		return usage("--image %q is no name of an image", place.Image)
	}
	return nil
}
