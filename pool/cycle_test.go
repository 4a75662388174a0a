package pool_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/pool"
)

// heapBytes is how much memory is in use.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools of the first one let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Opening and closing leaves nothing behind: neither memory nor goroutines. A
// goroutine that stays is found in a few cycles; memory takes the full size.
func TestOpenAndClose(t *testing.T) {
	check.Plain(t) // the race detector keeps memory
	dsn := url(t)
	cycle := func() {
		p, err := pool.Open(context.Background(), pool.Config{URL: dsn, MaxConns: 2, MinConns: -1})
		check.NoError(t, err)
		check.NoError(t, p.Ping(context.Background()))
		p.Close()
	}
	for range 20 {
		cycle()
	}
	goroutines, memory := runtime.NumGoroutine(), heapBytes()
	n := size(40, 1_000)
	for range n {
		cycle()
	}
	for range 100 { // pgx's last goroutines end behind Close
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines, %d before", now, goroutines)
	}
	grown := heapBytes() - memory
	t.Logf("%d times: %d KB more", n, grown/1024)
	if limit := int64(max(500*n, 200_000)); grown > limit {
		t.Errorf("%d KB more in use, want at most 500 bytes for each time", grown/1024)
	}
}
