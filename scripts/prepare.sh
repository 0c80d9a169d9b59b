#!/usr/bin/env bash
# Gets what the tests on real databases need, and says what it could not get:
#
#   docker     a Docker engine that answers, started if it has to be
#   mysql      a MySQL image: the official one, or where no image registry can be
#              reached one built of Debian's packages (mysql-image.sh)
#   mariadb    MariaDB's server and dump program, run as local processes
#   chromium   a browser, for the test of the HTML page
#   sqlserver  the server that TOKENSWEEP_SQLSERVER_DSN names, or Microsoft's image
#              if ACCEPT_EULA=Y says that its licence terms are accepted
#
# It installs only as root on Debian; elsewhere it uses what is there. Fast when
# nothing is missing. A missing thing is an error (exit 3) only if
# TOKENSWEEP_REQUIRE, a list such as mysql,mariadb, names it. What the tests have
# to know goes to .tokensweep.env, as lines for the shell to source; the lines in
# it that set one of $own_names are the user's and stay.
# TOKENSWEEP_MYSQL_IMAGE and TOKENSWEEP_SQLSERVER_IMAGE choose other images.
#
# Usage: prepare.sh [--forget]
#   --forget  take out of .tokensweep.env what this script wrote, and do no more
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin

environment=.tokensweep.env
own_names='TOKENSWEEP_SQLSERVER_DSN|TOKENSWEEP_SQLSERVER_IMAGE|ACCEPT_EULA'
official_image=mysql:8.4
local_image=tokensweep/mysql:debian
mysql_image=
registry=unknown
apt_updated=no
missing=
log=$(mktemp "${TMPDIR:-/tmp}/tokensweep-prepare.XXXXXX")
trap 'rm -f "$log"' EXIT

got() { echo "prepare: $1: $2"; }

