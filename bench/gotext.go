package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"
)

// unverified is the unit of a line for a sample that records no speed.
const unverified = "unverified"

// The keys of the configuration lines. Fingerprint and tool head the file; the
// others go with each sample.
const (
	keyVersion     = "tokensweep-bench"
	keyTool        = "tool"
	keyHash        = "fingerprint"
	keyFingerprint = "fingerprint-json"
	keySamples     = "samples"
	keyEngine      = "engine"
	keyRound       = "round"
	keyStarted     = "started"
	keyVerdict     = "verdict"
	keyNotes       = "notes"
)

// WriteText writes the record in the Go benchmark format, for benchstat and its
// like: one line a sample, all but the series.
func (r *Record) WriteText(w io.Writer) error {
	if err := r.validate(); err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	out := benchfmt.NewWriter(w)
	for _, m := range r.Kinds() {
		for _, meta := range unitMetadata(m) {
			if err := out.Write(meta); err != nil {
				return fmt.Errorf("writing the record: %w", err)
			}
		}
	}
	head, err := r.textHead()
	if err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	for _, s := range r.Samples {
		result, err := s.textResult(r.Fingerprint.Machine.Cores)
		if err != nil {
			return fmt.Errorf("writing the sample of %s: %w", s, err)
		}
		result.Config = append(append([]benchfmt.Config(nil), head...), result.Config...)
		if err := out.Write(result); err != nil {
			return fmt.Errorf("writing the sample of %s: %w", s, err)
		}
	}
	return nil
}

func unitMetadata(m Metric) []*benchfmt.UnitMetadata {
	line := func(key, value string) *benchfmt.UnitMetadata {
		return &benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: m.Key(), Key: key}, OrigUnit: m.Key(), Value: value}
	}
	var lines []*benchfmt.UnitMetadata
	if m.Better != Same {
		lines = append(lines, line("better", string(m.Better)))
	}
	if m.Exact {
		lines = append(lines, line("assume", "exact"))
	}
	return lines
}

// textHead are the configuration lines of the whole file. The parts of the
// fingerprint that people pivot by have lines of their own, for their eyes only.
func (r *Record) textHead() ([]benchfmt.Config, error) {
	all, err := json.Marshal(r.Fingerprint)
	if err != nil {
		return nil, err
	}
	f := r.Fingerprint
	head := []benchfmt.Config{config(keyVersion, strconv.Itoa(SchemaVersion)), config(keySamples, strconv.Itoa(len(r.Samples))), config(keyTool, r.Tool), config(keyHash, f.Hash())}
	for _, p := range []Part{{"cpu", f.Machine.CPU}, {"server", f.Server.Product + " " + f.Server.Version}, {"data", f.Title()}} {
		head = append(head, config(p.Name, p.Value))
	}
	return append(head, config(keyFingerprint, string(all))), nil
}

// config quotes a value that the format could not hold as it is.
func config(key, value string) benchfmt.Config {
	if value == "" || value != strings.TrimSpace(value) || value[0] == '"' || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\uFFFD' }) {
		value = strconv.Quote(value)
	}
	return benchfmt.Config{Key: key, Value: []byte(value), File: true}
}

func unquote(value string) string {
	if text, err := strconv.Unquote(value); err == nil && value[0] == '"' {
		return text
	}
	return value
}

func (s *Sample) textResult(cores int) (*benchfmt.Result, error) {
	notes, err := json.Marshal(s.Notes)
	if err != nil {
		return nil, err
	}
	result := &benchfmt.Result{
		Name:  benchfmt.Name(fmt.Sprintf("Clean/engine=%s-%d", url.PathEscape(s.Engine), cores)),
		Iters: 1,
		Config: []benchfmt.Config{config(keyEngine, s.Engine), config(keyRound, strconv.Itoa(s.Round)),
			config(keyStarted, s.Started.Format(time.RFC3339)), config(keyVerdict, s.Verdict), config(keyNotes, string(notes))},
	}
	for _, m := range s.Metrics {
		result.Values = append(result.Values, benchfmt.Value{Value: m.Value, Unit: m.Key()})
	}
	if !s.Verified() {
		result.Values = []benchfmt.Value{{Value: 1, Unit: unverified}}
	}
	return result, nil
}

