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
		"no sqlserver by way of": {DB: harness.SQLServer, Via: harness.Process},
		"only sqlite is embedde": {DB: harness.SQLServer, Via: harness.Embedded},
		"no time zone to set":    {DB: harness.SQLServer, WritersZone: "+05:30"},
		"the product writes UTC": {DSN: "sqlserver://u:p@h?database=d", WritersZone: "+05:30"},
		"a DATETIME is read as ": {DB: harness.SQLServer, ServerZone: "UTC"},
		"for mysqld and mariadb": {DB: harness.SQLServer, ServerArgs: []string{"--x"}},
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
