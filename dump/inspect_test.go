package dump_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dump"
)

const (
	mysqlHeader = "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n--\n-- Host: localhost    Database: prod\n-- Server version\t8.0.36\n" +
		"/*!50503 SET NAMES utf8mb4 */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n"
	trailer = "\n-- Dump completed on 2026-11-25  4:36:08\n"
	tokens  = "CREATE TABLE `IDN_OAUTH2_ACCESS_TOKEN` (`TOKEN_ID` varchar(255) NOT NULL);\n"
)

// file writes a dump for one test.
func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dump.sql")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// inspect expects a good dump.
func inspect(t testing.TB, text string, o dump.Options) *dump.Info {
	t.Helper()
	info, err := dump.Inspect(t.Context(), file(t, text), o)
	require.NoError(t, err)
	return info
}

// fault expects a bad one.
func fault(t testing.TB, text string, o dump.Options) *dump.Error {
	t.Helper()
	_, err := dump.Inspect(t.Context(), file(t, text), o)
	var fault *dump.Error
	require.ErrorAs(t, err, &fault)
	return fault
}

func TestInspectAWholeServer(t *testing.T) {
	t.Parallel()
	text := read(t, "testdata/server.sql")
	info := inspect(t, text, dump.Options{})
	require.Equal(t, "MySQL dump 10.13 Distrib 8.0.36", info.Tool)
	require.Equal(t, dump.MySQL, info.Flavor)
	require.Equal(t, "8.0.36", info.ServerVersion)
	require.Equal(t, "utf8mb4", info.Charset)
	require.Equal(t, "apim_db", info.Schema, "the only one with tokens")
	require.True(t, info.TimesInUTC)
	require.False(t, info.TimesUnstated)
	require.Equal(t, "2026-11-25  4:36:08", info.CompletedAt)
	require.Equal(t, time.Date(2026, 11, 25, 4, 36, 8, 0, time.UTC), info.CompletedClock)
	require.EqualValues(t, len(text), info.Bytes)
	require.EqualValues(t, strings.Count(text, "\n"), info.Lines)
	require.Len(t, info.Schemas, 2, "without the server's own")
	apim := info.Schemas[0]
	require.Equal(t, "apim_db", apim.Name)
	require.Equal(t, 1, apim.Tables)
	require.True(t, apim.HasTokens)
	require.Equal(t, "latin1", apim.Charset)
	require.Equal(t, "latin1_bin", apim.Collation)
	require.False(t, info.Schemas[1].HasTokens)
	require.Equal(t, map[string]int{
		"SET GLOBAL": 1, "CHANGE REPLICATION": 1, "USE": 1, "CREATE DATABASE": 1, "DROP DATABASE": 1,
		"CREATE EVENT": 1, "DROP EVENT": 1, "FLUSH PRIVILEGES": 1, "CREATE USER": 1, "GRANT": 1, dump.OtherSchemas: 8,
	}, info.SkippedKinds)

	require.Equal(t, "shared_db", inspect(t, text, dump.Options{Schema: "shared_db"}).Schema)
	require.Equal(t, "shared_db", inspect(t, text, dump.Options{Schema: "SHARED_DB"}).Schema, "as Windows writes it")
}

func TestInspectReadsPackedDumps(t *testing.T) {
	t.Parallel()
	text := read(t, "testdata/server.sql")
	want := inspect(t, text, dump.Options{})
	frame := "\x50\x2a\x4d\x18\x04\x00\x00\x00note" // a skippable frame, as pzstd writes
	for name, packed := range map[string]string{
		"gzip":             pack(t, text, "gzip"),
		"gzip in parts":    pack(t, text[:1000], "gzip") + pack(t, text[1000:], "gzip"),
		"zstd":             pack(t, text, "zstd"),
		"zstd with a note": frame + pack(t, text, "zstd"),
		"byte order mark":  "\xef\xbb\xbf" + text,
	} {
		got := inspect(t, packed, dump.Options{})
		require.Equal(t, want, got, name)
	}
}

func pack(t testing.TB, text, with string) string {
	t.Helper()
	var b bytes.Buffer
	if with == "gzip" {
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		return b.String()
	}
	z, err := zstd.NewWriter(&b)
	require.NoError(t, err)
	_, err = z.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.String()
}

