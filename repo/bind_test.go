package repo_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

type (
	productName struct {
		ID   int64
		Name string
	}
	catalogStore struct {
		Products *repo.Repository[shop.Product, int64]
		Names    *repo.Reader[shop.Product, int64, productName]
	}
	ownProducts struct {
		*repo.Repository[shop.Product, int64]
	}
	stored struct {
		Stored *repo.Repository[shop.Product, int64]
	}
	shopStore struct {
		stored
		Catalog    *catalogStore
		Own        *ownProducts
		Categories *repo.Repository[shop.Category, int64]
		Missing    *repo.Repository[shop.Order, int64]
		Title      string
		hidden     *repo.Repository[shop.Category, int64]
	}
)

// TestBind binds all repositories of a struct to a transaction, and leaves the
// struct that it was made of alone.
func TestBind(t *testing.T) {
	ctx, pool := t.Context(), testdb.Pool(t, shop.Schema, testdb.MaxConns(2))
	categories, products := repo.New(pool, shop.Categories), repo.New(pool, shop.Products)
	store := shopStore{
		stored: stored{products}, Own: &ownProducts{products}, Catalog: &catalogStore{products, repo.Select[productName](products)},
		Categories: categories, Title: "shop", hidden: categories,
	}
	undone := errors.New("undone")
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		s := repo.Bind(store, tx)
		c := shop.Category{Slug: "a", Name: "A"}
		check.NoError(t, s.Categories.Create(ctx, &c))
		check.NoError(t, s.Catalog.Products.Create(ctx, &shop.Product{CategoryID: c.ID, SKU: "1", Name: "One"}))
		check.Same(t, "names in the transaction", len(check.Value(s.Catalog.Names.Find(ctx, query.All[shop.Product]()))(t)), 1)
		check.Same(t, "names beside it", len(check.Value(store.Catalog.Names.Find(ctx, query.All[shop.Product]()))(t)), 0)
		for name, r := range map[string]*repo.Repository[shop.Product, int64]{"embedded": s.Stored, "of a type around it": s.Own.Repository} {
			check.Same(t, name, check.Value(r.Count(ctx, query.All[shop.Product]()))(t), 1)
		}
		check.Same(t, "beside a pointer", check.Value(store.Own.Count(ctx, query.All[shop.Product]()))(t), 0)
		if s.Title != "shop" || s.Missing != nil || s.hidden != categories {
			t.Error("other fields have changed")
		}
		return undone
	})
	check.Error(t, "transaction", err, undone)
	check.Same(t, "categories", check.Value(categories.Count(ctx, query.All[shop.Category]()))(t), 0)
	for name, bind := range map[string]func(){
		"no struct":       func() { repo.Bind(products, pool) },
		"no repositories": func() { repo.Bind(struct{ N int }{}, pool) },
		"a list": func() {
			repo.Bind(struct {
				One  *repo.Repository[shop.Product, int64]
				Many []*repo.Repository[shop.Product, int64]
			}{}, pool)
		},
		"an interface": func() { repo.Bind(struct{ Any any }{products}, pool) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "smrt: Bind of ") {
					t.Errorf("the panic is %q", text)
				}
			}()
			bind()
		})
	}
}

// TestResultsAsJSON writes pages, groups and aggregates as an API shows them.
func TestResultsAsJSON(t *testing.T) {
	type item struct {
		N int `json:"n"`
	}
	weight := int32(3)
	for want, v := range map[string]any{
		`{"items":[{"n":1}],"next":"a"}`:                   repo.Page[item]{Items: []item{{1}}, Next: "a"},
		`{"items":[],"prev":"b"}`:                          repo.Page[item]{Items: []item{}, Prev: "b"},
		`{"items":[],"number":2,"size":10,"total":11}`:     repo.OffsetPage[item]{Items: []item{}, Number: 2, Size: 10, Total: 11},
		`[{"value":3,"count":2},{"value":null,"count":1}]`: []repo.Group[int32]{{Value: sql.Null[int32]{V: weight, Valid: true}, Count: 2}, {Count: 1}},
		`{"value":"2020-01-02T00:00:00Z","count":1}`:       repo.Group[time.Time]{Value: sql.Null[time.Time]{V: time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC), Valid: true}, Count: 1},
		`{"value":null,"count":4}`:                         repo.Group[time.Time]{Count: 4},
	} {
		check.Same(t, "JSON", string(check.Value(json.Marshal(v))(t)), want)
	}
	var group repo.Group[int32]
	check.NoError(t, json.Unmarshal([]byte(`{"value":3,"count":2}`), &group))
	check.Same(t, "read back", group, repo.Group[int32]{Value: sql.Null[int32]{V: 3, Valid: true}, Count: 2})
	products := manyProducts(t, 1)
	empty := check.Value(products.Page(t.Context(), query.Where(shop.Price.Lt(0)), query.Page{Size: 1}))(t)
	check.Same(t, "no items", string(check.Value(json.Marshal(empty))(t)), `{"items":[]}`)
	groups := check.Value(repo.CountBy(t.Context(), products, shop.Weight, query.Where(shop.Price.In())))(t)
	check.Same(t, "no groups", string(check.Value(json.Marshal(groups))(t)), `[]`)
}
