package dump

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// server is what the throw-away server says it is.
type server struct{ product, version string }

func (s server) String() string { return s.product + " " + s.version }

// Numbers of server errors, the same on MySQL and MariaDB.
const (
	errSyntax        = 1064
	errNoCharset     = 1115
	errWrongValue    = 1231
	errNoCollation   = 1273
	errDefinerLogBin = 1419
	errLogBin        = 1418
)

// wrongServer lists the errors that say that the server is of another product
// or version than the dump needs, and what they are about.
var wrongServer = map[uint16]string{
	errSyntax:      "does not understand this statement",
	errNoCharset:   "does not know a character set",
	errNoCollation: "does not know a collation",
	errWrongValue:  "does not take a value for a variable",
	1067:           "does not take a column's default",
	1071:           "does not take so long a key",
	1118:           "does not take so large a row",
	1193:           "does not know a variable",
	1235:           "does not support this statement",
	1286:           "does not have the storage engine",
	1901:           "does not take this expression in a table",
	3105:           "does not take values for generated columns, which MariaDB writes into its dumps",
	3185:           "has no keyring for encrypted tables",
	4161:           "does not know a data type", // MariaDB
}

// unresolved lists the errors of a view on what is not there: database, table,
// column, function, and rights on them.
var unresolved = map[uint16]bool{1049: true, 1146: true, 1054: true, 1305: true, 1356: true, 1142: true, 1143: true, 1370: true}

// explain makes the Error for a statement that the server refused.
func explain(cause error, it item, info *Info, s server) error {
	var e *mysqldriver.MySQLError
	switch {
	case errors.Is(cause, mysqldriver.ErrPktTooLarge):
		return fault(TooLarge, it.line, cause,
			"the statement %s has %s, more than the connection takes: raise maxAllowedPacket, or dump again with --net-buffer-length=1M",
			it.command, mebibytes(it.size))
	case !errors.As(cause, &e):
		return fault(Failed, it.line, cause, "the connection to the throw-away server broke in the statement %s: %v", it.command, cause)
	}
	line := it.line + lineInside(e, it.text)
	if what, found := wrongServer[e.Number]; found {
		return fault(WrongServer, line, cause, "%s %s (%s: %v): %s", s, what, it.command, e, advice(e, info, s))
	}
	if e.Number == errDefinerLogBin || e.Number == errLogBin {
		return fault(Failed, line, cause, "%s: %v: start the throw-away server with --skip-log-bin or --log-bin-trust-function-creators=1",
			it.command, e)
	}
	return fault(Failed, line, cause, "the server refused the statement %s: %v", it.command, e)
}

var (
	atLine    = regexp.MustCompile(`at line (\d+)$`)
	inQuotes  = regexp.MustCompile(`'([^']+)'`)
	mysqlOnly = regexp.MustCompile(`(?i)_0900_`)
	mariaOnly = regexp.MustCompile(`(?i)uca1400|_nopad_`)
)

// lineInside counts the lines from the beginning of a statement to its fault.
func lineInside(e *mysqldriver.MySQLError, text []byte) int64 {
	if m := atLine.FindStringSubmatch(e.Message); m != nil && e.Number == errSyntax {
		if n, err := strconv.ParseInt(m[1], 10, 64); err == nil && n > 0 {
			return n - 1
		}
	}
	if m := inQuotes.FindStringSubmatch(e.Message); m != nil {
		if i := strings.Index(string(text), m[1]); i >= 0 {
			line, _ := place(text, i)
			return line
		}
	}
	return 0
}

// advice says which server the dump needs.
func advice(e *mysqldriver.MySQLError, info *Info, s server) string {
	from := strings.TrimSpace(info.Flavor + " " + info.ServerVersion)
	switch {
	case mysqlOnly.MatchString(e.Message) && s.product == MariaDB:
		return "it is of MySQL 8.0 or later: use --db mysql"
	case mariaOnly.MatchString(e.Message) && s.product == MySQL:
		return "it is of MariaDB: use --db mariadb"
	case info.Flavor == "":
		return "the dump does not say what it was made from: try --db mysql and --db mariadb, or another version with --image"
	case info.Flavor != s.product:
		return fmt.Sprintf("the dump is from %s: use --db %s", from, strings.ToLower(info.Flavor))
	case olderThan(s.version, info.ServerVersion):
		return fmt.Sprintf("the dump is from %s: use a newer image with --image", from)
	}
	return fmt.Sprintf("the dump is from %s: use an image of that version with --image", from)
}

// olderThan compares the first two numbers of versions.
func olderThan(a, b string) bool {
	a1, a2 := release(a)
	b1, b2 := release(b)
	return a1 < b1 || a1 == b1 && a2 < b2
}

func release(version string) (major, minor int) {
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor) // zero for what is no number
	return major, minor
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
