package dbtest

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// Script shows what is reported of a clean-up script that follows a rule of its
// own: testdata/procedures has what the vendor's procedures do, rebuilt.
func Script(t *testing.T, open Opener, product string) {
	for name, test := range map[string]func(*Fixture){
		"differences of every case":       differencesOfCases,
		"leaves what is below checkCount": belowCheckCount,
		"its own audit":                   ownAudit,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(New(t, open(t, harness.Options{}), Setup{NullTimes: true})) })
	}
	if hasZones(product) {
		t.Run("session east of UTC", func(t *testing.T) { t.Parallel(); eastOfUTC(t, open) })
		t.Run("session west of UTC", func(t *testing.T) { t.Parallel(); westOfUTC(t, open) })
	}
}

// OfficialScript reads the rebuilt procedure for a database and sets attributes.
func OfficialScript(t *testing.T, on schema.Product, set map[string]string) *script.File {
	t.Helper()
	name := "official-mysql.sql"
	if on == schema.SQLServer {
		name = "official-mssql.sql"
	}
	file, err := script.Read(filepath.Join("..", "..", "testdata", "procedures", name), on)
	require.NoError(t, err)
	if _, ok := set["sleepTime"]; !ok {
		sleep := "0"
		if on == schema.SQLServer {
			sleep = "00:00:00.000"
		}
		require.NoError(t, file.Set("sleepTime", sleep))
	}
	for _, attribute := range slices.Sorted(maps.Keys(set)) {
		require.NoError(t, file.Set(attribute, set[attribute]))
	}
	return file
}

// runScript runs and judges a script as harness.Run does.
func (f *Fixture) runScript(p token.Policy, set map[string]string) *report.Document {
	f.t.Helper()
	return f.runScriptAfter(p, set, func() {})
}

// runScriptAfter does something between pre-image and script.
func (f *Fixture) runScriptAfter(p token.Policy, set map[string]string, between func()) *report.Document {
	f.t.Helper()
	file := OfficialScript(f.t, f.Dialect.Product(), set)
	plan := f.Plan(p)
	engine := script.Engine{File: file}
	judge, err := harness.JudgeOf(f.t.Context(), f.Target, engine, plan.Settings)
	require.NoError(f.t, err)
	image, err := verify.CaptureAt(f.t.Context(), f.Source(), judge.CutOffs(CutOff))
	require.NoError(f.t, err)
	defer image.Close()
	between()
	from := time.Now().UTC().Truncate(time.Second)
	result, err := engine.Clean(f.t.Context(), f.DB, plan, cleanup.Watcher{})
	require.NoError(f.t, err)
	doc := &report.Document{}
	_, err = harness.Cleaned{Settings: plan.Settings, Judge: judge, Result: result, From: from}.Describe(f.t.Context(), f.Target, image, doc)
	require.NoError(f.t, err)
	return doc
}

// differencesOfCases: for every case and policy the report counts a difference
// exactly where the verdicts differ, and says which way.
func differencesOfCases(f *Fixture) {
	expect := f.LoadCases(true)
	rule := harness.OwnRule(f.Dialect)
	doc := f.runScript(token.Documented, map[string]string{"checkCount": "1"})
	require.True(f.t, doc.Comparison.Conforms, "%+v", doc.Findings)
	require.Equal(f.t, report.Fail, doc.Verdict, "rows that documented keeps are gone")

	type fate struct {
		policy, table string
		gone          bool
	}
	want, got := map[fate]int64{}, map[fate]int64{}
	for id, remove := range expect {
		for _, p := range []token.Policy{token.Documented, token.Strict} {
			if remove[p] != remove[rule] {
				want[fate{string(p), tableOf(id), remove[rule]}]++
			}
		}
	}
	for _, d := range doc.Comparison.Differences {
		got[fate{d.Policy, strings.ToUpper(d.Table), d.Gone}] += d.Count
		for _, id := range d.Samples {
			e := expect[strings.TrimRight(id, " ")]
			require.Equal(f.t, d.Gone, e[rule], "%s: %s", id, d.Sentence)
			require.NotEqual(f.t, d.Gone, e[token.Policy(d.Policy)], "%s: %s", id, d.Sentence)
		}
	}
	require.Equal(f.t, want, got)
	f.requireSentences(doc.Comparison, rule, expect)
}

