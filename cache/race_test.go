package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// gate holds the readers of a pool between the end of their statement and what they do
// with its rows.
type gate struct {
	mu     sync.Mutex
	holds  bool
	held   chan struct{} // one for each that is held
	opened chan struct{}
}

func (g *gate) attach(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = g }

func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds, g.held, g.opened = true, make(chan struct{}, 1000), make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holds {
		close(g.opened)
	}
	g.holds = false
}

func (g *gate) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (g *gate) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {
	g.mu.Lock()
	holds, held, opened := g.holds, g.held, g.opened
	g.mu.Unlock()
	if holds {
		held <- struct{}{}
		<-opened
	}
}

// setupGate is setup with a gate at the pool that the cache serves.
func setupGate(t *testing.T) (*fixture, *gate) {
	g := &gate{}
	f := setup(t, testdb.Configure(g.attach))
	t.Cleanup(g.open) // before the pool is closed
	return f, g
}

// A row that was read before a write, and is kept after it, is never returned.
func TestFillThatAWriteOvertakes(t *testing.T) {
	f, g := setupGate(t)
	other := repo.New(f.other, stalls)
	reads := []struct {
		name string
		read func() error
	}{
		{"Get", func() error { _, err := f.stalls.Get(f.ctx, 1); return err }},
		{"GetMany", func() error { _, err := f.stalls.GetMany(f.ctx, []int64{2, 1, absent}); return err }},
	}
	overtakes := []struct {
		name  string
		write func(n int64) error
	}{
		{"Patch", func(n int64) error { return other.Patch(f.ctx, 1, stallN.Set(n)) }},
		{"UpdateWhere", func(n int64) error {
			_, err := other.UpdateWhere(f.ctx, query.Where(stallID.Eq(1)), stallN.Set(n))
			return err
		}},
		{"SQL, and Flush", func(n int64) error { f.exec("UPDATE stalls SET n = $1 WHERE id = 1", n); f.cache.Flush(); return nil }},
		{"SQL, and Forget", func(n int64) error {
			f.exec("UPDATE stalls SET n = $1 WHERE id = 1", n)
			cache.Forget(f.cache, stalls, 1)
			return nil
		}},
		{"Create", func(n int64) error { return other.Create(f.ctx, &stall{ID: absent + n, Name: fmt.Sprint(n)}) }},
	}
	n := int64(0)
	for _, r := range reads {
		for _, o := range overtakes {
			n++
			f.cache.Flush()
			g.hold()
			done := make(chan error, 1)
			go func() { done <- r.read() }()
			select {
			case <-g.held:
			case err := <-done:
				t.Fatalf("%s overtaken by %s: it came from the cache, with %v", r.name, o.name, err)
			}
			check.NoError(t, o.write(n))
			g.open()
			check.NoError(t, <-done)
			want := check.Value(other.Get(f.ctx, 1))(t)
			check.Equal(t, r.name+" overtaken by "+o.name, check.Value(f.stalls.Get(f.ctx, 1))(t), want)
			many := check.Value(f.stalls.GetMany(f.ctx, []int64{1, absent}))(t)
			check.Equal(t, r.name+" overtaken by "+o.name+", of many", many[0], want)
		}
	}
}

// A key of which it was known that there is no row is found once there is one.
func TestMissingRowsAreFoundOnceCreated(t *testing.T) {
	f, g := setupGate(t)
	for id := range int64(40) {
		id += absent
		create := func() error {
			return repo.New(f.other, stalls).Create(f.ctx, &stall{ID: id, Name: fmt.Sprint("new ", id)})
		}
		if id%2 == 0 { // it may be another row that conflicts
			create = func() error {
				_, err := repo.New(f.other, stalls).UpsertMany(f.ctx, []stall{{ID: id, Name: fmt.Sprint("new ", id)}}, query.OnConflict[stall](stallName).DoNothing())
				return err
			}
		}
		if id == absent+1 { // more than are told one by one
			many := []stall{{ID: id, Name: fmt.Sprint("new ", id)}}
			for i := range int64(1000) {
				many = append(many, stall{ID: 20_000 + i, Name: fmt.Sprint("one of many ", i)})
			}
			create = func() error { return repo.New(f.other, stalls).CreateMany(f.ctx, many) }
		}
		g.hold()
		done := make(chan error, 1)
		go func() {
			_, err := f.stalls.Get(f.ctx, id)
			done <- err
		}()
		<-g.held
		check.NoError(t, create())
		g.open()
		check.Error(t, "overtaken", <-done, smrt.ErrNotFound)
		_, err := f.stalls.Get(f.ctx, id)
		check.NoError(t, err)
	}
	check.Same(t, "missing", f.served(func() {
		for range 2 {
			_, err := f.stalls.Get(f.ctx, 7777)
			check.Error(t, "missing", err, smrt.ErrNotFound)
		}
	}), false)
	check.Same(t, "hits of missing rows", f.cache.Stats().Tables["stalls"].Missing, 1)
}

// Old values of flushes and writes while a hundred reads are under way.
func TestOneReadForAll(t *testing.T) {
	f, g := setupGate(t)
	const readers = 1000
	g.hold()
	before := f.count.Len()
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			s, err := f.stalls.Get(f.ctx, 3)
			if err != nil || s.Name != "stall 3" {
				t.Errorf("got %v, %v", s, err)
			}
		})
	}
	<-g.held
	f.until("all wait", func() bool {
		return f.cache.Stats().Tables["stalls"].Joined == readers-1 || f.count.Len()-before > 1
	})
	g.open()
	all.Wait()
	check.Same(t, "statements", f.count.Len()-before, 1)
}

