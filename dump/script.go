package dump

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tokensweep/tokensweep/internal/tsql"
)

// pieceOfBatch bytes are sent to SQL Server at once where a script leaves the
// choice: enough that round trips do not count, and little enough to compile.
const pieceOfBatch = 256 << 10

// keepBatch is the largest batch that is read.
const keepBatch = 64 << 20

// scriptWalker reads the batches of a script and follows USE.
type scriptWalker struct {
	batches *tsql.Reader
	src     *source
	info    *Info
	// current is the database of the last USE, as it is written there.
	current string
	// schemas are the schemas inside of databases that have been seen, in lower
	// case: a name of three parts that begins with one is that of a column.
	schemas map[string]bool
	// gone are the triggers that are not restored, by database and name in lower case.
	gone  map[string]bool
	known bool // a statement was understood
	last  bool // the last batch read has no GO
}

func newScriptWalker(src *source) *scriptWalker {
	limits := tsql.Limits{Piece: pieceOfBatch, Batch: keepBatch}
	return &scriptWalker{batches: tsql.NewReader(src, limits), src: src, info: &Info{Format: Script, Flavor: SQLServer, Charset: src.encoding},
		schemas: map[string]bool{"dbo": true, "sys": true}, gone: map[string]bool{}}
}

// scriptBatch is a batch and the database that each of its units belongs to.
type scriptBatch struct {
	tsql.Batch
	of []string
}

// next returns the next batch; io.EOF after the last one of a whole script.
func (w *scriptWalker) next() (scriptBatch, error) {
	if w.last {
		return scriptBatch{}, w.finish()
	}
	b, err := w.batches.Next()
	if err == io.EOF {
		return scriptBatch{}, w.finish()
	}
	if err != nil {
		return scriptBatch{}, w.fault(err)
	}
	if err := w.check(&b); err != nil {
		return scriptBatch{}, err
	}
	if b.Script.Variables {
		b.Script.Units = []tsql.Unit{wholeBatch(b)} // they cannot be told apart
	}
	result := scriptBatch{Batch: b, of: make([]string, len(b.Script.Units))}
	for i := range b.Script.Units {
		result.of[i] = w.place(&b.Script.Units[i])
	}
	return result, nil
}

// finish ends the script.
func (w *scriptWalker) finish() error {
	w.info.Lines, w.info.Bytes = w.batches.Line(), w.batches.Size()
	return io.EOF
}

// fault turns a fault of the reader into an Error.
func (w *scriptWalker) fault(err error) error {
	var f *tsql.Fault
	if !errors.As(err, &f) {
		return err
	}
	switch f.Problem {
	case tsql.Incomplete:
		if units := tsql.Parse(w.batches.Rest()).Units; !w.known && len(units) > 0 && units[0].Action() == tsql.Refuse { // rather than cut off
			return w.noScript(w.batches.Line(), w.batches.Rest(), units)
		}
		return fault(Truncated, f.Line, f, "the script is cut off here: %s; copy the file or script again", f.Text)
	case tsql.TooLarge:
		return fault(TooLarge, f.Line, f, "%s, or make a backup (.bak) instead of a script", f.Text)
	case tsql.Unreadable:
		return readFault(f.Err, max(1, f.Line-1))
	}
	return fault(NotADump, f.Line, f, "%s", f.Text)
}

