package mysql_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect/mysql"
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
	require.Equal(t, `CREATE TABLE `+"`IDN_OAUTH2_CIBA_AUTH_CODE`"+` (
  `+"`AUTH_CODE_KEY`"+` CHAR(36) NOT NULL,
  `+"`AUTH_REQ_ID`"+` CHAR(36) NULL,
  `+"`ISSUED_TIME`"+` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `+"`CONSUMER_KEY`"+` VARCHAR(255) NULL,
  `+"`LAST_POLLED_TIME`"+` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `+"`POLLING_INTERVAL`"+` INT NULL,
  `+"`EXPIRES_IN`"+` INT NULL,
  `+"`AUTHENTICATED_USER_NAME`"+` VARCHAR(255) NULL,
  `+"`USER_STORE_DOMAIN`"+` VARCHAR(100) NULL,
  `+"`TENANT_ID`"+` INT NULL,
  `+"`AUTH_REQ_STATUS`"+` VARCHAR(100) NULL DEFAULT 'REQUESTED',
  `+"`IDP_ID`"+` INT NULL,
  PRIMARY KEY (`+"`AUTH_CODE_KEY`"+`),
  FOREIGN KEY (`+"`TENANT_ID`, `CONSUMER_KEY`"+`) REFERENCES `+"`IDN_OAUTH_CONSUMER_APPS` (`TENANT_ID`, `CONSUMER_KEY`)"+` ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARACTER SET latin1`, mysql.Dialect{}.CreateTable(table(t, "is-7.0", schema.CIBACode)))
}

func TestCreateTableWithCollationsAndIDs(t *testing.T) {
	t.Parallel()
	binding := mysql.Dialect{}.CreateTable(table(t, "apim-4.7", schema.TokenBinding))
	require.Contains(t, binding, "`TOKEN_BINDING_VALUE` VARCHAR(1024) CHARACTER SET latin1 COLLATE latin1_bin NULL,")
	require.NotContains(t, binding, "PRIMARY KEY")
	require.Regexp(t, `ENGINE=InnoDB$`, binding)

	audit := mysql.Dialect{}.CreateTable(table(t, "apim-4.2", schema.TokenAudit))
	require.Contains(t, audit, "(\n  `ID` INT NOT NULL AUTO_INCREMENT,\n")
	require.Contains(t, audit, "`TIME_CREATED` TIMESTAMP NULL DEFAULT NULL,")
	require.Contains(t, audit, "`IDP_ID` INT NOT NULL DEFAULT -1,")
}

func TestCreateTableQuotes(t *testing.T) {
	t.Parallel()
	text := `it's \`
	require.Equal(t, "CREATE TABLE `a``b` (\n  `c` VARCHAR(9) NOT NULL DEFAULT 'it''s \\\\',\n"+
		"  CONSTRAINT `k` FOREIGN KEY (`c`) REFERENCES `p` (`q`)\n) ENGINE=MyISAM COLLATE latin1_bin COMMENT='it''s \\\\'",
		mysql.Dialect{}.CreateTable(schema.Table{
			Name: "a`b", Engine: "MyISAM", Collation: "latin1_bin", Comment: text,
			Columns:     []schema.Column{{Name: "c", Kind: schema.VarChar, Length: 9, Default: &text}},
			ForeignKeys: []schema.ForeignKey{{Name: "k", Columns: []string{"c"}, RefTable: "p", RefColumns: []string{"q"}}},
		}))
}

func TestAddIndexes(t *testing.T) {
	t.Parallel()
	device := table(t, "apim-4.2", schema.DeviceFlow)
	require.Equal(t, []string{"ALTER TABLE `IDN_OAUTH2_DEVICE_FLOW`\n" +
		"  ADD UNIQUE INDEX `CODE_ID` (`CODE_ID`),\n" +
		"  ADD INDEX `CONSUMER_KEY_ID` (`CONSUMER_KEY_ID`),\n" +
		"  ADD UNIQUE INDEX `USRCDE_QNTFR_CONSTRAINT` (`USER_CODE`, `QUANTIFIER`)"},
		mysql.Dialect{}.AddIndexes(device.Name, device.Indexes))
	require.Empty(t, mysql.Dialect{}.AddIndexes(device.Name, nil))
}
