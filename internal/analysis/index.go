package analysis

import (
	"regexp"
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/catalog"
)

// index is one that there is not, and that might be worth having.
type index struct {
	table *catalog.Store
	keys  []string // as SQL: columns, each with its order, or one expression in parentheses
	where string   // the predicate of a partial index, as SQL; "" for none
}

// String returns the statement that creates the index while others write.
func (x index) String() string {
	sql := createIndex(x.table, strings.Join(x.keys, ", "))
	if x.where != "" {
		sql += " WHERE " + x.where
	}
	return sql
}

// first returns the index with so many of its keys.
func (x index) first(n int) index {
	x.keys = x.keys[:n:n]
	return x
}

// does reports whether x finds all that y finds.
func (x index) does(y index) bool {
	return x.table == y.table && (x.where == "" || x.where == y.where) && len(x.keys) >= len(y.keys) && slices.Equal(x.keys[:len(y.keys)], y.keys)
}

// wanted are the indexes that would help a step of a plan: one of all rows, and one of
// those that meet the conditions of the statement that are constant. Each may have no keys,
// and is none then.
type wanted struct{ all, part index }

// none reports whether there is no such index.
func (w wanted) none() bool { return len(w.all.keys)+len(w.part.keys) == 0 }

// wantedFor returns the indexes for conditions on a table, whose rows are sorted by keys
// behind those that are equal to something. A partial index has no column that is the same
// in all of its rows, unless there is no other.
func wantedFor(t *catalog.Store, all []condition, sorted []string) (w wanted) {
	var fixed, free []condition
	for _, c := range all {
		if c.constant() {
			fixed = append(fixed, c)
		} else {
			free = append(free, c)
		}
	}
	keysFor := func(all []condition) []string {
		if len(sorted) > 0 {
			return slices.Concat(names(all, "="), sorted)
		}
		return indexFor(all)
	}
	w.all = index{table: t, keys: keysFor(all)}
	if len(fixed) == 0 || t.Kind == catalog.Partitioned {
		return w
	}
	w.part = index{table: t, keys: keysFor(free)}
	var texts []string
	for _, c := range fixed {
		texts = append(texts, strings.ReplaceAll(inner(c.text), c.column, columnOf(c.column)))
	}
	slices.Sort(texts)
	w.part.where = strings.Join(texts, " AND ")
	if len(w.part.keys) == 0 {
		w.part.keys = []string{columnOf(fixed[0].column)}
	}
	return w
}

// constantText is how a plan writes a value that is in the statement: 'open'::order_status,
// 7, '-1'::integer, true.
var constantText = regexp.MustCompile(`^\(?(?:-?\d+(?:\.\d+)?|true|false|'(?:[^']|'')*')\)?(?:::[\w". ]+(?:\(\d+(?:,\d+)?\))?)*$`)

// constant reports whether a condition is the same for each call, so that a partial index
// may have it as its predicate.
func (c condition) constant() bool {
	switch c.operator {
	case "IS NULL", "IS NOT NULL":
		return c.column != ""
	case "=", "<>", "<", "<=", ">", ">=":
		return c.column != "" && constantText.MatchString(c.value)
	}
	return false
}
