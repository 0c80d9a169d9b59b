package verify

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Expect says what the clean-up between pre-image and now was to do.
type Expect struct {
	Policy token.Policy
	// Audit: removed tokens must be in the audit table. Without it, a row that
	// appears there is a fault.
	Audit bool
	// From and To enclose every INVALIDATED_TIME, UTC, inclusive.
	From, To time.Time
	// Incomplete: the clean-up stopped early and may be continued. Rows that
	// wait for their removal then make the verdict inconclusive, not fail.
	Incomplete bool
	// Own are tables of the clean-up's own, such as the ledger of an incomplete
	// run or of one that is continued. Neither they nor their rows are judged.
	Own []string
	// OwnPrograms are stored procedures, functions and events of the clean-up's
	// own, by kind and name as in schema.Database.Programs. They are not judged.
	OwnPrograms []string
	// ExtendedAudit: the clean-up may have added columns to the audit table.
	ExtendedAudit bool
	// LeavesBelow: the clean-up is known to leave a table alone while fewer than
	// this many of its rows are to go. Such rows are counted in TableOutcome.Left
	// and are no fault. 0 and 1 leave none.
	LeavesBelow int64
	// Compare are policies to which what happened is compared besides: Outcome.Differences.
	Compare []token.Policy
	// Copies are tables into which the clean-up copies the tokens that it removes:
	// Outcome.Copies. They are not judged either.
	Copies []string
}

