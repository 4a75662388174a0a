package preload_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// bookRow is a row as sqlc makes one: columns of several tables, under names of its
// own, with a type that no entity may have.
type bookRow struct {
	Key      int64       `db:"key"`
	Writer   *string     `db:"writer"`
	After    pgtype.Int8 `db:"after"`
	AfterToo *int64      `db:"after"` // sqlc allows a name twice
	Room     *int32      `db:"room"`
	Slot     *int16      `db:"slot"`
	Lent     any         `db:"lent"`
}

// bookReport is what a program makes of it.
type bookReport struct {
	bookRow
	By      *author
	Profile *profile
	Before  preload.Ref[book]
	Place   *shelf
	Words   []tag
	Loans   []loanView
	N       int64
	Tagged  bool
}

var (
	rowShelf = query.Key[placeRow, shelfKey]{
		query.NullPart(func(r *placeRow) **int32 { return &r.Room }, func(k *shelfKey) *int32 { return &k.Room }),
		query.NullPart(func(r *placeRow) **int16 { return &r.Slot }, func(k *shelfKey) *int16 { return &k.Slot }),
	}

	rowAuthor  = preload.ToOneBy(bookAuthor, func(r *bookRow) **string { return &r.Writer })
	rowProfile = preload.ToOneBy(authorProfile, func(r *bookRow) **string { return &r.Writer })
	rowBefore  = preload.ToOneBy(bookSequelOf, func(r *bookRow) *pgtype.Int8 { return &r.After })
	rowWords   = preload.ToManyBy(bookWords, func(r *bookRow) *int64 { return &r.Key })
	rowLoans   = preload.ToManyBy(bookLoans.OrderBy(loanDays.Asc()), func(r *bookRow) *int64 { return &r.Key })

	wholeReport = []preload.Load[bookReport]{
		preload.One(rowAuthor, func(r *bookReport) **author { return &r.By }),
		preload.One(rowProfile, func(r *bookReport) **profile { return &r.Profile }),
		preload.Maybe(rowBefore, func(r *bookReport) *preload.Ref[book] { return &r.Before }),
		preload.Many(rowWords, func(r *bookReport) *[]tag { return &r.Words }),
		preload.Many(rowLoans, func(r *bookReport) *[]loanView { return &r.Loans },
			preload.Many(loanFines, func(l *loanView) *[]cents { return &l.Fines })),
		preload.Count(rowLoans, func(r *bookReport) *int64 { return &r.N }),
		preload.Exists(rowWords, func(r *bookReport) *bool { return &r.Tagged }),
	}
)

// placeRow is a row with a key of two columns.
type placeRow struct {
	Room *int32
	Slot *int16
}

// bookRows reads rows by hand, as the code that sqlc generates does.
func bookRows(t *testing.T, db smrt.DB) []bookRow {
	t.Helper()
	rows := check.Value(db.Query(t.Context(), `SELECT b.id, a.code, b.sequel_of, b.sequel_of, b.room, b.slot, count(l.id)
		FROM books b LEFT JOIN authors a ON a.code = b.author LEFT JOIN loans l ON l.book = b.id GROUP BY b.id, a.code ORDER BY b.id`))(t)
	return check.Value(pgx.CollectRows(rows, pgx.RowToStructByPos[bookRow]))(t)
}

func reports(rows []bookRow) []bookReport {
	out := make([]bookReport, len(rows))
	for i := range rows {
		out[i].bookRow = rows[i]
	}
	return out
}

func TestRowsOfQueries(t *testing.T) {
	handles(t, func(t *testing.T, l *library, db smrt.DB) {
		ctx := t.Context()
		vs := reports(bookRows(t, db))
		check.NoError(t, preload.Fill(ctx, db, vs, wholeReport...))
		check.Same(t, "reports", join(vs, func(r *bookReport) string {
			name, bio, before := "-", "-", "-"
			if r.By != nil {
				name = r.By.Code
			}
			if r.Profile != nil {
				bio = r.Profile.Bio
			}
			if b, ok := r.Before.Get(); ok {
				before = b.Title
			}
			fines := 0
			for _, l := range r.Loans {
				fines += len(l.Fines)
			}
			return fmt.Sprint(name, "/", bio, "/", before, "/", len(r.Words), "/", len(r.Loans), "/", r.N, "/", r.Tagged, "/", fines)
		}), "le/wrote/-/1/3/3/true/2 le/wrote/Earthsea/2/0/0/true/0 we/wrote too/-/1/1/1/true/0 -/-/-/1/0/0/true/0 we/wrote too/-/0/0/0/false/0 le/wrote/Tombs/1/1/1/true/0")
		if vs[0].By != vs[1].By || vs[0].By == vs[2].By {
			t.Error("rows with one author should share it, and others not")
		}
		var pointers []*bookReport
		for i := range vs {
			vs[i].By = nil
			pointers = append(pointers, &vs[i], nil)
		}
		check.NoError(t, preload.FillPointers(ctx, db, pointers, wholeReport...))
		check.Same(t, "author, by pointers", vs[2].By.Code, "we")
	})
}

