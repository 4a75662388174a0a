package plan_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// list is an operand with a length, as arrays are.
type list int

func (l list) Len() int { return int(l) }

// TestWeigh: what is known of the work of a query without a server.
func TestWeigh(t *testing.T) {
	id, name := &meta.Column{Name: "id"}, &meta.Column{Name: "name"}
	lower := plan.Computed(name, "lower", false, &plan.Node{Op: plan.Raw, SQL: "lower($1)", Args: []any{plan.ValueOf(name)}}).Column
	key := &meta.Table{Key: []meta.KeyPart{{Column: id}}}
	both := &meta.Table{Key: []meta.KeyPart{{Column: id}, {Column: name}}}
	eq := plan.Node{Op: plan.Eq, Column: id, A: 1}
	in := plan.Node{Op: plan.In, Column: id, A: list(5)}
	named := plan.Node{Op: plan.Eq, Column: name, A: "a"}
	not := plan.Node{Op: plan.Ne, Column: name, A: "a"}
	related := func(kids ...plan.Node) plan.Node { return plan.Node{Op: plan.Related, Kids: kids} }
	junction := func(op plan.Op, kids ...plan.Node) plan.Node { return plan.Node{Op: op, Kids: kids} }
	like := func(c *meta.Column, pattern string) plan.Node {
		return plan.Node{Op: plan.Like, Column: c, A: pattern}
	}
	for what, c := range map[string]struct {
		where  []plan.Node
		joins  int64
		narrow bool
		keys   int64 // 0: not known
		pairs  int64 // the same of a key of two columns
	}{
		"nothing":                {nil, 0, false, 0, 0},
		"a key":                  {[]plan.Node{eq}, 0, true, 1, 0},
		"keys":                   {[]plan.Node{in}, 0, true, 5, 0},
		"keys and a name":        {[]plan.Node{in, named}, 0, true, 5, 5},
		"inside of an and":       {[]plan.Node{junction(plan.And, in, named)}, 0, true, 5, 5},
		"inside of an or":        {[]plan.Node{junction(plan.Or, eq, named)}, 0, true, 0, 0},
		"an or that is not":      {[]plan.Node{junction(plan.Or, eq, not)}, 0, false, 0, 0},
		"an or of nothing":       {[]plan.Node{junction(plan.Or)}, 0, false, 0, 0},
		"a not":                  {[]plan.Node{junction(plan.Not, eq)}, 0, false, 0, 0},
		"something else":         {[]plan.Node{not}, 0, false, 0, 0},
		"something else beside":  {[]plan.Node{not, eq}, 0, true, 1, 0},
		"a prefix":               {[]plan.Node{like(name, "a%")}, 0, true, 0, 0},
		"a part":                 {[]plan.Node{like(name, "%a")}, 0, false, 0, 0},
		"any character":          {[]plan.Node{like(name, "_a")}, 0, false, 0, 0},
		"an expression":          {[]plan.Node{{Op: plan.Eq, Column: lower, A: "a"}}, 0, false, 0, 0},
		"a prefix of one":        {[]plan.Node{like(lower, "a%")}, 0, false, 0, 0},
		"related rows":           {[]plan.Node{related()}, 1, false, 0, 0},
		"some related rows":      {[]plan.Node{related(named)}, 1, true, 0, 0},
		"rows related to others": {[]plan.Node{related(related(named))}, 2, true, 0, 0},
		"a list that is selected": {
			[]plan.Node{{Op: plan.Among, Column: id, B: &plan.Spec{Where: []plan.Node{related(named)}}}}, 2, true, 0, 0,
		},
	} {
		s := &plan.Spec{Where: c.where}
		check.Same(t, what+": joins", s.Joins(), c.joins)
		check.Same(t, what+": narrow", s.Narrowed(), c.narrow)
		keys, known := s.Keys(key)
		check.Same(t, what+": keys", keys, c.keys)
		check.Same(t, what+": keys are known", known, c.keys > 0)
		pairs, known := s.Keys(both)
		check.Same(t, what+": pairs", pairs, c.pairs)
		check.Same(t, what+": pairs are known", known, c.pairs > 0)
	}
	_, known := (&plan.Spec{Where: []plan.Node{eq}}).Keys(&meta.Table{})
	check.Same(t, "a table without a key", known, false)
	count := plan.Computed(id, "count", false, &plan.Node{Op: plan.Selected, Column: id}).Column
	check.Same(t, "an order", (&plan.Spec{Order: []meta.Order{{Column: count}, {Column: id}}}).Joins(), 1)
	check.Same(t, "columns", plan.JoinsOf(id, nil, count, lower), 1)
}
