package crud

import (
	"cmp"
	"context"
	"math"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/keyset"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/traced"
)

// getAlone reads the row with the key at key into a new struct.
func (b *Bound) getAlone(ctx context.Context, key unsafe.Pointer) (p unsafe.Pointer, err error) {
	p, err = b.getOnce(ctx, key)
	for on := b.anew(err, 0); on != nil; {
		var next error
		p, next = on.getOnce(ctx, key)
		err, on = better(err, next), on.anew(next, 0)
	}
	return p, err
}

func (b *Bound) getOnce(ctx context.Context, key unsafe.Pointer) (unsafe.Pointer, error) {
	if err := b.Table.NeedKey(ctx, b.DB); err != nil {
		return nil, err
	}
	args, err := b.Table.KeyArgs(key)
	if err != nil {
		return nil, err
	}
	of, err := b.Table.OwnKeys(ctx, b.Table.Keys(key, 1), true)
	if err != nil {
		return nil, err
	}
	if len(b.Rows.Exprs) > 0 { // whose values are part of the statement
		return b.onlyHere(ctx, b.Table.KeySpec(args))
	}
	rows, err := b.DB.Query(ctx, b.Rows.GetOf(of), of.AppendArg(args)...)
	if err != nil {
		return nil, b.Table.Explain(ctx, b.DB, err, args, b.Table.KeyParts)
	}
	return b.readOne(limit.Of(ctx).Sized(nil, rows))
}

