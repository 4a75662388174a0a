package pool_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// hole is a network in which nothing arrives for a while.
type hole struct {
	mu   sync.Mutex
	open chan struct{} // closed as long as everything passes
}

func newHole() *hole {
	h := &hole{open: make(chan struct{})}
	close(h.open)
	return h
}

func (h *hole) swallow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = make(chan struct{})
}

func (h *hole) heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.open)
}

func (h *hole) passes() chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

func (h *hole) configure(c *pgxpool.Config) {
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		server, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		client, ours := net.Pipe()
		var both sync.WaitGroup
		both.Go(func() { h.carry(server, ours) })
		both.Go(func() { h.carry(ours, server) })
		go func() { both.Wait(); server.Close(); ours.Close() }()
		return client, nil
	}
}

// carry brings bytes from one end to the other. Those that are under way when
// nothing passes arrive afterwards, as with TCP.
func (h *hole) carry(to, from net.Conn) {
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		<-h.passes()
		if n > 0 {
			if _, e := to.Write(b[:n]); e != nil {
				err = e
			}
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// While nothing arrives, calls fail soon and say why; afterwards they work at
// once.
func TestBlackHole(t *testing.T) {
	dsn := url(t)
	h := newHole()
	p := open(t, pool.Config{URL: dsn, MaxConns: 4, MinConns: -1, Configure: h.configure})
	c := control(t, dsn, func(c *pgxpool.Config) { c.MaxConns = 4; h.configure(c) })
	check.NoError(t, p.Warm(t.Context()))
	check.NoError(t, c.Ping(t.Context()))
	time.Sleep(1100 * time.Millisecond) // idle for so long that it is asked whether it is alive
	h.swallow()
	const limit = 2200 * time.Millisecond
	end := time.Now().Add(size(time.Second, 20*time.Second))
	var callers sync.WaitGroup
	callers.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit+300*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := c.Acquire(ctx)
		if err == nil || time.Since(began) < limit {
			t.Errorf("control: pgxpool answered %v after %v", err, time.Since(began))
		}
	})
	var exhausted atomic.Int64
	for range 8 {
		callers.Go(func() {
			for time.Now().Before(end) {
				began := time.Now()
				conn, err := p.Acquire(context.Background())
				took := time.Since(began)
				if err == nil {
					conn.Release()
					continue
				}
				if errors.Is(err, smrt.ErrPoolExhausted) || errors.Is(err, smrt.ErrConnectTimeout) {
					exhausted.Add(1)
				} else if took > testdb.Patience(limit) {
					t.Errorf("got %v", err)
				}
				if took > testdb.Patience(limit) {
					t.Errorf("Acquire took %v", took)
				}
			}
		})
	}
	callers.Wait()
	if exhausted.Load() == 0 {
		t.Error("no call was told that it waited for too long")
	}
	t.Logf("%d calls were told, %+v", exhausted.Load(), p.Stats())

	h.heal()
	healed := time.Now()
	for served := 0; served < 100; {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := p.Exec(ctx, "SELECT 1")
		cancel()
		if err == nil {
			served++
		}
		if time.Since(healed) > testdb.Patience(10*time.Second) {
			t.Fatalf("no service after it: %v", err)
		}
	}
	t.Logf("service after %v", time.Since(healed))
	if d := time.Since(healed); d > testdb.Patience(time.Second) {
		t.Errorf("service resumed %v after it", d)
	}
}