// TestRowsOfQueriesAligned: the rows are left as they are, and what they lead to comes
// in their order.
func TestRowsOfQueriesAligned(t *testing.T) {
	handles(t, func(t *testing.T, l *library, db smrt.DB) {
		ctx, rows := t.Context(), bookRows(t, db)
		bs := allBooks(t, db)
		check.Same(t, "rows", len(rows), len(bs))
		text := func(v any, err error) string { check.NoError(t, err); return fmt.Sprintf("%+v", v) }
		check.Same(t, "words", text(rowWords.Load(ctx, db, rows)), text(bookWords.Load(ctx, db, bs)))
		check.Same(t, "loans", text(rowLoans.Limit(1).Load(ctx, db, rows)), text(bookLoans.OrderBy(loanDays.Asc()).Limit(1).Load(ctx, db, bs)))
		check.Same(t, "counts", text(rowLoans.LoadCounts(ctx, db, rows)), text(bookLoans.LoadCounts(ctx, db, bs)))
		check.Same(t, "exists", text(rowLoans.Where(loanDays.Gt(7)).LoadExists(ctx, db, rows)), text(bookLoans.Where(loanDays.Gt(7)).LoadExists(ctx, db, bs)))
		first := check.Value(rowLoans.First().Load(ctx, db, rows))(t)
		check.Same(t, "first", fmt.Sprint(first[0].Days, first[1]), "7 <nil>")

		pointer := preload.ToOneBy(bookSequelOf, func(r *bookRow) **int64 { return &r.AfterToo })
		before := check.Value(pointer.Load(ctx, db, rows))(t)
		check.Same(t, "by pointers", before[1].Title+" "+before[5].Title+" "+fmt.Sprint(before[0], before[2]), "Earthsea Tombs <nil> <nil>")

		places := make([]placeRow, len(rows))
		for i, r := range rows {
			places[i] = placeRow{r.Room, r.Slot}
		}
		onShelf := preload.ToOneByKey(bookShelf, rowShelf)
		check.Same(t, "shelves", text(labels(onShelf.Load(ctx, db, places))), "[one-one one-two one-one - - one-one]")
		besides := preload.ToManyByKey(shelfBooks, rowShelf)
		check.Same(t, "books beside", text(besides.LoadCounts(ctx, db, places)), "[2 1 2 0 0 2]")

		above := preload.ToManyBy(preload.Recursive(authorMentor, 5), func(r *nullRow) *sql.Null[string] { return &r.Mentor })
		met := check.Value(above.Load(ctx, db, []nullRow{{sql.Null[string]{V: "we", Valid: true}}, {}}))(t)
		check.Same(t, "mentors", join(met[0], func(a *author) string { return a.Code }), "we le")
		check.Same(t, "mentors of nobody", len(met[1]), 0)
		any := check.Value(above.LoadExists(ctx, db, []nullRow{{sql.Null[string]{V: "we", Valid: true}}, {sql.Null[string]{V: "xx", Valid: true}}}))(t)
		check.Same(t, "any mentor", fmt.Sprint(any), "[true false]")
	})
}

// nullRow has a key in one of the types of database/sql.
type nullRow struct{ Mentor sql.Null[string] }

func labels(shelves []*shelf, err error) ([]string, error) {
	out := make([]string, len(shelves))
	for i, s := range shelves {
		if out[i] = "-"; s != nil {
			out[i] = s.Label
		}
	}
	return out, err
}

// TestRowsOfQueriesAreLoadedAtOnce: however many rows there are, each relation is one
// statement, none if there is no key to look for.
func TestRowsOfQueriesAreLoadedAtOnce(t *testing.T) {
	l := newLibrary(t)
	ctx, rows := t.Context(), bookRows(t, l.pool)
	check.NoError(t, preload.Fill(ctx, l.pool, reports(rows), wholeReport...)) // which learns the types of the keys
	many := make([]bookRow, 20_000)
	for i := range many {
		many[i] = rows[i%len(rows)]
	}
	l.sent.Reset()
	vs := reports(many)
	check.NoError(t, preload.Fill(ctx, l.pool, vs, wholeReport...))
	check.Same(t, "statements", l.sent.Len(), len(wholeReport)+1)
	for i := range vs {
		if vs[i].By != vs[i%len(rows)].By || len(vs[i].Words) != len(vs[i%len(rows)].Words) || vs[i].N != vs[i%len(rows)].N {
			t.Fatalf("row %d got other things than row %d, whose keys it has", i, i%len(rows))
		}
	}

	l.sent.Reset()
	for i := range many {
		many[i].Key = int64(i)
	}
	counts := check.Value(rowLoans.LoadCounts(ctx, l.pool, many))(t)
	check.Same(t, "counts of different keys", fmt.Sprint(counts[:5]), "[0 3 0 1 0]")
	check.Same(t, "statements", l.sent.Len(), 1)

	l.sent.Reset()
	check.NoError(t, preload.Fill(ctx, l.pool, []bookReport(nil), wholeReport...))
	check.Same(t, "author of nobody", check.Value(rowAuthor.Load(ctx, l.pool, []bookRow{{}, {}}))(t)[1], nil)
	check.Same(t, "statements without a key", l.sent.Len(), 0)
}

