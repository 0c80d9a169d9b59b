package procedure_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
)

// settings runs under everything that sessions, servers and schemas are set to.
func settings(t *testing.T, db string) {
	if db == harness.SQLServer {
		sqlServerSettings(t)
		return
	}
	strict := "SET SESSION sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,ONLY_FULL_GROUP_BY'"
	sessions := map[string][]string{
		"strict":               {strict},
		"no sql_mode":          {"SET SESSION sql_mode = ''"},
		"ANSI_QUOTES":          {"SET SESSION sql_mode = 'ANSI,STRICT_ALL_TABLES'"},
		"NO_BACKSLASH_ESCAPES": {"SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE'"},
		"SQL_SAFE_UPDATES":     {"SET SESSION sql_safe_updates = 1, sql_select_limit = 3, max_join_size = 10"},
		"no autocommit":        {"SET SESSION autocommit = 0"},
		"SERIALIZABLE":         {"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
		"no foreign keys":      {"SET SESSION foreign_key_checks = 0, unique_checks = 0"},
		"other connection set": {"SET NAMES latin1"},
	}
	if db != harness.MariaDB {
		sessions["primary key required"] = []string{"SET SESSION sql_require_primary_key = 1"}
	}
	for name, set := range sessions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, db)
			s := w.session()
			s.exec(set...)
			// The script itself under these settings, as a client would run it.
			w.installOn(s)
			before := s.settings()
			s.mustCall(arguments(nil))
			require.Equal(t, before, s.settings())
			w.requireClean()
		})
	}
	for name, collation := range map[string]string{"latin1_bin": "latin1_bin", "latin1_general_cs": "latin1_general_cs", "ascii_bin": "ascii_bin"} {
		t.Run(name, func(t *testing.T) { t.Parallel(); collated(t, db, collation) })
	}
	if db != harness.MariaDB {
		t.Run("GTID consistency", func(t *testing.T) { t.Parallel(); consistentGTIDs(t, db) })
	}
}

// consistentGTIDs runs where MySQL refuses what it could not replicate by GTIDs.
func consistentGTIDs(t *testing.T, db string) {
	target := harness.ForTest(t, harness.Options{DB: db, ServerArgs: []string{"--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--log-bin=binlog"}})
	w := worldOf(t, target, dbtest.Setup{})
	s := w.session()
	row, err := s.row("SELECT @@GLOBAL.enforce_gtid_consistency AS G, @@GLOBAL.log_bin AS B, @@GLOBAL.log_bin_trust_function_creators AS T")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"G": "ON", "B": "1", "T": "0"}, row)
	w.install()
	s.mustCall(arguments(nil))
	w.requireClean()
}

// installOn runs the printed script in a session, statement by statement.
func (w *world) installOn(s *session) {
	w.t.Helper()
	text, err := procedure.Script(w.t.Context(), w.DB, w.plan(true))
	require.NoError(w.t, err)
	s.exec(statements(w.t, w.Dialect, text)...)
}

// collated has the keys of tables in another collation than that of the schema, in
// which the procedure's own variables would be, and keys that are the same under that.
func collated(t *testing.T, db, collation string) {
	w := worldOf(t, harness.ForTest(t, harness.Options{DB: db}), dbtest.Setup{Change: func(release *schema.Database) {
		for i := range release.Tables {
			release.Tables[i].Charset, release.Tables[i].Collation = charset(collation), collation
		}
	}})
	w.Insert(tokens, dbtest.TokenRow("DEAD-05", "ACTIVE", dbtest.Row{"TIME_CREATED": dbtest.At(7000)}))
	w.install()
	w.session().mustCall(arguments(func(a *procedure.Arguments) { a.Batch = 1 }))
	require.EqualValues(t, 1, w.Count(tokens, "TOKEN_ID = 'DEAD-05'"))
	w.Exec("DELETE FROM " + tokens + " WHERE TOKEN_ID = 'DEAD-05'")
	w.requireClean()

	// Under another collation than the variables are declared for, keys could be mixed up.
	w.Exec("DROP TABLE " + schema.CIBAScope)
	w.Exec("ALTER TABLE " + requests + " MODIFY AUTH_CODE_KEY CHAR(36) CHARACTER SET latin1 COLLATE latin1_german1_ci NOT NULL")
	before := w.Dump()
	_, err := w.session().call(arguments(nil))
	w.requireNothingChanged(before, err, "generate it again", "a key has another collation")
}

func charset(collation string) string {
	for i := range collation {
		if collation[i] == '_' {
			return collation[:i]
		}
	}
	return collation
}

func sqlServerSettings(t *testing.T) {
	for name, set := range map[string][]string{
		"ANSI settings off":     {"SET ANSI_WARNINGS OFF", "SET CONCAT_NULL_YIELDS_NULL OFF", "SET QUOTED_IDENTIFIER OFF"},
		"implicit transactions": {"SET IMPLICIT_TRANSACTIONS ON"},
		"limits":                {"SET ROWCOUNT 3", "SET LOCK_TIMEOUT 77000", "SET XACT_ABORT OFF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, harness.SQLServer)
			w.install()
			s := w.session()
			s.exec(set...)
			before := s.settings()
			s.mustCall(arguments(nil))
			require.Equal(t, before, s.settings())
			w.requireClean()
		})
	}
}
