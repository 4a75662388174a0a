package preload_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// The attic holds things whose types pgx does not know: by themselves they come
// in text form, in a record they cannot.
var atticSchema = testdb.SQL("attic", `
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE DOMAIN amount AS integer;
CREATE DOMAIN document AS jsonb;
CREATE DOMAIN day AS date;
CREATE DOMAIN exact AS float8;
CREATE DOMAIN token AS uuid;
CREATE TABLE boxes (id bigint PRIMARY KEY);
CREATE TABLE things (id bigint PRIMARY KEY, box bigint, amount amount, document document, day day, exact exact, token token, word token, mood mood, moods mood[], lsn pg_lsn, zone timetz);
INSERT INTO boxes VALUES (1);
INSERT INTO things VALUES (1, 1, 7, '{"a": 1}', '2020-02-03', 0.1, '30313233-3435-3637-3839-616263646566', '30313233-3435-3637-3839-616263646566', 'fine', '{fine,sad}', '0/10', '10:11:12+02');
INSERT INTO things (id, box) VALUES (2, 1)`)

type (
	box   struct{ ID int64 }
	thing struct {
		ID       int64
		Box      int64
		Amount   *int64
		Document []byte
		Day      *time.Time
		Exact    *float64
		Token    *[16]byte
		Word     *string
		Mood     *string
		Moods    []string
		Lsn      *string
		Zone     *string
	}
)

var (
	boxes     = query.NewTable("boxes", func(b *box) *int64 { return &b.ID })
	things    = query.NewTable("things", func(t *thing) *int64 { return &t.ID })
	boxThings = preload.HasMany(boxes, things, func(t *thing) *int64 { return &t.Box })
)

// TestJoinedForeignTypes compares columns one by one, joined and not. The second
// joined load has no statement of its own where the catalog says what the type
// stands for.
func TestJoinedForeignTypes(t *testing.T) {
	var sent *testdb.Counter
	pool := testdb.Pool(t, atticSchema, testdb.Configure(func(cfg *pgxpool.Config) { sent = testdb.CountStatements(cfg) }))
	a := attic{pool, sent, 2}
	sameJoined(t, a, func(v *struct{ Amount *int64 }) string { return fmt.Sprint(*v.Amount) }, "7")
	sameJoined(t, a, func(v *struct{ Document []byte }) string { return string(v.Document) }, `{"a": 1}`)
	sameJoined(t, a, func(v *struct{ Day *time.Time }) string { return v.Day.String() }, "2020-02-03 00:00:00 +0000 UTC")
	sameJoined(t, a, func(v *struct{ Exact *float64 }) string { return fmt.Sprint(*v.Exact) }, "0.1")
	sameJoined(t, a, func(v *struct{ Token *[16]byte }) string { return fmt.Sprintf("%x", *v.Token) }, "30313233343536373839616263646566")
	sameJoined(t, a, func(v *struct{ Word *string }) string { return *v.Word }, "30313233-3435-3637-3839-616263646566")
	sameJoined(t, a, func(v *struct{ Mood *string }) string { return *v.Mood }, "fine")
	a.statements = 3
	sameJoined(t, a, func(v *struct{ Moods []string }) string { return fmt.Sprint(v.Moods) }, "[fine sad]")
	sameJoined(t, a, func(v *struct{ Lsn *string }) string { return *v.Lsn }, "0/10")
	sameJoined(t, a, func(v *struct{ Zone *string }) string { return *v.Zone }, "10:11:12+02")
}

// attic is a database of foreign types, and how many statements it takes to load
// the same rows joined and apart.
type attic struct {
	pool       *pgxpool.Pool
	sent       *testdb.Counter
	statements int
}

