package sqlite

import "github.com/tokensweep/tokensweep/schema"

// The catalog is that of the main database, read through the pragma functions.
// A file holds one schema, so its name says nothing: each query takes it and
// only asks that there is one.

// tables are the user's own; those of virtual tables are not among them.
const tables = `(SELECT name FROM pragma_table_list
	WHERE ? IS NOT NULL AND schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\') AS t`

// TablesSQL gives nothing but names.
func (Dialect) TablesSQL() string {
	return `SELECT t.name, '', '', '', '' FROM ` + tables + ` ORDER BY t.name`
}

// ColumnsSQL takes the base type from in front of the bracket and the length
// from behind it. Defaults are kept as SQL, so text loses its quotes here.
func (Dialect) ColumnsSQL() string {
	return `SELECT t.name, c.name, lower(trim(substr(c.type, 1, instr(c.type || '(', '(') - 1))),
	CASE WHEN lower(c.type) LIKE '%char(%' THEN CAST(substr(c.type, instr(c.type, '(') + 1) AS INTEGER) ELSE 0 END,
	c.type,
	CASE WHEN c."notnull" = 0 AND NOT ` + isRowID + ` THEN 1 ELSE 0 END,
	CASE WHEN c.dflt_value IS NULL OR upper(c.dflt_value) = 'NULL' THEN 0 ELSE 1 END,
	CASE WHEN c.dflt_value IS NULL OR upper(c.dflt_value) = 'NULL' THEN ''
		WHEN upper(c.dflt_value) = '` + schema.DefaultNow + `' THEN '` + schema.DefaultNow + `'
		WHEN c.dflt_value LIKE '''%''' THEN replace(substr(c.dflt_value, 2, length(c.dflt_value) - 2), '''''', '''')
		ELSE c.dflt_value END,
	'', '',
	CASE WHEN ` + isRowID + ` THEN 1 ELSE 0 END,
	CASE WHEN c.hidden IN (2, 3) THEN 1 ELSE 0 END
FROM ` + tables + ` JOIN pragma_table_xinfo(t.name) AS c
ORDER BY t.name, c.cid`
}

// isRowID holds for the one column of type INTEGER that is the primary key.
const isRowID = `(c.pk = 1 AND upper(c.type) = 'INTEGER'
		AND (SELECT COUNT(*) FROM pragma_table_info(t.name) AS k WHERE k.pk > 0) = 1)`

// IndexesSQL takes the primary key from the columns, because one over a single
// integer has no index, and from names what AddIndexes put in front. A part
// that is an expression has an empty column name.
func (Dialect) IndexesSQL() string {
	return `SELECT tbl, name, is_unique, is_primary, col FROM (
	SELECT t.name AS tbl, 'PRIMARY' AS name, 1 AS is_unique, 1 AS is_primary, c.name AS col, c.pk AS seq
	FROM ` + tables + ` JOIN pragma_table_info(t.name) AS c WHERE c.pk > 0
	UNION ALL
	SELECT l.tbl, CASE WHEN substr(l.name, 1, length(l.tbl) + 1) = l.tbl || '.' THEN substr(l.name, length(l.tbl) + 2) ELSE l.name END,
		l.is_unique, 0, COALESCE(x.name, ''), x.seqno
	FROM (SELECT m.name AS tbl, i.name AS name, i."unique" AS is_unique
		FROM sqlite_schema AS m JOIN pragma_index_list(m.name) AS i WHERE m.type = 'table' AND i.origin <> 'pk') AS l
	JOIN pragma_index_xinfo(l.name) AS x WHERE x.key = 1)
ORDER BY tbl, is_primary DESC, name, seq`
}

// ForeignKeysSQL makes up the names fk_<table>_<number>: SQLite keeps those
// given to a key in its text only. A key that names no columns of the parent
// refers to its primary key.
func (Dialect) ForeignKeysSQL() string {
	return `SELECT t.name, 'fk_' || t.name || '_' || f.id, f."from", f."table",
	COALESCE(f."to", (SELECT p.name FROM pragma_table_info(f."table") AS p WHERE p.pk = f.seq + 1), ''), f.on_delete
FROM ` + tables + ` JOIN pragma_foreign_key_list(t.name) AS f
ORDER BY t.name, f.id, f.seq`
}

// TriggersSQL reads timing and event from the trigger's text, which SQLite
// stores from the name on. Neither is BEFORE by default. A comment between the
// words is not understood. All three events have six letters.
func (Dialect) TriggersSQL() string {
	return `WITH
	named AS (SELECT tbl_name, name, substr(sql, instr(upper(sql), 'TRIGGER') + 7) AS rest
		FROM sqlite_schema WHERE ? IS NOT NULL AND type = 'trigger'),
	trimmed AS (SELECT tbl_name, name, ltrim(rest, ` + blanks + `) AS rest FROM named),
	timed AS (SELECT tbl_name, name, upper(ltrim(substr(rest, length(name) + 1 +
			CASE WHEN substr(rest, 1, 1) IN ('"', '[', char(96), '''') THEN 2 ELSE 0 END), ` + blanks + `)) AS rest FROM trimmed),
	split AS (SELECT tbl_name, name,
		CASE WHEN rest LIKE 'AFTER%' THEN 'AFTER' WHEN rest LIKE 'INSTEAD%' THEN 'INSTEAD OF' ELSE 'BEFORE' END AS timing,
		CASE WHEN rest LIKE 'AFTER%' THEN substr(rest, 6) WHEN rest LIKE 'BEFORE%' THEN substr(rest, 7)
			WHEN rest LIKE 'INSTEAD%' THEN substr(rest, instr(rest, 'OF') + 2) ELSE rest END AS event FROM timed)
SELECT tbl_name, name, timing, substr(ltrim(event, ` + blanks + `), 1, 6) FROM split ORDER BY tbl_name, name`
}

const blanks = `char(9, 10, 13, 32)`

// ProgramsSQL is empty: SQLite has neither procedures nor events.
func (Dialect) ProgramsSQL() string { return `SELECT '', '' WHERE ? IS NULL` }

// KindOf maps the declared type without its length.
func (Dialect) KindOf(baseType string) schema.Kind {
	switch baseType {
	case "varchar", "char", "text", "bigint", "blob":
		return schema.Kind(baseType)
	case "integer", "int":
		return schema.Int
	case "timestamp text", "timestamp", "datetime":
		return schema.Timestamp
	}
	return schema.Other
}
