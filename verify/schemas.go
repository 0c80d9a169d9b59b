package verify

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/schema"
)

// compareSchemas books what was made, dropped or changed: a clean-up leaves
// nothing of its own behind and takes nothing away.
func (c *checker) compareSchemas(now *schema.Database) {
	for i := range c.im.Found.Tables {
		before := &c.im.Found.Tables[i]
		after, ok := now.Table(before.Name)
		if !ok {
			if !c.own(before.Name) {
				c.object(Lost, before.Name, "the table is gone", before.Name)
			}
			continue
		}
		if c.own(before.Name) {
			continue
		}
		for _, change := range tableChanges(before, after, c.expect.ExtendedAudit && strings.EqualFold(before.Name, schema.TokenAudit)) {
			c.object(Altered, before.Name, "the table's definition has changed", change)
		}
	}
	for _, after := range now.Tables {
		if _, ok := c.im.Found.Table(after.Name); !ok && !c.own(after.Name) {
			c.object(Invented, after.Name, "a table that was not there before", after.Name)
		}
	}
	for _, p := range c.im.Found.Programs {
		if !slices.Contains(now.Programs, p) && !slices.Contains(c.expect.OwnPrograms, p) {
			c.object(Lost, "", "a procedure, function or event is gone", p)
		}
	}
	for _, p := range now.Programs {
		if !slices.Contains(c.im.Found.Programs, p) && !slices.Contains(c.expect.OwnPrograms, p) {
			c.object(Invented, "", "a procedure, function or event that was not there before", p)
		}
	}
}

// CheckSchema compares definitions alone, as Check does, and reads no rows. The
// findings are what differs, the worst first.
func CheckSchema(before, now *schema.Database, e Expect) []Finding {
	c := &checker{im: &Image{Header: Header{Found: before}}, expect: e, outcome: &Outcome{Classes: map[Class]int64{}}, findings: map[findingKey]*Finding{}}
	c.compareSchemas(now)
	c.conclude()
	return c.outcome.Findings
}

func (c *checker) own(name string) bool {
	return slices.ContainsFunc(slices.Concat(c.expect.Own, c.expect.Copies), func(o string) bool { return strings.EqualFold(o, name) })
}

// tableChanges names the parts of a definition that differ.
func tableChanges(before, after *schema.Table, mayGrow bool) []string {
	var changes []string
	for _, col := range before.Columns {
		if now, ok := after.Column(col.Name); !ok {
			changes = append(changes, "column "+col.Name+" is gone")
		} else if !reflect.DeepEqual(col, *now) {
			changes = append(changes, fmt.Sprintf("column %s was %s, is %s", col.Name, col.Type, now.Type))
		}
	}
	for _, col := range after.Columns {
		if !before.Has(col.Name) && !mayGrow {
			changes = append(changes, "column "+col.Name+" is new")
		}
	}
	for _, part := range []struct {
		what     string
		was, now any
	}{
		{"primary key", before.PrimaryKey, after.PrimaryKey},
		{"indexes", before.Indexes, after.Indexes},
		{"foreign keys", before.ForeignKeys, after.ForeignKeys},
		{"triggers", before.Triggers, after.Triggers},
		{"storage engine", before.Engine, after.Engine},
	} {
		if !reflect.DeepEqual(part.was, part.now) {
			changes = append(changes, fmt.Sprintf("%s: was %v, now %v", part.what, part.was, part.now))
		}
	}
	return changes
}
