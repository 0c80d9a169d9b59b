package dump

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"
)

// headerRow is a row of RESTORE HEADERONLY as the driver delivers it.
func headerRow(position, kind int, database string, more ...any) record {
	r := record{"backupname": nil, "position": int64(position), "backuptype": int64(kind), "databasename": database,
		"backupsize": []byte("104857600"), "backupfinishdate": time.Date(2026, 11, 25, 4, 36, 8, 0, time.UTC),
		"softwareversionmajor": int64(15), "softwareversionminor": int64(0), "softwareversionbuild": int64(4312),
		"compatibilitylevel": int64(150), "collation": "SQL_Latin1_General_CP1_CS_AS", "isdamaged": false, "keyalgorithm": nil, "encryptorthumbprint": nil}
	for i := 0; i < len(more); i += 2 {
		r[more[i].(string)] = more[i+1]
	}
	return r
}

func setsOf(headers ...record) []backupSet {
	var sets []backupSet
	for _, h := range headers {
		sets = append(sets, setOf(h))
	}
	return sets
}

// fileRow is a row of RESTORE FILELISTONLY.
func fileRow(id int, logical, physical, kind string) record {
	return record{"logicalname": logical, "physicalname": physical, "type": kind, "fileid": int64(id), "tdethumbprint": nil}
}

func filesOf(rows ...record) []backupFile {
	var files []backupFile
	for _, r := range rows {
		files = append(files, fileOf(r))
	}
	return files
}

func sqlServer2022() *restorer {
	return &restorer{server: server{SQLServer, "16.0.4135.4"}, edition: 3, dataDir: "/var/opt/mssql/data/", logDir: "/var/opt/mssql/log"}
}

func TestBackupSetsAreReadAsTheServerTellsThem(t *testing.T) {
	t.Parallel()
	require.Equal(t, backupSet{position: 2, kind: 1, database: "WSO2AM_DB", finished: time.Date(2026, 11, 25, 4, 36, 8, 0, time.UTC), bytes: 100 << 20,
		version: "15.0.4312", major: 15, compatibility: 150, collation: "SQL_Latin1_General_CP1_CS_AS", algorithm: "aes_256", thumbprint: []byte{1, 2}},
		setOf(headerRow(2, 1, "WSO2AM_DB", "keyalgorithm", "aes_256", "encryptorthumbprint", []byte{1, 2})))
	require.True(t, setOf(record{"backupname": "*** INCOMPLETE ***", "position": int64(1)}).incomplete)
}

func TestTheLastFullBackupIsRestored(t *testing.T) {
	t.Parallel()
	sets := setsOf(headerRow(1, 1, "WSO2AM_DB"), headerRow(2, 5, "WSO2AM_DB"), headerRow(3, 1, "wso2am_db"), headerRow(4, 2, "WSO2AM_DB"),
		record{"backupname": "*** INCOMPLETE ***", "position": int64(5)})
	set, err := chooseSet(sets, "")
	require.NoError(t, err)
	require.Equal(t, 3, set.position)
	require.Equal(t, "transaction log", later(sets, set))

	two := setsOf(headerRow(1, 1, "WSO2AM_DB"), headerRow(2, 1, "WSO2_SHARED_DB"), headerRow(3, 5, "WSO2AM_DB"))
	set, err = chooseSet(two, "wso2_shared_db")
	require.NoError(t, err)
	require.Equal(t, 2, set.position)
	require.Empty(t, later(two, set))
	set, err = chooseSet(setsOf(headerRow(1, 1, "WSO2AM_DB"), headerRow(2, 2, "OTHER")), "")
	require.NoError(t, err)
	require.Equal(t, 1, set.position, "the only database with a full one")
}

