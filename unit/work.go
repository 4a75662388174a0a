package unit

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/txn"
)

// A write, or a function, is an op from the call that adds it to the flush that
// sends it. Calls return no errors: what is wrong with one is remembered, and the
// flush returns the first of them. A failed flush leaves the ops as they are. A
// flush that succeeds marks them as done and lets go of them, but they stay
// reachable from the Keys that the program holds, which later writes may refer to.

// kind is what happens to a row, or to a set of rows. A function is one too.
type kind uint8

const (
	creates kind = iota
	updates
	patches
	deletes
	updatesWhere
	deletesWhere
	runs

	kinds
)

var kindNames = [...]string{
	creates: "create", updates: "update", patches: "patch", deletes: "delete",
	updatesWhere: "update where", deletesWhere: "delete where", runs: "function",
}

// op is one write that was asked for, or a function.
type op struct {
	kind  kind
	hard  bool // of a delete
	free  bool // of the rules for values
	phase int
	index int // in the order they were added
	table *table.Table

	entity unsafe.Pointer // nil for a patch or a delete by key
	key    unsafe.Pointer // where there is no entity
	where  *setWrite      // of a set of rows
	run    txn.Func       // of a function, which has no table
	sets   []plan.Set
	refs   []reference
	unit   *work
	done   bool // was flushed: the entity has its key

	planned
}

// planned is what the planner finds out about a write.
type planned struct {
	rank     int            // in the order of creating
	late     []*meta.Column // NULL at first
	reserved bool           // the key is drawn beforehand
	needed   bool           // another row gets the key
	setting  string         // that holds the key, empty for none
	at       int32          // its position there, from 1
	owner    plan.Owner     // whose row it is
}

// work is what a Unit is, without types.
type work struct {
	ops   []*op
	phase int
	err   error                  // of the first call that makes no sense
	at    map[unsafe.Pointer]*op // since the last function

	free      bool // what is added is not checked for the rules of its table
	functions int
	busy      bool // its functions run
	base      int  // of a segment: the index of its first op
}

// reset forgets all writes.
func (u *work) reset() { *u = work{free: u.free} }

// fail remembers what is wrong with a call. Flush returns it: so that calls
// need no error handling one by one.
func (u *work) fail(k kind, t *table.Table, index int, err error) {
	if u.err == nil && err != nil {
		u.err = &RowError{Op: kindNames[k], Table: t.Name, Index: index, Err: err}
	}
}

func (u *work) add(o *op) *op {
	if u.refuses() {
		return o
	}
	if o.unit == nil { // not of another unit
		o.free = u.free
	}
	o.unit, o.phase, o.index = u, u.phase, len(u.ops)
	u.ops = append(u.ops, o)
	u.barrier(o)
	return o
}

func (u *work) create(t *plan.Table, p unsafe.Pointer, refs []reference) *op {
	o := &op{kind: creates, table: table.Of(t), entity: p, refs: apart(refs, nil, nil)}
	u.checkCreate(o)
	return u.add(o)
}

// createMany adds the n entities at base. Their ops are one allocation, and
// share refs.
func (u *work) createMany(t *plan.Table, base unsafe.Pointer, n int, refs []reference) []*op {
	of := table.Of(t)
	size := t.Struct.Type.Size()
	block, rows := make([]op, n), make([]*op, n)
	refs = apart(refs, nil, nil)
	for i := range block {
		o := &block[i]
		o.kind, o.table, o.entity, o.refs = creates, of, unsafe.Add(base, uintptr(i)*size), refs
		u.checkCreate(o)
		rows[i] = u.add(o)
	}
	return rows
}

func (u *work) link(p unsafe.Pointer, refs []reference) {
	o, ok := u.at[p]
	if !ok || o.kind != creates {
		if u.err == nil {
			u.err = &smrt.QueryError{Reason: "Link is for an entity that the unit creates, and not before a function"}
		}
		return
	}
	u.refer(o, refs)
}

