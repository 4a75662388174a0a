package repo_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pagila"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// pagilaPool is a copy of Pagila, or skips the test.
func pagilaPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	path, ok := pagila.Find()
	if !ok {
		t.Skipf("there is no %s; SMRT_PAGILA_DIR names its directory", path)
	}
	return testdb.Pool(t, pagila.Schema(path))
}

// readsAll compares all rows of a table, read through a repository, with what
// plain pgx reads.
func readsAll[T any, K comparable](t *testing.T, pool *pgxpool.Pool, table *query.Table[T, K], want int) {
	t.Helper()
	rows, err := pool.Query(t.Context(), "SELECT * FROM "+table.Name())
	check.NoError(t, err)
	plain, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	check.NoError(t, err)
	found, err := repo.New(pool, table).Find(t.Context(), query.All[T]())
	check.NoError(t, err)
	if len(found) != want {
		t.Errorf("%s: %d rows, want %d", table.Name(), len(found), want)
	}
	if !slices.Equal(documents(t, found), documents(t, plain)) {
		t.Errorf("%s: the rows differ from those that pgx reads", table.Name())
	}
	var streamed []T
	for v, err := range repo.New(pool, table).Stream(t.Context(), query.All[T]()) {
		check.NoError(t, err)
		streamed = append(streamed, v)
	}
	if !slices.Equal(documents(t, streamed), documents(t, plain)) {
		t.Errorf("%s: the rows streamed differ from those that pgx reads", table.Name())
	}
}

// documents are rows as sorted JSON.
func documents[T any](t *testing.T, vs []T) []string {
	t.Helper()
	out := make([]string, len(vs))
	for i, v := range vs {
		j, err := json.Marshal(v)
		check.NoError(t, err)
		out[i] = string(j)
	}
	slices.Sort(out)
	return out
}

func TestPagilaIsReadWhole(t *testing.T) {
	t.Parallel()
	pool := pagilaPool(t)
	readsAll(t, pool, pagila.Actors, 200)
	readsAll(t, pool, pagila.Addresses, 603)
	readsAll(t, pool, pagila.Categories, 16)
	readsAll(t, pool, pagila.Cities, 600)
	readsAll(t, pool, pagila.Countries, 109)
	readsAll(t, pool, pagila.Customers, 599)
	readsAll(t, pool, pagila.Films, 1000)
	readsAll(t, pool, pagila.FilmActors, 5462)
	readsAll(t, pool, pagila.FilmCategories, 1000)
	readsAll(t, pool, pagila.Inventories, 4581)
	readsAll(t, pool, pagila.Languages, 6)
	readsAll(t, pool, pagila.Payments, 16049)
	readsAll(t, pool, pagila.Rentals, 16044)
	readsAll(t, pool, pagila.Staffs, 2)
	readsAll(t, pool, pagila.Stores, 2)
	readsAll(t, pool, pagila.CustomerList, 599)
	readsAll(t, pool, pagila.FilmList, 997)
	readsAll(t, pool, pagila.SalesByFilmCategory, 16)
}

// The columns of films that the tests ask for.
var (
	filmTitle    = query.TextCol(func(f *pagila.Film) *string { return &f.Title })
	filmYear     = query.NullCol(func(f *pagila.Film) **int32 { return &f.ReleaseYear })
	filmRating   = query.NullCol(func(f *pagila.Film) **pagila.Rating { return &f.Rating })
	filmRate     = query.Col(func(f *pagila.Film) *pgtype.Numeric { return &f.RentalRate })
	filmFeatures = query.ArrayCol(func(f *pagila.Film) *[]string { return &f.SpecialFeatures })
	filmText     = query.SearchCol("english", func(f *pagila.Film) *pgtype.TSVector { return &f.Fulltext })
)

