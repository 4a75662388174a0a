package analyze_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestPlans records the plans of a workload, and finds what is worse after a change of the
// database: a lost index, a new full scan, ten times the cost. The rest is listed.
func TestPlans(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, large)
	options := analyze.Options{Source: "test", Workload: append(shopQueries(t),
		analyze.Statement{Name: "lost", SQL: "SELECT note FROM orders WHERE customer_id = $1"},
		analyze.Statement{Name: "scan", SQL: "SELECT id FROM customers WHERE email = $1"},
		analyze.Statement{Name: "cost", SQL: "SELECT count(*) FROM visits WHERE day = '2026-01-05'"},
		analyze.Statement{Name: "better", SQL: "SELECT id FROM orders WHERE paid_at = $1"},
	)}
	run := func() analyze.Plans { return check.Value(analyze.Run(t.Context(), pool, options))(t).Plans }
	first := run()
	text := first.String()
	if !strings.Contains(text, "\nstatement lost\ntext ") || !strings.Contains(text, "\n  Index Scan by customers_email_key on public.customers\n") {
		t.Errorf("the text is\n%s", text)
	}
	recorded := check.Value(analyze.ParsePlans(text))(t)
	check.Same(t, "text that was read", recorded.String(), text)
	found, changes, err := recorded.Compare(run())
	check.NoError(t, err)
	if len(found)+len(changes) > 0 {
		t.Errorf("nothing has changed: %v, %v", found, changes)
	}
	check.Same(t, "text that is recorded again", recorded.Record(run()).String(), text)

	exec(t, pool, "DROP INDEX orders_customer_id_idx; ALTER TABLE customers DROP CONSTRAINT customers_email_key; CREATE INDEX ON orders (paid_at)")
	exec(t, pool, "INSERT INTO visits SELECT '2026-01-05', 'page ' || n FROM generate_series(1, 20000) n")
	exec(t, pool, "ANALYZE")
	options.Workload = slices.DeleteFunc(options.Workload, func(s analyze.Statement) bool { return s.Name == "ListOrders" })
	options.Workload = append(options.Workload, analyze.Statement{Name: "added", SQL: "SELECT 1"})
	found, changes, err = recorded.Compare(run())
	check.NoError(t, err)
	for id, object := range map[string]string{"B1": "lost", "B3": "cost"} {
		f := find(t, found, id, object)
		if f.Before == "" || f.Plan == "" || f.Name() == "" || !strings.Contains(f.Follows, "the cost was") {
			t.Errorf("both plans are not in\n%s", f)
		}
	}
	if !slices.ContainsFunc(found, func(f analyze.Finding) bool { return f.Object == "scan" && (f.ID == "B1" || f.ID == "B2") }) {
		t.Errorf("scan is not found: %v", found)
	}
	for _, line := range []string{"added: is new", "ListOrders: is gone", "better: has another plan"} {
		if !slices.Contains(changes, line) {
			t.Errorf("%q is not listed in %q", line, changes)
		}
	}
	options.Source = "elsewhere"
	if _, _, err := recorded.Compare(run()); err == nil || !strings.Contains(err.Error(), `"elsewhere" are not compared with those of "test"`) {
		t.Errorf("plans of another source: %v", err)
	}
}

// TestPlansAsText compares plans that no server has made.
func TestPlansAsText(t *testing.T) {
	t.Parallel()
	plans := func(cost, shape string) analyze.Plans {
		return check.Value(analyze.ParsePlans("# a comment\nsource x\n\nstatement a b\ntext 1\ncost " + cost + "\n" + shape))(t)
	}
	for _, c := range []struct{ was, is, id string }{
		{"  Index Scan by i on t\n", "  Index Scan by j on t\n", ""},
		{"  Index Scan by i on t\n", "  Seq Scan on t\n", "B1"},
		{"  Nested Loop\n    Index Scan by i on t\n    Index Scan by k on u\n", "  Hash Join\n    Seq Scan on t\n    Index Scan by k on u\n", "B1"},
		{"  Function Scan\n", "  Seq Scan on t\n", "B2"},
		{"  Seq Scan on t\n", "  Sort\n    Seq Scan on t\n", ""},
	} {
		found, _, err := plans("10", c.was).Compare(plans("12", c.is))
		check.NoError(t, err)
		id := ""
		if len(found) > 0 {
			id = found[0].ID
		}
		check.Same(t, c.was+"becomes\n"+c.is, id, c.id)
	}
	found, _, _ := plans("10", "  Result\n").Compare(plans("99", "  Result\n"))
	check.Equal(t, "less than ten times", found, analyze.Findings{})
	found, _, _ = plans("10", "  Result\n").Compare(plans("100", "  Result\n"))
	check.Equal(t, "ten times", warnings(found), []string{"B3 a b"})
	check.Same(t, "cost within a factor of two", plans("10", "  Result\n").Record(plans("20", "  Result\n")).Plans[0].Cost, 10)
	check.Same(t, "another cost", plans("10", "  Result\n").Record(plans("21", "  Result\n")).Plans[0].Cost, 21)
	for _, text := range []string{"statement", "cost 1", "  Result", "source x\nstatement a\ncost many", "statement a\nnonsense"} {
		if _, err := analyze.ParsePlans(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
