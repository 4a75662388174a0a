package smrtprom

import (
	"unicode/utf8"

	"github.com/smrt-go/smrt/observe"
)

// labels are the values of the labels that all metrics of statements have.
type labels struct {
	observer, table, operation, query string
}

var labelNames = []string{"observer", "table", "operation", "query"}

func (l labels) values() []string { return []string{l.observer, l.table, l.operation, l.query} }

// errorLabels are those of errors.
type errorLabels struct {
	labels
	state string
}

func (l errorLabels) values() []string { return append(l.labels.values(), l.state) }

const (
	other     = "other" // the operation, or the SQLSTATE, of what has no room
	maxLength = 200     // bytes of a label
)

// room has the sets of labels that were given. One that was given is never taken
// back: its counters would begin anew, which Prometheus takes for a restart.
type room[L comparable] map[L]struct{}

// has reports whether l has a place among at most n, and gives it one if there is.
func (r room[L]) has(l L, n int) bool {
	if _, ok := r[l]; ok {
		return true
	}
	if len(r) >= n {
		return false
	}
	r[l] = struct{}{}
	return true
}

// labelsOf returns the labels of a name.
func (c *Collector) labelsOf(observer string, n observe.Name) labels {
	l := labels{observer, n.Table, n.Operation, n.Query}
	if n == (observe.Name{}) {
		l.operation = "raw"
	}
	rest := labels{observer: observer, operation: other}
	if l == rest {
		return l
	}
	if !isLabel(n.Table) || !isLabel(n.Query) || !c.names.has(l, c.config.MaxSeries) {
		c.overflow++
		return rest
	}
	return l
}

// isLabel reports whether s can be a label: one that is not UTF-8 fails the whole
// scrape. A comment in front of SQL may have anything where the name of a query
// stands.
func isLabel(s string) bool { return len(s) <= maxLength && utf8.ValidString(s) }

// errorLabelsOf returns the labels of errors. Where there is no room left the SQLSTATE
// is other.
func (c *Collector) errorLabelsOf(l labels, state string) errorLabels {
	rest := errorLabels{l, other}
	e := errorLabels{l, stateLabel(state)}
	if e == rest {
		return rest
	}
	if !c.errors.has(e, c.config.MaxSeries) {
		c.overflow++
		return rest
	}
	return e
}
