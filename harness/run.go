package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dump"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/verify"
)

// DefaultSafePeriod is how long a token must have been over before it may go:
// the product caches tokens, the vendor's procedures leave the same time.
const DefaultSafePeriod = 2 * time.Hour

// Scenario is a whole run on a throw-away database: get it, fill it from a seed
// or a dump, take the pre-image, clean, account for every row.
type Scenario struct {
	Options  // how to get the database; with a DSN, a schema of its own on that server
	Settings cleanup.Settings
	// Engine removes; nil is cleanup.Batch{}. A rebuild keeps its old tables until the
	// verdict, and is finished if that is pass.
	Engine cleanup.Engine

	// Seed fills the tables of Release, "" being schema.DefaultRelease. Its
	// cut-off is that of Settings.
	Seed    seed.Spec
	Release string
	// Dump, if not empty, is restored instead. DumpSchema chooses one of several
	// schemas in it.
	Dump, DumpSchema string

	// DryRun ends once Found was told what would go: nothing is removed or judged,
	// and the document holds no more than how the database was filled.
	DryRun bool
	// Command is how the report calls what was done.
	Command string
	// Opened is told once the database is there; Found once it is filled.
	Opened func(Server)
	Found  func(*Contents)
	// Progress gets the rows done of a stage, and of how many; total is 0 when
	// that is not known, and bytes are counted instead of rows for "restore".
	Progress func(stage string, done, total int64)
}

// Contents is what a filled database holds.
type Contents struct {
	Schema   *schema.Database
	Release  string // as restored: guessed, with what differs
	Dump     *dump.Info
	Forecast []cleanup.Forecast // rows per state, and what the plan removes
	Unknown  []string           // child tables that the product does not know
	Zone     string             // in which wall clocks are read
	Warnings []string
}

// Run does what the scenario says and reports it. Everything that it made is
// gone afterwards, whatever happens. An error means that there is no verdict.
func Run(ctx context.Context, s Scenario) (*report.Document, error) {
	if s.Engine == nil {
		s.Engine = cleanup.Batch{}
	}
	if s.Release == "" {
		s.Release = schema.DefaultRelease
	}
	s.Seed.CutOff = s.Settings.CutOff
	if s.Dump == "" {
		if err := s.Seed.Validate(); err != nil {
			return nil, &OptionError{Problem: err.Error(), Err: err}
		}
	}
	inspected, err := s.inspect(ctx)
	if err != nil {
		return nil, err
	}
	target, err := openFresh(ctx, s.Options)
	if err != nil {
		return nil, err
	}
	if s.Opened != nil {
		s.Opened(target.Server)
	}
	r := &scenarioRun{Scenario: s, made: target, target: target, dump: inspected, doc: newDocument(s, target.Server)}
	steps := []func(context.Context) error{r.meet, r.fill, r.capture, r.clean, r.check}
	if s.DryRun {
		steps = steps[:2]
	}
	defer func() { _ = r.close() }()
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return r.doc, r.close()
}

// inspect reads a dump before a server is started for it: what is wrong with
// the file shows at once, and the server can be of the kind it came from.
func (s *Scenario) inspect(ctx context.Context) (*dump.Info, error) {
	if s.Dump == "" {
		return nil, nil
	}
	if s.DB = orAuto(s.DB); s.DB == Auto && isSQLServerDSN(s.DSN) {
		s.DB = SQLServer
	}
	info, err := dump.Inspect(ctx, s.Dump, dump.Options{Schema: s.DumpSchema, For: flavors[s.DB]})
	if err != nil {
		return nil, err
	}
	if s.DB == Auto {
		s.DB = kindFor(info)
	}
	if s.DSN == "" && s.DB != SQLServer {
		// With the binlog on, MySQL wants this for the routines of a dump.
		s.ServerArgs = append(slices.Clone(s.ServerArgs), "--loose-log-bin-trust-function-creators=1")
	}
	return info, nil
}

// flavors are the kinds of database as package dump calls them.
var flavors = map[string]string{MySQL: dump.MySQL, MariaDB: dump.MariaDB, SQLServer: dump.SQLServer}

// kindFor is the kind of database that a dump came from, MySQL if it does not say.
func kindFor(info *dump.Info) string {
	switch {
	case info.Format == dump.Script, info.Format == dump.Backup:
		return SQLServer
	case info.Flavor == dump.MariaDB:
		return MariaDB
	}
	return MySQL
}

