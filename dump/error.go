package dump

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Kind says what is wrong with a dump.
type Kind int

const (
	// Unreadable: the file cannot be opened or read, or is not a regular file.
	Unreadable Kind = iota + 1
	// NotADump: the file is something else, packed in a way not known here, or
	// holds what is not restored, such as commands to sqlcmd.
	NotADump
	// Truncated: the file stops before the dump does.
	Truncated
	// Damaged: the compressed data do not unpack, or a backup file is damaged.
	Damaged
	// BadEncoding: bytes that are no UTF-8 where the dump promises UTF-8 or a
	// script needs it, or a character set that this package cannot read.
	BadEncoding
	// WhichSchema: the dump has several schemas (databases, of SQL Server) and
	// none was chosen, or not the one that was.
	WhichSchema
	// WrongServer: the server does not know what the dump uses, or the dump is for
	// another product.
	WrongServer
	// TooLarge: a statement is larger than the server's max_allowed_packet, or a
	// batch larger than is read at once (64 MiB).
	TooLarge
	// BadTarget: there is no current schema to restore into, it is not empty or of
	// another collation, or the server cannot make the database there.
	BadTarget
	// Failed: the server refused a statement for another reason, or was lost.
	Failed
)

// Error is a fault in a dump or in its restore.
type Error struct {
	Kind Kind
	// File is the name of the dump without its directory.
	File string
	// Line is the line in the uncompressed text, from 1; 0 when the fault is
	// not in one line.
	Line int64
	// Message says what is wrong and what to do.
	Message string
	// Err is the cause, such as the server's error; nil when there is none.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ", line %d", e.Line)
	}
	b.WriteString(": ")
	b.WriteString(e.Message)
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// fault makes an Error whose file is filled in by inFile.
func fault(kind Kind, line int64, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Line: line, Message: fmt.Sprintf(format, args...), Err: cause}
}

// inFile names the file in an Error and leaves other errors alone.
func inFile(err error, path string) error {
	if e, ok := err.(*Error); ok && e.File == "" {
		e.File = filepath.Base(path)
	}
	return err
}
