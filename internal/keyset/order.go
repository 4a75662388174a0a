package keyset

import (
	"slices"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// keysetOrder is the total order of a page.
func (p *Pager) keysetOrder(s *plan.Spec) ([]meta.Order, error) {
	if len(p.Table.Key) == 0 {
		return nil, smrt.ErrNoKey
	}
	for _, o := range s.Order {
		if o.Column == nil {
			return nil, plan.ErrUndeclared
		}
	}
	return TotalOrder(p.Table, s), nil
}

// TotalOrder is the order of s completed by the key, so that no two rows are
// equal in it. It is empty if there is no order and no key.
func TotalOrder(t *meta.Table, s *plan.Spec) []meta.Order {
	order := s.Order
	if len(order) == 0 && !s.Unordered {
		order = t.DefaultOrder
	}
	total := append([]meta.Order{}, order...)
	for _, k := range t.Key {
		named := false
		for _, o := range order {
			named = named || o.Column == k.Column
		}
		if !named {
			desc := len(order) > 0 && order[len(order)-1].Desc // so that one index serves all
			total = append(total, meta.Order{Column: k.Column, Desc: desc})
		}
	}
	return total
}

// reversed is the order from the last row to the first.
func reversed(order []meta.Order) []meta.Order {
	out := make([]meta.Order, len(order))
	for i, o := range order {
		nulls := meta.NullsFirst
		if o.First() {
			nulls = meta.NullsLast
		}
		out[i] = meta.Order{Column: o.Column, Desc: !o.Desc, Nulls: nulls}
		if !o.Column.Nullable {
			out[i].Nulls = meta.NullsDefault
		}
	}
	return out
}

// following is the condition that a row comes after a position in an order.
//
// If all columns point the same way and none can be NULL it is a comparison of
// rows, for which an index is descended once. Otherwise it is the expansion
// (a > x) OR (a = x AND (b > y OR ...)), with a >= x in front for the index.
func (p *Pager) following(order []meta.Order, position []any) plan.Node {
	uniform := len(order) > 1
	for i, o := range order {
		uniform = uniform && o.Desc == order[0].Desc && !p.canBeNull(o) && position[i] != nil
	}
	if uniform {
		return rowComparison(order, position)
	}
	first := p.after(order[0], position[0])
	if len(order) == 1 {
		return first
	}
	rest := p.following(order[1:], position[1:])
	expanded := plan.Node{Op: plan.Or, Kids: []plan.Node{
		first,
		{Op: plan.And, Kids: []plan.Node{same(order[0], position[0]), rest}},
	}}
	if p.canBeNull(order[0]) {
		return expanded
	}
	bound := plan.Node{Op: plan.Ge, Column: order[0].Column, A: position[0]}
	if order[0].Desc {
		bound.Op = plan.Le
	}
	return plan.Node{Op: plan.And, Kids: []plan.Node{bound, expanded}}
}

// rowComparison compares all columns at once, which an index on them serves.
func rowComparison(order []meta.Order, position []any) plan.Node {
	n := plan.Node{Op: plan.RowGt}
	if order[0].Desc {
		n.Op = plan.RowLt
	}
	for i, o := range order {
		n.Kids = append(n.Kids, plan.Node{Op: plan.Operand, Column: o.Column, A: position[i]})
	}
	return n
}

// same is the condition that a row has the value v in one column.
func same(o meta.Order, v any) plan.Node {
	if v == nil {
		return plan.Node{Op: plan.IsNull, Column: o.Column}
	}
	return plan.Node{Op: plan.Eq, Column: o.Column, A: v}
}

// after is the condition that a row comes strictly after v in one column.
func (p *Pager) after(o meta.Order, v any) plan.Node {
	switch {
	case v == nil && o.First(): // all but the NULLs come after
		return plan.Node{Op: plan.NotNull, Column: o.Column}
	case v == nil:
		return plan.Node{Op: plan.False}
	}
	if !p.canBeNull(o) || o.First() {
		return beyond(o, v)
	}
	return plan.Node{Op: plan.Or, Kids: []plan.Node{beyond(o, v), {Op: plan.IsNull, Column: o.Column}}}
}

// beyond is the condition that one column has a value that comes after v.
func beyond(o meta.Order, v any) plan.Node {
	n := plan.Node{Op: plan.Gt, Column: o.Column, A: v}
	if o.Desc {
		n.Op = plan.Lt
	}
	return n
}

// rangesAfter returns conditions of which a row matches one if it comes after a
// position in an order, and none otherwise. Each is a range of an index on the
// order. It returns nil if following does as well, because no column can be NULL
// or there is an expression.
func (p *Pager) rangesAfter(order []meta.Order, position []any) []plan.Node {
	if len(hidden(order)) == 0 && slices.ContainsFunc(order, p.canBeNull) {
		return p.ranges(order, position, nil)
	}
	return nil
}

// ranges is rangesAfter for the rows that match equal, which is about the columns
// before these.
func (p *Pager) ranges(order []meta.Order, position []any, equal []plan.Node) (out []plan.Node) {
	one := func(n plan.Node) {
		if len(equal) > 0 {
			n = plan.Node{Op: plan.And, Kids: append(slices.Clip(equal), n)}
		}
		out = append(out, n)
	}
	o, v := order[0], position[0]
	compared := len(order) > 1
	for i := range order {
		compared = compared && order[i].Desc == o.Desc && position[i] != nil && (i == 0 || !p.canBeNull(order[i]) || order[i].First())
	}
	switch {
	case compared: // leaves out the rows with NULL, of which only those in the first column may follow
		one(rowComparison(order, position))
	case len(order) > 1:
		out = p.ranges(order[1:], position[1:], append(slices.Clip(equal), same(o, v)))
		fallthrough
	default:
		if v == nil && o.First() {
			one(plan.Node{Op: plan.NotNull, Column: o.Column})
		} else if v != nil {
			one(beyond(o, v))
		}
	}
	if v != nil && p.canBeNull(o) && !o.First() {
		one(plan.Node{Op: plan.IsNull, Column: o.Column})
	}
	return out
}
