package preload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// handles runs a test on a pool, where loads run in parallel, and on a
// transaction, where they are pipelined.
func handles(t *testing.T, run func(t *testing.T, l *library, db smrt.DB)) {
	t.Run("pool", func(t *testing.T) {
		l := newLibrary(t)
		run(t, l, l.pool)
	})
	t.Run("pool of one", func(t *testing.T) {
		l := newLibrary(t, testdb.MaxConns(1))
		run(t, l, l.pool)
	})
	t.Run("transaction", func(t *testing.T) {
		l := newLibrary(t)
		tx := check.Value(l.pool.Begin(t.Context()))(t)
		defer tx.Rollback(t.Context())
		run(t, l, tx)
	})
}

// allBooks reads the books in the order of their keys.
func allBooks(t *testing.T, db smrt.DB) []book {
	t.Helper()
	return check.Value(repo.New(db, books).Find(t.Context(), query.All[book]().WithDeleted().OrderBy(bookID.Asc())))(t)
}

// join prints one word for each row.
func join[V any](vs []V, word func(*V) string) string {
	out := make([]string, len(vs))
	for i := range vs {
		out[i] = word(&vs[i])
	}
	return strings.Join(out, " ")
}

func TestToOne(t *testing.T) {
	handles(t, func(t *testing.T, l *library, db smrt.DB) {
		bs := allBooks(t, db)
		names := check.Value(bookAuthor.Load(t.Context(), db, bs))(t)
		check.Same(t, "authors", join(names, func(a **author) string {
			if *a == nil {
				return "-"
			}
			return (*a).Code
		}), "le le we - we le")
		if names[0] != names[1] || names[0] == names[2] {
			t.Error("books of one author should share it, and others not")
		}
		places := check.Value(bookShelf.Load(t.Context(), db, bs))(t)
		check.Same(t, "shelves", join(places, func(s **shelf) string {
			if *s == nil {
				return "-"
			}
			return (*s).Label
		}), "one-one one-two one-one - - one-one")
		fs := check.Value(repo.New(db, fines).Find(t.Context(), query.Where(fineCents.In(1, 210)).OrderBy(fineCents.Asc())))(t)
		lent := check.Value(fineLoan.Load(t.Context(), db, fs))(t)
		check.Same(t, "loans", fmt.Sprint(lent[0] == nil, lent[1].Days), "true 21")
		before := check.Value(bookSequelOf.Load(t.Context(), db, bs))(t)
		check.Same(t, "sequels", join(before, func(b **book) string {
			if *b == nil {
				return "-"
			}
			return (*b).Title
		}), "- Earthsea - - - Tombs")
	})
}

