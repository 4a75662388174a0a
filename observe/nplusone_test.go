package observe_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/txn"
)

func TestLoopIsReportedOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t, 20)
	ctx, seen := watch(t, observe.Options{})
	products, err := s.products.Find(ctx, query.All[shop.Product]())
	check.NoError(t, err)
	want := 0
	for _, p := range products {
		want = line() + 1
		if _, err := s.categories.Get(ctx, p.CategoryID); err != nil {
			t.Fatal(err)
		}
	}
	f := seen.one(t)
	wantSite(t, f.Site, "nplusone_test.go", want)
	if !strings.HasSuffix(f.Site.Function, "observe_test.TestLoopIsReportedOnce") {
		t.Errorf("function %s", f.Site.Function)
	}
	if f.Repeats != 6 || !strings.Contains(f.SQL, `FROM "categories" WHERE "id" = $1`) {
		t.Errorf("reported after %d repeats of %s", f.Repeats, f.SQL)
	}
	if now := observe.Findings(ctx); len(now) != 1 || now[0].Repeats != 20 {
		t.Errorf("in the end there is %v, want one of 20 times", now)
	}
}

// TestManyAtOnceIsNotReported does the work of TestLoopIsReportedOnce as it should be done.
func TestManyAtOnceIsNotReported(t *testing.T) {
	t.Parallel()
	s := newStore(t, 20)
	ctx, seen := watch(t, observe.Options{})
	products, err := s.products.Find(ctx, query.All[shop.Product]())
	check.NoError(t, err)
	var keys []int64
	for _, p := range products {
		keys = append(keys, p.CategoryID)
	}
	categories, err := s.categories.GetMany(ctx, keys)
	if err != nil || len(categories) != 20 {
		t.Fatal(len(categories), err)
	}
	_, err = s.categories.Find(ctx, query.Where(shop.CategoryID.In(keys...)))
	check.NoError(t, err)
	seen.none(t, "many at once")
}

func TestLimit(t *testing.T) {
	t.Parallel()
	s := newStore(t, 1)
	for limit := range 8 {
		allowed := limit
		if limit == 0 {
			allowed = 5 // the default
		}
		for _, elsewhere := range []bool{false, true} { // who sends it first does not matter
			ctx, seen := watch(t, observe.Options{Limit: limit})
			if elsewhere {
				s.get(ctx, 0)
			}
			for sent := 1; sent <= 3*(allowed+1); sent++ {
				s.get(ctx, sent)
				if want := sent > allowed && sent > 1; want != (len(seen.notes) == 1) {
					t.Fatalf("limit %d: %d findings after %d times", limit, len(seen.notes), sent)
				}
			}
		}
	}
}

// TestSitesAreNotMixed sends a statement often, but from no place more often than allowed. The control is the same
// number from one place.
func TestSitesAreNotMixed(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	ctx, seen := watch(t, observe.Options{})
	s.get(ctx, 0) // the first one must be charged to no other
	for i := range 5 {
		s.get(ctx, i)
	}
	for i := range 5 {
		s.get(ctx, i)
	}
	for i := range 5 {
		s.get(ctx, i)
	}
	seen.none(t, "16 times from four places")
	for i := range 16 {
		s.get(ctx, i)
	}
	seen.one(t)
}

func TestHelperCalledFromTwoPlaces(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	helper := func(ctx context.Context, i int) { s.get(ctx, i) }
	ctx, seen := watch(t, observe.Options{})
	for i := range 5 {
		helper(ctx, i)
	}
	for i := range 5 {
		helper(ctx, i)
	}
	seen.none(t, "a helper of two loops, each within the limit")

	ctx, seen = watch(t, observe.Options{})
	first, second := 0, 0
	for i := range 10 {
		first = line() + 1
		helper(ctx, i)
	}
	for i := range 10 {
		second = line() + 1
		helper(ctx, i)
	}
	if len(seen.notes) != 2 {
		t.Fatalf("%d findings, want one for each loop", len(seen.notes))
	}
	for i, want := range []int{first, second} {
		f := seen.notes[i]
		if !strings.HasSuffix(f.Site.Function, "(*store).get") || len(f.Callers) != 2 {
			t.Fatalf("got %s", f)
		}
		wantSite(t, f.Callers[1], "nplusone_test.go", want)
	}
}

func TestGoroutinesCountTogether(t *testing.T) {
	t.Parallel()
	s := newStore(t, 20)
	ctx, seen := watch(t, observe.Options{})
	group, groupCtx := errgroup.WithContext(ctx)
	want := 0
	for _, p := range s.shelf {
		want = line() + 2
		group.Go(func() error {
			_, err := s.categories.Get(groupCtx, p.CategoryID)
			return err
		})
	}
	check.NoError(t, group.Wait())
	f := seen.one(t)
	wantSite(t, f.Site, "nplusone_test.go", want)
	if len(f.Callers) != 0 {
		t.Errorf("a goroutine is called by nobody, not by %v", f.Callers)
	}
	if got := observe.Findings(ctx)[0].Repeats; got != 20 {
		t.Errorf("%d times, want 20", got)
	}
}

