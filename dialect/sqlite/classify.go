package sqlite

import (
	"errors"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/tokensweep/tokensweep/dialect"
)

var classes = map[int]dialect.Class{
	lib.SQLITE_BUSY:                  dialect.LockTimeout,
	lib.SQLITE_LOCKED:                dialect.LockTimeout,
	lib.SQLITE_CONSTRAINT_FOREIGNKEY: dialect.RowRefused,
	lib.SQLITE_CONSTRAINT_TRIGGER:    dialect.RowRefused,
	lib.SQLITE_CONSTRAINT_PRIMARYKEY: dialect.Duplicate,
	lib.SQLITE_CONSTRAINT_UNIQUE:     dialect.Duplicate,
	lib.SQLITE_PERM:                  dialect.Denied,
	lib.SQLITE_CANTOPEN:              dialect.Unreachable,
	lib.SQLITE_READONLY:              dialect.ReadOnly,
	lib.SQLITE_FULL:                  dialect.DiskFull,
}

// Classify knows SQLite's result codes, the extended one first.
func (Dialect) Classify(err error) dialect.Class {
	var failure *driver.Error
	if !errors.As(err, &failure) {
		return dialect.Unclassified
	}
	if class, ok := classes[failure.Code()]; ok {
		return class
	}
	return classes[failure.Code()&0xff]
}
