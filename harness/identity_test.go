package harness

import (
	"errors"
	"net"
	"os"
	"testing"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
	"github.com/stretchr/testify/require"
)

func TestServerIsNamedAsWhatItIs(t *testing.T) {
	t.Parallel()
	const developer = "Developer Edition (64-bit)"
	for want, p := range map[string]properties{
		"SQL Server|2022 CU14 (16.0.4135.4), Developer Edition": {version: "16.0.4135.4", update: "CU14", edition: developer, engine: 3},
		"SQL Server|2016 (13.0.7024.30), Standard Edition":      {version: "13.0.7024.30", edition: "Standard Edition (64-bit)", engine: 2},
		"SQL Server|2025 (17.0.1000.7), Express Edition":        {version: "17.0.1000.7", edition: "Express Edition (64-bit)", engine: 4},
		"SQL Server|18.0.1.2, Developer Edition":                {version: "18.0.1.2", edition: developer, engine: 3},
		"Azure SQL Database|12.0.2000.8":                        {version: "12.0.2000.8", edition: "SQL Azure", engine: 5},
		"Azure SQL Managed Instance|12.0.2000.8":                {version: "12.0.2000.8", edition: "SQL Azure", engine: 8},
		"Babelfish|4.3 on PostgreSQL 16.4":                      {version: "12.0.2000.8", engine: 2, babelfish: "4.3.0", banner: "Babelfish for PostgreSQL with SQL Server Compatibility - 12.0.2000.8\nPostgreSQL 16.4 Babelfish for PostgreSQL on x86_64"},
		"Babelfish|5.2.1":                                       {version: "12.0.2000.8", engine: 2, babelfish: "5.2.1", banner: "another banner"},
	} {
		s, err := p.server()
		require.NoError(t, err, want)
		require.Equal(t, want, s.Product+"|"+s.Version)
	}
	_, err := properties{version: "12.0.6024.0", edition: developer, engine: 3}.server()
	var option *OptionError
	require.ErrorAs(t, err, &option)
	require.ErrorContains(t, err, "the server is SQL Server 2014 (12.0.6024.0), Developer Edition: SQL Server 2016 or later is needed")
	require.ErrorContains(t, err, "DATEDIFF_BIG")
	_, err = properties{version: "lemon"}.server()
	require.ErrorContains(t, err, `"lemon"`)
}

func TestThisMachineIsToldFromOthers(t *testing.T) {
	t.Parallel()
	for host, here := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "192.0.2.1": false, "no-such-host.invalid": false} {
		require.Equal(t, here, isThisMachine(t.Context(), msdsn.Config{Host: host}), host)
	}
	if addresses, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
				require.True(t, isThisMachine(t.Context(), msdsn.Config{Host: n.IP.String()}))
			}
		}
	}
	name, err := os.Hostname()
	require.NoError(t, err)
	require.True(t, sameMachine(name, name))
	require.True(t, sameMachine("DB-PRODUCTION-1", "db-production-12.example.org"))
	require.True(t, sameMachine("DB1", "db1.example.org"))
	require.False(t, sameMachine("3f2a9c0d1e4b", "db1"))
	require.False(t, sameMachine("DB", "db1"))
}

func TestMemoryOfSQLServer(t *testing.T) {
	t.Parallel()
	const gibi = 1 << 30
	for memory, want := range map[int64]int64{0: 2 * gibi, 4 * gibi: 2 * gibi, 12 * gibi: 3 * gibi, 64 * gibi: 4 * gibi} {
		require.Equal(t, want, sqlServerMemory(Options{}, memory))
		require.Equal(t, int64(2*gibi), sqlServerMemory(Options{Fast: true}, memory))
	}
}

func TestLoginThatIsRefusedIsToldFromADatabaseThatIs(t *testing.T) {
	t.Parallel()
	failed := mssql.Error{Number: 18456, Message: "login error: Login failed for user 'u'."}
	cannotOpen := mssql.Error{Number: 4060, Message: `Cannot open database "d" requested by the login.`}
	both := failed
	both.All = []mssql.Error{cannotOpen, failed}
	require.True(t, isBadLogin(failed))
	require.False(t, isBadLogin(both), "the first message counts")
	require.True(t, isShut(both))
	require.False(t, isShut(failed))

	require.Empty(t, reason(failed))
	require.Equal(t, " (Login failed for user 'u'. Reason: The account is disabled)",
		reason(mssql.Error{Number: 18470, Message: "login error: Login failed for user 'u'. Reason: The account is disabled."}))
	for number, unsupported := range map[int32]bool{5058: true, 40517: true, 5008: true, 3906: false, 262: false} {
		require.Equal(t, unsupported, isUnsupported(mssql.Error{Number: number}), number)
	}
	require.False(t, isUnsupported(errors.New("is not currently supported in Babelfish")), "not the server's word")
}
