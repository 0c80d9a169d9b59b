package backup

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tokensweep/tokensweep/dialect"
)

// String is a value for people: bytes that are no text as 0x…, NULL as NULL.
func (c Cell) String() string {
	switch {
	case c.Null():
		return "NULL"
	case c.Form == dialect.Binary, !utf8.Valid(c.Bytes):
		return "0x" + hex.EncodeToString(c.Bytes)
	}
	return string(c.Bytes)
}

// secrets are columns whose values let their holder in, or stand in for such a
// value.
var secrets = []string{
	"ACCESS_TOKEN", "REFRESH_TOKEN", "ACCESS_TOKEN_HASH", "REFRESH_TOKEN_HASH", "AUTHORIZATION_CODE", "AUTHORIZATION_CODE_HASH",
	"AUTH_REQ_ID", "TOKEN_BINDING_VALUE", "SESSION_DATA_KEY", "PKCE_CODE_CHALLENGE", "DPOP_JKT",
}

func isSecret(column string) bool {
	upper := strings.ToUpper(column)
	return slices.Contains(secrets, upper) || strings.Contains(upper, "SECRET") || strings.Contains(upper, "PASSWORD")
}

// Row is a row of a backup for people.
type Row struct {
	Batch   int64
	Table   string
	Columns []string
	Values  []string // secrets are masked
}

// Show calls visit for the rows of a token, or of all if tokenID is "": each row
// that was cleaned, then what went with it. Values of tokens, codes and the like are
// masked unless secrets is true. visit ends it by returning false.
func (f *File) Show(tokenID string, secrets bool, visit func(Row) bool) error {
	only := chosen{}
	if tokenID != "" {
		only.tokens = map[string]bool{tokenID: true}
	}
	for i := range f.Batches {
		groups, err := f.load(&f.Batches[i])
		if err != nil {
			return err
		}
		for _, g := range groups {
			if !only.takes(f, g) {
				continue
			}
			if !visit(f.row(g.batch, g.phase.Table, g.cells, secrets)) {
				return nil
			}
			for _, c := range g.children {
				if !visit(f.row(g.batch, c.table, c.cells, secrets)) {
					return nil
				}
			}
		}
	}
	return nil
}

func (f *File) row(b *Batch, table int, cells []Cell, secrets bool) Row {
	t := &f.Tables[table]
	r := Row{Batch: b.Number, Table: t.Name}
	for i, c := range t.Columns {
		value := cells[i].String()
		if !secrets && isSecret(c.Name) && len(cells[i].Bytes) > 0 {
			value = fmt.Sprintf("(masked, %d bytes)", len(cells[i].Bytes))
		}
		r.Columns, r.Values = append(r.Columns, c.Name), append(r.Values, value)
	}
	return r
}
