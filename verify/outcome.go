package verify

import "github.com/tokensweep/tokensweep/token"

// Class is what became of a row. Every row ends in exactly one.
type Class string

// Classes of rows. Kept, Moved and Removed are right, the others are faults.
const (
	Kept    Class = "KEPT"    // was to stay and is there, unchanged
	Moved   Class = "MOVED"   // was to go and is in the audit table, once and unchanged
	Removed Class = "REMOVED" // was to go and is gone; nothing of it is audited

	Lost           Class = "LOST"            // gone without the audit copy it should have, or gone though nothing allowed it
	Duplicated     Class = "DUPLICATED"      // live and audited, or audited twice
	Altered        Class = "ALTERED"         // the row or its audit copy differs from the pre-image
	WronglyRemoved Class = "WRONGLY_REMOVED" // the policy keeps it, and it is gone
	WronglyKept    Class = "WRONGLY_KEPT"    // the policy removes it, and it is there
	Resurrected    Class = "RESURRECTED"     // cleaned earlier, or dead, and live again
	Orphaned       Class = "ORPHANED"        // a child whose parent was removed
	Invented       Class = "INVENTED"        // was not there before and comes from no row
)

// Faults lists the classes that make a verdict fail, the worst first.
func Faults() []Class {
	return []Class{WronglyRemoved, Lost, Resurrected, Altered, Duplicated, Orphaned, Invented, WronglyKept}
}

// Verdict is the answer.
type Verdict string

// Verdicts.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive" // nothing wrong was seen, but not everything could be judged
)

// Outcome is what Check found.
type Outcome struct {
	Verdict Verdict
	Policy  token.Policy
	Tables  []TableOutcome
	Classes map[Class]int64
	// Findings are the faults, the worst first.
	Findings []Finding
	// StrictWouldKeep is the number of rows removed rightly under the policy
	// that the strict policy would have kept: EXPIRED tokens whose refresh token
	// still works, and the codes of such tokens.
	StrictWouldKeep int64
	// Doubts say why a verdict is inconclusive.
	Doubts []string
	// Differences are what the policies of Expect.Compare say otherwise.
	Differences []Difference
	// Copies account for the tables of Expect.Copies that exist.
	Copies []Copies
	// RowsRead and Seconds are the size and duration of the second reading.
	RowsRead int64
	Seconds  float64
}

// TableOutcome accounts for one table.
type TableOutcome struct {
	Table   string
	Child   bool // its rows go with rows of other tables
	Before  int64
	After   int64
	Removed int64
	Audited int64
	Kept    int64
	KeptWhy map[token.Reason]int64 // for tokens, codes and CIBA requests
	Left    int64                  // unchanged rows that were to go
}

// Finding is a fault of one class in one table.
type Finding struct {
	Class   Class
	Table   string
	Count   int64
	Samples []string // keys or names, at most SampleSize
	Detail  string   // what kind of fault, where the class does not say it all
}

// SampleSize is the number of keys named for each finding.
const SampleSize = 5
