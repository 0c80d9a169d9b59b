package dbtest

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// Collations runs the cases under state columns that compare in other ways than
// the default. The official policies then give other verdicts; the others not.
func Collations(t *testing.T, open Opener, product string) {
	collations := []string{"latin1_bin", "utf8mb4_0900_ai_ci"}
	switch product {
	case "MySQL":
	case "MariaDB":
		collations = []string{"latin1_bin", "utf8mb4_uca1400_nopad_ai_ci"}
	default:
		collations = []string{"Latin1_General_CS_AS", "Latin1_General_CI_AI", "Latin1_General_BIN2"}
	}
	for _, collation := range collations {
		t.Run(collation, func(t *testing.T) { t.Parallel(); Cases(t, open, harness.Options{}, collation) })
	}
}

// mysqlName is the collation of MySQL that compares states as this one does.
func mysqlName(collation string) string {
	switch collation {
	case "utf8mb4_uca1400_nopad_ai_ci":
		return "utf8mb4_0900_ai_ci"
	case "Latin1_General_CS_AS", "Latin1_General_BIN2": // blanks at the end do not count here either
		return "latin1_bin"
	}
	return collation
}

// Zones runs the cases with wall clocks written by sessions in other zones than
// UTC: once because that is the server's default, once by Options.WritersZone.
func Zones(t *testing.T, open Opener) {
	for _, zone := range []string{"+05:30", "-08:00", "Europe/Berlin"} {
		t.Run("server in "+zone, func(t *testing.T) { t.Parallel(); Cases(t, open, harness.Options{ServerZone: zone}, "") })
		t.Run("writers in "+zone, func(t *testing.T) { t.Parallel(); Cases(t, open, harness.Options{WritersZone: zone}, "") })
	}
	t.Run("server in +05:30, writers in UTC", func(t *testing.T) {
		t.Parallel()
		Cases(t, open, harness.Options{ServerZone: "+05:30", WritersZone: "+00:00"}, "")
	})
	t.Run("run in the wrong zone, too early", func(t *testing.T) { t.Parallel(); removesLiveTokens(t, open) })
	t.Run("run in the wrong zone, too late", func(t *testing.T) { t.Parallel(); keepsDeadTokens(t, open) })
}

// removesLiveTokens is the trap of forcing sessions to UTC: to them, everything
// that writers in +05:30 wrote is five and a half hours older. Sessions in the
// writers' zone see what was lost; also that INVALIDATED_TIME is shifted.
func removesLiveTokens(t *testing.T, open Opener) {
	f := zoneTrap(t, open, "+05:30")
	_, outcome := f.Verified(elsewhere{f: f, zone: "+00:00"}, f.Plan(token.Documented))
	requireFaults(t, outcome,
		fault{verify.WronglyRemoved, schema.AccessToken, 2, []string{"in-safe-period", "one-hour-left"}},
		fault{verify.Altered, schema.AccessToken, 2, []string{"ten-hours-dead", "three-hours-dead"}})
}

// keepsDeadTokens is the same trap in the west, where it only costs space.
func keepsDeadTokens(t *testing.T, open Opener) {
	f := zoneTrap(t, open, "-08:00")
	_, outcome := f.Verified(elsewhere{f: f, zone: "+00:00"}, f.Plan(token.Documented))
	requireFaults(t, outcome, fault{verify.WronglyKept, schema.AccessToken, 2, []string{"ten-hours-dead", "three-hours-dead"}})
}

// zoneTrap loads four tokens whose fate depends on the zone, with the run at two
// hours behind the cut-off.
func zoneTrap(t *testing.T, open Opener, writers string) *Fixture {
	f := New(t, open(t, harness.Options{WritersZone: writers}), Setup{})
	for id, created := range map[string]int64{"one-hour-left": 7200, "in-safe-period": 0, "three-hours-dead": -7200, "ten-hours-dead": -32_400} {
		f.Insert(schema.AccessToken, TokenRow(id, token.Active, Row{"TIME_CREATED": At(created), "REFRESH_TOKEN_TIME_CREATED": At(created),
			"VALIDITY_PERIOD": 3_600_000, "REFRESH_TOKEN_VALIDITY_PERIOD": 3_600_000}))
	}
	return f
}

// elsewhere is an engine whose sessions are in a zone of their own.
type elsewhere struct {
	cleanup.Batch
	f    *Fixture
	zone string
}

func (e elsewhere) Clean(ctx context.Context, _ *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	db, err := e.f.Connect(ctx, harness.Session{Zone: e.zone})
	require.NoError(e.f.t, err)
	defer db.Close()
	return e.Batch.Clean(ctx, db, plan, w)
}
