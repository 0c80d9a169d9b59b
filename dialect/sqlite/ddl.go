package sqlite

import (
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// timeType is how a time column is declared. It has TEXT affinity and is none
// of the names (TIMESTAMP, DATETIME) for which the driver turns the text
// into a time.Time, so that what is read is what was written.
const timeType = "TIMESTAMP TEXT"

// CreateTable makes a table with its primary key and foreign keys. A column
// that counts up is INTEGER PRIMARY KEY AUTOINCREMENT and so must be the whole
// primary key; where it is not, it is an ordinary integer. Engine, character
// sets and collations do not exist here and are left out; a column of kind
// Other keeps its Type.
func (d Dialect) CreateTable(t schema.Table) string {
	var lines []string
	counts := false
	for _, c := range t.Columns {
		isKey := c.AutoID && len(t.PrimaryKey) == 1 && strings.EqualFold(t.PrimaryKey[0], c.Name)
		counts = counts || isKey
		lines = append(lines, d.column(c, isKey))
	}
	if len(t.PrimaryKey) > 0 && !counts {
		lines = append(lines, "PRIMARY KEY ("+dialect.QuoteAll(d, t.PrimaryKey)+")")
	}
	for _, fk := range t.ForeignKeys {
		lines = append(lines, d.foreignKey(fk))
	}
	return "CREATE TABLE " + d.Quote(t.Name) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)"
}

// AddIndexes makes one statement an index. Index names are names in the whole
// database here, so the table's name and a dot go in front; IndexesSQL takes
// them off again.
func (d Dialect) AddIndexes(table string, indexes []schema.Index) []string {
	var statements []string
	for _, ix := range indexes {
		create := "CREATE INDEX "
		if ix.Unique {
			create = "CREATE UNIQUE INDEX "
		}
		statements = append(statements, create+d.Quote(table+"."+ix.Name)+" ON "+d.Quote(table)+" ("+dialect.QuoteAll(d, ix.Columns)+")")
	}
	return statements
}

func (d Dialect) column(c schema.Column, isKey bool) string {
	if isKey {
		return d.Quote(c.Name) + " INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
	}
	text := d.Quote(c.Name) + " " + typeOf(c)
	if !c.Nullable {
		text += " NOT NULL"
	}
	if c.Default != nil {
		text += " DEFAULT " + defaultOf(c)
	}
	return text
}

// typeOf declares lengths, which SQLite keeps but does not enforce.
func typeOf(c schema.Column) string {
	switch c.Kind {
	case schema.VarChar, schema.Char:
		return fmt.Sprintf("%s(%d)", strings.ToUpper(string(c.Kind)), c.Length)
	case schema.Int:
		return "INTEGER"
	case schema.Timestamp:
		return timeType
	case schema.Other:
		return c.Type
	}
	return strings.ToUpper(string(c.Kind))
}

func defaultOf(c schema.Column) string {
	if *c.Default == schema.DefaultNow || c.Kind == schema.Int || c.Kind == schema.BigInt {
		return *c.Default
	}
	return "'" + strings.ReplaceAll(*c.Default, "'", "''") + "'"
}

func (d Dialect) foreignKey(fk schema.ForeignKey) string {
	text := "FOREIGN KEY (" + dialect.QuoteAll(d, fk.Columns) + ") REFERENCES " + d.Quote(fk.RefTable) + " (" + dialect.QuoteAll(d, fk.RefColumns) + ")"
	if fk.Name != "" {
		text = "CONSTRAINT " + d.Quote(fk.Name) + " " + text
	}
	if fk.OnDelete != "" {
		text += " ON DELETE " + string(fk.OnDelete)
	}
	return text
}
