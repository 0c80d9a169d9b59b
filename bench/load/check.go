package load

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"

	"github.com/tokensweep/tokensweep/schema"
)

// Deviation is a way in which tokens are not what their clients were told.
type Deviation struct {
	What    string
	Count   int64
	Samples []string // TOKEN_IDs, at most five
}

func (d Deviation) String() string {
	return fmt.Sprintf("%d tokens of the load %s, for example %s", d.Count, d.What, d.Samples)
}

const samples = 5

// seen is what there is of a token.
type seen struct {
	live    []string // TOKEN_STATE of its rows: one, or none
	scopes  []string
	copies  []string // TOKEN_STATE where it has to be audited
	strange int      // copies where it must not be audited
}

// Check compares every token with what the client knows, when no phase is under
// way. Removed tokens have to be in the table audit, once; "": in none. Any copy in
// the product's audit table counts, whatever audit is.
func (l *Load) Check(ctx context.Context, now *schema.Database, audit string) ([]Deviation, error) {
	found := map[uint64]*seen{}
	err := l.withIDs(ctx, func(conn *sql.Conn) error { return l.readAll(ctx, conn, now, audit, found) })
	if err != nil {
		return nil, fmt.Errorf("checking the tokens of the load: %w", err)
	}
	var all []Deviation
	add := func(what string, t held) {
		if what == "" {
			return
		}
		i := slices.IndexFunc(all, func(d Deviation) bool { return d.What == what })
		if i < 0 {
			i, all = len(all), append(all, Deviation{What: what})
		}
		if all[i].Count++; len(all[i].Samples) < samples {
			all[i].Samples = append(all[i].Samples, l.names(t.n).id)
		}
	}
	of := func(t held) seen {
		if s := found[t.n]; s != nil {
			return *s
		}
		return seen{}
	}
	for _, t := range append(slices.Clone(l.pool), l.done...) {
		add(judge(t.state, of(t), audit != ""), t)
	}
	for _, r := range l.refused {
		add("were ACTIVE and not found by a "+r.doing.String(), r.token)
	}
	for _, u := range l.unsure {
		add(u.judge(of, audit != ""))
	}
	return all, nil
}

// judge says what is wrong with a token in that state, "" for nothing.
func judge(s state, is seen, audited bool) string {
	copies := len(is.copies) + is.strange
	switch {
	case s == absent && len(is.live)+len(is.scopes)+copies > 0:
		return "are there although the operation failed"
	case s == absent:
		return ""
	case len(is.live) > 0 && is.live[0] != s.String():
		return fmt.Sprintf("are %s and were left %s", is.live[0], s)
	case len(is.live) > 0 && !slices.Equal(is.scopes, []string{scope}):
		return "have other scopes than they were given"
	case len(is.live) > 0 && copies > 0:
		return "are audited and still live"
	case len(is.live) > 0:
		return ""
	case s == active:
		return "were ACTIVE and are gone"
	case len(is.scopes) > 0:
		return "are gone and left their scopes"
	case is.strange > 0:
		return "are in an audit table in which nothing belongs"
	case audited && len(is.copies) == 0:
		return fmt.Sprintf("were %s and are gone without an audit copy", s)
	case len(is.copies) > 1:
		return "are audited more than once"
	case len(is.copies) == 1 && is.copies[0] != s.String():
		return fmt.Sprintf("are audited as %s and were left %s", is.copies[0], s)
	}
	return ""
}

// judge allows an operation of unknown outcome both outcomes, but none in between.
func (u unsure) judge(of func(held) seen, audited bool) (what string, example held) {
	right := func(was, made state) bool {
		return (u.was == nil || judge(was, of(*u.was), audited) == "") && (u.made == nil || judge(made, of(*u.made), audited) == "")
	}
	if u.was != nil {
		example = *u.was
	} else {
		example = *u.made
	}
	if right(active, absent) || right(u.became, active) {
		return "", example
	}
	return "are half of an operation whose connection broke at the commit", example
}

// readAll reads what there is of every token.
func (l *Load) readAll(ctx context.Context, conn *sql.Conn, now *schema.Database, audit string, found map[uint64]*seen) error {
	type reading struct {
		query string
		to    func(*seen, string)
	}
	copied := func(s *seen, text string) { s.copies = append(s.copies, text) }
	all := []reading{
		{l.text.tokens, func(s *seen, text string) { s.live = append(s.live, text) }},
		{l.text.scopes, func(s *seen, text string) { s.scopes = append(s.scopes, text) }},
	}
	if audit != "" {
		all = append(all, reading{l.text.copies(l.d, audit), copied})
	}
	if _, there := now.Table(schema.TokenAudit); there && !schema.SameName(audit, schema.TokenAudit) {
		all = append(all, reading{l.text.copies(l.d, schema.TokenAudit), func(s *seen, _ string) { s.strange++ }})
	}
	for _, r := range all {
		if err := read(ctx, conn, r.query, found, r.to); err != nil {
			return err
		}
	}
	return nil
}

func read(ctx context.Context, conn *sql.Conn, query string, found map[uint64]*seen, to func(*seen, string)) error {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n uint64
		var text sql.NullString
		if err := rows.Scan(&n, &text); err != nil {
			return err
		}
		if found[n] == nil {
			found[n] = &seen{}
		}
		to(found[n], text.String)
	}
	return rows.Err()
}

// Remove takes every row of the load out again, when no phase is under way: of the
// product's tables those it writes to and the audit table, and of all others with a
// column TOKEN_ID, as a script makes them.
func (l *Load) Remove(ctx context.Context, now *schema.Database) error {
	err := l.withIDs(ctx, func(conn *sql.Conn) error {
		for _, t := range now.Tables {
			ours := schema.SameName(t.Name, schema.AccessToken) || schema.SameName(t.Name, schema.AccessTokenScope) || schema.SameName(t.Name, schema.TokenAudit)
			if !t.Has("TOKEN_ID") || schema.IsProductTable(t.Name) && !ours {
				continue
			}
			if _, err := conn.ExecContext(ctx, l.text.deleteFrom(l.d, t.Name)); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("taking the rows of the load out: %w", err)
	}
	return nil
}

// withIDs gives a session a table of the load's tokens.
func (l *Load) withIDs(ctx context.Context, do func(*sql.Conn) error) error {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer conn.Raw(func(any) error { return driver.ErrBadConn }) // the table goes with the session
	if _, err := conn.ExecContext(ctx, l.text.makeIDs); err != nil {
		return err
	}
	for part := range slices.Chunk(l.tokens(), batch) {
		var values []any
		for _, t := range part {
			values = append(values, l.names(t.n).id, t.n)
		}
		if _, err := conn.ExecContext(ctx, l.text.insertIDs(len(part)), values...); err != nil {
			return err
		}
	}
	return do(conn)
}