// Wherever a dump is cut off, that is found, and the line is where it stops.
func TestInspectFindsEveryCut(t *testing.T) {
	t.Parallel()
	text := read(t, "testdata/server.sql")
	path := file(t, "")
	header := strings.Index(text, "\n") + 1
	end := strings.LastIndex(text, " on 2026")
	for n := header; n < end; n++ {
		require.NoError(t, os.WriteFile(path, []byte(text[:n]), 0o600))
		_, err := dump.Inspect(t.Context(), path, dump.Options{})
		var fault *dump.Error
		require.ErrorAs(t, err, &fault, "cut after %d bytes", n)
		require.Equal(t, dump.Truncated, fault.Kind, "cut after %d bytes: %v", n, err)
		last := strings.Count(text[:n], "\n")
		if text[n-1] != '\n' {
			last++
		}
		require.EqualValues(t, last, fault.Line, "cut after %d bytes: %v", n, err)
	}
}

func TestInspectFindsCutPackedDumps(t *testing.T) {
	t.Parallel()
	text := mysqlHeader + tokens + strings.Repeat("INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN` VALUES ('x');\n", 100) + trailer
	for _, with := range []string{"gzip", "zstd"} {
		packed := pack(t, text, with)
		for n := 6; n < len(packed); n++ {
			fault := fault(t, packed[:n], dump.Options{})
			require.Equal(t, dump.Truncated, fault.Kind, "%s cut after %d bytes: %v", with, n, fault)
		}
	}
	// Not compressible, so that lines come out before the cut.
	var stored bytes.Buffer
	z, err := gzip.NewWriterLevel(&stored, gzip.NoCompression)
	require.NoError(t, err)
	_, err = z.Write([]byte(strings.Repeat(text, 20)))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	cut := stored.String()[:70000]
	e := fault(t, cut, dump.Options{})
	require.Equal(t, dump.Truncated, e.Kind)
	require.Greater(t, e.Line, int64(1000), "the last whole line that came out: %v", e)

	damaged := []byte(pack(t, text, "gzip"))
	damaged[len(damaged)-6] ^= 1 // in the checksum
	require.Equal(t, dump.Damaged, fault(t, string(damaged), dump.Options{}).Kind)
}

