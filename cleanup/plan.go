package cleanup

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Settings say what to remove.
type Settings struct {
	Policy token.Policy
	// CutOff is the one time of the run, UTC, whole seconds: what ended before
	// it may go.
	CutOff time.Time
	// Audit copies removed tokens to IDN_OAUTH2_ACCESS_TOKEN_AUDIT.
	Audit bool
	// AuditMissing says what happens to a live column that holds data and has no
	// place in the audit table.
	AuditMissing AuditMissing
}

// AuditMissing is a way to treat live columns that the audit table lacks.
type AuditMissing string

// Ways to treat live columns that the audit table lacks.
const (
	AuditStop   AuditMissing = ""       // refuse to run while one of them holds data
	AuditDrop   AuditMissing = "drop"   // remove the rows without keeping those columns
	AuditExtend AuditMissing = "extend" // add the columns to the audit table
)

// Plan is what a clean-up will do to the tables found.
type Plan struct {
	Settings
	Dialect dialect.Dialect
	Found   *schema.Database
	Phases  []Phase
	// Missing are the live columns without a place in the audit table.
	Missing []schema.Column
}

// Phase is the clean-up of one table. Phases run in order, because a code may
// only go when its token is gone.
type Phase struct {
	Name  string // for people: "tokens", "authorization codes", "CIBA codes"
	Table string
	Key   string // the primary key, along which the table is walked
	State string // the column that holds the row's state
	// Removable holds for the rows that the policy removes.
	Removable dialect.SQL
	// Children have to be deleted by hand, in this order.
	Children []schema.Child
	// Guards refuse to let go of the rows that they refer to.
	Guards []schema.Child
	Audit  *dialect.Audit // nil: removed rows are not copied
	// InsteadOf is the trigger that runs instead of a DELETE, "" for none. What
	// the server then counts as deleted is not what was.
	InsteadOf string
	// forecast is Removable as it will be once the earlier phases are done.
	forecast dialect.SQL
}

// required are the columns without which a table cannot be judged.
var required = map[string][]string{
	schema.AccessToken: {"TOKEN_ID", "TOKEN_STATE", "TIME_CREATED", "VALIDITY_PERIOD", "REFRESH_TOKEN", "REFRESH_TOKEN_TIME_CREATED", "REFRESH_TOKEN_VALIDITY_PERIOD"},
	schema.AuthzCode:   {"CODE_ID", "STATE", "TIME_CREATED", "VALIDITY_PERIOD", "TOKEN_ID"},
	schema.CIBACode:    {"AUTH_CODE_KEY", "AUTH_REQ_STATUS", "ISSUED_TIME", "EXPIRES_IN"},
}

// NewPlan plans a clean-up of the tables found. It fails if there is no token
// table, if a table lacks a column that the policy needs, if its key is not
// unique, or if removed tokens shall be audited and there is nowhere to.
func NewPlan(found *schema.Database, d dialect.Dialect, s Settings) (*Plan, error) {
	if s.CutOff.IsZero() || s.CutOff.Nanosecond() != 0 {
		return nil, fmt.Errorf("the cut-off %s is not a whole second", s.CutOff.UTC().Format(time.RFC3339Nano))
	}
	s.CutOff = s.CutOff.UTC()
	p := &Plan{Settings: s, Dialect: d, Found: found}
	rule := dialect.Rule{Dialect: d, Policy: s.Policy, CutOff: dialect.CutOff(d, s.CutOff)}

	tokens, err := p.phase("tokens", schema.AccessToken, "TOKEN_STATE")
	if err != nil {
		return nil, err
	}
	if tokens == nil {
		return nil, fmt.Errorf("schema %s has no table %s: name the schema of the identity tables", found.Name, schema.AccessToken)
	}
	tokens.Removable = tokens.Under(rule, dialect.SQL{})
	tokens.forecast = tokens.Removable
	if s.Audit {
		if err := p.planAudit(tokens); err != nil {
			return nil, err
		}
	}
	p.Phases = append(p.Phases, *tokens)

	codes, err := p.phase("authorization codes", schema.AuthzCode, "STATE")
	if err != nil {
		return nil, err
	}
	if codes != nil {
		codes.Removable = codes.Under(rule, dialect.TokenLeft(d, codes.Table, tokens.Table, dialect.SQL{}))
		codes.forecast = codes.Under(rule, dialect.TokenLeft(d, codes.Table, tokens.Table, tokens.Eligible(d, tokens.Removable)))
		p.Phases = append(p.Phases, *codes)
	}

	requests, err := p.phase("CIBA codes", schema.CIBACode, "AUTH_REQ_STATUS")
	if err != nil {
		return nil, err
	}
	if requests != nil {
		requests.Removable = requests.Under(rule, dialect.SQL{})
		requests.forecast = requests.Removable
		p.Phases = append(p.Phases, *requests)
	}
	return p, nil
}

