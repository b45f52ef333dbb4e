# What the developers' commands share. Sourced, not run; bash only.

set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
program=${0##*/}
jobs=$(nproc 2>/dev/null || echo 2)

say() {
	printf '%s: %s\n' "$program" "$*"
}

die() {
	printf '%s: %s\n' "$program" "$*" >&2
	exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		die "'$1' needs root: run this as root, or install sudo"
	fi
}

# Who the source tree belongs to: what root builds for somebody else must stay theirs.
tree_owner() {
	if [ "$(id -u)" -eq 0 ]; then
		stat -c %U "$root"
	else
		id -un
	fi
}

# What turns a command into one of the tree's owner: nothing, when we are that already.
owner=()
if [ "$(tree_owner)" != "$(id -un)" ] && [ "$(tree_owner)" != UNKNOWN ]; then
	owner=(setpriv --reuid "$(tree_owner)" --regid "$(id -g "$(tree_owner)")" --init-groups
		env HOME="$(getent passwd "$(tree_owner)" | cut -d: -f6)")
fi

as_owner() {
	"${owner[@]}" "$@"
}

# Makes ./configure when it is missing or older than what it is made from.
make_configure() {
	local newer=
	if [ -x "$root/configure" ] && [ -f "$root/Makefile.in" ]; then
		newer=$(find "$root" \( -name local.mk -o -name Makefile.am -o -name configure.ac \) \
			-not -path '*/build*/*' \
			\( -newer "$root/configure" -o -newer "$root/Makefile.in" \) -print -quit)
		[ -n "$newer" ] || return 0
	fi
	as_owner sh -c 'cd "$1" && exec autoreconf -i' sh "$root"
}

# configure_in DIR FLAGS...: configures there, again only when flags or ./configure changed.
configure_in() {
	local dir=$1 stamp
	shift
	as_owner mkdir -p "$dir" || return 1
	stamp="$dir/.configured"
	if [ -f "$dir/config.status" ] && [ "$stamp" -nt "$root/configure" ] &&
		[ "$(cat "$stamp" 2>/dev/null)" = "$*" ]; then
		return 0
	fi
	as_owner sh -c 'cd "$1" && shift && exec "$@"' sh "$dir" "$root/configure" "$@" || return 1
	printf '%s\n' "$*" | as_owner tee "$stamp" >/dev/null
}