func TestToMany(t *testing.T) {
	handles(t, func(t *testing.T, l *library, db smrt.DB) {
		bs := allBooks(t, db)
		words := check.Value(bookWords.Load(t.Context(), db, bs))(t)
		check.Same(t, "words", join(words, func(ts *[]tag) string {
			return "[" + join(*ts, func(w *tag) string { return w.Word }) + "]"
		}), "[fantasy] [fantasy short] [science] [short] [] [fantasy]")
		as := check.Value(repo.New(db, authors).Find(t.Context(), query.All[author]().OrderBy(authorName.Asc())))(t)
		titles := func(r preload.ToMany[author, book]) string {
			t.Helper()
			return join(check.Value(r.Load(t.Context(), db, as))(t), func(bs *[]book) string {
				return "[" + join(*bs, func(b *book) string { return b.Title }) + "]"
			})
		}
		check.Same(t, "books", titles(authorBooks), "[Earthsea Tombs] [] [Invisible Lost]")
		check.Same(t, "books, latest first", titles(authorBooks.OrderBy(bookID.Desc())), "[Tombs Earthsea] [] [Lost Invisible]")
		check.Same(t, "thick books", titles(authorBooks.Where(bookPages.Gt(160))), "[Earthsea] [] [Invisible]")
		check.Same(t, "with deleted", titles(authorBooks.WithDeleted()), "[Earthsea Tombs Withdrawn] [] [Invisible Lost]")
		check.Same(t, "thinnest", titles(authorBooks.OrderBy(bookPages.Asc()).Limit(1)), "[Tombs] [] [Lost]")
		check.Same(t, "limit 0", titles(authorBooks.Limit(0)), "[] [] []")
		counts := check.Value(authorBooks.LoadCounts(t.Context(), db, as))(t)
		check.Same(t, "counts", fmt.Sprint(counts), "[2 0 2]")
		some := check.Value(authorBooks.LoadExists(t.Context(), db, as))(t)
		check.Same(t, "exists", fmt.Sprint(some), "[true false true]")
		first := check.Value(authorBooks.OrderBy(bookPages.Desc()).First().Load(t.Context(), db, as))(t)
		check.Same(t, "thickest", first[0].Title+" "+fmt.Sprint(first[1] == nil)+" "+first[2].Title, "Earthsea true Invisible")

		ss := check.Value(repo.New(db, shelves).Find(t.Context(), query.All[shelf]()))(t)
		check.Same(t, "composite counts", fmt.Sprint(check.Value(shelfBooks.LoadCounts(t.Context(), db, ss))(t)), "[2 1 0]")
		check.Same(t, "composite exists", fmt.Sprint(check.Value(shelfBooks.LoadExists(t.Context(), db, ss))(t)), "[true true false]")
		check.Same(t, "composite rows", join(check.Value(shelfBooks.Load(t.Context(), db, ss))(t), func(bs *[]book) string { return fmt.Sprint(len(*bs)) }), "2 1 0")
		check.Same(t, "composite limited", join(check.Value(shelfBooks.Limit(1).Load(t.Context(), db, ss))(t), func(bs *[]book) string { return fmt.Sprint(len(*bs)) }), "1 1 0")

		ws := check.Value(repo.New(db, tags).Find(t.Context(), query.All[tag]().OrderBy(tagWord.Asc())))(t)
		read := func(r preload.ToMany[tag, book]) string {
			t.Helper()
			return join(check.Value(r.Load(t.Context(), db, ws))(t), func(bs *[]book) string {
				return "[" + join(*bs, func(b *book) string { return b.Title }) + "]"
			})
		}
		check.Same(t, "books by tag", read(tagBooks), "[Earthsea Tombs] [Invisible] [Tombs Anonymous] []")
		check.Same(t, "one book by tag", read(tagBooks.OrderBy(bookPages.Asc()).Limit(1)), "[Tombs] [Invisible] [Anonymous] []")
		check.Same(t, "thick books by tag", read(tagBooks.Where(bookPages.Gt(100)).OrderBy(bookTitle.Desc())), "[Tombs Earthsea] [Invisible] [Tombs] []")
		check.Same(t, "counts by tag", fmt.Sprint(check.Value(tagBooks.LoadCounts(t.Context(), db, ws))(t)), "[2 1 2 0]")
		check.Same(t, "exists by tag", fmt.Sprint(check.Value(tagBooks.Where(bookPages.Gt(190)).LoadExists(t.Context(), db, ws))(t)), "[true false false false]")
	})
}

// bookView is a book with what can be loaded of it.
type bookView struct {
	book
	By     *author
	Tags   []taggedWord
	Lent   []loanView
	Words  int64
	IsLent bool
	Before preload.Ref[book]
}

// taggedWord is a tag with the row of the join table.
type taggedWord struct {
	bookTag
	tag
}

type loanView struct {
	loan
	Fines []cents
}

// cents is one column of a fine.
type cents struct{ Cents int32 }

var wholeBook = []preload.Load[bookView]{
	preload.One(bookAuthor, func(v *bookView) **author { return &v.By },
		preload.Many(authorBooks, func(a *author) *[]book { return &a.Books })),
	preload.Many(bookWords.OrderBy(tagWord.Desc()), func(v *bookView) *[]taggedWord { return &v.Tags }),
	preload.Many(bookLoans.OrderBy(loanDays.Asc()), func(v *bookView) *[]loanView { return &v.Lent },
		preload.Many(loanFines, func(l *loanView) *[]cents { return &l.Fines })),
	preload.Count(bookWords, func(v *bookView) *int64 { return &v.Words }),
	preload.Exists(bookLoans, func(v *bookView) *bool { return &v.IsLent }),
	preload.Maybe(bookSequelOf, func(v *bookView) *preload.Ref[book] { return &v.Before }),
}

