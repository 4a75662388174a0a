package pool_test

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/pool"
)

// residentBytes is how much memory the process has.
func residentBytes(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("the system does not say")
	}
	return check.Value(strconv.Atoi(strings.Fields(string(text))[1]))(t) * os.Getpagesize()
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
	goroutines, memory := runtime.NumGoroutine(), residentBytes(t)
	n := size(40, 5_000)
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
	grown := residentBytes(t) - memory
	t.Logf("%d times: %d KB more", n, grown/1024)
	if grown > 5<<19 { // 500 bytes a cycle
		t.Errorf("the process has grown by %d KB", grown/1024)
	}
}
