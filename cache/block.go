package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// blocks are the writes that may or may not take effect, at a time that nobody reports.
// What they concern is read from the server meanwhile, and not kept.
//
//	the transaction has an id     until the server says that it has ended
//	its COMMIT may be under way   for DoubtTime
//	it may be open, without an id for good
type blocks struct {
	count atomic.Int64 // of those in all
	lost  atomic.Int64 // that are for good
	next  atomic.Int64 // when the server may be asked again

	mu  sync.Mutex
	all []*pending
}

// pending is one of them.
type pending struct {
	words []*cached.Word
	xid   string
	until time.Time
}

// maxPending bounds how many are remembered one by one. Each write of a transaction begun
// by hand is one. Beyond, they are for good.
const maxPending = 10_000

// Watch implements cached.Cache.
func (c told) Watch(words []*cached.Word, xid string, open bool) {
	b := &c.blocks
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.all) >= maxPending || xid == "" && open {
		b.lost.Add(1)
		return
	}
	b.all = append(b.all, &pending{words: words, xid: xid, until: time.Now().Add(c.config.DoubtTime)})
	b.count.Store(int64(len(b.all)))
}

const (
	askPause = 50 * time.Millisecond // between two times that the server is asked
	askTime  = time.Second           // that this may take
	askMost  = 16                    // transactions at a time
)

// statusSQL asks for the status of a transaction, as others see it: the server says
// that it is in progress until it has left the list of running ones. A standby does not
// know that.
const statusSQL = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN coalesce(pg_xact_status($1::text::xid8), 'forgotten') END"

// resolve asks the server which transactions have ended. A read that had to go to the
// server anyway does it, so that nothing runs while nobody reads.
func (c *Cache) resolve(ctx context.Context, p *place) {
	b, now := &c.blocks, time.Now()
	if next := b.next.Load(); b.count.Load() == 0 || now.UnixNano() < next || !b.next.CompareAndSwap(next, now.Add(askPause).UnixNano()) {
		return
	}
	db := p.db()
	if db == nil {
		return
	}
	// The question is not the caller's: his session has read nothing by it, and his
	// transaction is not asked. It ends with his patience all the same.
	caller := ctx
	ctx, cancel := context.WithTimeout(p.filling(handle.Shared(ctx)), askTime)
	defer cancel()
	defer context.AfterFunc(caller, cancel)()
	asked, going := 0, 0
	for _, w := range b.copied() {
		over := w.xid == "" && now.After(w.until)
		if w.xid != "" && asked < askMost {
			asked++
			over = hasEnded(ctx, db, w.xid)
		}
		if over {
			b.end(w)
		} else if w.xid != "" && asked <= askMost {
			going++
		}
	}
	b.rotate(going)
}

// rotate puts those that were asked for in vain behind the others.
func (b *blocks) rotate(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, len(b.all))
	b.all = append(b.all[n:len(b.all):len(b.all)], b.all[:n]...)
}

// copied returns those of now. The server is asked for them without the lock.
func (b *blocks) copied() []*pending {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*pending(nil), b.all...)
}

// end ends one, once.
func (b *blocks) end(w *pending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, o := range b.all {
		if o == w {
			b.all = append(b.all[:i], b.all[i+1:]...)
			b.count.Store(int64(len(b.all)))
			cached.Unblock(w.words)
			return
		}
	}
}

// hasEnded reports whether the server says that a transaction is over, and that others
// see what it has done. An id that the server has not given out is of another cluster,
// whose rows are not kept here.
func hasEnded(ctx context.Context, db smrt.DB, xid string) bool {
	var status *string
	err := handle.Read(ctx, db, func(on smrt.DB, _ int) (bool, error) {
		return false, on.QueryRow(ctx, traced.Pass(statusSQL, "", "resolve"), xid).Scan(&status)
	})
	if err != nil {
		return pgerr.IsInvalidParameter(err)
	}
	return status != nil && *status != "in progress"
}
