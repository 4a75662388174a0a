package plan

import (
	"cmp"
	"container/list"
	"sync"

	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/traced"
)

// DefaultCacheSize is how many shapes a table's cache holds unless told
// otherwise. A service has as many shapes as it has call sites that build
// queries, times the optional clauses it really combines.
const DefaultCacheSize = 512

// Stats is what a plan cache did since the program began.
type Stats struct {
	Size      int    // shapes held now
	Capacity  int    // shapes held at the most
	Hits      uint64 // queries whose shape was in the cache
	Misses    uint64 // queries that squirrel rendered
	Evictions uint64 // shapes dropped to make room: many mean that the capacity is too small
}

// cache is a bounded LRU of rendered shapes.
type cache struct {
	mu       sync.Mutex
	capacity int
	byKey    map[string]*list.Element
	recent   *list.List // of *entry, most recently used first
	stats    Stats
}

type entry struct {
	key  string
	plan *rendered
}

func newCache(capacity int) *cache {
	c := &cache{capacity: capacity, byKey: map[string]*list.Element{}, recent: list.New()}
	kept.Add("plans", c, (*cache).report, (*cache).shrink)
	return c
}

// report says what is kept. A shape is its key and its text.
func (c *cache) report() kept.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := kept.Report{
		Entries: c.recent.Len(), Capacity: c.capacity,
		Hits: c.stats.Hits, Misses: c.stats.Misses, Evictions: c.stats.Evictions,
	}
	for key, e := range c.byKey {
		r.Bytes += int64(len(key) + len(e.Value.(*entry).plan.sql))
	}
	return r
}

// shrink drops all but so many of the plans that were used last.
func (c *cache) shrink(to int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trim(to)
}

func (c *cache) trim(to int) {
	for c.recent.Len() > to {
		oldest := c.recent.Remove(c.recent.Back()).(*entry)
		delete(c.byKey, oldest.key)
		c.stats.Evictions++
	}
}

// get finds the plan of a shape. The key is not kept.
func (c *cache) get(key []byte) *rendered {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[string(key)] // does not allocate
	if !ok {
		c.stats.Misses++
		return nil
	}
	c.stats.Hits++
	c.recent.MoveToFront(e)
	return e.Value.(*entry).plan
}

// put adds a plan, unless another goroutine was faster.
func (c *cache) put(key []byte, p *rendered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[string(key)]; ok {
		return
	}
	k := string(key)
	c.byKey[k] = c.recent.PushFront(&entry{k, p})
	c.trim(c.capacity)
}

func (c *cache) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Size, s.Capacity = c.recent.Len(), c.capacity
	return s
}

// rendered is a shape's SQL, and which of the collected arguments its
// placeholders stand for; nil: all of them, in order.
type rendered struct {
	sql   string
	order []int
	name  *traced.Text // is known to observers for as long as the shape is kept
}

// operation names what the request does for observers. What two requests send alike
// has the name of the first.
func (r *Request) operation() string {
	return cmp.Or(r.Operation, [...]string{Select: "find", Count: "count", Exists: "exists", Update: "update", Delete: "delete", GroupBy: "group"}[r.Verb])
}
