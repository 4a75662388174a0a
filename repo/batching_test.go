package repo_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// newCrowd is an archive for many callers at a time, whatever the environment
// says about pools.
func newCrowd(t *testing.T) *archive {
	t.Helper()
	return newArchive(t, testdb.MaxConns(8))
}

// together makes reads share a statement for certain: it locks the table, fills
// the slots with reads that block, starts the others, waits until all of them
// wait, and lets go. It returns how many statements were sent for the others.
//
// Tests that use it are not parallel: it counts the goroutines that wait.
func (a *archive) together(t *testing.T, table string, occupy func(), reads ...func()) int {
	t.Helper()
	return a.hold(t, table, occupy, reads, func() {})
}

// hold is together with something that happens while all reads wait.
func (a *archive) hold(t *testing.T, table string, occupy func(), reads []func(), meanwhile func()) int {
	t.Helper()
	const slots = 2
	tx := check.Value(a.pool.Begin(t.Context()))(t)
	defer tx.Rollback(context.Background())
	_, err := tx.Exec(t.Context(), "LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
	check.NoError(t, err)
	a.sent.Reset()
	var all sync.WaitGroup
	for range slots {
		all.Go(occupy)
	}
	eventually(t, "the slots are taken", func() bool { return a.sent.Len() >= slots })
	for _, read := range reads {
		all.Go(read)
	}
	eventually(t, "the reads wait", func() bool { return waiting() == len(reads) })
	meanwhile()
	check.NoError(t, tx.Commit(t.Context()))
	all.Wait()
	return a.sent.Len() - slots - 1 // and the commit
}

// waiting counts the goroutines that wait for a batch.
func waiting() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "internal/batch.(*Gate).Join(")
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testdb.Patience(10 * time.Second)); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// occupy is a read that finds nothing.
func (a *archive) occupy() { _, _ = a.documents.Get(context.Background(), -1) }

func TestGetsShareStatements(t *testing.T) {
	a := newCrowd(t)
	ds := a.add(t, "a", "b", "c", "d", "e", "f", "g", "h")
	const callers, rounds = 100, 30
	sent := a.statements(func() {
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range rounds {
					want := ds[rand.IntN(len(ds))]
					if d, err := a.documents.Get(t.Context(), want.ID); err != nil || d.Slug != want.Slug {
						t.Errorf("got %v, %v, want %s", d, err, want.Slug)
					}
				}
			})
		}
		all.Wait()
	})
	t.Logf("%d gets, %d statements", callers*rounds, sent)
	if sent > callers*rounds/5 {
		t.Errorf("%d gets took %d statements", callers*rounds, sent)
	}
}

func TestSharedGetsAreOneStatement(t *testing.T) {
	a := newCrowd(t)
	ds := a.add(t, "a", "b", "c")
	got := make([]*document, 8)
	errs := make([]error, 8)
	var reads []func()
	for i, id := range []int64{ds[0].ID, ds[1].ID, ds[1].ID, -5, ds[2].ID, ds[0].ID, -5, ds[0].ID} {
		reads = append(reads, func() { got[i], errs[i] = a.documents.Get(t.Context(), id) })
	}
	check.Same(t, "statements", a.together(t, "documents", a.occupy, reads...), 1)
	for i, slug := range []string{"a", "b", "b", "", "c", "a", "", "a"} {
		if slug == "" {
			check.Error(t, "a missing row", errs[i], smrt.ErrNotFound)
			check.Same(t, "text", errs[i].Error(), "get documents: not found")
			if got[i] != nil {
				t.Errorf("got %v for a missing row", got[i])
			}
			continue
		}
		check.NoError(t, errs[i])
		check.Same(t, "slug", got[i].Slug, slug)
	}
	check.Same(t, "key array", strings.Contains(strings.Join(a.sent.Statements(), ";"), "= ANY($1)"), true)
}

// Whoever changes what it got changes nothing for others.
func TestSharedGetsShareNoMemory(t *testing.T) {
	a := newCrowd(t)
	note := "a note"
	d := document{Slug: "a", Note: &note}
	check.NoError(t, a.documents.Create(t.Context(), &d))
	got := make([]*document, 4)
	var reads []func()
	for i := range got {
		reads = append(reads, func() { got[i], _ = a.documents.Get(t.Context(), d.ID) })
	}
	check.Same(t, "statements", a.together(t, "documents", a.occupy, reads...), 1)
	for i, one := range got {
		for _, other := range got[i+1:] {
			if one == other || one.Note == other.Note {
				t.Error("two callers got the same pointer")
			}
		}
		check.Same(t, "note", *one.Note, note)
		*one.Note, one.Slug = "changed", "changed"
	}
}

