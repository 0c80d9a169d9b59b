package harness

import (
	"fmt"
	"testing"
)

// TestSaysWhichSQLServer prints the one line with which make test tells what the
// tests on SQL Server run on, or why they do not.
func TestSaysWhichSQLServer(t *testing.T) {
	target, err := forTest(t.Context(), Options{DB: SQLServer, Fast: true})
	if err != nil {
		fmt.Printf("sqlserver: no test runs on it: %v\n", err)
		return
	}
	fmt.Printf("sqlserver: tests run on %s\n", target.Server)
	if err := target.Close(); err != nil {
		t.Error(err)
	}
}
