package script

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/schema"
)

// held is the time at which a script's clock stands still.
type held struct {
	at time.Time
	// local is how far the server's clock shows more than UTC; on SQL Server only.
	local time.Duration
}

// tsqlClocks are the functions of T-SQL that tell the time, their types, and
// whether they tell it in the server's zone.
var tsqlClocks = map[string]struct {
	typ   string
	local bool
	plain bool // written without parentheses
}{
	"GETUTCDATE":        {typ: "DATETIME"},
	"SYSUTCDATETIME":    {typ: "DATETIME2(7)"},
	"GETDATE":           {typ: "DATETIME", local: true},
	"CURRENT_TIMESTAMP": {typ: "DATETIME", local: true, plain: true},
	"SYSDATETIME":       {typ: "DATETIME2(7)", local: true},
	"SYSDATETIMEOFFSET": {typ: "DATETIMEOFFSET(7)", local: true},
}

// clockEdits are the edits that hold the clock in the copy of a statement. On
// MySQL the session holds it, but for SYSDATE, which does not listen.
func (st *statement) clockEdits(on schema.Product, h held) []edit {
	var edits []edit
	for i, t := range st.tokens {
		called := i+2 < len(st.tokens) && st.tokens[i+1].is("(") && st.tokens[i+2].is(")")
		if on == schema.MySQL {
			if t.is("SYSDATE") && i+1 < len(st.tokens) && st.tokens[i+1].is("(") {
				edits = append(edits, edit{t.from, t.to, "NOW"})
			}
			continue
		}
		c, known := tsqlClocks[t.text]
		if t.kind != word || !known || !c.plain && !called {
			continue
		}
		to := t.to
		if !c.plain {
			to = st.tokens[i+2].to
		}
		edits = append(edits, edit{t.from, to, h.literal(c.typ, c.local)})
	}
	return edits
}

// literal is the time in one of T-SQL's types. The form with a T is read the same
// in every language and DATEFORMAT.
func (h held) literal(typ string, local bool) string {
	at := h.at.UTC()
	if local {
		at = at.Add(h.local)
	}
	s := at.Format("2006-01-02T15:04:05")
	if strings.HasPrefix(typ, "DATETIMEOFFSET") {
		s = at.In(time.FixedZone("", int(h.local.Seconds()))).Add(-h.local).Format("2006-01-02T15:04:05-07:00")
	}
	return fmt.Sprintf("CAST('%s' AS %s)", s, typ)
}

// waitEdits leave WAITFOR out of the copy. What takes its place may stand alone
// behind an IF, and prints nothing that is logged.
func (st *statement) waitEdits() []edit {
	var edits []edit
	for i, t := range st.tokens {
		if t.is("WAITFOR") && i+2 < len(st.tokens) && st.tokens[i+1].is("DELAY", "TIME") {
			edits = append(edits, edit{t.from, st.tokens[i+2].to, "PRINT ''"})
		}
	}
	return edits
}

// apply is a text with its edits. No line moves: line ends that an edit takes away
// are put behind what it puts in.
func apply(s string, edits []edit) string {
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	done := 0
	for _, e := range edits {
		if e.from < done {
			continue
		}
		b.WriteString(s[done:e.from])
		b.WriteString(e.with)
		b.WriteString(strings.Repeat("\n", strings.Count(s[e.from:e.to], "\n")))
		done = e.to
	}
	b.WriteString(s[done:])
	return b.String()
}
