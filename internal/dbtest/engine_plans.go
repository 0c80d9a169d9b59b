package dbtest

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// keyLookups reads how the server runs the statements of a batch. A key that
// arrives as NVARCHAR makes it convert the column, row by row, and scan.
func keyLookups(f *Fixture) {
	var many []Row
	for i := range 5000 {
		many = append(many, TokenRow(fmt.Sprintf("bulk-%05d", i), token.Active, Row{"TIME_CREATED": At(7000)}))
	}
	f.InsertAll(tokens, many)
	d, span := f.Dialect, dialect.Range{Table: tokens, Key: "TOKEN_ID", After: token.Some("bulk-00100"), Through: "bulk-00140"}
	rule := dialect.Rule{Dialect: d, Policy: token.Documented, CutOff: dialect.CutOff(d, CutOff)}
	where := dialect.Concat(span.Where(d), " AND ", rule.Token(tokens))
	audit := *f.Plan(token.Documented).Phases[0].Audit
	audit.At = CutOff
	statements := map[string]dialect.SQL{
		"window": dialect.Window(d, tokens, "TOKEN_ID", span.After, 40, rule.Token(tokens)),
		"lock":   dialect.LockMatching(d, tokens, "TOKEN_ID", where),
		"move":   d.(dialect.Mover).Move(tokens, audit, where)[0],
		"children": d.DeleteVia([]schema.Hop{{Table: schema.RequestObject, Columns: []string{"TOKEN_ID"}, Parent: tokens,
			ParentColumns: []string{"TOKEN_ID"}}}, where),
	}
	for name, q := range statements {
		plan := f.planOf(q)
		require.Regexp(f.t, seeks, plan, name)
		require.NotRegexp(f.t, converts, plan, name)
	}
	if f.Server.Product != "Babelfish" { // whose optimizer does not mind
		unbound := statements["lock"]
		for i, arg := range unbound.Args {
			unbound.Args[i] = fmt.Sprint(arg) // NVARCHAR, the driver's choice
		}
		require.Regexp(f.t, converts, f.planOf(unbound), "the test does not see what it is for")
	}
}

var (
	seeks    = regexp.MustCompile(`(?i)Clustered Index Seek|Index Cond: \(\(\(?token_id|Index Cond: \(token_id`)
	converts = regexp.MustCompile(`CONVERT_IMPLICIT\([^)]*\[TOKEN_ID\]`)
)

// planOf runs a statement, takes it back, and returns the plan with which it ran.
func (f *Fixture) planOf(q dialect.SQL) string {
	f.t.Helper()
	on, off := "SET STATISTICS XML ON", "SET STATISTICS XML OFF"
	if f.Server.Product == "Babelfish" {
		on, off = "SET BABELFISH_STATISTICS PROFILE ON", "SET BABELFISH_STATISTICS PROFILE OFF"
	}
	conn := f.session()
	defer conn.Close()
	f.in(conn, on)
	tx, err := conn.BeginTx(f.t.Context(), nil)
	require.NoError(f.t, err)
	rows, err := tx.QueryContext(f.t.Context(), q.Text, q.Args...)
	require.NoError(f.t, err, q.Text)
	plan := allText(f, rows)
	require.NoError(f.t, tx.Rollback())
	f.in(conn, off)
	return plan
}

// allText is every text in every result set.
func allText(f *Fixture, rows *sql.Rows) string {
	f.t.Helper()
	defer rows.Close()
	var all strings.Builder
	for again := true; again; again = rows.NextResultSet() {
		columns, err := rows.Columns()
		require.NoError(f.t, err)
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		for rows.Next() {
			require.NoError(f.t, rows.Scan(cells...))
			all.WriteString(rowText(cells) + "\n")
		}
	}
	require.NoError(f.t, rows.Err())
	return all.String()
}
