package crud

import (
	"reflect"
	"runtime"
	"sync"
	"weak"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/table"
)

// batchers holds the batchers of each handle, so that repositories that were
// made apart, for single requests for example, are batched together. It must
// not keep a pool alive: keys are weak, and a handle that is gone takes its
// entry with it.
var batchers sync.Map // handleID -> *sync.Map of batcherKey -> *batcher

// handleID is a handle: where it is, and as what it was given, because a struct
// may begin where its first field does.
type handleID struct {
	at weak.Pointer[byte]
	of reflect.Type
}

type batcherKey struct {
	table    *table.Table
	batching Batching
}

// batcherOf returns what batches the reads by key on a handle. It returns nil
// if they are not batched: the handle is not for concurrent use, or is no
// pointer by which it could be recognised.
func batcherOf(db smrt.DB, t *table.Table, s Batching) *batcher {
	if s == (Batching{}) || len(t.Key) == 0 || !handle.IsPool(db) {
		return nil
	}
	v := reflect.ValueOf(db)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil
	}
	at := (*byte)(v.UnsafePointer())
	here := handleID{at: weak.Make(at), of: v.Type()}
	known, ok := batchers.Load(here)
	if !ok {
		if known, ok = batchers.LoadOrStore(here, &sync.Map{}); !ok {
			runtime.AddCleanup(at, func(h handleID) { batchers.Delete(h) }, here)
		}
	}
	key := batcherKey{t, s}
	b, ok := known.(*sync.Map).Load(key)
	if !ok {
		b, _ = known.(*sync.Map).LoadOrStore(key, newBatcher(t, s))
	}
	return b.(*batcher)
}
