package measure

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// distant adds a delay to each round trip of connections.
func distant(dial pgconn.DialFunc, delay time.Duration) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &distantConn{Conn: conn, delay: delay}, nil
	}
}

// distantConn is a connection to a server far away. What is sent without waiting for an answer is under way together.
type distantConn struct {
	net.Conn
	delay time.Duration

	mu  sync.Mutex
	due time.Time // when the answer to what was sent can be here; zero: it has come
}

// Write sends b.
func (c *distantConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.due = time.Now().Add(c.delay)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// Read returns what the server sent, not before it can be here.
func (c *distantConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	left := time.Until(c.due)
	c.due = time.Time{}
	c.mu.Unlock()
	time.Sleep(left)
	return n, err
}
