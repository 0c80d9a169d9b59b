package mysql

import (
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// CreateTable makes a table with its primary key and foreign keys, on InnoDB
// unless the table names another engine. Nothing depends on the server's
// defaults but the character set where neither table nor column declares one.
//
// InnoDB makes an index for each foreign key that has none; it goes by itself
// when AddIndexes brings one that serves. A foreign key to a unique key needs
// that key first, see schema.Database.SplitIndexes.
//
// A time that defaults to '0000-00-00 00:00:00', as in databases from before
// MySQL 5.7, needs a session without NO_ZERO_DATE in its sql_mode; the server
// refuses it otherwise (error 1067). SessionSetup makes such a session.
func (d Dialect) CreateTable(t schema.Table) string {
	var lines []string
	for _, c := range t.Columns {
		lines = append(lines, d.column(c))
	}
	if len(t.PrimaryKey) > 0 {
		lines = append(lines, "PRIMARY KEY ("+dialect.QuoteAll(d, t.PrimaryKey)+")")
	}
	for _, fk := range t.ForeignKeys {
		lines = append(lines, d.foreignKey(fk))
	}
	return "CREATE TABLE " + d.Quote(t.Name) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)" + tableOptions(t)
}

// AddIndexes builds all of a table's indexes in one statement, for which the
// server reads the table once.
func (d Dialect) AddIndexes(table string, indexes []schema.Index) []string {
	if len(indexes) == 0 {
		return nil
	}
	parts := make([]string, len(indexes))
	for i, ix := range indexes {
		parts[i] = "ADD INDEX "
		if ix.Unique {
			parts[i] = "ADD UNIQUE INDEX "
		}
		parts[i] += d.Quote(ix.Name) + " (" + dialect.QuoteAll(d, ix.Columns) + ")"
	}
	return []string{"ALTER TABLE " + d.Quote(table) + "\n  " + strings.Join(parts, ",\n  ")}
}

// column says NULL as well: with explicit_defaults_for_timestamp off, the
// default of MariaDB up to 10.9, a bare TIMESTAMP means NOT NULL.
func (d Dialect) column(c schema.Column) string {
	parts := []string{d.Quote(c.Name), typeOf(c)}
	if c.Charset != "" {
		parts = append(parts, "CHARACTER SET "+c.Charset)
	}
	if c.Collation != "" {
		parts = append(parts, "COLLATE "+c.Collation)
	}
	if c.Nullable {
		parts = append(parts, "NULL")
	} else {
		parts = append(parts, "NOT NULL")
	}
	switch {
	case c.AutoID:
		parts = append(parts, "AUTO_INCREMENT")
	case c.Default != nil:
		parts = append(parts, "DEFAULT "+defaultOf(c))
	case c.Nullable && c.Kind == schema.Timestamp:
		parts = append(parts, "DEFAULT NULL")
	}
	return strings.Join(parts, " ")
}

// typeOf prefers the server's own text, which knows signs and fractions.
func typeOf(c schema.Column) string {
	switch {
	case c.Type != "":
		return c.Type
	case c.Kind == schema.VarChar || c.Kind == schema.Char:
		return fmt.Sprintf("%s(%d)", strings.ToUpper(string(c.Kind)), c.Length)
	}
	return strings.ToUpper(string(c.Kind))
}

func defaultOf(c schema.Column) string {
	switch {
	case *c.Default == schema.DefaultNow:
		return schema.DefaultNow + fraction(c.Type)
	case c.Kind == schema.Int || c.Kind == schema.BigInt:
		return *c.Default
	}
	return literal(*c.Default)
}

// fraction is the "(6)" of timestamp(6), which its default must repeat.
func fraction(columnType string) string {
	if i := strings.IndexByte(columnType, '('); i >= 0 {
		return columnType[i:]
	}
	return ""
}

func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(text) + "'"
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

func tableOptions(t schema.Table) string {
	engine := t.Engine
	if engine == "" {
		engine = "InnoDB"
	}
	options := " ENGINE=" + engine
	if t.Charset != "" {
		options += " DEFAULT CHARACTER SET " + t.Charset
	}
	if t.Collation != "" {
		options += " COLLATE " + t.Collation
	}
	if t.Comment != "" {
		options += " COMMENT=" + literal(t.Comment)
	}
	return options
}
