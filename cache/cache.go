package cache

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/kept"
)

// The defaults and limits of a [Config].
const (
	defaultBytes     = 64 << 20
	mostBytes        = 64 << 30
	leastBytes       = 64 << 10
	defaultDoubtTime = 10 * time.Minute
)

// Config says how large a cache may become.
type Config struct {
	// MaxBytes is about how much memory the entries take together, from 64 KiB
	// to 64 GiB. What is used least goes first. Default: 64 MiB.
	MaxBytes int64

	// DoubtTime is for how long rows are not kept after a write of which nobody knows
	// whether it was committed, because its connection was lost or its context ended: the server may be about to commit it, and nobody is told when. It is longer
	// than the longest time that a COMMIT may wait for a synchronous standby. At most a
	// day. Default: 10 minutes.
	DoubtTime time.Duration
}

// Cache keeps rows of declared tables in the memory of the process. It is safe for
// concurrent use.
type Cache struct {
	config Config
	seed   maphash.Seed
	words  []cached.Word // each stands for the rows with some keys
	tables map[string]*kind
	kinds  []*kind
	rows   *otter.Cache[entryKey, *entry]
	reach  atomic.Pointer[reach]
	number atomic.Uint32 // of the last place
	closed atomic.Bool

	mu      sync.Mutex
	system  string // the cluster
	edges   []edge
	stops   []func() // end what routers tell
	flights map[flightKey]*flight

	blocks blocks
}

var _ cached.Cache = told{}

// New returns a cache of tables. It serves no reads until it is attached to a handle,
// see [Cache.Attach]. From now on every write of the process to these tables makes void
// what it concerns, on whatever handle it is made.
//
// A cache is closed with [Cache.Close]. A declaration that cannot be served, and one
// table given twice, are smrt.ErrBadOptions.
func New(cfg Config, tables ...Table) (*Cache, error) {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultBytes
	}
	if cfg.DoubtTime == 0 {
		cfg.DoubtTime = defaultDoubtTime
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Cache{config: cfg, seed: maphash.MakeSeed(), tables: map[string]*kind{}, flights: map[flightKey]*flight{}}
	c.words = make([]cached.Word, wordsFor(cfg.MaxBytes))
	for _, t := range tables {
		k, err := t.kind()
		if err != nil {
			return nil, err
		}
		if c.tables[k.name] != nil {
			return nil, bad("tables", "has "+k.name+" twice")
		}
		k.number = uint32(len(c.kinds))
		c.tables[k.name] = k
		c.kinds = append(c.kinds, k)
	}
	if len(c.kinds) == 0 {
		return nil, bad("tables", "must name at least one: cache.Of(shop.Products, cache.Options{})")
	}
	var err error
	c.rows, err = otter.New(&otter.Options[entryKey, *entry]{
		MaximumWeight: uint64(cfg.MaxBytes),
		Weigher:       func(k entryKey, e *entry) uint32 { return e.weight(k) },
	})
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	c.update()
	cached.Add(told{c})
	kept.Add("rows", c, (*Cache).report, (*Cache).shrink)
	return c, nil
}

func (c Config) check() error {
	switch {
	case c.MaxBytes < leastBytes || c.MaxBytes > mostBytes:
		return bad("MaxBytes", fmt.Sprintf("must be a number from %d to %d, not %d", leastBytes, int64(mostBytes), c.MaxBytes))
	case c.DoubtTime < 0 || c.DoubtTime > 24*time.Hour:
		return bad("DoubtTime", fmt.Sprintf("must be from 0 to 24h, not %v", c.DoubtTime))
	}
	return nil
}

func bad(option, reason string) error { return &smrt.OptionsError{Option: option, Reason: reason} }

// The number of words. There are more of them than rows fit in, as a rule, so that a
// write seldom makes void what it does not concern; they take 2 % of the memory.
const (
	bytesPerWord = 512
	minWords     = 1 << 10
	maxWords     = 1 << 22
)

func wordsFor(bytes int64) int {
	n := minWords
	for int64(n) < bytes/bytesPerWord && n < maxWords {
		n *= 2
	}
	return n
}

// Close lets go of all entries, and of the handles. Reads go to the server afterwards.
func (c *Cache) Close() {
	if c.closed.Swap(true) {
		return
	}
	c.detach()
	c.Flush()
	c.rows.InvalidateAll()
	c.rows.StopAllGoroutines()
}

// detach takes the cache from all handles.
func (c *Cache) detach() {
	cached.Remove(told{c}, func(p cached.Place) bool {
		at, ok := p.(*place)
		return ok && at.cache == c
	})
	// A router calls under a lock of its own, which stop takes.
	c.mu.Lock()
	stops := c.stops
	c.stops = nil
	c.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}

// Flush makes void all entries, and what is being read. It is for what the cache cannot
// see, such as a migration or an import by another program.
func (c *Cache) Flush() {
	for _, k := range c.kinds {
		k.all.Change()
	}
}

// word returns the word of a key of a table.
func (c *Cache) word(k *kind, key cached.Key) *cached.Word {
	h := maphash.Comparable(c.seed, wordKey{k.number, key.N, key.S})
	return &c.words[h&uint64(len(c.words)-1)]
}

type wordKey struct {
	table uint32
	n     int64
	s     string
}

type bypassKey struct{}

// Bypass returns a context under which reads go past all caches: they find no entry, and
// leave none.
func Bypass(ctx context.Context) context.Context { return context.WithValue(ctx, bypassKey{}, true) }

func bypasses(ctx context.Context) bool {
	on, _ := ctx.Value(bypassKey{}).(bool)
	return on
}
