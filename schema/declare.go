package schema

import (
	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/verify"
	"github.com/smrt-go/smrt/query"
)

// Declaration is what is compared with the database: a table, made by
// [query.NewTable] and its like, or how one is used, made by [Upserts], [Pages] or
// [UniqueWithDeleted]. There are no others. It is a value, and safe for concurrent use.
type Declaration interface{ Plan() *plan.Table }

// use is how a program uses a table.
type use struct {
	verify.Use
	err error
}

func (u use) Plan() *plan.Table { return u.Table }

// Upserts declares that rows of a table are upserted with a conflict, so that
// [Verify] asks the server for its unique index.
func Upserts[T any, K comparable](t *query.Table[T, K], c query.Conflict[T]) Declaration {
	return used(verify.Use{Table: t.Plan(), Conflict: c.Plan()}, nil)
}

// Pages declares that a table is paged in an order, so that [Verify] looks for an
// index that has it. The columns of the key are added, as pages do.
func Pages[T any, K comparable](t *query.Table[T, K], order ...query.Order[T]) Declaration {
	terms, columns := plan.All(order), make([]*meta.Column, len(order))
	for i, o := range terms {
		columns[i] = o.Column
	}
	return used(verify.Use{Table: t.Plan(), Order: terms}, columns)
}

// UniqueWithDeleted declares that the values of columns are unique among the rows
// that are deleted softly too, so that [Verify] does not warn of an index that
// includes those. For an exclusion constraint these are all columns that it names.
func UniqueWithDeleted[T any, K comparable](t *query.Table[T, K], columns ...query.AnyColumn[T]) Declaration {
	u, cs := verify.Use{Table: t.Plan()}, make([]*meta.Column, len(columns))
	for i, c := range columns {
		if c != nil {
			cs[i] = c.Plan()
			u.Unique = append(u.Unique, cs[i].Name)
		}
	}
	return used(u, cs)
}

// used returns a use of columns, with an error for what cannot be looked for. It is not
// generic, so that a program has it once.
func used(u verify.Use, columns []*meta.Column) Declaration {
	u.Site = meta.Site("schema")
	fail := func(why string) Declaration {
		return use{u, &smrt.QueryError{Reason: "schema: the declaration at " + u.Site + " " + why}}
	}
	if u.Conflict != nil {
		if u.Conflict.Err != nil {
			return use{u, u.Conflict.Err}
		}
		columns = append(columns, u.Conflict.Target...)
		if len(columns) == 0 && len(u.Table.Key) == 0 {
			return fail("is a conflict without columns, of a table without a key")
		}
	} else if len(columns) == 0 {
		return fail("names no column")
	}
	for _, c := range columns {
		if c == nil || c == plan.Undeclared {
			return fail("names a column that was not declared: mind the order of package variables")
		}
	}
	return use{u, nil}
}