lacks() {
	echo "prepare: $1: not available: $2"
	missing="$missing $1"
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command silently; a failure shows the end of what it printed. A service
# that a package starts must not keep the lock (9, see take_turn).
quietly() {
	if ! "$@" >"$log" 2>&1 </dev/null 9>&-; then
		tail -n 15 "$log" >&2
		return 1
	fi
}

within() {
	local seconds=$1
	shift
	if have timeout; then timeout "$seconds" "$@"; else "$@"; fi
}

# One run at a time on a machine: two at once would start two engines.
take_turn() {
	if have flock; then
		exec 9>>"${TMPDIR:-/tmp}/tokensweep-prepare.$(id -u).lock"
		flock 9
	fi
}

can_install() { [ "$(id -u)" = 0 ] && have apt-get; }

install_packages() {
	if [ $apt_updated = no ]; then
		quietly apt-get update -q || return 1
		apt_updated=yes
	fi
	DEBIAN_FRONTEND=noninteractive quietly apt-get install -y -q --no-install-recommends \
		-o DPkg::Lock::Timeout=300 "$@"
}

engine_answers() { have docker && within 20 docker info >/dev/null 2>&1; }

# Waits up to 60 seconds, and no longer than the given process lives.
wait_for_engine() {
	local until=$((SECONDS + 60))
	until engine_answers; do
		kill -0 "$1" 2>/dev/null && [ $SECONDS -lt $until ] || return 1
		sleep 0.1
	done
}

# An engine that was killed leaves its process id behind; once another process
# has that number, a new engine takes it for itself and refuses to start.
forget_killed_engine() {
	local file=/var/run/docker.pid pid
	pid=$(cat "$file" 2>/dev/null) || return 0
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || rm -f "$file"
}

start_engine() {
	local dir
	if [ -d /run/systemd/system ]; then
		quietly systemctl start docker && wait_for_engine 1
		return
	fi
	forget_killed_engine
	dir=$(mktemp -d "${TMPDIR:-/tmp}/tokensweep-dockerd.XXXXXX")
	setsid dockerd >"$dir/dockerd.log" 2>&1 </dev/null 9>&- &
	if ! wait_for_engine $!; then
		tail -n 15 "$dir/dockerd.log" >&2
		return 1
	fi
}

prepare_docker() {
	if ! engine_answers; then
		if ! can_install; then
			lacks docker "no engine answers 'docker info'; start one (installing one takes root on Debian)"
			return 1
		fi
		if ! have dockerd && ! install_packages docker.io; then
			lacks docker "Debian's package docker.io could not be installed"
			return 1
		fi
		# Newer Debian releases have the client in a package of its own.
		if ! have docker && ! install_packages docker-cli; then
			lacks docker "Debian's package docker-cli could not be installed"
			return 1
		fi
		if ! engine_answers && ! start_engine; then
			lacks docker "the engine did not start"
			return 1
		fi
	fi
	got docker "engine $(docker version --format '{{.Server.Version}}')"
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# Asked of the registry at most once: a network that swallows packets is slow.
registry_reachable() {
	if [ $registry = unknown ]; then
		registry=no
		! within 20 docker manifest inspect "$official_image" >/dev/null 2>&1 || registry=yes
	fi
	[ $registry = yes ]
}

# Names the sources of the local image, so that a change of them rebuilds it.
recipe() { cat scripts/mysql-image.sh scripts/mysql-entrypoint.sh | cksum | tr ' ' -; }

is_current() {
	[ "$(docker image inspect --format '{{index .Config.Labels "tokensweep.recipe"}}' "$1" 2>/dev/null)" = "$(recipe)" ]
}

build_local_image() {
	can_install && install_packages debootstrap || return 1
	TOKENSWEEP_RECIPE=$(recipe) quietly scripts/mysql-image.sh "$local_image" || return 1
	docker image prune --force --filter label=tokensweep.recipe >/dev/null
}

# Prints nothing; sets mysql_image.
find_mysql_image() {
	if [ -n "${TOKENSWEEP_MYSQL_IMAGE:-}" ] && [ "$TOKENSWEEP_MYSQL_IMAGE" != "$local_image" ]; then
		has_image "$TOKENSWEEP_MYSQL_IMAGE" || quietly within 900 docker pull -q "$TOKENSWEEP_MYSQL_IMAGE" || return 1
		mysql_image=$TOKENSWEEP_MYSQL_IMAGE
	elif has_image "$official_image"; then
		mysql_image=$official_image
	elif is_current "$local_image"; then
		mysql_image=$local_image
	elif registry_reachable && quietly within 900 docker pull -q "$official_image"; then
		mysql_image=$official_image
	elif build_local_image || has_image "$local_image"; then
		mysql_image=$local_image
	else
		return 1
	fi
}

prepare_mysql() {
	if ! prepare_docker; then
		lacks mysql "it runs in a container, and there is no Docker engine"
	elif find_mysql_image; then
		got mysql "image $mysql_image"
	else
		lacks mysql "no image ${TOKENSWEEP_MYSQL_IMAGE:-$official_image} here, none to be pulled, and none could be built (that takes root on Debian)"
	fi
}

has_mariadb() { have mariadbd && have mariadb-install-db && have mariadb-dump && have mariadb-tzinfo-to-sql; }

prepare_mariadb() {
	if ! has_mariadb && can_install; then
		# Not the package mariadb-server: that one starts a service.
		install_packages mariadb-server-core mariadb-client || true
	fi
	if has_mariadb; then
		got mariadb "$(mariadbd --version | sed 's/.*Ver \([^ ]*\).*/\1/')"
	else
		lacks mariadb "mariadbd, mariadb-install-db, mariadb-dump or mariadb-tzinfo-to-sql is not installed (installing them takes root on Debian)"
	fi
}

# The user's own lines, in a form in which the environment goes before them.
own_lines() {
	[ ! -f $environment ] ||
		grep -E "^(export +|\[ -n [^]]*\] \|\| )?($own_names)=" $environment |
		sed -E "s/^(export +)?($own_names)=/[ -n \"\\\${\2:-}\" ] || \2=/" || true
}

# The value that the user's lines or the environment give to a name.
own_value() (
	set +eu
	eval "$(own_lines)" >/dev/null 2>&1
	eval "printf %s \"\${$1:-}\""
)

none() {
	echo "prepare: sqlserver: none: $1"
	missing="$missing sqlserver"
}

prepare_chromium() {
	have chromium || ! can_install || install_packages chromium || true
	if have chromium; then
		got chromium "$(chromium --version 2>/dev/null)"
	else
		lacks chromium "Debian's package chromium could not be installed; the HTML page is not tested in a browser"
	fi
}

# It says which SQL Server the tests run on; a DSN holds a password and stays untold.
prepare_sqlserver() {
	local image
	image=$(own_value TOKENSWEEP_SQLSERVER_IMAGE)
	image=${image:-mcr.microsoft.com/mssql/server:2022-latest}
	if [ -n "${TOKENSWEEP_SQLSERVER_DSN:-}" ]; then
		got sqlserver "DSN from the environment"
	elif [ -n "$(own_value TOKENSWEEP_SQLSERVER_DSN)" ]; then
		got sqlserver "DSN from $environment"
	elif own_lines | grep -q 'TOKENSWEEP_SQLSERVER_DSN=.'; then
		none "the shell cannot read TOKENSWEEP_SQLSERVER_DSN in $environment: put the DSN in single quotes"
	elif [ "$(own_value ACCEPT_EULA | tr y Y)" != Y ]; then
		none "set TOKENSWEEP_SQLSERVER_DSN, or accept the EULA with ACCEPT_EULA=Y where Docker can pull Microsoft's image"
	elif ! engine_answers; then
		none "set TOKENSWEEP_SQLSERVER_DSN, or start a Docker engine for $image"
	elif has_image "$image" || { within 20 docker manifest inspect "$image" >/dev/null 2>&1 && quietly within 1800 docker pull -q "$image"; }; then
		got sqlserver "image $image (EULA accepted)"
	else
		none "set TOKENSWEEP_SQLSERVER_DSN: the image $image is not here and cannot be pulled"
	fi
}

# Ryuk is the container with which testcontainers removes what a killed test left.
ryuk_available() {
	[ -n "$(docker image ls -q testcontainers/ryuk)" ] ||
		{ [ "$mysql_image" != "$local_image" ] && registry_reachable; }
}

# A line for the shell that leaves the user's own choice in force.
setting() { echo "$1=\${$1:-$2}"; }

write_environment() {
	local new=$environment.$$ own
	own=$(own_lines)
	(umask 077 && : >$new) # it may hold a password
	{
		echo "# Written by scripts/prepare.sh. Add lines for the shell that set"
		echo "# ${own_names//|/, }: they stay."
		[ -z "$own" ] || printf '%s\n' "$own"
		if [ -n "$mysql_image" ]; then
			setting TOKENSWEEP_MYSQL_IMAGE "$mysql_image"
			ryuk_available || setting TESTCONTAINERS_RYUK_DISABLED true
		fi
	} >"$new"
	mv "$new" $environment
}

forget() {
	mysql_image=
	if [ -n "$(own_lines)" ]; then write_environment; else rm -f $environment; fi
}

check_required() {
	local name lacking=
	for name in $(echo "${TOKENSWEEP_REQUIRE:-}" | tr ',' ' '); do
		case " $missing " in *" $name "*) lacking="$lacking $name" ;; esac
	done
	if [ -n "$lacking" ]; then
		echo "prepare: TOKENSWEEP_REQUIRE asks for$lacking, which could not be had: see above." >&2
		exit 3
	fi
}

take_turn
if [ "${1:-}" = --forget ]; then
	forget
	exit
fi
prepare_mysql
prepare_mariadb
prepare_chromium
prepare_sqlserver
write_environment
check_required
