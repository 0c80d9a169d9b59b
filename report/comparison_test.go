package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/report"
)

func vendorsScript() *report.Document {
	return &report.Document{
		Tool: "tokensweep devel", Verdict: report.Fail, Policy: "documented", CutOff: time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC), Engine: "script:sp.sql",
		Server: report.Server{Product: "MySQL", Version: "9.7.4", Via: "dsn", Zone: "+05:30"},
		Data:   report.Data{Source: "dump", Dump: "prod.sql.gz", Release: "apim-4.2.0"},
		Phases: []report.Phase{{Table: "IDN_OAUTH2_ACCESS_TOKEN", Before: 20_000, Removed: 12_130, Kept: 7_870, KeptWhy: map[string]int64{"access token live": 7_870}}},
		Comparison: &report.Comparison{
			Script: "sp.sql", Rule: "official-mysql", Clock: "run with its clock held at 2026-11-25T04:00:00Z, with a safe period of 2 h", Conforms: true,
			Attributes: []report.Attribute{{Name: "batchSize", Value: "10000"}, {Name: "sleepTime", Value: "0", Set: true}},
			Differences: []report.Difference{
				{Policy: "documented", Table: "IDN_OAUTH2_ACCESS_TOKEN", Gone: true, Count: 31, Sentence: "removed up to 5 h 30 min early: NOW() in a +05:30 session", Samples: []string{"a|b"}},
				{Policy: "strict", Table: "IDN_OAUTH2_ACCESS_TOKEN", Gone: true, Count: 12_031, Sentence: "removed whose refresh token still worked", Samples: []string{"<script>", "0b"}},
				{Policy: "strict", Table: "IDN_OAUTH2_AUTHORIZATION_CODE", Count: 99, Sentence: "left behind by checkCount: fewer than 100 were to go"},
			},
			Copies: []report.Copies{{Table: "AUDITLOG_X", Rows: 1450, Tokens: 400, Findings: []string{"350 tokens audited twice, for example 0c"}}},
			Tables: []report.OwnTable{{Name: "BAK_IDN_OAUTH2_ACCESS_TOKEN", Kind: "backup", Rows: 20_000, Of: "IDN_OAUTH2_ACCESS_TOKEN"}},
		},
	}
}

func TestComparisonAsText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, vendorsScript().WriteText(&out))
	for _, line := range []string{
		"FAIL  policy documented, cut-off 2026-11-25T02:00:00Z, engine script:sp.sql",
		"does it do what its own rule (official-mysql) says? yes",
		"beside documented: removes 31 rows that must stay, leaves 0 behind",
		"    31 rows of IDN_OAUTH2_ACCESS_TOKEN removed up to 5 h 30 min early: NOW() in a +05:30 session",
		"beside strict: removes 12,031 rows that must stay, leaves 99 behind",
		"    99 rows of IDN_OAUTH2_AUTHORIZATION_CODE left behind by checkCount: fewer than 100 were to go",
		"    350 tokens audited twice, for example 0c",
		"BAK_IDN_OAUTH2_ACCESS_TOKEN  backup of IDN_OAUTH2_ACCESS_TOKEN  20,000 rows",
		"sleepTime = 0 (set for this run)",
	} {
		require.Contains(t, out.String(), line)
	}
}

// Markdown may be pasted anywhere: keys from the database must stay text.
func TestComparisonAsMarkdown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, vendorsScript().WriteMarkdown(&out))
	text := out.String()
	for _, line := range []string{
		"# Token clean-up: FAIL",
		"| documented | removes 31 rows that must stay, leaves 0 behind |",
		"| 12,031 | IDN\\_OAUTH2\\_ACCESS\\_TOKEN | removed whose refresh token still worked | \\<script\\>, 0b |",
		"a\\|b |",
		"- 350 tokens audited twice, for example 0c",
		"| BAK\\_IDN\\_OAUTH2\\_ACCESS\\_TOKEN | backup of IDN\\_OAUTH2\\_ACCESS\\_TOKEN | 20,000 |",
	} {
		require.Contains(t, text, line)
	}
	require.NotContains(t, strings.ReplaceAll(strings.ReplaceAll(text, "\\<", ""), "\\>", ""), "<")
	for _, line := range strings.Split(text, "\n") { // every row of a table has as many cells as its head
		if strings.HasPrefix(line, "|") {
			require.True(t, strings.HasSuffix(line, "|"), line)
		}
	}
}

func TestComparisonAsJUnit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, vendorsScript().WriteJUnit(&out, []string{"LOST"}))
	require.Contains(t, out.String(), `tests="3" failures="1"`)
	require.Contains(t, out.String(), `name="the script removes nothing that documented keeps"`)
	require.Contains(t, out.String(), "31 in IDN_OAUTH2_ACCESS_TOKEN: removed up to 5 h 30 min early")
	require.NotContains(t, out.String(), "12031", "strict was not asked for")
}