// Under is true for the rows of the phase's table that a rule removes, held ones
// included. Codes need tokenLeft, see dialect.TokenLeft; others ignore it.
func (ph *Phase) Under(rule dialect.Rule, tokenLeft dialect.SQL) dialect.SQL {
	switch {
	case schema.SameName(ph.Table, schema.AuthzCode):
		return rule.Code(ph.Table, tokenLeft)
	case schema.SameName(ph.Table, schema.CIBACode):
		return rule.CIBA(ph.Table)
	}
	return rule.Token(ph.Table)
}

// phase starts the phase of a table; it is nil if the table does not exist.
func (p *Plan) phase(name, tableName, state string) (*Phase, error) {
	table, ok := p.Found.Table(tableName)
	if !ok {
		return nil, nil
	}
	needed := required[tableName]
	for _, column := range needed {
		if !table.Has(column) {
			return nil, fmt.Errorf("table %s has no column %s: this is not a table of a known product release, or an upgrade stopped half way", table.Name, column)
		}
	}
	key := needed[0]
	if !table.UniqueOn(key) {
		return nil, fmt.Errorf("%s.%s is not unique: two rows could share an id, and the wrong one could go; add the primary key that the product's own scripts declare (PRIMARY KEY (%s)), then run again", table.Name, key, key)
	}
	ph := &Phase{Name: name, Table: table.Name, Key: key, State: state}
	children := p.Found.Children(table.Name)
	for _, child := range children {
		switch {
		case child.Fate == schema.ByHand, !p.Dialect.DeepCascades() && cascadesThrough(child, children):
			ph.Children = append(ph.Children, child)
		case child.Fate == schema.Holds:
			ph.Guards = append(ph.Guards, child)
		}
	}
	slices.Reverse(ph.Children) // a child before the parent that it refers to
	for _, t := range table.Triggers {
		if t.Timing == "INSTEAD OF" && t.Event == "DELETE" {
			ph.InsteadOf = t.Name
		}
	}
	return ph, nil
}

// cascadesThrough reports whether a child is the middle of a cascade over three
// levels or more. Deleted by hand, it leaves two.
func cascadesThrough(child schema.Child, all []schema.Child) bool {
	return child.Fate == schema.Cascades && len(child.Path) > 1 && slices.ContainsFunc(all, func(c schema.Child) bool {
		return c.Fate == schema.Cascades && reflect.DeepEqual(c.Path[1:], child.Path)
	})
}

// planAudit finds the columns that live and audit table share.
func (p *Plan) planAudit(ph *Phase) error {
	live, _ := p.Found.Table(ph.Table)
	table, ok := p.Found.Table(schema.TokenAudit)
	if !ok {
		return fmt.Errorf("schema %s has no table %s to audit removed tokens in (the product has it since APIM 2.6 and IS 5.7): create it, or run with --no-audit", p.Found.Name, schema.TokenAudit)
	}
	audit := &dialect.Audit{Table: table.Name}
	audit.Guarded = len(table.Triggers) > 0 || len(table.ForeignKeys) > 0 || len(p.Found.References(table.Name)) > 0
	for _, c := range live.Columns {
		if to, ok := table.Column(c.Name); !ok {
			p.Missing = append(p.Missing, c)
		} else if !to.Generated {
			audit.Columns = append(audit.Columns, c.Name)
		}
	}
	if c, ok := table.Column("INVALIDATED_TIME"); ok {
		audit.Invalidated = c.Name
	}
	for _, c := range table.Columns {
		filled := live.Has(c.Name) || strings.EqualFold(c.Name, audit.Invalidated)
		if !filled && !c.Nullable && c.Default == nil && !c.AutoID && !c.Generated {
			return fmt.Errorf("%s.%s allows no NULL, has no default, and the live table has no such column: give it a default, or run with --no-audit", table.Name, c.Name)
		}
	}
	if p.AuditMissing == AuditExtend {
		for _, c := range p.Missing {
			audit.Columns = append(audit.Columns, c.Name)
		}
	}
	ph.Audit = audit
	return nil
}

// mover returns what moves removed rows to the audit table in one statement, if
// the dialect has that and no trigger stands in the way.
func (ph *Phase) mover(d dialect.Dialect) (dialect.Mover, bool) {
	mover, ok := d.(dialect.Mover)
	return mover, ok && ph.Audit != nil && ph.InsteadOf == ""
}

// Eligible narrows removable to the rows that no guard holds.
func (ph *Phase) Eligible(d dialect.Dialect, removable dialect.SQL) dialect.SQL {
	if len(ph.Guards) == 0 {
		return removable
	}
	return dialect.Concat("(", removable, " AND NOT ", ph.Held(d), ")")
}

// Held is true for the rows that some guard holds; there must be one.
func (ph *Phase) Held(d dialect.Dialect) dialect.SQL {
	all := dialect.Text("(")
	for i, g := range ph.Guards {
		if i > 0 {
			all = dialect.Concat(all, " OR ")
		}
		all = dialect.Concat(all, dialect.Held(d, g.Path))
	}
	return dialect.Concat(all, ")")
}
