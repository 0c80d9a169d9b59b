package schema

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
