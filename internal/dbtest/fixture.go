package dbtest

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// CutOff is the cut-off of fixtures.
var CutOff = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

// App is the id of the one consumer app that fixtures have.
const App = 1

// Row is a row to insert; columns that are left out get their defaults.
type Row map[string]any

// Fixture is a schema with the product's tables for rows made by hand.
type Fixture struct {
	*harness.Target
	t *testing.T

	autoIDs sync.Once
	withID  *schema.Database // see identityInsert
}

// Setup says how a fixture's tables differ from the release's.
type Setup struct {
	Release        string // "": schema.DefaultRelease
	StateCollation string // of the state columns, "": the schema's
	NullTimes      bool   // time columns allow NULL, which newer releases do not
	// Change changes the tables before they are made; nil leaves them as released.
	Change func(*schema.Database)
}

// New makes the tables and the consumer app.
func New(t *testing.T, target *harness.Target, s Setup) *Fixture {
	t.Helper()
	if s.Release == "" {
		s.Release = schema.DefaultRelease
	}
	release, err := schema.Release(s.Release, target.Dialect.Product())
	require.NoError(t, err)
	f := &Fixture{Target: target, t: t}
	for n := range release.Tables {
		table := &release.Tables[n]
		for i := range table.Columns {
			c := &table.Columns[i]
			c.Nullable = c.Nullable || s.NullTimes && c.Kind == schema.Timestamp
			if s.StateCollation != "" && slices.Contains([]string{"TOKEN_STATE", "STATE", "AUTH_REQ_STATUS"}, c.Name) {
				c.Charset, c.Collation = charsetOf(target.Dialect, s.StateCollation), s.StateCollation
			}
		}
	}
	if s.Change != nil {
		s.Change(release)
	}
	CreateTables(t, target.DB, target.Dialect, release)
	f.Insert(schema.ConsumerApps, Row{"ID": App, "CONSUMER_KEY": "app-1", "CONSUMER_SECRET": "secret", "USERNAME": "admin", "TENANT_ID": -1234,
		"USER_DOMAIN": "PRIMARY", "APP_NAME": "app"})
	return f
}

// charsetOf is the character set that MySQL's name of a collation begins with.
func charsetOf(d dialect.Dialect, collation string) string {
	if d.Name() != "mysql" {
		return ""
	}
	charset, _, _ := strings.Cut(collation, "_")
	return charset
}

// Exec runs a statement that must succeed.
func (f *Fixture) Exec(statement string, args ...any) {
	f.t.Helper()
	q := f.Dialect.Bind(dialect.SQL{Text: statement, Args: args})
	_, err := f.DB.ExecContext(f.t.Context(), q.Text, q.Args...)
	require.NoError(f.t, err, statement)
}

// query runs a query made of strings and SQL.
func (f *Fixture) query(pieces ...any) *sql.Rows {
	f.t.Helper()
	q := f.Dialect.Bind(dialect.Concat(pieces...))
	rows, err := f.DB.QueryContext(f.t.Context(), q.Text, q.Args...)
	require.NoError(f.t, err, q.Text)
	return rows
}

// number runs a query for one number.
func (f *Fixture) number(pieces ...any) (n int64) {
	f.t.Helper()
	q := f.Dialect.Bind(dialect.Concat(pieces...))
	require.NoError(f.t, f.DB.QueryRowContext(f.t.Context(), q.Text, q.Args...).Scan(&n), q.Text)
	return n
}

// Insert inserts one row, as it is: zero dates and ids that the server else gives.
func (f *Fixture) Insert(table string, r Row) {
	f.t.Helper()
	require.NoError(f.t, f.TryInsert(table, r), "inserting into %s", table)
}

// TryInsert inserts one row or says why not.
func (f *Fixture) TryInsert(table string, r Row) error {
	conn, err := f.DB.Conn(f.t.Context())
	if err != nil {
		return err
	}
	defer conn.Close()
	return f.insert(conn, table, []Row{r})
}

// InsertAll inserts rows that set the same columns, many in a statement.
func (f *Fixture) InsertAll(table string, rows []Row) {
	f.t.Helper()
	conn := f.session()
	for len(rows) > 0 {
		some := rows[:min(len(rows), 2000/len(rows[0]))] // SQL Server takes 2,100 parameters
		rows = rows[len(some):]
		require.NoError(f.t, f.insert(conn, table, some), table)
	}
	require.NoError(f.t, conn.Close())
}

