package repo_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// secret is part of every bad value, and of no error text.
const secret = "zq7secret"

// store is a shop with a category, a product and an order, where every
// statement is counted.
type store struct {
	pool     *pgxpool.Pool
	sent     *testdb.Counter
	products *repo.Repository[shop.Product, int64]
	orders   *repo.Repository[shop.Order, int64]
	category shop.Category
	product  shop.Product
	customer shop.Customer
	order    shop.Order
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{
		category: shop.Category{Slug: "books", Name: "Books"},
		customer: shop.Customer{Name: "Ann", Email: "ann@example.com", Country: "DE"},
	}
	s.pool = testdb.Pool(t, shop.Schema, testdb.Configure(func(cfg *pgxpool.Config) { s.sent = testdb.CountStatements(cfg) }))
	s.products, s.orders = repo.New(s.pool, shop.Products), repo.New(s.pool, shop.Orders)
	ctx := t.Context()
	check.NoError(t, repo.New(s.pool, shop.Categories).Create(ctx, &s.category))
	check.NoError(t, repo.New(s.pool, shop.Customers).Create(ctx, &s.customer))
	s.product = s.newProduct("sku-1")
	check.NoError(t, s.products.Create(ctx, &s.product))
	s.order = shop.Order{CustomerID: s.customer.ID, TotalCents: 100}
	check.NoError(t, s.orders.Create(ctx, &s.order))
	s.sent.Reset()
	return s
}

func (s *store) newProduct(sku string) shop.Product {
	return shop.Product{CategoryID: s.category.ID, SKU: sku, Name: "Book"}
}

// badInput is a call that must fail.
type badInput struct {
	name     string
	call     func(context.Context, *store) error
	want     error
	silent   bool // refused before anything is sent
	column   string
	row      int
	offset   int
	min, max string
}

func (in badInput) check(t *testing.T, s *store) {
	err := in.call(t.Context(), s)
	if !errors.Is(err, in.want) {
		t.Fatalf("error %v, want %v", err, in.want)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error quotes a value: %v", err)
	}
	if n := s.sent.Len(); in.silent && n > 0 {
		t.Errorf("%d statements sent: %q", n, s.sent.Statements())
	}
	if in.column == "" {
		return
	}
	var v *smrt.ValueError
	if !errors.As(err, &v) {
		t.Fatalf("%T (%v) is no ValueError", err, err)
	}
	if v.Column != in.column || v.Table == "" || v.Row != in.row || v.Offset != in.offset || v.Min != in.min || v.Max != in.max {
		t.Errorf("%+v, want column %s, row %d, offset %d, range %q to %q", v, in.column, in.row, in.offset, in.min, in.max)
	}
}

func withName(name string) func(context.Context, *store) error {
	return func(ctx context.Context, s *store) error {
		p := s.newProduct("sku-2")
		p.Name = name
		return s.products.Create(ctx, &p)
	}
}

func withAttributes(j string) func(context.Context, *store) error {
	return func(ctx context.Context, s *store) error {
		p := s.newProduct("sku-2")
		p.Attributes = json.RawMessage(j)
		return s.products.Create(ctx, &p)
	}
}

func createdAt(year int) func(context.Context, *store) error {
	return func(ctx context.Context, s *store) error {
		p := s.newProduct("sku-2")
		p.CreatedAt = time.Date(year, 1, 2, 0, 0, 0, 0, time.UTC)
		return s.products.Create(ctx, &p)
	}
}

