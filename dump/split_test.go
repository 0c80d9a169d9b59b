package dump

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
)

func TestSplitSaysWhereTheTextIsCutOff(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		line int64
		says string
	}{
		"a;\ninsert into t values (1":     {2, "inside the text of the statement INSERT INTO t that begins in line 2"},
		"a;\ninsert into t\nvalues ('1\n": {3, "inside a quoted text of the statement INSERT INTO t that begins in line 2"},
		"a;\n/* x\n\n":                    {3, "inside a comment that begins in line 2"},
		"drop table `t\\`; x `":           {1, "inside a quoted text"},
		"/*!40101 set x=1;":               {1, "inside the text of the statement SET"},
		"create table t ( -- x":           {1, "inside the text of the statement CREATE TABLE t"},
		`insert into t values ('\`:        {1, "inside a quoted text"},
	} {
		err := split(strings.NewReader(text), func([]byte) {})
		var fault *Error
		require.ErrorAs(t, err, &fault, text)
		require.Equal(t, Truncated, fault.Kind, text)
		require.Equal(t, want.line, fault.Line, text)
		require.Contains(t, fault.Message, want.says, text)
	}
}

// split reads all statements of a text as a dump is read.
func split(src io.Reader, each func(text []byte)) error {
	w := &walker{info: &Info{Tool: "mysqldump"}, vars: variables{}, split: mysqltext.NewSplitter(src, keepStatement)}
	for {
		st, err := w.split.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return w.splitFault(err)
		}
		each(st.Text)
	}
}

// No input makes the parsers of statements panic, and any other end than the
// clean one is an Error.
func FuzzStatements(f *testing.F) {
	for _, seed := range []string{
		"a;b", "'\\", "/*!1 x */;", "DELIMITER //\nx//\n", "-- x", "`", "/*M!999999\\- x */ a;", "/*/;", "--\n;", "mysqldump: x", "a';';\n/*'*/b\"\\\"\";",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := split(bytes.NewReader(text), func(statement []byte) {
			command := parse(statement)
			_, _ = rewrite(item{statement: statementOf(string(statement), 1), command: command}, "s")
			_, _ = parseSet(statement)
			_ = notUTF8(statement, command, readColumns(statement, command.rest), false)
		})
		var fault *Error
		require.True(t, err == nil || errors.As(err, &fault) && fault.Line >= 1, "%v", err)
	})
}