func (f *Fixture) insert(conn *sql.Conn, table string, rows []Row) error {
	columns := slices.Sorted(maps.Keys(rows[0]))
	marks := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ") + ")"
	q := dialect.SQL{Text: strings.TrimSuffix(strings.Repeat(marks+", ", len(rows)), ", ")}
	for _, row := range rows {
		for _, c := range columns {
			q.Args = append(q.Args, row[c])
		}
	}
	q = f.Dialect.Bind(dialect.Concat("INSERT INTO ", f.Dialect.Table(table), " (", dialect.QuoteAll(f.Dialect, columns), ") VALUES ", q))
	before, after := f.speech().asIs(f, table, columns)
	for _, step := range []dialect.SQL{{Text: before}, q, {Text: after}} {
		if step.Text == "" {
			continue
		}
		if _, err := conn.ExecContext(f.t.Context(), step.Text, step.Args...); err != nil {
			return err
		}
	}
	return nil
}

// At is the wall clock so many seconds from the cut-off.
func At(seconds int64) string {
	return CutOff.Add(time.Duration(seconds) * time.Second).Format(time.DateTime)
}

// TokenRow is a token of its own user; change what matters.
func TokenRow(id, state string, changes Row) Row {
	r := Row{
		"TOKEN_ID": id, "ACCESS_TOKEN": "access-" + id, "REFRESH_TOKEN": "refresh-" + id, "CONSUMER_KEY_ID": App, "AUTHZ_USER": id,
		"TENANT_ID": -1234, "USER_DOMAIN": "PRIMARY", "USER_TYPE": "APPLICATION_USER", "GRANT_TYPE": "password", "TIME_CREATED": At(-9_000_000),
		"REFRESH_TOKEN_TIME_CREATED": At(-9_000_000), "VALIDITY_PERIOD": 3_600_000, "REFRESH_TOKEN_VALIDITY_PERIOD": 86_400_000,
		"TOKEN_SCOPE_HASH": "scope-hash", "TOKEN_STATE": state, "TOKEN_STATE_ID": "state-" + id, "SUBJECT_IDENTIFIER": id,
	}
	if state == token.Active {
		r["TOKEN_STATE_ID"] = "NONE"
	}
	for c, v := range changes {
		r[c] = v
	}
	return r
}

// CodeRow is an authorization code.
func CodeRow(id, state string, changes Row) Row {
	r := Row{"CODE_ID": id, "AUTHORIZATION_CODE": "code-" + id, "CONSUMER_KEY_ID": App, "AUTHZ_USER": "user", "TENANT_ID": -1234, "USER_DOMAIN": "PRIMARY",
		"TIME_CREATED": At(-900_000), "VALIDITY_PERIOD": 300_000, "STATE": state, "SUBJECT_IDENTIFIER": id}
	for c, v := range changes {
		r[c] = v
	}
	return r
}

// CIBARow is a CIBA request.
func CIBARow(id, status string, changes Row) Row {
	r := Row{"AUTH_CODE_KEY": id, "AUTH_REQ_ID": "request-" + id, "CONSUMER_KEY": "app-1", "LAST_POLLED_TIME": At(-900_000), "POLLING_INTERVAL": 2,
		"ISSUED_TIME": At(-900_000), "EXPIRES_IN": 3600, "AUTH_REQ_STATUS": status}
	for c, v := range changes {
		r[c] = v
	}
	return r
}

// LoadCases inserts every case that the tables can hold and returns them by id
// with the verdict of each policy.
func (f *Fixture) LoadCases(nullTimes bool) map[string]cases.Expect {
	f.t.Helper()
	expect := map[string]cases.Expect{}
	zeroDates := f.Dialect.Name() == "mysql"
	fits := func(offsets ...cases.Offset) bool {
		return !slices.ContainsFunc(offsets, func(o cases.Offset) bool { return o.Null && !nullTimes || o.Zero && !zeroDates && !nullTimes })
	}
	for _, c := range cases.Tokens() {
		if !fits(c.Created, c.RefreshCreated) {
			continue
		}
		changes := Row{"TOKEN_STATE": value(c.State), "TIME_CREATED": f.wall(c.Created), "VALIDITY_PERIOD": value(c.Validity), "REFRESH_TOKEN": value(c.Refresh),
			"REFRESH_TOKEN_TIME_CREATED": f.wall(c.RefreshCreated), "REFRESH_TOKEN_VALIDITY_PERIOD": value(c.RefreshValidity), "GRANT_TYPE": c.GrantType}
		f.Insert(schema.AccessToken, TokenRow(c.ID, "", changes))
		expect[c.ID] = c.Remove
	}
	for _, c := range cases.Codes() {
		if !fits(c.Created) {
			continue
		}
		f.Insert(schema.AuthzCode, CodeRow(c.ID, "", Row{"STATE": value(c.State), "TIME_CREATED": f.wall(c.Created), "VALIDITY_PERIOD": value(c.Validity), "TOKEN_ID": value(c.Token)}))
		expect[c.ID] = c.Remove
	}
	for _, c := range cases.CIBAs() {
		if !fits(c.Issued) {
			continue
		}
		f.Insert(schema.CIBACode, CIBARow(c.ID, "", Row{"AUTH_REQ_STATUS": value(c.Status), "ISSUED_TIME": f.wall(c.Issued), "EXPIRES_IN": value(c.ExpiresIn)}))
		expect[c.ID] = c.Remove
	}
	return expect
}

