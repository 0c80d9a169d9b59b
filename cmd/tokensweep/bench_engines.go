package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/bench/measure"
	"github.com/tokensweep/tokensweep/cleanup/command"
	"github.com/tokensweep/tokensweep/cleanup/script"
)

// names lists the engines: a command may hold commas, the others not.
func (f *benchRunFlags) names() []string {
	var all []string
	for _, e := range f.engines {
		if strings.HasPrefix(e, "command:") {
			all = append(all, e)
			continue
		}
		for _, name := range strings.Split(e, ",") {
			if name = strings.TrimSpace(name); name != "" {
				all = append(all, name)
			}
		}
	}
	return all
}

// list makes the engines.
func (f *benchRunFlags) list() ([]measure.Engine, error) {
	var all []measure.Engine
	set := map[string]bool{} // attributes that some script has
	for _, name := range f.names() {
		m, err := f.one(name, set)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(e measure.Engine) bool { return e.Name == m.Name }) {
			return nil, usage("--engines: %s is there twice", m.Name)
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, usage("--engines is missing: name what to measure, such as batch,script:FILE")
	}
	for _, attribute := range f.engine.set {
		if name, _, _ := strings.Cut(attribute, "="); !set[name] {
			return nil, usage("--set %s: no script of --engines has an attribute %q", attribute, name)
		}
	}
	return all, nil
}

// one makes an engine, under the name that tells its settings.
func (f *benchRunFlags) one(name string, set map[string]bool) (m measure.Engine, err error) {
	flags := f.engine
	flags.name, flags.set, flags.call = name, nil, ""
	switch kind, options, _ := strings.Cut(name, ":"); kind {
	case "batch", "rebuild", "procedure":
		flags.name = kind
		err = flags.options(options)
	case "script":
		flags.call = f.engine.call
		flags.set, err = f.attributes(options, set)
	}
	if err != nil {
		return m, err
	}
	flags.forMixed()
	m.Name, m.Fixed = name, flags.fixed()
	if m.Engine, err = flags.choose(&f.db); err != nil {
		return m, err
	}
	switch e := m.Engine.(type) {
	case script.Engine:
		m.Version = e.File.Hash()
		m.Name = strings.Join(append([]string{e.Name()}, flags.set...), " ")
	case command.Engine:
		m.Name = "command:" + filepath.Base(e.Args[0])
	}
	return m, nil
}

// options reads what stands behind an engine's name: N or batch-time=D, workers=N,
// binlog=minimal, with colons between.
func (f *engineFlags) options(text string) (err error) {
	if text == "" {
		return nil
	}
	for _, option := range strings.Split(text, ":") {
		name, value, named := strings.Cut(option, "=")
		switch {
		case !named:
			f.batch = option
		case name == "workers":
			f.workers, err = strconv.Atoi(value)
		case name == "batch-time":
			f.target, err = time.ParseDuration(value)
		case name == "binlog":
			f.binlog = value
		default:
			return usage("--engines: unknown option %q: use N (keys a transaction), batch-time=D, workers=N or binlog=minimal", option)
		}
		if err != nil {
			return usage("--engines: option %q: %v", option, err)
		}
	}
	return nil
}

// attributes are those of --set that a script has, which are noted in set.
func (f *benchRunFlags) attributes(path string, set map[string]bool) (mine []string, err error) {
	file, err := script.Read(path, productFor(path, &f.db))
	if err != nil {
		return nil, usage("--engines script: %v", err)
	}
	for _, attribute := range f.engine.set {
		name, _, _ := strings.Cut(attribute, "=")
		if file.Has(name) {
			mine = append(mine, attribute)
			set[name] = true
		}
	}
	return mine, nil
}

// fixed reports whether an engine sends the same statements for the same data,
// however fast the machine is. A rebuild asks again while it waits.
func (f *engineFlags) fixed() bool {
	return f.maxDuration == 0 && (f.name == "batch" && f.batch != "auto" && f.workers < 2 || f.name == "procedure")
}