// readOne reads the only row of a result. It closes the rows also if a Scan of
// the program panics.
func (b *Bound) readOne(rows pgx.Rows) (unsafe.Pointer, error) {
	defer rows.Close()
	if !rows.Next() {
		rows.Close()
		if err := rows.Err(); err != nil {
			return nil, err
		}
		return nil, smrt.ErrNotFound
	}
	var d meta.Decoder
	d.Init(b.Table.Name, b.Rows.Targets, rows, true)
	p := b.Rows.One()
	if err := d.Row(rows, p); err != nil {
		return nil, err
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// maxPrealloc bounds what is allocated before a row has been seen.
const maxPrealloc = 128

// start makes room for some of the rows of a query, as far as its limit tells.
func start(l *table.List, s *plan.Spec) {
	if s = s.OrEmpty(); s.HasLimit && s.Limit >= 0 {
		l.Most = int(min(s.Limit, math.MaxInt32))
	}
	l.Start(min(l.Most, maxPrealloc))
}

// theOnly returns the result of a read of one row, of which n were found.
func theOnly(p unsafe.Pointer, n int, err error) (unsafe.Pointer, error) {
	switch {
	case err != nil:
	case n == 0:
		err = smrt.ErrNotFound
	case n > 1:
		err = smrt.ErrTooManyRows
	default:
		return p, nil
	}
	return nil, err
}

// onlyHere reads the only row that matches into a new struct.
func (b *Bound) onlyHere(ctx context.Context, s *plan.Spec) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	n := 0
	err := b.query(ctx, s, func() unsafe.Pointer {
		n++
		p = b.Rows.One()
		return p
	})
	return theOnly(p, n, err)
}

// query runs a query and reads its rows to where next says.
func (b *Bound) query(ctx context.Context, s *plan.Spec, next func() unsafe.Pointer) error {
	n, err := b.queryOnce(ctx, s, next)
	for on := b.anew(err, n); on != nil; {
		var again error
		n, again = on.queryOnce(ctx, s, next)
		err, on = better(err, again), on.anew(again, n)
	}
	return err
}

func (b *Bound) queryOnce(ctx context.Context, s *plan.Spec, next func() unsafe.Pointer) (n int, err error) {
	rows, err := b.open(ctx, b.request(s))
	if rows == nil {
		return 0, err
	}
	if n, err = b.each(rows, b.Rows.Targets, next); err != nil {
		return n, b.Table.ExplainSpec(ctx, b.DB, err, s)
	}
	return n, nil
}

// request selects rows.
func (b *Bound) request(s *plan.Spec) *plan.Request {
	return &plan.Request{Verb: plan.Select, List: b.Rows.List, Exprs: b.Rows.Exprs, Spec: s}
}

// open runs a query. Rows and error are nil when no row can match.
func (b *Bound) open(ctx context.Context, r *plan.Request) (pgx.Rows, error) {
	return b.openBeyond(ctx, r, 0)
}

// openBeyond is open for a query that asks for so many more rows than its caller,
// as that of a page does, which asks for one more. A limit of rows is that of the
// caller. Whoever reads the result finds an error in its place at the row that is one
// too many, and no row after it.
func (b *Bound) openBeyond(ctx context.Context, r *plan.Request, beyond int64) (pgx.Rows, error) {
	if err := handle.Check(ctx, b.DB); err != nil {
		return nil, err
	}
	call := limit.Of(ctx)
	r, err := limitRows(call, r, beyond)
	if err != nil {
		return nil, err
	}
	st, err := b.Table.Build(ctx, r)
	if err != nil || r.Spec.Empty() && (r.Groups == nil || r.Groups.Keyed()) {
		return nil, b.Table.Named(err)
	}
	if err := call.Operands(st.Args); err != nil {
		return nil, err
	}
	if err := call.Planned(b.DB, st.SQL); err != nil {
		return nil, err
	}
	rows, err := b.DB.Query(ctx, st.SQL, withMode(r.Spec, st.Args)...)
	if literals := b.Table.BuildLiterals(ctx, b.DB, err, r); literals != nil {
		rows, err = b.DB.Query(ctx, literals.SQL, withMode(r.Spec, literals.Args)...)
	}
	if err != nil {
		return nil, b.Table.ExplainSpec(ctx, b.DB, err, r.Spec)
	}
	return call.Result(rows, beyond), nil
}

// limitRows refuses a query that asks for too many rows. One that does not say how
// many gets a limit that shows whether there are too many. The rows of an envelope
// are those of the keys in it, which were counted before.
func limitRows(call *limit.Call, r *plan.Request, beyond int64) (*plan.Request, error) {
	if err := call.Refused(); err != nil {
		return r, err
	}
	if call == nil || r.Envelope != nil || r.Groups != nil && !r.Groups.Keyed() {
		return r, nil
	}
	s := r.Spec.OrEmpty()
	if r.Groups != nil {
		s = r.Groups.Spec
	}
	asked := int64(0)
	if s.HasLimit {
		asked = max(s.Limit-beyond, 0)
	}
	most, err := call.Limit(asked)
	if err != nil || s.HasLimit || most == 0 {
		return r, err
	}
	limited, s := *r, s.WithLimit(int(min(most, math.MaxInt)))
	if limited.Spec = s; r.Groups != nil {
		groups := *r.Groups
		groups.Spec, limited.Groups, limited.Spec = s, &groups, r.Spec
	}
	return &limited, nil
}

// withMode puts the query's exec mode where pgx looks for it.
func withMode(s *plan.Spec, args []any) []any {
	if s.Mode == 0 {
		return meta.Planned(args)
	}
	return append([]any{s.Mode}, args...)
}

// each reads all rows to where next says, counts and closes them. The decoder is
// made for the first row, because the format of the columns is not known before.
func (b *Bound) each(rows pgx.Rows, targets []meta.Target, next func() unsafe.Pointer) (n int, err error) {
	defer rows.Close()
	var d meta.Decoder
	for ; rows.Next(); n++ {
		if n == 0 {
			d.Init(b.Table.Name, targets, rows, false)
		}
		if err := d.Row(rows, next()); err != nil {
			return n + 1, err
		}
	}
	return n, rows.Err()
}

// scalar runs a query whose result is one row and scans it.
func (b *Bound) scalar(ctx context.Context, r *plan.Request, dst ...any) error {
	return b.again(func(on *Bound) error { return on.scalarOnce(ctx, r, dst) })
}

func (b *Bound) scalarOnce(ctx context.Context, r *plan.Request, dst []any) error {
	if err := handle.Check(ctx, b.DB); err != nil {
		return err
	}
	st, err := b.Table.Build(ctx, r)
	if err != nil {
		return b.Table.Named(err)
	}
	call := limit.Of(ctx)
	if err := cmp.Or(call.Refused(), call.Operands(st.Args)); err != nil {
		return err
	}
	if err := call.Planned(b.DB, st.SQL); err != nil {
		return err
	}
	err = call.First(ctx, b.DB, st.SQL, withMode(r.Spec, st.Args)...).Scan(dst...)
	if literals := b.Table.BuildLiterals(ctx, b.DB, err, r); literals != nil {
		err = call.First(ctx, b.DB, literals.SQL, withMode(r.Spec, literals.Args)...).Scan(dst...)
	}
	if err != nil {
		return b.Table.ExplainSpec(ctx, b.DB, err, r.Spec)
	}
	return nil
}

// stream reads rows one by one into the struct that next gives, until yield
// says stop.
func (b *Bound) stream(ctx context.Context, s *plan.Spec, next func() unsafe.Pointer, yield func() bool) error {
	n := 0
	count := func() unsafe.Pointer {
		n++
		return next()
	}
	err := b.streamOnce(ctx, s, count, yield)
	for on := b.anew(err, n); on != nil; {
		again := on.streamOnce(ctx, s, count, yield)
		err, on = better(err, again), on.anew(again, n)
	}
	return err
}

func (b *Bound) streamOnce(ctx context.Context, s *plan.Spec, next func() unsafe.Pointer, yield func() bool) error {
	rows, err := b.open(ctx, b.request(s))
	if rows == nil {
		return err
	}
	ended := false
	defer func() {
		if !ended { // also when the caller's loop panics
			stop(ctx, rows)
		}
	}()
	var d meta.Decoder
	for first := true; rows.Next(); first = false {
		if first {
			traced.OfRows(rows).Streams()
			limit.Of(ctx).Streams()
			d.Init(b.Table.Name, b.Rows.Targets, rows, false)
		}
		if err := d.Row(rows, next()); err != nil {
			return err
		}
		if !yield() {
			return nil
		}
	}
	ended = true
	return rows.Err()
}

// stop ends a result before its end, which is no error for those who observe.
func stop(ctx context.Context, rows pgx.Rows) {
	traced.OfRows(rows).Stop()
	handle.Stop(ctx, rows)
}

// ordered returns s with an order, so that "the first row" means something:
// its own, the table's, or that of the key.
func (b *Bound) ordered(s *plan.Spec) *plan.Spec {
	if len(s.Order) > 0 || !s.Unordered && len(b.Table.DefaultOrder) > 0 || len(b.Table.Key) == 0 {
		return s
	}
	ordered := s.Clone()
	ordered.Order = keyset.TotalOrder(b.Table.Table.Table, s)
	return ordered
}

// count counts the rows that match.
func (b *Bound) count(ctx context.Context, s *plan.Spec) (n int64, err error) {
	s = s.OrEmpty()
	if s.Lock != plan.NoLock {
		return 0, &smrt.QueryError{Reason: "rows that are counted cannot be locked"}
	}
	if s.Empty() && s.Err == nil && ctx != nil {
		_, err = b.Table.Owner(ctx)
		return 0, err
	}
	err = b.scalar(ctx, &plan.Request{Verb: plan.Count, Spec: s}, &n)
	return n, err
}

// exists reports whether a row matches.
func (b *Bound) exists(ctx context.Context, s *plan.Spec) (ok bool, err error) {
	s = s.OrEmpty()
	if s.Empty() && s.Err == nil && ctx != nil {
		_, err = b.Table.Owner(ctx)
		return false, err
	}
	err = b.scalar(ctx, &plan.Request{Verb: plan.Exists, Spec: s}, &ok)
	return ok, err
}

// sendWrite sends a write, whose rows go to read, which is nil if there are none.
func (b *Bound) sendWrite(ctx context.Context, sql string, args []any, read func(pgx.Rows) (int, error)) (int64, error) {
	if read == nil {
		tag, err := b.DB.Exec(ctx, sql, args...)
		return tag.RowsAffected(), err
	}
	rows, err := b.DB.Query(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	n, err := read(rows)
	return int64(n), err
}
