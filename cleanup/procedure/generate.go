package procedure

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Names of what a script makes.
const (
	Name      = "TOKENSWEEP_CLEAN"
	RunsTable = "TOKENSWEEP_RUNS"
)

// Mark is in the text (SQL Server) or the comment (MySQL) of every procedure that
// this package makes.
const Mark = "made by tokensweep procedure"

// DefaultBatch is the number of keys that a transaction examines at most unless a call
// says otherwise; on SQL Server it is less if more would lock a whole table.
const DefaultBatch = 1000

// Options are what a plan does not say.
type Options struct {
	// NoWait: the server has no WAITFOR, as Babelfish. The procedure then refuses to
	// sleep between batches.
	NoWait bool
	// For is how the script calls what it was generated for, "" for the schema's name.
	For string
}

// NewPlan is a plan to generate a procedure from. Policy and cut-off are arguments
// of its calls. The errors are those of cleanup.NewPlan.
func NewPlan(found *schema.Database, d dialect.Dialect, audit bool, missing cleanup.AuditMissing) (*cleanup.Plan, error) {
	return cleanup.NewPlan(found, d, cleanup.Settings{Policy: token.Documented, CutOff: time.Unix(0, 0), Audit: audit, AuditMissing: missing})
}

// Generate writes the script that makes the procedure and TOKENSWEEP_RUNS for the
// tables of a plan; its policy and cut-off do not matter. A second run of the script
// replaces the procedure and keeps the table.
//
// Where the plan is made from a release rather than from a database, collations are
// those that new tables would have.
//
// It refuses dialects without procedures, AuditExtend, and tables with a trigger
// that runs instead of a DELETE.
func Generate(plan *cleanup.Plan, o Options) (string, error) {
	d, err := supported(plan)
	if err != nil {
		return "", err
	}
	text, err := template.New("").Funcs(template.FuncMap{"lay": lay, "quote": dialect.Literal, "upper": strings.ToUpper, "lower": strings.ToLower}).ParseFS(templates, "*.tmpl")
	if err != nil {
		return "", err
	}
	s, err := describe(plan, d, o)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := text.ExecuteTemplate(&b, plan.Dialect.Name()+".sql.tmpl", s); err != nil {
		return "", fmt.Errorf("writing the procedure: %w", err)
	}
	return b.String(), nil
}

//go:embed *.tmpl
var templates embed.FS

// Dialect is a dialect with procedures.
type Dialect interface {
	dialect.Dialect
	dialect.Procedural
}

func supported(plan *cleanup.Plan) (Dialect, error) {
	d, ok := plan.Dialect.(Dialect)
	if !ok {
		return nil, &cleanup.Error{Problem: plan.Dialect.Name() + " has no stored procedures", Remedy: "use the engine batch", Kind: cleanup.Refused}
	}
	if plan.AuditMissing == cleanup.AuditExtend {
		return nil, &cleanup.Error{Problem: "a procedure adds no columns to the audit table", Kind: cleanup.Refused,
			Remedy: "add them by hand first, or choose --audit-missing=drop (loses what they hold)"}
	}
	for _, ph := range plan.Phases {
		if ph.InsteadOf != "" {
			return nil, &cleanup.Error{Problem: fmt.Sprintf("trigger %s runs instead of every DELETE on %s: a procedure cannot tell what is gone", ph.InsteadOf, ph.Table),
				Remedy: "use tokensweep clean, which counts what is left", Kind: cleanup.Refused}
		}
	}
	return d, nil
}

// script is what the templates are filled with. SQL in it is on one line; the
// templates break it with lay.
type script struct {
	Mark                 string
	For                  string // what it was generated for
	Schema, QuotedSchema string
	Procedure, Runs      string // quoted, with the schema where the dialect wants it
	Lock                 string // SQL Server: name of the run lock
	Audit                bool
	AuditTable           string
	NoWait               bool
	Batch, MaxBatch      int      // MaxBatch is 0 for no limit
	Tables               []string // whose columns are checked
	Columns              []string // TABLE.COLUMN
	Parents              []string // tables to which the foreign keys are checked
	Keys                 []string // "CHILD to PARENT on delete RULE"
	Losses               []lossText
	LossTable            string
	Phases               []phaseText
	d                    Dialect
}

