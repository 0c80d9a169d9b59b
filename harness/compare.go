package harness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// ScriptJudge judges what a script of somebody else's did: first by the rule
// that the vendor's scripts for this database follow, then beside the policies
// documented and strict.
type ScriptJudge struct {
	File *script.File
	// Policy decides the verdict: rows that it keeps and that are gone make it
	// fail. Rows that are left behind do not, as long as the script's own rule
	// leaves them.
	Policy token.Policy
	// Offset is how far the clock that the script compares with is ahead of UTC.
	Offset time.Duration
	// Clock says at what time it ran, as a sentence for the report.
	Clock string
}

// OwnRule is the policy that says what the vendor's scripts do on a database.
func OwnRule(d dialect.Dialect) token.Policy {
	if d.Product() == schema.SQLServer {
		return token.OfficialMSSQL
	}
	return token.OfficialMySQL
}

// CutOffs are the times at which a pre-image has to judge rows for this script.
// There is only one where j is nil.
func (j *ScriptJudge) CutOffs(at time.Time) verify.CutOffs {
	if j == nil || j.Offset == 0 {
		return verify.CutOffs{At: at}
	}
	return verify.CutOffs{At: at, Official: at.Add(j.Offset)}
}

// clockOffset asks a session how far its local clock is ahead of UTC at a time.
func clockOffset(ctx context.Context, db *sql.DB, at time.Time) (time.Duration, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer conn.Raw(func(any) error { return driver.ErrBadConn }) // its clock stands still
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("SET TIMESTAMP = %d", at.Unix())); err != nil {
		return 0, fmt.Errorf("holding the clock of a session: %w", err)
	}
	var seconds int64
	if err := conn.QueryRowContext(ctx, "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())").Scan(&seconds); err != nil {
		return 0, fmt.Errorf("asking how far the session's clock is ahead of UTC: %w", err)
	}
	return time.Duration(seconds) * time.Second, nil
}

// NewScriptJudge prepares to judge a script on a database. held: its clock
// stands still, so that its own limit is the cut-off; otherwise it ran by the
// server's clock.
func NewScriptJudge(ctx context.Context, t *Target, file *script.File, p token.Policy, cutOff time.Time, held bool) (*ScriptJudge, error) {
	j := &ScriptJudge{File: file, Policy: p}
	if t.Dialect.Product() == schema.MySQL && file.LocalClock() {
		var err error
		if j.Offset, err = clockOffset(ctx, t.DB, cutOff.Add(file.SafePeriod())); err != nil {
			return nil, err
		}
	}
	how := "run by the server's clock"
	if held {
		how = "run with its clock held at " + cutOff.Add(file.SafePeriod()).UTC().Format(time.RFC3339)
	}
	j.Clock = fmt.Sprintf("%s, with a safe period of %s", how, shortDuration(file.SafePeriod()))
	if j.Offset != 0 {
		j.Clock += fmt.Sprintf("; it takes the local time of its session, %s, for UTC", offsetText(j.Offset))
	}
	return j, nil
}

// Expect says what the verifier has to know of the script, and which tables it
// made, for Describe. now is the schema after it, before the one of the pre-image;
// alone means that nothing but the script worked on the database, so that whatever
// is new is the script's.
func (j *ScriptJudge) Expect(d dialect.Dialect, before, now *schema.Database, alone bool) (e verify.Expect, made []schema.Table) {
	e = verify.Expect{Policy: OwnRule(d), LeavesBelow: j.File.CheckCount(), Compare: []token.Policy{token.Documented, token.Strict}}
	for _, t := range now.Tables {
		_, old := before.Table(t.Name)
		if (old || !alone) && !j.File.Makes(t.Name) || schema.IsProductTable(t.Name) {
			continue
		}
		made = append(made, t)
		if ownKind(t.Name) == "audit" && t.Has("TOKEN_ID", "ACCESS_TOKEN") {
			e.Copies = append(e.Copies, t.Name)
		} else {
			e.Own = append(e.Own, t.Name)
		}
	}
	for _, t := range before.Tables { // what it drops and does not make again
		if _, left := now.Table(t.Name); !left && j.File.Makes(t.Name) && !schema.IsProductTable(t.Name) {
			e.Own = append(e.Own, t.Name)
		}
	}
	for _, p := range now.Programs {
		if alone && !slices.Contains(before.Programs, p) || j.makes(p) {
			e.OwnPrograms = append(e.OwnPrograms, p)
		}
	}
	for _, p := range before.Programs {
		if j.makes(p) && !slices.Contains(e.OwnPrograms, p) {
			e.OwnPrograms = append(e.OwnPrograms, p)
		}
	}
	return e, made
}