// check refuses a batch that is not UTF-8, that no script begins with, or that
// is cut off.
func (w *scriptWalker) check(b *tsql.Batch) error {
	if i := firstInvalid(b.Text); i >= 0 {
		line, column := place(b.Text, i)
		return fault(BadEncoding, b.Line+line, nil,
			"byte %d of the line is 0x%02x, which is no UTF-8: the script is in a code page of Windows (\"ANSI text\"): script again as \"Unicode text\" or UTF-8", column, b.Text[i])
	}
	units := b.Script.Units
	if !w.known && len(units) > 0 {
		if w.known = units[0].Action() != tsql.Refuse; !w.known {
			return w.noScript(b.Line, b.Text, units)
		}
	}
	if b.Part || b.Ended {
		return nil
	}
	w.last = true
	line := b.Line + lineOf(bytes.TrimRight(b.Text, "\r\n"), len(b.Text))
	switch {
	case b.Script.Open != "":
		return fault(Truncated, line, io.ErrUnexpectedEOF, "the script is cut off here, %s: copy the file or script again", b.Script.Open)
	case w.batches.Separated():
		return fault(Truncated, line, io.ErrUnexpectedEOF,
			"the script does not end with GO, as the tools end one: it is cut off; copy the file or script again, or add a line GO if it is whole")
	}
	return nil
}

func (w *scriptWalker) noScript(line int64, text []byte, units []tsql.Unit) error {
	return fault(NotADump, line+lineOf(text, units[0].From), nil,
		"no script of SQL Server begins with %q: is this another file?", beginning(text[units[0].From:]))
}

// lineOf counts the line ends before an offset, at most all of them.
func lineOf(text []byte, offset int) int64 {
	line, _ := place(text, min(offset, len(text)))
	return line
}

// place says which database a unit belongs to, and follows USE.
func (w *scriptWalker) place(u *tsql.Unit) string {
	of := w.current
	for i := range u.Statements {
		s := &u.Statements[i]
		switch {
		case s.Kind == "USE":
			w.current = s.Name.Object
			of = w.current
		case isDatabase(s):
			of = s.Name.Object
			if s.Kind == "CREATE DATABASE" && w.current == "" {
				w.current = of // a script of Azure SQL has no USE
			}
		case s.Creates("SCHEMA"):
			w.schemas[strings.ToLower(s.Name.Object)] = true
		case s.Kind == "CREATE TABLE" && s.Name.Schema != "":
			w.schemas[strings.ToLower(s.Name.Schema)] = true
		}
		if of == "" && s.Action == tsql.Run && !s.Module() {
			of = s.Name.Database // of a script without USE
		}
	}
	return of
}

// isDatabase: CREATE, ALTER and DROP DATABASE of a database by its name.
func isDatabase(s *tsql.Statement) bool {
	switch s.Kind {
	case "CREATE DATABASE", "ALTER DATABASE", "DROP DATABASE":
		name := strings.ToUpper(s.Name.Object)
		return name != "" && name != "CURRENT" && name != "CONFIGURATION" && name != "SPECIFICATION" && name != "KEY"
	}
	return false
}

// systemDatabases are the server's own.
var systemDatabases = map[string]bool{"master": true, "model": true, "msdb": true, "tempdb": true}

// scriptContents is what a script holds of one database.
type scriptContents struct {
	Schema
	key     string // the name in lower case
	runs    int64
	skipped map[string]int
	largest Size
	fault   error // the first statement that cannot be restored

	tokenSchemas  []string
	compatibility int
	rows          map[string]int64 // by rowKey
	names         map[string]string
	unsure        bool // what the script does to rows cannot be counted from here on
	untrusted     []string
	disabled      []string
	collated      bool // a column has a collation of its own
	begun, ended  bool // as tools script a whole database
	triggers      []string
}

// scriptInspection collects what the batches come to.
type scriptInspection struct {
	*scriptWalker
	found    map[string]*scriptContents
	order    []*scriptContents
	sessions int64
	server   map[string]int
	replaced int64 // the first line with a character that replaces a broken one
}

func inspectScript(src *source, wanted string) (*Info, error) {
	in := &scriptInspection{scriptWalker: newScriptWalker(src), found: map[string]*scriptContents{}, server: map[string]int{}}
	for {
		b, err := in.next()
		if err == io.EOF {
			return in.result(wanted)
		}
		if err != nil {
			return nil, err
		}
		in.add(b)
	}
}