type scenarioRun struct {
	Scenario
	made   *Target // for the run
	target *Target // that is filled: made, or the database of a restored backup
	doc    *report.Document
	plan   *cleanup.Plan
	image  *verify.Image
	result *cleanup.Result
	dump   *dump.Info
	from   time.Time
	judge  *ScriptJudge // nil: the engine follows the plan
}

func newDocument(s Scenario, server Server) *report.Document {
	return &report.Document{
		Command: s.Command, Policy: string(s.Settings.Policy), CutOff: s.Settings.CutOff.UTC(), Audit: s.Settings.Audit, Engine: s.Engine.Name(),
		Server: report.Server{Product: server.Product, Version: server.Version, Via: server.Via, Zone: server.Zone},
	}
}

// close removes everything. It may be called again.
func (r *scenarioRun) close() error {
	if r.image != nil {
		r.image.Close()
		r.image = nil
	}
	return errors.Join(r.target.Close(), r.made.Close())
}

func (r *scenarioRun) progress(stage string, total int64) func(done int64) {
	return func(done int64) {
		if r.Progress != nil {
			r.Progress(stage, done, total)
		}
	}
}

func (r *scenarioRun) source() verify.Source {
	return verify.Source{DB: r.target.DB, Dialect: r.target.Dialect, Schema: r.target.Schema}
}

// fill seeds or restores, then plans and forecasts.
func (r *scenarioRun) fill(ctx context.Context) error {
	began := time.Now()
	contents := &Contents{Zone: r.target.Server.Zone}
	if r.Dump != "" {
		if err := r.restore(ctx, contents); err != nil {
			return err
		}
		r.doc.Stages = append(r.doc.Stages, report.NewStage("restore", 0, time.Since(began).Seconds()))
	} else {
		if err := r.seed(ctx); err != nil {
			return err
		}
		r.doc.Stages = append(r.doc.Stages, report.NewStage("seed", r.Seed.Tokens, time.Since(began).Seconds()))
	}
	found, err := schema.Read(ctx, r.target.DB, r.target.Dialect, r.target.Schema)
	if err != nil {
		return err
	}
	if r.Dump != "" {
		contents.Release = schema.Guess(found).String()
		r.doc.Data.Release = contents.Release
	}
	if r.plan, err = cleanup.NewPlan(found, r.target.Dialect, r.Settings); err != nil {
		return &OptionError{Problem: err.Error(), Err: err}
	}
	if r.Found == nil {
		return nil
	}
	contents.Schema, contents.Unknown = found, unknownChildren(r.plan)
	if contents.Forecast, err = cleanup.Count(ctx, r.target.DB, r.plan); err != nil {
		return err
	}
	r.Found(contents)
	return nil
}

func (r *scenarioRun) seed(ctx context.Context) error {
	total := r.Seed.Tokens
	_, err := seed.Fill(ctx, r.target.ForSeed(), r.Release, "", r.Seed, seed.Options{Log: r.Log, Progress: func(done, _ int64) { r.progress("seed", total)(done) }})
	if err != nil {
		return err
	}
	r.doc.Data = report.Data{Source: "seed", Release: r.Release, Seed: r.Seed.Seed, Tokens: total, Mix: string(r.Seed.Mix)}
	return nil
}

func (r *scenarioRun) restore(ctx context.Context, contents *Contents) error {
	restore := r.restoreText
	if r.dump.Format == dump.Backup {
		restore = r.restoreBackup
	}
	info, err := restore(ctx)
	if err != nil {
		return err
	}
	if info.TokenSchema != "" {
		r.target.useSchema(info.TokenSchema)
	}
	r.dump, contents.Dump = info, info
	r.doc.Warnings = append(r.doc.Warnings, info.Notes...)
	if info.TimesUnstated {
		r.doc.Warnings = append(r.doc.Warnings, "the dump does not say in which time zone its times are: UTC was assumed; dump again without --compact to be sure")
	}
	if info.Warnings > 0 {
		first := info.WarningSamples[0]
		r.doc.Warnings = append(r.doc.Warnings, fmt.Sprintf("the server stored %d values otherwise than the dump writes them, the first in line %d: %s", info.Warnings, first.Line, first.Message))
	}
	r.doc.Data = report.Data{Source: "dump", Dump: r.Dump}
	return nil
}

