// Package report is the one result model of tokensweep and its renderings:
// JSON, the text that a person reads in ten seconds, and JUnit. The JSON
// document is described field by field at Document; fields are only ever added
// within a schema version.
package report
