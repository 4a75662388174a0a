package observe_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/repo"
)

// attached lets the connections of a pool report.
var attached = testdb.Configure(func(cfg *pgxpool.Config) { observe.Attach(cfg.ConnConfig) })

// store is a shop that is observed.
type store struct {
	pool       *pgxpool.Pool
	products   *repo.Repository[shop.Product, int64]
	categories *repo.Repository[shop.Category, int64]
	shelf      []shop.Product // each in a category of its own
}

// newStore has a shop with n products in as many categories.
func newStore(t testing.TB, n int, options ...testdb.Option) *store {
	t.Helper()
	pool := testdb.Pool(t, shop.Schema, append([]testdb.Option{attached}, options...)...)
	return fill(t.Context(), pool, n)
}

// unobserved is a pool on an empty shop whose connections report to nobody.
func unobserved(t testing.TB) *pgxpool.Pool { return testdb.Pool(t, shop.Schema) }

func fill(ctx context.Context, pool *pgxpool.Pool, n int) *store {
	s := &store{
		pool:       pool,
		products:   repo.New(pool, shop.Products),
		categories: repo.New(pool, shop.Categories, repo.Options{Batching: repo.Batching{Off: true}}), // each Get is to be counted
		shelf:      make([]shop.Product, n),
	}
	categories := make([]shop.Category, n)
	for i := range categories {
		slug := fmt.Sprint("c", i)
		categories[i] = shop.Category{Slug: slug, Name: slug, Position: int32(i)}
	}
	if err := s.categories.CreateMany(ctx, categories); err != nil {
		panic(err)
	}
	for i := range s.shelf {
		name := fmt.Sprint("P", i)
		s.shelf[i] = shop.Product{CategoryID: categories[i].ID, SKU: name, Name: name, PriceCents: 100}
	}
	if err := s.products.CreateMany(ctx, s.shelf); err != nil {
		panic(err)
	}
	return s
}

// get reads the category of the product at i.
func (s *store) get(ctx context.Context, i int) {
	if _, err := s.categories.Get(ctx, s.shelf[i%len(s.shelf)].CategoryID); err != nil {
		panic(err)
	}
}

// on is the same shop on another handle.
func (s *store) on(db smrt.DB) *store {
	bound := *s
	bound.products, bound.categories = s.products.With(db), s.categories.With(db)
	return &bound
}

// notebook is a policy that writes down what it is told.
type notebook struct {
	mu    sync.Mutex
	notes []observe.Finding
}

func (n *notebook) note(_ context.Context, f observe.Finding) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = append(n.notes, f)
}

// watch starts a scope that writes to a notebook.
func watch(t testing.TB, cfg observe.Options) (context.Context, *notebook) {
	n := &notebook{}
	cfg.Policy = n.note
	return observe.WithScope(t.Context(), cfg), n
}

// none fails the test if there are findings.
func (n *notebook) none(t testing.TB, what string) {
	t.Helper()
	for _, f := range n.notes {
		t.Errorf("%s: reported\n%s", what, f)
	}
}

// one returns the only finding.
func (n *notebook) one(t testing.TB) observe.Finding {
	t.Helper()
	if len(n.notes) != 1 {
		t.Fatalf("%d findings, want one: %v", len(n.notes), n.notes)
	}
	return n.notes[0]
}

// line is the number of the line that calls it.
func line() int {
	_, _, n, _ := runtime.Caller(1)
	return n
}

// wantSite fails the test unless a frame is in a file of this package, at the line.
func wantSite(t testing.TB, got observe.Frame, file string, line int) {
	t.Helper()
	if filepath.Base(got.File) != file || got.Line != line {
		t.Errorf("got %s, want %s:%d", got, file, line)
	}
}

// selectCategory is what users write by hand.
const selectCategory = "SELECT name FROM categories WHERE id = $1"

func nameOf(ctx context.Context, db smrt.DB, id int64) (name string) {
	if err := db.QueryRow(ctx, selectCategory, id).Scan(&name); err != nil {
		panic(err)
	}
	return name
}

// inTx runs fn in a transaction that is rolled back where fn has an error.
func inTx(ctx context.Context, db *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db, fn)
}
