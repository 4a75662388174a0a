package cookbook

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/smrttest"
	"github.com/smrt-go/smrt/txn"
)

func TestMain(m *testing.M) { smrttest.Main(m) }

var schema = smrttest.SQLFiles(os.DirFS("."), "schema.sql")

// opened is a shop with a few things in it.
type opened struct {
	*Shop
	pool                  *pgxpool.Pool
	sent                  smrttest.Counter
	tea, pots             Category
	assam, sencha, kettle Product
	ada, grace            Customer
	first, second         Order
}

func open(t *testing.T) *opened {
	t.Helper()
	s := &opened{}
	s.pool = smrttest.Pool(t, schema, smrttest.Count(&s.sent), smrttest.MaxConns(4)) // two workers meet in one test
	s.Shop = New(s.pool)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	kitchen := Category{Name: "Kitchen"}
	must(s.Categories.Create(ctx, &kitchen))
	s.tea, s.pots = Category{Name: "Tea", ParentID: &kitchen.ID}, Category{Name: "Pots", ParentID: &kitchen.ID}
	must(s.Categories.Create(ctx, &s.tea))
	must(s.Categories.Create(ctx, &s.pots))
	s.assam = Product{CategoryID: s.tea.ID, SKU: "T1", Name: "Assam 100%", PriceCents: 4_90, Stock: 3, Tags: []string{"black"}, Attributes: []byte(`{"origin": "India"}`)}
	s.sencha = Product{CategoryID: s.tea.ID, SKU: "T2", Name: "Sencha", PriceCents: 7_90, Tags: []string{"green", "bargain"}}
	s.kettle = Product{CategoryID: s.pots.ID, SKU: "P1", Name: "Kettettek", PriceCents: 39_00, Stock: 5}
	for _, p := range []*Product{&s.assam, &s.sencha, &s.kettle} {
		must(s.Products.Create(ctx, p))
	}
	s.ada, s.grace = Customer{Email: "ada@example.com", Name: "Ada", Balance: 100_00}, Customer{Email: "grace@example.com", Name: "Grace"}
	must(s.Customers.Create(ctx, &s.ada))
	must(s.Customers.Create(ctx, &s.grace))
	s.first = Order{CustomerID: s.ada.ID, Status: "paid", TotalCents: 43_90, PlacedAt: day(1)}
	s.second = Order{CustomerID: s.ada.ID, Status: "paid", TotalCents: 4_90, PlacedAt: day(2)}
	must(s.Orders.Create(ctx, &s.first))
	must(s.Orders.Create(ctx, &s.second))
	must(s.Lines.CreateMany(ctx, []OrderLine{
		{OrderID: s.first.ID, ProductID: s.assam.ID, Quantity: 1, PriceCents: 4_90},
		{OrderID: s.first.ID, ProductID: s.kettle.ID, Quantity: 1, PriceCents: 39_00},
		{OrderID: s.second.ID, ProductID: s.assam.ID, Quantity: 1, PriceCents: 4_90},
	}))
	s.sent.Reset()
	return s
}

func day(n int) time.Time { return time.Date(2026, 3, n, 12, 0, 0, 0, time.UTC) }

// is compares what a recipe returns with what is expected, as texts.
func is(t *testing.T, what string, err error, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); err != nil || g != w {
		t.Errorf("%s: got %s, %v, want %s", what, g, err, w)
	}
}

// words returns values with blanks between them.
func words(values ...any) string { return strings.TrimSpace(fmt.Sprintln(values...)) }

func skus(ps []Product) []string {
	list := []string{}
	for _, p := range ps {
		list = append(list, p.SKU)
	}
	return list
}

