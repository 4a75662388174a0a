package preload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
)

// Snapshot runs fn with a handle on which all reads see the database as it is at
// one instant, whatever is committed meanwhile. So parents and what is loaded
// with them belong together:
//
//	err := preload.Snapshot(ctx, pool, func(db smrt.DB) error {
//		orders, err = views.With(db).Find(ctx, q, withLines)
//		return err
//	})
//
// Several goroutines may use the handle, and loads on it run in parallel, on up
// to [MaxParallel] connections whose transactions share one exported snapshot
// (pg_export_snapshot). If the pool has only one connection to spare, that one
// serves all reads. The handle is for reading only. It ends with fn and must not
// be used afterwards, and rows must be closed before fn returns. What is not
// bound to the handle, with With for instance, reads outside of the snapshot.
//
// On a router it is a read: all of it runs on one server, or on another if that
// one fails before fn is called. fn is called at most once.
func Snapshot(ctx context.Context, pool smrt.Pool, fn func(db smrt.DB) error) error {
	if err := handle.Check(ctx, pool); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	called := false
	below, limits := limit.Below(pool)
	return handle.Read(ctx, below, func(on smrt.DB, _ int) (final bool, err error) {
		err = hold(ctx, on, func(db smrt.DB) error {
			called = true
			return fn(limit.On(db, limits))
		})
		return called, err
	})
}

// hold runs fn on a snapshot of the database that db leads to.
func hold(ctx context.Context, db smrt.DB, fn func(db smrt.DB) error) (err error) {
	on, opens, err := handle.Openly(ctx, db)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	pool, ok := on.(smrt.Pool)
	if !ok {
		return &smrt.OptionsError{Option: "pool", Reason: fmt.Sprintf("leads to a %T, which lends no connections", on)}
	}
	s := &snapshot{pool: pool, free: make(chan *pgxpool.Conn, MaxParallel), lost: make(chan struct{})}
	if s.opens = opens; opens.SQL != "" {
		s.tenant = smrt.TenantOf(ctx)
	}
	defer func() {
		err = errors.Join(err, s.end(ctx))
	}()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	s.conns, s.live = append(s.conns, conn), 1
	if s.id, err = s.export(ctx, conn); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	s.free <- conn
	return fn(s)
}

// begin starts each transaction of a snapshot.
const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

// export begins a transaction and exports its snapshot, in one round trip.
func (s *snapshot) export(ctx context.Context, conn *pgxpool.Conn) (id string, err error) {
	batch := &pgx.Batch{}
	batch.Queue(begin)
	s.opens.Queue(batch)
	batch.Queue("SELECT pg_export_snapshot()").QueryRow(func(row pgx.Row) error { return row.Scan(&id) })
	return id, conn.SendBatch(ctx, batch).Close()
}

// join begins a transaction on an exported snapshot, in one round trip.
func (s *snapshot) join(ctx context.Context, conn *pgxpool.Conn) error {
	batch := &pgx.Batch{}
	batch.Queue(begin)
	// The statement takes no parameter. The name is the server's own, of digits, letters and dashes.
	batch.Queue("SET TRANSACTION SNAPSHOT '" + strings.ReplaceAll(s.id, "'", "''") + "'")
	s.opens.Queue(batch) // a snapshot must be set before anything is run
	return conn.SendBatch(ctx, batch).Close()
}

// snapshot is the handle of [Snapshot].
type snapshot struct {
	pool   smrt.Pool
	opens  handle.Opening
	tenant smrt.Tenant // that opens tells the server of
	id     string
	free   chan *pgxpool.Conn

	lost chan struct{} // closed when no connection is left

	mu     sync.Mutex
	conns  []*pgxpool.Conn // all that were opened
	live   int             // those of them that are not broken
	asking int             // how many are being opened
	ended  bool
}

var (
	errSnapshotEnded = errors.New("the snapshot has ended")
	errSnapshotLost  = errors.New("the snapshot's connections were lost")
)

// How long the pool is asked for a further connection: as long as opening one
// may take if it says that it has room, and hardly at all if it does not say.
// Waiting longer could be forever: several snapshots may each hold one
// connection and wait for the others'.
const (
	patienceWithRoom = 250 * time.Millisecond
	patience         = 5 * time.Millisecond
)

