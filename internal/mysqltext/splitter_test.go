package mysqltext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// piece is a statement as a test can compare it.
type piece struct {
	Line int64
	Text string
}

// keepStatement bytes are kept of a statement.
const keepStatement = 1 << 28

// pieces splits all of a text.
func pieces(src io.Reader, max int) ([]piece, error) { return all(NewSplitter(src, max)) }

func all(s *Splitter) (all []piece, err error) {
	for {
		st, err := s.Next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return all, err
		}
		all = append(all, piece{st.Line, string(st.Text)})
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []piece
	}{
		"nothing":              {"", nil},
		"only remarks":         {"-- a\n# b\n/* c; */\n--\n", nil},
		"two in a line":        {"a; b;", []piece{{1, "a"}, {1, "b"}}},
		"over lines":           {"a\n b\n;\n\nc;\n", []piece{{1, "a\n b"}, {5, "c"}}},
		"CRLF":                 {"a\r\nb;\r\nc;\r\n", []piece{{1, "a\r\nb"}, {3, "c"}}},
		"empty statements":     {";;\n ; a;", []piece{{2, "a"}}},
		"quoted delimiter":     {`a 'x;' ";" ` + "`;`;b;", []piece{{1, `a 'x;' ";" ` + "`;`"}, {1, "b"}}},
		"quotes in quotes":     {`a '"' "'" '` + "`" + `';b;`, []piece{{1, `a '"' "'" '` + "`" + `'`}, {1, "b"}}},
		"escaped quote":        {`a 'x\';' ;b;`, []piece{{1, `a 'x\';'`}, {1, "b"}}},
		"escaped backslash":    {`a 'x\\';b;`, []piece{{1, `a 'x\\'`}, {1, "b"}}},
		"doubled quote":        {`a 'x'';';b;`, []piece{{1, `a 'x'';'`}, {1, "b"}}},
		"backslash in a name":  {"a `x\\`;b;", []piece{{1, "a `x\\`"}, {1, "b"}}},
		"line end in a string": {"a '\n;\n';b;", []piece{{1, "a '\n;\n'"}, {3, "b"}}},
		"comments inside":      {"a -- don't;\n b # it's;\n /* '; */ c;d;", []piece{{1, "a -- don't;\n b # it's;\n /* '; */ c"}, {3, "d"}}},
		"no comment":           {"a 1--1; b 2-/1*3;", []piece{{1, "a 1--1"}, {1, "b 2-/1*3"}}},
		"executable comment":   {"/*!40101 a ';' */;/*!50003 b; */;c;", []piece{{1, "/*!40101 a ';' */"}, {1, "/*!50003 b; */"}, {1, "c"}}},
		"MariaDB's":            {"/*M!100616 a */;b;", []piece{{1, "/*M!100616 a */"}, {1, "b"}}},
		"comment in one":       {"/*!50003 a /* ; */ -- */ ;\n b */;c;", []piece{{1, "/*!50003 a /* ; */ -- */ ;\n b */"}, {2, "c"}}},
		"sandbox mark":         {"/*M!999999\\- enable the sandbox mode */ \n-- x\na;", []piece{{3, "a"}}},
		"older sandbox mark":   {"/*!999999\\- enable the sandbox mode */\na;", []piece{{2, "a"}}},
		"DELIMITER":            {"DELIMITER ;;\na; b ;;\ndelimiter $$\r\nc;;$$\nDELIMITER ;\nd;", []piece{{2, "a; b"}, {4, "c;;"}, {6, "d"}}},
		"no DELIMITER":         {"delimiters 1; 'DELIMITER ;;';a;", []piece{{1, "delimiters 1"}, {1, "'DELIMITER ;;'"}, {1, "a"}}},
		"messages of the tool": {"mysqldump: [Warning] it's;\nWarning: a;\na;", []piece{{3, "a"}}},
		"NUL and other blanks": {"\x00\t a;\x00", []piece{{1, "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := pieces(strings.NewReader(c.text), keepStatement)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			got, err = pieces(iotest.OneByteReader(strings.NewReader(c.text)), keepStatement)
			require.NoError(t, err)
			require.Equal(t, c.want, got, "one byte at a time")
		})
	}
}

func TestSplitWithoutBackslashEscapes(t *testing.T) {
	t.Parallel()
	s := NewSplitter(strings.NewReader(`a '\';b '\' '';`), keepStatement)
	s.NoBackslash = true
	first, err := s.Next()
	require.NoError(t, err)
	require.Equal(t, `a '\'`, string(first.Text))
	second, err := s.Next()
	require.NoError(t, err)
	require.Equal(t, `b '\' ''`, string(second.Text))
}

func TestSplitSaysWhereTheTextIsCutOff(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		line, begins int64
		inside       string
	}{
		"a;\ninsert into t values (1":     {2, 2, InText},
		"a;\ninsert into t\nvalues ('1\n": {3, 2, "a quoted text"},
		"a;\n/* x\n\n":                    {3, 2, "a comment"},
		"drop table `t\\`; x `":           {1, 1, "a quoted text"},
		"/*!40101 set x=1;":               {1, 1, InText},
	} {
		_, err := pieces(strings.NewReader(text), keepStatement)
		var fault *Fault
		require.ErrorAs(t, err, &fault, text)
		require.Equal(t, Incomplete, fault.Problem, text)
		require.Equal(t, want.line, fault.Line, text)
		require.Equal(t, want.begins, fault.Begins, text)
		require.Equal(t, want.inside, fault.Inside, text)
	}
}

