package plan

import (
	"math"
	"strings"

	"github.com/smrt-go/smrt/internal/meta"
)

// What can be known of the work of a query from its declaration, without asking a
// server. Nothing here looks at values, but for the lengths of lists and how a pattern
// begins.

// Joins returns how many other queries are in the query: conditions on related rows,
// values of them, and lists that are selected.
func (s *Spec) Joins() (n int64) {
	s = s.OrEmpty()
	for i := range s.Where {
		n += s.Where[i].joins()
	}
	for _, o := range s.Order {
		n += JoinsOf(o.Column)
	}
	return n
}

// JoinsOf is Joins of expressions that are selected.
func JoinsOf(columns ...*meta.Column) (n int64) {
	for _, c := range columns {
		if c != nil {
			if x, ok := c.Expr.(*Node); ok {
				n += x.joins()
			}
		}
	}
	return n
}

func (n *Node) joins() (joins int64) {
	switch n.Op {
	case Related, Selected, Among:
		joins = 1
	}
	joins += JoinsOf(n.Column)
	for i := range n.Kids {
		joins += n.Kids[i].joins()
	}
	for _, a := range append([]any{n.A, n.B}, n.Args...) {
		switch a := a.(type) {
		case *Node:
			joins += a.joins()
		case *Spec:
			joins += a.Joins()
		}
	}
	return joins
}

// Narrowed reports whether the query has a condition that an index could serve. If it
// has none, all rows of the table have to be looked at.
func (s *Spec) Narrowed() bool { return narrowed(s.OrEmpty().Where) }

func narrowed(all []Node) bool {
	for i := range all {
		if all[i].narrows() {
			return true
		}
	}
	return false
}

func (n *Node) narrows() bool {
	switch n.Op {
	case And:
		return narrowed(n.Kids)
	case Or:
		for i := range n.Kids {
			if !n.Kids[i].narrows() {
				return false
			}
		}
		return len(n.Kids) > 0
	case Related: // the other rows are looked for first
		return narrowed(n.Kids)
	case Like:
		pattern, ok := n.A.(string)
		return ok && n.ofTable() && !strings.HasPrefix(pattern, "%") && !strings.HasPrefix(pattern, "_")
	case Eq, In, Lt, Le, Gt, Ge, Between, IsNull, EqFold, ArrayHas, ArrayContains, Overlaps, JSONContains, JSONHasKey, RangeContains, Matches, Among:
		return n.ofTable()
	case False, RowGt, RowLt, Tuples:
		return true
	}
	return false
}

// ofTable reports whether the column is one of the table and not an expression.
func (n *Node) ofTable() bool { return n.Column == nil || n.Column.Expr == nil }

// Keys returns how many keys of t the query names, and reports whether it names them:
// each of them is that of one row at most.
func (s *Spec) Keys(t *meta.Table) (n int64, ok bool) {
	if len(t.Key) == 0 {
		return 0, false
	}
	n = 1
	for _, part := range t.Key {
		of := equals(s.OrEmpty().Where, part.Column)
		if of < 0 {
			return 0, false
		}
		n = min(n*of, math.MaxInt32) // of each, so that the product is in range
	}
	return n, true
}

// equals returns how many values a column has if all of these conditions hold, -1 if
// that is not known.
func equals(all []Node, c *meta.Column) int64 {
	for i := range all {
		switch n := &all[i]; {
		case n.Op == And:
			if of := equals(n.Kids, c); of >= 0 {
				return of
			}
		case n.Column == nil || n.Column.Expr != nil || n.Column.Name != c.Name:
		case n.Op == Eq:
			return 1
		case n.Op == In:
			if list, ok := n.A.(interface{ Len() int }); ok {
				return int64(list.Len())
			}
		}
	}
	return -1
}
