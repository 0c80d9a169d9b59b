#!/bin/bash
# Entry point of the local MySQL image (see mysql-image.sh). It understands the
# variables of the official image, so that a test runs on either unchanged:
# MYSQL_ROOT_PASSWORD or MYSQL_ALLOW_EMPTY_PASSWORD, MYSQL_ROOT_HOST (default %),
# MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD. Arguments go to mysqld.
set -euo pipefail

datadir=/var/lib/mysql
template=/usr/share/mysql-datadir
zones=/usr/share/mysql-zones.sql
init_sql=/run/mysqld/first-start.sql

fail() {
	echo "entrypoint: $*" >&2
	exit 1
}

# An SQL string literal.
quote() {
	local s=${1//\\/\\\\}
	printf "'%s'" "${s//\'/\\\'}"
}

# A quoted SQL identifier.
quote_name() {
	# shellcheck disable=SC2016 # no command: MySQL's own quotes
	printf '`%s`' "${1//\`/\`\`}"
}

check_environment() {
	if [ -z "${MYSQL_ROOT_PASSWORD:-}${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ]; then
		fail "the database is new: set MYSQL_ROOT_PASSWORD or MYSQL_ALLOW_EMPTY_PASSWORD"
	fi
	if [ "${MYSQL_USER:-}" = root ]; then
		fail "MYSQL_USER must not be root: use MYSQL_ROOT_PASSWORD"
	fi
	if [ -n "${MYSQL_USER:-}" ] && [ -z "${MYSQL_PASSWORD:-}" ]; then
		fail "MYSQL_USER needs MYSQL_PASSWORD"
	fi
	if [ -n "$(ls -A /docker-entrypoint-initdb.d 2>/dev/null)" ]; then
		fail "this image runs no scripts from /docker-entrypoint-initdb.d: load them after the start"
	fi
}

# Prints those of the server's settings that are fixed when a data directory is
# made. A server that is started with one cannot use the ready-made directory.
fixed_settings() {
	local setting
	{
		my_print_defaults mysqld
		printf '%s\n' "$@"
	} | while read -r setting; do
		case ${setting//_/-} in
		--lower-case-table-names=* | --innodb-page-size=* | --innodb-data-file-path=*) echo "$setting" ;;
		esac
	done
}

make_datadir() {
	local fixed
	mapfile -t fixed < <(fixed_settings "$@")
	if [ ${#fixed[@]} = 0 ]; then
		cp -a --sparse=always "$template/." "$datadir/"
	else
		mysqld --no-defaults --datadir="$datadir" --initialize-insecure --init-file="$zones" "${fixed[@]}"
	fi
}

first_start_sql() {
	local root_host user
	root_host=$(quote "${MYSQL_ROOT_HOST:-%}")
	echo "SET @@SESSION.sql_log_bin = 0;"
	echo "SET @@SESSION.sql_mode = '';"
	echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(quote "${MYSQL_ROOT_PASSWORD:-}");"
	if [ "$root_host" != "'localhost'" ]; then
		echo "CREATE USER 'root'@$root_host IDENTIFIED BY $(quote "${MYSQL_ROOT_PASSWORD:-}");"
		echo "GRANT ALL ON *.* TO 'root'@$root_host WITH GRANT OPTION;"
	fi
	if [ -n "${MYSQL_DATABASE:-}" ]; then
		echo "CREATE DATABASE IF NOT EXISTS $(quote_name "$MYSQL_DATABASE");"
	fi
	if [ -n "${MYSQL_USER:-}" ]; then
		user="$(quote "$MYSQL_USER")@'%'"
		echo "CREATE USER $user IDENTIFIED BY $(quote "$MYSQL_PASSWORD");"
		if [ -n "${MYSQL_DATABASE:-}" ]; then
			# In a GRANT, _ and % in the database's name are wildcards.
			local pattern=${MYSQL_DATABASE//_/\\_}
			echo "GRANT ALL ON $(quote_name "${pattern//%/\\%}").* TO $user;"
		fi
	fi
}

wants_information() {
	local arg
	for arg; do
		case $arg in -\? | --help | --print-defaults | -V | --version) return 0 ;; esac
	done
	return 1
}

main() {
	if [ $# -gt 0 ] && [ "${1:0:1}" != - ] && [ "$1" != mysqld ]; then
		exec "$@"
	fi
	[ "${1:-}" != mysqld ] || shift

	# mysqld refuses to run as root: take the steps above as the user mysql.
	if [ "$(id -u)" = 0 ]; then
		chown mysql:mysql "$datadir" /run/mysqld
		exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
	fi

	if [ -d "$datadir/mysql" ] || wants_information "$@"; then
		rm -f "$init_sql"
		exec mysqld "$@"
	fi
	check_environment
	make_datadir "$@"
	(umask 077 && first_start_sql >"$init_sql")
	# The init file has run when mysqld accepts its first connection.
	exec mysqld "$@" --init-file="$init_sql"
}

main "$@"
