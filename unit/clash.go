package unit

import (
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/table"
)

// clash is two writes of one row that are not separated by Then. Whichever came
// last would win, and an entity would no longer be what its row is.
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

// clashes looks for them in a phase.
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
		var err error
		if t.IntKey() { // needs no encoding: one allocation less for each row
			err = clashesOf(t, by, (*op).intKey)
		} else {
			key, buffer := t.Copies(1).At(0), []byte(nil)
			err = clashesOf(t, by, func(o *op) string {
				p := o.entity
				if p == nil {
					t.SetKey(key, o.key)
					p = key
				}
				buffer = t.AppendKeyOf(buffer[:0], p)
				return string(buffer)
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clashesOf returns the error of the first write of a table that meets another.
func clashesOf[K comparable](t *table.Table, by *phase, keyOf func(*op) K) error {
	seen := map[K]*op{}
	var found *clash
	for _, ops := range by {
		for _, o := range ops {
			if o.table != t || o.kind == creates && !o.hasKey() {
				continue
			}
			key := keyOf(o)
			other, ok := seen[key]
			if !ok {
				seen[key] = o
			} else if c := meet(other, o); c != nil && (found == nil || c.second.index < found.second.index) {
				found = c
			}
		}
	}
	if found == nil {
		return nil
	}
	return found.second.failed(found)
}

// meet returns the clash of two writes of one row, nil if they may be together:
// patches are sent in the order of the calls, and of two creates the constraint
// decides, as it does for repositories.
func meet(a, b *op) *clash {
	switch {
	case a.kind == b.kind && (a.kind == patches || a.kind == creates):
		return nil
	case a.index > b.index:
		return &clash{b, a}
	}
	return &clash{a, b}
}
