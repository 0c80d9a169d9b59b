package dump

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
)

// backupSet is one backup in a backup file, as RESTORE HEADERONLY tells of it.
type backupSet struct {
	position      int // in the file, from 1
	kind          int // a key of kindOfBackup
	database      string
	finished      time.Time // by the clock of its server, which does not tell its zone
	bytes         int64     // before compression
	version       string    // of its server, such as 15.0.4312
	major         int       // its first number
	compatibility int       // level of the database
	collation     string
	// algorithm is how the backup is encrypted, and thumbprint the certificate or
	// key that it takes; empty when it is not encrypted.
	algorithm  string
	thumbprint []byte
	damaged    bool // the server found so when it made the backup
	incomplete bool // the backup was broken off; of most of the above nothing is known
}

// full reports whether it is a backup of a whole database.
func (b *backupSet) full() bool { return b.kind == 1 }

// kindOfBackup is how SQL Server calls the types.
var kindOfBackup = map[int]string{
	1: "full", 2: "transaction log", 4: "file", 5: "differential", 6: "differential file", 7: "partial", 8: "differential partial",
}

// called is how SQL Server calls the type of the backup.
func (b *backupSet) called() string {
	return orElse(kindOfBackup[b.kind], fmt.Sprintf("type %d", b.kind))
}

// backupFile is one file of a backed up database, as RESTORE FILELISTONLY tells
// of it.
type backupFile struct {
	logical string
	// kind is D for rows, L for the log, S for FILESTREAM and memory-optimized
	// tables, F for a full-text catalog.
	kind string
	id   int
	// thumbprint is the certificate that encrypts the database itself (TDE).
	thumbprint []byte
}

// backupMedia is what RESTORE LABELONLY tells of a backup file.
type backupMedia struct{ families int }

// restorer is the server that a backup is restored on, as far as it matters.
type restorer struct {
	server
	// edition is SERVERPROPERTY('EngineEdition').
	edition         int
	dataDir, logDir string
	thumbprints     [][]byte // of the certificates and keys that it has
	databaseIsThere bool     // one with the name of the new one
}

// cannotRestore are editions that do not restore files.
var cannotRestore = map[int]string{
	5: "Azure SQL Database", 6: "Azure Synapse", 8: "Azure SQL Managed Instance, which only restores from a URL", 11: "Azure Synapse serverless",
	12: "SQL database in Microsoft Fabric",
}

// check refuses a server that cannot restore backup files.
func (r *restorer) check(database string) error {
	const instead = "use a throw-away SQL Server in a container, or give a script (.sql) instead of a backup"
	switch name, cannot := cannotRestore[r.edition]; {
	case r.product != SQLServer:
		return fault(WrongServer, 0, nil, "%s cannot restore a backup file of SQL Server: %s", r.server, instead)
	case cannot:
		return fault(WrongServer, 0, nil, "the server is %s and does not restore a backup file: %s", name, instead)
	case r.databaseIsThere:
		return fault(BadTarget, 0, nil, "the database %s exists already: a backup is only restored into a new one", database)
	}
	return nil
}

// chooseSet picks the backup to restore: the last full one of the database.
func chooseSet(sets []backupSet, wanted string) (*backupSet, error) {
	if len(sets) == 0 {
		return nil, fault(NotADump, 0, nil, "the file holds no backup")
	}
	database, err := chooseDatabase(sets, wanted)
	if err != nil {
		return nil, err
	}
	var last *backupSet
	kinds := map[string]bool{}
	for i := range sets {
		if s := &sets[i]; strings.EqualFold(s.database, database) {
			if kinds[s.called()] = true; s.full() {
				last = s
			}
		}
	}
	if last == nil {
		return nil, fault(NotADump, 0, nil, "the file holds no full backup of %s but a %s backup, which needs the full one before it: give a file of BACKUP DATABASE without DIFFERENTIAL",
			database, strings.Join(slices.Sorted(maps.Keys(kinds)), " and a "))
	}
	return last, nil
}

// chooseDatabase picks one of the databases in the file.
func chooseDatabase(sets []backupSet, wanted string) (string, error) {
	databases, full := databasesOf(sets, false), databasesOf(sets, true)
	switch {
	case len(databases) == 0:
		return "", fault(Truncated, 0, nil, "the backup was broken off while it was made: back up again")
	case wanted == "" && len(full) > 1:
		return "", fault(WhichSchema, 0, nil, "the file holds backups of %d databases: choose one with --schema: %s", len(full), strings.Join(full, ", "))
	case wanted == "" && len(full) == 1:
		return full[0], nil
	case wanted == "":
		return databases[0], nil
	case !slices.ContainsFunc(databases, func(d string) bool { return strings.EqualFold(d, wanted) }):
		return "", fault(WhichSchema, 0, nil, "the file holds no backup of the database %q: it holds %s", wanted, strings.Join(databases, ", "))
	}
	return wanted, nil
}

