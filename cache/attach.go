package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync/atomic"
	"time"
	"unsafe"
	"weak"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/traced"
)

// Attach lets the cache serve reads by key of repositories on db, which is a pool: those
// that there are, and those that are made later. It asks the database which tables a
// write of another one touches, so that a foreign key which a migration adds needs a
// new start of the program. Handles share no entries.
//
// A handle that is no pool, one whose hooks look at the contexts of callers, and one
// that has a cache, are smrt.ErrBadOptions, as is a table that is none, or not there.
func (c *Cache) Attach(ctx context.Context, db smrt.DB) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if handle.IsNil(db) {
		return bad("db", "must not be nil: look at the error of whatever opened it")
	}
	db, _ = limit.Below(db)
	switch {
	case !handle.IsPool(db) || handle.RouterOf(db) != nil || handle.Root(db) != any(db):
		return bad("db", "must be a pool: a connection or a transaction shows rows of a moment, and a router those of several servers")
	case !handle.SharedByAll(db):
		return bad("db", "must do the same for all callers: hooks of this pool look at contexts, so that each may see other rows")
	case handle.ScopeOf(ctx) != nil:
		return smrt.ErrTxBypass
	case c.closed.Load():
		return bad("cache", "is closed")
	}
	if err := c.checkCluster(ctx, db); err != nil {
		return err
	}
	for _, k := range c.kinds {
		if err := k.checkIn(ctx, db); err != nil {
			return err
		}
		if err := k.learnKey(ctx, db); err != nil {
			return err
		}
	}
	edges, err := edgesOf(ctx, db)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.edges = append(c.edges, edges...)
	c.update()
	c.mu.Unlock()
	if !cached.Attach(db, newPlace(c, db)) {
		return bad("db", "has a cache already")
	}
	return nil
}

// checkCluster refuses a second cluster: the ids of transactions are not those of the
// first.
func (c *Cache) checkCluster(ctx context.Context, db smrt.DB) error {
	var system string
	err := db.QueryRow(ctx, traced.Pass("SELECT system_identifier::text FROM pg_control_system()", "", "identity")).Scan(&system)
	if err != nil {
		return fmt.Errorf("attach a cache: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.system != "" && c.system != system {
		return bad("db", "must be of the cluster that the cache was attached to before: make another cache")
	}
	c.system = system
	return nil
}

// weakly returns what leads to a handle, which is a pointer, as long as it is there.
func weakly(db smrt.DB) func() smrt.DB {
	v := reflect.ValueOf(db)
	at, of := weak.Make((*byte)(v.UnsafePointer())), v.Type().Elem()
	return func() smrt.DB {
		if p := at.Value(); p != nil {
			db, _ := reflect.NewAt(of, unsafe.Pointer(p)).Interface().(smrt.DB)
			return db
		}
		return nil
	}
}

// place is the cache on one handle.
type place struct {
	cache  *Cache
	db     func() smrt.DB // nil once it is gone
	tables map[any]*tableAt
}

func newPlace(c *Cache, db smrt.DB) *place {
	p := &place{cache: c, db: weakly(db), tables: map[any]*tableAt{}}
	number := c.number.Add(1)
	for _, k := range c.kinds {
		p.tables[k.of] = &tableAt{place: p, kind: k, number: number}
	}
	return p
}

// Table implements cached.Place.
func (p *place) Table(decl any) cached.Table {
	if t, ok := p.tables[decl]; ok {
		return t
	}
	return nil
}

// tableAt is a table on one handle.
type tableAt struct {
	place  *place
	kind   *kind
	number uint32 // of the place
	shape  atomic.Pointer[cached.Shape]
}

// entryKey is the key of an entry.
type entryKey struct {
	place, table uint32
	key          cached.Key
}

// entry is a row, or that there is none.
type entry struct {
	row   *cached.Row
	token cached.Token
	until int64 // Unix time in nanoseconds
}

// entryBytes is about what an entry takes beside its row: itself, and its place among
// the others.
const entryBytes = int(unsafe.Sizeof(entry{})+unsafe.Sizeof(entryKey{})) + 96

func (e *entry) weight(k entryKey) uint32 { return uint32(entryBytes + len(k.key.S) + e.row.Size()) }

func (t *tableAt) keyOf(k cached.Key) entryKey { return entryKey{t.number, t.kind.number, k} }

// Shape implements cached.Table.
func (t *tableAt) Shape() *cached.Shape { return t.shape.Load() }

// Look implements cached.Table. Words are looked at before the entry: if it has their
// values, it was not void then, which is after the read began.
func (t *tableAt) Look(ctx context.Context, k cached.Key) (*cached.Row, cached.Token, cached.Answer) {
	c, of := t.place.cache, &t.kind.counts
	if bypasses(ctx) {
		of.passed.Add(1)
		return nil, cached.Token{}, cached.Pass
	}
	token := cached.Token{Key: c.word(t.kind, k).Load(), All: t.kind.all.Load(), Made: t.kind.made.Load()}
	if e, ok := c.rows.GetIfPresent(t.keyOf(k)); ok && e.holds(token) && time.Now().UnixNano() < e.until {
		if e.row == nil {
			of.missing.Add(1)
		} else {
			of.hits.Add(1)
		}
		return e.row, token, cached.Hit
	}
	if token.Key.Blocked() || token.All.Blocked() || token.Made.Blocked() {
		of.unkept.Add(1)
		c.resolve(ctx, t.place)
		return nil, token, cached.Unkept
	}
	of.misses.Add(1)
	return nil, token, cached.Miss
}

// holds reports whether nothing that the entry depends on has changed.
func (e *entry) holds(now cached.Token) bool {
	return e.token.Key == now.Key && e.token.All == now.All && (e.row != nil || e.token.Made == now.Made)
}

// Keep implements cached.Table. What was read with a token that does not hold any more
// is never found, so it need not be looked at here.
func (t *tableAt) Keep(k cached.Key, token cached.Token, row *cached.Row) {
	ttl := t.kind.options.TTL
	if row == nil {
		if ttl = t.kind.options.MissingTTL; ttl < 0 {
			return
		}
	} else if shape := row.Shape(); shape != t.shape.Load() {
		t.shape.Store(shape)
	}
	ttl -= time.Duration(rand.Int64N(int64(ttl)*jitterPercent/100 + 1))
	t.place.cache.rows.Set(t.keyOf(k), &entry{row: row, token: token, until: time.Now().Add(ttl).UnixNano()})
}

const jitterPercent = 15
