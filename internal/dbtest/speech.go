package dbtest

import (
	"database/sql"
	"fmt"
	"slices"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
)

// speech is what the tests need said differently on each kind of database, and
// the product does not.
type speech struct {
	timeType      string // of a time column that can be NULL
	hourLater     string // with %s for a column
	rename        func(from, to string) string
	collation     func(mysql string) string // the counterpart of a collation of MySQL
	refusing      string                    // makes a trigger that refuses to delete token dead-13, with the words "not this one"
	insertTrigger string                    // makes a trigger extra that runs after an INSERT into NOTES
	// asIs are statements around an INSERT, "" for none, that let values through
	// which the server else refuses: zero dates, ids of its own.
	asIs func(f *Fixture, table string, columns []string) (before, after string)
	// unchecked inserts a row that foreign keys would refuse.
	unchecked func(f *Fixture, conn *sql.Conn, table string, r Row)
	session   string // asks for the id of a session
	kill      string // with %d for it
}

func (f *Fixture) speech() speech { return speechOf(f.Dialect) }

func speechOf(d dialect.Dialect) speech {
	switch d.Name() {
	case "sqlserver":
		return sqlServerSpeech()
	case "sqlite":
		return sqliteSpeech()
	}
	return mysqlSpeech()
}

func alterRename(from, to string) string { return "ALTER TABLE " + from + " RENAME TO " + to }

func mysqlSpeech() speech {
	return speech{
		timeType:  "TIMESTAMP NULL",
		hourLater: "%s + INTERVAL 1 HOUR",
		rename:    alterRename,
		collation: func(mysql string) string { return mysql },
		refusing: "CREATE TRIGGER NOT_THIS_ONE BEFORE DELETE ON " + tokens + " FOR EACH ROW BEGIN IF OLD.TOKEN_ID = 'dead-13' THEN " +
			"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF; END",
		insertTrigger: "CREATE TRIGGER extra AFTER INSERT ON NOTES FOR EACH ROW SET @seen = 1",
		asIs: func(*Fixture, string, []string) (before, after string) {
			return "SET SESSION sql_mode = 'STRICT_ALL_TABLES'", "" // takes zero dates
		},
		unchecked: around("SET SESSION foreign_key_checks = 0", "SET SESSION foreign_key_checks = 1"),
		session:   "SELECT CONNECTION_ID()",
		kill:      "KILL %d",
	}
}

func sqliteSpeech() speech {
	return speech{
		timeType:  "TIMESTAMP NULL",
		hourLater: "datetime(%s, '+1 hour')",
		rename:    alterRename,
		collation: func(mysql string) string { return mysql },
		refusing: "CREATE TRIGGER NOT_THIS_ONE BEFORE DELETE ON " + tokens + " FOR EACH ROW WHEN OLD.TOKEN_ID = 'dead-13' BEGIN " +
			"SELECT RAISE(ABORT, 'not this one'); END",
		insertTrigger: "CREATE TRIGGER extra AFTER INSERT ON NOTES BEGIN SELECT 1; END",
		asIs:          func(*Fixture, string, []string) (before, after string) { return "", "" },
		unchecked:     around("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
	}
}

// around inserts between two statements.
func around(off, on string) func(*Fixture, *sql.Conn, string, Row) {
	return func(f *Fixture, conn *sql.Conn, table string, r Row) {
		f.in(conn, off)
		require.NoError(f.t, f.insert(conn, table, []Row{r}))
		f.in(conn, on)
	}
}

func sqlServerSpeech() speech {
	return speech{
		timeType:  "DATETIME NULL",
		hourLater: "DATEADD(HOUR, 1, %s)",
		rename:    func(from, to string) string { return "EXEC sp_rename '" + from + "', '" + to + "', 'OBJECT'" },
		collation: func(mysql string) string {
			return map[string]string{"latin1_bin": "Latin1_General_CS_AS", "latin1_swedish_ci": "Latin1_General_CI_AI"}[mysql]
		},
		refusing: "CREATE TRIGGER NOT_THIS_ONE ON " + tokens + " AFTER DELETE AS IF EXISTS (SELECT 1 FROM DELETED WHERE TOKEN_ID = 'dead-13') " +
			"BEGIN; THROW 50013, 'not this one', 1; END",
		insertTrigger: "CREATE TRIGGER extra ON NOTES AFTER INSERT AS RETURN",
		asIs:          identityInsert,
		// A bulk load that does not check is the one way that leaves the key as it was.
		unchecked: func(f *Fixture, conn *sql.Conn, table string, r Row) {
			tx, err := conn.BeginTx(f.t.Context(), nil)
			require.NoError(f.t, err)
			var columns []string
			var values []any
			for c, v := range r {
				columns, values = append(columns, c), append(values, v)
			}
			stmt, err := tx.Prepare(mssql.CopyIn(f.Dialect.Table(table), mssql.BulkOptions{}, columns...))
			require.NoError(f.t, err)
			_, err = stmt.Exec(values...)
			require.NoError(f.t, err)
			_, err = stmt.Exec()
			require.NoError(f.t, err)
			require.NoError(f.t, stmt.Close())
			require.NoError(f.t, tx.Commit())
		},
		session: "SELECT @@SPID",
		kill:    "KILL %d",
	}
}

// identityInsert lets ids through that the server gives else.
func identityInsert(f *Fixture, table string, columns []string) (before, after string) {
	f.autoIDs.Do(func() { f.withID = f.Found() }) // tables that tests make later have none
	found, ok := f.withID.Table(table)
	if !ok || !slices.ContainsFunc(columns, func(name string) bool { c, ok := found.Column(name); return ok && c.AutoID }) {
		return "", ""
	}
	set := fmt.Sprintf("SET IDENTITY_INSERT %s ", f.Dialect.Table(table))
	return set + "ON", set + "OFF"
}
