package dbtest

import (
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/verify"
)

const (
	codes    = schema.AuthzCode
	requests = schema.CIBACode
)

// childFaults are faults in the tables below tokens and requests.
func childFaults() []sabotage {
	const scopes = schema.AccessTokenScope
	left := func(table string, r Row) func(*Fixture) { return func(f *Fixture) { f.unchecked(table, r) } }
	return []sabotage{
		{name: "scope of a removed token left", audit: true,
			after: left(scopes, Row{"TOKEN_ID": "dead-parent", "TOKEN_SCOPE": "openid"}),
			want:  []fault{{verify.Orphaned, scopes, 1, []string{"dead-parent,openid"}}}},
		{name: "claims of a removed token left", audit: true,
			after: left(schema.RequestClaims, Row{"ID": 2, "REQ_OBJECT_ID": 2, "CLAIM_ATTRIBUTE": "dead-parent"}),
			want:  []fault{{verify.Orphaned, schema.RequestClaims, 1, []string{"2"}}}},
		{name: "binding of a removed token left", audit: true, // the table has no primary key
			after: left(schema.TokenBinding, bindingRow("dead-parent")),
			want:  []fault{{verify.Orphaned, schema.TokenBinding, 1, []string{"dead-parent"}}}},
		{name: "scope of a survivor gone", audit: true,
			after: statements("DELETE FROM " + scopes + " WHERE TOKEN_ID = 'live-parent'"),
			want:  []fault{{verify.Lost, scopes, 1, []string{"live-parent,openid"}}}},
		{name: "request object of a survivor gone", audit: true, // two tables hang on it
			after: statements("DELETE FROM " + schema.RequestValues + " WHERE CLAIM_VALUES = 'live-parent'"),
			want:  []fault{{verify.Lost, schema.RequestValues, 1, []string{"1"}}}},
		{name: "scope of a survivor changed", audit: true,
			after: statements("UPDATE " + scopes + " SET TENANT_ID = 7 WHERE TOKEN_ID = 'live-parent'"),
			want:  []fault{{verify.Altered, scopes, 1, []string{"live-parent,openid"}}}},
		{name: "scope invented", audit: true,
			after: func(f *Fixture) { f.Insert(scopes, Row{"TOKEN_ID": "live-1", "TOKEN_SCOPE": "new"}) },
			want:  []fault{{verify.Invented, scopes, 1, []string{"live-1,new"}}}},
		{name: "scope of a CIBA request gone", audit: true,
			after: statements("DELETE FROM " + schema.CIBAScope),
			want:  []fault{{verify.Lost, schema.CIBAScope, 1, []string{"1"}}}},
	}
}

// codeFaults are faults in the tables of codes and CIBA requests.
func codeFaults() []sabotage {
	return []sabotage{
		{name: "code removed that has not ended", audit: true,
			after: statements("DELETE FROM " + codes + " WHERE CODE_ID = 'code-live'"),
			want:  []fault{{verify.WronglyRemoved, codes, 1, []string{"code-live"}}}},
		{name: "code removed whose token stays", audit: true,
			after: statements("DELETE FROM " + codes + " WHERE CODE_ID = 'code-of-live-2'"),
			want:  []fault{{verify.WronglyRemoved, codes, 1, []string{"code-of-live-2"}}}},
		{name: "dead code kept", audit: true,
			after: func(f *Fixture) { f.Insert(codes, codesToSpoil()["code-dead"]) },
			want:  []fault{{verify.WronglyKept, codes, 1, []string{"code-dead"}}}},
		{name: "code of a removed token kept", audit: true,
			after: func(f *Fixture) { f.Insert(codes, codesToSpoil()["code-of-dead-2"]) },
			want:  []fault{{verify.WronglyKept, codes, 1, []string{"code-of-dead-2"}}}},
		{name: "code of a token kept by mistake removed", audit: true, // the token is there, so the code had to stay
			after: restore("dead-2", nil),
			want:  []fault{{verify.WronglyKept, tokens, 1, []string{"dead-2"}}, {verify.WronglyRemoved, codes, 1, []string{"code-of-dead-2"}}}},
		{name: "code changed", audit: true,
			after: statements("UPDATE " + codes + " SET STATE = 'INACTIVE' WHERE CODE_ID = 'code-live'"),
			want:  []fault{{verify.Altered, codes, 1, []string{"code-live"}}}},
		{name: "code invented", audit: true,
			after: func(f *Fixture) { f.Insert(codes, CodeRow("code-new", "ACTIVE", nil)) },
			want:  []fault{{verify.Invented, codes, 1, []string{"code-new"}}}},
		{name: "CIBA request removed that has not ended", audit: true,
			after: statements("DELETE FROM " + requests + " WHERE AUTH_CODE_KEY = 'ciba-live'"),
			want:  []fault{{verify.WronglyRemoved, requests, 1, []string{"ciba-live"}}}},
		{name: "dead CIBA request kept", audit: true,
			after: func(f *Fixture) { f.Insert(requests, CIBARow("ciba-dead", "TOKEN_ISSUED", nil)) },
			want:  []fault{{verify.WronglyKept, requests, 1, []string{"ciba-dead"}}}},
		{name: "CIBA request changed", audit: true,
			after: statements("UPDATE " + requests + " SET POLLING_INTERVAL = 3 WHERE AUTH_CODE_KEY = 'ciba-live'"),
			want:  []fault{{verify.Altered, requests, 1, []string{"ciba-live"}}}},
	}
}

