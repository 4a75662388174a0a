package cache_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// oneWrite changes stall 1, or another one that it returns.
type oneWrite struct {
	name string
	run  func(ctx context.Context, db smrt.DB) error
}

func everyWrite() []oneWrite {
	on := func(db smrt.DB) *repo.Repository[stall, int64] { return repo.New(db, stalls) }
	one := func() stall { return stall{ID: 1, Name: "stall 1", N: 7} }
	byName := query.OnConflict[stall](stallName).Update(stallN)
	flush := func(add func(u *unit.Unit)) func(context.Context, smrt.DB) error {
		return func(ctx context.Context, db smrt.DB) error {
			u := unit.New()
			add(u)
			_, err := u.Flush(ctx, db)
			return err
		}
	}
	return []oneWrite{
		{"Update", func(ctx context.Context, db smrt.DB) error { s := one(); return on(db).Update(ctx, &s) }},
		{"UpdateMany", func(ctx context.Context, db smrt.DB) error {
			_, err := on(db).UpdateMany(ctx, []stall{one(), {ID: 2, Name: "second", N: 2}})
			return err
		}},
		{"Patch", func(ctx context.Context, db smrt.DB) error { return on(db).Patch(ctx, 1, stallN.Set(8)) }},
		{"PatchEntity", func(ctx context.Context, db smrt.DB) error {
			s := one()
			return on(db).PatchEntity(ctx, &s, stallN.Set(9))
		}},
		{"UpdateWhere", func(ctx context.Context, db smrt.DB) error {
			_, err := on(db).UpdateWhere(ctx, query.Where(stallID.Eq(1)), stallN.Set(10))
			return err
		}},
		{"UpdateReturning", func(ctx context.Context, db smrt.DB) error {
			_, err := on(db).UpdateReturning(ctx, query.Where(stallID.Eq(1)), stallN.Set(11))
			return err
		}},
		{"Delete", func(ctx context.Context, db smrt.DB) error { return on(db).Delete(ctx, 1) }},
		{"HardDelete", func(ctx context.Context, db smrt.DB) error { return on(db).HardDelete(ctx, 1) }},
		{"DeleteMany", func(ctx context.Context, db smrt.DB) error { _, err := on(db).DeleteMany(ctx, []int64{1}); return err }},
		{"DeleteWhere", func(ctx context.Context, db smrt.DB) error {
			_, err := on(db).DeleteWhere(ctx, query.Where(stallID.Eq(1)))
			return err
		}},
		{"DeleteReturning", func(ctx context.Context, db smrt.DB) error {
			_, err := on(db).DeleteReturning(ctx, query.Where(stallID.Eq(1)))
			return err
		}},
		{"Restore", func(ctx context.Context, db smrt.DB) error { return on(db).Restore(ctx, deleted) }},
		{"Create", func(ctx context.Context, db smrt.DB) error {
			return on(db).Create(ctx, &stall{ID: absent, Name: "new"})
		}},
		{"CreateMany", func(ctx context.Context, db smrt.DB) error {
			return on(db).CreateMany(ctx, []stall{{ID: absent, Name: "new"}, {Name: "newer"}})
		}},
		{"GetOrCreate", func(ctx context.Context, db smrt.DB) error {
			_, err := on(db).GetOrCreate(ctx, &stall{ID: absent, Name: "new"}, query.OnConflict[stall](stallName))
			return err
		}},
		{"Upsert by the key", func(ctx context.Context, db smrt.DB) error {
			s := one()
			_, err := on(db).Upsert(ctx, &s, query.OnConflict[stall](stallID).Update(stallN))
			return err
		}},
		{"Upsert by the name", func(ctx context.Context, db smrt.DB) error {
			_, err := on(db).Upsert(ctx, &stall{Name: "stall 1", N: 12}, byName)
			return err
		}},
		{"UpsertMany by the name", func(ctx context.Context, db smrt.DB) error {
			_, err := on(db).UpsertMany(ctx, []stall{{Name: "stall 1", N: 13}, {Name: "another"}}, byName)
			return err
		}},
		{"a unit's update", flush(func(u *unit.Unit) { s := one(); unit.Update(u, stalls, &s) })},
		{"a unit's patch", flush(func(u *unit.Unit) { unit.Patch(u, stalls, 1, stallN.Set(14)) })},
		{"a unit's create", flush(func(u *unit.Unit) { unit.Create(u, stalls, &stall{ID: absent, Name: "new"}) })},
		{"a unit's delete", flush(func(u *unit.Unit) { unit.Delete(u, stalls, 1) })},
		{"a unit's hard delete", flush(func(u *unit.Unit) { unit.HardDelete(u, stalls, 1) })},
		{"a unit's update by query", flush(func(u *unit.Unit) { unit.UpdateWhere(u, stalls, query.Where(stallID.Eq(1)), stallN.Set(15)) })},
		{"a unit's delete by query", flush(func(u *unit.Unit) { unit.HardDeleteWhere(u, stalls, query.Where(stallID.Eq(1))) })},
		{"SQL with a comment", func(ctx context.Context, db smrt.DB) error {
			_, err := cache.On(db).Exec(ctx, "-- name: Raise :exec\nUPDATE stalls /* smrt:writes stalls */ SET n = $1 WHERE id = 1", 17)
			return err
		}},
		{"a row of SQL with a comment", func(ctx context.Context, db smrt.DB) error {
			var id int64
			return cache.On(db).QueryRow(ctx, "-- smrt:writes stalls, nothing\nUPDATE stalls SET n = 18 WHERE id = 1 RETURNING id").Scan(&id)
		}},
		{"a batch of SQL with a comment", func(ctx context.Context, db smrt.DB) error {
			b := &pgx.Batch{}
			b.Queue("SELECT 1")
			b.Queue("DELETE FROM stalls /* smrt:writes stalls */ WHERE id = 1")
			return cache.On(db).SendBatch(ctx, b).Close()
		}},
		{"SQL that is declared", func(ctx context.Context, db smrt.DB) error {
			_, err := db.Exec(ctx, "UPDATE stalls SET n = 16 WHERE id = 1")
			cache.Wrote(ctx, db, stalls)
			return err
		}},
	}
}

