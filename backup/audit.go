package backup

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// auditTable is where the run copied the tokens that it removed.
type auditTable struct {
	phase   int // whose rows are copied
	table   *schema.Table
	id      schema.Column  // TOKEN_ID
	time    schema.Column  // INVALIDATED_TIME
	key     *schema.Column // a primary key of one column that is not the token's; nil: none
	tokenAt int            // TOKEN_ID in the rows of the file
}

// matchAudit finds the audit table, unless its rows are to stay or there are none.
func (r *restorer) matchAudit() error {
	phase := slices.IndexFunc(r.f.Phases, func(p Phase) bool { return schema.SameName(r.f.Tables[p.Table].Name, schema.AccessToken) })
	if !r.f.Audit || r.o.KeepAudit || phase < 0 || !r.f.has(r.f.Phases[phase].Table) {
		return nil
	}
	remedy := "create it as it was, or leave audit rows alone with --keep-audit"
	table, ok := r.found.Table(schema.TokenAudit)
	if !ok {
		return refuse(fmt.Sprintf("schema %s has no table %s, where the run copied what it removed", r.found.Name, schema.TokenAudit), remedy)
	}
	id, hasID := table.Column("TOKEN_ID")
	at, hasTime := table.Column("INVALIDATED_TIME")
	if !hasID || !hasTime {
		return refuse(fmt.Sprintf("table %s has no TOKEN_ID or no INVALIDATED_TIME, by which a row of the run is known", table.Name), remedy)
	}
	a := &auditTable{phase: phase, table: table, id: *id, time: *at, tokenAt: r.f.Tables[r.f.Phases[phase].Table].index("TOKEN_ID")}
	if len(table.PrimaryKey) == 1 && !schema.SameName(table.PrimaryKey[0], "TOKEN_ID") {
		a.key, _ = table.Column(table.PrimaryKey[0])
	}
	r.audit = a
	return nil
}

// auditRows are the audit rows of groups: their keys, or nil ones where the table
// has no key. nil if they are left alone.
type auditRows map[*group][]Cell

// auditRows reads the audit table once for many groups: it has no index that would
// find them.
func (r *restorer) auditRows(ctx context.Context, groups []*group) (auditRows, error) {
	byMoment := map[string]map[string]*group{}
	for _, g := range groups {
		at := byMoment[g.batch.moment]
		if at == nil {
			at = map[string]*group{}
			byMoment[g.batch.moment] = at
		}
		at[string(g.cells[r.audit.tokenAt].Bytes)] = g
	}
	moments := make([]string, 0, len(byMoment))
	tokens := map[string]map[string]*group{}
	for moment, of := range byMoment {
		moments = append(moments, moment)
		tokens[wholeSecond(moment)] = of
	}
	all := auditRows{}
	for part := range slices.Chunk(moments, 500) {
		if err := r.readAudit(ctx, part, tokens, all); err != nil {
			return nil, fmt.Errorf("reading %s: %w", r.audit.table.Name, err)
		}
	}
	return all, nil
}

