package dump

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
)

// Options choose what is done with a dump. The zero value will do.
type Options struct {
	// Schema is the schema to restore, of SQL Server the database. Empty: the only
	// one in the dump, or the only one that holds TokenTable.
	Schema string
	// For is the product of the server that the dump is for: MySQL, MariaDB or
	// SQLServer. A file that is for another one is refused. Empty: any.
	For string
	// Inspected is the result of Inspect for the same file and Schema; without
	// it Restore inspects the file first.
	Inspected *Info
	// Log is told what is left out or changed, in one sentence each; may be nil.
	Log func(format string, args ...any)
	// Progress is told how much of the file, as it is packed, has been read;
	// about every MiB; may be nil. Inspect and Restore each read from 0 to total.
	Progress func(done, total int64)
}

// Inspect reads a whole dump and says what it is. It needs no server. Of a
// backup file it says no more than that it is one.
//
// The error is an [*Error] for a fault in the dump. With the kind WhichSchema
// the Info is there too, and its Schemas are the choice.
func Inspect(ctx context.Context, path string, o Options) (*Info, error) {
	src, err := open(ctx, path, o.Progress)
	if err != nil {
		return nil, inFile(err, path)
	}
	defer src.close()
	if err := src.suits(o.For); err != nil {
		return nil, inFile(err, path)
	}
	src.decide(o.For)
	var info *Info
	switch src.format {
	case Backup:
		info = &Info{Format: Backup, Flavor: SQLServer, Schema: o.Schema, chosen: true}
	case Script:
		info, err = inspectScript(src, o.Schema)
	default:
		info, err = inspectDump(src, o.Schema)
	}
	return info, inFile(err, path)
}

func inspectDump(src *source, wanted string) (*Info, error) {
	in := inspection{walker: newWalker(src), found: map[string]*contents{}}
	if err := in.read(); err != nil {
		return nil, err
	}
	return in.result(wanted)
}

// inspection collects what the statements of each schema come to.
type inspection struct {
	*walker
	found map[string]*contents
	order []*contents
	// sessions counts statements for the connection; server those skipped
	// outside of any schema.
	sessions int64
	server   map[string]int
}

// contents is what a dump holds of one schema.
type contents struct {
	Schema
	runs    int64
	skipped map[string]int
	tables  map[string]*columns // those with binary columns
	largest Size
	times   times
	fault   error // the first byte that is not in the dump's character set
}

func (in *inspection) read() error {
	in.server = map[string]int{}
	for {
		it, err := in.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		switch {
		case it.action == session:
			in.sessions++
		case !it.inSchema():
			in.server[it.kind]++
		default:
			in.contents(it.of).add(it, in.vars)
		}
	}
}

func (in *inspection) contents(schema string) *contents {
	c := in.found[schema]
	if c == nil {
		c = &contents{Schema: Schema{Name: schema}, skipped: map[string]int{}, tables: map[string]*columns{}}
		in.found[schema] = c
		in.order = append(in.order, c)
	}
	return c
}

func (c *contents) add(it item, vars variables) {
	if it.kind == "CREATE DATABASE" {
		c.line = it.line
		c.Charset, c.Collation = defaults(it)
	}
	if it.action == skip {
		c.skipped[it.kind]++
		return
	}
	c.runs++
	if it.size > c.largest.Bytes {
		c.largest = Size{Line: it.line, Bytes: it.size}
	}
	switch it.kind {
	case "CREATE TABLE":
		c.Tables++
		c.HasTokens = c.HasTokens || strings.EqualFold(it.object, TokenTable)
		if columns := readColumns(it.text, it.rest); columns != nil {
			c.tables[it.object] = columns
		}
	case "INSERT", "REPLACE":
		c.times.see(vars)
	}
	if c.fault == nil && vars.isUTF8() && it.size == int64(len(it.text)) {
		c.fault = c.checkEncoding(it, vars)
	}
}

func (c *contents) checkEncoding(it item, vars variables) error {
	i := notUTF8(it.text, it.command, c.tables[it.object], vars.noBackslash())
	if i < 0 {
		return nil
	}
	line, column := place(it.text, i)
	return fault(BadEncoding, it.line+line, nil,
		"byte %d of the line is 0x%02x, which is no UTF-8 although the dump says %s (%s): dump again with --default-character-set=utf8mb4, and with --hex-blob if this is binary data",
		column, it.text[i], vars.charset(), it.command)
}

