package harness

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/microsoft/go-mssqldb/msdsn"
)

// GiveFile makes a file of this machine one that the target's server can open,
// such as a backup that it is to restore, and returns its path there. Into a
// container it is copied, readable for everyone, and goes with it; on a server of
// this machine it is the file itself, which the server's account has to be
// allowed to read.
//
// Errors: [*OptionError] if the file cannot be read, if the server is on another
// machine, and for products other than SQL Server, which open no files for us.
func (t *Target) GiveFile(ctx context.Context, path string) (serverPath string, err error) {
	n, ok := t.node.(*sqlServerNode)
	if !ok {
		return "", &OptionError{Problem: t.Server.Product + " takes no files: only SQL Server restores a backup by itself"}
	}
	if n.give != nil {
		return n.give(ctx, path)
	}
	if err := readable(path); err != nil {
		return "", err
	}
	if err := n.onThisMachine(ctx, t.DB); err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func readable(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return &OptionError{Problem: fmt.Sprintf("the file %s cannot be read: check the path", path), Err: err}
	}
	return file.Close()
}

// onThisMachine refuses a server that does not see the files of this machine.
func (n *sqlServerNode) onThisMachine(ctx context.Context, db *sql.DB) error {
	elsewhere := func(where string) error {
		return &OptionError{Problem: fmt.Sprintf("the server at %s %s and cannot open a file of this one: restore the backup there and name the database, or let a container restore it", address(n.login), where)}
	}
	if !isThisMachine(ctx, n.login) {
		return elsewhere("is on another machine")
	}
	var machine sql.NullString
	if err := db.QueryRowContext(ctx, "SELECT CAST(SERVERPROPERTY('MachineName') AS NVARCHAR(128))").Scan(&machine); err != nil {
		return fmt.Errorf("asking the server for its machine: %w", err)
	}
	// A container behind a port of this machine has a name of its own.
	if name, err := os.Hostname(); err == nil && machine.String != "" && !sameMachine(machine.String, name) {
		return elsewhere("calls its machine " + machine.String)
	}
	return nil
}

// sameMachine compares the name that Windows gives, which has no domain and may
// be cut to 15 characters, with a host name.
func sameMachine(short, host string) bool {
	host, _, _ = strings.Cut(host, ".")
	short, _, _ = strings.Cut(short, ".")
	return strings.EqualFold(short, host) || len(short) == 15 && len(host) > 15 && strings.EqualFold(short, host[:15])
}

// isThisMachine finds out whether a server's address is one of this machine.
func isThisMachine(ctx context.Context, c msdsn.Config) bool {
	addresses, err := net.DefaultResolver.LookupIPAddr(ctx, c.Host)
	if err != nil {
		return false
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addresses {
		if a.IP.IsLoopback() {
			return true
		}
		for _, o := range own {
			if network, ok := o.(*net.IPNet); ok && network.IP.Equal(a.IP) {
				return true
			}
		}
	}
	return false
}
