package dump

import (
	"bytes"
	"strings"
)

// action is what becomes of a statement.
type action int

const (
	unknown action = iota // no dump has it
	run                   // in its schema
	session               // for the connection, in every schema
	skip                  // never
)

// span is a piece of a statement's text.
type span struct{ from, to int }

// command is what the beginning of a statement says.
type command struct {
	action action
	// kind is how the statement is called in reports: INSERT, CREATE TABLE.
	kind string
	// object is the name of the table, view and so on; schema is the name in
	// front of it, if there is one.
	object, schema string
	// named is the piece with the name and the schema.
	named span
	// qualifiers are the pieces that put a schema in front of a name.
	qualifiers []span
	// definer is the piece between DEFINER= and what follows.
	definer span
	// rest is where the lexer stood behind the object's name.
	rest int
}

// known says what to do with the statements that dumps hold, by their first
// words. A statement that is missing here is an error: the file is no dump.
var known = map[string]action{
	"SET": session, "COMMIT": session, "START TRANSACTION": session, "BEGIN": session, "UNLOCK TABLES": session,

	"INSERT": run, "REPLACE": run, "UPDATE": run, "DELETE": run, "TRUNCATE TABLE": run,
	"CREATE TABLE": run, "ALTER TABLE": run, "DROP TABLE": run, "RENAME TABLE": run, "LOCK TABLES": run,
	"CREATE INDEX": run, "DROP INDEX": run, "ANALYZE TABLE": run,
	"CREATE VIEW": run, "DROP VIEW": run, "CREATE TRIGGER": run, "DROP TRIGGER": run,
	"CREATE PROCEDURE": run, "DROP PROCEDURE": run, "CREATE FUNCTION": run, "DROP FUNCTION": run,
	"CREATE PACKAGE": run, "DROP PACKAGE": run, // MariaDB, sql_mode=ORACLE
	"CREATE SEQUENCE": run, "DROP SEQUENCE": run, "SELECT SETVAL": run, "DO SETVAL": run, // MariaDB
	"ALTER DATABASE": run, // around routines: the character set they were made under

	"USE": skip, "CREATE DATABASE": skip, "DROP DATABASE": skip,
	"CREATE EVENT": skip, "ALTER EVENT": skip, "DROP EVENT": skip,
	"CREATE USER": skip, "ALTER USER": skip, "DROP USER": skip, "RENAME USER": skip, "CREATE ROLE": skip, "DROP ROLE": skip,
	"GRANT": skip, "REVOKE": skip, "FLUSH": skip, "RESET": skip,
	"CHANGE": skip, "START": skip, "STOP": skip, "PURGE": skip, // replication
	"INSTALL": skip, "UNINSTALL": skip, "CREATE LIBRARY": skip, "DROP LIBRARY": skip,
	"CREATE SERVER": skip, "ALTER SERVER": skip, "DROP SERVER": skip,
	"CREATE TABLESPACE": skip, "ALTER TABLESPACE": skip, "DROP TABLESPACE": skip,
	"CREATE UNDO": skip, "ALTER UNDO": skip, "DROP UNDO": skip,
	"CREATE LOGFILE": skip, "ALTER LOGFILE": skip, "DROP LOGFILE": skip,
	"CREATE RESOURCE": skip, "ALTER RESOURCE": skip, "DROP RESOURCE": skip,
	"CREATE REFERENCE": skip, "DROP REFERENCE": skip, // SPATIAL REFERENCE SYSTEM
	"PREPARE": skip, "EXECUTE": skip, "DEALLOCATE": skip, // roles in MariaDB's, RocksDB in Percona's
	"BEGIN NOT": skip, // MariaDB: a block of anything
	"SELECT":    skip, "DO": skip, "SHOW": skip, "CHECK": skip, "CHECKSUM": skip, "OPTIMIZE": skip, "REPAIR": skip,
}

