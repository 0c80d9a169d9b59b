package dbtest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/verify"
)

// fault is what a check must find: so many rows of a class in a table. The
// details of findings are for people and do not count.
type fault struct {
	class verify.Class
	table string
	rows  int64
	names []string // of the rows, sorted
}

// requireFaults requires exactly these faults, in any order. Of more rows than
// verify.SampleSize the check names only some.
func requireFaults(t *testing.T, o *verify.Outcome, want ...fault) {
	t.Helper()
	require.Equal(t, verify.Fail, o.Verdict)
	found := []fault{}
	for _, f := range o.Findings {
		i := slices.IndexFunc(found, func(x fault) bool { return x.class == f.Class && x.table == f.Table })
		if i < 0 {
			i = len(found)
			found = append(found, fault{class: f.Class, table: f.Table})
		}
		found[i].rows += f.Count
		found[i].names = slices.Sorted(slices.Values(append(found[i].names, f.Samples...)))
	}
	for i, f := range found {
		for _, w := range want {
			if w.class == f.class && w.table == f.table && len(w.names) > verify.SampleSize && len(f.names) == verify.SampleSize {
				require.Subset(t, w.names, f.names)
				found[i].names = w.names
			}
		}
	}
	require.ElementsMatch(t, want, found, "%+v", o.Findings)
}
