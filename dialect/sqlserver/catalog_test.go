package sqlserver_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/schema"
)

// TestParseDefault: the expressions are as sys.default_constraints has them.
func TestParseDefault(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		"((0))": "0", "((-1))": "-1", "((1.50))": "1.50", "('ACTIVE')": "ACTIVE", "(N'NONE')": "NONE",
		"('')": "", "(' ')": " ", "('it''s')": "it's", "('''x''')": "'x'", "('''')": "'", "('(0)')": "(0)", "(')')": ")", "('N')": "N",
		"(getdate())": schema.DefaultNow, "(getutcdate())": schema.DefaultNow,
		"(sysdatetime())": schema.DefaultNow, "(sysutcdatetime())": schema.DefaultNow,
		"('getdate()')": "getdate()", "('null')": "null",
		// Expressions stay expressions.
		"(newid())": "newid()", "('a'+'b')": "'a'+'b'", "((1)+(2))": "(1)+(2)", "(CONVERT([bigint],'-1'))": "CONVERT([bigint],'-1')",
		"(NEXT VALUE FOR [dbo].[S])": "NEXT VALUE FOR [dbo].[S]",
		// Babelfish
		"getdate()": schema.DefaultNow, "'NONE'": "NONE", "3600": "3600", "CAST('-1' AS int)": "-1", "CAST(('x') AS nvarchar(1))": "x",
		"CAST('a AS b' AS varchar(9))": "a AS b",
	} {
		got := sqlserver.Dialect{}.ParseDefault(expression)
		require.NotNil(t, got, expression)
		require.Equal(t, want, *got, expression)
	}
	for _, none := range []string{"(NULL)", "NULL", "CAST(NULL AS varchar)"} {
		require.Nil(t, sqlserver.Dialect{}.ParseDefault(none), none)
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for kind, types := range map[schema.Kind][]string{
		schema.VarChar:   {"varchar", "nvarchar"},
		schema.Char:      {"char", "nchar"},
		schema.Text:      {"varchar(max)", "nvarchar(max)", "text", "ntext"},
		schema.Int:       {"int"},
		schema.BigInt:    {"bigint"},
		schema.Timestamp: {"datetime", "datetime2", "smalldatetime"},
		schema.Blob:      {"binary", "varbinary", "varbinary(max)", "image"},
		// A row version is called timestamp but is no time.
		schema.Other: {"timestamp", "rowversion", "tinyint", "smallint", "bit", "decimal", "date", "time", "datetimeoffset", "uniqueidentifier", "xml"},
	} {
		for _, base := range types {
			require.Equal(t, kind, sqlserver.Dialect{}.KindOf(base), base)
		}
	}
}