// Check reads every table again and accounts for every row of the pre-image and
// every row that is there now.
func Check(ctx context.Context, src Source, im *Image, e Expect) (*Outcome, error) {
	policy := policyIndex(e.Policy)
	if policy < 0 {
		return nil, fmt.Errorf("checking: unknown policy %q", e.Policy)
	}
	began := time.Now()
	c := &checker{im: im, expect: e, policy: policy, budget: &budget{left: spillLimit}, events: map[*tableImage]*store{}, differences: map[differenceKey]*Difference{},
		outcome: &Outcome{Policy: e.Policy, Classes: map[Class]int64{}}, findings: map[findingKey]*Finding{}}
	defer c.close()
	err := src.snapshot(ctx, func(conn *sql.Conn) error {
		now, err := schema.Read(ctx, conn, src.Dialect, src.Schema)
		if err != nil {
			return err
		}
		c.compareSchemas(now)
		if err := c.readCopies(ctx, src, conn, now); err != nil {
			return err
		}
		for _, before := range im.tables {
			if c.own(before.layout.table.Name) {
				continue
			}
			after, err := c.readAgain(ctx, src, conn, before, now)
			if err != nil {
				return err
			}
			if err := c.table(before, after); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("checking against the pre-image: %w", err)
	}
	c.outcome.Seconds = time.Since(began).Seconds()
	c.conclude()
	return c.outcome, nil
}

type checker struct {
	im       *Image
	expect   Expect
	policy   int
	budget   *budget
	events   map[*tableImage]*store // what became of the parents, by key of the child
	outcome  *Outcome
	findings map[findingKey]*Finding
	audits   *tableImage // the audit table as it is now, nil if there is none
	opened   []*tableImage

	differences map[differenceKey]*Difference
	copies      []*copies
}

type findingKey struct {
	class         Class
	table, detail string
}

func (c *checker) close() {
	for _, t := range c.opened {
		t.close()
	}
	for _, s := range c.events {
		s.close()
	}
}

// readAgain reads a table's present rows, with the columns of the pre-image; a
// table that is gone has none.
func (c *checker) readAgain(ctx context.Context, src Source, conn *sql.Conn, before *tableImage, now *schema.Database) (*tableImage, error) {
	read := func(name string, l *layout) (*tableImage, error) {
		found, ok := now.Table(name)
		if !ok || !found.Has(l.names()...) {
			return &tableImage{layout: l}, nil // compareSchemas has said so
		}
		var judge judgeFunc
		switch {
		case strings.EqualFold(name, schema.AccessToken):
			judge = stateOnly(l)
		case strings.EqualFold(name, schema.TokenAudit):
			judge = c.auditFlags(l)
		}
		plain := *l
		plain.links = nil // only the pre-image says what hung on what
		t, err := src.readTable(ctx, conn, &plain, c.budget, judge)
		if err != nil {
			return nil, err
		}
		c.opened = append(c.opened, t)
		c.outcome.RowsRead += t.rows.rows
		return t, nil
	}
	name := before.layout.table.Name
	if strings.EqualFold(name, schema.AccessToken) {
		// The tokens are judged together with the audit table.
		if audit := c.im.table(schema.TokenAudit); audit != nil {
			var err error
			if c.audits, err = read(schema.TokenAudit, audit.layout); err != nil {
				return nil, err
			}
		}
	}
	if strings.EqualFold(name, schema.TokenAudit) && c.audits != nil {
		return c.audits, nil
	}
	return read(name, before.layout)
}

func stateOnly(l *layout) judgeFunc {
	state := l.position("TOKEN_STATE")
	if state < 0 {
		return nil
	}
	return func(r *rowReader) (meta, error) { return meta(0).withState(stateOf(r.text(state))), nil }
}

// auditFlags marks audit rows without an id or with a time outside the run.
func (c *checker) auditFlags(l *layout) judgeFunc {
	id, when := l.position("TOKEN_ID"), l.position("INVALIDATED_TIME")
	from, to := c.expect.From.UTC().UnixMilli(), c.expect.To.UTC().UnixMilli()
	return func(r *rowReader) (m meta, err error) {
		if id >= 0 && r.isNull(id) {
			m |= nullID
		}
		if when >= 0 {
			t, err := r.time(when)
			if err != nil {
				return 0, err
			}
			if ms, known := t.Millis(); !known || ms < from || ms > to {
				m |= badTime
			}
		}
		return m, nil
	}
}

// table matches a table's rows before and after, one partition at a time, and
// tells its children what became of each row.
func (c *checker) table(before, after *tableImage) error {
	children := c.childrenOf(before)
	account := TableOutcome{Table: before.layout.table.Name, Child: len(before.layout.links) > 0, Before: before.rows.rows}
	if after.rows != nil {
		account.After = after.rows.rows
	}
	judge := c.ruleFor(before)
	if judge == nil {
		return nil // the audit table: accounted for with the tokens
	}
	next := c.ahead(before, after, children, 0)
	defer func() { _, _ = next() }() // nothing may read what is closed
	for p := range partitions {
		m, err := next()
		if err != nil {
			return err
		}
		if p+1 < partitions {
			next = c.ahead(before, after, children, p+1)
		}
		for m.next() {
			if err := judge(m, &account, before, after); err != nil {
				return err
			}
		}
		for _, child := range children {
			if err := c.tellChild(m, child, p); err != nil {
				return err
			}
		}
	}
	c.outcome.Tables = append(c.outcome.Tables, account)
	return nil
}

// ahead loads a partition while the one before it is matched. Where a table is its own
// child, what the one before says may still be missing; then it waits for the call.
func (c *checker) ahead(before, after *tableImage, children []childLink, p int) func() (*match, error) {
	events := c.events[before]
	load := sync.OnceValues(func() (*match, error) { return c.loadPartition(before, after, events, p) })
	if !slices.ContainsFunc(children, func(l childLink) bool { return l.child == before }) {
		go load()
	}
	return load
}

// childLink is one link of a child table to the table at hand.
type childLink struct {
	child *tableImage
	links *store
}

func (c *checker) childrenOf(parent *tableImage) []childLink {
	var all []childLink
	for _, t := range c.im.tables {
		for i, n := range t.layout.links {
			if strings.EqualFold(n.parent, parent.layout.table.Name) {
				all = append(all, childLink{t, t.links[i]})
			}
		}
	}
	return all
}

// tellChild records for every child row of a partition what became of its
// parent. A parent that was not there before says nothing: such a child was an
// orphan already.
func (c *checker) tellChild(m *match, child childLink, p int) error {
	links, err := child.links.records(p)
	if err != nil {
		return err
	}
	events := c.events[child.child]
	if events == nil {
		events = newStore(c.budget)
		c.events[child.child] = events
	}
	for _, l := range links {
		before, _ := find(m.before, l.key)
		if before == nil {
			continue
		}
		_, left := find(m.after, l.key)
		var flags meta
		if l.meta&hasToken != 0 { // a code: its token decides whether it may go
			if left || !before.meta.reason(c.policy).Removes() {
				flags = hasToken
			}
			for p := range token.Policies() {
				if !before.meta.reason(p).Removes() {
					flags = flags.with(p, token.TokenExists)
				}
			}
		} else if left && !m.orphan(l.key) {
			flags = parentLeft
		} else {
			flags = parentGone
		}
		if flags == 0 {
			continue
		}
		if err := events.add(record{key: digest{l.full, l.shared}, meta: flags}); err != nil {
			return err
		}
	}
	return nil
}

// orphan reports whether a row had to go with a parent of its own: what hangs
// on it may go, and has to.
func (m *match) orphan(key digest) bool {
	i, _ := slices.BinarySearchFunc(m.events, key, compareKey)
	for ; i < len(m.events) && m.events[i].key == key; i++ {
		if m.events[i].meta&parentGone != 0 {
			return true
		}
	}
	return false
}

// find looks a key up in records that are in key order.
func find(sorted []record, key digest) (first *record, ok bool) {
	i, ok := slices.BinarySearchFunc(sorted, key, compareKey)
	if !ok {
		return nil, false
	}
	return &sorted[i], true
}

func compareKey(r record, key digest) int {
	switch {
	case r.key.less(key):
		return -1
	case key.less(r.key):
		return 1
	}
	return 0
}

// match walks two sorted partitions, and what belongs to them, key by key.
type match struct {
	before, after             []record
	events                    []record
	auditBefore, auditAfter   []record
	copies                    [][]record // of each of checker.copies
	i, j, e, ab, aa           int
	ac                        []int
	key                       digest
	was, is                   []record // the rows of the present key
	told                      meta     // the flags of its events
	auditedBefore, auditedNow []record // its audit rows
	copied                    [][]record
}

func (c *checker) loadPartition(before, after *tableImage, events *store, p int) (m *match, err error) {
	m = &match{}
	load := func(into *[]record, s *store) {
		if err == nil && s != nil {
			*into, err = s.partition(p)
		}
	}
	load(&m.before, before.rows)
	load(&m.after, after.rows)
	load(&m.events, events)
	if strings.EqualFold(before.layout.table.Name, schema.AccessToken) && c.audits != nil {
		load(&m.auditBefore, c.im.table(schema.TokenAudit).rows)
		load(&m.auditAfter, c.audits.rows)
	}
	if strings.EqualFold(before.layout.table.Name, schema.AccessToken) {
		m.copies, m.ac, m.copied = make([][]record, len(c.copies)), make([]int, len(c.copies)), make([][]record, len(c.copies))
		for i, cp := range c.copies {
			load(&m.copies[i], cp.image.rows)
		}
	}
	return m, err
}

// next moves to the next key; false at the end.
func (m *match) next() bool {
	var key digest
	any := false
	look := func(rows []record, at int) {
		if at < len(rows) && (!any || rows[at].key.less(key)) {
			key, any = rows[at].key, true
		}
	}
	look(m.before, m.i)
	look(m.after, m.j)
	look(m.auditBefore, m.ab)
	look(m.auditAfter, m.aa)
	for i := range m.copies {
		look(m.copies[i], m.ac[i])
	}
	if !any {
		return false
	}
	take := func(rows []record, at *int) []record {
		start := *at
		for *at < len(rows) && rows[*at].key == key {
			*at++
		}
		return rows[start:*at]
	}
	m.key = key
	m.was, m.is = take(m.before, &m.i), take(m.after, &m.j)
	m.auditedBefore, m.auditedNow = take(m.auditBefore, &m.ab), take(m.auditAfter, &m.aa)
	for i := range m.copies {
		m.copied[i] = take(m.copies[i], &m.ac[i])
	}
	m.told = 0
	for m.e < len(m.events) && m.events[m.e].key.less(key) {
		m.e++
	}
	for ; m.e < len(m.events) && m.events[m.e].key == key; m.e++ {
		m.told |= m.events[m.e].meta
	}
	return true
}

// subtract takes the records of b out of a, by full hash and one for one.
func subtract(a, b []record) []record {
	if len(b) == 0 {
		return a
	}
	left := slices.Clone(a)
	for _, r := range b {
		if i := slices.IndexFunc(left, func(x record) bool { return x.full == r.full }); i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
	}
	return left
}
