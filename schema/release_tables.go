package schema

// firstTables are those of API Manager 2.6, the oldest release known.
func firstTables() []change {
	return []change{
		consumerApps(), accessToken(), accessTokenAudit(), authorizationCode(),
		table(AccessTokenScope,
			columns(varchar("TOKEN_ID", 255, required), varchar("TOKEN_SCOPE", 60, required), integer("TENANT_ID", or("-1"))),
			primary("TOKEN_ID", "TOKEN_SCOPE"),
			on("TOKEN_ID").refers(AccessToken, "TOKEN_ID")),
		table(RequestObject,
			columns(autoID("ID"), integer("CONSUMER_KEY_ID"), varchar("CODE_ID", 255), varchar("TOKEN_ID", 255), varchar("SESSION_DATA_KEY", 255)),
			primary("ID"),
			on("CONSUMER_KEY_ID").refers(ConsumerApps, "ID"), supporting("CONSUMER_KEY_ID"),
			on("TOKEN_ID").refers(AccessToken, "TOKEN_ID"), supporting("TOKEN_ID"),
			on("CODE_ID").refers(AuthzCode, "CODE_ID"), supporting("CODE_ID"),
			// SQL Server lets a delete reach a table by one path of cascades only.
			only(SQLServer, noCascade("TOKEN_ID"), noCascade("CODE_ID"))),
		table(RequestClaims,
			columns(autoID("ID"), integer("REQ_OBJECT_ID"), varchar("CLAIM_ATTRIBUTE", 255),
				char("ESSENTIAL", 1, required, or("0")), varchar("VALUE", 255), char("IS_USERINFO", 1, required, or("0"))),
			primary("ID"),
			on("REQ_OBJECT_ID").refers(RequestObject, "ID"), supporting("REQ_OBJECT_ID")),
		table(RequestValues,
			columns(autoID("ID"), integer("REQ_OBJECT_CLAIMS_ID"), varchar("CLAIM_VALUES", 255)),
			primary("ID"),
			on("REQ_OBJECT_CLAIMS_ID").refers(RequestClaims, "ID"), supporting("REQ_OBJECT_CLAIMS_ID")),
	}
}

func consumerApps() change {
	return table(ConsumerApps,
		columns(
			autoID("ID"), varchar("CONSUMER_KEY", 255), varchar("CONSUMER_SECRET", 2048), varchar("USERNAME", 255),
			integer("TENANT_ID", or("0")), varchar("USER_DOMAIN", 50), varchar("APP_NAME", 255), varchar("OAUTH_VERSION", 128),
			varchar("CALLBACK_URL", 1024), varchar("GRANT_TYPES", 1024),
			char("PKCE_MANDATORY", 1, or("0")), char("PKCE_SUPPORT_PLAIN", 1, or("0")), varchar("APP_STATE", 25, or("ACTIVE")),
			// Lifetimes of an app are seconds, those of a token milliseconds.
			bigint("USER_ACCESS_TOKEN_EXPIRE_TIME", or("3600")), bigint("APP_ACCESS_TOKEN_EXPIRE_TIME", or("3600")),
			bigint("REFRESH_TOKEN_EXPIRE_TIME", or("84600")), bigint("ID_TOKEN_EXPIRE_TIME", or("3600"))),
		primary("ID"),
		unique("CONSUMER_KEY_CONSTRAINT", "CONSUMER_KEY"))
}

