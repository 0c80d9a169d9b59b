package dump

import (
	"bytes"
	"strings"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
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
	l := &mysqltext.Lexer{Text: b}
	var c command
	first := l.Next()
	verb := strings.ToUpper(string(first.Raw))
	switch verb {
	case "CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "ANALYZE":
		c.parseObject(l, verb)
	case "INSERT", "REPLACE", "UPDATE", "DELETE":
		c.kind = verb
		for l.Take("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "QUICK", "IGNORE", "INTO", "FROM") {
		}
		c.parseName(l)
	case "LOCK", "UNLOCK":
		c.kind = verb + " TABLES"
		l.Take("TABLE", "TABLES")
		c.parseName(l)
	case "SELECT", "DO":
		c.kind = verb
		if l.Take("SETVAL") {
			c.kind += " SETVAL"
		}
	case "START":
		c.kind = verb
		if l.Take("TRANSACTION") {
			c.kind += " TRANSACTION"
		}
	case "BEGIN":
		c.kind = verb
		if l.Take("NOT") {
			c.kind += " NOT"
		}
	case "USE":
		c.kind, c.object = verb, l.Next().Unquoted()
	default:
		c.kind = verb
	}
	c.action = known[c.kind]
	switch verb {
	case "CHANGE", "STOP", "RESET", "FLUSH", "PURGE", "INSTALL", "UNINSTALL":
		c.kind += " " + strings.ToUpper(string(l.Next().Raw))
	}
	if c.kind == "CREATE FUNCTION" && isLoadable(l) {
		c.kind, c.action = "CREATE FUNCTION SONAME", skip
	}
	return c
}

// parseObject reads from behind CREATE, ALTER or DROP to the object's name.
func (c *command) parseObject(l *mysqltext.Lexer, verb string) {
	for {
		switch t := l.Next(); {
		case t.Is("DEFINER") && l.Take("="): // and not SQL SECURITY DEFINER
			c.definer = user(l)
		case t.Is("ALGORITHM"):
			l.Take("=")
			l.Next()
		case t.IsAny("OR", "REPLACE", "TEMPORARY", "SQL", "SECURITY", "INVOKER", "DEFINER", "AGGREGATE", "UNIQUE", "FULLTEXT", "SPATIAL",
			"ONLINE", "OFFLINE", "IGNORE", "NO_WRITE_TO_BINLOG", "LOCAL", "IF", "NOT", "EXISTS", "PUBLIC"):
		default:
			object := strings.ToUpper(string(t.Raw))
			if object == "SCHEMA" {
				object = "DATABASE"
			}
			if verb == "TRUNCATE" && object != "TABLE" {
				object = "TABLE"
				l.At = t.From
			}
			c.kind = verb + " " + object
			for l.Take("IF", "NOT", "EXISTS", "BODY") {
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
func (c *command) parseName(l *mysqltext.Lexer) {
	first := l.Next()
	if first.Kind == mysqltext.End {
		return
	}
	c.object, c.named = first.Unquoted(), span{first.From, first.To}
	if l.Peek().Is(".") {
		l.Next()
		second := l.Next()
		c.schema, c.object = c.object, second.Unquoted()
		c.named.to = second.To
		c.qualifiers = append(c.qualifiers, span{first.From, second.From})
	}
	c.rest = l.At
}

// parseTriggerTable finds the schema in front of the table of a trigger.
// MariaDB dumps a trigger as its author wrote it.
func (c *command) parseTriggerTable(l *mysqltext.Lexer) {
	for range 4 { // BEFORE INSERT ON, with room for IF NOT EXISTS
		if l.Next().Is("ON") {
			var table command
			table.parseName(l)
			c.qualifiers = append(c.qualifiers, table.qualifiers...)
			return
		}
	}
}

// user reads a user name as it follows DEFINER=.
func user(l *mysqltext.Lexer) span {
	t := l.Next()
	s := span{t.From, t.To}
	host := bytes.HasSuffix(t.Raw, []byte{'@'}) && t.Kind == mysqltext.Word
	if next := l.Peek(); next.Kind == mysqltext.Word && next.Raw[0] == '@' {
		l.Next()
		s.to, host = next.To, len(next.Raw) == 1
	}
	if host {
		s.to = l.Next().To
	}
	if l.Peek().Is("(") { // CURRENT_USER()
		l.Next()
		s.to = l.Next().To
	}
	return s
}

// isLoadable: CREATE FUNCTION name RETURNS type SONAME library.
func isLoadable(l *mysqltext.Lexer) bool {
	return l.Take("RETURNS") && l.Next().Kind == mysqltext.Word && l.Take("SONAME")
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