func TestSharedGetsDoNotSeeDeletedRows(t *testing.T) {
	a := newCrowd(t)
	ds := a.add(t, "a", "b")
	check.NoError(t, a.documents.Delete(t.Context(), ds[0].ID))
	errs := make([]error, 2)
	sent := a.together(t, "documents", a.occupy,
		func() { _, errs[0] = a.documents.Get(t.Context(), ds[0].ID) },
		func() { _, errs[1] = a.documents.Get(t.Context(), ds[1].ID) })
	check.Same(t, "statements", sent, 1)
	check.Error(t, "the deleted row", errs[0], smrt.ErrNotFound)
	check.Error(t, "the other row", errs[1], nil)
}

// What a caller gets is never older than its call: a read joins only what has
// not been sent yet.
func TestGetSeesWhatWasWrittenBefore(t *testing.T) {
	a := newCrowd(t)
	const writers, rounds = 24, 40
	slugs := make([]string, writers)
	for i := range slugs {
		slugs[i] = fmt.Sprint("w", i)
	}
	ds := a.add(t, slugs...)
	var newest [writers]atomic.Int32
	var all sync.WaitGroup
	seed := check.Seed(t)
	for i := range ds {
		newest[i].Store(ds[i].Rank)
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for n := range int32(rounds) {
				n += 1000
				if err := a.documents.Patch(t.Context(), ds[i].ID, docRank.Set(n)); err != nil {
					t.Error(err)
					return
				}
				newest[i].Store(n)
				for _, of := range []int{i, random.IntN(writers), random.IntN(writers)} {
					least := newest[of].Load()
					if d, err := a.documents.Get(t.Context(), ds[of].ID); err != nil || d.Rank < least {
						t.Errorf("rank %v, %v, after %d was written", d, err, least)
						return
					}
				}
			}
		})
	}
	all.Wait()
	gets := 0
	for _, sql := range a.sent.Statements() {
		if strings.HasPrefix(sql, "SELECT") {
			gets++
		}
	}
	t.Logf("%d gets, %d statements", writers*rounds*3, gets)
	if gets > writers*rounds*3*3/4 {
		t.Errorf("%d gets took %d statements: hardly anything was shared", writers*rounds*3, gets)
	}
}

// A caller that goes does so at once, also when it was the first of its batch,
// and takes nobody along.
func TestSharedGetIsCancelledAlone(t *testing.T) {
	a := newCrowd(t)
	ds := a.add(t, "a", "b", "c")
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	errs := make([]error, 2)
	sent := a.hold(t, "documents", a.occupy, []func(){
		func() { _, err := a.documents.Get(ctx, ds[0].ID); gone <- err },
		func() { _, errs[0] = a.documents.Get(t.Context(), ds[1].ID) },
		func() { _, errs[1] = a.documents.Get(t.Context(), ds[2].ID) },
	}, func() {
		cancel()
		select {
		case err := <-gone:
			check.Error(t, "the cancelled one", err, context.Canceled)
		case <-time.After(testdb.Patience(5 * time.Second)):
			t.Error("the cancelled one is still waiting")
		}
	})
	check.Same(t, "statements", sent, 1)
	for _, err := range errs {
		check.Error(t, "another one", err, nil)
	}
}

// A row that cannot be read, and a key that the column cannot hold, are errors
// of those who asked for them.
func TestSharedGetsHaveTheirOwnErrors(t *testing.T) {
	a := newCrowd(t)
	ds := a.add(t, "a", "b", "c")
	_, err := a.pool.Exec(t.Context(), "UPDATE documents SET created_at = 'infinity' WHERE id = $1", ds[1].ID)
	check.NoError(t, err)
	got := make([]*document, 3)
	errs := make([]error, 3)
	var reads []func()
	for i := range ds {
		reads = append(reads, func() { got[i], errs[i] = a.documents.Get(t.Context(), ds[i].ID) })
	}
	a.together(t, "documents", a.occupy, reads...)
	alone := check.Value(a.documents.With(a.pool), nil)(t)
	_, want := alone.Get(t.Context(), ds[1].ID)
	check.Error(t, "a row that cannot be read", errs[1], smrt.ErrOutOfRange)
	check.Same(t, "text", errs[1].Error(), want.Error())
	for _, i := range []int{0, 2} {
		check.NoError(t, errs[i])
		check.Same(t, "slug", got[i].Slug, ds[i].Slug)
	}
}