func (r *restorer) readAudit(ctx context.Context, moments []string, tokens map[string]map[string]*group, all auditRows) error {
	a := r.audit
	columns := []schema.Column{a.id, a.time}
	if a.key != nil {
		columns = append(columns, *a.key)
	}
	marks := strings.TrimSuffix(strings.Repeat(r.codec.Import(a.time, a.time)+", ", len(moments)), ", ")
	q := dialect.SQL{Text: "SELECT " + dialect.ExportAll(r.codec, a.table.Name, columns) + " FROM " + r.d.Table(a.table.Name) + " WHERE " +
		r.auditColumn(a.time) + " IN (" + marks + ")"}
	for _, m := range moments {
		q.Args = append(q.Args, r.codec.Unpack(a.time, dialect.Characters, []byte(m)))
	}
	q = r.d.Bind(q)
	rows, err := r.conn.QueryContext(ctx, q.Text, q.Args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	read := newRowReader(r.codec, columns, len(columns))
	for rows.Next() {
		cells, err := read.cells(rows)
		if err != nil {
			return err
		}
		if g := tokens[wholeSecond(string(cells[1].Bytes))][string(cells[0].Bytes)]; g != nil {
			key := Cell{}
			if a.key != nil {
				key = Cell{cells[2].Form, bytes.Clone(cells[2].Bytes)}
			}
			all[g] = append(all[g], key)
		}
	}
	return rows.Err()
}

// wholeSecond leaves a fraction of zeros out, which columns of other precision have.
func wholeSecond(moment string) string {
	if dot := strings.IndexByte(moment, '.'); dot >= 0 {
		return strings.TrimRight(strings.TrimRight(moment, "0"), ".")
	}
	return moment
}

func (r *restorer) auditColumn(c schema.Column) string {
	return r.d.Quote(r.audit.table.Name) + "." + r.d.Quote(c.Name)
}

// of counts the audit rows of the groups that are put back.
func (a auditRows) of(verdicts []verdict) (n int64) {
	for _, v := range verdicts {
		if v.fate == PutBack {
			n += int64(len(a[v.g]))
		}
	}
	return n
}

// takeOut deletes the audit rows of the tokens that this transaction puts back.
func (c *chunk) takeOut(ctx context.Context, verdicts []verdict, copies auditRows) (n int64, err error) {
	if copies.of(verdicts) == 0 {
		return 0, nil
	}
	a := c.r.audit
	if a.key != nil {
		var values [][]Cell
		for _, v := range verdicts {
			if v.fate == PutBack {
				for _, key := range copies[v.g] {
					values = append(values, []Cell{key})
				}
			}
		}
		return c.deleteAudit(ctx, dialect.SQL{}, keyColumn{exported: *a.key, stored: *a.key}, values, false)
	}
	byMoment := map[string][][]Cell{}
	for _, v := range verdicts {
		if v.fate == PutBack && len(copies[v.g]) > 0 {
			byMoment[v.g.batch.moment] = append(byMoment[v.g.batch.moment], []Cell{v.g.cells[a.tokenAt]})
		}
	}
	live := c.r.f.Tables[c.r.f.Phases[a.phase].Table].Columns[a.tokenAt]
	for moment, values := range byMoment {
		at := dialect.Concat(c.r.auditColumn(a.time), " = ", dialect.SQL{Text: c.r.codec.Import(a.time, a.time),
			Args: []any{c.r.codec.Unpack(a.time, dialect.Characters, []byte(moment))}}, " AND ")
		some, err := c.deleteAudit(ctx, at, keyColumn{exported: live, stored: a.id}, values, true)
		if err != nil {
			return n, err
		}
		n += some
	}
	return n, nil
}

// deleteAudit deletes by a list of values. Where they are tokens' ids, no collation
// has a say: there is no index that it could spoil.
func (c *chunk) deleteAudit(ctx context.Context, where dialect.SQL, key keyColumn, values [][]Cell, exactly bool) (n int64, err error) {
	column, mark := c.r.auditColumn(key.stored), c.r.codec.Import(key.exported, key.stored)
	if exactly {
		column, mark = c.r.d.Exact(column), c.r.d.Exact(mark)
	}
	for part := range slices.Chunk(values, 500) {
		list := dialect.SQL{Text: strings.TrimSuffix(strings.Repeat(mark+", ", len(part)), ", ")}
		for _, v := range part {
			list.Args = append(list.Args, c.r.codec.Unpack(key.exported, v[0].Form, v[0].Bytes))
		}
		q := c.r.d.Bind(dialect.Concat("DELETE FROM ", c.r.d.Table(c.r.audit.table.Name), " WHERE ", where, column, " IN (", list, ")"))
		done, err := c.tx.ExecContext(ctx, q.Text, q.Args...)
		if err != nil {
			return n, fmt.Errorf("taking rows out of %s again: %w", c.r.audit.table.Name, err)
		}
		some, err := done.RowsAffected()
		if err != nil {
			return n, err
		}
		n += some
	}
	return n, nil
}