// bystanderFaults are faults in tables that no clean-up touches.
func bystanderFaults() []sabotage {
	return []sabotage{
		{name: "untouched table changed", audit: true,
			after: statements("UPDATE " + schema.ConsumerApps + " SET APP_NAME = 'other'"),
			want:  []fault{{verify.Altered, schema.ConsumerApps, 1, []string{"1"}}}},
		{name: "row of another table gone", audit: true,
			after: statements("DELETE FROM NOTES WHERE ID = 1"),
			want:  []fault{{verify.Lost, "NOTES", 1, []string{"1"}}}},
		{name: "row of another table added", audit: true,
			after: statements("INSERT INTO NOTES VALUES (3, 'three')"),
			want:  []fault{{verify.Invented, "NOTES", 1, []string{"3"}}}},
		{name: "row gone from a table without key", audit: true,
			after: statements("DELETE FROM LOG_LINES WHERE LINE = 'once'"),
			want:  []fault{{verify.Lost, "LOG_LINES", 1, []string{"once"}}}},
		{name: "one of two equal rows gone", audit: true,
			after: statements("DELETE FROM LOG_LINES WHERE LINE = 'twice'", "INSERT INTO LOG_LINES VALUES ('twice', 'a')"),
			want:  []fault{{verify.Lost, "LOG_LINES", 1, []string{"twice"}}}},
		{name: "row twice in a table without key", audit: true,
			after: statements("INSERT INTO LOG_LINES VALUES ('once', 'a')"),
			want:  []fault{{verify.Invented, "LOG_LINES", 1, []string{"once"}}}},
		{name: "row changed in a table without key", audit: true, // which row became which cannot be known
			after: statements("UPDATE LOG_LINES SET HOST = 'b' WHERE LINE = 'once'"),
			want:  []fault{{verify.Lost, "LOG_LINES", 1, []string{"once"}}, {verify.Invented, "LOG_LINES", 1, []string{"once"}}}},
	}
}

// definitionFaults are changes to the schema itself.
func definitionFaults() []sabotage {
	notes := "NOTES" // a clean-up has no business there
	return []sabotage{
		{name: "table left behind", audit: true,
			after: statements("CREATE TABLE WORK (ID INT)"),
			want:  []fault{{verify.Invented, "WORK", 1, []string{"WORK"}}}},
		{name: "table gone", audit: true,
			after: statements("DROP TABLE NOTES"),
			want:  []fault{{verify.Lost, notes, 3, []string{"1", "2", notes}}}},
		{name: "index added", audit: true,
			after: statements("CREATE INDEX idx_new ON NOTES (BODY)"),
			want:  []fault{{verify.Altered, notes, 1, []string{"indexes: was [], now [idx_new (BODY)]"}}}},
		{name: "column added", audit: true,
			after: statements("ALTER TABLE NOTES ADD MORE INT NULL"),
			want:  []fault{{verify.Altered, notes, 1, []string{"column MORE is new"}}}},
		{name: "trigger left behind", audit: true,
			after: func(f *Fixture) { f.Exec(f.speech().insertTrigger) },
			want:  []fault{{verify.Altered, notes, 1, []string{"triggers: was [], now [{extra AFTER INSERT}]"}}}},
		{name: "audit table replaced", audit: true, // and what was in it forgotten
			after: func(f *Fixture) {
				found, _ := f.Found().Table(audits)
				f.Exec("DROP TABLE " + audits)
				f.Exec(f.Dialect.CreateTable(*found))
			},
			want: []fault{{verify.Lost, tokens, 4, []string{"dead-1", "dead-2", "dead-3", "dead-parent"}}, {verify.Lost, audits, 2, []string{"old-1", "old-2"}}}},
	}
}