func TestSharedGetsOfKeysOutOfRange(t *testing.T) {
	a := newCrowd(t)
	_, err := a.pool.Exec(t.Context(), "CREATE TABLE small (id integer PRIMARY KEY, name text NOT NULL); INSERT INTO small VALUES (1, 'one')", pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	type small struct {
		ID   int64
		Name string
	}
	smalls := repo.New(a.pool, query.NewTable("small", func(s *small) *int64 { return &s.ID }))
	occupy := func() { _, _ = smalls.Get(context.Background(), -1) }
	for round := range 2 { // in the second, the type of the column is known
		errs := make([]error, 3)
		a.together(t, "small", occupy,
			func() { _, errs[0] = smalls.Get(t.Context(), 1) },
			func() { _, errs[1] = smalls.Get(t.Context(), 1) },
			func() {
				if round == 0 {
					_, errs[2] = smalls.Get(t.Context(), 1<<40)
				} else {
					_, errs[2] = smalls.Get(t.Context(), 2)
				}
			})
		check.NoError(t, errs[0])
		check.NoError(t, errs[1])
		if round == 0 {
			check.Error(t, "a key that is out of range", errs[2], smrt.ErrOutOfRange)
		} else {
			check.Error(t, "a missing row", errs[2], smrt.ErrNotFound)
		}
	}
}

// Every type of key that can travel in an array is shared, and compared by the
// server.
func TestSharedGetsOfOtherKeys(t *testing.T) {
	a := newCrowd(t)
	t.Run("text", func(t *testing.T) {
		vouchers := repo.New(a.pool, voucherTable)
		check.NoError(t, vouchers.CreateMany(t.Context(), []voucher{{"A", 1}, {"b'\"\\{}", 2}, {"", 3}}[:2]))
		shareKeys(t, a, "vouchers", vouchers, "none", []string{"b'\"\\{}", "A", "none", "A", "a"},
			func(v *voucher) any { return v.Uses }, []any{int32(2), int32(1), nil, int32(1), nil})
	})
	t.Run("composite", func(t *testing.T) {
		check.NoError(t, a.tiles.CreateMany(t.Context(), []tile{{1, 2, "one two"}, {2, 1, "two one"}}))
		shareKeys(t, a, "tiles", a.tiles, tileKey{9, 9}, []tileKey{{2, 1}, {1, 2}, {1, 1}, {2, 1}},
			func(v *tile) any { return v.Label }, []any{"two one", "one two", nil, "two one"})
	})
	t.Run("uuid", func(t *testing.T) {
		tickets := repo.New(a.pool, ticketTable)
		ts := []ticket{{Label: "first"}, {Label: "second"}}
		check.NoError(t, tickets.CreateMany(t.Context(), ts))
		none := pgtype.UUID{Bytes: [16]byte{1}, Valid: true}
		shareKeys(t, a, "tickets", tickets, none, []pgtype.UUID{ts[1].ID, none, ts[0].ID},
			func(v *ticket) any { return v.Label }, []any{"second", nil, "first"})
	})
}

// shareKeys reads rows by keys in one shared statement.
func shareKeys[T any, K comparable](t *testing.T, a *archive, table string, rows *repo.Repository[T, K], missing K, keys []K, of func(*T) any, want []any) {
	t.Helper()
	_, _ = rows.GetMany(t.Context(), []K{missing}) // looks the types up, where that is needed
	got := make([]any, len(keys))
	var reads []func()
	for i, key := range keys {
		reads = append(reads, func() {
			v, err := rows.Get(t.Context(), key)
			switch {
			case err == nil:
				got[i] = of(v)
			case !errors.Is(err, smrt.ErrNotFound):
				t.Error(err)
			}
		})
	}
	sent := a.together(t, table, func() { _, _ = rows.Get(context.Background(), missing) }, reads...)
	if sent > 2 { // the types of the columns may have been looked up
		t.Errorf("%d statements: %q", sent, a.sent.Statements())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A citext key is found by any spelling, and a padded one by any padding, by
// those who share as by those who do not.
func TestSharedGetsOfKeysThatCompareInTheirOwnWay(t *testing.T) {
	a := newCrowd(t)
	_, err := a.pool.Exec(t.Context(), `CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE folds (code text COLLATE folded PRIMARY KEY, uses integer NOT NULL); INSERT INTO folds VALUES ('Abc', 1);
		CREATE TABLE pads (code char(5) PRIMARY KEY, uses integer NOT NULL); INSERT INTO pads VALUES ('abc', 1)`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Skip("this server has no ICU: ", err)
	}
	for table, keys := range map[string][]string{"folds": {"Abc", "aBC", "x", "ABC"}, "pads": {"abc", "abc  ", "x", "abc "}} {
		t.Run(table, func(t *testing.T) {
			codes := repo.New(a.pool, query.NewTable(table, func(v *voucher) *string { return &v.Code }))
			read := func(key string) bool {
				v, err := codes.Get(context.Background(), key)
				if err != nil && !errors.Is(err, smrt.ErrNotFound) {
					t.Error(err)
				}
				return err == nil && v.Uses == 1
			}
			alone := make([]bool, len(keys))
			got := make([]bool, len(keys))
			var reads []func()
			for i, key := range keys {
				alone[i] = read(key)
				reads = append(reads, func() { got[i] = read(key) })
			}
			a.together(t, table, func() { read("none") }, reads...)
			if !slices.Equal(got, alone) {
				t.Errorf("together %v, alone %v", got, alone)
			}
		})
	}
}

func TestGetManyShares(t *testing.T) {
	a := newCrowd(t)
	ds := a.add(t, "a", "b", "c", "d")
	var one *document
	lists := make([][]*document, 2)
	errs := make([]error, 3)
	keys := []int64{ds[2].ID, -1, ds[0].ID, ds[2].ID}
	sent := a.together(t, "documents", a.occupy,
		func() { one, errs[0] = a.documents.Get(t.Context(), ds[2].ID) },
		func() { lists[0], errs[1] = a.documents.GetMany(t.Context(), keys) },
		func() { lists[1], errs[2] = a.documents.GetMany(t.Context(), keys) })
	check.Same(t, "statements", sent, 1)
	for _, err := range errs {
		check.NoError(t, err)
	}
	for _, list := range lists {
		if len(list) != 4 || list[1] != nil || list[0] != list[3] || list[0].Slug != "c" || list[2].Slug != "a" {
			t.Errorf("got %v", list)
		}
	}
	if lists[0][0] == lists[1][0] || lists[0][0] == one || one.Slug != "c" {
		t.Error("two callers got the same pointer")
	}
}

// More keys than a batch may have are one statement all the same.
func TestGetManyOfMoreThanABatch(t *testing.T) {
	a := newCrowd(t)
	ds := a.add(t, "a", "b", "c")
	documents := repo.New(a.pool, documentTable, repo.Options{Batching: repo.Batching{MaxInFlight: 2, MaxBatch: 2}})
	occupy := func() { _, _ = documents.Get(context.Background(), -1) }
	var list []*document
	sent := a.together(t, "documents", occupy,
		func() { list = check.Value(documents.GetMany(t.Context(), []int64{ds[0].ID, ds[1].ID, ds[2].ID}))(t) },
		func() { _ = check.Value(documents.Get(t.Context(), ds[0].ID))(t) })
	check.Same(t, "statements", sent, 2)
	check.Same(t, "rows", len(list), 3)
	check.Same(t, "the last", list[2].Slug, "c")
}

// The keys are the caller's again as soon as the call has returned, although
// its batch may be about to read them. The race detector sees it otherwise.
func TestKeysMayChangeAfterACancelledGetMany(t *testing.T) {
	a := newCrowd(t)
	ds := a.add(t, "a", "b", "c")
	vouchers := repo.New(a.pool, voucherTable)
	var all sync.WaitGroup
	seed := check.Seed(t)
	for worker := range uint64(16) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, worker))
			keys, codes := []int64{ds[0].ID, ds[1].ID}, []string{"x", "y"}
			for i := range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(1000))*time.Microsecond)
				_, _ = a.documents.GetMany(ctx, keys)
				keys[0], keys[1] = ds[i%3].ID, ds[random.IntN(3)].ID
				_, _ = vouchers.GetMany(ctx, codes)
				codes[0], codes[1] = fmt.Sprint(i), "z"
				cancel()
			}
		})
	}
	all.Wait()
}

