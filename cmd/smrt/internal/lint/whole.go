package lint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
)

// change is that a statement changes rows of an old table which no index finds.
type change struct {
	table   string // its name now
	deletes bool
	all     bool // there is no condition on them
}

// node is a node of a plan, of which more is told than this.
type node struct {
	Type      string   `json:"Node Type"`
	Operation string   `json:"Operation"`
	Relation  string   `json:"Relation Name"`
	Alias     string   `json:"Alias"`
	Filter    string   `json:"Filter"`
	Targets   []target `json:"Target Tables"` // of several partitions
	Plans     []node   `json:"Plans"`
}

type target struct {
	Relation string `json:"Relation Name"`
	Alias    string `json:"Alias"`
}

// planOnly has the planner take an index wherever one finds the rows: the tables are
// empty, so it would not for its price.
const planOnly = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; EXPLAIN (FORMAT JSON) "

// whole asks the planner which rows a statement has changed. A backfill is run in batches.
func (w *watcher) whole(ctx context.Context, conn *pgx.Conn, s *statement) {
	writes := slices.ContainsFunc(s.held, func(l lock) bool { return l.mode == rowExclusive })
	backfill := slices.ContainsFunc(w.file.annotations, func(a annotation.Annotation) bool { return a.Name == annotation.Backfill })
	if w.err != nil || s.several || !writes || backfill || !slices.Contains([]string{"UPDATE", "DELETE", "INSERT", "SELECT"}, verb(s.tag)) {
		return
	}
	w.quiet = true
	defer func() { w.quiet = false }()
	tx, err := inside{conn}.Begin(ctx)
	if err != nil {
		w.fail(err)
		return
	}
	results, err := conn.PgConn().Exec(ctx, planOnly+s.text).ReadAll()
	w.fail(tx.Rollback(ctx))
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) {
		return // what it has done itself is in the way: there is no plan any more
	}
	var plans []struct{ Plan node }
	if err == nil {
		err = json.Unmarshal(results[len(results)-1].Rows[0][0], &plans)
	}
	w.fail(err)
	for _, p := range plans {
		s.changes = p.Plan.changes(s.changes)
	}
}

// changes appends those of a plan.
func (n *node) changes(all []change) []change {
	if n.Type == "ModifyTable" && (n.Operation == "Update" || n.Operation == "Delete") {
		for _, t := range append(n.Targets, target{n.Relation, n.Alias}) {
			if found, narrowed := n.scan(t); found {
				all = append(all, change{table: n.Relation, deletes: n.Operation == "Delete", all: !narrowed})
				break // of partitions one is enough
			}
		}
	}
	for i := range n.Plans {
		all = n.Plans[i].changes(all)
	}
	return all
}

// scan reports whether all of a target is read below the node, and no index used, and
// whether only some of the rows go on from there.
func (n *node) scan(of target) (found, narrowed bool) {
	for _, p := range n.Plans {
		if p.Type == "Seq Scan" && p.Relation == of.Relation && p.Alias == of.Alias {
			return true, p.Filter != ""
		}
		if found, narrowed := p.scan(of); found {
			return true, narrowed || p.Type == "Nested Loop"
		}
	}
	return false, false
}

// changed judges the rows that a statement has changed.
func (j *judge) changed(s *statement) {
	for _, c := range s.changes {
		var oid uint32
		for _, l := range s.held {
			if l.mode == rowExclusive && s.names[l.table] == c.table {
				oid = l.table
			}
		}
		if oid == 0 {
			continue
		}
		verb := "changed"
		if c.deletes {
			verb = "deleted"
		}
		problem := fmt.Sprintf("all rows of %s are %s by one statement", j.old[oid].name, verb)
		if !c.all {
			problem = fmt.Sprintf("rows of %s are %s by one statement, however many they are: no index finds them", j.old[oid].name, verb)
		}
		j.add(Whole, s, lock{}, problem+": each is locked for others until the transaction ends, standbys fall behind, and the old rows stay as dead ones",
			"-- smrt:backfill, which runs the statement in batches of rows")
		j.findings[len(j.findings)-1].Table = j.old[oid].name
	}
}
