// Package relation is the register of the relations that a program has
// declared. Package load writes it; package observe reads it, to say which
// relation a loop of statements should have loaded. So neither imports the
// other.
package relation

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/smrt-go/smrt/internal/kept"
)

// Relation describes a declared relation in a message. The statement that a
// loop would send for it follows from Table and Columns.
type Relation struct {
	Kind    string   // "belongs-to", "has-many", ...
	Parent  string   // Go type
	Child   string   // Go type
	Table   string   // the table that is read, quoted
	Columns []string // its columns that the statement compares with arguments, quoted
	Site    string   // folder/file.go:line of the declaration

	From, To    End // what of a parent equals what of a related row
	Left, Right End // of a join table: what equals From, what equals To
}

// End is one end of a relation.
type End struct {
	Table   string   // quoted
	Columns []string // not quoted
}

// String names the relation as its reader would look for it.
func (r Relation) String() string {
	return r.Kind + " " + r.Parent + " -> " + r.Child + " (declared at " + r.Site + ")"
}

// declared are the relations of the program. They are global, because a
// statement does not say whose relation it is for. Most are package variables,
// declared once each. If one is declared again for every request, nothing is
// added, and one that is dropped is given back.
var declared = newDeclared()

type relations struct {
	sync.Mutex
	known map[string]*entry
	count uint64 // of entries made so far
}

func newDeclared() *relations {
	r := &relations{}
	kept.Add("relations", r, (*relations).report, kept.Never[*relations])
	return r
}

func (r *relations) report() kept.Report {
	r.Lock()
	defer r.Unlock()
	k := kept.Report{Entries: len(r.known)}
	for id := range r.known {
		k.Bytes += int64(2 * len(id)) // which has what the relation is made of
	}
	return k
}

// entry is a relation and how many declarations of it there are.
type entry struct {
	Relation
	order uint64
	uses  int
}

// Declare makes a relation known for as long as its declaration is reachable. It is
// safe for concurrent use.
func Declare[D any](declaration *D, r Relation) {
	id := strings.Join(append([]string{r.Kind, r.Parent, r.Child, r.Table, r.Site}, r.Columns...), "\x00")
	add(id, r)
	runtime.AddCleanup(declaration, drop, id)
}

func add(id string, r Relation) {
	declared.Lock()
	defer declared.Unlock()
	e := declared.known[id]
	if e == nil {
		if declared.known == nil {
			declared.known = map[string]*entry{}
		}
		declared.count++
		e = &entry{Relation: r.clone(), order: declared.count}
		declared.known[id] = e
	}
	e.uses++
}

// drop is called for each declaration that is gone. A map keeps the room of what
// was in it, so an empty one is left to the garbage collector.
func drop(id string) {
	declared.Lock()
	defer declared.Unlock()
	e := declared.known[id]
	if e.uses--; e.uses > 0 {
		return
	}
	if delete(declared.known, id); len(declared.known) == 0 {
		declared.known = nil
	}
}

// All returns the relations in the order of their declarations. They are the
// caller's to change.
func All() []Relation {
	declared.Lock()
	defer declared.Unlock()
	entries := slices.SortedFunc(maps.Values(declared.known), func(a, b *entry) int { return cmp.Compare(a.order, b.order) })
	all := make([]Relation, len(entries))
	for i, e := range entries {
		all[i] = e.clone()
	}
	return all
}

func (r Relation) clone() Relation {
	r.Columns = slices.Clone(r.Columns)
	for _, end := range []*End{&r.From, &r.To, &r.Left, &r.Right} {
		end.Columns = slices.Clone(end.Columns)
	}
	return r
}
