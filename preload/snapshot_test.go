package preload_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// balance writes a state of which every part carries the same number: the
// pages of a book, the days of its loans and the cents of their fines.
func balance(ctx context.Context, pool *pgxpool.Pool, n int) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue("UPDATE books SET pages = $1 WHERE id = 1", n) // and other writers wait
		batch.Queue("UPDATE loans SET days = $1 WHERE book = 1", n)
		batch.Queue("UPDATE fines SET cents = $1 WHERE loan IN (SELECT id FROM loans WHERE book = 1)", n)
		return tx.SendBatch(ctx, batch).Close()
	})
}

type balancedBook struct {
	book
	Lent  []loanView
	Again []loanView // read beside the others, on another connection
}

var balanced = []preload.Load[balancedBook]{
	preload.Many(bookLoans, func(v *balancedBook) *[]loanView { return &v.Lent },
		preload.Many(loanFines, func(l *loanView) *[]cents { return &l.Fines })),
	preload.Many(bookLoans, func(v *balancedBook) *[]loanView { return &v.Again }),
}

// mixed reports whether a book and what was loaded with it are of two states.
func mixed(v *balancedBook) bool {
	for _, l := range slices.Concat(v.Lent, v.Again) {
		if l.Days != v.Pages {
			return true
		}
		for _, f := range l.Fines {
			if f.Cents != v.Pages {
				return true
			}
		}
	}
	return false
}

// readWhileWriting reads the graph 300 times while writers write, and on until
// ten states were seen and, if it is a control, a read has mixed two of them.
func readWhileWriting(t *testing.T, l *library, control bool, read func(context.Context) (*balancedBook, error)) (reads, mixes int) {
	t.Helper()
	check.NoError(t, balance(t.Context(), l.pool, 1))
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for n := 2; ctx.Err() == nil; n++ {
				if err := balance(ctx, l.pool, n); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	defer writers.Wait()
	defer stop()
	seen := map[int32]bool{}
	for ; reads < 300 || reads < 30_000 && (len(seen) < 10 || control && mixes == 0); reads++ {
		v, err := read(t.Context())
		check.NoError(t, err)
		check.Same(t, "loans", len(v.Lent), 3)
		seen[v.Pages] = true
		if mixed(v) {
			mixes++
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d states were seen: the writers did not write", len(seen))
	}
	return reads, mixes
}

func TestSnapshotIsOneInstant(t *testing.T) {
	l := newLibrary(t, testdb.MaxConns(8))
	views := repo.View(repo.New(l.pool, books), func(v *balancedBook) *book { return &v.book })
	first := query.Where(bookID.Eq(1))
	_, mixes := readWhileWriting(t, l, false, func(ctx context.Context) (v *balancedBook, err error) {
		err = preload.Snapshot(ctx, l.pool, func(db smrt.DB) error {
			v, err = views.With(db).One(ctx, first, balanced...)
			return err
		})
		return v, err
	})
	check.Same(t, "mixed reads", mixes, 0)

	// The control: without the snapshot the same reads do mix states.
	reads, mixes := readWhileWriting(t, l, true, func(ctx context.Context) (*balancedBook, error) { return views.One(ctx, first, balanced...) })
	if mixes == 0 {
		t.Error("without a snapshot no read mixed two states: the test shows nothing")
	}
	t.Logf("without a snapshot %d of %d reads mixed two states", mixes, reads)
}

func TestSnapshotReadsInParallel(t *testing.T) {
	l := newLibrary(t, testdb.MaxConns(4))
	if n := l.pool.Config().MaxConns; n < 4 {
		t.Skipf("the pool is made to have %d connections", n)
	}
	ctx := t.Context()
	// A snapshot does not wait for connections that are slow to open.
	var conns []*pgxpool.Conn
	for range 4 {
		conns = append(conns, check.Value(l.pool.Acquire(ctx))(t))
	}
	for _, conn := range conns {
		conn.Release()
	}
	// Each waits until all four run.
	const meet = `DO $$ BEGIN
		PERFORM pg_advisory_xact_lock_shared(1);
		FOR i IN 1..6000 LOOP
			IF (SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid
				WHERE locktype = 'advisory' AND datname = current_database()) = 4 THEN RETURN; END IF;
			PERFORM pg_sleep(0.01);
		END LOOP;
		RAISE 'the reads do not run at the same time';
	END $$`
	check.NoError(t, preload.Snapshot(ctx, l.pool, func(db smrt.DB) error {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, err := db.Exec(ctx, meet); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		return nil
	}))
}

// TestSnapshotsShareASmallPool runs many snapshots on few connections: none
// may wait for connections that the others hold.
func TestSnapshotsShareASmallPool(t *testing.T) {
	for _, conns := range []int32{1, 3} {
		t.Run(fmt.Sprint(conns), func(t *testing.T) {
			l := newLibrary(t, testdb.MaxConns(conns))
			ctx, cancel := context.WithTimeout(t.Context(), testdb.Patience(20*time.Second))
			defer cancel()
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 10 {
						err := preload.Snapshot(ctx, l.pool, func(db smrt.DB) error {
							vs := make([]bookView, 0, 5)
							bs, err := repo.New(db, books).Find(ctx, query.All[book]())
							for _, b := range bs {
								vs = append(vs, bookView{book: b})
							}
							return errors.Join(err, preload.Fill(ctx, db, vs, wholeBook...))
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

func TestSnapshotOfMistakes(t *testing.T) {
	l := newLibrary(t)
	ctx := t.Context()
	var kept smrt.DB
	check.NoError(t, preload.Snapshot(ctx, l.pool, func(db smrt.DB) error {
		kept = db
		var n int
		check.NoError(t, db.QueryRow(ctx, "SELECT count(*) FROM books").Scan(&n))
		check.Same(t, "books", n, 6)
		check.Error(t, "write", repo.New(db, tags).Create(ctx, &tag{ID: 9, Word: "x"}), smrt.ErrReadOnly)
		return nil
	}))
	if _, err := kept.Exec(ctx, "SELECT 1"); err == nil {
		t.Error("a handle was of use after its snapshot had ended")
	}
	check.Error(t, "error of fn", preload.Snapshot(ctx, l.pool, func(smrt.DB) error { return errors.ErrUnsupported }), errors.ErrUnsupported)
	err := preload.Snapshot(ctx, l.pool, func(db smrt.DB) error {
		_, err := db.Query(ctx, "SELECT generate_series(1, 100000)") // never closed
		return err
	})
	if err == nil {
		t.Error("rows that were left open went unnoticed")
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	check.Error(t, "cancelled", preload.Snapshot(cancelled, l.pool, func(smrt.DB) error { return nil }), context.Canceled)
}
