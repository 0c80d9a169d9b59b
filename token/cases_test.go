package token_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/token"
)

var (
	cutOff = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	// The collations that the verdicts of the official policies assume.
	swedish = token.Collation{FoldCase: true, FoldMarks: true, PadSpace: true}
	mssqlCI = token.Collation{FoldCase: true, PadSpace: true}
)

func judge(p token.Policy) token.Judge {
	if p == token.OfficialMSSQL {
		return token.NewJudge(p, cutOff, mssqlCI)
	}
	return token.NewJudge(p, cutOff, swedish)
}

func TestPolicyGivesEveryCaseItsVerdict(t *testing.T) {
	t.Parallel()
	for _, p := range token.Policies() {
		j := judge(p)
		removed := map[string]bool{}
		for _, c := range cases.Tokens() {
			why := j.Token(c.Row(cutOff))
			removed[c.ID] = why.Removes()
			require.Equal(t, c.Remove[p], why.Removes(), "%s under %s (%s): %s", c.ID, p, c.About, why)
		}
		for _, c := range cases.Codes() {
			gone, known := removed[c.Token.V]
			why := j.Code(token.Code{
				State: c.State, Created: c.Created.At(cutOff), Validity: c.Validity, HasToken: c.Token.Valid && known && !gone,
			})
			require.Equal(t, c.Remove[p], why.Removes(), "%s under %s (%s): %s", c.ID, p, c.About, why)
		}
		for _, c := range cases.CIBAs() {
			why := j.CIBA(token.CIBA{Status: c.Status, Issued: c.Issued.At(cutOff), ExpiresIn: c.ExpiresIn})
			require.Equal(t, c.Remove[p], why.Removes(), "%s under %s (%s): %s", c.ID, p, c.About, why)
		}
	}
}

func TestOfficialPolicyFollowsTheCollation(t *testing.T) {
	t.Parallel()
	collations := map[string]token.Collation{
		"latin1_bin":         {PadSpace: true},
		"utf8mb4_0900_ai_ci": {FoldCase: true, FoldMarks: true},
	}
	for _, o := range cases.Overrides() {
		j := token.NewJudge(token.OfficialMySQL, cutOff, collations[o.Collation])
		require.Equal(t, o.Remove, overridden(t, j, o), "%s under %s", o.ID, o.Collation)
	}
}

func overridden(t *testing.T, j token.Judge, o cases.Override) bool {
	t.Helper()
	for _, c := range cases.Tokens() {
		if c.ID == o.ID {
			return j.Token(c.Row(cutOff)).Removes()
		}
	}
	for _, c := range cases.Codes() {
		if c.ID == o.ID {
			return j.Code(token.Code{State: c.State, Created: c.Created.At(cutOff), Validity: c.Validity}).Removes()
		}
	}
	for _, c := range cases.CIBAs() {
		if c.ID == o.ID {
			return j.CIBA(token.CIBA{Status: c.Status, Issued: c.Issued.At(cutOff), ExpiresIn: c.ExpiresIn}).Removes()
		}
	}
	require.Fail(t, "no such case", o.ID)
	return false
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]token.Time{
		"2026-11-25 02:00:00":        token.AtTime(cutOff),
		"2026-11-25T02:00:00":        token.AtTime(cutOff),
		"2026-11-25 02:00:00.001999": token.AtTime(cutOff.Add(time.Millisecond)),
		"1969-12-31 23:59:59.5":      token.At(-500),
		"2000-02-29 00:00:00":        token.AtTime(time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC)),
		"0000-00-00 00:00:00":        {},
		"2026-00-10 00:00:00":        {},
	} {
		got, err := token.ParseTime([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "2026-11-25", "2026-11-25 02:00", "yesterday, at noon, I", "2026-11-25 02:00:00Z", "2026-11-25 02:00:00.x"} {
		_, err := token.ParseTime([]byte(text))
		require.Error(t, err, text)
	}
	for d := time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2110; d = d.AddDate(0, 0, 1) {
		got, err := token.ParseTime([]byte(d.Format(time.DateTime)))
		require.NoError(t, err)
		require.Equal(t, token.AtTime(d), got, d)
	}
}

func TestParsePolicyNamesTheChoices(t *testing.T) {
	t.Parallel()
	p, err := token.ParsePolicy("strict")
	require.NoError(t, err)
	require.Equal(t, token.Strict, p)
	_, err = token.ParsePolicy("lenient")
	require.EqualError(t, err, `unknown policy "lenient": use one of documented, strict, official-mysql, official-mssql`)
}

func ExampleJudge_Token() {
	hour := token.Some(int64(time.Hour / time.Millisecond))
	row := token.Token{State: token.Some(token.Expired), HasRefresh: true, RefreshCreated: token.AtTime(cutOff), RefreshValidity: hour}
	for _, p := range []token.Policy{token.Documented, token.Strict} {
		why := token.NewJudge(p, cutOff, token.Collation{}).Token(row)
		fmt.Println(p, why.Removes(), why)
	}
	// Output:
	// documented true dead state
	// strict false refresh token live
}
