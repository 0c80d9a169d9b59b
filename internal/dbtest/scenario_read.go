package dbtest

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/BurntSushi/toml"
	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// scenario is a directory of testdata/scenarios; the fields are those of its
// scenario.toml.
type scenario struct {
	name, dir string

	Release        string     `toml:"release"`
	TableCollation string     `toml:"table_collation"`
	BatchSizes     []int      `toml:"batch_sizes"`
	Orders         []string   `toml:"orders"`
	Counts         []int      `toml:"counts"`
	WritersZones   []string   `toml:"writers_zones"`
	NoCascade      [][]string `toml:"no_cascade"`
	Runs           int        `toml:"runs"`
	Hook           string     `toml:"hook"`

	Verdict string              `toml:"verdict"`
	Refused string              `toml:"refused"`
	Faults  []expectedFault     `toml:"faults"`
	Held    heldRowsOf          `toml:"held"`
	Left    map[string][]string `toml:"left"`
}

type expectedFault struct {
	Class string   `toml:"class"`
	Table string   `toml:"table"`
	Rows  int64    `toml:"rows"`
	Names []string `toml:"names"`
}

// heldRowsOf are the rows that stay whatever the policy says.
type heldRowsOf struct {
	Keys      []string `toml:"keys"`
	Named     []string `toml:"named"`
	survivors map[string]bool
}

func itoa(n int) string { return strconv.Itoa(n) }

func readScenarios(t *testing.T, root string) []*scenario {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "*", "scenario.toml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []*scenario
	for _, file := range files {
		dir := filepath.Dir(file)
		s := &scenario{name: filepath.Base(dir), dir: dir}
		known, err := toml.DecodeFile(file, s)
		require.NoError(t, err, file)
		require.Empty(t, known.Undecoded(), "%s has keys that mean nothing", file)
		require.FileExists(t, filepath.Join(dir, "README.md"))
		s.Held.survivors = map[string]bool{}
		for _, key := range expandAll(s.Held.Keys, 0) {
			s.Held.survivors[key] = true
		}
		all = append(all, s)
	}
	return all
}

func (s *scenario) faults() []fault {
	var all []fault
	for _, f := range s.Faults {
		all = append(all, fault{verify.Class(f.Class), f.Table, f.Rows, expandAll(f.Names, 0)})
	}
	return all
}

// setup returns the statements of setup.sql, if there is one.
func (s *scenario) setup(t *testing.T, f *Fixture) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "setup.sql"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	tmpl, err := template.New("setup.sql").Funcs(template.FuncMap{"at": func(s int64) string { return At(s) }}).Parse(string(text))
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, tmpl.Execute(&b, map[string]string{"Dialect": f.Dialect.Name(), "Time": f.speech().timeType}))
	return slices.DeleteFunc(strings.Split(b.String(), ";\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
}

// loaded are the ids of the rows of a scenario with their verdicts, by table.
type loaded map[string]map[string]map[token.Policy]bool

// split returns the sorted ids of the rows that must be left and must be gone.
func (l loaded) split(table string, p token.Policy, held map[string]bool) (kept, removed []string) {
	kept = []string{}
	for id, remove := range l[table] {
		if remove[p] && !held[id] {
			removed = append(removed, id)
		} else {
			kept = append(kept, id)
		}
	}
	slices.Sort(kept)
	return kept, removed
}

// load inserts the rows of all CSV files, parents first.
func (s *scenario) load(f *Fixture, v variant) loaded {
	f.t.Helper()
	all := loaded{}
	f.loadJudged(s, v, all, "tokens.csv", schema.AccessToken, "token_id", tokenOf)
	f.loadJudged(s, v, all, "codes.csv", schema.AuthzCode, "code_id", codeOf)
	f.loadJudged(s, v, all, "ciba.csv", schema.CIBACode, "auth_code_key", cibaOf)
	tables, err := f.Found().CreationOrder()
	require.NoError(f.t, err)
	for _, table := range tables {
		for _, line := range s.lines(f.t, table.Name+".csv", v.count) {
			row := Row{}
			for column, cell := range line {
				row[column] = value(cell)
			}
			f.Insert(table.Name, row)
		}
	}
	return all
}

func (f *Fixture) loadJudged(s *scenario, v variant, all loaded, file, table, key string, make func(line) Row) {
	f.t.Helper()
	all[table] = map[string]map[token.Policy]bool{}
	lines := s.lines(f.t, file, v.count)
	if v.order == "reversed" {
		slices.Reverse(lines)
	}
	for _, l := range lines {
		row := make(l)
		for column, cell := range l {
			if strings.ToUpper(column) == column { // a column of the table itself
				row[column] = value(cell)
			}
		}
		f.Insert(table, row)
		all[table][l[key].V] = map[token.Policy]bool{token.Documented: f.removes(l["documented"]), token.Strict: f.removes(l["strict"])}
	}
}

func (f *Fixture) removes(cell token.Null[string]) bool {
	f.t.Helper()
	require.Contains(f.t, []string{"REMOVE", "KEEP"}, cell.V)
	return cell.V == "REMOVE"
}

// line is one row of a CSV file: NULL is NULL, EMPTY the empty text, "at -60" is the wall
// clock so many seconds from the cut-off.
type line map[string]token.Null[string]

// lines reads a file that need not be there, its ranges of ids expanded.
func (s *scenario) lines(t *testing.T, file string, count int) []line {
	t.Helper()
	f, err := os.Open(filepath.Join(s.dir, file))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err, file)
	var all []line
	for _, row := range rows[1:] {
		for _, cells := range expand(row, count) {
			l := line{}
			for i, name := range rows[0] {
				l[name] = cellOf(cells[i])
			}
			all = append(all, l)
		}
	}
	return all
}

