// Package dbtest is the conformance suite: what every dialect must do on a real
// server of its kind. The functions are called by tests that have a server.
package dbtest
