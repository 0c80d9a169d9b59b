package procedure

import (
	"fmt"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Policies are those that a procedure takes. The official ones repeat what a
// vendor's script does and are for comparison only.
func Policies() []token.Policy { return []token.Policy{token.Documented, token.Strict} }

// writer puts a phase's statements together from those of package dialect, with
// variables where the engine has values.
type writer struct {
	plan *cleanup.Plan
	d    Dialect
}

func (w writer) phase(ph *cleanup.Phase) (phaseText, error) {
	table, _ := w.plan.Found.Table(ph.Table)
	key, _ := table.Column(ph.Key)
	t := phaseText{Name: ph.Name, Table: ph.Table, Quoted: w.d.Table(ph.Table), Key: ph.Key, Type: w.d.KeyType(table, key), Audit: ph.Audit != nil}
	for _, v := range vars {
		if schema.SameName(v.table, ph.Table) {
			t.Var = v.name
		}
	}
	from, through := w.variable(t.Var+"_from"), w.variable(t.Var+"_through")
	span := dialect.Span{Table: ph.Table, Key: ph.Key, From: from, Through: through}
	removable := ph.Eligible(w.d, w.removable(ph, dialect.SQL{}))
	where := dialect.Concat(span.Where(w.d), " AND ", removable)

	var failed error
	plain := func(q dialect.SQL) string {
		if len(q.Args) > 0 && failed == nil {
			failed = fmt.Errorf("a statement of the procedure has a parameter: %s", q.Text)
		}
		return q.Text
	}
	t.First = plain(dialect.First(w.d, dialect.Span{Table: ph.Table, Key: ph.Key}))
	t.Next = plain(dialect.First(w.d, dialect.Span{Table: ph.Table, Key: ph.Key, After: through}))
	t.Window = plain(dialect.SpanWindow(w.d, dialect.Span{Table: ph.Table, Key: ph.Key, From: from}, w.variable("size"), w.forecast(ph)))
	for _, child := range ph.Children {
		t.Children = append(t.Children, plain(w.d.DeleteVia(child.Path, where)))
	}
	if ph.Audit != nil || len(ph.Children) > 0 {
		t.Lock = plain(dialect.LockMatching(w.d, ph.Table, ph.Key, where))
	}
	t.Delete = plain(dialect.Delete(w.d, ph.Table, where))
	w.audit(ph, &t, where, plain)
	if len(ph.Guards) > 0 {
		t.Held = plain(w.d.Bind(dialect.Concat("SELECT COUNT(*) FROM ", w.d.Table(ph.Table), " WHERE ", w.removable(ph, dialect.SQL{}), " AND ", ph.Held(w.d))))
	}
	return t, failed
}

// audit adds what copies rows: a statement before the DELETE, or the DELETE itself
// where the dialect has that and the audit table lets it.
func (w writer) audit(ph *cleanup.Phase, t *phaseText, where dialect.SQL, plain func(dialect.SQL) string) {
	if ph.Audit == nil {
		return
	}
	a := *ph.Audit
	a.Clock = w.variable("at")
	if mover, ok := w.d.(dialect.Mover); ok && !a.Guarded {
		t.Moves, t.Plain = true, t.Delete
		t.Delete = plain(mover.Move(ph.Table, a, where)[0])
		return
	}
	t.Copy = plain(dialect.CopyToAudit(w.d, ph.Table, a, where))
}

func (w writer) variable(name string) dialect.SQL { return dialect.Text(w.d.Variable(name)) }

// rule is a policy at the call's cut-off.
func (w writer) rule(p token.Policy) dialect.Rule {
	return dialect.Rule{Dialect: w.d, Policy: p, CutOff: w.variable("cut_off")}
}

// removable holds for the rows that the call's policy removes. Where all policies
// agree, it is said once.
func (w writer) removable(ph *cleanup.Phase, except dialect.SQL) dialect.SQL {
	left := dialect.SQL{}
	if schema.SameName(ph.Table, schema.AuthzCode) {
		left = dialect.TokenLeft(w.d, ph.Table, w.plan.Phases[0].Table, except)
	}
	documented, strict := ph.Under(w.rule(token.Documented), left), ph.Under(w.rule(token.Strict), left)
	if documented.Text == strict.Text {
		return documented
	}
	policy := w.d.Parameter("policy")
	return dialect.Concat("(", policy, " = 'documented' AND ", documented, " OR ", policy, " = 'strict' AND ", strict, ")")
}

// forecast is what a window counts: the rows that go once the phases before are
// done. For a batch it only says whether there may be something to do; in a dry
// run, in which those phases removed nothing, it is the count.
func (w writer) forecast(ph *cleanup.Phase) dialect.SQL {
	except := dialect.SQL{}
	if tokens := &w.plan.Phases[0]; tokens.Table != ph.Table {
		except = tokens.Eligible(w.d, w.removable(tokens, dialect.SQL{}))
	}
	return ph.Eligible(w.d, w.removable(ph, except))
}
