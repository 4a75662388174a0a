package load

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// work is a job that is being done: its statement, then its rows.
type work struct {
	*job
	form   *form
	groups groups
	sql    string // empty: there is nothing to ask
	args   []any

	request *plan.Request

	found  table.List // the rows
	of     []int32    // the group of each
	counts []int64    // of each group, where only a number is asked for
	joined *Joined    // what is loaded with the rows

	decoder meta.Decoder
	records meta.Records // where the rows travel with their parents
	refused bool         // the records cannot be read
}

func newWork(db smrt.DB, j *job) *work {
	return &work{job: j, found: table.List{Of: &j.load.shape.structs}, joined: newJoined(db, j.load.joined, j.load.joinedColumns)}
}

// targets says where the columns of a row go.
func (w *work) targets() []meta.Target {
	if len(w.joined.numbers) == 0 {
		return w.load.shape.targets
	}
	return slices.Concat(w.load.shape.targets, w.joined.numbers)
}

// prepare makes the statement of a job.
func (j *job) prepare(ctx context.Context, db smrt.DB) (*work, error) {
	w := newWork(db, j)
	w.groups = groupsOf(j.load.keys, &j.parents)
	if j.load.into >= IntoCount {
		w.counts = make([]int64, w.groups.n)
	}
	if w.groups.n == 0 || j.load.spec.Empty() && j.load.spec.Err == nil {
		return w, nil
	}
	call := limit.Of(ctx)
	err := call.Send(1)
	if err != nil {
		call.Sent() // the parents were read
		return nil, err
	}
	call.Spend(j.load.points())
	if w.form, err = j.load.learn(ctx, db, &w.groups); err != nil {
		return nil, err
	}
	r, err := j.load.request(w.form, &w.groups)
	if err != nil {
		return nil, err
	}
	st, err := j.load.core.Build(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := call.Planned(db, st.SQL); err != nil {
		call.Sent() // the parents were read
		return nil, err
	}
	w.sql, w.args, w.request = st.SQL, st.Args, r
	return w, nil
}

var (
	ordinalColumn = meta.ColumnFor[int64]("ord")
	countColumn   = meta.ColumnFor[int64]("count")
)

// read reads the rows of the statement.
func (w *work) read(ctx context.Context, result pgx.Rows) error {
	result = limit.Of(ctx).Load(result)
	defer result.Close()
	if w.load.into >= IntoCount {
		return w.readNumbers(result)
	}
	by, targets := w.grouper(), w.targets()
	columns := len(by.targets) + len(targets)
	for first := true; result.Next(); first = false {
		if first {
			by.init(w.load.Child.Name, result)
			w.found.Reserve(w.expected())
			w.decoder.InitFrom(w.load.Child.Name, targets, result, len(by.targets))
			w.joined.Check(result.FieldDescriptions()[columns:])
		}
		row := w.found.Next()
		if err := w.decoder.Row(result, row); err != nil {
			return err
		}
		g, err := by.group(result, row)
		if err != nil {
			return err
		}
		if g < 0 { // equal to the database, but not byte by byte
			w.found.Drop()
			continue
		}
		w.of = append(w.of, g)
		if err := w.joined.Row(result.TypeMap(), result.RawValues()[columns:]); err != nil {
			return err
		}
	}
	return result.Err()
}

// readNumbers reads how many rows each group has, or which have any.
func (w *work) readNumbers(result pgx.Rows) error {
	by := w.grouper()
	n := int64(1)
	for first := true; result.Next(); first = false {
		if first {
			by.init(w.load.Child.Name, result)
			if w.load.into == IntoCount {
				w.decoder.InitFrom(w.load.Child.Name, []meta.Target{{Column: countColumn}}, result, len(by.targets))
			}
		}
		if w.load.into == IntoCount {
			if err := w.decoder.Row(result, unsafe.Pointer(&n)); err != nil {
				return err
			}
		}
		g, err := by.group(result, nil)
		if err != nil {
			return err
		}
		if g >= 0 {
			w.counts[g] = n
		}
	}
	return result.Err()
}

// grouper finds the group of parents that a row belongs to. It knows it by what
// stands in front of the row: the number of the group, or the columns of a key.
// If nothing stands there, the row itself holds its key.
type grouper struct {
	index   *index
	targets []meta.Target // of what stands in front
	decoder meta.Decoder
	front   unsafe.Pointer // where that is read to
	ordinal int64
	keys    []Field // where the key lies: in front, or in the row; nil: there is only a number
}

func (w *work) grouper() *grouper {
	g := &grouper{index: w.groups.index, keys: w.load.shape.keys}
	switch {
	case w.form.ordinal:
		g.keys, g.targets, g.front = nil, []meta.Target{{Column: ordinalColumn}}, unsafe.Pointer(&g.ordinal)
	case w.form.leading != nil:
		holder := w.load.Child
		if w.load.Via != nil {
			holder = w.load.Via.Table
		}
		g.keys, g.targets = w.form.leading, meta.TargetsOf(columnsOf(w.form.leading), 0)
		g.front = reflect.New(holder.Struct.Type).UnsafePointer()
	}
	return g
}

func (g *grouper) init(table string, result pgx.Rows) {
	if g.front != nil {
		g.decoder.Init(table, g.targets, result, false)
	}
}

// group returns the group of the current row, which was read to row, or -1 if it
// belongs to none.
func (g *grouper) group(result pgx.Rows, row unsafe.Pointer) (int32, error) {
	if g.front != nil {
		row = g.front
		if err := g.decoder.Row(result, row); err != nil {
			return -1, err
		}
	}
	if g.keys == nil {
		return int32(g.ordinal - 1), nil
	}
	return g.index.group(g.keys, row, false), nil
}

// expected guesses the number of rows.
func (w *work) expected() int {
	n := int(w.groups.n)
	if !w.load.single {
		n *= 2
	}
	return min(n, 1024)
}

// finish gives the parents their rows, and returns what is to be loaded into
// those.
func (w *work) finish(ctx context.Context, db smrt.DB) ([]job, error) {
	if w.load.into >= IntoCount {
		w.giveCounts()
		return nil, nil
	}
	// What came with the rows is given to them first: then it moves with them.
	next, err := w.joined.finish(ctx, db, rowsOf(&w.found))
	if err != nil {
		return nil, err
	}
	read := w.found.Len()
	if w.load.into == IntoSlice {
		w.giveSlices()
	} else if err := w.giveRows(); err != nil {
		return nil, w.load.core.Fail(ctx, db, "preload", err)
	}
	found := rowsOf(&w.found)
	for _, l := range w.load.nested {
		switch {
		case found.n == 0:
		case !l.inside || w.joined.without(l):
			next = append(next, job{load: l, parents: found, fields: found, offset: l.offset})
		case l.into < IntoCount && found.n > read: // the copies would share what came with their originals
			copies := rows{base: found.at(read), size: found.size, n: found.n - read}
			next = append(next, job{load: l, parents: copies, fields: copies, offset: l.offset})
		}
	}
	return next, nil
}

// field returns where the result of parent i goes.
func (w *work) field(i int) unsafe.Pointer { return unsafe.Add(w.fields.at(i), w.offset) }

func (w *work) giveCounts() {
	for i, g := range w.groups.of {
		var n int64
		if g >= 0 {
			n = w.counts[g]
		}
		if w.load.into == IntoExists {
			*(*bool)(w.field(i)) = n > 0
		} else {
			*(*int64)(w.field(i)) = n
		}
	}
}

// giveRows gives each parent the one row of its group.
func (w *work) giveRows() error {
	rowOf := make([]int32, w.groups.n) // from 1; 0: none
	for i, g := range w.of {
		if rowOf[g] != 0 {
			return &severalError{w.load.Link}
		}
		rowOf[g] = int32(i + 1)
	}
	found := rowsOf(&w.found)
	for i, g := range w.groups.of {
		var row unsafe.Pointer
		if g >= 0 && rowOf[g] != 0 {
			row = found.at(int(rowOf[g] - 1))
		}
		if w.load.into == IntoRef {
			*(*Ref)(w.field(i)) = Ref{Row: row, Loaded: true}
		} else {
			*(*unsafe.Pointer)(w.field(i)) = row
		}
	}
	return nil
}

// severalError says that a relation to one row leads to several. It is a type of
// its own, because a value that pgx cannot encode is an error of fmt.Errorf.
type severalError struct{ link *Link }

func (e *severalError) Error() string {
	return fmt.Sprintf("relation %s: %v", e.link, smrt.ErrTooManyRows)
}

func (e *severalError) Unwrap() error { return smrt.ErrTooManyRows }

// giveSlices gives each parent the rows of its group as a part of one slice.
// Its capacity ends with it, so that appending to one parent's rows does not
// touch another's. Two parents of one group have a copy each.
func (w *work) giveSlices() {
	start, count := grouped(&w.found, w.of, int(w.groups.n))
	taken := make([]bool, w.groups.n)
	copies := 0
	for _, g := range w.groups.of {
		if g >= 0 {
			if taken[g] {
				copies += int(count[g])
			}
			taken[g] = true
		}
	}
	clear(taken)
	w.found.Reserve(copies) // before addresses are taken
	for i, g := range w.groups.of {
		from, n := int32(0), int32(0)
		if g >= 0 {
			from, n = start[g], count[g]
			if taken[g] {
				from = int32(w.found.Repeat(int(from), int(n)))
			}
			taken[g] = true
		}
		*(*table.Slice)(w.field(i)) = w.found.Part(int(from), int(n))
	}
}

// grouped returns where the rows of each group begin and how many they are. It
// moves them if those of a group do not lie together, in the order in which they
// came.
func grouped(found *table.List, of []int32, groups int) (start, count []int32) {
	both := make([]int32, 2*groups)
	start, count = both[:groups:groups], both[groups:]
	together := true
	for i, g := range of {
		if count[g] == 0 {
			start[g] = int32(i)
		} else {
			together = together && of[i-1] == g
		}
		count[g]++
	}
	if together {
		return start, count
	}
	at := int32(0)
	for g := range start {
		start[g], at = at, at+count[g]
	}
	next := append([]int32{}, start...)
	found.Arrange(func(i int) int {
		g := of[i]
		next[g]++
		return int(next[g] - 1)
	})
	return start, count
}
