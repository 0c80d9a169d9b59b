package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/command"
	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// choose returns the engine that --engine names. A script also says what kind
// of database it is for, which settles --db auto.
func (f *engineFlags) choose(db *databaseFlags) (cleanup.Engine, error) {
	if err := f.rebuilds.only(f.name); err != nil {
		return nil, err
	}
	if f.name != "batch" && f.name != "rebuild" && (f.workers != 0 || f.binlog != "") {
		return nil, usage("--workers is for --engine batch and rebuild, --binlog-row-image for batch: leave them out")
	}
	if path, ok := strings.CutPrefix(f.name, "script:"); ok {
		file, err := f.script(path, productFor(path, db))
		if err != nil {
			return nil, err
		}
		engine := script.Engine{File: file, Call: f.call, MaxDuration: f.maxDuration}
		if err := engine.Check(); err != nil {
			return nil, usage("--engine script: %v", err)
		}
		return engine, nil
	}
	if line, ok := strings.CutPrefix(f.name, "command:"); ok {
		args, err := command.Parse(line)
		if err != nil {
			return nil, usage("--engine command: %v", err)
		}
		return command.Engine{Args: args}, nil
	}
	if len(f.set) > 0 || f.call != "" {
		return nil, usage("--set and --call are about a script: use them with --engine script:FILE")
	}
	switch f.name {
	case "batch":
		return f.engine()
	case "rebuild":
		return f.rebuild()
	case "procedure":
		return f.procedure()
	}
	return nil, usage("--engine %q: use batch, rebuild, procedure, script:FILE or 'command:PROGRAM ARGS'", f.name)
}

// script reads the script and changes the attributes that --set names.
func (f *engineFlags) script(path string, on schema.Product) (*script.File, error) {
	file, err := script.Read(path, on)
	if err != nil {
		return nil, usage("--engine script: %v", err)
	}
	for _, set := range f.set {
		name, value, ok := strings.Cut(set, "=")
		if !ok {
			return nil, usage("--set %q: write name=value", set)
		}
		if err := file.Set(name, value); err != nil {
			return nil, usage("--set: %v", err)
		}
	}
	return file, nil
}

// productFor says what kind of script a database takes. Where the user leaves
// the database to tokensweep, the script decides.
func productFor(path string, db *databaseFlags) schema.Product {
	switch {
	case db.db == harness.SQLServer || strings.HasPrefix(db.dsn, "sqlserver://"):
		return schema.SQLServer
	case db.db != harness.Auto || db.dsn != "":
		return schema.MySQL
	}
	if _, err := script.Read(path, schema.MySQL); err != nil {
		if _, err := script.Read(path, schema.SQLServer); err == nil {
			db.db = harness.SQLServer
			return schema.SQLServer
		}
	}
	return schema.MySQL
}

// named adds --engine where it only says whose clean-up is judged.
func (f *engineFlags) named(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "engine", "", "script:FILE judges what this clean-up script did, which somebody ran")
	fs.StringArrayVar(&f.set, "set", nil, "name=value: an attribute that the script ran with, if not as in the file; may be repeated")
}

// judge returns who judges the script that --engine names, nil if it names none.
func (f *engineFlags) judge(c *cobra.Command, t *harness.Target, p token.Policy, cutOff time.Time) (*harness.ScriptJudge, error) {
	path, ok := strings.CutPrefix(f.name, "script:")
	if !ok {
		if f.name != "" || len(f.set) > 0 {
			return nil, usage("--engine %q: use script:FILE here; --set goes with it", f.name)
		}
		return nil, nil
	}
	file, err := f.script(path, t.Dialect.Product())
	if err != nil {
		return nil, err
	}
	return harness.NewScriptJudge(c.Context(), t, file, p, cutOff, false)
}
