package schema_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pagila"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/schema"
)

func shopTables() []schema.Declaration {
	return []schema.Declaration{
		shop.Customers, shop.Categories, shop.Products, shop.Warehouses, shop.Inventories, shop.Orders, shop.OrderItems,
		shop.Reviews, shop.PriceChanges, shop.TagWords, shop.ProductTags, shop.Carts, shop.CartItems,
	}
}

func pagilaTables() []schema.Declaration {
	return []schema.Declaration{
		pagila.Actors, pagila.Addresses, pagila.Cities, pagila.Countries, pagila.Customers, pagila.Films, pagila.FilmActors, pagila.Inventories,
		pagila.Languages, pagila.Rentals,
	}
}

// TestShop expects nothing of the reference shop but notes that false, 0 and "" are
// written where a column has a default.
func TestShop(t *testing.T) {
	found := check.Value(schema.Verify(t.Context(), testdb.Pool(t, shop.Schema), uses()...))(t)
	for _, f := range found {
		if f.Level != schema.Note || f.Check != schema.CheckDefault {
			t.Error(f)
		}
	}
	check.Same(t, "notes", len(found), 12)
}

// TestPagila expects of a schema that was not made for this library what its
// declarations do not say.
func TestPagila(t *testing.T) {
	path, ok := pagila.Find()
	if !ok {
		t.Skip("the sample database is not there")
	}
	found := check.Value(schema.Verify(t.Context(), testdb.Pool(t, pagila.Schema(path)), pagilaTables()...))(t)
	check.Equal(t, "faults", found.AtLeast(schema.Fault), nil)
	var got []string
	for _, f := range found.AtLeast(schema.Warning) {
		got = append(got, string(f.Check)+" "+f.Table+"."+f.Column)
	}
	check.Equal(t, "warnings", got, []string{
		"default actor.last_update", "server actor.",
		"default address.last_update", "server address.",
		"default city.last_update", "server city.",
		"default public.country.last_update", "server public.country.",
		"default customer.create_date", "server customer.", "index rental.customer_id",
		"index inventory.film_id",
		"default film_actor.last_update", "server film_actor.",
		"default inventory.last_update", "server inventory.",
		"default language.last_update", "server language.",
		"default rental.last_update", "server rental.",
	})
}
