package dbtest

import (
	"context"
	"database/sql"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	mysqldriver "github.com/go-sql-driver/mysql"
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
	login, err := mysqldriver.ParseDSN(f.ConnectionString())
	require.NoError(f.t, err)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxied{f: f, proxy: toxiproxy.NewProxy(server, f.Schema, "127.0.0.1:0", login.Addr)}
	require.NoError(f.t, p.proxy.Start())
	f.t.Cleanup(p.proxy.Stop)
	login.Addr = p.proxy.Listen
	connector, err := mysqldriver.NewConnector(login)
	require.NoError(f.t, err)
	p.db = sql.OpenDB(connector)
	f.t.Cleanup(func() { require.NoError(f.t, p.db.Close()) })
	return p
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
