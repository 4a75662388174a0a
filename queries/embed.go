// Package queries holds the SQL of the reference shop.
//
// Its folder schema has the migrations, in goose's format; the files beside this one have the queries that are written by
// hand because a general repository should not try to express them. sqlc compiles both into internal/shop/shopdb: the
// tables become the entities, the queries become methods.
package queries

import "embed"

// Schema is the folder schema: one numbered migration a file, each with its way back.
//
//go:embed schema/*.sql
var Schema embed.FS