const (
	deleted = 40  // a stall that is deleted softly
	absent  = 900 // a stall that does not exist
)

var errUndo = errors.New("undo it")

// onePlace is where a write is made. It runs and ends it; with undo it is rolled back.
type onePlace struct {
	name string
	run  func(f *fixture, undo bool, w func(context.Context, smrt.DB) error) error
	sees bool // the cache is unchanged if it was rolled back
	auto bool // it cannot be rolled back
}

func everyPlace() []onePlace {
	inTx := func(f *fixture, db txn.Beginner, undo bool, w func(context.Context, smrt.DB) error) error {
		err := txn.Run(f.ctx, db, func(ctx context.Context, tx pgx.Tx) error {
			if err := w(ctx, tx); err != nil {
				return err
			}
			if undo {
				return errUndo
			}
			return nil
		})
		if undo && errors.Is(err, errUndo) {
			return nil
		}
		return err
	}
	end := func(ctx context.Context, tx pgx.Tx, undo bool) error {
		if undo {
			return tx.Rollback(ctx)
		}
		return tx.Commit(ctx)
	}
	return []onePlace{
		{name: "the pool", auto: true, run: func(f *fixture, _ bool, w func(context.Context, smrt.DB) error) error { return w(f.ctx, f.pool) }},
		{name: "another pool", auto: true, run: func(f *fixture, _ bool, w func(context.Context, smrt.DB) error) error { return w(f.ctx, f.other) }},
		{name: "a connection", auto: true, run: func(f *fixture, _ bool, w func(context.Context, smrt.DB) error) error {
			conn, err := f.other.Acquire(f.ctx)
			if err != nil {
				return err
			}
			defer conn.Release()
			return w(f.ctx, conn)
		}},
		{name: "a transaction", sees: true, run: func(f *fixture, undo bool, w func(context.Context, smrt.DB) error) error {
			return inTx(f, f.other, undo, w)
		}},
		{name: "a savepoint", sees: true, run: func(f *fixture, undo bool, w func(context.Context, smrt.DB) error) error {
			return txn.Run(f.ctx, f.other, func(ctx context.Context, tx pgx.Tx) error {
				err := txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
					if err := w(ctx, tx); err != nil {
						return err
					}
					if undo {
						return errUndo
					}
					return nil
				}, txn.Options{Nested: txn.Savepoint})
				if undo && errors.Is(err, errUndo) {
					return nil
				}
				return err
			})
		}},
		{name: "a transaction begun by hand", run: func(f *fixture, undo bool, w func(context.Context, smrt.DB) error) error {
			tx, err := f.other.Begin(f.ctx)
			if err != nil {
				return err
			}
			defer tx.Rollback(f.ctx) //nolint:errcheck // it has ended
			if err := w(f.ctx, tx); err != nil {
				return err
			}
			f.look() // while it is open nothing may be kept that it changes
			return end(f.ctx, tx, undo)
		}},
		{name: "a savepoint by hand", run: func(f *fixture, undo bool, w func(context.Context, smrt.DB) error) error {
			tx, err := f.other.Begin(f.ctx)
			if err != nil {
				return err
			}
			defer tx.Rollback(f.ctx) //nolint:errcheck // it has ended
			if err := inTx(f, tx, undo, w); err != nil {
				return err
			}
			f.look()
			return tx.Commit(f.ctx)
		}},
		{name: "BEGIN on a connection", run: func(f *fixture, undo bool, w func(context.Context, smrt.DB) error) error {
			conn, err := f.other.Acquire(f.ctx)
			if err != nil {
				return err
			}
			defer conn.Release()
			ends := map[bool]string{false: "commit", true: "rollback"}[undo]
			_, err = conn.Exec(f.ctx, "begin")
			if err == nil {
				err = w(f.ctx, conn.Conn())
			}
			f.look()
			_, last := conn.Exec(f.ctx, ends)
			return errors.Join(err, last)
		}},
		{name: "a transaction that was adopted and forgotten", run: func(f *fixture, undo bool, w func(context.Context, smrt.DB) error) error {
			tx, err := f.other.Begin(f.ctx)
			if err != nil {
				return err
			}
			defer tx.Rollback(f.ctx) //nolint:errcheck // it has ended
			ctx, _ := txn.Adopt(f.ctx, f.other, tx)
			if err := w(ctx, tx); err != nil {
				return err
			}
			f.look()
			return end(f.ctx, tx, undo)
		}},
	}
}

