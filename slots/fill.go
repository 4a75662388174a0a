package slots

import (
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// Fill is a query on one table, whose conditions, order and limit fill the slots of that
// table. It is made by [For], is never changed, and may be kept and shared.
type Fill struct {
	fill plan.Fill
	page *Page
}

// For returns what fills the slots of t: the conditions, the order and the limit of q. A
// part that q does not have leaves its slots as they are.
//
// WithDeleted, OnlyDeleted, Offset, Lock, Comment, Hint and ExecMode have no slots and are
// refused when the statement is sent.
func For[T any, K comparable](t *query.Table[T, K], q query.Query[T]) Fill {
	return Fill{fill: plan.Fill{Table: t.Plan(), Spec: q.Plan().OrEmpty()}}
}

// As returns f for the slots in which the statement calls the table by this alias, as
// PostgreSQL keeps it: in lower case where the statement has no quotes. It is needed where
// the slots of a table have several.
func (f Fill) As(alias string) Fill {
	f.fill.Alias = meta.Quote(alias)
	return f
}
