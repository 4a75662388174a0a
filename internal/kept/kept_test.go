package kept_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/kept"
)

type cache struct{ entries []int }

func (c *cache) report() kept.Report {
	return kept.Report{Entries: len(c.entries), Capacity: 10, Bytes: int64(8 * len(c.entries)), Hits: 1, Misses: 2, Evictions: 3}
}

func (c *cache) shrink(to int) { c.entries = c.entries[:min(to, len(c.entries))] }

func of(name string) (kept.Report, bool) {
	for _, r := range kept.All() {
		if r.Name == name {
			return r, true
		}
	}
	return kept.Report{}, false
}

// TestKeepersThatAreGone are not in the register, which keeps none alive.
func TestKeepersThatAreGone(t *testing.T) {
	a, b := &cache{entries: make([]int, 5)}, &cache{entries: make([]int, 3)}
	kept.Add("test", a, (*cache).report, (*cache).shrink)
	kept.Add("test", b, (*cache).report, (*cache).shrink)
	r, _ := of("test")
	check.Same(t, "both", r, kept.Report{Name: "test", Entries: 8, Capacity: 20, Bytes: 64, Hits: 2, Misses: 4, Evictions: 6})
	kept.Shrink(4)
	r, _ = of("test")
	check.Same(t, "entries after Shrink", r.Entries, 7)
	kept.Shrink(-1)
	r, _ = of("test")
	check.Same(t, "entries in the end", r.Entries, 0)
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
		if _, ok := of("test"); !ok {
			return
		}
	}
	t.Error("what is gone is still in the register")
}
