package main

import (
	"context"
	"net/url"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/slots"
	"github.com/smrt-go/smrt/txn"

	"github.com/smrt-go/smrt/examples/shop/db"
	"github.com/smrt-go/smrt/examples/shop/tables"
)

// Shop is what the service does, whoever asks for it: it knows nothing of HTTP.
type Shop struct {
	all        *guard.DB // the router
	reader     *guard.DB // its standbys, for sqlc's queries
	products   *repo.Repository[db.Product, int64]
	categories *repo.Repository[db.Category, int64]
	reviews    *repo.Repository[db.Review, int64]
	orders     *repo.Reader[db.Order, int64, OrderView]
	listed     *repo.Reader[db.Product, int64, ListedProduct]
}

// newShop makes the repositories, once.
func newShop(d *databases, cursorSecret []byte) *Shop {
	all := guard.On(d.router, d.limits)
	products := repo.New(all, tables.Products.Table, repo.Options{CursorSecrets: [][]byte{cursorSecret}})
	return &Shop{
		all:        all,
		reader:     guard.On(d.router.Reader(), d.limits),
		products:   products,
		categories: repo.New(all, tables.Categories.Table),
		reviews:    repo.New(all, tables.Reviews.Table),
		orders:     repo.View(repo.New(all, tables.Orders.Table), func(v *OrderView) *db.Order { return &v.Order }),
		listed:     repo.View(products, func(v *ListedProduct) *db.Product { return &v.Product }),
	}
}

// ListedProduct is a product of a list.
type ListedProduct struct {
	db.Product
	Category *db.Category `json:"category"`
}

var withCategory = preload.One(tables.Products.Category, func(v *ListedProduct) **db.Category { return &v.Category })

// What visitors may filter and order by, under the names of parameters.
var (
	filters = []struct{ parameter, field, op string }{
		{"category", "category", "="}, {"min_price", "price", ">="}, {"max_price", "price", "<="}, {"min_stock", "stock", ">="},
	}
	filterable = query.Fields[db.Product]{
		"category": tables.Products.CategoryID, "price": tables.Products.PriceCents, "stock": tables.Products.Stock,
	}
	sortable = query.Fields[db.Product]{"price": tables.Products.PriceCents, "name": tables.Products.Name}
)

// filter returns the products that a form asks for.
func filter(form url.Values) (query.Query[db.Product], error) {
	q := query.All[db.Product]()
	for _, f := range filters {
		if v := form.Get(f.parameter); v != "" {
			p, err := filterable.Filter(f.field, f.op, v)
			if err != nil {
				return q, &InputError{Field: f.parameter, Reason: "must be a number", Err: err}
			}
			q = q.Where(p)
		}
	}
	return q, nil
}

// Products returns a page of products with their categories.
func (s *Shop) Products(ctx context.Context, form url.Values, page query.Page) (*repo.Page[ListedProduct], error) {
	q, err := filter(form)
	if err != nil {
		return nil, err
	}
	if q, err = sortable.OrderBy(q, form.Get("sort")); err != nil {
		return nil, &InputError{Field: "sort", Reason: "must be names out of price and name, with a - for the other direction", Err: err}
	}
	return s.listed.Page(ctx, q, page, withCategory)
}

// ProductView is a product with what belongs to it.
type ProductView struct {
	ListedProduct
	Reviews []db.Review `json:"reviews"` // the last five
}

var withReviews = preload.Many(tables.Products.Reviews.OrderBy(tables.Reviews.ID.Desc()).Limit(5),
	func(v *ProductView) *[]db.Review { return &v.Reviews })

// Product returns a product. It and its category are mostly in memory; the reviews are one statement.
func (s *Shop) Product(ctx context.Context, id int64) (*ProductView, error) {
	product, err := s.products.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	category, err := s.categories.Get(ctx, product.CategoryID)
	if err != nil {
		return nil, err
	}
	view := []ProductView{{ListedProduct: ListedProduct{Product: *product, Category: category}}}
	if err := preload.Fill(ctx, s.all, view, withReviews); err != nil {
		return nil, err
	}
	return &view[0], nil
}

// Reprice changes a price, unless the product is no longer as it was when the caller read it.
func (s *Shop) Reprice(ctx context.Context, id, version, cents int64) (*db.Product, error) {
	product, err := s.products.Get(readreplica.WithPrimary(ctx), id)
	if err != nil {
		return nil, err
	}
	if product.Version != version {
		return nil, smrt.ErrStale
	}
	product.PriceCents = cents
	return product, s.products.Update(ctx, product) // smrt.ErrStale if somebody was faster
}

// Review adds a review. The foreign key alone would let one tenant review the products of another.
func (s *Shop) Review(ctx context.Context, review *db.Review) error {
	if _, err := s.products.Get(ctx, review.ProductID); err != nil {
		return err
	}
	return s.reviews.Create(ctx, review)
}

// Found is what a search found, and how much of it is in which category.
type Found struct {
	Products []db.SearchProductsRow `json:"products"`
	Facets   []db.SearchFacetsRow   `json:"facets"`
}

// Search finds products by words. Both of sqlc's queries have the filter of the form, and the tenant, in their slots.
func (s *Shop) Search(ctx context.Context, words string, form url.Values, most int) (found Found, err error) {
	q, err := filter(form)
	if err != nil {
		return found, err
	}
	if found.Products, err = s.queries(q.Limit(most)).SearchProducts(ctx, words); err != nil {
		return found, txn.Translate(err) // sqlc returns the errors of pgx
	}
	found.Facets, err = s.queries(q).SearchFacets(ctx, words)
	return found, txn.Translate(err)
}

// queries returns sqlc's queries with their slots filled.
func (s *Shop) queries(q query.Query[db.Product]) *db.Queries {
	return db.New(slots.On(s.reader, slots.For(tables.Products.Table, q)))
}