func (r *scenarioRun) restoreText(ctx context.Context) (*dump.Info, error) {
	return dump.Restore(ctx, r.target.DB, r.Dump, dump.Options{Schema: r.DumpSchema, For: flavors[r.DB], Inspected: r.dump, Log: r.Log,
		Progress: func(done, total int64) { r.progress("restore", total)(done) }})
}

// unknownChildren names tables that hang on the product's and are none of its.
func unknownChildren(p *cleanup.Plan) []string {
	var names []string
	for _, ph := range p.Phases {
		for _, c := range p.Found.Children(ph.Table) {
			if !schema.IsProductTable(c.Table()) {
				names = append(names, fmt.Sprintf("%s (foreign key %s, ON DELETE %s)", c.Table(), c.ForeignKey, c.Rule))
			}
		}
	}
	return names
}

// meet looks whether engine and database go together, and prepares to judge an
// engine that follows a rule of its own.
func (r *scenarioRun) meet(ctx context.Context) error {
	_, ours := r.Engine.(cleanup.Batch)
	if e, ok := r.Engine.(rebuild.Engine); ok {
		if _, able := r.target.Dialect.(dialect.Rebuilder); !able {
			return &OptionError{Problem: fmt.Sprintf("engine rebuild is for MySQL and MariaDB, not for %s: use --db mysql or mariadb", r.target.Server.Product)}
		}
		e.Keep = true // until the verdict
		r.Engine = e
	} else if !ours && r.target.Dialect.Name() == SQLite {
		return &OptionError{Problem: fmt.Sprintf("engine %s needs stored procedures, which SQLite has not: use --db mysql, mariadb or sqlserver", r.Engine.Name())}
	}
	var err error
	if r.Engine, err = r.target.Connected(r.Engine); err != nil {
		return err
	}
	r.judge, err = JudgeOf(ctx, r.target, r.Engine, r.Settings)
	return err
}

func (r *scenarioRun) capture(ctx context.Context) error {
	src := r.source()
	var before int64
	var last string
	var inTable int64
	src.Progress = func(table string, rows int64) {
		if table != last {
			last, before, inTable = table, before+inTable, 0
		}
		inTable = rows
		r.progress("capture", 0)(before + rows)
	}
	var err error
	if r.image, err = verify.CaptureAt(ctx, src, r.judge.CutOffs(r.Settings.CutOff)); err != nil {
		return err
	}
	r.doc.Stages = append(r.doc.Stages, report.NewStage("capture", r.image.Rows, r.image.Seconds))
	r.doc.Warnings = append(r.doc.Warnings, zoneWarnings(r.target.Server.Zone, r.image, r.dump)...)
	return nil
}

func (r *scenarioRun) clean(ctx context.Context) error {
	began := time.Now()
	r.from = began.UTC().Truncate(time.Second)
	total := r.image.TableRows(schema.AccessToken)
	var err error
	r.result, err = r.Engine.Clean(ctx, r.target.DB, r.plan, cleanup.Watcher{Log: r.Log, Progress: func(phase string, examined int64) {
		if phase == "tokens" {
			r.progress("clean", total)(examined)
		}
	}})
	if err != nil {
		return err
	}
	var removed int64
	for _, p := range r.result.Phases {
		removed += p.Removed
	}
	r.doc.Stages = append(r.doc.Stages, report.NewStage("clean", removed, time.Since(began).Seconds()))
	return nil
}

func (r *scenarioRun) check(ctx context.Context) error {
	done := Cleaned{Settings: r.Settings, Judge: r.judge, Result: r.result, From: r.from}
	outcome, err := done.Describe(ctx, r.target, r.image, r.doc)
	if err != nil {
		return err
	}
	r.doc.Stages = append(r.doc.Stages, report.NewStage("check", outcome.RowsRead, outcome.Seconds))
	r.doc.NotCovered = notCovered(r.image)
	if r.Dump == "" && r.result.Complete() {
		if err := r.expectation(outcome); err != nil {
			return err
		}
	}
	if _, keeps := r.Engine.(rebuild.Engine); !keeps || r.doc.Verdict != report.Pass {
		return nil // on another verdict both old and new are there, until all is thrown away
	}
	began := time.Now()
	kept, err := done.Finish(ctx, r.target, r.image, r.doc, cleanup.Watcher{Log: r.Log})
	if kept {
		r.doc.Stages = append(r.doc.Stages, report.NewStage("finish", 0, time.Since(began).Seconds()))
	}
	return err
}

