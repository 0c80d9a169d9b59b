package script

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/schema"
)

// File is a clean-up script as read, with the values that Set gave it.
type File struct {
	name       string
	hash       [sha256.Size]byte
	product    schema.Product
	statements []statement
	variables  []*variable
	attributes []*attribute
	notes      []note
	// schemas are those that the script names in front of objects, with a line.
	schemas map[string]int64
}

// statement is one statement for MySQL, or one batch for SQL Server.
type statement struct {
	text   string
	line   int64 // of its first byte, from 1
	count  int   // how often it is run: 3 with GO 3
	tokens []token
	makes  *routine
	edits  []edit // what is never run
	// cursors are the tokens of the query of each cursor, by its key.
	cursors map[string][2]int
}

// lineOf is the line of the script in which a token begins.
func (st *statement) lineOf(t token) int64 { return st.line + lineOf(st.text, t.from) }

// edit replaces [from, to) of a statement's text.
type edit struct {
	from, to int
	with     string
}

// note is something about a line that the user should know; line 0 is none.
type note struct {
	line int64
	text string
}

// Read reads a script for one kind of database: MySQL means MariaDB too. It
// refuses, with the line, what is no script for it and what would lead out of the
// schema that is cleaned. Errors are *cleanup.Error; nothing has been changed.
func Read(path string, on schema.Product) (*File, error) {
	f := &File{name: filepath.Base(path), product: on, schemas: map[string]int64{}}
	err := f.read(path)
	var r *refusal
	if errors.As(err, &r) {
		return nil, refused(f.name, r)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) read(path string) error {
	s, err := readText(path)
	if err != nil {
		return err
	}
	f.hash = sha256.Sum256([]byte(s))
	if f.product != schema.MySQL && f.product != schema.SQLServer {
		return refuse(0, "use --db mysql, mariadb or sqlserver", "there are no clean-up scripts for this kind of database")
	}
	if err := requireKind(s, f.product); err != nil {
		return err
	}
	read := f.readMySQL
	if f.product == schema.SQLServer {
		read = f.readSQLServer
	}
	if err := read(s); err != nil {
		return err
	}
	if len(f.statements) == 0 {
		return refuse(0, "give the file that makes the procedure", "the file holds no statement")
	}
	for i := range f.statements {
		f.statements[i].makes = f.findRoutine(&f.statements[i])
	}
	if err := f.checkNames(); err != nil {
		return err
	}
	f.findVariables()
	f.findAttributes()
	return nil
}

func (f *File) note(line int64, text string) { f.notes = append(f.notes, note{line, text}) }

// Name is the file's name without its directory.
func (f *File) Name() string { return f.name }

// Hash is the SHA-256 of the script as it was read, in hexadecimal digits.
func (f *File) Hash() string { return hex.EncodeToString(f.hash[:]) }

// Routines are the names of the procedures, functions and triggers that the file makes.
func (f *File) Routines() []string {
	var names []string
	for i := range f.statements {
		if r := f.statements[i].makes; r != nil {
			names = append(names, r.name)
		}
	}
	return names
}

// CheckCount is the number of removable rows of a table below which the script
// leaves them where they are: the attribute checkCount, or 1.
func (f *File) CheckCount() int64 { return f.integer("checkCount", 1) }

// DefaultSafePeriod is the safe period of a script that does not name its own.
const DefaultSafePeriod = 2 * time.Hour

// SafePeriod is how long a token must have been over before the script removes
// it: the attribute safePeriod, in hours.
func (f *File) SafePeriod() time.Duration {
	return time.Duration(f.integer("safePeriod", int64(DefaultSafePeriod/time.Hour))) * time.Hour
}

// Audits reports whether the attribute enableAudit is true.
func (f *File) Audits() bool { return f.truth("enableAudit") }

// BacksUp reports whether the script copies the tables first: its attribute
// backupTables is true, or enableAudit, with which the vendor's scripts do so too.
func (f *File) BacksUp() bool {
	return f.truth("backupTables") || f.Audits() && f.find("backupTables") != nil
}

// localClocks are functions that tell the time in the zone of the session or of
// the server, utcClocks those that tell it in UTC.
var (
	localClocks = []string{"NOW", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "SYSDATE", "CURDATE", "CURRENT_DATE", "GETDATE", "SYSDATETIME"}
	utcClocks   = []string{"UTC_TIMESTAMP", "UTC_DATE", "GETUTCDATE", "SYSUTCDATETIME"}
)

// LocalClock reports whether the script knows no clock but the one of its
// session's time zone, so that it takes that for UTC.
func (f *File) LocalClock() bool { return f.uses(localClocks) && !f.uses(utcClocks) }

func (f *File) uses(words []string) bool {
	return slices.ContainsFunc(f.statements, func(st statement) bool {
		return slices.ContainsFunc(st.tokens, func(t token) bool { return t.is(words...) })
	})
}

// routineNamed finds a routine that the file makes, in any case of letters.
func (f *File) routineNamed(name string) *routine {
	for i := range f.statements {
		if r := f.statements[i].makes; r != nil && strings.EqualFold(r.name, name) {
			return r
		}
	}
	return nil
}

// problem is a refusal that a caller of a method meets.
func (f *File) problem(err error) error {
	var r *refusal
	if errors.As(err, &r) {
		return refused(f.name, r)
	}
	return err
}
