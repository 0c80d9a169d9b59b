package seed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

var update = flag.Bool("update", false, "write the golden files anew")

var testCutOff = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

func testSpec(m Mix, tokens int64) Spec {
	return Spec{Seed: 42, Tokens: tokens, Mix: m, CutOff: testCutOff}
}

func newTestGenerator(t testing.TB, s Spec) *generator {
	t.Helper()
	g, err := newGenerator(s)
	require.NoError(t, err)
	return g
}

func text(t testing.TB, g *generator, tb *table, from, to int64) []byte {
	t.Helper()
	all, err := io.ReadAll(newRowReader(g, tb, tb.columns, from, to))
	require.NoError(t, err)
	return all
}

// TestRowsNeverChange fails when the same Spec makes other rows than it once
// did: by a change of the generator or of gofakeit's lists. Baselines and
// reports refer to rows by seed, so such a change must be meant (-update).
func TestRowsNeverChange(t *testing.T) {
	t.Parallel()
	var all bytes.Buffer
	for _, bind := range []bool{false, true} {
		for _, m := range Mixes() {
			s := testSpec(m, 10_000)
			s.BindTokens = bind
			g := newTestGenerator(t, s)
			for _, tb := range g.tables() {
				sum := sha256.Sum256(text(t, g, &tb, 0, s.Tokens))
				fmt.Fprintf(&all, "%s bind=%t %s rows=%d sha256=%s\n", m, bind, tb.name, tb.count(g, 0, s.Tokens), hex.EncodeToString(sum[:]))
			}
		}
	}
	golden(t, "fingerprints.txt", all.Bytes())
}

