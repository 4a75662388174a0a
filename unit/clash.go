package unit

import (
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/table"
)

// clash is two writes of one row that are not separated by Then. Whichever came
// last would win, and an entity would no longer be what its row is. Entities
// are compared by their address when they are added (checkEntity), and rows by
// their keys here, because a write by key has no entity.
type clash struct{ first, second *op }

// Error names both writes.
func (c *clash) Error() string {
	return fmt.Sprintf("%v: a %s (write %d) and a %s (write %d): leave one out, or call Then between them",
		smrt.ErrDuplicateInBatch, kindNames[c.first.kind], c.first.index, kindNames[c.second.kind], c.second.index)
}

// Unwrap returns the error that repositories return for it.
func (c *clash) Unwrap() error {
	return &smrt.DuplicateError{Table: c.first.table.Name, Rows: [2]int{c.first.index, c.second.index}}
}

// clashes looks for them in a phase. Most tables are left out without a look at
// their keys: those that are only created or only patched.
func clashes(by *phase) error {
	if len(by[updates])+len(by[patches])+len(by[deletes]) == 0 {
		return nil
	}
	kinds := map[*table.Table]uint8{}
	for k, ops := range by {
		for _, o := range ops {
			if kind(k) != creates || o.hasKey() {
				kinds[o.table] |= 1 << k
			}
		}
	}
	for t, set := range kinds {
		if set == 1<<creates || set == 1<<patches {
			continue
		}
		var found *clash
		if t.IntKey() { // needs no encoding: one allocation less for each row
			found = clashOf(t, by, (*op).intKey)
		} else {
			found = clashOf(t, by, keyEncoder(t))
		}
		if found != nil {
			return found.second.failed(found)
		}
	}
	return nil
}

// keyEncoder returns a function that encodes the keys of rows of t.
func keyEncoder(t *table.Table) func(*op) string {
	key, buffer := t.Copies(1).At(0), []byte(nil)
	return func(o *op) string {
		p := o.entity
		if p == nil {
			t.SetKey(key, o.key)
			p = key
		}
		buffer = t.AppendKeyOf(buffer[:0], p)
		return string(buffer)
	}
}

// clashOf returns the clash of a table whose second write was added first, or
// nil.
func clashOf[K comparable](t *table.Table, by *phase, keyOf func(*op) K) (found *clash) {
	seen := map[K]*op{}
	for _, ops := range by {
		for _, o := range ops {
			if o.table != t || o.kind == creates && !o.hasKey() {
				continue
			}
			key := keyOf(o)
			if other, ok := seen[key]; ok {
				found = found.orEarlier(clashOfTwo(other, o))
			} else {
				seen[key] = o
			}
		}
	}
	return found
}

// orEarlier returns c, or other if its second write was added before that of c.
// Both may be nil.
func (c *clash) orEarlier(other *clash) *clash {
	if c == nil || other != nil && other.second.index < c.second.index {
		return other
	}
	return c
}

// clashOfTwo returns the clash of two writes of one row, nil if they may be
// together: patches are sent in the order of the calls, and of two creates the
// constraint decides, as it does for repositories.
func clashOfTwo(a, b *op) *clash {
	switch {
	case a.kind == b.kind && (a.kind == patches || a.kind == creates):
		return nil
	case a.index > b.index:
		return &clash{b, a}
	}
	return &clash{a, b}
}
