package slots_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
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
			"p.Kind == LimitPlace && s.Limit > p.Most", "p.Kind == LimitPlace && false",
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
			"where := w.junction(&Node{Op: And, Kids: f.Spec.Where})", `where := sq.Sqlizer(sq.Expr("false OR ?", w.junction(&Node{Op: And, Kids: f.Spec.Where})))`,
			"TestWhere",
		},
		{
			"a count has no limit", "../internal/plan/slot.go",
			`texts[i] = "ALL"`, `_ = "ALL"`,
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
	})
}
