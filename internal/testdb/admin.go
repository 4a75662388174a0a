package testdb

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// admins are connections to the maintenance database that are kept for the next who needs one: a new one takes 2.4 ms,
// and 1 ms more for each catalog that it reads first. It is only done for the server that tests share, as others are
// stopped and killed. The zero admins keep none.
type admins struct {
	most int

	mu     sync.Mutex
	idle   []*pgx.Conn
	closed bool
}

// with runs fn on a connection that is kept or made by connect.
func (a *admins) with(ctx context.Context, connect func(context.Context) (*pgx.Conn, error), fn func(*pgx.Conn) error) error {
	conn := a.take(ctx)
	if conn == nil {
		var err error
		if conn, err = connect(ctx); err != nil {
			return err
		}
	}
	err := fn(conn)
	a.give(ctx, conn, err)
	return err
}

// take returns a connection that the server has not ended, or nil.
func (a *admins) take(ctx context.Context) *pgx.Conn {
	for {
		a.mu.Lock()
		last := len(a.idle) - 1
		if last < 0 {
			a.mu.Unlock()
			return nil
		}
		conn := a.idle[last]
		a.idle = a.idle[:last]
		a.mu.Unlock()
		if conn.Ping(ctx) == nil {
			return conn
		}
		disconnectNow(ctx, conn)
	}
}

// give keeps a connection, or closes it if its use has failed.
func (a *admins) give(ctx context.Context, conn *pgx.Conn, err error) {
	a.mu.Lock()
	keep := err == nil && !a.closed && len(a.idle) < a.most && !conn.IsClosed()
	if keep {
		a.idle = append(a.idle, conn)
	}
	a.mu.Unlock()
	if !keep {
		disconnectNow(ctx, conn)
	}
}

// close closes those that are idle. Others are closed when they are given back.
func (a *admins) close() {
	a.mu.Lock()
	idle := a.idle
	a.idle, a.closed = nil, true
	a.mu.Unlock()
	for _, conn := range idle {
		disconnectNow(context.Background(), conn)
	}
}

// disconnectNow closes a connection whatever became of the context of its use.
func disconnectNow(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
