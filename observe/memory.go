package observe

import (
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/traced"
)

// Kept is what one kind of cache of the library keeps in this process.
type Kept struct {
	// Name is plans (rendered queries of all tables, and of slots), statements (fixed
	// ones), catalogs (what databases say of tables), shapes and spots (of observers), or names
	// (of texts).
	Name string

	Entries  int
	Capacity int   // the most entries there may be; 0 for names, which go with their texts
	Bytes    int64 // about, of the entries; 0 for names, whose texts are those of others

	Hits, Misses, Evictions uint64 // zero where they are not counted
}

// Memory returns what the library keeps between calls, in the order of the names. What
// is kept for a table or an observer that the program has dropped goes with it.
func Memory() []Kept {
	var all []Kept
	for _, r := range kept.All() {
		all = append(all, Kept(r))
	}
	names := Kept{Name: "names", Entries: traced.Names()}
	for i := range all {
		if all[i].Name > names.Name {
			return append(all[:i:i], append([]Kept{names}, all[i:]...)...)
		}
	}
	return append(all, names)
}

// Shrink makes each cache of each table and observer keep at most so many entries, 0
// for none. What is dropped is made again when it is needed, and statistics stay right.
// It is for a program that is about to do something else for long, or short of memory.
func Shrink(to int) { kept.Shrink(to) }
