package sqlserver_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/schema"
)

func table(t *testing.T, release, name string) schema.Table {
	t.Helper()
	d, err := schema.Release(release, schema.SQLServer)
	require.NoError(t, err)
	found, ok := d.Table(name)
	require.True(t, ok)
	return *found
}

func TestCreateTable(t *testing.T) {
	t.Parallel()
	require.Equal(t, `CREATE TABLE [dbo].[IDN_OAUTH2_CIBA_AUTH_CODE] (
  [AUTH_CODE_KEY] CHAR(36) NOT NULL,
  [AUTH_REQ_ID] CHAR(36) NULL,
  [ISSUED_TIME] DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  [CONSUMER_KEY] VARCHAR(255) NULL,
  [LAST_POLLED_TIME] DATETIME NOT NULL,
  [POLLING_INTERVAL] INT NULL,
  [EXPIRES_IN] INT NULL,
  [AUTHENTICATED_USER_NAME] VARCHAR(255) NULL,
  [USER_STORE_DOMAIN] VARCHAR(100) NULL,
  [TENANT_ID] INT NULL,
  [AUTH_REQ_STATUS] VARCHAR(100) NULL DEFAULT 'REQUESTED',
  [IDP_ID] INT NULL,
  PRIMARY KEY ([AUTH_CODE_KEY]),
  FOREIGN KEY ([TENANT_ID], [CONSUMER_KEY]) REFERENCES [dbo].[IDN_OAUTH_CONSUMER_APPS] ([TENANT_ID], [CONSUMER_KEY]) ON DELETE CASCADE
)`, sqlserver.Dialect{}.CreateTable(table(t, "is-7.0", schema.CIBACode)))
}

func TestCreateTableWithRulesAndIDs(t *testing.T) {
	t.Parallel()
	require.Equal(t, `CREATE TABLE [wso2].[IDN_OIDC_REQ_OBJECT_REFERENCE] (
  [ID] INT IDENTITY(1,1) NOT NULL,
  [CONSUMER_KEY_ID] INT NULL,
  [CODE_ID] VARCHAR(255) NULL,
  [TOKEN_ID] VARCHAR(255) NULL,
  [SESSION_DATA_KEY] VARCHAR(255) NULL,
  PRIMARY KEY ([ID]),
  FOREIGN KEY ([CONSUMER_KEY_ID]) REFERENCES [wso2].[IDN_OAUTH_CONSUMER_APPS] ([ID]) ON DELETE CASCADE,
  FOREIGN KEY ([TOKEN_ID]) REFERENCES [wso2].[IDN_OAUTH2_ACCESS_TOKEN] ([TOKEN_ID]),
  FOREIGN KEY ([CODE_ID]) REFERENCES [wso2].[IDN_OAUTH2_AUTHORIZATION_CODE] ([CODE_ID])
)`, sqlserver.Dialect{Schema: "wso2"}.CreateTable(table(t, "apim-4.2", schema.RequestObject)))

	audit := sqlserver.Dialect{}.CreateTable(table(t, "apim-4.2", schema.TokenAudit))
	require.Contains(t, audit, "(\n  [ID] INT IDENTITY(1,1) NOT NULL,\n")
	require.Contains(t, audit, "[TIME_CREATED] DATETIME NULL,")
	require.Contains(t, audit, "[IDP_ID] INT NOT NULL DEFAULT -1,")
	require.NotContains(t, sqlserver.Dialect{}.CreateTable(table(t, "apim-4.7", schema.TokenBinding)), "PRIMARY KEY")
}

// TestCreateTableCollates shows that a column's own collation goes before the
// table's, and that only text has one.
func TestCreateTableCollates(t *testing.T) {
	t.Parallel()
	require.Equal(t, "CREATE TABLE [dbo].[T] (\n"+
		"  [own] VARCHAR(9) COLLATE Latin1_General_BIN2 NOT NULL,\n"+
		"  [tables] CHAR(1) COLLATE Latin1_General_CS_AS NOT NULL,\n"+
		"  [long] VARCHAR(MAX) COLLATE Latin1_General_CS_AS NULL,\n"+
		"  [number] BIGINT NULL,\n"+
		"  [at] DATETIME NULL\n)",
		sqlserver.Dialect{}.CreateTable(schema.Table{Name: "T", Charset: "latin1", Collation: "Latin1_General_CS_AS", Columns: []schema.Column{
			{Name: "own", Kind: schema.VarChar, Length: 9, Charset: "latin1", Collation: "Latin1_General_BIN2"},
			{Name: "tables", Kind: schema.Char, Length: 1},
			{Name: "long", Kind: schema.Text, Nullable: true},
			{Name: "number", Kind: schema.BigInt, Nullable: true},
			{Name: "at", Kind: schema.Timestamp, Nullable: true},
		}}))
}