func accessToken() change {
	return table(AccessToken,
		columns(
			varchar("TOKEN_ID", 255, required), varchar("ACCESS_TOKEN", 2048), varchar("REFRESH_TOKEN", 2048),
			integer("CONSUMER_KEY_ID"), varchar("AUTHZ_USER", 100), integer("TENANT_ID"), varchar("USER_DOMAIN", 50),
			varchar("USER_TYPE", 25), varchar("GRANT_TYPE", 50),
			timestamp("TIME_CREATED", orNow), timestamp("REFRESH_TOKEN_TIME_CREATED", orNow),
			bigint("VALIDITY_PERIOD"), bigint("REFRESH_TOKEN_VALIDITY_PERIOD"),
			varchar("TOKEN_SCOPE_HASH", 32), varchar("TOKEN_STATE", 25, or("ACTIVE")), varchar("TOKEN_STATE_ID", 128, or("NONE")),
			varchar("SUBJECT_IDENTIFIER", 255), varchar("ACCESS_TOKEN_HASH", 512), varchar("REFRESH_TOKEN_HASH", 512)),
		only(SQLServer, alter(timestamp("TIME_CREATED"), timestamp("REFRESH_TOKEN_TIME_CREATED"))),
		primary("TOKEN_ID"),
		on("CONSUMER_KEY_ID").refers(ConsumerApps, "ID"),
		unique("CON_APP_KEY",
			"CONSUMER_KEY_ID", "AUTHZ_USER", "TENANT_ID", "USER_DOMAIN", "USER_TYPE", "TOKEN_SCOPE_HASH", "TOKEN_STATE", "TOKEN_STATE_ID"),
		index("IDX_AT_CK_AU", "CONSUMER_KEY_ID", "AUTHZ_USER", "TOKEN_STATE", "USER_TYPE"),
		index("IDX_TC", "TIME_CREATED"),
		index("IDX_ATH", "ACCESS_TOKEN_HASH"),
		index("IDX_IOAT_UT", "USER_TYPE"),
		index("IDX_AT_TI_UD", "AUTHZ_USER", "TENANT_ID", "TOKEN_STATE", "USER_DOMAIN"))
}

// accessTokenAudit has neither key nor index; its times can be NULL.
func accessTokenAudit() change {
	return table(TokenAudit,
		columns(
			varchar("TOKEN_ID", 255), varchar("ACCESS_TOKEN", 2048), varchar("REFRESH_TOKEN", 2048),
			integer("CONSUMER_KEY_ID"), varchar("AUTHZ_USER", 100), integer("TENANT_ID"), varchar("USER_DOMAIN", 50),
			varchar("USER_TYPE", 25), varchar("GRANT_TYPE", 50),
			timestamp("TIME_CREATED"), timestamp("REFRESH_TOKEN_TIME_CREATED"),
			bigint("VALIDITY_PERIOD"), bigint("REFRESH_TOKEN_VALIDITY_PERIOD"),
			varchar("TOKEN_SCOPE_HASH", 32), varchar("TOKEN_STATE", 25), varchar("TOKEN_STATE_ID", 128),
			varchar("SUBJECT_IDENTIFIER", 255), varchar("ACCESS_TOKEN_HASH", 512), varchar("REFRESH_TOKEN_HASH", 512),
			timestamp("INVALIDATED_TIME")))
}

// authorizationCode has a TOKEN_ID that is no foreign key.
func authorizationCode() change {
	return table(AuthzCode,
		columns(
			varchar("CODE_ID", 255, required), varchar("AUTHORIZATION_CODE", 2048), integer("CONSUMER_KEY_ID"),
			varchar("CALLBACK_URL", 1024), varchar("SCOPE", 2048), varchar("AUTHZ_USER", 100), integer("TENANT_ID"),
			varchar("USER_DOMAIN", 50), timestamp("TIME_CREATED"), bigint("VALIDITY_PERIOD"),
			varchar("STATE", 25, or("ACTIVE")), varchar("TOKEN_ID", 255), varchar("SUBJECT_IDENTIFIER", 255),
			varchar("PKCE_CODE_CHALLENGE", 255), varchar("PKCE_CODE_CHALLENGE_METHOD", 128), varchar("AUTHORIZATION_CODE_HASH", 512)),
		primary("CODE_ID"),
		on("CONSUMER_KEY_ID").refers(ConsumerApps, "ID"), supporting("CONSUMER_KEY_ID"),
		index("IDX_AUTHORIZATION_CODE_HASH", "AUTHORIZATION_CODE_HASH", "CONSUMER_KEY_ID"),
		index("IDX_AUTHORIZATION_CODE_AU_TI", "AUTHZ_USER", "TENANT_ID", "USER_DOMAIN", "STATE"))
}

