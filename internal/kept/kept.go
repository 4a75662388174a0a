// Package kept is the register of what the library keeps in memory between calls:
// how much it is, how much it may become, and how to make it less. It keeps nothing
// alive itself: what is gone is no longer in it.
package kept

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"sync"
	"weak"
)

// Report says what is kept.
type Report struct {
	Name     string // of the kind: plans of all tables have one
	Entries  int
	Capacity int   // the most entries there may be; 0: as many as the program declares
	Bytes    int64 // about, of the entries

	Hits, Misses, Evictions uint64 // zero where they are not counted
}

func (r *Report) add(o Report) {
	r.Entries += o.Entries
	r.Capacity += o.Capacity
	r.Bytes += o.Bytes
	r.Hits += o.Hits
	r.Misses += o.Misses
	r.Evictions += o.Evictions
}

// keeper is something that keeps. Its functions do nothing once that is gone.
type keeper struct {
	name   string
	report func() Report
	shrink func(to int)
}

// keepers are all there are, by numbers.
var keepers = struct {
	mu   sync.Mutex
	last uint64
	all  map[uint64]keeper
}{all: map[uint64]keeper{}}

// Add registers something that keeps, for as long as it is there. The functions must
// not refer to it otherwise than by what they are given. Shrink leaves so many entries
// at most.
func Add[T any](name string, owner *T, report func(*T) Report, shrink func(owner *T, to int)) {
	w := weak.Make(owner)
	number := register(keeper{
		name: name,
		report: func() (r Report) {
			live(w, func(o *T) { r = report(o) })
			return r
		},
		shrink: func(to int) { live(w, func(o *T) { shrink(o, to) }) },
	})
	runtime.AddCleanup(owner, remove, number)
}

// Never is for what cannot be made less, because it is what the program declares.
func Never[T any](T, int) {}

// live calls do with what w leads to, unless it is gone.
func live[T any](w weak.Pointer[T], do func(*T)) {
	if o := w.Value(); o != nil {
		do(o)
	}
}

func register(k keeper) uint64 {
	keepers.mu.Lock()
	defer keepers.mu.Unlock()
	keepers.last++
	keepers.all[keepers.last] = k
	return keepers.last
}

func remove(number uint64) {
	keepers.mu.Lock()
	defer keepers.mu.Unlock()
	delete(keepers.all, number)
}

// list copies the keepers, whose functions take locks of their own.
func list() []keeper {
	keepers.mu.Lock()
	defer keepers.mu.Unlock()
	return slices.Collect(maps.Values(keepers.all))
}

// All returns what is kept, one report a name, in the order of their names.
func All() []Report {
	byName := map[string]*Report{}
	for _, k := range list() {
		r := byName[k.name]
		if r == nil {
			r = &Report{Name: k.name}
			byName[k.name] = r
		}
		r.add(k.report())
	}
	var all []Report
	for _, r := range byName {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b Report) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Shrink leaves each keeper so many entries at most. What is dropped is made again
// when it is needed.
func Shrink(to int) {
	for _, k := range list() {
		k.shrink(max(to, 0))
	}
}
