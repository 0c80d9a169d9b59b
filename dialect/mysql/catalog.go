package mysql

import "github.com/tokensweep/tokensweep/schema"

// The catalog is information_schema. What the session's user has no privilege
// on is not in it, and no error says so: triggers need TRIGGER, routines
// EXECUTE or more, events EVENT.

// TablesSQL takes the character set from the collation's name, which starts
// with it. The server's own list of both lacks the Unicode 14 collations on
// MariaDB.
func (Dialect) TablesSQL() string {
	return `SELECT TABLE_NAME, COALESCE(ENGINE, ''), COALESCE(SUBSTRING_INDEX(TABLE_COLLATION, '_', 1), ''),
	COALESCE(TABLE_COLLATION, ''), COALESCE(TABLE_COMMENT, '')
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
ORDER BY TABLE_NAME`
}

// ColumnsSQL evens out defaults. MariaDB writes them as SQL: 'text' in quotes,
// NULL for none, current_timestamp(). MySQL writes the bare text. Which of the
// two answers is told by a table that only MariaDB has.
func (Dialect) ColumnsSQL() string {
	return `SELECT c.TABLE_NAME, c.COLUMN_NAME, LOWER(c.DATA_TYPE),
	CASE WHEN c.DATA_TYPE IN ('varchar', 'char') THEN COALESCE(c.CHARACTER_MAXIMUM_LENGTH, 0) ELSE 0 END,
	c.COLUMN_TYPE,
	CASE c.IS_NULLABLE WHEN 'YES' THEN 1 ELSE 0 END,
	CASE WHEN c.COLUMN_DEFAULT IS NULL OR maria.db AND c.COLUMN_DEFAULT = 'NULL' THEN 0 ELSE 1 END,
	CASE WHEN c.COLUMN_DEFAULT IS NULL OR maria.db AND c.COLUMN_DEFAULT = 'NULL' THEN ''
		WHEN c.DATA_TYPE IN ('timestamp', 'datetime') AND LOWER(c.COLUMN_DEFAULT) LIKE 'current_timestamp%' THEN '` + schema.DefaultNow + `'
		WHEN maria.db AND c.COLUMN_DEFAULT LIKE '''%'''
			THEN REPLACE(SUBSTRING(c.COLUMN_DEFAULT, 2, CHAR_LENGTH(c.COLUMN_DEFAULT) - 2), '''''', '''')
		ELSE c.COLUMN_DEFAULT END,
	COALESCE(c.CHARACTER_SET_NAME, ''), COALESCE(c.COLLATION_NAME, ''),
	CASE WHEN c.EXTRA LIKE '%auto_increment%' THEN 1 ELSE 0 END,
	CASE WHEN COALESCE(c.GENERATION_EXPRESSION, '') <> '' OR c.EXTRA LIKE '% GENERATED%' THEN 1 ELSE 0 END
FROM information_schema.COLUMNS c
CROSS JOIN (SELECT COUNT(*) > 0 AS db FROM information_schema.TABLES
	WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME = 'SYSTEM_VARIABLES') maria
WHERE c.TABLE_SCHEMA = ?
ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`
}

// IndexesSQL gives an empty column name for a part that is an expression.
func (Dialect) IndexesSQL() string {
	return `SELECT TABLE_NAME, INDEX_NAME, CASE NON_UNIQUE WHEN 0 THEN 1 ELSE 0 END,
	CASE INDEX_NAME WHEN 'PRIMARY' THEN 1 ELSE 0 END, COALESCE(COLUMN_NAME, '')
FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = ?
ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`
}

// ForeignKeysSQL writes a table of another schema as schema.table, so that it
// is not taken for one of the same name in this schema. MySQL says NO ACTION
// where MariaDB says RESTRICT; on InnoDB both are the same. The rule is empty where
// it is not shown: on MariaDB to users who have SELECT and nothing else.
func (Dialect) ForeignKeysSQL() string {
	return `SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME,
	CASE WHEN k.REFERENCED_TABLE_SCHEMA = k.TABLE_SCHEMA THEN k.REFERENCED_TABLE_NAME
		ELSE CONCAT(k.REFERENCED_TABLE_SCHEMA, '.', k.REFERENCED_TABLE_NAME) END,
	k.REFERENCED_COLUMN_NAME, COALESCE(r.DELETE_RULE, '')
FROM information_schema.KEY_COLUMN_USAGE k
LEFT JOIN information_schema.REFERENTIAL_CONSTRAINTS r
	ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.TABLE_NAME = k.TABLE_NAME AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
WHERE k.TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`
}

// TriggersSQL lists a trigger for several events once for each.
func (Dialect) TriggersSQL() string {
	return `SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION
FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = ?
ORDER BY EVENT_OBJECT_TABLE, TRIGGER_NAME`
}

// ProgramsSQL lists types in lower case, as "procedure". MariaDB refuses to say
// which events there are if it was started with event_scheduler=DISABLED; it then
// knows none.
func (Dialect) ProgramsSQL() string {
	return `SELECT kind, name FROM (
	SELECT LOWER(ROUTINE_TYPE) AS kind, ROUTINE_NAME AS name, ROUTINE_SCHEMA AS home FROM information_schema.ROUTINES
	UNION ALL SELECT 'event', EVENT_NAME, EVENT_SCHEMA FROM information_schema.EVENTS
		WHERE NOT (@@GLOBAL.event_scheduler = 'DISABLED' AND VERSION() LIKE '%MariaDB%')) p
WHERE home = ?
ORDER BY kind, name`
}

// KindOf maps DATA_TYPE. DATETIME is Other: unlike TIMESTAMP it knows no time
// zone.
func (Dialect) KindOf(baseType string) schema.Kind {
	switch baseType {
	case "varchar", "char", "int", "bigint", "timestamp":
		return schema.Kind(baseType)
	case "tinytext", "text", "mediumtext", "longtext":
		return schema.Text
	case "tinyblob", "blob", "mediumblob", "longblob":
		return schema.Blob
	}
	return schema.Other
}