// Qualified is a table as a statement names it.
func (s *script) Qualified(table string) string { return s.d.Table(table) }

// lossText is a condition under which a row would lose data in the audit table.
type lossText struct{ Condition, Problem string }

// phaseText is one table's part of the script.
type phaseText struct {
	Name   string // "authorization codes"
	Var    string // "codes", part of the names of variables
	Table  string // plain
	Quoted string // as the dialect names it in a FROM
	Key    string // plain
	Type   string // of a variable for keys
	Audit  bool

	First, Window, Next, Copy, Lock, Delete, Held string // statements, "" for none
	Children                                      []string
	Moves                                         bool   // Delete copies to the audit table where there is an audit
	Plain                                         string // the DELETE that does not, where Moves
}

var vars = []struct{ table, name string }{{schema.AccessToken, "tokens"}, {schema.AuthzCode, "codes"}, {schema.CIBACode, "ciba"}}

func describe(plan *cleanup.Plan, d Dialect, o Options) (*script, error) {
	s := &script{d: d, Mark: Mark, For: oneLine(cmp.Or(o.For, plan.Found.Name)), QuotedSchema: oneLine(d.Quote(plan.Found.Name)), Schema: plan.Found.Name, Procedure: d.Table(Name), Runs: d.Table(RunsTable), Lock: cleanup.LockName(plan.Found.Name),
		Audit: plan.Audit, NoWait: o.NoWait, Batch: DefaultBatch, MaxBatch: plan.LockLimit()}
	if s.MaxBatch > 0 {
		s.Batch = min(s.Batch, s.MaxBatch)
	}
	w := writer{plan: plan, d: d}
	for i := range plan.Phases {
		ph, err := w.phase(&plan.Phases[i])
		if err != nil {
			return nil, err
		}
		s.Phases = append(s.Phases, ph)
		s.watch(plan, ph.Table)
	}
	if plan.Audit {
		s.AuditTable = plan.Phases[0].Audit.Table
		s.watchColumns(plan, s.AuditTable)
		s.LossTable = d.Table(plan.Phases[0].Table)
		for _, l := range plan.Losses() {
			s.Losses = append(s.Losses, lossText{l.Condition, l.Column.Name + " " + l.Problem})
		}
	}
	return s, nil
}

// watch lists what a call has to find again: the table's columns, and every
// foreign key to it or to a table below it.
func (s *script) watch(plan *cleanup.Plan, table string) {
	s.watchColumns(plan, table)
	parents := []string{table}
	for _, child := range plan.Found.Children(table) {
		if child.Fate != schema.Holds {
			parents = append(parents, child.Table())
		}
	}
	for _, parent := range parents {
		if slices.Contains(s.Parents, parent) {
			continue
		}
		s.Parents = append(s.Parents, parent)
		for _, ref := range plan.Found.References(parent) {
			rule := ref.Key.OnDelete
			if rule.Refuses() {
				rule = schema.NoAction // as which RESTRICT is shown by one server and not by another
			}
			s.Keys = append(s.Keys, fmt.Sprintf("%s to %s on delete %s", ref.Table.Name, parent, rule))
		}
	}
	slices.Sort(s.Keys)
}

func (s *script) watchColumns(plan *cleanup.Plan, name string) {
	table, _ := plan.Found.Table(name)
	s.Tables = append(s.Tables, table.Name)
	for _, c := range table.Columns {
		s.Columns = append(s.Columns, table.Name+"."+c.Name)
	}
}

// oneLine keeps a name from ending the comment that it stands in.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