// Many goroutines write in all ways, in transactions that end in all ways, and read.
// When nobody writes, the cache has what the database has.
func TestRandomWritesLeaveNothingOld(t *testing.T) {
	f := setup(t)
	seed := check.Seed(t)
	rounds := 60
	if check.Long() {
		rounds = 600
	}
	const workers, keys = 6, 12
	for round := range rounds {
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(round*workers+w)))
				for range 8 {
					f.act(r, keys)
				}
			})
		}
		all.Wait()
		for id := int64(1); id <= keys; id++ {
			got, err := f.stalls.Get(f.ctx, id)
			want, other := repo.New(f.other, stalls).Get(f.ctx, id)
			if (err == nil) != (other == nil) || err == nil && *got != *want {
				t.Fatalf("round %d, stall %d: the cache has %v, %v, and the database %v, %v", round, id, got, err, want, other)
			}
			i, err := repo.New(f.pool, items).Get(f.ctx, id)
			j, other := repo.New(f.other, items).Get(f.ctx, id)
			if (err == nil) != (other == nil) || err == nil && *i != *j {
				t.Fatalf("round %d, item %d: the cache has %v, %v, and the database %v, %v", round, id, i, err, j, other)
			}
			k, err := repo.New(f.pool, tallies).Get(f.ctx, id)
			l, other := repo.New(f.other, tallies).Get(f.ctx, id)
			if (err == nil) != (other == nil) || err == nil && *k != *l {
				t.Fatalf("round %d, tally %d: the cache has %v, %v, and the database %v, %v", round, id, k, err, l, other)
			}
		}
	}
	s := f.cache.Stats()
	t.Logf("%+v", s)
	if s.Tables["stalls"].Hits == 0 || s.Lost != 0 {
		t.Errorf("hits of stalls: %d, lost: %d", s.Tables["stalls"].Hits, s.Lost)
	}
}

// act does one thing at random: mostly it reads.
func (f *fixture) act(r *rand.Rand, keys int64) {
	id := 1 + r.Int64N(keys)
	switch r.IntN(12) {
	case 0, 1, 2, 3:
		_, err := f.stalls.Get(f.ctx, id)
		f.expect(err)
		_, err = repo.New(f.pool, items).GetMany(f.ctx, []int64{id, 1 + r.Int64N(keys)})
		f.expect(err)
		_, err = repo.New(f.pool, tallies).Get(f.ctx, id)
		f.expect(err)
	case 4, 5:
		f.expect(f.step(f.ctx, f.other, r, id))
	case 6: // by hand
		tx, err := f.other.Begin(f.ctx)
		f.expect(err)
		failed := f.step(f.ctx, tx, r, id)
		_, err = f.stalls.Get(f.ctx, id)
		f.expect(err)
		if failed != nil || r.IntN(2) == 0 {
			f.expect(tx.Rollback(f.ctx))
		} else {
			f.expect(tx.Commit(f.ctx))
		}
	case 7: // killed
		ctx, cancel := context.WithCancel(f.ctx)
		_ = txn.Run(ctx, f.other, func(ctx context.Context, tx pgx.Tx) error {
			err := f.step(ctx, tx, r, id)
			if r.IntN(2) == 0 {
				cancel()
			}
			return err
		})
		cancel()
	default:
		err := txn.Run(f.ctx, f.other, func(ctx context.Context, tx pgx.Tx) error {
			if err := f.step(ctx, tx, r, id); err != nil {
				return err
			}
			_ = txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
				if err := f.step(ctx, tx, r, id%keys+1); err != nil || r.IntN(2) == 0 {
					return errors.Join(err, errUndo)
				}
				return nil
			}, txn.Options{Nested: txn.Savepoint})
			if r.IntN(3) == 0 {
				return errUndo
			}
			return nil
		})
		f.expect(err)
	}
}

// expect allows what concurrent writers do to each other.
func (f *fixture) expect(err error) {
	for _, may := range []error{nil, smrt.ErrNotFound, smrt.ErrForeignKey, smrt.ErrConflict, smrt.ErrTxAborted, smrt.ErrRetriesExhausted, errUndo} {
		if errors.Is(err, may) {
			return
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "40P01" { // a deadlock
		return
	}
	f.tb.Errorf("unexpected: %v", err)
}

// step writes once.
func (f *fixture) step(ctx context.Context, db smrt.DB, r *rand.Rand, id int64) (err error) {
	on, parts := repo.New(db, stalls), repo.New(db, items)
	n := r.Int64N(1000)
	u := unit.New()
	switch r.IntN(11) {
	case 0:
		return on.Patch(ctx, id, stallN.Set(n))
	case 1:
		return on.Update(ctx, &stall{ID: id, Name: fmt.Sprint("stall ", id), N: n})
	case 2:
		_, err = on.UpdateWhere(ctx, query.Where(stallID.In(id, id+1)), stallN.Set(n))
	case 3:
		_, err = on.Upsert(ctx, &stall{ID: id, Name: fmt.Sprint("stall ", id), N: n}, query.OnConflict[stall](stallID).Update(stallN))
	case 4:
		_, err = on.UpsertMany(ctx, []stall{{Name: fmt.Sprint("stall ", id), N: n}}, query.OnConflict[stall](stallName).Update(stallN))
	case 5:
		return on.HardDelete(ctx, id)
	case 6:
		unit.Patch(u, stalls, id, stallN.Set(n))
		_, err = u.Flush(ctx, db)
	case 7:
		unit.Create(u, items, &item{ID: id, Stall: id, N: n})
		_, err = u.Flush(ctx, db)
	case 8:
		return parts.Create(ctx, &item{ID: id, Stall: id, N: n})
	case 9:
		return parts.Delete(ctx, id)
	default:
		return on.Create(ctx, &stall{ID: id, Name: fmt.Sprint("stall ", id), N: n})
	}
	return err
}
