package sqlite_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/tokensweep/tokensweep/dialect/sqlite"
	"github.com/tokensweep/tokensweep/schema"
)

func read(t *testing.T, statements ...string) *schema.Database {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1) // each connection has a memory of its own
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
	found, err := schema.Read(t.Context(), db, sqlite.Dialect{}, "whatever")
	require.NoError(t, err)
	return found
}

// TestReadForeignTables are tables that this dialect did not make.
func TestReadForeignTables(t *testing.T) {
	t.Parallel()
	found := read(t,
		`CREATE TABLE parent (a TEXT, b INT, PRIMARY KEY (b, a), UNIQUE (a)) WITHOUT ROWID`,
		`CREATE TABLE child (id INTEGER PRIMARY KEY, x INT, y TEXT, v AS (x + 1), at DATETIME, n DECIMAL(10, 2), FOREIGN KEY (x, y) REFERENCES parent)`,
		`CREATE INDEX on_expression ON child (x, upper(y))`,
		`CREATE TEMP TABLE unseen (id INTEGER)`)
	require.Len(t, found.Tables, 2)
	child, parent := found.Tables[0], found.Tables[1]

	require.Equal(t, []string{"b", "a"}, parent.PrimaryKey)
	require.Len(t, parent.Indexes, 1)
	require.True(t, parent.Indexes[0].Unique)

	require.Equal(t, []schema.ForeignKey{{Name: "fk_child_0", Columns: []string{"x", "y"}, RefTable: "parent",
		RefColumns: []string{"b", "a"}, OnDelete: schema.NoAction}}, child.ForeignKeys, "a key without columns means the primary key")
	require.Equal(t, []schema.Index{{Name: "on_expression", Columns: []string{"x", ""}}}, child.Indexes)
	require.True(t, child.Columns[0].AutoID)
	require.False(t, child.Columns[0].Nullable)
	require.True(t, child.Columns[3].Generated)
	require.Equal(t, schema.Timestamp, child.Columns[4].Kind)
	require.Equal(t, schema.Other, child.Columns[5].Kind)
	require.Equal(t, "DECIMAL(10, 2)", child.Columns[5].Type)
}

func TestReadTriggers(t *testing.T) {
	t.Parallel()
	found := read(t,
		`CREATE TABLE t (id INTEGER PRIMARY KEY, update_me TEXT)`,
		`CREATE TRIGGER a DELETE ON t BEGIN SELECT 1; END`,
		`create  trigger  if not exists  "b insert"  after   update of update_me on t begin select 1; end`,
		"CREATE TRIGGER [c]BEFORE\n\tINSERT ON t BEGIN SELECT 1; END",
		"CREATE TRIGGER main.trigger_d AFTER INSERT ON t BEGIN DELETE FROM t; END")
	require.Equal(t, []schema.Trigger{
		{Name: "a", Timing: "BEFORE", Event: "DELETE"},
		{Name: "b insert", Timing: "AFTER", Event: "UPDATE"},
		{Name: "c", Timing: "BEFORE", Event: "INSERT"},
		{Name: "trigger_d", Timing: "AFTER", Event: "INSERT"},
	}, found.Tables[0].Triggers)
}