// refer adds references to a row that was added before.
func (u *work) refer(o *op, refs []reference) {
	if len(refs) > 0 && !u.refuses() {
		var fixed *table.Table
		if o.kind == updates {
			fixed = o.table
		}
		o.refs = append(slices.Clip(o.refs), apart(refs, o.refs, fixed)...) // other rows may share them
		u.checkRefs(o, o.index)
	}
}

func (u *work) checkCreate(o *op) {
	u.checkEntity(o, false)
	u.checkRefs(o, len(u.ops))
}

// checkEntity refuses a second write of the same entity.
func (u *work) checkEntity(o *op, needKey bool) {
	switch err := o.table.CheckWrite(needKey); {
	case err != nil:
		u.fail(o.kind, o.table, len(u.ops), err)
		return
	case o.entity == nil:
		u.fail(o.kind, o.table, len(u.ops), smrt.ErrNilEntity)
		return
	}
	if other, ok := u.at[o.entity]; ok && other.table == o.table {
		u.fail(o.kind, o.table, len(u.ops), &smrt.QueryError{
			Reason: fmt.Sprintf("the unit has a %s of the same entity already: an entity is written once, with the values it has at the flush", kindNames[other.kind]),
		})
		return
	}
	u.enter(o)
}

func (u *work) update(t *plan.Table, p unsafe.Pointer, refs []reference) {
	of := table.Of(t)
	if u.refuses() {
		return
	}
	if o, ok := u.at[p]; ok && p != nil && o.table == of && (o.kind == creates || o.kind == updates) {
		u.refer(o, refs) // it is written already, with the values it has at the flush
		return
	}
	o := &op{kind: updates, table: of, entity: p, refs: apart(refs, nil, of)}
	u.checkEntity(o, true)
	u.checkRefs(o, len(u.ops))
	u.add(o)
}

// patch adds a patch by key. The key and the assignments are copied: the caller
// may change its own.
func (u *work) patch(t *plan.Table, key unsafe.Pointer, sets []plan.Set) {
	o := &op{kind: patches, table: table.Of(t), key: ownKey(t, key), sets: slices.Clone(sets)}
	if err := o.table.CheckWrite(true); err != nil {
		u.fail(o.kind, o.table, len(u.ops), err)
	}
	u.fail(o.kind, o.table, len(u.ops), o.table.CheckSets(sets))
	u.add(o)
}

func (u *work) remove(t *plan.Table, key, entity unsafe.Pointer, hard bool) {
	o := &op{kind: deletes, table: table.Of(t), hard: hard, entity: entity}
	if key != nil {
		o.key = ownKey(t, key)
		if err := o.table.CheckWrite(true); err != nil {
			u.fail(o.kind, o.table, len(u.ops), err)
		}
	} else {
		u.checkEntity(o, true)
	}
	u.add(o)
}

// append takes over the writes of another unit.
func (u *work) append(other *work) {
	first, base := u.phase, len(u.ops)
	for _, o := range other.ops {
		u.phase = first + o.phase
		twin := u.at[o.entity]
		switch {
		case o.entity == nil || twin == nil:
			u.add(o)
		case twin.table == o.table && o.kind == updates && twin.kind != deletes:
			u.refer(twin, o.refs)
		default:
			u.checkEntity(o, false)
			u.add(o)
		}
		if o.entity != nil && twin == nil {
			u.enter(o)
		}
	}
	u.phase = first + other.phase
	if u.err == nil && other.err != nil {
		u.err = other.err
		var row *RowError
		if errors.As(other.err, &row) {
			moved := *row
			moved.Index += base
			u.err = &moved
		}
	}
	other.reset()
}

// enter notes that the entity of o is written.
func (u *work) enter(o *op) {
	if u.busy {
		return
	}
	if u.at == nil {
		u.at = map[unsafe.Pointer]*op{}
	}
	u.at[o.entity] = o
}