func TestPagilaPredicates(t *testing.T) {
	t.Parallel()
	pool := pagilaPool(t)
	films := repo.New(pool, pagila.Films)
	for sqlText, p := range map[string]query.Predicate[pagila.Film]{
		"rating = 'PG-13'":                                           filmRating.Eq("PG-13"),
		"rating IN ('G', 'NC-17')":                                   filmRating.In("G", "NC-17"),
		"rating IS DISTINCT FROM 'R'":                                filmRating.Ne("R"),
		"rating > 'PG'":                                              filmRating.Gt("PG"),
		"release_year = 2006":                                        filmYear.Eq(2006),
		"release_year = ANY('{2006,1999}')":                          filmYear.In(2006, 1999),
		"rental_rate = 0.99":                                         filmRate.Eq(pgtype.Numeric{Int: big.NewInt(99), Exp: -2, Valid: true}),
		"'Trailers' = ANY(special_features)":                         filmFeatures.Has("Trailers"),
		"special_features @> '{Trailers,\"Deleted Scenes\"}'":        filmFeatures.ContainsAll("Trailers", "Deleted Scenes"),
		"special_features && '{Trailers,\"Deleted Scenes\"}'":        filmFeatures.Overlaps("Trailers", "Deleted Scenes"),
		"fulltext @@ websearch_to_tsquery('english', 'boat -shark')": filmText.Matches("boat -shark"),
		"title LIKE 'A%'":                                            filmTitle.HasPrefix("A"),
	} {
		var want int64
		check.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM film WHERE "+sqlText).Scan(&want))
		got, err := films.Count(t.Context(), query.Where(p))
		if err != nil || got != want || want == 0 {
			t.Errorf("%s: %d rows, %v; want %d", sqlText, got, err, want)
		}
	}
}

func TestPagilaFilms(t *testing.T) {
	t.Parallel()
	pool := pagilaPool(t)
	ctx := t.Context()
	films := repo.New(pool, pagila.Films)
	rating, year := pagila.Rating("NC-17"), int32(1999)
	rate := pgtype.Numeric{Int: big.NewInt(299), Exp: -2, Valid: true}
	film := pagila.Film{
		Title: "QUIET LIGHTHOUSE", ReleaseYear: &year, LanguageID: 1, RentalDuration: 3, RentalRate: rate,
		ReplacementCost: rate, Rating: &rating, SpecialFeatures: []string{"Trailers", `odd "one"`},
	}
	again := film
	check.NoError(t, films.Create(ctx, &film))
	if film.FilmID != 1001 || !strings.Contains(film.Fulltext.String(), "lighthous") {
		t.Errorf("not read back: %+v", film)
	}
	many := []pagila.Film{again, again, again}
	many[1].Rating, many[1].ReleaseYear, many[1].SpecialFeatures = nil, nil, nil
	check.NoError(t, films.CreateMany(ctx, many))
	for i := range many {
		got, err := films.Get(ctx, many[i].FilmID)
		check.NoError(t, err)
		if !slices.Equal(documents(t, []pagila.Film{*got}), documents(t, many[i:i+1])) {
			t.Errorf("film %d: got %+v, want %+v", i, *got, many[i])
		}
	}
	for i := range many {
		many[i].Title, many[i].Rating = "BRIGHT HARBOUR", new(pagila.Rating("PG"))
	}
	n, err := films.UpdateMany(ctx, many)
	check.NoError(t, err)
	check.Same(t, "updated", n, 3)
	n, err = films.Count(ctx, query.Where(filmText.Matches("harbour"), filmRating.Eq("PG"), filmTitle.Eq("BRIGHT HARBOUR")))
	check.NoError(t, err)
	check.Same(t, "found by the new title", n, 3)

	early := int32(1900)
	err = films.Patch(ctx, film.FilmID, filmYear.Set(early))
	var c *smrt.ConstraintError
	if !errors.Is(err, smrt.ErrCheck) || !errors.As(err, &c) || c.Constraint != "year_check" {
		t.Errorf("year outside its domain: %v", err)
	}
	_, err = films.Find(ctx, query.Where(filmRating.Eq(secret)))
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("no rating of the enum: %v", err)
	}
}

func TestPagilaPicture(t *testing.T) {
	t.Parallel()
	pool := pagilaPool(t)
	staff := repo.New(pool, pagila.Staffs)
	first, err := staff.Get(t.Context(), 1)
	check.NoError(t, err)
	check.Same(t, "picture", string(first.Picture), "\x89PNG\r\nZ\n")
	first.Picture = []byte{0, 1, 255, '\\'}
	check.NoError(t, staff.Update(t.Context(), first))
	again, err := staff.Get(t.Context(), 1)
	check.NoError(t, err)
	check.Same(t, "new picture", string(again.Picture), string(first.Picture))
}

