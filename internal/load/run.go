package load

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// MaxParallel is how many statements of one call run at the same time.
const MaxParallel = 4

// Parents are rows that relations are loaded into.
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

// Loads are loads of the same struct.
type Loads []*Load

// Fill loads into parents on one place of db.
func Fill(ctx context.Context, db smrt.DB, parents Parents, loads Loads) error {
	if err := loads.Check(); err != nil {
		return err
	}
	return read(ctx, db, parents, func(on smrt.DB) error { return Run(ctx, on, parents, loads, nil) })
}

// Beside loads for parents, on one place of db, into fields that are not their
// own.
func Beside(ctx context.Context, db smrt.DB, l *Load, parents, fields Parents) error {
	if err := (Loads{l}).Check(); err != nil {
		return err
	}
	return read(ctx, db, parents, func(on smrt.DB) error {
		if err := handle.Check(ctx, on); err != nil {
			return err
		}
		return execute(ctx, on, []job{{load: l, parents: parents.rows, fields: fields.rows}})
	})
}

// read runs a declared read where db sends it, all of it again elsewhere if it
// fails: a second run sets the same fields. Without parents nothing is sent, so
// that no place is needed.
func read(ctx context.Context, db smrt.DB, parents Parents, run func(on smrt.DB) error) error {
	if parents.rows.n == 0 {
		return run(db)
	}
	return handle.Read(ctx, db, func(on smrt.DB, _ int) (bool, error) { return false, run(on) })
}

// Run is a part of a read that has its place: it loads into rows that were found
// there. What is joined, which may be nil, has been read with them.
func Run(ctx context.Context, db smrt.DB, parents Parents, loads Loads, joined *Joined) error {
	if err := handle.Check(ctx, db); err != nil {
		return err
	}
	var jobs []job
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

// Joined are the loads that travel in the statement of their parents, nil if
// there are none.
func (ls Loads) Joined() *Joined {
	for _, l := range ls {
		if l != nil && l.inside {
			return newJoined(pickJoined(ls))
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
			return &DepthError{Depth: l.height, Max: l.maxDepth, Relation: l.Link.String()}
		}
		if o := ls[:i].into(l.offset); o != nil {
			return &smrt.QueryError{Reason: fmt.Sprintf("two loads, of %s and of %s, go into the same field %s of %s", o.Link, l.Link, l.field(), l.holder)}
		}
	}
	return nil
}

// into is the load that goes into the field at offset, or nil.
func (ls Loads) into(offset uintptr) *Load {
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
	load    *Load
	parents rows
	fields  rows // where the results go: offset bytes behind each
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
