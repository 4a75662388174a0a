package shop_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

func TestSearchProducts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.category(0, 0, "audio")
	describe := func(name, description string) int64 {
		id := f.product(name, c)
		f.exec(`UPDATE products SET description = $2, stock = 3 WHERE id = $1`, id, description)
		return id
	}
	inText := describe("Desk Lamp", "A lamp with a wireless charger in its foot.")
	inName := describe("Wireless Headphones", "Light and quiet.")
	inBoth := describe("Wireless Speaker", "A wireless speaker for the bath.")
	f.remove(describe("Wireless Mouse", "No longer sold."))
	describe("Kettle", "With a cable.")

	search := func(words string, maxRows int64) []shopdb.SearchProductsRow {
		return must(f.SearchProducts(t.Context(), shopdb.SearchProductsParams{Words: words, MaxRows: maxRows}))(t)
	}
	for _, tc := range []struct {
		words string
		want  []int64
	}{
		{"wireless", []int64{inBoth, inName, inText}},
		{"WIRELESS speakers", []int64{inBoth}},
		{"wireless -speaker", []int64{inText, inName}}, // with a word excluded, all hits rank alike
		{"lamps or headphone", []int64{inText, inName}},
		{`"wireless charger"`, []int64{inText}},
		{`"charger wireless"`, []int64{}},
		{"teapot", []int64{}},
		{"the", []int64{}}, // a stop word finds nothing
		{"", []int64{}},
		{`'); DROP TABLE products; -- "(`, []int64{}},
	} {
		found := search(tc.words, 10)
		ids := each(found, func(r shopdb.SearchProductsRow) int64 { return r.ID })
		equal(t, tc.words, ids, tc.want)
	}

	best := search("wireless", 1)[0]
	if best.Rank <= 0 || best.Rank <= search("wireless", 3)[2].Rank {
		t.Errorf("the best hit has rank %v", best.Rank)
	}
	best.Rank = 0
	want := shopdb.SearchProductsRow{ID: inBoth, CategoryID: c, SKU: "SKU-2", Name: "Wireless Speaker", PriceCents: 1000, Stock: 3}
	if best != want {
		t.Errorf("got %+v, want %+v", best, want)
	}
}

// TestSearchWithFacets: what the customer chose restricts the results and the facets alike.
func TestSearchWithFacets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	audio, office := f.category(0, 0, "audio"), f.category(0, 1, "office")
	speaker, mouse, keyboard := f.product("Wireless Speaker", audio), f.product("Wireless Mouse", office), f.product("Wireless Keyboard", office)
	f.exec(`UPDATE products SET price_cents = id * 100, stock = id % 2`)
	f.remove(f.product("Wireless Pen", office))

	search := func(chosen ...query.Predicate[shop.Product]) (ids []int64, facets []shopdb.SearchFacetsRow) {
		queries := shopdb.New(slots.On(f.db, slots.For(shop.Products, query.Where(chosen...))))
		found := must(queries.SearchProducts(t.Context(), shopdb.SearchProductsParams{Words: "wireless", MaxRows: 10}))(t)
		return each(found, func(r shopdb.SearchProductsRow) int64 { return r.ID }), must(queries.SearchFacets(t.Context(), "wireless"))(t)
	}
	all := []shopdb.SearchFacetsRow{
		{CategoryID: office, Products: 2, Cheapest: mouse * 100, Dearest: keyboard * 100},
		{CategoryID: audio, Products: 1, Cheapest: speaker * 100, Dearest: speaker * 100},
	}
	ids, facets := search()
	equal(t, "products", ids, []int64{speaker, mouse, keyboard})
	equal(t, "facets", facets, all)
	ids, facets = search(shop.ProductCategoryID.Eq(office))
	equal(t, "of one category", ids, []int64{mouse, keyboard})
	equal(t, "facets of one category", facets, all[:1])
	ids, facets = search(shop.Price.Ge(keyboard*100), shop.ProductCategory.Has())
	equal(t, "of a price", ids, []int64{keyboard})
	equal(t, "facets of a price", facets, []shopdb.SearchFacetsRow{{CategoryID: office, Products: 1, Cheapest: keyboard * 100, Dearest: keyboard * 100}})
}

