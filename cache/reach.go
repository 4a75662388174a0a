package cache

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/traced"
)

// A write of one table may change rows of others: a foreign key passes it on, a view or
// a rule stands for another table, a partition is a part of one. The database is asked
// for these edges when a cache is attached. What a write reaches is all tables to which
// a path of edges leads. Of such a table all rows are void.

// edge says that an event of one table may cause one of another.
type edge struct {
	from, to     string
	when, causes cached.Event // of any event the same, if when is any
}

const anyEvent = cached.Create | cached.Update | cached.Delete

const edgesSQL = `SELECT f.relname::text, t.relname::text, e.does, e.causes FROM (
	SELECT confrelid, conrelid, 4, CASE confdeltype WHEN 'c' THEN 4 ELSE 2 END FROM pg_constraint WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')
	UNION ALL SELECT confrelid, conrelid, 2, 2 FROM pg_constraint WHERE contype = 'f' AND confupdtype IN ('c', 'n', 'd')
	UNION ALL SELECT inhrelid, inhparent, 7, 7 FROM pg_inherits
	UNION ALL SELECT inhparent, inhrelid, 7, 7 FROM pg_inherits
	UNION ALL SELECT r.ev_class, d.refobjid, 7, 7 FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
) AS e (a, b, does, causes)
JOIN pg_class f ON f.oid = e.a JOIN pg_class t ON t.oid = e.b
WHERE f.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND f.relkind IN ('r', 'p', 'v', 'f')`

// edgesOf asks a database.
func edgesOf(ctx context.Context, db smrt.DB) ([]edge, error) {
	rows, err := db.Query(ctx, traced.Pass(edgesSQL, "", "catalog"))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e edge, err error) {
		var when, causes int32
		err = row.Scan(&e.from, &e.to, &when, &causes)
		e.when, e.causes = cached.Event(when), cached.Event(causes)
		return e, err
	})
}

const kindSQL = `SELECT c.relkind::text, pg_is_in_recovery() FROM pg_class c WHERE c.oid = to_regclass($1)`

// checkIn refuses what is no table in a database, and a server that is a standby.
func (k *kind) checkIn(ctx context.Context, db smrt.DB) error {
	var relkind string
	var standby bool
	err := db.QueryRow(ctx, traced.Pass(kindSQL, "", "catalog"), k.of.Quoted).Scan(&relkind, &standby)
	switch {
	case err == pgx.ErrNoRows: //nolint:errorlint // this very value is the sign
		return bad("tables", "must be in the database: "+k.of.Name+" is not")
	case err != nil:
		return fmt.Errorf("attach a cache: %w", err)
	case relkind != "r" && relkind != "p":
		return bad("tables", "must be tables, whose writes can be told: "+k.of.Name+" is a view or a foreign table")
	case standby:
		return bad("db", "must lead to a primary: a standby may show rows that were changed long ago")
	}
	return nil
}

// reach is what writes reach beside their own rows.
type reach struct {
	tables map[string]bool
	far    map[step][]*kind
	by     map[string]bool // tables of which WrittenBy says that their writes write others
}

// step is one event of a table.
type step struct {
	name string
	does cached.Event // one
}

// anything reports whether an event of a table touches anything.
func (r *reach) anything(name string, does cached.Event) bool {
	return r.tables[name] || len(r.of(name, does)) > 0
}

// of returns the tables of which all rows are touched.
func (r *reach) of(name string, does cached.Event) (all []*kind) {
	if len(r.far) == 0 {
		return nil
	}
	for e := cached.Create; e <= cached.Delete; e <<= 1 {
		if does&e != 0 {
			all = append(all, r.far[step{name, e}]...)
		}
	}
	return all
}

// declared returns what of returns, if WrittenBy says that triggers of the table write: they
// may do so though a statement has affected no row.
func (r *reach) declared(name string, does cached.Event) []*kind {
	if !r.by[name] {
		return nil
	}
	return r.of(name, does)
}

// update finds all paths anew. The caller holds c.mu, or is New.
func (c *Cache) update() {
	next, r := map[string][]edge{}, &reach{by: map[string]bool{}}
	for _, e := range c.edges {
		next[e.from] = append(next[e.from], e)
	}
	for _, k := range c.kinds {
		for _, by := range k.options.WrittenBy {
			from := base(by.Plan().Name)
			r.by[from] = true
			next[from] = append(next[from], edge{from: from, to: k.name, when: anyEvent, causes: anyEvent})
		}
	}
	r.tables, r.far = map[string]bool{}, map[step][]*kind{}
	for name := range c.tables {
		r.tables[name] = true
	}
	for from := range next {
		for e := cached.Create; e <= cached.Delete; e <<= 1 {
			if far := c.follow(next, step{from, e}); len(far) > 0 {
				r.far[step{from, e}] = far
			}
		}
	}
	c.reach.Store(r)
}

// follow returns the tables that edges lead to.
func (c *Cache) follow(next map[string][]edge, from step) (far []*kind) {
	seen, reached := map[step]bool{from: true}, map[*kind]bool{}
	for todo := []step{from}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, e := range next[at.name] {
			if e.when&at.does == 0 {
				continue
			}
			k := c.tables[e.to]
			for does := cached.Create; does <= cached.Delete; does <<= 1 {
				if e.causes&does == 0 {
					continue
				}
				if k != nil && !reached[k] && Writes(does)&^k.options.StaleUntilTTL != 0 {
					reached[k] = true
					far = append(far, k)
				}
				if to := (step{e.to, does}); !seen[to] {
					seen[to] = true
					todo = append(todo, to)
				}
			}
		}
	}
	return far
}
