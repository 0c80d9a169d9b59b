package backup_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/backup"
	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/seed"
)

// offsets are where the frames of a file begin; the last one is its end.
func offsets(file []byte) []int {
	at := len(backup.Magic(1))
	all := []int{at}
	for at < len(file) {
		at += backup.HeadSize + int(binary.LittleEndian.Uint32(file[at+1:])) + 40
		all = append(all, at)
	}
	return all
}

// flipped changes one bit.
func flipped(file []byte, at int) []byte {
	changed := bytes.Clone(file)
	changed[at] ^= 0x10
	return changed
}

// head writes another size into a head, with the checksum that belongs to it.
func head(file []byte, at int, field int, value uint32) []byte {
	changed := bytes.Clone(file)
	binary.LittleEndian.PutUint32(changed[at+field:], value)
	binary.LittleEndian.PutUint32(changed[at+backup.HeadSize-4:], crc32.ChecksumIEEE(changed[at:at+backup.HeadSize-4]))
	return changed
}

// rebuilt changes the frames of a file; what protects them is right again.
func rebuilt(file []byte, change func([]backup.Frame) []backup.Frame) []byte {
	return backup.Assemble(change(backup.Frames(file)))
}

// edited changes the JSON of the first frame of a kind.
func edited(file []byte, kind byte, change func(map[string]any)) []byte {
	return rebuilt(file, func(all []backup.Frame) []backup.Frame {
		i := slices.IndexFunc(all, func(f backup.Frame) bool { return f.Kind == kind })
		var fields map[string]any
		if err := json.Unmarshal(all[i].Payload, &fields); err != nil {
			panic(err)
		}
		change(fields)
		all[i] = backup.Frame{Kind: kind, Payload: backup.JSON(fields)}
		return all
	})
}

// damage is a file that is no whole backup, and what must be said about it.
type damage struct {
	file []byte
	says string
}