// makes reports whether a program, such as "procedure CLEAN_UP", is one of the file's.
func (j *ScriptJudge) makes(program string) bool {
	_, name, _ := strings.Cut(program, " ")
	return slices.ContainsFunc(j.File.Routines(), func(r string) bool { return strings.EqualFold(r, name) })
}

// ownKind guesses by its name what a table of a script is for.
func ownKind(name string) string {
	upper := strings.ToUpper(name)
	for _, k := range []struct{ part, kind string }{{"AUDIT", "audit"}, {"ADT_", "audit"}, {"BAK", "backup"}, {"BACKUP", "backup"},
		{"CHUNK", "work"}, {"CHNUK", "work"}, {"BATCH", "work"}, {"TEMP", "work"}, {"TMP", "work"}, {"LOG", "log"}} {
		if strings.Contains(upper, k.part) {
			return k.kind
		}
	}
	return "other"
}

// Describe puts the outcome of the check, under Expect, into a document. before is
// the schema of the pre-image.
func (j *ScriptJudge) Describe(ctx context.Context, doc *report.Document, src verify.Source, o *verify.Outcome, before *schema.Database, made []schema.Table) error {
	c := &report.Comparison{Script: j.File.Name(), Rule: string(o.Policy), Clock: j.Clock, Conforms: o.Verdict != verify.Fail}
	for _, a := range j.File.Attributes() {
		c.Attributes = append(c.Attributes, report.Attribute{Name: a.Name, Value: a.Value, Set: a.Set})
	}
	left := map[string]int64{}
	for _, t := range o.Tables {
		left[t.Table] = t.Left
	}
	for _, d := range merged(o.Differences, func(d verify.Difference) string { return j.sentence(d, o.Policy, left[d.Table]) }) {
		c.Differences = append(c.Differences, d)
		if d.Gone && d.Policy == string(j.Policy) {
			doc.Verdict = report.Fail
		}
	}
	j.describeCopies(doc, c, o.Copies)
	doc.Comparison, doc.Policy = c, string(j.Policy)
	return describeTables(ctx, c, src, before, made)
}

// merged adds up differences that one sentence describes.
func merged(all []verify.Difference, sentence func(verify.Difference) string) []report.Difference {
	var some []report.Difference
	for _, d := range all {
		r := report.Difference{Policy: string(d.Policy), Table: d.Table, Gone: d.Gone, Count: d.Count, Sentence: sentence(d), Samples: d.Samples}
		i := slices.IndexFunc(some, func(o report.Difference) bool {
			return o.Policy == r.Policy && o.Table == r.Table && o.Gone == r.Gone && o.Sentence == r.Sentence
		})
		if i < 0 {
			some = append(some, r)
			continue
		}
		some[i].Count += r.Count
		some[i].Samples = append(some[i].Samples, r.Samples...)[:min(verify.SampleSize, len(some[i].Samples)+len(r.Samples))]
	}
	return some
}

// sentence says why a row's fate differs from what a policy says; leftOf is how
// many rows of its table the script's own rule would have removed and it left.
func (j *ScriptJudge) sentence(d verify.Difference, rule token.Policy, leftOf int64) string {
	if d.Gone {
		return j.gone(d, rule)
	}
	return j.left(d, rule, leftOf)
}

func (j *ScriptJudge) gone(d verify.Difference, rule token.Policy) string {
	switch d.Says {
	case token.AccessLive, token.RefreshLive, token.NotEnded:
		switch {
		case d.State == "dead":
			return "removed whose refresh token still worked: the product accepts the refresh of an EXPIRED token"
		case j.Offset > 0:
			return fmt.Sprintf("removed up to %s early: NOW() in a %s session", shortDuration(j.Offset), offsetText(j.Offset))
		}
		return "removed before their end: the script counts lifetimes in whole minutes, " + rounding(rule)
	case token.NeverEnds:
		if d.State == "dead" {
			return "removed whose refresh token never ends"
		}
		return "removed that never end"
	case token.UnknownTime:
		return "removed though a time that decides is NULL or zero"
	case token.UnknownState:
		return "removed whose state is none of the product's byte for byte: the column's collation takes it for one"
	case token.TokenExists:
		return "removed though their token had to stay"
	}
	return "removed: " + d.Says.String()
}

func rounding(rule token.Policy) string {
	if rule == token.OfficialMSSQL {
		return "cut down, up to 60 s early"
	}
	return "rounded, up to 30 s early or late"
}

