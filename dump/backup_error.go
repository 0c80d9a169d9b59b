package dump

// backupFaults says what the errors of RESTORE come to. Those that are missing
// are Failed.
var backupFaults = map[int32]struct {
	kind   Kind
	remedy string
}{
	3201: {Unreadable, "the server cannot open the file: copy it to where the server finds it, and let the account read it that runs the server"},
	3203: {Truncated, "the server cannot read the file to its end: it is cut off; copy it again"},
	3241: {Damaged, "the file is damaged, or of a version of SQL Server that the server does not know: copy it again, or use a newer image with --image"},
	3242: {NotADump, "the file is no backup of SQL Server"},
	3132: {Truncated, "the backup is striped over several files: back up again to one file"},
	3169: {WrongServer, "a backup is only restored on the same version or a newer one: use a newer image with --image"},
	3183: {Damaged, "the backup is damaged: back up again, or copy the file again"},
	3189: {Damaged, "the backup is damaged: back up again, or copy the file again"},
	3256: {Truncated, "the backup was broken off while it was made: back up again"},
	3257: {Failed, "make room on the disk of the throw-away server"},
	3634: {BadTarget, "the server cannot write there: let the account write that runs the server"},
	5133: {BadTarget, "the directory for the new database is not there, or the account that runs the server cannot write to it"},
	1834: {BadTarget, "another database has files with these names: take another name for the new database"},
	1835: {BadTarget, "another database has files with these names: take another name for the new database"},
	1801: {BadTarget, "a backup is only restored into a new database"},
	3154: {BadTarget, "a backup is only restored into a new database"},
	909:  {WrongServer, "the database uses what this edition of SQL Server does not have: use the Developer edition"},
	1827: {WrongServer, "the edition of the throw-away server (Express) holds no more than 10 GB: use the Developer edition"},

	12824: {BadTarget, "the database is contained: run sp_configure 'contained database authentication', 1 and RECONFIGURE on the throw-away server"},
	33111: {WrongServer, "the database or the backup is encrypted: restore its certificate on the throw-away server first, or script the database"},
	40510: {WrongServer, "use a throw-away SQL Server in a container, or give a script (.sql) instead of a backup"},
	262:   {BadTarget, "the user needs the right to create databases (CREATE ANY DATABASE, or the role dbcreator)"},
	3110:  {BadTarget, "the user needs the right to create databases (CREATE ANY DATABASE, or the role dbcreator)"},
}

// explainBackup makes the Error for what the server said of a backup file.
func explainBackup(err error, s server) error {
	e, is := serverError(err)
	if !is {
		return fault(Failed, 0, err, "the connection to %s broke: %v", s, err)
	}
	known, found := backupFaults[e.Number]
	if !found {
		return fault(Failed, 0, err, "%s cannot restore the backup: %s", s, firstMessage(err))
	}
	return fault(known.kind, 0, err, "%s: %s", firstMessage(err), known.remedy)
}
