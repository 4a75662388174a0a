package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/batch"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// MaxParallel is how many statements of one call run at the same time.
const MaxParallel = 4

// Parents are rows that relations are loaded into.
type Parents struct{ rows rows }

// Rows returns n structs that lie one after the other as parents.
func Rows(base unsafe.Pointer, size uintptr, n int) Parents {
	return Parents{rows{base: base, size: size, n: n}}
}

// Pointers returns structs that lie anywhere as parents. Nil pointers are left
// out, and a struct that two pointers lead to is loaded once.
func Pointers(pointers []unsafe.Pointer) Parents {
	distinct := make([]unsafe.Pointer, 0, len(pointers))
	seen := make(map[unsafe.Pointer]bool, len(pointers))
	for _, p := range pointers {
		if p != nil && !seen[p] {
			seen[p] = true
			distinct = append(distinct, p)
		}
	}
	return Parents{rows{n: len(distinct), pointers: distinct}}
}

// Loads are loads of the same struct.
type Loads []*Load

// Fill loads into parents. All of it is read on one server.
func Fill(ctx context.Context, db smrt.DB, parents Parents, loads Loads) (err error) {
	db, limits := limit.Below(db)
	call := limit.Enter(&ctx, limits, "preload", "rows")
	defer call.End(&err)
	if err := loads.Check(ctx); err != nil {
		return err
	}
	if call.Priced() {
		call.Ask(loads.Price(call, int64(parents.rows.n), Apart))
	}
	return read(ctx, db, parents, func(on smrt.DB) error { return Run(ctx, on, parents, loads, nil) })
}

// FillAligned loads for parents into fields that are not their own. All of it is
// read on one server.
func FillAligned(ctx context.Context, db smrt.DB, l *Load, parents, fields Parents) (err error) {
	db, limits := limit.Below(db)
	call := limit.Enter(&ctx, limits, "preload", "rows")
	defer call.End(&err)
	if err := (Loads{l}).Check(ctx); err != nil {
		return err
	}
	if call.Priced() {
		call.Ask(l.price(call, int64(parents.rows.n), Apart))
	}
	return read(ctx, db, parents, func(on smrt.DB) error {
		if err := cmp.Or(handle.Check(ctx, on), limit.Of(ctx).Refused()); err != nil {
			return err
		}
		return execute(ctx, on, []job{{load: l, parents: parents.rows, fields: fields.rows}})
	})
}

// read runs a declared read on the server that db chooses, and all of it again
// on another if it fails: a second run sets the same fields. Without parents
// nothing is sent, so that no server is needed.
func read(ctx context.Context, db smrt.DB, parents Parents, run func(on smrt.DB) error) error {
	if parents.rows.n == 0 {
		return run(db)
	}
	return handle.Read(ctx, db, func(on smrt.DB, _ int) (bool, error) { return false, run(on) })
}

