package seed

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// defaultCollation is what the official policies' verdicts assume.
func defaultCollation(p token.Policy) token.Collation {
	return token.Collation{FoldCase: true, FoldMarks: p != token.OfficialMSSQL, PadSpace: true}
}

// TestDeclaredVerdictsAreThoseOfThePolicies judges the text of every row with
// package token, which the declarations know nothing of.
func TestDeclaredVerdictsAreThoseOfThePolicies(t *testing.T) {
	t.Parallel()
	const tokens = 50_000
	for _, m := range Mixes() {
		s := testSpec(m, tokens)
		g := newTestGenerator(t, s)
		tokenRows := fields(t, g, schema.AccessToken, 0, tokens)
		codeRows := fields(t, g, schema.AuthzCode, 0, tokens)
		cibaRows := fields(t, g, schema.CIBACode, 0, tokens)
		require.Len(t, tokenRows, tokens)
		for _, p := range token.Policies() {
			j := token.NewJudge(p, s.CutOff, defaultCollation(p))
			want, err := s.Expect(p)
			require.NoError(t, err)

			left := make(map[any]bool, tokens)
			classes := map[string]ClassOutcome{}
			var e entry
			for i, row := range tokenRows {
				why := j.Token(readToken(t, row))
				left[row["TOKEN_ID"]] = !why.Removes()
				g.at(&e, int64(i))
				if e.token.class.remove.removes(p) != why.Removes() {
					require.Failf(t, "wrong declaration", "%s: %s says %s of class %s: %v", m, p, why, e.token.class.name, row)
				}
				count(classes, e.token.class.name, why.Removes())
			}
			require.Equal(t, want.Tables[schema.AccessToken].Classes, classes, "%s %s", m, p)

			removed := int64(0)
			for _, row := range codeRows {
				why := j.Code(token.Code{
					State: text1(row["STATE"]), Created: readTime(t, row["TIME_CREATED"]), Validity: number(t, row["VALIDITY_PERIOD"]),
					HasToken: left[row["TOKEN_ID"]],
				})
				if why.Removes() {
					removed++
				}
				if m == Edge {
					c := want.Tables[schema.AuthzCode].Classes[row["SUBJECT_IDENTIFIER"].(string)]
					require.Equal(t, why.Removes(), c.Removed == c.Rows, "%s %v", p, row)
				}
			}
			requireOutcome(t, want.Tables[schema.AuthzCode], len(codeRows), removed, "%s %s codes", m, p)

			removed = 0
			for _, row := range cibaRows {
				if j.CIBA(token.CIBA{Status: text1(row["AUTH_REQ_STATUS"]), Issued: readTime(t, row["ISSUED_TIME"]), ExpiresIn: number(t, row["EXPIRES_IN"])}).Removes() {
					removed++
				}
			}
			requireOutcome(t, want.Tables[schema.CIBACode], len(cibaRows), removed, "%s %s CIBA", m, p)
		}
	}
}

func count(classes map[string]ClassOutcome, name string, removed bool) {
	c := classes[name]
	c.Rows++
	if removed {
		c.Removed++
	}
	classes[name] = c
}

func requireOutcome(t *testing.T, o Outcome, rows int, removed int64, msg string, args ...any) {
	t.Helper()
	require.Equal(t, []int64{int64(rows), removed, int64(rows) - removed}, []int64{o.Rows, o.Removed, o.Kept}, append([]any{msg}, args...)...)
	var inClasses ClassOutcome
	for _, c := range o.Classes {
		inClasses.Rows += c.Rows
		inClasses.Removed += c.Removed
	}
	require.Equal(t, ClassOutcome{Rows: int64(rows), Removed: removed}, inClasses)
}

func readToken(t *testing.T, row map[string]any) token.Token {
	return token.Token{
		State: text1(row["TOKEN_STATE"]), Created: readTime(t, row["TIME_CREATED"]), Validity: number(t, row["VALIDITY_PERIOD"]),
		HasRefresh:     row["REFRESH_TOKEN"] != nil && row["REFRESH_TOKEN"] != "",
		RefreshCreated: readTime(t, row["REFRESH_TOKEN_TIME_CREATED"]), RefreshValidity: number(t, row["REFRESH_TOKEN_VALIDITY_PERIOD"]),
	}
}

func text1(v any) token.Null[string] {
	if v == nil {
		return token.Null[string]{}
	}
	return token.Some(v.(string))
}

func number(t *testing.T, v any) token.Null[int64] {
	if v == nil {
		return token.Null[int64]{}
	}
	n, err := strconv.ParseInt(v.(string), 10, 64)
	require.NoError(t, err)
	return token.Some(n)
}

func readTime(t *testing.T, v any) token.Time {
	at, err := token.ParseTime([]byte(v.(string)))
	require.NoError(t, err)
	return at
}

