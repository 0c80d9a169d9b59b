package harness_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/harness"
)

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	const dsn = "u:p@tcp(h)/s"
	for problem, o := range map[string]harness.Options{
		"no database kind":       {DB: "oracle"},
		"no way":                 {Via: "pigeon"},
		"a DSN and container":    {DSN: dsn, Via: harness.Container},
		"the DSN is missing":     {Via: harness.DSN},
		"no mysql by way of emb": {DB: harness.MySQL, Via: harness.Embedded},
		"no sqlite by way of pr": {DB: harness.SQLite, Via: harness.Process},
		"an image is for a cont": {Image: "mysql:8.4", Via: harness.Process},
		"are for throw-away":     {DSN: dsn, ServerZone: "UTC"},
		"takes no server":        {DB: harness.SQLite, ServerArgs: []string{"--x"}},
		"is no time zone":        {WritersZone: "UTC'; DROP TABLE t; --"},
	} {
		_, err := harness.Open(t.Context(), o)
		var option *harness.OptionError
		require.ErrorAs(t, err, &option, "%+v", o)
		require.ErrorContains(t, err, problem)
	}
}
