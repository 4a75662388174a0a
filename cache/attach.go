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

// Attach lets the cache serve reads by key of repositories on db, which is a pool or a
// router: those that there are, and those that are made later. It asks the database
// which tables a write of another one touches, so that a foreign key which a migration
// adds needs a new start of the program. Handles share no entries.
//
// Rows of a router are read from its primary to be kept, within Config.PrimaryShare, and
// all are void when it has another one. What a context demands of reads holds for what
// is served.
//
// A handle that is neither, one whose hooks look at the contexts of callers, and one
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
	case !handle.IsPool(db) || handle.Root(db) != any(db):
		return bad("db", "must be a pool or a router: a connection or a transaction shows rows of a moment")
	case handle.RouterOf(db) == nil && !handle.SharedByAll(db):
		return bad("db", "must do the same for all callers: hooks of this pool look at contexts, so that each may see other rows")
	case handle.ScopeOf(ctx) != nil:
		return smrt.ErrTxBypass
	case c.closed.Load():
		return bad("cache", "is closed")
	}
	// A router must know its primary for sure, or a row could be kept that another server
	// has replaced.
	led, err := handle.LedOf(db)
	switch {
	case err != nil:
		return err
	case led == nil && handle.RouterOf(db) != nil:
		return bad("db", "must be the router itself: what only reads may not know the primary")
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
	p := newPlace(c, db, led)
	if !cached.Attach(db, p) {
		p.stop()
		return bad("db", "has a cache already")
	}
	c.mu.Lock()
	c.stops = append(c.stops, p.stop)
	c.mu.Unlock()
	if c.closed.Load() { // meanwhile: whoever closed it may not have seen the place
		c.detach()
		return bad("cache", "is closed")
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

// place is the cache on one handle. On one that routes, rows are kept with the moment at
// which they were read from the primary, so that its router can say whether they are
// the answer to a read:
//
//	an entry that holds   is served if the read lets it be, else it is as if there was none
//	no entry              the read goes to the primary, and its row is kept; not if the read
//	                      asks for the primary anyway, or for a position, which may be wrong
//	a statement of        others wait for it if it began after what they have to see
//	another caller
//	another primary       makes all rows void
type place struct {
	cache  *Cache
	db     func() smrt.DB // nil once it is gone
	led    handle.Led     // of a handle that routes, nil of others
	stop   func()         // ends what led tells
	tables map[any]*tableAt
}

func newPlace(c *Cache, db smrt.DB, led handle.Led) *place {
	p := &place{cache: c, db: weakly(db), led: led, stop: func() {}, tables: map[any]*tableAt{}}
	if led != nil { // rows of the old primary may never have been written to the new one
		p.stop = led.OnPrimary(c.Flush)
	}
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

// serves reports whether what was read at a moment can be the answer to a read under ctx.
func (p *place) serves(ctx context.Context, at *handle.Moment) bool {
	return p.led == nil || p.led.Serves(ctx, at)
}

// filling returns the context of a read that goes to the primary.
func (p *place) filling(ctx context.Context) context.Context {
	if p.led == nil {
		return ctx
	}
	return p.led.Fill(ctx)
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
	until int64          // Unix time in nanoseconds
	at    *handle.Moment // when it was read, of a handle that routes
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
	if e, ok := c.rows.GetIfPresent(t.keyOf(k)); ok && e.holds(token) && time.Now().UnixNano() < e.until && t.place.serves(ctx, e.at) {
		if e.row == nil {
			of.missing.Add(1)
		} else {
			of.hits.Add(1)
		}
		return e.row, token, cached.Hit
	}
	if token.Key.Blocked() || token.All.Blocked() {
		of.unkept.Add(1)
		c.resolve(ctx, t.place)
		return nil, token, cached.Unkept
	}
	if token.Made.Blocked() { // only that there is no row is not kept, see keep
		c.resolve(ctx, t.place)
	}
	if t.place.led != nil && !t.place.led.Fills(ctx) {
		of.passed.Add(1)
		return nil, cached.Token{}, cached.Pass
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
func (t *tableAt) Keep(k cached.Key, token cached.Token, row *cached.Row, began handle.Moment) {
	t.keep(k, token, row, t.ended(began))
}

// Began implements cached.Table. It is called before the statement is sent: a commit that
// it does not see has a later moment.
func (t *tableAt) Began() (m handle.Moment) {
	if t.place.led != nil {
		m = t.place.led.Began()
	}
	return m
}

// ended adds when the row had arrived, which a session that is served it remembers.
func (t *tableAt) ended(m handle.Moment) handle.Moment {
	if t.place.led != nil {
		m = t.place.led.Ended(m)
	}
	return m
}

// Filling implements cached.Table.
func (t *tableAt) Filling(ctx context.Context) context.Context { return t.place.filling(ctx) }

// keep keeps a row, or that there is none, for its TTL at most.
func (t *tableAt) keep(k cached.Key, token cached.Token, row *cached.Row, at handle.Moment) {
	ttl := t.kind.options.TTL
	if row == nil {
		if ttl = t.kind.options.MissingTTL; ttl < 0 || token.Made.Blocked() {
			return
		}
	} else if shape := row.Shape(); shape != t.shape.Load() {
		t.shape.Store(shape)
	}
	ttl -= time.Duration(rand.Int64N(int64(ttl)*jitterPercent/100 + 1))
	e := &entry{row: row, token: token, until: time.Now().Add(ttl).UnixNano()}
	if t.place.led != nil {
		read := at // a handle that does not route needs no memory for it
		e.at = &read
	}
	t.place.cache.rows.Set(t.keyOf(k), e)
}

const jitterPercent = 15