func cellOf(text string) token.Null[string] {
	switch {
	case text == "NULL":
		return token.Null[string]{}
	case text == "EMPTY":
		return token.Some("")
	}
	if offset, ok := strings.CutPrefix(text, "at "); ok {
		return token.Some(At(number(offset)))
	}
	return token.Some(text)
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("a scenario has %q where a number belongs", text))
	}
	return n
}

// idRange is a range of numbers in a cell: x-{001..150}, or x-{001..N}.
var idRange = regexp.MustCompile(`\{(\d+)\.\.(\d+|N)\}`)

// expand repeats a row for every number of its ranges, which all count together.
func expand(row []string, n int) [][]string {
	found := idRange.FindStringSubmatch(strings.Join(row, "\n"))
	if found == nil {
		return [][]string{row}
	}
	last := n
	if found[2] != "N" {
		last = int(number(found[2]))
	}
	var all [][]string
	for i := int(number(found[1])); i <= last; i++ {
		one := slices.Clone(row)
		for c := range one {
			one[c] = idRange.ReplaceAllString(one[c], fmt.Sprintf("%0*d", len(found[1]), i))
		}
		all = append(all, one)
	}
	return all
}

func expandAll(names []string, n int) []string {
	all := []string{}
	for _, name := range names {
		for _, row := range expand([]string{name}, n) {
			all = append(all, row[0])
		}
	}
	slices.Sort(all)
	return all
}

func tokenOf(l line) Row {
	row := Row{"TIME_CREATED": At(number(l["created"].V)), "VALIDITY_PERIOD": value(l["validity_ms"]),
		"REFRESH_TOKEN_TIME_CREATED": At(number(l["refresh_created"].V)), "REFRESH_TOKEN_VALIDITY_PERIOD": value(l["refresh_validity_ms"])}
	if refresh := l["refresh"]; refresh.V != "SET" {
		row["REFRESH_TOKEN"] = value(refresh)
	}
	return TokenRow(l["token_id"].V, l["state"].V, row)
}

func codeOf(l line) Row {
	return CodeRow(l["code_id"].V, l["state"].V, Row{"TIME_CREATED": At(number(l["created"].V)), "VALIDITY_PERIOD": value(l["validity_ms"]),
		"TOKEN_ID": value(l["token_id"])})
}

func cibaOf(l line) Row {
	return CIBARow(l["auth_code_key"].V, l["status"].V, Row{"ISSUED_TIME": At(number(l["issued"].V)), "EXPIRES_IN": value(l["expires_in_s"])})
}