func TestBackupsThatCannotBeRestoredAreRefused(t *testing.T) {
	t.Parallel()
	good := headerRow(1, 1, "WSO2AM_DB")
	babelfish := sqlServer2022()
	babelfish.server = server{"Babelfish", "12.0.2000.8"}
	azure, taken := sqlServer2022(), sqlServer2022()
	azure.edition, taken.databaseIsThere = 5, true
	tde := fileRow(1, "WSO2AM_DB", "x.mdf", "D")
	tde["tdethumbprint"] = []byte{0xab, 0xcd}
	keyed := sqlServer2022()
	keyed.thumbprints = [][]byte{{0xab, 0xcd}}
	nowhere := sqlServer2022()
	nowhere.dataDir = ""
	encrypted := headerRow(1, 1, "WSO2AM_DB", "keyalgorithm", "aes_256", "encryptorthumbprint", []byte{0xab, 0xcd})

	for name, c := range map[string]struct {
		on       *restorer
		sets     []backupSet
		wanted   string
		families int
		files    []backupFile
		kind     Kind
		says     string
	}{
		"good":              {sqlServer2022(), setsOf(good), "", 1, nil, 0, ""},
		"Babelfish":         {babelfish, setsOf(good), "", 1, nil, WrongServer, "Babelfish 12.0.2000.8 cannot restore a backup file of SQL Server: use a throw-away SQL Server in a container, or give a script (.sql)"},
		"Azure SQL":         {azure, setsOf(good), "", 1, nil, WrongServer, "the server is Azure SQL Database and does not restore a backup file"},
		"database is there": {taken, setsOf(good), "", 1, nil, BadTarget, "the database fresh exists already"},
		"nothing in it":     {sqlServer2022(), nil, "", 1, nil, NotADump, "holds no backup"},
		"broken off":        {sqlServer2022(), setsOf(record{"backupname": "*** INCOMPLETE ***"}), "", 1, nil, Truncated, "broken off"},
		"two databases":     {sqlServer2022(), setsOf(good, headerRow(2, 1, "OTHER")), "", 1, nil, WhichSchema, "choose one with --schema: WSO2AM_DB, OTHER"},
		"another database":  {sqlServer2022(), setsOf(good), "apim", 1, nil, WhichSchema, `no backup of the database "apim": it holds WSO2AM_DB`},
		"differential":      {sqlServer2022(), setsOf(headerRow(1, 5, "WSO2AM_DB")), "", 1, nil, NotADump, "no full backup of WSO2AM_DB but a differential backup, which needs the full one"},
		"logs":              {sqlServer2022(), setsOf(headerRow(1, 2, "WSO2AM_DB"), headerRow(2, 2, "WSO2AM_DB")), "", 1, nil, NotADump, "but a transaction log backup"},
		"a stripe":          {sqlServer2022(), setsOf(good), "", 3, nil, Truncated, "striped over 3 files"},
		"damaged":           {sqlServer2022(), setsOf(headerRow(1, 1, "WSO2AM_DB", "isdamaged", true)), "", 1, nil, Damaged, "back up again"},
		"newer":             {sqlServer2022(), setsOf(headerRow(1, 1, "WSO2AM_DB", "softwareversionmajor", int64(17))), "", 1, nil, WrongServer, "version 17.0.4312, and the server at hand is SQL Server 16.0.4135.4"},
		"encrypted":         {sqlServer2022(), setsOf(encrypted), "", 1, nil, WrongServer, "encrypted (aes_256) and the server does not have its certificate or key (thumbprint ABCD)"},
		"with its key":      {keyed, setsOf(encrypted), "", 1, filesOf(tde), 0, ""},
		"TDE":               {sqlServer2022(), setsOf(good), "", 1, filesOf(tde), WrongServer, "encrypted (TDE)"},
		"no files":          {sqlServer2022(), setsOf(good), "", 1, []backupFile{}, NotADump, "no file"},
		"no directory":      {nowhere, setsOf(good), "", 1, nil, BadTarget, "name the directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.files == nil {
				c.files = filesOf(fileRow(1, "WSO2AM_DB", "x.mdf", "D"))
			}
			err := decide(c.on, c.sets, c.wanted, c.families, c.files)
			if c.kind == 0 {
				require.NoError(t, err)
				return
			}
			var f *Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, c.kind, f.Kind, "%v", f)
			require.Contains(t, f.Message, c.says)
		})
	}
}

// decide goes through the checks in the order of RestoreBackup.
func decide(on *restorer, sets []backupSet, wanted string, families int, files []backupFile) error {
	if err := on.check("fresh"); err != nil {
		return err
	}
	if err := mediaOf([]record{{"familycount": int64(families)}}).check(); err != nil {
		return err
	}
	set, err := chooseSet(sets, wanted)
	if err != nil {
		return err
	}
	if err := on.checkSet(set); err != nil {
		return err
	}
	if err := on.checkFiles(files); err != nil {
		return err
	}
	_, err = on.restoreStatement("x.bak", "fresh", set, files)
	return err
}

