package harness

import (
	"fmt"
	"net"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/command"
)

// Connected tells an engine that is a program of its own where the target is;
// other engines are returned as they are.
func (t *Target) Connected(e cleanup.Engine) (cleanup.Engine, error) {
	program, ok := e.(command.Engine)
	if !ok {
		return e, nil
	}
	if _, ok := t.node.(*mysqlNode); !ok {
		return nil, &OptionError{Problem: fmt.Sprintf("a program as an engine gets the address of a MySQL or MariaDB, not of %s", t.Server)}
	}
	login, err := mysqldriver.ParseDSN(t.ConnectionString())
	if err != nil {
		return nil, &OptionError{Problem: "the connection settings are not usable"} // err may hold the password
	}
	host, port, err := net.SplitHostPort(login.Addr)
	if err != nil {
		return nil, &OptionError{Problem: "a program as an engine needs a server with a host and a port", Err: err}
	}
	program.Server = command.Server{Host: host, Port: port, User: login.User, Password: login.Passwd, Schema: t.Schema}
	return program, nil
}
