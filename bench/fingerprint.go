package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// Fingerprint is everything beside the engine that makes a run fast or slow. Two
// records are comparable if theirs are equal. The version of tokensweep is not
// part of it: that is what is compared.
type Fingerprint struct {
	Machine Machine `json:"machine"`
	Server  Server  `json:"server"`
	Data    Data    `json:"data"`
	Task    Task    `json:"task"`
	// Tools are the versions of what else takes part: go, the driver, pt-archiver;
	// of a script the hash of its text.
	Tools map[string]string `json:"tools"`
}

// Machine is where client and server ran.
type Machine struct {
	CPU    string `json:"cpu"`    // model
	Cores  int    `json:"cores"`  // that the process may use
	Memory int64  `json:"memory"` // bytes
	Kernel string `json:"kernel"` // system and release
}

// Server is the database.
type Server struct {
	Product  string            `json:"product"`
	Version  string            `json:"version"`
	Via      string            `json:"via"`      // how it was had: container, process, dsn, embedded
	Settings map[string]string `json:"settings"` // that matter for speed, as the server says them
}

// Data is what was cleaned.
type Data struct {
	Source  string `json:"source"`         // seed or dump
	Dump    string `json:"dump,omitempty"` // hash of the dump's content
	Release string `json:"release"`
	Seed    uint64 `json:"seed,omitempty"`
	Tokens  int64  `json:"tokens"`
	Mix     string `json:"mix,omitempty"`
	// Removable is the share of the tokens that the clean-up removes, 0 to 1.
	Removable float64 `json:"removable"`
}

// Task is what every engine had to do.
type Task struct {
	Policy string  `json:"policy"`
	Audit  bool    `json:"audit"`
	Load   float64 `json:"load"` // operations a second by others meanwhile; 0 for a quiet database
	// Reference: the rates are normalized too, by work that took its share of the machine.
	Reference bool `json:"reference,omitempty"`
}

// Part is one named part of a fingerprint.
type Part struct{ Name, Value string }

// Parts lists all parts for people, in a fixed order. The hash is made of them.
func (f Fingerprint) Parts() []Part {
	parts := []Part{
		{"machine cpu", f.Machine.CPU},
		{"machine cores", strconv.Itoa(f.Machine.Cores)},
		{"machine memory", humanize.IBytes(uint64(max(f.Machine.Memory, 0)))},
		{"machine kernel", f.Machine.Kernel},
		{"server product", f.Server.Product},
		{"server version", f.Server.Version},
		{"server via", f.Server.Via},
	}
	for _, name := range slices.Sorted(maps.Keys(f.Server.Settings)) {
		parts = append(parts, Part{"server setting " + name, orEmpty(f.Server.Settings[name])})
	}
	parts = append(parts,
		Part{"data source", f.Data.Source},
		Part{"data dump", f.Data.Dump},
		Part{"data release", f.Data.Release},
		Part{"data seed", strconv.FormatUint(f.Data.Seed, 10)},
		Part{"data tokens", humanize.Comma(f.Data.Tokens)},
		Part{"data mix", f.Data.Mix},
		Part{"data removable", percent(f.Data.Removable)},
		Part{"task policy", f.Task.Policy},
		Part{"task audit", map[bool]string{true: "on", false: "off"}[f.Task.Audit]},
		Part{"task load", strconv.FormatFloat(f.Task.Load, 'g', -1, 64) + " operations/s"})
	if f.Task.Reference {
		parts = append(parts, Part{"task reference", "on"})
	}
	for _, name := range slices.Sorted(maps.Keys(f.Tools)) {
		parts = append(parts, Part{"tool " + name, orEmpty(f.Tools[name])})
	}
	return parts
}

// Hash is the same for equal fingerprints, whenever and wherever it is made: 16
// hexadecimal digits.
func (f Fingerprint) Hash() string {
	h := sha256.New()
	for _, p := range f.Parts() {
		fmt.Fprintf(h, "%d:%s%d:%s", len(p.Name), p.Name, len(p.Value), p.Value)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Difference is a part of two fingerprints that is not the same.
type Difference struct {
	Part string `json:"part"`
	Old  string `json:"old"` // "" if the old one has no such part
	New  string `json:"new"`
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: %s, was %s", d.Part, orNone(d.New), orNone(d.Old))
}

// orEmpty tells a setting that is empty from one that is not there.
func orEmpty(text string) string {
	if text == "" {
		return "(empty)"
	}
	return text
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// Diff lists what differs between two fingerprints, in the order of their parts.
// It is empty exactly if their hashes are equal.
func (f Fingerprint) Diff(newer Fingerprint) []Difference {
	var diff []Difference
	before := map[string]string{}
	for _, p := range f.Parts() {
		before[p.Name] = p.Value
	}
	for _, p := range newer.Parts() {
		old, had := before[p.Name]
		if !had || old != p.Value {
			diff = append(diff, Difference{p.Name, old, p.Value})
		}
		delete(before, p.Name)
	}
	for _, p := range f.Parts() {
		if value, gone := before[p.Name]; gone {
			diff = append(diff, Difference{p.Name, value, ""})
		}
	}
	return diff
}

func (f Fingerprint) validate() error {
	for _, p := range []struct{ name, value string }{
		{"machine.cpu", f.Machine.CPU}, {"machine.kernel", f.Machine.Kernel},
		{"server.product", f.Server.Product}, {"server.version", f.Server.Version},
		{"data.source", f.Data.Source}, {"data.release", f.Data.Release}, {"task.policy", f.Task.Policy},
	} {
		if strings.TrimSpace(p.value) == "" {
			return fmt.Errorf("the fingerprint has no %s", p.name)
		}
	}
	switch {
	case f.Machine.Cores < 1 || f.Machine.Memory < 1:
		return fmt.Errorf("the fingerprint has %d cores and %d bytes of memory", f.Machine.Cores, f.Machine.Memory)
	case f.Data.Tokens < 1:
		return fmt.Errorf("the fingerprint has %d tokens", f.Data.Tokens)
	case !(f.Data.Removable >= 0 && f.Data.Removable <= 1):
		return fmt.Errorf("the fingerprint has a removable share of %v: it is 0 to 1", f.Data.Removable)
	case !(f.Task.Load >= 0 && f.Task.Load < 1e12):
		return fmt.Errorf("the fingerprint has a load of %v operations a second", f.Task.Load)
	}
	return nil
}

// Title says in a few words what was done on what.
func (f Fingerprint) Title() string {
	audit := map[bool]string{true: "audit on", false: "audit off"}[f.Task.Audit]
	load := ""
	if f.Task.Load > 0 {
		load = fmt.Sprintf(", %v operations/s beside it", f.Task.Load)
	}
	return fmt.Sprintf("%s tokens, %s removable, %s%s · %s %s", humanize.Comma(f.Data.Tokens), percent(f.Data.Removable), audit, load, f.Server.Product, f.Server.Version)
}

func percent(share float64) string { return strconv.FormatFloat(share*100, 'f', 1, 64) + " %" }