// parse reads the beginning of a statement.
func parse(b []byte) command {
	l := &lexer{b: b}
	var c command
	first := l.next()
	verb := strings.ToUpper(string(first.raw))
	switch verb {
	case "CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "ANALYZE":
		c.parseObject(l, verb)
	case "INSERT", "REPLACE", "UPDATE", "DELETE":
		c.kind = verb
		for l.take("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "QUICK", "IGNORE", "INTO", "FROM") {
		}
		c.parseName(l)
	case "LOCK", "UNLOCK":
		c.kind = verb + " TABLES"
		l.take("TABLE", "TABLES")
		c.parseName(l)
	case "SELECT", "DO":
		c.kind = verb
		if l.take("SETVAL") {
			c.kind += " SETVAL"
		}
	case "START":
		c.kind = verb
		if l.take("TRANSACTION") {
			c.kind += " TRANSACTION"
		}
	case "BEGIN":
		c.kind = verb
		if l.take("NOT") {
			c.kind += " NOT"
		}
	case "USE":
		c.kind, c.object = verb, l.next().unquoted()
	default:
		c.kind = verb
	}
	c.action = known[c.kind]
	switch verb {
	case "CHANGE", "STOP", "RESET", "FLUSH", "PURGE", "INSTALL", "UNINSTALL":
		c.kind += " " + strings.ToUpper(string(l.next().raw))
	}
	if c.kind == "CREATE FUNCTION" && isLoadable(l) {
		c.kind, c.action = "CREATE FUNCTION SONAME", skip
	}
	return c
}

// parseObject reads from behind CREATE, ALTER or DROP to the object's name.
func (c *command) parseObject(l *lexer, verb string) {
	for {
		switch t := l.next(); {
		case t.is("DEFINER") && l.take("="): // and not SQL SECURITY DEFINER
			c.definer = user(l)
		case t.is("ALGORITHM"):
			l.take("=")
			l.next()
		case t.isAny("OR", "REPLACE", "TEMPORARY", "SQL", "SECURITY", "INVOKER", "DEFINER", "AGGREGATE", "UNIQUE", "FULLTEXT", "SPATIAL",
			"ONLINE", "OFFLINE", "IGNORE", "NO_WRITE_TO_BINLOG", "LOCAL", "IF", "NOT", "EXISTS", "PUBLIC"):
		default:
			object := strings.ToUpper(string(t.raw))
			if object == "SCHEMA" {
				object = "DATABASE"
			}
			if verb == "TRUNCATE" && object != "TABLE" {
				object = "TABLE"
				l.i = t.from
			}
			c.kind = verb + " " + object
			for l.take("IF", "NOT", "EXISTS", "BODY") {
			}
			c.parseName(l)
			if object == "TRIGGER" && verb == "CREATE" {
				c.parseTriggerTable(l)
			}
			return
		}
	}
}

// parseName reads a name with or without a schema.
func (c *command) parseName(l *lexer) {
	first := l.next()
	if first.kind == endToken {
		return
	}
	c.object, c.named = first.unquoted(), span{first.from, first.to}
	if l.peek().is(".") {
		l.next()
		second := l.next()
		c.schema, c.object = c.object, second.unquoted()
		c.named.to = second.to
		c.qualifiers = append(c.qualifiers, span{first.from, second.from})
	}
	c.rest = l.i
}

// parseTriggerTable finds the schema in front of the table of a trigger.
// MariaDB dumps a trigger as its author wrote it.
func (c *command) parseTriggerTable(l *lexer) {
	for range 4 { // BEFORE INSERT ON, with room for IF NOT EXISTS
		if l.next().is("ON") {
			var table command
			table.parseName(l)
			c.qualifiers = append(c.qualifiers, table.qualifiers...)
			return
		}
	}
}

// user reads a user name as it follows DEFINER=.
func user(l *lexer) span {
	t := l.next()
	s := span{t.from, t.to}
	host := bytes.HasSuffix(t.raw, []byte{'@'}) && t.kind == wordToken
	if next := l.peek(); next.kind == wordToken && next.raw[0] == '@' {
		l.next()
		s.to, host = next.to, len(next.raw) == 1
	}
	if host {
		s.to = l.next().to
	}
	if l.peek().is("(") { // CURRENT_USER()
		l.next()
		s.to = l.next().to
	}
	return s
}

// isLoadable: CREATE FUNCTION name RETURNS type SONAME library.
func isLoadable(l *lexer) bool {
	return l.take("RETURNS") && l.next().kind == wordToken && l.take("SONAME")
}

// String names the statement without its data.
func (c command) String() string {
	switch {
	case c.object == "" || c.action == session:
		return c.kind
	case c.kind == "INSERT" || c.kind == "REPLACE":
		return c.kind + " INTO " + c.object
	}
	return c.kind + " " + c.object
}
