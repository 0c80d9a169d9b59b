package sqlserver

import (
	"strings"

	"github.com/tokensweep/tokensweep/schema"
)

var _ schema.DefaultParser = Dialect{}

// The catalog is that of the session's database; @p1 is the schema's name. What
// a user has no permission on is not in it, and no error says so: defaults need
// VIEW DEFINITION. Names are written in the case that a case-sensitive database
// wants.

// tables are the user's own base tables: temporal ones with their histories and
// memory-optimized ones, but neither views nor external tables nor those that
// the server put there.
const tables = `(SELECT object_id, name FROM sys.tables
	WHERE schema_id = SCHEMA_ID(@p1) AND is_ms_shipped = 0 AND is_external = 0)`

// TablesSQL gives as collation the database's, which a column has that declares
// none.
func (Dialect) TablesSQL() string {
	return `SELECT n.TABLE_NAME, '', '', COALESCE((SELECT collation_name FROM sys.databases WHERE database_id = DB_ID()), ''), ''
FROM ` + tables + ` t
JOIN INFORMATION_SCHEMA.TABLES n ON n.TABLE_SCHEMA = @p1 AND n.TABLE_NAME = t.name
ORDER BY n.TABLE_NAME`
}

// ColumnsSQL writes types as they can be declared. The base type of a text
// without a limit is as "varchar(max)". Defaults are the server's expressions,
// see ParseDefault. Generated are computed columns, row versions and the period
// of temporal tables.
func (Dialect) ColumnsSQL() string {
	return `SELECT n.TABLE_NAME, n.COLUMN_NAME,
	CASE WHEN ` + isText + ` AND n.CHARACTER_MAXIMUM_LENGTH = -1 THEN n.DATA_TYPE + '(max)' ELSE n.DATA_TYPE END,
	CASE WHEN n.DATA_TYPE LIKE '%char' AND n.CHARACTER_MAXIMUM_LENGTH > 0 THEN n.CHARACTER_MAXIMUM_LENGTH ELSE 0 END,
	n.DATA_TYPE + CASE
		WHEN ` + isText + ` AND n.CHARACTER_MAXIMUM_LENGTH = -1 THEN '(max)'
		WHEN ` + isText + ` THEN '(' + CAST(n.CHARACTER_MAXIMUM_LENGTH AS VARCHAR(11)) + ')'
		WHEN n.DATA_TYPE IN ('decimal', 'numeric')
			THEN '(' + CAST(n.NUMERIC_PRECISION AS VARCHAR(11)) + ',' + CAST(n.NUMERIC_SCALE AS VARCHAR(11)) + ')'
		WHEN n.DATA_TYPE = 'float' THEN '(' + CAST(n.NUMERIC_PRECISION AS VARCHAR(11)) + ')'
		WHEN n.DATA_TYPE IN ('datetime2', 'datetimeoffset', 'time') THEN '(' + CAST(n.DATETIME_PRECISION AS VARCHAR(11)) + ')'
		ELSE '' END,
	CASE n.IS_NULLABLE WHEN 'YES' THEN 1 ELSE 0 END,
	CASE WHEN d.definition IS NULL THEN 0 ELSE 1 END, COALESCE(d.definition, ''),
	'', COALESCE(n.COLLATION_NAME, ''),
	CASE c.is_identity WHEN 1 THEN 1 ELSE 0 END,
	CASE WHEN c.is_computed = 1 OR c.generated_always_type <> 0 OR n.DATA_TYPE = 'timestamp' THEN 1 ELSE 0 END
FROM INFORMATION_SCHEMA.COLUMNS n
JOIN sys.columns c ON c.object_id = OBJECT_ID(QUOTENAME(n.TABLE_SCHEMA) + '.' + QUOTENAME(n.TABLE_NAME)) AND c.name = n.COLUMN_NAME
LEFT JOIN sys.default_constraints d ON d.parent_object_id = c.object_id AND d.parent_column_id = c.column_id
WHERE n.TABLE_SCHEMA = @p1
ORDER BY n.TABLE_NAME, n.ORDINAL_POSITION`
}

const isText = `n.DATA_TYPE IN ('char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary')`

// ParseDefault reads what the server makes of a default: (getdate()), ('text'),
// (N'text'), ((0)) and (NULL), which is none. Other expressions lose no more
// than the outer brackets. Babelfish has no brackets but writes
// CAST('-1' AS int).
func (Dialect) ParseDefault(expression string) *string {
	value := unwrap(expression)
	if inside, ok := strings.CutPrefix(value, "CAST("); ok {
		if end := strings.LastIndex(inside, " AS "); end >= 0 && strings.HasSuffix(inside, ")") {
			value = unwrap(inside[:end])
		}
	}
	switch strings.ToLower(value) {
	case "null":
		return nil
	case "getdate()", "getutcdate()", "sysdatetime()", "sysutcdatetime()", "current_timestamp":
		value = schema.DefaultNow
	}
	if text, ok := unquote(strings.TrimPrefix(value, "N")); ok {
		value = text
	}
	return &value
}

