package tsql

import "strings"

// objectActions says what becomes of CREATE, ALTER and DROP by what they are
// about. One that is missing is refused.
var objectActions = func() map[string]Action {
	is := map[string]Action{}
	for _, object := range []string{"TABLE", "VIEW", "PROCEDURE", "FUNCTION", "TRIGGER", "INDEX", "TYPE", "SEQUENCE", "SCHEMA",
		"DEFAULT", "RULE", "SYNONYM", "STATISTICS", "PARTITION FUNCTION", "PARTITION SCHEME", "XML SCHEMA", "XML INDEX"} {
		is[object] = Run
	}
	for _, object := range []string{"DATABASE", "USER", "LOGIN", "ROLE", "APPLICATION ROLE", "SERVER ROLE", "SERVER AUDIT", "SERVER CONFIGURATION",
		"FULLTEXT INDEX", "FULLTEXT CATALOG", "FULLTEXT STOPLIST", "SEARCH PROPERTY",
		"CERTIFICATE", "SYMMETRIC KEY", "ASYMMETRIC KEY", "MASTER KEY", "COLUMN MASTER", "COLUMN ENCRYPTION", "CREDENTIAL", "CRYPTOGRAPHIC PROVIDER",
		"ENDPOINT", "EVENT SESSION", "EVENT NOTIFICATION", "MESSAGE TYPE", "CONTRACT", "QUEUE", "SERVICE", "ROUTE", "REMOTE SERVICE", "BROKER PRIORITY",
		"AUTHORIZATION", "AVAILABILITY GROUP", "RESOURCE POOL", "RESOURCE GOVERNOR", "WORKLOAD GROUP", "WORKLOAD CLASSIFIER",
		"EXTERNAL TABLE", "EXTERNAL DATA", "EXTERNAL FILE", "EXTERNAL LIBRARY", "EXTERNAL LANGUAGE", "EXTERNAL RESOURCE", "EXTERNAL MODEL",
		"ASSEMBLY", "AGGREGATE", "SECURITY POLICY"} {
		is[object] = Skip
	}
	return is
}()

// twoWords are the first words of object types that have two.
var twoWords = words("APPLICATION SERVER FULLTEXT SEARCH SYMMETRIC ASYMMETRIC MASTER COLUMN CRYPTOGRAPHIC EVENT MESSAGE REMOTE BROKER" +
	" AVAILABILITY RESOURCE WORKLOAD EXTERNAL SECURITY PARTITION XML")

// indexWords may stand between CREATE and INDEX.
var indexWords = words("UNIQUE CLUSTERED NONCLUSTERED COLUMNSTORE PRIMARY SPATIAL")

// verbActions are those of the other statements.
var verbActions = map[string]Action{
	"INSERT": Run, "UPDATE": Run, "DELETE": Run, "MERGE": Run, "TRUNCATE": Run, "ENABLE": Run, "DISABLE": Run, // of a trigger

	"USE": Skip, "GRANT": Skip, "DENY": Skip, "REVOKE": Skip, "ADD": Skip, // ADD SIGNATURE, ADD SENSITIVITY CLASSIFICATION
	"BACKUP": Skip, "RESTORE": Skip, "DBCC": Skip, "KILL": Skip, "SHUTDOWN": Skip, "RECONFIGURE": Skip, "CHECKPOINT": Skip, "WAITFOR": Skip,
	"REVERT": Skip, "SETUSER": Skip, "SELECT": Skip,

	"PRINT": Neutral, "RAISERROR": Neutral, "THROW": Neutral, "DECLARE": Neutral, "RETURN": Neutral, "BREAK": Neutral, "CONTINUE": Neutral,
	"BEGIN": Neutral, "COMMIT": Neutral, "ROLLBACK": Neutral, "SAVE": Neutral, // transactions
	"OPEN": Neutral, "CLOSE": Neutral, "FETCH": Neutral, "DEALLOCATE": Neutral, // cursors
}

// ownSettings are options of SET that the restore sees to by itself, or that
// would stop statements from running.
var ownSettings = words("IMPLICIT_TRANSACTIONS XACT_ABORT NOEXEC PARSEONLY FMTONLY ROWCOUNT NOCOUNT SHOWPLAN_ALL SHOWPLAN_TEXT SHOWPLAN_XML STATISTICS CONTEXT_INFO")

// procedures are those of the server's that belong to the objects of a database.
var procedures = words("SP_BINDEFAULT SP_UNBINDEFAULT SP_BINDRULE SP_UNBINDRULE SP_ADDTYPE SP_DROPTYPE SP_TABLEOPTION SP_SETTRIGGERORDER" +
	" SP_RENAME SP_INDEXOPTION SP_REFRESHVIEW SP_REFRESHSQLMODULE SP_RECOMPILE")

// procedureAction is what becomes of EXEC of a procedure by its name.
func procedureAction(n Name) (Action, string) {
	upper := strings.ToUpper(n.Object)
	switch {
	case procedures[upper]:
		return Run, ""
	case strings.HasPrefix(upper, "SP_"), strings.HasPrefix(upper, "XP_"), strings.EqualFold(n.Schema, "sys"), strings.EqualFold(n.Database, "msdb"):
		return Skip, ""
	}
	return Refuse, "it calls a procedure, and what that does is not known here"
}

func words(list string) map[string]bool {
	is := map[string]bool{}
	for _, w := range strings.Fields(list) {
		is[w] = true
	}
	return is
}
