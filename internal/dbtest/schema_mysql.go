package dbtest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// mysqlSchema is what only MySQL and MariaDB have: character sets, the zero
// date, programs, other schemas.
func mysqlSchema(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	t.Run("latin1 tables in a utf8mb4 schema", func(t *testing.T) { t.Parallel(); latin1InUTF8(t, d, newSchema) })
	t.Run("too long for utf8mb4", func(t *testing.T) { t.Parallel(); tooLongForUTF8(t, d, newSchema) })
	t.Run("column with its own collation", func(t *testing.T) { t.Parallel(); ownCollation(t, d, newSchema) })
	t.Run("zero date", func(t *testing.T) { t.Parallel(); zeroDate(t, d, newSchema) })
	t.Run("programs", func(t *testing.T) { t.Parallel(); programs(t, d, newSchema) })
	t.Run("other schema", func(t *testing.T) { t.Parallel(); otherSchema(t, d, newSchema) })
	t.Run("server's own types", func(t *testing.T) { t.Parallel(); ownTypes(t, d, newSchema) })
}

// latin1InUTF8 shows that every release can be made in a utf8mb4 schema if its
// tables are declared latin1.
func latin1InUTF8(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	for _, name := range []string{"apim-2.6", "apim-4.2", "apim-4.7", "is-7.3"} {
		db, in := newSchema(t)
		exec(t, db, "ALTER DATABASE "+d.Quote(in)+" CHARACTER SET utf8mb4")
		release, err := schema.Release(name, schema.MySQL)
		require.NoError(t, err)
		for i := range release.Tables {
			release.Tables[i].Charset = "latin1"
		}
		CreateTables(t, db, d, release)
		found := read(t, db, d, in)
		require.Equal(t, comparable(d, release), comparable(d, found))
		require.Equal(t, "latin1", found.Tables[0].Charset)
	}
}

// tooLongForUTF8 holds the documentation of schema.Release to its word: up to
// 4.0 utf8mb4 will do, from 4.2 on it does not.
func tooLongForUTF8(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	for name, fits := range map[string]bool{"apim-2.6": true, "apim-4.0": true, "apim-4.2": false, "apim-4.7": false} {
		db, in := newSchema(t)
		exec(t, db, "ALTER DATABASE "+d.Quote(in)+" CHARACTER SET utf8mb4")
		release, err := schema.Release(name, schema.MySQL)
		require.NoError(t, err)
		tables, err := release.CreationOrder()
		require.NoError(t, err)
		for _, table := range tables {
			before, after := release.SplitIndexes(&table)
			exec(t, db, append([]string{d.CreateTable(table)}, d.AddIndexes(table.Name, before)...)...)
			for _, statement := range d.AddIndexes(table.Name, after) {
				_, err := db.ExecContext(t.Context(), statement)
				if fits || table.Name != schema.TokenBinding {
					require.NoError(t, err, name)
				} else if name != "apim-4.7" { // declares latin1 for the long columns
					require.ErrorContains(t, err, "3072", name)
				}
			}
		}
	}
}

// ownCollation is how states are compared under another collation than the
// table's.
func ownCollation(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	for charset, collation := range map[string]string{"latin1": "latin1_bin", "utf8mb4": "utf8mb4_unicode_520_ci", "utf8mb3": "utf8mb3_bin"} {
		db, in := newSchema(t)
		release, err := schema.Release(schema.DefaultRelease, schema.MySQL)
		require.NoError(t, err)
		tokens, _ := release.Table(schema.AccessToken)
		state, _ := tokens.Column("TOKEN_STATE")
		state.Charset, state.Collation = charset, collation
		CreateTables(t, db, d, release)

		found := read(t, db, d, in)
		require.Equal(t, comparable(d, release), comparable(d, found))
		tokens, _ = found.Table(schema.AccessToken)
		state, _ = tokens.Column("TOKEN_STATE")
		require.Equal(t, []string{charset, collation, "latin1"}, []string{state.Charset, state.Collation, tokens.Charset})

		m := schema.Guess(found)
		require.Contains(t, m.Releases, schema.DefaultRelease)
		require.Len(t, m.Differences, 1)
		require.Contains(t, m.Differences[0], "IDN_OAUTH2_ACCESS_TOKEN.TOKEN_STATE has collation "+collation)
	}
}