func TestRowsOfQueriesOnAReplica(t *testing.T) {
	b := newBranches(t)
	rows := bookRows(t, b.primary.pool)
	router := b.router()
	check.Value(rowAuthor.Load(t.Context(), router, rows))(t) // which learns the types of the keys
	b.sent(t, 0, 1, 0, func() {
		names := check.Value(rowAuthor.Load(t.Context(), router, rows))(t)
		check.Same(t, "author", names[0].Name, "near Le Guin")
	})
}

func TestRowsOfQueriesThatDoNotFit(t *testing.T) {
	key := func(r *bookRow) *int64 { return &r.Key }
	var nowhere preload.ToMany[book, loan]
	type other struct{ Key int32 }
	for hint, declare := range map[string]func(){
		"relation by the key of preload_test.bookRow: the relation has its zero value":      func() { preload.ToManyBy(nowhere, key) },
		`column "id" holds int32, but the key holds int64: name a field of type int64`:      func() { preload.ToManyBy(bookLoans, func(r *other) *int32 { return &r.Key }) },
		"its key has 2 columns: write a query.Key with a query.Part for each of room, slot": func() { preload.ToManyBy(shelfBooks, key) },
		"must return the address of a field of its argument":                                func() { preload.ToManyBy(bookLoans, func(*bookRow) *int64 { return new(int64) }) },
		"the parts make a preload_test.shelfKey, and the key of books is a int64":           func() { preload.ToManyByKey(bookLoans, rowShelf) },
		"write a query.Part for each of room, slot":                                         func() { preload.ToManyByKey(shelfBooks, rowShelf[:1]) },
		"neither preload_test.bookRow nor a struct with one field of that type": func() {
			preload.Many(rowLoans, func(v *bookView) *[]loanView { return &v.Lent })
		},
		"is by the key that preload_test.author holds: make the relation recursive first": func() {
			preload.Recursive(preload.ToManyBy(authorPupils, func(a *author) *string { return &a.Code }), 3)
		},
	} {
		names(t, panicOf(declare), hint)
	}
	held := preload.ToManyBy(authorBooks, func(a *author) *string { return &a.Code })
	for what, q := range map[string]query.Query[author]{
		"condition": query.Where(held.Has(bookPages.Gt(100))),
		"recursion": query.Where(preload.ToManyBy(preload.Recursive(authorMentor, 3), func(a *author) **string { return &a.Mentor }).Has()),
		"count":     query.Where(held.Count().Gt(1)),
		"aggregate": query.All[author]().OrderBy(preload.Aggregate(held, query.Max(bookPages)).Asc()),
		"value":     query.Where(query.Compare(authorName, "=", preload.Value(preload.ToOneBy(authorMentor, func(a *author) **string { return &a.Mentor }), authorName))),
	} {
		_, err := repo.New(deadPool(t), authors).Find(t.Context(), q)
		check.Error(t, what, err, smrt.ErrBadQuery)
		names(t, err, "a relation by the key that preload_test.author holds is for loads")
	}
	held = held.Joined() // which has no effect: the statement of the parents cannot know where the key lies
	l, withBooks := newLibrary(t), preload.Many(held, func(a *author) *[]book { return &a.Books })
	for range 2 { // the first learns the types of the keys
		l.sent.Reset()
		found := check.Value(repo.New(l.pool, authors).Find(t.Context(), query.All[author](), withBooks))(t)
		check.Same(t, "authors", len(found), 3)
	}
	check.Same(t, "statements", l.sent.Len(), 2)
}

// TestFailedLoadOfRows: the error is the load's, and names the relation's table.
func TestFailedLoadOfRows(t *testing.T) {
	l := newLibrary(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := rowLoans.Load(ctx, l.pool, []bookRow{{Key: 1}})
	check.Error(t, "cancelled", err, context.Canceled)
	_, err = l.pool.Exec(t.Context(), "INSERT INTO profiles (author, bio) VALUES ('le', 'again')")
	check.NoError(t, err)
	_, err = rowProfile.Load(t.Context(), l.pool, []bookRow{{Writer: new("le")}})
	check.Error(t, "two profiles", err, smrt.ErrTooManyRows)
}
