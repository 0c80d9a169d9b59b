package schema

import (
	"fmt"
	"slices"
	"strings"
)

// DefaultRelease is the release whose tables are made when none is named.
const DefaultRelease = "apim-4.2"

// Tables of the releases that hang on a consumer app but that token clean-up
// leaves alone.
const (
	DeviceFlow  = "IDN_OAUTH2_DEVICE_FLOW"
	DeviceScope = "IDN_OAUTH2_DEVICE_FLOW_SCOPES"
)

// Releases lists the releases that Release knows: those of API Manager from
// the oldest on, then those of Identity Server.
func Releases() []string {
	var known []string
	for _, s := range history() {
		known = append(known, s.release)
	}
	return known
}

// Product is the kind of database that tables are made for.
type Product string

// Products that the vendor has tables for. SQLite, for which there are none, uses
// those of MySQL; MariaDB uses them too.
const (
	MySQL     Product = "mysql"
	SQLServer Product = "sqlserver"
)

// Release returns the tables of a release on a product, in name order, as a new
// installation has them. Callers may change what they get. A name that is not
// in Releases is an error that lists them, a product other than MySQL and
// SQLServer an error too.
//
// Where the vendor leaves it to the server, so does this: foreign keys have no
// name, nor have some unique keys on SQL Server; character set and collation are
// the schema's, on SQL Server the database's, where the release declares none.
// The indexes that InnoDB makes for a foreign key by itself are listed under the
// name that it gives them.
//
// On MySQL, API Manager from 4.2 on needs a schema (or tables, see
// Table.Charset) in a character set with one byte a character, as latin1: in
// utf8mb4 the indexes over TOKEN_BINDING_VALUE are longer than the 3072 bytes
// that InnoDB allows. The Identity Server releases declare latin1 themselves.
//
// On SQL Server, text is VARCHAR and times are DATETIME; those of a token can be
// NULL and have no default. Some deletes do not cascade that do on MySQL: those
// of tokens and codes to IDN_OIDC_REQ_OBJECT_REFERENCE. A unique key takes the
// same NULL once only, so two rows of IDN_OAUTH2_DEVICE_FLOW cannot both be
// without a CODE_ID.
func Release(name string, on Product) (*Database, error) {
	if on != MySQL && on != SQLServer {
		return nil, fmt.Errorf("there are no tables for the product %q; known are %s and %s", on, MySQL, SQLServer)
	}
	steps := history()
	i := slices.IndexFunc(steps, func(s step) bool { return s.release == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no release %q; known are %s", name, strings.Join(Releases(), ", "))
	}
	d := build(steps, steps[i], on)
	d.Name = name
	slices.SortFunc(d.Tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	return d, nil
}

func build(steps []step, s step, on Product) *Database {
	d := &Database{}
	if s.base != "" {
		d = build(steps, steps[slices.IndexFunc(steps, func(b step) bool { return b.release == s.base })], on)
	}
	for _, do := range s.changes {
		do(d, on)
	}
	return d
}

// step is a release, told as what it changes in its base.
type step struct {
	release, base string
	changes       []change
}

// history is the vendor's own, told once for both products. The tables are those
// of its scripts for MySQL 5.7 and later and for SQL Server; scripts for older
// servers, and databases that were upgraded, can differ in defaults and in the
// order of columns.
func history() []step {
	return []step{
		{"apim-2.6", "", firstTables()},
		{"apim-3.0", "apim-2.6", apim30()},
		{"apim-3.2", "apim-3.0", apim32()},
		{"apim-4.0", "apim-3.2", nil},
		{"apim-4.2", "apim-4.0", apim42()},
		{"apim-4.3", "apim-4.2", nil},
		{"apim-4.4", "apim-4.3", nil},
		{"apim-4.5", "apim-4.4", nil},
		{"apim-4.6", "apim-4.5", nil},
		{"apim-4.7", "apim-4.6", apim47()},
		{"is-7.0", "apim-4.6", is70()},
		{"is-7.1", "is-7.0", is71()},
		{"is-7.2", "is-7.1", is72()},
		{"is-7.3", "is-7.2", is73()},
	}
}

// apim30: the identity provider becomes part of a token; indexes by hash.
func apim30() []change {
	return []change{
		in(ConsumerApps, alter(varchar("CALLBACK_URL", 2048)),
			index("IDX_OCA_UM_TID_UD_APN", "USERNAME", "TENANT_ID", "USER_DOMAIN", "APP_NAME")),
		in(AccessToken, columns(integer("IDP_ID")), widen("CON_APP_KEY", "IDP_ID"),
			index("IDX_AT_AU_TID_UD_TS_CKID", "AUTHZ_USER", "TENANT_ID", "USER_DOMAIN", "TOKEN_STATE", "CONSUMER_KEY_ID"),
			index("IDX_AT_AU_CKID_TS_UT", "AUTHZ_USER", "CONSUMER_KEY_ID", "TOKEN_STATE", "USER_TYPE"),
			index("IDX_AT_RTH", "REFRESH_TOKEN_HASH")),
		in(AccessTokenScope, index("IDX_ATS_TID", "TOKEN_ID")),
		in(TokenAudit, columns(integer("IDP_ID"))),
		in(AuthzCode, columns(integer("IDP_ID")), alter(varchar("CALLBACK_URL", 2048)),
			only(MySQL, dropIndex("CONSUMER_KEY_ID")), index("IDX_AC_CKID", "CONSUMER_KEY_ID"), index("IDX_AC_TID", "TOKEN_ID")),
		in(RequestObject, only(MySQL, dropIndex("TOKEN_ID")), index("IDX_OROR_TID", "TOKEN_ID")),
	}
}

// apim32: tokens are bound to something the client holds; codes have scopes of
// their own; CIBA and the device flow come. All of it came with 3.1.
func apim32() []change {
	noProvider := integer("IDP_ID", required, or("-1"))
	return append([]change{
		in(AccessToken, alter(noProvider), columns(varchar("TOKEN_BINDING_REF", 32, or("NONE"))), widen("CON_APP_KEY", "TOKEN_BINDING_REF"),
			index("IDX_AT_CKID_AU_TID_UD_TSH_TS",
				"CONSUMER_KEY_ID", "AUTHZ_USER", "TENANT_ID", "USER_DOMAIN", "TOKEN_SCOPE_HASH", "TOKEN_STATE"),
			only(SQLServer,
				index("IDX_AT_AT", "AUTHZ_USER").including("ACCESS_TOKEN"),
				index("IDX_AT_RT", "AUTHZ_USER").including("REFRESH_TOKEN"))),
		in(TokenAudit, alter(noProvider)),
		in(AuthzCode, alter(noProvider),
			only(MySQL, alter(timestamp("TIME_CREATED", orNow))),
			only(SQLServer, index("IDX_AC_AC_CKID", "AUTHZ_USER").including("AUTHORIZATION_CODE", "CONSUMER_KEY_ID"))),
	}, tablesOf32()...)
}

// apim42: a token can be bound to several things, so the binding loses its
// primary key; audit rows and CIBA scopes get an id.
func apim42() []change {
	return []change{
		in(AccessToken, columns(varchar("CONSENTED_TOKEN", 6)),
			dropIndex("IDX_AT_CK_AU", "IDX_AT_AU_TID_UD_TS_CKID", "IDX_AT_AU_CKID_TS_UT"),
			index("IDX_IOAT_TSH_TS", "TOKEN_SCOPE_HASH", "TOKEN_STATE")),
		in(AccessTokenScope, alter(varchar("TOKEN_SCOPE", 100, required))),
		in(TokenBinding, alter(varchar("TOKEN_ID", 255)), primary(),
			unnamed("TOKEN_ID", "TOKEN_BINDING_TYPE", "TOKEN_BINDING_VALUE"),
			index("IDX_TK_VALUE_TYPE", "TOKEN_BINDING_VALUE", "TOKEN_BINDING_TYPE")),
		in(TokenAudit, first(autoID("ID")), primary("ID")),
		in(CIBAScope, first(autoID("ID")), primary("ID")),
		in(DeviceFlow, after("USER_CODE", integer("QUANTIFIER", required, or("0"))),
			dropUnique("USER_CODE"), unique("USRCDE_QNTFR_CONSTRAINT", "USER_CODE", "QUANTIFIER")),
	}
}

// apim47: bindings that differ only in case are different bindings; on SQL
// Server the vendor asks for a database with such a collation instead.
func apim47() []change {
	latin1 := collated("latin1", "latin1_bin")
	return []change{
		in(TokenBinding, only(MySQL, alter(varchar("TOKEN_BINDING_TYPE", 32, latin1), varchar("TOKEN_BINDING_VALUE", 1024, latin1)))),
	}
}

// is70: tokens belong to an organization, consumer keys to a tenant; latin1 is
// declared. API Manager 4.2 to 4.6 stand in for the Identity Server 6 between.
func is70() []change {
	return []change{
		everywhere(only(MySQL, charset("latin1"))),
		in(ConsumerApps, dropIndex("CONSUMER_KEY_CONSTRAINT"), unique("CONSUMER_KEY_CONSTRAINT", "TENANT_ID", "CONSUMER_KEY")),
		in(AccessToken, columns(varchar("AUTHORIZED_ORGANIZATION", 36, required, or("NONE"))), widen("CON_APP_KEY", "AUTHORIZED_ORGANIZATION"),
			dropIndex("IDX_IOAT_TSH_TS", "IDX_IOAT_UT"), index("IDX_TBR_TS", "TOKEN_BINDING_REF", "TOKEN_STATE")),
		in(AccessTokenScope, alter(varchar("TOKEN_SCOPE", 255, required))),
		in(AuthzCodeScope, alter(varchar("SCOPE", 255, required))),
		in(CIBACode, dropForeignKey("CONSUMER_KEY"), only(MySQL, dropIndex("CONSUMER_KEY")),
			on("TENANT_ID", "CONSUMER_KEY").refers(ConsumerApps, "TENANT_ID", "CONSUMER_KEY"),
			supporting("TENANT_ID", "CONSUMER_KEY")),
		in(DeviceFlow, columns(varchar("SUBJECT_IDENTIFIER", 255))),
	}
}

// is71: the audit table gets the columns that it had lacked since 5.10; the
// three indexes that 6.0 had dropped come back.
func is71() []change {
	return []change{
		in(AccessToken,
			index("IDX_AT_CK_AU", "CONSUMER_KEY_ID", "AUTHZ_USER", "TOKEN_STATE", "USER_TYPE"),
			index("IDX_AT_AU_TID_UD_TS_CKID", "AUTHZ_USER", "TENANT_ID", "USER_DOMAIN", "TOKEN_STATE", "CONSUMER_KEY_ID"),
			index("IDX_AT_AU_CKID_TS_UT", "AUTHZ_USER", "CONSUMER_KEY_ID", "TOKEN_STATE", "USER_TYPE")),
		in(TokenAudit, columns(varchar("TOKEN_BINDING_REF", 32, or("NONE")), varchar("CONSENTED_TOKEN", 6),
			varchar("AUTHORIZED_ORGANIZATION", 36, required, or("NONE")))),
	}
}

// is72: tokens have attributes, codes a DPoP thumbprint.
func is72() []change { return append(tablesOf72(), everywhere(only(MySQL, charset("latin1")))) }

// is73: bindings get an id, for replication; CIBA requests name an actor.
func is73() []change {
	return []change{
		in(TokenBinding, first(autoID("ID")), primary("ID")),
		in(CIBACode, after("USER_STORE_DOMAIN", char("RESOLVED_USER_ID", 36)), columns(varchar("REQUESTED_ACTOR", 255))),
	}
}
