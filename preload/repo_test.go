package preload_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestEveryReadTakesLoads reads one author with each method of a repository,
// and compares what was loaded.
func TestEveryReadTakesLoads(t *testing.T) {
	withBooks := preload.Many(authorBooks, func(a *author) *[]book { return &a.Books })
	handles(t, func(t *testing.T, l *library, db smrt.DB) {
		ctx := t.Context()
		as := repo.New(db, authors)
		wells := query.Where(authorName.Eq("Wells"))
		reads := map[string]func() (*author, error){
			"get":  func() (*author, error) { return as.Get(ctx, "we", withBooks) },
			"find": func() (*author, error) { vs, err := as.Find(ctx, wells, withBooks); return &vs[0], err },
			"get many": func() (*author, error) {
				vs, err := as.GetMany(ctx, []string{"none", "we", "we"}, withBooks)
				return vs[1], err
			},
			"first": func() (*author, error) { return as.First(ctx, wells, withBooks) },
			"one":   func() (*author, error) { return as.One(ctx, wells, withBooks) },
			"page": func() (*author, error) {
				p, err := as.Page(ctx, wells, query.Page{Size: 5}, withBooks)
				return &p.Items[0], err
			},
			"page number": func() (*author, error) {
				p, err := as.PageNumber(ctx, wells, 1, 5, withBooks)
				return &p.Items[0], err
			},
			"stream": func() (*author, error) {
				for a, err := range as.Stream(ctx, wells, withBooks) {
					return &a, err
				}
				return nil, errors.New("the stream was empty")
			},
		}
		for name, read := range reads {
			a, err := read()
			check.NoError(t, err)
			check.Same(t, name, join(a.Books, func(b *book) string { return b.Title }), "Invisible Lost")
		}
	})
}

// TestStreamInChunks reads more rows than a chunk holds, on one connection, and
// checks that the rows of each chunk have their relations.
func TestStreamInChunks(t *testing.T) {
	l := newLibrary(t, testdb.MaxConns(1))
	ctx := t.Context()
	_, err := l.pool.Exec(ctx, `INSERT INTO authors SELECT 'a' || i, 'A' || i FROM generate_series(1, 1200) AS i;
		INSERT INTO books (author, title, pages) SELECT 'a' || i, 'B' || i, i FROM generate_series(1, 1200) AS i`)
	check.NoError(t, err)
	withBooks := preload.Many(authorBooks, func(a *author) *[]book { return &a.Books })
	as := repo.New(l.pool, authors)
	l.sent.Reset()
	n := 0
	for a, err := range as.Stream(ctx, query.Where(authorName.HasPrefix("A")), withBooks) {
		check.NoError(t, err)
		if len(a.Books) != 1 || a.Books[0].Title[1:] != a.Name[1:] {
			t.Fatalf("%s has the books %v", a.Name, a.Books)
		}
		n++
	}
	check.Same(t, "authors", n, 1200)
	check.Same(t, "statements", strings.Count(strings.Join(l.sent.Statements(), "\n"), "FROM \"books\""), 3)

	t.Run("ends early", func(t *testing.T) {
		for _, err := range as.Stream(ctx, query.All[author](), withBooks) {
			check.NoError(t, err)
			break
		}
		check.Same(t, "count afterwards", check.Value(as.Count(ctx, query.All[author]()))(t), 1203)
	})
	t.Run("nested in a transaction", func(t *testing.T) {
		tx := check.Value(l.pool.Begin(ctx))(t)
		defer tx.Rollback(ctx)
		in, pairs := as.With(tx), 0
		for _, err := range in.Stream(ctx, query.Where(authorName.In("A1", "A2")), withBooks) {
			check.NoError(t, err)
			for _, err := range in.Stream(ctx, query.Where(authorName.In("A1", "A2")), withBooks) {
				check.NoError(t, err)
				pairs++
			}
		}
		check.Same(t, "pairs", pairs, 4)
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var last error
		for _, err := range as.Stream(ctx, query.All[author](), withBooks) {
			cancel()
			last = err
		}
		check.Error(t, "stream", last, context.Canceled)
	})
	t.Run("panics", func(t *testing.T) {
		defer func() { check.Same(t, "panic", recover(), any("in the loop")) }()
		for range as.Stream(ctx, query.All[author](), withBooks) {
			panic("in the loop")
		}
	})
}