func TestMixesHaveTheSharesTheyPromise(t *testing.T) {
	t.Parallel()
	for m, percent := range map[Mix]float64{Default: 78, MostlyDead: 95, MostlyLive: 5, Removable(1): 1, Removable(50): 50, Removable(91): 91, Removable(99): 99} {
		for _, p := range token.Policies() {
			o, err := testSpec(m, 100_000).Expect(p)
			require.NoError(t, err)
			tokens := o.Tables[schema.AccessToken]
			require.Len(t, tokens.Classes, len(tokenClasses()), "every class is in mix %s", m)
			require.Positive(t, tokens.StrictKeeps)
			if p == token.Documented {
				require.InDelta(t, percent, float64(tokens.Removed)/1000, 0.5, m)
			}
		}
	}
	for _, m := range []Mix{Default, MostlyDead, MostlyLive, Removable(1), Removable(77), Removable(99)} {
		parts := m.parts(tokenClasses())
		cards := deal(len(parts), func(c int) int { return parts[c] })
		require.Len(t, cards, 1000, m)
	}
}

func TestEdgeHasEveryCaseWithATime(t *testing.T) {
	t.Parallel()
	s := testSpec(Edge, 105)
	o, err := s.Expect(token.Documented)
	require.NoError(t, err)
	require.Len(t, o.Tables[schema.AccessToken].Classes, 105, "112 cases, 5 with NULL times and 2 with the zero date are left out")
	require.Len(t, o.Tables[schema.AuthzCode].Classes, 23, "25 cases, 2 without a time are left out")
	require.Len(t, o.Tables[schema.CIBACode].Classes, 13, "14 cases, 1 with the zero date is left out")
}

func TestEdgeCodesPointAtTheTokenTheirCaseNames(t *testing.T) {
	t.Parallel()
	g := newTestGenerator(t, testSpec(Edge, 1_000))
	cases := map[any]any{}
	for _, row := range fields(t, g, schema.AccessToken, 0, 1_000) {
		cases[row["TOKEN_ID"]] = row["SUBJECT_IDENTIFIER"]
	}
	want := map[any]any{"CS001": "TS010", "CS002": "TS009", "CS003": "TS089", "CS004": "TS037", "CS005": "TS076", "CS006": "TS100"}
	for _, row := range fields(t, g, schema.AuthzCode, 0, 1_000) {
		require.Equal(t, want[row["SUBJECT_IDENTIFIER"]], cases[row["TOKEN_ID"]], "%v", row)
	}
}

func TestSpecRefusesWhatItCannotMake(t *testing.T) {
	t.Parallel()
	for text, s := range map[string]Spec{
		"0 tokens: use 1 to 17179869184": testSpec(Default, 0),
		unknownMix("odd"):                testSpec("odd", 1),
		unknownMix("removable:0"):        testSpec(Removable(0), 1),
		unknownMix("removable:100"):      testSpec(Removable(100), 1),
		unknownMix("removable:091"):      testSpec("removable:091", 1),
		"the cut-off is missing: all times of the data are relative to it": {Tokens: 1},
		"cut-off 2026-11-25T02:00:00.000000001Z: use whole seconds":        {Tokens: 1, CutOff: testCutOff.Add(1)},
		"cut-off 2038-01-19T00:00:00Z: the times of mix default fit a TIMESTAMP column (1970 to 2038) only for a cut-off between " +
			"1971-12-03T00:00:00Z and 2038-01-17T22:59:55Z": {Tokens: 1, CutOff: time.Date(2038, 1, 19, 0, 0, 0, 0, time.UTC)},
		"cut-off 2020-01-01T00:00:00Z: the times of mix edge fit a TIMESTAMP column (1970 to 2038) only for a cut-off between " +
			"2026-09-22T14:13:20Z and 2038-01-17T00:00:00Z": {Tokens: 1, Mix: Edge, CutOff: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		require.EqualError(t, s.Validate(), text)
		_, err := s.Expect(token.Documented)
		require.EqualError(t, err, text)
	}
	require.NoError(t, Spec{Tokens: MaxTokens, CutOff: testCutOff}.Validate())
}

func unknownMix(name string) string {
	return fmt.Sprintf("unknown mix %q: use one of default, mostly-dead, mostly-live, edge, or removable:1 to removable:99 (percent)", name)
}

func TestTheLargestSpecCountsWithoutOverflow(t *testing.T) {
	t.Parallel()
	g := newTestGenerator(t, Spec{Seed: 1, Tokens: MaxTokens, CutOff: testCutOff})
	last := ""
	for _, row := range fields(t, g, schema.AccessToken, MaxTokens-1000, MaxTokens) {
		require.Greater(t, row["TOKEN_ID"].(string), last)
		last = row["TOKEN_ID"].(string)
	}
	require.Equal(t, "ffff", last[:4])
	for _, row := range fields(t, g, schema.RequestClaims, MaxTokens-1000, MaxTokens) {
		require.Less(t, number(t, row["ID"]).V, int64(1)<<31)
	}
}