// unwrap takes away brackets that enclose the whole expression.
func unwrap(expression string) string {
	for {
		inside, ok := strings.CutPrefix(expression, "(")
		if !ok || closing(inside) != len(inside)-1 {
			return expression
		}
		expression = inside[:len(inside)-1]
	}
}

// closing is where the bracket closes that was opened in front of text, -1 if
// it does not. Brackets in literals do not count.
func closing(text string) int {
	depth, quoted := 1, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

// unquote is the text of a literal, false for what is more or less than one.
func unquote(expression string) (string, bool) {
	if len(expression) < 2 || expression[0] != '\'' || expression[len(expression)-1] != '\'' {
		return "", false
	}
	inside := expression[1 : len(expression)-1]
	text := strings.ReplaceAll(inside, "''", "'")
	return text, strings.Count(inside, "'") == 2*strings.Count(text, "'")
}

// IndexesSQL leaves out indexes that are disabled or hypothetical, because they
// do nothing. One with a filter is not unique, because it takes any number of
// the rows that the filter leaves out.
func (Dialect) IndexesSQL() string {
	return `SELECT t.name, i.name, CASE WHEN i.is_unique = 1 AND i.has_filter = 0 THEN 1 ELSE 0 END,
	CASE i.is_primary_key WHEN 1 THEN 1 ELSE 0 END, COL_NAME(k.object_id, k.column_id),
	CASE i.is_unique_constraint WHEN 1 THEN 1 ELSE 0 END, CASE k.is_included_column WHEN 1 THEN 1 ELSE 0 END
FROM ` + tables + ` t
JOIN sys.indexes i ON i.object_id = t.object_id
JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id
WHERE i.index_id > 0 AND i.is_disabled = 0 AND i.is_hypothetical = 0 AND (k.key_ordinal > 0 OR k.is_included_column = 1)
ORDER BY t.name, i.name, k.is_included_column, k.key_ordinal, k.index_column_id`
}

// ForeignKeysSQL writes a table of another schema as schema.table, so that it
// is not taken for one of the same name in this schema; one that the user may
// not see has no name. Disabled keys are left out, because they neither cascade
// nor refuse; those that are not trusted do.
func (Dialect) ForeignKeysSQL() string {
	return `SELECT t.name, f.name, COL_NAME(k.parent_object_id, k.parent_column_id),
	COALESCE(CASE WHEN OBJECT_SCHEMA_NAME(f.referenced_object_id) = @p1 THEN '' ELSE OBJECT_SCHEMA_NAME(f.referenced_object_id) + '.' END
		+ OBJECT_NAME(f.referenced_object_id), ''),
	COALESCE(COL_NAME(k.referenced_object_id, k.referenced_column_id), ''), REPLACE(f.delete_referential_action_desc, '_', ' ')
FROM ` + tables + ` t
JOIN sys.foreign_keys f ON f.parent_object_id = t.object_id
JOIN sys.foreign_key_columns k ON k.constraint_object_id = f.object_id
WHERE f.is_disabled = 0
ORDER BY t.name, f.name, k.constraint_column_id`
}

// TriggersSQL lists a trigger for several events once for each, and none that
// is disabled.
func (Dialect) TriggersSQL() string {
	return `SELECT t.name, g.name, CASE g.is_instead_of_trigger WHEN 1 THEN 'INSTEAD OF' ELSE 'AFTER' END, e.type_desc
FROM ` + tables + ` t
JOIN sys.triggers g ON g.parent_id = t.object_id
JOIN sys.trigger_events e ON e.object_id = g.object_id
WHERE g.is_disabled = 0
ORDER BY t.name, g.name, e.type_desc`
}

// ProgramsSQL lists types in lower case, as "procedure". Jobs of SQL Server
// Agent are not in the database.
func (Dialect) ProgramsSQL() string {
	return `SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME FROM INFORMATION_SCHEMA.ROUTINES WHERE ROUTINE_SCHEMA = @p1 ORDER BY ROUTINE_TYPE, ROUTINE_NAME`
}

// KindOf maps DATA_TYPE. The type called timestamp is a row version, not a time.
func (Dialect) KindOf(baseType string) schema.Kind {
	switch strings.ToLower(baseType) {
	case "varchar", "nvarchar":
		return schema.VarChar
	case "char", "nchar":
		return schema.Char
	case "varchar(max)", "nvarchar(max)", "text", "ntext":
		return schema.Text
	case "int", "bigint":
		return schema.Kind(strings.ToLower(baseType))
	case "datetime", "datetime2", "smalldatetime":
		return schema.Timestamp
	case "binary", "varbinary", "varbinary(max)", "image":
		return schema.Blob
	}
	return schema.Other
}