// Repositories that were made apart share if they read the same table on the
// same pool, in the same way.
func TestWhoSharesWithWhom(t *testing.T) {
	a := newCrowd(t)
	id := a.add(t, "a")[0].ID
	get := func(db smrt.DB, options ...repo.Options) func() {
		return func() {
			if _, err := repo.New(db, documentTable, options...).Get(context.Background(), id); err != nil {
				t.Error(err)
			}
		}
	}
	check.Same(t, "made apart", a.together(t, "documents", a.occupy, get(a.pool), get(a.pool), get(a.pool)), 1)
	same := repo.Options{Batching: repo.Batching{MaxInFlight: 2, MaxBatch: 1000}}
	check.Same(t, "with the defaults spelled out", a.together(t, "documents", a.occupy, get(a.pool, same), get(a.pool)), 1)
	bound := func() { _ = check.Value(repo.New(nil, documentTable).With(a.pool).Get(context.Background(), id))(t) }
	check.Same(t, "bound later", a.together(t, "documents", a.occupy, bound, get(a.pool)), 1)

	// The others do not wait for anybody, and so are not there to be waited for.
	direct := func(what string, get func()) {
		t.Helper()
		tx := check.Value(a.pool.Begin(t.Context()))(t)
		_, err := tx.Exec(t.Context(), "LOCK TABLE documents IN ACCESS EXCLUSIVE MODE")
		check.NoError(t, err)
		a.sent.Reset()
		var all sync.WaitGroup
		all.Go(a.occupy)
		all.Go(a.occupy)
		eventually(t, "the slots are taken", func() bool { return a.sent.Len() == 2 })
		all.Go(get)
		all.Go(get)
		eventually(t, what+" go alone", func() bool { return a.sent.Len() >= 4 })
		check.NoError(t, tx.Rollback(t.Context()))
		all.Wait()
	}
	direct("gets with other options", get(a.pool, repo.Options{Batching: repo.Batching{MaxInFlight: 7}}))
	direct("gets without batching", get(a.pool, repo.Options{Batching: repo.Batching{Off: true}}))
	direct("gets in transactions", func() {
		_ = pgx.BeginFunc(context.Background(), a.pool, func(tx pgx.Tx) error {
			get(tx)()
			return nil
		})
	})
	direct("gets on connections", func() {
		conn := check.Value(a.pool.Acquire(context.Background()))(t)
		defer conn.Release()
		get(conn)()
	})
}

