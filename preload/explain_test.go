package preload_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// explaining is a handle that asks the server for the plan of each query, with
// what happened in it.
type explaining struct {
	smrt.DB
	loops func(relation string, n int) // is told of each step, by its table, else its kind
}

type planNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Loops    int        `json:"Actual Loops"`
	Plans    []planNode `json:"Plans"`
}

func (n *planNode) visit(each func(relation string, loops int)) {
	each(cmp.Or(n.Relation, n.Type), n.Loops)
	for i := range n.Plans {
		n.Plans[i].visit(each)
	}
}

func (e explaining) explain(ctx context.Context, sql string, args []any) {
	var text string
	if err := e.DB.QueryRow(ctx, "EXPLAIN (ANALYZE, FORMAT JSON) "+sql, args...).Scan(&text); err != nil {
		panic(err)
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		panic(err)
	}
	plans[0].Plan.visit(e.loops)
}

func (e explaining) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	e.explain(ctx, sql, args)
	return e.DB.Query(ctx, sql, args...)
}

func (e explaining) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		e.explain(ctx, q.SQL, q.Arguments)
	}
	return e.DB.SendBatch(ctx, b)
}

// TestJoinedAfterTheLimit counts how often the server looks for joined rows:
// once for each row that is returned, and not for those that a limit or a join
// table leaves out.
func TestJoinedAfterTheLimit(t *testing.T) {
	type film struct{ ID, Rating int64 }
	type actor struct {
		ID, Fame int64
		Agent    int64
	}
	type role struct{ Film, Actor int64 }
	type roleKey struct{ Film, Actor int64 }
	type prize struct{ ID, Actor int64 }
	type actorView struct {
		actor
		Prizes []prize `db:"-"`
	}
	type filmView struct {
		film
		Cast []actorView `db:"-"`
	}
	films := query.NewTable("films", func(f *film) *int64 { return &f.ID })
	actors := query.NewTable("actors", func(a *actor) *int64 { return &a.ID })
	prizes := query.NewTable("prizes", func(p *prize) *int64 { return &p.ID })
	roles := query.NewCompositeTable("roles", query.Key[role, roleKey]{
		query.Part(func(r *role) *int64 { return &r.Film }, func(k *roleKey) *int64 { return &k.Film }),
		query.Part(func(r *role) *int64 { return &r.Actor }, func(k *roleKey) *int64 { return &k.Actor }),
	})
	fame := query.Col(func(a *actor) *int64 { return &a.Fame }).Desc()
	cast := preload.ManyToMany(films, roles, actors, func(r *role) *int64 { return &r.Film }, func(r *role) *int64 { return &r.Actor }).OrderBy(fame)
	clients := preload.HasMany(films, actors, func(a *actor) *int64 { return &a.Agent }).OrderBy(fame)
	won := preload.Many(preload.HasMany(actors, prizes, func(p *prize) *int64 { return &p.Actor }).Joined(), func(a *actorView) *[]prize { return &a.Prizes })
	pool := testdb.Pool(t, testdb.SQL("films", `CREATE TABLE films (id bigint PRIMARY KEY, rating bigint); INSERT INTO films SELECT i, i FROM generate_series(1, 300) i;
		CREATE TABLE actors (id bigint PRIMARY KEY, fame bigint, agent bigint); INSERT INTO actors SELECT i, i % 100, 1 + i % 3 FROM generate_series(1, 1000) i;
		CREATE TABLE roles (film bigint, actor bigint, PRIMARY KEY (film, actor)); INSERT INTO roles SELECT 1 + i % 3, i FROM generate_series(1, 600) i;
		CREATE TABLE prizes (id bigint PRIMARY KEY, actor bigint); INSERT INTO prizes SELECT i, 1 + i % 1000 FROM generate_series(1, 3000) i;
		CREATE INDEX ON prizes (actor); CREATE INDEX ON actors (agent); ANALYZE films, actors, roles, prizes`),
		// In exec mode records come as text, so what they hold is loaded once more.
		testdb.ExecMode(pgx.QueryExecModeCacheStatement))
	few := query.Where(query.Col(func(f *film) *int64 { return &f.ID }).Le(3))
	find := func(r preload.ToMany[film, actor]) (shape string, loops int) {
		db := explaining{DB: pool, loops: func(relation string, n int) {
			if relation == "prizes" {
				loops += n
			}
		}}
		views := repo.View(repo.New(smrt.DB(db), films), func(v *filmView) *film { return &v.film })
		fs := check.Value(views.Find(t.Context(), few, preload.Many(r, func(v *filmView) *[]actorView { return &v.Cast }, won)))(t)
		return join(fs, func(f *filmView) string {
			return join(f.Cast, func(a *actorView) string { return fmt.Sprint(a.ID, len(a.Prizes)) })
		}), loops
	}
	inside := 0 // the control: what stands in a derived table is computed for all of its rows
	control := explaining{DB: pool, loops: func(relation string, n int) {
		if relation == "prizes" {
			inside += n
		}
	}}
	control.explain(t.Context(), `SELECT a.won FROM (SELECT id, ARRAY(SELECT p.id FROM prizes p WHERE p.actor = actors.id) AS won FROM actors OFFSET 0) a
		JOIN roles r ON r.actor = a.id WHERE r.film <= 3 ORDER BY a.id LIMIT 5`, nil)
	if inside < 100 {
		t.Fatalf("the control looks for joined rows %d times, want 100 or more", inside)
	}
	for _, limit := range []int{5, 0} {
		for name, r := range map[string]preload.ToMany[film, actor]{"through a table": cast, "direct": clients} {
			if limit > 0 {
				r = r.Limit(limit)
			}
			separate, loops := find(r)
			joined, joinedLoops := find(r.Joined())
			rows := len(strings.Fields(separate)) / 2
			check.Same(t, fmt.Sprint(name, limit, ": joined"), joined, separate)
			if rows == 0 || loops > rows || joinedLoops > rows {
				t.Errorf("%s, limit %d: for %d rows the joined ones are looked for %d times, %d where all is joined", name, limit, rows, loops, joinedLoops)
			}
		}
	}
}

// TestConditionsOnRelatedRowsAreJoined counts how often the server looks for
// the rows of a condition: once for all parents, although it stands in a table
// derived from another.
func TestConditionsOnRelatedRowsAreJoined(t *testing.T) {
	pool := testdb.Pool(t, cinemaSchema)
	most := 0
	db := explaining{DB: pool, loops: func(_ string, n int) { most = max(most, n) }}
	season := query.Raw[movie]("movies.kind = $1", "season")
	check.Value(repo.New(smrt.DB(db), movies).Find(t.Context(), query.Where(movieParts.Has(season))))(t)
	check.Same(t, "scans", most, 1)
	check.Value(repo.New(smrt.DB(db), movies).Find(t.Context(), query.Where(movieParts.Count(season).Ge(1))))(t)
	check.Same(t, "scans for a number", most, 90)
}
