package rebuild_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// kinds are the databases that a rebuild is for.
var kinds = []string{harness.MySQL, harness.MariaDB}

// onEach runs a test on a fresh schema of each kind.
func onEach(t *testing.T, test func(t *testing.T, target *harness.Target)) { onEachWith(t, nil, test) }

// onEachWith does that on servers with arguments, by kind.
func onEachWith(t *testing.T, args map[string][]string, test func(t *testing.T, target *harness.Target)) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, harness.ForTest(t, harness.Options{DB: kind, ServerArgs: args[kind]}))
		})
	}
}

// onFixture does that with the tables of the newest APIM and one app.
func onFixture(t *testing.T, s dbtest.Setup, test func(*testing.T, *dbtest.Fixture)) {
	onEach(t, func(t *testing.T, target *harness.Target) { test(t, dbtest.New(t, target, s)) })
}

func TestEveryRelease(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for i, release := range schema.Releases() {
				mix := []seed.Mix{seed.Default, seed.Edge}[i%2]
				target := harness.ForTest(t, harness.Options{DB: kind})
				fill(t, target, release, mix)
				policy := token.Policies()[i%len(token.Policies())]
				clean(t, target, rebuild.Engine{}, settings(policy, hasAudit(t, target)))
			}
		})
	}
}

func TestPoliciesAndAudit(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, target *harness.Target) {
		for _, mix := range []seed.Mix{seed.Default, seed.Edge} {
			for _, policy := range token.Policies() {
				for _, audit := range []bool{true, false} {
					if !audit && policy != token.Documented {
						continue
					}
					t.Run(fmt.Sprintf("%s, %s, audit %t", mix, policy, audit), func(t *testing.T) {
						fresh, err := target.NewSchema(t.Context(), "")
						require.NoError(t, err)
						defer fresh.Close()
						fill(t, fresh, schema.DefaultRelease, mix)
						clean(t, fresh, rebuild.Engine{}, settings(policy, audit))
					})
				}
			}
		}
	})
}

func fill(t *testing.T, target *harness.Target, release string, mix seed.Mix) {
	t.Helper()
	_, err := seed.Fill(t.Context(), seed.Target{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}, release, "",
		seed.Spec{Seed: 7, Tokens: 600, Mix: mix, CutOff: dbtest.CutOff}, seed.Options{})
	require.NoError(t, err)
}

func settings(p token.Policy, audit bool) cleanup.Settings {
	return cleanup.Settings{Policy: p, CutOff: dbtest.CutOff, Audit: audit}
}

func hasAudit(t *testing.T, target *harness.Target) bool {
	found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	_, ok := found.Table(schema.TokenAudit)
	return ok
}

func plan(t *testing.T, target *harness.Target, s cleanup.Settings) *cleanup.Plan {
	t.Helper()
	found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	p, err := cleanup.NewPlan(found, target.Dialect, s)
	require.NoError(t, err)
	return p
}

// clean runs an engine, which must remove what the policy says and leave all
// definitions as they were.
func clean(t *testing.T, target *harness.Target, e cleanup.Engine, s cleanup.Settings) *cleanup.Result {
	t.Helper()
	p, before := plan(t, target, s), definitions(t, target)
	watch := startWatch(t, target, s)
	result, err := e.Clean(t.Context(), target.DB, p, logging(t))
	require.NoError(t, err)
	watch.requirePass(t)
	require.True(t, result.Complete())
	require.Equal(t, before, definitions(t, target))
	return result
}

func logging(t *testing.T) cleanup.Watcher {
	return cleanup.Watcher{Log: func(format string, args ...any) { t.Logf(format, args...) }}
}

// watch is a pre-image.
type watch struct {
	target   *harness.Target
	settings cleanup.Settings
	image    *verify.Image
	from     time.Time
}

func startWatch(t *testing.T, target *harness.Target, s cleanup.Settings) *watch {
	t.Helper()
	source := verify.Source{DB: target.DB, Dialect: target.Dialect, Schema: target.Schema}
	image, err := verify.Capture(t.Context(), source, s.CutOff)
	require.NoError(t, err)
	t.Cleanup(image.Close)
	return &watch{target: target, settings: s, image: image, from: time.Now().UTC().Truncate(time.Second)}
}

func (w *watch) check(t *testing.T, incomplete bool) *verify.Outcome {
	t.Helper()
	source := verify.Source{DB: w.target.DB, Dialect: w.target.Dialect, Schema: w.target.Schema}
	outcome, err := verify.Check(context.WithoutCancel(t.Context()), source, w.image, verify.Expect{Policy: w.settings.Policy, Audit: w.settings.Audit, From: w.from,
		To: time.Now().UTC().Add(time.Second), Incomplete: incomplete})
	require.NoError(t, err)
	return outcome
}

func (w *watch) requirePass(t *testing.T) {
	t.Helper()
	outcome := w.check(t, false)
	require.Equal(t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
}

// requireUntouched requires that nothing at all was removed, added or changed.
func (w *watch) requireUntouched(t *testing.T) {
	t.Helper()
	outcome := w.check(t, true)
	require.NotEqual(t, verify.Fail, outcome.Verdict, "%+v", outcome.Findings)
	for _, table := range outcome.Tables {
		require.Zero(t, table.Removed, table.Table)
		require.Zero(t, table.Audited, table.Table)
	}
}

var nextID = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// definitions are all tables and triggers as the server writes them. The audit
// table's next id is not compared.
func definitions(t *testing.T, target *harness.Target) map[string]string {
	t.Helper()
	all := map[string]string{}
	each := func(query string, name, text int) {
		rows, err := target.DB.QueryContext(t.Context(), query)
		require.NoError(t, err, query)
		defer rows.Close()
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			cells, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
			for i := range cells {
				dest[i] = &cells[i]
			}
			require.NoError(t, rows.Scan(dest...))
			all[cells[name].String] = cells[text].String
			if name == 0 && len(columns) > 4 { // a trigger: what it is made of
				all[cells[0].String] = cells[1].String + cells[2].String + cells[3].String
			}
		}
		require.NoError(t, rows.Err())
	}
	found, err := schema.Read(t.Context(), target.DB, target.Dialect, target.Schema)
	require.NoError(t, err)
	for _, table := range found.Tables {
		each("SHOW CREATE TABLE "+target.Dialect.Quote(table.Name), 0, 1)
		for _, trigger := range table.Triggers {
			each("SHOW CREATE TRIGGER "+target.Dialect.Quote(trigger.Name), 0, 2)
		}
	}
	if text, ok := all[schema.TokenAudit]; ok {
		all[schema.TokenAudit] = nextID.ReplaceAllString(text, "")
	}
	return all
}
