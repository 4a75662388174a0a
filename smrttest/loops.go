package smrttest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
)

// Loops returns the context of t, with which t fails where a statement is sent for each row instead of one for all
// (N+1). The message has the line that loops, its callers, and the relation to preload if one is declared. With the
// rows of a test few enough not to count, nothing is found: a loop is seen at its sixth row.
//
//	listing, err := catalog.List(smrttest.Loops(t))
//
// Pools of [Pool] are watched; for one that is opened elsewhere, call observe.Attach on its configuration. For other
// limits and for what is excepted see package observe.
func Loops(t testing.TB) context.Context {
	return observe.WithScope(t.Context(), observe.Options{Policy: observe.Fail(t)})
}

// watched lets Loops see what a pool sends. Without its context that costs some 10 ns a statement.
func watched() testdb.Option {
	return testdb.Configure(func(cfg *pgxpool.Config) { observe.Attach(cfg.ConnConfig) })
}