func sameJoined[R any](t *testing.T, a attic, text func(*R) string, want string) {
	t.Helper()
	type view struct {
		box
		Apart, Joined []R
	}
	for try := range 2 {
		a.sent.Reset()
		v, err := repo.View(repo.New(a.pool, boxes), func(v *view) *box { return &v.box }).One(t.Context(), query.All[box](),
			preload.Many(boxThings, func(v *view) *[]R { return &v.Apart }),
			preload.Many(boxThings.Joined(), func(v *view) *[]R { return &v.Joined }))
		if err != nil {
			t.Errorf("%T: %v", *new(R), err)
			return
		}
		check.Same(t, fmt.Sprintf("%T apart", *new(R)), text(&v.Apart[0]), want)
		check.Same(t, fmt.Sprintf("%T joined", *new(R)), text(&v.Joined[0]), want)
		if try == 1 && execMode() != "exec" {
			check.Same(t, fmt.Sprintf("%T: statements", *new(R)), a.sent.Len(), a.statements)
		}
	}
}

// readBook is a book with the words of the books that share its words.
type readBook struct {
	book
	Words []readWord
}

type readWord struct {
	tag
	Books []wordBook
}

type wordBook struct {
	book
	Words []tag
	N     int64
}

// TestJoinedInEveryMode nests joined loads below others whose rows are copied,
// in modes where their arrays come in binary form and in one where they do not.
func TestJoinedInEveryMode(t *testing.T) {
	modes := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec}
	for _, mode := range modes {
		l := newLibrary(t, testdb.Direct(), testdb.ExecMode(mode))
		views := repo.View(repo.New(l.pool, books), func(v *readBook) *book { return &v.book })
		read := func(outer, middle, inner bool) string {
			ms := []preload.ToMany[book, tag]{bookWords, bookWords}
			back := tagBooks.OrderBy(bookTitle.Desc()).Limit(2)
			if outer {
				ms[0] = ms[0].Joined()
			}
			if middle {
				back = back.Joined()
			}
			if inner {
				ms[1] = ms[1].Joined()
			}
			vs, err := views.Find(t.Context(), query.All[book]().OrderBy(bookID.Asc()),
				preload.Many(ms[0], func(v *readBook) *[]readWord { return &v.Words },
					preload.Many(back, func(v *readWord) *[]wordBook { return &v.Books },
						preload.Many(ms[1], func(v *wordBook) *[]tag { return &v.Words }),
						preload.Count(ms[1], func(v *wordBook) *int64 { return &v.N }))))
			check.NoError(t, err)
			return join(vs, func(v *readBook) string {
				return v.Title + "(" + join(v.Words, func(w *readWord) string {
					return w.Word + "(" + join(w.Books, func(b *wordBook) string { return fmt.Sprint(b.Title, b.Words, b.N) }) + ")"
				}) + ")"
			})
		}
		want := read(false, false, false)
		for i := 1; i < 8; i++ {
			check.Same(t, fmt.Sprint(mode, i), read(i&1 > 0, i&2 > 0, i&4 > 0), want)
		}
	}
}

// TestTwoDeclarationsOfOneTable asks the same of a table that was declared
// twice: the statements of one must not be taken for those of the other.
func TestTwoDeclarationsOfOneTable(t *testing.T) {
	l := newLibrary(t)
	ctx := t.Context()
	type allBook book
	hard := preload.HasMany(authors, query.NewTable("books", func(b *allBook) *int64 { return &b.ID }),
		func(b *allBook) *pgtype.Text { return &b.Author })
	as := repo.New(l.pool, authors)
	check.Same(t, "alive", len(check.Value(as.Find(ctx, query.Where(authorBooks.Count().Eq(3))))(t)), 0)
	check.Same(t, "all", len(check.Value(as.Find(ctx, query.Where(hard.Count().Eq(3))))(t)), 1)
}

