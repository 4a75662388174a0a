package preload_test

import (
	"math/big"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pagila"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

type (
	filmTree struct {
		pagila.Film
		Language   *languageTree
		Originally *languageTree
		Cast       []actorTree
		Genres     []pagila.Category
		Copies     []copyTree
		NCast      int64
		HasCopies  bool
	}
	languageTree struct {
		pagila.Language
		Films []filmTree
		N     int64
	}
	actorTree struct {
		pagila.FilmActor
		pagila.Actor
		Films []filmTree
		N     int64
	}
	copyTree struct {
		pagila.Inventory
		Film    *filmTree
		Rentals []rentalTree
	}
	rentalTree struct {
		pagila.Rental
		Copy     *copyTree
		Customer *renterTree
	}
	renterTree struct {
		pagila.Customer
		Address *addressTree
		Rentals []rentalTree
		N       int64
	}
	addressTree struct {
		pagila.Address
		City *cityTree
	}
	cityTree struct {
		pagila.City
		Country   *pagila.Country
		Addresses []addressTree
	}
)

var (
	filmID       = query.Col(func(f *pagila.Film) *int32 { return &f.FilmID })
	filmTitle    = query.TextCol(func(f *pagila.Film) *string { return &f.Title })
	filmLength   = query.NullCol(func(f *pagila.Film) **int16 { return &f.Length })
	filmRate     = query.Col(func(f *pagila.Film) *pgtype.Numeric { return &f.RentalRate })
	languageName = query.Col(func(l *pagila.Language) *string { return &l.Name })
	filmFeatures = query.ArrayCol(func(f *pagila.Film) *[]string { return &f.SpecialFeatures })
	actorLast    = query.TextCol(func(a *pagila.Actor) *string { return &a.LastName })
	actorID      = query.Col(func(a *pagila.Actor) *int32 { return &a.ActorID })
	genreName    = query.TextCol(func(c *pagila.Category) *string { return &c.Name })
	rentalID     = query.Col(func(r *pagila.Rental) *int32 { return &r.RentalID })
	renterID     = query.Col(func(c *pagila.Customer) *int32 { return &c.CustomerID })
	cityID       = query.Col(func(c *pagila.City) *int32 { return &c.CityID })
)

// pagilaEntities is Pagila as random trees know it.
func pagilaEntities() []*entity {
	film := &entity{
		name: "film", key: "film_id", roots: 1000, id: func(v any) int64 { return int64(v.(*filmTree).FilmID) },
		find: finder(pagila.Films, func(v *filmTree) *pagila.Film { return &v.Film }, filmID),
	}
	language := &entity{name: "language", key: "language_id", id: func(v any) int64 { return int64(v.(*languageTree).LanguageID) }}
	actor := &entity{
		name: "actor", key: "actor_id", roots: 200, id: func(v any) int64 { return int64(v.(*actorTree).Actor.ActorID) },
		find: finder(pagila.Actors, func(v *actorTree) *pagila.Actor { return &v.Actor }, actorID),
	}
	genre := &entity{name: "category", key: "category_id", id: func(v any) int64 { return int64(v.(*pagila.Category).CategoryID) }}
	inventory := &entity{name: "inventory", key: "inventory_id", id: func(v any) int64 { return int64(v.(*copyTree).InventoryID) }}
	rental := &entity{
		name: "rental", key: "rental_id", roots: 16000, id: func(v any) int64 { return int64(v.(*rentalTree).RentalID) },
		find: finder(pagila.Rentals, func(v *rentalTree) *pagila.Rental { return &v.Rental }, rentalID),
	}
	renter := &entity{
		name: "customer", key: "customer_id", roots: 599, id: func(v any) int64 { return int64(v.(*renterTree).CustomerID) },
		find: finder(pagila.Customers, func(v *renterTree) *pagila.Customer { return &v.Customer }, renterID),
	}
	address := &entity{name: "address", key: "address_id", id: func(v any) int64 { return int64(v.(*addressTree).AddressID) }}
	city := &entity{
		name: "city", key: "city_id", roots: 600, id: func(v any) int64 { return int64(v.(*cityTree).CityID) },
		find: finder(pagila.Cities, func(v *cityTree) *pagila.City { return &v.City }, cityID),
	}
	country := &entity{name: "country", key: "country_id", id: func(v any) int64 { return int64(v.(*pagila.Country).CountryID) }}

	someFilms := []choice[query.Predicate[pagila.Film]]{
		{filmLength.Gt(120), "<c>.length > 120"},
		{filmRate.Lt(pgtype.Numeric{Int: big.NewInt(2), Exp: 0, Valid: true}), "<c>.rental_rate < 2"},
		{filmFeatures.Has("Trailers"), "'Trailers' = ANY(<c>.special_features)"},
		{pagila.FilmGenres.Has(genreName.In("Action", "Sci-Fi")), "EXISTS (SELECT 1 FROM film_category x JOIN category y USING (category_id) WHERE x.film_id = <c>.film_id AND y.name IN ('Action', 'Sci-Fi'))"},
		{pagila.FilmCast.Count(actorLast.HasPrefix("B")).Ge(1), "(SELECT count(*) FROM film_actor x JOIN actor y USING (actor_id) WHERE x.film_id = <c>.film_id AND y.last_name LIKE 'B%') >= 1"},
		{pagila.FilmOriginally.HasNot(), "<c>.original_language_id IS NULL"},
		{preload.Aggregate(pagila.FilmCast, query.Max(actorID)).Gt(190), "(SELECT max(actor_id) FROM film_actor x WHERE x.film_id = <c>.film_id) > 190"},
		{query.SQL[float64]("$1::float8 / $2", filmRate, filmLength).Lt(0.03), "<c>.rental_rate::float8 / <c>.length < 0.03"},
		{preload.Value(pagila.FilmLanguage, languageName).Eq("English"), "(SELECT x.name FROM language x WHERE x.language_id = <c>.language_id) = 'English'"},
	}
	filmOrders := []choice[query.Order[pagila.Film]]{{filmTitle.Desc(), "<c>.title DESC"}, {filmLength.Asc().NullsFirst(), "<c>.length NULLS FIRST"}, {filmID.Asc(), "<c>.film_id"}}
	someActors := []choice[query.Predicate[pagila.Actor]]{{actorLast.HasPrefix("S"), "<c>.last_name LIKE 'S%'"}, {pagila.ActorFilms.Count().Gt(28), "(SELECT count(*) FROM film_actor x WHERE x.actor_id = <c>.actor_id) > 28"}}
	through := func(join, table, left, right string) string {
		return "FROM " + join + " <j> JOIN " + table + " <c> ON <c>." + right + " = <j>." + right + " WHERE <j>." + left + " = <p>." + left
	}

	film.edges = []*edge{
		toOne("language", language, pagila.FilmLanguage, func(v *filmTree) **languageTree { return &v.Language }, "FROM language <c> WHERE <c>.language_id = <p>.language_id", nil, nil),
		toOne("originally", language, pagila.FilmOriginally, func(v *filmTree) **languageTree { return &v.Originally }, "FROM language <c> WHERE <c>.language_id = <p>.original_language_id",
			func(v *filmTree) bool { return v.OriginalLanguageID != nil }, nil),
		toMany("cast", actor, pagila.FilmCast, func(v *filmTree) *[]actorTree { return &v.Cast }, through("film_actor", "actor", "film_id", "actor_id"), someActors,
			[]choice[query.Order[pagila.Actor]]{{actorLast.Asc(), "<c>.last_name"}, {actorID.Desc(), "<c>.actor_id DESC"}}),
		toMany("genres", genre, pagila.FilmGenres, func(v *filmTree) *[]pagila.Category { return &v.Genres }, through("film_category", "category", "film_id", "category_id"), nil, nil),
		toMany("copies", inventory, pagila.FilmCopies, func(v *filmTree) *[]copyTree { return &v.Copies }, "FROM inventory <c> WHERE <c>.film_id = <p>.film_id", nil, nil),
		numberOf("ncast", pagila.FilmCast, func(v *filmTree) *int64 { return &v.NCast }, nil, through("film_actor", "actor", "film_id", "actor_id"), someActors),
		numberOf("hascopies", pagila.FilmCopies, nil, func(v *filmTree) *bool { return &v.HasCopies }, "FROM inventory <c> WHERE <c>.film_id = <p>.film_id", nil),
	}
	language.edges = []*edge{
		// A thousand films have one language: a tree never takes them all.
		numberOf("n", pagila.LanguageFilms, func(v *languageTree) *int64 { return &v.N }, nil, "FROM film <c> WHERE <c>.language_id = <p>.language_id", someFilms),
	}
	actor.edges = []*edge{
		toMany("films", film, pagila.ActorFilms, func(v *actorTree) *[]filmTree { return &v.Films }, through("film_actor", "film", "actor_id", "film_id"), someFilms, filmOrders),
		numberOf("n", pagila.ActorFilms, func(v *actorTree) *int64 { return &v.N }, nil, through("film_actor", "film", "actor_id", "film_id"), someFilms),
	}
	inventory.edges = []*edge{
		toOne("film", film, pagila.CopyFilm, func(v *copyTree) **filmTree { return &v.Film }, "FROM film <c> WHERE <c>.film_id = <p>.film_id", nil, someFilms),
		toMany("rentals", rental, pagila.CopyRentals, func(v *copyTree) *[]rentalTree { return &v.Rentals }, "FROM rental <c> WHERE <c>.inventory_id = <p>.inventory_id", nil, nil),
	}
	rental.edges = []*edge{
		toOne("copy", inventory, pagila.RentalCopy, func(v *rentalTree) **copyTree { return &v.Copy }, "FROM inventory <c> WHERE <c>.inventory_id = <p>.inventory_id", nil, nil),
		toOne("customer", renter, pagila.RentalCustomer, func(v *rentalTree) **renterTree { return &v.Customer }, "FROM customer <c> WHERE <c>.customer_id = <p>.customer_id", nil, nil),
	}
	renter.edges = []*edge{
		toOne("address", address, pagila.CustomerAddress, func(v *renterTree) **addressTree { return &v.Address }, "FROM address <c> WHERE <c>.address_id = <p>.address_id", nil, nil),
		toMany("rentals", rental, pagila.CustomerRentals.Limit(5), func(v *renterTree) *[]rentalTree { return &v.Rentals }, "FROM rental <c> WHERE <c>.customer_id = <p>.customer_id", nil, nil),
		numberOf("n", pagila.CustomerRentals, func(v *renterTree) *int64 { return &v.N }, nil, "FROM rental <c> WHERE <c>.customer_id = <p>.customer_id", nil),
	}
	renter.edges[1].most = 5
	address.edges = []*edge{
		toOne("city", city, pagila.AddressCity, func(v *addressTree) **cityTree { return &v.City }, "FROM city <c> WHERE <c>.city_id = <p>.city_id", nil, nil),
	}
	city.edges = []*edge{
		toOne("country", country, pagila.CityCountry, func(v *cityTree) **pagila.Country { return &v.Country }, "FROM country <c> WHERE <c>.country_id = <p>.country_id", nil, nil),
		toMany("addresses", address, pagila.CityAddresses, func(v *cityTree) *[]addressTree { return &v.Addresses }, "FROM address <c> WHERE <c>.city_id = <p>.city_id", nil, nil),
	}
	country.id = func(v any) int64 { return int64(v.(*pagila.Country).CountryID) }
	return []*entity{film, actor, rental, renter, city}
}

// pagilaPool is a copy of Pagila, or skips the test.
func pagilaPool(t *testing.T) (*pgxpool.Pool, *testdb.Counter) {
	t.Helper()
	path, ok := pagila.Find()
	if !ok {
		t.Skipf("there is no %s; SMRT_PAGILA_DIR names its directory", path)
	}
	var sent *testdb.Counter
	return testdb.Pool(t, pagila.Schema(path), testdb.Configure(func(cfg *pgxpool.Config) { sent = testdb.CountStatements(cfg) })), sent
}

func TestRandomTreesOfPagila(t *testing.T) {
	pool, sent := pagilaPool(t)
	// The first joined films are loaded once more, because their year is a domain.
	_, err := repo.View(repo.New(pool, pagila.Rentals), func(v *rentalTree) *pagila.Rental { return &v.Rental }).First(t.Context(), query.All[pagila.Rental](),
		preload.One(pagila.RentalCopy.Joined(), func(v *rentalTree) **copyTree { return &v.Copy },
			preload.One(pagila.CopyFilm.Joined(), func(v *copyTree) **filmTree { return &v.Film })))
	check.NoError(t, err)
	grow(t, pool, sent, pagilaEntities(), trees(4000))
}

// TestFilmsTakeFourStatements is the graph that N+1 is mostly shown with.
func TestFilmsTakeFourStatements(t *testing.T) {
	pool, sent := pagilaPool(t)
	loads := []preload.Load[filmTree]{
		preload.One(pagila.FilmLanguage, func(v *filmTree) **languageTree { return &v.Language }),
		preload.Many(pagila.FilmCast, func(v *filmTree) *[]actorTree { return &v.Cast }),
		preload.Many(pagila.FilmGenres, func(v *filmTree) *[]pagila.Category { return &v.Genres }),
	}
	films := repo.View(repo.New(pool, pagila.Films), func(v *filmTree) *pagila.Film { return &v.Film })
	for _, n := range []int{1, 10, 1000} {
		sent.Reset()
		vs := check.Value(films.Find(t.Context(), query.All[pagila.Film]().OrderBy(filmID.Asc()).Limit(n), loads...))(t)
		check.Same(t, "films", len(vs), n)
		check.Same(t, "statements", sent.Len(), 4)
		cast := 0
		for i := range vs {
			if vs[i].Language == nil || len(vs[i].Genres) != 1 {
				t.Fatalf("film %d: language %v, genres %v", vs[i].FilmID, vs[i].Language, vs[i].Genres)
			}
			cast += len(vs[i].Cast)
		}
		if n == 1000 {
			check.Same(t, "actors of all films", cast, 5462)
		}
	}
}