func TestInspectNamesTheFault(t *testing.T) {
	t.Parallel()
	insert := "INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN` VALUES "
	u := utf16.Encode([]rune("\ufeff-- MySQL dump"))
	powershell := make([]byte, 0, 2*len(u))
	for _, c := range u {
		powershell = append(powershell, byte(c), byte(c>>8))
	}
	for name, c := range map[string]struct {
		text string
		kind dump.Kind
		line int64
		says string
	}{
		"empty":            {"", dump.NotADump, 0, "empty"},
		"empty gzip":       {pack(t, "", "gzip"), dump.NotADump, 0, "empty"},
		"other text":       {"Dear all,\nsee below.\n", dump.NotADump, 1, `"Dear"`},
		"other SQL":        {tokens + "LOAD DATA INFILE 'x' INTO TABLE t;\n", dump.NotADump, 2, `"LOAD"`},
		"no table":         {mysqlHeader + trailer, dump.NotADump, 0, "no table"},
		"XML":              {"<?xml version=\"1.0\"?>\n", dump.NotADump, 1, "--xml"},
		"tar":              {strings.Repeat("x", 257) + "ustar\x0000" + strings.Repeat("\x00", 300), dump.NotADump, 0, "tar"},
		"xz":               {"\xfd7zXZ\x00...", dump.NotADump, 0, "xz"},
		"zip":              {"PK\x03\x04....", dump.NotADump, 0, "zip"},
		"binary":           {"\x7fELF\x02\x01\x01\x00\x00\x00", dump.NotADump, 1, "binary"},
		"PowerShell":       {string(powershell), dump.BadEncoding, 1, "UTF-16"},
		"UTF-16, no mark":  {string(powershell[2:]), dump.BadEncoding, 1, "UTF-16"},
		"no trailer":       {mysqlHeader + tokens, dump.Truncated, 7, "Dump completed"},
		"second one cut":   {mysqlHeader + tokens + trailer + mysqlHeader + tokens, dump.Truncated, 16, "Dump completed"},
		"first one cut":    {mysqlHeader + tokens + mysqlHeader + tokens + trailer, dump.Truncated, 8, "begins in line 1"},
		"failure inside":   {mysqlHeader + tokens + "mysqldump: Error 2013: Lost connection\n" + trailer, dump.Truncated, 8, "Error 2013"},
		"latin1 in utf8":   {mysqlHeader + tokens + insert + "('a'),\n('b'),\n('M\xfcller');\n" + trailer, dump.BadEncoding, 10, "byte 4 of the line is 0xfc"},
		"latin1, no names": {tokens + insert + "('\xfc');\n", dump.BadEncoding, 2, "--default-character-set=utf8mb4"},
		"in a name":        {tokens + "INSERT INTO `T\xfc` VALUES (1);\n", dump.BadEncoding, 2, "0xfc"},
		"gbk":              {strings.Replace(mysqlHeader, "utf8mb4", "gbk", 1) + tokens + trailer, dump.BadEncoding, 5, "gbk"},
		"no such schema":   {mysqlHeader + tokens + trailer, dump.WhichSchema, 0, `holds no schema "apim": it holds prod (1 tables, with tokens)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := dump.Options{}
			if c.kind == dump.WhichSchema {
				o.Schema = "apim"
			}
			e := fault(t, c.text, o)
			require.Equal(t, c.kind, e.Kind, "%v", e)
			require.Equal(t, c.line, e.Line, "%v", e)
			require.Contains(t, e.Message, c.says)
			require.True(t, strings.HasPrefix(e.Error(), "dump.sql"), "%v", e)
		})
	}
}

func TestInspectOfWhatIsNoFile(t *testing.T) {
	t.Parallel()
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing.sql"), os.DevNull} {
		_, err := dump.Inspect(t.Context(), path, dump.Options{})
		var fault *dump.Error
		require.ErrorAs(t, err, &fault, path)
		require.Equal(t, dump.Unreadable, fault.Kind, path)
	}
}

// Bytes that are no text are no fault where the server takes them as bytes.
func TestInspectAllowsBinaryValues(t *testing.T) {
	t.Parallel()
	table := tokens + "CREATE TABLE `B` (\n  `ID` int,\n  `T` varchar(9) DEFAULT 'a,b',\n  `E` enum('x','y'),\n  `P` blob DEFAULT NULL,\n  KEY `K` (`ID`,`T`)\n);\n"
	for name, c := range map[string]struct {
		insert string
		good   bool
	}{
		"introduced":           {"INSERT INTO `B` VALUES (1,'a','x',_binary '\xff\\'\xfe')", true},
		"other charset":        {"INSERT INTO `B` VALUES (1,_latin1'\xff','x','')", true},
		"column of bytes":      {"INSERT INTO `B` VALUES (1,'a','x','\xff'),\n(2,'b,(\\'','y','\xfe')", true},
		"named column":         {"INSERT INTO `B` (`P`, `T`) VALUES ('\xff','a')", true},
		"column of text":       {"INSERT INTO `B` VALUES (1,'a','x','\xff'),(2,'\xff','x','')", false},
		"named column of text": {"INSERT INTO `B` (`P`, `T`) VALUES ('\xff','\xfe')", false},
		"unknown table":        {"INSERT INTO `X` VALUES ('\xff')", false},
		"beside the value":     {"INSERT INTO `B` VALUES (1,'a','x',_binary '\xff'\xff)", false},
	} {
		text := mysqlHeader + table + c.insert + ";\n" + trailer
		if c.good {
			inspect(t, text, dump.Options{})
			continue
		}
		require.Equal(t, dump.BadEncoding, fault(t, text, dump.Options{}).Kind, name)
	}
	// The dump declares its character set: the server reads it.
	latin1 := strings.Replace(mysqlHeader, "utf8mb4", "latin1", 1) + tokens + "INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN` VALUES ('M\xfcller');\n" + trailer
	require.Equal(t, "latin1", inspect(t, latin1, dump.Options{}).Charset)
}

func TestInspectChoosesTheSchema(t *testing.T) {
	t.Parallel()
	schema := func(name, table string) string {
		return "CREATE DATABASE `" + name + "`;\nUSE `" + name + "`;\nCREATE TABLE `" + table + "` (`A` int);\n"
	}
	two := schema("a", "X") + schema("b", "Y")
	e := fault(t, two, dump.Options{})
	require.Equal(t, dump.WhichSchema, e.Kind)
	require.Contains(t, e.Message, "--schema: a (1 tables), b (1 tables)")

	both := schema("a", dump.TokenTable) + schema("b", strings.ToLower(dump.TokenTable)) + schema("c", "X")
	info, err := dump.Inspect(t.Context(), file(t, both), dump.Options{})
	require.ErrorContains(t, err, "--schema: a (1 tables, with tokens), b (1 tables, with tokens)")
	require.Len(t, info.Schemas, 3, "the choice is there")
	require.Equal(t, "b", inspect(t, both, dump.Options{Schema: "b"}).Schema)

	require.Equal(t, "b", inspect(t, two+schema("b", dump.TokenTable), dump.Options{}).Schema, "views come in a second round of USE")
	require.Equal(t, "prod", inspect(t, mysqlHeader+tokens+trailer, dump.Options{}).Schema, "named in the header")
	require.Equal(t, "", inspect(t, tokens, dump.Options{}).Schema, "without comments nothing names it")
	routine := "ALTER DATABASE `prod` CHARACTER SET latin1;\nCREATE TRIGGER prod.G BEFORE DELETE ON prod.T FOR EACH ROW SET @a = 1;\n"
	require.Equal(t, "", inspect(t, tokens+routine, dump.Options{}).Schema, "names in it do not make another schema")
	require.Equal(t, "any", inspect(t, tokens, dump.Options{Schema: "any"}).Schema)

	// One dump after another, as a loop over schemas writes them.
	other := strings.ReplaceAll(mysqlHeader, "prod", "shared") + "CREATE TABLE `X` (`A` int);\n" + trailer
	joined := inspect(t, mysqlHeader+tokens+trailer+other, dump.Options{})
	require.Equal(t, "prod", joined.Schema)
	require.Equal(t, map[string]int{dump.OtherSchemas: 1}, joined.SkippedKinds)
}

func TestInspectSaysInWhichZoneTimesAre(t *testing.T) {
	t.Parallel()
	rows := tokens + "INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN` VALUES ('x');\n"
	header := "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;\n"
	zone := "/*!40103 SET TIME_ZONE='+00:00' */;\n"
	mark := "/*M!999999\\- enable the sandbox mode */ \n"
	for name, c := range map[string]struct {
		text               string
		inUTC, notUnstated bool
	}{
		"--tz-utc":                 {zone + header + rows, true, true},
		"--skip-tz-utc":            {header + rows, false, true},
		"mysqldump --compact":      {rows, false, false},
		"mariadb-dump --compact":   {mark + rows, true, false},
		"mariadb-dump skip-tz-utc": {mark + header + rows, false, true},
	} {
		info := inspect(t, c.text, dump.Options{})
		require.Equal(t, c.inUTC, info.TimesInUTC, name)
		require.Equal(t, c.notUnstated, !info.TimesUnstated, name)
	}
}

func TestInspectShowsProgressAndStops(t *testing.T) {
	t.Parallel()
	path := file(t, mysqlHeader+tokens+strings.Repeat("INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN` VALUES ('x');\n", 100_000)+trailer)
	var last, total int64
	calls := 0
	_, err := dump.Inspect(t.Context(), path, dump.Options{Progress: func(done, of int64) {
		require.Greater(t, done, last)
		last, total, calls = done, of, calls+1
	}})
	require.NoError(t, err)
	require.Equal(t, total, last, "ends at the end")
	require.Greater(t, calls, 1, "not only at the end")

	ctx, cancel := context.WithCancel(t.Context())
	_, err = dump.Inspect(ctx, path, dump.Options{Progress: func(int64, int64) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
}