func TestCategoryTree(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// Added in another order than they are shown in.
	outdoor := f.category(0, 2, "outdoor")
	audio := f.category(0, 1, "audio")
	speakers := f.category(audio, 2, "speakers")
	headphones := f.category(audio, 1, "headphones")
	shelf := f.category(speakers, 1, "bookshelf-speakers")

	show := func(root *int64) []string {
		rows := must(f.CategoryTree(t.Context(), root))(t)
		return each(rows, func(r shopdb.CategoryTreeRow) string { return strings.Repeat("  ", int(r.Depth)) + r.Slug })
	}
	equal(t, "the forest", show(nil), []string{"audio", "  headphones", "  speakers", "    bookshelf-speakers", "outdoor"})
	equal(t, "one tree", show(&speakers), []string{"speakers", "  bookshelf-speakers"})
	equal(t, "a leaf", show(&outdoor), []string{"outdoor"})
	equal(t, "nothing", show(new(int64)), []string{})

	rows := must(f.CategoryTree(t.Context(), &headphones))(t)
	if len(rows) != 1 || rows[0].ParentID == nil || *rows[0].ParentID != audio || rows[0].Name != "Headphones" {
		t.Errorf("headphones: %+v", rows)
	}

	f.exec(`UPDATE categories SET parent_id = $2 WHERE id = $1`, audio, shelf)
	equal(t, "a circle", show(&audio), []string{"audio", "  headphones", "  speakers", "    bookshelf-speakers"})
}

func TestCategoryCounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	audio := f.category(0, 1, "audio")
	speakers := f.category(audio, 1, "speakers")
	empty := f.category(audio, 2, "empty")
	f.product("Amplifier", audio)
	f.product("Speaker", speakers)
	f.remove(f.product("Old Speaker", speakers))

	type count struct{ CategoryID, Products int64 }
	counts := func(categories ...int64) []count {
		rows := must(f.CategoryCounts(t.Context(), categories))(t)
		return each(rows, func(r shopdb.CategoryCountsRow) count { return count(r) })
	}
	equal(t, "counts", counts(speakers, empty, audio, 999), []count{{audio, 2}, {speakers, 1}, {empty, 0}})

	f.exec(`UPDATE categories SET parent_id = $2 WHERE id = $1`, audio, empty)
	equal(t, "counts in a circle", counts(audio), []count{{audio, 2}})
	equal(t, "counts of nothing", counts(), []count{})
}

func TestBoughtTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	grinder, kettle, cups, pan := f.product("Grinder"), f.product("Kettle"), f.product("Cups"), f.product("Pan")
	gone := f.product("Gone")
	f.remove(gone)
	ada, ben, cy, dora := f.customer("Ada"), f.customer("Ben"), f.customer("Cy"), f.customer("Dora")

	f.order(ada, shop.OrderDelivered, at(1, 9), piece{grinder, 1}, piece{cups, 6})
	f.order(ada, shop.OrderPaid, at(2, 9), piece{kettle, 1}, piece{kettle, 1}) // bought at another time: counts, once
	f.order(ben, shop.OrderPending, at(3, 9), piece{grinder, 1}, piece{kettle, 1}, piece{gone, 1})
	f.order(cy, shop.OrderPaid, at(4, 9), piece{pan, 9}) // never bought the grinder
	f.order(dora, shop.OrderCancelled, at(5, 9), piece{grinder, 1}, piece{pan, 1})

	together := func(product, maxBuyers, maxRows int64) []shopdb.BoughtTogetherRow {
		of := shopdb.BoughtTogetherParams{ProductID: product, MaxBuyers: maxBuyers, MaxRows: maxRows}
		return must(f.BoughtTogether(t.Context(), of))(t)
	}
	type hit struct{ product, buyers int64 }
	hits := func(rows []shopdb.BoughtTogetherRow) []hit {
		return each(rows, func(r shopdb.BoughtTogetherRow) hit { return hit{r.Product.ID, r.Buyers} })
	}
	equal(t, "with the grinder", hits(together(grinder, 100, 10)), []hit{{kettle, 2}, {cups, 1}})
	equal(t, "the first", hits(together(grinder, 100, 1)), []hit{{kettle, 2}})
	equal(t, "by its latest two orders, one of them cancelled", hits(together(grinder, 2, 10)), []hit{{kettle, 1}})
	equal(t, "with what nobody bought", hits(together(999, 100, 10)), []hit{})

	whole := together(grinder, 100, 1)[0].Product
	if whole.Name != "Kettle" || len(whole.Search.Lexemes) != 1 || string(whole.Attributes) != "{}" || whole.DeletedAt != nil {
		t.Errorf("the product is not whole: %+v", whole)
	}
}

