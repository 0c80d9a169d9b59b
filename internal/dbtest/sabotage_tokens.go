package dbtest

import (
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

const (
	tokens = schema.AccessToken
	audits = schema.TokenAudit
)

// tokenFaults are faults in the token table.
func tokenFaults() []sabotage {
	change := func(set, id string) func(*Fixture) {
		return statements("UPDATE " + tokens + " SET " + set + " WHERE TOKEN_ID = '" + id + "'")
	}
	return []sabotage{
		{name: "live token removed, audited", audit: true,
			after: statements(copyToAudit("live-1"), "DELETE FROM "+tokens+" WHERE TOKEN_ID = 'live-1'"),
			want:  []fault{{verify.WronglyRemoved, tokens, 1, []string{"live-1"}}}},
		{name: "live token removed with children and code", audit: true,
			after: statements("DELETE FROM "+schema.RequestObject+" WHERE TOKEN_ID = 'live-parent'", // which does not cascade everywhere
				"DELETE FROM "+tokens+" WHERE TOKEN_ID IN ('live-parent', 'live-2')", "DELETE FROM "+codes+" WHERE TOKEN_ID = 'live-2'"),
			want: []fault{{verify.WronglyRemoved, tokens, 2, []string{"live-2", "live-parent"}},
				{verify.WronglyRemoved, codes, 1, []string{"code-of-live-2"}}}},
		{name: "dead token kept", audit: true,
			after: restore("dead-1", nil),
			want:  []fault{{verify.WronglyKept, tokens, 1, []string{"dead-1"}}}},
		{name: "dead token kept, without audit",
			after: restore("dead-1", nil),
			want:  []fault{{verify.WronglyKept, tokens, 1, []string{"dead-1"}}}},
		{name: "one column of a live token changed", audit: true,
			after: change("TOKEN_SCOPE_HASH = 'other'", "live-1"),
			want:  []fault{{verify.Altered, tokens, 1, []string{"live-1"}}}},
		{name: "live token in other case", audit: true,
			after: change("AUTHZ_USER = 'LIVE-1'", "live-1"),
			want:  []fault{{verify.Altered, tokens, 1, []string{"live-1"}}}},
		{name: "trailing blank at a live token", audit: true,
			after: change("SUBJECT_IDENTIFIER = 'live-1 '", "live-1"),
			want:  []fault{{verify.Altered, tokens, 1, []string{"live-1"}}}},
		{name: "NULL of a live token became empty", audit: true,
			after: change("REFRESH_TOKEN_HASH = ''", "live-1"),
			want:  []fault{{verify.Altered, tokens, 1, []string{"live-1"}}}},
		{name: "time of a live token shifted", audit: true,
			after: func(f *Fixture) {
				f.Exec("UPDATE " + tokens + " SET TIME_CREATED = " + f.hourLater("TIME_CREATED") + " WHERE TOKEN_ID = 'live-2'")
			},
			want: []fault{{verify.Altered, tokens, 1, []string{"live-2"}}}},
		{name: "hashes of two live tokens swapped", audit: true,
			after: statements(swapHashes(tokens, "live-1", "live-2")...),
			want:  []fault{{verify.Altered, tokens, 2, []string{"live-1", "live-2"}}}},
		{name: "dead token ACTIVE again", audit: true,
			after: restore("dead-1", Row{"TOKEN_STATE": token.Active, "TOKEN_STATE_ID": "NONE"}),
			want:  []fault{{verify.Resurrected, tokens, 1, []string{"dead-1"}}}},
		{name: "dead token audited and ACTIVE again", audit: true,
			after: func(f *Fixture) {
				f.Insert(tokens, spoiled("dead-1", Row{"TOKEN_STATE": token.Active, "TOKEN_STATE_ID": "NONE"}))
			},
			want: []fault{{verify.Resurrected, tokens, 1, []string{"dead-1"}}}},
		{name: "token of an earlier clean-up live again", audit: true,
			after: func(f *Fixture) { f.Insert(tokens, TokenRow("old-1", token.Revoked, nil)) },
			want:  []fault{{verify.Resurrected, tokens, 1, []string{"old-1"}}}},
		{name: "token invented", audit: true,
			after: func(f *Fixture) { f.Insert(tokens, TokenRow("new-1", token.Active, Row{"TIME_CREATED": At(7000)})) },
			want:  []fault{{verify.Invented, tokens, 1, []string{"new-1"}}}},
		{name: "token moved but still live", audit: true,
			after: func(f *Fixture) { f.Insert(tokens, spoiled("dead-1", nil)) },
			want:  []fault{{verify.Duplicated, tokens, 1, []string{"dead-1"}}}},
		{name: "live token audited", audit: true,
			after: statements(copyToAudit("live-1")),
			want:  []fault{{verify.Duplicated, tokens, 1, []string{"live-1"}}}},
	}
}

// auditFaults are faults in the audit table.
func auditFaults() []sabotage {
	drop := func(where string) string { return "DELETE FROM " + audits + " WHERE " + where }
	shift := func(column, where string) func(*Fixture) {
		return func(f *Fixture) { f.Exec("UPDATE " + audits + " SET " + column + " = " + f.hourLater(column) + where) }
	}
	dead := []string{"dead-1", "dead-2", "dead-3", "dead-parent"}
	return []sabotage{
		{name: "audit row dropped", audit: true,
			after: statements(drop("TOKEN_ID = 'dead-1'")),
			want:  []fault{{verify.Lost, tokens, 1, []string{"dead-1"}}}},
		{name: "audit row twice", audit: true,
			after: statements(copyAuditRow("dead-1", "'dead-1'")),
			want:  []fault{{verify.Duplicated, tokens, 1, []string{"dead-1"}}}},
		{name: "audit row shifted by an hour", audit: true,
			after: shift("TIME_CREATED", " WHERE TOKEN_ID = 'dead-1'"),
			want:  []fault{{verify.Altered, tokens, 1, []string{"dead-1"}}}},
		{name: "all audit rows shifted by an hour", audit: true, // an even number: a checksum by XOR would not see it
			after: shift("TIME_CREATED", ""),
			want:  []fault{{verify.Altered, tokens, 4, dead}, {verify.Altered, audits, 2, []string{"old-1", "old-2"}}}},
		{name: "all refresh times shifted by an hour", audit: true,
			after: shift("REFRESH_TOKEN_TIME_CREATED", ""),
			want:  []fault{{verify.Altered, tokens, 4, dead}, {verify.Altered, audits, 2, []string{"old-1", "old-2"}}}},
		{name: "INVALIDATED_TIME in local time", audit: true,
			after: shift("INVALIDATED_TIME", " WHERE TOKEN_ID LIKE 'dead-%'"),
			want:  []fault{{verify.Altered, tokens, 4, dead}}},
		{name: "INVALIDATED_TIME unknown", audit: true,
			after: statements("UPDATE " + audits + " SET INVALIDATED_TIME = NULL WHERE TOKEN_ID = 'dead-1'"),
			want:  []fault{{verify.Altered, tokens, 1, []string{"dead-1"}}}},
		{name: "hashes of two audit rows swapped", audit: true,
			after: statements(swapHashes(audits, "dead-1", "dead-2")...),
			want:  []fault{{verify.Altered, tokens, 2, []string{"dead-1", "dead-2"}}}},
		{name: "audit row lost its id", audit: true,
			after: statements("UPDATE " + audits + " SET TOKEN_ID = NULL WHERE TOKEN_ID = 'dead-1'"),
			want:  []fault{{verify.Lost, tokens, 1, []string{"dead-1"}}, {verify.Invented, audits, 1, []string{"NULL"}}}},
		{name: "audit row without id added", audit: true,
			after: statements(copyAuditRow("dead-1", "NULL")),
			want:  []fault{{verify.Invented, audits, 1, []string{"NULL"}}}},
		{name: "audit row of no token", audit: true,
			after: statements(copyAuditRow("dead-1", "'nobody'")),
			want:  []fault{{verify.Invented, audits, 1, []string{"nobody"}}}},
		{name: "audited against the order",
			after: func(f *Fixture) { f.Insert(audits, oldAuditRow("dead-1")) },
			want:  []fault{{verify.Invented, tokens, 1, []string{"dead-1"}}}},
		{name: "old audit row gone", audit: true,
			after: statements(drop("TOKEN_ID = 'old-1'")),
			want:  []fault{{verify.Lost, audits, 1, []string{"old-1"}}}},
		{name: "old audit row changed", audit: true,
			after: statements("UPDATE " + audits + " SET GRANT_TYPE = 'other' WHERE TOKEN_ID = 'old-1'"),
			want:  []fault{{verify.Altered, audits, 1, []string{"old-1"}}}},
		{name: "old audit row twice", audit: true,
			after: statements(copyAuditRow("old-1", "'old-1'")),
			want:  []fault{{verify.Invented, audits, 1, []string{"old-1"}}}},
	}
}

// spoiled is a token of the fixture with changes.
func spoiled(id string, changes Row) Row {
	row := tokensToSpoil()[id]
	for c, v := range changes {
		row[c] = v
	}
	return row
}

// restore undoes the removal of a token without children, as if it had never
// happened.
func restore(id string, changes Row) func(*Fixture) {
	return func(f *Fixture) {
		f.Insert(tokens, spoiled(id, changes))
		f.Exec("DELETE FROM " + audits + " WHERE TOKEN_ID = '" + id + "'")
	}
}

const auditedColumns = "ACCESS_TOKEN, REFRESH_TOKEN, CONSUMER_KEY_ID, AUTHZ_USER, TENANT_ID, USER_DOMAIN, USER_TYPE, GRANT_TYPE, TIME_CREATED, " +
	"REFRESH_TOKEN_TIME_CREATED, VALIDITY_PERIOD, REFRESH_TOKEN_VALIDITY_PERIOD, TOKEN_SCOPE_HASH, TOKEN_STATE, TOKEN_STATE_ID, SUBJECT_IDENTIFIER, " +
	"ACCESS_TOKEN_HASH, REFRESH_TOKEN_HASH"

func copyToAudit(id string) string {
	return "INSERT INTO " + audits + " (INVALIDATED_TIME, TOKEN_ID, " + auditedColumns + ") SELECT CURRENT_TIMESTAMP, TOKEN_ID, " + auditedColumns +
		" FROM " + tokens + " WHERE TOKEN_ID = '" + id + "'"
}

// copyAuditRow copies an audit row under another id, which is SQL.
func copyAuditRow(id, as string) string {
	return "INSERT INTO " + audits + " (INVALIDATED_TIME, TOKEN_ID, " + auditedColumns + ") SELECT INVALIDATED_TIME, " + as + ", " + auditedColumns +
		" FROM " + audits + " WHERE TOKEN_ID = '" + id + "'"
}

func swapHashes(table, a, b string) []string {
	set := func(id, hash string) string {
		return "UPDATE " + table + " SET ACCESS_TOKEN_HASH = '" + hash + "' WHERE TOKEN_ID = '" + id + "'"
	}
	return []string{set(a, "hash of "+b), set(b, "hash of "+a)}
}
