#!/bin/sh
# Cleans with Percona's pt-archiver, for "tokensweep bench --no-audit --engines 'command:…'".
#
# Usage: MYSQL_PWD=… pt-archiver.sh HOST PORT USER SCHEMA CUTOFF
#   CUTOFF  UTC wall clock, such as 2026-11-26 05:00:00
#
# Not for production: it looks at a row when it picks it, and not again when it deletes
# a chunk of keys. Chunks of 1,000 rows, each a transaction, as its manual advises.
# pt-archiver deletes from one table, and MySQL 9.7 leaves orphans in cascades over three
# levels, so that request-object claims go first, by the mysql client.
set -eu
host=$1 port=$2 user=$3 schema=$4 cutoff=$5

over() { echo "$1 BETWEEN 0 AND 99999999999989 AND $2 + INTERVAL 1000 * $1 MICROSECOND < '$cutoff'"; }

tokens="TOKEN_STATE IN ('INACTIVE', 'REVOKED', 'EXPIRED') OR TOKEN_STATE = 'ACTIVE' AND $(over VALIDITY_PERIOD TIME_CREATED)
  AND (COALESCE(REFRESH_TOKEN, '') = '' OR $(over REFRESH_TOKEN_VALIDITY_PERIOD REFRESH_TOKEN_TIME_CREATED))"
codes="(STATE = 'INACTIVE' OR $(over VALIDITY_PERIOD TIME_CREATED))
  AND NOT EXISTS (SELECT 1 FROM IDN_OAUTH2_ACCESS_TOKEN t WHERE t.TOKEN_ID = IDN_OAUTH2_AUTHORIZATION_CODE.TOKEN_ID)"
requests="AUTH_REQ_STATUS IN ('EXPIRED', 'TOKEN_ISSUED', 'FAILED') OR EXPIRES_IN > 0 AND ISSUED_TIME + INTERVAL EXPIRES_IN SECOND < '$cutoff'"

mysql --host="$host" --port="$port" --user="$user" "$schema" --execute="DELETE l FROM IDN_OAUTH2_ACCESS_TOKEN
  STRAIGHT_JOIN IDN_OIDC_REQ_OBJECT_REFERENCE r ON r.TOKEN_ID = IDN_OAUTH2_ACCESS_TOKEN.TOKEN_ID
  STRAIGHT_JOIN IDN_OIDC_REQ_OBJECT_CLAIMS l ON l.REQ_OBJECT_ID = r.ID WHERE $tokens"

archive() {
	pt-archiver --source "h=$host,P=$port,u=$user,p=$MYSQL_PWD,D=$schema,t=$1,i=PRIMARY" --where "$2" \
		--purge --bulk-delete --primary-key-only --limit 1000 --commit-each --no-check-charset --statistics
}
archive IDN_OAUTH2_ACCESS_TOKEN "$tokens"
archive IDN_OAUTH2_AUTHORIZATION_CODE "$codes"
archive IDN_OAUTH2_CIBA_AUTH_CODE "$requests"
