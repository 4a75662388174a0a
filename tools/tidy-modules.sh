#!/bin/sh
# Makes go.mod and go.sum of the modules that go.work ties to the library tidy, or says with -diff what that would change.
# They require the library at a version that go.work replaces by this directory and that cannot be downloaded before it
# is released, so go mod tidy works on a copy of go.mod that replaces it too.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for module in bench cmd/smrt contrib/*; do
	(
		cd "$module"
		replace="replace github.com/smrt-go/smrt => $(echo "$module" | sed 's|[^/][^/]*|..|g')"
		cp go.sum "$work/go.sum"
		{ cat go.mod; echo; echo "$replace"; } >"$work/go.mod"
		GOFLAGS= GOWORK=off go mod tidy -modfile="$work/go.mod" "$@"
		[ $# -gt 0 ] && exit 0
		grep -vxF "$replace" "$work/go.mod" | cat -s | sed -e '$ { /^$/d }' >go.mod
		cp "$work/go.sum" go.sum
	)
done