// tableOf is the table that a case belongs to.
func tableOf(id string) string {
	switch id[:2] {
	case "CS":
		return schema.AuthzCode
	case "BS":
		return schema.CIBACode
	}
	return schema.AccessToken
}

// requireSentences requires that rows of a known kind are explained as what they are.
func (f *Fixture) requireSentences(c *report.Comparison, rule token.Policy, expect map[string]cases.Expect) {
	f.t.Helper()
	sentences := func(policy token.Policy, table string) map[string]int64 {
		all := map[string]int64{}
		for _, d := range c.Differences {
			if d.Policy == string(policy) && strings.EqualFold(d.Table, table) {
				all[d.Sentence] += d.Count
			}
		}
		return all
	}
	strict := sentences(token.Strict, schema.AccessToken)
	var refreshable int64
	for _, tc := range cases.Tokens() {
		if e, ok := expect[tc.ID]; ok && tc.State.V == token.Expired && e[rule] && !e[token.Strict] {
			refreshable++
		}
	}
	explained := strict["removed whose refresh token still worked: the product accepts the refresh of an EXPIRED token"] +
		strict["removed whose refresh token never ends"] + strict["removed though a time that decides is NULL or zero"]
	require.Equal(f.t, refreshable, explained, "%v", strict)
	if rule == token.OfficialMSSQL {
		require.NotZero(f.t, sentences(token.Documented, schema.AccessToken)["left behind for ever: the script demands a validity within its limits of dead tokens too"])
	}
}

// belowCheckCount: 99 of 99 stay, 100 of 100 go, and it is no fault.
func belowCheckCount(f *Fixture) {
	insert := func(table string, n int, row func(id int) Row) {
		rows := make([]Row, n)
		for i := range rows {
			rows[i] = row(i)
		}
		f.InsertAll(table, rows)
	}
	insert(tokens, 99, func(i int) Row { return TokenRow(numbered("dead", i), token.Revoked, nil) })
	insert(codes, 100, func(i int) Row { return CodeRow(numbered("dead", i), token.Inactive, nil) })
	doc := f.runScript(token.Documented, nil)
	require.Equal(f.t, report.Pass, doc.Verdict, "%+v", doc.Findings)
	require.True(f.t, doc.Comparison.Conforms)
	require.EqualValues(f.t, 99, f.Count(tokens, ""))
	require.EqualValues(f.t, 0, f.Count(codes, ""))
	for _, p := range []token.Policy{token.Documented, token.Strict} {
		i := slices.IndexFunc(doc.Comparison.Differences, func(d report.Difference) bool { return d.Policy == string(p) })
		require.GreaterOrEqual(f.t, i, 0)
		d := doc.Comparison.Differences[i]
		require.EqualValues(f.t, 99, d.Count)
		require.Equal(f.t, "left behind by checkCount: fewer than 100 were to go", d.Sentence)
	}
}

func numbered(prefix string, i int) string { return fmt.Sprintf("%s-%03d", prefix, i) }

