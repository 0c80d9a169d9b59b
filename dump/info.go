package dump

import (
	"regexp"
	"strings"
	"time"
)

// TokenTable is the table by which the schema is recognised that a clean-up is
// for, in any case of letters.
const TokenTable = "IDN_OAUTH2_ACCESS_TOKEN"

// Flavors of servers.
const (
	MySQL     = "MySQL"
	MariaDB   = "MariaDB"
	SQLServer = "SQL Server"
)

// Info is what a dump says about itself, and what became of it.
type Info struct {
	// Format is what kind of file it is. Of a backup file no more is known than
	// that until a server has read it.
	Format Format
	// Tool is the program that wrote the dump with its version, as in its first
	// line ("MySQL dump 10.13 Distrib 9.7.4"); empty when the dump has no comments.
	Tool string
	// Flavor is the product of the server the dump came from: MySQL, MariaDB,
	// SQLServer, or empty when the dump does not say.
	Flavor string
	// ServerVersion is that server's version, such as "10.11.19-MariaDB"; may be empty.
	ServerVersion string
	// Charset is the character set of the text in lower case: that of the first SET NAMES
	// of the dump, utf8mb4 when it has none; for a script that of the file: utf-8,
	// utf-16le or utf-16be.
	Charset string
	// Lines and Bytes are the length of the uncompressed text.
	Lines, Bytes int64
	// CompletedAt is the end stamp as it is written, "2026-11-25  4:36:08"; empty
	// in a dump without comments or dates. It is a wall clock of the machine that
	// ran the dump tool; the dump does not tell its zone.
	CompletedAt string
	// CompletedClock is CompletedAt as a time whose zone is said to be UTC for
	// want of a better one; zero without a stamp.
	CompletedClock time.Time

	// Schema is the chosen schema, for SQL Server the chosen database; its name is empty when a dump of one schema
	// does not give it.
	Schema string
	// Schemas are the schemas in the dump, in its order and without the server's
	// own (mysql, sys).
	Schemas []Schema
	// TimesInUTC: the rows of the chosen schema were written under
	// TIME_ZONE='+00:00', so that TIMESTAMP values are the same instants on any
	// server. False with --skip-tz-utc: they are wall clocks of the original
	// server's zone, and are read in the default zone of the connection to
	// Restore, which must be that same zone. Always false for SQL Server, whose
	// DATETIME has no zone.
	TimesInUTC bool
	// TimesUnstated: the dump has no header (--compact) and so does not say its
	// zone. TimesInUTC is then what the tool does by itself: mariadb-dump --compact
	// writes UTC, mysqldump --compact the server's zone. It is a guess, since
	// --tz-utc and --skip-tz-utc leave no trace.
	TimesUnstated bool
	// Largest is the largest statement of the chosen schema, in a script the
	// largest batch, or piece of one that is run by itself.
	Largest Size
	// TokenSchema is the schema inside of the SQL Server database that holds
	// TokenTable, usually dbo; empty when the file does not say, and for MySQL.
	TokenSchema string
	// Rows counts the rows that a script inserts, by schema.table of the chosen
	// database; -1 when only a server can tell. nil for other formats.
	Rows map[string]int64
	// Compatibility is the compatibility level of the chosen database of a script,
	// 150 for SQL Server 2019; 0 when it does not say.
	Compatibility int
	// Notes are what the reader of a report should know about the file, such as
	// foreign keys that are not checked; a sentence each.
	Notes []string

	// Statements were run, or would be; Skipped were not, and SkippedKinds says
	// which: the statement's first words, or OtherSchemas, or UnresolvedView.
	Statements, Skipped int64
	SkippedKinds        map[string]int
	// Adjusted counts what Restore changed in statements, by a short text.
	Adjusted map[string]int
	// Warnings counts the server's warnings in Restore about values that it stored
	// otherwise than they are written and tables with another storage engine; at
	// most 100 a statement. WarningSamples are the first 10.
	Warnings       int64
	WarningSamples []Warning

	chosen bool
	key    string // of the chosen schema in the dump: Schema, or empty when it is not named
}

// Keys of Info.SkippedKinds that are no statements. The last two follow a kind:
// "CREATE PROCEDURE on what the script does not hold".
const (
	OtherSchemas         = "statements of other schemas"
	UnresolvedView       = "CREATE VIEW on what the dump does not hold"
	Unresolved           = " on what the script does not hold"
	NamesAnotherDatabase = " that names another database"
)

// Schema is one schema in a dump.
type Schema struct {
	// Name is empty in a dump of one schema without comments.
	Name string
	// Tables counts CREATE TABLE statements.
	Tables int
	// HasTokens: it holds TokenTable.
	HasTokens bool
	// Charset and Collation are the defaults of the schema; empty when the dump
	// does not create it.
	Charset, Collation string

	line int64 // of CREATE DATABASE
}

// Size is the size of a statement in bytes and the line it begins in.
type Size struct{ Line, Bytes int64 }

// Warning is a warning of the server.
type Warning struct {
	Line    int64 // of the statement
	Code    int
	Message string
}

var (
	toolLine   = regexp.MustCompile(`^-- ((?:MySQL|MariaDB) dump [^,]*)`)
	hostLine   = regexp.MustCompile(`^-- Host: .*?\s+Database: *(.*?)\s*$`)
	serverLine = regexp.MustCompile(`^-- Server version\s+(\S+)`)
	endLine    = regexp.MustCompile(`^-- Dump completed(?: on (.*?))?\s*$`)
)

// header reads the comments of a dump.
type header struct {
	info *Info
	// open is the line of a header whose end has not come yet.
	open int64
	// database is the schema named in the header.
	database string
}

// read takes a comment line, and reports whether a new dump begins with it:
// dumps may have been put together in one file. The error is that the one
// before it has no end.
func (h *header) read(line int64, text string) (begins bool, err error) {
	if m := toolLine.FindStringSubmatch(text); m != nil {
		if h.open > 0 {
			err = fault(Truncated, line, nil,
				"the dump that begins in line %d is cut off before this line, where another one begins: dump again", h.open)
		}
		h.open, h.database = line, ""
		h.info.Tool = strings.Join(strings.Fields(m[1]), " ")
		if h.info.Flavor == "" && strings.Contains(m[1], MariaDB) {
			h.info.Flavor = MariaDB
		}
		return true, err
	}
	if m := hostLine.FindStringSubmatch(text); m != nil {
		h.database = m[1]
		return true, nil
	}
	if m := serverLine.FindStringSubmatch(text); m != nil {
		h.info.ServerVersion, h.info.Flavor = m[1], MySQL
		if strings.Contains(m[1], MariaDB) {
			h.info.Flavor = MariaDB
		}
	}
	if m := endLine.FindStringSubmatch(text); m != nil {
		h.open = 0
		h.info.CompletedAt = m[1]
		h.info.CompletedClock, _ = time.Parse("2006-01-02 15:04:05", strings.Join(strings.Fields(m[1]), " "))
	}
	if strings.HasPrefix(text, `/*M!999999\-`) || strings.HasPrefix(text, `/*!999999\-`) {
		h.info.Flavor = MariaDB
	}
	return false, nil
}