// The statements are in testdata, to be read.
func TestRestoreStatements(t *testing.T) {
	t.Parallel()
	windows := sqlServer2022()
	windows.dataDir, windows.logDir = `C:\Program Files\Microsoft SQL Server\MSSQL16.MSSQLSERVER\MSSQL\DATA\`, ""
	for name, c := range map[string]struct {
		on             *restorer
		path, database string
		set            backupSet
		files          []backupFile
	}{
		"simple": {sqlServer2022(), "/var/opt/mssql/backup/prod.bak", "tokensweep_1", setOf(headerRow(1, 1, "WSO2AM_DB")),
			filesOf(fileRow(1, "WSO2AM_DB", "/var/opt/mssql/data/WSO2AM_DB.mdf", "D"), fileRow(2, "WSO2AM_DB_log", "/var/opt/mssql/data/WSO2AM_DB_log.ldf", "L"))},
		"all-kinds-of-files": {windows, `\\backup\it's here\prod.bak`, "a]b/c d", setOf(headerRow(3, 1, "WSO2AM_DB")),
			filesOf(fileRow(1, "WSO2AM_DB", `D:\DATA\WSO2AM_DB.mdf`, "D"), fileRow(2, "WSO2AM_DB_log", `L:\WSO2AM_DB.ldf`, "L"), fileRow(3, "indexes", `D:\DATA\WSO2AM_DB.ndf`, "D"),
				fileRow(4, "more logs", `D:\log2.ldf`, "L"), fileRow(65537, "O'Hara's files", `D:\files`, "S"), fileRow(65539, "sysft_catalog", `D:\FTData`, "F"))},
	} {
		statement, err := c.on.restoreStatement(c.path, c.database, &c.set, c.files)
		require.NoError(t, err)
		golden(t, filepath.Join("testdata", "backup", name+".sql"), statement+"\n")
	}

	var mended []string
	for _, d := range []databaseState{
		{state: "ONLINE", access: "MULTI_USER", snapshot: 1},
		{state: "ONLINE", access: "SINGLE_USER", readOnly: true},
	} {
		statements, err := d.mend("tokensweep_1")
		require.NoError(t, err)
		mended = append(mended, fmt.Sprintf("-- %+v", d))
		mended = append(mended, statements...)
	}
	golden(t, filepath.Join("testdata", "backup", "mend.sql"), strings.Join(mended, "\n")+"\n")
	_, err := databaseState{state: "RESTORING"}.mend("x")
	require.ErrorContains(t, err, "in the state RESTORING instead of ONLINE")
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "-update writes it anew")
}

// RESTORE ends with error 3013, which says nothing: what counts is the one
// before it.
func TestTheFirstErrorOfRestoreIsSaid(t *testing.T) {
	t.Parallel()
	end := mssql.Error{Number: 3013, Message: "RESTORE DATABASE is terminating abnormally."}
	for number, c := range map[int32]struct {
		kind Kind
		says string
	}{
		3201: {Unreadable, "copy it to where the server finds it"},
		3241: {Damaged, "newer image"},
		3132: {Truncated, "striped"},
		3169: {WrongServer, "same version or a newer one"},
		5133: {BadTarget, "directory"},
		3234: {Failed, "SQL Server 16.0.4135.4 cannot restore the backup: error 3234: what happened"},
	} {
		cause := end
		cause.All = []mssql.Error{{Number: number, Message: "what happened"}, end}
		var f *Error
		require.ErrorAs(t, explainBackup(cause, sqlServer2022().server), &f)
		require.Equal(t, c.kind, f.Kind)
		require.Contains(t, f.Message, fmt.Sprintf("error %d: what happened", number))
		require.Contains(t, f.Message, c.says)
		require.NotContains(t, f.Message, "3013")
	}
	var f *Error
	require.ErrorAs(t, explainBackup(context.DeadlineExceeded, server{}), &f)
	require.True(t, errors.Is(f, context.DeadlineExceeded))
}