func (in *scriptInspection) contents(database string) *scriptContents {
	key := strings.ToLower(database) // databases differ in more than case only by mistake
	c := in.found[key]
	if c == nil {
		c = &scriptContents{Schema: Schema{Name: database}, key: key, skipped: map[string]int{}, rows: map[string]int64{}, names: map[string]string{}}
		in.found[key] = c
		in.order = append(in.order, c)
	}
	return c
}

func (in *scriptInspection) add(b scriptBatch) {
	if in.replaced == 0 && in.src.encoding != utf8Text {
		if i := bytes.IndexRune(b.Text, '\uFFFD'); i >= 0 {
			in.replaced = b.Line + lineOf(b.Text, i)
		}
	}
	for i := range b.Script.Units {
		u := &b.Script.Units[i]
		of := b.of[i]
		action := u.Action()
		switch {
		case action == tsql.Session || action == tsql.Neutral:
			in.session(u, b.Count)
		case action == tsql.Skip && (of == "" || systemDatabases[strings.ToLower(of)]):
			countKinds(in.server, u, b.Count)
		default:
			in.contents(of).add(in.scriptWalker, &b, i)
		}
	}
}

// wholeBatch is a batch as one unit.
func wholeBatch(b tsql.Batch) tsql.Unit {
	units := b.Script.Units
	whole := tsql.Unit{Control: true, Span: tsql.Span{From: units[0].From, To: len(b.Text)}}
	for i := range units {
		whole.Statements = append(whole.Statements, units[i].Statements...)
		whole.Refs = append(whole.Refs, units[i].Refs...)
	}
	return whole
}

func (in *scriptInspection) session(u *tsql.Unit, count int) {
	if u.Action() == tsql.Session {
		in.sessions += int64(count)
		return
	}
	countKinds(in.server, u, count)
}

func countKinds(kinds map[string]int, u *tsql.Unit, count int) {
	for i := range u.Statements {
		kinds[u.Statements[i].Kind] += count
	}
}

// add notes what one unit of a batch does.
func (c *scriptContents) add(w *scriptWalker, b *scriptBatch, i int) {
	u := &b.Script.Units[i]
	for j := range u.Statements {
		c.note(&u.Statements[j])
	}
	switch action := u.Action(); {
	case action == tsql.Refuse:
		c.runs += int64(b.Count)
		c.refuse(refusal(b, u))
	case action == tsql.Skip:
		countKinds(c.skipped, u, b.Count)
	default:
		c.run(w, b, u)
	}
}

// run notes a unit that is restored if it can be.
func (c *scriptContents) run(w *scriptWalker, b *scriptBatch, u *tsql.Unit) {
	s := &u.Statements[0]
	kind, ref := w.leaveOut(u, c.Name)
	switch {
	case kind != "":
		c.skipped[kind]++
		if s.Creates("TRIGGER") {
			c.triggers = append(c.triggers, s.Name.String())
		}
		return
	case ref != nil:
		c.refuse(fault(NotADump, b.Line+lineOf(b.Text, ref.From), nil,
			"%s names the database %s, and only %s is restored: take the line out, or the database's name", s, outer(ref), orThis(c.Name)))
	}
	c.runs += int64(b.Count)
	if n := int64(len(b.Text)); n > c.largest.Bytes {
		c.largest = Size{Line: b.Line, Bytes: n}
	}
	for j := range u.Statements {
		c.effect(&u.Statements[j], u.Control, int64(b.Count))
	}
}

// leaveOut looks for another database in a unit of the database own. kind is the
// key of Info.SkippedKinds for a unit that is left out because of it: a module,
// which could touch it later on, or what is about a module that was left out.
// With a name and no kind the script is to be refused.
func (w *scriptWalker) leaveOut(u *tsql.Unit, own string) (kind string, names *tsql.Ref) {
	s := &u.Statements[0]
	trigger := func(name string) string { return strings.ToLower(own + "." + name) }
	names = leadingOut(u, own, w.schemas)
	switch {
	case names != nil && (s.Module() || s.Kind == "CREATE SYNONYM"):
		if s.Creates("TRIGGER") {
			w.gone[trigger(s.Name.Object)] = true
		}
		return s.Kind + NamesAnotherDatabase, names
	case names == nil && s.Trigger != "" && w.gone[trigger(s.Trigger)]:
		return s.Kind + " of a trigger" + NamesAnotherDatabase, nil
	}
	return "", names
}