func TestFilters(t *testing.T) {
	l := newLibrary(t)
	ctx := t.Context()
	titles := func(ps ...query.Predicate[book]) string {
		t.Helper()
		return join(check.Value(repo.New(l.pool, books).Find(ctx, query.Where(ps...).OrderBy(bookID.Asc())))(t), func(b *book) string { return b.Title })
	}
	check.Same(t, "by author", titles(bookAuthor.Has(authorName.Eq("Wells"))), "Invisible Lost")
	check.Same(t, "without author", titles(bookAuthor.HasNot()), "Anonymous")
	check.Same(t, "sequels", titles(bookSequelOf.Has()), "Tombs")
	check.Same(t, "with sequels", titles(bookSequels.Has()), "Earthsea")
	check.Same(t, "with deleted sequels", titles(bookSequels.WithDeleted().Has()), "Earthsea Tombs")
	check.Same(t, "on a shelf", titles(bookShelf.Has()), "Earthsea Tombs Invisible")
	check.Same(t, "tagged", titles(bookWords.Has(tagWord.Eq("short"))), "Tombs Anonymous")
	check.Same(t, "not tagged", titles(bookWords.HasNot()), "Lost")
	check.Same(t, "two words", titles(bookWords.Count().Ge(2)), "Tombs")
	check.Same(t, "lent for a fine", titles(bookLoans.Has(loanFines.Has(fineCents.Gt(200)))), "Earthsea")
	check.Same(t, "one or the other", titles(query.Or(bookLoans.Count().Eq(1), bookPages.Lt(80))), "Invisible Lost")
	check.Same(t, "nothing matches", titles(bookWords.Has(tagWord.In())), "")
	check.Same(t, "everything matches", titles(bookWords.HasNot(tagWord.In())), "Earthsea Tombs Invisible Anonymous Lost")
	check.Same(t, "raw", titles(bookLoans.Has(query.Raw[loan]("days % $1 = 0", 14))), "Earthsea")

	byLoans := check.Value(repo.New(l.pool, books).Find(ctx, query.All[book]().OrderBy(bookLoans.Count().Desc(), bookWords.Count(tagWord.Ne("short")).Asc(), bookID.Desc())))(t)
	check.Same(t, "order", join(byLoans, func(b *book) string { return b.Title }), "Earthsea Invisible Lost Anonymous Tombs")
	n := check.Value(repo.New(l.pool, books).UpdateWhere(ctx, query.Where(bookLoans.Has()), query.Add(bookPages, 1)))(t)
	check.Same(t, "updated", n, 2)
	page := check.Value(repo.New(l.pool, books).Page(ctx, query.All[book]().OrderBy(bookLoans.Count().Desc(), bookID.Asc()), query.Page{Size: 1}))(t)
	check.Same(t, "page", page.Items[0].Title, "Earthsea")
	check.Same(t, "counted", check.Value(repo.New(l.pool, books).Count(ctx, query.Where(bookLoans.Has())))(t), 2)

	as := check.Value(repo.New(l.pool, authors).Find(ctx, query.Where(authorPupils.Has(authorPupils.Has())).OrderBy(authorName.Asc())))(t)
	check.Same(t, "grandmothers", join(as, func(a *author) string { return a.Name }), "Le Guin")
	as = check.Value(repo.New(l.pool, authors).Find(ctx, query.Where(authorMentor.Has(authorBooks.Count(bookPages.Gt(100)).Gt(1)))))(t)
	check.Same(t, "pupils of the productive", join(as, func(a *author) string { return a.Name }), "Wells")
}
