package tsql

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/microsoft/go-mssqldb/batch"
	"github.com/stretchr/testify/require"
)

var roomy = Limits{Piece: 1 << 20, Batch: 1 << 22}

// batches reads a whole script, a byte at a time too: what is found must not
// depend on where a buffer ends.
func batches(t *testing.T, text string, l Limits) ([]string, error) {
	t.Helper()
	all, err := readAll(strings.NewReader(text), l)
	slow, slowErr := readAll(iotest.OneByteReader(strings.NewReader(text)), l)
	require.Equal(t, all, slow)
	require.Equal(t, fmt.Sprint(err), fmt.Sprint(slowErr))
	return all, err
}

func readAll(src io.Reader, l Limits) ([]string, error) {
	r := NewReader(src, l)
	r.buf = make([]byte, 16) // so that it has to grow and move
	var all []string
	for {
		b, err := r.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		mark := ""
		if b.Count > 1 {
			mark = fmt.Sprintf(" x%d", b.Count)
		}
		if b.Part {
			mark += " part"
		}
		if !b.Ended && !b.Part {
			mark += " open"
		}
		all = append(all, fmt.Sprintf("%d%s: %s", b.Line, mark, strings.TrimSpace(string(b.Text))))
	}
}

func TestBatchesEndAtGoLines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"plain":               {"PRINT 1\nGO\nPRINT 2\nGO\n", []string{"1: PRINT 1", "3: PRINT 2"}},
		"CRLF":                {"PRINT 1\r\nGO\r\nPRINT 2\r\nGO\r\n", []string{"1: PRINT 1", "3: PRINT 2"}},
		"no end of line":      {"PRINT 1\nGO", []string{"1: PRINT 1"}},
		"no GO":               {"PRINT 1\n\n", []string{"1 open: PRINT 1"}},
		"comment at the end":  {"PRINT 1\nGO\n-- done\n/* so */\n", []string{"1: PRINT 1"}},
		"blank batches":       {"GO\n\nGO\nPRINT 1\nGO\n", []string{"1: ", "2: ", "4: PRINT 1"}},
		"any case, blanks":    {"PRINT 1\n \tgO \t\nPRINT 2\ngo\n", []string{"1: PRINT 1", "3: PRINT 2"}},
		"a count":             {"PRINT 1\nGO 3\nPRINT 2\nGO\t12  -- twelve\n", []string{"1 x3: PRINT 1", "3 x12: PRINT 2"}},
		"a comment":           {"PRINT 1\nGO -- that's it\nPRINT 2\nGO-- too\n", []string{"1: PRINT 1", "3: PRINT 2"}},
		"longer words":        {"GOTO x\nGOING\nGO_1\nGO1\nGO.x\n[GO]\nGO\n", []string{"1: GOTO x\nGOING\nGO_1\nGO1\nGO.x\n[GO]"}},
		"not alone":           {"PRINT 1 GO\nPRINT 2; GO\nGO\n", []string{"1: PRINT 1 GO\nPRINT 2; GO"}},
		"in a string":         {"PRINT 'a\nGO\n''\nGO\n'\nGO\n", []string{"1: PRINT 'a\nGO\n''\nGO\n'"}},
		"in N'...'":           {"PRINT N'\nGO\n'\nGO\n", []string{"1: PRINT N'\nGO\n'"}},
		"in double quotes":    {"PRINT \"\nGO\n'\"\nGO\n", []string{"1: PRINT \"\nGO\n'\""}},
		"in brackets":         {"PRINT [a\nGO\n]]\nGO\n'\"--/*]\nGO\n", []string{"1: PRINT [a\nGO\n]]\nGO\n'\"--/*]"}},
		"brackets that end":   {"PRINT [a]][]\nGO\nPRINT [b]\nGO\n", []string{"1: PRINT [a]][]", "3: PRINT [b]"}},
		"in a comment":        {"PRINT 1 /*\nGO\n*/\nGO\n", []string{"1: PRINT 1 /*\nGO\n*/"}},
		"in nested comments":  {"PRINT 1 /* /* \nGO\n*/\nGO\n/**/ ' */\nGO\n", []string{"1: PRINT 1 /* /* \nGO\n*/\nGO\n/**/ ' */"}},
		"stars and slashes":   {"/****** Object: x ******/\nPRINT 2*/*a*/1\nGO\n", []string{"1: /****** Object: x ******/\nPRINT 2*/*a*/1"}},
		"quote in a comment":  {"-- don't\nPRINT 1 -- [it\nGO\n/* '\" */ PRINT 2\nGO\n", []string{"1: -- don't\nPRINT 1 -- [it", "4: /* '\" */ PRINT 2"}},
		"comment in a string": {"PRINT '--'\nGO\nPRINT '/*'\nGO\n", []string{"1: PRINT '--'", "3: PRINT '/*'"}},
		"minus and slash":     {"PRINT 1-'2'/'3'\nGO\nPRINT 1-\n-2\nGO\n", []string{"1: PRINT 1-'2'/'3'", "3: PRINT 1-\n-2"}},
		"behind a comment":    {"PRINT 1\n/* a\n*/ GO\nGO\n", []string{"1: PRINT 1\n/* a\n*/ GO"}},
		"Unicode":             {"PRINT N'ü 漢字 🎉 ]'\nGO\nPRINT N'’'\nGO\n", []string{"1: PRINT N'ü 漢字 🎉 ]'", "3: PRINT N'’'"}},
		"on error":            {":on error exit\nPRINT 1\n:On  Error Ignore\nGO\n", []string{"1: PRINT 1"}},
		"colons":              {"PRINT 1\n::x\n:y\n!x\nGO\n", []string{"1: PRINT 1\n::x\n:y\n!x"}},
		"directive in string": {"PRINT '\n:r x\n!!del\n'\nGO\n", []string{"1: PRINT '\n:r x\n!!del\n'"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := batches(t, c.text, roomy)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestFaultsNameTheirLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    string
		problem Problem
		line    int64
		says    string
	}{
		"string":       {"PRINT 1\nGO\nPRINT 'a\nGO\n", Incomplete, 4, "inside a quoted text that begins in line 3"},
		"doubled":      {"PRINT 'a''", Incomplete, 1, "quoted text"},
		"brackets":     {"SELECT 1\nFROM [a]]\n", Incomplete, 2, "a name in brackets that begins in line 2"},
		"comment":      {"/* /* */\nGO", Incomplete, 2, "a comment that begins in line 1"},
		"half a mark":  {"/* *", Incomplete, 1, "a comment"},
		"GO with text": {"PRINT 1\nGO PRINT 2\n", BadGo, 2, `not "PRINT 2"`},
		"GO;":          {"PRINT 1\nGO;\n", BadGo, 2, `not ";"`},
		"GO 0":         {"PRINT 1\nGO 0\n", BadGo, 2, "a count from 1"},
		":setvar":      {"\n:setvar Db \"x\"\n", Directive, 2, "put the values where $(name) stands"},
		":r":           {":r other.sql\n", Directive, 1, "put the file's text here"},
		":connect":     {":CONNECT prod\n", Directive, 1, "throw-away database"},
		"!!":           {"PRINT 1\n  !!del *\n", Directive, 2, "no command of the operating system is run"},
		":!!":          {":!! del *\n", Directive, 1, "no command of the operating system is run"},
		":quit":        {"PRINT 1\nGO\n:quit\n", Directive, 3, "sqlcmd's command :quit"},
		"a huge batch": {"GO\nPRINT '" + strings.Repeat("\nx", 1000) + "'\nGO\n", TooLarge, 0, "the batch that begins in line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readAll(strings.NewReader(c.text), Limits{Piece: 100, Batch: 1000})
			var f *Fault
			require.ErrorAs(t, err, &f)
			require.Equal(t, c.problem, f.Problem, "%v", f)
			if c.line > 0 {
				require.Equal(t, c.line, f.Line, "%v", f)
			}
			require.Contains(t, f.Text, c.says)
		})
	}
}

