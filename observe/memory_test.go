package observe_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// keptOf returns what is kept of a kind.
func keptOf(t testing.TB, name string) observe.Kept {
	t.Helper()
	for _, k := range observe.Memory() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("%s is not in %v", name, observe.Memory())
	return observe.Kept{}
}

// TestMemory: what is kept is reported, can be made less, and goes with the table that
// it is for.
func TestMemory(t *testing.T) {
	type Row struct {
		ID   int64
		Slug string
	}
	s := newStore(t, 1)
	before := keptOf(t, "plans")
	func() {
		table := query.NewTable("categories", func(r *Row) *int64 { return &r.ID })
		slug := query.TextCol(func(r *Row) *string { return &r.Slug })
		rows := repo.New(s.pool, table)
		for n := range 50 {
			q := query.Where(slug.Ne(""))
			for range n {
				q = q.Where(slug.Ne("x"))
			}
			_, err := rows.Find(t.Context(), q)
			check.NoError(t, err)
		}
		now := keptOf(t, "plans")
		if now.Entries < 50 || now.Bytes == 0 || now.Misses < 50 { // of others may be gone meanwhile
			t.Errorf("kept %+v, before %+v", now, before)
		}
		observe.Shrink(3)
		for _, name := range []string{"plans", "statements", "catalogs"} {
			if k := keptOf(t, name); k.Capacity == 0 {
				t.Errorf("%+v has no capacity", k)
			}
		}
		now = keptOf(t, "plans")
		check.Same(t, "evictions", now.Evictions >= 47, true)
		_, err := rows.Find(t.Context(), query.Where(slug.Eq("x")))
		check.NoError(t, err)
		before = keptOf(t, "plans")
		runtime.KeepAlive(table)
	}()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
		if now := keptOf(t, "plans"); now.Capacity < before.Capacity {
			return
		}
	}
	t.Error("what was kept for a table that is gone is kept still")
}

// TestShrinkKeepsSums of an observer.
func TestShrinkKeepsSums(t *testing.T) {
	o := newObserver(t, observe.Config{MaxShapes: 100})
	for i := range 100 {
		for range 2 {
			observe.Record(o, fmt.Sprint("SELECT ", i), time.Millisecond)
		}
	}
	observe.Shrink(0)
	check.Same(t, "calls", o.Snapshot().Total().Calls, 200)
	k := keptOf(t, "shapes")
	check.Same(t, "has a capacity", k.Capacity >= 100, true)
	runtime.KeepAlive(o)
}
