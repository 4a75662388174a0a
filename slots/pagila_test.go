package slots_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pagila"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

// filmTexts are queries over Pagila with slots for films, and for the rows beside them.
// In the first column is what is compared; the rows come in a certain order.
var filmTexts = map[string]string{
	"join": `SELECT f.film_id FROM film f JOIN film_category fc USING (film_id) JOIN category c USING (category_id)
		WHERE true /* smrt:where public.film f */ AND c.name <> 'Music' ORDER BY /* smrt:order public.film f */ f.film_id LIMIT 1000 /* smrt:limit */`,
	"two joins of one table": `SELECT f.film_id * 1000 + o.film_id FROM film f JOIN film o ON o.length = f.length AND o.film_id < f.film_id
		WHERE true /* smrt:where public.film f */ ORDER BY /* smrt:order public.film f */ f.film_id, o.film_id LIMIT 1000 /* smrt:limit */`,
	"CTE": `WITH chosen AS (SELECT f.film_id FROM film f WHERE true /* smrt:where public.film f */ ORDER BY /* smrt:order public.film f */ f.film_id LIMIT 50 /* smrt:limit */)
		SELECT i.inventory_id FROM chosen JOIN inventory i USING (film_id) ORDER BY i.inventory_id`,
	"UNION branches": `SELECT f.film_id FROM film f WHERE f.length < 90 AND true /* smrt:where public.film f */
		UNION ALL SELECT -f.film_id FROM film f WHERE f.length > 120 AND true /* smrt:where public.film f */ ORDER BY 1`,
	"window": `SELECT rank() OVER (PARTITION BY f.rating ORDER BY f.length, f.film_id) FROM film f
		WHERE true /* smrt:where public.film f */ ORDER BY /* smrt:order public.film f */ f.film_id LIMIT 1000 /* smrt:limit */`,
	"aggregate": `SELECT count(i.inventory_id) FROM film f LEFT JOIN inventory i USING (film_id)
		WHERE true /* smrt:where public.film f */ GROUP BY f.film_id ORDER BY /* smrt:order public.film f */ f.film_id LIMIT 1000 /* smrt:limit */`,
	"FILTER": `SELECT count(*) FILTER (WHERE true /* smrt:where public.film f */) FROM film f GROUP BY f.rating ORDER BY f.rating`,
	"sub-select": `SELECT a.actor_id FROM actor a WHERE (SELECT count(*) FROM film_actor x JOIN film f USING (film_id)
		WHERE x.actor_id = a.actor_id AND true /* smrt:where public.film f */) > 3 ORDER BY a.actor_id`,
	"view": `SELECT f.fid FROM film_list f WHERE f.fid IN (SELECT f.film_id FROM film f WHERE true /* smrt:where public.film f */) ORDER BY f.fid`,
	"LATERAL": `SELECT l.inventory_id FROM film f CROSS JOIN LATERAL (SELECT i.inventory_id FROM inventory i WHERE i.film_id = f.film_id ORDER BY 1 LIMIT 1) AS l
		WHERE $1::int > 0 AND true /* smrt:where public.film f */ ORDER BY /* smrt:order public.film f */ f.film_id LIMIT 1000 /* smrt:limit */`,
}

var (
	filmID     = query.Col(func(f *pagila.Film) *int32 { return &f.FilmID })
	filmTitle  = query.TextCol(func(f *pagila.Film) *string { return &f.Title })
	filmLength = query.NullCol(func(f *pagila.Film) **int16 { return &f.Length })
	filmYear   = query.NullCol(func(f *pagila.Film) **int32 { return &f.ReleaseYear })
	filmRating = query.NullCol(func(f *pagila.Film) **pagila.Rating { return &f.Rating })
	genreName  = query.TextCol(func(c *pagila.Category) *string { return &c.Name })
	copyStore  = query.Col(func(i *pagila.Inventory) *int32 { return &i.StoreID })
)

// both is a condition, and the same as plain SQL about a film f.
type both struct {
	p   query.Predicate[pagila.Film]
	sql string
}

