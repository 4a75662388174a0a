package observe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
)

func TestNothingIsCountedOutsideOfAScope(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	for i := range 20 {
		s.get(t.Context(), i)
	}
	if found := observe.Findings(t.Context()); found != nil {
		t.Errorf("found %v", found)
	}
}

// TestScopesCountByThemselves has one statement in each of many scopes and, as its control, all in one.
func TestScopesCountByThemselves(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	seen := &notebook{}
	request := func(ctx context.Context, n int) {
		ctx = observe.WithScope(ctx, observe.Options{Policy: seen.note})
		for i := range n {
			s.get(ctx, i)
		}
	}
	for range 20 {
		request(t.Context(), 1)
	}
	seen.none(t, "20 requests")
	request(t.Context(), 20)
	seen.one(t)
}

func TestScopeWithinAScope(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	outer, heard := watch(t, observe.Options{})
	for range 20 { // each a request of the test
		s.get(observe.WithScope(outer, observe.Options{Policy: observe.Ignore}), 0)
	}
	heard.none(t, "20 requests")

	var inner context.Context
	for range 3 {
		inner = observe.WithScope(outer, observe.Options{Policy: observe.Ignore})
		for i := range 10 {
			s.get(inner, i)
		}
	}
	heard.one(t) // the same finding of the second and third request is no news
	if in, out := observe.Findings(inner), observe.Findings(outer); len(in) != 1 || len(out) != 1 {
		t.Errorf("%d findings within, %d around, want one each", len(in), len(out))
	}
}

// TestScopeWithinADeliberateLoop: that requests are made in a loop says nothing about what they do.
func TestScopeWithinADeliberateLoop(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	seen := &notebook{}
	ctx := observe.WithScope(observe.WithoutCounting(t.Context()), observe.Options{Policy: seen.note})
	for i := range 10 {
		s.get(ctx, i)
	}
	seen.one(t)
}

// fakeT is a test that may fail.
type fakeT struct {
	mu       sync.Mutex
	helpers  int
	messages []string
}

func (f *fakeT) Helper() { f.mu.Lock(); defer f.mu.Unlock(); f.helpers++ }

func (f *fakeT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, fmt.Sprintf(format, args...))
}

var _ observe.TB = testing.TB(nil)