// catalog is a repository of the user's own.
type catalog struct{ *store }

func (c catalog) bySlug(ctx context.Context, slug string) error {
	_, err := c.categories.One(ctx, query.Where(shop.CategorySlug.Eq(slug)))
	return err
}

func TestOwnRepository(t *testing.T) {
	t.Parallel()
	c := catalog{newStore(t, 3)}
	ctx, seen := watch(t, observe.Options{})
	for range 5 {
		check.NoError(t, c.bySlug(ctx, "c0"))
	}
	for range 5 {
		check.NoError(t, c.bySlug(ctx, "c1"))
	}
	seen.none(t, "a method of two loops, each within the limit")
	want := 0
	for range 7 {
		want = line() + 1
		check.NoError(t, c.bySlug(ctx, "c2"))
	}
	f := seen.one(t)
	if !strings.HasSuffix(f.Site.Function, "observe_test.catalog.bySlug") {
		t.Errorf("site %s", f.Site)
	}
	wantSite(t, f.Callers[0], "nplusone_test.go", want)
}

// climb sends a statement at each level of a tree.
func (s *store) climb(ctx context.Context, levels int) {
	s.get(ctx, levels)
	if levels > 0 {
		s.climb(ctx, levels-1)
	}
}

func TestRecursion(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	ctx, seen := watch(t, observe.Options{})
	s.climb(ctx, 20)
	seen.one(t)
}

func TestLoopOverStream(t *testing.T) {
	t.Parallel()
	s := newStore(t, 10, testdb.MaxConns(2)) // the stream keeps one
	ctx, seen := watch(t, observe.Options{})
	want := 0
	for p, err := range s.products.Stream(ctx, query.All[shop.Product]()) {
		check.NoError(t, err)
		want = line() + 1
		_, err = s.categories.Get(ctx, p.CategoryID)
		check.NoError(t, err)
	}
	wantSite(t, seen.one(t).Site, "nplusone_test.go", want)
}

func TestWritesInALoop(t *testing.T) {
	t.Parallel()
	s := newStore(t, 7)
	ctx, seen := watch(t, observe.Options{})
	for i := range 7 {
		slug := fmt.Sprint("new", i)
		check.NoError(t, s.categories.Create(ctx, &shop.Category{Slug: slug, Name: slug}))
	}
	for i := range s.shelf {
		check.NoError(t, s.products.Update(ctx, &s.shelf[i]))
	}
	for _, p := range s.shelf {
		check.NoError(t, s.products.HardDelete(ctx, p.ID))
	}
	if len(seen.notes) != 3 {
		t.Fatalf("%d findings, want 3", len(seen.notes))
	}
	for i, want := range []string{"CreateMany", "UpdateMany", "DeleteMany"} {
		if got := seen.notes[i].Instead; !strings.HasPrefix(got, want) {
			t.Errorf("advice %q, want %s", got, want)
		}
	}

	ctx, seen = watch(t, observe.Options{})
	many := make([]shop.Category, 50)
	for i := range many {
		many[i].Slug, many[i].Name = fmt.Sprint("many", i), "m"
	}
	check.NoError(t, s.categories.CreateMany(ctx, many))
	seen.none(t, "CreateMany")
}

func TestRawSQLAndSQLC(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	ctx, seen := watch(t, observe.Options{})
	raw := 0
	for _, i := range []int{0, 1, 2, 0, 1, 2, 0, 1} {
		raw = line() + 1
		nameOf(ctx, s.pool, s.shelf[i].CategoryID)
	}
	f := seen.one(t)
	wantSite(t, f.Callers[0], "nplusone_test.go", raw)
	if f.SQL != selectCategory {
		t.Errorf("SQL %s", f.SQL)
	}

	ctx, seen = watch(t, observe.Options{})
	queries, generated := shopdb.New(s.pool), 0
	for _, p := range s.shelf {
		for range 3 {
			generated = line() + 1
			_, err := queries.BoughtTogether(ctx, shopdb.BoughtTogetherParams{MaxRows: 1, ProductID: p.ID, MaxBuyers: 1})
			check.NoError(t, err)
		}
	}
	wantSite(t, seen.one(t).Site, "nplusone_test.go", generated)
}

func TestPreparedStatement(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	conn, err := s.pool.Acquire(t.Context())
	check.NoError(t, err)
	defer conn.Release()
	_, err = conn.Conn().Prepare(t.Context(), "category", selectCategory)
	check.NoError(t, err)
	ctx, seen := watch(t, observe.Options{})
	for i := range 7 {
		var name string
		check.NoError(t, conn.QueryRow(ctx, "category", s.shelf[i%3].CategoryID).Scan(&name))
	}
	if f := seen.one(t); f.SQL != selectCategory {
		t.Errorf("the text of a prepared statement is %q", f.SQL)
	}
}

