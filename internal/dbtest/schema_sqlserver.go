package dbtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/schema"
)

// sqlServerSchema is what only SQL Server has, or says in its own way.
func sqlServerSchema(t *testing.T, d dialect.Dialect, product string, newSchema NewSchema) {
	t.Run("extras", func(t *testing.T) { t.Parallel(); sqlServerExtras(t, d, product, newSchema) })
	t.Run("schemas", func(t *testing.T) { t.Parallel(); otherThanOwn(t, newSchema) })
	t.Run("types", func(t *testing.T) { t.Parallel(); sqlServerTypes(t, d, newSchema) })
	t.Run("collations", func(t *testing.T) { t.Parallel(); ownCollations(t, d, newSchema) })
	t.Run("request objects do not cascade", func(t *testing.T) { t.Parallel(); requestObjects(t, d, newSchema) })
}

// sqlServerExtras are triggers, a view, computed columns, programs and several
// keys in a table.
func sqlServerExtras(t *testing.T, d dialect.Dialect, product string, newSchema NewSchema) {
	db, in := newSchema(t)
	exec(t, db,
		"CREATE TABLE NUMBERS (A INTEGER NOT NULL, B INTEGER NOT NULL, A_AND_B AS (A + B) PERSISTED, PRIMARY KEY (B, A), CONSTRAINT once UNIQUE (A))",
		"CREATE TABLE OTHERS (A INTEGER NOT NULL, B INTEGER NOT NULL, FOREIGN KEY (B, A) REFERENCES NUMBERS (B, A))",
		"CREATE UNIQUE INDEX BY_A_B ON NUMBERS (A, B)",
		"CREATE INDEX BY_B ON NUMBERS (B) INCLUDE (A)",
		"CREATE VIEW SEEN AS SELECT A FROM NUMBERS",
		"CREATE TRIGGER also ON NUMBERS AFTER DELETE AS DELETE FROM OTHERS",
		"CREATE TRIGGER [instead; of] ON NUMBERS INSTEAD OF UPDATE AS DELETE FROM OTHERS",
		"CREATE PROCEDURE sweep AS SELECT 1",
		"CREATE FUNCTION answer() RETURNS INT AS BEGIN RETURN 42 END")
	found := read(t, db, d, in)
	require.Len(t, found.Tables, 2, "the view is no table")
	require.Equal(t, []string{"function answer", "procedure sweep"}, found.Programs)

	numbers := found.Tables[0]
	require.Equal(t, []string{"B", "A"}, numbers.PrimaryKey, "in the key's order")
	want := []schema.Table{{Indexes: []schema.Index{
		{Name: "BY_A_B", Unique: true, Columns: []string{"A", "B"}},
		{Name: "BY_B", Columns: []string{"B"}, Include: []string{"A"}},
		{Name: "once", Unique: true, Constraint: true, Columns: []string{"A"}},
	}}}
	if product == "Babelfish" { // which adds to the names of indexes
		want, _ = withoutIndexNames(want), withoutIndexNames([]schema.Table{numbers})
	}
	require.Equal(t, want[0].Indexes, numbers.Indexes)
	require.True(t, numbers.Columns[2].Generated)
	require.False(t, numbers.Columns[0].Generated)
	require.Equal(t, []schema.Trigger{
		{Name: "also", Timing: "AFTER", Event: "DELETE"},
		{Name: "instead; of", Timing: "INSTEAD OF", Event: "UPDATE"},
	}, numbers.Triggers)
	require.Equal(t, []string{"B", "A"}, found.Tables[1].ForeignKeys[0].Columns)
	require.Equal(t, []string{"B", "A"}, found.Tables[1].ForeignKeys[0].RefColumns)
}

// otherThanOwn shows that tables of the same name in another schema are told
// apart.
func otherThanOwn(t *testing.T, newSchema NewSchema) {
	db, in := newSchema(t)
	exec(t, db,
		"CREATE SCHEMA [Other One]",
		"CREATE TABLE PARENT (ID INT NOT NULL PRIMARY KEY)",
		"CREATE TABLE [Other One].PARENT (ID INT NOT NULL PRIMARY KEY)",
		"CREATE TABLE CHILD (ID INT REFERENCES [Other One].PARENT (ID))",
		"CREATE TABLE [Other One].ELSEWHERE (ID INT)")
	found := read(t, db, sqlserver.Dialect{}, in)
	require.Len(t, found.Tables, 2)
	require.Empty(t, found.References("PARENT"))
	require.Len(t, found.References("Other One.PARENT"), 1)
	other := read(t, db, sqlserver.Dialect{Schema: "Other One"}, "Other One")
	require.Len(t, other.Tables, 2)
	_, ok := other.Table("ELSEWHERE")
	require.True(t, ok)
}

// sqlServerTypes shows that a table found can be made again as it was.
func sqlServerTypes(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, in := newSchema(t)
	exec(t, db, "CREATE TABLE ONCE (ID BIGINT NOT NULL IDENTITY(1,1) PRIMARY KEY, BODY NVARCHAR(MAX), RAW VARBINARY(16) NULL, "+
		"AT DATETIME2(3) NOT NULL DEFAULT GETDATE(), DAY DATE NULL, LEVEL TINYINT NOT NULL DEFAULT 3, PRICE DECIMAL(10,2), NAME NVARCHAR(20) DEFAULT N'x')")
	once := read(t, db, d, in).Tables[0]
	require.Equal(t, []schema.Kind{schema.BigInt, schema.Text, schema.Blob, schema.Timestamp, schema.Other, schema.Other, schema.Other, schema.VarChar}, kinds(once))

	twice := once
	twice.Name = "TWICE"
	exec(t, db, d.CreateTable(twice))
	again, ok := read(t, db, d, in).Table("TWICE")
	require.True(t, ok)
	require.Equal(t, twice, *again)
}

// ownCollations shows that a column's collation is that of the column.
func ownCollations(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, in := newSchema(t)
	exec(t, db, "CREATE TABLE WORDS (FOLDED VARCHAR(9), EXACT VARCHAR(9) COLLATE Latin1_General_CS_AS, N INT)")
	words := read(t, db, d, in).Tables[0]
	require.True(t, d.Collation(words.Columns[0].Collation).FoldCase)
	require.False(t, d.Collation(words.Columns[1].Collation).FoldCase)
	require.Empty(t, words.Columns[2].Collation)
}

// requestObjects is the reason for cleaning children by hand: on SQL Server their
// key to the token has no cascade, because the key to the app has one.
func requestObjects(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, in := newSchema(t)
	release, err := schema.Release(schema.DefaultRelease, schema.SQLServer)
	require.NoError(t, err)
	CreateTables(t, db, d, release)
	found := read(t, db, d, in)
	fates := map[string]schema.Fate{}
	for _, child := range found.Children(schema.AccessToken) {
		fates[child.Table()] = child.Fate
	}
	require.Equal(t, schema.ByHand, fates[schema.RequestObject])
	require.Equal(t, schema.Cascades, fates[schema.AccessTokenScope])
}