// later says what backups of the same database follow one in the file.
func later(sets []backupSet, chosen *backupSet) string {
	kinds := map[string]bool{}
	for _, s := range sets {
		if s.position > chosen.position && strings.EqualFold(s.database, chosen.database) {
			kinds[s.called()] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(kinds)), " and ")
}

// databasesOf lists the databases in the file, or those with a full backup.
func databasesOf(sets []backupSet, full bool) []string {
	var names []string
	for _, s := range sets {
		if !s.incomplete && (!full || s.full()) && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, s.database) }) {
			names = append(names, s.database)
		}
	}
	return names
}

// check refuses one file of several.
func (m backupMedia) check() error {
	if m.families > 1 {
		return fault(Truncated, 0, nil, "the backup is striped over %d files, and this is one of them: back up again to one file", m.families)
	}
	return nil
}

// checkSet refuses a backup that the server cannot restore.
func (r *restorer) checkSet(s *backupSet) error {
	major, _ := release(r.version)
	switch {
	case s.damaged:
		return fault(Damaged, 0, nil, "the server that made the backup found it damaged: back up again")
	case major > 0 && s.major > major:
		return fault(WrongServer, 0, nil, "the backup is of SQL Server version %s, and the server at hand is %s: a backup is only restored on the same version or a newer one; use a newer image with --image",
			s.version, r.server)
	case s.algorithm != "" && !r.holds(s.thumbprint):
		return fault(WrongServer, 0, nil, "the backup is encrypted (%s) and the server does not have its certificate or key (thumbprint %X): back up again without ENCRYPTION, or give --dsn of a server that has it",
			s.algorithm, s.thumbprint)
	}
	return nil
}

// checkFiles refuses a database that is encrypted itself.
func (r *restorer) checkFiles(files []backupFile) error {
	if len(files) == 0 {
		return fault(NotADump, 0, nil, "the backup holds no file of a database")
	}
	for _, f := range files {
		if len(f.thumbprint) > 0 && !r.holds(f.thumbprint) {
			return fault(WrongServer, 0, nil, "the database is encrypted (TDE) and the server does not have its certificate (thumbprint %X): restore the certificate there first, or script the database",
				f.thumbprint)
		}
	}
	return nil
}

func (r *restorer) holds(thumbprint []byte) bool {
	return slices.ContainsFunc(r.thumbprints, func(t []byte) bool { return string(t) == string(thumbprint) })
}

// restoreStatement makes the statement that restores a backup under a new name.
// Every file of the database gets a place of its own, whatever it had before.
func (r *restorer) restoreStatement(path, database string, s *backupSet, files []backupFile) (string, error) {
	if r.dataDir == "" {
		return "", fault(BadTarget, 0, nil, "the server does not say where its data files go: name the directory")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "RESTORE DATABASE %s FROM DISK = %s\nWITH FILE = %d", quoteBrackets(database), quoteText(path), s.position)
	for _, f := range files {
		fmt.Fprintf(&b, ",\n     MOVE %s TO %s", quoteText(f.logical), quoteText(r.place(database, f)))
	}
	b.WriteString(",\n     RECOVERY, STATS = 5")
	return b.String(), nil
}

// place is where a file of the new database goes.
func (r *restorer) place(database string, f backupFile) string {
	dir, suffix := r.dataDir, ""
	switch {
	case f.kind == "L":
		dir, suffix = orElse(r.logDir, r.dataDir), ".ldf"
	case f.kind == "D" && f.id == 1:
		suffix = ".mdf"
	case f.kind == "D":
		suffix = ".ndf"
	}
	separator := "/"
	if strings.Contains(dir, `\`) {
		separator = `\`
	}
	return strings.TrimRight(dir, `/\`) + separator + plain(database) + fmt.Sprintf("_%d", f.id) + suffix
}

// plain is a name with nothing that a file name must not have.
func plain(name string) string {
	return strings.Map(func(c rune) rune {
		if c == '-' || c < 0x80 && mysqltext.IsWord(byte(c)) {
			return c
		}
		return '_'
	}, name)
}

func quoteText(s string) string { return "N'" + strings.ReplaceAll(s, "'", "''") + "'" }

// databaseState is how a restored database came up.
type databaseState struct {
	state, access string // state_desc and user_access_desc of sys.databases
	readOnly      bool
	snapshot      int // snapshot_isolation_state; 1 is on
}

// mend makes the statements that let a database be cleaned and verified: as it
// was backed up, it may be read-only or for one user. The verifier reads under
// SNAPSHOT isolation.
func (d databaseState) mend(database string) ([]string, error) {
	if d.state != "ONLINE" {
		return nil, fault(Failed, 0, nil, "the restored database is in the state %s instead of ONLINE: the error log of the server says why", d.state)
	}
	var statements []string
	set := func(option string) {
		statements = append(statements, "ALTER DATABASE "+quoteBrackets(database)+" SET "+option)
	}
	if d.access != "MULTI_USER" {
		set("MULTI_USER")
	}
	if d.readOnly {
		set("READ_WRITE")
	}
	if d.snapshot != 1 {
		set("ALLOW_SNAPSHOT_ISOLATION ON")
	}
	return statements, nil
}