func (j *ScriptJudge) left(d verify.Difference, rule token.Policy, leftOf int64) string {
	switch d.Rule {
	case token.DeadState, token.LifetimeOver:
		if leftOf < j.File.CheckCount() {
			return fmt.Sprintf("left behind by checkCount: fewer than %d were to go", j.File.CheckCount())
		}
		return "left behind that its own rule removes"
	case token.OutsideLimits:
		if d.State == "dead" {
			return "left behind for ever: the script demands a validity within its limits of dead tokens too"
		}
		if d.NoRefresh {
			return "left behind for ever: without a refresh token, yet the script demands a refresh validity within its limits"
		}
		return "left behind for ever: a validity outside of the script's limits"
	case token.AccessLive, token.RefreshLive, token.NotEnded:
		switch {
		case d.NoRefresh && d.Rule == token.RefreshLive:
			return "left behind that wait for the end of a refresh token that they do not have"
		case j.Offset < 0:
			return fmt.Sprintf("left behind for up to %s more: NOW() in a %s session", shortDuration(-j.Offset), offsetText(j.Offset))
		}
		return "left behind after their end: the script counts lifetimes in whole minutes, " + rounding(rule)
	case token.TokenExists:
		return "left behind because the script left their token"
	case token.UnknownTime:
		return "left behind: a time that the script asks for is NULL or zero"
	}
	return "left behind: " + d.Rule.String()
}

// describeCopies tells what is wrong with the script's own audit; it is as bad as
// a fault of ours would be.
func (j *ScriptJudge) describeCopies(doc *report.Document, c *report.Comparison, all []verify.Copies) {
	for _, cp := range all {
		r := report.Copies{Table: cp.Table, Rows: cp.Rows, Tokens: cp.Tokens}
		fault := func(class verify.Class, s verify.Sampled, detail string) {
			if s.Count == 0 || !j.File.Audits() {
				return
			}
			r.Findings = append(r.Findings, fmt.Sprintf("%d tokens %s, for example %s", s.Count, detail, strings.Join(s.Samples, ", ")))
			doc.Findings = append(doc.Findings, report.Finding{Class: string(class), Table: cp.Table, Count: s.Count, Samples: s.Samples, Detail: detail})
			doc.Verdict, c.Conforms = report.Fail, false
		}
		fault(verify.Duplicated, cp.Twice, "audited twice")
		fault(verify.Duplicated, cp.Live, "audited and still live")
		fault(verify.Lost, cp.Missing, "removed without an audit copy")
		fault(verify.Altered, cp.Altered, "whose audit copy differs from the token")
		fault(verify.Invented, verify.Sampled{Count: cp.Strangers}, "audited that were not in the token table")
		c.Copies = append(c.Copies, r)
	}
}

// describeTables lists what the script made.
func describeTables(ctx context.Context, c *report.Comparison, src verify.Source, before *schema.Database, made []schema.Table) error {
	for _, t := range made {
		own := report.OwnTable{Name: t.Name, Kind: ownKind(t.Name), Of: copyOf(t, before)}
		if err := src.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+src.Dialect.Table(t.Name)).Scan(&own.Rows); err != nil {
			return fmt.Errorf("counting the rows of %s: %w", t.Name, err)
		}
		c.Tables = append(c.Tables, own)
	}
	return nil
}

// copyOf is the table of the product that has the same columns, "" for none.
func copyOf(t schema.Table, d *schema.Database) string {
	names := func(t schema.Table) string {
		var all []string
		for _, c := range t.Columns {
			all = append(all, strings.ToUpper(c.Name))
		}
		return strings.Join(all, ",")
	}
	for _, o := range d.Tables {
		if schema.IsProductTable(o.Name) && names(o) == names(t) {
			return o.Name
		}
	}
	return ""
}

// shortDuration is a duration as people write it: 5 h 30 min.
func shortDuration(d time.Duration) string {
	var parts []string
	if h := int(d.Hours()); h > 0 {
		parts = append(parts, fmt.Sprintf("%d h", h))
	}
	if m := int(d.Minutes()) % 60; m > 0 {
		parts = append(parts, fmt.Sprintf("%d min", m))
	}
	if s := int(d.Seconds()) % 60; s > 0 || len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("%d s", s))
	}
	return strings.Join(parts, " ")
}

// offsetText is an offset from UTC as MySQL writes it: +05:30.
func offsetText(d time.Duration) string {
	sign := "+"
	if d < 0 {
		sign, d = "-", -d
	}
	return fmt.Sprintf("%s%02d:%02d", sign, int(d.Hours()), int(d.Minutes())%60)
}