func TestReads(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	label, err := s.Label(ctx, s.assam.ID)
	is(t, "Label", err, label, "Assam 100%, 490 cents")
	label, err = s.Label(ctx, -1)
	is(t, "Label of nothing", err, label, "no longer sold")
	names, err := s.Names(ctx, []int64{s.sencha.ID, -1, s.assam.ID})
	is(t, "Names", err, strings.Join(names, "|"), "Sencha||Assam 100%")
	c, err := s.CustomerByEmail(ctx, "ADA@example.com")
	is(t, "CustomerByEmail", err, c.Name, "Ada")
	for _, tc := range []struct {
		f    Filter
		want []string
	}{
		{Filter{}, []string{"T1", "T2", "P1"}},
		{Filter{Words: "0%"}, []string{"T1"}},
		{Filter{MaxPrice: 10_00, InStock: true}, []string{"T1"}},
		{Filter{Tags: []string{"green", "white"}}, []string{"T2"}},
	} {
		found, err := s.Search(ctx, tc.f)
		is(t, fmt.Sprintf("Search %+v", tc.f), err, skus(found), tc.want)
	}
	found, err := s.Clearance(ctx, time.Now())
	is(t, "Clearance", err, skus(found), []string{"T1"})
	for sort, want := range map[string]string{"-price": "[P1 T2 T1]", "worth,name": "[T2 T1 P1]", "": "3 of any order"} {
		found, err := s.Sorted(ctx, url.Values{"sort": {sort}})
		if sort == "" {
			is(t, "Sorted", err, len(found), 3)
			continue
		}
		is(t, "Sorted by "+sort, err, skus(found), want)
	}
	if _, err := s.Sorted(ctx, url.Values{"sort": {"secret"}}); !errors.Is(err, smrt.ErrBadQuery) {
		t.Errorf("Sorted by what is not listed: %v", err)
	}
	list, err := s.PriceList(ctx)
	is(t, "PriceList", err, list, "[{P1 3900} {T1 490} {T2 790}]")
	isOpen, n, err := s.Overview(ctx)
	is(t, "Overview", err, words(isOpen, n), "true 2")
	newest, err := s.Newest(ctx)
	is(t, "Newest", err, newest.SKU, "P1")
	found, err = s.With(ctx, "origin", "India")
	is(t, "With", err, skus(found), "[T1]")
	found, err = s.Palindromes(ctx, 3)
	is(t, "Palindromes", err, skus(found), "[P1]")
}

func TestPages(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	more := make([]Product, 30)
	for i := range more {
		more[i] = Product{CategoryID: s.tea.ID, SKU: fmt.Sprintf("X%02d", i), Name: fmt.Sprintf("X%02d", i), PriceCents: 10_00}
	}
	if err := s.Products.CreateMany(ctx, more); err != nil {
		t.Fatal(err)
	}
	first, err := s.Scroll(ctx, Filter{}, "")
	is(t, "first page", err, len(first.Items), 20)
	second, err := s.Scroll(ctx, Filter{}, first.Next)
	is(t, "second page", err, words(len(second.Items), second.Items[12].SKU, second.Next == ""), "13 P1 true")
	numbered, err := s.Numbered(ctx, Filter{}, 2)
	is(t, "Numbered", err, words(len(numbered.Items), numbered.Pages(), numbered.Total), "13 2 33")
	var out strings.Builder
	err = s.Export(ctx, &out)
	is(t, "Export", err, strings.Count(out.String(), "\n"), 33)
	is(t, "Export", err, strings.HasPrefix(out.String(), "T1,Assam 100%,490\n"), true)
}

