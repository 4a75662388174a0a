package schema

import (
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/verify"
	"github.com/smrt-go/smrt/query"
)

// Declaration is what is compared with the database: a table, made by
// [query.NewTable] and its like, or a [Use] of one.
type Declaration interface{ Plan() *plan.Table }

// Use is how a program uses a table beyond what its declaration says. It is a
// value, and safe for concurrent use.
type Use struct{ use verify.Use }

// Plan returns the table, for the packages of this module.
func (u Use) Plan() *plan.Table { return u.use.Table }

// Upserts declares that rows of a table are upserted with a conflict, so that
// [Verify] asks the server for its unique index.
func Upserts[T any, K comparable](t *query.Table[T, K], c query.Conflict[T]) Use {
	return used(verify.Use{Table: t.Plan(), Conflict: c.Plan()})
}

// Pages declares that a table is paged in an order, so that [Verify] looks for an
// index that has it. The columns of the key are added, as pages do.
func Pages[T any, K comparable](t *query.Table[T, K], order ...query.Order[T]) Use {
	return used(verify.Use{Table: t.Plan(), Order: plan.All(order)})
}

// UniqueWithDeleted declares that the values of columns are unique among the rows
// that are deleted softly too, so that [Verify] does not warn of an index that
// includes those.
func UniqueWithDeleted[T any, K comparable](t *query.Table[T, K], columns ...query.AnyColumn[T]) Use {
	u := verify.Use{Table: t.Plan()}
	for _, c := range columns {
		u.Unique = append(u.Unique, c.Plan().Name)
	}
	return used(u)
}

// used is not generic, so that a program has it once.
func used(u verify.Use) Use {
	u.Site = meta.Site("schema")
	return Use{u}
}