func TestAFailingSourceIsAFault(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk gone")
	for _, text := range []string{"", "PRINT 1\nGO\n", "PRINT 'a", "/* a", "-- a", "PRINT 1-"} {
		_, err := readAll(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), roomy)
		require.ErrorIs(t, err, broken, "%q", text)
	}
}

// A batch of many INSERT statements is read in pieces that begin and end with
// whole ones.
func TestLargeBatchesArePartedBetweenInserts(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("SET IDENTITY_INSERT [dbo].[T] ON\n")
	for i := range 100 {
		fmt.Fprintf(&b, "INSERT [dbo].[T] ([ID], [A]) VALUES (%d, N'it''s; INSERT [dbo].[T] ([A]) VALUES (1)\nGO\n')\n", i)
	}
	b.WriteString("SET IDENTITY_INSERT [dbo].[T] OFF\nGO\n")
	got, err := batches(t, b.String(), Limits{Piece: 300, Batch: 2000})
	require.NoError(t, err)
	require.Greater(t, len(got), 10)
	var inserts int64
	line := 1
	for i, text := range got {
		at, body, _ := strings.Cut(text, ": ")
		require.Equal(t, fmt.Sprint(line), strings.TrimSuffix(at, " part"))
		require.Equal(t, i < len(got)-1, strings.HasSuffix(at, "part"))
		if i > 0 {
			require.True(t, strings.HasPrefix(body, "INSERT "), body)
		}
		for _, u := range Parse([]byte(body)).Units {
			if u.Insert() {
				inserts += u.Statements[0].Rows
			}
		}
		line += strings.Count(body, "\n") + 1
	}
	require.EqualValues(t, 100, inserts)
}

