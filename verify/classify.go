package verify

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// rule puts the rows of one key into classes.
type rule func(m *match, a *TableOutcome, before, after *tableImage) error

// ruleFor returns how the rows of a table are judged; nil for the audit table,
// whose rows are accounted for together with the tokens.
func (c *checker) ruleFor(t *tableImage) rule {
	name := t.layout.table.Name
	switch {
	case strings.EqualFold(name, schema.AccessToken):
		return c.tokens
	case strings.EqualFold(name, schema.AuthzCode), strings.EqualFold(name, schema.CIBACode):
		return c.codes
	case strings.EqualFold(name, schema.TokenAudit) && c.im.table(schema.AccessToken) != nil:
		return nil
	case len(t.layout.links) > 0:
		return c.children
	}
	return c.untouched
}

// tokens accounts for a token: its live row and its audit rows.
func (c *checker) tokens(m *match, a *TableOutcome, before, after *tableImage) error {
	for i, cp := range c.copies {
		if err := cp.account(before, m.was, m.copied[i], len(m.is) > 0); err != nil {
			return err
		}
	}
	added := subtract(m.auditedNow, m.auditedBefore)
	if err := c.auditHistory(m, added); err != nil {
		return err
	}
	if len(m.was) == 0 {
		return c.strangers(m, added, after)
	}
	row := m.was[0]
	why := row.meta.reason(c.policy)
	a.Audited += int64(len(added))
	live := len(m.is) > 0
	if err := c.differ(before, row, !live, why, row.meta.reason); err != nil {
		return err
	}
	class, detail := c.token(row, m.is, added, why)
	switch {
	case !live:
		a.Removed++
	case a.KeptWhy == nil:
		a.KeptWhy = map[token.Reason]int64{}
		fallthrough
	default:
		a.Kept++
		a.KeptWhy[why]++
	}
	if class == WronglyKept {
		a.Left++
	}
	if !live && why.Removes() && !row.meta.reason(policyIndex(token.Strict)).Removes() {
		c.outcome.StrictWouldKeep++
	}
	return c.put(class, detail, before, row)
}

// token decides on one token that was there before.
func (c *checker) token(was record, is, added []record, why token.Reason) (class Class, detail string) {
	switch {
	case len(is) > 0 && was.meta.state() == deadState && is[0].meta.state() == activeState:
		return Resurrected, "a dead token is ACTIVE again"
	case len(added) > 1:
		return Duplicated, "audited more than once"
	case len(is) > 0 && len(added) == 1:
		return Duplicated, "audited and still live"
	case len(is) > 0 && is[0].full != was.full:
		return Altered, "the live row has changed"
	case len(is) > 0 && why.Removes():
		return WronglyKept, ""
	case len(is) > 0:
		return Kept, ""
	case !why.Removes():
		return WronglyRemoved, "kept by the policy: " + why.String()
	case !c.expect.Audit && len(added) == 0:
		return Removed, ""
	case !c.expect.Audit:
		return Invented, "an audit row though nothing was to be audited"
	case len(added) == 0:
		return Lost, "removed without an audit copy"
	case added[0].shared != was.shared:
		return Altered, "the audit copy differs from the token"
	case added[0].meta&badTime != 0:
		return Altered, "INVALIDATED_TIME is not within the run, in UTC"
	}
	return Moved, ""
}

// auditHistory looks after audit rows that were there before.
func (c *checker) auditHistory(m *match, added []record) error {
	missing := len(m.auditedBefore) + len(added) - len(m.auditedNow)
	if missing == 0 {
		return nil
	}
	audit := c.im.table(schema.TokenAudit)
	class, detail := Lost, "audit rows of earlier clean-ups are gone"
	if len(m.was) == 0 && len(added) >= missing {
		class, detail = Altered, "audit rows of earlier clean-ups have changed"
	}
	for _, r := range subtract(m.auditedBefore, m.auditedNow) {
		if err := c.put(class, detail, audit, r); err != nil {
			return err
		}
	}
	return nil
}

// strangers are rows of a token that was not in the token table before.
func (c *checker) strangers(m *match, added []record, after *tableImage) error {
	for _, r := range m.is {
		class, detail := Invented, "a token that was not there before"
		if len(m.auditedBefore) > 0 {
			class, detail = Resurrected, "removed by an earlier clean-up and live again"
		}
		if err := c.put(class, detail, after, r); err != nil {
			return err
		}
	}
	gone := len(m.auditedBefore) + len(added) - len(m.auditedNow)
	for i, r := range added {
		if i < gone {
			continue // the changed row of auditHistory
		}
		detail := "an audit row of no token"
		if r.meta&nullID != 0 {
			detail = "an audit row without TOKEN_ID"
		}
		if err := c.put(Invented, detail, c.audits, r); err != nil {
			return err
		}
	}
	return nil
}