// defaults reads the character set and collation of CREATE DATABASE.
func defaults(it item) (charset, collation string) {
	l := &mysqltext.Lexer{Text: it.text, At: it.rest}
	for t := l.Next(); t.Kind != mysqltext.End; t = l.Next() {
		switch {
		case t.Is("CHARACTER"):
			l.Take("SET")
			l.Take("=")
			charset = l.Next().Unquoted()
		case t.Is("COLLATE"):
			l.Take("=")
			collation = l.Next().Unquoted()
		}
	}
	return charset, collation
}

// systemSchemas are the server's own.
var systemSchemas = map[string]bool{"mysql": true, "sys": true, "information_schema": true, "performance_schema": true, "ndbinfo": true}

func (in *inspection) result(wanted string) (*Info, error) {
	info := in.info
	if info.Charset == "" {
		info.Charset = "utf8mb4"
	}
	for _, c := range in.order {
		if !systemSchemas[strings.ToLower(c.Name)] && (c.Name != "" || c.runs > 0) {
			info.Schemas = append(info.Schemas, c.Schema)
		}
	}
	name, err := choose(info.Schemas, wanted, "schemas")
	if err != nil {
		return info, err
	}
	chosen := in.found[name]
	info.chosen, info.key, info.Schema = true, name, name
	if name == "" {
		info.Schema = wanted
	}
	if chosen.fault != nil {
		return nil, chosen.fault
	}
	in.count(chosen)
	return info, nil
}

func (in *inspection) count(chosen *contents) {
	info := in.info
	info.TimesInUTC = !chosen.times.local && (!chosen.times.unstated || info.Flavor == MariaDB)
	info.TimesUnstated = chosen.times.unstated
	info.Largest = chosen.largest
	info.Statements = in.sessions + chosen.runs
	info.SkippedKinds = maps.Clone(in.server)
	for kind, n := range chosen.skipped {
		info.SkippedKinds[kind] += n
	}
	for _, c := range in.order {
		if c != chosen {
			info.SkippedKinds[OtherSchemas] += int(c.runs)
			for _, n := range c.skipped {
				info.SkippedKinds[OtherSchemas] += n
			}
		}
	}
	if info.SkippedKinds[OtherSchemas] == 0 {
		delete(info.SkippedKinds, OtherSchemas)
	}
	for _, n := range info.SkippedKinds {
		info.Skipped += int64(n)
	}
}

// choose picks the schema to restore; noun is what schemas are called. The name
// is empty for a dump of one schema that does not name it.
func choose(schemas []Schema, wanted, noun string) (string, error) {
	if len(schemas) == 0 {
		return "", fault(NotADump, 0, nil, "the file holds no table and no row: give the output of mysqldump or mariadb-dump, or a script of SQL Server with its data")
	}
	if wanted != "" {
		return named(schemas, wanted, noun)
	}
	if len(schemas) == 1 {
		return schemas[0].Name, nil
	}
	var withTokens []Schema
	for _, s := range schemas {
		if s.HasTokens {
			withTokens = append(withTokens, s)
		}
	}
	switch len(withTokens) {
	case 1:
		return withTokens[0].Name, nil
	case 0:
		return "", fault(WhichSchema, 0, nil, "the dump holds %d %s and none with the table %s: choose one with --schema: %s",
			len(schemas), noun, TokenTable, list(schemas))
	}
	return "", fault(WhichSchema, 0, nil, "the dump holds %d %s with the table %s: choose one with --schema: %s",
		len(withTokens), noun, TokenTable, list(withTokens))
}

func named(schemas []Schema, wanted, noun string) (string, error) {
	var alike []string
	for _, s := range schemas {
		if s.Name == wanted {
			return wanted, nil
		}
		if strings.EqualFold(s.Name, wanted) {
			alike = append(alike, s.Name)
		}
	}
	switch {
	case len(alike) == 1:
		return alike[0], nil
	case len(schemas) == 1 && schemas[0].Name == "":
		return "", nil
	}
	return "", fault(WhichSchema, 0, nil, "the dump holds no %s %q: it holds %s", strings.TrimSuffix(noun, "s"), wanted, list(schemas))
}

func list(schemas []Schema) string {
	texts := make([]string, len(schemas))
	for i, s := range schemas {
		tokens := ""
		if s.HasTokens {
			tokens = ", with tokens"
		}
		texts[i] = fmt.Sprintf("%s (%d tables%s)", s.Name, s.Tables, tokens)
	}
	return strings.Join(texts, ", ")
}
