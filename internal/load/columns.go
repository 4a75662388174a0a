package load

import (
	"slices"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// named lists columns under the names prefix0, prefix1, ...
func named(prefix string, columns []*meta.Column) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Quoted + " AS " + prefix + strconv.Itoa(i)
	}
	return strings.Join(out, ", ")
}

// aliases joins numbered names to the rest of a list: the prefix begins with a
// comma.
func aliases(prefix string, n int) string { return strings.Join(meta.Numbered(prefix, n), "") }

// order returns the order in which a parent's rows come: the relation's, else the
// table's, and that of the key where these leave it open. So a limit always
// means the same rows. Rows of a table without a key have the first two only.
func order(t *plan.Table, s *plan.Spec) []meta.Order {
	terms := s.Order
	if len(terms) == 0 && !s.Unordered {
		terms = t.DefaultOrder
	}
	terms = slices.Clone(terms)
	for i := range terms {
		if terms[i].Column == nil { // checked refuses it
			terms[i].Column = plan.Undeclared
		}
	}
	for _, k := range t.Key {
		if !slices.ContainsFunc(terms, func(o meta.Order) bool { return o.Column == k.Column }) {
			terms = append(terms, meta.Order{Column: k.Column})
		}
	}
	return terms
}

// without leaves out the terms of an order that are columns of a group, in
// which they are all the same.
func without(terms []meta.Order, group []*meta.Column) []meta.Order {
	return slices.DeleteFunc(slices.Clone(terms), func(o meta.Order) bool { return slices.Contains(group, o.Column) })
}

// ordering adds what an order compares to the list of a query, so that what is
// around the query can have the same order. Expressions are added by package plan,
// which calls them smrt_e0, smrt_e1, ...
func (f *form) ordering(terms []meta.Order) string {
	out := ""
	for i, o := range terms {
		if o.Column.Expr != nil {
			f.exprs = append(f.exprs, o.Column)
		} else {
			out += ", " + o.Column.Quoted + " AS smrt_o" + strconv.Itoa(i)
		}
	}
	return out
}

// compared returns the names that ordering gave to what an order compares.
func compared(terms []meta.Order) []string {
	names, exprs := make([]string, len(terms)), 0
	for i, o := range terms {
		if names[i] = "smrt_o" + strconv.Itoa(i); o.Column.Expr != nil {
			names[i] = "smrt_e" + strconv.Itoa(exprs)
			exprs++
		}
	}
	return names
}

// orderedBy returns the order by what ordering added. The prefix is of the first
// term; those that follow have its qualifier.
func orderedBy(prefix string, terms []meta.Order) string {
	out := ""
	for i, name := range compared(terms) {
		if i > 0 {
			prefix = ", " + prefix[strings.LastIndexByte(prefix, ' ')+1:]
		}
		out += prefix + name + plan.Direction(terms[i])
	}
	return out
}
