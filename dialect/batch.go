package dialect

import (
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Range is the part of a table between two keys, in primary-key order.
type Range struct {
	Table, Key string
	After      token.Null[string] // exclusive; NULL starts at the first row
	Through    string             // inclusive
}

// Where is the condition that holds for the range's rows.
func (r Range) Where(d Dialect) SQL {
	s := Span{Table: r.Table, Key: r.Key, Through: Value(r.Through)}
	if r.After.Valid {
		s.After = Value(r.After.V)
	}
	return s.Where(d)
}

// Span is a part of a table between keys that are SQL, such as the variables of a
// procedure. Ends that are left empty are open.
type Span struct {
	Table, Key  string
	From, After SQL // one of them: inclusive, exclusive
	Through     SQL // inclusive
}

// Where is the condition that holds for the span's rows; empty for the whole table.
func (s Span) Where(d Dialect) SQL {
	var where SQL
	for _, end := range []struct {
		operator string
		key      SQL
	}{{" >= ", s.From}, {" > ", s.After}, {" <= ", s.Through}} {
		if end.key.Text == "" {
			continue
		}
		if where.Text != "" {
			where = Concat(where, " AND ")
		}
		where = Concat(where, d.Quote(s.Table), ".", d.Quote(s.Key), end.operator, end.key)
	}
	return where
}

// rows is the FROM and WHERE of the span's rows in key order.
func (s Span) rows(d Dialect) SQL {
	where := s.Where(d)
	if where.Text != "" {
		where = Concat(" WHERE ", where)
	}
	return Concat(" FROM ", d.Table(s.Table), where, " ORDER BY ", d.Quote(s.Table), ".", d.Quote(s.Key))
}

// Audit says where removed rows are copied to.
type Audit struct {
	Table       string
	Columns     []string  // those that live and audit table share, by name
	Invalidated string    // the column for the time of removal, "" if there is none
	At          time.Time // that time, UTC
	Clock       SQL       // the text of that time instead of At, as a variable of a procedure; mostly empty
	// Guarded says that the audit table has triggers, foreign keys or conditions
	// of its own, which a Mover has to go around.
	Guarded bool
}

// Into is the column list of a copy to the audit table, and the values that fill
// it from rows of a table or correlation name.
func (a Audit) Into(d Dialect, from string) (columns string, values SQL) {
	names := make([]string, len(a.Columns), len(a.Columns)+1)
	read := make([]string, len(a.Columns))
	for i, c := range a.Columns {
		names[i], read[i] = d.Quote(c), from+"."+d.Quote(c)
	}
	values = Text(strings.Join(read, ", "))
	if a.Invalidated != "" {
		names = append(names, d.Quote(a.Invalidated))
		at := a.Clock
		if at.Text == "" {
			at = Value(d.Wall(a.At))
		}
		values = Concat(values, ", ", at)
	}
	return strings.Join(names, ", "), values
}

// Window is the statement that counts the rows of the next size keys behind
// after, counts those for which removable holds, and finds the last key:
// examined, removable, last.
func Window(d Dialect, table, key string, after token.Null[string], size int, removable SQL) SQL {
	s := Span{Table: table, Key: key}
	if after.Valid {
		s.After = Value(after.V)
	}
	return SpanWindow(d, s, Value(size), removable)
}

// SpanWindow is Window over the first size keys of a span.
func SpanWindow(d Dialect, s Span, size, removable SQL) SQL {
	id := d.Quote(s.Table) + "." + d.Quote(s.Key)
	return d.Bind(Concat("SELECT COUNT(*), COALESCE(SUM(w.hit), 0), MAX(w.id) FROM (SELECT ", d.KeyText(id), " AS id, CASE WHEN ", removable,
		" THEN 1 ELSE 0 END AS hit", s.rows(d), d.Limit(size), ") AS w"))
}

// First is the query for the first key of a span.
func First(d Dialect, s Span) SQL {
	return d.Bind(Concat("SELECT ", d.KeyText(d.Quote(s.Table)+"."+d.Quote(s.Key)), s.rows(d), d.Limit(Text("1"))))
}

// CountRange is the statement that counts the rows of a range.
func CountRange(d Dialect, r Range) SQL {
	return d.Bind(Concat("SELECT COUNT(*) FROM ", d.Table(r.Table), " WHERE ", r.Where(d)))
}

// Head is the statement that finds the last of the first size keys of a range.
func Head(d Dialect, r Range, size int) SQL {
	id := d.Quote(r.Table) + "." + d.Quote(r.Key)
	return d.Bind(Concat("SELECT MAX(w.id) FROM (SELECT ", d.KeyText(id), " AS id FROM ", d.Table(r.Table), " WHERE ", r.Where(d), " ORDER BY ", id,
		d.Limit(Value(size)), ") AS w"))
}

// CopyToAudit is the statement that copies the rows for which where holds, locking them.
func CopyToAudit(d Dialect, table string, a Audit, where SQL) SQL {
	columns, values := a.Into(d, d.Quote(table))
	from, end := d.FromLocked(table)
	return d.Bind(Concat("INSERT INTO ", d.Table(a.Table), " (", columns, ") SELECT ", values, " FROM ", from, " WHERE ", where, end))
}

// LockMatching is the statement that locks the rows for which where holds and counts them.
func LockMatching(d Dialect, table, key string, where SQL) SQL {
	from, end := d.FromLocked(table)
	return d.Bind(Concat("SELECT COUNT(*) FROM (SELECT ", d.Quote(table), ".", d.Quote(key), " FROM ", from, " WHERE ", where, end, ") AS w"))
}

// Delete is the statement that removes the rows for which where holds.
func Delete(d Dialect, table string, where SQL) SQL {
	from, _ := d.FromLocked(table)
	return d.Bind(Concat("DELETE FROM ", from, " WHERE ", where))
}

// TokenLeft is true for rows of the code table whose token exists and, if
// except is not empty, is none of those for which except holds.
func TokenLeft(d Dialect, codes, tokens string, except SQL) SQL {
	id := d.Quote("TOKEN_ID")
	kept := Text()
	if except.Text != "" {
		kept = Concat(" AND CASE WHEN ", except, " THEN 0 ELSE 1 END = 1")
	}
	return Concat("EXISTS (SELECT 1 FROM ", d.Table(tokens), " WHERE ", d.Quote(tokens), ".", id, " = ", d.Quote(codes), ".", id, kept, ")")
}

// Held is true for rows of the root table that a row of a child table holds.
// The path leads from the child to the root.
func Held(d Dialect, path []schema.Hop) SQL {
	last := path[len(path)-1]
	from := d.Table(last.Table)
	for i := len(path) - 2; i >= 0; i-- {
		from += " JOIN " + d.Table(path[i].Table) + " ON " + OnHop(d, path[i])
	}
	return Text("EXISTS (SELECT 1 FROM ", from, " WHERE ", OnHop(d, last), ")")
}

// OnHop is the join condition of a hop.
func OnHop(d Dialect, h schema.Hop) string {
	on := make([]string, len(h.Columns))
	for i, c := range h.Columns {
		on[i] = d.Quote(h.Parent) + "." + d.Quote(h.ParentColumns[i]) + " = " + d.Quote(h.Table) + "." + d.Quote(c)
	}
	return strings.Join(on, " AND ")
}
