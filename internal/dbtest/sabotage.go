package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/harness"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
	"github.com/tokensweep/tokensweep/verify"
)

// sabotage is a fault that an engine commits, and what the verifier has to say.
type sabotage struct {
	name   string
	before func(*Fixture) // done to the database when the engine starts
	after  func(*Fixture) // done when it is through
	want   []fault
	audit  bool // false: the clean-up is run without audit
}

// saboteur is the batch engine with a fault.
type saboteur struct {
	cleanup.Batch
	f *Fixture
	sabotage
}

func (s saboteur) Clean(ctx context.Context, db *sql.DB, plan *cleanup.Plan, w cleanup.Watcher) (*cleanup.Result, error) {
	if s.before != nil {
		s.before(s.f)
	}
	result, err := s.Batch.Clean(ctx, db, plan, w)
	if s.after != nil {
		s.after(s.f)
	}
	return result, err
}

// Sabotage shows that the verifier finds each fault that an engine could
// commit, names the row, and finds nothing else.
func Sabotage(t *testing.T, open Opener) {
	committed := map[verify.Class]bool{}
	for _, s := range slices.Concat(tokenFaults(), auditFaults(), childFaults(), codeFaults(), bystanderFaults(), definitionFaults()) {
		for _, w := range s.want {
			committed[w.class] = true
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			f := sabotaged(t, open)
			plan, err := cleanup.NewPlan(f.Found(), f.Dialect, cleanup.Settings{Policy: token.Documented, CutOff: CutOff, Audit: s.audit})
			require.NoError(t, err)
			_, outcome := f.Verified(saboteur{f: f, sabotage: s}, plan)
			if f.Server.Product == "Babelfish" {
				ownIndexName(outcome)
			}
			requireFaults(t, outcome, s.want...)
		})
	}
	for _, class := range verify.Faults() {
		require.True(t, committed[class], "no saboteur commits %s", class)
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		f := sabotaged(t, open)
		_, outcome := f.Verified(cleanup.Batch{}, f.Plan(token.Documented))
		require.Equal(t, verify.Pass, outcome.Verdict, "%+v", outcome.Findings)
	})
}

// ownIndexName takes off what Babelfish adds to the name of an index.
func ownIndexName(o *verify.Outcome) {
	for _, finding := range o.Findings {
		for i, sample := range finding.Samples {
			finding.Samples[i] = madeUpName.ReplaceAllString(sample, "idx_new")
		}
	}
}

var madeUpName = regexp.MustCompile(`idx_newnotes[0-9a-f]{32}`)

// sabotaged has what there is to spoil: tokens that stay (live-*) and go
// (dead-*), bare ones and ones with children, a token of an earlier clean-up,
// codes, CIBA requests, and tables that no clean-up touches, one without a key.
func sabotaged(t *testing.T, open Opener) *Fixture {
	f := New(t, open(t, harness.Options{}), Setup{})
	f.Exec("CREATE TABLE NOTES (ID INT NOT NULL PRIMARY KEY, BODY VARCHAR(50))")
	f.Exec("CREATE TABLE LOG_LINES (LINE VARCHAR(50), HOST VARCHAR(50))")
	f.Exec("INSERT INTO NOTES VALUES (1, 'one'), (2, 'two')")
	f.Exec("INSERT INTO LOG_LINES VALUES ('twice', 'a'), ('twice', 'a'), ('once', 'a')")
	for _, row := range tokensToSpoil() {
		f.Insert(schema.AccessToken, row)
	}
	f.insertChildren(1, "live-parent")
	f.insertChildren(2, "dead-parent")
	f.Insert(schema.TokenAudit, oldAuditRow("old-1"))
	f.Insert(schema.TokenAudit, oldAuditRow("old-2"))
	for _, row := range codesToSpoil() {
		f.Insert(schema.AuthzCode, row)
	}
	f.Insert(schema.CIBACode, CIBARow("ciba-live", "REQUESTED", Row{"ISSUED_TIME": At(7000)}))
	f.Insert(schema.CIBACode, CIBARow("ciba-dead", "TOKEN_ISSUED", nil))
	f.Insert(schema.CIBAScope, Row{"ID": 1, "AUTH_CODE_KEY": "ciba-live", "SCOPE": "openid"})
	return f
}

func tokensToSpoil() map[string]Row {
	live := Row{"TIME_CREATED": At(7000), "REFRESH_TOKEN_TIME_CREATED": At(7000)}
	rows := map[string]Row{}
	for _, id := range []string{"live-1", "live-2", "live-parent"} {
		rows[id] = TokenRow(id, token.Active, live)
		rows[id]["ACCESS_TOKEN_HASH"] = "hash of " + id
	}
	for _, id := range []string{"dead-1", "dead-2", "dead-3", "dead-parent"} {
		rows[id] = TokenRow(id, token.Revoked, nil)
		rows[id]["ACCESS_TOKEN_HASH"] = "hash of " + id
	}
	return rows
}

func codesToSpoil() map[string]Row {
	return map[string]Row{
		"code-live":      CodeRow("code-live", token.Active, Row{"TIME_CREATED": At(7000)}),
		"code-of-live-2": CodeRow("code-of-live-2", token.Inactive, Row{"TOKEN_ID": "live-2"}),
		"code-dead":      CodeRow("code-dead", token.Inactive, nil),
		"code-of-dead-2": CodeRow("code-of-dead-2", token.Inactive, Row{"TOKEN_ID": "dead-2"}),
	}
}

func oldAuditRow(id string) Row {
	row := TokenRow(id, token.Revoked, Row{"INVALIDATED_TIME": At(-5_000_000)})
	return row
}

// insertChildren gives a token a scope, a binding and a request object.
func (f *Fixture) insertChildren(n int, id string) {
	f.t.Helper()
	f.Insert(schema.AccessTokenScope, Row{"TOKEN_ID": id, "TOKEN_SCOPE": "openid"})
	f.Insert(schema.TokenBinding, bindingRow(id))
	f.Insert(schema.RequestObject, Row{"ID": n, "TOKEN_ID": id, "CONSUMER_KEY_ID": App})
	f.Insert(schema.RequestClaims, Row{"ID": n, "REQ_OBJECT_ID": n, "CLAIM_ATTRIBUTE": id})
	f.Insert(schema.RequestValues, Row{"ID": n, "REQ_OBJECT_CLAIMS_ID": n, "CLAIM_VALUES": id})
}

func bindingRow(id string) Row {
	return Row{"TOKEN_ID": id, "TOKEN_BINDING_TYPE": "cookie", "TOKEN_BINDING_REF": "ref", "TOKEN_BINDING_VALUE": "value of " + id}
}

// hourLater is the SQL for a time one hour after that of a column.
func (f *Fixture) hourLater(column string) string { return fmt.Sprintf(f.speech().hourLater, column) }

// unchecked inserts a row that foreign keys would refuse.
func (f *Fixture) unchecked(table string, r Row) {
	f.t.Helper()
	conn := f.session()
	defer conn.Close()
	f.speech().unchecked(f, conn, table, r)
}

// statements is a step that runs statements.
func statements(all ...string) func(*Fixture) {
	return func(f *Fixture) {
		for _, s := range all {
			f.Exec(s)
		}
	}
}