// randomFilms returns a condition on films.
func randomFilms(rnd *rand.Rand, depth int) both {
	if depth > 0 {
		a := randomFilms(rnd, depth-1)
		switch rnd.IntN(5) {
		case 0:
			b := randomFilms(rnd, depth-1)
			return both{query.And(a.p, b.p), "(" + a.sql + " AND " + b.sql + ")"}
		case 1:
			b := randomFilms(rnd, depth-1)
			return both{query.Or(a.p, b.p), "(" + a.sql + " OR " + b.sql + ")"}
		case 2:
			return both{query.Not(a.p), "(" + a.sql + ") IS NOT TRUE"}
		}
	}
	n := rnd.Int32N(1000)
	length := int16(40 + n%150)
	switch rnd.IntN(9) {
	case 0:
		return both{filmLength.Gt(length), fmt.Sprintf("f.length > %d", length)}
	case 1:
		return both{filmLength.Le(length), fmt.Sprintf("f.length <= %d", length)}
	case 2:
		return both{filmID.In(n, n/2, n/3, 7), fmt.Sprintf("f.film_id IN (%d, %d, %d, 7)", n, n/2, n/3)}
	case 3:
		return both{filmYear.IsNull(), "f.release_year IS NULL"}
	case 4:
		return both{filmRating.Eq("PG-13"), "f.rating = 'PG-13'"}
	case 5:
		letter := string('A' + n%26)
		return both{filmTitle.HasPrefix(letter), fmt.Sprintf("f.title LIKE '%s%%'", letter)}
	case 6:
		genre := []string{"Action", "Music", "Horror", "O'Brien"}[n%4]
		return both{pagila.FilmGenres.Has(genreName.Eq(genre)), fmt.Sprintf(`EXISTS (SELECT FROM film_category x JOIN category y USING (category_id)
			WHERE x.film_id = f.film_id AND y.name = '%s')`, strings.ReplaceAll(genre, "'", "''"))}
	case 7:
		return both{pagila.FilmCopies.Count(copyStore.Eq(1)).Ge(int64(n % 5)), fmt.Sprintf("(SELECT count(*) FROM inventory x WHERE x.film_id = f.film_id AND x.store_id = 1) >= %d", n%5)}
	}
	return both{query.Raw[pagila.Film]("$1 % $2 = 0", filmID, 1+n%9), fmt.Sprintf("f.film_id %% %d = 0", 1+n%9)}
}

// filmOrders are orders, and the same as plain SQL.
var filmOrders = []struct {
	terms []query.Order[pagila.Film]
	sql   string
}{
	{nil, ""},
	{[]query.Order[pagila.Film]{filmTitle.Desc()}, "f.title DESC, "},
	{[]query.Order[pagila.Film]{filmLength.Desc().NullsLast()}, "f.length DESC NULLS LAST, "},
	{[]query.Order[pagila.Film]{filmRating.Asc().NullsFirst(), filmLength.Asc().NullsLast()}, "f.rating ASC NULLS FIRST, f.length ASC NULLS LAST, "},
}

// TestRandomOverPagila fills slots of queries over a database that was not made for them with
// random conditions, orders and limits, and compares with plain SQL.
func TestRandomOverPagila(t *testing.T) {
	t.Parallel()
	path, ok := pagila.Find()
	if !ok {
		t.Skip("Pagila is not there: SMRT_PAGILA_DIR names its directory")
	}
	rnd, pool := check.Random(t), testdb.Pool(t, pagila.Schema(path))
	n := 20
	if check.Long() {
		n = 10_000 / len(filmTexts)
	}
	some := 0
	for range n {
		c := randomFilms(rnd, 3)
		for name, text := range filmTexts {
			if checkFilms(t, pool, rnd, c, name, text) {
				some++
			}
		}
	}
	if some < n*len(filmTexts)/3 {
		t.Errorf("%d of %d results have rows", some, n*len(filmTexts))
	}
}

// checkFilms compares a text with its slots filled with the same in plain SQL, and
// reports whether that has rows.
func checkFilms(t *testing.T, pool *pgxpool.Pool, rnd *rand.Rand, c both, name, text string) bool {
	t.Helper()
	q := query.Where(c.p)
	plain := strings.ReplaceAll(text, "true /* smrt:where public.film f */", "("+c.sql+")")
	if strings.Contains(text, "smrt:order") {
		o := filmOrders[rnd.IntN(len(filmOrders))]
		q = q.OrderBy(o.terms...)
		plain = strings.Replace(plain, "/* smrt:order public.film f */ ", o.sql, 1)
	}
	if strings.Contains(text, "smrt:limit") && rnd.IntN(2) == 0 {
		n := rnd.IntN(50)
		q = q.Limit(n)
		plain = strings.NewReplacer("1000 /* smrt:limit */", fmt.Sprint(n), "50 /* smrt:limit */", fmt.Sprint(n)).Replace(plain)
	}
	var args []any
	if strings.Contains(text, "$1") {
		args = append(args, int32(1))
	}
	want := ids(t, pool, plain, args...)
	check.Equal(t, name+" where "+c.sql, ids(t, slots.On(pool, slots.For(pagila.Films, q)), text, args...), want)
	return len(want) > 0
}
