package analysis

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/explain"
	"github.com/smrt-go/smrt/internal/verify"
)

// use is how a parameter is used: compared with a column, or as the number of rows.
type use struct {
	table  *catalog.Store
	column string // not quoted
	array  bool
}

// uses returns how the parameters are used, by their numbers from 1. The server says it in
// the plan, so that no SQL is read but for LIMIT and OFFSET, which plans do not show.
func (s *statement) uses() map[string]use {
	found, tables := map[string]use{}, map[string]*catalog.Store{}
	s.Root.Walk(func(n *explain.Node, _ []*explain.Node) {
		if t := s.store(n); t != nil {
			if p := s.Store(t.Parent); p != nil {
				t = p
			}
			tables[n.Alias] = t
		}
	})
	s.Root.Walk(func(n *explain.Node, _ []*explain.Node) {
		for _, text := range n.Conditions() {
			for _, c := range conditions(text) {
				alias, _, _ := strings.Cut(c.column, ".")
				t := tables[nameOf(alias)]
				if t == nil || !strings.HasPrefix(c.value, "$") {
					continue
				}
				switch c.operator {
				case "=", "<", "<=", ">", ">=", "= ANY":
					found[c.value] = use{t, nameOf(columnOf(c.column)), c.operator == "= ANY"}
				}
			}
		}
	})
	return found
}

// counts are the parameters that say how many rows are asked for.
var counts = regexp.MustCompile(`(?i)\b(limit|offset)\s+(\$\d+)`)

// values returns an SQL value for each parameter, such as a program might send: of each
// column the one at a place in its statistics. It reports whether there is one for each.
func (s *statement) values(ctx context.Context, uses map[string]use, pick func(catalog.Statistics) (string, bool)) (values []string, ok bool, err error) {
	numbers := map[string]string{}
	for _, m := range counts.FindAllStringSubmatch(s.SQL, -1) {
		numbers[m[2]] = map[string]string{"limit": "20", "offset": "0"}[strings.ToLower(m[1])]
	}
	for i := range s.parameters {
		name := fmt.Sprintf("$%d", i+1)
		if number := numbers[name]; number != "" {
			values = append(values, number)
			continue
		}
		u, known := uses[name]
		if !known {
			return nil, false, nil
		}
		stats, err := s.statistics(ctx, u)
		if err != nil {
			return nil, false, err
		}
		value, ok := pick(stats)
		if !ok {
			return nil, false, nil
		}
		if u.array {
			value = `{"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"}`
		}
		values = append(values, literal(value))
	}
	return values, true, nil
}

// literal writes a text as SQL, whatever standard_conforming_strings says.
func literal(text string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}

// statistics returns those of a column, which are asked for once.
func (s *statement) statistics(ctx context.Context, u use) (catalog.Statistics, error) {
	key := columnKey{u.table.OID, u.column}
	if known, ok := s.columns[key]; ok {
		return known, nil
	}
	stats, err := catalog.StatisticsOf(ctx, s.planner.Tx(), u.table.OID, u.column)
	if err == nil {
		if s.columns == nil {
			s.columns = map[columnKey]catalog.Statistics{}
		}
		s.columns[key] = stats
	}
	return stats, err
}

// columnKey names a column.
type columnKey struct {
	table  uint32
	column string
}

// checkValues compares the plan for whatever values with those for values that the
// statistics know. The server chooses between them by their costs after five calls, and
// the cost of the first is that of a usual value.
func (s *statement) checkValues(ctx context.Context) error {
	if len(s.parameters) == 0 {
		return nil
	}
	uses := s.uses()
	for i, pick := range []func(catalog.Statistics) (string, bool){mostCommon, leastCommon} {
		values, ok, err := s.values(ctx, uses, pick)
		if err != nil || !ok {
			return err
		}
		if i == 0 {
			s.usual = values
		}
		custom, err := s.planner.Custom(ctx, s.SQL, s.parameters, values)
		if err != nil {
			return err
		}
		if s.compare(custom) {
			return nil
		}
	}
	return nil
}

// mostCommon picks the value that most rows have. Where no value is common, as in a key, any
// will do.
func mostCommon(c catalog.Statistics) (string, bool) {
	if len(c.Common) > 0 {
		return c.Common[0], true
	}
	return anyOther(c)
}

// leastCommon picks a value that few rows have. Where all values are common, as those of an
// enum, it is the last of them.
func leastCommon(c catalog.Statistics) (string, bool) {
	if value, ok := anyOther(c); ok {
		return value, true
	}
	if len(c.Common) > 0 {
		return c.Common[len(c.Common)-1], true
	}
	return "", false
}

// anyOther picks a value from the middle of those that are not common.
func anyOther(c catalog.Statistics) (string, bool) {
	if len(c.Bounds) == 0 {
		return "", false
	}
	return c.Bounds[len(c.Bounds)/2], true
}

// trapFactor is how far the rows of two plans are apart where one of them is wrong.
const trapFactor = 10

// compare looks for a table that both plans read in other ways and with other numbers of
// rows. It reports whether there is one. A scan of which only the first rows are taken, as
// EXISTS does, is fast by either way.
func (s *statement) compare(custom *explain.Plan) bool {
	scans := map[string]*explain.Node{}
	s.Root.Walk(func(n *explain.Node, _ []*explain.Node) {
		if n.Relation != "" {
			scans[n.Alias] = n
		}
	})
	found := false
	custom.Root.Walk(func(n *explain.Node, above []*explain.Node) {
		generic, t := scans[n.Alias], s.store(n)
		if found || generic == nil || t == nil || t.Pages < s.Limits.Pages || stale(t) || sameScan(generic, n) || endsEarly(n, above) || n.Relationship == "InitPlan" {
			return
		}
		few, many := generic.Rows, n.Rows*workers(n, above)
		if few > many {
			few, many = many, few
		}
		if many < trapFactor*max(few, 1) {
			return
		}
		found = true
		s.add(Finding{
			ID: "P6", Level: verify.Warning, Go: "let this statement be planned for its values: SET LOCAL plan_cache_mode = force_custom_plan in its transaction, or pgx.QueryExecModeExec for the call",
			Evidence: fmt.Sprintf("for whatever values %s of %s expects %.0f rows, for one that is in its statistics %s expects %.0f", generic.Type, t.Name, generic.Rows, n.Type, n.Rows),
			Follows:  "a prepared statement is planned once for all values after five calls, and is slow for some",
		}, t.Name)
	})
	return found
}

// sameScan reports whether two scans are of one kind: a bitmap finds rows by an index too,
// and the server changes between both where they cost about the same.
func sameScan(a, b *explain.Node) bool { return (a.Type == "Seq Scan") == (b.Type == "Seq Scan") }
