package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/mysql"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

func newProcedure() *cobra.Command {
	c := &cobra.Command{
		Use:   "procedure",
		Short: "Write, install or remove a stored procedure that cleans",
		Long: `procedure writes ` + procedure.Name + `, a stored procedure that removes what tokensweep
clean would: the same rule, checked again under lock in the transaction that
removes and audits, one cut-off per call. It is generated for the tables found,
as one script to read, for people who may not run a program next to production.

The script makes the procedure and ` + procedure.RunsTable + `, in which runs account for
themselves, and nothing else. To have it judged on made-up data or a dump:
  tokensweep run --engine procedure`,
	}
	c.AddCommand(newProcedureFor("mysql", mysql.Dialect{}.Product(), "cleaner:secret@tcp(db:3306)/apim_db"),
		newProcedureFor("sqlserver", sqlserver.Dialect{}.Product(), "sqlserver://cleaner:secret@db:1433?database=apim_db"))
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

// procedureFlags are those of procedure mysql and procedure sqlserver.
type procedureFlags struct {
	db                        databaseFlags
	engine                    engineFlags // those about the audit
	release, out              string
	print, install, uninstall bool
}

func newProcedureFor(name string, product schema.Product, dsn string) *cobra.Command {
	f := procedureFlags{db: databaseFlags{db: harness.Auto, via: harness.DSN}}
	c := &cobra.Command{
		Use:   name,
		Short: "The procedure for " + map[schema.Product]string{schema.MySQL: "MySQL and MariaDB", schema.SQLServer: "SQL Server"}[product],
		Long: `It prints the script, to be read and fed to the database's own client. --install
runs that very script, --uninstall takes back what it made. A procedure or table
of these names that tokensweep did not make is refused, and nothing is changed.`,
		Example: "  tokensweep procedure " + name + " --dsn '" + dsn + "' --out clean.sql\n  tokensweep procedure " + name + " --release apim-4.2",
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return f.run(c, product) }
	fs := c.Flags()
	fs.StringVar(&f.db.dsn, "dsn", "", "the database to generate for: "+dsn)
	fs.StringVar(&f.db.schema, "schema", "", "schema of the token tables, if not the DSN's (SQL Server: if not the user's default, mostly dbo)")
	fs.StringVar(&f.release, "release", "", "without a database: the tables of this product release as it makes them, e.g. "+schema.DefaultRelease)
	fs.StringVar(&f.out, "out", "", "write the script to this file")
	fs.BoolVar(&f.print, "print", false, "print the script (what it does if nothing else is said)")
	fs.BoolVar(&f.install, "install", false, "run the script: make or replace the procedure")
	fs.BoolVar(&f.uninstall, "uninstall", false, "drop the procedure and "+procedure.RunsTable)
	fs.BoolVar(&f.engine.audit, "audit", true, "the procedure can copy removed tokens to "+schema.TokenAudit)
	fs.BoolVar(&f.engine.noAudit, "no-audit", false, "same as --audit=false")
	fs.StringVar(&f.engine.auditMissing, "audit-missing", "stop", "live columns with data that the audit table lacks: stop or drop (loses what they hold)")
	return c
}

func (f *procedureFlags) run(c *cobra.Command, product schema.Product) error {
	settings, err := f.check(c)
	if err != nil {
		return err
	}
	if f.release != "" {
		return f.fromRelease(c, product, settings)
	}
	target, err := f.db.open(c)
	if err != nil {
		return err
	}
	defer target.Close()
	if target.Dialect.Product() != product || target.Dialect.Name() == harness.SQLite {
		return usage("%s is no server for %s", target.Server.Product, c.CommandPath())
	}
	if f.uninstall {
		if err := procedure.Uninstall(c.Context(), target.DB, target.Dialect, target.Schema); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.OutOrStdout(), "schema %s has no procedure %s and no table %s of ours any more\n", target.Schema, procedure.Name, procedure.RunsTable)
		return err
	}
	found, err := schema.Read(c.Context(), target.DB, target.Dialect, target.Schema)
	if err != nil {
		return err
	}
	plan, err := procedure.NewPlan(found, target.Dialect, settings.Audit, settings.AuditMissing)
	if err != nil {
		return usage("%v", err)
	}
	if f.install {
		return f.installed(c, target, plan)
	}
	text, err := procedure.Script(c.Context(), target.DB, plan)
	if err != nil {
		return err
	}
	return f.write(c, text)
}

// check refuses flags that contradict each other.
func (f *procedureFlags) check(c *cobra.Command) (cleanup.Settings, error) {
	said := 0
	for _, mode := range []bool{f.print, f.install, f.uninstall} {
		if mode {
			said++
		}
	}
	switch {
	case said > 1:
		return cleanup.Settings{}, usage("--print, --install and --uninstall contradict each other: give one of them")
	case f.out != "" && (f.install || f.uninstall):
		return cleanup.Settings{}, usage("--out is for the script: leave --install and --uninstall out")
	case f.release != "" && (f.db.dsn != "" || f.install || f.uninstall):
		return cleanup.Settings{}, usage("--release is for a script without a database: leave --dsn, --install and --uninstall out")
	case f.engine.auditMissing == "extend":
		return cleanup.Settings{}, usage("--audit-missing extend: a procedure adds no columns; add them to %s by hand, or use drop", schema.TokenAudit)
	}
	return f.engine.settings(c, token.Documented, time.Time{})
}

func (f *procedureFlags) fromRelease(c *cobra.Command, product schema.Product, s cleanup.Settings) error {
	found, err := schema.Release(f.release, product)
	if err != nil {
		return usage("--release: %v", err)
	}
	var d dialect.Dialect = mysql.Dialect{}
	if product == schema.SQLServer {
		found.Name = "dbo"
		if f.db.schema != "" {
			found.Name = f.db.schema
		}
		d = sqlserver.Dialect{Schema: found.Name}
	}
	plan, err := procedure.NewPlan(found, d, s.Audit, s.AuditMissing)
	if err != nil {
		return usage("%v", err)
	}
	text, err := procedure.Generate(plan, procedure.Options{For: f.release})
	if err != nil {
		return err
	}
	return f.write(c, text)
}

func (f *procedureFlags) write(c *cobra.Command, text string) error {
	if f.out == "" || f.out == "-" {
		_, err := io.WriteString(c.OutOrStdout(), text)
		return err
	}
	return toFile(f.out, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
}

func (f *procedureFlags) installed(c *cobra.Command, target *harness.Target, plan *cleanup.Plan) error {
	if err := procedure.Install(c.Context(), target.DB, plan); err != nil {
		return err
	}
	try, err := procedure.Arguments{Policy: token.Documented, SafePeriod: harness.DefaultSafePeriod, Audit: plan.Audit, DryRun: true}.
		Statement(target.Dialect.(procedure.Dialect))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "procedure %s is in schema %s; nothing was cleaned. To count what it would remove:\n  %s\n", procedure.Name, target.Schema, try)
	return err
}

// procedure is the engine of that name.
func (f *engineFlags) procedure() (cleanup.Engine, error) {
	b, err := f.engine()
	if err != nil {
		return nil, err
	}
	if f.throttleLog > 0 || f.stopFile != "" {
		return nil, usage("--throttle-log-percent and --stop-file are for --engine batch: a procedure does not look at them")
	}
	return procedure.Engine{Batch: b.Size, MaxDuration: f.maxDuration}, nil
}
