package seed

import (
	"fmt"
	"strconv"
	"strings"
)

// Mix names a composition of classes.
type Mix string

// The mixes. All verdicts below are under the documented policy.
const (
	Default    Mix = "default"     // 78 % of the tokens are removable
	MostlyDead Mix = "mostly-dead" // 95 %
	MostlyLive Mix = "mostly-live" // 5 %
	// A percentage of removable tokens, "removable:1" to "removable:99", has the
	// classes of Default in such shares.

	// Edge repeats the ground-truth cases of internal/cases in their order, each
	// with its own verdict. SUBJECT_IDENTIFIER holds the case's id, for CIBA
	// requests AUTHENTICATED_USER_NAME. Cases with a NULL time or the zero date
	// are left out, because the time columns of most releases take neither.
	Edge Mix = "edge"
)

// Mixes lists the mixes with names of their own, the default first.
func Mixes() []Mix { return []Mix{Default, MostlyDead, MostlyLive, Edge} }

// Removable is the mix in which that percentage of the tokens is removable, 1 to 99.
func Removable(percent int) Mix { return Mix(removable + strconv.Itoa(percent)) }

const removable = "removable:"

// ParseMix returns the mix of that name. The error lists the names.
func ParseMix(name string) (Mix, error) {
	var names []string
	for _, m := range Mixes() {
		if string(m) == name {
			return m, nil
		}
		names = append(names, string(m))
	}
	if _, ok := Mix(name).percent(); ok {
		return Mix(name), nil
	}
	return "", fmt.Errorf("unknown mix %q: use one of %s, or removable:1 to removable:99 (percent)", name, strings.Join(names, ", "))
}

// percent is that of a mix of Removable.
func (m Mix) percent() (int, bool) {
	text, ok := strings.CutPrefix(string(m), removable)
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n >= 1 && n <= 99 && m == Removable(n)
}

// parts are the shares of token classes in a mix other than Edge, in thousandths.
func (m Mix) parts(classes []class) []int {
	parts := make([]int, len(classes))
	percent, ok := m.percent()
	if !ok {
		for i, c := range classes {
			parts[i] = c.share.of(m)
		}
		return parts
	}
	scale(parts, classes, true, 10*percent)
	scale(parts, classes, false, 10*(100-percent))
	return parts
}

// scale brings the default shares of the classes that go, or of those that stay,
// to a total. Each keeps one part at least; what rounding leaves over goes to the
// largest.
func scale(parts []int, classes []class, goes bool, total int) {
	sum, largest, given := 0, -1, 0
	for i, c := range classes {
		if c.remove.documented == goes {
			sum += c.share.normal
			if largest < 0 || c.share.normal > classes[largest].share.normal {
				largest = i
			}
		}
	}
	for i, c := range classes {
		if c.remove.documented == goes {
			parts[i] = max(1, c.share.normal*total/sum)
			given += parts[i]
		}
	}
	parts[largest] += total - given
}
