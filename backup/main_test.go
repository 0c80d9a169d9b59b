package backup_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// servers are the kinds of database that the tests run on.
var servers = []string{harness.SQLite, harness.MySQL, harness.MariaDB, harness.SQLServer}

// onEach runs a test on each kind.
func onEach(t *testing.T, test func(t *testing.T, db string)) {
	for _, db := range servers {
		t.Run(db, func(t *testing.T) { t.Parallel(); test(t, db) })
	}
}

func open(t *testing.T, o harness.Options) *harness.Target {
	t.Helper()
	return harness.ForTest(t, o)
}

func seeded(t *testing.T, target *harness.Target, release string, tokens int64, mix seed.Mix) {
	t.Helper()
	_, err := seed.Fill(t.Context(), seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}, release, "",
		seed.Spec{Seed: 5, Tokens: tokens, Mix: mix, CutOff: dbtest.CutOff}, seed.Options{})
	require.NoError(t, err)
}

func found(t *testing.T, target *harness.Target) *schema.Database {
	t.Helper()
	all, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	return all
}

func plan(t *testing.T, target *harness.Target, audit bool) *cleanup.Plan {
	t.Helper()
	p, err := cleanup.NewPlan(found(t, target), target.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: dbtest.CutOff, Audit: audit})
	require.NoError(t, err)
	return p
}

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "removed.tsbackup") }

func keep(path string) *backup.Writer {
	return backup.New(path, backup.About{Tool: "test", Server: "a server", Zone: "+00:00"})
}

func watcher(t *testing.T) cleanup.Watcher {
	return cleanup.Watcher{Log: func(format string, args ...any) { t.Logf(format, args...) }}
}

// cleaned runs a clean-up to its end, with a backup.
func cleaned(t *testing.T, target *harness.Target, b cleanup.Batch, audit bool) (*cleanup.Result, *backup.File) {
	t.Helper()
	path := file(t)
	b.Backup = keep(path)
	result, err := b.Clean(t.Context(), target.DB, plan(t, target, audit), watcher(t))
	require.NoError(t, err)
	require.True(t, result.Complete())
	f, err := backup.Open(path)
	require.NoError(t, err)
	require.NotNil(t, f.Trailer)
	return result, f
}

func restored(t *testing.T, target *harness.Target, path string, o backup.Options) *backup.Report {
	t.Helper()
	f, err := backup.Open(path)
	require.NoError(t, err)
	report, err := backup.Restore(t.Context(), target.DB, target.Dialect, target.Schema, f, o, watcher(t))
	require.NoError(t, err)
	return report
}

// contents reads every row of every table as the bytes that are stored, without the
// code under test.
func contents(t *testing.T, target *harness.Target) map[string][]string {
	t.Helper()
	db := target.DB
	if target.Dialect.Name() == "mysql" { // where UTC is the one zone in which every instant has its own text
		var err error
		db, err = target.Connect(t.Context(), harness.Session{Zone: "+00:00"})
		require.NoError(t, err)
		defer db.Close()
	}
	all := map[string][]string{}
	for _, table := range found(t, target).Tables {
		all[table.Name] = rowsOf(t, db, target, &table)
	}
	return all
}

func rowsOf(t *testing.T, db *sql.DB, target *harness.Target, table *schema.Table) []string {
	t.Helper()
	columns := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		name := target.Dialect.Quote(c.Name)
		switch text := slices.Contains([]schema.Kind{schema.VarChar, schema.Char, schema.Text, schema.Blob}, c.Kind); {
		case target.Dialect.Name() == "sqlite":
			columns[i] = "typeof(" + name + ") || ' ' || quote(" + name + ")"
		case target.Dialect.Name() == "mysql" && text:
			columns[i] = "HEX(" + name + ")"
		case target.Dialect.Name() == "sqlserver" && text:
			columns[i] = "CAST(" + name + " AS VARBINARY(8000))"
		case target.Dialect.Name() == "sqlserver" && c.Kind == schema.Timestamp:
			columns[i] = "CONVERT(VARCHAR(40), " + name + ", 121)"
		case target.Dialect.Name() == "mysql" && c.Type == "float":
			columns[i] = name + " + 0E0" // its own text has six digits
		case target.Dialect.Name() == "mysql" && strings.HasPrefix(c.Type, "b"):
			columns[i] = "HEX(" + name + ")"
		default:
			columns[i] = name
		}
	}
	rows, err := db.QueryContext(t.Context(), "SELECT "+strings.Join(columns, ", ")+" FROM "+target.Dialect.Table(table.Name))
	require.NoError(t, err)
	defer rows.Close()
	all := []string{}
	values, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		require.NoError(t, rows.Scan(dest...))
		var b strings.Builder
		for i, v := range values {
			text := "NULL"
			if v.Valid {
				text = "'" + v.String + "'"
			}
			b.WriteString(table.Columns[i].Name + "=" + text + " ")
		}
		all = append(all, b.String())
	}
	require.NoError(t, rows.Err())
	slices.Sort(all)
	return all
}

// requireSame compares table by table, so that a failure is readable.
func requireSame(t *testing.T, want, got map[string][]string) {
	t.Helper()
	for table := range want {
		if slices.Equal(want[table], got[table]) {
			continue
		}
		lost, gained := minus(want[table], got[table]), minus(got[table], want[table])
		require.Failf(t, "rows differ", "%s: %d before, %d after\nlost %d: %.3000q\ngained %d: %.3000q", table, len(want[table]), len(got[table]),
			len(lost), first(lost), len(gained), first(gained))
	}
	require.Len(t, got, len(want))
}

func minus(a, b []string) (only []string) {
	count := map[string]int{}
	for _, row := range b {
		count[row]++
	}
	for _, row := range a {
		if count[row]--; count[row] < 0 {
			only = append(only, row)
		}
	}
	return only
}

func first(rows []string) []string { return rows[:min(2, len(rows))] }

// brief is a report for a failure.
func brief(r *backup.Report) string {
	return fmt.Sprintf("complete %t, %v, %v, unconfirmed %v, listed %+v", r.Complete, r.Sums, r.Notes, r.Unconfirmed, r.Listed[:min(5, len(r.Listed))])
}

// requireRefused requires an error that says so and that nothing was changed.
func requireRefused(t *testing.T, err error, words ...string) {
	t.Helper()
	var refused *cleanup.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, cleanup.Refused, refused.Kind)
	for _, w := range words {
		require.ErrorContains(t, err, w)
	}
}
