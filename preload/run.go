package preload

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/scope"
)

// MaxParallel is how many statements of one call run at the same time, each on
// a connection of its own, where the handle lends connections.
const MaxParallel = 4

// Fill loads relations into rows, wherever they came from: a repository, a
// query of sqlc, or the program itself. It sends one statement for each load
// whatever the number of rows, none for one whose rows have no key. Those that
// do not wait for one another run in parallel on a pool, and in one round trip
// on a transaction or a connection.
//
// If a statement fails the others are given up, and the fields of rows are
// filled in part.
func Fill[V any](ctx context.Context, db smrt.DB, vs []V, loads ...Load[V]) error {
	return Run(ctx, db, Rows(unsafe.Pointer(unsafe.SliceData(vs)), unsafe.Sizeof(*new(V)), len(vs)), Untyped(loads), nil)
}

// FillPointers is [Fill] for rows that lie behind pointers. A nil pointer is left
// out.
func FillPointers[V any](ctx context.Context, db smrt.DB, vs []*V, loads ...Load[V]) error {
	return Run(ctx, db, Places(unsafe.Slice((*unsafe.Pointer)(unsafe.Pointer(unsafe.SliceData(vs))), len(vs))), Untyped(loads), nil)
}

// Parents is for smrt's own packages: rows that relations are loaded into.
type Parents struct{ rows rows }

// Rows are n structs that lie one behind the other.
func Rows(base unsafe.Pointer, size uintptr, n int) Parents {
	return Parents{rows{base: base, size: size, n: n}}
}

// Places are structs that lie anywhere. Where two places are the same, the
// struct is loaded once.
func Places(places []unsafe.Pointer) Parents {
	distinct := make([]unsafe.Pointer, 0, len(places))
	seen := make(map[unsafe.Pointer]bool, len(places))
	for _, p := range places {
		if p != nil && !seen[p] {
			seen[p] = true
			distinct = append(distinct, p)
		}
	}
	return Parents{rows{n: len(distinct), places: distinct}}
}

// Loads is for smrt's own packages: loads without their type.
type Loads []*load

// Untyped is for smrt's own packages.
func Untyped[V any](loads []Load[V]) Loads { return *(*Loads)(unsafe.Pointer(&loads)) }

// Run is for smrt's own packages: it is what [Fill] does. The joined loads of
// riders, which may be nil, have been read with the parents.
func Run(ctx context.Context, db smrt.DB, parents Parents, loads Loads, riders crud.Riders) error {
	if err := scope.Check(ctx, db); err != nil {
		return err
	}
	if err := loads.Check(); err != nil {
		return err
	}
	var jobs []job
	joined, _ := riders.(*carried)
	if joined != nil {
		var err error
		if jobs, err = joined.finish(parents.rows); err != nil {
			return err
		}
	}
	for _, l := range loads {
		if joined == nil || !l.inside || joined.without(l) {
			jobs = append(jobs, job{load: l, parents: parents.rows, fields: parents.rows, offset: l.offset})
		}
	}
	return execute(ctx, db, jobs)
}

// Joined is for smrt's own packages: the loads that travel in the statement of
// their parents, nil if there are none.
func (ls Loads) Joined() crud.Riders {
	for _, l := range ls {
		if l != nil && l.inside {
			return newCarried(joined(ls))
		}
	}
	return nil
}

// Check refuses loads that nest too deep, before anything is sent.
func (ls Loads) Check() error {
	for i, l := range ls {
		if l == nil {
			return &smrt.QueryError{Reason: "the zero Load loads nothing: make it with preload.One or preload.Many"}
		}
		if l.height > l.maxDepth {
			return &DepthError{Depth: l.height, Max: l.maxDepth, Relation: l.link.String()}
		}
		if o := ls[:i].into(l.offset); o != nil {
			return &smrt.QueryError{Reason: fmt.Sprintf("two loads, of %s and of %s, go into the same field", o.link, l.link)}
		}
	}
	return nil
}

// into is the load that goes into the field at offset, or nil.
func (ls Loads) into(offset uintptr) *load {
	for _, l := range ls {
		if l.offset == offset {
			return l
		}
	}
	return nil
}

