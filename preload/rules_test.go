package preload_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// argTracer records the arguments of statements.
type argTracer struct {
	mu   sync.Mutex
	args []string
}

func (a *argTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.args = append(a.args, fmt.Sprint(data.Args...))
	return ctx
}

func (*argTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestKeysAreSentOnce(t *testing.T) {
	tracer := &argTracer{}
	pool := testdb.Pool(t, librarySchema, testdb.Configure(func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = tracer }))
	var bs []book
	for i := range 1000 {
		b := book{ID: int64(1 + i%2*2), Author: pgtype.Text{String: []string{"le", "we"}[i%2], Valid: i%5 > 0}}
		bs = append(bs, b)
	}
	check.Value(bookAuthor.Load(t.Context(), pool, bs))(t) // which learns the types of the keys
	tracer.args = nil
	check.Value(bookAuthor.Load(t.Context(), pool, bs))(t)
	check.Value(bookLoans.Load(t.Context(), pool, bs))(t)
	if want := []string{"2 values of author", "2 values of id"}; !slices.Equal(tracer.args, want) {
		t.Errorf("arguments: %q, want %q", tracer.args, want)
	}
}

func TestParentsWithOneKey(t *testing.T) {
	for _, joined := range []bool{false, true} {
		t.Run(fmt.Sprint("joined ", joined), func(t *testing.T) {
			l := newLibrary(t)
			fines := loanFines
			if joined {
				fines = fines.Joined()
			}
			vs := []bookView{{book: book{ID: 1}}, {book: book{ID: 3}}, {book: book{ID: 1}}}
			check.NoError(t, preload.Fill(t.Context(), l.pool, vs, preload.Many(bookLoans.OrderBy(loanDays.Asc()),
				func(v *bookView) *[]loanView { return &v.Lent }, preload.Many(fines, func(v *loanView) *[]cents { return &v.Fines }))))
			check.Same(t, "loans", len(vs[0].Lent), 3)
			check.Same(t, "loans of its double", len(vs[2].Lent), 3)
			vs[0].Lent[1].Days = 99
			vs[0].Lent[1].Fines[0].Cents = 99
			check.Same(t, "the double's loan", vs[2].Lent[1].Days, 14)
			check.Same(t, "the double's fine", vs[2].Lent[1].Fines[0].Cents, 140)
			vs[0].Lent = append(vs[0].Lent, loanView{})
			check.Same(t, "another's loan", vs[1].Lent[0].Days, 7)
			check.Same(t, "another's book", vs[1].Lent[0].Book, 3)
		})
	}
}

func TestNothingThere(t *testing.T) {
	l := newLibrary(t)
	ctx := t.Context()
	l.sent.Reset()
	check.NoError(t, preload.Fill[bookView](ctx, l.pool, nil, wholeBook...))
	check.NoError(t, preload.Fill(ctx, l.pool, []bookView{{}}))
	check.NoError(t, preload.FillPointers(ctx, l.pool, []*bookView{nil}, wholeBook...))
	check.Same(t, "statements", l.sent.Len(), 0)

	// A book with no author and no shelf asks for neither.
	authorless := []book{{ID: 4}}
	check.Same(t, "author", check.Value(bookAuthor.Load(ctx, l.pool, authorless))(t)[0], nil)
	check.Same(t, "half a composite key", check.Value(bookShelf.Load(ctx, l.pool, []book{{Room: new(int32)}}))(t)[0], nil)
	check.Same(t, "statements", l.sent.Len(), 0)

	// An orphan, and one whose row is soft-deleted, look alike.
	orphans := []book{{SequelOf: pgtype.Int8{Int64: 99, Valid: true}}, {SequelOf: pgtype.Int8{Int64: 6, Valid: true}}}
	before := check.Value(bookSequelOf.Load(ctx, l.pool, orphans))(t)
	check.Same(t, "orphans", fmt.Sprint(before[0] == nil, before[1] == nil), "true true")
	before = check.Value(bookSequelOf.WithDeleted().Load(ctx, l.pool, orphans))(t)
	check.Same(t, "with deleted", fmt.Sprint(before[0] == nil, before[1] == nil), "true false")
}

