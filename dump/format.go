package dump

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
)

// Format is what kind of file a dump is.
type Format int

const (
	// MySQLDump is the text that mysqldump and mariadb-dump write.
	MySQLDump Format = iota + 1
	// Script is a script of Transact-SQL with GO lines, as SQL Server Management
	// Studio (Generate Scripts), mssql-scripter and others write it.
	Script
	// Backup is a backup file of SQL Server, as BACKUP DATABASE writes it.
	Backup
)

func (f Format) String() string {
	switch f {
	case MySQLDump:
		return "a dump of MySQL or MariaDB"
	case Script:
		return "a script of SQL Server"
	case Backup:
		return "a backup file of SQL Server"
	}
	return "text"
}

// Marks at the beginning of backup files: the tape format that SQL Server has
// used from its start, and that of compressed and encrypted ones.
var backupMarks = []string{"TAPE", "MSSQLBAK"}

func isBackup(start []byte) bool {
	for _, mark := range backupMarks {
		if bytes.HasPrefix(start, []byte(mark)) {
			return true
		}
	}
	return false
}

// IsBackup reports whether a file is a backup of SQL Server, by its first bytes.
// Only the server itself can read one: copy it to where the server finds it and
// call [RestoreBackup]. The error is an [*Error].
func IsBackup(path string) (bool, error) {
	src, err := open(context.Background(), path, nil)
	if err != nil {
		return false, inFile(err, path)
	}
	defer src.close()
	return src.format == Backup, nil
}

// sniffed bytes of a text decide about its format.
const sniffed = 64 << 10

// guess tells a MySQL dump from a script by what the one has and the other has
// not, whichever comes first: backquotes and executable comments, or brackets,
// GO lines and the settings that scripts begin with. 0 when there is neither.
func guess(text []byte) Format {
	for len(text) > 0 {
		c := text[0]
		switch {
		case c == '`', bytes.HasPrefix(text, []byte("/*!")), bytes.HasPrefix(text, []byte("/*M!")):
			return MySQLDump
		case c == '[':
			return Script
		case bytes.HasPrefix(text, []byte("/*")):
			comment := until(text, "*/")
			if bytes.Contains(comment, []byte("Script Date:")) {
				return Script
			}
			text = text[len(comment):]
		case bytes.HasPrefix(text, []byte("--")):
			line := until(text, "\n")
			if f := guessRemark(string(line)); f != 0 {
				return f
			}
			text = text[len(line):]
		case c == '\'' || c == '"':
			text = text[len(until(text[1:], string(c)))+1:]
		case mysqltext.IsWord(c) || c == '@':
			word, rest := cutWord(text)
			if f := guessWord(word, rest); f != 0 {
				return f
			}
			text = rest
		default:
			text = text[1:]
		}
	}
	return 0
}

// until is text up to and with a mark, or all of it.
func until(text []byte, mark string) []byte {
	if i := bytes.Index(text, []byte(mark)); i >= 0 {
		return text[:i+len(mark)]
	}
	return text
}

func cutWord(text []byte) (word, rest []byte) {
	n := 1
	for n < len(text) && (mysqltext.IsWord(text[n]) || text[n] == '@') {
		n++
	}
	return text[:n], text[n:]
}

func guessRemark(line string) Format {
	for _, begins := range []string{"-- MySQL dump", "-- MariaDB dump", "-- Server version", "-- Dump completed"} {
		if strings.HasPrefix(line, begins) {
			return MySQLDump
		}
	}
	return 0
}

func guessWord(word, rest []byte) Format {
	switch strings.ToUpper(string(word[:min(len(word), 30)])) {
	case "ENGINE", "AUTO_INCREMENT", "DELIMITER", "UNLOCK", "MYSQLDUMP", "FOREIGN_KEY_CHECKS", "SQL_MODE":
		return MySQLDump
	case "ANSI_NULLS", "ANSI_PADDING", "QUOTED_IDENTIFIER", "IDENTITY_INSERT", "NOCOUNT", "XACT_ABORT", "NONCLUSTERED", "CLUSTERED", "OBJECT_ID", "SP_EXECUTESQL":
		return Script
	case "GO":
		if len(bytes.TrimSpace(until(rest, "\n"))) == 0 {
			return Script
		}
	case "DBO":
		if len(rest) > 0 && rest[0] == '.' {
			return Script
		}
	}
	return 0
}

// suits refuses a format for another server than the one that it is meant for.
func (s *source) suits(product string) error {
	sqlServer := s.format == Script || s.format == Backup
	switch {
	case product == "" || s.format == 0:
		return nil
	case product == SQLServer && s.format == MySQLDump:
		return fault(WrongServer, 0, nil, "this is %s, which SQL Server does not read: use --db mysql or --db mariadb, or give a script or a backup (.bak) of SQL Server", s.format)
	case product != SQLServer && sqlServer:
		return fault(WrongServer, 0, nil, "this is %s, which %s does not read: use --db sqlserver", s.format, product)
	}
	return nil
}

// decide settles the format of a text that does not tell.
func (s *source) decide(product string) {
	switch {
	case s.format != 0:
	case product == SQLServer || s.encoding != utf8Text:
		s.format = Script
	default:
		s.format = MySQLDump
	}
}

// peek returns up to n bytes of the text without taking them.
func (s *source) peek(n int) ([]byte, error) {
	start, err := s.text.Peek(n)
	if len(start) > 0 || err == io.EOF {
		return start, nil
	}
	return nil, readFault(err, 0)
}
