package load

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// work is a job that is being done.
type work struct {
	*job
	form   *form
	groups groups
	sql    string // empty: there is nothing to ask
	args   []any

	found  table.List // the rows
	of     []int32    // the group of each
	counts []int64    // of each group, where only a number is asked for
	riders *Joined    // what is loaded with the rows

	decoder meta.Decoder
	records meta.Records // where the rows travel with their parents
	foreign []int        // columns of a record whose type is not known
	refused bool         // the records cannot be read
}

func newWork(j *job) *work {
	return &work{job: j, found: table.List{Of: &j.load.shape.structs}, riders: newJoined(j.load.joined, j.load.subs)}
}

// targets are where the columns of a row go.
func (w *work) targets() []meta.Target {
	if len(w.riders.numbers) == 0 {
		return w.load.shape.targets
	}
	return slices.Concat(w.load.shape.targets, w.riders.numbers)
}

// prepare makes the statement of a job.
func (j *job) prepare(ctx context.Context, db smrt.DB) (*work, error) {
	w := newWork(j)
	w.groups = group(j.load.keys, &j.parents)
	if j.load.into >= ToCount {
		w.counts = make([]int64, w.groups.n)
	}
	if w.groups.n == 0 || j.load.spec.Empty() && j.load.spec.Err == nil {
		return w, nil
	}
	var err error
	if w.form, err = j.load.prepare(ctx, db); err != nil {
		return nil, err
	}
	r, err := j.load.request(w.form, &w.groups)
	if err != nil {
		return nil, err
	}
	st, err := j.load.core.Build(r)
	if err != nil {
		return nil, err
	}
	w.sql, w.args = st.SQL, st.Args
	return w, nil
}

var (
	ordinalColumn = meta.ColumnFor[int64]("ord")
	countColumn   = meta.ColumnFor[int64]("count")
)

// read reads the rows of the statement.
func (w *work) read(result pgx.Rows) error {
	defer result.Close()
	if w.load.into >= ToCount {
		return w.readNumbers(result)
	}
	lead := w.leading()
	targets := w.targets()
	columns := lead.n + len(targets)
	for first := true; result.Next(); first = false {
		if first {
			lead.init(result)
			w.found.Reserve(w.expected())
			w.decoder.InitFrom(w.load.Child.Name, targets, result, lead.n)
			w.riders.Check(result.FieldDescriptions()[columns:])
		}
		if err := lead.read(result); err != nil {
			return err
		}
		row := w.found.Next()
		if err := w.decoder.Row(result, row); err != nil {
			return err
		}
		g := lead.group(w.load.shape.keys, row)
		if g < 0 { // equal to the database, but not byte by byte
			w.found.Drop()
			continue
		}
		w.of = append(w.of, g)
		if err := w.riders.Row(result.TypeMap(), result.RawValues()[columns:]); err != nil {
			return err
		}
	}
	return result.Err()
}

// readNumbers reads how many rows each group has, or which have any.
func (w *work) readNumbers(result pgx.Rows) error {
	lead := w.leading()
	n := int64(1)
	for first := true; result.Next(); first = false {
		if first {
			lead.init(result)
			if w.load.into == ToCount {
				w.decoder.InitFrom(w.load.Child.Name, []meta.Target{{Column: countColumn}}, result, lead.n)
			}
		}
		if err := lead.read(result); err != nil {
			return err
		}
		if w.load.into == ToCount {
			if err := w.decoder.Row(result, unsafe.Pointer(&n)); err != nil {
				return err
			}
		}
		if g := lead.group(nil, nil); g >= 0 {
			w.counts[g] = n
		}
	}
	return result.Err()
}

// lead is what stands in front of each row and says whose it is: the number of
// its parent's group, the columns of a key, or nothing if the row itself holds
// them.
type lead struct {
	*work
	n       int // columns
	decoder meta.Decoder
	targets []meta.Target
	at      unsafe.Pointer // where they are read to
	ordinal int64
}

func (w *work) leading() *lead {
	l := &lead{work: w}
	switch {
	case w.form.ordinal:
		l.targets, l.at = []meta.Target{{Column: ordinalColumn}}, unsafe.Pointer(&l.ordinal)
	case w.form.lead != nil:
		holder := w.load.Child
		if w.load.Via != nil {
			holder = w.load.Via.Table
		}
		l.targets = meta.TargetsOf(columnsOf(w.form.lead), 0)
		l.at = reflect.New(holder.Struct.Type).UnsafePointer()
	}
	l.n = len(l.targets)
	return l
}

func (l *lead) init(result pgx.Rows) {
	if l.n > 0 {
		l.decoder.Init(l.load.Child.Name, l.targets, result, false)
	}
}

func (l *lead) read(result pgx.Rows) error {
	if l.n == 0 {
		return nil
	}
	return l.decoder.Row(result, l.at)
}

// group is the group of the row at p, whose keys lie where keys say; -1 if it
// is none.
func (l *lead) group(keys []Field, p unsafe.Pointer) int32 {
	switch {
	case l.form.ordinal:
		return int32(l.ordinal - 1)
	case l.form.lead != nil:
		keys, p = l.form.lead, l.at
	}
	return l.groups.group(keys, p, false)
}

// expected guesses the number of rows.
func (w *work) expected() int {
	n := int(w.groups.n)
	if !w.load.single {
		n *= 2
	}
	return min(n, 1024)
}

// finish gives the parents their rows, and tells what is to be loaded into
// those.
func (w *work) finish() ([]job, error) {
	if w.load.into >= ToCount {
		w.giveCounts()
		return nil, nil
	}
	// What came with the rows is given to them first: then it moves with them.
	next, err := w.riders.finish(rowsOf(&w.found))
	if err != nil {
		return nil, err
	}
	read := w.found.Len()
	if w.load.into == ToSlice {
		w.giveSlices()
	} else if err := w.giveRows(); err != nil {
		return nil, err
	}
	found := rowsOf(&w.found)
	for _, l := range w.load.nested {
		switch {
		case found.n == 0:
		case !l.inside || w.riders.without(l):
			next = append(next, job{load: l, parents: found, fields: found, offset: l.offset})
		case l.into < ToCount && found.n > read: // the copies would share what came with their originals
			copies := rows{base: found.at(read), size: found.size, n: found.n - read}
			next = append(next, job{load: l, parents: copies, fields: copies, offset: l.offset})
		}
	}
	return next, nil
}

// field is where the result of parent i goes.
func (w *work) field(i int) unsafe.Pointer { return unsafe.Add(w.fields.at(i), w.offset) }

func (w *work) giveCounts() {
	for i, g := range w.groups.of {
		var n int64
		if g >= 0 {
			n = w.counts[g]
		}
		if w.load.into == ToExists {
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
			return w.load.core.Fail(context.Background(), nil, "preload",
				fmt.Errorf("relation %s: %w", w.load.Link, smrt.ErrTooManyRows))
		}
		rowOf[g] = int32(i + 1)
	}
	found := rowsOf(&w.found)
	for i, g := range w.groups.of {
		var row unsafe.Pointer
		if g >= 0 && rowOf[g] != 0 {
			row = found.at(int(rowOf[g] - 1))
		}
		if w.load.into == ToRef {
			*(*Ref)(w.field(i)) = Ref{Row: row, Loaded: true}
		} else {
			*(*unsafe.Pointer)(w.field(i)) = row
		}
	}
	return nil
}

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
