package dbtest

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// timeLimit is how long a run of a scenario may take: none has many rows, so a
// run that takes longer spins.
const timeLimit = time.Minute

// Scenarios runs every directory of testdata/scenarios, whose README explains
// their files. The working directory is that of this package.
func Scenarios(t *testing.T, open Opener, product string) {
	for _, s := range readScenarios(t, "../../testdata/scenarios") {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range s.variants(product) {
				t.Run(v.name(), func(t *testing.T) {
					t.Parallel()
					s.run(t, open, v)
				})
			}
		})
	}
}

// variant is one way to run a scenario.
type variant struct {
	policy    token.Policy
	batchSize int
	order     string
	zone      string
	count     int // what N stands for in ranges of ids, -1 if there is none
	noCascade []string
}

func (v variant) name() string {
	parts := []string{string(v.policy)}
	if v.order != "" {
		parts = append(parts, v.order)
	}
	if v.zone != "" {
		parts = append(parts, "zone "+v.zone)
	}
	if v.count >= 0 {
		parts = append(parts, itoa(v.count)+" rows")
	}
	if len(v.noCascade) > 0 {
		parts = append(parts, itoa(len(v.noCascade))+" tables without cascade")
	}
	return strings.Join(append(parts, "batches of "+itoa(v.batchSize)), ", ")
}

// variants is every combination that the scenario asks for.
func (s *scenario) variants(product string) []variant {
	zones := s.WritersZones
	if !hasZones(product) || len(zones) == 0 {
		zones = []string{""}
	}
	var all []variant
	for _, policy := range []token.Policy{token.Documented, token.Strict} {
		for _, size := range orElse(s.BatchSizes, 7) {
			for _, order := range orElse(s.Orders, "") {
				for _, zone := range zones {
					for _, count := range orElse(s.Counts, -1) {
						for _, noCascade := range orElse(s.NoCascade, nil) {
							all = append(all, variant{policy, size, order, zone, count, noCascade})
						}
					}
				}
			}
		}
	}
	return all
}

func orElse[T any](all []T, otherwise T) []T {
	if len(all) == 0 {
		return []T{otherwise}
	}
	return all
}

// stage is a scenario under way.
type stage struct {
	*Fixture
	*scenario
	variant
	open Opener
	rows loaded
}

func (s *scenario) run(t *testing.T, open Opener, v variant) {
	target := open(t, harness.Options{WritersZone: v.zone})
	if s.TableCollation != "" && hasTSQL(target.Server.Product) { // there it is a matter of the database
		target = inDatabase(t, target, speechOf(target.Dialect).collation(s.TableCollation))
	}
	f := New(t, target, Setup{Release: s.Release, Change: func(d *schema.Database) { s.change(target, d, v) }})
	st := &stage{Fixture: f, scenario: s, variant: v, open: open}
	for _, statement := range s.setup(t, f) {
		f.Exec(statement)
	}
	st.rows = s.load(f, v)
	h := hooks()[s.Hook]
	require.False(t, s.Hook != "" && h == nil, "there is no hook %q", s.Hook)
	if h == nil {
		h = &hook{}
	}
	if h.before != nil {
		h.before(st)
	}
	for n := range max(s.Runs, 1) {
		var engine cleanup.Engine = cleanup.Batch{Size: v.batchSize}
		if h.engine != nil && n == 0 {
			engine = h.engine(st)
		}
		st.check(engine, n == 0)
	}
	if h.after != nil {
		h.after(st)
	}
}

// change makes the tables as the scenario wants them.
func (s *scenario) change(target *harness.Target, d *schema.Database, v variant) {
	for i := range d.Tables {
		table := &d.Tables[i]
		if s.TableCollation != "" && !hasTSQL(target.Server.Product) {
			collation := speechOf(target.Dialect).collation(s.TableCollation)
			table.Charset, table.Collation = charsetOf(target.Dialect, collation), collation
		}
		if slices.Contains(v.noCascade, table.Name) {
			for k := range table.ForeignKeys {
				table.ForeignKeys[k].OnDelete = schema.NoAction
			}
		}
	}
}

// check runs the engine once and requires what the scenario expects.
func (st *stage) check(engine cleanup.Engine, first bool) {
	t := st.t
	t.Helper()
	began := time.Now()
	if st.Refused != "" {
		st.requireRefused(engine)
		return
	}
	result, outcome := st.Verified(engine, st.Plan(st.policy))
	require.Less(t, time.Since(began), timeLimit, "the run spins")
	require.True(t, result.Complete(), "stopped by %s", result.Stopped)
	if st.Verdict == string(verify.Fail) {
		requireFaults(t, outcome, st.faults()...)
	} else {
		require.Equal(t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
	}
	st.requireSurvivors(result, first)
	require.EqualValues(t, len(st.Held.survivors), heldRows(result))
	for _, name := range st.Held.Named {
		require.Contains(t, heldText(result), name)
	}
}

// requireRefused runs the engine, which must say why it does not start, and
// must not have changed anything.
func (st *stage) requireRefused(engine cleanup.Engine) {
	st.t.Helper()
	before := st.Dump()
	_, err := engine.Clean(st.t.Context(), st.DB, st.Plan(st.policy), cleanup.Watcher{})
	require.ErrorContains(st.t, err, st.Refused)
	require.Equal(st.t, before, st.Dump())
}

func (st *stage) requireSurvivors(result *cleanup.Result, first bool) {
	t := st.t
	t.Helper()
	for _, phase := range result.Phases {
		kept, removed := st.rows.split(phase.Table, st.policy, st.Held.survivors)
		key := map[string]string{schema.AccessToken: "TOKEN_ID", schema.AuthzCode: "CODE_ID", schema.CIBACode: "AUTH_CODE_KEY"}[phase.Table]
		require.Equal(t, kept, st.Keys(phase.Table, key))
		if !first {
			removed = nil
		}
		require.EqualValues(t, len(removed), phase.Removed, "rows counted as removed from %s", phase.Table)
	}
	for where, want := range st.Left {
		table, column, _ := strings.Cut(where, ".")
		require.Equal(t, expandAll(want, st.count), st.Keys(table, column), where)
	}
}

func heldRows(r *cleanup.Result) (n int64) {
	for _, p := range r.Phases {
		for _, h := range p.Held {
			n += h.Rows
		}
	}
	return n
}

func heldText(r *cleanup.Result) string {
	var text strings.Builder
	for _, p := range r.Phases {
		for _, h := range p.Held {
			text.WriteString(h.By + ": " + strings.Join(h.Samples, ", ") + "\n")
		}
	}
	return text.String()
}

// onto is an engine that works on sessions of another pool.
type onto struct {
	cleanup.Engine
	db *sql.DB
}

func (e onto) Clean(ctx context.Context, _ *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	return e.Engine.Clean(ctx, e.db, plan, w)
}