func TestRelations(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	history, err := s.History(ctx, s.ada.ID)
	is(t, "History", err, len(history), 2)
	is(t, "statements of History", nil, s.sent.Len(), 3)
	is(t, "lines", nil, words(len(history[1].Lines), history[1].Lines[0].Product.SKU), "2 T1")
	buyers, err := s.Buyers(ctx, day(2))
	is(t, "Buyers", err, len(buyers), 1)
	s.sent.Reset()
	rows, err := s.List(ctx)
	is(t, "List", err, words(rows[0].Name, rows[0].Orders, rows[0].Last[0].ID == s.second.ID, rows[1].Name, rows[1].Orders, len(rows[1].Last)),
		"Ada 2 true Grace 0 0")
	is(t, "statements of List", nil, s.sent.Len(), 3)
	big, err := s.Big(ctx, 2)
	is(t, "Big", err, words(len(big), big[0].ID == s.first.ID), "1 true")
	s.sent.Reset()
	crumbs, err := s.Breadcrumbs(ctx, s.tea.ID)
	is(t, "Breadcrumbs", err, words(crumbs.Name, crumbs.Path[0].Name), "Tea Kitchen")
	is(t, "statements of Breadcrumbs", nil, s.sent.Len(), 2)
	inTree, err := s.InTree(ctx, *s.tea.ParentID)
	is(t, "InTree", err, skus(inTree), "[P1 T1 T2]")
	inTree, err = s.InTree(ctx, s.tea.ID)
	is(t, "InTree of a leaf", err, skus(inTree), "[T1 T2]")
	best, err := s.BestCustomers(ctx, 10_00)
	is(t, "BestCustomers", err, best, []Revenue{{s.ada.ID, 2, 48_80}})
	sum, err := s.Turnover(ctx, day(1).Truncate(24*time.Hour))
	is(t, "Turnover", err, sum, 43_90)
	sum, err = s.Turnover(ctx, day(9))
	is(t, "Turnover of nothing", err, sum, 0)
}

func TestWrites(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	id, err := s.Add(ctx, Product{CategoryID: s.tea.ID, SKU: "T3", Name: "Matcha", PriceCents: 19_00})
	is(t, "Add", err, id > 0, true)
	if _, err := s.Add(ctx, Product{CategoryID: s.tea.ID, SKU: "T3", Name: "Matcha"}); err == nil || !strings.Contains(err.Error(), "SKU") {
		t.Errorf("Add twice: %v", err)
	}
	err = s.Import(ctx, []Product{{CategoryID: s.tea.ID, SKU: "T1", Name: "Assam", PriceCents: 5_00}, {CategoryID: s.tea.ID, SKU: "T4", Name: "Yunnan"}})
	is(t, "Import", err, product(t, s, s.assam.ID), "Assam 500 3 [black]")
	err = s.Deliver(ctx, []Product{{CategoryID: s.tea.ID, SKU: "T1", Name: "-", Stock: 10}})
	is(t, "Deliver", err, product(t, s, s.assam.ID), "Assam 500 13 [black]")
	err = s.Raise(ctx, s.assam.ID, 50)
	is(t, "Raise", err, product(t, s, s.assam.ID), "Assam 550 13 [black raised]")
	for _, want := range []bool{true, false} {
		c, isNew, err := s.SignUp(ctx, "alan@example.com", "Alan")
		is(t, "SignUp", err, words(c.Name, c.ID > 0, isNew), words("Alan", true, want))
	}

	is(t, "Take", s.Take(ctx, s.assam.ID, 13), product(t, s, s.assam.ID), "Assam 550 0 [black raised]")
	if err := s.Take(ctx, s.assam.ID, 1); !errors.Is(err, ErrSoldOut) {
		t.Errorf("Take of nothing: %v", err)
	}
	read, err := s.Customers.Get(ctx, s.ada.ID)
	is(t, "Rename", errors.Join(err, s.Rename(ctx, *read, "Ada L.")), "", "")
	if err := s.Rename(ctx, *read, "Ada K."); !errors.Is(err, smrt.ErrStale) {
		t.Errorf("Rename of what was read before: %v", err)
	}

	for _, id := range []int64{s.assam.ID, s.sencha.ID, s.kettle.ID} {
		is(t, "Withdraw", s.Withdraw(ctx, id), "", "")
	}
	is(t, "Return", s.Return(ctx, s.kettle.ID), product(t, s, s.kettle.ID), "Kettettek 3900 5 []")
	n, err := s.Purge(ctx, time.Now().Add(time.Hour))
	is(t, "Purge", err, n, 1) // the order has assam
}

