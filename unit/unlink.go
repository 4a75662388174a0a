package unit

import (
	"slices"

	"github.com/smrt-go/smrt/internal/crud"
)

// unlinking is in which order rows can be deleted: those that refer to others
// first. Where tables refer to each other in a ring, or where the rows of a
// table that refers to itself take several statements, no order will do.
type unlinking struct {
	order    []*crud.Core
	loose    []*crud.ForeignKey // to be set to NULL before
	deferred []*crud.ForeignKey // to be checked at the end
	closed   []*CycleError      // rings without either; if rows are in one the server will object
}

func unlink(gone []*op, keys []crud.ForeignKey) unlinking {
	var u unlinking
	removed := map[*crud.ForeignKey]bool{}
	for i := range keys {
		if k := &keys[i]; k.From == k.To {
			removed[k] = true // one statement deletes rows that refer to each other
			if several(gone, k.From) {
				u.open(k)
			}
		}
	}
	for {
		g := newGraph(gone)
		for i := range keys {
			if k := &keys[i]; !removed[k] {
				g.link(k.From, k.To)
			}
		}
		u.order = u.order[:0]
		var ring []*crud.Core
		for _, tables := range g.components() {
			if len(tables) > 1 && ring == nil {
				for _, t := range tables {
					ring = append(ring, g.tables[t])
				}
			}
			for _, t := range tables {
				u.order = append(u.order, g.tables[t])
			}
		}
		if ring == nil {
			slices.Reverse(u.order)
			return u
		}
		within := inside(keys, removed, ring)
		if i := slices.IndexFunc(within, u.open); i >= 0 {
			removed[within[i]] = true
			continue
		}
		u.closed = append(u.closed, cycleOf(within))
		for _, k := range within {
			removed[k] = true
		}
	}
}

// open takes a foreign key out of the way, if that can be done. A constraint
// that cascades would act at the end of the statement and not be deferred.
func (u *unlinking) open(k *crud.ForeignKey) bool {
	switch {
	case k.Deferrable && !k.Cascades:
		u.deferred = append(u.deferred, k)
	case len(k.Loose) > 0:
		u.loose = append(u.loose, k)
	default:
		return false
	}
	return true
}

// several tells whether the rows of a table are deleted by several statements.
func several(gone []*op, core *crud.Core) bool {
	var rows []*op
	for _, o := range gone {
		if o.core == core {
			rows = append(rows, o)
		}
	}
	return len(rows) > crud.MaxChunk || len(removals(rows)) > 1
}

// inside are the foreign keys between tables of a ring.
func inside(keys []crud.ForeignKey, removed map[*crud.ForeignKey]bool, ring []*crud.Core) []*crud.ForeignKey {
	var within []*crud.ForeignKey
	for i := range keys {
		if k := &keys[i]; !removed[k] && slices.Contains(ring, k.From) && slices.Contains(ring, k.To) {
			within = append(within, k)
		}
	}
	return within
}

// cycleOf follows foreign keys until a table comes again. Each table of a ring
// refers to another one.
func cycleOf(keys []*crud.ForeignKey) *CycleError {
	var path []*crud.ForeignKey
	at := keys[0].From
	for {
		if start := slices.IndexFunc(path, func(k *crud.ForeignKey) bool { return k.From == at }); start >= 0 {
			e := &CycleError{}
			for _, k := range path[start:] {
				e.Tables, e.Constraints = append(e.Tables, k.From.Name), append(e.Constraints, k.Name)
			}
			return e
		}
		next := keys[slices.IndexFunc(keys, func(k *crud.ForeignKey) bool { return k.From == at })]
		path, at = append(path, next), next.To
	}
}
