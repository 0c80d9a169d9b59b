package sqlserver_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

var update = flag.Bool("update", false, "write testdata anew; then read the difference as you would read code")

var (
	cutOff = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	after  = dialect.Range{Table: schema.AccessToken, Key: "TOKEN_ID", After: token.Some("0a"), Through: "1f"}
	audit  = dialect.Audit{Table: schema.TokenAudit, Columns: []string{"TOKEN_ID", "TOKEN_STATE"}, Invalidated: "INVALIDATED_TIME",
		At: time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)}
)

// statements are all that the engine and the verifier send, by what they are for.
func statements() map[string][]dialect.SQL {
	d := sqlserver.Dialect{}
	rule := func(p token.Policy) dialect.Rule {
		return dialect.Rule{Dialect: d, Policy: p, CutOff: dialect.CutOff(d, cutOff)}
	}
	gone := dialect.Concat(after.Where(d), " AND ", rule(token.Documented).Token(schema.AccessToken))
	found, err := schema.Release(schema.DefaultRelease, schema.SQLServer)
	if err != nil {
		panic(err)
	}
	all := map[string][]dialect.SQL{
		"session":        texts(d.SessionSetup()...),
		"snapshot":       texts(d.BeginSnapshot()...),
		"run-lock":       {d.LockRun("tokensweep-0123"), d.UnlockRun("tokensweep-0123")},
		"log":            {d.LogUse()},
		"ledger":         texts(d.CreateLedger("TOKENSWEEP_LEDGER")),
		"window":         {dialect.Window(d, after.Table, after.Key, after.After, 500, rule(token.Documented).Token(after.Table))},
		"corner":         {dialect.CountRange(d, after), dialect.Head(d, after, 250)},
		"lock":           {dialect.LockMatching(d, after.Table, after.Key, gone)},
		"move":           counted(d, d.Move(after.Table, audit, gone)),
		"copy":           counted(d, []dialect.SQL{dialect.CopyToAudit(d, after.Table, audit, gone)}),
		"delete":         counted(d, []dialect.SQL{dialect.Delete(d, after.Table, gone)}),
		"grants":         texts(d.Grant("DELETE", "dbo", after.Table), d.Grant(dialect.Ledger, "dbo", "TOKENSWEEP_LEDGER")),
		"load":           texts(d.CopyRows(after.Table, audit.Columns)),
		"move-by-detour": nil,
	}
	guarded := audit
	guarded.Guarded = true
	all["move-by-detour"] = append(d.PrepareMove(after.Table, guarded), counted(d, d.Move(after.Table, guarded, gone))...)
	for root, key := range map[string]string{schema.AccessToken: "TOKEN_ID", schema.AuthzCode: "CODE_ID"} {
		for _, child := range found.Children(root) {
			if child.Fate == schema.ByHand {
				where := dialect.Range{Table: root, Key: key, Through: "1f"}.Where(d)
				name := "children-of-" + root
				all[name] = append(all[name], d.DeleteVia(child.Path, where))
			}
		}
	}
	all["backup"] = backupStatements(d, found, gone)
	other := sqlserver.Dialect{Schema: "Identity]Tables"}
	all["other-schema"] = []dialect.SQL{dialect.Delete(other, after.Table, after.Where(other))}
	for _, p := range token.Policies() {
		r := rule(p)
		all["policy-"+string(p)] = []dialect.SQL{
			d.Bind(r.Token(schema.AccessToken)),
			d.Bind(r.Code(schema.AuthzCode, dialect.TokenLeft(d, schema.AuthzCode, schema.AccessToken, dialect.SQL{}))),
			d.Bind(r.CIBA(schema.CIBACode)),
		}
	}
	return all
}

func texts(all ...string) (list []dialect.SQL) {
	for _, text := range all {
		list = append(list, dialect.Text(text))
	}
	return list
}

