package harness

import (
	"context"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/testcontainers/testcontainers-go"
	tcmariadb "github.com/testcontainers/testcontainers-go/modules/mariadb"
	tcmysql "github.com/testcontainers/testcontainers-go/modules/mysql"
)

// mysqlContainer falls back to the image that scripts/mysql-image.sh builds for
// machines that cannot pull.
func mysqlContainer() containerKind {
	return containerKind{
		db: MySQL, official: "mysql:8.4", variable: "TOKENSWEEP_MYSQL_IMAGE", fallback: "tokensweep/mysql:debian",
		port: "3306/tcp", data: "/var/lib/mysql", run: runOf(tcmysql.Run), ready: mysqlReady,
		options: func(o Options, password string, memory int64) ([]testcontainers.ContainerCustomizer, []string) {
			return []testcontainers.ContainerCustomizer{tcmysql.WithUsername("root"), tcmysql.WithPassword(password), tcmysql.WithDatabase("")}, tuning(o, memory)
		},
	}
}

func mariadbContainer() containerKind {
	return containerKind{
		db: MariaDB, official: "mariadb:11.4", variable: "TOKENSWEEP_MARIADB_IMAGE",
		port: "3306/tcp", data: "/var/lib/mysql", run: runOf(tcmariadb.Run), ready: mysqlReady,
		options: func(o Options, password string, memory int64) ([]testcontainers.ContainerCustomizer, []string) {
			return []testcontainers.ContainerCustomizer{tcmariadb.WithUsername("root"), tcmariadb.WithPassword(password), tcmariadb.WithDatabase("")}, tuning(o, memory)
		},
	}
}

func mysqlReady(ctx context.Context, s *containerServer, address string, o Options) (node, error) {
	login := mysqldriver.NewConfig()
	login.User, login.Passwd, login.Net, login.Addr = "root", s.password, "tcp", address
	n := &mysqlNode{login: tuned(login), via: Container + " " + s.image, end: s.stop, died: s.died, zone: o.ServerZone}
	n.usage = s.usage
	n.again = func(ctx context.Context) error { return s.container.CopyToContainer(ctx, nil, rewindFile, 0o644) }
	return n, n.settle(ctx, s.died, o.ServerZone)
}
