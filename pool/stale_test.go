package pool_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/pool"
)

const starSQL = "SELECT * FROM items WHERE id = $1"

// alterUnderLoad adds columns while db reads all of them, 2,000 times a second,
// and returns how many reads failed for which reason.
func alterUnderLoad(t *testing.T, db beginner, admin *pgx.Conn, prefix string, alters int) (reads int64, failed map[string]int) {
	t.Helper()
	failed = map[string]int{}
	var mu sync.Mutex
	var count atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var readers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() {
			tick := time.NewTicker(4 * time.Millisecond)
			defer tick.Stop()
			for n := i; ctx.Err() == nil; n++ {
				<-tick.C
				if err := readStar(db, n); err != nil {
					mu.Lock()
					failed[err.Error()]++
					mu.Unlock()
				}
				count.Add(1)
			}
		})
	}
	for n := range alters {
		time.Sleep(150 * time.Millisecond)
		_, err := admin.Exec(context.Background(), fmt.Sprintf("ALTER TABLE items ADD COLUMN %s%d int DEFAULT 1", prefix, n))
		check.NoError(t, err)
	}
	time.Sleep(150 * time.Millisecond)
	stop()
	readers.Wait()
	return count.Load(), failed
}

// readStar reads all columns in one of the ways to do it.
func readStar(db beginner, n int) error {
	ctx := context.Background()
	switch n % 3 {
	case 0:
		_, err := db.Exec(ctx, starSQL, 1)
		return err
	case 1:
		rows, _ := db.Query(ctx, starSQL, 1)
		_, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
		return err
	}
	return db.QueryRow(ctx, starSQL, 1).Scan(columns{})
}

// columns reads a row of any shape.
type columns struct{}

// ScanRow is pgx's interface.
func (columns) ScanRow(rows pgx.Rows) error { _, err := rows.Values(); return err }

// Nobody notices that a table changes.
func TestTablesChangeUnderLoad(t *testing.T) {
	dsn := url(t)
	admin := check.Value(pgx.Connect(t.Context(), dsn))(t)
	defer admin.Close(context.Background())
	alters := size(10, 100)

	p := open(t, pool.Config{URL: dsn, MaxConns: 4, AcquireTimeout: -1})
	reads, failed := alterUnderLoad(t, p, admin, "a", alters)
	t.Logf("pool: %d reads, %d run again, failed: %v", reads, p.Stats().StalePlans, failed)
	check.Same(t, "failed reads", len(failed), 0)
	if p.Stats().StalePlans < int64(alters) {
		t.Errorf("only %d plans were stale", p.Stats().StalePlans)
	}

	reads, failed = alterUnderLoad(t, control(t, dsn, func(c *pgxpool.Config) { c.MaxConns = 4 }), admin, "b", alters)
	t.Logf("pgxpool: %d reads, failed: %v", reads, failed)
	n := 0
	for text, times := range failed {
		if strings.Contains(text, "0A000") {
			n += times
		}
	}
	if n < alters {
		t.Errorf("control: pgxpool failed %d times only", n)
	}
}

// alterer alters a table after a statement was prepared, some times.
type alterer struct {
	left  int
	alter func()
}

func (a *alterer) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	return ctx
}

func (a *alterer) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {
	if a.left > 0 {
		a.left--
		a.alter()
	}
}

func (a *alterer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (a *alterer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// A plan may become stale again while the statement is prepared anew, twice.
func TestStaleAgain(t *testing.T) {
	t.Parallel()
	dsn := url(t)
	admin := check.Value(pgx.Connect(t.Context(), dsn))(t)
	defer admin.Close(context.Background())
	columns := 0
	a := &alterer{alter: func() {
		columns++
		_, err := admin.Exec(context.Background(), fmt.Sprintf("ALTER TABLE items ADD COLUMN again%d int", columns))
		check.NoError(t, err)
	}}
	p := open(t, pool.Config{URL: dsn, MaxConns: 1, Configure: func(c *pgxpool.Config) { c.ConnConfig.Tracer = a }})
	for n := range 3 { // the three ways to read
		check.NoError(t, readStar(p, n))
		before := p.Stats().StalePlans
		a.left = 2
		a.alter()
		check.NoError(t, readStar(p, n))
		check.Same(t, "run again", p.Stats().StalePlans-before, 3)
		a.left = 3
		a.alter()
		if err := readStar(p, n); err == nil || !strings.Contains(err.Error(), "0A000") {
			t.Errorf("stale four times: got %v", err)
		}
	}
}

// Whoever asked for the columns before the first row gets rows of these columns,
// or the error.
func TestStaleColumnsAreNotSwapped(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1})
	read := func(describe bool) (described, got int, err error) {
		rows, err := p.Query(ctx, starSQL, 1)
		if err != nil {
			return 0, 0, err
		}
		defer rows.Close()
		if describe {
			described = len(rows.FieldDescriptions())
		}
		for rows.Next() {
			got = len(rows.FieldDescriptions())
		}
		return described, got, rows.Err()
	}
	alter := func(column string) {
		conn := check.Value(pgx.Connect(ctx, p.Config().ConnString()))(t)
		defer conn.Close(ctx)
		_, err := conn.Exec(ctx, "ALTER TABLE items ADD COLUMN "+column+" int")
		check.NoError(t, err)
	}
	_, _, err := read(true)
	check.NoError(t, err)
	alter("a")
	_, got, err := read(false)
	check.NoError(t, err)
	check.Same(t, "columns", got, 3)
	alter("b")
	_, _, err = read(true)
	if err == nil || !strings.Contains(err.Error(), "0A000") {
		t.Errorf("described before: got %v", err)
	}
	described, got, err := read(true)
	check.NoError(t, err)
	check.Same(t, "columns that were described", described, 4)
	check.Same(t, "columns", got, 4)
}

// In a transaction nothing is run again: it would be half of it.
func TestStalePlanInTransaction(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1})
	check.NoError(t, readStar(p, 1))
	conn := check.Value(pgx.Connect(ctx, p.Config().ConnString()))(t)
	defer conn.Close(ctx)
	_, err := conn.Exec(ctx, "ALTER TABLE items ADD COLUMN a int")
	check.NoError(t, err)
	tx := check.Value(p.Begin(ctx))(t)
	var db smrt.DB = tx
	_, err = db.Exec(ctx, starSQL, 1)
	if err == nil || !strings.Contains(err.Error(), "0A000") {
		t.Errorf("got %v", err)
	}
	check.NoError(t, tx.Rollback(ctx))
	check.Same(t, "run again", p.Stats().StalePlans, 0)
}