func product(t *testing.T, s *opened, id int64) string {
	t.Helper()
	p, err := s.Products.Get(t.Context(), id)
	if err != nil {
		return err.Error()
	}
	return words(p.Name, p.PriceCents, p.Stock, p.Tags)
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	if _, err := s.pool.Exec(ctx, txn.MarkersSQL); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Transfer(ctx, "request 1", s.ada.ID, s.grace.ID, 60_00); err != nil {
			t.Error(err)
		}
	}
	if err := s.Transfer(ctx, "request 2", s.ada.ID, s.grace.ID, 60_00); !errors.Is(err, smrt.ErrCheck) {
		t.Errorf("Transfer of too much: %v", err)
	}
	grace, err := s.Customers.Get(ctx, s.grace.ID)
	is(t, "Transfer", err, grace.Balance, 60_00)

	s.sent.Reset()
	order := Order{CustomerID: s.ada.ID, Status: "new", TotalCents: 43_90, PlacedAt: day(3)}
	lines := []OrderLine{{ProductID: s.assam.ID, Quantity: 2, PriceCents: 4_90}, {ProductID: s.kettle.ID, Quantity: 1, PriceCents: 39_00}}
	is(t, "Place", s.Place(ctx, &order, lines), product(t, s, s.assam.ID), "Assam 100% 490 1 [black]")
	is(t, "keys", nil, order.ID > 0 && lines[0].OrderID == order.ID, true)

	if err := s.Jobs.CreateMany(ctx, []Job{{Payload: "a"}, {Payload: "b"}, {Payload: "c"}}); err != nil {
		t.Fatal(err)
	}
	// Two workers meet while both hold jobs: neither waits for the other, and none gets its jobs.
	var done sync.Map
	var both, all sync.WaitGroup
	both.Add(2)
	for worker := range 2 {
		all.Go(func() {
			met := false
			err := s.Claim(ctx, 1, func(j Job) error {
				if !met {
					met = true
					both.Done()
					both.Wait()
				}
				if other, taken := done.LoadOrStore(j.Payload, worker); taken {
					t.Errorf("%s was done by %v too", j.Payload, other)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	left, err := s.Jobs.Count(ctx, query.Where(DoneAt.IsNull()))
	is(t, "Claim", err, left, 1)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	stale := s.ada
	stale.Version = 7
	full, err := pool.Open(ctx, pool.Config{URL: s.pool.Config().ConnString(), MaxConns: 1, AcquireTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	held, err := full.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, notFound := s.Products.Get(ctx, -1)
	_, cursor := s.Scroll(ctx, Filter{}, "made up")
	_, sort := s.Sorted(ctx, url.Values{"sort": {"secret"}})
	_, exhausted := full.Exec(ctx, "SELECT 1")
	held.Release()
	for _, tc := range []struct {
		err    error
		status int
		body   string
	}{
		{notFound, 404, `{"title":"Not Found"}`},
		{s.Customers.Create(ctx, &Customer{Email: "ada@example.com"}), 409, `{"title":"Conflict","fields":[{"name":"email","reason":"unique"}]}`},
		{s.Customers.Update(ctx, &stale), 409, `{"title":"Conflict"}`},
		{s.Products.Create(ctx, &Product{Name: " ", PriceCents: -1}), 422, `{"title":"Unprocessable Entity","fields":[{"name":"name","reason":"not_blank"},{"name":"price_cents","reason":"at_least 0"}]}`},
		{s.Products.HardDelete(ctx, s.assam.ID), 409, `{"title":"Conflict","fields":[{"name":"product_id","reason":"foreign key"}]}`},
		{cursor, 400, `{"title":"Bad Request"}`},
		{sort, 400, `{"title":"Bad Request"}`},
		{exhausted, 503, `{"title":"Service Unavailable"}`},
		{errors.New("disk on fire"), 500, `{"title":"Internal Server Error"}`},
	} {
		w := httptest.NewRecorder()
		Answer(w, httptest.NewRequest("GET", "/", nil), tc.err)
		is(t, fmt.Sprint(tc.err), nil, words(w.Code, strings.TrimSpace(w.Body.String())), words(tc.status, tc.body))
		if again := w.Header().Get("Retry-After") != ""; again != (tc.status == 503) {
			t.Errorf("%v: Retry-After: %v", tc.err, again)
		}
	}
}
