package schema

import "slices"

// Names of the product's tables that token clean-up knows.
const (
	AccessToken      = "IDN_OAUTH2_ACCESS_TOKEN"
	AccessTokenScope = "IDN_OAUTH2_ACCESS_TOKEN_SCOPE"
	TokenAttributes  = "IDN_OAUTH2_ACCESS_TOKEN_ATTRIBUTES"
	TokenBinding     = "IDN_OAUTH2_TOKEN_BINDING"
	TokenAudit       = "IDN_OAUTH2_ACCESS_TOKEN_AUDIT"
	AuthzCode        = "IDN_OAUTH2_AUTHORIZATION_CODE"
	AuthzCodeScope   = "IDN_OAUTH2_AUTHZ_CODE_SCOPE"
	DPoPThumbprint   = "IDN_OAUTH2_DPOP_JKT"
	RequestObject    = "IDN_OIDC_REQ_OBJECT_REFERENCE"
	RequestClaims    = "IDN_OIDC_REQ_OBJECT_CLAIMS"
	RequestValues    = "IDN_OIDC_REQ_OBJ_CLAIM_VALUES"
	CIBACode         = "IDN_OAUTH2_CIBA_AUTH_CODE"
	CIBAScope        = "IDN_OAUTH2_CIBA_REQUEST_SCOPES"
	ConsumerApps     = "IDN_OAUTH_CONSUMER_APPS"
)

// Cleaned are the tables from which a clean-up takes rows by a rule of their own,
// in its order: a code may only go when its token is gone. All other rows go with
// these, or stay.
func Cleaned() []string { return []string{AccessToken, AuthzCode, CIBACode} }

// IsCleaned reports whether a table, in any case of letters, is one of Cleaned.
func IsCleaned(table string) bool {
	return slices.ContainsFunc(Cleaned(), func(name string) bool { return SameName(name, table) })
}
