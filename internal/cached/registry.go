package cached

import (
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/smrt-go/smrt"
)

// Event is what a write does to rows. Several are a set.
type Event uint8

// The events.
const (
	Create Event = 1 << iota
	Update
	Delete
)

// Change is what a call writes of one table.
type Change struct {
	Table string // its name, with its schema or without
	Decl  any    // its declaration, which says what a key looks like
	Does  Event
	Keys  []Key // of the rows, without their tenants; nil if they are not known, or are many
	None  bool  // there were no rows, so that only what triggers may have done is left
}

// MaxKeys is how many keys of rows are told one by one. Of more, all rows of the table
// are meant.
const MaxKeys = 1000

// Cache is told of writes.
type Cache interface {
	// Cares reports whether a write of a table touches anything that may be kept.
	Cares(table string, does Event) bool

	// ByKey reports whether, of a write of a declared table, less is void if the keys of
	// its rows are known.
	ByKey(decl any, does Event) bool

	// Touched appends the words of what a change touches.
	Touched(to []*Word, c Change) []*Word

	// Watch is given words that were blocked because of a transaction with the
	// given id, and unblocks them when it has ended. Without an id nobody can tell:
	// the words are blocked for as long as a commit may be under way, or for good if
	// the transaction may be open that long.
	Watch(words []*Word, xid string, open bool)
}

// registry is the caches of the program, and where they are read. It never changes: a
// new one takes its place.
type registry struct {
	told   []Cache
	places map[uintptr]place
}

// place is a handle whose reads a cache serves.
type place struct {
	at weak.Pointer[byte] // an address may be used again
	of reflect.Type
	Place
}

// Place serves the reads of one handle.
type Place interface {
	// Table returns what is kept of a declared table, nil if it is not.
	Table(decl any) Table
}

// registered is the registry of now.
var registered struct {
	now atomic.Pointer[registry]
	mu  sync.Mutex // of those that change it
}

// Any reports whether there is a cache at all. It is the only cost of programs
// without one.
func Any() bool { return registered.now.Load() != nil }

// Add makes a cache known. From then on it is told of all writes of the process.
func Add(c Cache) {
	replace(func(r *registry) { r.told = append(slices.Clip(r.told), c) })
}

// Remove takes a cache out, and all its places.
func Remove(c Cache, of func(Place) bool) {
	replace(func(r *registry) {
		r.told = slices.DeleteFunc(slices.Clone(r.told), func(o Cache) bool { return o == c })
		for at, p := range r.places {
			if of(p.Place) {
				delete(r.places, at)
			}
		}
	})
}

// Attach lets p serve the reads of a handle, which must be a pointer, until that is
// gone. It reports false if there is a place already.
func Attach(db smrt.DB, p Place) bool {
	v := reflect.ValueOf(db)
	at := (*byte)(v.UnsafePointer())
	here := place{at: weak.Make(at), of: v.Type(), Place: p}
	where, added := uintptr(unsafe.Pointer(at)), true
	replace(func(r *registry) {
		if old, ok := r.places[where]; ok && old.is(here) {
			added = false
			return
		}
		r.places[where] = here
	})
	if added {
		runtime.AddCleanup(at, detach, where)
	}
	return added
}

func (p place) is(o place) bool { return p.at == o.at && p.of == o.of }

func detach(where uintptr) {
	replace(func(r *registry) {
		if p, ok := r.places[where]; ok && p.at.Value() == nil {
			delete(r.places, where)
		}
	})
}

func replace(with func(*registry)) {
	registered.mu.Lock()
	defer registered.mu.Unlock()
	next := &registry{places: map[uintptr]place{}}
	if now := registered.now.Load(); now != nil {
		next.told = now.told
		for at, p := range now.places {
			next.places[at] = p
		}
	}
	with(next)
	if len(next.told) == 0 && len(next.places) == 0 {
		next = nil
	}
	registered.now.Store(next)
}

// On returns what is kept of a declared table for the reads of a handle, nil if
// nothing is.
func On(db smrt.DB, decl any) Table {
	r := registered.now.Load()
	if r == nil || len(r.places) == 0 {
		return nil
	}
	v := reflect.ValueOf(db)
	if v.Kind() != reflect.Pointer {
		return nil
	}
	at := v.UnsafePointer()
	p, ok := r.places[uintptr(at)]
	if !ok || p.of != v.Type() || p.at.Value() != (*byte)(at) {
		return nil
	}
	return p.Table(decl)
}
