package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/token"
)

// TestJobNeedsAgent: a server without Agent is told so before anything is made; on
// one that has it the job is made, found and removed.
func TestJobNeedsAgent(t *testing.T) {
	d := &database{dbtest.New(t, harness.ForTest(t, harness.Options{DB: harness.SQLServer}), dbtest.Setup{}), t}
	before := d.Found()
	j := job(t, "1w", "2030-12-01 01:00", "")
	j.Name, j.Schema, j.Call.Sleep = "tokensweep test of "+d.ConnectionString()[strings.LastIndex(d.ConnectionString(), "tokensweep_"):], d.Schema, 0
	install := func() error { return j.Install(t.Context(), d.DB, d.withProcedure()) }
	uninstall := func() (bool, error) { return j.Uninstall(t.Context(), d.DB) }
	err := install()
	var refusal *cleanup.Error
	switch {
	case d.Server.Product == "Babelfish":
		for _, err := range []error{err, second(j.Status(t.Context(), d.DB)), second(uninstall())} {
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, cleanup.Refused, refusal.Kind)
			require.EqualError(t, err, "this server has no SQL Server Agent: use tokensweep schedule cron, systemd or kubernetes")
		}
		require.Equal(t, before, d.Found(), "nothing was made")
	case err != nil: // as in a container, where Agent has to be switched on
		require.ErrorAs(t, err, &refusal)
		require.ErrorContains(t, err, "SQL Server Agent does not run on this server")
		require.Equal(t, before, d.Found(), "nothing was made")
	default:
		defer uninstall()
		require.NoError(t, install(), "again")
		st, err := j.Status(t.Context(), d.DB)
		require.NoError(t, err)
		require.Equal(t, []string{"ENABLED", "every week", "2030-12-01 01:00:00"}, []string{st.State, st.Every, st.Starts})
		for _, want := range []bool{true, false} {
			dropped, err := uninstall()
			require.NoError(t, err)
			require.Equal(t, want, dropped)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// part is what the script has between two texts.
func part(t *testing.T, script, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(script, from)
	require.True(t, ok, from)
	text, _, ok := strings.Cut(rest, to)
	require.True(t, ok, to)
	return from + text
}

// TestJobTellsAgentTheFirstRun: the statements that turn the start into Agent's
// numbers, on a server whose clock is at UTC.
func TestJobTellsAgentTheFirstRun(t *testing.T) {
	target := harness.ForTest(t, harness.Options{DB: harness.SQLServer})
	var offset int
	require.NoError(t, target.DB.QueryRowContext(t.Context(), "SELECT DATEPART(TZOFFSET, SYSDATETIMEOFFSET())").Scan(&offset))
	for _, c := range []struct {
		every, starts, zone string
		date, time          int
		weekday             int // 0: none
	}{
		{"1w", "2026-12-01 01:00", "", 20261201, 10000, 4},
		{"1w", "2026-12-05 23:59:59", "", 20261205, 235959, 64},
		{"2w", "2026-12-06 00:00", "", 20261206, 0, 1},
		{"3d", "2026-12-31 13:07:05", "", 20261231, 130705, 0},
		{"1w", "2027-01-01 00:30", "+01:00", 20261231, 233000, 16},
		{"6h", "2026-12-01 01:10", "", 20261201, 11000, 0},
		{"6h", "2026-12-31 19:10", "", 20270101, 11000, 0},
		{"6h", "2026-12-31 19:10", "-08:00", 20270101, 31000, 0},
		{"15m", "2026-12-01 00:20", "", 20261202, 500, 0},
		{"30s", "2026-12-01 00:00:10", "", 20261201, 10, 0},
	} {
		for _, first := range []int{1, 7} { // the day with which a week begins must not matter
			t.Run(fmt.Sprint(c.every, c.starts, c.zone, first), func(t *testing.T) {
				if c.zone != "" && offset != 0 {
					t.Skipf("%s: its clock is at %d minutes from UTC", target.Server, offset)
				}
				script, err := job(t, c.every, c.starts, c.zone).Script()
				require.NoError(t, err)
				numbers := part(t, script, "DECLARE @starts", "BEGIN TRY")
				weekday := "0"
				if c.weekday > 0 {
					weekday = "@weekday"
				}
				var date, at, day int
				query := fmt.Sprintf("SET DATEFIRST %d; %s SELECT @date, @time, %s", first, numbers, weekday)
				require.NoError(t, target.DB.QueryRowContext(t.Context(), query).Scan(&date, &at, &day), query)
				require.Equal(t, []int{c.date, c.time, c.weekday}, []int{date, at, day})
			})
		}
	}
}

// TestJobStepCleans: what the job's step runs, and the test for the procedure before
// it is made.
func TestJobStepCleans(t *testing.T) {
	d := &database{dbtest.New(t, harness.ForTest(t, harness.Options{DB: harness.SQLServer}), dbtest.Setup{}), t}
	removable := d.fill(10)
	j := job(t, "1w", "2030-12-01 01:00", "")
	j.Schema, j.Call = d.Schema, procedure.Arguments{Policy: token.Documented, SafePeriod: 2 * time.Hour, Audit: true}
	script, err := j.Script()
	require.NoError(t, err)
	exec := func(text string) error {
		conn, err := d.DB.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.ExecContext(t.Context(), text)
		return err
	}
	guard := part(t, script, "IF OBJECT_ID(N'[dbo].[TOKENSWEEP_CLEAN]'", "GO\n")
	require.ErrorContains(t, exec(guard), "the procedure [dbo].[TOKENSWEEP_CLEAN] is not in this database")
	require.NoError(t, procedure.Install(t.Context(), d.DB, d.withProcedure().Plan))
	require.NoError(t, exec(guard))
	_, step, ok := strings.Cut(part(t, script, "@command = N'", "',\n        @on_success"), "N'")
	require.True(t, ok)
	require.NoError(t, exec(strings.ReplaceAll(step, "''", "'")))
	all, err := procedure.Runs(t.Context(), d.DB, d.Dialect, d.Found())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, removable, all[0].Phases[0].Removed)
}
