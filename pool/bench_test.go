package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/pool"
)

// beginner is what both pools are.
type beginner interface {
	smrt.Pool
	Begin(ctx context.Context) (pgx.Tx, error)
}

// uses are the ways of using a pool.
var uses = []struct {
	name string
	run  func(ctx context.Context, db beginner) error
}{
	{"Exec", func(ctx context.Context, db beginner) error {
		_, err := db.Exec(ctx, "UPDATE items SET name = name WHERE id = $1", 1)
		return err
	}},
	{"Query", func(ctx context.Context, db beginner) error {
		rows, err := db.Query(ctx, "SELECT id, name FROM items WHERE id <= $1", 10)
		if err != nil {
			return err
		}
		for rows.Next() {
			_ = rows.RawValues()
		}
		return rows.Err()
	}},
	{"QueryRow", func(ctx context.Context, db beginner) error {
		var id int
		return db.QueryRow(ctx, "SELECT id FROM items WHERE id = $1", 1).Scan(&id)
	}},
	{"Acquire", func(ctx context.Context, db beginner) error {
		c, err := db.Acquire(ctx)
		if err != nil {
			return err
		}
		c.Release()
		return nil
	}},
	{"Begin", func(ctx context.Context, db beginner) error {
		tx, err := db.Begin(ctx)
		if err != nil {
			return err
		}
		return tx.Rollback(ctx)
	}},
	{"SendBatch", func(ctx context.Context, db beginner) error {
		b := &pgx.Batch{}
		b.Queue("SELECT id FROM items WHERE id = $1", 1)
		b.Queue("SELECT name FROM items WHERE id = $1", 1)
		return db.SendBatch(ctx, b).Close()
	}},
}

func twins(tb testing.TB) (*pool.Pool, *pgxpool.Pool) {
	dsn := url(tb)
	return open(tb, pool.Config{URL: dsn, MaxConns: 4, MinConns: -1}),
		control(tb, dsn, func(c *pgxpool.Config) { c.MaxConns = 4 })
}

// Nothing is allocated that pgxpool does not allocate, with a QueueTarget neither.
func TestAllocations(t *testing.T) {
	check.Plain(t) // the race detector allocates
	ours, theirs := twins(t)
	compareAllocations(t, ours, theirs)
	compareAllocations(t, open(t, pool.Config{URL: url(t), MaxConns: 4, MinConns: -1, QueueTarget: time.Millisecond}), theirs)
}

func compareAllocations(t *testing.T, ours *pool.Pool, theirs *pgxpool.Pool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, u := range uses {
		for range 10 {
			check.NoError(t, u.run(ctx, ours))
			check.NoError(t, u.run(ctx, theirs))
		}
		a := testing.AllocsPerRun(500, func() { _ = u.run(ctx, ours) })
		b := testing.AllocsPerRun(500, func() { _ = u.run(ctx, theirs) })
		if a > b {
			t.Errorf("%s: %v allocations, pgxpool makes %v", u.name, a, b)
		}
	}
}

func BenchmarkPool(b *testing.B) {
	for _, u := range uses {
		b.Run(u.name, func(b *testing.B) {
			ours, theirs := twins(b)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			check.Compare(b,
				func() error { return u.run(ctx, ours) },
				check.Twin{Name: "pgxpool", Run: func() error { return u.run(ctx, theirs) }})
		})
	}
}

// What QueueTarget costs calls that need not wait.
func BenchmarkQueueTarget(b *testing.B) {
	for _, u := range uses {
		b.Run(u.name, func(b *testing.B) {
			dsn := url(b)
			with := open(b, pool.Config{URL: dsn, MaxConns: 4, MinConns: -1, QueueTarget: 10 * time.Millisecond})
			without := open(b, pool.Config{URL: dsn, MaxConns: 4, MinConns: -1})
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			check.Compare(b,
				func() error { return u.run(ctx, with) },
				check.Twin{Name: "without", Run: func() error { return u.run(ctx, without) }})
		})
	}
}
