package measure

import (
	"context"
	"encoding/binary"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// Wire counts what goes between the connections of one contestant and the server, below whatever it uses as a driver.
type Wire struct {
	mu    sync.Mutex
	count Count
}

// Count is what went over the wire.
type Count struct {
	// Statements is how many the server said it had completed, BEGIN and COMMIT included.
	Statements int

	// RoundTrips is how often something was sent after an answer had come, or as the first thing.
	RoundTrips int

	// Sent and Received are bytes.
	Sent, Received int
}

// Take returns what was counted since the last call.
func (w *Wire) Take() Count {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.count
	w.count = Count{}
	return c
}

func (w *Wire) dial(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &counted{Conn: conn, wire: w, answered: true}, nil
	}
}

// counted is one connection. Its fields are guarded by the wire's lock.
type counted struct {
	net.Conn
	wire     *Wire
	answered bool // the server sent something since the client did

	head []byte // of the message that has begun, up to five bytes
	left int    // bytes of the message's body that have not come
}

// Write counts what the client sends.
func (c *counted) Write(b []byte) (int, error) {
	c.wire.mu.Lock()
	if c.answered {
		c.wire.count.RoundTrips++
	}
	c.answered = false
	c.wire.count.Sent += len(b)
	c.wire.mu.Unlock()
	return c.Conn.Write(b)
}

// Read counts what the server sends.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	if n > 0 {
		c.answered = true
		c.wire.count.Received += n
		c.follow(b[:n])
	}
	return n, err
}

const (
	headBytes       = 5 // a type and a length, which counts itself but not the type
	commandComplete = 'C'
)

// follow reads the heads of messages.
func (c *counted) follow(b []byte) {
	for len(b) > 0 {
		if c.left > 0 {
			skip := min(c.left, len(b))
			c.left, b = c.left-skip, b[skip:]
			continue
		}
		take := min(headBytes-len(c.head), len(b))
		c.head, b = append(c.head, b[:take]...), b[take:]
		if len(c.head) < headBytes {
			return
		}
		if c.head[0] == commandComplete {
			c.wire.count.Statements++
		}
		c.left = int(binary.BigEndian.Uint32(c.head[1:])) - (headBytes - 1)
		c.head = c.head[:0]
	}
}
