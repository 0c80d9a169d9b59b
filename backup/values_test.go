package backup_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/internal/dbtest"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// oddTable is a table of a customer's, whose values are hard to keep. Where the server
// lets it, its rows hang on tokens twice.
func oddTable(d dialect.Dialect) (create string, inserts []string) {
	switch d.Name() {
	case "mysql":
		jsonValue := `'{"a": [1, 2.5, "ü"]}'`
		create = `CREATE TABLE CUSTOMER_ROWS (ID INT NOT NULL AUTO_INCREMENT PRIMARY KEY, TOKEN_ID VARCHAR(255), OTHER_ID VARCHAR(255),
			T0 TIMESTAMP NULL, T6 TIMESTAMP(6) NULL, D6 DATETIME(6), DD DATE, TT TIME(3), YY YEAR, B1 BIT(10), BI BINARY(5), VB VARBINARY(20), BL BLOB,
			F FLOAT, DB DOUBLE, DE DECIMAL(30, 10), TI TINYINT UNSIGNED, BU BIGINT UNSIGNED, EN ENUM('a', 'ü', ''), SE SET('x', 'y'), J JSON,
			L1 VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_bin, U8 TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, CH CHAR(10),
			G INT AS (TI + 1) STORED,
			CONSTRAINT FK_C1 FOREIGN KEY (TOKEN_ID) REFERENCES IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID) ON DELETE CASCADE,
			CONSTRAINT FK_C2 FOREIGN KEY (OTHER_ID) REFERENCES IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID) ON DELETE CASCADE)`
		columns := "INSERT INTO CUSTOMER_ROWS (ID, TOKEN_ID, OTHER_ID, T0, T6, D6, DD, TT, YY, B1, BI, VB, BL, F, DB, DE, TI, BU, EN, SE, J, L1, U8, CH) VALUES "
		inserts = []string{
			columns + `(0, 'dead-1', NULL, '0000-00-00 00:00:00', '2026-10-25 02:30:00.123456', '0000-00-00 00:00:00.000000', '2026-02-00', '-838:59:58.999', 2155,
				b'1000000001', X'0001020000', X'00FF27225C', X'', 1.1, 0.1, -12345678901234567890.0123456789, 255, 18446744073709551615, '', '', ` + jsonValue + `,
				_latin1 X'80818D8F909DFF5C2700', _utf8mb4 X'F09F98805C27220A00', 'pad')`,
			columns + `(7, 'dead-1', 'dead-2', NULL, '1970-01-01 01:00:01.5', '9999-12-31 23:59:59.999999', '0000-00-00', '00:00:00', 0,
				b'0', X'', X'', NULL, -3.4028e38, 1.7976931348623157e308, 0, 0, 0, 'ü', 'x,y', 'null', '', '', '')`,
			columns + `(8, 'dead-3', 'dead-3', '2038-01-19 03:14:07', '2026-03-29 03:00:00', '2026-10-25 02:30:00', NULL, NULL, NULL,
				NULL, NULL, NULL, X'8000', 16777217, 1e-300, 0.0000000001, 1, 1, NULL, NULL, NULL, NULL, 'trailing  ', 'a')`,
			columns + `(9, NULL, 'dead-3', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL)`,
		}
	case "sqlserver":
		create = `CREATE TABLE CUSTOMER_ROWS (ID INT NOT NULL IDENTITY(1, 1) PRIMARY KEY, TOKEN_ID VARCHAR(255), OTHER_ID VARCHAR(255),
			T0 DATETIME, T6 DATETIME2(6), DD DATE, UI UNIQUEIDENTIFIER, BI VARBINARY(20), F FLOAT, DE DECIMAL(30, 10), MO MONEY, BT BIT, BG BIGINT,
			NV NVARCHAR(50), VM VARCHAR(MAX), CH CHAR(10), G AS (ID + 1),
			CONSTRAINT FK_C1 FOREIGN KEY (TOKEN_ID) REFERENCES IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID) ON DELETE CASCADE)`
		columns := "SET IDENTITY_INSERT CUSTOMER_ROWS ON; INSERT INTO CUSTOMER_ROWS (ID, TOKEN_ID, OTHER_ID, T0, T6, DD, UI, BI, F, DE, MO, BT, BG, NV, VM, CH) VALUES "
		off := "; SET IDENTITY_INSERT CUSTOMER_ROWS OFF"
		inserts = []string{
			columns + `(5, 'dead-1', NULL, '2026-10-25T02:30:00.003', '2026-10-25 02:30:00.123456', '2026-02-28', '6F9619FF-8B86-D011-B42D-00C04FC964FF',
				0x00FF2722, 0.1, -12345678901234567890.0123456789, -922337203685477.5808, 1, 9223372036854775807, N'ünï' + NCHAR(8364), 'it''s "x"', 'pad')` + off,
			columns + `(9, 'dead-2', '', '1753-01-01T00:00:00.000', NULL, NULL, NULL, 0x, 1e-300, 0, 0.0001, 0, -1, N'', '', '')` + off,
			columns + `(11, 'dead-3', 'x', '9999-12-31T23:59:59.997', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)` + off,
		}
	default:
		create = `CREATE TABLE CUSTOMER_ROWS (ID INTEGER PRIMARY KEY AUTOINCREMENT, TOKEN_ID VARCHAR(255), OTHER_ID VARCHAR(255), N NUMERIC, B BLOB, T TIMESTAMP, R REAL,
			X, G INTEGER AS (ID + 1) STORED,
			CONSTRAINT FK_C1 FOREIGN KEY (TOKEN_ID) REFERENCES IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID) ON DELETE CASCADE,
			CONSTRAINT FK_C2 FOREIGN KEY (OTHER_ID) REFERENCES IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID) ON DELETE CASCADE)`
		columns := "INSERT INTO CUSTOMER_ROWS (ID, TOKEN_ID, OTHER_ID, N, B, T, R, X) VALUES "
		inserts = []string{
			columns + `(3, 'dead-1', NULL, 'text', X'00FF', '0000-00-00 00:00:00', 1, X'414243')`,
			columns + `(4, 'dead-1', 'dead-2', 9223372036854775807, 'a text', '2026-10-25 02:30:00.5', 0.1, 'ABC')`,
			columns + `(5, 'dead-3', 'dead-3', 0.1, 12, 17, 1e300, '')`,
			columns + `(6, NULL, 'dead-3', NULL, NULL, NULL, NULL, 1.5)`,
		}
	}
	return create, inserts
}