// look reads what writes change by way of the cache.
func (f *fixture) look() {
	f.tb.Helper()
	for _, id := range []int64{1, 2, deleted, absent} {
		if _, err := f.stalls.Get(f.ctx, id); !errors.Is(err, smrt.ErrNotFound) {
			check.NoError(f.tb, err)
		}
	}
	for id := range int64(2) {
		_, err := repo.New(f.pool, items).Get(f.ctx, id+1)
		if !errors.Is(err, smrt.ErrNotFound) {
			check.NoError(f.tb, err)
		}
		_, err = repo.New(f.pool, labels).Get(f.ctx, id+1)
		check.NoError(f.tb, err)
	}
}

// compare compares what the cache returns with what is in the database.
func (f *fixture) compare(after string) {
	f.tb.Helper()
	for _, id := range []int64{1, 2, deleted, absent} {
		got, err := f.stalls.Get(f.ctx, id)
		want, other := repo.New(f.other, stalls).Get(f.ctx, id)
		check.Same(f.tb, fmt.Sprintf("%s: whether stall %d is there", after, id), err == nil, other == nil)
		if err == nil && other == nil {
			check.Equal(f.tb, fmt.Sprintf("%s: stall %d", after, id), *got, *want)
		}
	}
	_, err := repo.New(f.pool, items).Get(f.ctx, 1)
	_, other := repo.New(f.other, items).Get(f.ctx, 1)
	check.Same(f.tb, after+": whether item 1 is there", err == nil, other == nil)
	got := check.Value(repo.New(f.pool, labels).Get(f.ctx, 1))(f.tb)
	check.Equal(f.tb, after+": label 1", got, check.Value(repo.New(f.other, labels).Get(f.ctx, 1))(f.tb))
}

func (f *fixture) reset() {
	f.exec("DELETE FROM stalls WHERE id NOT BETWEEN 1 AND 40 OR id <= 2")
	f.exec("INSERT INTO stalls (id, name) VALUES (1, 'stall 1'), (2, 'stall 2')")
	f.exec("UPDATE stalls SET deleted_at = now() WHERE id = $1", deleted)
	f.exec("INSERT INTO items (id, stall) VALUES (1, 1), (2, 2)")
	f.exec("UPDATE labels SET item = id WHERE id <= 2")
	f.cache.Flush()
	f.look()
}

// Every write is seen by the next read, wherever it was made; what was rolled back
// leaves the cache as it was.
func TestEveryWriteIsSeen(t *testing.T) {
	f := setup(t)
	for _, p := range everyPlace() {
		for _, w := range everyWrite() {
			for _, undo := range []bool{false, true} {
				if undo && p.auto {
					continue
				}
				f.reset()
				name := fmt.Sprintf("%s on %s, undo %t", w.name, p.name, undo)
				if err := p.run(f, undo, w.run); errors.Is(err, smrt.ErrTxOpen) { // what a unit says of such a connection
					continue
				} else if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if undo && p.sees {
					check.Same(t, name+": served as before", f.served(f.look), true)
				}
				f.compare(name)
				f.compare(name + ", again")
			}
		}
	}
	check.Same(t, "writes that nobody will ever know of", f.cache.Stats().Lost, 0)
}