// damages makes them from two whole backups. Frames of each: 0 header, 1 begin,
// 2… rows, …, the last one trailer.
func damages(whole, other []byte) map[string]damage {
	at, n := offsets(whole), len(offsets(whole))-1
	swapped := slices.Concat(whole[:at[2]], whole[at[3]:at[4]], whole[at[2]:at[3]], whole[at[4]:])
	theirs := offsets(other)
	small := func(payload []byte) []byte {
		z, _ := zstd.NewWriter(nil)
		return z.EncodeAll(payload, nil)
	}
	firstRows := func(change func(*backup.Frame)) []byte {
		return rebuilt(whole, func(all []backup.Frame) []backup.Frame { change(&all[2]); return all })
	}
	return map[string]damage{
		"empty":                  {nil, "is empty"},
		"gzip":                   {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), "is a gzip file"},
		"zip":                    {[]byte("PK\x03\x04\x14\x00"), "is a zip file"},
		"pre-image":              {small([]byte("tokensweep pre-image\n{}")), "is a zstd file (a pre-image"},
		"SQL dump":               {[]byte("-- MySQL dump 10.13\nCREATE TABLE `ü` (A INT);\n"), "is a text file (an SQL dump?)"},
		"backup of SQL Server":   {[]byte("TAPE\x00\x00\x03\x00"), "is a backup of SQL Server"},
		"SQLite database":        {[]byte("SQLite format 3\x00\x10\x00"), "is an SQLite database"},
		"noise":                  {bytes.Repeat([]byte{0, 0xfe, 0x11}, 999), "does not begin as a backup"},
		"newer format":           {append([]byte(backup.Magic(2)), whole[at[0]:]...), `has format "2", and this tokensweep reads format 1: use a newer one`},
		"cut in the first line":  {whole[:9], "ends in its first line"},
		"first line changed":     {flipped(whole, 3), "does not begin as a backup"},
		"cut in the header":      {whole[:at[0]+100], "ends in its header"},
		"nothing but a line":     {whole[:at[0]], "ends in its header"},
		"no header":              {slices.Concat(whole[:at[0]], whole[at[1]:]), "frame 1 stands where frame 0 must"},
		"header of another file": {slices.Concat(other[:theirs[1]], whole[at[1]:]), "comes from another backup"},
		"bit in the header":      {flipped(whole, at[0]+backup.HeadSize+40), "its header: the checksum of a frame (header) is wrong"},
		"bit in a head":          {flipped(whole, at[2]+2), "the head of a frame is damaged"},
		"bit in a kind":          {flipped(whole, at[1]), "the head of a frame is damaged"},
		"bit in rows":            {flipped(whole, at[2]+backup.HeadSize+30), "the checksum of a frame (rows) is wrong"},
		"bit in a checksum":      {flipped(whole, at[3]-42), "the checksum of a frame (rows) is wrong"},
		"bit in the chain":       {flipped(whole, at[3]-3), "does not follow from those before it"},
		"bit in the trailer":     {flipped(whole, at[n-1]+backup.HeadSize+5), "the checksum of a frame (trailer) is wrong"},
		"frames swapped":         {swapped, "stands where frame 2 must"},
		"frame doubled":          {slices.Concat(whole[:at[3]], whole[at[2]:]), "stands where frame 3 must"},
		"frame missing":          {slices.Concat(whole[:at[2]], whole[at[3]:]), "stands where frame 2 must"},
		"frame of another run":   {slices.Concat(whole[:at[2]], other[theirs[2]:theirs[3]], whole[at[3]:]), "comes from another backup"},
		"text behind the end":    {append(bytes.Clone(whole), "\n"...), "something follows its trailer"},
		"frame behind the end":   {slices.Concat(whole, whole[at[1]:at[2]]), "something follows its trailer"},
		"two files in one":       {slices.Concat(whole, other), "something follows its trailer"},
		"size beyond measure":    {head(whole, at[2], 1, 1<<31), "none holds more than"},
		"text beyond measure":    {head(whole, at[1], 1, 1<<30), "none is longer than"},
		"unknown kind":           {rebuilt(whole, func(all []backup.Frame) []backup.Frame { all[1].Kind = 'X'; return all }), "unknown kind 'X'"},
		"bomb": {firstRows(func(f *backup.Frame) { f.Packed, f.Raw = small(make([]byte, 1<<27)), 1000 }),
			"they unpack to another size than the 1000 bytes"},
		"rows shorter than said":   {firstRows(func(f *backup.Frame) { f.Raw += 10 }), "they unpack to another size"},
		"rows that are not packed": {firstRows(func(f *backup.Frame) { f.Packed = []byte("plain") }), "cannot be unpacked"},
		"row too wide":             {firstRows(func(f *backup.Frame) { *f = backup.Frame{Kind: 'R', Payload: append(f.Unpack(), 0, 0)} }), "a row of it cannot be read"},
		"row too narrow": {firstRows(func(f *backup.Frame) { b := f.Unpack(); *f = backup.Frame{Kind: 'R', Payload: b[:len(b)-1]} }),
			"a row of it cannot be read"},
		"rows of no table": {firstRows(func(f *backup.Frame) { *f = backup.Frame{Kind: 'R', Payload: append([]byte{99}, f.Unpack()[1:]...)} }),
			"of no table that the header has"},
		"rows without a batch": {rebuilt(whole, func(all []backup.Frame) []backup.Frame { return slices.Delete(all, 1, 2) }), "rows stand outside of a batch"},
		"children without a parent": {rebuilt(whole, func(all []backup.Frame) []backup.Frame { return slices.Delete(all, 2, 3) }),
			"belongs to no row of IDN_OAUTH2_ACCESS_TOKEN"},
		"commit without a batch": {rebuilt(whole, func(all []backup.Frame) []backup.Frame {
			return append(all[:1:1], backup.Frame{Kind: 'C', Payload: []byte(`{"batch":1}`)})
		}),
			"batch 1 is committed and was not saved"},
		"other counts":          {edited(whole, 'E', func(m map[string]any) { m["rows"] = []int64{1} }), "has other numbers of rows than it says"},
		"batches backwards":     {edited(whole, 'B', func(m map[string]any) { m["batch"] = 99 }), "ends and was not begun"},
		"batch of no phase":     {edited(whole, 'B', func(m map[string]any) { m["phase"] = 9 }), "a phase that the header does not have"},
		"trailer of less":       {edited(whole, 'T', func(m map[string]any) { m["batches"] = 1 }), "the trailer counts other batches"},
		"header without tables": {edited(whole, 'H', func(m map[string]any) { m["tables"] = nil }), "it names no run, no table"},
		"header with a hole":    {edited(whole, 'H', func(m map[string]any) { m["phases"].([]any)[0].(map[string]any)["key"] = "NOPE" }), "has no table or no key"},
		"header not JSON": {rebuilt(whole, func(all []backup.Frame) []backup.Frame {
			all[0] = backup.Frame{Kind: 'H', Payload: []byte("{")}
			return all
		}),
			"its header is no JSON of ours"},
		"header not UTF-8": {rebuilt(whole, func(all []backup.Frame) []backup.Frame {
			all[0] = backup.Frame{Kind: 'H', Payload: bytes.Replace(all[0].Payload, []byte("a server"), []byte("a \xffserve"), 1)}
			return all
		}), "it is not UTF-8"},
	}
}

