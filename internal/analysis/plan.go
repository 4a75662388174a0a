package analysis

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/explain"
	"github.com/smrt-go/smrt/internal/verify"
)

// From where on a step of a plan is a finding. They are set so that nothing is found in a
// program that was written with care: what matters is what grows.
const (
	keptPart   = 0.05      // of the rows that a scan reads
	sortedRows = 10_000    // that a sort below a limit takes
	comparedIn = 1_000_000 // rows that an inner scan reads in all
	deepOffset = 10_000    // rows that are read and dropped
)

// check looks at the plan for whatever values, and then at those for values.
func (s *statement) check(ctx context.Context) error {
	s.Root.Walk(func(n *explain.Node, above []*explain.Node) {
		if t := s.store(n); t != nil && n.Type == "Seq Scan" {
			s.checkScan(n, t, above)
		}
		s.checkSort(n, above)
		s.checkLoop(n)
		s.checkPartitions(n)
	})
	if s.MaxOffset >= deepOffset {
		s.add(Finding{
			ID: "P4", Level: verify.Warning, Go: "page by key: Page of a repository goes on after the last row that was read",
			Evidence: fmt.Sprintf("an OFFSET of %d was seen", s.MaxOffset), Follows: "the rows before it are read and dropped, for each page anew",
		}, "")
	}
	return s.checkValues(ctx)
}

// workers returns how many share the rows of a node, the leader too. What a node says is
// for one of them.
func workers(n *explain.Node, above []*explain.Node) float64 {
	if !n.Aware {
		return 1
	}
	for _, parent := range slices.Backward(above) {
		if parent.Workers > 0 { // the leader helps the less, the more workers it has to serve
			return float64(parent.Workers) + max(0, 1-0.3*float64(parent.Workers))
		}
	}
	return 1
}

// checkScan looks at a scan of a whole table that keeps little of it. A small table is
// read in less time than an index takes to be searched a few times, and what keeps much
// of a table has no better way.
func (s *statement) checkScan(n *explain.Node, t *catalog.Store, above []*explain.Node) {
	if n.Filter == "" || t.Pages < s.Limits.Pages || endsEarly(n, above) {
		return
	}
	if stale(t) {
		s.unseen("plans on " + t.Name + ", which was never analysed or was changed since: ANALYZE it")
		return
	}
	kept := n.Rows * workers(n, above)
	if kept > keptPart*t.Rows {
		return
	}
	all := conditions(n.Filter)
	if s.checkWrapped(all, t) {
		return
	}
	f := Finding{
		ID: "P1", Level: verify.Warning, Follows: "its time grows with the table",
		Evidence: fmt.Sprintf("all %d pages of %s are read, and %.0f of %.0f rows are kept: %s", t.Pages, t.Name, kept, t.Rows, n.Filter),
	}
	f.wanted = wantedFor(t, all, nil)
	s.add(f, t.Name)
}

// endsEarly reports whether a limit ends a scan before it has read all.
func endsEarly(n *explain.Node, above []*explain.Node) bool {
	for _, parent := range slices.Backward(above) {
		switch parent.Type {
		case "Limit":
			return parent.Cost < n.Cost/2
		case "Gather", "Result", "ProjectSet", "Append", "Nested Loop":
		default:
			return false // it takes all rows
		}
	}
	return false
}

// indexFor returns the columns, as SQL, of an index for conditions: those that are equal
// to something, and one of which a range is asked. At most three: more make an index that
// serves one statement only. What a range is asked of comes last, because what follows
// it is not searched by.
func indexFor(all []condition) []string {
	keys := names(all, "=", "= ANY")
	for _, name := range names(all, "<", "<=", ">", ">=") {
		if len(keys) < 3 && !slices.Contains(keys, name) {
			keys = append(keys, name)
			break
		}
	}
	return keys[:min(len(keys), 3)]
}

// checkWrapped looks for an index on a column that a condition has a function or a cast
// around, or compares with a pattern, so that it cannot be used. It reports whether there
// is one.
func (s *statement) checkWrapped(all []condition, t *catalog.Store) bool {
	for _, c := range all {
		column := c.within
		pattern := c.operator == "~~" || c.operator == "~~*"
		if column == "" && pattern {
			column = c.column
		}
		if column == "" || c.cast && s.isText(t, columnOf(column)) && !pattern {
			continue // a cast between texts does not keep an index from its use
		}
		name := nameOf(columnOf(column))
		for i := range s.Searches {
			x := &s.Searches[i]
			if x.Table != t.OID || x.Method != "btree" || !x.Valid || x.Columns[0] != name || c.within == "" && !x.Collations[0] {
				continue
			}
			f := Finding{
				ID: "P3", Level: verify.Warning, Evidence: fmt.Sprintf("the index %s cannot be used for %s", x.Name, c.text),
				Follows: fmt.Sprintf("all %d pages of %s are read", t.Pages, t.Name),
			}
			left := split(inner(c.text), " ")[0]
			key := "(" + strings.ReplaceAll(left, column, columnOf(column)) + ")"
			f.Go = "compare the column itself, with a value of its type"
			if c.within == "" {
				key, f.Go = columnOf(column)+" text_pattern_ops", "compare with a prefix, or search by words"
			}
			f.wanted.all = index{table: t, keys: []string{key}}
			s.add(f, t.Name)
			return true
		}
	}
	return false
}