func (v *bookView) String() string {
	by, before := "-", "-"
	if v.By != nil {
		by = v.By.Name + fmt.Sprint(len(v.By.Books))
	}
	if b, ok := v.Before.Get(); ok {
		before = b.Title
	}
	words := join(v.Tags, func(w *taggedWord) string { return fmt.Sprint(w.Word, w.Weight) })
	lent := join(v.Lent, func(l *loanView) string { return fmt.Sprint(l.Days, l.Fines) })
	return fmt.Sprintf("%s by %s (%s) lent (%s) %d %t after %s", v.Title, by, words, lent, v.Words, v.IsLent, before)
}

func TestFill(t *testing.T) {
	handles(t, func(t *testing.T, l *library, db smrt.DB) {
		var vs []bookView
		for _, b := range allBooks(t, db) {
			vs = append(vs, bookView{book: b})
		}
		check.NoError(t, preload.Fill(t.Context(), db, vs, wholeBook...)) // which may ask the catalog
		l.sent.Reset()
		check.NoError(t, preload.Fill(t.Context(), db, vs, wholeBook...))
		check.Same(t, "statements", l.sent.Len(), 8)
		if !strings.HasPrefix(t.Name(), "TestFill/pool") {
			check.Same(t, "round trips", l.sent.Sends(), 2)
		}
		want := []string{
			"Earthsea by Le Guin2 (fantasy10) lent (7 [] 14 [{140}] 21 [{210}]) 1 true after -",
			"Tombs by Le Guin2 (short2 fantasy8) lent () 2 false after Earthsea",
			"Invisible by Wells2 (science9) lent (7 []) 1 true after -",
			"Anonymous by - (short5) lent () 1 false after -",
			"Lost by Wells2 () lent () 0 false after -",
			"Withdrawn by Le Guin2 (fantasy7) lent (1 []) 1 true after Tombs",
		}
		for i := range vs {
			check.Same(t, "book", vs[i].String(), want[i])
		}
	})
}

// TestOrderOfExpressions orders related rows by what is computed of them: of all
// rows and of the first ones of each parent, by a foreign key of text and through a
// join table.
func TestOrderOfExpressions(t *testing.T) {
	l, ctx := newLibrary(t), t.Context()
	titles := func(rows [][]book) (all [][]string) {
		for _, of := range rows {
			list := []string{}
			for _, b := range of {
				list = append(list, b.Title)
			}
			all = append(all, list)
		}
		return all
	}
	borrowed := authorBooks.OrderBy(bookLoans.Count(loanDays.Gt(7)).Desc(), query.SQL[int32]("$1 % $2", bookPages, 100).Asc())
	le, we := []string{"Earthsea", "Tombs"}, []string{"Lost", "Invisible"}
	writers := []author{{Code: "we"}, {Code: "le"}}
	check.Equal(t, "all", titles(check.Value(borrowed.Load(ctx, l.pool, writers))(t)), [][]string{we, le})
	check.Equal(t, "the first", titles(check.Value(borrowed.Limit(1).Load(ctx, l.pool, writers))(t)), [][]string{we[:1], le[:1]})

	byLoans := tagBooks.OrderBy(bookLoans.Count().Asc(), query.SQL[int32]("-$1", bookPages).Asc())
	short := []tag{{ID: 1}, {ID: 3}}
	check.Equal(t, "through a table", titles(check.Value(byLoans.Load(ctx, l.pool, short))(t)), [][]string{{"Tombs", "Earthsea"}, {"Tombs", "Anonymous"}})
	check.Equal(t, "the first", titles(check.Value(byLoans.Limit(1).Load(ctx, l.pool, short))(t)), [][]string{{"Tombs"}, {"Tombs"}})
}