// ownKey copies a key that lies in a caller's variable.
func ownKey(t *plan.Table, key unsafe.Pointer) unsafe.Pointer {
	c := reflect.New(t.KeyType)
	c.Elem().Set(reflect.NewAt(t.KeyType, key).Elem())
	return c.UnsafePointer()
}

// value returns the entity of o with its type, for errors.
func (o *op) value() any {
	if o.entity == nil {
		return nil
	}
	return reflect.NewAt(o.table.Struct.Type, o.entity).Interface()
}

// keyValue returns the key of the row, nil if it has none yet.
func (o *op) keyValue() any {
	if o.where != nil || o.table.KeyType == nil || len(o.table.Key) == 0 || o.entity != nil && o.table.KeyIsZero(o.entity) {
		return nil
	}
	key := o.key
	if key == nil {
		k := reflect.New(o.table.KeyType)
		o.table.KeyOf(o.entity, k.UnsafePointer())
		key = k.UnsafePointer()
	}
	return reflect.NewAt(o.table.KeyType, key).Elem().Interface()
}

// phase is the writes of a unit up to a call of Then, by kind. A write of a set of
// rows has one to itself.
type phase [kinds][]*op

// phases splits the writes, and refuses two writes of one row in a phase.
func (u *work) phases() ([]phase, error) {
	first := u.ops[0].phase
	phases := make([]phase, u.ops[len(u.ops)-1].phase-first+1)
	for _, o := range u.ops {
		by := &phases[o.phase-first]
		by[o.kind] = append(by[o.kind], o)
	}
	for i := range phases {
		if err := clashes(&phases[i]); err != nil {
			return nil, err
		}
	}
	return phases, nil
}

// check refuses what no order could mend. It forgets the plan before, and finds
// out whose keys others need. Behind a function, entities may have got their keys
// by then: what is wrong with them is found when their segment is checked.
func (u *work) check() error {
	if u.err != nil {
		return u.err
	}
	for i, o := range u.ops {
		o.index, o.planned = u.base+i, planned{}
	}
	behind := false
	for _, o := range u.ops {
		behind = behind || o.run != nil
		if !behind && (o.kind == updates || o.kind == deletes && o.entity != nil) {
			if err := o.table.NeedKeyValue(o.entity, -1); err != nil {
				return o.failed(err)
			}
		}
		if err := o.checkNone(); err != nil {
			return o.failed(err)
		}
		for _, r := range o.refs {
			switch {
			case r.to.done:
			case r.to.unit != o.unit || !u.has(r.to):
				return o.failed(&smrt.QueryError{Reason: "column " + r.column.Name + " is given the key of a row that was not created in this unit, or was discarded"})
			case r.to.phase > o.phase:
				return o.failed(&smrt.QueryError{Reason: "column " + r.column.Name + " is given the key of a row that is created later, after Then, a write of a set of rows or a function"})
			default:
				r.to.needed = true
			}
		}
	}
	return nil
}

// has reports whether o is one of the writes.
func (u *work) has(o *op) bool {
	i := o.index - u.base
	return i >= 0 && i < len(u.ops) && u.ops[i] == o
}

// failed returns the error of one write.
func (o *op) failed(err error) error {
	return &RowError{Op: kindNames[o.kind], Table: o.table.Name, Index: o.index, Entity: o.value(), Key: o.keyValue(), Err: err}
}

// located names the write that an error is about, where the error names a row
// of a statement, or where the statement has one row only.
func located(err error, ops []*op) error {
	var value *smrt.ValueError
	switch {
	case errors.As(err, &value) && value.Row >= 0 && value.Row < len(ops):
		own := *value
		own.Row = -1
		return ops[value.Row].failed(&own)
	case len(ops) == 1:
		return ops[0].failed(err)
	}
	return err
}

func fieldOf(col *meta.Column, p unsafe.Pointer) reflect.Value {
	return reflect.NewAt(col.Type, unsafe.Add(p, col.Offset)).Elem()
}