func TestLoadedIsToldFromEmpty(t *testing.T) {
	l := newLibrary(t)
	vs := []bookView{{book: book{ID: 5}}, {book: book{ID: 5}}}
	if vs[0].Lent != nil || vs[0].Before.Loaded() {
		t.Error("relations are there before they were loaded")
	}
	func() {
		defer func() {
			if msg := fmt.Sprint(recover()); !strings.Contains(msg, "not loaded") {
				t.Errorf("Get of what was not loaded: %s", msg)
			}
		}()
		vs[0].Before.Get()
	}()
	check.NoError(t, preload.Fill(t.Context(), l.pool, vs[:1], wholeBook...))
	if vs[0].Lent == nil || len(vs[0].Lent) > 0 || !vs[0].Before.Loaded() {
		t.Error("relations without rows are not there after they were loaded")
	}
	if _, ok := vs[0].Before.Get(); ok {
		t.Error("a row that is missing was got")
	}
}

func TestOneIsNotSeveral(t *testing.T) {
	l := newLibrary(t)
	_, err := l.pool.Exec(t.Context(), "INSERT INTO profiles (author, bio) VALUES ('le', 'again')")
	check.NoError(t, err)
	_, err = authorProfile.Load(t.Context(), l.pool, []author{{Code: "we"}, {Code: "le"}})
	check.Error(t, "two profiles", err, smrt.ErrTooManyRows)
	if text := err.Error(); !strings.Contains(text, "relation has-one preload_test.author -> preload_test.profile: ") || strings.Contains(text, "argument") {
		t.Errorf("error %q", text)
	}
	check.Same(t, "one profile", check.Value(authorProfile.Load(t.Context(), l.pool, []author{{Code: "we"}}))(t)[0].Bio, "wrote too")
}

func TestDepthIsLimited(t *testing.T) {
	l := newLibrary(t)
	wells := "we"
	as := []chain{{author: author{Code: "no", Mentor: &wells}}}
	load := preload.One(authorMentor, mentor, preload.One(authorMentor, mentor, preload.One(authorMentor, mentor)))
	check.NoError(t, preload.Fill(t.Context(), l.pool, as, load))
	check.Same(t, "chain", as[0].Mentor.Name+", "+as[0].Mentor.Mentor.Name, "Wells, Le Guin")
	l.sent.Reset()
	deep := preload.One(authorMentor, mentor, load)
	err := preload.Fill(t.Context(), l.pool, as, deep)
	check.Error(t, "four levels", err, preload.ErrTooDeep)
	var e *preload.DepthError
	if !errors.As(err, &e) || e.Depth != 4 || e.Max != 3 {
		t.Errorf("error: %+v", e)
	}
	check.Same(t, "statements", l.sent.Len(), 0)
	check.NoError(t, preload.Fill(t.Context(), l.pool, as, deep.MaxDepth(4)))
}

type chain struct {
	author
	Mentor *chain
}

func mentor(c *chain) **chain { return &c.Mentor }

// failing makes loads of a table fail in the server.
func failing(t *testing.T, pool *pgxpool.Pool, table string) {
	t.Helper()
	_, err := pool.Exec(t.Context(), "ALTER TABLE "+table+" RENAME TO gone")
	check.NoError(t, err)
}

