package cookbook

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// Shop has the repositories of the shop. They are made once.
type Shop struct {
	db         Pool
	Customers  *repo.Repository[Customer, int64]
	Categories *repo.Repository[Category, int64]
	Products   *repo.Repository[Product, int64]
	Orders     *repo.Repository[Order, int64]
	Lines      *repo.Repository[OrderLine, LineKey]
	Jobs       *repo.Repository[Job, int64]
}

// Pool is a pool of connections, of pgx or of package pool, or a router.
type Pool interface {
	smrt.DB
	txn.Beginner
}

// New returns a shop on a pool.
func New(db Pool) *Shop {
	return &Shop{
		db:         db,
		Customers:  repo.New(db, Customers),
		Categories: repo.New(db, Categories),
		Products:   repo.New(db, Products),
		Orders:     repo.New(db, Orders),
		Lines:      repo.New(db, OrderLines),
		Jobs:       repo.New(db, Jobs),
	}
}

// Label returns what a shelf says of a product that may be gone.
func (s *Shop) Label(ctx context.Context, id int64) (string, error) {
	p, err := s.Products.Get(ctx, id)
	if errors.Is(err, smrt.ErrNotFound) {
		return "no longer sold", nil
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d cents", p.Name, p.PriceCents), nil
}

// Names returns the names of products in the order of their keys, empty where there is none.
func (s *Shop) Names(ctx context.Context, ids []int64) ([]string, error) {
	found, err := s.Products.GetMany(ctx, ids)
	names := make([]string, len(found))
	for i, p := range found {
		if p != nil {
			names[i] = p.Name
		}
	}
	return names, err
}

// CustomerByEmail finds by another column than the key. More than one row is an error.
func (s *Shop) CustomerByEmail(ctx context.Context, email string) (*Customer, error) {
	return s.Customers.One(ctx, query.Where(Email.EqFold(email)))
}

// Filter is what a visitor may have chosen; zero values mean no choice.
type Filter struct {
	Words    string
	MaxPrice int64
	Tags     []string
	InStock  bool
}

// Query adds the conditions that were chosen.
func (f Filter) Query() query.Query[Product] {
	q := query.All[Product]()
	if f.Words != "" {
		q = q.Where(Name.ContainsFold(f.Words)) // % and _ are no wildcards
	}
	if f.MaxPrice > 0 {
		q = q.Where(Price.Le(f.MaxPrice))
	}
	if len(f.Tags) > 0 {
		q = q.Where(Tags.Overlaps(f.Tags...))
	}
	if f.InStock {
		q = q.Where(Stock.Gt(0))
	}
	return q
}

// Search returns the cheapest twenty products that a visitor asks for.
func (s *Shop) Search(ctx context.Context, f Filter) ([]Product, error) {
	return s.Products.Find(ctx, f.Query().OrderBy(Price.Asc()).Limit(20))
}

// Clearance returns what is cheap or has been here for long, but is no bargain already.
func (s *Shop) Clearance(ctx context.Context, now time.Time) ([]Product, error) {
	old := Created.Lt(now.AddDate(-1, 0, 0))
	return s.Products.Find(ctx, query.Where(
		query.Or(Price.Lt(10_00), old),
		query.Not(Tags.Has("bargain")),
	).OrderBy(Name.Asc()))
}

// sortable are the names by which a visitor may sort, as the address of a page has them.
var sortable = query.Fields[Product]{
	"price": Price,
	"name":  Name,
	"worth": query.SQL[int64]("$1 * $2", Price, Stock),
}

// Sorted returns products in the order that a visitor names, such as "-price,name".
func (s *Shop) Sorted(ctx context.Context, form url.Values) ([]Product, error) {
	q, err := sortable.OrderBy(query.All[Product](), form.Get("sort"))
	if err != nil {
		return nil, err // smrt.ErrBadQuery: there is no such field
	}
	return s.Products.Find(ctx, q.Limit(100))
}

// PriceTag is what a price list needs of a product.
type PriceTag struct {
	SKU        string
	PriceCents int64
}

// PriceList reads two columns of all products.
func (s *Shop) PriceList(ctx context.Context) ([]PriceTag, error) {
	tags := repo.Select[PriceTag](s.Products)
	return tags.Find(ctx, query.All[Product]().OrderBy(SKU.Asc()))
}

// Overview says whether there is anything to sell, and how much of it.
func (s *Shop) Overview(ctx context.Context) (open bool, products int64, err error) {
	inStock := query.Where(Stock.Gt(0))
	if open, err = s.Products.Exists(ctx, inStock); err != nil {
		return false, 0, err
	}
	products, err = s.Products.Count(ctx, inStock)
	return open, products, err
}

// Newest returns the product that came last.
func (s *Shop) Newest(ctx context.Context) (*Product, error) {
	return s.Products.First(ctx, query.All[Product]().OrderBy(Created.Desc(), ProductID.Desc()))
}

// With returns products by what their attributes say, such as "color": "red".
func (s *Shop) With(ctx context.Context, attribute, value string) ([]Product, error) {
	return s.Products.Find(ctx, query.Where(Attributes.PathEq(value, attribute)).OrderBy(SKU.Asc()))
}

// Scroll returns twenty products and the cursor of the next, which the browser sends back.
func (s *Shop) Scroll(ctx context.Context, f Filter, cursor string) (*repo.Page[Product], error) {
	return s.Products.Page(ctx, f.Query().OrderBy(Price.Asc()), query.Page{Size: 20, After: cursor})
}

// Numbered returns a page by its number, with how many there are.
func (s *Shop) Numbered(ctx context.Context, f Filter, number int) (*repo.OffsetPage[Product], error) {
	return s.Products.PageNumber(ctx, f.Query().OrderBy(Name.Asc()), number, 20)
}

// Export writes all products, however many, in little memory.
func (s *Shop) Export(ctx context.Context, w io.Writer) error {
	out := csv.NewWriter(w)
	for p, err := range s.Products.Stream(ctx, query.All[Product]().OrderBy(ProductID.Asc())) {
		if err != nil {
			return err
		}
		if err := out.Write([]string{p.SKU, p.Name, strconv.FormatInt(p.PriceCents, 10)}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// Palindromes shows a condition that has no operator here: a fragment of SQL, with arguments.
func (s *Shop) Palindromes(ctx context.Context, longer int) ([]Product, error) {
	return s.Products.Find(ctx, query.Where(
		query.Raw[Product]("reverse(lower($1)) = lower($1) AND length($1) > $2", Name, longer)))
}
