package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// WriteMarkdown writes the document as Markdown without HTML, to be pasted into
// a ticket or handed out.
func (d *Document) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	d.mdHeadline(&b)
	d.mdFaults(&b)
	d.mdComparison(&b)
	d.mdTables(&b)
	d.mdStages(&b)
	d.mdRemarks(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *Document) mdHeadline(b *strings.Builder) {
	fmt.Fprintf(b, "# Token clean-up: %s\n\n", strings.ToUpper(d.Verdict))
	mdTable(b, []string{"", ""}, [][]string{
		{"policy", d.Policy},
		{"cut-off", d.CutOff.UTC().Format(time.RFC3339)},
		{"engine", d.Engine},
		{"server", fmt.Sprintf("%s %s (%s)", d.Server.Product, d.Server.Version, d.Server.Via)},
		{"session time zone", d.Server.Zone},
		{"data", d.Data.describe()},
		{"made by", d.Tool},
	})
}

func (d Data) describe() string {
	switch d.Source {
	case "seed":
		return fmt.Sprintf("seed %d, %s tokens, mix %s, tables of %s", d.Seed, count(d.Tokens), d.Mix, d.Release)
	case "dump":
		return fmt.Sprintf("dump %s, tables of %s", d.Dump, d.Release)
	}
	return d.Source
}

func (d *Document) mdFaults(b *strings.Builder) {
	var rows [][]string
	for _, f := range d.Findings {
		rows = append(rows, []string{f.Class, f.Table, count(f.Count), f.Detail, strings.Join(f.Samples, ", ")})
	}
	for _, p := range d.Phases {
		for _, h := range p.Held {
			rows = append(rows, []string{"could not go", p.Table, count(h.Rows), h.By, strings.Join(h.Samples, ", ")})
		}
	}
	if len(rows) > 0 {
		b.WriteString("## Faults\n\n")
		mdTable(b, []string{"class", "table", ">rows", "what", "for example"}, rows)
	}
	for _, doubt := range d.Doubts {
		fmt.Fprintf(b, "Not judged: %s\n\n", mdText(doubt))
	}
}

func (d *Document) mdComparison(b *strings.Builder) {
	c := d.Comparison
	if c == nil {
		return
	}
	fmt.Fprintf(b, "## The script %s\n\n%s.\n\n", mdText(c.Script), mdText(upperFirst(c.Clock)))
	judgements := [][]string{{"its own rule, " + c.Rule, c.ownRule()}}
	for _, policy := range comparedWith {
		judgements = append(judgements, []string{policy, c.verdictOn(policy)})
	}
	mdTable(b, []string{"beside", "judgement"}, judgements)
	for _, policy := range comparedWith {
		var rows [][]string
		for _, diff := range c.forPolicy(policy) {
			rows = append(rows, []string{count(diff.Count), diff.Table, diff.Sentence, strings.Join(diff.Samples, ", ")})
		}
		if len(rows) > 0 {
			fmt.Fprintf(b, "### Other than %s says\n\n", policy)
			mdTable(b, []string{">rows", "table", "what", "for example"}, rows)
		}
	}
	d.mdOwn(b)
}

// mdOwn writes what the script made for itself.
func (d *Document) mdOwn(b *strings.Builder) {
	c := d.Comparison
	for _, cp := range c.Copies {
		fmt.Fprintf(b, "Its own audit %s: %s rows for %s tokens.\n\n", mdText(cp.Table), count(cp.Rows), count(cp.Tokens))
		for _, f := range cp.Findings {
			fmt.Fprintf(b, "- %s\n", mdText(f))
		}
		if len(cp.Findings) > 0 {
			b.WriteString("\n")
		}
	}
	var rows [][]string
	for _, own := range c.Tables {
		rows = append(rows, []string{own.Name, own.what(), count(own.Rows)})
	}
	if len(rows) > 0 {
		b.WriteString("### Tables that it made and left\n\n")
		mdTable(b, []string{"table", "what", ">rows"}, rows)
	}
	rows = nil
	for _, a := range c.Attributes {
		how := "as in the file"
		if a.Set {
			how = "set for this run"
		}
		rows = append(rows, []string{a.Name, a.Value, how})
	}
	if len(rows) > 0 {
		b.WriteString("### Configurable attributes\n\n")
		mdTable(b, []string{"attribute", "value", ""}, rows)
	}
}

func (d *Document) mdTables(b *strings.Builder) {
	if !d.accounted() {
		return
	}
	b.WriteString("## Every row\n\n")
	var rows [][]string
	for _, p := range slices.Concat(d.Phases, d.Children) {
		rows = append(rows, []string{p.Table, count(p.Before), count(p.Removed), count(p.Audited), count(p.Kept), reasons(p.KeptWhy)})
	}
	mdTable(b, []string{"table", ">before", ">removed", ">audited", ">kept", "why kept"}, rows)
	if d.Policy == "documented" && d.Comparison == nil {
		fmt.Fprintf(b, "The strict policy would have kept %s of the rows removed.\n\n", count(d.StrictWouldKeep))
	}
}

func (d *Document) mdStages(b *strings.Builder) {
	var rows [][]string
	for _, s := range d.Stages {
		rate := "-"
		if s.Rows > 0 {
			rate = count(int64(s.RowsPerSecond))
		}
		rows = append(rows, []string{s.Name, fmt.Sprintf("%.1f", s.Seconds), count(s.Rows), rate})
	}
	if len(rows) > 0 {
		b.WriteString("## Stages\n\n")
		mdTable(b, []string{"stage", ">seconds", ">rows", ">rows/s"}, rows)
	}
}

func (d *Document) mdRemarks(b *strings.Builder) {
	var remarks []string
	if d.Run != nil && d.Run.Stopped != "" {
		remarks = append(remarks, "stopped by "+d.Run.Stopped)
	}
	remarks = append(remarks, d.Warnings...)
	if len(d.NotCovered) > 0 {
		remarks = append(remarks, "not covered by any clean-up: "+strings.Join(d.NotCovered, ", "))
	}
	if len(remarks) == 0 {
		return
	}
	b.WriteString("## Notes\n\n")
	for _, r := range remarks {
		fmt.Fprintf(b, "- %s\n", mdText(r))
	}
}

// mdTable writes a table; a column whose head begins with > is aligned to the right.
func mdTable(b *strings.Builder, head []string, rows [][]string) {
	rule := make([]string, len(head))
	names := make([]string, len(head))
	for i, h := range head {
		rule[i], names[i] = "---", mdText(h)
		if name, right := strings.CutPrefix(h, ">"); right {
			rule[i], names[i] = "---:", mdText(name)
		}
	}
	mdRow(b, names)
	mdRow(b, rule)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = mdText(cell)
		}
		mdRow(b, cells)
	}
	b.WriteString("\n")
}

func mdRow(b *strings.Builder, cells []string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// mdText takes away what Markdown would read as more than text: keys and names
// come from the database.
func mdText(text string) string {
	return mdEscapes.Replace(text)
}

var mdEscapes = strings.NewReplacer("\\", "\\\\", "|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "<", "\\<", ">", "\\>", "[", "\\[", "]", "\\]",
	"#", "\\#", "\r\n", " ", "\n", " ", "\r", " ")

func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
