#!/usr/bin/env bash
# Builds a local MySQL image out of Debian's own packages, for machines that reach
# a Debian mirror and no image registry. Usage: mysql-image.sh IMAGE
# Needs root, apt, debootstrap and a running Docker engine; takes about a minute.
#
# MySQL is in Debian's unstable suite only, hence the root file system of its own
# rather than packages on this machine.
set -euo pipefail
export LC_ALL=C
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=${1:?usage: mysql-image.sh IMAGE}
work=$(mktemp -d "${TMPDIR:-/tmp}/tokensweep-image.XXXXXX")
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT

# The mirror that apt already uses for this machine's main archive.
debian_mirror() {
	local codename
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # apt replaces it
	apt-get indextargets --format '$(REPO_URI)' "Release: $codename" 'Component: main' 'Identifier: Packages' |
		sed -n '1s,/*$,,p'
}

# debootstrap downloads with wget, which knows nothing of apt's proxy.
use_apt_proxy() {
	local proxy=
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then
		export http_proxy=$proxy
	fi
}

in_root() {
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"
}

install_packages() {
	local mirror
	mirror=$(debian_mirror)
	if [ -z "$mirror" ]; then
		echo "apt lists no archive for this Debian release: run apt-get update" >&2
		return 1
	fi
	debootstrap --variant=minbase --include=mysql-server-core,mysql-client-core,tzdata sid "$root" "$mirror"
}

configure() {
	in_root groupadd --system --gid 999 mysql
	in_root useradd --system --uid 999 --gid mysql --home-dir /var/lib/mysql --shell /bin/bash mysql
	in_root install -d -o mysql -g mysql -m 0750 /var/lib/mysql-files
	in_root install -d -o mysql -g mysql -m 0755 /var/lib/mysql /run/mysqld
	in_root install -d -m 0755 /etc/mysql/conf.d /docker-entrypoint-initdb.d
	install -m 0755 "$here/mysql-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
	cat >"$root/etc/my.cnf" <<-'END'
		[mysqld]
		host-cache-size = 0
		skip-name-resolve
		datadir = /var/lib/mysql
		socket = /run/mysqld/mysqld.sock
		pid-file = /run/mysqld/mysqld.pid
		secure-file-priv = /var/lib/mysql-files

		[client]
		socket = /run/mysqld/mysqld.sock

		!includedir /etc/mysql/conf.d/
	END
}

# A data directory made here once, with the time zones loaded, spares every
# container the initialisation. Small redo and no binary log: it is copied often.
# auto.cnf goes, so that each server gets an identity of its own.
make_datadir() {
	in_root install -d -o mysql -g mysql -m 0755 /usr/share/mysql-datadir
	{
		echo 'USE mysql;'
		in_root mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null
	} >"$root/usr/share/mysql-zones.sql"
	in_root mysqld --user=mysql --datadir=/usr/share/mysql-datadir --initialize-insecure \
		--innodb-redo-log-capacity=32M --skip-log-bin --init-file=/usr/share/mysql-zones.sql
	rm "$root/usr/share/mysql-datadir/auto.cnf"
}

clean() {
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* \
		"$root"/usr/share/{doc,man,info,locale}/* "$root"/etc/resolv.conf "$root"/etc/hostname
	# They name the mirror of the machine that built the image.
	rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
}

use_apt_proxy
install_packages
configure
make_datadir
clean
tar -C "$root" --numeric-owner -c . | docker import \
	--change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
	--change 'CMD ["mysqld"]' \
	--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
	--change 'VOLUME /var/lib/mysql' \
	--change 'EXPOSE 3306 33060' \
	--change "LABEL tokensweep.recipe=${TOKENSWEEP_RECIPE:-none}" \
	- "$image"
