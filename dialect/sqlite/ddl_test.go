package sqlite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect/sqlite"
	"github.com/tokensweep/tokensweep/schema"
)

func table(t *testing.T, release, name string) schema.Table {
	t.Helper()
	d, err := schema.Release(release, schema.MySQL)
	require.NoError(t, err)
	found, ok := d.Table(name)
	require.True(t, ok)
	return *found
}

func TestCreateTable(t *testing.T) {
	t.Parallel()
	require.Equal(t, `CREATE TABLE "IDN_OAUTH2_CIBA_AUTH_CODE" (
  "AUTH_CODE_KEY" CHAR(36) NOT NULL,
  "AUTH_REQ_ID" CHAR(36),
  "ISSUED_TIME" TIMESTAMP TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "CONSUMER_KEY" VARCHAR(255),
  "LAST_POLLED_TIME" TIMESTAMP TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "POLLING_INTERVAL" INTEGER,
  "EXPIRES_IN" INTEGER,
  "AUTHENTICATED_USER_NAME" VARCHAR(255),
  "USER_STORE_DOMAIN" VARCHAR(100),
  "TENANT_ID" INTEGER,
  "AUTH_REQ_STATUS" VARCHAR(100) DEFAULT 'REQUESTED',
  "IDP_ID" INTEGER,
  PRIMARY KEY ("AUTH_CODE_KEY"),
  FOREIGN KEY ("TENANT_ID", "CONSUMER_KEY") REFERENCES "IDN_OAUTH_CONSUMER_APPS" ("TENANT_ID", "CONSUMER_KEY") ON DELETE CASCADE
)`, sqlite.Dialect{}.CreateTable(table(t, "is-7.0", schema.CIBACode)))

	require.Equal(t, `CREATE TABLE "IDN_OAUTH2_CIBA_REQUEST_SCOPES" (
  "ID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  "AUTH_CODE_KEY" CHAR(36),
  "SCOPE" VARCHAR(255),
  FOREIGN KEY ("AUTH_CODE_KEY") REFERENCES "IDN_OAUTH2_CIBA_AUTH_CODE" ("AUTH_CODE_KEY") ON DELETE CASCADE
)`, sqlite.Dialect{}.CreateTable(table(t, "apim-4.2", schema.CIBAScope)))
}

func TestAddIndexes(t *testing.T) {
	t.Parallel()
	binding := table(t, "apim-4.2", schema.TokenBinding)
	require.Equal(t, []string{
		`CREATE INDEX "IDN_OAUTH2_TOKEN_BINDING.IDX_IDN_AUTH_BIND" ON "IDN_OAUTH2_TOKEN_BINDING" ("TOKEN_BINDING_REF")`,
		`CREATE UNIQUE INDEX "IDN_OAUTH2_TOKEN_BINDING.TOKEN_ID" ON "IDN_OAUTH2_TOKEN_BINDING" ("TOKEN_ID", "TOKEN_BINDING_TYPE", "TOKEN_BINDING_VALUE")`,
		`CREATE INDEX "IDN_OAUTH2_TOKEN_BINDING.IDX_TK_VALUE_TYPE" ON "IDN_OAUTH2_TOKEN_BINDING" ("TOKEN_BINDING_VALUE", "TOKEN_BINDING_TYPE")`,
	}, sqlite.Dialect{}.AddIndexes(binding.Name, binding.Indexes))
}