// expectation compares the outcome with what the seed says that it must be: a
// second oracle, which knows neither the policy's code nor its SQL.
func (r *scenarioRun) expectation(o *verify.Outcome) error {
	left := slices.ContainsFunc(o.Tables, func(t verify.TableOutcome) bool { return t.Left > 0 })
	if r.judge != nil && (r.judge.Offset != 0 || left) {
		return nil // the seed knows one cut-off, and nothing of a threshold
	}
	expected, err := r.Seed.Expect(o.Policy)
	if err != nil {
		return err
	}
	for _, t := range o.Tables {
		want, ok := expected.Tables[t.Table]
		if !ok || want.Rows == t.Before && want.Removed == t.Removed {
			continue
		}
		r.doc.Verdict = report.Fail
		r.doc.Findings = append(r.doc.Findings, report.Finding{Class: "EXPECTATION", Table: t.Table, Count: max(want.Removed-t.Removed, t.Removed-want.Removed),
			Detail: fmt.Sprintf("the seed makes %d rows of which %d must go; there were %d, and %d went", want.Rows, want.Removed, t.Before, t.Removed)})
	}
	return nil
}

// Describe puts what the verifier found, and what the engine says of itself
// (nil if it was someone else's), into a document.
func Describe(doc *report.Document, o *verify.Outcome, result *cleanup.Result) {
	doc.Verdict, doc.StrictWouldKeep, doc.Doubts = string(o.Verdict), o.StrictWouldKeep, o.Doubts
	doc.Classes = map[string]int64{}
	for class, n := range o.Classes {
		doc.Classes[string(class)] = n
	}
	for _, f := range o.Findings {
		doc.Findings = append(doc.Findings, describeFinding(f))
	}
	for _, t := range o.Tables {
		p := report.Phase{Table: t.Table, Before: t.Before, Removed: t.Removed, Audited: t.Audited, Kept: t.Kept}
		if !schema.IsCleaned(t.Table) {
			if t.Removed > 0 || t.Child {
				doc.Children = append(doc.Children, p)
			}
			continue
		}
		p.KeptWhy = map[string]int64{}
		for why, n := range t.KeptWhy {
			text := why.String()
			if why.Removes() {
				text = "should have gone: " + text
			}
			p.KeptWhy[text] = n
		}
		doc.Phases = append(doc.Phases, p)
	}
	slices.SortStableFunc(doc.Phases, func(a, b report.Phase) int {
		return slices.Index(schema.Cleaned(), strings.ToUpper(a.Table)) - slices.Index(schema.Cleaned(), strings.ToUpper(b.Table))
	})
	if result != nil {
		DescribeRun(doc, result)
	}
}

func describeFinding(f verify.Finding) report.Finding {
	return report.Finding{Class: string(f.Class), Table: f.Table, Count: f.Count, Samples: f.Samples, Detail: f.Detail}
}

// DescribeRun puts what an engine says of itself into a document.
func DescribeRun(doc *report.Document, result *cleanup.Result) {
	doc.Run = &report.Run{ID: result.RunID, Resumed: result.Resumed, Stopped: result.Stopped,
		BatchP50: result.Batches.P50.Seconds(), BatchP99: result.Batches.P99.Seconds(), BatchMax: result.Batches.Max.Seconds(),
		Deadlocks: result.Retries.Deadlocks, LockTimeouts: result.Retries.LockTimeouts, Reconnects: result.Retries.Reconnects,
		CountMismatch: result.Retries.CountMismatches}
	for _, p := range result.Phases {
		doc.Run.Batches += p.Batches
		for i := range doc.Phases {
			if doc.Phases[i].Table != p.Table {
				continue
			}
			for _, h := range p.Held {
				doc.Phases[i].Held = append(doc.Phases[i].Held, report.Held{By: h.By, Rows: h.Rows, Samples: h.Samples})
			}
		}
	}
}

// neverCleaned are token tables that neither the vendor's clean-up nor ours touches.
var neverCleaned = []string{schema.DeviceFlow, "IDN_OIDC_JTI", "IDN_OAUTH_PAR", "IDN_OAUTH2_REFRESH_TOKEN", "IDN_OAUTH2_REVOKED_TOKENS", "AM_REVOKED_JWT"}

func notCovered(im *verify.Image) []string {
	var names []string
	for _, t := range neverCleaned {
		if n := im.TableRows(t); n > 0 {
			names = append(names, fmt.Sprintf("%s (%d rows)", t, n))
		}
	}
	return names
}