func readText(text []byte, name string) (*Record, error) {
	var (
		r        *Record
		declared string
	)
	reader := benchfmt.NewReader(bytes.NewReader(text), name)
	for reader.Scan() {
		switch line := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, &FileError{name, fmt.Sprintf("is damaged in line %d: %s", line.Line, line.Msg), line}
		case *benchfmt.Result:
			next, err := readHead(line)
			if err != nil {
				return nil, atLine(name, line, err)
			}
			if r == nil {
				r = next
			} else if next.Tool != r.Tool || next.Fingerprint.Hash() != r.Fingerprint.Hash() {
				return nil, atLine(name, line, fmt.Errorf("these are samples of another version, machine, server or data: keep one record in a file"))
			}
			s, err := readSample(line, reader.Units())
			if err != nil {
				return nil, atLine(name, line, err)
			}
			r.Samples, declared = append(r.Samples, s), line.GetConfig(keySamples)
		}
	}
	if err := reader.Err(); err != nil {
		return nil, &FileError{name, "cannot be read: " + err.Error(), err}
	}
	if r == nil {
		return nil, &FileError{File: name, Problem: "is neither JSON nor Go benchmark text: no line begins with Benchmark"}
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		return nil, &FileError{File: name, Problem: "ends in the middle of a line: it was cut off"}
	}
	if strconv.Itoa(len(r.Samples)) != declared {
		return nil, &FileError{File: name, Problem: fmt.Sprintf("has %d of %s samples: lines are missing, or were added", len(r.Samples), orNone(declared))}
	}
	return r, nil
}

func atLine(name string, line *benchfmt.Result, err error) error {
	_, n := line.Pos()
	return &FileError{name, fmt.Sprintf("line %d: %v", n, err), err}
}

func readHead(line *benchfmt.Result) (*Record, error) {
	switch version := line.GetConfig(keyVersion); version {
	case strconv.Itoa(SchemaVersion):
	case "":
		return nil, fmt.Errorf("these are Go benchmark lines, but not of tokensweep bench: there is no line %q before them", keyVersion+": 1")
	default:
		return nil, fmt.Errorf("the record has version %s, and this tokensweep reads version %d: use the tokensweep that wrote it", version, SchemaVersion)
	}
	r := &Record{SchemaVersion: SchemaVersion, Tool: unquote(line.GetConfig(keyTool))}
	d := json.NewDecoder(strings.NewReader(unquote(line.GetConfig(keyFingerprint))))
	d.DisallowUnknownFields()
	if err := d.Decode(&r.Fingerprint); err != nil {
		return nil, fmt.Errorf("the line %s before it is damaged: %w", keyFingerprint, err)
	}
	if hash := r.Fingerprint.Hash(); hash != line.GetConfig(keyHash) {
		return nil, fmt.Errorf("the fingerprint was changed: its hash is %s, and the file says %s", hash, line.GetConfig(keyHash))
	}
	return r, nil
}

func readSample(line *benchfmt.Result, units benchfmt.UnitMetadataMap) (*Sample, error) {
	s := &Sample{Run: Run{Engine: unquote(line.GetConfig(keyEngine)), Verdict: line.GetConfig(keyVerdict)}}
	var err error
	if s.Round, err = strconv.Atoi(line.GetConfig(keyRound)); err != nil {
		return nil, fmt.Errorf("round %q is no number", line.GetConfig(keyRound))
	}
	if s.Started, err = time.Parse(time.RFC3339, line.GetConfig(keyStarted)); err != nil {
		return nil, fmt.Errorf("started %q is no time", line.GetConfig(keyStarted))
	}
	if err := json.Unmarshal([]byte(unquote(line.GetConfig(keyNotes))), &s.Notes); err != nil {
		return nil, fmt.Errorf("the notes are damaged: %w", err)
	}
	for _, v := range line.Values {
		if v.Unit == unverified {
			continue
		}
		m := Metric{Value: v.Value, Better: Same}
		m.Name, m.Unit = splitKey(v.Unit)
		if meta := units.Get(v.Unit, "better"); meta != nil {
			m.Better = Better(meta.Value)
		}
		if meta := units.Get(v.Unit, "assume"); meta != nil {
			m.Exact = meta.Value == "exact"
		}
		s.Metrics = append(s.Metrics, m)
	}
	return s, nil
}
