package seed

import (
	"fmt"
	"strings"
)

// Mix names a composition of classes.
type Mix string

// The mixes. All verdicts below are under the documented policy.
const (
	Default    Mix = "default"     // 78 % of the tokens are removable
	MostlyDead Mix = "mostly-dead" // 95 %
	MostlyLive Mix = "mostly-live" // 5 %
	// Edge repeats the ground-truth cases of internal/cases in their order, each
	// with its own verdict. SUBJECT_IDENTIFIER holds the case's id, for CIBA
	// requests AUTHENTICATED_USER_NAME. Cases with a NULL time or the zero date
	// are left out, because the time columns of most releases take neither.
	Edge Mix = "edge"
)

// Mixes lists all mixes, the default first.
func Mixes() []Mix { return []Mix{Default, MostlyDead, MostlyLive, Edge} }

// ParseMix returns the mix of that name. The error lists the names.
func ParseMix(name string) (Mix, error) {
	var names []string
	for _, m := range Mixes() {
		if string(m) == name {
			return m, nil
		}
		names = append(names, string(m))
	}
	return "", fmt.Errorf("unknown mix %q: use one of %s", name, strings.Join(names, ", "))
}
