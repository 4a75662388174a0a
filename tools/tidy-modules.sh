#!/bin/sh
# Makes go.mod and go.sum of the modules that go.work ties to the library tidy, or says with -diff what that would change.
# They require the library, and the example service contrib/prometheus, at a version that go.work replaces by a directory
# here and that cannot be downloaded before it is released, so go mod tidy works on a copy of go.mod that replaces them too.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for module in bench cmd/smrt examples/shop contrib/*; do
	(
		cd "$module"
		top=$(echo "$module" | sed 's|[^/][^/]*|..|g')
		echo "replace github.com/smrt-go/smrt => $top" >"$work/replace"
		[ "$module" != examples/shop ] ||
			echo "replace github.com/smrt-go/smrt/contrib/prometheus => $top/contrib/prometheus" >>"$work/replace"
		cp go.sum "$work/go.sum"
		{ cat go.mod; echo; cat "$work/replace"; } >"$work/go.mod"
		GOFLAGS= GOWORK=off go mod tidy -modfile="$work/go.mod" "$@"
		[ $# -gt 0 ] && exit 0
		grep -vxFf "$work/replace" "$work/go.mod" | cat -s | sed -e '$ { /^$/d }' >go.mod
		cp "$work/go.sum" go.sum
	)
done
