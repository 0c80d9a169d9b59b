package report

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Comparison is what a clean-up that follows a rule of its own did, beside what
// the policies say: the vendor's script under test.
type Comparison struct {
	Script     string      `json:"script"`     // file name
	Rule       string      `json:"rule"`       // the policy that describes it: official-mysql or official-mssql
	Attributes []Attribute `json:"attributes"` // its configurable attributes
	Clock      string      `json:"clock"`      // at what time it ran, and what it took that for
	// Conforms: what it did is what its own rule says, rows below its own threshold aside.
	Conforms    bool         `json:"conforms"`
	Differences []Difference `json:"differences"` // from the policies, rows that are gone first
	Copies      []Copies     `json:"copies"`      // its own audit of removed tokens
	Tables      []OwnTable   `json:"tables"`      // that it made and left
}

// Attribute is a configurable attribute of a script.
type Attribute struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Set   bool   `json:"set"` // by the user, in the copy that was run
}

// Difference is a kind of row for which what happened is not what a policy says.
type Difference struct {
	Policy   string   `json:"policy"`
	Table    string   `json:"table"`
	Gone     bool     `json:"gone"` // the policy keeps such rows; else it removes them
	Count    int64    `json:"count"`
	Sentence string   `json:"sentence"` // without the count
	Samples  []string `json:"samples"`
}

// Copies accounts for the script's own copies of tokens that it removes.
type Copies struct {
	Table    string   `json:"table"`
	Rows     int64    `json:"rows"`   // added
	Tokens   int64    `json:"tokens"` // that have one
	Findings []string `json:"findings"`
}

// OwnTable is a table that the script made.
type OwnTable struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // backup, audit, work, log, other
	Rows int64  `json:"rows"`
	Of   string `json:"of,omitempty"` // the table that it has the columns of
}

// forPolicy returns the differences from one policy.
func (c *Comparison) forPolicy(policy string) []Difference {
	var some []Difference
	for _, d := range c.Differences {
		if d.Policy == policy {
			some = append(some, d)
		}
	}
	return some
}

// comparedWith are the policies of a comparison, in the order of the report.
var comparedWith = []string{"documented", "strict"}

// verdictOn says in one sentence how a comparison with a policy came out.
func (c *Comparison) verdictOn(policy string) string {
	var gone, left int64
	for _, d := range c.forPolicy(policy) {
		if d.Gone {
			gone += d.Count
		} else {
			left += d.Count
		}
	}
	switch {
	case gone == 0 && left == 0:
		return "no difference"
	case gone == 0:
		return fmt.Sprintf("removes nothing that must stay, leaves %s rows behind", count(left))
	}
	return fmt.Sprintf("removes %s rows that must stay, leaves %s behind", count(gone), count(left))
}

func (c *Comparison) ownRule() string {
	if c.Conforms {
		return "yes"
	}
	return "no, see the faults"
}

func (d *Document) comparison(b *strings.Builder) {
	c := d.Comparison
	if c == nil {
		return
	}
	fmt.Fprintf(b, "\n  script %s, %s\n", c.Script, c.Clock)
	if len(c.Attributes) > 0 {
		fmt.Fprintf(b, "  attributes %s\n", strings.Join(attributes(c.Attributes), ", "))
	}
	fmt.Fprintf(b, "\n  does it do what its own rule (%s) says? %s\n", c.Rule, c.ownRule())
	for _, policy := range comparedWith {
		fmt.Fprintf(b, "  beside %s: %s\n", policy, c.verdictOn(policy))
		for _, diff := range c.forPolicy(policy) {
			fmt.Fprintf(b, "    %s rows of %s %s\n", count(diff.Count), diff.Table, diff.Sentence)
			if len(diff.Samples) > 0 {
				fmt.Fprintf(b, "        for example %s\n", strings.Join(diff.Samples, ", "))
			}
		}
	}
	for _, cp := range c.Copies {
		fmt.Fprintf(b, "  its own audit %s: %s rows for %s tokens\n", cp.Table, count(cp.Rows), count(cp.Tokens))
		for _, f := range cp.Findings {
			fmt.Fprintf(b, "    %s\n", f)
		}
	}
	if len(c.Tables) > 0 {
		b.WriteString("  tables that it made and left\n")
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		for _, own := range c.Tables {
			fmt.Fprintf(t, "    %s\t%s\t%s rows\n", own.Name, own.what(), count(own.Rows))
		}
		t.Flush()
	}
}

func (o OwnTable) what() string {
	if o.Of == "" {
		return o.Kind
	}
	return o.Kind + " of " + o.Of
}

func attributes(all []Attribute) []string {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.Name + " = " + a.Value
		if a.Set {
			texts[i] += " (set for this run)"
		}
	}
	return texts
}
