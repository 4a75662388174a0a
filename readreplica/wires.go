package readreplica

import (
	"context"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
)

// wires are the network connections of a pool, to be cut when their server has
// stopped answering: a read that waits on one of them would otherwise wait for as
// long as the operating system believes in it.
type wires struct {
	mu  sync.Mutex
	set map[*wire]struct{}
}

type wire struct {
	net.Conn
	of   *wires
	once sync.Once
}

// watch lets a pool that is about to be opened tell of its connections.
func (w *wires) watch(cfg *pgxpool.Config) {
	w.set = map[*wire]struct{}{}
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &wire{Conn: conn, of: w}
		w.mu.Lock()
		w.set[c] = struct{}{}
		w.mu.Unlock()
		return c, nil
	}
}

// Close closes the connection.
func (c *wire) Close() error {
	c.once.Do(func() {
		c.of.mu.Lock()
		delete(c.of.set, c)
		c.of.mu.Unlock()
	})
	return c.Conn.Close()
}

// cut closes all of them, and returns how many.
func (w *wires) cut() int {
	w.mu.Lock()
	list := make([]*wire, 0, len(w.set))
	for c := range w.set {
		list = append(list, c)
	}
	w.mu.Unlock()
	for _, c := range list {
		_ = c.Conn.Close() // not of interest: the server is gone
	}
	return len(list)
}
