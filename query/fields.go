package query

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Fields are the columns and expressions of T that a user may order and filter
// by, under the names that users know them by. What is not in the list cannot be
// reached:
//
//	var productFields = query.Fields[Product]{"price": Price, "name": Name, "worth": worth}
//
//	q, err := productFields.OrderBy(q, r.FormValue("sort")) // "-price,name"
//	cheap, err := productFields.Filter("price", "<=", r.FormValue("max"))
type Fields[T any] map[string]AnyOperand[T]

// OrderBy returns q in the order that a text names: fields with commas between
// them, each with a minus in front for the greatest first. The empty text leaves
// the order of q as it is. An unknown field, and a column that is named twice, is
// smrt.ErrBadQuery.
func (f Fields[T]) OrderBy(q Query[T], text string) (Query[T], error) {
	terms, err := plan.ParseOrder(text, f.field)
	if err != nil || len(terms) == 0 {
		return q, err
	}
	return Query[T]{q.spec.OrderBy(terms)}, nil
}

// Filter returns the condition that a field compares with the value that a text
// means, which is never NULL. The operator is one of = <> < <= > >=. Numbers and
// booleans are written as in Go, times in RFC 3339 or as 2006-01-02, which is
// midnight UTC, other types as their UnmarshalText or the server reads them. An
// unknown field or operator, or a field whose type no text can say, is
// smrt.ErrBadQuery. A text that is no value of the field's type is
// smrt.ErrWrongType, here or, if only the server knows, when the query is run.
func (f Fields[T]) Filter(name, op, value string) (Predicate[T], error) {
	c, err := f.field(name)
	if err != nil {
		return Predicate[T]{}, err
	}
	n, err := plan.CompareText(c, op, value)
	return Predicate[T]{n}, err
}

func (f Fields[T]) field(name string) (*meta.Column, error) {
	if x, ok := f[name]; ok && x != nil {
		return x.Plan(), nil
	}
	return nil, &smrt.QueryError{Reason: fmt.Sprintf("there is no field %.40q: it is one of %s", name, strings.Join(slices.Sorted(maps.Keys(f)), ", "))}
}