// TestBadLoads checks that what cannot be is refused before anything is sent,
// joined or not.
func TestBadLoads(t *testing.T) {
	l := newLibrary(t)
	type view struct {
		book
		Words []tag
		Lent  []loan
	}
	words, lent := func(v *view) *[]tag { return &v.Words }, func(v *view) *[]loan { return &v.Lent }
	views := repo.View(repo.New(l.pool, books), func(v *view) *book { return &v.book })
	for name, loads := range map[string][]preload.Load[view]{
		"negative limit":                 {preload.Many(bookLoans.Limit(-1), lent)},
		"negative limit, joined":         {preload.Many(bookLoans.Limit(-1).Joined(), lent)},
		"negative limit, through":        {preload.Many(bookWords.Limit(-1), words)},
		"negative limit, through joined": {preload.Many(bookWords.Limit(-1).Joined(), words)},
		"never deleted":                  {preload.Many(bookWords.WithDeleted(), words)},
		"never deleted, joined":          {preload.Many(bookWords.WithDeleted().Joined(), words)},
		"one field twice":                {preload.Many(bookLoans, lent), preload.Many(bookLoans.Limit(1), lent)},
	} {
		_, err := views.Find(t.Context(), query.All[book](), loads...)
		check.Error(t, name, err, smrt.ErrBadQuery)
	}
	_, err := repo.New(l.pool, books).Find(t.Context(), query.Where(bookWords.WithDeleted().Has()))
	check.Error(t, "filter by what is never deleted", err, smrt.ErrBadQuery)

	defer func() {
		if recover() == nil {
			t.Error("a view that holds the entity twice was accepted")
		}
	}()
	type pair struct {
		A, B book
		By   *author
	}
	preload.One(bookAuthor, func(p *pair) **author { return &p.By })
}

// TestStreamLeftAfterCancel leaves a loop whose context has ended meanwhile.
func TestStreamLeftAfterCancel(t *testing.T) {
	l := newLibrary(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range repo.New(l.pool, authors).Stream(ctx, query.All[author](), preload.Many(authorBooks, func(a *author) *[]book { return &a.Books })) {
		check.NoError(t, err)
		cancel()
		break
	}
}

// TestQuestionMarksInNames: a question mark in the name of a table, a column or
// a type is no placeholder, wherever a statement has it.
func TestQuestionMarksInNames(t *testing.T) {
	type (
		asker struct {
			Mood string `db:"mood?"`
		}
		asked struct {
			ID   int64  `db:"id?"`
			Mood string `db:"mood?"`
		}
		asks struct {
			Mood string `db:"mood?"`
			ID   int64  `db:"id?"`
		}
		view struct {
			asker
			All, First, Through, FirstThrough []asked
			Count                             int64
			Any                               bool
		}
	)
	pool := testdb.Pool(t, testdb.SQL("questions", `
CREATE TYPE "mood?" AS ENUM ('?', 'fine');
CREATE TABLE "askers?" ("mood?" "mood?" PRIMARY KEY);
CREATE TABLE "asked?" ("id?" bigint PRIMARY KEY, "mood?" "mood?");
CREATE TABLE "asks?" ("mood?" "mood?", "id?" bigint);
INSERT INTO "askers?" VALUES ('?');
INSERT INTO "asked?" VALUES (1, '?'), (2, 'fine'), (3, '?');
INSERT INTO "asks?" VALUES ('?', 1), ('?', 3), ('fine', 2)`))
	askers := query.NewTable("askers?", func(v *asker) *string { return &v.Mood })
	askeds := query.NewTable("asked?", func(v *asked) *int64 { return &v.ID })
	through := preload.ManyToMany(askers, query.NewKeylessTable[asks]("asks?"), askeds,
		func(v *asks) *string { return &v.Mood }, func(v *asks) *int64 { return &v.ID })
	direct := preload.HasMany(askers, askeds, func(v *asked) *string { return &v.Mood })
	v, err := repo.View(repo.New(pool, askers), func(v *view) *asker { return &v.asker }).One(t.Context(), query.All[asker](),
		preload.Many(direct, func(v *view) *[]asked { return &v.All }),
		preload.Many(direct.Limit(1), func(v *view) *[]asked { return &v.First }),
		preload.Many(through, func(v *view) *[]asked { return &v.Through }),
		preload.Many(through.Limit(1), func(v *view) *[]asked { return &v.FirstThrough }),
		preload.Count(through, func(v *view) *int64 { return &v.Count }),
		preload.Exists(direct, func(v *view) *bool { return &v.Any }))
	check.NoError(t, err)
	both := []asked{{1, "?"}, {3, "?"}}
	check.Same(t, "all", fmt.Sprint(v.All, v.Through), fmt.Sprint(both, both))
	check.Same(t, "first", fmt.Sprint(v.First, v.FirstThrough), fmt.Sprint(both[:1], both[:1]))
	check.Same(t, "number", fmt.Sprint(v.Count, v.Any), "2 true")
}
