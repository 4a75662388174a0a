package crud

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"weak"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/table"
)

// places holds what is known of each handle, so that repositories that were
// made apart, for single requests for example, are batched together.
var places = newPlaces()

type placesKept struct{ handle.Kept[*place] }

func newPlaces() *placesKept {
	p := &placesKept{handle.Kept[*place]{Gone: (*place).forget}}
	kept.Add("gates", p, (*placesKept).report, (*placesKept).shrink)
	return p
}

// gateBytes is about what a batcher takes while nobody reads.
const gateBytes = 512

func (p *placesKept) report() (r kept.Report) {
	for at := range p.All() {
		at.batchers.Range(func(_, _ any) bool {
			r.Entries++
			return true
		})
	}
	r.Bytes = int64(r.Entries * gateBytes)
	return r
}

// shrink drops the batchers of each handle if they are more than so many. Calls that
// have one end there, and the next ones meet at another.
func (p *placesKept) shrink(to int) {
	if p.report().Entries <= to {
		return
	}
	for at := range p.All() {
		at.forget()
		at.batchers.Clear()
	}
}

// place is a handle on which reads by key may meet.
type place struct {
	all      bool     // nothing on the handle looks at the contexts of callers
	batchers sync.Map // batcherKey -> *remembered
}

// batcherKey says which reads meet on a handle: those of one table into one
// projection, with the same limits, whose repositories name callers by the same
// function.
type batcherKey struct {
	rows     weak.Pointer[table.Projection]
	batching Batching
	caller   uintptr
}

// remembered is a batcher that is forgotten when its projection is.
type remembered struct {
	batcher *batcher
	cleanup runtime.Cleanup
}

// placeOf returns what is known of a handle. It returns nil if reads never meet
// there: the handle is not for concurrent use, or is no pointer by which it
// could be recognised.
func placeOf(db smrt.DB) *place {
	if !handle.IsPool(db) {
		return nil
	}
	p, _ := places.Of(db, func() *place { return &place{all: handle.SharedByAll(db)} })
	return p
}

// forget lets the projections forget a place that is gone.
func (p *place) forget() {
	p.batchers.Range(func(_, v any) bool {
		v.(*remembered).cleanup.Stop()
		return true
	})
}

// batcherOf returns what batches the reads of rows by key, of callers whom a
// repository, the handle or neither names. It returns nil if they are not
// batched: that is not wanted, there is no place, or callers may differ there and
// nothing says how.
func batcherOf(db smrt.DB, rows *table.Projection, s Batching, caller, callerHere func(context.Context) any) *batcher {
	if s == (Batching{}) {
		return nil
	}
	here := placeOf(db)
	named := caller != nil || callerHere != nil
	if here == nil || !here.all && !named {
		return nil
	}
	named = named || rows.GetAny != "" // by the tenant
	key := batcherKey{weak.Make(rows), s, codeOf(caller)}
	known, ok := here.batchers.Load(key)
	if !ok {
		k := &remembered{batcher: newBatcher(s, named)}
		k.cleanup = runtime.AddCleanup(rows, func(key batcherKey) { here.batchers.Delete(key) }, key)
		if known, ok = here.batchers.LoadOrStore(key, k); ok {
			k.cleanup.Stop()
		}
	}
	return known.(*remembered).batcher
}

// codeOf tells functions apart that identify callers in different ways.
func codeOf(caller func(context.Context) any) uintptr {
	return reflect.ValueOf(caller).Pointer()
}
