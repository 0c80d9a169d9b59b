package dialect

import (
	"fmt"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/token"
)

// Rule is a policy at a cut-off, ready to become SQL.
type Rule struct {
	Dialect Dialect
	Policy  token.Policy
	CutOff  SQL // the text of a UTC wall clock to the second: CutOff, or a variable of a procedure
}

// CutOff is a cut-off as a parameter.
func CutOff(d Dialect, at time.Time) SQL { return Value(d.Wall(at)) }

// column qualifies a column by its table, so that a predicate can stand in a
// query over several tables.
func (r Rule) column(table, name string) string {
	return r.Dialect.Quote(table) + "." + r.Dialect.Quote(name)
}

// Token is true for the rows of the token table that the policy removes and
// false or NULL for all others.
func (r Rule) Token(table string) SQL {
	var (
		state    = r.column(table, "TOKEN_STATE")
		validity = r.column(table, "VALIDITY_PERIOD")
		refresh  = r.column(table, "REFRESH_TOKEN_VALIDITY_PERIOD")
		access   = r.ended(r.column(table, "TIME_CREATED"), validity)
		renewal  = r.ended(r.column(table, "REFRESH_TOKEN_TIME_CREATED"), refresh)
		noToken  = r.column(table, "REFRESH_TOKEN")
	)
	dead := r.is(state, token.Inactive, token.Revoked, token.Expired)
	active := r.is(state, token.Active)
	over := Concat("(", noToken, " IS NULL OR ", noToken, " = '' OR ", renewal, ")")
	switch r.Policy {
	case token.OfficialMySQL:
		return Concat("(", dead, " OR ", active, " AND ", access, " AND ", renewal, ")")
	case token.OfficialMSSQL:
		return Concat("(", r.withinMSSQLLimits(validity), " AND ", r.withinMSSQLLimits(refresh),
			" AND (", dead, " OR ", active, " AND ", access, " AND ", renewal, "))")
	case token.Strict:
		return Concat("(", r.is(state, token.Inactive, token.Revoked), " OR ", r.is(state, token.Expired), " AND ", over,
			" OR ", active, " AND ", access, " AND ", over, ")")
	default:
		return Concat("(", dead, " OR ", active, " AND ", access, " AND ", over, ")")
	}
}

// Code is true for the rows of the code table that the policy removes, given
// tokenLeft: true for rows whose token is still there.
func (r Rule) Code(table string, tokenLeft SQL) SQL {
	validity := r.column(table, "VALIDITY_PERIOD")
	gone := Concat(r.is(r.column(table, "STATE"), token.Inactive), " OR ",
		r.ended(r.column(table, "TIME_CREATED"), validity))
	if r.Policy == token.OfficialMSSQL {
		gone = Concat(r.withinMSSQLLimits(validity), " AND (", gone, ")")
	}
	return Concat("(NOT ", tokenLeft, " AND (", gone, "))")
}

// CIBA is true for the rows of the CIBA table that the policy removes.
func (r Rule) CIBA(table string) SQL {
	seconds := r.column(table, "EXPIRES_IN")
	millis := "(" + seconds + " * 1000.0)" // a decimal: the largest INT times an INT would overflow on SQL Server
	return Concat("(", r.is(r.column(table, "AUTH_REQ_STATUS"), token.CIBAExpired, token.CIBATokenIssued, token.CIBAFailed),
		" OR ", seconds, " > 0 AND ", r.Dialect.Before(r.column(table, "ISSUED_TIME"), millis, r.CutOff), ")")
}

// is compares a state exactly, or for the official policies as the vendor's
// procedure would: by the column's collation.
func (r Rule) is(expr string, states ...string) SQL {
	if r.Policy.Official() {
		return r.Dialect.LikeColumn(expr, states...)
	}
	return r.Dialect.SameText(expr, states...)
}

// ended is true where a lifetime is over. The CASE keeps the arithmetic away
// from validities that would overflow it: AND promises no order.
func (r Rule) ended(created, validity string) SQL {
	limits, millis := fmt.Sprintf("%s >= 0 AND %s < %d", validity, validity, token.MaxValidity), validity
	switch r.Policy {
	case token.OfficialMySQL:
		limits = fmt.Sprintf("%s > 0 AND %s < %d", validity, validity, token.MaxValidity)
		millis = fmt.Sprintf("(%s + 30000 - (%s + 30000) %% 60000)", validity, validity)
	case token.OfficialMSSQL:
		limits = fmt.Sprintf("%s >= 0 AND %s <= %d", validity, validity, token.MaxValidity)
		millis = fmt.Sprintf("(%s - %s %% 60000)", validity, validity)
	}
	return Concat("CASE WHEN ", limits, " THEN CASE WHEN ", r.Dialect.Before(created, millis, r.CutOff), " THEN 1 ELSE 0 END ELSE 0 END = 1")
}

// Literals lists values of this program's own, such as state names, as SQL
// literals rather than placeholders, so that the text can be read with them in it.
func Literals(values []string) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = Literal(v)
	}
	return strings.Join(all, ", ")
}

// Literal is a text as an SQL literal. A backslash stays as it is, which MySQL
// reads as the beginning of an escape.
func Literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (r Rule) withinMSSQLLimits(validity string) SQL {
	return Text(validity, " >= 0 AND ", validity, fmt.Sprintf(" <= %d", token.MaxValidity))
}