func TestBadText(t *testing.T) {
	t.Parallel()
	runBadInputs(t, []badInput{
		{name: "NUL, create", want: smrt.ErrInvalidText, silent: true, column: "name", row: -1, offset: 9, call: withName(secret + "\x00")},
		{name: "not UTF-8, create", want: smrt.ErrInvalidText, silent: true, column: "name", row: -1, offset: 9, call: withName(secret + "\xff")},
		{
			name: "NUL, create many", want: smrt.ErrInvalidText, column: "name", row: 2, offset: 9,
			call: func(ctx context.Context, s *store) error {
				ps := []shop.Product{s.newProduct("a"), s.newProduct("b"), s.newProduct("c")}
				ps[2].Name = secret + "\x00"
				return s.products.CreateMany(ctx, ps)
			},
		},
		{
			name: "NUL, array", want: smrt.ErrInvalidText, silent: true, column: "tags", row: -1, offset: 9,
			call: func(ctx context.Context, s *store) error {
				p := s.newProduct("sku-2")
				p.Tags = []string{"a", secret + "\x00"}
				return s.products.Create(ctx, &p)
			},
		},
		{
			name: "NUL, update many", want: smrt.ErrInvalidText, column: "name", row: 0, offset: 9,
			call: func(ctx context.Context, s *store) error {
				s.product.Name = secret + "\x00"
				_, err := s.products.UpdateMany(ctx, []shop.Product{s.product})
				return err
			},
		},
		{
			name: "NUL, find", want: smrt.ErrInvalidText, silent: true, column: "name", row: -1, offset: 9,
			call: func(ctx context.Context, s *store) error {
				_, err := s.products.Find(ctx, query.Where(shop.ProductName.Eq(secret+"\x00")))
				return err
			},
		},
		{
			name: "NUL, contains", want: smrt.ErrInvalidText, silent: true, column: "name", row: -1, offset: 10,
			call: func(ctx context.Context, s *store) error {
				_, err := s.products.Count(ctx, query.Where(shop.ProductName.Contains(secret+"\x00")))
				return err
			},
		},
		{
			name: "not UTF-8, in", want: smrt.ErrInvalidText, silent: true, column: "sku", row: -1, offset: 9,
			call: func(ctx context.Context, s *store) error {
				_, err := s.products.Exists(ctx, query.Where(shop.SKU.In("a", secret+"\xff")))
				return err
			},
		},
		{
			name: "NUL, patch", want: smrt.ErrInvalidText, silent: true, column: "name", row: -1, offset: 9,
			call: func(ctx context.Context, s *store) error {
				return s.products.Patch(ctx, s.product.ID, shop.ProductName.Set(secret+"\x00"))
			},
		},
		{
			name: "NUL, search", want: smrt.ErrInvalidText, silent: true, column: "search", row: -1, offset: 9,
			call: func(ctx context.Context, s *store) error {
				_, err := s.products.Find(ctx, query.Where(shop.ProductSearch.Matches(secret+"\x00")))
				return err
			},
		},
		{
			name: "NUL, raw", want: smrt.ErrInvalidText,
			call: func(ctx context.Context, s *store) error {
				_, err := s.products.Find(ctx, query.Where(query.Raw[shop.Product]("name = $1::text", secret+"\x00")))
				return err
			},
		},
		{
			name: "JSON with NUL", want: smrt.ErrInvalidJSON, silent: true, column: "attributes", row: -1, offset: 15,
			call: withAttributes(`{"a":"` + secret + `\u0000"}`),
		},
		{
			name: "not JSON", want: smrt.ErrInvalidJSON, silent: true, column: "attributes", row: -1, offset: 5,
			call: withAttributes(`{"a"` + secret + `}`),
		},
		{
			name: "JSON with NUL, contains", want: smrt.ErrInvalidJSON, silent: true, column: "attributes", row: -1, offset: 15,
			call: func(ctx context.Context, s *store) error {
				_, err := s.products.Find(ctx, query.Where(shop.Attributes.Contains(map[string]string{"a": secret + "\x00"})))
				return err
			},
		},
	})
}

// runBadInputs runs calls that must fail, on one store, which none may change.
func runBadInputs(t *testing.T, inputs []badInput) {
	t.Helper()
	s := newStore(t)
	s.makeRatios(t)
	before := s.rows(t)
	for _, in := range inputs {
		t.Run(in.name, func(t *testing.T) {
			own := *s // calls may change its values
			own.sent.Reset()
			in.check(t, &own)
		})
	}
	check.Same(t, "rows after bad input", s.rows(t), before)
}

// rows returns what is in the tables that bad input is written to, but for
// columns of orders, which some calls write before the one that must fail.
func (s *store) rows(t *testing.T) (all string) {
	t.Helper()
	check.NoError(t, s.pool.QueryRow(t.Context(), `SELECT concat((SELECT json_agg(p ORDER BY id) FROM products p),
		(SELECT json_agg(id ORDER BY id) FROM orders), (SELECT json_agg(r ORDER BY id) FROM ratios r))`).Scan(&all))
	return all
}

// ratio writes floats and integers into columns narrower than the Go types.
type ratio struct {
	ID    int64
	Share float64
	Count int64
	Rate  float64
}

var (
	ratios     = query.NewTable("ratios", func(r *ratio) *int64 { return &r.ID })
	ratioID    = query.Col(func(r *ratio) *int64 { return &r.ID })
	ratioCount = query.Col(func(r *ratio) *int64 { return &r.Count })
	ratioShare = query.Col(func(r *ratio) *float64 { return &r.Share })
)

func (s *store) makeRatios(t *testing.T) {
	t.Helper()
	_, err := s.pool.Exec(t.Context(), `CREATE TABLE ratios (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
		share numeric(6,2) NOT NULL, count integer NOT NULL, rate double precision NOT NULL)`)
	check.NoError(t, err)
}

