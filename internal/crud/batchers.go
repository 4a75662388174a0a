package crud

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"weak"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/table"
)

// places holds what is known of each handle, so that repositories that were
// made apart, for single requests for example, are batched together.
var places = handle.Kept[*place]{Gone: (*place).forget}

// place is a handle on which reads by key may meet.
type place struct {
	all      bool     // nothing on the handle looks at the contexts of callers
	batchers sync.Map // batcherKey -> *kept
}

// batcherKey says which reads meet on a handle: those of one table into one
// projection, with the same limits, whose repositories name callers by the same
// function.
type batcherKey struct {
	rows     weak.Pointer[table.Projection]
	batching Batching
	caller   uintptr
}

// kept is a batcher that is forgotten when its projection is.
type kept struct {
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
		v.(*kept).cleanup.Stop()
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
		k := &kept{batcher: newBatcher(s, named)}
		k.cleanup = runtime.AddCleanup(rows, func(key batcherKey) { here.batchers.Delete(key) }, key)
		if known, ok = here.batchers.LoadOrStore(key, k); ok {
			k.cleanup.Stop()
		}
	}
	return known.(*kept).batcher
}

// codeOf tells functions apart that identify callers in different ways.
func codeOf(caller func(context.Context) any) uintptr {
	return reflect.ValueOf(caller).Pointer()
}