func value[T any](v token.Null[T]) any {
	if !v.Valid {
		return nil
	}
	return v.V
}

// wall is an offset as a parameter; SQLite keeps the zero date as text. On SQL
// Server there is none, and what takes its place in a migration is NULL.
func (f *Fixture) wall(o cases.Offset) any {
	switch {
	case o.Null, o.Zero && f.Dialect.Name() == "sqlserver":
		return nil
	case o.Zero:
		return "0000-00-00 00:00:00"
	}
	return At(o.Seconds)
}

// Keys returns all values of a column, byte for byte but for the blanks that
// SQL Server puts behind a CHAR, sorted.
func (f *Fixture) Keys(table, column string) []string {
	f.t.Helper()
	rows := f.query("SELECT ", f.Dialect.KeyText(f.Dialect.Quote(column)), " FROM ", f.Dialect.Table(table))
	defer rows.Close()
	keys := []string{}
	for rows.Next() {
		var k string
		require.NoError(f.t, rows.Scan(&k))
		keys = append(keys, k)
	}
	require.NoError(f.t, rows.Err())
	slices.Sort(keys)
	return keys
}

// Count counts rows; where may be "".
func (f *Fixture) Count(table, where string) int64 {
	f.t.Helper()
	if where != "" {
		where = " WHERE " + where
	}
	return f.number("SELECT COUNT(*) FROM ", f.Dialect.Table(table), where)
}

// Source is the fixture for the verifier.
func (f *Fixture) Source() verify.Source {
	return verify.Source{DB: f.DB, Dialect: f.Dialect, Schema: f.Schema}
}

// Found reads the schema.
func (f *Fixture) Found() *schema.Database {
	f.t.Helper()
	return read(f.t, f.DB, f.Dialect, f.Schema)
}

// Plan plans an audited clean-up under a policy.
func (f *Fixture) Plan(p token.Policy) *cleanup.Plan {
	f.t.Helper()
	plan, err := cleanup.NewPlan(f.Found(), f.Dialect, cleanup.Settings{Policy: p, CutOff: CutOff, Audit: true})
	require.NoError(f.t, err)
	return plan
}

// Verified cleans and checks: the whole path, as a user runs it.
func (f *Fixture) Verified(e cleanup.Engine, plan *cleanup.Plan) (*cleanup.Result, *verify.Outcome) {
	f.t.Helper()
	result, outcome, err := f.TryVerified(f.t.Context(), e, plan)
	require.NoError(f.t, err)
	return result, outcome
}

// TryVerified is Verified for engines that may fail; the check is made all the same.
func (f *Fixture) TryVerified(ctx context.Context, e cleanup.Engine, plan *cleanup.Plan) (*cleanup.Result, *verify.Outcome, error) {
	f.t.Helper()
	whole := context.WithoutCancel(ctx)
	image, err := verify.Capture(whole, f.Source(), plan.CutOff)
	require.NoError(f.t, err)
	defer image.Close()
	from := time.Now().UTC().Truncate(time.Second)
	result, failed := e.Clean(ctx, f.DB, plan, cleanup.Watcher{Log: func(format string, args ...any) { f.t.Logf(format, args...) }})
	expect := verify.Expect{Policy: plan.Policy, Audit: plan.Audit, From: from, To: time.Now().UTC().Add(time.Second),
		ExtendedAudit: plan.AuditMissing == cleanup.AuditExtend}
	expect.Incomplete = result != nil && !result.Complete() || failed != nil
	if _, continued := image.Found.Table(cleanup.LedgerTable); continued || expect.Incomplete {
		expect.Own = []string{cleanup.LedgerTable}
	}
	outcome, err := verify.Check(whole, f.Source(), image, expect)
	require.NoError(f.t, err)
	return result, outcome, failed
}
