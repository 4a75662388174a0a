//go:build unix

package testdb_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
)

func TestCountStatements(t *testing.T) {
	t.Parallel()
	var sent *testdb.Counter
	pool := testdb.Pool(t, items, testdb.Configure(func(cfg *pgxpool.Config) {
		sent = testdb.CountStatements(cfg)
	}))
	ctx := t.Context()

	queryOne[int](t, pool, "select $1::int", 1)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "delete from items where id = $1", 9)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"select $1::int", "begin", "delete from items where id = $1", "commit"}
	if got := sent.Statements(); !slices.Equal(got, want) || sent.Len() != 4 || sent.Sends() != 4 {
		t.Errorf("got %q, %d, %d, want %q", got, sent.Len(), sent.Sends(), want)
	}

	sent.Reset()
	batch := &pgx.Batch{}
	batch.Queue("select 1")
	batch.Queue("select 2")
	if err := pool.SendBatch(ctx, batch).Close(); err != nil {
		t.Fatal(err)
	}
	_, err = pool.CopyFrom(ctx, pgx.Identifier{"public", "items"}, []string{"id"}, pgx.CopyFromRows([][]any{{7}}))
	if err != nil {
		t.Fatal(err)
	}
	want = []string{"select 1", "select 2", "copy public.items"}
	if got := sent.Statements(); !slices.Equal(got, want) || sent.Sends() != 2 {
		t.Errorf("got %q in %d sends, want %q in 2", got, sent.Sends(), want)
	}
}

func TestCountStatementsKeepsAnotherTracer(t *testing.T) {
	t.Parallel()
	first := &recordingTracer{}
	var sent *testdb.Counter
	pool := testdb.Pool(t, testdb.Empty, testdb.Configure(func(cfg *pgxpool.Config) {
		cfg.ConnConfig.Tracer = first
		sent = testdb.CountStatements(cfg)
	}))
	queryOne[int](t, pool, "select 1")
	if sent.Len() != 1 || len(first.seen) != 1 {
		t.Errorf("counter saw %d, the other tracer %d, want 1 and 1", sent.Len(), len(first.seen))
	}
}

func TestCounterIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var sent *testdb.Counter
	pool := testdb.Pool(t, testdb.Empty, testdb.Configure(func(cfg *pgxpool.Config) {
		sent = testdb.CountStatements(cfg)
	}))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 10 {
				pool.Exec(context.Background(), "select 1")
				sent.Statements()
			}
		})
	}
	group.Wait()
	if sent.Len() != 80 {
		t.Errorf("%d statements, want 80", sent.Len())
	}
}

type recordingTracer struct{ seen []string }

func (r *recordingTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	r.seen = append(r.seen, d.SQL)
	return ctx
}

func (*recordingTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