// codes accounts for an authorization code or a CIBA request.
func (c *checker) codes(m *match, a *TableOutcome, before, after *tableImage) error {
	if len(m.was) == 0 {
		return c.invented(m, after)
	}
	row, why := m.was[0], m.was[0].meta.reason(c.policy)
	if m.told&hasToken != 0 {
		why = token.TokenExists
	}
	says := func(policy int) token.Reason {
		if m.told.reason(policy) == token.TokenExists {
			return token.TokenExists
		}
		return row.meta.reason(policy)
	}
	if err := c.differ(before, row, len(m.is) == 0, why, says); err != nil {
		return err
	}
	class, detail := Kept, ""
	switch {
	case len(m.is) == 0 && !why.Removes():
		class, detail = WronglyRemoved, "kept by the policy: "+why.String()
	case len(m.is) == 0:
		class = Removed
		if !says(policyIndex(token.Strict)).Removes() {
			c.outcome.StrictWouldKeep++
		}
	case m.is[0].full != row.full:
		class, detail = Altered, "the row has changed"
	case why.Removes():
		class = WronglyKept
		a.Left++
	}
	if len(m.is) == 0 {
		a.Removed++
	} else {
		a.Kept++
		if a.KeptWhy == nil {
			a.KeptWhy = map[token.Reason]int64{}
		}
		a.KeptWhy[why]++
	}
	return c.put(class, detail, before, row)
}

// children accounts for rows that go with their parents and only with them.
func (c *checker) children(m *match, a *TableOutcome, before, after *tableImage) error {
	return c.rows(m, a, before, after, m.told&parentGone != 0)
}

// untouched accounts for rows that no clean-up may change.
func (c *checker) untouched(m *match, a *TableOutcome, before, after *tableImage) error {
	return c.rows(m, a, before, after, false)
}

// rows accounts for the rows of one key: one row, or several equal ones in a
// table without a primary key.
func (c *checker) rows(m *match, a *TableOutcome, before, after *tableImage, mayGo bool) error {
	same := min(len(m.was), len(m.is))
	for i, r := range m.was {
		class, detail := Kept, ""
		switch {
		case i >= same && mayGo:
			class = Removed
			a.Removed++
		case i >= same:
			class, detail = Lost, "removed though nothing it belongs to was removed"
			a.Removed++
		case mayGo:
			class, detail = Orphaned, "what it belongs to was removed"
			a.Kept++
		case m.is[i].full != r.full:
			class, detail = Altered, "the row has changed"
			a.Kept++
		default:
			a.Kept++
		}
		if err := c.put(class, detail, before, r); err != nil {
			return err
		}
	}
	m.is = m.is[same:]
	return c.invented(m, after)
}

func (c *checker) invented(m *match, after *tableImage) error {
	for _, r := range m.is {
		if err := c.put(Invented, "a row that was not there before", after, r); err != nil {
			return err
		}
	}
	return nil
}

// put books a row under its class; faults get a sample.
func (c *checker) put(class Class, detail string, from *tableImage, r record) error {
	c.outcome.Classes[class]++
	if class == Kept || class == Moved || class == Removed {
		return nil
	}
	f := c.finding(class, from.layout.table.Name, detail)
	f.Count++
	return from.sample(&f.Samples, r)
}

func (c *checker) finding(class Class, table, detail string) *Finding {
	key := findingKey{class, table, detail}
	f := c.findings[key]
	if f == nil {
		f = &Finding{Class: class, Table: table, Detail: detail}
		c.findings[key] = f
	}
	return f
}

// object books a difference between the schemas before and after.
func (c *checker) object(class Class, table, detail, sample string) {
	f := c.finding(class, table, detail)
	f.Count++
	if len(f.Samples) < SampleSize {
		f.Samples = append(f.Samples, sample)
	}
}

// expectedLeft reports whether the clean-up is known to leave as few rows as it
// left of a table.
func (c *checker) expectedLeft(table string) bool {
	i := slices.IndexFunc(c.outcome.Tables, func(t TableOutcome) bool { return strings.EqualFold(t.Table, table) })
	return i >= 0 && c.outcome.Tables[i].Left < c.expect.LeavesBelow
}

// conclude orders the findings and gives the verdict.
func (c *checker) conclude() {
	o := c.outcome
	o.Differences = c.sortedDifferences()
	for _, cp := range c.copies {
		o.Copies = append(o.Copies, cp.Copies)
	}
	for _, f := range c.findings {
		if f.Class != WronglyKept || !c.expectedLeft(f.Table) {
			o.Findings = append(o.Findings, *f)
		}
	}
	rank := func(f Finding) int { return slices.Index(Faults(), f.Class) }
	slices.SortFunc(o.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Table+a.Detail, b.Table+b.Detail))
	})
	o.Verdict = Pass
	for _, f := range o.Findings {
		if c.expect.Incomplete && f.Class == WronglyKept {
			continue
		}
		o.Verdict = Fail
	}
	if c.expect.Incomplete {
		o.Doubts = append(o.Doubts, "the clean-up stopped early: rows that wait for their removal were not judged")
	}
	if o.Verdict == Pass && len(o.Doubts) > 0 {
		o.Verdict = Inconclusive
	}
}
