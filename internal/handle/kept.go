package handle

import (
	"iter"
	"reflect"
	"runtime"
	"sync"
	"weak"
)

// Kept holds a value for each handle. It keeps no handle alive: its keys are
// weak, and a handle that is gone takes its value with it. The zero Kept is
// empty. It is safe for concurrent use.
type Kept[V any] struct {
	Gone func(V) // is told of the value of a handle that is gone, if it is not nil

	m sync.Map // identity -> V
}

// identity is a handle: where it is, and as what it was given, because a struct
// may begin where its first field does.
type identity struct {
	at weak.Pointer[byte]
	of reflect.Type
}

// Of returns the value of a handle, which make makes the first time. It reports
// false if the handle is no pointer, by which it could be recognised.
func (k *Kept[V]) Of(db any, make func() V) (V, bool) {
	v := reflect.ValueOf(db)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		var none V
		return none, false
	}
	at := (*byte)(v.UnsafePointer())
	here := identity{at: weak.Make(at), of: v.Type()}
	known, ok := k.m.Load(here)
	if !ok {
		if known, ok = k.m.LoadOrStore(here, make()); !ok {
			runtime.AddCleanup(at, k.drop, here)
		}
	}
	return known.(V), true
}

func (k *Kept[V]) drop(i identity) {
	if v, ok := k.m.LoadAndDelete(i); ok && k.Gone != nil {
		k.Gone(v.(V))
	}
}

// All has the values of all handles.
func (k *Kept[V]) All() iter.Seq[V] {
	return func(yield func(V) bool) {
		k.m.Range(func(_, v any) bool { return yield(v.(V)) })
	}
}

// Len returns how many handles have a value.
func (k *Kept[V]) Len() (n int) {
	k.m.Range(func(_, _ any) bool {
		n++
		return true
	})
	return n
}
