package seed

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/schema"
)

// marker is what the CALLBACK_URL of our apps says: the Spec whose rows are in
// the database, so that no other Spec is mixed into them by mistake.
func (s Spec) marker() string {
	q := url.Values{"seed": {fmt.Sprint(s.Seed)}, "tokens": {fmt.Sprint(s.Tokens)}, "mix": {string(s.Mix)},
		"cutoff": {s.CutOff.UTC().Format(time.RFC3339)}, "bind": {fmt.Sprint(s.BindTokens)}}
	return "https://tokensweep.example/?" + q.Encode()
}

// ensureApps makes the consumer apps that are missing and learns the ids that
// the database gave them.
func (l *loading) ensureApps(ctx context.Context) error {
	table, ok := l.found.Table(schema.ConsumerApps)
	if !ok || !table.Has("ID", "CONSUMER_KEY", "CALLBACK_URL") {
		return refuse("schema %s has no table %s with columns ID, CONSUMER_KEY and CALLBACK_URL: tokens belong to an app there", l.Schema, schema.ConsumerApps)
	}
	return l.onSession(ctx, func(conn *sql.Conn) error {
		ids, err := l.appIDs(ctx, conn, table)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			if err := l.insertApps(ctx, conn, table); err != nil {
				return err
			}
			if ids, err = l.appIDs(ctx, conn, table); err != nil {
				return err
			}
		}
		for i := range l.g.apps {
			id, ok := ids[l.g.apps[i].key]
			if !ok {
				return fmt.Errorf("the app %s of this seed is missing from %s: it was removed since the seeding began; remove the apps whose key starts with %s and their tokens, then seed again",
					l.g.apps[i].key, table.Name, AppKeyPrefix)
			}
			l.g.apps[i].id = id
		}
		return nil
	})
}

// appIDs finds the apps of this seed and size. Apps of another mix or cut-off
// are an error, because their tokens have the same ids.
func (l *loading) appIDs(ctx context.Context, conn *sql.Conn, table *schema.Table) (map[string]int64, error) {
	ids := map[string]int64{}
	q := l.Dialect.Quote
	for _, a := range l.g.apps {
		var id int64
		var marker sql.NullString
		err := conn.QueryRowContext(ctx, "SELECT "+q("ID")+", "+q("CALLBACK_URL")+" FROM "+q(table.Name)+" WHERE "+q("CONSUMER_KEY")+" = ?", a.key).Scan(&id, &marker)
		if err == sql.ErrNoRows {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for the apps of this seed in %s: %w", table.Name, err)
		}
		if want := l.g.spec.marker(); marker.String != want {
			return nil, refuse("schema %s holds tokens of another seeding with the same ids (%s): seed with these settings to go on with it, use another --seed, or an empty schema", l.Schema, marker.String)
		}
		ids[a.key] = id
	}
	return ids, nil
}

func (l *loading) insertApps(ctx context.Context, conn *sql.Conn, table *schema.Table) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("making consumer apps: %w", err)
	}
	defer tx.Rollback()
	for _, a := range l.g.apps {
		values := map[string]any{
			"CONSUMER_KEY": a.key, "CONSUMER_SECRET": "made-up", "USERNAME": a.owner, "TENANT_ID": tenant, "USER_DOMAIN": userDomain,
			"APP_NAME": a.name, "OAUTH_VERSION": "OAuth-2.0", "CALLBACK_URL": l.g.spec.marker(),
			"GRANT_TYPES": "authorization_code client_credentials password refresh_token", "PKCE_MANDATORY": "0", "PKCE_SUPPORT_PLAIN": "0",
		}
		if id, _ := table.Column("ID"); !id.AutoID {
			values["ID"] = a.id
		}
		var names []string
		var args []any
		for i := range table.Columns {
			c := &table.Columns[i]
			v, ok := values[strings.ToUpper(c.Name)]
			switch {
			case ok:
				names, args = append(names, l.Dialect.Quote(c.Name)), append(args, v)
			case !c.Nullable && c.Default == nil && !c.AutoID && !c.Generated:
				return refuse("table %s has a column %s that is NOT NULL and has no default, and the seed does not know what to put in it: give it a default or allow NULL", table.Name, c.Name)
			}
		}
		statement := "INSERT INTO " + l.Dialect.Quote(table.Name) + " (" + strings.Join(names, ", ") + ") VALUES (" +
			strings.TrimSuffix(strings.Repeat("?, ", len(args)), ", ") + ")"
		if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
			return fmt.Errorf("making consumer apps in %s: %w", table.Name, err)
		}
	}
	return tx.Commit()
}