func TestErrorsOfLoads(t *testing.T) {
	handles(t, func(t *testing.T, l *library, db smrt.DB) {
		ctx := t.Context()
		bs := allBooks(t, db)
		vs := make([]bookView, len(bs))
		for i := range bs {
			vs[i].book = bs[i]
		}
		if !strings.Contains(t.Name(), "transaction") {
			failing(t, l.pool, "tags")
			err := preload.Fill(ctx, db, vs, wholeBook...)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "42P01" || !strings.Contains(err.Error(), "preload tags") {
				t.Errorf("error: %v", err)
			}
			rows, err := repo.New(db, tags).Find(ctx, query.All[tag]())
			if rows != nil || err == nil {
				t.Errorf("rows %v with error %v", rows, err)
			}
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		check.Error(t, "cancelled", preload.Fill(cancelled, db, vs, wholeBook[1:3]...), context.Canceled)
		check.Error(t, "nil context", preload.Fill(nil, db, vs, wholeBook...), smrt.ErrNilContext) //nolint:staticcheck // the mistake is the point
	})
}

func TestRefusedLoads(t *testing.T) {
	l := newLibrary(t)
	ctx := t.Context()
	check.Error(t, "zero load", preload.Fill(ctx, l.pool, []author{{}}, preload.Load[author]{}), smrt.ErrBadQuery)
	_, err := authorBooks.Limit(-1).Load(ctx, l.pool, []author{{Code: "le"}})
	check.Error(t, "negative limit", err, smrt.ErrBadQuery)
	_, err = authorBooks.Where(bookTitle.Eq("\x00")).Load(ctx, l.pool, []author{{Code: "le"}})
	check.Error(t, "bad value", err, smrt.ErrInvalidText)
	_, err = authorBooks.Load(ctx, l.pool, []author{{Code: "a\x00"}})
	check.Error(t, "bad key", err, smrt.ErrInvalidText)
	for name, declare := range map[string]func(){
		"holder without the entity": func() { preload.One(bookAuthor, func(v *loanView) **author { return new(*author) }) },
		"field of nothing":          func() { preload.One(bookAuthor, func(v *bookView) **author { return nil }) },
		"row of another entity": func() {
			preload.One(bookAuthor, func(v *struct {
				book
				X *fine
			},
			) **fine {
				return &v.X
			})
		},
		"nested zero load": func() {
			preload.One(bookAuthor, func(v *bookView) **author { return &v.By }, preload.Load[author]{})
		},
		"key of another kind": func() {
			preload.BelongsTo(books, profiles, func(b *book) *pgtype.Int4 { return new(pgtype.Int4) })
		},
	} {
		if !panics(declare) {
			t.Errorf("%s: the declaration was accepted", name)
		}
	}
}

func panics(run func()) (did bool) {
	defer func() { did = recover() != nil }()
	run()
	return false
}

// slowTracer makes it visible how many statements run at a time.
type slowTracer struct{ now, most atomic.Int32 }

func (s *slowTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	n := s.now.Add(1)
	for {
		most := s.most.Load()
		if n <= most || s.most.CompareAndSwap(most, n) {
			break
		}
	}
	time.Sleep(10 * time.Millisecond)
	return ctx
}

func (s *slowTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) { s.now.Add(-1) }

func TestSiblingsRunInParallel(t *testing.T) {
	for conns, want := range map[int32]int32{1: 1, 8: preload.MaxParallel} {
		tracer := &slowTracer{}
		pool := testdb.Pool(t, librarySchema, testdb.MaxConns(conns), testdb.Configure(func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = tracer }))
		vs := []bookView{{book: book{ID: 1, Author: pgtype.Text{String: "le", Valid: true}, SequelOf: pgtype.Int8{Int64: 2, Valid: true}}}}
		// The first time each statement is prepared, and on a busy machine some
		// end before others begin.
		for i := 0; i < 5 || i < 200 && tracer.most.Load() < want; i++ {
			check.NoError(t, preload.Fill(t.Context(), pool, vs, wholeBook...))
		}
		if got := tracer.most.Load(); got != want {
			t.Errorf("pool of %d: %d statements at a time, want %d", conns, got, want)
		}
	}
}

func TestFirstErrorCancelsTheRest(t *testing.T) {
	l := newLibrary(t, testdb.MaxConns(4))
	_, err := l.pool.Exec(t.Context(), `ALTER TABLE tags RENAME TO gone; ALTER TABLE loans RENAME TO real_loans;
		CREATE VIEW loans AS SELECT * FROM real_loans WHERE pg_sleep(300) IS NOT NULL`)
	check.NoError(t, err)
	vs := []bookView{{book: book{ID: 1}}}
	start := time.Now()
	err = preload.Fill(t.Context(), l.pool, vs, wholeBook[1], wholeBook[2])
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42P01" {
		t.Errorf("error: %v", err)
	}
	if d := time.Since(start); d > testdb.Patience(5*time.Second) {
		t.Errorf("the other load went on for %v", d)
	}
	// A request to cancel that overtakes its statement is lost, and pgx gives the connection up after 15 s.
	for given := time.Now(); l.pool.Stat().AcquiredConns() > 0 && time.Since(given) < testdb.Patience(2*time.Second); {
		time.Sleep(time.Millisecond)
	}
}

