#!/bin/sh
# Makes sure that this machine has the programs of a PostgreSQL server, which tests and demo start for themselves.
# It does nothing if they are there (internal/testdb/find.go looks in the same places), or if SMRT_TEST_DSN names a
# server to use. Otherwise it installs them with apt-get, with brew, or by a download into the user's cache. If
# SMRT_PG_VERSION is set, to 14 or 18 for instance, only programs of that version will do, and the download is the only
# way to them. With the arguments "pgbouncer", "chromium" and "redis", and where apt-get may be used, it adds PgBouncer, a
# browser and Redis, without which the tests that go by way of them are skipped.
set -u

here=$(cd "$(dirname "$0")" && pwd)
extra=" $* "
prefix=${SMRT_SEARCH_PREFIX:-} # goes before absolute paths; for the tests of this script

version=${SMRT_PG_VERSION:-}

has_server() {
	[ -x "$1/postgres" ] && [ -x "$1/initdb" ] || return
	[ -z "$version" ] && return
	case $("$1/postgres" --version 2>/dev/null) in # postgres (PostgreSQL) 18.4 (Debian 18.4-1)
	*") $version" | *") $version "* | *") $version."*) ;;
	*) return 1 ;;
	esac
}

found() {
	if [ -n "${SMRT_PG_BIN:-}" ]; then
		has_server "$SMRT_PG_BIN"
		return
	fi
	for program in postgres initdb pg_ctl; do
		path=$(command -v "$program") || continue
		has_server "$(dirname "$(readlink -f "$path" || echo "$path")")" && return 0
	done
	if command -v pg_config >/dev/null && has_server "$(pg_config --bindir 2>/dev/null)"; then
		return 0
	fi
	if [ -n "${XDG_CACHE_HOME:-}" ]; then
		cache=$XDG_CACHE_HOME
	elif [ "$(id -u)" = 0 ]; then
		cache=$prefix/var/cache
	else
		cache=${HOME:-}/.cache
	fi
	for dir in \
		"$prefix"/usr/lib/postgresql/*/bin \
		"$prefix"/usr/pgsql-*/bin \
		"$prefix"/usr/libexec/postgresql* \
		"$prefix"/opt/homebrew/opt/postgresql*/bin \
		"$prefix"/usr/local/opt/postgresql*/bin \
		"$prefix"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin \
		"$prefix"/Applications/Postgres.app/Contents/Versions/*/bin \
		"$cache"/smrt/postgresql/*/bin; do
		has_server "$dir" && return 0
	done
	return 1
}

say() { echo "install-postgres: $*" >&2; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

can_apt() { command -v apt-get >/dev/null && as_root true 2>/dev/null; }

# The packages start a service (that of PostgreSQL on a cluster of its own), which nobody asked for; policy-rc.d is how
# Debian lets one say no to the start. One that exists is not touched.
apt_install() {
	policy=$prefix/usr/sbin/policy-rc.d
	[ -e "$policy" ] && policy=
	if [ -n "$policy" ]; then
		trap 'as_root rm -f "$policy"' EXIT
		trap 'exit 1' HUP INT TERM
		as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$0" && chmod 755 "$0"' "$policy"
	fi
	as_root apt-get update >&2
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y "$@" >&2
	status=$?
	if [ -n "$policy" ]; then
		as_root rm -f "$policy"
		trap - EXIT HUP INT TERM
	fi
	return $status
}

with_apt() {
	can_apt || return 1
	say "installing PostgreSQL with apt-get"
	apt_install postgresql postgresql-contrib
}

with_brew() {
	command -v brew >/dev/null || return 1
	say "installing PostgreSQL with brew"
	brew install postgresql@17 >&2
}

with_go() {
	command -v go >/dev/null || return 1
	say "downloading PostgreSQL into the cache of this user"
	GOWORK=off go run -C "$here/postgres" . ${version:+"${version%%.*}"} >&2
}

# Nothing fails without PgBouncer, so nothing here does. internal/testdb/pgbouncer.go looks in the same places.
add_pgbouncer() {
	[ -n "${SMRT_PGBOUNCER:-}" ] && return
	command -v pgbouncer >/dev/null && return
	[ -x "$prefix/usr/sbin/pgbouncer" ] && return
	can_apt || return
	say "installing PgBouncer with apt-get"
	apt_install pgbouncer || say "PgBouncer could not be installed: the tests that need it are skipped"
}

# The same for the browser, which observe/browser_test.go looks for.
add_chromium() {
	[ -n "${SMRT_CHROMIUM:-}" ] && return
	for program in chromium chromium-browser google-chrome google-chrome-stable; do
		command -v "$program" >/dev/null && return
	done
	can_apt || return
	say "installing Chromium with apt-get"
	apt_install chromium || say "Chromium could not be installed: the tests that need a browser are skipped"
}

# And for Redis, which contrib/redis/server_test.go looks for.
add_redis() {
	[ -n "${SMRT_REDIS:-}" ] && return
	for program in redis-server valkey-server; do
		command -v "$program" >/dev/null && return
	done
	can_apt || return
	say "installing Redis with apt-get"
	apt_install redis-server || say "Redis could not be installed: the tests that need it are skipped"
}

finish() {
	case $extra in *" pgbouncer "*) add_pgbouncer ;; esac
	case $extra in *" chromium "*) add_chromium ;; esac
	case $extra in *" redis "*) add_redis ;; esac
	exit 0
}

[ -n "${SMRT_TEST_DSN:-}" ] && exit 0
found && finish
if [ -n "${SMRT_PG_BIN:-}" ]; then
	say "SMRT_PG_BIN is $SMRT_PG_BIN, which has no programs postgres and initdb${version:+ of version $version}." \
		"Correct it, or unset it to have PostgreSQL looked for in the usual places and installed if it is in none."
	exit 1
fi
if [ -n "$version" ]; then
	with_go && found && finish
	say "PostgreSQL $version, which SMRT_PG_VERSION wants, is not installed, and could not be downloaded, which needs Go" \
		"and the internet. Install it yourself, if it is in an unusual place with SMRT_PG_BIN as the directory of its" \
		"programs; unset SMRT_PG_VERSION to use any version; to use a running server, set SMRT_TEST_DSN."
	exit 1
fi
for way in with_apt with_brew with_go; do
	$way && found && finish
done
say "PostgreSQL is not installed, and none of the ways to install it worked: apt-get needs root or sudo without a" \
	"password, brew needs Homebrew, the download needs Go and the internet. Install the package of the PostgreSQL" \
	"server (postgresql and postgresql-contrib on Debian and Ubuntu, postgresql@17 of Homebrew, postgresql-server" \
	"and postgresql-contrib elsewhere); a service need not be started. If it is in an unusual place, set SMRT_PG_BIN" \
	"to the directory of its programs; to use a running server, set SMRT_TEST_DSN."
exit 1