func (s *store) ratios() *repo.Repository[ratio, int64] { return repo.New(s.pool, ratios) }

func TestBadNumbers(t *testing.T) {
	t.Parallel()
	low, high := strconv.Itoa(math.MinInt32), strconv.Itoa(math.MaxInt32)
	big := int64(math.MaxInt32) + 1
	runBadInputs(t, []badInput{
		{
			name: "integer, create", want: smrt.ErrOutOfRange, column: "count", row: -1, offset: -1, min: low, max: high,
			call: func(ctx context.Context, s *store) error { return s.ratios().Create(ctx, &ratio{Count: big}) },
		},
		{
			name: "integer, create many", want: smrt.ErrOutOfRange, column: "count", row: 1, offset: -1, min: low, max: high,
			call: func(ctx context.Context, s *store) error {
				return s.ratios().CreateMany(ctx, []ratio{{}, {Count: big}})
			},
		},
		{
			name: "integer, two batches", want: smrt.ErrOutOfRange, column: "count", row: 30_000, offset: -1, min: low, max: high,
			call: func(ctx context.Context, s *store) error {
				rs := make([]ratio, 40_000)
				rs[30_000].Count = -big - 1
				return s.ratios().CreateMany(ctx, rs)
			},
		},
		{
			name: "integer, patch", want: smrt.ErrOutOfRange, column: "count", row: -1, offset: -1, min: low, max: high,
			call: func(ctx context.Context, s *store) error { return s.ratios().Patch(ctx, 1, ratioCount.Set(big)) },
		},
		{
			name: "integer, find", want: smrt.ErrOutOfRange, column: "count", row: -1, offset: -1, min: low, max: high,
			call: func(ctx context.Context, s *store) error {
				_, err := s.ratios().Find(ctx, query.Where(ratioCount.Eq(big)))
				return err
			},
		},
		{
			name: "integer, in", want: smrt.ErrOutOfRange, column: "count", row: -1, offset: -1, min: low, max: high,
			call: func(ctx context.Context, s *store) error {
				_, err := s.ratios().Find(ctx, query.Where(ratioID.In(1, big), ratioCount.In(1, big)))
				return err
			},
		},
		{
			name: "integer, not in", want: smrt.ErrOutOfRange, column: "count", row: -1, offset: -1, min: low, max: high,
			call: func(ctx context.Context, s *store) error {
				_, err := s.ratios().DeleteWhere(ctx, query.Where(ratioID.In(1), query.Not(ratioCount.NotIn(1, -big-1))))
				return err
			},
		},
		{
			name: "NaN into numeric, create", want: smrt.ErrOutOfRange, column: "share", row: -1, offset: -1,
			call: func(ctx context.Context, s *store) error { return s.ratios().Create(ctx, &ratio{Share: math.NaN()}) },
		},
		{
			name: "infinity into numeric, create many", want: smrt.ErrOutOfRange, column: "share", row: 1, offset: -1,
			call: func(ctx context.Context, s *store) error {
				return s.ratios().CreateMany(ctx, []ratio{{Rate: math.Inf(1)}, {Share: math.Inf(-1)}})
			},
		},
		{
			name: "NaN into numeric, patch", want: smrt.ErrOutOfRange, column: "share", row: -1, offset: -1,
			call: func(ctx context.Context, s *store) error {
				return s.ratios().Patch(ctx, 1, ratioShare.Set(math.NaN()))
			},
		},
		{
			name: "numeric overflow", want: smrt.ErrOutOfRange, column: "share", row: -1, offset: -1,
			call: func(ctx context.Context, s *store) error { return s.ratios().Create(ctx, &ratio{Share: 1e9}) },
		},
		{
			name: "late year", want: smrt.ErrOutOfRange, silent: true, column: "created_at", row: -1, offset: -1,
			min: "year 1", max: "year 294276", call: createdAt(294277),
		},
		{
			name: "BC", want: smrt.ErrOutOfRange, silent: true, column: "created_at", row: -1, offset: -1,
			min: "year 1", max: "year 294276", call: createdAt(0),
		},
		{
			name: "late year, find", want: smrt.ErrOutOfRange, silent: true, column: "created_at", row: -1, offset: -1,
			min: "year 1", max: "year 294276",
			call: func(ctx context.Context, s *store) error {
				_, err := s.products.Find(ctx, query.Where(shop.ProductCreated.Gt(time.Date(294277, 1, 1, 0, 0, 0, 0, time.UTC))))
				return err
			},
		},
	})
}

