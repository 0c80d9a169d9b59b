package procedure_test

import (
	"os"
	"testing"

	"github.com/tokensweep/tokensweep/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
