// Package relation is the register of the relations that a program has
// declared. Package load writes it; package observe reads it, to say which
// relation a loop of statements should have loaded. So neither imports the
// other.
package relation

import (
	"slices"
	"strings"
	"sync"
)

// Relation describes a declared relation in a message. The statement that a
// loop would send for it follows from Table and Columns.
type Relation struct {
	Kind    string   // "belongs-to", "has-many", ...
	Parent  string   // Go type
	Child   string   // Go type
	Table   string   // the table that is read, quoted
	Columns []string // its columns that the statement compares with arguments, quoted
	Site    string   // file:line of the declaration
}

// String names the relation as its reader would look for it.
func (r Relation) String() string {
	return r.Kind + " " + r.Parent + " -> " + r.Child + " (declared at " + r.Site + ")"
}

// declared are the relations of the program. They are global, because a
// statement does not say whose relation it is for. Relations are package
// variables, declared once each, so the list does not grow with the work of the
// program. If one is declared again for every request, nothing is added.
var declared struct {
	sync.Mutex
	known map[string]bool
	list  []Relation
}

// Declare makes a relation known. It is safe for concurrent use.
func Declare(r Relation) {
	id := strings.Join(append([]string{r.Kind, r.Parent, r.Child, r.Table, r.Site}, r.Columns...), "\x00")
	declared.Lock()
	defer declared.Unlock()
	if declared.known[id] {
		return
	}
	if declared.known == nil {
		declared.known = map[string]bool{}
	}
	declared.known[id] = true
	declared.list = append(declared.list, r.clone())
}

// All returns the relations in the order of their declarations. They are the
// caller's to change.
func All() []Relation {
	declared.Lock()
	defer declared.Unlock()
	all := make([]Relation, len(declared.list))
	for i, r := range declared.list {
		all[i] = r.clone()
	}
	return all
}

func (r Relation) clone() Relation {
	r.Columns = slices.Clone(r.Columns)
	return r
}