// zeroDate is the default of times in databases from before MySQL 5.7.
func zeroDate(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, in := newSchema(t)
	zero := "0000-00-00 00:00:00"
	release, err := schema.Release("apim-2.6", schema.MySQL)
	require.NoError(t, err)
	tokens, _ := release.Table(schema.AccessToken)
	created, _ := tokens.Column("TIME_CREATED")
	created.Default = &zero

	db.SetMaxOpenConns(1) // the setting is the session's
	exec(t, db, "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE'")
	standalone := *tokens
	standalone.ForeignKeys = nil
	_, err = db.ExecContext(t.Context(), d.CreateTable(standalone))
	require.ErrorContains(t, err, "1067")

	exec(t, db, d.SessionSetup()...)
	CreateTables(t, db, d, release)
	require.Equal(t, comparable(d, release), comparable(d, read(t, db, d, in)))
}

func programs(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, in := newSchema(t)
	exec(t, db,
		"CREATE PROCEDURE SWEEP() SELECT 1",
		"CREATE FUNCTION ANSWER() RETURNS INT DETERMINISTIC NO SQL RETURN 42",
		"CREATE EVENT NIGHTLY ON SCHEDULE EVERY 1 DAY DISABLE DO CALL SWEEP()")
	require.Equal(t, []string{"event NIGHTLY", "function ANSWER", "procedure SWEEP"}, read(t, db, d, in).Programs)
}

// otherSchema shows that tables of another schema are not mixed up with those
// of the same name in this one.
func otherSchema(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	otherDB, other := newSchema(t)
	db, in := newSchema(t)
	exec(t, otherDB, "CREATE TABLE PARENT (ID INT NOT NULL PRIMARY KEY)", "CREATE TABLE ELSEWHERE (ID INT)", "CREATE PROCEDURE P() SELECT 1")
	exec(t, db, "CREATE TABLE PARENT (ID INT NOT NULL PRIMARY KEY)",
		"CREATE TABLE CHILD (ID INT, FOREIGN KEY (ID) REFERENCES "+d.Quote(other)+".PARENT (ID))")
	found := read(t, db, d, in)
	require.Len(t, found.Tables, 2)
	require.Empty(t, found.Programs)
	require.Empty(t, found.References("PARENT"))
	require.Len(t, found.References(other+".PARENT"), 1)
	exec(t, db, "DROP TABLE CHILD") // or the other schema cannot go
}

// ownTypes shows that a table found can be made again as it was.
func ownTypes(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, in := newSchema(t)
	exec(t, db, "CREATE TABLE ONCE (ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, BODY LONGTEXT, RAW VARBINARY(16) NULL, "+
		"AT TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), DAY DATETIME NULL, LEVEL TINYINT NOT NULL DEFAULT 3) "+
		"CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT='it''s'")
	once := read(t, db, d, in).Tables[0]
	require.Equal(t, "it's", once.Comment)
	require.Equal(t, []schema.Kind{schema.BigInt, schema.Text, schema.Other, schema.Timestamp, schema.Other, schema.Other}, kinds(once))

	twice := once
	twice.Name = "TWICE"
	exec(t, db, d.CreateTable(twice))
	again := slices.IndexFunc(read(t, db, d, in).Tables, func(table schema.Table) bool { return table.Name == "TWICE" })
	require.Equal(t, twice, read(t, db, d, in).Tables[again])
}

func kinds(t schema.Table) (all []schema.Kind) {
	for _, c := range t.Columns {
		all = append(all, c.Kind)
	}
	return all
}