func TestBadCalls(t *testing.T) {
	t.Parallel()
	var none context.Context
	page := func(size int) func(context.Context, *store) error {
		return func(ctx context.Context, s *store) error {
			_, err := s.products.Page(ctx, query.All[shop.Product](), query.Page{Size: size})
			var p *smrt.PageError
			if errors.As(err, &p) && (p.What != "size" || p.Min != 1 || p.Max != repo.MaxPageSize) {
				return errors.New("wrong range")
			}
			return err
		}
	}
	runBadInputs(t, []badInput{
		{name: "page size 0", want: smrt.ErrBadPage, silent: true, call: page(0)},
		{name: "page size -1", want: smrt.ErrBadPage, silent: true, call: page(-1)},
		{name: "page size 10^9", want: smrt.ErrBadPage, silent: true, call: page(1_000_000_000)},
		{name: "page number 0", want: smrt.ErrBadPage, silent: true, call: func(ctx context.Context, s *store) error {
			_, err := s.products.PageNumber(ctx, query.All[shop.Product](), 0, 10)
			return err
		}},
		{name: "negative offset", want: smrt.ErrBadQuery, silent: true, call: func(ctx context.Context, s *store) error {
			_, err := s.products.Find(ctx, query.All[shop.Product]().Offset(-1))
			return err
		}},
		{name: "trailing backslash", want: smrt.ErrBadQuery, silent: true, call: func(ctx context.Context, s *store) error {
			_, err := s.products.Find(ctx, query.Where(shop.ProductName.Like(secret+`\`)))
			return err
		}},
		{name: "nil entity, create", want: smrt.ErrNilEntity, silent: true, call: func(ctx context.Context, s *store) error {
			return s.products.Create(ctx, nil)
		}},
		{name: "nil entity, update", want: smrt.ErrNilEntity, silent: true, call: func(ctx context.Context, s *store) error {
			return s.products.Update(ctx, nil)
		}},
		{name: "nil entity, upsert", want: smrt.ErrNilEntity, silent: true, call: func(ctx context.Context, s *store) error {
			_, err := s.products.Upsert(ctx, nil, query.OnConflict(shop.ProductID))
			return err
		}},
		{name: "zero key, update", want: smrt.ErrZeroKey, silent: true, column: "id", row: -1, offset: -1, call: func(ctx context.Context, s *store) error {
			p := s.newProduct("sku-2")
			return s.products.Update(ctx, &p)
		}},
		{name: "zero key, update many", want: smrt.ErrZeroKey, silent: true, column: "id", row: 1, offset: -1, call: func(ctx context.Context, s *store) error {
			_, err := s.products.UpdateMany(ctx, []shop.Product{s.product, s.newProduct("sku-2")})
			return err
		}},
		{name: "nil context, get", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			_, err := s.products.Get(none, 1)
			return err
		}},
		{name: "nil context, find", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			_, err := s.products.Find(none, query.All[shop.Product]())
			return err
		}},
		{name: "nil context, count", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			_, err := s.products.Count(none, query.All[shop.Product]())
			return err
		}},
		{name: "nil context, count of nothing", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			_, err := s.products.Count(none, query.Where(shop.ProductID.In()))
			return err
		}},
		{name: "nil context, create", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			p := s.newProduct("sku-2")
			return s.products.Create(none, &p)
		}},
		{name: "nil context, create many", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			return s.products.CreateMany(none, []shop.Product{s.newProduct("sku-2")})
		}},
		{name: "nil context, delete", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			return s.products.Delete(none, 1)
		}},
		{name: "nil context, delete where", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			_, err := s.products.DeleteWhere(none, query.Where(shop.Price.Eq(1)))
			return err
		}},
		{name: "nil context, page", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			_, err := s.products.Page(none, query.All[shop.Product](), query.Page{Size: 1})
			return err
		}},
		{name: "nil context, stream", want: smrt.ErrNilContext, silent: true, call: func(_ context.Context, s *store) error {
			for _, err := range s.products.Stream(none, query.All[shop.Product]()) {
				return err
			}
			return nil
		}},
		{name: "stale", want: smrt.ErrStale, call: func(ctx context.Context, s *store) error {
			old := s.order
			if err := s.orders.Update(ctx, &s.order); err != nil {
				return err
			}
			err := s.orders.Update(ctx, &old)
			var stale *smrt.StaleError
			if !errors.As(err, &stale) || stale.Have != old.Version || stale.Table != "orders" {
				return errors.New("no StaleError with the version")
			}
			return err
		}},
		{name: "missing, not stale", want: smrt.ErrNotFound, call: func(ctx context.Context, s *store) error {
			s.order.ID = 123456789
			return s.orders.Update(ctx, &s.order)
		}},
	})
}
