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

// meetings holds the sharers of each handle, so that repositories that were
// made apart, for single requests for example, share statements too. It must
// not keep a pool alive: keys are weak, and a handle that is gone takes its
// entry with it.
var meetings sync.Map // place -> *sync.Map of meetingKey -> *sharer

// place is a handle: where it is, and as what it was given, because a struct
// may begin where its first field does.
type place struct {
	at weak.Pointer[byte]
	of reflect.Type
}

type meetingKey struct {
	core    *table.Table
	sharing Sharing
}

// sharerOf returns where the reads by key on a handle meet, nil if they do not:
// the handle is not for concurrent use, or nothing by which it could be
// recognised.
func sharerOf(db smrt.DB, c *table.Table, s Sharing) *sharer {
	if s == (Sharing{}) || len(c.Key) == 0 || !handle.IsPool(db) {
		return nil
	}
	v := reflect.ValueOf(db)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil
	}
	at := (*byte)(v.UnsafePointer())
	here := place{at: weak.Make(at), of: v.Type()}
	known, ok := meetings.Load(here)
	if !ok {
		if known, ok = meetings.LoadOrStore(here, &sync.Map{}); !ok {
			runtime.AddCleanup(at, func(p place) { meetings.Delete(p) }, here)
		}
	}
	key := meetingKey{c, s}
	sh, ok := known.(*sync.Map).Load(key)
	if !ok {
		sh, _ = known.(*sync.Map).LoadOrStore(key, newSharer(c, s))
	}
	return sh.(*sharer)
}
