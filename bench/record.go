package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// SchemaVersion is the version of Record.
const SchemaVersion = 1

// Record is the samples of one benchmark: all engines on identical data.
type Record struct {
	SchemaVersion int         `json:"schema_version"` // 1
	Tool          string      `json:"tool"`           // "tokensweep", its version and the commit that was measured
	Fingerprint   Fingerprint `json:"fingerprint"`
	Samples       []*Sample   `json:"samples"` // in the order in which they ran
}

// NewRecord makes an empty record; tool is "tokensweep" and its version.
func NewRecord(tool string, f Fingerprint) (*Record, error) {
	if tool == "" {
		return nil, fmt.Errorf("the record has no tool: name the version that was measured")
	}
	if err := f.validate(); err != nil {
		return nil, err
	}
	return &Record{SchemaVersion: SchemaVersion, Tool: tool, Fingerprint: f}, nil
}

// Add appends a sample. It refuses a second one of an engine and round, and one
// whose metrics contradict those of the others.
func (r *Record) Add(s *Sample) error {
	r.Samples = append(r.Samples, s)
	if err := r.validate(); err != nil {
		r.Samples = r.Samples[:len(r.Samples)-1]
		return err
	}
	return nil
}

// Engines lists the engines in the order in which they first ran.
func (r *Record) Engines() []string {
	var engines []string
	for _, s := range r.Samples {
		if !slices.Contains(engines, s.Engine) {
			engines = append(engines, s.Engine)
		}
	}
	return engines
}

// Of lists the verified samples of an engine.
func (r *Record) Of(engine string) []*Sample {
	var of []*Sample
	for _, s := range r.Samples {
		if s.Engine == engine && s.Verified() {
			of = append(of, s)
		}
	}
	return of
}

// Unverified lists the samples that record no speed.
func (r *Record) Unverified() []*Sample {
	return slices.DeleteFunc(slices.Clone(r.Samples), func(s *Sample) bool { return s.Verified() })
}

// Started is when the first sample began.
func (r *Record) Started() time.Time {
	var first time.Time
	for _, s := range r.Samples {
		if first.IsZero() || s.Started.Before(first) {
			first = s.Started
		}
	}
	return first
}

// Kinds lists every metric of the record once, without values, in the order in
// which they first appear.
func (r *Record) Kinds() []Metric {
	var kinds []Metric
	for _, s := range r.Samples {
		for _, m := range s.Metrics {
			m.Value = 0
			if !slices.Contains(kinds, m) {
				kinds = append(kinds, m)
			}
		}
	}
	return kinds
}

func (r *Record) validate() error {
	if r.Tool == "" {
		return fmt.Errorf("the record has no tool")
	}
	if err := r.Fingerprint.validate(); err != nil {
		return err
	}
	seen := map[string]bool{}
	kinds := map[string]Metric{}
	for _, s := range r.Samples {
		if s == nil {
			return fmt.Errorf("a sample is empty")
		}
		if err := s.validate(); err != nil {
			return err
		}
		if seen[s.String()] {
			return fmt.Errorf("there are two samples of %s", s)
		}
		seen[s.String()] = true
		for _, m := range s.Metrics {
			m.Value = 0
			if have, ok := kinds[m.Key()]; ok && have != m {
				return fmt.Errorf("sample of %s: metric %s is better %s and exact %t, and was better %s and exact %t before", s, m.Key(), m.Better, m.Exact, have.Better, have.Exact)
			}
			kinds[m.Key()] = m
		}
	}
	return nil
}

// WriteJSON writes everything, each metric and series on a line of its own so that
// stored baselines show in a diff.
func (r *Record) WriteJSON(w io.Writer) error {
	out := *r
	out.SchemaVersion = SchemaVersion
	if err := out.validate(); err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	head, err := json.MarshalIndent(struct {
		SchemaVersion int         `json:"schema_version"`
		Tool          string      `json:"tool"`
		Fingerprint   Fingerprint `json:"fingerprint"`
	}{out.SchemaVersion, out.Tool, out.Fingerprint}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(head, []byte("\n}")))
	b.WriteString(",\n  \"samples\": [")
	for i, s := range out.Samples {
		line, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("writing the sample of %s: %w", s, err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		// Not within a text: there a quote is escaped.
		b.Write(bytes.ReplaceAll(line, []byte(`{"name":`), []byte("\n      {\"name\":")))
	}
	b.WriteString("\n  ]\n}\n")
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	return nil
}

// FileError says what is wrong with a file of records.
type FileError struct {
	File    string
	Problem string
	Err     error // may be nil
}

func (e *FileError) Error() string { return e.File + ": " + e.Problem }

func (e *FileError) Unwrap() error { return e.Err }

// ReadFile reads a record in either format. What is wrong with the file is a
// FileError.
func ReadFile(path string) (*Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &FileError{path, "cannot be read: " + reason(err), err}
	}
	return Read(text, path)
}

// reason is an error of the file system without the path.
func reason(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// Read reads a record in either format; name stands for it in errors. What is
// wrong is a FileError.
func Read(text []byte, name string) (*Record, error) {
	trimmed := bytes.TrimSpace(text)
	var (
		r   *Record
		err error
	)
	switch {
	case len(trimmed) == 0:
		return nil, &FileError{File: name, Problem: "is empty"}
	case trimmed[0] == '{':
		r, err = readJSON(trimmed, name)
	default:
		r, err = readText(text, name)
	}
	if err != nil {
		return nil, err
	}
	if err := r.validate(); err != nil {
		return nil, &FileError{name, err.Error(), err}
	}
	if len(r.Samples) == 0 {
		return nil, &FileError{File: name, Problem: "has no samples"}
	}
	return r, nil
}

func readJSON(text []byte, name string) (*Record, error) {
	var version struct {
		SchemaVersion *int `json:"schema_version"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, jsonError(err, text, name)
	}
	switch {
	case version.SchemaVersion == nil:
		return nil, &FileError{File: name, Problem: "is JSON, but no record of tokensweep bench: it has no schema_version"}
	case *version.SchemaVersion != SchemaVersion:
		return nil, &FileError{File: name, Problem: fmt.Sprintf("is a record of version %d, and this tokensweep reads version %d: use the tokensweep that wrote it", *version.SchemaVersion, SchemaVersion)}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	r := &Record{}
	if err := d.Decode(r); err != nil {
		return nil, jsonError(err, text, name)
	}
	return r, nil
}

func jsonError(err error, text []byte, name string) error {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(text)):
		return &FileError{name, "ends in the middle of the record: it was cut off", err}
	case errors.As(err, &syntax):
		return &FileError{name, fmt.Sprintf("is damaged in line %d: %v", lineAt(text, syntax.Offset), syntax), err}
	case errors.As(err, &kind):
		return &FileError{name, fmt.Sprintf("line %d: %s is a %s, and has to be a %s", lineAt(text, kind.Offset), kind.Field, kind.Value, kind.Type), err}
	}
	return &FileError{name, "is no record of tokensweep bench: " + err.Error(), err}
}

func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n"))
}
