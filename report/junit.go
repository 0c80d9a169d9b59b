package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Error   *junitMessage `xml:"error,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// fail fails a test; the first message is the one that lists show.
func (c *junitCase) fail(message, text string) {
	if c.Failure == nil {
		c.Failure = &junitMessage{Message: message}
	}
	c.Failure.Text += text
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	if c.Failure != nil {
		s.Failures++
	}
}

// WriteJUnit writes the document as a JUnit test suite: one test for each class
// of fault, one for a script under test, and one that fails unless everything
// could be judged.
func (d *Document) WriteJUnit(w io.Writer, faults []string) error {
	suite := junitSuite{Name: "tokensweep " + d.Command}
	for _, class := range faults {
		c := junitCase{Class: suite.Name, Name: "no row is " + class}
		for _, f := range d.Findings {
			if f.Class != class {
				continue
			}
			c.fail(fmt.Sprintf("%d in %s", f.Count, f.Table),
				fmt.Sprintf("%d in %s: %s; for example %s\n", f.Count, f.Table, f.Detail, strings.Join(f.Samples, ", ")))
		}
		suite.add(c)
	}
	if d.Comparison != nil {
		c := junitCase{Class: suite.Name, Name: "the script removes nothing that " + d.Policy + " keeps"}
		for _, diff := range d.Comparison.forPolicy(d.Policy) {
			if diff.Gone {
				c.fail(fmt.Sprintf("%d in %s", diff.Count, diff.Table),
					fmt.Sprintf("%d in %s: %s; for example %s\n", diff.Count, diff.Table, diff.Sentence, strings.Join(diff.Samples, ", ")))
			}
		}
		suite.add(c)
	}
	judged := junitCase{Class: suite.Name, Name: "everything was judged"}
	if d.Verdict == Inconclusive {
		judged.Error = &junitMessage{Message: strings.Join(d.Doubts, "; ")}
		suite.Errors++
	}
	suite.add(judged)
	suite.Tests = len(suite.Cases)
	var seconds float64
	for _, s := range d.Stages {
		seconds += s.Seconds
	}
	suite.Time = fmt.Sprintf("%.3f", seconds)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing the JUnit report: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suite); err != nil {
		return fmt.Errorf("writing the JUnit report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}
