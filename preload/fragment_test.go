package preload_test

import (
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

// Movies are parts of others, and cite others: the table is related to itself in
// both ways, so that a name may mean any of several rows.
var cinemaSchema = testdb.SQL("cinema", `
CREATE TABLE movies (id bigint PRIMARY KEY, part_of bigint, kind text NOT NULL, minutes int NOT NULL);
CREATE TABLE citations (id bigint PRIMARY KEY, citing bigint NOT NULL, cited bigint NOT NULL, kind text NOT NULL);
INSERT INTO movies SELECT i, nullif(i / 3, 0), (ARRAY['film', 'season', 'episode'])[1 + i * 5 % 7 % 3], i * 13 % 50 FROM generate_series(1, 90) i;
INSERT INTO citations SELECT i, 1 + i * 7 % 90, 1 + i * 11 % 90, 'season' FROM generate_series(1, 200) i`)

type (
	movie struct {
		ID      int64
		PartOf  *int64
		Kind    string
		Minutes int32
	}
	citation struct {
		ID, Citing, Cited int64
		Kind              string
	}
	movieView struct {
		movie
		Whole *movie
		Parts []movie
		N     int64
		IsAny bool
	}
)

var (
	movies    = query.NewTable("movies", func(m *movie) *int64 { return &m.ID }, query.KeyByClient[movie]())
	citations = query.NewTable("citations", func(c *citation) *int64 { return &c.ID }, query.KeyByClient[citation]())

	movieID      = query.Col(func(m *movie) *int64 { return &m.ID })
	movieKind    = query.TextCol(func(m *movie) *string { return &m.Kind })
	movieMinutes = query.Col(func(m *movie) *int32 { return &m.Minutes })

	movieWhole = preload.BelongsTo(movies, movies, func(m *movie) **int64 { return &m.PartOf })
	movieParts = preload.HasMany(movies, movies, func(m *movie) **int64 { return &m.PartOf })
	movieCited = preload.ManyToMany(movies, citations, movies, func(c *citation) *int64 { return &c.Citing }, func(c *citation) *int64 { return &c.Cited })
)

// TestFragmentsNameTheirRow puts one condition in every place that takes one,
// as a fragment that names the table, one that does not, and one that names the
// schema too: each means the row that the condition is of.
func TestFragmentsNameTheirRow(t *testing.T) {
	type condition = query.Predicate[movie]
	pool, ctx := testdb.Pool(t, cinemaSchema), t.Context()
	r := repo.New(pool, movies)
	views := repo.View(r, func(v *movieView) *movie { return &v.movie })
	find := func(q query.Query[movie], loads ...preload.Load[movieView]) string {
		t.Helper()
		return string(check.Value(json.Marshal(check.Value(views.Find(ctx, q, loads...))(t)))(t))
	}
	where := func(p condition) string { return find(query.Where(p).OrderBy(movieID.Asc())) }
	load := func(l preload.Load[movieView]) string { return find(query.All[movie]().OrderBy(movieID.Asc()), l) }
	parts := func(r preload.ToMany[movie, movie]) string {
		return load(preload.Many(r, func(v *movieView) *[]movie { return &v.Parts }))
	}
	whole := func(r preload.ToOne[movie, movie]) string {
		return load(preload.One(r, func(v *movieView) **movie { return &v.Whole }))
	}
	number := func(r preload.ToMany[movie, movie]) string {
		return load(preload.Count(r, func(v *movieView) *int64 { return &v.N }))
	}
	exists := func(r preload.ToMany[movie, movie]) string {
		return load(preload.Exists(r, func(v *movieView) *bool { return &v.IsAny }))
	}
	places := map[string]func(p condition) string{
		"find":            where,
		"not":             func(p condition) string { return where(query.Not(p)) },
		"whole":           func(p condition) string { return where(movieWhole.Has(p)) },
		"not whole":       func(p condition) string { return where(movieWhole.HasNot(p)) },
		"parts":           func(p condition) string { return where(movieParts.Has(p)) },
		"parts of whole":  func(p condition) string { return where(movieWhole.Has(movieParts.Has(p))) },
		"whole and parts": func(p condition) string { return where(movieWhole.Has(p, movieParts.Has(p))) },
		"declared":        func(p condition) string { return where(movieParts.Where(p).Has()) },
		"number of parts": func(p condition) string { return where(movieParts.Count(p).Ge(2)) },
		"cited":           func(p condition) string { return where(movieCited.Has(p)) },
		"cited of cited":  func(p condition) string { return where(movieCited.Has(p, movieCited.HasNot(p))) },
		"number of cited": func(p condition) string { return where(movieCited.Count(p).Ge(2)) },
		"order": func(p condition) string {
			return find(query.All[movie]().OrderBy(movieParts.Count(p).Desc(), movieID.Asc()))
		},
		"load":               func(p condition) string { return parts(movieParts.Where(p)) },
		"load limited":       func(p condition) string { return parts(movieParts.Where(p).Limit(2)) },
		"load whole":         func(p condition) string { return whole(movieWhole.Where(p)) },
		"load cited":         func(p condition) string { return parts(movieCited.Where(p)) },
		"load cited limited": func(p condition) string { return parts(movieCited.Where(p).Limit(1)) },
		"load number":        func(p condition) string { return number(movieCited.Where(p)) },
		"load exists":        func(p condition) string { return exists(movieParts.Where(p)) },
		"load in an order":   func(p condition) string { return parts(movieParts.OrderBy(movieParts.Count(p).Desc(), movieID.Desc())) },
		"joined":             func(p condition) string { return parts(movieParts.Where(p).Joined()) },
		"joined limited":     func(p condition) string { return parts(movieParts.Where(p).Limit(2).Joined()) },
		"joined in an order": func(p condition) string {
			return parts(movieParts.OrderBy(movieParts.Count(p).Desc(), movieID.Desc()).Joined())
		},
		"joined whole":  func(p condition) string { return whole(movieWhole.Where(p).Joined()) },
		"joined cited":  func(p condition) string { return parts(movieCited.Where(p).Joined()) },
		"joined number": func(p condition) string { return number(movieCited.Where(p).Joined()) },
		"joined exists": func(p condition) string { return exists(movieParts.Where(p).Joined()) },
		"value":         func(p condition) string { return where(preload.Value(movieWhole.Where(p), movieMinutes).Gt(20)) },
		"value's order": func(p condition) string {
			return find(query.All[movie]().OrderBy(preload.Value(movieWhole.Where(p), movieMinutes).Desc(), movieID.Asc()))
		},
		"aggregate": func(p condition) string {
			return find(query.All[movie]().OrderBy(preload.Aggregate(movieParts, query.Sum[int64](movieMinutes, p)).Desc(), movieID.Asc()))
		},
		"aggregate cited": func(p condition) string {
			return where(preload.Aggregate(movieCited.Where(p), query.Max(movieMinutes)).Lt(30))
		},
		"update": func(p condition) string {
			return fmt.Sprint(check.Value(r.UpdateWhere(ctx, query.Where(movieParts.Has(p)), query.Add(movieMinutes, 0)))(t))
		},
	}
	for name, at := range places {
		want := at(movieKind.Eq("season"))
		for _, other := range []string{"film", "none"} {
			if want == at(movieKind.Eq(other)) {
				t.Errorf("%s: the condition makes no difference", name)
			}
		}
		check.Same(t, name+": kind", at(query.Raw[movie]("kind = $1", "season")), want)
		check.Same(t, name+": movies.kind", at(query.Raw[movie]("movies.kind = $1", "season")), want)
		check.Same(t, name+": public.movies.kind", at(query.Raw[movie]("public.movies.kind = $1", "season")), want)
	}
}

// TestValuesOfRelatedRows compares values and aggregates of related rows with
// subqueries in plain SQL.
func TestValuesOfRelatedRows(t *testing.T) {
	pool, ctx := testdb.Pool(t, cinemaSchema), t.Context()
	r := repo.New(pool, movies)
	hours := query.SQL[float64]("$1::float8 / $2", movieMinutes, 60)
	same := func(name string, q query.Query[movie], sql string) {
		t.Helper()
		var got, want []int64
		for _, m := range check.Value(r.Find(ctx, q))(t) {
			got = append(got, m.ID)
		}
		rows := check.Value(pool.Query(ctx, "SELECT id FROM movies p "+sql))(t)
		want = check.Value(pgx.CollectRows(rows, pgx.RowTo[int64]))(t)
		check.Same(t, name, fmt.Sprint(got), fmt.Sprint(want))
		if len(want) == 0 || len(want) == 90 && !strings.HasPrefix(sql, "ORDER") {
			t.Errorf("%s proves nothing: %d rows", name, len(want))
		}
	}
	byKey := func(ps ...query.Predicate[movie]) query.Query[movie] {
		return query.Where(ps...).OrderBy(movieID.Asc())
	}
	of := "(SELECT minutes FROM movies w WHERE w.id = p.part_of)"
	whole := preload.Value(movieWhole, movieMinutes)
	same("value", byKey(whole.Gt(20)), "WHERE "+of+" > 20 ORDER BY id")
	same("no value", byKey(whole.IsNull()), "WHERE part_of IS NULL ORDER BY id")
	same("not the value", byKey(whole.Ne(13)), "WHERE "+of+" IS DISTINCT FROM 13 ORDER BY id")
	same("compared", byKey(query.Compare(movieMinutes, "<", whole)), "WHERE minutes < "+of+" ORDER BY id")
	same("order", query.All[movie]().OrderBy(whole.Desc().NullsLast(), movieID.Asc()), "ORDER BY "+of+" DESC NULLS LAST, id")
	same("expression", byKey(preload.Value(movieWhole, hours).Ge(0.5)), "WHERE (SELECT minutes::float8 / 60 FROM movies w WHERE w.id = p.part_of) >= 0.5 ORDER BY id")
	same("value of a value", byKey(preload.Value(movieWhole, whole).Lt(25)),
		"WHERE (SELECT (SELECT minutes FROM movies v WHERE v.id = w.part_of) FROM movies w WHERE w.id = p.part_of) < 25 ORDER BY id")
	parts := "FROM movies c WHERE c.part_of = p.id"
	cited := "FROM citations j JOIN movies c ON c.id = j.cited WHERE j.citing = p.id"
	same("sum", byKey(preload.Aggregate(movieParts, query.Sum[int64](movieMinutes)).Gt(60)), "WHERE (SELECT sum(minutes) "+parts+") > 60 ORDER BY id")
	same("sum of some", byKey(preload.Aggregate(movieParts.Where(movieKind.Eq("film")), query.Sum[int64](movieMinutes, movieMinutes.Lt(40))).Gt(10)),
		"WHERE (SELECT sum(minutes) FILTER (WHERE minutes < 40) "+parts+" AND c.kind = 'film') > 10 ORDER BY id")
	same("of pairs", byKey(preload.Aggregate(movieCited, query.Sum[int64](movieMinutes, movieKind.Ne("film"))).Gt(40)),
		"WHERE (SELECT sum(c.minutes) FILTER (WHERE c.kind <> 'film') "+cited+") > 40 ORDER BY id")
	most := preload.Aggregate(movieCited, query.Max(hours))
	same("order by the greatest", query.All[movie]().OrderBy(most.Desc().NullsLast(), movieID.Desc()), "ORDER BY (SELECT max(c.minutes) "+cited+") DESC NULLS LAST, id DESC")
	same("inside", byKey(movieParts.Has(preload.Aggregate(movieParts, query.Count[movie]()).Ge(3))), "WHERE EXISTS (SELECT 1 "+parts+" AND (SELECT count(*) FROM movies d WHERE d.part_of = c.id) >= 3) ORDER BY id")

	first := preload.Value(movieParts.First(), movieMinutes)
	_, err := r.Find(ctx, byKey(first.Gt(1)))
	check.Error(t, "the first of several", err, smrt.ErrBadQuery)
	several := preload.Value(preload.HasOne(movies, movies, func(m *movie) **int64 { return &m.PartOf }), movieMinutes)
	_, err = r.Find(ctx, byKey(several.Gt(1)))
	check.Error(t, "one of several", err, smrt.ErrTooManyRows)
}
