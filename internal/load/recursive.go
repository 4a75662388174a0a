package load

import (
	"strconv"
	"strings"

	"github.com/smrt-go/smrt/internal/meta"
)

// recursiveForm asks for the rows that a recursion leads to. Its keys come first,
// those of all parents in one recursion, then the rows that they belong to, in
// the order in which they were reached unless there is another.
func (l *Load) recursiveForm(f *form) {
	by := l.spec
	if len(by.Order) == 0 {
		by = l.Steps.Of.spec
	}
	terms := order(l.Child, by)
	f.unlimited(l)
	f.list = strings.TrimPrefix(named("smrt_k", columnsOf(l.Inner))+", "+named("smrt_r", l.shape.columns), ", ") + f.ordering(terms)
	f.keysIn, f.ordinal = inBefore, true
	reached, on := " FROM ("+l.recursion(f)+") AS smrt_j JOIN (", ") AS smrt_r ON "+meta.AllEqual(meta.Numbered("smrt_r.smrt_k", len(l.Inner)), meta.Numbered("smrt_j.smrt_k", len(l.Inner)))
	switch l.into {
	case IntoCount:
		f.before, f.after = "SELECT smrt_j.ord, count(*)"+reached, on+" GROUP BY smrt_j.ord"
		return
	case IntoExists:
		f.before, f.after = "SELECT smrt_j.ord"+reached, on+" GROUP BY smrt_j.ord"
		return
	}
	sorted := orderedBy(", smrt_r.", terms)
	if len(l.spec.Order) == 0 {
		sorted = ", smrt_j.smrt_d" + sorted
	}
	n := len(l.shape.columns)
	if !l.limited() {
		f.outer, f.row = "SELECT smrt_j.ord"+aliases(", smrt_r.smrt_r", n), "smrt_r"
		f.before, f.after = reached, on+" ORDER BY smrt_j.ord"+sorted
		return
	}
	f.outer, f.row = "SELECT smrt_l.ord"+aliases(", smrt_l.smrt_r", n), "smrt_l"
	f.before = " FROM (SELECT smrt_j.ord" + aliases(", smrt_r.smrt_r", n) +
		", row_number() OVER (PARTITION BY smrt_j.ord ORDER BY " + strings.TrimPrefix(sorted, ", ") + ") AS smrt_n" + reached
	f.limit = []any{l.spec.Limit}
	f.after = on + ") AS smrt_l WHERE smrt_l.smrt_n <= $1 ORDER BY smrt_l.ord, smrt_l.smrt_n"
}

// recursion returns the query for the keys that are reached from those of parents.
func (l *Load) recursion(f *form) string {
	r := l.Steps.recursion()
	condition := ""
	if f.onTheWay = r.Condition(); f.onTheWay != nil {
		condition = "$" + strconv.Itoa(len(l.keys)+1)
	}
	values := make([]string, len(f.keys.Exprs))
	for i, x := range f.keys.Exprs {
		values[i] = "smrt_k." + x
	}
	return r.Forward(f.numbered(), "ord", values, condition)
}