func TestCommentsDoNotMakeShapes(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	for _, form := range []string{"%s /* trace=%d */", "/* trace=%[2]d */ %[1]s"} {
		ctx, seen := watch(t, observe.Options{})
		for i := range 7 {
			_, err := s.pool.Exec(ctx, fmt.Sprintf(form, selectCategory, i), 1)
			check.NoError(t, err)
		}
		if f := seen.one(t); f.SQL != selectCategory {
			t.Errorf("text %q", f.SQL)
		}
	}
}

// TestBatchIsNotReported has one loop by batch and, as its control, one by statement.
func TestBatchIsNotReported(t *testing.T) {
	t.Parallel()
	s := newStore(t, 20)
	ctx, seen := watch(t, observe.Options{})
	batch := &pgx.Batch{}
	for _, p := range s.shelf {
		batch.Queue(selectCategory, p.CategoryID)
	}
	check.NoError(t, s.pool.SendBatch(ctx, batch).Close())
	seen.none(t, "a batch")
	for _, p := range s.shelf {
		nameOf(ctx, s.pool, p.CategoryID)
	}
	seen.one(t)
}

// TestTransactionsInALoop: not begin and commit are reported, but what is sent within.
func TestTransactionsInALoop(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	ctx, seen := watch(t, observe.Options{})
	for i := range 10 {
		check.NoError(t, inTx(ctx, s.pool, func(tx pgx.Tx) error {
			s.on(tx).get(ctx, i)
			return nil
		}))
	}
	if f := seen.one(t); !strings.Contains(f.SQL, "categories") {
		t.Errorf("reported %s", f)
	}
}

// TestRetryIsNotReported tries a transaction ten times, and has the loop within as its control.
func TestRetryIsNotReported(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	const tries = 10
	attempt := func(ctx context.Context, try, reads int) error {
		return inTx(ctx, s.pool, func(tx pgx.Tx) error {
			for i := range reads {
				s.on(tx).get(ctx, i)
			}
			if try == tries-1 {
				return nil
			}
			_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")
			return err
		})
	}
	for reads, reported := range map[int]bool{1: false, 4: false, 9: true} {
		ctx, seen := watch(t, observe.Options{})
		for try := range tries {
			err := attempt(ctx, try, reads)
			var pg *pgconn.PgError
			if try < tries-1 && (!errors.As(err, &pg) || pg.Code != "40001") {
				t.Fatal(err)
			}
		}
		if reported {
			seen.one(t)
		} else {
			seen.none(t, fmt.Sprintf("%d reads in each of %d tries", reads, tries))
		}
	}
}

// TestAttemptsAreNotCounted repeats a closure for reasons that no statement shows.
// More reads in each attempt than the limit are the control.
func TestAttemptsAreNotCounted(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	for reads, reported := range map[int]bool{1: false, 4: false, 9: true} {
		ctx, seen := watch(t, observe.Options{})
		runs := 0
		check.NoError(t, txn.Run(ctx, s.pool, func(ctx context.Context, tx pgx.Tx) error {
			for i := range reads {
				s.on(tx).get(ctx, i)
			}
			if runs++; runs < 8 {
				return &pgconn.PgError{Code: "40001"}
			}
			return nil
		}))
		if reported {
			seen.one(t)
		} else {
			seen.none(t, fmt.Sprintf("%d reads in each of %d attempts", reads, runs))
		}
	}
}

// TestFailedStatementIsNotCounted looks for a slug that is free, which is no loop over rows.
func TestFailedStatementIsNotCounted(t *testing.T) {
	t.Parallel()
	s := newStore(t, 9)
	ctx, seen := watch(t, observe.Options{})
	check.NoError(t, s.categories.Create(ctx, &shop.Category{Slug: "first", Name: "first"})) // so that all others are repeats
	for i := range 10 {
		err := s.categories.Create(ctx, &shop.Category{Slug: fmt.Sprint("c", i), Name: "next"})
		if (err == nil) != (i == 9) {
			t.Fatal(i, err)
		}
	}
	seen.none(t, "nine conflicts")
	for i := range 7 {
		check.NoError(t, s.categories.Create(ctx, &shop.Category{Slug: fmt.Sprint("free", i), Name: "next"}))
	}
	seen.one(t)
}

func TestWithoutCounting(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	for name, deliberate := range map[string]func(context.Context) context.Context{
		"by the user": observe.WithoutCounting,
		"by smrt":     handle.WithoutCounting,
	} {
		ctx, seen := watch(t, observe.Options{})
		for i := range 20 {
			s.get(deliberate(ctx), i)
		}
		seen.none(t, name)
		for i := range 20 {
			s.get(ctx, i)
		}
		seen.one(t)
	}
}