// ErrTooDeep says that loads nest deeper than allowed.
var ErrTooDeep = errors.New("loads nest too deep")

// DepthError is the [ErrTooDeep] of a load.
type DepthError struct {
	Depth, Max int
	Relation   string // that of the outermost load
}

// Error implements error.
func (e *DepthError) Error() string {
	return fmt.Sprintf("smrt: load of %s: %v: %d levels, at most %d; call MaxDepth on the load if that is meant", e.Relation, ErrTooDeep, e.Depth, e.Max)
}

// Unwrap makes errors.Is find [ErrTooDeep].
func (e *DepthError) Unwrap() error { return ErrTooDeep }

// job is one load for some parents.
type job struct {
	load    *load
	parents rows
	fields  rows // where the results go: offset bytes behind each
	offset  uintptr
}

// execute runs jobs and those that follow from them.
func execute(ctx context.Context, db smrt.DB, jobs []job) error {
	if !concurrent(db) {
		return pipelined(ctx, db, jobs)
	}
	return (&parallel{db: db, slots: make(chan struct{}, MaxParallel)}).run(ctx, jobs)
}

// concurrent tells whether goroutines may use db at the same time.
func concurrent(db smrt.DB) bool {
	_, ok := db.(*snapshot)
	return ok || crud.Pooled(db)
}

// parallel runs jobs on connections of their own.
type parallel struct {
	db    smrt.DB
	slots chan struct{} // one for each statement that runs
}

func (r *parallel) run(ctx context.Context, jobs []job) error {
	if len(jobs) == 1 { // the one at hand needs no goroutine
		return r.one(ctx, &jobs[0])
	}
	g, ctx := errgroup.WithContext(ctx)
	for i := range jobs {
		g.Go(func() error { return r.one(ctx, &jobs[i]) })
	}
	return g.Wait()
}

// one runs a job and, when its statement is done, those that follow.
func (r *parallel) one(ctx context.Context, j *job) error {
	next, err := r.statement(ctx, j)
	if err != nil || len(next) == 0 {
		return err
	}
	return r.run(ctx, next)
}

func (r *parallel) statement(ctx context.Context, j *job) ([]job, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w, err := j.prepare(ctx, r.db)
	if err != nil {
		return nil, j.load.core.Fail(ctx, r.db, "preload", err)
	}
	if w.sql != "" {
		rows, err := r.db.Query(ctx, w.sql, w.args...)
		if err == nil {
			err = w.read(rows)
		}
		if err != nil {
			return nil, j.load.core.Fail(ctx, r.db, "preload", err)
		}
	}
	return w.finish()
}

// pipelined runs jobs level by level, each level in one round trip: goroutines
// must not share a transaction.
func pipelined(ctx context.Context, db smrt.DB, jobs []job) error {
	for len(jobs) > 0 {
		works := make([]*work, len(jobs))
		for i := range jobs {
			w, err := jobs[i].prepare(ctx, db)
			if err != nil {
				return jobs[i].load.core.Fail(ctx, db, "preload", err)
			}
			works[i] = w
		}
		if err := send(ctx, db, works); err != nil {
			return err
		}
		jobs = jobs[:0:0]
		for _, w := range works {
			next, err := w.finish()
			if err != nil {
				return err
			}
			jobs = append(jobs, next...)
		}
	}
	return nil
}

// send sends the statements of one level and reads their results.
func send(ctx context.Context, db smrt.DB, works []*work) error {
	batch := &pgx.Batch{}
	for _, w := range works {
		if w.sql != "" {
			batch.Queue(w.sql, w.args...)
		}
	}
	if batch.Len() == 0 {
		return nil
	}
	results := db.SendBatch(ctx, batch)
	var failed error
	var in *work
	for _, w := range works {
		if w.sql == "" || failed != nil {
			continue
		}
		rows, err := results.Query()
		if err == nil {
			err = w.read(rows)
		} else if rows != nil {
			rows.Close()
		}
		failed, in = err, w
	}
	if err := results.Close(); failed == nil {
		failed, in = err, works[0]
	}
	if failed != nil {
		return in.load.core.Fail(ctx, db, "preload", failed)
	}
	return nil
}

