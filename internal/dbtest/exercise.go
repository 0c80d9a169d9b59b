package dbtest

import (
	"database/sql"
	"regexp"
	"strings"
	"testing"

	"github.com/tokensweep/tokensweep/harness"
)

// Exercise runs the whole conformance suite on servers of one kind. A test that
// fails prints the command that runs it again.
func Exercise(t *testing.T, open Opener) {
	open = open.withRerun()
	target := open(t, harness.Options{})
	server := target.Server
	part := func(name string, run func(*testing.T)) { t.Run(name, func(t *testing.T) { t.Parallel(); run(t) }) }

	part("schema", func(t *testing.T) {
		Schema(t, target.Dialect, server.Product, func(t *testing.T) (*sql.DB, string) {
			fresh := open(t, harness.Options{})
			return fresh.DB, fresh.Schema
		})
	})
	part("cases", func(t *testing.T) { Cases(t, open, harness.Options{}, "") })
	part("sabotage", func(t *testing.T) { Sabotage(t, open) })
	part("scenarios", func(t *testing.T) { Scenarios(t, open, server.Product) })
	part("engine", func(t *testing.T) { Engine(t, open, server.Product) })
	part("random databases", func(t *testing.T) { RandomDatabases(t, open) })
	part("differential", func(t *testing.T) { Differential(t, open) })
	if server.Product != "SQLite" { // which has neither collations to choose nor stored procedures
		part("script", func(t *testing.T) { Script(t, open, server.Product) })
		part("collations", func(t *testing.T) { Collations(t, open, server.Product) })
	}
	if hasZones(server.Product) {
		part("zones", func(t *testing.T) { Zones(t, open) })
	}
}

// hasZones reports whether sessions have time zones that change what is read.
// DATETIME of SQL Server has none, nor has the text that SQLite keeps.
func hasZones(product string) bool { return product == "MySQL" || product == "MariaDB" }

// hasTSQL reports whether it is SQL Server or speaks its language.
func hasTSQL(product string) bool {
	return product != "SQLite" && product != "MySQL" && product != "MariaDB"
}

// withRerun makes every test that opens a target say how to run it alone.
func (open Opener) withRerun() Opener {
	return func(t *testing.T, o harness.Options) *harness.Target {
		t.Helper()
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("to run this alone: make test PKG=./internal/dbtest ARGS=\"-run '%s'\"", pattern(t.Name()))
			}
		})
		return open(t, o)
	}
}

// pattern matches a test of that name and no other.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}
