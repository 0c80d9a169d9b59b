package sqlserver

import (
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// CreateTable makes a table with its primary key, which is clustered, and its
// foreign keys. Text columns have the database's collation where neither table
// nor column names one. Character sets, engines and comments do not exist here
// and are left out.
//
// A foreign key to a unique key needs that key first, see
// schema.Database.SplitIndexes. One that would let a delete reach a table by two
// paths of cascades, or a table cascade to itself, the server refuses (error 1785).
func (d Dialect) CreateTable(t schema.Table) string {
	var lines []string
	for _, c := range t.Columns {
		lines = append(lines, d.column(c, t.Collation))
	}
	if len(t.PrimaryKey) > 0 {
		lines = append(lines, "PRIMARY KEY ("+dialect.QuoteAll(d, t.PrimaryKey)+")")
	}
	for _, fk := range t.ForeignKeys {
		lines = append(lines, d.foreignKey(fk))
	}
	return "CREATE TABLE " + d.Table(t.Name) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)"
}

// AddIndexes makes one statement an index or UNIQUE constraint. Only constraints
// may be without a name.
func (d Dialect) AddIndexes(table string, indexes []schema.Index) []string {
	var statements []string
	for _, ix := range indexes {
		if ix.Constraint {
			statements = append(statements, "ALTER TABLE "+d.Table(table)+" ADD "+d.named(ix.Name)+"UNIQUE ("+dialect.QuoteAll(d, ix.Columns)+")")
			continue
		}
		create := "CREATE INDEX "
		if ix.Unique {
			create = "CREATE UNIQUE INDEX "
		}
		statement := create + d.Quote(ix.Name) + " ON " + d.Table(table) + " (" + dialect.QuoteAll(d, ix.Columns) + ")"
		if len(ix.Include) > 0 {
			statement += " INCLUDE (" + dialect.QuoteAll(d, ix.Include) + ")"
		}
		statements = append(statements, statement)
	}
	return statements
}

// named is the start of a constraint; without a name the server makes one up.
func (d Dialect) named(name string) string {
	if name == "" {
		return ""
	}
	return "CONSTRAINT " + d.Quote(name) + " "
}

// column says NULL as well: what a column without either is depends on a setting.
func (d Dialect) column(c schema.Column, collation string) string {
	parts := []string{d.Quote(c.Name), typeOf(c)}
	if c.Collation != "" {
		collation = c.Collation
	}
	if collation != "" && hasCollation(c) {
		parts = append(parts, "COLLATE "+collation)
	}
	if c.AutoID {
		parts = append(parts, "IDENTITY(1,1)")
	}
	if c.Nullable {
		parts = append(parts, "NULL")
	} else {
		parts = append(parts, "NOT NULL")
	}
	if c.Default != nil && !c.AutoID {
		parts = append(parts, "DEFAULT "+defaultOf(c))
	}
	return strings.Join(parts, " ")
}

func hasCollation(c schema.Column) bool {
	return c.Kind == schema.VarChar || c.Kind == schema.Char || c.Kind == schema.Text
}

// typeOf prefers the server's own text, which knows national characters,
// lengths and fractions.
func typeOf(c schema.Column) string {
	switch {
	case c.Type != "":
		return c.Type
	case c.Kind == schema.VarChar || c.Kind == schema.Char:
		return fmt.Sprintf("%s(%d)", strings.ToUpper(string(c.Kind)), c.Length)
	case c.Kind == schema.Text:
		return "VARCHAR(MAX)"
	case c.Kind == schema.Blob:
		return "VARBINARY(MAX)"
	case c.Kind == schema.Timestamp:
		return "DATETIME"
	}
	return strings.ToUpper(string(c.Kind))
}

// defaultOf writes national literals for national types, which else lose the
// characters that the database's code page does not have.
func defaultOf(c schema.Column) string {
	switch {
	case *c.Default == schema.DefaultNow || c.Kind == schema.Int || c.Kind == schema.BigInt:
		return *c.Default
	case strings.HasPrefix(strings.ToLower(c.Type), "n"):
		return "N" + dialect.Literal(*c.Default)
	}
	return dialect.Literal(*c.Default)
}

// foreignKey leaves the rule out where it refuses: that is NO ACTION, the
// default. RESTRICT is no word here.
func (d Dialect) foreignKey(fk schema.ForeignKey) string {
	text := d.named(fk.Name) + "FOREIGN KEY (" + dialect.QuoteAll(d, fk.Columns) + ") REFERENCES " + d.Table(fk.RefTable) +
		" (" + dialect.QuoteAll(d, fk.RefColumns) + ")"
	if !fk.OnDelete.Refuses() {
		text += " ON DELETE " + string(fk.OnDelete)
	}
	return text
}