func orThis(name string) string {
	if name == "" {
		return "one database"
	}
	return "the database " + name
}

func outer(r *tsql.Ref) string {
	if r.Server != "" {
		return r.Server + "." + r.Database
	}
	return r.Database
}

func (c *scriptContents) refuse(err error) {
	if c.fault == nil {
		c.fault = err
	}
}

// refusal says why a unit cannot be restored.
func refusal(b *scriptBatch, u *tsql.Unit) error {
	for i := range u.Statements {
		s := &u.Statements[i]
		if s.Action != tsql.Refuse {
			continue
		}
		why := s.Why
		if why == "" {
			why = "it is not one that a script of tables and rows has"
		}
		return fault(NotADump, b.Line+lineOf(b.Text, s.From), nil, "the statement %s is not restored: %s; take it out", s, why)
	}
	var kept, left string
	for i := range u.Statements {
		switch s := &u.Statements[i]; s.Action {
		case tsql.Run:
			kept = s.Kind
		case tsql.Skip:
			left = s.Kind
		}
	}
	return fault(NotADump, b.Line+lineOf(b.Text, u.From), nil,
		"statements that belong together here are restored (%s) and not restored (%s): take the latter out", kept, left)
}

// note takes what a statement says about the database.
func (c *scriptContents) note(s *tsql.Statement) {
	switch s.Kind {
	case "CREATE DATABASE":
		c.Collation = orElse(s.Collation, c.Collation)
	case "ALTER DATABASE":
		c.Collation = orElse(s.Collation, c.Collation)
		switch s.Option {
		case "COMPATIBILITY_LEVEL":
			c.compatibility, _ = strconv.Atoi(s.Value)
			c.begun = true
		case "READ_WRITE", "READ_ONLY":
			c.ended = c.runs > 0
		}
	}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// effect takes what a statement does to the database.
func (c *scriptContents) effect(s *tsql.Statement, unsure bool, count int64) {
	c.ended = false
	switch s.Kind {
	case "CREATE TABLE":
		c.Tables++
		c.collated = c.collated || s.Collation != ""
		if strings.EqualFold(s.Name.Object, TokenTable) {
			c.HasTokens = true
			c.tokenSchemas = append(c.tokenSchemas, orElse(s.Name.Schema, "dbo"))
		}
	case "INSERT":
		c.insert(s, unsure, count)
	case "CREATE TRIGGER", "ALTER SCHEMA", "EXEC sp_rename", "DROP TABLE", "DELETE", "MERGE", "TRUNCATE TABLE", "WITH":
		c.unsure = c.unsure || len(c.rows) > 0 || s.Kind == "CREATE TRIGGER"
		if s.Kind != "CREATE TRIGGER" {
			for table := range c.rows {
				c.rows[table] = -1
			}
		}
	case "ALTER TABLE":
		switch {
		case s.Unchecked == "":
		case s.Disabled:
			c.disabled = append(c.disabled, s.Unchecked)
		default:
			c.untrusted = append(c.untrusted, s.Unchecked)
		}
	}
}

// rowKey is how a table is called in Info.Rows.
func rowKey(n tsql.Name) string { return orElse(n.Schema, "dbo") + "." + n.Object }

func (c *scriptContents) insert(s *tsql.Statement, unsure bool, count int64) {
	key := strings.ToLower(rowKey(s.Name))
	if c.names[key] == "" {
		c.names[key] = rowKey(s.Name)
	}
	if unsure || c.unsure || s.Rows < 0 || c.rows[key] < 0 {
		c.rows[key] = -1
		return
	}
	c.rows[key] += s.Rows * count
}

func (in *scriptInspection) result(wanted string) (*Info, error) {
	info := in.info
	in.list()
	name, err := choose(info.Schemas, wanted, "databases")
	if err != nil {
		return info, err
	}
	chosen := in.found[strings.ToLower(name)]
	info.chosen, info.key, info.Schema = true, name, name
	if name == "" {
		info.Schema = wanted
	}
	if chosen.fault != nil {
		return nil, chosen.fault
	}
	in.count(chosen)
	in.describe(chosen)
	return info, nil
}

// list lists the databases that there is something of.
func (in *scriptInspection) list() {
	var all, full []Schema
	for _, c := range in.order {
		if systemDatabases[c.key] || c.key == "" && c.runs == 0 && c.fault == nil {
			continue
		}
		all = append(all, c.Schema)
		if c.runs > 0 || c.fault != nil {
			full = append(full, c.Schema)
		}
	}
	if in.info.Schemas = full; len(full) == 0 && len(all) > 1 {
		in.info.Schemas = all
	}
}

func (in *scriptInspection) count(chosen *scriptContents) {
	info := in.info
	info.Largest = chosen.largest
	info.Statements = in.sessions + chosen.runs
	info.SkippedKinds = maps.Clone(in.server)
	maps.Copy(info.SkippedKinds, in.batches.Skipped)
	for kind, n := range chosen.skipped {
		info.SkippedKinds[kind] += n
	}
	for _, c := range in.order {
		if c == chosen {
			continue
		}
		n := int(c.runs)
		for _, skipped := range c.skipped {
			n += skipped
		}
		if n > 0 {
			info.SkippedKinds[OtherSchemas] += n
		}
	}
	for _, n := range info.SkippedKinds {
		info.Skipped += int64(n)
	}
	info.Rows = make(map[string]int64, len(chosen.rows))
	for key, n := range chosen.rows {
		info.Rows[chosen.names[key]] = n
	}
}

func (in *scriptInspection) describe(c *scriptContents) {
	info := in.info
	info.Compatibility = c.compatibility
	note := func(format string, args ...any) { info.Notes = append(info.Notes, fmt.Sprintf(format, args...)) }
	info.TokenSchema = info.tokenSchema(c.tokenSchemas)
	switch {
	case c.ended:
	case c.begun:
		note("the script begins as one of a whole database and has not the end of one (ALTER DATABASE ... SET READ_WRITE): it may be cut off after a GO line")
	default:
		note("a script has no end stamp: if it was cut off right after a GO line, that cannot be seen")
	}
	if c.Collation == "" && !c.collated {
		note("the script does not say the collation of its text columns, so they get that of the throw-away database: with another one, keys may differ in case and characters may be lost")
	}
	if n := len(c.untrusted); n > 0 {
		note("%s not checked for the rows that are there (WITH NOCHECK), as in the original: %s", constraints(n), some(c.untrusted))
	}
	if n := len(c.disabled); n > 0 {
		note("%s switched off (NOCHECK CONSTRAINT), as in the original: %s", constraints(n), some(c.disabled))
	}
	if len(c.triggers) > 0 {
		note("triggers that name another database are not restored, so a clean-up does not fire them: %s", some(c.triggers))
	}
	if in.replaced > 0 {
		note("line %d holds the character U+FFFD, which stands for one that was broken before or in the script", in.replaced)
	}
}

// tokenSchema picks one of the schemas inside of a database that hold TokenTable.
func (i *Info) tokenSchema(holders []string) string {
	switch {
	case len(holders) == 0:
		return ""
	case len(holders) == 1:
		return holders[0]
	}
	picked := holders[0]
	if slices.Contains(holders, "dbo") {
		picked = "dbo"
	}
	i.Notes = append(i.Notes, fmt.Sprintf("the table %s is in the schemas %s: that of %s is taken", TokenTable, strings.Join(holders, ", "), picked))
	return picked
}

func constraints(n int) string {
	if n == 1 {
		return "1 constraint is"
	}
	return fmt.Sprintf("%d constraints are", n)
}

// some lists the first names.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}
