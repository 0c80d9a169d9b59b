package seed

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// appTable is the table of consumer apps; row n is g.apps[n].
func appTable() table {
	of := func(get func(a *app) string) put {
		return func(b []byte, g *generator, _ *entry, n int) []byte { return append(b, get(&g.apps[n])...) }
	}
	return table{name: schema.ConsumerApps, columns: []column{
		{name: "ID", id: true, put: func(b []byte, g *generator, _ *entry, n int) []byte { return appendInt(b, g.apps[n].id) }},
		{name: "CONSUMER_KEY", put: of(func(a *app) string { return a.key })},
		{name: "CONSUMER_SECRET", put: func(b []byte, g *generator, _ *entry, n int) []byte {
			return appendHash32(b, g.streams[streamApps].at(int64(n)).at(2))
		}},
		{name: "USERNAME", put: of(func(a *app) string { return a.owner })},
		{name: "TENANT_ID", put: literal(tenant)},
		{name: "USER_DOMAIN", put: literal(userDomain)},
		{name: "APP_NAME", put: of(func(a *app) string { return a.owner + "_" + a.name + "_PRODUCTION" })},
		{name: "OAUTH_VERSION", put: literal("OAuth-2.0")},
		{name: "CALLBACK_URL", put: literal(callbackURL)},
		{name: "GRANT_TYPES", put: literal(strings.Join([]string{grantCode, grantClient, grantPassword, grantRefresh, grantDevice, grantJWT}, " "))},
	}}
}

// findApps looks the seed's own apps up and takes over the ids that they have.
// Apps that are not the seed's are never touched.
func (l *loader) findApps(ctx context.Context) (found int, err error) {
	d := l.target.Dialect
	keys := make([]any, len(l.g.apps))
	place := map[string]*app{}
	for i := range l.g.apps {
		keys[i] = l.g.apps[i].key
		place[l.g.apps[i].key] = &l.g.apps[i]
	}
	rows, err := l.target.query(ctx, "SELECT ", d.Quote("ID"), ", ", d.Quote("CONSUMER_KEY"), " FROM ", d.Table(l.apps.found.Name),
		" WHERE ", d.Quote("CONSUMER_KEY"), in(keys))
	if err != nil {
		return 0, fmt.Errorf("looking the seed's consumer apps up: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			id  int64
			key string
		)
		if err := rows.Scan(&id, &key); err != nil {
			return 0, fmt.Errorf("looking the seed's consumer apps up: %w", err)
		}
		if a := place[key]; a != nil {
			a.id = id
			found++
		}
	}
	return found, rows.Err()
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// in holds for any of the values.
func in(values []any) dialect.SQL {
	return dialect.SQL{Text: " IN (" + marks(len(values)) + ")", Args: values}
}

// addApps inserts the apps, all or none, and reads back the ids where the
// server gives them.
func (l *loader) addApps(ctx context.Context) error {
	found, err := l.findApps(ctx)
	if err != nil {
		return err
	}
	if found == len(l.g.apps) {
		return nil
	}
	if found > 0 {
		return refuse("table %s has only %d of the %d apps of this data: they were changed since, use an empty database or another seed",
			l.apps.found.Name, found, len(l.g.apps))
	}
	if err := l.chooseAppIDs(ctx); err != nil {
		return err
	}
	err = l.target.onSession(ctx, func(conn *sql.Conn) error {
		return inTransaction(ctx, conn, func(tx *sql.Tx) error {
			if l.copier != nil {
				_, err := copyRows(ctx, tx, l.copier, &l.apps, &appReader{l: l})
				return err
			}
			_, err := insertRows(ctx, tx, l.target.Dialect, &l.apps, &appReader{l: l})
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("adding the seed's consumer apps: %w", err)
	}
	l.rows[l.apps.name] += int64(len(l.g.apps))
	_, err = l.findApps(ctx)
	return err
}

// chooseAppIDs keeps 1, 2, 3… for an empty table. Otherwise the server counts,
// or where it does not, or a bulk load of ids may have passed it by, the ids go on
// from the highest.
func (l *loader) chooseAppIDs(ctx context.Context) error {
	highest, err := l.highest(ctx, l.apps.found.Name, "ID")
	if err != nil || highest == 0 {
		return err
	}
	if c, ok := l.apps.found.Column("ID"); ok && c.AutoID && l.copier == nil {
		l.apps = l.apps.without("ID")
		return nil
	}
	for i := range l.g.apps {
		l.g.apps[i].id += highest
	}
	return nil
}

// appReader is the text of the apps.
type appReader struct {
	l    *loader
	done bool
}

func (r *appReader) next() ([]byte, bool) {
	if r.done {
		return nil, false
	}
	r.done = true
	var b []byte
	for n := range r.l.g.apps {
		b = appendRow(b, r.l.g, r.l.apps.columns, nil, n)
	}
	return b, true
}