// tablesOf32 are those that API Manager 3.1 brought.
func tablesOf32() []change {
	return []change{
		table(TokenBinding,
			columns(varchar("TOKEN_ID", 255, required), varchar("TOKEN_BINDING_TYPE", 32), varchar("TOKEN_BINDING_REF", 32),
				varchar("TOKEN_BINDING_VALUE", 1024), integer("TENANT_ID", or("-1"))),
			primary("TOKEN_ID"),
			on("TOKEN_ID").refers(AccessToken, "TOKEN_ID"),
			index("IDX_IDN_AUTH_BIND", "TOKEN_BINDING_REF")),
		table(AuthzCodeScope,
			columns(varchar("CODE_ID", 255, required), varchar("SCOPE", 60, required), integer("TENANT_ID", or("-1"))),
			primary("CODE_ID", "SCOPE"),
			on("CODE_ID").refers(AuthzCode, "CODE_ID")),
		table(CIBACode,
			columns(char("AUTH_CODE_KEY", 36, required), char("AUTH_REQ_ID", 36), timestamp("ISSUED_TIME", orNow),
				varchar("CONSUMER_KEY", 255), timestamp("LAST_POLLED_TIME", orNow), integer("POLLING_INTERVAL"), integer("EXPIRES_IN"),
				varchar("AUTHENTICATED_USER_NAME", 255), varchar("USER_STORE_DOMAIN", 100), integer("TENANT_ID"),
				varchar("AUTH_REQ_STATUS", 100, or("REQUESTED")), integer("IDP_ID")),
			only(SQLServer, alter(timestamp("LAST_POLLED_TIME", required))),
			primary("AUTH_CODE_KEY"),
			unnamed("AUTH_REQ_ID"),
			on("CONSUMER_KEY").refers(ConsumerApps, "CONSUMER_KEY"), supporting("CONSUMER_KEY")),
		table(CIBAScope,
			columns(char("AUTH_CODE_KEY", 36), varchar("SCOPE", 255)),
			on("AUTH_CODE_KEY").refers(CIBACode, "AUTH_CODE_KEY"), supporting("AUTH_CODE_KEY")),
		table(DeviceFlow,
			columns(varchar("CODE_ID", 255), varchar("DEVICE_CODE", 255, required), varchar("USER_CODE", 25), integer("CONSUMER_KEY_ID"),
				timestamp("LAST_POLL_TIME", orNow), timestamp("EXPIRY_TIME", orNow), timestamp("TIME_CREATED", orNow),
				bigint("POLL_TIME"), varchar("STATUS", 25, or("PENDING")), varchar("AUTHZ_USER", 100), integer("TENANT_ID"),
				varchar("USER_DOMAIN", 50), integer("IDP_ID")),
			only(SQLServer, alter(timestamp("LAST_POLL_TIME", required), timestamp("EXPIRY_TIME", required), timestamp("TIME_CREATED", required))),
			primary("DEVICE_CODE"),
			unnamed("CODE_ID"), unnamed("USER_CODE"),
			on("CONSUMER_KEY_ID").refers(ConsumerApps, "ID"), supporting("CONSUMER_KEY_ID")),
		table(DeviceScope,
			columns(autoID("ID"), varchar("SCOPE_ID", 255), varchar("SCOPE", 255)),
			primary("ID"),
			on("SCOPE_ID").refers(DeviceFlow, "CODE_ID"), supporting("SCOPE_ID")),
	}
}

// tablesOf72 are those that Identity Server 7.2 brought.
func tablesOf72() []change {
	return []change{
		table(TokenAttributes,
			columns(autoID("ID"), varchar("TOKEN_ATTR_NAME", 100, required), varchar("TOKEN_ATTR_VALUE", 255), varchar("TOKEN_ID", 255, required)),
			primary("ID"),
			unnamed("TOKEN_ID", "TOKEN_ATTR_NAME"),
			on("TOKEN_ID").refers(AccessToken, "TOKEN_ID"),
			index("IDX_OAUTH2_ACCESS_TOKEN_ATTRIBUTES_TOKEN_ID", "TOKEN_ID"),
			index("IDX_OAUTH2_ACCESS_TOKEN_ATTRIBUTES_TOKEN_ATTR_NAME", "TOKEN_ATTR_NAME")),
		table(DPoPThumbprint,
			columns(varchar("CODE_ID", 255, required), varchar("DPOP_JKT", 255)),
			primary("CODE_ID"),
			on("CODE_ID").refers(AuthzCode, "CODE_ID")),
	}
}