// Run loads into rows that were read on db, as a part of the same read. What is
// joined, which may be nil, has been read with them.
func Run(ctx context.Context, db smrt.DB, parents Parents, loads Loads, joined *Joined) error {
	if err := cmp.Or(handle.Check(ctx, db), limit.Of(ctx).Refused()); err != nil {
		return err
	}
	var jobs []job
	if joined != nil {
		var err error
		if jobs, err = joined.finish(ctx, db, parents.rows); err != nil {
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

// Joined returns the loads that travel in the statement of their parents, which
// is for db, nil if there are none.
func (ls Loads) Joined(db smrt.DB) *Joined {
	for _, l := range ls {
		if l != nil && l.inside {
			picked, columns := pickJoined(ls)
			return newJoined(db, picked, columns)
		}
	}
	return nil
}

// Check refuses loads that nest too deep, before anything is sent.
func (ls Loads) Check(ctx context.Context) error {
	for i, l := range ls {
		if l == nil {
			return &smrt.QueryError{Reason: "the zero Load loads nothing: make it with preload.One or preload.Many"}
		}
		if l.height > l.maxDepth {
			return &DepthError{Depth: l.height, Max: l.maxDepth, Relation: l.Link.String()}
		}
		if o := ls[:i].at(l.offset); o != nil {
			return &smrt.QueryError{Reason: fmt.Sprintf("two loads, of %s and of %s, go into the same field %s of %s", o.Link, l.Link, l.field(), l.holder)}
		}
		if err := limit.Of(ctx).Depth(l.height); err != nil {
			return err
		}
	}
	return nil
}

// at returns the load that goes into the field at offset, or nil.
func (ls Loads) at(offset uintptr) *Load {
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
	return fmt.Sprintf("load of %s: %v: %d levels, at most %d; call MaxDepth on the load if that is meant", e.Relation, ErrTooDeep, e.Depth, e.Max)
}

// Unwrap makes errors.Is find [ErrTooDeep].
func (e *DepthError) Unwrap() error { return ErrTooDeep }

// job is one load for some parents.
type job struct {
	load    *Load
	parents rows
	fields  rows // where the results go: offset bytes after the start of each
	offset  uintptr
}

// execute runs jobs and those that follow from them.
func execute(ctx context.Context, db smrt.DB, jobs []job) error {
	if !handle.MayShare(db) {
		return pipelined(ctx, db, jobs)
	}
	return (&parallel{db: db, slots: make(chan struct{}, MaxParallel)}).run(ctx, jobs)
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
	var panicked atomic.Pointer[batch.PanicError]
	for i := range jobs {
		g.Go(func() error {
			// A panic, of a type that reads itself for instance, would end the
			// process here: no caller of ours is below.
			returned := false
			defer func() {
				if !returned {
					panicked.CompareAndSwap(nil, batch.NewPanicError(recover()))
				}
			}()
			err := r.one(ctx, &jobs[i])
			returned = true
			return err
		})
	}
	err := g.Wait()
	if p := panicked.Load(); p != nil {
		panic(p)
	}
	return err
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
	err = w.run(ctx, r.db)
	for again := 0; again < pgerr.MaxReruns && err != nil && (w.mend(ctx, r.db, err) || pgerr.IsOutdated(err)); again++ {
		if w, err = j.prepare(ctx, r.db); err == nil {
			err = w.run(ctx, handle.Unprepared{DB: r.db})
		}
	}
	if err != nil {
		return nil, j.load.core.Fail(ctx, r.db, "preload", err)
	}
	return w.finish(ctx, r.db)
}

// run sends the statement of w by itself, and reads its rows.
func (w *work) run(ctx context.Context, db smrt.DB) error {
	if w.sql == "" {
		return nil
	}
	rows, err := db.Query(ctx, w.sql, meta.Planned(w.args)...)
	if literals := w.load.core.BuildLiterals(ctx, db, err, w.request); literals != nil {
		rows, err = db.Query(ctx, literals.SQL, literals.Args...)
	}
	if err != nil {
		return err
	}
	return w.read(ctx, rows)
}

// mend forgets what an error shows to be wrong of what the load believes of the
// columns. It reports whether the load may be tried again with what is right.
func (w *work) mend(ctx context.Context, db smrt.DB, err error) bool {
	l := w.load
	switch {
	case ctx.Err() != nil:
		return false
	case l.wide != nil && pgerr.IsOutOfRange(err):
		l.narrow.Store(true)
		return w.form != l.wide
	case l.plain != nil || !pgerr.IsOutdated(err):
		return false
	}
	known := l.learnt.Load()
	for _, t := range l.tables() {
		if _, err := t.FreshCatalog(ctx, db); err != nil {
			return false
		}
	}
	fresh, err := l.learn(ctx, db, nil)
	return err == nil && fresh != known
}

// pipelined runs jobs level by level, each level in one round trip: goroutines
// must not share a transaction. A level that fails because of what was prepared or
// learnt is run once more. In a transaction that fails too, and the error says
// that the transaction may be of use another time.
func pipelined(ctx context.Context, db smrt.DB, jobs []job) error {
	for len(jobs) > 0 {
		works, in, err := level(ctx, db, jobs)
		for again := 0; again < pgerr.MaxReruns && pgerr.IsOutdated(err); again++ {
			first := err
			for _, l := range in.tables() {
				l.ForgetCatalog(db, err)
			}
			if works, in, err = level(ctx, handle.Unprepared{DB: db}, jobs); pgerr.IsTxAborted(err) {
				err = &pgerr.OutdatedError{Err: first}
			}
		}
		if err != nil {
			return in.core.Fail(ctx, db, "preload", err)
		}
		jobs = jobs[:0:0]
		for _, w := range works {
			next, err := w.finish(ctx, db)
			if err != nil {
				return err
			}
			jobs = append(jobs, next...)
		}
	}
	return nil
}

// level prepares and runs jobs. It returns the load that failed, if one did.
func level(ctx context.Context, db smrt.DB, jobs []job) (works []*work, failed *Load, err error) {
	works = make([]*work, len(jobs))
	for i := range jobs {
		if works[i], err = jobs[i].prepare(ctx, db); err != nil {
			return nil, jobs[i].load, err
		}
	}
	failed, err = send(ctx, db, works)
	return works, failed, err
}

// send sends the statements of one level and reads their results. It returns the
// load that failed, if one did.
func send(ctx context.Context, db smrt.DB, works []*work) (*Load, error) {
	sent, long := &pgx.Batch{}, false
	for _, w := range works {
		if w.sql != "" {
			sent.Queue(w.sql, w.args...)
			long = long || meta.HasLongList(w.args)
		}
	}
	if sent.Len() == 0 {
		return nil, nil
	}
	results := handle.SendBatch(ctx, db, sent, long)
	defer results.Close() // again, unless a row that is read panics
	var failed error
	var in *work
	for _, w := range works {
		if w.sql == "" || failed != nil {
			continue
		}
		rows, err := results.Query()
		if err == nil {
			err = w.read(ctx, rows)
		} else if rows != nil {
			rows.Close()
		}
		failed, in = err, w
	}
	if err := results.Close(); failed == nil {
		failed, in = err, works[0]
	}
	if failed == nil {
		return nil, nil
	}
	if in.load.wide != nil && pgerr.IsOutOfRange(failed) {
		in.load.narrow.Store(true) // for the next attempt
	}
	return in.load, failed
}
