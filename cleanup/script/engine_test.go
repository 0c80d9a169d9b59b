package script_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/cases"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// kind is a kind of database and what it needs said differently.
type kind struct {
	db, file, noSleep string
	product           schema.Product
	rule              token.Policy
}

var kinds = []kind{
	{harness.MySQL, "official-mysql.sql", "0", schema.MySQL, token.OfficialMySQL},
	{harness.MariaDB, "official-mysql.sql", "0", schema.MySQL, token.OfficialMySQL},
	{harness.SQLServer, "official-mssql.sql", "00:00:00", schema.SQLServer, token.OfficialMSSQL},
}

// each runs a test on every kind of database.
func each(t *testing.T, test func(t *testing.T, k kind)) {
	t.Helper()
	for _, k := range kinds {
		t.Run(k.db, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

func (k kind) fixture(t *testing.T, o harness.Options) *dbtest.Fixture {
	t.Helper()
	o.DB = k.db
	return dbtest.New(t, harness.ForTest(t, o), dbtest.Setup{NullTimes: true})
}

// official is the test procedure for the kind, without its pauses.
func (k kind) official(t *testing.T, set ...string) *script.File {
	t.Helper()
	f, err := script.Read(filepath.Join("..", "..", "testdata", "procedures", k.file), k.product)
	require.NoError(t, err)
	for _, s := range append([]string{"sleepTime=" + k.noSleep}, set...) {
		name, value, _ := strings.Cut(s, "=")
		require.NoError(t, f.Set(name, value))
	}
	return f
}

// heard is what an engine logs.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) watcher() cleanup.Watcher {
	return cleanup.Watcher{Log: func(format string, args ...any) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.lines = append(h.lines, fmt.Sprintf(format, args...))
	}}
}

func (h *heard) all() string { return strings.Join(h.lines, "\n") }

// keptBy are the ids that a policy keeps, of the cases whose ids begin so.
func keptBy(expect map[string]cases.Expect, p token.Policy, prefix string) []string {
	ids := []string{}
	for id, e := range expect {
		if strings.HasPrefix(id, prefix) && !e[p] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// The test procedures are the vendor's rules: with a stop threshold of 1 they give
// every case its verdict.
func TestOfficialProceduresOnTheCases(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind) {
		f := k.fixture(t, harness.Options{})
		expect := f.LoadCases(true)
		plan := f.Plan(k.rule)
		var log heard
		result, err := script.Engine{File: k.official(t, "checkCount=1")}.Clean(t.Context(), f.DB, plan, log.watcher())
		require.NoError(t, err)
		require.True(t, result.Complete())

		require.Equal(t, keptBy(expect, k.rule, "TS"), f.Keys(schema.AccessToken, "TOKEN_ID"))
		require.Equal(t, keptBy(expect, k.rule, "CS"), f.Keys(schema.AuthzCode, "CODE_ID"))
		require.Equal(t, keptBy(expect, k.rule, "BS"), f.Keys(schema.CIBACode, "AUTH_CODE_KEY"))

		removed := int64(len(cases.Tokens()) - len(keptBy(expect, k.rule, "TS")))
		require.Equal(t, removed, result.Phases[0].Removed)
		require.Contains(t, log.all(), fmt.Sprintf("TOKENS REMOVED %d", removed), "its log is heard")
		require.Equal(t, int64(len(cases.Tokens())), f.Count("BAK_"+schema.AccessToken, ""), "the backup is whole")
	})
}