func counted(d sqlserver.Dialect, all []dialect.SQL) (list []dialect.SQL) {
	for _, q := range all {
		list = append(list, d.Counted(q))
	}
	return list
}

// TestStatements holds every statement against its text in testdata.
func TestStatements(t *testing.T) {
	t.Parallel()
	all := statements()
	for name, list := range all {
		file := filepath.Join("testdata", name+".sql")
		var text strings.Builder
		for _, q := range list {
			text.WriteString(readable(q))
		}
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err, "run go test ./dialect/sqlserver -update")
		require.Equal(t, string(want), text.String(), name)
	}
	files, err := filepath.Glob("testdata/*.sql")
	require.NoError(t, err)
	require.Len(t, files, len(all), "a file in testdata belongs to no statement")
}

var breaks = regexp.MustCompile(` (FROM|WHERE|OUTPUT|INTO|ORDER BY|CROSS JOIN|JOIN|AND|OR|THEN CASE) `)

// readable breaks lines and writes the values of parameters above the statement.
func readable(q dialect.SQL) string {
	var b strings.Builder
	for i, arg := range q.Args {
		fmt.Fprintf(&b, "-- @p%d = %s\n", i+1, literal(arg))
	}
	b.WriteString(breaks.ReplaceAllString(q.Text, "\n  $1 ") + ";\n\n")
	return b.String()
}

// literal says the type too: it decides whether a key look-up is one.
func literal(arg any) string {
	switch v := arg.(type) {
	case mssql.VarChar:
		return "VARCHAR '" + string(v) + "'"
	case string:
		return "NVARCHAR '" + v + "'"
	}
	return fmt.Sprint(arg)
}

func TestBind(t *testing.T) {
	t.Parallel()
	d := sqlserver.Dialect{}
	q := d.Bind(dialect.SQL{Text: `SELECT '?', "?", [a?]]b?], 'it''s ?', ? FROM t WHERE a = ? AND b = ?`, Args: []any{"key", "schlüssel", 7}})
	require.Equal(t, `SELECT '?', "?", [a?]]b?], 'it''s ?', @p1 FROM t WHERE a = @p2 AND b = @p3`, q.Text)
	require.Equal(t, []any{mssql.VarChar("key"), "schlüssel", 7}, q.Args, "text beyond ASCII must not be cut to bytes")
}

func TestCollation(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]token.Collation{
		"SQL_Latin1_General_CP1_CI_AS":  {FoldCase: true, PadSpace: true},
		"Latin1_General_CI_AI":          {FoldCase: true, FoldMarks: true, PadSpace: true},
		"Latin1_General_CS_AS":          {PadSpace: true},
		"Latin1_General_100_CS_AI_SC":   {FoldMarks: true, PadSpace: true},
		"Latin1_General_100_BIN2_UTF8":  {PadSpace: true},
		"SQL_Latin1_General_CP850_BIN2": {PadSpace: true},
	} {
		require.Equal(t, want, sqlserver.Dialect{}.Collation(name), name)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for number, want := range map[int32]dialect.Class{
		1205: dialect.Deadlock, 1222: dialect.LockTimeout, 547: dialect.RowRefused, 50000: dialect.RowRefused, 2627: dialect.Duplicate, 229: dialect.Denied,
		18456: dialect.BadLogin, 3906: dialect.ReadOnly, 9002: dialect.LogFull, 1105: dialect.DiskFull, 3952: dialect.NoSnapshot, 8134: dialect.Unclassified,
		331: dialect.Unsupported, 332: dialect.Unsupported, 333: dialect.Unsupported,
	} {
		require.Equal(t, want, sqlserver.Dialect{}.Classify(fmt.Errorf("delete: %w", mssql.Error{Number: number})), "%d", number)
	}
	// The last message only says that the statement has ended.
	ended := mssql.Error{Number: 3621, All: []mssql.Error{{Number: 547}, {Number: 3621}}}
	require.Equal(t, dialect.RowRefused, sqlserver.Dialect{}.Classify(ended))
}
