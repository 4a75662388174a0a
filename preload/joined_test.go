package preload_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
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
			l := newLibrary(t, testdb.Direct(), testdb.Configure(func(cfg *pgxpool.Config) { cfg.ConnConfig.DefaultQueryExecMode = mode }))
			ctx := t.Context()
			views := repo.View(repo.New(l.pool, books), func(v *bookView) *book { return &v.book })
			q := query.All[book]().WithDeleted().OrderBy(bookID.Asc())
			want := check.Value(views.Find(ctx, q, wholeBook...))(t)
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
				got := check.Value(read())(t)
				if mode != pgx.QueryExecModeExec || name == "find" {
					check.Same(t, name+": statements", l.sent.Len(), statements)
				}
				for i := range got {
					check.Same(t, name, got[i].String(), want[i].String())
				}
			}
			l.sent.Reset()
			page := check.Value(views.Page(ctx, q, query.Page{Size: 2}, joinedBook...))(t)
			check.Same(t, "page", page.Items[1].String(), want[1].String())
		})
	}
}

func TestJoinedGet(t *testing.T) {
	handles(t, func(t *testing.T, l *library, db smrt.DB) {
		as := repo.New(db, authors)
		withBooks := preload.Many(authorBooks.Joined(), func(a *author) *[]book { return &a.Books })
		l.sent.Reset()
		a := check.Value(as.Get(t.Context(), "we", withBooks))(t)
		check.Same(t, "books", join(a.Books, func(b *book) string { return b.Title }), "Invisible Lost")
		if execMode() != "exec" {
			check.Same(t, "statements", l.sent.Len(), 1)
		}
		_, err := as.Get(t.Context(), "none", withBooks)
		check.Error(t, "missing", err, smrt.ErrNotFound)
		_, err = as.Get(t.Context(), "\x00", withBooks)
		check.Error(t, "bad key", err, smrt.ErrInvalidText)
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
			check.Compare(b, read(joined), check.Twin{Name: "separate", Run: read(separate)})
		})
	}
}

// TestKeysCompareAsTheServerDoes loads by keys that are equal to the server and
// not byte by byte, in every form of a load.
func TestKeysCompareAsTheServerDoes(t *testing.T) {
	type owner struct{ Name string }
	type pet struct{ Name, Owner string }
	type bond struct{ Pet, Owner string }
	type bondKey struct{ Pet, Owner string }
	for name, types := range map[string][2]string{
		"collation": {"text COLLATE loose", "text COLLATE loose"},
		"citext":    {"citext", "citext"},
		"char":      {"char(5)", "char(9)"},
	} {
		t.Run(name, func(t *testing.T) {
			owners := query.NewTable("owners", func(o *owner) *string { return &o.Name })
			pets := query.NewTable("pets", func(p *pet) *string { return &p.Name })
			bonds := query.NewCompositeTable("bonds", query.Key[bond, bondKey]{
				query.Part(func(b *bond) *string { return &b.Pet }, func(k *bondKey) *string { return &k.Pet }),
				query.Part(func(b *bond) *string { return &b.Owner }, func(k *bondKey) *string { return &k.Owner }),
			})
			petOwner := preload.BelongsTo(pets, owners, func(p *pet) *string { return &p.Owner })
			ownerPets := preload.HasMany(owners, pets, func(p *pet) *string { return &p.Owner })
			friends := preload.ManyToMany(owners, bonds, pets, func(b *bond) *string { return &b.Owner }, func(b *bond) *string { return &b.Pet })
			ctx := t.Context()
			var sent *testdb.Counter
			pool := testdb.Pool(t, testdb.Schema{}, testdb.Configure(func(cfg *pgxpool.Config) { sent = testdb.CountStatements(cfg) }))
			for _, sql := range []string{
				`CREATE EXTENSION IF NOT EXISTS citext`,
				`CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
			} {
				if _, err := pool.Exec(ctx, sql); err != nil {
					t.Skip(err)
				}
			}
			other := "BOB"
			if name == "char" {
				other = "Bob"
			}
			_, err := pool.Exec(ctx, fmt.Sprintf(`CREATE TABLE owners (name %[1]s PRIMARY KEY); INSERT INTO owners VALUES ('Ann'), ('Bob');
				CREATE TABLE pets (name text PRIMARY KEY, owner %[2]s); INSERT INTO pets VALUES ('cat', '%[3]s'), ('dog', 'Bob'), ('eel', 'Ann');
				CREATE TABLE bonds (pet text, owner %[2]s, PRIMARY KEY (pet, owner)); INSERT INTO bonds SELECT name, owner FROM pets`, types[0], types[1], other),
				pgx.QueryExecModeSimpleProtocol)
			check.NoError(t, err)
			ps := check.Value(repo.New(pool, pets).Find(ctx, query.All[pet]()))(t)
			os := check.Value(repo.New(pool, owners).Find(ctx, query.All[owner]()))(t)
			for _, statements := range []int{3, 1} { // the first asks for the types of both columns too
				sent.Reset()
				for i, o := range check.Value(petOwner.Load(ctx, pool, ps))(t) {
					if o == nil {
						t.Fatalf("%s has no owner", ps[i].Name)
					}
				}
				check.Same(t, "statements", sent.Len(), statements)
			}
			lengths := func(r preload.ToMany[owner, pet]) string {
				return join(check.Value(r.Load(ctx, pool, os))(t), func(ps *[]pet) string { return fmt.Sprint(len(*ps)) })
			}
			check.Same(t, "pets", lengths(ownerPets), "1 2")
			check.Same(t, "one pet", lengths(ownerPets.Limit(1)), "1 1")
			check.Same(t, "friends", lengths(friends), "1 2")
			check.Same(t, "one friend", lengths(friends.Limit(1)), "1 1")
			check.Same(t, "number of pets", fmt.Sprint(check.Value(ownerPets.LoadCounts(ctx, pool, os))(t)), "[1 2]")
			check.Same(t, "number of friends", fmt.Sprint(check.Value(friends.LoadCounts(ctx, pool, os))(t)), "[1 2]")
			check.Same(t, "any pets", fmt.Sprint(check.Value(ownerPets.LoadExists(ctx, pool, os))(t)), "[true true]")
			check.Same(t, "found by pets", check.Value(repo.New(pool, owners).Count(ctx, query.Where(ownerPets.Count().Eq(2))))(t), 1)
		})
	}
}