func TestFail(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	test := &fakeT{}
	ctx := observe.WithScope(t.Context(), observe.Options{Policy: observe.Fail(test)})
	for i := range 5 {
		s.get(ctx, i)
	}
	if len(test.messages) != 0 {
		t.Fatalf("failed too early: %q", test.messages)
	}
	for i := range 20 {
		s.get(ctx, i)
	}
	if len(test.messages) != 1 || test.helpers != 1 {
		t.Fatalf("failed %d times: %q", len(test.messages), test.messages)
	}
	for _, want := range []string{
		"sent 6 times by", "fixture_test.go:", "observe_test.(*store).get", "called by", "scope_test.go:",
		`FROM "categories" WHERE "id" = $1`, "instead:",
	} {
		if !strings.Contains(test.messages[0], want) {
			t.Errorf("no %q in %s", want, test.messages[0])
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	ctx := observe.WithScope(t.Context(), observe.Options{Policy: observe.Log(logger)})
	for range 20 {
		nameOf(ctx, s.pool, s.shelf[1].CategoryID)
	}
	text := out.String()
	if n := strings.Count(text, "\n"); n != 1 {
		t.Errorf("%d lines: %s", n, text)
	}
	for _, want := range []string{`"level":"WARN"`, "observe_test.nameOf", `"repeats":6`, `"sql":"` + selectCategory, `"instead":"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// TestLogByDefault is not parallel: it replaces the default logger.
func TestLogByDefault(t *testing.T) {
	s := newStore(t, 3)
	var out bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	ctx := observe.WithScope(t.Context())
	for i := range 20 {
		s.get(ctx, i)
	}
	if n := strings.Count(out.String(), "N+1"); n != 1 {
		t.Errorf("%d lines: %s", n, out.String())
	}
}

// TestBadOptions: a scope that cannot work says so at once, to its own policy
// and to those around it, and stays silent afterwards.
func TestBadOptions(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	for want, options := range map[string][]observe.Options{
		"Limit must not be negative, is -1":               {{Limit: -1}},
		"MaxStatements must not be negative, is -1":       {{MaxStatements: -1}},
		"options must be given at most once, not 2 times": {{}, {Limit: 1}},
	} {
		outer, heard := watch(t, observe.Options{})
		seen, test := &notebook{}, &fakeT{}
		options[0].Policy = func(ctx context.Context, f observe.Finding) {
			seen.note(ctx, f)
			observe.Fail(test)(ctx, f)
		}
		ctx := observe.WithScope(outer, options...)
		for range 20 {
			nameOf(ctx, s.pool, s.shelf[1].CategoryID)
		}
		for where, got := range map[string]observe.Finding{"own policy": seen.one(t), "around": heard.one(t), "Findings": observe.Findings(ctx)[0]} {
			var bad *smrt.OptionsError
			if !errors.As(got.Err, &bad) || bad.Option+" "+bad.Reason != want {
				t.Errorf("%s: got %v, want %q", where, got.Err, want)
			}
		}
		if len(test.messages) != 1 || !strings.Contains(test.messages[0], want) {
			t.Errorf("the test failed with %q, want %q", test.messages, want)
		}
	}
	var out bytes.Buffer
	observe.WithScope(t.Context(), observe.Options{Limit: -1, Policy: observe.Log(slog.New(slog.NewTextHandler(&out, nil)))})
	if text := out.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "Limit must not be negative") {
		t.Errorf("logged %s", text)
	}
}

// TestNoArgumentsInReports sends values that would be recognised.
func TestNoArgumentsInReports(t *testing.T) {
	t.Parallel()
	s := newStore(t, 1)
	ctx, seen := watch(t, observe.Options{})
	for range 10 {
		_, err := s.pool.Exec(ctx, "SELECT $1::text", "a secret")
		check.NoError(t, err)
	}
	if text := fmt.Sprintf("%+v %s", seen.one(t), seen.one(t)); strings.Contains(text, "secret") {
		t.Error(text)
	}
}

func TestLongTextsAreShortened(t *testing.T) {
	t.Parallel()
	s := newStore(t, 1)
	ctx, seen := watch(t, observe.Options{})
	long := "SELECT name,\n\t'" + strings.Repeat("ä", 1000) + "' FROM categories\nWHERE id = $1"
	for range 10 {
		_, err := s.pool.Exec(ctx, long, 1)
		check.NoError(t, err)
	}
	f := seen.one(t)
	if f.SQL != long {
		t.Error("the finding does not have the whole text")
	}
	if text := f.String(); len(text) > 2000 || !strings.Contains(text, "SELECT name, 'ä") || !strings.Contains(text, "categories WHERE id = $1\n") {
		t.Error(text)
	}
}

// TestBounds sends more different texts than are kept. A loop that comes after them is found all the same; without
// the room they make it would not.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	ctx, seen := watch(t, observe.Options{MaxStatements: 20})
	for i := range 200 {
		_, err := s.pool.Exec(ctx, fmt.Sprintf("SELECT %d", i))
		check.NoError(t, err)
		if n := observe.KeptBy(ctx); n > 20 {
			t.Fatalf("%d statements are kept", n)
		}
	}
	for i := range 10 {
		s.get(ctx, i)
	}
	seen.one(t)
}

// TestBoundsOfRepeatedStatements fills a scope with statements that cannot be forgotten.
func TestBoundsOfRepeatedStatements(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	ctx, seen := watch(t, observe.Options{MaxStatements: 20})
	for i := range 40 {
		for range 3 {
			_, err := s.pool.Exec(ctx, fmt.Sprintf("SELECT %d", i))
			check.NoError(t, err)
		}
	}
	if n := observe.KeptBy(ctx); n > 20 {
		t.Errorf("%d statements are kept", n)
	}
	for i := range 10 {
		s.get(ctx, i)
	}
	seen.none(t, "a statement that found no room")
	for range 10 {
		_, err := s.pool.Exec(ctx, "SELECT 0") // known since the beginning, from a new place
		check.NoError(t, err)
	}
	seen.none(t, "a place that found no room")
}

func TestTextsThatAreNotCounted(t *testing.T) {
	t.Parallel()
	s := newStore(t, 1)
	for _, sql := range []string{
		"SET work_mem = '4MB'", "SHOW work_mem", "-- ping", "/* nothing */", "LISTEN news",
		"SELECT count(*) FROM pg_catalog.pg_class",
		"SELECT 1 -- " + strings.Repeat("x", 40_000),
	} {
		ctx, seen := watch(t, observe.Options{})
		for range 10 {
			_, err := s.pool.Exec(ctx, sql)
			check.NoError(t, err)
		}
		seen.none(t, sql[:6])
	}
	for _, sql := range []string{
		"select 1", "-- name: One :one\nSELECT 1", "( VALUES (1) )", "WITH x AS (SELECT 1) SELECT * FROM x", "TABLE tags",
	} {
		ctx, seen := watch(t, observe.Options{})
		for range 10 {
			_, err := s.pool.Exec(ctx, sql)
			check.NoError(t, err)
		}
		seen.one(t)
	}
}

func TestAttachKeepsOtherTracers(t *testing.T) {
	t.Parallel()
	for what, other := range map[string]func(*testdb.Counter, *pgxpool.Config){
		"before, twice": func(_ *testdb.Counter, cfg *pgxpool.Config) { observe.Attach(cfg.ConnConfig) },
		"none":          func(_ *testdb.Counter, cfg *pgxpool.Config) {},
	} {
		var sent *testdb.Counter
		s := newStore(t, 3, testdb.Configure(func(cfg *pgxpool.Config) {
			sent = testdb.CountStatements(cfg)
			other(sent, cfg)
		}))
		sent.Reset()
		ctx, seen := watch(t, observe.Options{})
		for i := range 6 {
			seen.none(t, what) // counted twice, the third would be one too many
			s.get(ctx, i)
		}
		seen.one(t)
		if sent.Len() != 6 {
			t.Errorf("%s: the other tracer saw %d statements, want 6", what, sent.Len())
		}
	}
}

func TestAttachBesideATracerOfTheUser(t *testing.T) {
	t.Parallel()
	cfg, err := pgx.ParseConfig("host=nowhere")
	check.NoError(t, err)
	observe.Attach(cfg)
	first := cfg.Tracer
	observe.Attach(cfg)
	if cfg.Tracer != first {
		t.Error("attached twice")
	}
	own := &relay{QueryTracer: first}
	cfg.Tracer = own
	observe.Attach(cfg)
	both, ok := cfg.Tracer.(*multitracer.Tracer)
	if !ok || len(both.QueryTracers) != 2 || both.QueryTracers[0] != pgx.QueryTracer(own) {
		t.Errorf("tracer %#v", cfg.Tracer)
	}
	observe.Attach(cfg)
	if cfg.Tracer != pgx.QueryTracer(both) {
		t.Error("attached twice")
	}
}

// TestConcurrentScopes is for the race detector.
func TestConcurrentScopes(t *testing.T) {
	t.Parallel()
	s := newStore(t, 3)
	outer, heard := watch(t, observe.Options{MaxStatements: 10})
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			ctx := observe.WithScope(outer, observe.Options{Policy: heard.note})
			for i := range 20 {
				s.get(ctx, i)
				s.get(outer, i)
				s.pool.Exec(outer, fmt.Sprintf("SELECT %d", g*20+i))
				s.pool.Exec(outer, "SELECT broken")
				observe.Findings(outer)
			}
		})
	}
	group.Wait()
	if len(heard.notes) < 3 {
		t.Errorf("%d findings", len(heard.notes))
	}
}