func TestUpdatePrices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dear, cheap, same, gone := f.product("Dear"), f.product("Cheap"), f.product("Same"), f.product("Gone")
	f.remove(gone)
	f.exec(`UPDATE products SET updated_at = 'epoch'`)

	reason := "season"
	changes := must(f.UpdatePrices(t.Context(), shopdb.UpdatePricesParams{
		Reason:      &reason,
		ProductIDs:  []int64{cheap, same, dear, gone, 999},
		PricesCents: []int64{500, 1000, 2500, 1, 1},
	}))(t)

	type change struct{ product, old, new int64 }
	made := each(changes, func(h shop.PriceHistory) change { return change{h.ProductID, h.OldPriceCents, h.NewPriceCents} })
	equal(t, "changes", made, []change{{dear, 1000, 2500}, {cheap, 1000, 500}})
	for _, h := range changes {
		if h.ID == 0 || h.Reason == nil || *h.Reason != reason || h.ChangedAt.IsZero() {
			t.Errorf("not whole: %+v", h)
		}
	}
	prices := one[[]int64](f, `SELECT array_agg(price_cents ORDER BY id) FROM products`)
	equal(t, "prices", prices, []int64{2500, 500, 1000, 1000})
	touched := one[[]int64](f, `SELECT array_agg(id ORDER BY id) FROM products WHERE updated_at > 'epoch'`)
	equal(t, "touched", touched, []int64{dear, cheap})
	if n := one[int](f, `SELECT count(*) FROM price_history`); n != 2 {
		t.Errorf("%d rows of history", n)
	}

	none := must(f.UpdatePrices(t.Context(), shopdb.UpdatePricesParams{}))(t)
	equal(t, "no products, no changes", each(none, func(h shop.PriceHistory) int64 { return h.ID }), []int64{})
}

func TestUpdatePricesIsAllOrNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := []int64{f.product("One"), f.product("Two")}
	_, err := f.UpdatePrices(t.Context(), shopdb.UpdatePricesParams{ProductIDs: ids, PricesCents: []int64{500, -1}})
	var violation *pgconn.PgError
	if !errors.As(err, &violation) || violation.ConstraintName != "products_price_cents_check" {
		t.Fatalf("a negative price: %v", err)
	}
	if n := one[int](f, `SELECT count(*) FROM products WHERE price_cents <> 1000`); n != 0 {
		t.Errorf("%d prices changed", n)
	}
	if n := one[int](f, `SELECT count(*) FROM price_history`); n != 0 {
		t.Errorf("%d rows of history", n)
	}
}

// Updates of the same products from many sides neither deadlock nor lose a step of the history.
func TestUpdatePricesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []int64
	for range 20 {
		ids = append(ids, f.product("Product"))
	}
	group, ctx := errgroup.WithContext(t.Context())
	for writer := range 4 {
		group.Go(func() error {
			random := rand.New(rand.NewPCG(1, uint64(writer)))
			list, prices := slices.Clone(ids), make([]int64, len(ids))
			for range 25 {
				random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				for i := range prices {
					prices[i] = random.Int64N(100_000)
				}
				if _, err := f.UpdatePrices(ctx, shopdb.UpdatePricesParams{ProductIDs: list, PricesCents: prices}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}

	// The changes of a product form one chain: from its first price to its last, each starting where another ended.
	loose := one[int](f, `
		SELECT count(*)
		FROM products AS p
		WHERE p.price_cents - 1000 <>
			(SELECT sum(h.new_price_cents - h.old_price_cents) FROM price_history AS h WHERE h.product_id = p.id)`)
	if loose != 0 {
		t.Errorf("the history of %d products does not lead from the first price to the last", loose)
	}
}

func TestProductRatings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	loved, mixed, unknown := f.product("Loved"), f.product("Mixed"), f.product("Unknown")
	for _, rating := range []int{5, 5, 4} {
		f.review(loved, rating)
	}
	for _, rating := range []int{1, 2, 3, 5} {
		f.review(mixed, rating)
	}
	got := must(f.ProductRatings(t.Context(), []int64{mixed, unknown, loved}))(t)
	equal(t, "ratings", got, []shopdb.ProductRatingsRow{
		{ProductID: loved, Reviews: 3, Mean: 14.0 / 3, Five: 2, Four: 1},
		{ProductID: mixed, Reviews: 4, Mean: 11.0 / 4, Five: 1, Three: 1, Two: 1, One: 1},
		{ProductID: unknown},
	})
}