// TestOddValues keeps what is hard to keep, in a zone whose clocks change, and rows
// that hang on the tokens by two paths.
func TestOddValues(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		o := harness.Options{DB: db}
		if db == harness.MySQL || db == harness.MariaDB {
			o.WritersZone = "Europe/Berlin"
		}
		f := dbtest.New(t, open(t, o), dbtest.Setup{NullTimes: true})
		// In the autumn hour two instants have one text: the session's offset tells them apart.
		autumn := []string{"2026-10-25 01:59:59", "2026-10-25 02:30:00", "2026-10-25 03:00:00"}
		for n, wall := range autumn {
			f.Insert(schema.AccessToken, dbtest.TokenRow([]string{"dead-1", "dead-2", "dead-3"}[n], token.Revoked,
				dbtest.Row{"TIME_CREATED": wall, "REFRESH_TOKEN_TIME_CREATED": wall, "REFRESH_TOKEN": "", "SUBJECT_IDENTIFIER": nil}))
		}
		f.Insert(schema.AccessToken, dbtest.TokenRow("dead-no-time", token.Revoked, dbtest.Row{"TIME_CREATED": nil, "AUTHZ_USER": "blanks  "}))
		if f.Dialect.Name() == "mysql" {
			f.Insert(schema.AccessToken, dbtest.TokenRow("dead-zero", token.Revoked, dbtest.Row{"TIME_CREATED": "0000-00-00 00:00:00"}))
			inUTC(t, f) // the second 02:30, which no text of a session in Berlin says
		}
		create, inserts := oddTable(f.Dialect)
		f.Exec(create)
		for _, insert := range inserts {
			loosely(t, f, insert)
		}
		before := contents(t, f.Target)
		_, kept := cleaned(t, f.Target, cleanup.Batch{Size: 3}, true)
		require.Empty(t, f.Keys(schema.AccessToken, "TOKEN_ID"))
		require.Zero(t, f.Count("CUSTOMER_ROWS", ""))
		_, rows := kept.Total(backup.Confirmed)
		for i, table := range kept.Tables {
			if table.Name == "CUSTOMER_ROWS" {
				require.EqualValues(t, len(inserts), rows[i], "a row of two tokens is kept once")
			}
		}
		report := restored(t, f.Target, kept.Path, backup.Options{})
		require.True(t, report.Whole(), brief(report))
		requireSame(t, before, contents(t, f.Target))
	})
}

// inUTC inserts tokens of both instants that are 02:30 in Berlin.
func inUTC(t *testing.T, f *dbtest.Fixture) {
	db, err := f.Connect(t.Context(), harness.Session{Zone: "+00:00"})
	require.NoError(t, err)
	defer db.Close()
	for id, wall := range map[string]string{"dead-summer": "2026-10-25 00:30:00", "dead-winter": "2026-10-25 01:30:00"} {
		_, err := db.ExecContext(t.Context(), "INSERT INTO "+schema.AccessToken+" (TOKEN_ID, CONSUMER_KEY_ID, AUTHZ_USER, TIME_CREATED, "+
			"REFRESH_TOKEN_TIME_CREATED, VALIDITY_PERIOD, REFRESH_TOKEN_VALIDITY_PERIOD, TOKEN_STATE) VALUES (?, ?, ?, ?, ?, 1, 1, 'REVOKED')",
			id, dbtest.App, id, wall, wall)
		require.NoError(t, err)
	}
}

// loosely inserts what a strict session refuses.
func loosely(t *testing.T, f *dbtest.Fixture, insert string) {
	t.Helper()
	conn, err := f.DB.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	if f.Dialect.Name() == "mysql" {
		_, err = conn.ExecContext(t.Context(), "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
		require.NoError(t, err)
	}
	_, err = conn.ExecContext(t.Context(), insert)
	require.NoError(t, err, insert)
}

// TestUnknownTypesAreRefused: what cannot be kept exactly is named before anything changes.
func TestUnknownTypesAreRefused(t *testing.T) {
	t.Parallel()
	target := open(t, harness.Options{DB: harness.SQLServer})
	f := dbtest.New(t, target, dbtest.Setup{})
	f.Insert(schema.AccessToken, dbtest.TokenRow("dead", token.Revoked, nil))
	f.Exec("CREATE TABLE CUSTOMER_ROWS (ID INT PRIMARY KEY, TOKEN_ID VARCHAR(255) REFERENCES IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID) ON DELETE CASCADE, V SQL_VARIANT)")
	before := contents(t, target)
	_, err := cleanup.Batch{Backup: keep(file(t))}.Clean(t.Context(), target.DB, plan(t, target, true), watcher(t))
	requireRefused(t, err, "CUSTOMER_ROWS.V is of type sql_variant")
	requireSame(t, before, contents(t, target))
}