// What belongs together is not parted, so that it does what it did.
func TestBatchesThatBelongTogetherAreNotParted(t *testing.T) {
	t.Parallel()
	rows := strings.Repeat("INSERT T (A) VALUES (1)\n", 30)
	for name, text := range map[string]string{
		"variables": "DECLARE @x int\n" + rows,
		"a block":   "BEGIN\n" + rows + "END\n",
		"an IF":     "IF 1 = 1 BEGIN\n" + rows + "END\n" + rows,
		"a module":  "CREATE PROCEDURE P AS\n" + rows,
		"one row":   "INSERT T (A) VALUES (1" + strings.Repeat("\n,1", 300) + ")\n",
	} {
		got, err := batches(t, text+"GO\n", Limits{Piece: 100, Batch: 4000})
		require.NoError(t, err)
		require.Len(t, got, 1, name)
		_, err = readAll(strings.NewReader(strings.Repeat(text, 10)+"GO\n"), Limits{Piece: 100, Batch: 1000})
		require.ErrorContains(t, err, "write GO between its statements", name)
	}
	_, err := readAll(strings.NewReader(rows+"GO 2\n"), Limits{Piece: 100, Batch: 4000})
	require.ErrorContains(t, err, "too large to be run more than once")
}

// On texts that both understand, batches are where the splitter of the driver
// finds them. It knows no
// brackets, double quotes and nested comments, and takes GO behind a string for one.
func TestBatchesAreWhereTheDriverFindsThem(t *testing.T) {
	t.Parallel()
	pieces := []string{"PRINT 1", "\n", "\r\n", "GO\n", "go 2\n", "\nGO\n", "\n  Go  \n", "'a' x", "'\nGO\n' x", "'' x", "'it''s' x", "-- x\n", "-- '\n", "/* x */ x", "/*\nGO\n'*/ x\n",
		" ", "\t", "GOTO\n", "- 1", "/ 2", "é", ";"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var b strings.Builder
		for range random.IntN(12) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		b.WriteString("\nGO\n") // the end differs: there they need none
		text := b.String()
		var want []string
		for _, s := range batch.Split(text, "GO") {
			if len(Parse([]byte(s)).Units) > 0 {
				want = append(want, strings.TrimSpace(s))
			}
		}
		require.Equal(t, want, flat(t, text), "%q", text)
	}
}

func flat(t *testing.T, text string) []string {
	t.Helper()
	r := NewReader(strings.NewReader(text), roomy)
	var all []string
	for {
		b, err := r.Next()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err, "%q", text)
		for range b.Count {
			if len(b.Script.Units) > 0 {
				all = append(all, strings.TrimSpace(string(b.Text)))
			}
		}
	}
}
