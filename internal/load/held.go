package load

import (
	"fmt"
	"reflect"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// held is the key of a relation in rows that are not of its table, such as those of a
// query of sqlc. The statements are those of the relation: only where the keys of
// parents lie is another place.
type held struct {
	by   reflect.Type
	keys []Field
}

// rows returns what r leads from, and where that holds the key.
func (r *Relation) rows() (reflect.Type, []Field) {
	if r.held != nil {
		return r.held.by, r.held.keys
	}
	return r.parent, r.Outer
}

// By returns r for rows of type row that hold, in a field of type field, what a row of
// r's table has in the column that r begins at. It panics if they do not.
func (r *Relation) By(row, field reflect.Type, access meta.Accessor) *Relation {
	to := r.keyTable(row)
	offset, err := meta.Locate(row, access)
	if err != nil {
		panic(fmt.Sprintf("smrt: relation %s by the key of %s: %v", r, row, err))
	}
	return r.heldBy(&held{row, Single(meta.NewColumn(r.Outer[0].column.Name, field, offset), to)})
}

// ByParts is By for keys of several columns, of which the parts make a key.
func (r *Relation) ByParts(row, key reflect.Type, parts []meta.KeyPart) *Relation {
	to := r.keyTable(row)
	if to.KeyType != key {
		panic(fmt.Sprintf("smrt: relation %s by the key of %s: the parts make a %s, and the key of %s is a %s", r, row, key, to.Name, to.KeyType))
	}
	return r.heldBy(&held{row, Composite(parts, to)})
}

// keyTable returns the table whose key r begins at, or refers to.
func (r *Relation) keyTable(row reflect.Type) *plan.Table {
	switch {
	case r == nil:
		panic(fmt.Sprintf("smrt: relation by the key of %s: the relation has its zero value", row))
	case r.Steps != nil:
		return r.Steps.Of.keyTable(row)
	case r.Kind == BelongsTo:
		return r.Child
	}
	return r.parents
}

// BelongsTo is the kind of a relation whose parents hold the key of a related row.
const BelongsTo = "belongs-to"

func (r *Relation) heldBy(h *held) *Relation {
	c := *r
	c.held = h
	return &c
}

// condition returns the error of a condition on rows that are of no table.
func (h *held) condition() error {
	if h == nil {
		return nil
	}
	return &smrt.QueryError{Reason: fmt.Sprintf("a relation by the key that %s holds is for loads: in conditions and orders use the relation of the table", h.by)}
}