// TestPagilaPayments is about a partitioned table whose key begins with a time.
func TestPagilaPayments(t *testing.T) {
	t.Parallel()
	pool := pagilaPool(t)
	ctx := t.Context()
	payments := repo.New(pool, pagila.Payments)
	all, err := payments.Find(ctx, query.All[pagila.Payment]().Limit(500))
	check.NoError(t, err)
	keys := make([]pagila.PaymentKey, len(all))
	for i := range all {
		keys[i] = payments.Key(&all[i])
		keys[i].PaymentDate = keys[i].PaymentDate.In(time.FixedZone("", 3600)) // the same moment
	}
	many, err := payments.GetMany(ctx, keys)
	check.NoError(t, err)
	for i, p := range many {
		if p == nil || p.PaymentID != all[i].PaymentID {
			t.Fatalf("payment %d: %v, want %v", i, p, all[i])
		}
	}
	paid := pagila.Payment{CustomerID: 1, StaffID: 1, RentalID: 1, Amount: all[0].Amount, PaymentDate: time.Date(2022, 3, 4, 5, 6, 7, 8000, time.UTC)}
	check.NoError(t, payments.Create(ctx, &paid))
	check.Same(t, "payment_id", paid.PaymentID, 32099)
	paid.StaffID = 2
	check.NoError(t, payments.Update(ctx, &paid))
	got, err := payments.Get(ctx, payments.Key(&paid))
	check.NoError(t, err)
	check.Same(t, "staff", got.StaffID, 2)
	n, err := payments.DeleteMany(ctx, keys)
	check.NoError(t, err)
	check.Same(t, "deleted", n, 500)
}

// TestPagilaPages pages through rows that all have the same timestamp.
func TestPagilaPages(t *testing.T) {
	t.Parallel()
	pool := pagilaPool(t)
	ctx := t.Context()
	updated := query.Col(func(a *pagila.FilmActor) *time.Time { return &a.LastUpdate })
	var moments int
	check.NoError(t, pool.QueryRow(ctx, "SELECT count(DISTINCT last_update) FROM film_actor").Scan(&moments))
	check.Same(t, "timestamps", moments, 1)
	roles := repo.New(pool, pagila.FilmActors)
	q := query.All[pagila.FilmActor]().OrderBy(updated.Desc())
	seen := map[pagila.FilmActorKey]int{}
	var forward []string
	last := ""
	for after := ""; ; {
		page, err := roles.Page(ctx, q, query.Page{Size: 173, After: after})
		check.NoError(t, err)
		forward = append(forward, documents(t, page.Items)...)
		for i := range page.Items {
			seen[roles.Key(&page.Items[i])]++
		}
		if page.Next == "" {
			last = page.Prev
			break
		}
		after = page.Next
	}
	if len(seen) != 5462 || len(forward) != 5462 {
		t.Errorf("%d rows, %d different ones, want 5462", len(forward), len(seen))
	}
	backward := 5462 % 173
	for before := last; before != ""; {
		page, err := roles.Page(ctx, q, query.Page{Size: 173, Before: before})
		check.NoError(t, err)
		backward += len(page.Items)
		before = page.Prev
	}
	check.Same(t, "rows backwards", backward, 5462)
}

// counter is a table of a domain whose name is not ASCII.
type counter struct {
	ID int32
	N  *int64
}

func TestPagilaDomain(t *testing.T) {
	t.Parallel()
	pool := pagilaPool(t)
	ctx := t.Context()
	_, err := pool.Exec(ctx, `CREATE TABLE counter (id serial PRIMARY KEY, n "bıgınt")`)
	check.NoError(t, err)
	counters := repo.New(pool, query.NewTable("counter", func(c *counter) *int32 { return &c.ID }))
	n := query.NullCol(func(c *counter) **int64 { return &c.N })
	rows := []counter{{N: new(int64(1 << 40))}, {}, {N: new(int64(-1))}}
	check.NoError(t, counters.CreateMany(ctx, rows))
	check.NoError(t, counters.Create(ctx, &counter{N: new(int64(1 << 40))}))
	found, err := counters.Count(ctx, query.Where(n.In(1<<40, -1)))
	check.NoError(t, err)
	check.Same(t, "found", found, 3)
	updated, err := counters.UpdateMany(ctx, rows)
	check.NoError(t, err)
	check.Same(t, "updated", updated, 3)
}