// isText reports whether a column, as SQL, has a type of texts.
func (s *statement) isText(t *catalog.Store, column string) bool {
	return slices.Contains(t.Texts, nameOf(column))
}

// checkSort looks for a limit that takes a few rows of many that were sorted for it by
// columns of one table, which an index could have in order.
func (s *statement) checkSort(n *explain.Node, above []*explain.Node) {
	if n.Type != "Sort" && n.Type != "Incremental Sort" || len(n.Children) != 1 || len(above) == 0 {
		return
	}
	parent := above[len(above)-1]
	if parent.Type == "Gather Merge" && len(above) > 1 {
		parent = above[len(above)-2]
	}
	scan := n.Children[0]
	if scan.Type == "Gather" {
		scan = scan.Children[0]
	}
	t := s.store(scan)
	if parent.Type != "Limit" || t == nil || scan.Rows*workers(scan, above) < sortedRows {
		return
	}
	var keys []string
	for _, key := range n.SortKey {
		column, order, _ := strings.Cut(key, " ")
		if !columnText.MatchString(column) {
			return
		}
		keys = append(keys, strings.TrimSpace(columnOf(column)+" "+order))
	}
	s.add(Finding{
		ID: "P2", Level: verify.Warning, wanted: wantedFor(t, slices.Concat(conditions(scan.Filter), conditions(scan.IndexCond)), keys),
		Evidence: fmt.Sprintf("%.0f rows of %s are sorted by %s for a few of them", scan.Rows*workers(scan, above), t.Name, strings.Join(n.SortKey, ", ")),
		Follows:  "the first page takes as long as all",
	}, t.Name)
}

// checkLoop looks for a table that is read anew for each of many rows: inside of a nested
// loop, or by a subquery that names a column of the outer row. What is kept in memory
// between the rows is compared with each of them all the same, unless it is looked up there.
func (s *statement) checkLoop(n *explain.Node) {
	loops := n.Rows
	if n.Type == "Nested Loop" && len(n.Children) == 2 {
		loops = n.Children[0].Rows
	}
	for i, child := range n.Children {
		if child.Relationship != "SubPlan" && (n.Type != "Nested Loop" || i != 1) {
			continue
		}
		child.Walk(func(inner *explain.Node, above []*explain.Node) {
			t := s.store(inner)
			cached := slices.ContainsFunc(above, func(n *explain.Node) bool { return n.Type == "Memoize" || strings.HasPrefix(n.Type, "Hash") })
			if t == nil || inner.Type != "Seq Scan" || cached || loops*t.Rows < comparedIn || child.Relationship == "SubPlan" && !dependsOnOuter(inner) {
				return
			}
			f := Finding{
				ID: "P7", Level: verify.Warning, Follows: "its time grows with the product of both",
				Evidence: fmt.Sprintf("the %.0f rows of %s are read for each of %.0f rows: %.0e in all", t.Rows, t.Name, loops, loops*t.Rows),
			}
			f.wanted = wantedFor(t, conditions(inner.Filter), nil)
			s.add(f, t.Name)
		})
	}
}

// dependsOnOuter reports whether a scan of a subplan asks something of columns outside of
// it, so that it is run for each row. One that does not is run once, and hashed.
func dependsOnOuter(n *explain.Node) bool {
	for _, c := range conditions(n.Filter) {
		if columnText.MatchString(c.value) && !strings.HasPrefix(c.value, n.Alias+".") {
			return true
		}
	}
	return false
}

// checkPartitions looks for a query of all partitions that says nothing of the columns by
// which they are told apart. Where it compares them with a parameter all of them are in the
// plan for whatever values, and are left out when it is run.
func (s *statement) checkPartitions(n *explain.Node) {
	if n.Type != "Append" && n.Type != "Merge Append" || n.Removed > 0 || len(n.Children) < 2 {
		return
	}
	var parent *catalog.Store
	said := false
	for _, child := range n.Children {
		child.Walk(func(scan *explain.Node, _ []*explain.Node) {
			t := s.store(scan)
			if t == nil || s.Store(t.Parent) == nil {
				return
			}
			parent = s.Store(t.Parent)
			for _, c := range scan.Conditions() {
				said = said || slices.ContainsFunc(parent.Partition, func(name string) bool { return strings.Contains(c, "."+quoted(name)) })
			}
		})
	}
	if parent == nil || said {
		return
	}
	count := 0
	for i := range s.Stores {
		if s.Stores[i].Parent == parent.OID {
			count++
		}
	}
	if count < 2 || len(n.Children) < count {
		return
	}
	s.add(Finding{
		ID: "P10", Level: verify.Note, Evidence: fmt.Sprintf("all %d partitions of %s are read", count, parent.Name),
		Follows: "its time grows with the number of partitions", Go: "ask for " + strings.Join(parent.Partition, ", ") + " too",
	}, parent.Name)
}
