package unit

import (
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// kind is what happens to a row.
type kind uint8

const (
	creates kind = iota
	updates
	patches
	deletes
)

var kindNames = [...]string{creates: "create", updates: "update", patches: "patch", deletes: "delete"}

// reference is a column that gets the key of another row.
type reference struct {
	column *meta.Column
	to     *op
}

// op is one write that was asked for.
type op struct {
	kind  kind
	hard  bool // of a delete
	phase int
	index int // in the order they were added
	core  *table.Table

	entity unsafe.Pointer // nil for a patch or a delete by key
	key    unsafe.Pointer // where there is no entity
	sets   []plan.Set
	refs   []reference
	unit   *work
	done   bool // was flushed: the entity has its key

	// Of the plan in the making.
	rank  int
	late  []*meta.Column // NULL at first
	drawn bool           // the key is drawn beforehand
	group *group
	at    int    // in its group
	slot  int    // in the keys drawn for its table
	draw  string // the setting that holds them
	kept  bool   // a later phase needs its key
}

// work is what a Unit is, without types.
type work struct {
	ops   []*op
	phase int
	err   error // of the first call that makes no sense
	at    map[unsafe.Pointer]*op

	flushed *before // by a transaction that was joined and has not ended
}

func (u *work) reset() { *u = work{flushed: u.flushed} }

// fail remembers what is wrong with a call. Flush returns it: so that calls need
// no error handling one by one.
func (u *work) fail(k kind, t *table.Table, index int, err error) {
	if u.err == nil && err != nil {
		u.err = &RowError{Op: kindNames[k], Table: t.Name, Index: index, Err: err}
	}
}

func (u *work) add(o *op) *op {
	o.unit, o.phase, o.index = u, u.phase, len(u.ops)
	u.ops = append(u.ops, o)
	return o
}

func (u *work) create(t *plan.Table, p unsafe.Pointer, refs []reference) *op {
	o := &op{kind: creates, core: table.Of(t), entity: p, refs: slices.Clone(refs)}
	u.checkCreate(o)
	return u.add(o)
}

func (u *work) createMany(t *plan.Table, base unsafe.Pointer, n int, refs []reference) []*op {
	core := table.Of(t)
	size := t.Struct.Type.Size()
	block, rows := make([]op, n), make([]*op, n)
	refs = slices.Clone(refs)
	for i := range block {
		o := &block[i]
		o.kind, o.core, o.entity, o.refs = creates, core, unsafe.Add(base, uintptr(i)*size), refs
		u.checkCreate(o)
		rows[i] = u.add(o)
	}
	return rows
}

func (u *work) link(p unsafe.Pointer, refs []reference) {
	o, ok := u.at[p]
	if !ok || o.kind != creates {
		if u.err == nil {
			u.err = &smrt.QueryError{Reason: "Link is for an entity that the unit creates"}
		}
		return
	}
	u.refer(o, refs)
}

// refer adds references to a row that was added before.
func (u *work) refer(o *op, refs []reference) {
	if len(refs) > 0 {
		o.refs = append(slices.Clone(o.refs), refs...) // other rows may share them
		u.checkRefs(o, o.index)
	}
}

func (u *work) checkCreate(o *op) {
	u.checkEntity(o, false)
	u.checkRefs(o, len(u.ops))
}

// checkRefs refuses references of the write with the given index that can never
// be made.
func (u *work) checkRefs(o *op, index int) {
	for i, r := range o.refs {
		reason := ""
		switch {
		case r.column == nil:
			reason = "a Reference needs a column: take it from unit.Refer"
		case r.to == nil:
			reason = "the zero Key is that of no row: take it from unit.Create"
		case len(r.to.core.Key) != 1:
			reason = "a reference needs a row whose key is one column"
		case !o.core.Writes(r.column):
			reason = "column " + r.column.Name + " is computed and cannot be written"
		case o.kind == updates && o.core.IsKey(r.column):
			reason = "column " + r.column.Name + " is the key, which an update does not change"
		case slices.ContainsFunc(o.refs[:i], func(other reference) bool { return other.column == r.column }):
			reason = "column " + r.column.Name + " is given two keys"
		default:
			continue
		}
		u.fail(o.kind, o.core, index, &smrt.QueryError{Reason: reason})
	}
}

// checkEntity refuses a second write of the same entity.
func (u *work) checkEntity(o *op, needKey bool) {
	switch err := o.core.CheckWrite(needKey); {
	case err != nil:
		u.fail(o.kind, o.core, len(u.ops), err)
		return
	case o.entity == nil:
		u.fail(o.kind, o.core, len(u.ops), smrt.ErrNilEntity)
		return
	}
	if u.at == nil {
		u.at = map[unsafe.Pointer]*op{}
	}
	if other, ok := u.at[o.entity]; ok && other.core == o.core {
		u.fail(o.kind, o.core, len(u.ops), &smrt.QueryError{
			Reason: fmt.Sprintf("the unit has a %s of the same entity already: an entity is written once, with the values it has at the flush", kindNames[other.kind]),
		})
		return
	}
	u.at[o.entity] = o
}

func (u *work) update(t *plan.Table, p unsafe.Pointer, refs []reference) {
	core := table.Of(t)
	if o, ok := u.at[p]; ok && p != nil && o.core == core && (o.kind == creates || o.kind == updates) {
		u.refer(o, refs) // it is written already, with the values it has at the flush
		return
	}
	o := &op{kind: updates, core: core, entity: p, refs: slices.Clone(refs)}
	u.checkEntity(o, true)
	u.checkRefs(o, len(u.ops))
	u.add(o)
}

func (u *work) patch(t *plan.Table, key unsafe.Pointer, sets []plan.Set) {
	o := &op{kind: patches, core: table.Of(t), key: ownKey(t, key), sets: slices.Clone(sets)}
	if err := o.core.CheckWrite(true); err != nil {
		u.fail(o.kind, o.core, len(u.ops), err)
	}
	u.fail(o.kind, o.core, len(u.ops), o.core.CheckSets(sets))
	u.add(o)
}

func (u *work) remove(t *plan.Table, key, entity unsafe.Pointer, hard bool) {
	o := &op{kind: deletes, core: table.Of(t), hard: hard, entity: entity}
	if key != nil {
		o.key = ownKey(t, key)
		if err := o.core.CheckWrite(true); err != nil {
			u.fail(o.kind, o.core, len(u.ops), err)
		}
	} else {
		u.checkEntity(o, true)
	}
	u.add(o)
}

// ownKey copies a key that lies in a caller's variable.
func ownKey(t *plan.Table, key unsafe.Pointer) unsafe.Pointer {
	c := reflect.New(t.KeyType)
	c.Elem().Set(reflect.NewAt(t.KeyType, key).Elem())
	return c.UnsafePointer()
}

// value is the entity behind o, typed, for errors.
func (o *op) value() any {
	if o.entity == nil {
		return nil
	}
	return reflect.NewAt(o.core.Struct.Type, o.entity).Interface()
}

// keyValue is the key of the row, nil if it has none yet.
func (o *op) keyValue() any {
	if o.core.KeyType == nil || len(o.core.Key) == 0 || o.entity != nil && o.core.KeyIsZero(o.entity) {
		return nil
	}
	key := o.key
	if key == nil {
		k := reflect.New(o.core.KeyType)
		o.core.KeyOf(o.entity, k.UnsafePointer())
		key = k.UnsafePointer()
	}
	return reflect.NewAt(o.core.KeyType, key).Elem().Interface()
}

func fieldOf(col *meta.Column, p unsafe.Pointer) reflect.Value {
	return reflect.NewAt(col.Type, unsafe.Add(p, col.Offset)).Elem()
}
