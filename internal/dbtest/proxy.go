package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net"
	"strconv"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	mysqldriver "github.com/go-sql-driver/mysql"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// proxied is a pool whose connections go through a proxy that can break them.
type proxied struct {
	f     *Fixture
	db    *sql.DB
	proxy *toxiproxy.Proxy
}

func (f *Fixture) proxied() *proxied {
	f.t.Helper()
	address, connectBy := f.login()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxied{f: f, proxy: toxiproxy.NewProxy(server, f.Schema, "127.0.0.1:0", address)}
	require.NoError(f.t, p.proxy.Start())
	f.t.Cleanup(p.proxy.Stop)
	p.db = sql.OpenDB(connectBy(p.proxy.Listen))
	f.t.Cleanup(func() { require.NoError(f.t, p.db.Close()) })
	return p
}

// login is the address of the fixture's server, and how to log in by another.
func (f *Fixture) login() (address string, by func(address string) driver.Connector) {
	f.t.Helper()
	if f.Dialect.Name() == "sqlserver" {
		login, err := msdsn.Parse(f.ConnectionString())
		require.NoError(f.t, err)
		return net.JoinHostPort(login.Host, strconv.FormatUint(login.Port, 10)), func(address string) driver.Connector {
			host, port, err := net.SplitHostPort(address)
			require.NoError(f.t, err)
			login.Host = host
			login.Port, err = strconv.ParseUint(port, 10, 16)
			require.NoError(f.t, err)
			return mssql.NewConnectorConfig(login)
		}
	}
	login, err := mysqldriver.ParseDSN(f.ConnectionString())
	require.NoError(f.t, err)
	return login.Addr, func(address string) driver.Connector {
		login.Addr = address
		connector, err := mysqldriver.NewConnector(login)
		require.NoError(f.t, err)
		return connector
	}
}

// loseNextAnswer ends every connection as soon as the server says something.
func (p *proxied) loseNextAnswer() {
	_, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name": "lose", "type": "limit_data", "stream": "downstream", "attributes": {"bytes": 0}}`))
	require.NoError(p.f.t, err)
}

// heal lets new connections work again.
func (p *proxied) heal() {
	require.NoError(p.f.t, p.proxy.Toxics.RemoveToxic(context.Background(), "lose"))
}

// cut ends all connections and takes no new ones.
func (p *proxied) cut() { p.proxy.Stop() }
