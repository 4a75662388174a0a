package preload_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pair"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// joinedBook is wholeBook in one statement.
var joinedBook = []preload.Load[bookView]{
	preload.One(bookAuthor.Joined(), func(v *bookView) **author { return &v.By },
		preload.Many(authorBooks.Joined(), func(a *author) *[]book { return &a.Books })),
	preload.Many(bookWords.OrderBy(tagWord.Desc()).Joined(), func(v *bookView) *[]taggedWord { return &v.Tags }),
	preload.Many(bookLoans.OrderBy(loanDays.Asc()).Joined(), func(v *bookView) *[]loanView { return &v.Lent },
		preload.Many(loanFines.Joined(), func(l *loanView) *[]cents { return &l.Fines })),
	preload.Count(bookWords.Joined(), func(v *bookView) *int64 { return &v.Words }),
	preload.Exists(bookLoans.Joined(), func(v *bookView) *bool { return &v.IsLent }),
	preload.Maybe(bookSequelOf.Joined(), func(v *bookView) *preload.Ref[book] { return &v.Before }),
}

// TestJoined compares joined loads with separate ones, in every mode of pgx:
// where results are texts the loads take statements of their own.
func TestJoined(t *testing.T) {
	for mode, statements := range map[pgx.QueryExecMode]int{
		pgx.QueryExecModeCacheStatement: 1, pgx.QueryExecModeCacheDescribe: 1, pgx.QueryExecModeDescribeExec: 1, pgx.QueryExecModeExec: 7,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			l := newLibrary(t, testdb.Configure(func(cfg *pgxpool.Config) { cfg.ConnConfig.DefaultQueryExecMode = mode }))
			ctx := t.Context()
			views := repo.View(repo.New(l.pool, books), func(v *bookView) *book { return &v.book })
			q := query.All[book]().WithDeleted().OrderBy(bookID.Asc())
			want := value1(views.Find(ctx, q, wholeBook...))(t)
			reads := map[string]func() ([]bookView, error){
				"find":  func() ([]bookView, error) { return views.Find(ctx, q, joinedBook...) },
				"first": func() ([]bookView, error) { v, err := views.First(ctx, q, joinedBook...); return []bookView{*v}, err },
				"one": func() ([]bookView, error) {
					v, err := views.One(ctx, query.Where(bookID.Eq(1)), joinedBook...)
					return []bookView{*v}, err
				},
			}
			for name, read := range reads {
				l.sent.Reset()
				got := value1(read())(t)
				if mode != pgx.QueryExecModeExec || name == "find" {
					wantSame(t, name+": statements", l.sent.Len(), statements)
				}
				for i := range got {
					wantSame(t, name, got[i].String(), want[i].String())
				}
			}
			l.sent.Reset()
			page := value1(views.Page(ctx, q, query.Page{Size: 2}, joinedBook...))(t)
			wantSame(t, "page", page.Items[1].String(), want[1].String())
		})
	}
}

func TestJoinedGet(t *testing.T) {
	handles(t, func(t *testing.T, l *library, db smrt.DB) {
		as := repo.New(db, authors)
		withBooks := preload.Many(authorBooks.Joined(), func(a *author) *[]book { return &a.Books })
		l.sent.Reset()
		a := value1(as.Get(t.Context(), "we", withBooks))(t)
		wantSame(t, "books", join(a.Books, func(b *book) string { return b.Title }), "Invisible Lost")
		if execMode() != "exec" {
			wantSame(t, "statements", l.sent.Len(), 1)
		}
		_, err := as.Get(t.Context(), "none", withBooks)
		wantError(t, "missing", err, smrt.ErrNotFound)
		_, err = as.Get(t.Context(), "\x00", withBooks)
		wantError(t, "bad key", err, smrt.ErrInvalidText)
	})
}

// BenchmarkJoined compares joined loads with separate ones: a product with its
// category and its tags.
func BenchmarkJoined(b *testing.B) {
	type offer struct {
		shop.Product
		Category *shop.Category
		Tags     []shop.Tag
	}
	category, tags := func(o *offer) **shop.Category { return &o.Category }, func(o *offer) *[]shop.Tag { return &o.Tags }
	separate := []preload.Load[offer]{preload.One(shop.ProductCategory, category), preload.Many(shop.ProductTagWords, tags)}
	joined := []preload.Load[offer]{preload.One(shop.ProductCategory.Joined(), category), preload.Many(shop.ProductTagWords.Joined(), tags)}
	for _, n := range []int64{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			pool := newOrders(b, testdb.MaxConns(4))
			if _, err := pool.Exec(b.Context(), `INSERT INTO tags (name) SELECT 'tag' || i FROM generate_series(1, 20) AS i;
				INSERT INTO product_tags SELECT p, 1 + (p + t) % 20 FROM generate_series(1, 5000) AS p, generate_series(1, 3) AS t; ANALYZE`,
				pgx.QueryExecModeSimpleProtocol); err != nil {
				b.Fatal(err)
			}
			views := repo.View(repo.New(pool, shop.Products), func(o *offer) *shop.Product { return &o.Product })
			at := int64(0)
			read := func(loads []preload.Load[offer]) func() error {
				return func() error {
					at = (at + n) % 4000
					_, err := views.Find(b.Context(), query.Where(shop.ProductID.Between(at+1, at+n)), loads...)
					return err
				}
			}
			pair.Compare(b, read(joined), pair.Twin{Name: "separate", Run: read(separate)})
		})
	}
}

// TestKeysAreGoValues shows what becomes of a key that is equal to the
// database only.
func TestKeysAreGoValues(t *testing.T) {
	type pet struct{ Name, Owner string }
	type owner struct{ Name string }
	owners := query.NewTable("owners", func(o *owner) *string { return &o.Name })
	pets := query.NewTable("pets", func(p *pet) *string { return &p.Name })
	petOwner := preload.BelongsTo(pets, owners, func(p *pet) *string { return &p.Owner })
	pool := testdb.Pool(t, testdb.Schema{})
	_, err := pool.Exec(t.Context(), `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE owners (name text COLLATE loose PRIMARY KEY); INSERT INTO owners VALUES ('Ann'), ('Bob')`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Skipf("the server has no ICU collations: %v", err)
	}
	got := value1(petOwner.Load(t.Context(), pool, []pet{{Owner: "Ann"}, {Owner: "bob"}}))(t)
	wantSame(t, "owner", got[0].Name, "Ann")
	wantSame(t, "owner in other letters", got[1], nil)
}
