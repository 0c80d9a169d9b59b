package dbtest

import (
	"cmp"
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// NewSchema makes an empty schema and removes it when the test is over. Every
// connection of db works in it; on MySQL its character set is latin1.
type NewSchema func(t *testing.T) (db *sql.DB, name string)

// Schema shows that a dialect can make the tables of every release and find in
// the server's catalog what it made, and things that customers have besides.
func Schema(t *testing.T, d dialect.Dialect, product string, newSchema NewSchema) {
	for _, name := range schema.Releases() {
		t.Run("release "+name, func(t *testing.T) {
			t.Parallel()
			db, in := newSchema(t)
			release, err := schema.Release(name, d.Product())
			require.NoError(t, err)
			CreateTables(t, db, d, release)
			found := read(t, db, d, in)
			want, have := comparable(d, release), comparable(d, found)
			switch {
			case product == "Babelfish": // which adds to the names of indexes
				want, have = withoutIndexNames(want), withoutIndexNames(have)
			case d.Name() == "sqlserver":
				have = withoutMadeUpNames(want, have)
			}
			require.Equal(t, want, have)
			require.Contains(t, schema.Guess(found).Releases, name)
			require.True(t, schema.Guess(found).Confident())
		})
	}
	t.Run("cascade", func(t *testing.T) { t.Parallel(); cascade(t, d, newSchema) })
	t.Run("foreign key rules", func(t *testing.T) { t.Parallel(); foreignKeyRules(t, d, newSchema) })
	t.Run("defaults", func(t *testing.T) { t.Parallel(); defaults(t, d, newSchema) })
	if d.Name() != "sqlserver" { // whose triggers and generated columns are told differently, see sqlServerExtras
		t.Run("extras", func(t *testing.T) { t.Parallel(); extras(t, d, newSchema) })
	}
	t.Run("empty", func(t *testing.T) {
		t.Parallel()
		db, in := newSchema(t)
		require.Equal(t, &schema.Database{Name: in}, read(t, db, d, in))
	})
	switch d.Name() {
	case "mysql":
		mysqlSchema(t, d, newSchema)
	case "sqlserver":
		sqlServerSchema(t, d, product, newSchema)
	}
}

// CreateTables makes all tables of a database with all their indexes.
func CreateTables(t *testing.T, db *sql.DB, d dialect.Dialect, want *schema.Database) {
	t.Helper()
	tables, err := want.CreationOrder()
	require.NoError(t, err)
	for _, table := range tables {
		before, _ := want.SplitIndexes(&table)
		exec(t, db, append([]string{d.CreateTable(table)}, d.AddIndexes(table.Name, before)...)...)
	}
	for _, table := range tables {
		_, after := want.SplitIndexes(&table)
		exec(t, db, d.AddIndexes(table.Name, after)...)
	}
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

func read(t *testing.T, db *sql.DB, d dialect.Dialect, name string) *schema.Database {
	t.Helper()
	found, err := schema.Read(t.Context(), db, d, name)
	// Babelfish has one catalog for all databases, and reads in it what the tests
	// in others are just dropping.
	for try := 0; try < 5 && d.Name() == "sqlserver" && d.Classify(err) == dialect.NoSuchTable; try++ {
		found, err = schema.Read(t.Context(), db, d, name)
	}
	require.NoError(t, err)
	return found
}

// comparable leaves of a database what a release says too. It works on a copy.
func comparable(d dialect.Dialect, in *schema.Database) []schema.Table {
	var tables []schema.Table
	for _, t := range in.Tables {
		t.Engine, t.Charset, t.Collation = "", "", effective(d, t)
		t.Columns = slices.Clone(t.Columns)
		for i := range t.Columns {
			c := &t.Columns[i]
			c.Type, c.Charset = "", ""
			if c.Kind != schema.VarChar && c.Kind != schema.Char || d.Name() != "mysql" {
				c.Collation = ""
			} else if c.Collation == "" {
				c.Collation = t.Collation
			}
		}
		t.Indexes = slices.Clone(t.Indexes)
		slices.SortFunc(t.Indexes, func(a, b schema.Index) int { return strings.Compare(a.Name, b.Name) })
		t.ForeignKeys = slices.Clone(t.ForeignKeys)
		for i := range t.ForeignKeys {
			t.ForeignKeys[i].Name = "" // the server's choice
		}
		slices.SortFunc(t.ForeignKeys, func(a, b schema.ForeignKey) int {
			return cmp.Or(strings.Compare(a.RefTable, b.RefTable), slices.Compare(a.Columns, b.Columns))
		})
		tables = append(tables, t)
	}
	return tables
}

// withoutMadeUpNames takes the name off each constraint that the release leaves
// to the server to name.
func withoutMadeUpNames(want, have []schema.Table) []schema.Table {
	for n := range min(len(want), len(have)) {
		for _, w := range want[n].Indexes {
			for i, h := range have[n].Indexes {
				if w.Name == "" && h.Constraint && slices.Equal(w.Columns, h.Columns) {
					have[n].Indexes[i].Name = ""
				}
			}
		}
		slices.SortFunc(have[n].Indexes, func(a, b schema.Index) int { return strings.Compare(a.Name, b.Name) })
	}
	return have
}

func withoutIndexNames(tables []schema.Table) []schema.Table {
	for _, t := range tables {
		for i := range t.Indexes {
			t.Indexes[i].Name = ""
		}
		slices.SortFunc(t.Indexes, func(a, b schema.Index) int {
			return cmp.Or(slices.Compare(a.Columns, b.Columns), slices.Compare(a.Include, b.Include))
		})
	}
	return tables
}

// effective is the table's collation when the schema's default is latin1.
func effective(d dialect.Dialect, t schema.Table) string {
	switch {
	case d.Name() == "sqlserver": // the database's, whatever the release says
		return ""
	case d.Name() == "mysql" && t.Collation == "":
		return "latin1_swedish_ci"
	}
	return t.Collation
}

// cascade shows that the foreign keys made are in force.
func cascade(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, _ := newSchema(t)
	release, err := schema.Release(schema.DefaultRelease, d.Product())
	require.NoError(t, err)
	CreateTables(t, db, d, release)
	exec(t, db,
		"INSERT INTO IDN_OAUTH_CONSUMER_APPS (CONSUMER_KEY) VALUES ('key')",
		"INSERT INTO IDN_OAUTH2_ACCESS_TOKEN (TOKEN_ID, CONSUMER_KEY_ID) VALUES ('t1', 1), ('t2', NULL)",
		"INSERT INTO IDN_OAUTH2_ACCESS_TOKEN_SCOPE (TOKEN_ID, TOKEN_SCOPE) VALUES ('t1', 'a'), ('t1', 'b'), ('t2', 'a')",
		"DELETE FROM IDN_OAUTH_CONSUMER_APPS WHERE ID = 1")
	require.Equal(t, 1, count(t, db, "IDN_OAUTH2_ACCESS_TOKEN"))
	require.Equal(t, 1, count(t, db, "IDN_OAUTH2_ACCESS_TOKEN_SCOPE"))

	_, err = db.ExecContext(t.Context(), "INSERT INTO IDN_OAUTH2_ACCESS_TOKEN_SCOPE (TOKEN_ID, TOKEN_SCOPE) VALUES ('none', 'a')")
	require.Error(t, err, "a scope without a token")
}

func count(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
	return n
}

// foreignKeyRules are those of a customer's tables.
func foreignKeyRules(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, in := newSchema(t)
	ownRule := schema.Cascade
	if d.Name() == "sqlserver" { // which has no cascade from a table to itself
		ownRule = schema.NoAction
	}
	id := schema.Column{Name: "ID", Kind: schema.Int, AutoID: true}
	key := schema.Column{Name: "REF", Kind: schema.Int, Nullable: true}
	child := func(name string, rule schema.Rule) schema.Table {
		return schema.Table{Name: name, Columns: []schema.Column{id, key}, PrimaryKey: []string{"ID"},
			ForeignKeys: []schema.ForeignKey{{Name: "FK_" + name, Columns: []string{"REF"}, RefTable: "PARENT", RefColumns: []string{"ID"}, OnDelete: rule}}}
	}
	CreateTables(t, db, d, &schema.Database{Tables: []schema.Table{
		child("A_CASCADES", schema.Cascade), child("B_NULLS", schema.SetNull), child("C_RESTRICTS", schema.Restrict), child("D_REFUSES", ""),
		child("PARENT", ownRule), // refers to itself
	}})
	found := read(t, db, d, in)
	rules := map[string]schema.ForeignKey{}
	for _, ref := range found.References("PARENT") {
		rules[ref.Table.Name] = ref.Key
	}
	require.Len(t, rules, 5)
	require.Equal(t, schema.Cascade, rules["A_CASCADES"].OnDelete)
	require.Equal(t, schema.SetNull, rules["B_NULLS"].OnDelete)
	require.True(t, rules["C_RESTRICTS"].OnDelete.Refuses())
	require.True(t, rules["D_REFUSES"].OnDelete.Refuses())
	require.Equal(t, ownRule, rules["PARENT"].OnDelete)
	require.Equal(t, []string{"REF"}, rules["PARENT"].Columns)
	require.Equal(t, []string{"ID"}, rules["PARENT"].RefColumns)
	require.NotEmpty(t, rules["PARENT"].Name)
}

// defaults come back as they were given, whatever they look like in SQL.
func defaults(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, in := newSchema(t)
	want := schema.Table{Name: "DEFAULTS", Columns: []schema.Column{{Name: "NONE_REQUIRED", Kind: schema.VarChar, Length: 9}}}
	for name, text := range map[string]string{"EMPTY": "", "WORD": "NONE", "QUOTE": "it's", "QUOTES": "'x'", "SPACE": " ", "NUMBER": "-1"} {
		want.Columns = append(want.Columns, schema.Column{Name: name, Kind: schema.VarChar, Length: 9, Nullable: true, Default: &text})
	}
	negative, now := "-1", schema.DefaultNow
	want.Columns = append(want.Columns,
		schema.Column{Name: "ABSENT", Kind: schema.VarChar, Length: 9, Nullable: true},
		schema.Column{Name: "LONGER", Kind: schema.Text, Nullable: true},
		schema.Column{Name: "SOME_INT", Kind: schema.Int, Default: &negative},
		schema.Column{Name: "SOME_BIGINT", Kind: schema.BigInt, Nullable: true, Default: &negative},
		schema.Column{Name: "NO_TIME", Kind: schema.Timestamp, Nullable: true},
		schema.Column{Name: "NOW", Kind: schema.Timestamp, Default: &now},
		schema.Column{Name: "PERHAPS_NOW", Kind: schema.Timestamp, Nullable: true, Default: &now})
	exec(t, db, d.CreateTable(want))

	found := read(t, db, d, in)
	require.Len(t, found.Tables, 1)
	require.Equal(t, columnsOf(want), columnsOf(found.Tables[0]))

	exec(t, db, "INSERT INTO DEFAULTS (NONE_REQUIRED) VALUES ('x')")
	var quote, number, at string
	var absent sql.NullString
	atNow := d.Read(schema.Column{Name: "NOW", Kind: schema.Timestamp})
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT QUOTE, SOME_INT, ABSENT, "+atNow+" FROM DEFAULTS").Scan(&quote, &number, &absent, &at))
	require.Equal(t, []string{"it's", "-1"}, []string{quote, number})
	require.False(t, absent.Valid)
	require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d\d\d)?$`, at)
}

// columnsOf leaves out what this test says nothing about.
func columnsOf(t schema.Table) []schema.Column {
	columns := slices.Clone(t.Columns)
	for i := range columns {
		columns[i].Type, columns[i].Charset, columns[i].Collation = "", "", ""
	}
	return columns
}

// extras are triggers, a view, generated columns and several keys in a table.
func extras(t *testing.T, d dialect.Dialect, newSchema NewSchema) {
	db, in := newSchema(t)
	exec(t, db,
		"CREATE TABLE NUMBERS (A INTEGER NOT NULL, B INTEGER NOT NULL, A_AND_B INTEGER GENERATED ALWAYS AS (A + B) STORED, PRIMARY KEY (B, A))",
		"CREATE TABLE OTHERS (A INTEGER NOT NULL, B INTEGER NOT NULL, FOREIGN KEY (B, A) REFERENCES NUMBERS (B, A))",
		"CREATE UNIQUE INDEX BY_A_B ON NUMBERS (A, B)",
		"CREATE INDEX BY_B ON NUMBERS (B)",
		"CREATE VIEW SEEN AS SELECT A FROM NUMBERS",
		"CREATE TRIGGER BEFORE_INSERT AFTER DELETE ON NUMBERS FOR EACH ROW BEGIN DELETE FROM OTHERS; END",
		"CREATE TRIGGER "+d.Quote("AFTER DELETE")+"\n\tBEFORE UPDATE ON NUMBERS FOR EACH ROW BEGIN DELETE FROM OTHERS; END")
	found := read(t, db, d, in)
	require.Len(t, found.Tables, 2, "the view is no table")

	numbers := found.Tables[0]
	require.Equal(t, "NUMBERS", numbers.Name)
	require.Equal(t, []string{"B", "A"}, numbers.PrimaryKey, "in the key's order")
	require.Equal(t, []schema.Index{{Name: "BY_A_B", Unique: true, Columns: []string{"A", "B"}}, {Name: "BY_B", Columns: []string{"B"}}}, numbers.Indexes)
	require.True(t, numbers.Columns[2].Generated)
	require.False(t, numbers.Columns[0].Generated)
	require.False(t, numbers.Columns[0].AutoID)
	require.Equal(t, []schema.Trigger{
		{Name: "AFTER DELETE", Timing: "BEFORE", Event: "UPDATE"},
		{Name: "BEFORE_INSERT", Timing: "AFTER", Event: "DELETE"},
	}, numbers.Triggers)
	require.Equal(t, []string{"B", "A"}, found.Tables[1].ForeignKeys[0].Columns)
	require.Equal(t, []string{"B", "A"}, found.Tables[1].ForeignKeys[0].RefColumns)
}
