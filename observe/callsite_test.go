package observe_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
)

// handleOfOwn is a handle that a program puts between smrt and pgx.
type handleOfOwn struct{ smrt.DB }

func (h handleOfOwn) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return h.DB.Query(ctx, sql, args...)
}

// TestWrappedHandleIsNotTheSite: every statement of the program goes through the wrapper.
func TestWrappedHandleIsNotTheSite(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	wrapped := s.on(handleOfOwn{handleOfOwn{s.pool}})
	ctx, seen := watch(t, observe.Options{})
	wrapped.get(ctx, 0)
	want := 0
	for i := range 10 {
		want = line() + 1
		_, err := wrapped.categories.Get(ctx, s.shelf[i%3].CategoryID)
		check.NoError(t, err)
	}
	wantSite(t, seen.one(t).Site, "callsite_test.go", want)

	ctx, seen = watch(t, observe.Options{})
	queries := shopdb.New(handleOfOwn{s.pool})
	for range 10 {
		want = line() + 1
		_, err := queries.BoughtTogether(ctx, shopdb.BoughtTogetherParams{MaxRows: 1, MaxBuyers: 1})
		check.NoError(t, err)
	}
	wantSite(t, seen.one(t).Site, "callsite_test.go", want)
}

// TestMethodNamedLikeAHandle: where the user's own code calls it, a Query is as good a site as any.
func TestMethodNamedLikeAHandle(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	ctx, seen := watch(t, observe.Options{})
	want := 0
	for range 10 {
		want = line() + 1
		rows, err := handleOfOwn{s.pool}.Query(ctx, selectCategory, 1)
		check.NoError(t, err)
		rows.Close()
	}
	f := seen.one(t)
	if !strings.HasSuffix(f.Site.Function, "handleOfOwn.Query") {
		t.Errorf("site %s", f.Site)
	}
	wantSite(t, f.Callers[0], "callsite_test.go", want)
}

// relay is a tracer of the user's that passes on what it hears.
type relay struct {
	pgx.QueryTracer
	heard int
}

func (r *relay) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	r.heard++
	return r.QueryTracer.TraceQueryStart(ctx, conn, data)
}

// TestOtherTracersAreNotTheSite puts the tracer below one of the user's.
func TestOtherTracersAreNotTheSite(t *testing.T) {
	t.Parallel()
	var outer *relay
	s := newStore(t, 3, testdb.MaxConns(1), testdb.Configure(func(cfg *pgxpool.Config) {
		outer = &relay{QueryTracer: cfg.ConnConfig.Tracer}
		cfg.ConnConfig.Tracer = multitracer.New(outer)
	}))
	ctx, seen := watch(t, observe.Options{})
	want := 0
	for i := range 10 {
		want = line() + 1
		_, err := s.categories.Get(ctx, s.shelf[i%3].CategoryID)
		check.NoError(t, err)
	}
	wantSite(t, seen.one(t).Site, "callsite_test.go", want)
	if outer.heard < 10 {
		t.Errorf("the user's tracer heard %d statements", outer.heard)
	}
}

// TestDeepStack: the site is found although more frames of other packages lie above it than are usually looked at.
func TestDeepStack(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	ctx, seen := watch(t, observe.Options{})
	for i := range 10 {
		s.sink(ctx, 60, i)
	}
	f := seen.one(t)
	if !strings.HasSuffix(f.Site.Function, "(*store).get") || len(f.Callers) != 2 {
		t.Errorf("got %s", f)
	}
}

func (s *store) sink(ctx context.Context, levels, i int) {
	if levels == 0 {
		s.get(ctx, i)
		return
	}
	s.sink(ctx, levels-1, i)
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ function, file, want string }{
		{"main.main", "/app/main.go", "user"},
		{"shop.list", "/app/list.go", "user"},
		{"example.com/app/store.(*Products).Get", "/app/store/products.go", "user"},
		{"example.com/app/store.Load[...]", "/app/store/load.go", "user"},
		{"example.com/app/db.(*Handle).Query", "/app/db/handle.go", "handle"},
		{"example.com/app/db.Handle.QueryRow", "/app/db/handle.go", "handle"},
		{"example.com/app/db.Exec", "/app/db/handle.go", "handle"},
		{"example.com/app/db.QueryPlan", "/app/db/plan.go", "user"},
		{"example.com/app/dbgen.(*Queries).GetAuthor", "/app/dbgen/authors.sql.go", "library"},
		{"github.com/jackc/pgx/v5.(*Conn).Query", "/mod/conn.go", "sender"},
		{"github.com/jackc/pgx/v5/pgxpool.(*Pool).Query", "/mod/pool.go", "library"},
		{"github.com/jackc/pgxlike.Query2", "/mod/x.go", "user"},
		{"github.com/smrt-go/smrt.Classify", "/mod/errors.go", "library"},
		{"github.com/smrt-go/smrt/repo.(*Repository[...]).Get", "/mod/repo/repo.go", "library"},
		{"github.com/smrt-go/smrt/preload.load.func1", "/mod/preload/load.go", "library"},
		{"github.com/smrt-go/smrt/repo_test.TestGet", "/mod/repo/repo_test.go", "user"},
		{"github.com/smrt-go/smrt/internal/crud.TestX", "/mod/internal/crud/x_test.go", "user"},
		{"github.com/smrt-go/smrt/internal/shop.Report", "/mod/internal/shop/report.go", "user"},
		{"github.com/smrt-go/smrt/internal/shop/shopdb.(*Queries).TopSellers", "/m/reports.sql.go", "library"},
		{"github.com/smrt-go/smrt/cmd/smrt-demo.main", "/mod/cmd/smrt-demo/main.go", "user"},
		{"github.com/smrt-go/smrtlike.F", "/mod/f.go", "user"},
		{"runtime.goexit", "/go/asm.s", "neutral"},
		{"testing.tRunner", "/go/testing.go", "neutral"},
		{"golang.org/x/sync/errgroup.(*Group).Go.func1", "/mod/errgroup.go", "neutral"},
		{"net/http.HandlerFunc.ServeHTTP", "/go/server.go", "user"},
		{"example.com/app.F[example.com/other/pkg.T]", "/app/f.go", "user"},
		{"unnamed", "", "user"},
	} {
		if got := observe.Classify(c.function, c.file); got != c.want {
			t.Errorf("%s in %s: %s, want %s", c.function, c.file, got, c.want)
		}
	}
}

// TestStatementOfNobody: below a stack without the user's frames there is no site.
func TestStatementOfNobody(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		kinds string
		want  string
	}{
		"one frame":                        {"slu", "2"},
		"three of many":                    {"sluuuu", "234"},
		"library between":                  {"slulnu", "25"},
		"a goroutine of smrt":              {"slln", ""},
		"nothing":                          {"", ""},
		"tracers above pgx":                {"uulslu", "5"},
		"not called by pgx":                {"uuu", ""},
		"wrapper below smrt":               {"shlu", "3"},
		"wrappers below smrt":              {"shhlu", "4"},
		"wrapper below the user":           {"shu", "12"},
		"wrapper of a wrapper by the user": {"shhuu", "123"},
		"a handle's name further out":      {"slulh", "24"},
		"pgx again further out":            {"slusu", "24"},
	} {
		if got := observe.Search(c.kinds); got != c.want {
			t.Errorf("%s (%s): frames %q, want %q", what, c.kinds, got, c.want)
		}
	}
}