// ownAudit: its backup and audit tables are named for what they are, and a token
// that was audited twice is a fault.
func ownAudit(f *Fixture) {
	for i := range 5 {
		f.Insert(tokens, TokenRow(numbered("dead", i), token.Revoked, nil))
	}
	audited := map[string]string{"checkCount": "1", "enableAudit": "TRUE", "backupTables": "TRUE"}
	if f.Dialect.Product() == schema.SQLServer {
		audited["enableAudit"], audited["backupTables"] = "1", "1"
	}
	doc := f.runScript(token.Documented, audited)
	require.Equal(f.t, report.Pass, doc.Verdict, "%+v", doc.Findings)
	kinds := map[string]string{}
	for _, own := range doc.Comparison.Tables {
		kinds[own.Kind+" of "+own.Of] = own.Name
	}
	require.Contains(f.t, kinds, "backup of "+schema.AccessToken)
	require.Contains(f.t, kinds, "audit of "+schema.AccessToken)
	require.Len(f.t, doc.Comparison.Copies, 1)
	require.EqualValues(f.t, 5, doc.Comparison.Copies[0].Rows)
	require.EqualValues(f.t, 5, doc.Comparison.Copies[0].Tokens)

	// Once more: an earlier run has audited the tokens, and died before it removed them.
	for i := range 5 {
		f.Insert(tokens, TokenRow(numbered("late", i), token.Revoked, nil))
	}
	audit := f.Dialect.Table(doc.Comparison.Copies[0].Table)
	died := func() { f.Exec("INSERT INTO " + audit + " SELECT * FROM " + f.Dialect.Table(tokens)) }
	doc = f.runScriptAfter(token.Documented, audited, died)
	require.Equal(f.t, report.Fail, doc.Verdict)
	require.False(f.t, doc.Comparison.Conforms)
	i := slices.IndexFunc(doc.Findings, func(d report.Finding) bool { return d.Detail == "audited twice" })
	require.GreaterOrEqual(f.t, i, 0, "%+v", doc.Findings)
	require.EqualValues(f.t, 5, doc.Findings[i].Count)
}

// endingAt is a token whose lifetimes end so many seconds from the cut-off.
func endingAt(id string, seconds int64) Row {
	return TokenRow(id, token.Active, Row{"TIME_CREATED": At(seconds - 3600), "VALIDITY_PERIOD": 3_600_000,
		"REFRESH_TOKEN_TIME_CREATED": At(seconds - 3600), "REFRESH_TOKEN_VALIDITY_PERIOD": 3_600_000})
}

// eastOfUTC: NOW() is ahead of the data, so the script removes what still works.
func eastOfUTC(t *testing.T, open Opener) {
	f := New(t, open(t, harness.Options{ServerZone: "+05:30"}), Setup{})
	f.Insert(tokens, endingAt("alive for an hour", 3600))
	f.Insert(tokens, endingAt("alive for six hours", 6*3600))
	f.Insert(tokens, endingAt("over", -3600))
	doc := f.runScript(token.Documented, map[string]string{"checkCount": "1"})
	require.True(t, doc.Comparison.Conforms, "%+v", doc.Findings)
	require.Equal(t, report.Fail, doc.Verdict)
	require.Equal(t, []string{"alive for six hours"}, f.Keys(tokens, "TOKEN_ID"))
	d := doc.Comparison.Differences[0]
	require.Equal(t, report.Difference{Policy: "documented", Table: d.Table, Gone: true, Count: 1,
		Sentence: "removed up to 5 h 30 min early: NOW() in a +05:30 session", Samples: []string{"alive for an hour"}}, d)
}

// westOfUTC: NOW() is behind the data, so the script leaves what is over.
func westOfUTC(t *testing.T, open Opener) {
	f := New(t, open(t, harness.Options{ServerZone: "-08:00"}), Setup{})
	f.Insert(tokens, endingAt("over for an hour", -3600))
	f.Insert(tokens, endingAt("over for nine hours", -9*3600))
	doc := f.runScript(token.Documented, map[string]string{"checkCount": "1"})
	require.True(t, doc.Comparison.Conforms, "%+v", doc.Findings)
	require.Equal(t, report.Pass, doc.Verdict, "%+v", doc.Findings)
	d := doc.Comparison.Differences[0]
	require.Equal(t, report.Difference{Policy: "documented", Table: d.Table, Count: 1,
		Sentence: "left behind for up to 8 h more: NOW() in a -08:00 session", Samples: []string{"over for an hour"}}, d)
}
