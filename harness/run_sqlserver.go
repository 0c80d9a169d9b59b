package harness

import (
	"context"
	"errors"

	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/dump"
)

// useSchema changes the schema of SQL Server in which the target's tables are.
func (t *Target) useSchema(name string) {
	t.Schema, t.place.schema = name, name
	t.Dialect = sqlserver.Dialect{Schema: name}
}

// restoreBackup lets the server restore a backup, which makes a database of it
// that takes the place of the empty one.
func (r *scenarioRun) restoreBackup(ctx context.Context) (*dump.Info, error) {
	path, err := r.made.GiveFile(ctx, r.Dump)
	if err != nil {
		return nil, err
	}
	n := r.made.node.(*sqlServerNode) // or GiveFile had refused
	admin, err := n.connect(ctx, place{name: "master"}, Session{})
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	p := place{name: "tokensweep_" + randomHex(6)}
	info, err := dump.RestoreBackup(ctx, admin, path, dump.BackupOptions{Database: p.name, From: r.DumpSchema, Log: r.Options.log,
		Progress: func(done, total int64) { r.progress("restore", total)(done) }})
	if err == nil {
		r.target, err = n.target(ctx, p, "")
	}
	if err != nil {
		r.target = r.made
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, n.drop(ctx, p))
	}
	r.target.Temporary = true
	if !n.owned() { // else it goes with the server
		r.target.remove = func(ctx context.Context) error { return n.drop(ctx, p) }
	}
	return info, nil
}