// patienceWith returns how long to ask pool, 0 if it has no room.
func patienceWith(pool smrt.Pool) time.Duration {
	p, ok := pool.(interface{ Stat() *pgxpool.Stat })
	if !ok {
		return patience
	}
	if s := p.Stat(); s.AcquiredConns() >= s.MaxConns() {
		return 0
	}
	return patienceWithRoom
}

// take borrows a connection: one that is free, else a further one, else the
// first that becomes free.
func (s *snapshot) take(ctx context.Context) (*pgxpool.Conn, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	if err := handle.CheckOwn(ctx, "snapshot", s.tenant); err != nil { // none where nobody is told
		return nil, err
	}
	select {
	case conn := <-s.free:
		return conn, nil
	default:
	}
	conn, err := s.another(ctx)
	if conn != nil || err != nil {
		return conn, err
	}
	select {
	case conn := <-s.free:
		return conn, nil
	case <-s.lost:
		return nil, errSnapshotLost
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *snapshot) usable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return errSnapshotEnded
	case s.live == 0:
		return errSnapshotLost
	}
	return nil
}

// another opens a further connection, if there may be one and the pool has it.
func (s *snapshot) another(ctx context.Context) (*pgxpool.Conn, error) {
	wait := patienceWith(s.pool)
	if wait == 0 {
		return nil, nil
	}
	s.mu.Lock()
	if len(s.conns)+s.asking >= MaxParallel {
		s.mu.Unlock()
		return nil, nil
	}
	s.asking++
	s.mu.Unlock()

	brief, cancel := context.WithTimeout(ctx, wait)
	conn, err := s.pool.Acquire(brief)
	cancel()
	if err == nil {
		if err = s.join(ctx, conn); err != nil {
			conn.Release() // the pool drops it if it is in a transaction
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking--
	if err != nil {
		return nil, nil //nolint:nilerr // it was a bonus
	}
	s.conns = append(s.conns, conn)
	s.live++
	return conn, nil
}

// give takes a connection back. One that broke is of no more use: its
// transaction has ended, and a new one cannot join the snapshot once the
// exporting one is gone.
func (s *snapshot) give(conn *pgxpool.Conn) {
	if !conn.Conn().IsClosed() {
		s.free <- conn
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live--; s.live == 0 {
		close(s.lost)
	}
}

// endTimeout is how long ending the transactions may take.
const endTimeout = 5 * time.Second

// end ends the transactions. Nothing was written, so there is nothing to
// commit.
func (s *snapshot) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	var left error
	for _, conn := range s.conns {
		if conn.Conn().PgConn().IsBusy() {
			left = errors.New("snapshot: rows were left open")
		} else if !conn.Conn().IsClosed() {
			_, _ = conn.Exec(ctx, "ROLLBACK") // if it fails the pool drops the connection
		}
		conn.Release()
	}
	return left
}

// Concurrent implements handle.Concurrent.
func (s *snapshot) Concurrent() {}

func (s *snapshot) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	conn, err := s.take(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer s.give(conn)
	return conn.Exec(ctx, sql, args...)
}

func (s *snapshot) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	conn, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	// The rows of a *pgx.Conn: those of a pool's connection are the same without giving it back.
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		s.give(conn)
		return rows, err
	}
	return &lentRows{Rows: rows, give: func() { s.give(conn) }}, nil
}

func (s *snapshot) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := s.Query(ctx, sql, args...)
	return handle.FirstRow(rows, err)
}

func (s *snapshot) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	conn, err := s.take(ctx)
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return &lentBatch{BatchResults: conn.SendBatch(ctx, b), give: func() { s.give(conn) }}
}

func (s *snapshot) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, fmt.Errorf("copy: %w: a snapshot is for reading", smrt.ErrReadOnly)
}

// lentRows give their connection back when they are closed.
type lentRows struct {
	pgx.Rows
	give func()
}

func (r *lentRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *lentRows) Close() {
	r.Rows.Close()
	if r.give != nil {
		r.give()
		r.give = nil
	}
}

// lentBatch gives its connection back when it is closed.
type lentBatch struct {
	pgx.BatchResults
	give func()
}

func (b *lentBatch) Close() error {
	err := b.BatchResults.Close()
	if b.give != nil {
		b.give()
		b.give = nil
	}
	return err
}
