package observe

import (
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/traced"
)

// Kept is what one kind of cache of the library keeps in this process.
type Kept struct {
	// Name is one of:
	//
	//	array types   how columns travel in arrays
	//	call sites    calls of the program, as far as loops were looked for
	//	catalogs      what databases say of tables
	//	constraints   the columns of constraints that were violated
	//	foreign keys  among the tables of units
	//	gates         where reads by key meet, to share a statement
	//	handles       the names of databases
	//	loads         statements of loads that depend on types in the database
	//	names         of texts
	//	plan costs    what servers estimate statements to cost, see package guard
	//	plans         rendered queries of all tables, and of slots
	//	relations     that are declared
	//	shapes        the statistics of observers
	//	spots         places in the program that observers have seen
	//	statements    fixed ones
	//	structs       that rows are read into
	//	texts         statements with slots
	Name string

	Entries  int
	Capacity int   // the most entries there may be; 0: as many as the program declares
	Bytes    int64 // about, of the entries; 0 for names, whose texts are those of others

	Hits, Misses, Evictions uint64 // zero where they are not counted
}

// Memory returns what the library keeps between calls, in the order of the names. What
// is kept for a table, a pool or an observer that the program has dropped goes with it.
// A connection keeps some KB more, of what was sent on it lately.
//
// Package expvar shows it if the program says so. This package does not: importing expvar
// alone serves the command line of the program to whoever reaches its HTTP server.
//
//	expvar.Publish("smrt", expvar.Func(func() any { return observe.Memory() }))
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
// What has no capacity stays: it is what the program declares.
// It is for a program that is about to do something else for long, or short of memory.
func Shrink(to int) { kept.Shrink(to) }
