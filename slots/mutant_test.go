package slots_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"slots have the condition of the tenant", "../internal/plan/slot.go",
			`" AND " + f.Table.owned(alias+".") + ")"`, `" AND (true OR " + f.Table.owned(alias+".") + "))"`,
			"TestSlotsKeepTenants",
		},
		{
			"the condition of a tenant decides which rows there are", "../internal/plan/owner.go",
			"f.Table.Tenant != nil && p.Beside", "false",
			"TestSlotsKeepTenants",
		},
		{
			"a part without a slot is refused", "../internal/plan/slot.go",
			"part.needed && n == 0 {", "false && part.needed && n == 0 {",
			"TestRefused",
		},
		{
			"what writes says false", "../internal/slot/parse.go",
			`		want = "false"`, `		want = "true"`,
			"TestWrites",
		},
		{
			"a write that has a read in front is a write", "../internal/slot/parse.go",
			`p.tokens[i-1].IsMark(")") && (t.Is("insert")`, `false && (t.Is("insert")`,
			"TestWrites",
		},
		{
			"columns are those of the alias", "../internal/plan/expr.go",
			"case w.qualified || w.offered != nil:", "case w.offered != nil:",
			"TestWhere",
		},
		{
			"a limit is that of the statement at the most", "../internal/plan/slot.go",
			"ok && s.HasLimit && f.Page == nil && s.Limit > most", "ok && false",
			"TestRefused",
		},
		{
			"arguments follow those of the statement", "../internal/plan/placeholder.go",
			"n = own + len(order)", "n = len(order)",
			"TestWhere",
		},
		{
			"every argument of the statement is there", "handle.go",
			"if len(own) != text.Params {", "if false {",
			"TestRefused",
		},
		{
			"a condition is in parentheses", "../internal/plan/slot.go",
			"p.where = r.text(r.w.junction(&Node{Op: And, Kids: f.Spec.Where}))", `p.where = r.text(sq.Expr("false OR ?", r.w.junction(&Node{Op: And, Kids: f.Spec.Where})))`,
			"TestWhere",
		},
		{
			"a count has no limit", "../internal/plan/slot.go",
			`r.put(LimitPlace, "", "", "ALL")
		r.head`, `r.head`,
			"TestCount",
		},
		{
			"the name stays in front", "../internal/slot/parse.go",
			`p.text.Start = strings.IndexByte(p.text.SQL, '\n') + 1`, `p.text.Start = 0`,
			"TestNamesStay",
		},
		{
			"queries that show deleted rows are found", "lint.go",
			"column := t.SoftDelete.Quoted; !text.Mentions(p.Alias, column) {", "column := t.SoftDelete.Quoted; column == \"\" {",
			"TestLintOfQueries",
		},
		{
			"a column of another table is none of the slot's", "../internal/slot/names.go",
			" && meta.Quote(tokens[i-2].Name()) == alias {", " {",
			"TestLintOfQueries",
		},
		{
			"an order ends where the query goes on", "../internal/slot/names.go",
			"		if depth < 0 || depth == 0 && ends(&terms[i]) {\n", "		if false {\n",
			"TestLintOfQueries",
		},
		{
			"the order of a page ends in the key", "../internal/keyset/order.go",
			"		if !named {", "		if false {",
			"TestPagesOfSlotsWhileRowsChange",
		},
		{
			"a page begins after its cursor wherever the slot stands", "../internal/plan/slotpage.go",
			`edit{body.Order, body.Order, ") AND " + following + " "}`, `edit{body.Order, body.Order, ") OR " + following + " "}`,
			"TestRandomPages",
		},
		{
			"a condition is one before a page adds to it", "../internal/plan/slotpage.go",
			`edit{body.Where, body.Where, " ("}, edit{body.Order, body.Order, ") AND " + following + " "}`,
			`edit{body.Order, body.Order, " AND " + following + " "}`,
			"TestRandomPages",
		},
		{
			"a page that is read backwards is turned around", "../internal/plan/slotpage.go",
			`"smrt_p.smrt_o" + strconv.Itoa(i+1) + Direction(o)`, `"smrt_p.smrt_o" + strconv.Itoa(i+1) + Direction(o)[:0]`,
			"TestRandomPages",
		},
		{
			"what groups rows has no pages", "../internal/plan/slotpage.go",
			`case t.Body.Grouped != "":`, `case false:`,
			"TestPageRefused",
		},
		{
			"an outer join may miss the row of a page", "../internal/plan/slotpage.go",
			"case slices.Contains(t.Body.Optional, alias):", "case false && slices.Contains(t.Body.Optional, alias):",
			"TestPageRefused",
		},
		{
			"a key that is there twice is noticed", "pagerows.go",
			"if r.order != nil && slices.EqualFunc", "if false && slices.EqualFunc",
			"TestPageNeedsKey",
		},
		{
			"a cursor is of one query with its arguments", "page.go",
			"plan.FingerprintArgs(w, own)", "_ = own",
			"TestPageCursors",
		},
		{
			"columns of a result are known by their places", "../internal/plan/slotouter.go",
			`names[i] = "smrt_c" + strconv.Itoa(i+1)`, `names[i] = "smrt_c" + strconv.Itoa(len(names)-i)`,
			"TestRandomOuter",
		},
		{
			"a limit of the statement cuts off no row before the query on its rows", "../internal/plan/slotouter.go",
			"case t.Body.Limit > 0 && limits == 0:", "case false:",
			"TestOuterRefused",
		},
		{
			"a limit in a slot is that of the query on the rows", "../internal/plan/slotouter.go",
			`	if !r.count {
		r.put(LimitPlace, "", "", "ALL")
	}`, ``,
			"TestOuterLimit",
		},
		{
			"what writes has no query on its rows", "../internal/plan/slotouter.go",
			"case t.Write, t.Locks:", "case false:",
			"TestOuterRefused",
		},
		{
			"a method does not see what a page adds", "pagerows.go",
			"return slices.Clip(values[:r.own()]), nil", "return values, nil",
			"TestPageRows",
		},
		{
			"a page is in the order of one query", "../internal/plan/slot.go",
			"cmp.Or(f.checkPlaces(t, alias), t.checkOrders(fills, i, alias))", "f.checkPlaces(t, alias)",
			"TestPageInOneOrder",
		},
		{
			"package txn begins nothing on a handle with slots", "handle.go",
			"RefuseBegin() error { return errBegin }", "RefuseBegin() error { return nil }",
			"TestRunOnSlots",
		},
		{
			"a unit is not flushed past the slots of a handle", "../unit/flush.go",
			"	return handle.RefuseBegin(db)", "	return nil",
			"TestRunOnSlots",
		},
	})
}