func TestBadBatchOptions(t *testing.T) {
	for what, options := range map[string][]repo.Options{
		"Batching.MaxInFlight": {{Batching: repo.Batching{MaxInFlight: -1}}},
		"Batching.MaxBatch":    {{Batching: repo.Batching{MaxBatch: -1}}},
		"options":              {{}, {}},
	} {
		func() {
			defer func() {
				if e, ok := recover().(*smrt.OptionsError); !ok || e.Option != what {
					t.Errorf("%s: panicked with %v", what, e)
				}
			}()
			repo.New(nil, documentTable, options...)
		}()
	}
}

// A batch whose callers have all gone is cancelled, and its connection is not
// lost.
func TestAbandonedBatchIsCancelled(t *testing.T) {
	a := newCrowd(t)
	a.add(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	get := func() {
		_, err := a.documents.Get(ctx, 1)
		check.Error(t, "a cancelled get", err, context.Canceled)
	}
	tx := check.Value(a.pool.Begin(t.Context()))(t)
	_, err := tx.Exec(t.Context(), "LOCK TABLE documents IN ACCESS EXCLUSIVE MODE")
	check.NoError(t, err)
	a.sent.Reset()
	first, cancelFirst := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { _, _ = a.documents.Get(first, 1) })
	}
	eventually(t, "the slots are taken", func() bool { return a.sent.Len() == 2 })
	for range 4 {
		all.Go(get)
	}
	eventually(t, "the reads wait", func() bool { return waiting() == 4 })
	cancelFirst()
	eventually(t, "the batch is under way", func() bool { return a.sent.Len() == 3 })
	cancel() // the batch waits for the lock
	all.Wait()
	check.NoError(t, tx.Rollback(t.Context()))
	check.Same(t, "waiting", waiting(), 0)
	eventually(t, "no connection is in use", func() bool { return a.pool.Stat().AcquiredConns() == 0 })
}
