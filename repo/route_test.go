package repo_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle/handletest"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

func (r readCall) String() string { return strings.TrimSpace(r.calls + " " + r.what) }

// TestReadsGoWhereTheRouterSends compares what each call answers on a router
// with what it answers on the place itself, statement by statement. That it
// answers something else on the primary is the control.
func TestReadsGoWhereTheRouterSends(t *testing.T) {
	s := newSites(t)
	for _, r := range readCalls() {
		t.Run(r.String(), func(t *testing.T) {
			want := check.Value(r.run(t.Context(), s.near.pool))(t)
			s.near.sent.Reset()
			check.Value(r.run(t.Context(), s.near.pool))(t)
			statements := s.near.sent.Len()
			if other := check.Value(r.run(t.Context(), s.primary.pool))(t); reflect.DeepEqual(other, want) {
				t.Fatal("the sites answer the same")
			}
			router := s.router()
			s.sent(t, 0, statements, 0, func() {
				check.Equal(t, "answer", check.Value(r.run(t.Context(), router))(t), want)
			})
			begun, ended := router.Reads()
			check.Same(t, "reads begun", begun, 1)
			check.Same(t, "reads ended", ended, 1)
		})
	}
}

// TestFailedReadsGoElsewhere lets the first place be out of reach.
func TestFailedReadsGoElsewhere(t *testing.T) {
	s := newSites(t)
	dead := deadPool(t)
	for _, r := range readCalls() {
		t.Run(r.String(), func(t *testing.T) {
			if _, err := r.run(t.Context(), dead); !unreachable(err) {
				t.Fatalf("the place that should fail answers %v", err)
			}
			want := check.Value(r.run(t.Context(), s.far.pool))(t)
			s.far.sent.Reset()
			check.Value(r.run(t.Context(), s.far.pool))(t)
			router := handletest.New(s.primary.pool, dead, s.far.pool)
			s.sent(t, 0, 0, s.far.sent.Len(), func() {
				check.Equal(t, "answer", check.Value(r.run(t.Context(), router))(t), want)
			})
			if failed := router.Failed(); len(failed) != 1 || !unreachable(failed[0]) {
				t.Errorf("the tries failed with %v, want one that could not connect", failed)
			}
			_, ended := router.Reads()
			check.Same(t, "reads ended", ended, 1)
		})
	}
}

// TestEveryMethodIsRoutedOrNot fails when a method or function is added of which
// the tests here do not know where it goes.
func TestEveryMethodIsRoutedOrNot(t *testing.T) {
	known := []string{"With", "WithoutRules", "Key", "LockMany"}
	for _, r := range readCalls() {
		known = append(known, r.calls)
	}
	for _, w := range writeCalls() {
		known = append(known, w.calls)
	}
	for _, of := range []reflect.Type{reflect.TypeFor[*repo.Repository[ware, int64]](), reflect.TypeFor[*repo.Reader[ware, int64, wareName]]()} {
		for m := range of.Methods() {
			if !slices.Contains(known, m.Name) {
				t.Errorf("%s.%s is in neither list of calls", of, m.Name)
			}
		}
	}
	for _, name := range functions(t) {
		if !slices.Contains(known, name) {
			t.Errorf("%s is not in the list of calls", name)
		}
	}
}

// functions are the exported functions of package repo that take a context.
func functions(t *testing.T) (names []string) {
	t.Helper()
	//nolint:staticcheck // the files of one directory are what is looked at
	packages := check.Value(parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0))(t)
	for _, file := range packages["repo"].Files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || len(f.Type.Params.List) == 0 {
				continue
			}
			if of, ok := f.Type.Params.List[0].Type.(*ast.SelectorExpr); ok && of.Sel.Name == "Context" {
				names = append(names, f.Name.Name)
			}
		}
	}
	if len(names) < 3 {
		t.Fatalf("found only %v", names)
	}
	return names
}

// TestWritesGoToThePrimary sends every write through the router itself.
func TestWritesGoToThePrimary(t *testing.T) {
	s := newSites(t)
	router := s.router()
	for _, w := range writeCalls() {
		t.Run(w.calls, func(t *testing.T) {
			s.sent(t, some, 0, 0, func() { check.NoError(t, w.run(t.Context(), repo.New(router, wares))) })
		})
	}
	begun, _ := router.Reads()
	check.Same(t, "reads", begun, 0)
}

