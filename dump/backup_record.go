package dump

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// record is a row by the names of its columns in lower case. The columns that
// RESTORE HEADERONLY and the like return grow with every version.
type record map[string]any

func records(ctx context.Context, conn *sql.Conn, query string) ([]record, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // the error comes from Err
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all []record
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r := record{}
		for i, c := range columns {
			r[strings.ToLower(c)] = values[i]
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// text is a text, or empty for NULL and a column that this version has not.
func (r record) text(column string) string {
	switch v := r[column].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func (r record) bytes(column string) []byte {
	b, _ := r[column].([]byte)
	return b
}

// number is a number, whether the column is an integer or a NUMERIC.
func (r record) number(column string) int64 {
	switch v := r[column].(type) {
	case int64:
		return v
	case bool:
		if v {
			return 1
		}
	case []byte:
		n, _ := strconv.ParseInt(string(v), 10, 64)
		return n
	}
	return 0
}

func (r record) flag(column string) bool { return r.number(column) != 0 }

func (r record) clock(column string) time.Time {
	t, _ := r[column].(time.Time)
	return t
}

// setOf reads a row of RESTORE HEADERONLY.
func setOf(r record) backupSet {
	return backupSet{
		position: int(r.number("position")), kind: int(r.number("backuptype")), database: r.text("databasename"),
		finished: r.clock("backupfinishdate"), bytes: r.number("backupsize"),
		version: fmt.Sprintf("%d.%d.%d", r.number("softwareversionmajor"), r.number("softwareversionminor"), r.number("softwareversionbuild")),
		major:   int(r.number("softwareversionmajor")), compatibility: int(r.number("compatibilitylevel")), collation: r.text("collation"),
		algorithm: r.text("keyalgorithm"), thumbprint: r.bytes("encryptorthumbprint"),
		damaged: r.flag("isdamaged"), incomplete: r.text("backupname") == "*** INCOMPLETE ***",
	}
}

// fileOf reads a row of RESTORE FILELISTONLY.
func fileOf(r record) backupFile {
	return backupFile{logical: r.text("logicalname"), kind: strings.TrimSpace(r.text("type")), id: int(r.number("fileid")), thumbprint: r.bytes("tdethumbprint")}
}

// mediaOf reads the row of RESTORE LABELONLY.
func mediaOf(labels []record) backupMedia {
	if len(labels) == 0 {
		return backupMedia{}
	}
	return backupMedia{families: int(labels[0].number("familycount"))}
}