func TestRowsLookRight(t *testing.T) {
	t.Parallel()
	var all bytes.Buffer
	g := newTestGenerator(t, testSpec(Default, 10_000))
	fmt.Fprintf(&all, "%s\n", schema.ConsumerApps)
	for _, a := range g.apps[:2] {
		fmt.Fprintf(&all, "  %+v\n", a)
	}
	for _, tb := range g.tables() {
		var names []string
		for _, c := range tb.columns {
			names = append(names, c.name)
		}
		fmt.Fprintf(&all, "%s (%s)\n", tb.name, strings.Join(names, ", "))
		rows := bytes.SplitAfter(text(t, g, &tb, 0, 2000), []byte("\n"))
		for _, row := range rows[:3] {
			fmt.Fprintf(&all, "  %s", bytes.ReplaceAll(row, []byte("\t"), []byte(" | ")))
		}
	}
	golden(t, "rows.txt", all.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestAPositionDoesNotDependOnWhereReadingStarts(t *testing.T) {
	t.Parallel()
	for _, m := range Mixes() {
		g := newTestGenerator(t, testSpec(m, 9_000))
		for _, tb := range g.tables() {
			var parts []byte
			for from := int64(0); from < 9_000; from += 777 {
				parts = append(parts, text(t, g, &tb, from, min(from+777, 9_000))...)
			}
			require.Equal(t, string(text(t, g, &tb, 0, 9_000)), string(parts), "%s %s", m, tb.name)
		}
	}
}

// fields reads a table back as rows of column name to value.
func fields(t testing.TB, g *generator, name string, from, to int64) []map[string]any {
	t.Helper()
	tables := g.tables()
	at := slices.IndexFunc(tables, func(tb table) bool { return tb.name == name })
	require.GreaterOrEqual(t, at, 0, name)
	tb := &tables[at]
	var rows []map[string]any
	for _, line := range bytes.Split(bytes.TrimSuffix(text(t, g, tb, from, to), []byte("\n")), []byte("\n")) {
		row := map[string]any{}
		for n, f := range bytes.Split(line, []byte("\t")) {
			row[tb.columns[n].name] = value(f)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestTokenIDsAscendAndAreSpreadLikeRandomOnes(t *testing.T) {
	t.Parallel()
	const tokens = 100_000
	g := newTestGenerator(t, testSpec(Default, tokens))
	starts := map[string]int{}
	last := ""
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for _, row := range fields(t, g, schema.AccessToken, 0, tokens) {
		id := row["TOKEN_ID"].(string)
		if !uuid.MatchString(id) || id <= last {
			require.Failf(t, "bad id", "%s after %s", id, last)
		}
		starts[id[:1]]++
		last = id
	}
	require.Len(t, starts, 16)
	for digit, n := range starts {
		require.InDelta(t, tokens/16, n, 2, "ids that start with %s", digit)
	}
	for _, name := range []string{schema.TokenAudit, schema.AuthzCode} {
		for _, row := range fields(t, g, name, 0, tokens) {
			if id, ok := row["CODE_ID"].(string); ok {
				row["TOKEN_ID"] = id
			}
			last := row["TOKEN_ID"].(string)
			require.Contains(t, "13579bdf", last[35:], "an id of %s could be a token's", name)
		}
	}
}

func TestOneSeedSharesNothingWithAnother(t *testing.T) {
	t.Parallel()
	s := testSpec(Default, 2_000)
	first := newTestGenerator(t, s)
	s.Seed++
	second := newTestGenerator(t, s)
	for _, column := range []string{"TOKEN_ID", "ACCESS_TOKEN", "ACCESS_TOKEN_HASH", "REFRESH_TOKEN"} {
		seen := map[any]bool{}
		for _, row := range append(fields(t, first, schema.AccessToken, 0, 2_000), fields(t, second, schema.AccessToken, 0, 2_000)...) {
			if row[column] != nil {
				require.False(t, seen[row[column]], "%s %v", column, row[column])
			}
			seen[row[column]] = true
		}
	}
	require.NotEqual(t, first.apps[0].key, second.apps[0].key)
}

// The unique key of the newest release is the weakest; the oldest has the
// fewest columns, so data that respect it respect all.
func TestUniqueKeyHolds(t *testing.T) {
	t.Parallel()
	columns := []string{"CONSUMER_KEY_ID", "AUTHZ_USER", "TENANT_ID", "USER_DOMAIN", "USER_TYPE", "TOKEN_SCOPE_HASH", "TOKEN_STATE", "TOKEN_STATE_ID"}
	for _, m := range Mixes() {
		tokens := int64(50_000)
		if m == Default {
			tokens = 200_000
		}
		g := newTestGenerator(t, testSpec(m, tokens))
		seen := map[string]bool{}
		shared, withoutState := 0, map[string]bool{}
		for _, row := range fields(t, g, schema.AccessToken, 0, tokens) {
			var key strings.Builder
			for n, c := range columns {
				if n == 6 {
					if withoutState[key.String()] {
						shared++
					}
					withoutState[key.String()] = true
				}
				// The default collation folds case and trailing blanks.
				text, _ := row[c].(string)
				key.WriteString(strings.ToLower(strings.TrimRight(text, " ")) + "|")
			}
			if seen[key.String()] || (row["TOKEN_STATE"] == token.Active) != (row["TOKEN_STATE_ID"] == "NONE") {
				require.Failf(t, "key not unique", "%s: %s", m, key.String())
			}
			seen[key.String()] = true
		}
		if m != Edge {
			require.Greater(t, shared, 1_000, "%s: old tokens of a key that is active again are part of real data", m)
		}
	}
}

func TestWidthsFitTheNarrowestRelease(t *testing.T) {
	t.Parallel()
	widths := map[string]int{
		"TOKEN_ID": 255, "AUTHZ_USER": 100, "GRANT_TYPE": 50, "USER_TYPE": 25, "TOKEN_STATE": 25, "STATE": 25, "TOKEN_SCOPE": 60, "SCOPE": 60,
		"TOKEN_SCOPE_HASH": 32, "TOKEN_BINDING_REF": 32, "TOKEN_BINDING_TYPE": 32, "CONSENTED_TOKEN": 6, "AUTHORIZED_ORGANIZATION": 36,
		"AUTH_CODE_KEY": 36, "AUTH_REQ_ID": 36, "USER_CODE": 25, "ACCESS_TOKEN_HASH": 512, "TOKEN_STATE_ID": 128,
	}
	for _, m := range Mixes() {
		s := testSpec(m, 3_000)
		s.BindTokens = true
		g := newTestGenerator(t, s)
		for _, tb := range g.tables() {
			for _, row := range fields(t, g, tb.name, 0, 3_000) {
				for name, v := range row {
					if v, ok := v.(string); ok && widths[name] > 0 {
						require.LessOrEqual(t, len(v), widths[name], "%s.%s", tb.name, name)
					}
				}
			}
		}
	}
}

func TestColumnsThatTheAuditTableMayLackHoldTheirDefaults(t *testing.T) {
	t.Parallel()
	for _, m := range Mixes() {
		s := testSpec(m, 3_000)
		for _, row := range fields(t, newTestGenerator(t, s), schema.AccessToken, 0, 3_000) {
			require.Equal(t, []any{"NONE", nil, "NONE"}, []any{row["TOKEN_BINDING_REF"], row["CONSENTED_TOKEN"], row["AUTHORIZED_ORGANIZATION"]})
		}
		s.BindTokens = true
		g := newTestGenerator(t, s)
		refs := map[any]any{}
		for _, row := range fields(t, g, schema.TokenBinding, 0, 3_000) {
			refs[row["TOKEN_ID"]] = row["TOKEN_BINDING_REF"]
		}
		require.Len(t, refs, 300)
		for _, row := range fields(t, g, schema.AccessToken, 0, 3_000) {
			if ref, bound := refs[row["TOKEN_ID"]]; bound {
				require.Equal(t, ref, row["TOKEN_BINDING_REF"])
			}
		}
	}
}

func BenchmarkRows(b *testing.B) {
	g := newTestGenerator(b, testSpec(Default, 10_000_000))
	tables := g.tables()
	buffer := make([]byte, 16<<10)
	b.ReportAllocs()
	for from := int64(0); b.Loop(); from += 10_000 {
		for n := range tables {
			r := newRowReader(g, &tables[n], tables[n].columns, from, from+10_000)
			for {
				_, err := r.Read(buffer)
				if err != nil {
					break
				}
			}
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "tokens/s")
}

func BenchmarkExpect(b *testing.B) {
	for b.Loop() {
		_, err := testSpec(Default, 1_000_000).Expect(token.Documented)
		require.NoError(b, err)
	}
}