// TestReadOnlyHandleRefusesWrites: before a connection is taken, whatever else
// would be asked for. That the same succeeds on the router is the control.
func TestReadOnlyHandleRefusesWrites(t *testing.T) {
	s := newSites(t)
	handle := handletest.ReadOnly{Router: s.router()}
	acquired := s.primary.pool.Stat().AcquireCount()
	refused := func(name string, call func() error) {
		t.Run(name, func(t *testing.T) {
			s.sent(t, 0, 0, 0, func() {
				check.Error(t, "write", call(), smrt.ErrWriteOnReplica, smrt.ErrReadOnly)
			})
		})
	}
	r := repo.New(handle, wares)
	for _, w := range writeCalls() {
		refused(w.calls, func() error { return w.run(t.Context(), r) })
	}
	refused("LockMany", func() error { _, err := r.LockMany(t.Context(), []int64{1}); return err })
	refused("UpdateWhere with a number to check", func() error {
		_, err := r.UpdateWhere(t.Context(), query.Where(wareStock.Gt(0)), warePrice.Set(math.NaN()))
		return err
	})
	for name, read := range locked(handle) {
		refused(name+" with a lock", func() error { return read(t.Context()) })
	}
	check.Same(t, "connections taken", s.primary.pool.Stat().AcquireCount(), acquired)
	s.sent(t, 0, 1, 0, func() { check.Value(r.Get(t.Context(), 1))(t) })
	check.NoError(t, writeCalls()[0].run(t.Context(), r.With(handle.Router)))
}

// TestLockedReadsGoToThePrimary: a lock on another server would lock nothing.
func TestLockedReadsGoToThePrimary(t *testing.T) {
	s := newSites(t)
	router := s.router()
	for name, read := range locked(router) {
		t.Run(name, func(t *testing.T) {
			s.sent(t, some, 0, 0, func() { check.NoError(t, read(t.Context())) })
		})
	}
	t.Run("lock many", func(t *testing.T) {
		r := repo.New(router, wares)
		s.sent(t, 0, 0, 0, func() {
			var e *smrt.QueryError
			if _, err := r.LockMany(t.Context(), []int64{1}); !errors.As(err, &e) {
				t.Errorf("got %v, want a QueryError: a router is a pool", err)
			}
		})
		s.sent(t, some, 0, 0, func() {
			check.NoError(t, pgx.BeginFunc(t.Context(), router, func(tx pgx.Tx) error {
				vs, err := r.With(tx).LockMany(t.Context(), []int64{1})
				check.NoError(t, err)
				check.Same(t, "locked", vs[0].Name, "primary-1")
				return nil
			}))
		})
	})
	begun, _ := router.Reads()
	check.Same(t, "reads", begun, 0)
}

// TestReadsBesideTheRoutersTransaction reads with repositories that are not
// bound to the transaction that was begun on their router. It would be easy to
// miss: the pool that they would read from is another.
func TestReadsBesideTheRoutersTransaction(t *testing.T) {
	s := newSites(t, testdb.MaxConns(2))
	router := s.router()
	for _, r := range readCalls() {
		t.Run(r.String(), func(t *testing.T) {
			want := check.Value(r.run(t.Context(), s.primary.pool))(t)
			s.sent(t, some, 0, 0, func() {
				check.NoError(t, txn.Run(t.Context(), router, func(ctx context.Context, tx pgx.Tx) error {
					_, err := r.run(ctx, router)
					check.Error(t, "on the router", err, smrt.ErrTxBypass)
					check.Equal(t, "in the transaction", check.Value(r.run(ctx, tx))(t), want)
					return nil
				}))
			})
		})
	}
	begun, _ := router.Reads()
	check.Same(t, "reads", begun, 0)
}