// TestCreateTableAsFound keeps the server's own types.
func TestCreateTableAsFound(t *testing.T) {
	t.Parallel()
	text, number, now := "Ω", "1", schema.DefaultNow
	require.Equal(t, "CREATE TABLE [dbo].[T] (\n"+
		"  [name] nvarchar(9) NOT NULL DEFAULT N'Ω',\n"+
		"  [at] datetime2(7) NULL DEFAULT CURRENT_TIMESTAMP,\n"+
		"  [amount] decimal(10,2) NOT NULL DEFAULT '1'\n)",
		sqlserver.Dialect{}.CreateTable(schema.Table{Name: "T", Columns: []schema.Column{
			{Name: "name", Kind: schema.VarChar, Length: 9, Type: "nvarchar(9)", Default: &text},
			{Name: "at", Kind: schema.Timestamp, Type: "datetime2(7)", Nullable: true, Default: &now},
			{Name: "amount", Kind: schema.Other, Type: "decimal(10,2)", Default: &number},
		}}))
}

func TestCreateTableQuotes(t *testing.T) {
	t.Parallel()
	text := `it's \`
	require.Equal(t, "CREATE TABLE [o]]s].[a]]b] (\n  [c] VARCHAR(9) NOT NULL DEFAULT 'it''s \\',\n"+
		"  CONSTRAINT [k]]] FOREIGN KEY ([c]) REFERENCES [o]]s].[p] ([q]) ON DELETE SET NULL\n)",
		sqlserver.Dialect{Schema: "o]s"}.CreateTable(schema.Table{
			Name:        "a]b",
			Columns:     []schema.Column{{Name: "c", Kind: schema.VarChar, Length: 9, Default: &text}},
			ForeignKeys: []schema.ForeignKey{{Name: "k]", Columns: []string{"c"}, RefTable: "p", RefColumns: []string{"q"}, OnDelete: schema.SetNull}},
		}))
}

func TestAddIndexes(t *testing.T) {
	t.Parallel()
	device := table(t, "apim-4.2", schema.DeviceFlow)
	require.Equal(t, []string{
		"ALTER TABLE [dbo].[IDN_OAUTH2_DEVICE_FLOW] ADD UNIQUE ([CODE_ID])",
		"ALTER TABLE [dbo].[IDN_OAUTH2_DEVICE_FLOW] ADD CONSTRAINT [USRCDE_QNTFR_CONSTRAINT] UNIQUE ([USER_CODE], [QUANTIFIER])",
	}, sqlserver.Dialect{}.AddIndexes(device.Name, device.Indexes))

	codes := table(t, "apim-4.2", schema.AuthzCode)
	statements := sqlserver.Dialect{Schema: "wso2"}.AddIndexes(codes.Name, codes.Indexes)
	require.Contains(t, statements, "CREATE INDEX [IDX_AC_TID] ON [wso2].[IDN_OAUTH2_AUTHORIZATION_CODE] ([TOKEN_ID])")
	require.Contains(t, statements,
		"CREATE INDEX [IDX_AC_AC_CKID] ON [wso2].[IDN_OAUTH2_AUTHORIZATION_CODE] ([AUTHZ_USER]) INCLUDE ([AUTHORIZATION_CODE], [CONSUMER_KEY_ID])")

	require.Equal(t, []string{"CREATE UNIQUE INDEX [mine] ON [dbo].[T] ([a])"},
		sqlserver.Dialect{}.AddIndexes("T", []schema.Index{{Name: "mine", Unique: true, Columns: []string{"a"}}}))
	require.Empty(t, sqlserver.Dialect{}.AddIndexes(device.Name, nil))
}