// TestDamagedFiles: each is refused in a sentence of its own, before anything changes.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	target := open(t, harness.Options{DB: harness.SQLite})
	seeded(t, target, schema.DefaultRelease, 200, seed.MostlyDead)
	_, kept := cleaned(t, target, cleanup.Batch{Size: 40}, true)
	second := open(t, harness.Options{DB: harness.SQLite})
	seeded(t, second, schema.DefaultRelease, 100, seed.MostlyDead)
	_, foreign := cleaned(t, second, cleanup.Batch{Size: 40}, true)
	whole, err := os.ReadFile(kept.Path)
	require.NoError(t, err)
	other, err := os.ReadFile(foreign.Path)
	require.NoError(t, err)
	dir := t.TempDir()
	open := func(t *testing.T, name string, content []byte) error {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_, err := backup.Open(path)
		return err
	}
	require.NoError(t, open(t, "whole", backup.Assemble(backup.Frames(whole))), "the tests' own way to put frames together is wrong")
	all := damages(whole, other)
	require.Greater(t, len(all), 40)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			err := open(t, name, all[name].file)
			var file *backup.FileError
			require.ErrorAs(t, err, &file)
			require.ErrorContains(t, err, all[name].says)
		})
	}
	t.Run("directory", func(t *testing.T) { _, err := backup.Open(dir); require.ErrorContains(t, err, "is a directory") })
	t.Run("not there", func(t *testing.T) {
		_, err := backup.Open(dir + "/none")
		require.ErrorContains(t, err, "cannot be read")
	})
	t.Run("changed while it is in use", func(t *testing.T) {
		path := filepath.Join(dir, "changed")
		require.NoError(t, os.WriteFile(path, whole, 0o600))
		f, err := backup.Open(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, flipped(whole, offsets(whole)[2]+backup.HeadSize+30), 0o600))
		_, err = backup.Restore(t.Context(), target.DB, target.Dialect, target.Schema, f, backup.Options{}, cleanup.Watcher{})
		require.ErrorContains(t, err, "was changed while it was in use")
	})
}

// TestAnyByte: whichever byte of a file changes, it is noticed.
func TestAnyByte(t *testing.T) {
	t.Parallel()
	target := open(t, harness.Options{DB: harness.SQLite})
	seeded(t, target, schema.DefaultRelease, 20, seed.MostlyDead)
	_, kept := cleaned(t, target, cleanup.Batch{}, true)
	whole, err := os.ReadFile(kept.Path)
	require.NoError(t, err)
	path := file(t)
	for at := 0; at < len(whole); at += 23 { // no size of ours is a multiple of it
		require.NoError(t, os.WriteFile(path, flipped(whole, at), 0o600))
		_, err := backup.Open(path)
		require.Error(t, err, "byte %d of %d", at, len(whole))
	}
}

// TestCutOff: a file that ends early is read up to its last whole, confirmed batch
// and says so, wherever it ends.
func TestCutOff(t *testing.T) {
	t.Parallel()
	target := open(t, harness.Options{DB: harness.SQLite})
	seeded(t, target, schema.DefaultRelease, 100, seed.MostlyDead)
	_, kept := cleaned(t, target, cleanup.Batch{Size: 40}, true)
	whole, err := os.ReadFile(kept.Path)
	require.NoError(t, err)
	at := offsets(whole)
	path := file(t)
	batches := int64(0)
	for n := 1; n < len(at); n++ {
		for _, end := range []int{at[n] - 50, at[n] - 1, at[n]} {
			if end < at[1] || end == len(whole) {
				continue
			}
			require.NoError(t, os.WriteFile(path, whole[:end], 0o600))
			f, err := backup.Open(path)
			require.NoError(t, err, "cut at %d", end)
			require.Nil(t, f.Trailer)
			require.Equal(t, end != at[n], f.Torn > 0)
			now, _ := f.Total(backup.Confirmed)
			require.GreaterOrEqual(t, now, batches)
			batches = now
		}
	}
	all, _ := kept.Total(backup.Confirmed)
	require.Equal(t, all, batches)
}
