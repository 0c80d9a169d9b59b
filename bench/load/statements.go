package load

import (
	"fmt"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// statements are the load's, for the tables found.
type statements struct {
	apps                              string
	validate, find, supersede, revoke string
	tokenInto, tokenMarks             string
	scopeInto                         string
	tokens, scopes, ids, makeIDs      string
	columns                           []tokenColumn
}

// tokenColumn is a column of a new token.
type tokenColumn struct {
	name string
	of   func(t held, is names, l *Load, now string) any
}

// The lifetimes of new tokens in milliseconds, those that the product ships with.
const (
	accessValidity  = 3_600_000
	refreshValidity = 86_400_000
)

// scope is the one that each token has.
const scope = "am_application_scope"

const scopeHash = "c7a3f0d1a1f54b0a9b0d64b8a0d2c6e1" // of scope, in the product's form

func constant(v any) func(held, names, *Load, string) any {
	return func(held, names, *Load, string) any { return v }
}

// tokenColumns are those that the product fills; a release that lacks one does without.
func tokenColumns() []tokenColumn {
	now := func(_ held, _ names, _ *Load, now string) any { return now }
	return []tokenColumn{
		{"TOKEN_ID", func(_ held, is names, _ *Load, _ string) any { return is.id }},
		{"ACCESS_TOKEN", func(_ held, is names, _ *Load, _ string) any { return is.access }},
		{"REFRESH_TOKEN", func(_ held, is names, _ *Load, _ string) any { return is.refresh }},
		{"CONSUMER_KEY_ID", func(t held, _ names, l *Load, _ string) any { return l.apps[t.app].id }},
		{"AUTHZ_USER", func(t held, _ names, _ *Load, _ string) any { return t.userName() }},
		{"TENANT_ID", constant(-1234)},
		{"USER_DOMAIN", constant(Domain)},
		{"USER_TYPE", constant("APPLICATION_USER")},
		{"GRANT_TYPE", constant("refresh_token")},
		{"TIME_CREATED", now},
		{"REFRESH_TOKEN_TIME_CREATED", now},
		{"VALIDITY_PERIOD", constant(accessValidity)},
		{"REFRESH_TOKEN_VALIDITY_PERIOD", constant(refreshValidity)},
		{"TOKEN_SCOPE_HASH", constant(scopeHash)},
		{"TOKEN_STATE", constant(active.String())},
		{"TOKEN_STATE_ID", constant("NONE")},
		{"SUBJECT_IDENTIFIER", func(t held, _ names, _ *Load, _ string) any { return t.userName() + "@carbon.super" }},
		{"ACCESS_TOKEN_HASH", func(_ held, is names, _ *Load, _ string) any { return hashed(is.access) }},
		{"REFRESH_TOKEN_HASH", func(_ held, is names, _ *Load, _ string) any { return hashed(is.refresh) }},
		{"IDP_ID", constant(-1)},
		{"TOKEN_BINDING_REF", constant("NONE")},
	}
}

// optional are columns that older releases lack.
var optional = map[string]bool{"IDP_ID": true, "TOKEN_BINDING_REF": true}

func newStatements(d dialect.Dialect, found *schema.Database) (s statements, err error) {
	if d.Name() != "mysql" {
		return s, fmt.Errorf("load is made on MySQL and MariaDB only, not on %s", d.Name())
	}
	for _, name := range []string{schema.AccessToken, schema.AccessTokenScope, schema.ConsumerApps} {
		if _, ok := found.Table(name); !ok {
			return s, fmt.Errorf("there is no table %s to make load on", name)
		}
	}
	table, _ := found.Table(schema.AccessToken)
	var names []string
	for _, c := range tokenColumns() {
		if table.Has(c.name) {
			s.columns, names = append(s.columns, c), append(names, c.name)
		} else if !optional[c.name] {
			return s, fmt.Errorf("table %s has no column %s, which the load fills", table.Name, c.name)
		}
	}
	tokens, scopes, apps := d.Table(table.Name), d.Table(schema.AccessTokenScope), d.Table(schema.ConsumerApps)
	s.apps = "SELECT ID, CONSUMER_KEY FROM " + apps + " ORDER BY ID"
	// As the product asks: the token with its app, one row for each scope.
	const seen = "TOKEN_ID, TOKEN_STATE, CONSUMER_KEY, AUTHZ_USER, USER_DOMAIN, TENANT_ID, TIME_CREATED, REFRESH_TOKEN_TIME_CREATED, VALIDITY_PERIOD, REFRESH_TOKEN_VALIDITY_PERIOD"
	of := "SELECT TOKEN_ID, TOKEN_STATE, CONSUMER_KEY, AUTHZ_USER, t.USER_DOMAIN, t.TENANT_ID, TIME_CREATED, REFRESH_TOKEN_TIME_CREATED, VALIDITY_PERIOD, REFRESH_TOKEN_VALIDITY_PERIOD" +
		" FROM " + tokens + " t JOIN " + apps + " c ON t.CONSUMER_KEY_ID = c.ID WHERE "
	with := func(where string) string {
		return "SELECT a." + strings.ReplaceAll(seen, ", ", ", a.") + ", s.TOKEN_SCOPE FROM (" + of + where + ") a LEFT JOIN " + scopes + " s ON a.TOKEN_ID = s.TOKEN_ID"
	}
	s.validate = with("ACCESS_TOKEN_HASH = ? AND TOKEN_STATE = 'ACTIVE'")
	s.find = with("REFRESH_TOKEN_HASH = ? AND CONSUMER_KEY = ? ORDER BY TIME_CREATED DESC LIMIT 1")
	s.supersede = "UPDATE " + tokens + " SET TOKEN_STATE = 'INACTIVE', TOKEN_STATE_ID = ? WHERE TOKEN_ID = ?"
	s.revoke = "UPDATE " + tokens + " SET TOKEN_STATE = 'REVOKED', TOKEN_STATE_ID = ? WHERE ACCESS_TOKEN_HASH = ?"
	s.tokenInto = "INSERT INTO " + tokens + " (" + dialect.QuoteAll(d, names) + ") VALUES "
	s.tokenMarks = "(" + strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ") + ")"
	s.scopeInto = "INSERT INTO " + scopes + " (TOKEN_ID, TOKEN_SCOPE, TENANT_ID) VALUES "
	s.accounting(d, tokens, scopes)
	return s, nil
}