func TestKilledBackend(t *testing.T) {
	l := newLibrary(t, testdb.MaxConns(4), testdb.Direct())
	ctx := t.Context()
	vs := []bookView{{book: book{ID: 1}}}
	check.NoError(t, preload.Fill(ctx, l.pool, vs, wholeBook...))
	killer := check.Value(pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig))(t)
	defer killer.Close(context.WithoutCancel(ctx))
	killed := 0
	for range 20 {
		var n int
		check.NoError(t, killer.QueryRow(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&n))
		killed += n
		if err := preload.Fill(ctx, l.pool, vs, wholeBook...); err == nil {
			check.Same(t, "loans", len(vs[0].Lent), 3)
		}
	}
	if killed < 10 {
		t.Errorf("only %d backends were killed", killed)
	}
	for range 5 { // the pool notices connections that were lost
		if preload.Fill(ctx, l.pool, vs, wholeBook...) == nil {
			return
		}
	}
	t.Error("loads still fail after the kills")
}

// TestManyParents loads for more parents than a statement can have parameters,
// in one statement, and for 200,000 where tests run at their full size.
func TestManyParents(t *testing.T) {
	l := newLibrary(t)
	n := 70_000
	if check.Long() {
		n = 200_000
	}
	_, err := l.pool.Exec(t.Context(), `INSERT INTO books (author, title, pages) SELECT 'le', 'Volume ' || i, i FROM generate_series(1, `+strconv.Itoa(n)+`) AS i;
		INSERT INTO loans (book, days) SELECT id, pages FROM books WHERE id > 100; CREATE INDEX ON loans (book); ANALYZE loans`)
	check.NoError(t, err)
	bs := check.Value(repo.New(l.pool, books).Find(t.Context(), query.Where(bookTitle.HasPrefix("Volume"))))(t)
	check.Same(t, "parents", len(bs), n)
	l.sent.Reset()
	ls := check.Value(bookLoans.Load(t.Context(), l.pool, bs))(t)
	check.Same(t, "statements", l.sent.Len(), 1)
	for i := range ls {
		if len(ls[i]) != 1 || ls[i][0].Days != bs[i].Pages {
			t.Fatalf("book %d of %d pages has loans %v", bs[i].ID, bs[i].Pages, ls[i])
		}
	}
}

// TestTimeIsLinear compares ten times as many parents of ten children each.
func TestTimeIsLinear(t *testing.T) {
	check.Plain(t) // the race detector slows the two sizes down differently
	pool := newOrders(t, testdb.MaxConns(1))
	views := repo.View(repo.New(pool, shop.Orders), func(o *orderGraph) *shop.Order { return &o.Order })
	lines := preload.Many(shop.OrderLines, func(o *orderGraph) *[]lineGraph { return &o.Lines })
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // else a collection falls into the large reads only
	read := func(n int) time.Duration {
		runtime.GC()
		start := check.CPUTime(t)
		orders, err := views.Find(t.Context(), query.Where(shop.OrderID.Le(int64(n))), lines)
		d := check.CPUTime(t) - start
		check.NoError(t, err)
		check.Same(t, "orders", len(orders), n)
		check.Same(t, "lines", len(orders[n-1].Lines), 10)
		return d
	}
	read(10000)
	// The fastest of each counts: processors are shared, and their caches, too. On an idle machine the ratio is 10 to 12,
	// beside fifteen busy programs it was 14; a quadratic step makes it 100.
	const most = 30
	few, many, ratio := time.Hour, time.Hour, 0.0
	for attempt := 0; attempt < 9 || ratio > most && attempt < 100; attempt++ {
		few, many = min(few, read(1000)), min(many, read(10000))
		ratio = float64(many) / float64(few)
	}
	t.Logf("10,000 orders take %.1f times the processor time of 1,000, %v", ratio, few)
	if ratio > most {
		t.Errorf("10,000 orders take %v, %.1f times as long as 1,000", many, ratio)
	}
}
