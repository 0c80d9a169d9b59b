package sqlserver

import (
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// SessionSetup makes a session of the engine independent of the settings of
// server, database and login. XACT_ABORT: whatever fails rolls the batch back.
// NOCOUNT: the count of a bulk load comes that way. DEADLOCK_PRIORITY: a batch can be done again, the login of a
// user cannot. The ANSI settings are those that indexes on views and computed
// columns ask of every session that changes their tables.
func (Dialect) SessionSetup() []string {
	return []string{
		"SET XACT_ABORT ON",
		"SET NOCOUNT OFF",
		"SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
		"SET LOCK_TIMEOUT 5000",
		"SET DEADLOCK_PRIORITY LOW",
		"SET ANSI_NULLS, ANSI_PADDING, ANSI_WARNINGS, ARITHABORT, CONCAT_NULL_YIELDS_NULL, QUOTED_IDENTIFIER ON",
		"SET NUMERIC_ROUNDABORT OFF",
		"SET IMPLICIT_TRANSACTIONS OFF",
		"SET ROWCOUNT 0",
	}
}

// DeepCascades is true.
func (Dialect) DeepCascades() bool { return true }

// BeginSnapshot needs ALLOW_SNAPSHOT_ISOLATION: under READ COMMITTED a row that
// moves while it is read counts twice or not at all, with or without row versions.
func (Dialect) BeginSnapshot() []string {
	return []string{"SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "BEGIN TRANSACTION"}
}

// FromLocked takes the locks of an update at once, on rows rather than pages, so
// that of two sessions one waits instead of both ending in a deadlock. It reads
// the latest committed rows under READ_COMMITTED_SNAPSHOT too.
func (d Dialect) FromLocked(table string) (from, end string) {
	return d.Table(table) + " WITH (UPDLOCK, ROWLOCK)", ""
}

// Move deletes with an OUTPUT clause, so that what is audited is what was
// deleted. OUTPUT INTO takes no table with triggers, foreign keys or conditions;
// rows for a guarded one go through a table of the session.
func (d Dialect) Move(table string, a dialect.Audit, where dialect.SQL) []dialect.SQL {
	if !a.Guarded {
		return []dialect.SQL{d.deleteInto(table, d.Table(a.Table), a, where)}
	}
	columns, values := a.Into(d, "m")
	plain := a
	plain.Invalidated = ""
	return []dialect.SQL{
		dialect.Text("DELETE FROM ", moved),
		d.deleteInto(table, moved, plain, where),
		d.Bind(dialect.Concat("INSERT INTO ", d.Table(a.Table), " (", columns, ") SELECT ", values, " FROM ", moved, " AS m")),
	}
}

// moved is a table of the session: no other session sees it.
const moved = "#TOKENSWEEP_MOVED"

func (d Dialect) deleteInto(table, into string, a dialect.Audit, where dialect.SQL) dialect.SQL {
	columns, values := a.Into(d, "DELETED")
	from, _ := d.FromLocked(table)
	return d.Bind(dialect.Concat("DELETE FROM ", from, " OUTPUT ", values, " INTO ", into, " (", columns, ") WHERE ", where))
}

// PrepareMove makes the session's table like the columns that are moved.
func (d Dialect) PrepareMove(table string, a dialect.Audit) []dialect.SQL {
	if !a.Guarded {
		return nil
	}
	a.Invalidated = ""
	_, values := a.Into(d, "t")
	return []dialect.SQL{dialect.Concat("SELECT TOP (0) ", values, " INTO ", moved, " FROM ", d.Table(table), " AS t")}
}

// DeleteVia joins from the child to the root. Correlation names are the tables'
// own: what is deleted from must not be looked up in the user's schema.
func (d Dialect) DeleteVia(path []schema.Hop, where dialect.SQL) dialect.SQL {
	child := d.Quote(path[0].Table)
	from := d.Table(path[0].Table) + " AS " + child
	for _, h := range path {
		from += " JOIN " + d.Table(h.Parent) + " AS " + d.Quote(h.Parent) + " ON " + dialect.OnHop(d, h)
	}
	return d.Bind(dialect.Concat("DELETE ", child, " FROM ", from, " WHERE ", where))
}

// Counted asks for @@ROWCOUNT, which a trigger does not change. The driver adds
// up all counts that the server sends, those of triggers included.
func (Dialect) Counted(statement dialect.SQL) dialect.SQL {
	return dialect.Concat(statement, "; SELECT @@ROWCOUNT")
}

// MaxRowLocks is 4,500: at 5,000 locks of a statement on one table or index the
// server tries to lock the whole table instead (lock escalation).
func (Dialect) MaxRowLocks() int { return 4500 }

// LogUse counts the largest size in pages: no limit is the 2 TiB that a log file
// can have. It needs VIEW SERVER STATE (2022: VIEW SERVER PERFORMANCE STATE), on Azure
// SQL VIEW DATABASE STATE.
func (Dialect) LogUse() dialect.SQL {
	return dialect.Text("SELECT CAST(u.used_log_space_in_percent AS FLOAT), " +
		"100E0 * u.used_log_space_in_bytes / (8192E0 * f.largest), d.recovery_model_desc, d.log_reuse_wait_desc " +
		"FROM sys.dm_db_log_space_usage AS u " +
		"CROSS JOIN (SELECT SUM(CASE WHEN growth = 0 OR max_size = 0 THEN size WHEN max_size = -1 THEN 268435456 ELSE max_size END) AS largest " +
		"FROM sys.database_files WHERE type = 1) AS f CROSS JOIN sys.databases AS d WHERE d.database_id = DB_ID()")
}

// LockRun is sp_getapplock for the session. The name of the database is part of
// the lock's, although the server keeps the locks of databases apart: Babelfish
// does not. It waits a few seconds, because the session of a program that was
// killed lives on until the server notices. A lock belongs to the session, which
// may take it again.
func (d Dialect) LockRun(name string) dialect.SQL {
	return d.Bind(dialect.Concat(lockName(name), "DECLARE @got INT; EXEC @got = sp_getapplock @Resource = @lock, @LockMode = 'Exclusive', "+
		"@LockOwner = 'Session', @LockTimeout = 5000; SELECT CASE WHEN @got >= 0 THEN 1 ELSE 0 END"))
}

// UnlockRun is sp_releaseapplock.
func (d Dialect) UnlockRun(name string) dialect.SQL {
	return d.Bind(dialect.Concat(lockName(name), "EXEC sp_releaseapplock @Resource = @lock, @LockOwner = 'Session'"))
}

func lockName(name string) dialect.SQL {
	return dialect.Concat("DECLARE @lock NVARCHAR(255) = ", dialect.Value(name), " + N'-' + DB_NAME(); ")
}

// CreateLedger keeps keys as bytes, so that no collation has a say in where a run
// resumes.
func (d Dialect) CreateLedger(table string) string {
	name := strings.ReplaceAll(d.Table(table), "'", "''")
	return "IF OBJECT_ID(N'" + name + "') IS NULL CREATE TABLE " + d.Table(table) + " (" +
		"RUN_ID CHAR(32) NOT NULL, BATCH BIGINT NOT NULL, PHASE VARCHAR(64) NOT NULL, AFTER_KEY VARBINARY(1700) NULL, " +
		"THROUGH_KEY VARBINARY(1700) NULL, EXAMINED BIGINT NOT NULL, REMOVED BIGINT NOT NULL, AUDITED BIGINT NOT NULL, " +
		"DETAIL NVARCHAR(MAX) NULL, WRITTEN_AT CHAR(19) NOT NULL, PRIMARY KEY (RUN_ID, BATCH))"
}

// Grant is per table, but for the ledger, which takes two wider privileges.
func (d Dialect) Grant(privilege, schemaName, table string) string {
	if privilege == dialect.Ledger {
		return "GRANT CREATE TABLE TO that user; GRANT ALTER, SELECT, INSERT ON SCHEMA::" + d.Quote(schemaName) + " TO that user"
	}
	return "GRANT SELECT, " + privilege + " ON " + d.Quote(schemaName) + "." + d.Quote(table) + " TO that user"
}

// CopyRows is a bulk load that checks foreign keys, so that they stay trusted,
// and keeps NULL where the column has a default. It locks the whole table.
func (d Dialect) CopyRows(table string, columns []string) string {
	return mssql.CopyIn(d.Table(table), mssql.BulkOptions{CheckConstraints: true, KeepNulls: true, Tablock: true}, columns...)
}
