package procedure_test

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/mysql"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/internal/mysqltext"
	"github.com/tokensweep/tokensweep/internal/tsql"
	"github.com/tokensweep/tokensweep/schema"
)

var update = flag.Bool("update", false, "write testdata anew; then read the difference as you would read code")

func generated(t *testing.T, release string, d dialect.Dialect, audit bool, o procedure.Options) (string, *schema.Database) {
	t.Helper()
	found, err := schema.Release(release, d.Product())
	require.NoError(t, err)
	if d.Product() == schema.SQLServer {
		found.Name = "dbo"
	}
	o.For = release
	plan, err := procedure.NewPlan(found, d, audit, cleanup.AuditStop)
	require.NoError(t, err)
	text, err := procedure.Generate(plan, o)
	require.NoError(t, err)
	return text, found
}

// TestScripts holds scripts against their text in testdata.
func TestScripts(t *testing.T) {
	t.Parallel()
	type one struct {
		release string
		d       dialect.Dialect
		audit   bool
		o       procedure.Options
	}
	for name, g := range map[string]one{
		"mysql-apim-2.6":     {"apim-2.6", mysql.Dialect{}, false, procedure.Options{}},
		"mysql-is-7.3":       {"is-7.3", mysql.Dialect{}, true, procedure.Options{}},
		"sqlserver-apim-4.2": {"apim-4.2", sqlserver.Dialect{}, true, procedure.Options{}},
		"babelfish-apim-2.6": {"apim-2.6", sqlserver.Dialect{}, false, procedure.Options{NoWait: true}},
	} {
		text, _ := generated(t, g.release, g.d, g.audit, g.o)
		file := filepath.Join("testdata", name+".sql")
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err, "run go test ./cleanup/procedure -run TestScripts -update")
		require.Equal(t, string(want), text, name)
	}
}

// TestEveryRelease generates for all of them, and looks for what a server would not take.
func TestEveryRelease(t *testing.T) {
	t.Parallel()
	for _, release := range schema.Releases() {
		for _, d := range []dialect.Dialect{mysql.Dialect{}, sqlserver.Dialect{}} {
			for _, audit := range []bool{true, false} {
				text, found := generated(t, release, d, audit, procedure.Options{})
				require.NotContains(t, text, "<no value>")
				require.NotContains(t, text, "?", "a placeholder is left")
				require.NotContains(t, text, "official-mysql")
				require.Contains(t, text, procedure.Mark)
				require.NotEmpty(t, statements(t, d, text))
				if d.Product() == schema.SQLServer {
					requireOneSpelling(t, text, found)
				} else {
					require.NotContains(t, text, `\`, "NO_BACKSLASH_ESCAPES would read it otherwise")
					require.NotContains(t, text, `"`, "ANSI_QUOTES would read it otherwise")
				}
			}
		}
	}
}

var words = regexp.MustCompile(`@?@?[A-Za-z_][A-Za-z0-9_]*`)

// requireOneSpelling requires what a case-sensitive collation does: names as they
// are declared.
func requireOneSpelling(t *testing.T, text string, found *schema.Database) {
	t.Helper()
	spelled := map[string]string{}
	for _, table := range found.Tables {
		spelled[strings.ToLower(table.Name)] = table.Name
	}
	for _, batch := range statements(t, sqlserver.Dialect{}, text) {
		var code []string
		for _, line := range strings.Split(batch, "\n") {
			line, _, _ = strings.Cut(line, "--")
			code = append(code, line)
		}
		for _, word := range words.FindAllString(strings.Join(code, "\n"), -1) {
			if name, ok := spelled[strings.ToLower(word)]; ok {
				require.Equal(t, name, word)
			}
			if strings.HasPrefix(word, "@") && !strings.HasPrefix(word, "@@") && !strings.HasPrefix(word, "@Resource") && !strings.HasPrefix(word, "@Lock") {
				require.Equal(t, strings.ToLower(word), word)
			}
		}
	}
}

// statements takes a script apart as the mysql client or sqlcmd does.
func statements(t *testing.T, d dialect.Dialect, text string) (all []string) {
	t.Helper()
	if d.Product() == schema.SQLServer {
		reader := tsql.NewReader(strings.NewReader(text), tsql.Limits{Piece: len(text) + 1, Batch: len(text) + 1})
		for {
			b, err := reader.Next()
			if err == io.EOF {
				return all
			}
			require.NoError(t, err)
			all = append(all, string(b.Text))
		}
	}
	splitter := mysqltext.NewSplitter(strings.NewReader(text), len(text)+1)
	for {
		st, err := splitter.Next()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, string(st.Text))
	}
}