// The mysql client reads its own commands at the start of a statement only, up to
// the delimiter or the end of the line; \g and \G end a statement.
func TestSplitShowsCommandsToTheClient(t *testing.T) {
	t.Parallel()
	text := "tee out.txt\n-- tee\nUSE x; a\ntee b;\nDELIMITER $$\nwarnings\nc;\\G d '\\g' $$\nuse y$$ e\\g\n"
	var commands []piece
	s := NewSplitter(strings.NewReader(text), keepStatement)
	s.Command = func(line int64, text string) (bool, error) {
		word, _, _ := strings.Cut(text, " ")
		switch strings.ToLower(word) {
		case "tee", "use", "warnings":
			commands = append(commands, piece{line, text})
			return true, nil
		}
		return false, nil
	}
	got, err := all(s)
	require.NoError(t, err)
	require.Equal(t, []piece{{3, "a\ntee b"}, {7, "c;"}, {7, `d '\g'`}, {8, "e"}}, got)
	require.Equal(t, []piece{{1, "tee out.txt"}, {3, "USE x"}, {6, "warnings"}, {8, "use y"}}, commands)
}

func TestSplitKeepsTheHeadOfAnEndlessStatement(t *testing.T) {
	t.Parallel()
	const limit = 1 << 10
	long := "INSERT INTO t VALUES ('" + strings.Repeat("x\n", limit) + "')"
	s := NewSplitter(strings.NewReader("a;\n"+long+";b;"), limit)
	_, err := s.Next()
	require.NoError(t, err)

	st, err := s.Next()
	require.NoError(t, err)
	require.EqualValues(t, len(long), st.Size)
	require.EqualValues(t, 2, st.Line)
	require.Less(t, len(st.Text), limit)
	require.True(t, strings.HasPrefix(long, string(st.Text)), "the head is a beginning of the statement")
	require.Equal(t, limit, len(s.buf), "memory stays within the limit")

	st, err = s.Next()
	require.NoError(t, err)
	require.Equal(t, "b", string(st.Text))
	require.EqualValues(t, 2+limit, st.Line, "lines that were dropped count")
}

// A statement made of any pieces comes back as it was, whatever its strings and
// comments hold and wherever the reader stops.
func TestSplitGivesBackWhatWasPutTogether(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{
		"INSERT", " ", "\n", "(1,-1)", "a-b", "x/y", "2*3", `'a;b'`, `'it''s'`, `'\''`, `'\\'`, "'\n--\n'", `"d';"`, "`n;'`", "``",
		"/* c; ' */", "-- l; '\n", "#l\"\n", "/*!40101 e; 'q' */", "/*M!100000 f */", "/*!50003 g /* h */ */", "é漢", "''", `'/*'`, "'*/'", "'DELIMITER ;;'",
	})
	rapid.Check(t, func(t *rapid.T) {
		delimiter := rapid.SampledFrom([]string{";", ";;", "$$", "//"}).Draw(t, "delimiter")
		var want []string
		text := "DELIMITER " + delimiter + "\n"
		for range rapid.IntRange(0, 5).Draw(t, "statements") {
			st := "S" + strings.Join(rapid.SliceOf(part).Draw(t, "parts"), "") + "E"
			want = append(want, st)
			text += "\n-- remark\n" + st + delimiter
		}
		chunk := rapid.IntRange(1, 9).Draw(t, "chunk")
		got, err := pieces(&chunks{text: []byte(text), size: chunk}, keepStatement)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i], got[i].Text)
			lines := strings.Split(text, "\n")[got[i].Line-1:]
			require.True(t, strings.HasPrefix(strings.Join(lines, "\n"), want[i]), "line %d", got[i].Line)
		}
	})
}

// chunks delivers a text in pieces of a size.
type chunks struct {
	text []byte
	size int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size)], c.text)
	c.text = c.text[n:]
	return n, nil
}

// Any input gives the same statements however it is read, each of them part of
// the input, and any other end than the clean one is a Fault.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"a;b", "'\\", "/*!1 x */;", "DELIMITER //\nx//\n", "-- x", "`", "/*M!999999\\- x */ a;", "/*/;", "--\n;", "mysqldump: x", "a';';\n/*'*/b\"\\\"\";",
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, chunk uint8) {
		whole, err := pieces(bytes.NewReader(text), keepStatement)
		parts, partsErr := pieces(&chunks{text: text, size: int(chunk)%16 + 1}, keepStatement)
		require.Equal(t, whole, parts)
		require.Equal(t, fmt.Sprint(err), fmt.Sprint(partsErr))
		var fault *Fault
		require.True(t, err == nil || errors.As(err, &fault) && fault.Line >= 1, "%v", err)
		for _, p := range whole {
			require.True(t, bytes.Contains(text, []byte(p.Text)))
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	row := `('3e9c1a44-5f0e-4c1b-9a0f-0c2f6f1f7a11','d1c7e1f0a2b34c55','r0c7e1f0a2b34c55',17,'user4711@carbon.super',-1234,'PRIMARY','APPLICATION_USER','password',` +
		`'2026-01-02 03:04:05','2026-01-02 03:04:05',3600000,86400000,'7f3a3b0c','INACTIVE','4b1f','user\'s id','{\"hash\":\"0d4f\",\"algorithm\":\"SHA-256\"}',-1)`
	statement := "INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN` VALUES " + strings.Repeat(row+",", 2500) + row + ";\n"
	text := strings.Repeat(statement, 32)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := pieces(strings.NewReader(text), keepStatement); err != nil {
			b.Fatal(err)
		}
	}
}
