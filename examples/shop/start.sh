#!/bin/sh
# Makes the tables in the database at DATABASE_URL, fills them, and opens the shop: `make example` runs it beside a private
# server with a standby. PRODUCTS says how many there are.
set -eu
cd "$(dirname "$0")"
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
trap : TERM # the shop hears of it too, and ends in order
go run ../../cmd/smrt migrate up --migrations migrations
go run ./fill -products "${PRODUCTS:-10000}"
go build -o "$built/shop" .
echo "load from another terminal: go run ./examples/shop/load"
TOKEN_SECRET="${TOKEN_SECRET:-only for examples}" "$built/shop"