// TestPartsOfAReadAreOfOnePlace lets a read fail in its second statement: all
// of it is read again elsewhere, and nothing remains of the first try.
func TestPartsOfAReadAreOfOnePlace(t *testing.T) {
	t.Run("graph", func(t *testing.T) {
		s := newSites(t)
		s.near.exec(t, "DROP TABLE parts")
		router := s.router()
		want := check.Value(viewOf(s.far.pool).Find(t.Context(), everyWare, withParts))(t)
		s.sent(t, 0, 2, 2, func() {
			check.Equal(t, "rows", check.Value(viewOf(router).Find(t.Context(), everyWare, withParts))(t), want)
		})
		check.Same(t, "failed tries", len(router.Failed()), 1)
	})
	t.Run("joined", func(t *testing.T) {
		s := newSites(t)
		s.near.exec(t, "DROP TABLE parts")
		router := s.router()
		want := check.Value(viewOf(s.far.pool).First(t.Context(), everyWare, withParts, inside))(t)
		check.Equal(t, "row", check.Value(viewOf(router).First(t.Context(), everyWare, withParts, inside))(t), want)
		check.Same(t, "parts read with the row or after it", len(want.Inside), 2)
		check.Same(t, "failed tries", len(router.Failed()), 1)
	})
	t.Run("numbered page", func(t *testing.T) {
		s := newSites(t)
		s.near.cursed(t, 2) // counting does not read the price
		router := s.router()
		want := check.Value(repo.New(s.far.pool, wares).PageNumber(t.Context(), everyWare, 1, 3))(t)
		s.sent(t, 0, 2, 2, func() {
			check.Equal(t, "page", check.Value(repo.New(router, wares).PageNumber(t.Context(), everyWare, 1, 3))(t), want)
		})
		check.Same(t, "failed tries", len(router.Failed()), 1)
	})
}

// TestStreamsMoveOnlyBeforeTheirFirstRow: rows that the caller has seen cannot
// be taken back.
func TestStreamsMoveOnlyBeforeTheirFirstRow(t *testing.T) {
	all := query.All[ware]()
	t.Run("before", func(t *testing.T) {
		s := newSites(t)
		s.near.cursed(t, 1)
		router := s.router()
		s.sent(t, 0, 1, 1, func() {
			rows := check.Value(collected(repo.New(router, wares).Stream(t.Context(), all)))(t)
			check.Same(t, "rows", len(rows), 5)
			check.Same(t, "the first", rows[0].Name, "far-1")
		})
		check.Same(t, "failed tries", len(router.Failed()), 1)
	})
	t.Run("after", func(t *testing.T) {
		s := newSites(t)
		s.near.cursed(t, 3)
		router := s.router()
		s.sent(t, 0, 1, 0, func() {
			rows, err := collected(repo.New(router, wares).Stream(t.Context(), all))
			if err == nil || len(rows) != 2 || rows[1].Name != "near-2" {
				t.Errorf("got %v and error %v, want two rows of the near site and an error", rows, err)
			}
		})
		begun, ended := router.Reads()
		check.Same(t, "reads begun", begun, 1)
		check.Same(t, "reads ended", ended, 1)
	})
	t.Run("with loads", func(t *testing.T) {
		s := newSites(t)
		s.near.exec(t, "DROP TABLE parts")
		router := s.router()
		want := check.Value(collected(viewOf(s.far.pool).Stream(t.Context(), everyWare, withParts)))(t)
		s.sent(t, 0, some, some, func() {
			check.Equal(t, "rows", check.Value(collected(viewOf(router).Stream(t.Context(), everyWare, withParts)))(t), want)
		})
		check.Same(t, "failed tries", len(router.Failed()), 1)
	})
	t.Run("left by a panic", func(t *testing.T) {
		s := newSites(t)
		router := s.router()
		func() {
			defer func() { check.Equal(t, "panic", recover(), any("left")) }()
			for range repo.New(router, wares).Stream(t.Context(), all) {
				panic("left")
			}
		}()
		_, ended := router.Reads()
		check.Same(t, "reads ended", ended, 1)
	})
}

// TestErrorsThatAreAnswersEndARead: another place would answer the same, and
// nobody asks it.
func TestErrorsThatAreAnswersEndARead(t *testing.T) {
	s := newSites(t)
	router := s.router()
	r := repo.New(router, wares)
	s.sent(t, 0, 3, 0, func() {
		_, err := r.Get(t.Context(), 99)
		check.Error(t, "get", err, smrt.ErrNotFound)
		_, err = r.First(t.Context(), query.Where(wareLabel.Eq("none")))
		check.Error(t, "first", err, smrt.ErrNotFound)
		_, err = r.One(t.Context(), query.All[ware]())
		check.Error(t, "one", err, smrt.ErrTooManyRows)
	})
	begun, ended := router.Reads()
	check.Same(t, "reads begun", begun, 3)
	check.Same(t, "reads ended", ended, 3)
}