// idTable holds the load's tokens, in one session, while they are accounted for.
const idTable = "TOKENSWEEP_LOAD_TOKENS"

// accounting are the statements of Check and Remove.
func (s *statements) accounting(d dialect.Dialect, tokens, scopes string) {
	ids := d.Quote(idTable)
	// The column is that of the tokens, so that keys compare as they do there.
	s.makeIDs = "CREATE TEMPORARY TABLE " + ids + " (N BIGINT UNSIGNED NOT NULL, PRIMARY KEY (TOKEN_ID)) ENGINE = InnoDB SELECT TOKEN_ID, 0 AS N FROM " + tokens + " WHERE 1 = 0"
	s.ids = "INSERT INTO " + ids + " (TOKEN_ID, N) VALUES "
	s.tokens = "SELECT i.N, x.TOKEN_STATE FROM " + tokens + " x JOIN " + ids + " i ON i.TOKEN_ID = x.TOKEN_ID"
	s.scopes = "SELECT i.N, x.TOKEN_SCOPE FROM " + scopes + " x JOIN " + ids + " i ON i.TOKEN_ID = x.TOKEN_ID"
}

func (s *statements) insertTokens(rows int) string { return s.tokenInto + repeat(s.tokenMarks, rows) }
func (s *statements) insertScopes(rows int) string { return s.scopeInto + repeat("(?, ?, ?)", rows) }
func (s *statements) insertIDs(rows int) string    { return s.ids + repeat("(?, ?)", rows) }

// copies reads the load's tokens in a table that copies tokens.
func (s *statements) copies(d dialect.Dialect, table string) string {
	return "SELECT i.N, x.TOKEN_STATE FROM " + d.Table(table) + " x JOIN " + d.Quote(idTable) + " i ON i.TOKEN_ID = x.TOKEN_ID"
}

// deleteFrom removes the load's rows of a table.
func (s *statements) deleteFrom(d dialect.Dialect, table string) string {
	return "DELETE x FROM " + d.Table(table) + " x JOIN " + d.Quote(idTable) + " i ON i.TOKEN_ID = x.TOKEN_ID"
}

func repeat(row string, times int) string {
	return strings.TrimSuffix(strings.Repeat(row+", ", times), ", ")
}

// row are the values of a new token.
func (l *Load) row(t held, now time.Time) []any {
	is, clock := l.names(t.n), l.d.Wall(now)
	values := make([]any, len(l.text.columns))
	for i, c := range l.text.columns {
		values[i] = c.of(t, is, l, clock)
	}
	return values
}

func (l *Load) scopeRow(t held) []any { return []any{l.names(t.n).id, scope, -1234} }
