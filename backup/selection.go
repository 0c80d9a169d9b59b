package backup

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// Selection says which rows to restore, each with all that went with it. What is
// given must hold together; of several tokens or apps, one.
type Selection struct {
	TokenIDs []string  // tokens, and the codes of these tokens
	Apps     []string  // CONSUMER_KEY_ID or client id
	Since    time.Time // removed then or later; zero: whenever
}

// chosen is a Selection with the apps looked up.
type chosen struct {
	tokens   map[string]bool
	byID     map[string]bool
	byClient map[string]bool
	apps     bool
}

func (r *restorer) choose(ctx context.Context) (chosen, error) {
	c := chosen{byID: map[string]bool{}, byClient: map[string]bool{}, apps: len(r.o.Apps) > 0}
	if len(r.o.TokenIDs) > 0 {
		c.tokens = map[string]bool{}
		for _, id := range r.o.TokenIDs {
			c.tokens[id] = true
		}
	}
	table, ok := r.found.Table(schema.ConsumerApps)
	for _, app := range r.o.Apps {
		c.byClient[app] = true
		_, notNumber := strconv.ParseInt(app, 10, 32)
		if notNumber == nil {
			c.byID[app] = true
		}
		if !ok {
			continue
		}
		by := "CONSUMER_KEY"
		if notNumber == nil {
			by = "ID"
		}
		if err := r.resolve(ctx, table, by, app, &c); err != nil {
			return c, err
		}
	}
	return c, nil
}

// resolve finds the id of a client and the client of an id.
func (r *restorer) resolve(ctx context.Context, table *schema.Table, by, app string, c *chosen) error {
	id, hasID := table.Column("ID")
	client, hasClient := table.Column("CONSUMER_KEY")
	column, _ := table.Column(by)
	if !hasID || !hasClient {
		return nil
	}
	form := dialect.Characters
	if by == "ID" && r.d.Name() == "sqlite" {
		form = dialect.Integer
	}
	rows, err := r.query(ctx, r.conn, look{table: table, key: []keyColumn{{exported: *column, stored: *column}},
		read: []schema.Column{*id, *client}, values: [][]Cell{{{form, []byte(app)}}}})
	if err != nil {
		return fmt.Errorf("looking up app %q: %w", app, err)
	}
	for _, row := range rows {
		c.byID[string(row[1].Bytes)], c.byClient[string(row[2].Bytes)] = true, true
	}
	return nil
}

// takes reports whether a group is selected.
func (c *chosen) takes(f *File, g *group) bool {
	value := func(column string) (string, bool) {
		cell, ok := f.value(g.phase.Table, g.cells, column)
		return string(cell.Bytes), ok && !cell.Null()
	}
	if c.tokens != nil {
		if id, ok := value("TOKEN_ID"); !ok || !c.tokens[id] {
			return false
		}
	}
	if !c.apps {
		return true
	}
	id, hasID := value("CONSUMER_KEY_ID")
	client, hasClient := value("CONSUMER_KEY")
	return hasID && c.byID[id] || hasClient && c.byClient[client]
}