// TestReadsOfNothingNeedNoPlace: what sends no statement cannot fail for want of
// a server. That a statement fails there is the control.
func TestReadsOfNothingNeedNoPlace(t *testing.T) {
	router := handletest.New(deadPool(t), deadPool(t))
	r := repo.New(router, wares)
	ctx, none := t.Context(), query.Where(wareStock.In())
	check.Same(t, "get many", len(check.Value(r.GetMany(ctx, nil))(t)), 0)
	check.Same(t, "find", len(check.Value(r.Find(ctx, none))(t)), 0)
	check.Same(t, "find with loads", len(check.Value(viewOf(router).Find(ctx, none, withParts))(t)), 0)
	check.Same(t, "count", check.Value(r.Count(ctx, none))(t), 0)
	check.Same(t, "stream", len(check.Value(collected(r.Stream(ctx, none)))(t)), 0)
	begun, _ := router.Reads()
	check.Same(t, "reads", begun, 0)
	if _, err := r.Find(ctx, everyWare); !unreachable(err) {
		t.Errorf("got %v, want an error", err)
	}
	if _, err := r.Find(nil, none); !errors.Is(err, smrt.ErrNilContext) { //nolint:staticcheck // which is the point
		t.Errorf("got %v", err)
	}
}

// TestRepositoriesMoveBetweenRouters binds one repository to several handles:
// what was kept for the places of one must not serve another.
func TestRepositoriesMoveBetweenRouters(t *testing.T) {
	s := newSites(t)
	one, other := s.router(), handletest.New(s.primary.pool, s.far.pool)
	first := repo.New(one, wares)
	second := first.With(other)
	name := func(r *repo.Repository[ware, int64]) string { return check.Value(r.Get(t.Context(), 1))(t).Name }
	for range 2 {
		check.Same(t, "on the first", name(first), "near-1")
		check.Same(t, "on the second", name(second), "far-1")
		check.Same(t, "on the primary", name(first.With(s.primary.pool)), "primary-1")
	}
	one.Move(0, s.far.pool) // a place may lead elsewhere than before
	check.Same(t, "after the move", name(first), "far-1")
	viewed := viewOf(other).With(s.router())
	check.Same(t, "view", check.Value(viewed.First(t.Context(), everyWare))(t).Name, "near-1")
}

// TestReadsByKeyMeetOnTheirPlace counts the statements of many at a time.
func TestReadsByKeyMeetOnTheirPlace(t *testing.T) {
	s := newSites(t, testdb.MaxConns(8))
	router := s.router()
	const callers, rounds = 64, 20
	for _, c := range []struct {
		what   string
		shared bool
		option repo.Options
	}{{"shared", true, repo.Options{}}, {"alone", false, repo.Options{Batching: repo.Batching{Off: true}}}} {
		s.sent(t, 0, some, 0, func() {
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					r := repo.New(router, wares, c.option) // as for a request
					for range rounds {
						if w, err := r.Get(t.Context(), 1); err != nil || w.Name != "near-1" {
							t.Errorf("got %v, %v", w, err)
						}
					}
				})
			}
			all.Wait()
		})
		sent := s.near.sent.Len()
		t.Logf("%s: %d gets, %d statements", c.what, callers*rounds, sent)
		check.Same(t, c.what, sent < callers*rounds/2, c.shared)
	}
}

// TestRoutingAllocatesNothing compares a router with the pool that it leads to.
func TestRoutingAllocatesNothing(t *testing.T) {
	b := newCountedBench(t)
	router := handletest.New(b.pool, b.pool)
	routed := repo.New(router, measurements)
	q := query.Where(level.Eq(7)).Limit(20)
	for what, run := range map[string]func(r *repo.Repository[measurement, int64]) error{
		"get":   func(r *repo.Repository[measurement, int64]) error { _, err := r.Get(b.ctx, 77); return err },
		"find":  func(r *repo.Repository[measurement, int64]) error { _, err := r.Find(b.ctx, q); return err },
		"count": func(r *repo.Repository[measurement, int64]) error { _, err := r.Count(b.ctx, q); return err },
	} {
		plain := count(t, func() error { return run(b.repo) })
		if n := count(t, func() error { return run(routed) }); n != plain {
			t.Errorf("%s allocates %v times on a router, %v on its pool", what, n, plain)
		}
	}
	begun, _ := router.Reads()
	if begun == 0 {
		t.Error("the router was not asked")
	}
}