// work is a job that is being done.
type work struct {
	*job
	form   *form
	groups groups
	sql    string // empty: there is nothing to ask
	args   []any

	found  memory   // the rows
	of     []int32  // the group of each
	counts []int64  // of each group, where only a number is asked for
	riders *carried // what is loaded with the rows

	decoder meta.Decoder
	records meta.Records // where the rows travel with their parents
	foreign []int        // columns of a record whose type is not known
	refused bool         // the records cannot be read
}

func newWork(j *job) *work {
	return &work{job: j, found: newMemory(j.load.shape.row), riders: newCarried(j.load.joined, j.load.subs)}
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
	if j.load.into >= toCount {
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
	if w.load.into >= toCount {
		return w.readNumbers(result)
	}
	lead := w.leading()
	targets := w.targets()
	columns := lead.n + len(targets)
	for first := true; result.Next(); first = false {
		if first {
			lead.init(result)
			w.found.reserve(w.expected())
			w.decoder.InitFrom(w.load.child.Name, targets, result, lead.n)
			w.riders.Check(result.FieldDescriptions()[columns:])
		}
		if err := lead.read(result); err != nil {
			return err
		}
		row := w.found.next()
		if err := w.decoder.Row(result, row); err != nil {
			return err
		}
		g := lead.group(w.load.shape.keys, row)
		if g < 0 { // equal to the database, but not byte by byte
			w.found.drop()
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
			if w.load.into == toCount {
				w.decoder.InitFrom(w.load.child.Name, []meta.Target{{Column: countColumn}}, result, lead.n)
			}
		}
		if err := lead.read(result); err != nil {
			return err
		}
		if w.load.into == toCount {
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
		holder := w.load.child
		if w.load.via != nil {
			holder = w.load.via.table
		}
		l.targets = meta.TargetsOf(columnsOf(w.form.lead), 0)
		l.at = reflect.New(holder.Struct.Type).UnsafePointer()
	}
	l.n = len(l.targets)
	return l
}

func (l *lead) init(result pgx.Rows) {
	if l.n > 0 {
		l.decoder.Init(l.load.child.Name, l.targets, result, false)
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
func (l *lead) group(keys []field, p unsafe.Pointer) int32 {
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
	if w.load.into >= toCount {
		w.giveCounts()
		return nil, nil
	}
	// What came with the rows is given to them first: then it moves with them.
	next, err := w.riders.finish(w.found.rows())
	if err != nil {
		return nil, err
	}
	read := w.found.s.len
	if w.load.into == toSlice {
		w.giveSlices()
	} else if err := w.giveRows(); err != nil {
		return nil, err
	}
	found := w.found.rows()
	for _, l := range w.load.nested {
		switch {
		case found.n == 0:
		case !l.inside || w.riders.without(l):
			next = append(next, job{load: l, parents: found, fields: found, offset: l.offset})
		case l.into < toCount && found.n > read: // the copies would share what came with their originals
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
		if w.load.into == toExists {
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
				fmt.Errorf("relation %s: %w", w.load.link, smrt.ErrTooManyRows))
		}
		rowOf[g] = int32(i + 1)
	}
	found := w.found.rows()
	for i, g := range w.groups.of {
		var row unsafe.Pointer
		if g >= 0 && rowOf[g] != 0 {
			row = found.at(int(rowOf[g] - 1))
		}
		if w.load.into == toRef {
			*(*ref)(w.field(i)) = ref{row: row, loaded: true}
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
	start, count := w.found.grouped(w.of, int(w.groups.n))
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
	w.found.reserve(copies) // before addresses are taken
	for i, g := range w.groups.of {
		from, n := int32(0), int32(0)
		if g >= 0 {
			from, n = start[g], count[g]
			if taken[g] {
				from = w.found.repeat(from, n)
			}
			taken[g] = true
		}
		*(*slice)(w.field(i)) = w.found.part(int(from), int(n))
	}
}
